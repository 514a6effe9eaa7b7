"""What a long run does so that its memory stays flat."""

import ctypes
import sys
from contextlib import suppress


def give_back() -> None:
    """Hand freed memory back to the system.

    The C library keeps what it frees in fragments, so a run of hours looks as if it leaked. It costs a few milliseconds.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)
