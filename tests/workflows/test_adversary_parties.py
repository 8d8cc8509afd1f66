"""Thieves of keys and sessions, former controllers, a widened matrix, repeated and reordered messages: each refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import (
    AccessRefused,
    CareLedgerError,
    EpochRefused,
    LedgerRefused,
    RequestRefused,
    SessionExpired,
    SignatureRefused,
    StatementRefused,
)
from careledger.domain.parties import PartyId, Role
from careledger.domain.records import Ground
from careledger.formats.patients import RecordKey
from careledger.formats.signatures import SigningKey
from careledger.ports import CustodianLink
from careledger.sealing.keys import SealingKey
from careledger.workflows import parties
from careledger.workflows.accesses import by_consent
from careledger.workflows.actors import Holder, Session
from careledger.workflows.epochs import begin_epochs, own_statement, publish_statement
from careledger.workflows.grant import grant
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.order import RESTRICT, UNRESTRICT, order
from careledger.workflows.received import fetch_grants, live_grant
from careledger.workflows.retrieve import Retrieved, retrieve
from careledger.workflows.revoke import revoke
from careledger.workflows.rotate_keys import rotate
from world import APPEND, DAY, DIAGNOSIS, PRESCRIPTION, VIEW, World, condition, texts, version

MEDICATION = {"resourceType": "MedicationRequest", "code": {"text": "penicillin"}}


def granted(world: World) -> Holder:
    """A claimed patient with one record that the outsider may read."""
    holder = world.patient(compartments=(DIAGNOSIS, PRESCRIPTION))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    mine = world.claim(holder).holder
    world.grant(mine, world.outsider)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    return mine


def read_in(world: World, session: Session, alias: bytes) -> Retrieved:
    """What a post reads in that session with the grant of its organisation."""
    received = live_grant(world.network, world.outsider, alias, "TREAT")
    return retrieve(world.network, by_consent(session, received), world.statement(alias), [DIAGNOSIS])


def reported(words: str) -> NewVersion:
    """What the patient says of themselves."""
    return version({"resourceType": "Condition", "code": {"text": words}}, source="patient-reported")


# Thieves -----------------------------------------------------------------------------------------


def test_a_stolen_session_reads_until_it_ends_and_not_a_second_longer(world: World) -> None:
    mine, stolen = granted(world), world.session(world.outsider, seconds=600)
    world.clock.advance(599)
    assert texts(read_in(world, stolen, mine.alias)) == ["asthma"]
    world.clock.advance(1)
    with pytest.raises(SessionExpired):
        read_in(world, stolen, mine.alias)


def test_a_stolen_session_deposits_nothing_after_its_end(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    writer = replace(world.writer(), session=world.session(seconds=600))
    world.put(writer, holder.alias, condition(world.doctor))
    world.clock.advance(600)
    with pytest.raises(SessionExpired):
        world.put(writer, holder.alias, condition(world.doctor, "forged"))
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


def test_a_session_that_the_posts_key_did_not_open_is_nobodys(world: World) -> None:
    mine = granted(world)
    forged = replace(world.outsider, key=SigningKey.random())
    with pytest.raises(SignatureRefused):
        read_in(world, world.session(forged), mine.alias)


def test_a_stolen_post_key_without_the_organisations_keys_gets_shares_that_open_nothing(world: World) -> None:
    """It can open sessions until the employer ends the post; but grants reach the organisation's key, not the post."""
    mine = granted(world)
    received = live_grant(world.network, world.outsider, mine.alias, "TREAT")
    access = replace(by_consent(world.session(world.outsider), received), seeds=())
    read = retrieve(world.network, access, world.statement(mine.alias), [DIAGNOSIS])
    assert read.records == ()
    assert len(read.problems) == 1
    thief = replace(world.clinic, sealing=SealingKey.random())
    assert fetch_grants(world.network, thief) == 0


def test_a_stolen_post_key_is_worth_nothing_once_the_employer_has_replaced_it(world: World) -> None:
    mine = granted(world)
    stolen = world.session(world.outsider)
    assert texts(read_in(world, stolen, mine.alias)) == ["asthma"]
    renewed = parties.rotate_post(world.network, world.outsider, SigningKey.random())
    for session in (stolen, world.session(world.outsider)):
        with pytest.raises(SignatureRefused):
            read_in(world, session, mine.alias)
    assert texts(read_in(world, world.session(renewed), mine.alias)) == ["asthma"]


def test_a_suspended_employers_posts_neither_read_nor_write_nor_are_granted_anything(world: World) -> None:
    mine = granted(world)
    append = world.grant(mine, world.outsider, permissions=(APPEND,))
    writer = world.writer(world.outsider, Ground.APPEND, append)
    world.put(writer, mine.alias, condition(world.outsider, "gout"))
    parties.suspend(world.network, world.officers[0], world.clinic.number)
    refusals: list[Callable[[], object]] = [
        lambda: read_in(world, world.session(world.outsider), mine.alias),
        lambda: world.put(writer, mine.alias, condition(world.outsider, "late")),
        lambda: world.grant(mine, world.outsider),
    ]
    for refused in refusals:
        with pytest.raises(CareLedgerError):
            refused()
    assert sorted(texts(world.read_own(mine))) == ["asthma", "gout"]


# Former controllers ------------------------------------------------------------------------------


def test_a_former_controller_grants_orders_and_begins_nothing_any_more(world: World) -> None:
    mine = granted(world)
    handles = [record.handle for record in world.read_own(mine).records]
    thief = as_before_the_rotation(mine)
    order(world.network, mine, RESTRICT, handles, "before")
    order(world.network, mine, UNRESTRICT, handles, "before")
    rotated = rotate(world.network, mine)
    assert thief.controller.address != rotated.controller.address
    acts: list[Callable[[], object]] = [
        lambda: order(world.network, thief, RESTRICT, handles, "theft"),
        lambda: begin_epochs(world.network, thief, [DIAGNOSIS.number]),
        lambda: world.read_own(thief),
    ]
    for act in acts:
        with pytest.raises(CareLedgerError):
            act()
    assert texts(world.read_own(rotated)) == ["asthma"]


def as_before_the_rotation(holder: Holder) -> Holder:
    """What a thief has who copied phrase and books before: the old keys, the old state."""
    books = MemoryBooks()
    books.put("alias-statement", holder.books.rows("alias-statement"))
    books.put("holder", holder.books.rows("holder"))
    return replace(holder, books=books)


# The ministry ------------------------------------------------------------------------------------


@pytest.fixture
def first_matrix(tmp_path: Path) -> Iterator[World]:
    """A network in which the first version of the access matrix is in force."""
    made = World(tmp_path / "first", matrix=1)
    yield made
    made.close()


def test_a_matrix_voted_wider_opens_later_records_and_no_earlier_ones(first_matrix: World) -> None:
    """Version 1 has no pharmacies; version 2 lets one see the prescription that a patient shows."""
    world = first_matrix
    officers = [(officer.post, officer.key) for officer in world.officers]
    assert world.ledger.fresh_head().matrix_version() == 1
    holder = world.patient(compartments=(PRESCRIPTION,))
    world.put(world.writer(), holder.alias, version(MEDICATION, PRESCRIPTION, world.doctor))
    mine = world.claim(holder).holder
    with pytest.raises(LedgerRefused, match="voted"):
        world.ledger.enact_matrix(2, [officers[0], officers[0]])
    world.clock.advance(120)
    assert world.ledger.fresh_head().matrix_version() == 1
    world.ledger.enact_matrix(2, officers[1:])
    world.clock.advance(120)
    new_block(world)
    assert world.ledger.fresh_head().matrix_version() == 2
    [early] = world.read_own(mine, [PRESCRIPTION]).records
    world.pharmacist = world.staff(world.pharmacy, 72, Role.NURSE)
    shown(world, mine)
    with pytest.raises(AccessRefused, match="not-at-anchoring"):
        by_pharmacist(world, mine)
    append = world.grant(mine, world.doctor, (PRESCRIPTION,), (APPEND,))
    later = world.put(
        world.writer(ground=Ground.APPEND, granted=append),
        mine.alias,
        version(MEDICATION, PRESCRIPTION, world.doctor),
    )
    shown(world, mine)
    read = by_pharmacist(world, mine)
    assert [record.handle for record in read.records] == list(later.handles.values())
    assert early.handle not in {record.handle for record in read.records}


def new_block(world: World) -> None:
    """Any transaction makes the block by which the ledger's time moves on."""
    world.ledger.create_team(world.clock.now(), world.hospital.number, 0, world.hospital.controller)


def shown(world: World, mine: Holder) -> None:
    """The patient shows the pharmacy every prescription that there is, by a consent taken unchanged.

    (A category that a patient names by itself is open in either version: then no vote decides.)
    """
    records = world.read_own(mine, [PRESCRIPTION]).records
    keys = [RecordKey(each.handle, PRESCRIPTION.number, each.secret.reveal()) for each in records]
    handles = frozenset(each.handle for each in records)
    scope = Scope(frozenset({PRESCRIPTION}), frozenset({VIEW}), handles=handles)
    grantee = Grantee(GranteeKind.POST, world.pharmacist.number, PartyId(world.pharmacy.number))
    now = world.clock.now()
    window = Window(now, now + DAY)
    grant(world.network, mine, grantee, scope, Purpose.DISPENSE, window, keys, ready_made="dispensing")
    world.clock.advance(1)


def by_pharmacist(world: World, mine: Holder) -> Retrieved:
    return world.read_by_consent(world.pharmacist, mine.alias, (PRESCRIPTION,), Purpose.DISPENSE)


# Messages again, and in another order ------------------------------------------------------------


@dataclass
class Recording:
    """A custodian behind a line that somebody listens on."""

    link: CustodianLink
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def party(self) -> int:
        return self.link.party

    def call(self, method: str, body: bytes) -> bytes:
        self.heard.append((method, body))
        return self.link.call(method, body)

    def again(self, method: str, number: int = -1) -> bytes:
        """What was heard is sent once more."""
        return self.link.call(method, [body for each, body in self.heard if each == method][number])


def listened(world: World, mine: Holder, place: int = 1) -> Recording:
    number = own_statement(mine)[0].custodians[place - 1]
    line = Recording(world.links[number])
    world.links[number] = line
    return line


def test_a_request_that_was_overheard_is_answered_to_nobody_again(world: World) -> None:
    mine = granted(world)
    lines = [listened(world, mine, place) for place in (1, 2)]
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    with pytest.raises(RequestRefused, match="replayed"):
        lines[0].again("release")
    world.clock.advance(61)
    with pytest.raises(RequestRefused):
        lines[0].again("release")


def test_an_order_that_was_overheard_undoes_no_later_one(world: World) -> None:
    mine = granted(world)
    handles = [record.handle for record in world.read_own(mine).records]
    line = listened(world, mine)
    order(world.network, mine, RESTRICT, handles, "wish")
    assert world.read_by_consent(world.outsider, mine.alias).records == ()
    order(world.network, mine, UNRESTRICT, handles, "wish")
    line.again("order", -2)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    assert {row.state for row in world.directories[line.party].rows.versions(mine.alias)} == {"kept"}


def test_a_deposit_that_was_overheard_changes_nothing(world: World) -> None:
    mine = granted(world)
    line = listened(world, mine)
    world.put(world.own_writer(mine), mine.alias, reported("itch"))
    before = world.directories[line.party].rows.versions(mine.alias)
    line.again("keep")
    line.again("anchored")
    assert world.directories[line.party].rows.versions(mine.alias) == before
    assert sorted(texts(world.read_own(mine))) == ["asthma", "itch"]


def test_epochs_and_statements_that_come_again_or_too_late_replace_no_newer_ones(world: World) -> None:
    mine = granted(world)
    line = listened(world, mine)
    begin_epochs(world.network, mine, [DIAGNOSIS.number])
    begin_epochs(world.network, mine, [DIAGNOSIS.number])
    statement, _ = own_statement(mine)
    for _ in range(2):
        mine = publish_statement(
            world.network, mine, statement.custodians, statement.custodian_seed, statement.registrar, True
        )
    rows, journal = world.directories[line.party].rows, world.directories[line.party].journal
    epochs, kept = journal.epochs(mine.alias, DIAGNOSIS.number), rows.statement(mine.alias)
    for method in ("keep-epoch", "enrol"):
        try:
            line.again(method, -2)
        except (EpochRefused, StatementRefused):
            continue
    assert journal.epochs(mine.alias, DIAGNOSIS.number) == epochs
    assert rows.statement(mine.alias) == kept
    assert texts(world.read_own(mine)) == ["asthma"]


def test_a_consent_that_a_relay_repeats_after_its_revocation_stays_revoked(world: World) -> None:
    mine = granted(world)
    given = world.grant(mine, world.outsider)
    key, now = mine.consent_key(given.given.counter), world.clock.now()
    revoke(world.network, mine, given.owner)
    for relay in (world.network.relay, SigningKey.random()):
        with pytest.raises(LedgerRefused):
            world.ledger.give_consent(key, given.commitment, now, now + DAY, relay)
    facts = world.ledger.fresh_head().consent(given.owner, given.commitment)
    assert facts is not None
    assert facts.revoked_at


def test_a_revocation_that_overtakes_its_consent_burns_it(world: World) -> None:
    owner, commitment, now = SigningKey.random(), bytes(31) + b"\1", world.clock.now()
    other = SigningKey.random()
    world.ledger.give_consent(other, commitment, now, now + DAY, world.network.relay)
    world.ledger.revoke_consent(owner, commitment, world.network.relay)
    with pytest.raises(LedgerRefused):
        world.ledger.give_consent(owner, commitment, now, now + DAY, world.network.relay)
    facts = world.ledger.fresh_head().consent(other.address, commitment)
    assert facts is not None
    assert not facts.revoked_at
