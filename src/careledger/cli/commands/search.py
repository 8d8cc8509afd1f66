"""``careledger search``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.cli import readers, scoping, trends
from careledger.cli.actors import session
from careledger.cli.deaths import decided
from careledger.cli.moments import day_text
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Anyone, Data, Json, command, single
from careledger.cli.output import print_json, screen
from careledger.cli.people import Known, anyone
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import FhirRefused
from careledger.domain.reasons import Rule
from careledger.fhir.export import resource_of
from careledger.fhir.search import Query, matches
from careledger.formats.releases import SignedAgreement
from careledger.workflows.actors import Session
from careledger.workflows.agree import agree
from careledger.workflows.grounds import by_officers
from careledger.workflows.retrieve import Record

if TYPE_CHECKING:
    from careledger.app.world import World

app = single()
RULES = {rule.code: rule for rule in (Rule.CONSENT, Rule.REGISTRAR, Rule.GENERAL, Rule.BREAK_GLASS)}


Words = Annotated[
    list[str] | None, typer.Argument(metavar="TEXT", help="Words that have to stand in a record.")
]
Reader = Annotated[
    str,
    typer.Option(
        "--as", metavar="NAME", help="The post that reads; without it the patient's own agent does."
    ),
]
First = Annotated[str, typer.Option("--from", metavar="DATE", help="Only what is about this date or later.")]
Last = Annotated[str, typer.Option("--to", metavar="DATE", help="Only what is about this date or earlier.")]
Code = Annotated[str, typer.Option(metavar="CODE", help="Only with this code, or SYSTEM|CODE.")]
ByRule = Annotated[
    str,
    typer.Option(
        "--rule", metavar="NAME", help=f"By which rule --as reads: {', '.join(RULES)}; else the strongest."
    ),
]
AgreedBy = Annotated[
    str,
    typer.Option(metavar="NAME", help="The employer's officer who agrees to more than 40 patients a day."),
]
Decision = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Somebody who has died: the officers' decision, from careledger patient after-death.",
    ),
]
Plot = Annotated[bool, typer.Option("--plot", help="Also draw what was measured more than once over time.")]


@command(
    app,
    "search",
    'careledger search velvet "blood pressure" --from 2015',
    "careledger search velvet --code 8302-2 --plot",
    'careledger search velvet asthma --as "Dr Sen, Lakeside" --category diagnosis --category report',
)
def search(
    named: Anyone,
    text: Words = None,
    acting: Reader = "",
    category: scoping.Categories = None,
    restricted: scoping.Restricted = None,
    first: First = "",
    last: Last = "",
    code: Code = "",
    rule: ByRule = "",
    agreed_by: AgreedBy = "",
    decision: Decision = None,
    purpose: scoping.ForPurpose = "TREAT",
    plot: Plot = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Search a patient's records as somebody who may read them, and say what could not be looked into and why.

    The records are asked for and opened as for any reading, and searched here: nobody keeps an index of them. The
    asking stands in the patient's log.
    """
    _check_rule(rule, acting, decision)
    query = _query(text or (), code, first, last)
    with opened(data) as world:
        if acting:
            use, by = scoping.purpose(purpose), RULES.get(rule)
            wanted = sorted(_wanted(category, restricted, own=False))
            asking, known = session(world, acting), anyone(world, named)
            if decision is not None:
                read = readers.read_on(world, asking, known, by_officers(asking, decided(decision), wanted))
            else:
                agreement = _agreement(world, agreed_by, asking, known)
                read = readers.read(world, asking, known, wanted, use, by, agreement)
        else:
            read = readers.read_own(
                world, patient(world, named), sorted(_wanted(category, restricted, own=True))
            )
        _told(read, [each for each in read.records if _fits(each, query)], plot, as_json)


def _agreement(world: World, named: str, asking: Session, known: Known) -> SignedAgreement | None:
    if not named:
        return None
    return agree(world.network, session(world, named, "--agreed-by"), asking.staff, known.alias)


def _check_rule(rule: str, acting: str, decision: Path | None) -> None:
    if decision is not None and (rule or not acting):
        raise typer.BadParameter("goes with --as and without --rule", param_hint="--decision")
    if rule and (rule not in RULES or not acting):
        raise typer.BadParameter(f"one of {', '.join(RULES)}, with --as", param_hint="--rule")


def _query(text: Sequence[str], code: str, first: str, last: str) -> Query:
    words = tuple(word for each in text for word in each.split())
    dates = (day_text(said, option) if said else "" for said, option in ((first, "--from"), (last, "--to")))
    return Query(words, code, *dates)


def _told(read: readers.Read, found: Sequence[Record], plot: bool, as_json: bool) -> None:
    over_time = trends.trends(found)
    if as_json:
        print_json({"searched": len(read.records), **readers.facts(read, found), "trends": over_time})
        return
    readers.show(screen(), read, found, f"{len(found)} of {len(read.records)} records, by {read.rule.code}")
    if plot:
        trends.show(screen(), over_time)


def _wanted(category: list[str] | None, restricted: list[str] | None, own: bool) -> frozenset[Compartment]:
    """The named ones; of none named all that are not restricted, and for the patient these too."""
    if category or restricted:
        return scoping.compartments(category, restricted)
    sensitivities = tuple(Sensitivity) if own else (Sensitivity.NORMAL,)
    return frozenset(Compartment(each, sensitivity) for each in Category for sensitivity in sensitivities)


def _fits(record: Record, query: Query) -> bool:
    """What is not FHIR is found by its kind only where nothing is looked for."""
    try:
        return matches(resource_of(record.body), query)
    except FhirRefused:
        return query == Query()
