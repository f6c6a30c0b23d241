"""What the status codes of mail servers mean, in words (RFC 3463, RFC 5248, RFC 5321 §4.2.3)."""

from __future__ import annotations

import re

_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_BASIC = re.compile(r"(?<![\w.-])([245][0-7]\d)(?=[ \-#,;:]|$)")

_MAX_SAID = 2000

_DETAILS: dict[str, str] = {
    "1.0": "There is something wrong with the address.",
    "1.1": "There is no such mailbox.",
    "1.2": "There is no such mail domain.",
    "1.3": "The address is not written as addresses are.",
    "1.4": "The address stands for several mailboxes.",
    "1.6": "The mailbox has moved, and it is not known where to.",
    "1.7": "The sender's address is not written as addresses are.",
    "1.8": "The sender's domain does not exist, or takes no mail.",
    "1.9": "The server knows the address but can't say whether it will be reached.",
    "1.10": "The domain says that it takes no mail at all.",
    "2.0": "There is something wrong with the mailbox.",
    "2.1": "The mailbox is closed: it takes no mail.",
    "2.2": "The mailbox is full.",
    "2.3": "The message is larger than the mailbox takes.",
    "2.4": "The mailing list could not pass it on.",
    "3.0": "The recipient's mail system has trouble.",
    "3.1": "The recipient's server has no space left.",
    "3.2": "The recipient's server takes no mail at the moment.",
    "3.3": "The recipient's server can't do what the message needs.",
    "3.4": "The message is larger than the recipient's server takes.",
    "3.5": "The recipient's server is not set up rightly.",
    "4.0": "The network had trouble.",
    "4.1": "The recipient's server did not answer.",
    "4.2": "The connection to the recipient's server broke.",
    "4.3": "The name servers could not be asked for the way.",
    "4.4": "No way to the recipient's server was found.",
    "4.5": "The network or the server was too busy.",
    "4.6": "The message went in circles between servers.",
    "4.7": "It was tried for too long: the message expired.",
    "5.0": "The servers did not understand each other.",
    "5.1": "The server did not know the command.",
    "5.2": "The server did not understand the command.",
    "5.3": "The message has more recipients than the server takes at once.",
    "5.4": "The server did not take what the command said.",
    "5.5": "The servers speak different versions of the protocol.",
    "6.0": "The message's form was not taken.",
    "6.1": "The recipient's server does not take this kind of content.",
    "6.2": "The content would have had to be converted, which was forbidden.",
    "6.3": "The content would have had to be converted, which was not possible.",
    "6.4": "The content could be converted only with a loss.",
    "6.5": "Converting the content failed.",
    "6.7": "The recipient's server takes no addresses with letters beyond ASCII.",
    "7.0": "The recipient's server refused it for reasons of security or policy.",
    "7.1": "The recipient's server does not take mail from this sender, or judged it unwanted.",
    "7.2": "The sender may not write to this mailing list.",
    "7.5": "A signature or encryption that was needed failed.",
    "7.8": "The user name or password for sending was refused.",
    "7.9": "The way of signing in is too weak for the server.",
    "7.13": "The account is disabled.",
    "7.20": "The message has no valid DKIM signature.",
    "7.21": "No DKIM signature is one that the server accepts.",
    "7.22": "No DKIM signature is the author's.",
    "7.23": "The sender's domain does not allow this server to send its mail (SPF).",
    "7.24": "The sender's domain could not be checked (SPF).",
    "7.25": "The sending server's address has no valid name.",
    "7.26": "The message is not authenticated: neither SPF nor DKIM passed.",
    "7.27": "The sender's domain takes no mail itself.",
    "7.28": "There was too much mail of this kind.",
    "7.29": "The message's chain of authentication is broken (ARC).",
}  # fmt: skip
_SUBJECTS = {"1": "1.0", "2": "2.0", "3": "3.0", "4": "4.0", "5": "5.0", "6": "6.0", "7": "7.0"}
_BASIC_WORDS = {
    "421": "The recipient's server takes no mail at the moment.",
    "450": "The mailbox can't be reached at the moment.",
    "451": "The recipient's server had trouble.",
    "452": "The recipient's server has no space left.",
    "521": "That server takes no mail.",
    "535": "The user name or password for sending was refused.",
    "550": "The recipient's server refused it, often because there is no such mailbox.",
    "551": "The recipient is not at that server.",
    "552": "The mailbox is full, or the message too large.",
    "553": "The address was not accepted.",
    "554": "The recipient's server refused it.",
    "556": "The domain says that it takes no mail at all.",
}  # fmt: skip


# The first that matches counts: "mailbox full" before "mailbox".
_WORDS = tuple(
    (detail, re.compile(words, re.IGNORECASE))
    for detail, words in (
        ("2.2", r"quota|(?:mail)?(?:box|folder)\b.{0,30}\bfull|is full|storage|exceeds allowed size"),
        ("1.10", r"null ?mx"),
        ("7.23", r"\bSPF\b"),
        ("7.26", r"\bDMARC\b|unauthenticated"),
        (
            "7.1",
            r"spam|black.?list|block(?:ed|list)|\brbl\b|access denied|reputation"
            r"|relay(?:ing)? (?:denied|not permitted)|policy",
        ),
        ("3.4", r"too (?:large|big)|size limit|exceeds? .{0,20}size"),
        ("2.1", r"disabled|inactive|suspended|discontinued|not active|deactivated"),
        (
            "1.2",
            r"no mx|nxdomain|(?:host|domain)\b.{0,30}\b(?:not found|unknown|does(?:n't| not) exist)|unknown (?:host|domain)"
            r"|mail exchanger",
        ),
        (
            "1.1",
            r"(?:user|recipient|mailbox|address|account)\b.{0,40}"
            r"\b(?:unknown|not found|unavailable|does(?:n't| not) (?:exist|have)"
            r"|invalid)|(?:unknown|no such|invalid|bad|not a valid) (?:\w+ )?(?:user|recipient|mailbox|address|account)"
            r"|no mailbox|unrouteable",
        ),
        ("4.7", r"retry time|too long|expired|giving up|multiple retries"),
        (
            "4.1",
            r"timed? ?out|could(?:n't| not) (?:be )?connect|connection refused|wasn't able to establish"
            r"|did not accept .{0,20}connect",
        ),
    )
)


def find_status(text: str) -> str:
    """The first enhanced status code in a server's words ("5.1.1"), else a plain one ("550"), else an empty string."""
    enhanced = _ENHANCED.search(text)
    if enhanced is not None:
        return enhanced[0]
    basic = _BASIC.search(text)
    return basic[1] if basic is not None else ""


def explain(status: str) -> str:
    """One sentence on a status code; empty where it says nothing that is known."""
    match = _ENHANCED.fullmatch(status.strip())
    if match is None:
        return _BASIC_WORDS.get(status.strip(), "")
    if match[2] == "0":
        return ""
    found = _DETAILS.get(f"{int(match[2])}.{int(match[3])}")
    return found or _DETAILS.get(_SUBJECTS.get(match[2], ""), "")


def guess(said: str) -> str:
    """What a server seems to mean by its words, where its code says nothing; empty where that can't be told."""
    return next((_DETAILS[detail] for detail, words in _WORDS if words.search(said[:_MAX_SAID])), "")
