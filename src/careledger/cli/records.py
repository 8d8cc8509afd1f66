"""``careledger show PATIENT``: the records that a patient's own agent opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from careledger.app.names import Names
from careledger.cli.opening import SHORT, Mine
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, counted, listed, plain
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import FhirRefused, RecordNotFound
from careledger.fhir.export import resource_of
from careledger.fhir.summary import Summary, summary
from careledger.workflows import accesses
from careledger.workflows.retrieve import Record, Retrieved, forks, newest, retrieve

if TYPE_CHECKING:
    from careledger.app.world import World

UNMARKED = "unconfirmed"
WIDE = 100


@dataclass(frozen=True, repr=False)
class Shown:
    """What was asked for and what came: the records to show, in the order of the table."""

    mine: Mine
    retrieved: Retrieved
    records: tuple[Record, ...]
    names: Names


def own_records(
    world: World, mine: Mine, categories: Sequence[str] = (), every: bool = False, as_of: int = 0
) -> Shown:
    """Asks the patient's custodians as the patient's agent; by clinical date, the latest first.

    ``every`` shows all versions, else the newest of each record. Raises what ``retrieve`` raises.
    """
    network, asked = world.network, compartments(categories)
    access = accesses.by_holder(network, mine.holder, mine.statement, asked)
    found = retrieve(network, access, mine.statement, asked, as_of=as_of)
    chosen = list(found.records) if every else newest(found.records)
    chosen.sort(key=lambda record: (said(record).date, record.manifest.version), reverse=True)
    return Shown(mine, found, tuple(chosen), Names(world, network.ledger.fresh_head()))


def compartments(categories: Sequence[str]) -> list[Compartment]:
    """These categories at both sensitivities, all where none is named; raises BadParameter for another word."""
    known = {category.code: category for category in Category}
    for word in categories:
        if word not in known:
            raise typer.BadParameter(f"{word} is none of {', '.join(known)}", param_hint="--category")
    chosen = [known[word] for word in categories] or list(Category)
    return [Compartment(category, sensitivity) for category in chosen for sensitivity in Sensitivity]


def one(shown: Shown, named: str) -> list[Record]:
    """All versions of the record whose id begins so, oldest first; raises RecordNotFound, BadParameter."""
    digits = named.replace("-", "").casefold()
    fitting = [each for each in shown.retrieved.records if each.manifest.record_id.hex().startswith(digits)]
    if not fitting or not digits:
        raise RecordNotFound()
    if len({each.manifest.record_id for each in fitting}) > 1:
        raise typer.BadParameter("several records begin so; write more digits", param_hint="RECORD")
    return sorted(fitting, key=lambda each: each.manifest.version)


def said(record: Record) -> Summary:
    """When, what and which value; the MIME type of what is not FHIR."""
    try:
        return summary(resource_of(record.body))
    except FhirRefused:
        return Summary("", record.manifest.mime_type, "")


def short_ids(records: Iterable[Record]) -> dict[bytes, str]:
    """The first digits of each record id, as many as make them differ."""
    ids = {record.manifest.record_id for record in records}
    for length in range(SHORT, 33):
        if len({each.hex()[:length] for each in ids}) == len(ids):
            return {each: each.hex()[:length] for each in ids}
    return {each: each.hex() for each in ids}


def author(names: Names, record: Record) -> str:
    """Who answers for the statement: the registered author, else who is stated, else nobody."""
    manifest = record.manifest
    return names.of(manifest.author) if manifest.author else manifest.author_stated or "not stated"


def marks(record: Record) -> list[str]:
    """What stands beside a version: the patient's word, states, restricted, distrust."""
    beside = sorted((record.found.marks - {UNMARKED}) | (record.found.states - {"kept"}))
    return beside + (["not to be trusted"] if record.distrust else [])


def facts(shown: Shown) -> Facts:
    """As it stands in ``--json``."""
    found, lost = shown.retrieved, {record.handle for record in forks(shown.retrieved.records)}
    return {
        "patient": shown.mine.label,
        "alias": shown.mine.holder.alias.hex(),
        "complete": found.complete,
        "waiting": found.waiting,
        "problems": [str(problem) for problem in found.problems],
        "records": [record_facts(shown.names, record, record.handle in lost) for record in shown.records],
    }


def record_facts(names: Names, record: Record, lost: bool = False) -> Facts:
    """One row of the table."""
    told, manifest = said(record), record.manifest
    return {
        "record": manifest.record_id.hex(),
        "version": manifest.version,
        "handle": record.handle.hex(),
        "date": told.date,
        "category": record.compartment.category.code,
        "sensitivity": record.compartment.sensitivity.code,
        "type": manifest.resource_type,
        "what": told.what,
        "value": told.value,
        "author": author(names, record),
        "author_resolved": manifest.author_resolved,
        "depositor": names.of(manifest.depositor),
        "source": manifest.source,
        "marks": marks(record),
        "superseded_by_an_earlier_one": lost,
        "block": record.found.anchor.block,
    }


# On the screen ----------------------------------------------------------------------------------


def print_records(screen: Screen, shown: Shown, every: bool) -> None:
    """The table, and whether anything may be missing from it."""
    many = counted(len(shown.records), "version" if every else "record")
    title, ids = f"{many} of {shown.mine.label}", short_ids(shown.retrieved.records)
    record_table(screen, title, shown.names, shown.records, ids, every)
    _print_categories(screen, shown.records)
    print_trust(screen, shown)


def record_table(
    screen: Screen,
    title: str,
    names: Names,
    records: Sequence[Record],
    ids: dict[bytes, str] | None = None,
    every: bool = False,
) -> None:
    """A row for each record; ``ids`` are short names for more records than these."""
    ids, wide = ids or short_ids(records), screen.width >= WIDE
    noted = any(marks(record) for record in records)
    columns = ["record", "date", "category", "what"]
    columns += ["value", "author"] if wide else []
    columns += ["version"] if every else []
    columns += ["marks"] if noted else []
    rows = []
    for record in records:
        told, category = said(record), str(record.compartment).replace(" ", "\n")
        row = [ids[record.manifest.record_id], told.date, category]
        row += [told.what, told.value, author(names, record)] if wide else [_in_short(told)]
        row += [str(record.manifest.version)] if every else []
        rows.append(row + ([listed(marks(record))] if noted else []))
    screen.table(title, columns, rows, whole=columns[:3])


def _in_short(told: Summary) -> str:
    return ": ".join(part for part in (told.what, told.value) if part)


def _print_categories(screen: Screen, records: Iterable[Record]) -> None:
    counts = Counter(record.compartment.category.code for record in records)
    if len(counts) > 1:
        screen.bars("By category", counts.most_common())


def print_trust(screen: Screen, shown: Shown) -> None:
    """What the answers are worth."""
    print_trust_of(screen, shown.retrieved, len(shown.mine.statement.custodians))


def print_trust_of(screen: Screen, found: Retrieved, listed_on: int) -> None:
    """How many custodians answered, and what did not open."""
    answers = len(found.asked.answers)
    if found.complete:
        screen.holds(
            f"{answers} of {listed_on} custodians answered: nothing that is kept can be missing here."
        )
    else:
        screen.warns(f"{answers} of {listed_on} custodians answered: something may be missing.")
    if found.waiting:
        screen.warns(f"{counted(found.waiting, 'version')} not anchored yet.")
    for problem in found.problems:
        screen.warns(f"Something did not open: {plain(problem)}")
