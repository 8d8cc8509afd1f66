"""Where a command's findings go: a screen for people, JSON for programs, files for later."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

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


def write_private(path: Path, data: bytes | Iterable[bytes | bytearray], option: str) -> None:
    """A new file of mode 0600, durable, of these bytes or pieces; raises BadParameter where it cannot be made, or
    stands there already. Where it does not come to its end, however that ends, no file is left."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint=option) from None
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in (data,) if isinstance(data, bytes) else data:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint=option) from None
    except BaseException:  # also where whoever asked for it breaks it off: half of it is no file
        path.unlink(missing_ok=True)
        raise


def tell(as_json: bool, facts: Facts, *sentences: str) -> None:
    """What a command did: its facts for programs, or sentences for people."""
    if as_json:
        print_json(facts)
        return
    for sentence in sentences:
        screen().says(plain(sentence)) if sentence.startswith("Next:") else screen().holds(sentence)
