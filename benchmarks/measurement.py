"""Start the mock server beside a measurement, and measure processes."""

import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Mock:
    """A running server."""

    url: str

    def stats(self) -> dict[str, Any]:
        """Its counters."""
        found: dict[str, Any] = json.load(self._open("/stats"))
        return found

    def reset(self) -> None:
        """Set them to nothing."""
        self._open("/reset", method="POST")

    def _open(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(self.url.removesuffix("/v1") + path, method=method)  # noqa: S310 - loopback
        return urllib.request.urlopen(request)  # noqa: S310 - loopback


@contextmanager
def mock_server(**options: float) -> Iterator[Mock]:
    """Serve with the options of `mock_server.py`, for as long as the block lasts."""
    command = [sys.executable, str(Path(__file__).with_name("mock_server.py"))]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Mock(server.stdout.readline().strip())
        finally:
            server.kill()


@dataclass
class Measured:
    """What a command took, all its processes together."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    processes: int
    output: str
    returncode: int
    samples: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start and memory in MB, twice a second."""


def measure(command: list[str], **environment: str) -> Measured:
    """Run a command to its end; memory is proportional set size, so that shared pages count once."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    peak, most, samples = 0.0, 0, []
    while process.poll() is None:
        tree = list(_tree(process.pid))
        memory = sum(map(_memory_mb, tree))
        peak, most = max(peak, memory), max(most, len(tree))
        samples.append((time.perf_counter() - start, memory))
        time.sleep(0.2)
    seconds = time.perf_counter() - start
    assert process.stdout is not None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(seconds, cpu, peak, most, process.stdout.read(), process.returncode, samples)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _tree(int(child))
    except OSError:
        return


def _memory_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
