"""The child process that serves one GGUF file over the OpenAI protocol on a loopback port.

Run as `python -m anyprefer.backends.llama_server --model PATH ...`. It writes one JSON line with its URL to stdout when it is
ready, and it ends when its stdin does, so that it cannot outlive its parent. Only the standard library and `xllamacpp` are
imported here, the latter after the OpenMP settings are in place.
"""

import argparse
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OPENMP = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "300"}
"""Threads that wait for each other should sleep, not spin: spinning collapses where anything else runs. A few hundred turns
before sleeping save most of the wake-ups, which cost more than the work between them when the model is small."""

_PR_SET_PDEATHSIG = 1
_PROMPT_CACHE_MIB = 1024
"""Memory for the states of earlier prompts, so that a judge's long instructions are read once; the library's own limit of
8 GiB is more than many machines have."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stdin ends."""
    options = _parse(arguments)
    # Both reach the whole process group; the parent still drains through this server and then closes its input.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _die_with_parent()
    for name, value in OPENMP.items():
        os.environ.setdefault(name, value)
    announcements = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        server = _start(options)
    except RuntimeError as error:
        sys.exit(f"{options.model}: {error}")
    print(json.dumps({"url": f"{server.listening_address}/v1"}), file=announcements, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


def count_cores() -> int:
    """Physical cores that this process may use: hyper-threads slow the arithmetic down, and containers hide cores."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    siblings = set()
    for processor in os.sched_getaffinity(0):
        path = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text())
        except OSError:
            siblings.add(str(processor))
    return max(1, min(len(siblings), _cpu_quota() or len(siblings)))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m anyprefer.backends.llama_server", description="Serve a GGUF file.")
    parser.add_argument("--model", required=True, help="path of the .gguf file")
    parser.add_argument("--alias", default="", help="name under which the server lists the model")
    parser.add_argument("--slots", type=int, default=5, help="sequences decoded together")
    parser.add_argument("--context-tokens", type=int, default=4096, help="context of one slot")
    parser.add_argument("--threads", type=int, default=0, help="compute threads; 0 is one per core")
    parser.add_argument("--verbosity", type=int, default=2, help="llama.cpp's log level on stderr; 2 is warnings, 3 info")
    return parser.parse_args(arguments)


def _start(options: argparse.Namespace) -> Any:
    """Load the model and listen; the context is shared out evenly, so each slot has what one request may need."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias or Path(options.model).stem}
    params.n_parallel = options.slots
    params.n_ctx = options.slots * options.context_tokens
    params.kv_unified = False
    threads = options.threads or count_cores()
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cors_origins = ""
    params.ui = params.endpoint_slots = False
    params.verbosity = options.verbosity
    return xllamacpp.Server(params)


def _die_with_parent() -> None:
    """Have Linux kill this process with its parent, which also covers the time before stdin is read."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _cpu_quota() -> int:
    """Whole processors that the container's quota allows; 0 without a quota."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, int(quota) // int(period))
    return 0


if __name__ == "__main__":
    main()
