"""``careledger summary``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.cli import summaries
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Patient, command, single
from careledger.cli.output import print_text, write_private

app = single()


@command(app, "summary", "careledger summary velvet", "careledger summary velvet --pdf summary.pdf")
def summary(
    named: Patient,
    pdf: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it on pages, in the clear; needs the extra pdf."),
    ] = None,
    data: Data = DATA,
) -> None:
    """Sum up a patient's record for people: medication, allergies, problems and more, the newest first.

    It is asked for as the patient's own agent does, and stands in the patient's log. It says that there may be more.
    """
    if pdf is not None:
        summaries.check_installed()
    with opened(data) as world:
        found = summaries.own_summary(world, patient(world, named))
        if pdf is None:
            print_text(summaries.text_of(found))
            return
        write_private(pdf, summaries.pdf_of(found), "--pdf")
        print_text(f"{pdf}: {len(found.parts)} sections, in the clear.")
