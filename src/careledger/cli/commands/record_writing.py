"""``careledger record note | report | retract | amend | adopt | move``: what posts and patients write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.cli import scoping
from careledger.cli.actors import organisation, session
from careledger.cli.moments import day_text
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Anyone, As, Data, Json, Patient, command
from careledger.cli.output import tell
from careledger.cli.people import Known, anyone
from careledger.cli.readers import read
from careledger.cli.records import one, own_records
from careledger.cli.scoping import by_digits
from careledger.cli.words import Facts, counted, day
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import RecordNotFound
from careledger.domain.reasons import Rule
from careledger.fhir.split import import_bundle
from careledger.formats.charts import AuthorsCopy
from careledger.workflows.accept import accept
from careledger.workflows.actors import Session
from careledger.workflows.amend import amend, cosign
from careledger.workflows.chart import copies
from careledger.workflows.deposit import Deposited
from careledger.workflows.from_fhir import new_version
from careledger.workflows.grounds import reading, writer
from careledger.workflows.move import move
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.note import clinical_note
from careledger.workflows.order import ACCEPT, order
from careledger.workflows.patient_reported import Report, report
from careledger.workflows.retract import retract
from careledger.workflows.retrieve import Record, newest
from careledger.workflows.signing import new_signed

if TYPE_CHECKING:
    from careledger.app.world import World

RecordId = Annotated[str, typer.Argument(metavar="RECORD", help="The first digits of a record's id.")]
FhirFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="One FHIR R4 resource."),
]
EVERYTHING = tuple(Compartment(category, each) for category in Category for each in Sensitivity)


def add(app: typer.Typer) -> None:
    """These commands, in ``careledger record``."""
    command(
        app,
        "note",
        'careledger record note velvet "Seasonal rhinitis" --as "Dr Rahman, City" --date 2026-11-19',
        'careledger record note velvet "Asthma" --as "Dr Rahman, City"',
    )(note)
    command(
        app,
        "report",
        'careledger record report velvet letter.pdf --by "City Hospital" --hospital "Upazila hospital" --why fever',
    )(report_)
    command(app, "amend", 'careledger record amend velvet OWN amended.json --as "Dr Rahman, City"')(amend_)
    command(app, "adopt", 'careledger record adopt velvet DIAGNOSIS --as "Dr Rahman, City"')(adopt)
    command(
        app,
        "accept",
        "careledger record accept velvet OWN",
        'careledger record accept velvet UNASKED --as "Dr Rahman, City"',
    )(accept_)
    command(app, "retract", 'careledger record retract velvet OWN --as "Dr Rahman, City"')(retract_)
    command(app, "move", 'careledger record move velvet OWN rahima --as "Dr Rahman, City"')(move_)


def note(
    named: Anyone,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the doctor states.")],
    acting: As,
    kind: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="A FHIR type with a code.")
    ] = "Condition",
    date: Annotated[str, typer.Option(metavar="DATE", help="The date that it is about.")] = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """A post writes a short clinical statement and signs it: by the patient's consent, or unasked and kept apart."""
    with opened(data) as world:
        asking, known = session(world, acting), anyone(world, named)
        on = day_text(date, "--date") if date else _today(world)
        by = writer(world.network, asking, known.statement)
        made = clinical_note(world.network, by, known.statement, asking.staff, kind, text, on)
        _told(as_json, made, by.ground.code)


def report_(
    named: Patient,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A document or picture.")
    ],
    by: Annotated[
        str, typer.Option(metavar="NAME", help="The organisation that carries it; it can open nothing.")
    ],
    title: Annotated[str, typer.Option(metavar="TEXT", help="What it is.")] = "",
    hospital: Annotated[str, typer.Option(metavar="TEXT", help="Which hospital was visited.")] = "",
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    admitted: Annotated[str, typer.Option(metavar="DATE", help="When admitted.")] = "",
    discharged: Annotated[str, typer.Option(metavar="DATE", help="When discharged.")] = "",
    category: scoping.Categories = None,
    kind: Annotated[
        str, typer.Option("--mime", metavar="TYPE", help="The file's MIME type.")
    ] = "application/pdf",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """A patient puts in a file of their own; it stays marked patient-reported until a doctor adopts it."""
    with opened(data) as world:
        mine, relay = patient(world, named), organisation(world, by, "--by")
        stated = Report(file.read_bytes(), kind, title or file.name, hospital, why, admitted, discharged)
        where = next(iter(scoping.compartments(category, ()))) if category else None
        _told(as_json, report(world.network, mine.holder, relay, mine.statement, stated, where), "own")


def amend_(
    named: Anyone, record: RecordId, file: FhirFile, acting: As, data: Data = DATA, as_json: Json = False
) -> None:
    """Write the next version of a record and sign it; the one before stays. Another's record needs the patient's
    consent to amend."""
    with opened(data) as world:
        asking, known = session(world, acting), anyone(world, named)
        before = _readable(world, asking, known, record)
        by = writer(world.network, asking, known.statement, amends=True)
        made = new_signed(world.network, _single(file), asking.staff)
        _told(as_json, amend(world.network, by, known.statement, before, made), by.ground.code)


def adopt(named: Anyone, record: RecordId, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """A doctor adopts a record that nobody signed: the same content, from now on signed by that post."""
    with opened(data) as world:
        asking, known = session(world, acting), anyone(world, named)
        before = _readable(world, asking, known, record)
        by = writer(world.network, asking, known.statement, amends=True)
        made = cosign(world.network, by, known.statement, before, asking.staff.number, asking.staff.key)
        _told(as_json, made, by.ground.code)


def accept_(
    named: Anyone,
    record: RecordId,
    acting: Annotated[
        str,
        typer.Option(
            "--as", metavar="NAME", help="A treating doctor; without it the patient's own agent accepts."
        ),
    ] = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Let a record that was deposited unasked be seen under consents, on the patient's or a treating doctor's word."""
    with opened(data) as world:
        if acting:
            asking, known = session(world, acting), anyone(world, named)
            found = _readable(world, asking, known, record)
            ground = reading(world.network, asking, known.statement, EVERYTHING, rule=Rule.CONSENT)
            told = accept(world.network, asking, ground.access, known.statement, [found.handle])
        else:
            mine = patient(world, named)
            found = one(own_records(world, mine, every=True), record)[-1]
            told = order(world.network, mine.holder, ACCEPT, [found.handle], "patient-request")
        facts = {
            "record": found.manifest.record_id.hex(),
            "accepted_by": acting or "the patient",
            "custodians": len(told),
        }
        tell(as_json, facts, f"Accepted; {counted(len(told), 'custodian')} carried it out.")


def retract_(named: Anyone, record: RecordId, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Take back what one's own organisation deposited: entered in error, hidden from new readers."""
    with opened(data) as world:
        asking, known = session(world, acting), anyone(world, named)
        mine = _own(asking, known, record)
        by = writer(world.network, asking, known.statement)
        told = retract(world.network, by, known.statement, [each.handle for each in mine])
        facts = {"record": mine[0].record_id.hex(), "versions": len(mine), "custodians": len(told)}
        tell(as_json, facts, "Retracted: new readers do not see it; whoever read it keeps what they have.")


def move_(
    named: Anyone,
    record: RecordId,
    right: Annotated[str, typer.Argument(metavar="OTHER", help="The patient that it belongs to.")],
    acting: As,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """A record was filed on the wrong person: all its versions deposited on the right one, retracted here, linked."""
    with opened(data) as world:
        asking, wrong, other = session(world, acting), anyone(world, named), anyone(world, right)
        found = _versions(world, asking, wrong, record)
        signs = asking.staff if any(each.manifest.author == asking.staff.number for each in found) else None
        here, there = (writer(world.network, asking, each.statement) for each in (wrong, other))
        made = move(world.network, here, wrong.statement, there, other.statement, found, "the patient", signs)
        record_id = found[0].manifest.record_id.hex()
        facts = {"record": record_id, "versions": len(found), "successor": made.successor.hex()}
        tell(
            as_json,
            facts,
            f"Moved with {counted(len(found), 'version')}: it stands on the right person, and is retracted here.",
        )


def _today(world: World) -> str:
    return day(world.clock.now())


def _single(file: Path) -> NewVersion:
    """The one resource of a file; raises BadParameter, FhirRefused."""
    found = import_bundle(file.read_bytes(), file.name)
    if len(found.versions) != 1:
        raise typer.BadParameter("not one resource", param_hint="FILE")
    return new_version(found.versions[0], found.mapping_version)


def _readable(world: World, asking: Session, known: Known, named: str) -> Record:
    """The newest version of the record as this post reads it; raises RecordNotFound for one that it does not see."""
    return newest(_versions(world, asking, known, named))[0]


def _versions(world: World, asking: Session, known: Known, named: str) -> list[Record]:
    """All versions of a record that this post reads, in their order; raises RecordNotFound."""
    found = read(world, asking, known, EVERYTHING).retrieved.records
    known_ids: dict[str, object] = {each.manifest.record_id.hex(): each for each in found}
    if not any(name.startswith(named.casefold()) for name in known_ids):
        raise RecordNotFound(why="not among those that this post reads")
    chosen = by_digits(named, known_ids, "RECORD")
    fitting = [each for each in found if each.manifest.record_id.hex() == chosen]
    return sorted(fitting, key=lambda each: each.manifest.version)


def _own(asking: Session, known: Known, named: str) -> list[AuthorsCopy]:
    """The versions of a record that the post's organisation deposited."""
    mine = copies(asking.staff.organisation, known.alias)
    known_ids: dict[str, object] = {each.record_id.hex(): each for each in mine}
    if not any(name.startswith(named.casefold()) for name in known_ids):
        raise RecordNotFound(why="not among those that this organisation deposited")
    chosen = by_digits(named, known_ids, "RECORD")
    return [each for each in mine if each.record_id.hex() == chosen]


def _told(as_json: bool, made: Deposited, ground: str) -> None:
    both = {**made.known, **made.handles}
    facts: Facts = {
        "records": [record.hex() for record in both],
        "handles": [handle.hex() for handle in both.values()],
        "ground": ground,
        "root": made.root.hex() if made.handles else None,
        "thin": made.thin,
    }
    apart = (
        " It is kept apart until the patient or a treating doctor accepts it." if ground == "unasked" else ""
    )
    if not made.handles:
        tell(as_json, facts, "It was deposited before; nothing is deposited twice.")
        return
    tell(
        as_json,
        facts,
        f"Deposited on the ground {ground!r} and anchored: {next(iter(both)).hex()[:8]}.{apart}",
    )
