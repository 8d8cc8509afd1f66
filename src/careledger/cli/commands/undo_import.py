"""``careledger undo-import``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from careledger.cli.actors import session
from careledger.cli.endings import not_verified
from careledger.cli.opening import SHORT, opened
from careledger.cli.options import DATA, As, Data, Json, command, single
from careledger.cli.output import print_json, screen
from careledger.cli.scoping import by_digits
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, counted, minute, moment
from careledger.domain.errors import ImportNotFound
from careledger.workflows.actors import Organisation
from careledger.workflows.undo_import import Run, Undone, runs, undo_import

app = single()


@command(
    app,
    "undo-import",
    'careledger undo-import --as "records desk, City"',
    'careledger undo-import IMPORT --as "records desk, City"',
)
def undo(
    acting: As,
    named: Annotated[
        str, typer.Argument(metavar="IMPORT", help="The first digits of an import's identifier.")
    ] = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Take a whole import back: all that it deposited is retracted, or list the imports of one's organisation.

    New readers do not see what is retracted; whoever read it keeps what they have. Patients whom the import registered
    stay registered. Broken off, the same command goes on. The same file may be imported again afterwards.
    """
    with opened(data) as world:
        asking = session(world, acting)
        organisation = asking.staff.organisation
        if not named:
            listed = runs(organisation)
            _tell(as_json, [_run(each) for each in listed], [], lambda at: _list(at, listed))
            return
        made = undo_import(world.network, asking, _chosen(organisation, named))
        facts = [_part(each) for each in made]
        _tell(as_json, [_run(each) for each in runs(organisation)], facts, lambda at: _show(at, facts))
    if any(each.error for each in made):
        not_verified()


def _chosen(organisation: Organisation, named: str) -> bytes:
    """The import whose identifier begins so; raises ImportNotFound, BadParameter."""
    known: dict[str, object] = {each.id.hex(): each for each in runs(organisation)}
    if not any(each.startswith(named.casefold()) for each in known):
        raise ImportNotFound()
    return bytes.fromhex(by_digits(named, known, "IMPORT"))


def _tell(as_json: bool, imports: list[Facts], undone: list[Facts], show: Callable[[Screen], None]) -> None:
    if as_json:
        print_json({"imports": imports, "undone": undone})
    else:
        show(screen())


def _run(run: Run) -> Facts:
    return {
        "run": run.id.hex(),
        "time": moment(run.made),
        "patients": run.patients,
        "versions": run.versions,
        "undone": run.undone,
    }


def _part(undone: Undone) -> Facts:
    return {
        "alias": undone.alias.hex(),
        "retracted": undone.retracted,
        "before": undone.before,
        "built_on": undone.built_on,
        "read": undone.read,
        "error": type(undone.error).__name__ if undone.error else None,
        "why": str(undone.error) if undone.error else None,
    }


def _list(screen: Screen, listed: list[Run]) -> None:
    rows = [
        (
            each.id.hex()[:SHORT],
            minute(each.made),
            each.patients,
            each.versions,
            "undone" if each.undone else "",
        )
        for each in listed
    ]
    screen.table("Imports", ("import", "made", "patients", "versions", ""), rows)


def _show(screen: Screen, parts: list[Facts]) -> None:
    for each in parts:
        who = each["alias"][:SHORT]
        if each["error"]:
            screen.fails(f"{who}: {each['why']}")
            continue
        screen.holds(
            f"{who}: {counted(each['retracted'], 'version')} retracted, {each['before']} retracted before."
        )
        if each["built_on"]:
            screen.warns(f"{counted(each['built_on'], 'version')} of them others follow; those stay.")
        if each["read"]:
            screen.warns(
                f"{counted(each['read'], 'version')} of them had been read; readers keep what they have."
            )
        if each["read"] is None:
            screen.warns("Whether any had been read only the patient's own log tells.")
    screen.says("Patients whom the import registered stay registered.")
