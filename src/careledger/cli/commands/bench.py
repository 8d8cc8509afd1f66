"""``careledger bench``: the measuring scripts of a source tree; they are no part of the installed package."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

from careledger.cli.options import Json, command, single
from careledger.cli.output import print_json, screen

app = single()
FOLDER = Path("bench")


@command(app, "bench", "careledger bench")
def bench(
    part: Annotated[
        str, typer.Argument(metavar="PART", help="The part to run; without one they are listed.")
    ] = "",
    rest: Annotated[
        list[str] | None, typer.Argument(metavar="OPTION…", help="Options of that part, after --.")
    ] = None,
    folder: Annotated[Path, typer.Option("--bench", metavar="DIR", help="Where the scripts are.")] = FOLDER,
    as_json: Json = False,
) -> None:
    """Run a part of the benchmarks, or list them. They come with the source tree: run it there, or name --bench DIR."""
    scripts = {path.stem: path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")}
    if part:
        if part not in scripts:
            there = (
                ", ".join(scripts)
                or "none here; run this in the root of a clone, or name its bench with --bench"
            )
            raise typer.BadParameter(f"{part!r} is no part; there are: {there}", param_hint="PART")
        sys.argv = [str(scripts[part]), *(["--json"] if as_json else []), *(rest or ())]
        sys.path.insert(0, str(folder))
        runpy.run_path(str(scripts[part]), run_name="__main__")
        return
    if as_json:
        print_json({"parts": {name: str(path) for name, path in scripts.items()}})
    elif scripts:
        screen().table("Parts", ("part", "script"), list(scripts.items()))
    else:
        screen().says(
            f"No scripts in {folder}: they come with the source tree. Next: run this in the root of "
            "a clone, or name its bench with --bench DIR."
        )
