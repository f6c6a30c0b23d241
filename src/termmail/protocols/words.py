"""How the protocols put things to a person (T8, UX.md "Words")."""

from __future__ import annotations

from termmail.mime.safe_text import safe_text

MAX_SERVER_TEXT = 500
"""Characters of a server's own words that are shown (T8)."""


def server_text(raw: bytes) -> str:
    """A server's own words, cleaned, capped and marked as its own: `server says: “…”`. For what came over TLS only (T8)."""
    words = safe_text(raw[: 8 * MAX_SERVER_TEXT], one_line=True).strip()
    if not words:
        return "the server gives no reason"
    if len(words) > MAX_SERVER_TEXT:
        words = words[: MAX_SERVER_TEXT - 1] + "…"
    # Our own sentence goes on after the quotation.
    return f"server says: “{words.rstrip('.')}”"
