"""Whom an organisation lets in: who waits for approval, and what its posts decide, each with a fresh proof.

A post that the matrix lets write who a patient is approves patients; an operator of the organisation says who holds its
posts, and suspends. Nobody decides about people of another organisation, who are not found.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from careledger.app.identity import accounts, approving, invitations, providers, sessions
from careledger.app.identity.accounts import Person
from careledger.domain.consents import Purpose
from careledger.domain.errors import ActRefused, PartyNotFound, WritingRefused
from careledger.domain.facts import PartyFacts
from careledger.domain.parties import PartyId, Role, party_id
from careledger.formats.sign_on import Provider, SamlProvider
from careledger.gateway.api.patients import check_registers
from careledger.gateway.api.times import moment
from careledger.gateway.identity import bodies
from careledger.gateway.identity.operations import CREATED, Call, Operation, Said, Service, Who
from careledger.gateway.identity.signing_in import over
from careledger.workflows.actors import Organisation
from careledger.workflows.identity_rows import Identity
from careledger.workflows.match import MOST_MATCHES, Asker, match
from careledger.workflows.network import verified


def organisations(service: Service, call: Call) -> Said:
    """Where somebody may sign in."""
    world = service.desk.world
    view, found = world.ledger.fresh_head(), []
    for each in service.organisations():
        facts = view.party(each.number)
        if facts is not None:
            id = party_id(each.number, facts.roles)
            found.append(bodies.Organisation(id, service.name_of(each), sign_on(each)))
    return Said(bodies.Organisations(found))


def sign_on(employer: Organisation, again: str = "") -> list[bodies.SignOn]:
    """Where an organisation's staff sign on; with ``again``, to prove it anew."""
    openid, saml = providers.registered(employer, Provider), providers.registered(employer, SamlProvider)
    there = [(urlsplit(each.issuer).netloc, f"/sign-on/{id.hex()}") for id, each in openid.items()]
    there += [(urlsplit(one.place).netloc, f"/sign-on/saml/{id.hex()}") for id, one in saml.items()]
    return [bodies.SignOn(name, f"{address}{again}") for name, address in there]


def waiting(service: Service, call: Call) -> Said:
    """Who waits for approval; who they say they are is shown to posts that may register them. Raises ActRefused."""
    try:
        _registrar(service, call)
        shown = True
    except WritingRefused:
        _operator(service, call)
        shown = False
    there = accounts.waiting(call.current.who.organisation)
    return Said(bodies.People([_person(each, shown) for each in there]))


def register(service: Service, call: Call) -> Said:
    """Who waits is a patient, new or registered before; raises WritingRefused, PartyNotFound, ActRefused."""
    _registrar(service, call)
    alias = bytes.fromhex(call.body.patient)
    made = approving.as_patient(service.desk.world.network, _named(call), alias)
    return Said(_person(made, True))


def alike(service: Service, call: Call) -> Said:
    """Which registered patients whoever waits may be; everybody who is named is told, as by ``$match``. Raises
    WritingRefused, PartyNotFound, ActRefused, and what ``match`` raises."""
    _registrar(service, call)
    claim, current, world = _named(call).account.claim, call.current, service.desk.world
    staff = world.keyring.post(current.who.organisation, current.post)
    if claim is None or staff is None:
        raise ActRefused(why="this account does not wait for approval")
    sought = Identity(bytes(32), bytes(16), claim.name, "", claim.national_id, claim.birth, bytes(32))
    asker = Asker(staff, Purpose[current.row.purpose])
    found = match(world.network, asker, [sought], MOST_MATCHES)
    return Said(
        bodies.AllAlike([bodies.Alike(each.row.alias.hex(), each.why, each.certain) for each in found])
    )


def employ(service: Service, call: Call) -> Said:
    """Who waits holds a post of the organisation; raises ActRefused, PartyNotFound, InvitationRefused."""
    _operator(service, call)
    return Said(_person(approving.as_post(_named(call), _post(service, call)), False))


def invite(service: Service, call: Call) -> Said:
    """A code for whoever is to hold a post; raises ActRefused, PartyNotFound, InvitationRefused."""
    _operator(service, call)
    code, kept = invitations.invite(call.current.who.organisation, _post(service, call), call.now)
    return Said(bodies.Invitation(code, moment(kept.until)), CREATED)


def suspend(service: Service, call: Call) -> Said:
    """Nobody signs in as that account, and its sessions are over; raises ActRefused, PartyNotFound."""
    return _signed_out(service, call, accounts.suspend)


def reinstate(service: Service, call: Call) -> Said:
    """A suspended account signs in again; raises ActRefused, PartyNotFound."""
    _operator(service, call)
    return Said(_person(approving.reinstate(_named(call)), False))


def end_sessions(service: Service, call: Call) -> Said:
    """Every session of that account is over; raises ActRefused, PartyNotFound."""
    return _signed_out(service, call, accounts.end_sessions)


def _signed_out(service: Service, call: Call, act: Callable[[list[Person]], list[Person]]) -> Said:
    """What an act that ends an account's sessions makes of it; what they have open ends too."""
    _operator(service, call)
    who = _named(call)
    there = sessions.own(who, call.now)
    [made] = act([who])
    over(service, there)
    return Said(_person(made, False))


def _acting(service: Service, call: Call) -> PartyFacts:
    """The post that the session acts as, as it stands now; raises ActRefused, PartyNotVerified."""
    if not call.current.post:
        raise ActRefused(why="this account acts as no post")
    return verified(service.desk.world.ledger.fresh_head(), call.current.post)


def _registrar(service: Service, call: Call) -> None:
    facts = _acting(service, call)
    check_registers(service.desk.world.ledger.fresh_head(), facts.number)


def _operator(service: Service, call: Call) -> None:
    if Role.OPERATOR not in _acting(service, call).roles:
        raise ActRefused(why="only posts with the role operator may")


def _named(call: Call) -> Person:
    return accounts.person(call.current.who.organisation, bytes.fromhex(call.parts["account"]))


def _post(service: Service, call: Call) -> int:
    """A post of the organisation's own; raises PartyNotFound, MalformedBytes."""
    number, employer = PartyId.parse(call.body.post).number, call.current.who.organisation
    if service.desk.world.keyring.post(employer, number) is None:
        raise PartyNotFound()
    return number


def _person(who: Person, shown: bool) -> bodies.Person:
    account, claim = who.account, who.account.claim if shown else None
    said = None if claim is None else bodies.Claimed(claim.name, claim.national_id, claim.birth)
    return bodies.Person(who.id.hex(), account.name, account.state, moment(account.made), said)


DECIDED = "person-decided"
OPERATIONS = (
    Operation("GET", "/organisations", organisations, None, Who.ANYBODY),
    Operation("GET", "/people", waiting),
    Operation("POST", "/people/{account}/patient", register, bodies.Alias, event=DECIDED),
    Operation("POST", "/people/{account}/alike", alike, bodies.Nothing),
    Operation("POST", "/people/{account}/post", employ, bodies.Post, event=DECIDED),
    Operation("POST", "/people/{account}/suspension", suspend, bodies.Nothing, event=DECIDED),
    Operation("POST", "/people/{account}/reinstatement", reinstate, bodies.Nothing, event=DECIDED),
    Operation("POST", "/people/{account}/end-of-sessions", end_sessions, bodies.Nothing, event=DECIDED),
    Operation("POST", "/invitations", invite, bodies.Post, event=DECIDED),
)
