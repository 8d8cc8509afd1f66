"""``careledger import``: what became of each file, as facts and on the screen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from careledger.app.reading_ahead import Unread
from careledger.app.world import World
from careledger.cli.people import Known
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, counted
from careledger.domain.errors import CareLedgerError
from careledger.fhir.parse import shown
from careledger.workflows import alike
from careledger.workflows.actors import Session
from careledger.workflows.deposit import Deposited
from careledger.workflows.intake import (
    TakenIn,
    check_one_patient,
    import_for,
    judge,
    known_alias,
    take_in,
)
from careledger.workflows.staging import Refusal, Staged


def imported(
    world: World,
    asking: Session,
    known: Known | None,
    path: Path,
    staged: Staged | Unread,
    all_or_nothing: bool,
) -> Facts:
    """Imports one file for the patient named, or for those whom it names; what stopped it stands among the facts."""
    if isinstance(staged, Unread):
        return {**_nothing(path), "error": staged.error, "why": staged.why}
    try:
        if known is None:
            judged, taken = take_in(world.network, asking, staged, all_or_nothing=all_or_nothing)
            return {
                **_nothing(path),
                **_read(staged, judged.refusals),
                **_summed([_part(each) for each in taken]),
            }
        made = import_for(world.network, asking, known.statement, staged, all_or_nothing=all_or_nothing)
        part = _part(TakenIn(known.alias, False, made))
        read = {**_read(staged, staged.refusals), "notes": _notes(asking, known, staged)}
        return {**_nothing(path), **read, **_summed([part])}
    except CareLedgerError as error:
        return {**_nothing(path), **_read(staged, staged.refusals), **_error(error)}


def judged(asking: Session, known: Known | None, path: Path, staged: Staged | Unread) -> Facts:
    """What a file would do, as far as reading it tells."""
    if isinstance(staged, Unread):
        return {**_nothing(path), "error": staged.error, "why": staged.why}
    try:
        if known is not None:
            check_one_patient(staged)
            aliases, found = [known.alias], (staged.patients, staged.refusals)
        else:
            desk = judge(asking.staff.organisation, staged)
            found = desk.patients, desk.refusals
            aliases = [known_alias(asking.staff.organisation, each.key) or b"" for each in desk.patients]
    except CareLedgerError as error:
        return {**_nothing(path), **_read(staged, staged.refusals), **_error(error)}
    versions = [version for patient in found[0] for version in patient.versions]
    parts = [_part(TakenIn(alias or None, not alias, _NONE)) for alias in aliases]
    categories = Counter(version.compartment.category.code for version in versions)
    facts = {**_nothing(path), **_read(staged, found[1]), **_summed(parts)}
    facts["notes"] = _notes(asking, known, staged) if known else []
    return {**facts, "read": len(versions), "categories": dict(sorted(categories.items()))}


def _notes(asking: Session, known: Known, staged: Staged) -> list[str]:
    """What people should know of the whole file."""
    differing = alike.differing(asking.staff.organisation, known.alias, staged.stated)
    return [f"{where} says another patient than the one named" for where in differing]


_NONE = Deposited(bytes(32), {}, {}, (), False)


def _nothing(path: Path) -> Facts:
    return {
        "file": shown(path.name),
        "alias": None,
        "new": 0,
        "read": 0,
        "deposited": 0,
        "known": 0,
        "rejected": [],
        "warnings": 0,
        "unmapped": 0,
        "notes": [],
        "root": None,
        "thin": False,
        "patients": [],
        "error": None,
        "why": None,
    }


def _read(staged: Staged, refusals: Iterable[Refusal]) -> Facts:
    return {
        "read": staged.versions,
        "rejected": [str(each) for each in refusals],
        "warnings": len(staged.warnings),
        "unmapped": staged.unmapped,
    }


def _error(error: CareLedgerError | None) -> Facts:
    return {
        "error": type(error).__name__ if error else None,
        "why": str(error) if error else None,
    }


def _part(taken: TakenIn) -> Facts:
    """What became of one patient's part of a file."""
    made = taken.deposited
    return {
        "alias": taken.alias.hex() if taken.alias else None,
        "new": taken.new,
        "deposited": len(made.handles),
        "known": len(made.known),
        "root": made.root.hex() if made.handles else None,
        "thin": made.thin,
        **_error(taken.error),
    }


def _summed(parts: list[Facts]) -> Facts:
    """The parts together; alias and root are given where there is one patient."""
    one = parts[0] if len(parts) == 1 else {}
    wrong = next((each for each in parts if each["error"]), {})
    return {
        "alias": one.get("alias"),
        "new": sum(each["new"] for each in parts),
        "deposited": sum(each["deposited"] for each in parts),
        "known": sum(each["known"] for each in parts),
        "root": one.get("root"),
        "thin": any(each["thin"] for each in parts),
        "patients": parts,
        "error": wrong.get("error"),
        "why": wrong.get("why"),
    }


def write_rejects(target: Path, found: list[Facts]) -> None:
    """File, entry and reason of each reject; never what the entry says."""
    lines = [
        json.dumps({"file": each["file"], "reject": reject}) for each in found for reject in each["rejected"]
    ]
    target.write_text("".join(f"{line}\n" for line in lines))


def show(screen: Screen, found: list[Facts], preview: bool) -> None:
    """A line for each file, its rejects, and a sum."""
    for each in found:
        if each["error"]:
            screen.fails(f"{each['file']}: {each['why']}")
        elif preview:
            screen.holds(f"{each['file']}: {counted(each['read'], 'record')} of {_whose(each)}.")
        else:
            screen.holds(
                f"{each['file']}: {counted(each['deposited'], 'record')} deposited, {each['known']} known before, "
                f"{len(each['rejected'])} rejected.{_registered(each)}"
            )
        for said in (*each["rejected"], *each["notes"]):
            screen.warns(said)
    if len(found) > 1:
        total = Counter({name: sum(each[name] for each in found) for name in ("deposited", "known", "new")})
        failed = sum(bool(each["error"]) for each in found)
        screen.says(
            f"{counted(len(found), 'file')}: {counted(total['deposited'], 'record')} deposited, {total['known']} known "
            f"before, {counted(total['new'], 'patient')} new, {failed} not imported."
        )


def _whose(each: Facts) -> str:
    if len(each["patients"]) != 1:
        return f"{counted(len(each['patients']), 'patient')}, {each['new']} to be registered"
    return "a patient to be registered" if each["new"] else "a patient who is known here"


def _registered(each: Facts) -> str:
    if len(each["patients"]) > 1:
        return f" {counted(len(each['patients']), 'patient')}, {each['new']} registered."
    return " The patient was registered." if each["new"] else ""
