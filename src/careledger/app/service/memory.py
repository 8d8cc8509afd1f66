"""How a process that runs for years gives memory back, where its C library is glibc (mallopt(3))."""

from __future__ import annotations

import ctypes
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""The numbers of malloc.h."""
LARGE = 1 << 20
ARENAS = 2


def give_back() -> None:
    """Pieces of a MiB and more go back to the system as soon as they are free, and all threads share two heaps.

    By itself glibc keeps pieces of up to 32 MiB once it has seen one: the 19 MiB that a password takes would stay with
    each thread that ever checked one. And each thread has a heap of its own, in which nobody else uses what is free.
    To be called before there are threads; elsewhere it does nothing.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for what, value in ((MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, LARGE), (ARENA_MAX, ARENAS)):
            mallopt(what, value)
