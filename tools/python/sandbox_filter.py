"""The system-call filter of the sandbox, as a classic BPF program for seccomp.

Namespaces already keep a program from files and networks. The filter takes away the calls through which kernels have been
broken out of and those that namespaces do not cover: sockets of every family (some, such as VSOCK, reach past a network
namespace), new namespaces and mounts, tracing, BPF, io_uring, keys, memory files.
"""

import errno
import platform
import struct

from anyprefer.errors import ConfigError

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NAMESPACE_FLAGS = 0x7E020000
"""The CLONE_NEW* flags of clone."""

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SAME_EVERYWHERE = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "memfd_secret": 447,
}
_NUMBERS = {  # name: (x86_64, aarch64)
    "socket": (41, 198),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "userfaultfd": (323, 282),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "personality": (135, 92),
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16


def build_filter() -> bytes:
    """Assemble the filter for this machine.

    Raises:
        ConfigError: There is no table of system calls for its processor.
    """
    machine = platform.machine()
    if machine not in _AUDIT:
        raise ConfigError(
            f"the tool 'python' has a sandbox for x86_64 and aarch64, not for {machine!r}: remove it from tools.names"
        )
    column = list(_AUDIT).index(machine)
    denied = sorted([*_SAME_EVERYWHERE.values(), *(numbers[column] for numbers in _NUMBERS.values())])
    refuse = _code(_RETURN, ERRNO | errno.EPERM)
    program = [
        _code(_LOAD, _ARCHITECTURE_AT),
        _code(_EQUAL, _AUDIT[machine], 1, 0),
        _code(_RETURN, KILL),
        _code(_LOAD, _NUMBER_AT),
        _code(_AT_LEAST, _X32, 0, 1),
        _code(_RETURN, KILL),
        _code(_EQUAL, _CLONE3, 0, 1),
        _code(_RETURN, ERRNO | errno.ENOSYS),  # its flags are behind a pointer; the C library then falls back to clone
    ]
    for number in denied:
        program += [_code(_EQUAL, number, 0, 1), refuse]
    program += [_code(_EQUAL, _CLONE[machine], 0, 3), _code(_LOAD, _FIRST_ARGUMENT_AT), _code(_ANY_BIT, NAMESPACE_FLAGS, 0, 1)]
    return b"".join([*program, refuse, _code(_RETURN, ALLOW)])


def _code(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", operation, if_true, if_false, value)
