"""The text of a PDF. The only importer of pypdf; meant for the worker process, which has the limits (P5)."""

from __future__ import annotations

import io
import logging
import time
from typing import NamedTuple

MAX_PAGES = 100
MAX_TEXT = 512 * 1024
_SECONDS = 3.0


class PdfText(NamedTuple):
    """The text by page, how many pages there are, and whether a password is needed."""

    pages: tuple[str, ...]
    page_count: int
    is_locked: bool = False


def pdf_text(data: bytes, *, seconds: float = _SECONDS) -> PdfText | None:
    """The text of the first pages, not yet safe; None where it can't be read.

    At most `MAX_PAGES` pages and `MAX_TEXT` characters, and no further page after `seconds`.
    """
    # Heavy, and of use where somebody looks into a PDF only.
    from pypdf import PdfReader

    # It tells of every oddity of a file, in a process whose log nobody reads.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    pages: list[str] = []
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            return PdfText((), 0, is_locked=True)
        count = len(reader.pages)
        left = MAX_TEXT
        until = time.monotonic() + seconds
        for page in reader.pages[:MAX_PAGES]:
            text = page.extract_text()[:left]
            pages.append(text)
            left -= len(text)
            if left <= 0 or time.monotonic() > until:
                break
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the library lets many kinds out on bad data
        return PdfText(tuple(pages), len(pages)) if pages else None
    return PdfText(tuple(pages), count)
