"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA = Path("demo-data")

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="CARELEDGER_DATA",
        show_default="./demo-data",
        help="The data directory.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print what was found as one JSON object, for programs.")]
Patient = Annotated[
    str,
    typer.Argument(
        metavar="PATIENT",
        help="A patient whose keys are on this device: the name, its beginning, or the first digits of the alias.",
    ),
]
