"""Logs as static files (C2SP tlog-tiles): tiles of 256 hashes, entry bundles, and a reader that proves from them.

Files are named by path; writing them atomically, before the checkpoint that needs them, is the caller's part.
A full file never changes; partial files may be deleted once the full one is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from careledger.domain.errors import MalformedBytes, ProofRefused
from careledger.proofs.merkle import (
    Tree,
    check_consistency,
    check_inclusion_of_hash,
    consistency_from,
    leaf_hash,
    node_hash,
    path_from,
)

WIDTH = 256
HEIGHT = 8
MOST_ENTRY = 0xFFFF
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


def _numbered(index: int) -> str:
    parts = [f"{index % 1000:03d}"]
    while index := index // 1000:
        parts.append(f"x{index % 1000:03d}")
    return "/".join(reversed(parts))


def _path(kind: str, index: int, width: int) -> str:
    if index < 0 or not 1 <= width <= WIDTH:
        raise ProofRefused(why="no such tile")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{kind}/{_numbered(index)}{partial}"


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """``tile/<level>/<index>[.p/<width>]``; an index is written in groups of three digits."""
    if not 0 <= level <= 63:
        raise ProofRefused(why="no such tile")
    return _path(str(level), index, width)


def entries_path(index: int, width: int = WIDTH) -> str:
    """``tile/entries/<index>[.p/<width>]``."""
    return _path("entries", index, width)


@dataclass(frozen=True, slots=True)
class TileFile:
    """Which file a path names: a tile of that level, or an entry bundle where ``level`` is None."""

    level: int | None
    index: int
    width: int

    @property
    def path(self) -> str:
        """The one path that names it; raises ProofRefused where there can be no such file."""
        if self.level is None:
            return entries_path(self.index, self.width)
        return tile_path(self.level, self.index, self.width)

    def under(self, size: int) -> bool:
        """Whether a log of so many entries has all of it."""
        return self.index * WIDTH + self.width <= size >> HEIGHT * (self.level or 0)

    @classmethod
    def parse(cls, path: str) -> TileFile:
        """The file that a path names in its one spelling; raises ProofRefused."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise ProofRefused(why="no such tile")
        kind, numbers, partial = found.groups()
        level = None if kind == "entries" else int(kind)
        named = cls(level, int(numbers.replace("x", "").replace("/", "")), int(partial or WIDTH))
        if named.path != path:
            raise ProofRefused(why="no such tile")
        return named


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries with big-endian uint16 lengths; raises MalformedBytes for an entry over 65,535 bytes."""
    if any(len(entry) > MOST_ENTRY for entry in entries):
        raise MalformedBytes(why="log entry over 65,535 bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle; raises MalformedBytes."""
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise MalformedBytes(why="entry bundle cut short")
        entries.append(data[at + 2 : end])
        at = end
    return entries


def _changed(old: int, new: int) -> Iterator[tuple[int, int]]:
    """Index and width of the tiles over ``new`` hashes that differ from those over ``old``."""
    for index in range(old // WIDTH, -(-new // WIDTH)):
        yield index, min(WIDTH, new - index * WIDTH)


def new_tiles(tree: Tree, old: int, new: int) -> dict[str, bytes]:
    """The tile files that a log of ``new`` entries needs beyond those of ``old``."""
    files: dict[str, bytes] = {}
    level = 0
    while new >> (HEIGHT * level):
        for index, width in _changed(old >> HEIGHT * level, new >> HEIGHT * level):
            first = index * WIDTH
            hashes = (tree.node(HEIGHT * level, at) for at in range(first, first + width))
            files[tile_path(level, index, width)] = b"".join(hashes)
        level += 1
    return files


def new_bundles(entries: Sequence[bytes], old: int, new: int) -> dict[str, bytes]:
    """The entry bundles that a log of ``new`` of these entries needs beyond those of ``old``."""
    return {
        entries_path(index, width): encode_bundle(entries[index * WIDTH : index * WIDTH + width])
        for index, width in _changed(old, new)
    }


class TileReader:
    """Reads a log of known size and root from its files; nothing is returned before it is proved.

    ``files`` is trusted for nothing: a wrong, missing or cut file raises ProofRefused or MalformedBytes.
    """

    def __init__(self, files: Mapping[str, bytes], size: int, root: bytes) -> None:
        self.size = size
        self.root = root
        self._files = files
        self._tiles: dict[tuple[int, int], bytes] = {}

    def path(self, index: int) -> list[bytes]:
        """The inclusion path of one entry, checked against the root."""
        path = path_from(self._node, index, self.size)
        check_inclusion_of_hash(self.root, self.size, index, self._node(0, index), path)
        return path

    def entry(self, index: int) -> bytes:
        """One entry, proved under the root."""
        path = path_from(self._node, index, self.size)
        number, at = divmod(index, WIDTH)
        width = min(WIDTH, self.size - number * WIDTH)
        entries = decode_bundle(self._file(entries_path(number, width), entries_path(number)))
        if len(entries) < width:
            raise ProofRefused(why="entry bundle cut short")
        check_inclusion_of_hash(self.root, self.size, index, leaf_hash(entries[at]), path)
        return entries[at]

    def consistency(self, old: int, old_root: bytes) -> list[bytes]:
        """The proof that this log continues an older head of it; raises ProofRefused if it does not."""
        proof = consistency_from(self._node, old, self.size)
        check_consistency(old, old_root, self.size, self.root, proof)
        return proof

    def tree(self) -> Tree:
        """The whole tree, from its leaf hashes; raises ProofRefused if they do not give the root."""
        tree = Tree.of_hashes(self._node(0, index) for index in range(self.size))
        if tree.root() != self.root:
            raise ProofRefused(why="another root")
        return tree

    def _node(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, HEIGHT)
        first = index << height
        tile = self._tile(tile_level, first // WIDTH)
        at = first % WIDTH * 32
        row = [tile[at + 32 * n : at + 32 * (n + 1)] for n in range(1 << height)]
        while len(row) > 1:
            row = [node_hash(row[n], row[n + 1]) for n in range(0, len(row), 2)]
        return row[0]

    def _tile(self, level: int, index: int) -> bytes:
        known = self._tiles.get((level, index))
        if known is not None:
            return known
        width = min(WIDTH, (self.size >> HEIGHT * level) - index * WIDTH)
        tile = self._file(tile_path(level, index, width), tile_path(level, index))[: width * 32]
        if len(tile) != width * 32:
            raise ProofRefused(why="tile cut short")
        self._tiles[(level, index)] = tile
        return tile

    def _file(self, path: str, full: str) -> bytes:
        data = self._files.get(path)
        data = self._files.get(full) if data is None else data
        if data is None:
            raise ProofRefused(why="file is missing", path=path)
        return data
