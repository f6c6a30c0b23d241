"""A signed-in connection that takes messages (RFC 5321 §3.3), each command on its own, so that it is known what was refused when."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

from termmail.model.errors import (
    Cancelled,
    ConnectionLost,
    OutcomeUnknown,
    ProtocolViolation,
    Retry,
    SubmissionRefused,
    TermmailError,
    UnsafeArgument,
)
from termmail.model.outgoing import Refusal, Submission
from termmail.protocols.arguments import check_argument
from termmail.protocols.hook import announce
from termmail.protocols.smtp.core import Core
from termmail.protocols.smtp.replies import Reply
from termmail.protocols.smtp.stuffing import Stuffer

_BLOCK = 32 << 10
_UNSAFE_ADDRESS = re.compile(r"[\x00-\x20\x7f<>]")
_RECIPIENTS_AT_ONCE = 50


class SmtpSession:
    """Used by one thread at a time, but for `abort`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def host(self) -> str:
        return self._core.host

    @property
    def plain(self) -> bool:
        """Whether nothing is encrypted."""
        return self._core.plain

    @property
    def size_limit(self) -> int | None:
        """The largest message the server takes, in bytes (RFC 1870); None where it does not say."""
        words = self._core.esmtp_features.get("size", "").split()
        limit = int(words[0]) if words and words[0].isdigit() else 0
        return limit or None

    @property
    def eight_bit(self) -> bool:
        """8BITMIME (RFC 6152)."""
        return self._core.has_extn("8bitmime")

    @property
    def utf8(self) -> bool:
        """SMTPUTF8 (RFC 6531)."""
        return self._core.has_extn("smtputf8")

    def submit(
        self,
        sender: str,
        recipients: Sequence[str],
        message: BinaryIO,
        size: int,
        *,
        eight_bit: bool,
        utf8: bool,
        before_data: Callable[[tuple[Refusal, ...]], None],
        progress: Callable[[int], None] | None = None,
    ) -> Submission:
        """Hand over one message of `size` bytes; returns who gets it and who was refused.

        `before_data` is called when some recipient was accepted, just before the bytes are sent; what it raises goes through, and
        nothing is sent. `progress` is told how many bytes were sent.

        Raises SubmissionRefused where the server took nothing; OutcomeUnknown where the connection was lost after the final dot (O2);
        ConnectionLost, ProtocolViolation, Cancelled before it, when the server has nothing (O3); UnsafeArgument (T11).
        """
        core = self._core
        self._check_what_it_takes(size, eight_bit=eight_bit, utf8=utf8)
        refused = self._envelope(sender, recipients, size, eight_bit=eight_bit, utf8=utf8)
        accepted = tuple(address for address in recipients if address not in {one.address for one in refused})
        try:
            if not accepted:
                raise self._all_refused(refused)
            before_data(refused)
        except BaseException:
            self._forget()
            raise
        reply = core.command("DATA")
        if reply.code != 354:
            if reply.ok:
                raise core.violation("gave an answer to DATA that can't be read")
            error = core.refusal(reply, "the message")
            # The server still has the envelope, and would not take another.
            self._forget()
            raise error
        stuffer = Stuffer()
        sent = 0
        try:
            while block := message.read(_BLOCK):
                core.wire.send(stuffer.feed(block))
                sent += len(block)
                if progress is not None:
                    progress(sent)
            if rest := stuffer.end():
                core.wire.send(rest)
        except BaseException:
            # Half a message must never look like a whole one: no dot, no QUIT.
            core.wire.close()
            raise
        return self._end_data(Submission(accepted, refused))

    def would_take(self, sender: str, recipient: str) -> None:
        """Ask whether mail of a sender to a recipient would be taken, and send none. Raises SubmissionRefused, and what `submit` does
        before its data."""
        refused = self._envelope(sender, [recipient], 1000, eight_bit=False, utf8=not (sender + recipient).isascii())
        self._forget()
        if refused:
            raise self._all_refused(refused)

    def _end_data(self, submission: Submission) -> Submission:
        """The final dot, and the server's word for it."""
        core = self._core
        announce("dot", "before")
        try:
            core.wire.timeout = core.timeouts.message
            core.wire.send(b".\r\n")
            reply = core.reply()
        except (ConnectionLost, ProtocolViolation, Cancelled) as error:
            core.wire.close()
            raise OutcomeUnknown(
                f"It may have been sent: the connection to {core.host} was lost before the server answered. "
                "Look into Sent, or ask, before you send it again.",
                submission=submission,
                detail=f"{error.sentence} {error.detail}",
            ) from error
        core.wire.timeout = core.timeouts.command
        announce("dot", "after")
        if not reply.ok:
            raise core.refusal(reply, "the message")
        return submission

    def _check_what_it_takes(self, size: int, *, eight_bit: bool, utf8: bool) -> None:
        host = self.host
        limit = self.size_limit
        if limit is not None and size > limit:
            raise SubmissionRefused(
                f"{host} takes messages of at most {_megabytes(limit)}, and this one has {_megabytes(size)}. "
                "Send less at once, or a link.",
                code=552,
            )
        if utf8 and not self.utf8:
            raise SubmissionRefused(
                f"{host} can't send to addresses with letters beyond ASCII before the @ (SMTPUTF8). Use another address.",
                code=553,
            )
        if eight_bit and not self.eight_bit:
            raise SubmissionRefused(
                f"{host} takes no message with 8 bit characters in an attached message (8BITMIME). Attach it as a file.",
                code=554,
            )

    def _envelope(
        self, sender: str, recipients: Sequence[str], size: int, *, eight_bit: bool, utf8: bool
    ) -> tuple[Refusal, ...]:
        """MAIL and RCPT, together where the server takes that (PIPELINING, RFC 2920)."""
        core = self._core
        options = b""
        if core.has_extn("size"):
            options += b" SIZE=%d" % size
        if eight_bit and self.eight_bit:
            options += b" BODY=8BITMIME"
        if utf8:
            options += b" SMTPUTF8"
        mail = b"MAIL FROM:<" + self._address(sender, utf8=utf8, empty=True) + b">" + options
        commands = [(address, b"RCPT TO:<" + self._address(address, utf8=utf8) + b">") for address in recipients]
        together = core.has_extn("pipelining")
        core.expect_silence()
        core.begin("MAIL", mail)
        reply = None if together else core.finish("MAIL")
        refused: list[Refusal] = []
        # In groups: the replies to thousands would fill the pipe while nobody reads them.
        for start in range(0, len(commands), _RECIPIENTS_AT_ONCE):
            group = commands[start : start + _RECIPIENTS_AT_ONCE]
            if together:
                for _, line in group:
                    core.begin("RCPT", line)
                if reply is None:
                    reply = core.finish("MAIL")
            assert reply is not None
            for address, line in group:
                if together:
                    answer = core.finish("RCPT")
                elif reply.ok:
                    answer = core.command("RCPT", line)
                else:
                    break
                self._note(refused, address, answer)
            if not reply.ok:
                break
        if reply is None:
            reply = core.finish("MAIL")
        if not reply.ok:
            error = core.refusal(reply, f"mail from {sender}" if sender else "the message")
            self._forget()
            raise error
        return tuple(refused)

    def _note(self, refused: list[Refusal], address: str, reply: Reply) -> None:
        if reply.code == 421:
            raise self._core.refusal(reply, "the message")
        if not reply.ok:
            code = reply.code if reply.code >= 400 else 450
            refused.append(Refusal(address, code, self._core.shown_text(reply)))

    def _all_refused(self, refused: tuple[Refusal, ...]) -> SubmissionRefused:
        later = any(one.temporary for one in refused)
        listed = "; ".join(f"{one.address}: server says “{one.text}”" for one in refused)
        who = "the recipient" if len(refused) == 1 else "all recipients"
        if later:
            sentence = f"{self.host} does not take {who} now: {listed}. It is tried again."
        else:
            sentence = f"{self.host} refused {who}: {listed}."
        return SubmissionRefused(
            sentence,
            code=refused[0].code if refused else 554,
            refused=refused,
            retry=Retry.LATER if later else Retry.NEVER,
        )

    def _address(self, address: str, *, utf8: bool, empty: bool = False) -> bytes:
        data = check_argument(address, "an address")
        if _UNSAFE_ADDRESS.search(address) or not (address or empty) or not (utf8 or address.isascii()):
            raise UnsafeArgument("An address holds a character that can't be sent. Retype it.")
        return data

    def _forget(self) -> None:
        """RSET, so that the connection can be used again; closed where that fails. Never raises."""
        if self._core.wire.closed:
            return
        try:
            if not self._core.command("RSET").ok:
                self._core.close()
        except TermmailError:
            self._core.close()

    @property
    def closed(self) -> bool:
        """Whether the connection can't be used any more."""
        return self._core.wire.closed

    def close(self) -> None:
        """QUIT, with a short time limit, and close; never raises."""
        core = self._core
        if not core.wire.closed:
            core.wire.end_by(time.monotonic() + 2)
            with contextlib.suppress(TermmailError):
                core.command("QUIT")
        core.close()

    def abort(self) -> None:
        """From any thread: whatever waits raises Cancelled at once."""
        self._core.wire.abort()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
