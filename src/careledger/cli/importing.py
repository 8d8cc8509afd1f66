"""``careledger import``: what became of each file, as facts and on the screen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from careledger.app.reading_ahead import Unread
from careledger.app.world import World
from careledger.cli.opening import SHORT
from careledger.cli.people import Known
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, counted
from careledger.domain.errors import CareLedgerError
from careledger.fhir.parse import shown
from careledger.workflows import alike
from careledger.workflows.actors import Organisation, Session
from careledger.workflows.alike import KnownPeople
from careledger.workflows.from_fhir import Unit
from careledger.workflows.intake import (
    TakenIn,
    check_one_patient,
    import_for,
    judge,
    registered_in,
    take_in,
)
from careledger.workflows.staged import Refusal, Staged, StagedVersion
from careledger.workflows.staging import NOTHING


@dataclass(frozen=True)
class Importing:
    """One run of the command: who imports for whom, and under which identifier it can be undone."""

    world: World
    asking: Session
    known: Known | None
    all_or_nothing: bool
    run: bytes
    people: KnownPeople

    @property
    def organisation(self) -> Organisation:
        """For whom the post imports."""
        return self.asking.staff.organisation


def imported(how: Importing, unit: Unit, staged: Staged | Unread) -> Facts:
    """Imports one file for the patient named, or for those whom it names; what stopped it stands among the facts."""
    if isinstance(staged, Unread):
        return {**_nothing(unit), "error": staged.error, "why": staged.why}
    network, all_or_nothing, run = how.world.network, how.all_or_nothing, how.run
    try:
        if how.known is not None:
            taken = [
                import_for(
                    network, how.asking, how.known.statement, staged, all_or_nothing=all_or_nothing, run=run
                )
            ]
            return _facts(how, unit, staged, staged.refusals, taken)
        judged, taken = take_in(
            network, how.asking, staged, all_or_nothing=all_or_nothing, run=run, people=how.people
        )
        return _facts(how, unit, staged, judged.refusals, taken)
    except CareLedgerError as error:
        return {**_nothing(unit), **_read(staged, staged.refusals), **_error(error)}


def judged(how: Importing, unit: Unit, staged: Staged | Unread) -> Facts:
    """What a file would do, as far as reading it tells."""
    if isinstance(staged, Unread):
        return {**_nothing(unit), "error": staged.error, "why": staged.why}
    try:
        taken, versions, refusals = _foreseen(how, staged)
    except CareLedgerError as error:
        return {**_nothing(unit), **_read(staged, staged.refusals), **_error(error)}
    categories = Counter(version.compartment.category.code for version in versions)
    facts = _facts(how, unit, staged, refusals, taken)
    return {**facts, "read": len(versions), "categories": dict(sorted(categories.items()))}


def _foreseen(
    how: Importing, staged: Staged
) -> tuple[list[TakenIn], list[StagedVersion], tuple[Refusal, ...]]:
    """Whose part of a file would be imported, what of it, and what not."""
    if how.known is not None:
        check_one_patient(staged)
        versions = alike.all_versions(staged)
        same = alike.same_contents(how.organisation, how.known.alias, versions)
        return [TakenIn(how.known.alias, False, NOTHING, None, (), same)], versions, staged.refusals
    registered = registered_in(how.world.ledger.fresh_head(), staged)
    desk = judge(how.organisation, staged, how.people, registered)
    taken = [
        TakenIn(each.alias, each.alias is None, NOTHING, None, each.like, each.same) for each in desk.patients
    ]
    versions = [version for each in desk.patients for version in each.staged.versions]
    return taken, versions, desk.refusals


def _facts(
    how: Importing, unit: Unit, staged: Staged, refusals: Iterable[Refusal], taken: list[TakenIn]
) -> Facts:
    notes = [note for each in taken for note in _noted(staged, each)]
    if how.known is not None:
        differing = alike.differing(how.organisation, how.known.alias, staged.stated)
        notes += [f"{where} says another patient than the one named" for where in differing]
    parts = [_part(each) for each in taken]
    return {**_nothing(unit), **_read(staged, refusals), **_summed(parts), "notes": notes}


def _noted(staged: Staged, taken: TakenIn) -> Iterator[str]:
    """What people should look at; nothing was merged or left out for it."""
    for like in taken.like:
        yield f"a new patient may be the one registered as {like.alias.hex()[:SHORT]} ({like.why})"
    for same in taken.same:
        yield f"{staged.named(same.index)} says what record {same.record_id.hex()[:SHORT]} says, under another name"


def _nothing(unit: Unit) -> Facts:
    return {
        "file": shown(unit[0].name if len(unit) == 1 else unit[0].parent.name),
        "parts": [shown(path.name) for path in unit[1:] and unit],
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
        "rejected": [_rejected(staged, each) for each in refusals],
        "warnings": len(staged.warnings),
        "unmapped": staged.unmapped,
    }


def _rejected(staged: Staged, refusal: Refusal) -> str:
    place = f", {refusal.path}" if refusal.path else ""
    return f"{staged.named(refusal.index)}{place}: {refusal.why}"


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
        "possible_duplicates": [{"alias": each.alias.hex(), "why": each.why} for each in taken.like],
        "same_content": [{"entry": each.index, "record": each.record_id.hex()} for each in taken.same],
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


def show(screen: Screen, found: list[Facts], preview: bool, run: str | None) -> None:
    """A line for each file, its rejects, a sum, and how to take it all back."""
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
    if run is not None:
        screen.says(f"This was import {run}; careledger undo-import {run[:SHORT]} takes it back.")


def _whose(each: Facts) -> str:
    if len(each["patients"]) != 1:
        return f"{counted(len(each['patients']), 'patient')}, {each['new']} to be registered"
    return "a patient to be registered" if each["new"] else "a patient who is known here"


def _registered(each: Facts) -> str:
    if len(each["patients"]) > 1:
        return f" {counted(len(each['patients']), 'patient')}, {each['new']} registered."
    return " The patient was registered." if each["new"] else ""
