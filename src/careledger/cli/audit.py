"""``careledger audit PATIENT``: who read what, when, why and under which rule, and whether anything is missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from careledger.app.names import Names
from careledger.cli.opening import Mine
from careledger.cli.output import write_private
from careledger.cli.screen import Screen
from careledger.cli.words import NONE, Facts, counted, day, listed, minute, moment
from careledger.domain.categories import Compartment
from careledger.domain.consents import Purpose
from careledger.domain.errors import MalformedBytes
from careledger.domain.facts import BreakGlassFacts
from careledger.domain.reasons import Reason
from careledger.workflows.audit import Access, Audit, Log, audit
from careledger.workflows.audit_file import completeness_file

if TYPE_CHECKING:
    from careledger.app.world import World

_SENTENCES = {reason.code: reason.sentence for reason in Reason}
WIDE = 120
DAY, DAYS, MOST_WEEKS = 86_400, 21, 53
OWN = "the patient's own agent"


@dataclass(frozen=True, repr=False)
class Audited:
    """An audit, the names in it, and what the ledger says of each broken glass."""

    mine: Mine
    found: Audit
    names: Names
    entries: dict[bytes, BreakGlassFacts]


def audited(world: World, mine: Mine) -> Audited:
    """Asks every custodian ever registered; each adds a line about this audit to its log."""
    found, view = audit(world.network, mine.holder), world.ledger.fresh_head()
    known = {access.entry: view.break_glass(access.entry) for access in found.accesses if any(access.entry)}
    entries = {entry: facts for entry, facts in known.items() if facts is not None}
    return Audited(mine, found, Names(world, view), entries)


def facts(said: Audited) -> Facts:
    """As it stands in ``--json``."""
    return {
        "patient": said.mine.label,
        "alias": said.mine.holder.alias.hex(),
        "complete": said.found.complete,
        "accesses": [_access(said, access) for access in said.found.accesses],
        "logs": [_log(said.names, log) for log in said.found.logs],
        "problems": [
            {"custodian": said.names.of(number), "problem": problem}
            for number, problem in said.found.problems
        ],
    }


def _access(said: Audited, access: Access) -> Facts:
    names = said.names
    return {
        "request": access.request.hex(),
        "time": moment(access.at_time),
        "reader": reader(names, access),
        "reader_id": names.id(access.reader) if access.reader else None,
        "employer": names.of(access.employer) if access.employer else None,
        "person_proof": access.person_proof,
        "passkey": _passkey(access),
        "rule": access.rule,
        "purpose": access.purpose,
        "outcome": access.outcome,
        "reasons": list(access.reasons),
        "categories": [str(Compartment.numbered(number)) for number in access.compartments],
        "versions": access.versions,
        "custodians": [names.of(number) for number in access.custodians],
        "officers": [names.of(number) for number in access.officers],
        "alarm": access.alarmed,
        "without_ledger": access.without_ledger,
        "entry": _entry(said.entries.get(access.entry)) if any(access.entry) else None,
    }


def _passkey(access: Access) -> Facts | None:
    """Which passkey it was, by the digest of its public key, and since when it is the post's."""
    said = access.passkey
    return None if said is None else {"key": said.key.hex(), "since": moment(said.since)}


def _entry(entry: BreakGlassFacts | None) -> str:
    """How the broken glass stands on the ledger."""
    if entry is None:
        return "not on the ledger"
    entered = "entered afterwards" if entry.afterwards else "entered before"
    return f"{entered}, {'reviewed' if entry.reviewed else 'not reviewed yet'}"


def _log(names: Names, log: Log) -> Facts:
    return {
        "custodian": names.of(log.custodian),
        "claim": log.claim,
        "entries": len(log.entries),
        "lines": log.completeness.size if log.completeness else 0,
        "proved": log.sentence,
        "events": dict(Counter(entry.event for entry in log.entries).most_common()),
    }


def reader(names: Names, access: Access) -> str:
    """Who asked."""
    return names.of(access.reader) if access.reader else OWN


# On the screen ----------------------------------------------------------------------------------


def print_audit(screen: Screen, said: Audited, every: bool = False) -> None:
    """The accesses, plots of them, and what was proved; ``every`` lists the patient's own requests too."""
    found, names = said.found, said.names
    shown = [access for access in found.accesses if access.reader or every]
    answered = sum("released" in access.outcome for access in shown)
    summary = f"{counted(answered, 'request')} answered, {len(shown) - answered} refused"
    columns = ["when (UTC)", "who", "why", "outcome", "what"]
    columns += ["in the logs of"] if screen.width >= WIDE else []
    rows = [_row(screen, names, access) for access in shown]
    screen.table(f"Who asked for records of {said.mine.label}: {summary}", columns, rows)
    _plots(screen, names, found, every)
    _alarms(screen, said)
    _completeness(screen, said)


def _row(screen: Screen, names: Names, access: Access) -> list[str]:
    who = reader(names, access)
    if access.employer and access.employer != access.reader:
        who += f"\n{names.of(access.employer)}"
    if access.reader:
        who += f"\n{_proof(access)}"
    outcome = access.outcome + ("\nALARM" if access.alarmed else "")
    what = (
        [counted(access.versions, "version")]
        if access.versions
        else [sentence(code) for code in access.reasons]
    )
    what += [_categories(access)] if access.compartments else []
    why = f"{purpose(access.purpose)}\nby {access.rule}" if access.reader else purpose(access.purpose)
    if access.officers:
        why += f"\nagreed by {listed([names.of(number) for number in access.officers])}"
    row = [minute(access.at_time).replace(" ", "\n"), who, why, outcome, "\n".join(what)]
    return row + (
        [listed([names.of(number) for number in access.custodians])] if screen.width >= WIDE else []
    )


def _proof(access: Access) -> str:
    """How the person proved who they are: by which passkey of the post, or not by more than the employer's word."""
    if access.passkey is None:
        return access.person_proof
    return f"passkey {access.passkey.key.hex()[:8]} since {day(access.passkey.since)}"


def purpose(code: str) -> str:
    """A purpose of use in words."""
    try:
        return Purpose.of(code).words
    except MalformedBytes:
        return code or NONE


def sentence(code: str) -> str:
    """Why something was refused; the code itself where it is none of ours."""
    return _SENTENCES.get(code, code)


def _categories(access: Access) -> str:
    words = [str(Compartment.numbered(number)) for number in access.compartments]
    return listed(words) if len(words) <= 4 else counted(len(words), "kind") + " of record"


def _plots(screen: Screen, names: Names, found: Audit, every: bool) -> None:
    others = [access for access in found.accesses if access.reader]
    who = Counter(reader(names, access) for access in others)
    if others:
        screen.bars(*_when(others))
        screen.bars("Requests by others, per reader", who.most_common())
    own = len(found.accesses) - len(others)
    if own and not every:
        screen.says(f"Besides, {OWN} asked {counted(own, 'time')} (--all lists them).")


def _when(others: list[Access]) -> tuple[str, list[tuple[str, int]]]:
    """A bar for each day; over more than three weeks one for each week by its Monday, those without any included."""
    times = [access.at_time for access in others]
    if max(times) - min(times) <= DAYS * DAY:
        return "Requests by others, per day", sorted(Counter(map(day, times)).items())
    mondays = [at - (at // DAY + 3) % 7 * DAY for at in times]  # 1970 began on a Thursday
    counts = Counter(map(day, mondays))
    weeks = range(min(mondays), max(mondays) + 1, 7 * DAY)
    return "Requests by others, per week", [(day(week), counts[day(week)]) for week in weeks][-MOST_WEEKS:]


def _alarms(screen: Screen, said: Audited) -> None:
    for access in said.found.accesses:
        if not access.alarmed:
            continue
        how = "granted while the ledger stood still, " if access.without_ledger else ""
        screen.warns(
            f"Alarm: {reader(said.names, access)} at {minute(access.at_time)}, {purpose(access.purpose)}; "
            f"{how}{_entry(said.entries.get(access.entry))}."
        )


def _completeness(screen: Screen, said: Audited) -> None:
    screen.says("What the custodians' release logs prove:")
    for log in said.found.logs:
        screen.holds(f"{said.names.of(log.custodian)}: {log.sentence}")
    for number, problem in said.found.problems:
        screen.warns(f"{said.names.of(number)}: {problem}")
    if said.found.complete:
        screen.says(
            "Nothing is missing: every custodian ever registered proved its log, "
            "and every request stands at each custodian that it names."
        )
    else:
        screen.warns("Not everything is proved: something may be missing where a line above says so.")


# The proof file ---------------------------------------------------------------------------------


def write_proof(world: World, said: Audited, path: Path, custodian: str) -> str:
    """Writes the file for one custodian's log and returns that custodian's name; the others' words are in it.

    ``custodian`` is a name's beginning; empty means the first one that held anything. Raises BadParameter,
    ProofRefused if no custodian attests the log's checkpoint.
    """
    log = _chosen(said, custodian)
    write_private(path, completeness_file(world.network, said.mine.holder, log), "--proof")
    return said.names.of(log.custodian)


def _chosen(said: Audited, named: str) -> Log:
    holding = [log for log in said.found.logs if log.proof is not None]
    fitting = [log for log in holding if said.names.of(log.custodian).casefold().startswith(named.casefold())]
    if not fitting:
        raise typer.BadParameter("no custodian of that name proved a log", param_hint="--custodian")
    return fitting[0]
