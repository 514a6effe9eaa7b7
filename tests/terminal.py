"""A command at a terminal, for tests: its output is waited for, and answers are typed."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self


class Terminal:
    """`anyprefer ARGUMENTS` whose input and output are a terminal."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._own, theirs = pty.openpty()
        self.text = ""
        self._read = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anyprefer.cli", *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "TERM": "dumb", "COLUMNS": "200", **environment}, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)

    def answer(self, question: str, line: str) -> None:
        """Wait for a question and type a line."""
        self.expect(question)
        os.write(self._own, f"{line}\n".encode())

    def expect(self, words: str, seconds: float = 30) -> None:
        """Wait for words beyond those that were waited for before."""
        deadline = time.monotonic() + seconds
        while words not in self.text[self._read :]:
            assert time.monotonic() < deadline, f"no {words!r} in {self.text!r}"
            assert self._more(), f"ended without {words!r}: {self.text!r}"
        self._read += self.text[self._read :].index(words) + len(words)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self, seconds: float = 30) -> int:
        """Wait for the end; the exit code."""
        deadline = time.monotonic() + seconds
        while self._more() and time.monotonic() < deadline:
            pass
        return self.process.wait(seconds)

    def _more(self) -> bool:
        """Read for a moment; False where nothing can come any more."""
        if not select.select([self._own], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            data = os.read(self._own, 65536)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)
