"""Where a command's findings go: a screen for people, JSON for programs, files for later."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from careledger.adapters.blocks.segments import sync_directory
from careledger.cli.endings import quiet_pipe
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, plain


class _Console(Console):
    """A console that ends quietly where nobody reads on."""

    def on_broken_pipe(self) -> None:
        """Rich calls this when the pipe is gone."""
        quiet_pipe()


def screen(uncoloured: bool = False) -> Screen:
    """The terminal; ``uncoloured``: no colours and no moving parts."""
    if uncoloured:
        return Screen(_Console(highlight=False, color_system=None, force_interactive=False))
    return Screen(_Console(highlight=False))


def print_json(facts: Facts) -> None:
    """One JSON object in ASCII."""
    print_text(json.dumps(facts, indent=2))


def print_text(text: str) -> None:
    """Lines as they are, never folded; a terminal gets nothing that could steer it."""
    sys.stdout.write((plain(text) if sys.stdout.isatty() else text) + "\n")
    sys.stdout.flush()


def print_pieces(pieces: Iterable[bytes | bytearray]) -> None:
    """The same of one line in pieces of UTF-8, none of which ends within a character."""
    for piece in pieces:
        text = piece.decode()
        sys.stdout.write(plain(text) if sys.stdout.isatty() else text)
    print_text("")


def progress() -> Progress:
    """A bar on stderr that leaves nothing behind."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=(console := Console(stderr=True)),
        transient=True,
        disable=not console.is_terminal,
    )


def new_folder(folder: Path, option: str) -> None:
    """A folder of mode 0700, or one that is empty; raises BadParameter for another."""
    if folder.exists() and any(folder.iterdir()):
        raise typer.BadParameter(f"{folder}: not empty", param_hint=option)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, data: bytes | Iterable[bytes | bytearray], option: str) -> None:
    """A new file of mode 0600, durable, of these bytes or pieces; raises BadParameter where it cannot be made, or
    stands there already.

    It has its name once it is whole. Until then ``.part`` stands behind it; where it does not come to its end, that is
    removed, but for a process that is killed.
    """
    part = path.parent / f"{path.name}.part"
    try:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise _unwritten(path, part, error, option) from None
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in (data,) if isinstance(data, bytes) else data:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        _named(part, path)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint=option) from None
    finally:  # also where whoever asked for it breaks it off: half of it is no file
        part.unlink(missing_ok=True)


def _unwritten(path: Path, part: Path, error: OSError, option: str) -> typer.BadParameter:
    if isinstance(error, FileExistsError) and not os.path.lexists(path):
        said = f"{part}: is there; another command writes it now, or was killed at it: then remove it"
        return typer.BadParameter(said, param_hint=option)
    return typer.BadParameter(f"{path}: {error.strerror}", param_hint=option)


def _named(part: Path, path: Path) -> None:
    """Gives a whole file its name, durably, unless that is taken; raises OSError."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as on many sticks
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        part.rename(path)
    sync_directory(path.parent)


def tell(as_json: bool, facts: Facts, *sentences: str) -> None:
    """What a command did: its facts for programs, or sentences for people."""
    if as_json:
        print_json(facts)
        return
    for sentence in sentences:
        screen().says(plain(sentence)) if sentence.startswith("Next:") else screen().holds(sentence)
