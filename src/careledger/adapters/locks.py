"""The lock file by which one process holds a directory; the kernel lets go of it however the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from careledger.domain.errors import DirectoryInUse, DirectoryNotWritable


def hold(directory: Path) -> int:
    """Holds the directory, which is made if need be, until what this returns is closed.

    Raises DirectoryInUse where another process holds it, DirectoryNotWritable where the disk takes nothing.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DirectoryNotWritable(directory=directory.name, why=error.strerror) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise DirectoryInUse(directory=directory.name) from None
    return handle


def is_taken(directory: Path) -> bool:
    """Whether a process has its ``turn`` at that directory now."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def turn(directory: Path) -> Iterator[None]:
    """Waits until nobody else is at that directory, which has to be there."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
