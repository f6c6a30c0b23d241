"""The first step: who one is. The servers are looked up meanwhile."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.timer import Timer

from termmail.model.setup import Source, SourceState
from termmail.setup.account_draft import AccountDraft
from termmail.setup.field_checks import check_address, check_full_name, tidy
from termmail.ui.text import one_line
from termmail.ui.wizard.facts import BAD, BLANK, DOUBTFUL, GOOD, OPEN, Fact, Facts
from termmail.ui.wizard.form import FormField
from termmail.ui.wizard.step import Hint, Step

_PAUSE_SECONDS = 0.7
"""Without a key for so long, an address counts as typed."""

SOURCE_NAMES = {
    Source.PROVIDERS: "known providers",
    Source.DOMAIN: "its own settings",
    Source.DATABASE: "ISP database",
    Source.SRV: "DNS: services",
    Source.MX: "DNS: mail hosts",
    Source.PROBE: "usual names",
}
_MARKS = {
    SourceState.LOOKING: (OPEN, "muted"),
    SourceState.FOUND: (GOOD, "good"),
    SourceState.NOTHING: (OPEN, "faint"),
    SourceState.FAILED: (DOUBTFUL, "warning"),
}


class PersonStep(Step):
    """Address first, so that the name is typed while the lookup runs."""

    def __init__(self, draft: AccountDraft) -> None:
        super().__init__()
        self.email = FormField("email", "Address", check_address, value=draft.email, placeholder="lisa@example.org")
        self.full_name = FormField("full_name", "Your name", check_full_name, value=draft.full_name)
        self._sources = Facts(id="sources")
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        changing = self.wizard.before is not None
        yield Facts(
            [
                Fact("Who are you?", "bright"),
                Fact(
                    "Your address and your name, as others see them."
                    + ("" if changing else " The servers are looked up by the address.")
                ),
            ]
        )
        yield self.email
        yield self.full_name
        yield self._sources

    def opened(self) -> None:
        self.wizard.focus_on(self.email if not self.email.value or self.email.is_wrong else self.full_name)
        self.looked()

    def hints(self) -> tuple[Hint, ...]:
        found: list[Hint] = []
        if self.wizard.looked_up and not self.wizard.is_looking:
            found.append(("F5", "look again", "f5"))
        if self.wizard.demo:
            found.append(("F2", "sample mail instead", "f2"))
        if self.wizard.config.accounts and self.wizard.is_first_screen:
            found.append(("F3", "accounts", "f3"))
        return tuple(found)

    def key(self, key: str) -> bool:
        if key == "f5":
            self.wizard.look_up_again()
        elif key == "f2" and self.wizard.demo:
            self.wizard.mail_app.run_demo()
        elif key == "f3" and self.wizard.is_first_screen:
            self.wizard.mail_app.open_accounts()
        else:
            return False
        return True

    # the lookup

    def field_changed(self, field: FormField) -> None:
        if field is not self.email:
            return
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE_SECONDS, self._look_up)

    def field_left(self, field: FormField) -> None:
        if field is self.email:
            self._look_up()

    def _look_up(self) -> None:
        if not self.email.is_wrong and not (
            self.wizard.before is not None and self.email.value == self.email.first_value
        ):
            self.wizard.look_up(tidy(self.email.value))

    def looked(self) -> None:
        wizard = self.wizard
        address = wizard.looked_up
        if not address:
            self._sources.show([])
            return
        domain = one_line(address.rpartition("@")[2])
        facts = [Fact(f"The servers of {domain}", "heading"), BLANK]
        for source in Source:
            report = wizard.reports.get(source)
            if report is not None:
                mark, tone = _MARKS[report.state]
                words_tone = "text" if report.state is SourceState.FOUND else "muted"
                facts.append(Fact(one_line(report.sentence), words_tone, SOURCE_NAMES[source], mark, tone))
        if wizard.lookup_failed:
            facts.append(Fact(one_line(wizard.lookup_failed), "error", "", BAD, "error"))
        elif wizard.discovery is not None and not wizard.discovery.found_any:
            words = "Nothing was found. The next step asks for the servers; your provider's help pages name them."
            facts.append(Fact(words, "warning", "", DOUBTFUL, "warning"))
        self._sources.show(facts)

    def leaving(self) -> bool:
        self._look_up()
        self.wizard.take_person(tidy(self.email.value), tidy(self.full_name.value))
        return True
