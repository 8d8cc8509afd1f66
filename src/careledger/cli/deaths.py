"""Two officers' decision about somebody who has died, as the file that carries it to the reader."""

from __future__ import annotations

from pathlib import Path

import typer

from careledger.cli.output import write_private
from careledger.formats.after_death import SignedDecision


def write_decision(path: Path, decision: SignedDecision) -> None:
    """A new file for its owner alone; raises BadParameter."""
    write_private(path, decision.encode(), "--file")


def decided(path: Path) -> SignedDecision:
    """What such a file holds; raises BadParameter where there is none, MalformedBytes for anything else."""
    try:
        return SignedDecision.decode(path.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--decision") from None
