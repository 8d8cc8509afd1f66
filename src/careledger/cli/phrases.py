"""A recovery phrase is shown once, on a terminal or in a file for its owner alone; never in JSON, never in an error."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from careledger.cli.output import write_private
from careledger.sealing.phrase import Phrase

OPTION = "--phrase-file"
A_ROW = 6


def check_place(path: Path | None, option: str = OPTION) -> None:
    """Raises BadParameter where the words could not be given to their owner: no terminal and no new file."""
    if path is None and not sys.stdout.isatty():
        raise typer.BadParameter(
            "the 24 words are shown on a terminal only; name a file for them", param_hint=option
        )
    if path is not None and path.exists():
        raise typer.BadParameter(f"{path} exists, and no phrase is written over a file", param_hint=option)


def give(phrase: Phrase, path: Path | None, option: str = OPTION) -> None:
    """Gives the words to their owner; ``check_place`` came before."""
    if path is not None:
        write_private(path, phrase.words().encode() + b"\n", option)
        typer.echo(
            f"The 24 words are in {path}. Write them down and destroy the file: all keys come from them.",
            err=True,
        )
        return
    words = phrase.words().split()
    rows = [words[place : place + A_ROW] for place in range(0, len(words), A_ROW)]
    sys.stdout.write(
        "\nThe recovery phrase, shown this once. Write the 24 words down; all keys come from them.\n\n"
    )
    for row, said in enumerate(rows):
        numbered = (f"{row * A_ROW + place:>4}. {word:<10}" for place, word in enumerate(said, start=1))
        sys.stdout.write("".join(numbered) + "\n")
    sys.stdout.write("\n")
    sys.stdout.flush()


def read(path: Path, option: str = OPTION) -> Phrase:
    """The phrase in a file; raises PhraseRefused, BadParameter."""
    try:
        return Phrase.from_words(path.read_text())
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter(f"{path} cannot be read", param_hint=option) from None
