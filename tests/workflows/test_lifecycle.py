"""Registrations end, people die, minors come of age, keys are changed, holders that do not answer are replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.domain.errors import (
    AccessRefused,
    ActRefused,
    CareLedgerError,
    LedgerRefused,
    PatientNotFound,
    WritingRefused,
)
from careledger.domain.parties import ControllerKind
from careledger.domain.records import Ground
from careledger.formats.signatures import SigningKey
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import Holder
from careledger.workflows.chart import copies
from careledger.workflows.death import record_death, withdraw_death
from careledger.workflows.end_registration import end_registration, leave
from careledger.workflows.guardian import appoint_guardian, come_of_age, guarded_holder
from careledger.workflows.register import kept_aliases
from careledger.workflows.replace_holder import (
    begin_replacing_guardian,
    begin_replacing_registrar,
    complete_replacement,
    stop_replacement,
)
from careledger.workflows.rotate_keys import rotate
from careledger.workflows.tend_gateway import tend_gateway
from world import APPEND, DAY, DIAGNOSIS, GUARDED, VIEW, World, condition, texts

YEAR = 365 * DAY


def with_record(world: World, *codes: str) -> Holder:
    """An unclaimed patient of the hospital with these diagnoses."""
    holder = world.patient()
    for code in codes or ("asthma",):
        world.put(world.writer(), holder.alias, condition(world.doctor, code))
    return holder


def kind(world: World, alias: bytes) -> ControllerKind:
    facts = world.ledger.fresh_head().alias(alias)
    assert facts is not None
    return facts.kind


# Ending a registration ---------------------------------------------------------------------------


def test_after_a_registration_ends_its_posts_read_nothing_and_its_chart_stays(world: World) -> None:
    mine = world.claim(with_record(world)).holder
    world.grant(mine, world.doctor, permissions=(VIEW, APPEND))
    world.grant(mine, world.outsider)
    assert texts(world.read_by_consent(world.doctor, mine.alias)) == ["asthma"]
    assert leave(world.network, mine, world.hospital.number) == 1
    assert leave(world.network, mine, world.hospital.number) == 0
    end_registration(world.network, world.hospital, mine.alias)
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.doctor, mine.alias)
    with pytest.raises(WritingRefused):
        world.put(world.writer(), mine.alias, condition(world.doctor, "new"))
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    assert len(copies(world.hospital, mine.alias)) == 1
    assert world.statement(mine.alias).registrar == 0


def test_a_registration_is_ended_by_its_registrar_and_left_by_who_has_claimed(world: World) -> None:
    holder = with_record(world)
    with pytest.raises(ActRefused, match="claim"):
        leave(world.network, holder, world.hospital.number)
    with pytest.raises(PatientNotFound):
        end_registration(world.network, world.clinic, holder.alias)
    thief = replace(world.hospital, controller=SigningKey.random())
    world.clock.advance(7 * DAY)
    assert tend_gateway(world.network, world.hospital).registrations == 0
    with pytest.raises(LedgerRefused, match="caller"):
        end_registration(world.network, thief, holder.alias)
    for _ in range(2):
        end_registration(world.network, world.hospital, holder.alias)


def test_a_replacement_begun_after_one_was_stopped_is_stopped_by_a_second_word(world: World) -> None:
    holder = with_record(world)
    with pytest.raises(LedgerRefused, match="no alarm"):
        stop_replacement(world.network, holder)
    for _ in range(2):
        begun = begin_replacing_registrar(world.network, world.clinic, world.officers[0], holder.alias)
        stop_replacement(world.network, holder)
        world.clock.advance(3 * DAY)
        with pytest.raises(LedgerRefused, match="no alarm"):
            complete_replacement(world.network, begun, world.clinic.number)


# Death -------------------------------------------------------------------------------------------


def test_with_two_officers_word_nobody_controls_the_alias_and_its_consents_end(world: World) -> None:
    mine = world.claim(with_record(world)).holder
    world.grant(mine, world.outsider)
    record_death(world.network, mine.alias, world.officers[:1])
    assert kind(world, mine.alias) is ControllerKind.SELF
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    statement = world.statement(mine.alias)
    record_death(world.network, mine.alias, world.officers[1:])
    record_death(world.network, mine.alias, world.officers)
    assert kind(world, mine.alias) is ControllerKind.NOBODY
    with pytest.raises(CareLedgerError):
        world.read_by_consent(world.outsider, mine.alias)
    with pytest.raises(CareLedgerError):
        world.read_own(mine)
    withdraw_death(world.network, mine.alias, world.officers)
    assert kind(world, mine.alias) is ControllerKind.SELF
    assert texts(world.read_own(mine)) == ["asthma"]
    assert world.statement(mine.alias) == statement


def test_a_stranger_records_no_death(world: World) -> None:
    mine = world.claimed()
    stranger = type(world.officers[0])(world.doctor.number, world.doctor.key)
    for somebody in ((), (stranger,), (world.officers[0], stranger)):
        with pytest.raises(ActRefused):
            record_death(world.network, mine.alias, somebody)
    assert kind(world, mine.alias) is ControllerKind.SELF


# Minors ------------------------------------------------------------------------------------------


def test_a_guardian_reads_what_is_normal_until_majority_and_then_nothing(world: World) -> None:
    holder = with_record(world)
    world.put(world.writer(), holder.alias, condition(world.doctor, "guarded", compartment=GUARDED))
    until = world.clock.now() + YEAR
    made = appoint_guardian(
        world.network, world.hospital, holder.alias, Phrase.random(), MemoryBooks(), until
    )
    guardian = made.holder
    assert kind(world, holder.alias) is ControllerKind.GUARDIAN
    assert kept_aliases(world.hospital) == []
    assert texts(world.read_own(guardian)) == ["asthma"]
    with pytest.raises(CareLedgerError):
        world.read_own(guardian, (GUARDED,))
    append = world.grant(guardian, world.outsider, (DIAGNOSIS,), (VIEW, APPEND))
    world.put(
        world.writer(world.outsider, Ground.APPEND, append), holder.alias, condition(world.outsider, "flu")
    )
    world.clock.advance(YEAR)
    with pytest.raises(CareLedgerError):
        world.read_own(guardian)
    phrase, books = Phrase.random(), MemoryBooks()
    grown = come_of_age(world.network, guardian, world.hospital, phrase, books).holder
    assert kind(world, holder.alias) is ControllerKind.SELF
    assert texts(world.read_own(grown, (DIAGNOSIS, GUARDED))) == ["asthma", "guarded", "flu"]
    assert guarded_holder(world.hospital, holder.alias) is None
    with pytest.raises(CareLedgerError):
        world.read_own(guardian)
    with pytest.raises(CareLedgerError):
        world.read_by_consent(world.outsider, holder.alias)


def test_a_guardian_is_not_appointed_for_the_past_nor_by_who_does_not_hold_the_keys(world: World) -> None:
    holder = with_record(world)
    now = world.clock.now()
    with pytest.raises(ActRefused):
        appoint_guardian(world.network, world.hospital, holder.alias, Phrase.random(), MemoryBooks(), now)
    with pytest.raises(PatientNotFound):
        appoint_guardian(
            world.network, world.clinic, holder.alias, Phrase.random(), MemoryBooks(), now + YEAR
        )


# Changing keys -----------------------------------------------------------------------------------


def test_after_a_rotation_the_consents_that_shall_live_on_do_and_the_others_do_not(world: World) -> None:
    mine = world.claim(with_record(world)).holder
    world.grant(mine, world.outsider)
    world.grant(mine, world.doctor)
    for staff in (world.outsider, world.doctor):
        assert texts(world.read_by_consent(staff, mine.alias)) == ["asthma"]
    clinic = world.clinic.number
    rotated = rotate(world.network, mine, keep=lambda certificate: certificate.grantee.organisation == clinic)
    assert rotated.controller.address != mine.controller.address
    assert texts(world.read_own(rotated)) == ["asthma"]
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    with pytest.raises(AccessRefused, match="former"):
        world.read_by_consent(world.doctor, mine.alias)
    with pytest.raises(CareLedgerError):
        world.read_own(mine)


def test_a_rotated_patient_rotates_again_and_is_deposited_to(world: World) -> None:
    mine = rotate(world.network, rotate(world.network, world.claim(with_record(world)).holder))
    assert mine.state.generation == 2
    append = world.grant(mine, world.doctor, permissions=(VIEW, APPEND))
    world.put(world.writer(ground=Ground.APPEND, granted=append), mine.alias, condition(world.doctor, "gout"))
    assert texts(world.read_own(mine)) == ["asthma", "gout"]


# Replacing who does not answer -------------------------------------------------------------------


def test_a_registrar_that_does_not_answer_is_replaced_after_72_hours(world: World) -> None:
    holder = with_record(world)
    begun = begin_replacing_registrar(world.network, world.clinic, world.officers[0], holder.alias)
    with pytest.raises(LedgerRefused, match="too early"):
        complete_replacement(world.network, begun, world.clinic.number)
    world.clock.advance(3 * DAY)
    replaced = complete_replacement(world.network, begun, world.clinic.number)
    assert complete_replacement(world.network, replaced, world.clinic.number) == replaced
    assert world.statement(holder.alias).registrar == world.clinic.number
    world.put(world.writer(world.outsider), holder.alias, condition(world.outsider, "flu"))
    read = world.read_as_registrar(replaced, staff=world.outsider)
    assert texts(read) == ["flu"]  # the older one opens by no epoch key that was handed over
    with pytest.raises(CareLedgerError):
        world.read_as_registrar(holder)
    mine = world.claim(replaced, world.clinic).holder
    assert texts(world.read_own(mine)) == ["flu"]


def test_a_registrar_that_answers_stops_its_replacement(world: World) -> None:
    holder = with_record(world)
    begun = begin_replacing_registrar(world.network, world.clinic, world.officers[0], holder.alias)
    for other in (begun, world.patient()):
        with pytest.raises(LedgerRefused):
            stop_replacement(world.network, other)
    for _ in range(2):
        stop_replacement(world.network, holder)
    with pytest.raises(LedgerRefused):
        stop_replacement(world.network, begun)
    world.clock.advance(3 * DAY)
    with pytest.raises(LedgerRefused, match="no alarm"):
        complete_replacement(world.network, begun, world.clinic.number)
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


def test_nobody_replaces_a_registrar_without_an_officer(world: World) -> None:
    holder = with_record(world)
    stranger = type(world.officers[0])(world.doctor.number, world.doctor.key)
    with pytest.raises(ActRefused):
        begin_replacing_registrar(world.network, world.clinic, stranger, holder.alias)
    with pytest.raises(LedgerRefused, match="same registrar"):
        begin_replacing_registrar(world.network, world.hospital, world.officers[0], holder.alias)


def test_a_guardian_past_its_time_is_replaced_by_the_young_person(world: World) -> None:
    holder = with_record(world)
    until = world.clock.now() + YEAR
    appoint_guardian(world.network, world.hospital, holder.alias, Phrase.random(), MemoryBooks(), until)
    phrase, books = Phrase.random(), MemoryBooks()
    asked = (world.network, world.clinic, world.officers[0], holder.alias, phrase, books)
    with pytest.raises(LedgerRefused, match="kind"):
        begin_replacing_guardian(*asked)
    world.clock.advance(YEAR)
    begun = begin_replacing_guardian(*asked)
    world.clock.advance(3 * DAY)
    grown = complete_replacement(world.network, begun, world.hospital.number)
    assert kind(world, holder.alias) is ControllerKind.SELF
    append = world.grant(grown, world.doctor, permissions=(APPEND,))
    world.put(world.writer(ground=Ground.APPEND, granted=append), grown.alias, condition(world.doctor, "flu"))
    assert texts(world.read_own(grown)) == ["flu"]
