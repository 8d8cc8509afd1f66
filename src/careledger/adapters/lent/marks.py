"""Counters that one process of a directory raises and others look at: whose leases are to be asked for anew.

They lie in memory that the processes share, a file of fixed size, so that a look costs no call and sees what was raised
before it. A counter stands for many names, so that a lease is now and then asked for anew without need, never the other
way round. Nothing in it is anybody's name.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from pathlib import Path

MANY, WIDTH = 4_096, 8
SIZE = (1 + MANY) * WIDTH


class Marks:
    """For one process; ``raises`` for the only one that raises them. Not to be used by two threads at once."""

    def __init__(self, path: Path, raises: bool = False) -> None:
        """Opens the file, which only ``raises`` makes; whoever raises is new, so all is to be asked for anew."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT if raises else os.O_RDONLY, 0o600)
        try:
            if raises and os.fstat(handle).st_size != SIZE:
                os.ftruncate(handle, SIZE)
            access = mmap.ACCESS_WRITE if raises else mmap.ACCESS_READ
            self._memory = mmap.mmap(handle, SIZE, access=access)
        finally:
            os.close(handle)
        if raises:
            self._raise(0)

    def raise_for(self, *names: bytes) -> None:
        """What was looked at under that name before counts no more."""
        self._raise(_place(names))

    def of(self, digest: bytes, alias: bytes) -> tuple[int, int, int]:
        """Other numbers as soon as the lender is another one, or what a token, or it of a patient, has open is to be
        asked for anew."""
        return self._at(0), self._at(_place((digest,))), self._at(_place((digest, alias)))

    def close(self) -> None:
        """Lets go of the file."""
        self._memory.close()

    def _at(self, place: int) -> int:
        return int.from_bytes(self._memory[place * WIDTH : (place + 1) * WIDTH], "little")

    def _raise(self, place: int) -> None:
        value = (self._at(place) + 1) % (1 << 8 * WIDTH)
        self._memory[place * WIDTH : (place + 1) * WIDTH] = value.to_bytes(WIDTH, "little")


def _place(names: tuple[bytes, ...]) -> int:
    made = hashlib.sha256(b"".join(len(each).to_bytes(2, "big") + each for each in names)).digest()
    return 1 + int.from_bytes(made[:4], "big") % MANY
