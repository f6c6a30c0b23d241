"""A certificate that nobody but its server vouches for, to be compared and pinned."""

from __future__ import annotations

import datetime
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from termmail.model.setup import SeenCertificate
from termmail.ui.screens.keyed import Keyed
from termmail.ui.text import one_line
from termmail.ui.widgets.bars import KeyHints
from termmail.ui.widgets.pane import PaneTitle
from termmail.ui.wizard.facts import BLANK, Fact, Facts

_HINTS = (("p", "it is the same: trust it for this server", "p"), ("Esc", "don't trust it", "escape"))


class CertificateScreen(Keyed, ModalScreen[bool], inherit_bindings=False):
    """Ends with True where the certificate is to be trusted for this host from now on."""

    BINDINGS: ClassVar = []
    DEFAULT_CSS = """
    CertificateScreen { align: center middle; background: $background 55%; }
    CertificateScreen > Vertical { width: 72; max-width: 96%; height: auto; max-height: 100%; background: $surface; padding: 1; }
    CertificateScreen Facts { margin: 1 1; }
    """

    def __init__(self, host: str, certificate: SeenCertificate) -> None:
        super().__init__()
        self._host = one_line(host)
        self._certificate = certificate
        self._title = PaneTitle("certificate")
        self._hints = KeyHints()

    def compose(self) -> ComposeResult:
        certificate = self._certificate
        fingerprint = certificate.fingerprint
        half = len(fingerprint) // 2 + 1
        with Vertical():
            yield self._title
            yield Facts(
                [
                    Fact(
                        f"The certificate of {self._host} is signed by itself, as on a server of one's own. That it is the right"
                        " one only its fingerprint says: compare it with what the server's owner tells you."
                    ),
                    BLANK,
                    Fact(one_line(certificate.subject), "text", "for"),
                    Fact(f"{_day(certificate.not_before)} to {_day(certificate.not_after)}", "text", "valid"),
                    Fact(fingerprint[:half], "code", "SHA-256"),
                    Fact(fingerprint[half:], "code", " "),
                    BLANK,
                    Fact("A server that shows another one is then refused, and its mail waits for you."),
                ]
            )
            yield self._hints

    def on_mount(self) -> None:
        self._title.show("A certificate to compare", active=True)
        self._hints.show(_HINTS)

    def key_pressed(self, event: events.Key) -> bool:
        if event.character in ("p", "P"):
            self.dismiss(True)
        elif event.character in ("n", "N", "q") or event.key in ("escape", "ctrl+c", "ctrl+q"):
            self.dismiss(False)
        return True

    def on_key_hints_clicked(self, event: KeyHints.Clicked) -> None:
        event.stop()
        self.dismiss(event.key == "p")


def _day(seconds: float) -> str:
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return "?"
