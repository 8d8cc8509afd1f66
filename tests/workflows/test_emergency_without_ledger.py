"""While the ledger stands still the glass is broken on two posts' signatures, and entered when it moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from careledger.adapters.memory.standing import StandingLedger
from careledger.domain.consents import Purpose
from careledger.domain.errors import (
    AccessRefused,
    ActRefused,
    LedgerRefused,
    LedgerStale,
    StoreUnavailable,
)
from careledger.domain.parties import Role
from careledger.domain.reasons import Rule
from careledger.workflows.actors import Holder, Staff
from careledger.workflows.asking import session_access
from careledger.workflows.audit import audit
from careledger.workflows.break_glass import (
    UNENTERED,
    Emergency,
    emergency_access,
    open_emergency,
    open_without_ledger,
    review,
)
from careledger.workflows.deposit import deposit
from careledger.workflows.epochs import own_statement
from careledger.workflows.network import at_last_head
from careledger.workflows.parties import suspend
from careledger.workflows.retrieve import Retrieved, retrieve
from careledger.workflows.tend_gateway import tend_gateway
from crashing import Trial, crash_everywhere, die
from world import DIAGNOSIS, World, condition, texts

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@pytest.fixture
def ledger(world: World) -> StandingLedger:
    """The ledger of everybody, which can be made to stand still."""
    made = StandingLedger(world.ledger)
    world.ledger = made
    world.network = replace(world.network, ledger=made)
    for number in world.directories:
        world.start_custodian(number)
    tend(world)
    return made


@pytest.fixture
def holder(world: World, ledger: StandingLedger) -> Holder:
    """A patient of the hospital with a diagnosis; nobody at the clinic has a consent."""
    made = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), made.alias, condition(world.doctor))
    return made


@pytest.fixture
def second(world: World) -> Staff:
    """A nurse of the clinic."""
    return world.staff(world.clinic, 62, Role.NURSE)


def tend(world: World) -> None:
    """Every custodian does what it does by itself each minute; in vain while the ledger stands still."""
    for link in world.links.values():
        try:
            link.call("tend", b"")
        except (LedgerStale, StoreUnavailable):
            continue


def minutes(world: World, count: int) -> None:
    for _ in range(count):
        world.clock.advance(MINUTE)
        tend(world)


def stand_still(world: World, ledger: StandingLedger, count: int = 5) -> None:
    """The ledger stands still for so many minutes, in which custodians look for it."""
    ledger.stands = True
    tend(world)
    minutes(world, count)


def move_on(world: World, ledger: StandingLedger) -> None:
    """It moves again, and an hour later everybody has tended."""
    ledger.stands = False
    world.clock.advance(HOUR)
    tend(world)


def opened(world: World, holder: Holder, second: Staff, **more: object) -> Emergency:
    return open_without_ledger(world.network, world.outsider, second, holder.alias, "unconscious", **more)  # type: ignore[arg-type]


def reads(world: World, holder: Holder, emergency: Emergency, staff: Staff | None = None) -> Retrieved:
    access = emergency_access(world.session(staff or world.outsider), emergency)
    return retrieve(at_last_head(world.network), access, own_statement(holder)[0], (DIAGNOSIS,))


def test_after_five_minutes_without_the_ledger_a_doctor_reads_on_two_signatures_and_is_entered_afterwards(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    stand_still(world, ledger)
    emergency = opened(world, holder, second)
    found = reads(world, holder, emergency)
    assert texts(found) == ["asthma"]
    assert all(answer.without_ledger for answer, _ in found.asked.answers)
    move_on(world, ledger)
    facts = ledger.fresh_head().break_glass(emergency.entry)
    assert facts is not None
    assert (facts.opener, facts.second, facts.afterwards, facts.reviewed) == (61, 62, True, False)
    assert tend_gateway(world.network, world.clinic).emergencies == 0
    officer = world.officers[0]
    review(world.network, emergency.entry, True, officer.post, officer.key)
    seen = audit(world.network, holder)
    assert seen.complete
    assert [(each.rule, each.without_ledger, each.alarmed, each.entry) for each in seen.accesses] == [
        ("break-glass", True, True, emergency.entry)
    ]
    assert seen.accesses[0].reasons == ("without-ledger",)


def test_the_opener_enters_it_where_no_custodian_does(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    stand_still(world, ledger)
    emergency = opened(world, holder, second)
    assert tend_gateway(world.network, world.clinic).emergencies == 1
    ledger.stands = False
    assert tend_gateway(world.network, world.clinic).emergencies == 1  # its deadline is not over
    world.clock.advance(HOUR)
    assert tend_gateway(world.network, world.clinic).emergencies == 0
    facts = ledger.fresh_head().break_glass(emergency.entry)
    assert facts is not None
    assert facts.afterwards


def test_what_is_not_reviewed_afterwards_ends_the_right_as_always(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    stand_still(world, ledger)
    reads(world, holder, opened(world, holder, second))
    move_on(world, ledger)
    world.clock.advance(72 * HOUR + 1)
    with pytest.raises(LedgerRefused, match="review overdue"):
        open_emergency(world.network, world.outsider, second, holder.alias, "unconscious")


def test_while_the_ledger_answers_nothing_is_opened_without_it(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    with pytest.raises(ActRefused, match="the ledger answers"):
        opened(world, holder, second)
    ledger.stands = True
    emergency = opened(world, holder, second)
    ledger.stands = False
    with pytest.raises(AccessRefused, match="no-break-glass"):
        reads(world, holder, emergency)


def test_under_five_minutes_custodians_refuse_and_the_patient_sees_that_somebody_tried(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    stand_still(world, ledger, 4)
    emergency = opened(world, holder, second)
    with pytest.raises(AccessRefused, match="ledger-moves"):
        reads(world, holder, emergency)
    minutes(world, 1)
    assert texts(reads(world, holder, emergency)) == ["asthma"]
    move_on(world, ledger)
    seen = audit(world.network, holder)
    assert sorted((each.outcome, each.reasons) for each in seen.accesses) == [
        ("refused", ("ledger-moves",)),
        ("released", ("without-ledger",)),
    ]


def test_a_ledger_that_moved_in_between_has_not_stood_still(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    stand_still(world, ledger, 3)
    ledger.stands = False
    tend(world)
    stand_still(world, ledger, 3)
    with pytest.raises(AccessRefused, match="ledger-moves"):
        reads(world, holder, opened(world, holder, second))


def test_nothing_but_an_emergency_goes_on_without_the_ledger(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    regular = open_emergency(world.network, world.outsider, second, holder.alias, "unconscious")
    stand_still(world, ledger, 10)
    signed = opened(world, holder, second)
    statement, made = own_statement(holder)[0], condition(world.doctor)
    moving, world.network = world.network, at_last_head(world.network)
    with pytest.raises(LedgerStale):
        world.read_as_registrar(holder)
    general = session_access(world.session(world.outsider), Rule.GENERAL, Purpose.TREAT)
    with pytest.raises(LedgerStale):
        retrieve(world.network, general, statement, (DIAGNOSIS,))
    with pytest.raises(LedgerStale):
        deposit(world.network, world.writer(), statement, [made])
    world.network = moving
    with pytest.raises(LedgerStale):
        reads(world, holder, regular)
    with pytest.raises(AccessRefused, match="no-break-glass"):
        reads(world, holder, replace(regular, signed=signed.signed))


def test_nobody_opens_alone_nor_without_being_a_doctor_nor_for_another(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    other = world.patient(compartments=(DIAGNOSIS,))
    stand_still(world, ledger)
    alone = open_without_ledger(world.network, world.outsider, world.outsider, holder.alias, "unconscious")
    with pytest.raises(AccessRefused, match="no-second-party"):
        reads(world, holder, alone)
    nurse = open_without_ledger(world.network, second, world.outsider, holder.alias, "unconscious")
    with pytest.raises(AccessRefused, match="not-a-doctor"):
        reads(world, holder, nurse, second)
    emergency = opened(world, holder, second)
    with pytest.raises(AccessRefused, match="no-break-glass"):
        reads(world, holder, emergency, world.doctor)
    with pytest.raises(AccessRefused, match="another-patient"):
        reads(world, other, emergency)


def test_who_was_suspended_before_the_ledger_stood_still_opens_nothing(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    suspend(world.network, world.officers[0], second.number)
    stand_still(world, ledger)
    with pytest.raises(AccessRefused, match="no-second-party"):
        reads(world, holder, opened(world, holder, second))


def test_what_is_entered_afterwards_opens_nothing_more(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    stand_still(world, ledger)
    emergency = opened(world, holder, second)
    reads(world, holder, emergency)
    ledger.stands = False
    world.clock.advance(20 * MINUTE)
    tend(world)
    assert world.clock.now() < emergency.until
    for again in (emergency, replace(emergency, signed=None)):
        with pytest.raises(AccessRefused, match="no-break-glass"):
            reads(world, holder, again)


def test_an_emergency_ends_at_its_time_also_without_the_ledger(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    stand_still(world, ledger)
    emergency = opened(world, holder, second, seconds=2 * HOUR)
    assert texts(reads(world, holder, emergency)) == ["asthma"]
    minutes(world, 119)
    assert texts(reads(world, holder, emergency)) == ["asthma"]
    minutes(world, 1)
    with pytest.raises(AccessRefused, match="break-glass-over"):
        reads(world, holder, emergency)


def test_signing_and_entering_that_crashed_anywhere_leave_one_entry_or_nothing_that_was_used(
    world: World, ledger: StandingLedger, holder: Holder, second: Staff
) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        stand_still(world, ledger)
        made: list[Emergency] = []
        doctor = replace(world.outsider, organisation=trial.organisation(world.clinic))

        def act() -> None:
            made.append(open_without_ledger(trial.network, doctor, second, holder.alias, "unconscious"))
            ledger.stands = False
            world.clock.advance(HOUR)
            tend_gateway(trial.network, doctor.organisation)

        die(trial, act)

        def finish() -> None:
            ledger.stands = False
            world.clock.advance(HOUR)
            assert tend_gateway(world.network, world.clinic).emergencies == 0
            assert list(world.clinic.books.rows(UNENTERED)) == []
            for emergency in made:
                assert ledger.fresh_head().break_glass(emergency.entry) is not None

        return finish

    assert crash_everywhere(world, attempt) == 3
