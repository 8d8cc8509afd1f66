"""``careledger demo``."""

from __future__ import annotations

from typing import Annotated

import typer

from careledger.app.removal import remove
from careledger.cli.endings import not_verified
from careledger.cli.options import DATA, Data, command, single
from careledger.cli.output import screen

app = single()


@command(app, "demo", "careledger demo --data demo-data", "careledger demo --again --patients 3")
def demo(
    data: Data = DATA,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Remove that data directory first, if it is one and nobody has it open."
        ),
    ] = False,
    processes: Annotated[
        bool, typer.Option("--processes", help="Run each custodian as a process of its own.")
    ] = False,
    patients: Annotated[
        int,
        typer.Option(min=0, max=19, help="How many patients of the sample to import beside the story's own."),
    ] = 19,
    plain: Annotated[bool, typer.Option("--plain", help="No colours and no moving parts.")] = False,
) -> None:
    """Tell the story of one patient across three organisations on real data, in a new data directory."""
    from careledger.cli.demo.run import demo as perform

    if again and data.exists():
        remove(data)
    if data.exists() and any(data.iterdir()):
        raise typer.BadParameter(f"{data} is not empty; name another, or add --again", param_hint="--data")
    if not perform(data, screen(plain), processes, patients):
        not_verified()
