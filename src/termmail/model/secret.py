"""A string that does not show itself."""

from __future__ import annotations


class Secret:
    """A password or token. `repr`, `str` and formatting give `***`, so that no log, traceback or crash report shows it (C3)."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one line that sends or stores it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, format_spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


class AccessToken(Secret):
    """An OAuth 2 access token: signed in with by XOAUTH2 or OAUTHBEARER, never as a password."""

    __slots__ = ()
