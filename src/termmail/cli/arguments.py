"""Types of arguments: servers, policies, flags."""

from __future__ import annotations

import re

import click

from termmail.model.account import KeepKind, KeepPolicy, OfflineKind, OfflinePolicy, normal_fingerprint
from termmail.model.flags import IMAP_NAMES
from termmail.model.proxy import parse_proxy

_KEYWORD = re.compile(r"[\x21\x23\x24\x26\x27\x2b-\x5b\x5d\x5e-\x7a\x7c\x7d-\x7e]+")
_FLAG_WORDS = {name[1:].lower(): name for name in IMAP_NAMES.values()}


class HostPort(click.ParamType):  # type: ignore[type-arg]
    """HOST[:PORT] as (host, port or None); an IPv6 address stands in brackets if a port follows."""

    name = "HOST[:PORT]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        text = str(value)
        bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.%\w]+)\](?::(\d+))?", text)
        plain = re.fullmatch(r"([^\s:/\[\]]+)(?::(\d+))?", text)
        if bracketed:
            host, port = bracketed.groups()
        elif plain:
            host, port = plain.groups()
        elif re.fullmatch(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", text):
            host, port = text, None
        else:
            self.fail(
                f'"{text}" is not HOST or HOST:PORT. Write for example imap.example.org:993 or [::1]:993.', param, ctx
            )
        if port is None:
            return host, None
        if not 1 <= int(port) <= 65535:
            self.fail(f'"{port}" is not a port. Ports go from 1 to 65535.', param, ctx)
        return host, int(port)


class HostPortOrNone(HostPort):
    """The same; `none` is a host of no letters."""

    name = "HOST[:PORT]|none"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        return ("", None) if str(value).lower() == "none" else super().convert(value, param, ctx)


class Fingerprint(click.ParamType):  # type: ignore[type-arg]
    """A certificate's SHA-256 fingerprint as 64 lower-case hexadecimal digits; `none` is an empty string."""

    name = "SHA256|none"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if str(value).lower() == "none":
            return ""
        found = normal_fingerprint(str(value))
        return found or self.fail(
            "This is not a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons.", param, ctx
        )


class ProxyUrl(click.ParamType):  # type: ignore[type-arg]
    """The URL of a proxy; `none` is an empty string."""

    name = "URL|none"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if str(value).lower() == "none":
            return ""
        found = parse_proxy(str(value))
        if found is None:
            return self.fail(
                "This is not the URL of a proxy. Write socks5://HOST:PORT or http://HOST:PORT, without a user or password.",
                param,
                ctx,
            )
        return found.url


class Offline(click.ParamType):  # type: ignore[type-arg]
    """all, on-demand or a number of days."""

    name = "all|DAYS|on-demand"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> OfflinePolicy:
        if isinstance(value, OfflinePolicy):
            return value
        text = str(value).lower()
        if text in ("all", "on-demand"):
            return OfflinePolicy(OfflineKind(text))
        if text.isdecimal() and 1 <= int(text) <= 36500:
            return OfflinePolicy(OfflineKind.DAYS, int(text))
        return self.fail(f'"{value}" is not all, on-demand or a number of days.', param, ctx)


class Keep(click.ParamType):  # type: ignore[type-arg]
    """forever, a number of days, until-deleted or none."""

    name = "forever|DAYS|until-deleted|none"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> KeepPolicy:
        if isinstance(value, KeepPolicy):
            return value
        text = str(value).lower()
        if text in ("forever", "until-deleted", "none"):
            return KeepPolicy(KeepKind(text))
        if text.isdecimal() and 1 <= int(text) <= 36500:
            return KeepPolicy(KeepKind.DAYS, int(text))
        return self.fail(f'"{value}" is not forever, a number of days, until-deleted or none.', param, ctx)


class MessageId(click.ParamType):  # type: ignore[type-arg]
    """The number of a message, as `list` prints it."""

    name = "ID"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        # SQLite's integers end there.
        if not re.fullmatch(r"[0-9]+", text) or not 0 < int(text) < 1 << 63:
            self.fail(f'"{text}" is not the number of a message. `termmail list` shows them.', param, ctx)
        return int(text)


class FlagName(click.ParamType):  # type: ignore[type-arg]
    r"""A system flag with or without its backslash (seen, \\Seen) or a keyword."""

    name = "FLAG"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        known = _FLAG_WORDS.get(text.removeprefix("\\").lower())
        if known is not None:
            return known
        if text.startswith("\\") or not _KEYWORD.fullmatch(text):
            words = ", ".join(_FLAG_WORDS)
            self.fail(f'"{text}" is not a flag. Flags are {words}, or a keyword such as $Forwarded.', param, ctx)
        return text
