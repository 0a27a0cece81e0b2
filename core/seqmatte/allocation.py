"""What the C library does with memory that is freed."""

from __future__ import annotations

import ctypes
import sys

# glibc's names for its settings (malloc.h), and the most that it takes for the second on 64 bits.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 32 << 20
# Freed memory that a process keeps for its next frame.
KEPT = 512 << 20


def keep_freed() -> bool:
    """Has the process keep what a frame frees for the next; says whether the C library can.

    Else every picture of a frame comes from the system anew and page by page: RVM at 1080p takes a quarter longer.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(library.mallopt(_TRIM_THRESHOLD, KEPT))
