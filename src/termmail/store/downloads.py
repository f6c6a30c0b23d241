"""A message on its way from a POP3 server into a Maildir, whose files have lines that end in LF."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

from termmail.store.database import storage_errors

_HEAD = 256 * 1024
_BLOCK = 1 << 20
_HOST = socket.gethostname().replace("/", "\\057").replace(":", "\\072") or "localhost"
_counter = itertools.count()
_process = f"P{os.getpid()}R{secrets.token_hex(4)}"
_LONE_LF = re.compile(rb"(?<!\r)\n")
_OURS = re.compile(r"\d+\.M\d+P\d+R[0-9a-f]{8}Q\d+\.")


def unique_name() -> str:
    """A name for a file in a Maildir that nobody else gives (https://cr.yp.to/proto/maildir.html)."""
    now = time.time()
    return f"{int(now)}.M{int(now % 1 * 1e6):06d}{_process}Q{next(_counter)}.{_HOST}"


def is_ours(name: str) -> bool:
    """Whether `unique_name` gave this name, in whatever process."""
    return _OURS.match(name) is not None


def as_sent(data: bytes) -> bytes:
    """The bytes that the server gave, of a file in a POP3 account's Maildir."""
    return data if b"\r\n" in data else data.replace(b"\n", b"\r\n")


class Download:
    """Takes the bytes of one message as the server gives them, CRLF at line ends, and writes them to a file in the Maildir's folder
    for what is `unfinished`. `told` is called with how many have come.

    The file's lines end in LF, as in every Maildir. A message for which that could not be undone, since it has a lone LF or CR CR LF
    in it, is written as it came; so `as_sent` is exact.
    """

    def __init__(self, unfinished: Path, told: Callable[[int], None] | None = None) -> None:
        self.path = unfinished / unique_name()
        self.size = 0
        self._told = told
        self._digest = hashlib.sha256()
        self._head = b""
        self._held = b""
        self._verbatim = False
        with storage_errors("write a message to disk"):
            self._descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600)

    @property
    def head(self) -> bytes:
        """The first bytes as they came, for the envelope and the preview."""
        return self._head

    @property
    def sha256(self) -> bytes:
        return self._digest.digest()

    def write(self, chunk: bytes) -> None:
        """Append. Raises StorageFailed; the download is then to be discarded."""
        self.size += len(chunk)
        if self._told is not None:
            self._told(len(chunk))
        self._digest.update(chunk)
        if len(self._head) < _HEAD:
            self._head = self._head + chunk[: _HEAD - len(self._head)] if self._head else chunk[:_HEAD]
        if self._verbatim:
            self._put(chunk)
            return
        data = self._held + chunk if self._held else chunk
        self._held = b""
        if data.endswith(b"\r"):
            # It may be cut in the middle of a CRLF.
            kept = len(data) - len(data.rstrip(b"\r"))
            data, self._held = data[:-kept], data[-kept:]
        lines = data.replace(b"\r\n", b"\n")
        # What was CR CR LF is CR LF now; where a LF stood alone no byte went for it.
        if (b"\r" in lines and b"\r\n" in lines) or data.count(b"\n") != len(data) - len(lines):
            self._turn_verbatim()
            self._put(data + self._held)
            self._held = b""
        else:
            self._put(lines)

    def finish(self) -> int:
        """The message is whole; returns the size of the file. Raises StorageFailed."""
        self._put(self._held)
        self._held = b""
        with storage_errors("write a message to disk"):
            length = os.fstat(self._descriptor).st_size
        self.close()
        return length

    def discard(self) -> None:
        """Throw away what came."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        with storage_errors("write a message to disk"):
            while view:
                view = view[os.write(self._descriptor, view) :]

    def _turn_verbatim(self) -> None:
        """Put back the CRs that were left out so far, from the end on, so that nothing is overwritten before it is read."""
        self._verbatim = True
        with storage_errors("write a message to disk"):
            read_to = os.fstat(self._descriptor).st_size
            lines = 0
            for start in range(0, read_to, _BLOCK):
                lines += os.pread(self._descriptor, _BLOCK, start).count(b"\n")
            write_to = read_to + lines
            os.truncate(self._descriptor, write_to)
            while read_to:
                start = max(0, read_to - _BLOCK)
                block = _LONE_LF.sub(b"\r\n", os.pread(self._descriptor, read_to - start, start))
                write_to -= len(block)
                os.pwrite(self._descriptor, block, write_to)
                read_to = start
            os.lseek(self._descriptor, 0, os.SEEK_END)
