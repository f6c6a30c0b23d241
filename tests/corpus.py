"""The corpus of real mail, where there is one: in the folder TERMMAIL_CORPUS names, or in `shared/corpus` beside the checkout."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

CORPUS = Path(os.environ.get("TERMMAIL_CORPUS") or Path(__file__).resolve().parents[2] / "shared" / "corpus")
_FROM_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n")


def require_corpus() -> None:
    """Skip the test that calls this where there is no corpus."""
    if not any(CORPUS.glob("*.tar.xz")):
        pytest.skip(f"no corpus of mail in {CORPUS}")


def split_mbox(data: bytes) -> list[bytes]:
    """The messages of an mbox file, without their `From ` lines; other bytes are kept as they are."""
    starts = [match.span() for match in _FROM_LINE.finditer(data)]
    if not starts or starts[0][0] != 0:
        return [data]
    ends = [start for start, _ in starts[1:]] + [len(data)]
    return [data[begin:end] for (_, begin), end in zip(starts, ends, strict=True)]


def corpus_messages(*, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Each message of the corpus with a name for it; with `every` n only each n-th file, always the same ones.

    Yields nothing where there is no corpus: call `require_corpus` first.
    """
    for archive in sorted(CORPUS.glob("*.tar.xz")):
        with tarfile.open(archive, "r|xz") as tar:
            for position, member in enumerate(entry for entry in tar if entry.isfile()):
                if position % every:
                    continue
                stream = tar.extractfile(member)
                if stream is None:
                    continue
                data = stream.read()
                if member.name.endswith(".mbox"):
                    for number, message in enumerate(split_mbox(data), 1):
                        yield f"{member.name}#{number}", message
                else:
                    yield member.name, data
