"""Files of lines read one after another as one: the parts of an export, which say of each other what to guard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO


class JoinedLines:
    """As much of a file as reading lines asks for; a line ends where its file ends. Close it to close them all.

    ``counts`` are how many lines that are not blank were read of each.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises OSError."""
        self._files: list[BinaryIO] = []
        try:
            for path in paths:
                self._files.append(path.open("rb"))
            self._sizes = [path.stat().st_size for path in paths]
        except OSError:
            self.close()
            raise
        self._at = 0
        self.counts = [0] * len(self._files)

    def readline(self, limit: int = -1, /) -> bytes:
        """The next line of the file at hand, else of the next one; empty after the last."""
        while self._at < len(self._files):
            line = self._files[self._at].readline(limit)
            if line:
                self.counts[self._at] += bool(line.strip())
                return line
            self._at += 1
        return b""

    def seek(self, offset: int, /) -> int:
        """To that byte of all of them in order."""
        left, self._at = offset, 0
        while self._at < len(self._files) - 1 and left >= self._sizes[self._at]:
            left -= self._sizes[self._at]
            self._at += 1
        self._files[self._at].seek(left)
        return offset

    def read(self, size: int = -1, /) -> bytes:
        """Bytes of the file at hand."""
        return self._files[self._at].read(size)

    def close(self) -> None:
        """Closes all of them."""
        for file in self._files:
            file.close()
