"""One run of a sandboxed program, seen from outside: start it, collect its output, stop it at its limits."""

import json
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from anyprefer.errors import ToolError

Reason = Literal["finished", "signal", "timeout", "cpu", "memory", "output", "cancelled"]

GRACE_SECONDS = 5.0
"""How long the launcher may take to kill and reap the sandbox before it is killed itself."""


@dataclass(frozen=True)
class Limits:
    """What a program may use before it is stopped."""

    cpu_seconds: int = 5
    """Processor seconds of one process."""
    wall_seconds: float = 10.0
    """Seconds from start to end, the sandbox's own 0.1 included."""
    memory_mb: int = 512
    """Address space of one process in MB."""
    num_processes: int = 8
    """Processes and threads at the same time. Before Linux 5.14 the user's other processes count as well."""
    num_files: int = 64
    """Open files of one process."""
    file_mb: int = 16
    """Largest file in MB."""
    scratch_mb: int = 64
    """All files of the scratch folder together in MB; they are in memory."""
    output_bytes: int = 65_536
    """Bytes of standard output, and as many of standard error."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended. Everything in it but `reason` is the program's own word."""

    stdout: str
    stderr: str
    exit_code: int | None
    """None where a signal or a limit ended it."""
    signal: int | None
    reason: Reason
    """`finished` is an end of its own, with any exit code; the others name the limit, or an ending by a signal."""


class SandboxProcess:
    """A program to be run once, by one thread, that any thread may stop."""

    def __init__(self, command: Sequence[str], request: Mapping[str, Any], limits: Limits) -> None:
        self._command = command
        self._request = request
        self._limits = limits
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped_by: Reason | None = None

    def run(self) -> Outcome:
        """Run the program, blocking until it and all it started are gone.

        Raises:
            ToolError: The sandbox could not be set up; the program did not run.
        """
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as status, tempfile.TemporaryFile() as request:
            try:
                details = {**self._request, "status_fd": writing, "parent": os.getpid()}
                request.write(json.dumps(details).encode())
                request.seek(0)
                process = self._start(request.fileno(), writing)
            finally:
                os.close(writing)
            with process:
                stdout, stderr = self._collect(process)
            report = {key: value for line in status for key, value in json.loads(line).items()}
        return self._judge(report, stdout, stderr)

    def stop(self, reason: Reason = "cancelled") -> None:
        """Have the launcher kill everything; the first reason stands."""
        with self._lock:
            self._stopped_by = self._stopped_by or reason
            if self._process is not None:
                self._process.terminate()

    def _start(self, stdin: int, status: int) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped_by is not None:
                raise ToolError("the program was stopped before it began")
            self._process = subprocess.Popen(  # noqa: S603 - our own launcher; what it runs is the point of the sandbox
                self._command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={},
                cwd="/",
                pass_fds=(status,),
                start_new_session=True,
            )
            return self._process

    def _collect(self, process: subprocess.Popen[bytes]) -> tuple[str, str]:
        """Read both streams to their ends, which come when every process of the sandbox is gone."""
        kept = {stream.fileno(): bytearray() for stream in (process.stdout, process.stderr) if stream is not None}
        deadline = time.monotonic() + self._limits.wall_seconds
        with selectors.DefaultSelector() as selector:
            for file in kept:
                selector.register(file, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                for key, _ in ready:
                    chunk = os.read(key.fd, 65_536)
                    if not chunk:
                        selector.unregister(key.fd)
                    self._keep(kept[key.fd], chunk)
                if time.monotonic() >= deadline:
                    deadline = time.monotonic() + GRACE_SECONDS
                    self._press(process)
        stdout, stderr = (bytes(part).decode("utf-8", "replace") for part in kept.values())
        return stdout, stderr

    def _keep(self, kept: bytearray, chunk: bytes) -> None:
        room = self._limits.output_bytes - len(kept)
        kept += chunk[:room]
        if len(chunk) > room and self._stopped_by is None:
            self.stop("output")

    def _press(self, process: subprocess.Popen[bytes]) -> None:
        """At the deadline ask the launcher to end everything; where that had no effect, kill its group."""
        if self._stopped_by is None:
            self.stop("timeout")
        else:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _judge(self, report: Mapping[str, Any], stdout: str, stderr: str) -> Outcome:
        """Say how it ended.

        Raises:
            ToolError: The set-up failed.
        """
        if self._stopped_by is not None:
            return Outcome(stdout, stderr, None, None, self._stopped_by)
        if "setup" in report or "started" not in report:
            problem = report.get("setup") or stderr.strip()[-200:] or "no reason was given"
            raise ToolError(f"the sandbox could not be set up: {problem}")
        if "exit_code" in report:
            code = report["exit_code"]
            is_memory = code != 0 and stderr.rstrip().rpartition("\n")[2].startswith("MemoryError")
            return Outcome(stdout, stderr, code, None, "memory" if is_memory else "finished")
        number = int(report.get("signal", signal.SIGKILL))  # without a report the init was killed, for want of memory
        return Outcome(stdout, stderr, None, number, "cpu" if number == signal.SIGXCPU else "signal")
