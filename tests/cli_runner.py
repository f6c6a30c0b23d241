"""Runs termmail's command lines inside the test's process."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from termmail.cli.main import run


class Cli:
    """Command lines on one home; what they printed is in `output` and `error`."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self.folder = folder
        self._capture = capture
        self.output = b""
        self.error = ""

    def __call__(self, *arguments: str, stdin: bytes = b"") -> int:
        before = sys.stdin
        umask = os.umask(0o022)
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
        try:
            code = run(["--home", str(self.folder), *arguments])
        finally:
            sys.stdin = before
            os.umask(umask)
        captured = self._capture.readouterr()
        self.output, self.error = captured.out, captured.err.decode()
        return code

    def ok(self, *arguments: str, stdin: bytes = b"") -> str:
        """The output of a command that must end well."""
        assert self(*arguments, stdin=stdin) == 0, self.error
        return self.output.decode()

    def json_output(self) -> Any:
        """What the last command printed, whatever its exit code."""
        return json.loads(self.output)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "--json"))
