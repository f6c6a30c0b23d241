"""The second step: IMAP or POP3, what stays where, and, folded away, the servers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from termmail.accounts.account_tables import default_port
from termmail.model.account import KeepKind, KeepPolicy, OfflineKind, OfflinePolicy, Protocol, Security
from termmail.model.setup import CheckPart
from termmail.setup import field_checks
from termmail.setup.account_draft import SERVICES, AccountDraft, ServerDraft
from termmail.setup.field_checks import Remark, tidy
from termmail.setup.offer import protocol_offers, server_words, servers_to_confirm, troubles
from termmail.ui.text import one_line
from termmail.ui.wizard.facts import DOUBTFUL, OPEN, Fact, Facts
from termmail.ui.wizard.form import LABEL_CELLS, FormField, Option, Options, Segments
from termmail.ui.wizard.step import Hint, Step

_DAYS = "30"
_SECURITY = ((Security.TLS, "TLS"), (Security.STARTTLS, "STARTTLS"), (Security.NONE, "none"))
_NAMES = {"imap": "IMAP server", "pop3": "POP3 server", "smtp": "Sends by"}
_OFFLINE = (
    (OfflineKind.ALL, "all mail"),
    (OfflineKind.DAYS, "the last days"),
    (OfflineKind.ON_DEMAND, "what I open"),
)
_KEEP = (
    (KeepKind.FOREVER, "kept for ever"),
    (KeepKind.DAYS, "kept some days"),
    (KeepKind.UNTIL_DELETED, "until I delete it here"),
    (KeepKind.NONE, "removed at once"),
)


class _ServerFields(Vertical):
    """Name, port and encryption of one server."""

    DEFAULT_CSS = "_ServerFields { height: auto; margin-bottom: 1; }"

    def __init__(self, service: str, draft: ServerDraft, *, required: bool) -> None:
        super().__init__()
        self.service = service
        check: Callable[[str], Remark | None] = field_checks.check_host
        self.host = FormField(
            f"{service}-host",
            _NAMES[service],
            check if required else lambda text: check(text) if tidy(text) else None,
            value=draft.host,
            placeholder="" if required else "nothing: the account only receives",
        )
        self.port = FormField(f"{service}-port", "Port", self._check_port, value=draft.port or self._usual(draft))
        self.security = Segments("Encryption", _SECURITY, draft.security)

    def compose(self) -> ComposeResult:
        yield self.host
        yield self.port
        yield self.security

    def _check_port(self, text: str) -> Remark | None:
        if not tidy(self.host.value):
            return None
        return field_checks.check_security(self.security.value, self.host.value) or field_checks.check_port(
            text, self.service, self.security.value
        )

    def fill(self, draft: ServerDraft) -> None:
        """Show another server."""
        self.security.show(draft.security)
        self.host.value, self.port.value = draft.host, draft.port or self._usual(draft)
        self.port.look()

    def collect(self, before: ServerDraft) -> ServerDraft:
        """What stands here; one that was changed is a person's."""
        now = ServerDraft(self.host.value, self.port.value, self.security.value)
        known = msgspec.structs.replace(before, guess=None, pin_sha256="", port=before.port or self._usual(before))
        if known == now:
            return before
        # The certificate was accepted for this host, at whichever port.
        return msgspec.structs.replace(now, pin_sha256=before.pin_sha256) if now.host == before.host else now

    def _usual(self, draft: ServerDraft) -> str:
        return str(default_port(self.service, draft.security))

    def security_chosen(self) -> None:
        """The port follows, where it was the usual one."""
        usual = {str(default_port(self.service, security)) for security, _ in _SECURITY}
        if tidy(self.port.value) in usual:
            self.port.value = str(default_port(self.service, self.security.value))
        self.port.look()


class MailStep(Step):
    """The better answer is chosen already; Enter takes it."""

    enter_moves = False

    def __init__(self, draft: AccountDraft) -> None:
        super().__init__()
        self._question = Facts([Fact("How should mail come to this computer?", "bright")])
        self._state = Facts(id="mail-state")
        self.details = Vertical(id="details")
        self.details.display = False
        self.protocol: Options[Protocol] = Options(_options(draft, self), draft.protocol, id="protocol")
        self.offline = Segments("Kept here", _OFFLINE, draft.offline.kind, id="offline")
        self.keep = Segments("On the server", _KEEP, draft.keep.kind, id="keep")
        days = draft.offline.days if draft.protocol is Protocol.IMAP else draft.keep.days
        self.days = FormField("days", "Days", field_checks.check_days, value=str(days) if days else _DAYS)
        self._sending = Facts(id="sending", column=LABEL_CELLS + 1)
        self.servers = {
            service: _ServerFields(service, getattr(draft, service), required=service != "smtp") for service in SERVICES
        }
        self.user = FormField("user", "User name", self._check_user, value=draft.user)
        self.ca_file = FormField(
            "ca_file", "Authority", field_checks.check_file, value=draft.ca_file, placeholder="none but the usual"
        )
        self.proxy = FormField("proxy", "Proxy", field_checks.check_proxy, value=draft.proxy, placeholder="none")
        self.account_name = FormField("name", "Called here", self._check_name, value=draft.name)
        self._filled: AccountDraft | None = None
        self._confirmed = ""

    def compose(self) -> ComposeResult:
        yield self._question
        yield self._state
        yield self.protocol
        yield Facts()
        yield self.offline
        yield self.keep
        yield self.days
        yield self._sending
        with self.details:
            yield from self.servers.values()
            yield self.user
            yield self.proxy
            yield self.ca_file
            yield self.account_name
        self.details.styles.height = "auto"

    def _check_user(self, text: str) -> Remark | None:
        return field_checks.check_user(text) if tidy(text) else None

    def _check_name(self, text: str) -> Remark | None:
        before = self.wizard.before
        taken = [
            account.name for account in self.wizard.config.accounts if before is None or account.name != before.name
        ]
        return field_checks.check_account_name(text, taken)

    # what is shown

    def opened(self) -> None:
        self.wizard.focus_on(self.protocol)
        self.looked()

    def looked(self) -> None:
        if not self.is_mounted:
            return
        draft = self.wizard.draft
        if draft != self._filled:
            self._filled = draft
            self.protocol.value = draft.protocol
            for service, fields in self.servers.items():
                fields.fill(getattr(draft, service))
            self.user.value, self.proxy.value, self.ca_file.value = draft.user, draft.proxy, draft.ca_file
            self.account_name.value = draft.name
        found_nothing = not self.wizard.is_looking and not tidy(draft.incoming.host)
        if found_nothing and not self.details.display and self.wizard.step is self:
            self.details.display = True
            self.wizard.focus_on(self._server.host)
        self._show()

    def _show(self) -> None:
        """All that depends on what is chosen and found."""
        wizard, draft = self.wizard, self.wizard.draft
        self.protocol.show(_options(draft, self))
        imap = draft.protocol is Protocol.IMAP
        self.offline.display, self.keep.display = imap, not imap
        self.days.display = self.offline.value is OfflineKind.DAYS if imap else self.keep.value is KeepKind.DAYS
        self.servers["imap"].display, self.servers["pop3"].display = imap, not imap
        self.account_name.display = wizard.before is None
        self._state.show(self._state_facts())
        self._state.display = bool(self._state.facts)
        sends = (
            server_words(draft.smtp) if tidy(draft.smtp.host) else "no server for sending: this account only receives"
        )
        self._sending.display = not self.details.display and bool(tidy(draft.incoming.host))
        self._sending.show(
            [
                Fact(sends, "muted" if tidy(draft.smtp.host) else "warning", "Sends by"),
                Fact(one_line(tidy(draft.user) or draft.email), "muted", "Signs in as"),
            ]
        )

    def _state_facts(self) -> list[Fact]:
        wizard, draft = self.wizard, self.wizard.draft
        if wizard.is_looking:
            domain = one_line(wizard.looked_up.rpartition("@")[2])
            return [Fact(f"Looking for the servers of {domain} …", "warning", "", OPEN, "warning")]
        if wizard.lookup_failed:
            return [Fact(one_line(wizard.lookup_failed), "error", "", DOUBTFUL, "error")]
        facts = []
        if not tidy(draft.incoming.host):
            facts.append(
                Fact(
                    "No server was found. Type its name below; your provider's help pages have it under “IMAP settings”.",
                    "warning", "", DOUBTFUL, "warning",
                )
            )  # fmt: skip
        elif wizard.discovery is not None:
            facts += [
                Fact(words, "warning", "", DOUBTFUL, "warning") for words in troubles(wizard.discovery, draft.protocol)
            ]
        question = servers_to_confirm(draft)
        if question:
            facts.append(Fact(question, "warning", "", DOUBTFUL, "warning"))
        return facts

    def hints(self) -> tuple[Hint, ...]:
        return (("F4", "fold the details" if self.details.display else "servers, ports, user", "f4"),)

    def enter_words(self) -> str:
        question = servers_to_confirm(self.wizard.draft)
        return "yes, they are" if question and question == self._confirmed else "next"

    def key(self, key: str) -> bool:
        if key != "f4":
            return False
        self._open_details(not self.details.display)
        return True

    def _open_details(self, is_open: bool) -> None:
        self.details.display = is_open
        self.scroll_home(animate=False)
        self._show()
        self.wizard.focus_on(self._server.host if is_open else self.protocol)

    @property
    def _server(self) -> _ServerFields:
        return self.servers[self.wizard.draft.protocol.value]

    def reveal(self, field: FormField) -> None:
        if not self.details.display and self.details in field.ancestors:
            self.details.display = True
            self._show()

    # what is typed

    def chosen(self, control: Widget) -> None:
        server = next((fields for fields in self.servers.values() if fields.security is control), None)
        if server is not None:
            server.security_chosen()
        self._collect(by_person=control is self.protocol)
        self._show()

    def field_changed(self, field: FormField) -> None:
        self._collect()
        self._show()

    def _collect(self, *, by_person: bool = False) -> None:
        before = self.wizard.draft
        days = tidy(self.days.value)
        number = int(days) if not field_checks.check_days(days) else 0
        draft = msgspec.structs.replace(
            before,
            protocol=self.protocol.value,
            protocol_given=before.protocol_given or by_person,
            offline=OfflinePolicy(self.offline.value, number if self.offline.value is OfflineKind.DAYS else 0),
            keep=KeepPolicy(self.keep.value, number if self.keep.value is KeepKind.DAYS else 0),
            user=self.user.value,
            ca_file=self.ca_file.value,
            proxy=self.proxy.value,
            name=self.account_name.value,
            **{service: fields.collect(getattr(before, service)) for service, fields in self.servers.items()},
        )
        self.wizard.draft = self._filled = draft

    def fields(self) -> list[FormField]:
        server, smtp = self._server, self.servers["smtp"]
        fields = [server.host, server.port, smtp.host, smtp.port, self.user, self.proxy, self.ca_file]
        if self.days.display:
            fields.insert(0, self.days)
        return fields if self.wizard.before is not None else [*fields, self.account_name]

    def leaving(self) -> bool:
        self._collect()
        question = servers_to_confirm(self.wizard.draft)
        if question and question != self._confirmed:
            self._confirmed = question
            self.wizard.say("Enter says yes. F4 changes the servers.", "warning")
            self.wizard.show_hints()
            return False
        return True

    def complain(self, part: CheckPart, sentence: str, *, field: str = "host") -> None:
        """A server had something against what stands here."""
        fields = self.servers["smtp" if part is CheckPart.SENDING else self.wizard.draft.protocol.value]
        target = {"host": fields.host, "port": fields.port, "user": self.user}[field]
        target.complain(sentence)
        self.reveal(target)
        self.wizard.focus_on(target)


def _options(draft: AccountDraft, step: MailStep) -> list[Option[Protocol]]:
    discovery = step.wizard.discovery if step.is_mounted else None
    return [
        Option(
            offer.protocol,
            {Protocol.IMAP: "IMAP", Protocol.POP3: "POP3"}[offer.protocol],
            () if step.details.display else tuple(words for words in (offer.meaning, offer.here) if words),
            "suggested" if offer.better else "",
        )
        for offer in protocol_offers(draft, discovery)
    ]
