"""An erasure ordered before its date restricts the record at once and is carried out on the date."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.domain.categories import Category
from careledger.domain.errors import (
    AccessRefused,
    ActRefused,
    CareLedgerError,
    LedgerRefused,
    PatientNotFound,
    RequestRefused,
)
from careledger.formats.signatures import SigningKey
from careledger.sealing.phrase import Phrase
from careledger.workflows.accesses import by_holder
from careledger.workflows.actors import Holder, load_holder
from careledger.workflows.audit import audit
from careledger.workflows.chart import copies, read_back
from careledger.workflows.deposit import SHARED
from careledger.workflows.epochs import own_statement
from careledger.workflows.erase import Confirmation, conclude, erase, waiting_erasures
from careledger.workflows.guardian import appoint_guardian, come_of_age
from careledger.workflows.order import UNRESTRICT, order, repeat_orders
from careledger.workflows.register import Officer
from careledger.workflows.replace_custodian import replace_custodian
from careledger.workflows.retention import amend_retention, newest_table
from careledger.workflows.retrieve import Record
from careledger.workflows.tend import tend
from careledger.workflows.tend_gateway import tend_gateway
from crashing import Trial, crash_everywhere, crash_here_and_there, die
from world import DAY, DIAGNOSIS, HISTORY, World, condition, texts

THIRTY = {Category.DIAGNOSIS: 30}


def retain(world: World, days: dict[Category, int]) -> None:
    """Voted, and in force."""
    amend_retention(world.network, world.officers, days)
    world.clock.advance(61)


def with_record(world: World) -> tuple[Holder, Record]:
    """A claimed patient with one diagnosis, which the outsider may read."""
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    mine = world.claim(holder).holder
    world.grant(mine, world.outsider, seconds=300 * DAY)
    [record] = world.read_own(mine).records
    return mine, record


def tend_custodians(world: World) -> None:
    for link in world.links.values():
        link.call("tend", b"")


def erased(world: World, mine: Holder, record: Record) -> bool:
    listed = own_statement(mine)[0].custodians
    return conclude(world.ledger.fresh_head(), record.found.leaf, listed, 2).erased


def ordered(world: World, mine: Holder, record: Record) -> Confirmation:
    return erase(world.network, mine, [record], "wish")


def read(world: World, mine: Holder) -> list[str]:
    return texts(world.read_by_consent(world.outsider, mine.alias))


def test_before_its_date_a_record_is_restricted_at_once_and_erased_on_the_date(world: World) -> None:
    retain(world, THIRTY)
    mine, record = with_record(world)
    date = record.found.anchor.time + 30 * DAY
    assert read(world, mine) == ["asthma"]
    told = ordered(world, mine, record)
    assert told.until == {record.handle: date}
    assert read(world, mine) == []
    with pytest.raises(AccessRefused, match="restricted-by-patient"):
        world.read_by_consent(world.outsider, mine.alias, handles=[record.handle])
    assert texts(world.read_own(mine)) == ["asthma"]
    world.clock.advance(date - world.clock.now() - 1)
    tend_custodians(world)
    assert tend(world.network, mine).erasures == 1
    assert texts(world.read_own(mine)) == ["asthma"]
    assert record.found.row.body in world.blocks.pinned(SHARED)
    world.clock.advance(1)
    tend_custodians(world)
    assert erased(world, mine, record)
    assert read(world, mine) == []
    assert texts(world.read_own(mine)) == []
    assert tend(world.network, mine).erasures == 0
    assert record.found.row.body not in world.blocks.pinned(SHARED)


def test_the_confirmation_names_whose_own_copies_stay(world: World) -> None:
    retain(world, THIRTY)
    mine, record = with_record(world)
    assert ordered(world, mine, record).authors == (world.hospital.number,)
    world.clock.advance(31 * DAY)
    tend_custodians(world)
    tend(world.network, mine)
    world.blocks.collect()
    assert read_back(world.network, world.hospital, record.handle).body == record.body
    assert len(copies(world.hospital, mine.alias)) == 1


def test_what_nobody_asked_to_be_erased_stays_after_its_date(world: World) -> None:
    retain(world, THIRTY)
    mine, record = with_record(world)
    world.clock.advance(31 * DAY)
    tend_custodians(world)
    assert (tend(world.network, mine).erasures, tend_gateway(world.network, world.hospital).failed) == (0, ())
    assert read(world, mine) == texts(world.read_own(mine)) == ["asthma"]
    assert world.ledger.fresh_head().erased_by(record.found.leaf) == frozenset()


def test_without_a_table_or_for_another_category_a_record_is_erased_at_once(world: World) -> None:
    mine, record = with_record(world)
    assert ordered(world, mine, record).until == {}
    assert erased(world, mine, record)
    retain(world, {Category.REPORT: 30})
    other, second = with_record(world)
    told = ordered(world, other, second)
    assert (told.until, told.authors) == ({}, (world.hospital.number,))
    assert erased(world, other, second)


def test_until_its_date_an_erasure_can_be_withdrawn(world: World) -> None:
    retain(world, THIRTY)
    mine, record = with_record(world)
    ordered(world, mine, record)
    order(world.network, mine, UNRESTRICT, [record.handle], "changed-mind")
    assert waiting_erasures(mine) == {}
    assert read(world, mine) == ["asthma"]
    world.clock.advance(31 * DAY)
    tend_custodians(world)
    assert tend(world.network, mine).erasures == 0
    assert read(world, mine) == ["asthma"]
    assert ordered(world, mine, record).until == {}
    assert erased(world, mine, record)


def test_a_vote_puts_off_nothing_anchored_before_and_a_shorter_time_brings_dates_forward(
    world: World,
) -> None:
    mine, record = with_record(world)
    retain(world, THIRTY)
    assert ordered(world, mine, record).until == {}
    other, second = with_record(world)
    assert ordered(world, other, second).until == {second.handle: second.found.anchor.time + 30 * DAY}
    retain(world, {Category.DIAGNOSIS: 3})
    world.clock.advance(3 * DAY)
    tend_custodians(world)
    assert erased(world, other, second)


def test_withdrawing_that_crashed_anywhere_erases_nothing_after_it_was_repeated(world: World) -> None:
    retain(world, THIRTY)

    def attempt(trial: Trial) -> Callable[[], None]:
        mine, record = with_record(world)
        ordered(world, mine, record)
        die(
            trial,
            lambda: order(trial.network, trial.holder(mine), UNRESTRICT, [record.handle], "changed-mind"),
        )

        def finish() -> None:
            order(world.network, mine, UNRESTRICT, [record.handle], "changed-mind")
            assert repeat_orders(world.network, mine) == 0
            world.clock.advance(30 * DAY)
            tend_custodians(world)
            assert tend(world.network, mine).erasures == 0
            assert read(world, mine) == ["asthma"]

        return finish

    assert crash_everywhere(world, attempt) == 8


def test_the_patients_audit_shows_the_order_and_the_erasure_on_its_date(world: World) -> None:
    retain(world, THIRTY)
    mine, record = with_record(world)
    ordered(world, mine, record)
    world.clock.advance(30 * DAY)
    tend_custodians(world)
    found = audit(world.network, mine)
    assert found.complete
    for log in found.logs:
        said = [
            entry.reason for entry in log.entries if entry.event == "order" and record.handle in entry.handles
        ]
        assert said == ["erase-later wish", "erase due"]


def test_a_successor_is_told_what_waits_for_its_date(world: World) -> None:
    retain(world, THIRTY)
    mine, record = with_record(world)
    ordered(world, mine, record)
    lost = own_statement(mine)[0].custodians[0]
    world.add_custodian(6)
    del world.links[lost]
    access = by_holder(world.network, mine, own_statement(mine)[0], ())
    replace_custodian(world.network, mine, access, lost, 6)
    assert repeat_orders(world.network, mine) == 0
    kept = world.directories[6].rows.version(mine.alias, record.handle)
    assert kept is not None
    assert kept.state == "restricted"
    world.clock.advance(30 * DAY)
    world.links[6].call("tend", b"")
    assert world.directories[6].rows.shares(mine.alias) == {}
    assert world.ledger.fresh_head().erased_by(record.found.leaf) == {6}


def guarded(world: World) -> tuple[Holder, Record]:
    """A minor whose guardian ordered the erasure of a diagnosis before its date."""
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    asked = (world.hospital, holder.alias, Phrase.random(), MemoryBooks(), world.clock.now() + 10 * DAY)
    guardian = appoint_guardian(world.network, *asked).holder
    [record] = world.read_own(guardian).records
    assert list(ordered(world, guardian, record).until) == [record.handle]
    world.clock.advance(10 * DAY)
    return guardian, record


def grown_up(world: World, guardian: Holder) -> Holder:
    return come_of_age(world.network, guardian, world.hospital, Phrase.random(), MemoryBooks()).holder


def test_who_takes_a_record_over_takes_over_the_erasures_that_wait(world: World) -> None:
    retain(world, THIRTY)
    guardian, record = guarded(world)
    mine = grown_up(world, guardian)
    assert waiting_erasures(mine) == waiting_erasures(guardian) != {}
    lost = own_statement(mine)[0].custodians[0]
    world.add_custodian(6)
    del world.links[lost]
    replace_custodian(
        world.network, mine, by_holder(world.network, mine, own_statement(mine)[0], ()), lost, 6
    )
    kept = world.directories[6].rows.version(mine.alias, record.handle)
    assert kept is not None
    assert kept.state == "restricted"
    world.clock.advance(20 * DAY)
    tend_custodians(world)
    assert tend(world.network, mine).erasures == 0
    assert record.found.row.body not in world.blocks.pinned(SHARED)
    assert world.ledger.fresh_head().erased_by(record.found.leaf) >= {6}


def test_who_takes_a_record_over_may_withdraw_the_erasures_that_wait(world: World) -> None:
    retain(world, THIRTY)
    guardian, record = guarded(world)
    mine = grown_up(world, guardian)
    order(world.network, mine, UNRESTRICT, [record.handle], "changed-mind")
    assert waiting_erasures(mine) == {}
    with pytest.raises(CareLedgerError):
        ordered(world, guardian, record)
    world.clock.advance(31 * DAY)
    tend_custodians(world)
    assert texts(world.read_own(mine)) == ["asthma"]


def test_a_takeover_that_crashed_anywhere_forgets_no_erasure(world: World) -> None:
    retain(world, THIRTY)

    def attempt(trial: Trial) -> Callable[[], None]:
        guardian, record = guarded(world)
        phrase, books = Phrase.random(), MemoryBooks()
        asked = (trial.holder(guardian), trial.organisation(world.hospital), phrase, trial.books(books))
        die(trial, lambda: come_of_age(trial.network, *asked))

        def finish() -> None:
            with suppress(PatientNotFound):  # nothing was left to do
                come_of_age(world.network, guardian, world.hospital, phrase, books)
            mine = load_holder(phrase, guardian.alias, books)
            assert list(waiting_erasures(mine)) == [record.handle]

        return finish

    assert crash_here_and_there(world, attempt, 2, 6, 3) >= 8


def test_nothing_waits_where_an_erasure_was_refused(world: World) -> None:
    retain(world, THIRTY)
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    [record] = world.read_as_registrar(holder).records
    with pytest.raises(RequestRefused, match="unclaimed"):
        ordered(world, holder, record)
    assert waiting_erasures(holder) == {}
    mine = world.claim(holder).holder
    assert waiting_erasures(mine) == {}
    assert texts(world.read_own(mine)) == ["asthma"]


def test_only_ministry_officers_amend_and_one_table_at_a_time(world: World) -> None:
    stranger = Officer(world.doctor.number, world.doctor.key)
    thief = Officer(world.officers[0].post, SigningKey.random())
    for somebody in (stranger, thief):
        with pytest.raises(ActRefused, match="ministry officer"):
            amend_retention(world.network, [somebody], THIRTY)
    amend_retention(world.network, world.officers[:1], THIRTY)
    assert newest_table(world.ledger.fresh_head()).version == 1
    amend_retention(world.network, world.officers[1:], THIRTY)
    assert newest_table(world.ledger.fresh_head()).version == 2
    with pytest.raises(LedgerRefused, match="pending"):
        amend_retention(world.network, world.officers, {})
    assert set(world.ledger.fresh_head().retention(world.clock.now()).days) == {0}


def test_a_vote_that_crashed_anywhere_is_carried_by_repeating(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        before = newest_table(world.ledger.fresh_head()).version
        days = {Category.DIAGNOSIS: before}
        die(trial, lambda: amend_retention(trial.network, world.officers, days))

        def finish() -> None:
            for _ in range(2):
                amend_retention(world.network, world.officers, days)
            newest = newest_table(world.ledger.fresh_head())
            assert (newest.version, newest.days[Category.DIAGNOSIS]) == (before + 1, before)
            world.clock.advance(61)

        return finish

    assert crash_everywhere(world, attempt) == 2


def test_an_order_before_its_date_that_crashed_anywhere_is_finished(world: World) -> None:
    retain(world, THIRTY)

    def attempt(trial: Trial) -> Callable[[], None]:
        mine, record = with_record(world)
        die(trial, lambda: erase(trial.network, trial.holder(mine), [record], "wish"))

        def finish() -> None:
            erase(world.network, mine, [record], "wish")
            assert repeat_orders(world.network, mine) == 0
            assert read(world, mine) == []
            assert texts(world.read_own(mine)) == ["asthma"]
            assert list(waiting_erasures(mine)) == [record.handle]

        return finish

    assert crash_everywhere(world, attempt) == 9


def test_finishing_on_the_date_that_crashed_anywhere_is_repeated(world: World) -> None:
    retain(world, THIRTY)

    def attempt(trial: Trial) -> Callable[[], None]:
        mine, record = with_record(world)
        ordered(world, mine, record)
        world.clock.advance(30 * DAY)
        die(trial, lambda: tend(trial.network, trial.holder(mine)))

        def finish() -> None:
            tended = tend(world.network, mine)
            assert (tended.erasures, tended.waits) == (0, False)
            assert erased(world, mine, record)
            assert record.found.row.body not in world.blocks.pinned(SHARED)
            assert texts(world.read_own(mine)) == []

        return finish

    assert crash_everywhere(world, attempt) >= 10


def test_a_record_waits_for_its_own_category(world: World) -> None:
    retain(world, {Category.DIAGNOSIS: 30, Category.HISTORY: 60})
    holder = world.patient(compartments=(DIAGNOSIS, HISTORY))
    world.put(
        world.writer(),
        holder.alias,
        condition(world.doctor),
        condition(world.doctor, "seen", compartment=HISTORY),
    )
    mine = world.claim(holder).holder
    records = world.read_own(mine, (DIAGNOSIS, HISTORY)).records
    dates = erase(world.network, mine, records, "wish").until
    anchored = {each.handle: (each.compartment, each.found.anchor.time) for each in records}
    assert {anchored[handle][0]: date - anchored[handle][1] for handle, date in dates.items()} == {
        DIAGNOSIS: 30 * DAY,
        HISTORY: 60 * DAY,
    }
    world.clock.advance(30 * DAY)
    tend_custodians(world)
    left = world.read_own(mine, (DIAGNOSIS, HISTORY)).records
    assert [each.compartment for each in left] == [HISTORY]
