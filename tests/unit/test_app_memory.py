"""A service gives back what it used for a moment."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

USED = """
import ctypes, sys, threading
from careledger.app.service.memory import give_back
if sys.argv[1] == "with":
    give_back()
libc, size = ctypes.CDLL(None), 19 << 20
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def passwords():
    for _ in range(3):
        piece = libc.malloc(size)
        ctypes.memset(piece, 1, size)
        libc.free(piece)
def now():
    return int(open("/proc/self/statm").read().split()[1]) >> 8
before = now()
threads = [threading.Thread(target=passwords) for _ in range(2)]
[each.start() for each in threads]
[each.join() for each in threads]
print(now() - before)
"""


def left(how: str) -> int:
    """MiB that stay after two threads took 19 MiB three times each."""
    return int(subprocess.run([sys.executable, "-c", USED, how], capture_output=True, check=True).stdout)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library, which gives memory back by itself"
)
def test_what_passwords_take_goes_back_to_the_system() -> None:
    assert left("with") < 8 < left("without")
