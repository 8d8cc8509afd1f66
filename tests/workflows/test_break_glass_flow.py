"""Breaking the glass needs a doctor and a second party, lasts four hours, is told to the patient and reviewed."""

from __future__ import annotations

import pytest

from careledger.domain.errors import AccessRefused, LedgerRefused
from careledger.domain.parties import Role
from careledger.workflows.actors import Holder, Staff
from careledger.workflows.audit import audit
from careledger.workflows.break_glass import Emergency, emergency_access, open_emergency, review
from careledger.workflows.epochs import own_statement
from careledger.workflows.retrieve import Retrieved, retrieve
from world import DIAGNOSIS, GUARDED, World, condition, texts

HOUR = 3600


@pytest.fixture
def holder(world: World) -> Holder:
    """A patient of the hospital with a diagnosis; nobody at the clinic has a consent."""
    made = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), made.alias, condition(world.doctor))
    return made


@pytest.fixture
def second(world: World) -> Staff:
    """A nurse of the clinic."""
    return world.staff(world.clinic, 62, Role.NURSE)


def reads(world: World, holder: Holder, opened: Emergency, staff: Staff | None = None) -> Retrieved:
    access = emergency_access(world.session(staff or world.outsider), opened)
    return retrieve(world.network, access, own_statement(holder)[0], (DIAGNOSIS,))


def test_a_doctor_with_a_second_party_reads_for_four_hours_at_most(
    world: World, holder: Holder, second: Staff
) -> None:
    opened = open_emergency(
        world.network, world.outsider, second, holder.alias, "unconscious", seconds=24 * HOUR
    )
    assert opened.until == world.clock.now() + 4 * HOUR
    assert texts(reads(world, holder, opened)) == ["asthma"]
    world.clock.advance(4 * HOUR - 1)
    assert texts(reads(world, holder, opened)) == ["asthma"]
    world.clock.advance(1)
    with pytest.raises(AccessRefused, match="break-glass-over"):
        reads(world, holder, opened)


def test_nobody_opens_alone_nor_without_being_a_doctor(world: World, holder: Holder, second: Staff) -> None:
    network, alias = world.network, holder.alias
    with pytest.raises(LedgerRefused):
        open_emergency(network, world.outsider, world.outsider, alias, "unconscious")
    with pytest.raises(LedgerRefused):
        open_emergency(network, second, world.outsider, alias, "unconscious")
    opened = open_emergency(network, world.outsider, second, alias, "unconscious")
    with pytest.raises(AccessRefused):
        reads(world, holder, opened, second)
    other = world.patient(compartments=(DIAGNOSIS,))
    with pytest.raises(AccessRefused):
        reads(world, other, opened)
    assert texts(reads(world, holder, opened)) == ["asthma"]


def test_restricted_categories_are_asked_for_by_name(world: World, second: Staff) -> None:
    holder = world.patient(compartments=(GUARDED,))
    statement, session = own_statement(holder)[0], world.session(world.outsider)
    for named, allowed in (((), False), ((GUARDED,), True)):
        opened = open_emergency(
            world.network, world.outsider, second, holder.alias, "unconscious", restricted=named
        )
        facts = world.ledger.fresh_head().break_glass(opened.entry)
        assert facts is not None
        assert facts.restricted is allowed
        access = emergency_access(session, opened)
        if allowed:
            assert retrieve(world.network, access, statement, (GUARDED,)).records == ()
        else:
            with pytest.raises(AccessRefused, match="restricted-not-named"):
                retrieve(world.network, access, statement, (GUARDED,))


def test_a_review_is_by_others_and_an_overdue_one_ends_the_right(
    world: World, holder: Holder, second: Staff
) -> None:
    officer, outsider = world.officers[0], world.outsider
    opened = open_emergency(world.network, outsider, second, holder.alias, "unconscious")
    for reviewer in (outsider, second, world.doctor):
        with pytest.raises(LedgerRefused):
            review(world.network, opened.entry, True, reviewer.number, reviewer.key)
    world.clock.advance(72 * HOUR + 1)
    with pytest.raises(LedgerRefused):
        open_emergency(world.network, outsider, second, holder.alias, "unconscious")
    for _ in range(2):
        review(world.network, opened.entry, True, officer.post, officer.key)
    other = world.officers[1]
    for said in (
        (False, officer.post, officer.key),
        (True, officer.post, outsider.key),
        (True, other.post, other.key),
        (True, outsider.number, outsider.key),
    ):
        with pytest.raises(LedgerRefused, match="reviewed"):
            review(world.network, opened.entry, *said)
    again = open_emergency(world.network, outsider, second, holder.alias, "unconscious")
    assert texts(reads(world, holder, again)) == ["asthma"]


def test_the_patients_audit_shows_the_emergency_and_its_alarm(
    world: World, holder: Holder, second: Staff
) -> None:
    world.read_as_registrar(holder)
    reads(world, holder, open_emergency(world.network, world.outsider, second, holder.alias, "unconscious"))
    found = audit(world.network, holder)
    assert found.complete
    assert [(each.rule, each.reader, each.alarmed) for each in found.accesses] == [
        ("registrar", world.doctor.number, False),
        ("break-glass", world.outsider.number, True),
    ]
