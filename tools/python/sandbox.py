"""Run an untrusted Python program in a process that can reach nothing.

Covered: the program has no network and no socket of any family; it sees only the interpreter, the system's libraries and the
installed packages, all read-only, and a scratch folder in memory that vanishes with it; it inherits no environment, open file
or terminal; it holds no capability and cannot gain one; it sees no process but its own, and all of them die with the sandbox.
Processor seconds, memory and file size are limited for each process, and wall time, processes, open files, scratch and output
as a whole. That holds for root as well, whose programs run as an unprivileged user.

The isolation is bubblewrap's, or Linux namespaces that `sandbox_child` makes by itself; a system-call filter comes on top of
either. Each is tried out when a sandbox is made, and where none holds, none is made: nothing runs unprotected.

Not covered: bugs of the kernel, side channels (timing, caches, what the processor leaks), and the machine's other work, which
a program slows down within its limits: its processes together may take `num_processes` times the memory and the processor
seconds of one, and under bubblewrap only processor time limits how many empty files it makes. The kernel's version, the clock,
the interpreter's path and the list of installed packages can be read.
"""

import asyncio
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.python.sandbox_filter import build_filter
from anyprefer.tools.python.sandbox_probe import find_leaks
from anyprefer.tools.python.sandbox_process import Limits, Outcome, SandboxProcess

Isolation = Literal["bubblewrap", "namespaces"]
CHILD = Path(__file__).with_name("sandbox_child.py").resolve()
INTERPRETER = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
SCRATCH = "/tmp"  # noqa: S108 - inside the sandbox, where programs expect it
PROGRAM = "program.py"
FIX = "install bubblewrap, or allow unprivileged user namespaces (sysctl user.max_user_namespaces), or remove the tool"

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


class Sandbox:
    """A place to run programs, a few at a time."""

    def __init__(self, max_concurrent: int = 2, isolations: tuple[Isolation, ...] | None = None) -> None:
        """Try out the isolations in turn and keep the first that holds.

        Raises:
            ConfigError: None holds on this machine; says why and what to do.
        """
        if sys.platform != "linux":
            raise ConfigError(f"the tool 'python' needs Linux for its sandbox, not {sys.platform!r}: remove it from tools.names")
        self._filter = build_filter()
        self._slots = asyncio.Semaphore(max_concurrent)
        self._threads = ThreadPoolExecutor(max_concurrent, "sandbox")
        reasons = []
        for isolation in preferred_isolations() if isolations is None else isolations:
            self.isolation: Isolation = isolation
            if (leak := find_leaks(self._prepare)) is None:
                return
            reasons.append(f"{isolation}: {leak}")
        raise ConfigError(f"the tool 'python' finds no sandbox that holds ({'; '.join(reasons)}): {FIX}")

    async def run_program(self, source: str, limits: Limits = Limits(), files: Mapping[str, str] | None = None) -> Outcome:  # noqa: B008 - frozen
        """Run a program to its end, or to one of its limits; cancelling kills it.

        Args:
            source: Python source text, run as `__main__` in the scratch folder.
            limits: What it may use.
            files: Name -> text of files that lie beside it in the scratch folder.

        Raises:
            ToolError: The sandbox could not be set up; the program did not run.
        """
        async with self._slots:
            process = self._prepare(source, limits, files or {})
            work = asyncio.get_running_loop().run_in_executor(self._threads, process.run)
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                process.stop()
                await asyncio.wait([work])
                with suppress(ToolError):
                    work.result()
                raise

    def close(self) -> None:
        """Release the threads; programs that still run end at their limits."""
        self._threads.shutdown(wait=False)

    def _prepare(self, source: str, limits: Limits, files: Mapping[str, str]) -> SandboxProcess:
        """Describe one run to the process that will set it up."""
        texts = {name: text.encode("utf-8", "replace").decode() for name, text in {**files, PROGRAM: source}.items()}
        if wrong := [name for name in texts if "/" in name or not name.strip(".")]:
            raise ToolError(f"a scratch file is a plain name, not {wrong[0]!r}")
        request: dict[str, Any] = {
            **_visible_paths(),
            "files": texts,
            "filter": self._filter.hex(),
            "scratch": SCRATCH,
            "scratch_bytes": limits.scratch_mb << 20,
            "rlimits": _resource_limits(limits, 2 if self.isolation == "namespaces" and os.geteuid() != 0 else 1),
            "argv": [INTERPRETER, "-s", "-B", f"{SCRATCH}/{PROGRAM}"],
            "environment": _environment(),
        }
        request["bubblewrap"] = _bubblewrap_command(request) if self.isolation == "bubblewrap" else None
        return SandboxProcess([INTERPRETER, "-I", "-S", str(CHILD), "launch"], request, limits)


def preferred_isolations() -> tuple[Isolation, ...]:
    """What to try, best first.

    Bubblewrap leaves root's programs the identity of root, to which the kernel's limit of processes does not apply.
    """
    return ("namespaces",) if os.geteuid() == 0 else ("bubblewrap", "namespaces")


def _package_folders() -> list[str]:
    """Where installed packages are; their .pth files are not followed, so that projects under development stay hidden."""
    return list(dict.fromkeys(os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")))


def _visible_paths() -> dict[str, Any]:
    """The paths that a program sees: links as they are, everything else bound read-only, no path inside another."""
    system = [Path(path) for path in _SYSTEM if Path(path).exists()]
    links = {str(path): str(path.readlink()) for path in system if path.is_symlink()}
    found = [str(path) for path in system if not path.is_symlink()]
    found += [os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix), *_package_folders()]
    binds = [path for path in dict.fromkeys(found) if not any(Path(other) in Path(path).parents for other in found)]
    return {"binds": binds, "links": {**links, "/dev/shm": SCRATCH}, "devices": list(_DEVICES)}  # noqa: S108


def _environment() -> dict[str, str]:
    """All the environment there is; the hash seed makes two runs of one program print the same."""
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": SCRATCH,
        "TMPDIR": SCRATCH,
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(_package_folders()),
        **threads,
    }


def _resource_limits(limits: Limits, own_processes: int) -> dict[str, tuple[int, int]]:
    """Name of the limit -> soft and hard value. A core limit of 1 byte also keeps the kernel from piping a dump to the host.

    Args:
        limits: What the program may use.
        own_processes: The sandbox's own, which the kernel counts with the program's: the init, and what started it where it is
            in the same user namespace.
    """
    single = {
        "RLIMIT_AS": limits.memory_mb << 20,
        "RLIMIT_NPROC": limits.num_processes + own_processes,
        "RLIMIT_NOFILE": limits.num_files,
        "RLIMIT_FSIZE": limits.file_mb << 20,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_CORE": 1,
    }
    return {
        "RLIMIT_CPU": (limits.cpu_seconds, limits.cpu_seconds + 1),
        **{name: (value, value) for name, value in single.items()},
    }


def _bubblewrap_command(request: Mapping[str, Any]) -> list[str]:
    """What starts the init inside bubblewrap, with the same view as the namespaces of our own."""
    command = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--as-pid-1", "--die-with-parent", "--new-session"]
    command += ["--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    command += ["--perms", "1777", "--size", str(request["scratch_bytes"]), "--tmpfs", SCRATCH]
    for path in request["devices"]:
        command += ["--dev-bind", path, path]
    for path in (*request["binds"], str(CHILD)):
        command += ["--ro-bind", path, path]
    for path, target in request["links"].items():
        command += ["--symlink", target, path]
    return [*command, "--remount-ro", "/", "--chdir", SCRATCH, INTERPRETER, "-I", "-S", str(CHILD), "init"]
