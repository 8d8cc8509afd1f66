"""``careledger doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.app.diagnosis import ILL, MENDED, OPEN, Diagnosis
from careledger.cli.endings import not_verified
from careledger.cli.opening import existing
from careledger.cli.options import DATA, Data, Json, command, single
from careledger.cli.output import print_json, progress, screen
from careledger.cli.passphrases import ask_first
from careledger.cli.words import counted
from careledger.domain.errors import CareLedgerError

app = single()


@command(app, "doctor", "careledger doctor", "careledger doctor --repair", "careledger doctor --full --json")
def doctor(
    data: Data = DATA,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended here.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Replay the whole chain instead of following its hashes.")
    ] = False,
    blocks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Another copy of this data directory, to fetch blocks from.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Examine a data directory, part by part: settings, permissions, databases, chain, blocks, facts, what
    organisations and patients have left unfinished, indexes of own writings, custodians' logs, shares and attestations.

    The exit code is 0 if nothing is left to do, 1 if something is; patients are numbered, not named.
    """
    from careledger.app.doctor import Treatment, examine

    folder, found = existing(data), []
    passphrase = ask_first(folder)
    with progress() as bar:
        task = bar.add_task("examining", total=_blocks(folder))
        treatment = Treatment(repair, full, blocks)
        for each in examine(folder, treatment, lambda number: bar.update(task, completed=number), passphrase):
            found.append(each)
    sound = all(each.sound for each in found)
    if as_json:
        rows = [{"part": each.part, "state": each.state, "found": each.sentence} for each in found]
        print_json({"well": sound, "repaired": repair, "findings": rows})
    else:
        _show(found, sound, repair)
    if not sound:
        not_verified()


def _show(found: list[Diagnosis], sound: bool, repair: bool) -> None:
    for each in found:
        said = f"{each.part}: {'mended: ' if each.state == MENDED else ''}{each.sentence}"
        if each.state == ILL:
            screen().fails(said)
        elif each.state == OPEN:
            screen().warns(said)
        else:
            screen().holds(said)
    left = sum(not each.sound for each in found)
    if sound:
        screen().says("Everything is well.")
    else:
        hint = "" if repair else " Next: careledger doctor --repair."
        screen().says(f"{counted(left, 'part')} of {len(found)} not well.{hint}")


def _blocks(folder: Path) -> int | None:
    from careledger.adapters.evm.verify import chain_head
    from careledger.app.ledgers import embedded_folder

    try:
        return chain_head(embedded_folder(folder)).number
    except CareLedgerError:
        return None
