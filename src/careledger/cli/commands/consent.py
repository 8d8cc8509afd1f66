"""``careledger consent``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from careledger.cli import consents, fhir_consents, requests, scoping
from careledger.cli.actors import grantee, organisation, session
from careledger.cli.commands import consent_fhir
from careledger.cli.opening import Mine, opened, patient, reached
from careledger.cli.options import DATA, Anyone, As, Data, Json, Patient, command, group
from careledger.cli.output import print_json, screen, tell
from careledger.cli.people import anyone
from careledger.cli.scoping import Narrowing, by_digits
from careledger.cli.words import Facts, listed, minute, moment
from careledger.domain.categories import Compartment
from careledger.domain.consents import Grantee, GranteeKind, Scope, Window, narrowed
from careledger.domain.parties import PartyId
from careledger.domain.ready_made import READY_MADE, ReadyMade
from careledger.formats.patients import AccessRequest
from careledger.formats.scopes import scope_of
from careledger.workflows import request_access
from careledger.workflows.give_ready_made import give_ready_made
from careledger.workflows.grant import Granted, grant, wait_for_grants
from careledger.workflows.revoke import revoke

if TYPE_CHECKING:
    from careledger.app.world import World

app = group("Ask for access, grant, refuse, revoke, list; ready-made consents in plain words.")

To = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="The post, team or organisation that is granted, by name or identifier."
    ),
]
RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="The first digits of the request.")]
READY_MADE_HELP = (
    "One of "
    + ", ".join(each.name for each in READY_MADE)
    + ", unchanged (consent ready-made says what each is)."
)


@command(
    app,
    "request",
    'careledger consent request velvet --as "Dr Sen, Lakeside" --category diagnosis --category report --until 30d '
    '--reason "Second opinion"',
    'careledger consent request velvet --as "Dr Sen, Lakeside" --category insurance --reason "Estimate"',
)
def request(
    named: Anyone,
    acting: As,
    category: scoping.Categories = None,
    restricted: scoping.Restricted = None,
    may: scoping.May = None,
    purpose: scoping.ForPurpose = "TREAT",
    until: scoping.Until = "30d",
    begins: scoping.From = "now",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the patient to read.")] = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """A post asks a patient for access; silence grants nothing."""
    covered, permitted = scoping.compartments(category, restricted), scoping.permissions(may)
    with opened(data) as world:
        asking, known = session(world, acting), anyone(world, named)
        made = request_access.request_access(
            world.network, asking, known.statement, Scope(covered, permitted), scoping.purpose(purpose),
            scoping.window(world, begins, until), reason,
        )  # fmt: skip
        tell(
            as_json,
            requests.facts(world, made),
            f"Asked; the request is {made.id.hex()[:8]}.",
            "Next: the patient answers with careledger consent grant --request, or consent refuse.",
        )


@command(
    app,
    "requests",
    "careledger consent requests velvet",
    'careledger consent requests --as "Lakeside Hospital"',
)
def requests_(
    named: Annotated[str, typer.Argument(metavar="PATIENT", help="What this patient was asked.")] = "",
    acting: Annotated[str, typer.Option("--as", metavar="NAME", help="What this organisation asked.")] = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List the requests that wait for a patient's answer, or what an organisation asked and was answered."""
    if bool(named) == bool(acting):
        raise typer.BadParameter("a PATIENT, or an organisation with --as", param_hint="PATIENT / --as")
    with opened(data) if acting else reached(data) as world:
        if acting:
            found = requests.sent(world, organisation(world, acting))
        else:
            found = [requests.facts(world, each) for each in requests.incoming(world, patient(world, named))]
        print_json({"requests": found}) if as_json else requests.show(screen(), found, bool(acting))


@command(
    app,
    "grant",
    "careledger consent grant velvet --request REQUEST",
    'careledger consent grant velvet --to "Dr Sen, Lakeside" --category diagnosis --category report --until 30d',
    'careledger consent grant velvet --to "City Hospital" --category all --may view --may append --may amend',
    'careledger consent grant velvet --to "Lakeside Hospital" --ready-made this-visit',
    'careledger consent grant velvet --to "Green Pharmacy" --ready-made pharmacy-now',
    'careledger consent grant velvet --to "Dr Sen, Lakeside" --category diagnosis --for AFTERDEATH --until 50y',
    'careledger consent grant velvet --to "Dr Sen, Lakeside" --category report --from-month 2015-01 --until 2w '
    '--author "City Hospital" --except RECORD',
)
def grant_(
    named: Patient,
    to: To = "",
    request_id: Annotated[
        str,
        typer.Option(
            "--request", metavar="REQUEST", help="Grant what was asked, or as much of it as is named."
        ),
    ] = "",
    ready: Annotated[str, typer.Option("--ready-made", metavar="NAME", help=READY_MADE_HELP)] = "",
    category: scoping.Categories = None,
    restricted: scoping.Restricted = None,
    may: scoping.May = None,
    purpose: scoping.ForPurpose = "TREAT",
    begins: scoping.From = "now",
    until: scoping.Until = "",
    author: scoping.Authors = None,
    from_month: scoping.FromMonth = "",
    to_month: scoping.ToMonth = "",
    exception: scoping.Except = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Give a consent: to whom, which categories, for what, until when. It holds from the block that shows it.

    With --request what was asked is granted to who asked, never more; with --ready-made the template is.
    """
    if sum(map(bool, (to, request_id))) != 1 or (request_id and ready):
        raise typer.BadParameter("--to and what to grant, or --request alone", param_hint="--to / --request")
    narrowing = Narrowing(author or (), from_month, to_month, exception or ())
    with reached(data) as world:
        mine = patient(world, named)
        if ready:
            made = _ready_made(world, mine, to, _template(ready, category, restricted, may), begins, until)
        elif request_id:
            wanted = scoping.compartments(category, restricted) if category or restricted else None
            made = _requested(world, mine, _request(world, mine, request_id), wanted, narrowing, until)
        else:
            covered, permitted = scoping.compartments(category, restricted), scoping.permissions(may)
            scope = scoping.scope(world, covered, permitted, narrowing, mine)
            window, use = scoping.window(world, begins, until or "30d"), scoping.purpose(purpose)
            made = grant(world.network, mine.holder, grantee(world, to), scope, use, window)
        _told(world, mine, made, as_json)


def _ready_made(world: World, mine: Mine, to: str, template: ReadyMade, begins: str, until: str) -> Granted:
    window = scoping.window(world, begins, until or f"{template.lasts}s")
    return give_ready_made(world.network, mine.holder, template, grantee(world, to), window)


def _template(name: str, *changes: object) -> ReadyMade:
    for template in READY_MADE:
        if template.name == name and not any(changes):
            return template
    why = "a ready-made consent is taken unchanged" if any(changes) else f"{name!r} is none"
    raise typer.BadParameter(f"{why}; {READY_MADE_HELP}", param_hint="--ready-made")


def _requested(
    world: World, mine: Mine, asked: AccessRequest, wanted: frozenset[Compartment] | None,
    narrowing: Narrowing, until: str,
) -> Granted:  # fmt: skip
    """What was asked, or what is left of it; the asker is told."""
    whole = scope_of(asked.scope)
    offered = scoping.scope(world, wanted or whole.compartments, whole.permissions, narrowing, mine)
    now = max(world.clock.now(), world.ledger.fresh_head().head.time)
    window = scoping.window(world, "now", until) if until else Window(max(asked.start, now), asked.end)
    to = Grantee(GranteeKind.POST, asked.reader, PartyId(asked.employer))
    made = grant(
        world.network, mine.holder, to, narrowed(offered, whole), scoping.purpose(asked.purpose), window
    )
    request_access.answer(world.network, mine.holder, asked.id, "granted")
    return made


def _request(world: World, mine: Mine, named: str) -> AccessRequest:
    known: dict[str, object] = {each.id.hex(): each for each in requests.incoming(world, mine)}
    found = known[by_digits(named, known, "REQUEST")]
    assert isinstance(found, AccessRequest)
    return found


def _told(world: World, mine: Mine, made: Granted, as_json: bool) -> None:
    wait_for_grants(world.network, mine.holder)
    found = next(
        each
        for each in consents.facts(world, mine)["consents"]
        if each["commitment"] == made.commitment.hex()
    )
    what = (
        listed(found["categories"])
        if len(found["categories"]) < 7
        else f"{len(found['categories'])} categories"
    )
    tell(
        as_json,
        found,
        f"{found['grantee']} may {listed(found['may'])}: {what}, until {minute(made.given.end)}.",
        f"Next: careledger consent revoke {mine.label.split()[0]} {found['commitment'][:8]} ends it at once.",
    )


@command(app, "refuse", "careledger consent refuse velvet REQUEST")
def refuse(named: Patient, request_id: RequestId, data: Data = DATA, as_json: Json = False) -> None:
    """Refuse a request; the asker learns that and no reason."""
    with reached(data) as world:
        mine = patient(world, named)
        asked = _request(world, mine, request_id)
        request_access.answer(world.network, mine.holder, asked.id, "refused")
        tell(as_json, requests.facts(world, asked, "refused"), "Refused; the asker is told no reason.")


@command(app, "revoke", "careledger consent revoke velvet CONSENT")
def revoke_(
    named: Patient,
    consent: Annotated[
        str,
        typer.Argument(
            metavar="CONSENT", help="The first digits that consent list shows, or the name of a grantee."
        ),
    ],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """End a consent at once: custodians refuse from that block, and new keys close what comes after."""
    with reached(data) as world:
        mine = patient(world, named)
        owner = consents.owner_of(world, mine, consent)
        head = revoke(world.network, mine.holder, owner)
        facts = {
            "patient": mine.label,
            "owner": "0x" + owner.hex(),
            "block": head.number,
            "time": moment(head.time),
        }
        tell(as_json, facts, f"Over from block {head.number}. What was read before cannot be recalled.")


@command(app, "list", "careledger consent list velvet", "careledger consent list velvet --fhir")
def list_consents(
    named: Patient,
    fhir: Annotated[
        bool,
        typer.Option("--fhir", help="As a FHIR R4 Bundle of Consents, which grant-fhir takes one by one."),
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List every consent that a patient gave: to whom, for what, until when, and how it stands on the ledger."""
    with reached(data) as world:
        mine = patient(world, named)
        if fhir:
            print_json(fhir_consents.bundle(world, mine))
            return
        found = consents.facts(world, mine)
        print_json(found) if as_json else consents.print_consents(screen(), found)


consent_fhir.add(app)


@command(app, "ready-made", "careledger consent ready-made")
def ready_made_(as_json: Json = False) -> None:
    """Say what each ready-made consent covers, for what, and how long it lasts."""
    found: list[Facts] = [
        {
            "name": each.name,
            "words": each.words,
            "may": [permission.code for permission in sorted(each.permissions)],
            "categories": [category.code for category in sorted(each.categories)],
            "latest_record_only": each.latest,
            "purpose": each.purpose.code,
            "lasts": each.lasts,
        }
        for each in READY_MADE
    ]
    if as_json:
        print_json({"ready_made": found})
    else:
        rows = [(each["name"], f"{each['words']}\n({listed(each['categories'])})") for each in found]
        screen().table("Ready-made consents", ("name", "what it says"), rows, whole=("name",))
