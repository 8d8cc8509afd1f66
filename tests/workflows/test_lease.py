"""A lease ends with its time, its session, its consent, its post's standing or its ground; then nothing is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from careledger.domain.categories import Compartment
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused, CareLedgerError, SignatureRefused
from careledger.domain.parties import PartyId
from careledger.formats.signatures import SigningKey
from careledger.workflows.accesses import by_consent, by_holder, by_registrar
from careledger.workflows.actors import Holder, Session
from careledger.workflows.break_glass import emergency_access, open_emergency
from careledger.workflows.epochs import own_statement
from careledger.workflows.grant import Granted, grant
from careledger.workflows.lease import Lease, open_lease
from careledger.workflows.received import fetch_grants, live_grant
from careledger.workflows.revoke import revoke
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
