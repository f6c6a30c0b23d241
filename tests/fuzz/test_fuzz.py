"""P15: a short while of fuzzing each target, and all that was ever found. `make fuzz` does it for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.mutation import mutated
from fuzz.run import FOUND, NAMES
from fuzz.seeds import seeds
from fuzz.targets import TARGETS

_STARTS: dict[str, list[bytes]] = {}


def starts(target: str) -> list[bytes]:
    if target not in _STARTS:
        _STARTS[target] = list(seeds(target))
    return _STARTS[target]


def test_every_target_is_run() -> None:
    assert set(NAMES) == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_themselves(target: str) -> None:
    for seed in starts(target):
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_each_target_for_a_while(target: str, data: st.DataObject) -> None:
    TARGETS[target](data.draw(mutated(starts(target))))


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
@pytest.mark.timeout(60)
def test_what_was_found_once(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())
