"""Which files of a data directory a copy takes, and what each is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from careledger.adapters.custody.shred import SECOND
from careledger.domain.errors import SettingsRefused

SHRED = "shred"
LEFT_OUT = frozenset({"lock", "service.json", "facts.sqlite", "writings.index", SHRED, SECOND})
"""Locks, where a service answers, what can be made again (facts, indexes of own writings), and shred keys, which no
backup may hold."""
DERIVED = frozenset({".places"})
"""Where blocks lie in their segments, which can be made again too."""
DATABASES = frozenset({".db", ".sqlite"})
PASSING = frozenset({".next", ".new"})
"""What a crash may leave half written beside the whole."""


@dataclass
class Listing:
    """Paths below the data directory with slashes, in order. A database's side files belong to it and are not named."""

    files: list[str] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)


def list_files(folder: Path) -> Listing:
    """What lies there now; raises SettingsRefused for a link, which leads to what a copy would not hold."""
    found = Listing()
    for path in _walked(folder):
        name = path.relative_to(folder).as_posix()
        if path.suffix in DATABASES:
            found.databases.append(name)
        elif path.suffix == ".seg":
            found.segments.append(name)
        else:
            found.files.append(name)
    return found


def _walked(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda each: each.name)
    for each in listed:
        path = folder / each.name
        if _is_left_out(path):
            continue
        if each.is_symlink():
            raise SettingsRefused(folder=folder.name, why="it holds a link, behind which nothing is copied")
        if each.is_dir():
            yield from _walked(path)
        elif each.is_file():
            yield path


def _is_left_out(path: Path) -> bool:
    name = path.name
    return (
        name in LEFT_OUT
        or name.startswith(".")
        or path.suffix in PASSING | DERIVED
        or name.endswith(("-wal", "-shm", "-journal"))
    )
