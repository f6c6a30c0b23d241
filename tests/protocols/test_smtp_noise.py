"""Whatever an SMTP server says, sending ends in a result or an error of ours, and what may have been taken is called that (O2, P15)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.test_smtp_submitting import submit
from servers.scripted import Conversation, Gone, ScriptedServer
from termmail.model.account import Security, Server
from termmail.model.errors import OutcomeUnknown, TermmailError
from termmail.model.outgoing import Submission
from termmail.model.secret import Secret
from termmail.protocols import smtp

_TIMEOUTS = smtp.Timeouts(connect=5, command=5, message=5)
_REPLIES = (
    b"250 ok\r\n", b"250-a\r\n", b"354 go\r\n", b"235 in\r\n", b"334 \r\n", b"421 away\r\n", b"451 4.3.0 later\r\n",
    b"550 5.1.1 no\r\n", b"250\r\n", b"999 x\r\n", b"25", b"\r\n", b"250 \x1b[2J\x00\r\n", b"250-SIZE 99999999999999999999999\r\n",
    b"\n", b"-\r\n",
)  # fmt: skip
_NOISE = st.lists(st.one_of(st.sampled_from(_REPLIES), st.binary(max_size=16)), max_size=6).map(b"".join)
_USUAL = {b"EHLO": b"250-x\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n", b"AUTH": b"235 in\r\n", b"DATA": b"354 go\r\n"}


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(["", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "dot", "QUIT"]), _NOISE))
def test_whatever_a_server_says_is_an_error_of_ours_or_a_result(noise: dict[str, bytes]) -> None:
    taken: list[bytes] = []

    def run(talk: Conversation) -> None:
        try:
            talk.send(noise.get("", b"220 ready\r\n"))
            if "" in noise:
                return
            while True:
                line = talk.read_line()
                verb = line.split(b" ")[0].strip().upper()
                said = noise.get(verb.decode("latin-1"), _USUAL.get(verb, b"250 ok\r\n"))
                talk.send(said)
                if verb == b"DATA" and said.startswith(b"354"):
                    while talk.read_line() != b".\r\n":
                        pass
                    taken.append(noise.get("dot", b"250 taken\r\n"))
                    talk.send(taken[-1])
                if verb.decode("latin-1") in noise or (verb == b"DATA" and "dot" in noise):
                    raise Gone
        except Gone:
            return

    with ScriptedServer(run) as server:
        ended = _outcome(server.port)
    if isinstance(ended, OutcomeUnknown):
        assert taken, ended.sentence
    elif isinstance(ended, TermmailError):
        assert ended.sentence.isprintable()
        # What a server took with a clear yes is never called refused, or it would be sent twice.
        assert not any(answer.startswith(b"250 ok\r\n") for answer in taken), ended.sentence


def _outcome(port: int) -> Submission | TermmailError:
    try:
        session = smtp.connect(Server("127.0.0.1", port, Security.NONE), "lisa", Secret("secret"), timeouts=_TIMEOUTS)
    except TermmailError as error:
        return error
    try:
        return submit(session)
    except TermmailError as error:
        return error
    finally:
        session.close()
