"""A lease ends with its time, its session, its consent, its post's standing or its ground; then nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from careledger.domain.categories import Compartment
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused, CareLedgerError, RequestRefused, SignatureRefused
from careledger.domain.parties import PartyId
from careledger.formats.custody import StandingQuestion
from careledger.formats.relaying import ConsentRevocation
from careledger.formats.signatures import SigningKey
from careledger.workflows.accesses import by_consent, by_holder, by_registrar
from careledger.workflows.actors import Holder, Session
from careledger.workflows.break_glass import emergency_access, open_emergency
from careledger.workflows.custodian import stands
from careledger.workflows.epochs import own_statement
from careledger.workflows.erase import erase
from careledger.workflows.grant import Granted, grant
from careledger.workflows.lease import Lease, open_lease
from careledger.workflows.order import RESTRICT, order
from careledger.workflows.received import fetch_grants, live_grant
from careledger.workflows.retract import retract
from careledger.workflows.retrieve import Record
from careledger.workflows.revoke import revoke
from careledger.workflows.two_hops import signed_revocation
from world import DIAGNOSIS, PRESCRIPTION, VIEW, World, condition, version

TWO = (DIAGNOSIS, PRESCRIPTION)
MEDICATION = {"resourceType": "MedicationRequest", "code": {"text": "aspirin"}}


def with_records(world: World) -> Holder:
    """An unclaimed patient of the hospital with a diagnosis and a prescription."""
    holder = world.patient(compartments=TWO)
    prescribed = version(MEDICATION, PRESCRIPTION, world.doctor)
    world.put(world.writer(), holder.alias, condition(world.doctor), prescribed)
    return holder


def referred(world: World, seconds: int = 7200) -> tuple[Holder, Granted]:
    """That patient, referred to a doctor of the clinic."""
    holder = with_records(world)
    return holder, world.grant(holder, world.outsider, TWO, seconds=seconds)


def lease_of(world: World, holder: Holder, session: Session | None = None, seconds: int = 900) -> Lease:
    """The clinic's doctor opens both categories."""
    session = session or world.session(world.outsider)
    fetch_grants(world.network, world.clinic)
    received = live_grant(world.network, world.outsider, holder.alias, "TREAT")
    access = by_consent(session, received)
    return open_lease(world.network, session, access, received.statement, TWO, seconds)


def count(world: World, lease: Lease, *compartments: Compartment) -> int:
    return len(lease.records(world.network, compartments or None))


def ends(world: World, lease: Lease, reason: str) -> None:
    """The lease is refused for that reason, and has dropped everything."""
    with pytest.raises(CareLedgerError, match=reason):
        lease.records(world.network)
    assert lease.retrieved.records == ()
    with pytest.raises(AccessRefused, match="lease-over"):
        lease.records(world.network)


def test_a_lease_shows_named_categories_for_fifteen_minutes_and_remembers_what_it_showed(
    world: World,
) -> None:
    holder, _ = referred(world)
    lease = lease_of(world, holder, seconds=3600)
    assert count(world, lease, DIAGNOSIS) == 1
    assert len(lease.shown) == 1
    world.clock.advance(899)
    assert count(world, lease) == 2
    assert len(lease.shown) == 2
    world.clock.advance(1)
    ends(world, lease, "lease-over")


def test_a_shorter_lease_and_a_shorter_consent_end_when_they_say(world: World) -> None:
    holder, _ = referred(world, seconds=300)
    short, longer = lease_of(world, holder, seconds=60), lease_of(world, holder)
    world.clock.advance(60)
    ends(world, short, "lease-over")
    assert count(world, longer) == 2
    world.clock.advance(240)
    ends(world, longer, "consent-expired")


def test_logging_out_drops_everything(world: World) -> None:
    lease = lease_of(world, referred(world)[0])
    assert count(world, lease) == 2
    lease.close()
    ends(world, lease, "lease-over")


def test_a_session_that_is_over_looks_at_nothing(world: World) -> None:
    holder, _ = referred(world)
    lease = lease_of(world, holder, world.session(world.outsider, seconds=120))
    world.clock.advance(119)
    assert count(world, lease) == 2
    world.clock.advance(1)
    ends(world, lease, "lease-over")


def revoked(world: World, holder: Holder, granted: Granted) -> None:
    revoke(world.network, holder, granted.owner)


def suspended(world: World, holder: Holder, granted: Granted) -> None:
    world.ledger.suspend(world.clinic.number, world.officers[0].key, world.officers[0].post)


def post_ended(world: World, holder: Holder, granted: Granted) -> None:
    world.ledger.end_post(world.outsider.number, world.clinic.controller)


def claimed(world: World, holder: Holder, granted: Granted) -> None:
    world.claim(holder)


def key_rotated(world: World, holder: Holder, granted: Granted) -> None:
    world.ledger.rotate_party(world.outsider.number, world.outsider.key, SigningKey.random())


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (revoked, "consent-revoked"),
        (suspended, "reader-not-verified"),
        (post_ended, "reader-not-verified"),
        (claimed, "consent-of-former-controller"),
        (key_rotated, SignatureRefused.__doc__ or ""),
    ],
)
def test_a_lease_ends_at_the_block_that_ends_its_ground(
    world: World, act: Callable[[World, Holder, Granted], None], reason: str
) -> None:
    holder, granted = referred(world)
    lease, other = lease_of(world, holder), world.session(world.doctor)
    unconcerned = open_lease(
        world.network, other, by_registrar(world.network, other, holder, own_statement(holder)[0], TWO),
        own_statement(holder)[0], TWO,
    )  # fmt: skip
    assert (count(world, lease), count(world, unconcerned)) == (2, 2)
    act(world, holder, granted)
    ends(world, lease, reason)
    if act is claimed:
        ends(world, unconcerned, "claimed")
    else:
        assert count(world, unconcerned) == 2


def test_a_post_that_leaves_the_team_loses_the_teams_lease(world: World) -> None:
    holder = with_records(world)
    controller, now = world.clinic.controller, world.clock.now()
    world.ledger.create_team(7, world.clinic.number, 0, controller)
    world.ledger.join_team(world.outsider.number, 7, controller)
    team = Grantee(GranteeKind.TEAM, 7, PartyId(world.clinic.number))
    scope = Scope(frozenset(TWO), frozenset({VIEW}))
    grant(world.network, holder, team, scope, Purpose.TREAT, Window(now, now + 7200))
    lease = lease_of(world, holder)
    assert count(world, lease) == 2
    world.ledger.leave_team(world.outsider.number, 7, controller)
    ends(world, lease, "other-grantee")


def test_an_emergencys_lease_ends_with_its_entry(world: World) -> None:
    holder, session = with_records(world), world.session(world.outsider)
    second = world.staff(world.clinic, 62)
    opened = open_emergency(world.network, world.outsider, second, holder.alias, "unconscious", seconds=600)
    lease = open_lease(
        world.network, session, emergency_access(session, opened), own_statement(holder)[0], TWO
    )
    assert count(world, lease) == 2
    world.clock.advance(600)
    ends(world, lease, "break-glass-over")


def test_neither_the_patients_own_reading_nor_anothers_session_has_a_lease(world: World) -> None:
    holder, _ = referred(world)
    statement, session = own_statement(holder)[0], world.session(world.outsider)
    with pytest.raises(AccessRefused, match="no-lease"):
        open_lease(world.network, session, by_holder(world.network, holder, statement, TWO), statement, TWO)
    fetch_grants(world.network, world.clinic)
    access = by_consent(
        world.session(world.outsider), live_grant(world.network, world.outsider, holder.alias, "TREAT")
    )
    with pytest.raises(AccessRefused, match="no-lease"):
        open_lease(world.network, session, access, statement, TWO)
    assert count(world, lease_of(world, holder, session)) == 2


# Orders while a lease is open ----------------------------------------------------------------------


def opened(world: World) -> tuple[Holder, Lease, Record]:
    """A claimed patient's lease of the clinic's doctor, and one of the records that it opened."""
    mine = world.claim(with_records(world)).holder
    world.grant(mine, world.outsider, TWO)
    lease = lease_of(world, mine)
    assert count(world, lease) == 2
    return mine, lease, next(each for each in world.read_own(mine, TWO).records)


def restricted(world: World, holder: Holder, record: Record) -> None:
    order(world.network, holder, RESTRICT, [record.handle], "wish")


def erased(world: World, holder: Holder, record: Record) -> None:
    erase(world.network, holder, [record], "wish")


def retracted(world: World, holder: Holder, record: Record) -> None:
    retract(world.network, world.writer(), world.statement(holder.alias), [record.handle])


@pytest.mark.parametrize("act", [restricted, erased, retracted])
def test_a_lease_ends_when_something_that_it_opened_is_restricted_erased_or_retracted(
    world: World, act: Callable[[World, Holder, Record], None]
) -> None:
    mine, lease, record = opened(world)
    act(world, mine, record)
    ends(world, lease, "records-changed")
    again = lease_of(world, mine)
    assert count(world, again) == 1
    assert record.handle not in {each.handle for each in again.retrieved.records}


def test_an_order_about_something_else_and_new_records_leave_a_lease_open(world: World) -> None:
    mine = world.claim(with_records(world)).holder
    world.grant(mine, world.outsider)
    fetch_grants(world.network, world.clinic)
    session = world.session(world.outsider)
    received = live_grant(world.network, world.outsider, mine.alias, "TREAT")
    lease = open_lease(world.network, session, by_consent(session, received), received.statement, [DIAGNOSIS])
    [other] = world.read_own(mine, [PRESCRIPTION]).records
    order(world.network, mine, RESTRICT, [other.handle], "wish")
    note = version(
        {"resourceType": "Condition", "code": {"text": "gout"}}, DIAGNOSIS, source="patient-reported"
    )
    world.put(world.own_writer(mine), mine.alias, note)
    assert count(world, lease) == 1


def test_neither_one_lying_nor_one_absent_custodian_ends_a_lease_or_hides_an_order_from_it(
    world: World,
) -> None:
    mine, lease, record = opened(world)
    first, second, *_ = own_statement(mine)[0].custodians
    real = {number: world.links[number] for number in (first, second)}
    world.links[first] = Saying(real[first], 1)
    assert count(world, lease) == 2
    world.links[first] = Saying(real[first], 0)
    restricted(world, mine, record)
    ends(world, lease, "records-changed")
    absent = lease_of(world, mine)
    del world.links[first]
    assert count(world, absent) == 1
    del world.links[second]
    ends(world, absent, "records-changed")
    world.links.update(real)


class Saying:
    """A custodian that counts what it likes."""

    def __init__(self, real: Any, changed: int) -> None:
        self.real, self.changed = real, changed

    @property
    def party(self) -> int:
        return int(self.real.party)

    def call(self, method: str, body: bytes) -> bytes:
        answer: bytes = self.real.call(method, body)
        if method != "stands":
            return answer
        custody = self.real._custody
        question = StandingQuestion.decode(body)
        return bytes(
            custody.receipt(
                custody.ledger.fresh_head(), StandingQuestion.TYPE, question.digest(), self.changed
            )
        )


def test_a_revocation_told_to_custodians_ends_a_lease_before_the_ledger_shows_it(world: World) -> None:
    mine = world.claim(with_records(world)).holder
    granted = world.grant(mine, world.outsider, TWO)
    lease = lease_of(world, mine)
    key = mine.consent_key(granted.given.counter)
    entry = signed_revocation(world.network, key, granted.commitment)
    told = ConsentRevocation(granted.given.certificate, entry).encode()
    for number in lease.statement.custodians:
        world.links[number].call("revoked", told)
    facts = world.ledger.fresh_head().consent(granted.owner, granted.commitment)
    assert facts is not None
    assert not facts.revoked_at
    ends(world, lease, "records-changed")


def test_a_custodian_that_was_started_again_confirms_nothing(world: World) -> None:
    mine, lease, _ = opened(world)
    first, second, *_ = own_statement(mine)[0].custodians
    world.start_custodian(first)
    assert count(world, lease) == 2
    world.start_custodian(second)
    ends(world, lease, "records-changed")


def test_who_does_not_know_the_request_is_told_nothing_and_nobody_after_a_leases_time(world: World) -> None:
    _, lease, _ = opened(world)
    number = lease.statement.custodians[0]
    assert lease.retrieved.asked.answers == ()  # nothing is kept but what was opened
    known = StandingQuestion(lease.retrieved.asked.request.id, bytes(16))
    assert world.links[number].call("stands", known.encode())
    with pytest.raises(RequestRefused, match="unknown-request"):
        world.links[number].call("stands", StandingQuestion(bytes(16), bytes(16)).encode())
    world.clock.advance(960)
    with pytest.raises(RequestRefused, match="unknown-request"):
        world.links[number].call("stands", known.encode())


def test_of_more_versions_than_are_kept_those_that_were_released_longest_ago_are_asked_for_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stands, "MOST", 3)  # a lease opens two
    mine, lease, _ = opened(world)
    assert count(world, lease) == 2
    later = lease_of(world, mine)
    assert count(world, later) == 2
    ends(world, lease, "records-changed")
    kept = world.links[later.statement.custodians[0]]._custody
    assert (len(kept.released), kept.released_versions) == (1, 2)
    world.clock.advance(960)
    lease_of(world, mine)
    assert (len(kept.released), kept.released_versions) == (1, 2)
