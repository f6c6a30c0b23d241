"""What is fetched from a maildrop and deleted there, without a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from termmail.model.account import KeepKind, KeepPolicy
from termmail.model.maildrop import KnownUidl, Whereabouts
from termmail.sync.maildrop_plan import Listed, to_delete, to_fetch

NOW = 1_800_000_000.0
POLICIES = [KeepPolicy(), KeepPolicy(KeepKind.DAYS, 7), KeepPolicy(KeepKind.UNTIL_DELETED), KeepPolicy(KeepKind.NONE)]
_known = st.builds(
    KnownUidl, st.just("a"), st.integers(1, 3), st.integers(int(NOW) - 20 * 86400, int(NOW)),
    st.sampled_from(Whereabouts), st.booleans(),
)  # fmt: skip


def known(where: Whereabouts = Whereabouts.HERE, *, days_ago: float = 0, doubtful: bool = False) -> KnownUidl:
    return KnownUidl("a", 10, int(NOW - days_ago * 86400), where, doubtful)


def test_newest_first_and_trouble_last() -> None:
    listed = [Listed(number, f"u{number}", 10) for number in range(1, 6)]
    wanted = to_fetch(listed, {"u2": known()}, {"u5"})
    assert [one.number for one in wanted] == [4, 3, 1, 5]


def test_another_mail_under_an_old_uidl() -> None:
    assert to_fetch([Listed(1, "a", 11)], {"a": known()}) != []
    assert to_fetch([Listed(1, "a", 10)], {"a": known()}) == []
    assert to_fetch([Listed(1, "a", 10)], {"a": known(Whereabouts.LOST)}) != []
    assert to_fetch([Listed(1, "a", 10)], {"a": known(Whereabouts.DELETED)}) == []


@pytest.mark.parametrize(
    ("mail", "gone_by"),
    [
        (known(), {KeepKind.NONE}),
        (known(days_ago=8), {KeepKind.NONE, KeepKind.DAYS}),
        (known(Whereabouts.TRASH), {KeepKind.NONE, KeepKind.UNTIL_DELETED}),
        (known(Whereabouts.DELETED, days_ago=7), {KeepKind.NONE, KeepKind.UNTIL_DELETED, KeepKind.DAYS}),
        (known(days_ago=8, doubtful=True), set()),
        (known(Whereabouts.DELETED, doubtful=True), {KeepKind.UNTIL_DELETED}),
        (known(Whereabouts.LOST, days_ago=99), set()),
    ],
)
def test_policies(mail: KnownUidl, gone_by: set[KeepKind]) -> None:
    listed = [Listed(1, "a", 10)]
    assert {policy.kind for policy in POLICIES if to_delete(listed, {"a": mail}, policy, NOW)} == gone_by


@given(_known | st.none(), st.integers(1, 3), st.booleans(), st.sampled_from(POLICIES))
def test_nothing_is_deleted_that_is_to_be_fetched(
    mail: KnownUidl | None, size: int, own: bool, policy: KeepPolicy
) -> None:
    """L3, L9: nor anything that is not known, nor what has no UIDL of its own."""
    listed = [Listed(1, "a", size, own)]
    here = {} if mail is None else {"a": mail}
    deleted = to_delete(listed, here, policy, NOW)
    assert not (deleted and to_fetch(listed, here))
    assert not deleted or (own and mail is not None and policy.kind is not KeepKind.FOREVER)
