"""What a patient says of a record: confirmed, disputed, accepted, restricted, erased; and what others then read."""

from __future__ import annotations

import pytest

from careledger.domain.errors import AccessRefused, CareLedgerError, SignatureRefused, WritingRefused
from careledger.domain.parties import Role
from careledger.domain.records import Ground
from careledger.workflows.actors import Holder
from careledger.workflows.chart import read_back
from careledger.workflows.order import (
    ACCEPT,
    CONFIRM,
    DISPUTE,
    ERASE,
    RESTRICT,
    UNRESTRICT,
    order,
    repeat_orders,
)
from careledger.workflows.retract import retract
from careledger.workflows.retrieve import Record
from world import World, condition, texts


def shared(world: World) -> tuple[Holder, Record]:
    """A claimed patient with one record that the outsider may read."""
    holder = world.patient()
    world.put(world.writer(), holder.alias, condition(world.doctor))
    mine = world.claim(holder).holder
    world.grant(mine, world.outsider)
    return mine, world.read_own(mine).records[0]


def read(world: World, mine: Holder) -> list[str]:
    return texts(world.read_by_consent(world.outsider, mine.alias))


def marks(world: World, mine: Holder) -> set[str]:
    [record] = world.read_by_consent(world.outsider, mine.alias).records
    return record.found.marks


def test_a_record_is_usable_unconfirmed_and_stays_readable_with_the_dispute_beside_it(world: World) -> None:
    mine, record = shared(world)
    assert marks(world, mine) == {"unconfirmed"}
    order(world.network, mine, CONFIRM, [record.handle], "seen")
    assert marks(world, mine) == {"confirmed"}
    order(world.network, mine, DISPUTE, [record.handle], "wrong")
    assert marks(world, mine) == {"disputed"}
    assert read(world, mine) == ["asthma"]


def test_a_restricted_record_is_the_patients_alone_until_the_restriction_is_lifted(world: World) -> None:
    mine, record = shared(world)
    order(world.network, mine, RESTRICT, [record.handle], "wish")
    assert read(world, mine) == []
    assert texts(world.read_own(mine)) == ["asthma"]
    assert b"asthma" in read_back(world.network, world.hospital, record.handle).body.canonical
    order(world.network, mine, UNRESTRICT, [record.handle], "wish")
    assert read(world, mine) == ["asthma"]


def test_an_unasked_record_is_kept_apart_until_the_patient_accepts_it(world: World) -> None:
    mine, _ = shared(world)
    nurse = world.staff(world.clinic, 63, Role.NURSE)
    world.grant(mine, nurse)
    unasked = world.writer(world.outsider, Ground.UNASKED)
    made = world.put(unasked, mine.alias, condition(world.outsider, "gout"))
    assert texts(world.read_by_consent(nurse, mine.alias)) == ["asthma"]
    assert read(world, mine) == ["asthma", "gout"]  # a treating doctor sees it, so that it can be accepted
    order(world.network, mine, ACCEPT, list(made.handles.values()), "yes")
    assert texts(world.read_by_consent(nurse, mine.alias)) == ["asthma", "gout"]


def test_a_retracted_record_is_hidden_from_new_readers_and_not_from_its_patient(world: World) -> None:
    mine, record = shared(world)
    with pytest.raises(WritingRefused):
        retract(world.network, world.writer(world.outsider), world.statement(mine.alias), [record.handle])
    assert read(world, mine) == ["asthma"]
    second = world.staff(world.clinic, 64)
    world.grant(mine, second)
    retract(world.network, world.writer(), world.statement(mine.alias), [record.handle])
    assert texts(world.read_by_consent(second, mine.alias)) == []
    assert texts(world.read_own(mine)) == ["asthma"]


def test_only_the_present_controller_orders(world: World) -> None:
    mine, record = shared(world)
    other = world.claimed()
    stranger = Holder(other.keys, mine.state, mine.books)
    for act in (RESTRICT, ERASE, CONFIRM):
        with pytest.raises((SignatureRefused, CareLedgerError)):
            order(world.network, stranger, act, [record.handle], "wish")
    assert marks(world, mine) == {"unconfirmed"}


def test_an_order_that_a_custodian_missed_reaches_it_later(world: World) -> None:
    mine, record = shared(world)
    missing = world.statement(mine.alias).custodians[0]
    link = world.links.pop(missing)
    order(world.network, mine, ERASE, [record.handle], "wish")
    assert record.handle in world.directories[missing].rows.shares(mine.alias)
    assert repeat_orders(world.network, mine) == 1
    world.links[missing] = link
    world.clock.advance(7200)
    assert repeat_orders(world.network, mine) == 0
    assert record.handle not in world.directories[missing].rows.shares(mine.alias)
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, mine.alias, handles=[record.handle])
