"""``careledger break-glass``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from careledger.cli import glass, readers, scoping
from careledger.cli.actors import actor, officer, session, staff
from careledger.cli.emergencies import entry_of
from careledger.cli.moments import duration
from careledger.cli.opening import opened
from careledger.cli.options import DATA, Anyone, As, Data, Json, command, group
from careledger.cli.output import print_json, screen, tell
from careledger.cli.people import Known, anyone
from careledger.cli.words import minute, moment
from careledger.domain.categories import Compartment
from careledger.domain.reasons import Rule
from careledger.workflows.actors import Session
from careledger.workflows.break_glass import Emergency, open_emergency, review
from careledger.workflows.emergencies import remember_emergency

if TYPE_CHECKING:
    from careledger.app.world import World

app = group(
    "An emergency: a doctor with a second party reads at once, the patient is alarmed, somebody reviews it."
)

Entry = Annotated[str, typer.Argument(metavar="ENTRY", help="The first digits that break-glass list shows.")]


@command(
    app,
    "open",
    'careledger break-glass open velvet --as "Dr Sen, Lakeside" --second "Dr Chowdhury, Lakeside" --reason unconscious',
)
def open_(
    named: Anyone,
    acting: As,
    second: Annotated[str, typer.Option(metavar="NAME", help="The second party, another verified post.")],
    reason: Annotated[str, typer.Option(metavar="CODE", help="Why, as a code without a person in it.")],
    hours: Annotated[str, typer.Option("--for", metavar="TIME", help="How long, at most 4h.")] = "4h",
    restricted: scoping.Restricted = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Open an emergency and read what is left in escrow for it; the patient is alarmed before anything is shown.

    Restricted records are asked for apart. Whoever opens it is reviewed within 72 hours, or may not do it again.

    The ledger has to answer: custodians that this command starts serve nobody before they have seen it.
    """
    seconds = duration(hours, "--for")
    if not reason.strip() or seconds == 0:
        raise typer.BadParameter("a reason and a time are needed", param_hint="--reason / --for")
    named_apart = scoping.compartments((), restricted) if restricted else frozenset()
    with opened(data) as world:
        asking, known = session(world, acting), anyone(world, named)
        by, beside = asking.staff, staff(world, second, "--second")
        made = open_emergency(world.network, by, beside, known.alias, reason, seconds, sorted(named_apart))
        remember_emergency(by, made)
        _read(world, asking, known, made, named_apart, as_json)


def _read(
    world: World, asking: Session, known: Known, made: Emergency, apart: frozenset[Compartment], as_json: bool
) -> None:
    wanted = sorted(scoping.compartments([scoping.ALL], ()) | apart)
    found = readers.read(world, asking, known, wanted, rule=Rule.BREAK_GLASS)
    facts = {"entry": made.entry.hex(), "until": moment(made.until), **readers.facts(found)}
    if as_json:
        print_json(facts)
        return
    screen().warns(
        f"Emergency {made.entry.hex()[:8]} is open until {minute(made.until)}; the patient is alarmed."
    )
    readers.show(screen(), found)


@command(app, "list", "careledger break-glass list")
def list_(data: Data = DATA, as_json: Json = False) -> None:
    """List every emergency on the ledger, whether it is over and whether it was reviewed; none names a patient."""
    with opened(data) as world:
        found = glass.facts(world)
        print_json({"emergencies": found}) if as_json else glass.show(screen(), found)


@command(app, "review", 'careledger break-glass review ENTRY --as "Officer Begum" --justified')
def review_(
    entry: Entry,
    acting: As,
    justified: Annotated[bool, typer.Option("--justified/--not-justified", help="What the review found.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """A ministry officer, or the employer of who opened it, reviews an emergency."""
    with opened(data) as world:
        by, name = actor(world, acting), entry_of(world, entry)
        if by.staff is not None:
            post = officer(world, acting)
            review(world.network, name, justified, post.post, post.key)
        else:
            review(world.network, name, justified, by.number, by.organisation.controller)
        facts = {"entry": name.hex(), "reviewed_by": by.label, "justified": justified}
        tell(as_json, facts, f"Reviewed by {by.label}: {'justified' if justified else 'not justified'}.")
