"""The inside of the sandbox: a file that a bare interpreter runs, never imported by the package.

It has three parts, each a process. The launcher lives outside, makes the namespaces (or starts bubblewrap, which makes them),
and reaps whatever dies; SIGTERM tells it to kill everything. The init is process 1 inside: it builds a root of its own, gives
up every privilege, starts the program and writes how that ended to the status pipe; its death takes all processes inside
along. The program is exec'd with limits of its own. Only the standard library is used, since nothing else is importable here.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

NOBODY = 65534
MS_REC, MS_BIND, MS_PRIVATE, MS_NOSUID, MS_NODEV = 0x4000, 0x1000, 0x40000, 0x2, 0x4
MNT_DETACH, AT_FDCWD, AT_RECURSIVE = 2, -100, 0x8000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_MOUNT_SETATTR = 442
NEWUSER, NEWPID = 0x10000000, 0x20000000
NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWNET = 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER = 1, 4, 24, 22, 36
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, SECCOMP_MODE_FILTER = 38, 47, 4, 2
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *args: object) -> None:
    """Call a function of the C library.

    Raises:
        OSError: It failed; says which and why.
    """
    if getattr(libc, name)(*args) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def prctl(option: int, *values: Any) -> None:
    """Set a property of this process."""
    call("prctl", option, *(ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]))


def launch(request: dict[str, Any]) -> None:
    """Start the sandbox and reap everything it leaves, until nothing runs any more."""
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != request["parent"]:
        return
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    child = _start_bubblewrap(request) if request["bubblewrap"] else _start_init(request)
    with suppress(PermissionError):  # the child has done it already
        os.setpgid(child, child)
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    with suppress(ChildProcessError):
        while True:
            os.wait()


def _start_bubblewrap(request: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # until it has set itself up to die with its parent, bubblewrap's child is killed by its group
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.lseek(0, 0, os.SEEK_SET)
        os.execv(request["bubblewrap"][0], request["bubblewrap"])  # noqa: S606 - no shell is the point
    return child


def _start_init(request: dict[str, Any]) -> int:
    uid, gid = os.geteuid(), os.getegid()
    call("unshare", NEWPID if uid == 0 else NEWUSER | NEWPID)
    if uid != 0:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{NOBODY} {uid} 1")
        _write("/proc/self/gid_map", f"{NOBODY} {gid} 1")
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        _guard(request, build_namespaces, run_program)
    return child


def _write(path: str, text: str) -> None:
    Path(path).write_text(text)


def _guard(request: dict[str, Any], *parts: Any) -> NoReturn:
    """Run the parts, then end; a failure is written to the status pipe, and the program never starts."""
    try:
        for part in parts:
            part(request)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent hears of it and nothing runs unprotected
        _report(request, setup=f"{type(error).__name__}: {error}")
        os._exit(1)
    os._exit(0)


def _report(request: dict[str, Any], **facts: object) -> None:
    os.write(request["status_fd"], json.dumps(facts).encode() + b"\n")


def build_namespaces(request: dict[str, Any]) -> None:
    """Enter namespaces of our own, with a root that holds only what a program needs, and give up being root."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError):
        _write("/proc/self/oom_score_adj", "1000")  # where memory runs out, the sandbox dies first
    call("unshare", NEWNS | NEWNET | NEWIPC | NEWUTS | NEWCGROUP)
    socket.sethostname("sandbox")
    _build_root(request)
    if os.geteuid() == 0:
        _drop_bounding_set()
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        with suppress(OSError):  # a user namespace counts its own processes, so that two sandboxes share no limit
            call("unshare", NEWUSER)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user clears it


def _build_root(request: dict[str, Any]) -> None:
    """Make a root of empty folders in memory, show the listed paths in it read-only, and let go of the old root."""
    call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    call("mount", b"tmpfs", b"/tmp", b"tmpfs", MS_NOSUID | MS_NODEV, b"size=1m,mode=755")
    Path("/tmp/old").mkdir()  # noqa: S108 - in the private mount of the line above
    call("syscall", SYS_PIVOT_ROOT[os.uname().machine], b"/tmp", b"/tmp/old")
    os.chdir("/")
    scratch = Path(request["scratch"])
    scratch.mkdir()
    options = f"size={request['scratch_bytes']},nr_inodes=4096,mode=1777"
    call("mount", b"tmpfs", bytes(scratch), b"tmpfs", MS_NOSUID | MS_NODEV, options.encode())
    for path in request["devices"]:
        _bind(Path(path), ATTR_NOSUID)
    for path in request["binds"]:
        _bind(Path(path), ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV)
    for path, target in request["links"].items():
        Path(path).symlink_to(target)
    call("umount2", b"/old", MNT_DETACH)
    Path("/old").rmdir()
    _set_attributes(Path("/"), ATTR_RDONLY, recursive=False)
    os.chdir(scratch)


def _bind(path: Path, attributes: int) -> None:
    source = Path("/old", *path.parts[1:])
    if source.is_dir():
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    call("mount", bytes(source), bytes(path), None, MS_BIND | MS_REC, None)
    _set_attributes(path, attributes, recursive=True)


def _set_attributes(path: Path, attributes: int, *, recursive: bool) -> None:
    """Set flags of a mount and, where recursive, of all mounts beneath it, which a remount would leave writable."""
    fields = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    call("syscall", SYS_MOUNT_SETATTR, AT_FDCWD, bytes(path), flags, fields, ctypes.c_size_t(len(fields)))


def run_program(request: dict[str, Any]) -> None:
    """Give up all privileges, run the program to its end and report on it, as the init."""
    for name, text in request["files"].items():
        Path(request["scratch"], name).write_bytes(text.encode())
    os.set_inheritable(request["status_fd"], False)  # noqa: FBT003
    _drop_privileges(bytes.fromhex(request["filter"]))
    _report(request, started=True)
    program = os.fork()
    if program == 0:
        _exec_program(request)
    while (ended := os.wait())[0] != program:
        pass
    code = os.waitstatus_to_exitcode(ended[1])
    _report(request, **({"exit_code": code} if code >= 0 else {"signal": -code}))


def _drop_bounding_set() -> None:
    with suppress(OSError):  # past the last capability the kernel says EINVAL
        for capability in range(64):
            prctl(PR_CAPBSET_DROP, capability)


def _drop_privileges(program: bytes) -> None:
    """Lose every capability, for good, and install the system-call filter; the init itself cannot be traced."""
    prctl(PR_SET_DUMPABLE, 0)
    _drop_bounding_set()
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    call("capset", struct.pack("Ii", CAPABILITY_VERSION_3, 0), struct.pack("6I", *[0] * 6))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(header))


def _exec_program(request: dict[str, Any]) -> NoReturn:
    try:
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.closerange(3, 4096)
        for name, (soft, hard) in request["rlimits"].items():
            resource.setrlimit(getattr(resource, name), (soft, hard))
        os.execve(request["argv"][0], request["argv"], request["environment"])  # noqa: S606 - likewise
    except BaseException as error:  # noqa: BLE001 - a forked child must not go on as its parent
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(127)


def main() -> None:
    """Read the request from standard input and act as the launcher, or as the init where bubblewrap has done the rest."""
    request = json.loads(sys.stdin.buffer.read())
    if sys.argv[1] == "init":
        _guard(request, run_program)
    try:
        launch(request)
    except OSError as error:
        _report(request, setup=str(error))


if __name__ == "__main__":
    main()
