"""What the ledger says of the network, its parties and its custodians, and what the asking post is and may do."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

from msgspec import Meta, Struct

from careledger.app.names import Names, numbers_of
from careledger.app.rotation import is_rotating
from careledger.domain.categories import Category
from careledger.domain.errors import MalformedBytes, PartyNotFound
from careledger.domain.facts import CheckpointFacts, CustodianFacts, PartyFacts
from careledger.domain.matrix import VERSIONS, WriteCell
from careledger.domain.parties import PartyId, party_id
from careledger.gateway.api.pages import Page, Paged, page
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.api.times import Moment, moment
from careledger.gateway.desk import Desk
from careledger.gateway.grounds import unreadable
from careledger.ports import LedgerView
from careledger.workflows.actors import Organisation
from careledger.workflows.judging import post_at
from careledger.workflows.network import party as known_party
from careledger.workflows.teams import teams

Hex = Annotated[str, Meta(pattern="^[0-9a-f]*$")]
Name = Annotated[
    str | None,
    Meta(description="What this network calls it; of posts and teams only one's own organisation's."),
]
Identifier = Annotated[str, Meta(description="The identifier that people see; its prefix shows the group.")]


class Head(Struct, frozen=True):
    """The newest final block of the ledger."""

    number: int
    hash: Hex
    time: Moment


class Thresholds(Struct, frozen=True):
    """How many custodians are on a patient's list, hold shares, open a record, and open it in an emergency."""

    listed: int
    holding: int
    opening: int
    escrow: int


class About(Struct, frozen=True):
    """What answers here, on which network."""

    software: str
    version: str
    chain_id: int
    directory: Annotated[str, Meta(description="The address of the contracts' directory on the ledger.")]
    deployment: Annotated[Hex, Meta(description="Names this network in everything that is signed for it.")]
    head: Head
    matrix_version: Annotated[int, Meta(description="The access matrix in force.")]
    thresholds: Thresholds


class Party(Struct, frozen=True):
    """A party on the ledger."""

    id: Identifier
    did: str
    name: Name
    roles: list[str]
    status: str
    standing: Annotated[str, Meta(description="The status, or the employer's if that is worse.")]
    employer: Annotated[str | None, Meta(description="Of a post: its organisation's identifier.")]
    custodian: Annotated[bool, Meta(description="Whether it serves as a custodian now.")]


class Team(Struct, frozen=True):
    """A team or department of one's own organisation."""

    number: Hex
    name: str


class PartyKeys(Struct, frozen=True):
    """A party with its keys as the ledger has them."""

    party: Party
    signs_as: Annotated[str, Meta(description="The address of its signing key.")]
    sealing_key: Annotated[Hex, Meta(description="The digest of its public sealing key.")]
    log_key: Annotated[Hex | None, Meta(description="Of a custodian: the digest of its release log's key.")]


class Signer(Struct, frozen=True):
    """Whether the gateway signs with the key that the ledger has of a party."""

    id: Identifier
    name: Name
    signs_as: Annotated[str, Meta(description="The address of the key that lies here.")]
    on_ledger: Annotated[str, Meta(description="The address that the ledger has.")]
    rotating: Annotated[bool, Meta(description="Whether a change of the key was begun and is not finished.")]


class Keys(Struct, frozen=True):
    """The keys of the asking post and of its organisation."""

    post: Signer
    organisation: Signer


class ReleaseLog(Struct, frozen=True):
    """How far a custodian's release log stands on the ledger."""

    size: Annotated[int, Meta(description="Lines under the newest anchored checkpoint.")]
    root: Hex
    map_root: Hex
    anchored_at: Moment
    block: int
    cosigners: list[str]
    forked: Annotated[
        bool, Meta(description="Whether two histories of it were shown: it is not to be trusted.")
    ]


class Custodian(Struct, frozen=True):
    """An organisation that keeps shares of others' records, or did."""

    id: Identifier
    name: Name
    serves: bool
    leaving: Annotated[bool, Meta(description="It goes on serving and takes no new patients.")]
    signs_as: str
    log_key: Annotated[Hex, Meta(description="The digest of its release log's key.")]
    log: ReleaseLog | None
    files: Annotated[
        str | None, Meta(description="Where its log's public files are (C2SP tlog-tiles), for proofs.")
    ]


class Me(Struct, frozen=True):
    """The post that a token acts as, and what it may do; what it may see each patient decides."""

    post: Party
    organisation: Party
    teams: list[Team]
    purpose: Annotated[str, Meta(description="The purpose of use that the token was issued for.")]
    until: Annotated[Moment, Meta(description="When the token ends.")]
    reads: Annotated[
        list[str], Meta(description="Categories that the matrix lets it read where a patient agrees.")
    ]
    writes: Annotated[
        list[str], Meta(description="Categories that the matrix lets it write, perhaps with limits.")
    ]
    operations: Annotated[
        list[str], Meta(description="The operations of this interface that it may ask for.")
    ]


def about(desk: Desk, called: Called) -> About:
    """The network and the ledger's head."""
    world, view = desk.world, desk.world.ledger.fresh_head()
    head, chosen = view.head, world.settings.thresholds
    return About(
        "CareLedger",
        version("careledger"),
        world.ledger.chain_id,
        "0x" + world.settings.directory,
        world.ledger.deployment.hex(),
        Head(head.number, head.hash.hex(), moment(head.time)),
        view.matrix_version(),
        Thresholds(chosen.listed, chosen.holding, chosen.opening, chosen.escrow),
    )


def parties(desk: Desk, called: Called) -> Page[Party]:
    """Every party, by number."""
    view, names = seen(desk, called)
    numbers = {f"{number:016x}": number for number in numbers_of(desk.world)}
    return page(called, numbers, lambda name: _party(desk, view, names, known_party(view, numbers[name])))


def party(desk: Desk, called: Called) -> PartyKeys:
    """One party; raises PartyNotFound."""
    return keys_of(desk, called, number_of(desk.world.ledger.fresh_head(), called.parts["party"]))


def keys_of(desk: Desk, called: Called, number: int) -> PartyKeys:
    """The party with that number, with its keys; raises PartyNotFound."""
    view, names = seen(desk, called)
    facts = known_party(view, number)
    return PartyKeys(
        _party(desk, view, names, facts),
        "0x" + facts.controller.hex(),
        facts.sealing_key.hex(),
        facts.log_key.hex() if any(facts.log_key) else None,
    )


def custodians(desk: Desk, called: Called) -> Page[Custodian]:
    """Every custodian, by number."""
    view, names = seen(desk, called)
    found = {f"{each.number:016x}": each for each in view.custodians_ever()}
    return page(called, found, lambda name: _custodian(desk, view, names, found[name]))


def custodian(desk: Desk, called: Called) -> Custodian:
    """One custodian; raises PartyNotFound."""
    view, names = seen(desk, called)
    facts = view.custodian(number_of(view, called.parts["party"]))
    if facts is None:
        raise PartyNotFound()
    return _custodian(desk, view, names, facts)


def keys(desk: Desk, called: Called) -> Keys:
    """Of the asking post and its organisation."""
    view, names = seen(desk, called)
    posts = desk.world.keyring.all_staff(called.who.staff.organisation).values()
    staff = next((each for each in posts if each.number == called.who.staff.number), called.who.staff)
    employer = _present(desk, staff.organisation)

    def signer(number: int, address: bytes) -> Signer:
        there = known_party(view, number).controller
        rotating = is_rotating(employer, number)
        return Signer(
            names.id(number), names.known(number), "0x" + address.hex(), "0x" + there.hex(), rotating
        )

    return Keys(signer(staff.number, staff.key.address), signer(employer.number, employer.controller.address))


def _present(desk: Desk, organisation: Organisation) -> Organisation:
    """That organisation with the key that lies here now."""
    known = desk.world.keyring.everybody()
    return next((each for each in known if each.number == organisation.number), organisation)


def me(desk: Desk, called: Called) -> Me:
    """The asking post."""
    view, names = seen(desk, called)
    staff, network = called.who.staff, desk.world.network
    never, acting = unreadable(network, called.who), post_at(view, staff.number).acting
    matrix = VERSIONS[view.matrix_version()]
    writes = [
        each for each in Category if any(matrix.writing(role, each) is not WriteCell.NO for role in acting)
    ]
    mine = [
        Team(f"{number:016x}", label)
        for number, label in sorted(teams(staff.organisation).items())
        if view.in_team(staff.number, number)
    ]
    return Me(
        _party(desk, view, names, known_party(view, staff.number)),
        _party(desk, view, names, known_party(view, staff.organisation.number)),
        mine,
        called.who.purpose.code,
        moment(called.who.until),
        [each.code for each in Category if each not in never],
        [each.code for each in writes],
        list(called.operations),
    )


def seen(desk: Desk, called: Called) -> tuple[LedgerView, Names]:
    view = desk.world.ledger.fresh_head()
    return view, Names(desk.world, view, called.who.staff.organisation)


def number_of(view: LedgerView, named: str) -> int:
    """The number of the party with that identifier; raises PartyNotFound."""
    try:
        number = PartyId.parse(named).number
    except MalformedBytes:
        raise PartyNotFound() from None
    facts = view.party(number)
    if facts is None or party_id(number, facts.roles) != named:
        raise PartyNotFound()
    return number


def _party(desk: Desk, view: LedgerView, names: Names, facts: PartyFacts) -> Party:
    return Party(
        names.id(facts.number),
        PartyId(facts.number).did(desk.world.ledger.chain_id),
        names.known(facts.number),
        [role.code for role in sorted(facts.roles)],
        facts.status.name.lower(),
        facts.standing.name.lower(),
        names.id(facts.employer) if facts.employer else None,
        any(each.number == facts.number for each in view.custodians()),
    )


def _custodian(desk: Desk, view: LedgerView, names: Names, facts: CustodianFacts) -> Custodian:
    checkpoint = view.checkpoint(facts.number)
    return Custodian(
        names.id(facts.number),
        names.known(facts.number),
        any(each.number == facts.number for each in view.custodians()),
        facts.leaving,
        "0x" + facts.signer.hex(),
        facts.log_key.hex(),
        None if checkpoint is None else _log(names, checkpoint),
        f"/logs/{facts.number:016x}/" if facts.number in desk.world.custodians else None,
    )


def _log(names: Names, said: CheckpointFacts) -> ReleaseLog:
    return ReleaseLog(
        said.size,
        said.root.hex(),
        said.map_root.hex(),
        moment(said.time),
        said.block,
        [names.id(number) for number in sorted(said.cosigners)],
        said.forked,
    )


ROWS = (
    Row("GET", "/", "about", "The network and the ledger's head.", about, About),
    Row("GET", "/posts/me", "me", "What this token acts as, and what it may do.", me, Me),
    Row("GET", "/keys", "keys", "The signing keys of this post and its organisation, here and on the ledger.", keys,
        Keys),
    Row("GET", "/parties", "parties", "Every party on the ledger.", parties, Page[Party], query=Paged),
    Row("GET", "/parties/{party}", "party", "One party with its keys.", party, PartyKeys, refusals=(PartyNotFound,)),
    Row("GET", "/custodians", "custodians", "Every custodian that serves or did, with its release log's position.",
        custodians, Page[Custodian], query=Paged),
    Row("GET", "/custodians/{party}", "custodian", "One custodian, with its release log's position.", custodian,
        Custodian, refusals=(PartyNotFound,)),
)  # fmt: skip
