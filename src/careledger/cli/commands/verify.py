"""``careledger verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.cli.endings import not_verified
from careledger.cli.options import DATA, Data, Json, command, single

app = single()


@command(app, "verify", "careledger verify", "careledger verify record.proof")
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="An offline proof file; nothing else is read.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Say what an offline proof file proves; without one, check everything in the data directory again."""
    from careledger.cli.verify import verify_data, verify_proof

    holds = verify_data(data, as_json) if file is None else verify_proof(file, as_json)
    if not holds:
        not_verified()
