"""``careledger app``: a patient lets apps in, each by a consent of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from careledger.app import clients, patients_apps
from careledger.app.clients import Registered
from careledger.app.scopes import PATIENT, Word, narrowed, word
from careledger.cli import scoping
from careledger.cli.opening import Mine, patient, reached
from careledger.cli.options import DATA, Data, Json, Patient, command, group
from careledger.cli.output import tell
from careledger.cli.words import Facts, listed, minute, moment
from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope
from careledger.domain.errors import ClientNotFound, ScopeRefused
from careledger.domain.parties import PartyId
from careledger.formats.patients import Certificate, GivenConsent
from careledger.workflows.app_passes import LASTS
from careledger.workflows.grant import certificate_of, grant, live_consents, wait_for_grants
from careledger.workflows.let_in import let_in, stands

if TYPE_CHECKING:
    from careledger.app.world import World

app = group("A patient's own apps: show one, let it in.")
Id = Annotated[str, typer.Argument(metavar="APP", help="Its client id, which the page it leads to shows.")]


@command(app, "show", "careledger app show APP")
def show(named: Id, data: Data = DATA, as_json: Json = False) -> None:
    """Show an app that patients let in: whose it is, as which party it reads, what at most it would see."""
    with reached(data) as world:
        found = _found(world, named)
        facts = _facts(world, found, _words(found))
        tell(
            as_json,
            facts,
            f"{facts['name']}, of {facts['organisation']}: {listed(facts['categories'])}.",
            "Let it in: careledger app allow.",
        )


@command(
    app,
    "allow",
    "careledger app allow velvet APP",
    "careledger app allow velvet APP --scope patient/Condition.rs --until 30d",
)
def allow(
    named: Patient,
    id: Id,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="Only this of what it is registered for; repeatable."),
    ] = None,
    category: scoping.Categories = None,
    until: scoping.Until = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Let an app in: a consent to it for what its scopes are about, and a pass to type on its page, good once.

    A consent to it that stands already is used again, unless --until says otherwise. consent revoke ends the app.
    """
    with reached(data) as world:
        found = _found(world, id)
        words = _words(found, scopes)
        covered = patients_apps.categories(words)
        if category:
            covered &= {each.category for each in scoping.compartments(category, None)}
        if not covered:
            raise typer.BadParameter("its scopes are about none of this", param_hint="--category")
        mine = patient(world, named)
        given = None if until else _standing(world, mine, found, covered)
        made = certificate_of(given) if given else _consent(world, mine, found, covered, until)
        said = " ".join(each.said for each in words)
        secret = let_in(world.network, mine.holder, made, found.id, said)
        facts = {
            "pass": secret,
            "pass_until": moment(world.clock.now() + LASTS),
            **_facts(world, found, words),
        }
        facts |= {"categories": sorted(each.code for each in covered), **_ends(mine, made)}
        tell(
            as_json,
            facts,
            f"{facts['name']} may read {listed(facts['categories'])} until {facts['until']}.\nThe pass is {secret}",
            f"Type it on the app's page within a quarter of an hour; careledger consent revoke "
            f"{mine.label.split()[0]} {facts['consent'][:8]} ends the app at once.",
        )


def _found(world: World, id: str) -> Registered:
    try:
        return patients_apps.find(world.keyring.organisations().values(), id)
    except ClientNotFound:
        raise typer.BadParameter("no app of patients has that client id", param_hint="APP") from None


def _words(found: Registered, said: list[str] | None = None) -> list[Word]:
    """Its scopes, or as much of them as is said; raises BadParameter."""
    most = clients.asked(found.client.scopes, found.client.kind).words
    try:
        wanted = [word(each, (PATIENT,)) for each in said] if said is not None else list(most)
    except ScopeRefused as error:
        raise typer.BadParameter(str(error), param_hint="--scope") from None
    words = narrowed(wanted, most)
    if not words:
        raise typer.BadParameter("the app is registered for none of this", param_hint="--scope")
    return words


def _standing(
    world: World, mine: Mine, found: Registered, covered: frozenset[Category]
) -> GivenConsent | None:
    """The consent to that app which stands for just these categories."""
    view, wanted = world.ledger.fresh_head(), {Compartment(each).number for each in covered}
    for given in reversed(live_consents(mine.holder)):
        certificate = certificate_of(given)
        same = certificate.grantee.number == found.client.post and certificate.purpose == found.client.purpose
        same = same and wanted == set(certificate.scope.compartments)
        if same and stands(view, world.clock.now(), certificate.owner + certificate.commitment):
            return given
    return None


def _consent(
    world: World, mine: Mine, found: Registered, covered: frozenset[Category], until: str
) -> Certificate:
    to = Grantee(GranteeKind.POST, found.client.post, PartyId(found.employer.number))
    scope = Scope(frozenset(map(Compartment, covered)), frozenset({Permission.VIEW}))
    window = scoping.window(world, "now", until or "30d")
    made = grant(world.network, mine.holder, to, scope, Purpose[found.client.purpose], window)
    wait_for_grants(world.network, mine.holder)
    return made.certificate


def _ends(mine: Mine, made: Certificate) -> Facts:
    ends = {certificate_of(each).commitment: each.end for each in live_consents(mine.holder)}
    return {"until": minute(ends[made.commitment]), "consent": made.commitment.hex()}


def _facts(world: World, found: Registered, words: list[Word]) -> Facts:
    labels = world.keyring.labels()
    return {
        "client_id": found.id,
        "name": found.client.name,
        "organisation": labels.get(found.employer.number, ""),
        "post": labels.get(found.client.post, ""),
        "redirects": list(found.client.redirects),
        "scopes": " ".join(each.said for each in words),
        "categories": sorted(each.code for each in patients_apps.categories(words)),
    }
