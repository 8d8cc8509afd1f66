"""An unlocked agent finishes what was left open, once, and says what still waits."""

from __future__ import annotations

import pytest

from careledger.domain.errors import NotEnoughCustodians, WritingRefused
from careledger.workflows import deposit as depositing
from careledger.workflows.actors import Holder
from careledger.workflows.grant import STANDS, given_consents, set_state
from careledger.workflows.order import CONFIRM, order
from careledger.workflows.parties import remove
from careledger.workflows.received import grants
from careledger.workflows.retract import UNTOLD, retract
from careledger.workflows.rotate_keys import rotate
from careledger.workflows.tend import tend
from careledger.workflows.tend_gateway import tend_gateway
from world import DAY, DIAGNOSIS, World, condition, version

ONE = (DIAGNOSIS,)


def test_an_agent_with_nothing_left_open_has_nothing_to_do(world: World) -> None:
    done = tend(world.network, world.claimed(compartments=ONE))
    assert (done.granted, done.closed, done.waits) == (0, 0, False)


def test_a_prepared_grant_is_given_and_an_expired_one_closed_with_a_new_epoch(world: World) -> None:
    mine = world.claimed(compartments=ONE)
    world.grant(mine, world.outsider, seconds=60)
    world.grant(mine, world.doctor)
    set_state(mine, given_consents(mine)[1], "prepared")
    world.clock.advance(120)
    done = tend(world.network, mine)
    assert (done.granted, done.closed) == (1, 1)
    assert [given.state == STANDS for given in given_consents(mine)] == [False, True]
    assert tend(world.network, mine).closed == 0


def test_what_absent_custodians_missed_is_told_when_they_are_back(world: World) -> None:
    holder = world.patient(compartments=ONE)
    handle = next(iter(world.put(world.writer(), holder.alias, condition(world.doctor)).handles.values()))
    away = {number: world.links.pop(number) for number in list(world.statement(holder.alias).custodians)[:2]}
    try:
        order(world.network, holder, CONFIRM, [handle], "seen")
    except NotEnoughCustodians:
        raise AssertionError("three of five carry an order out") from None
    assert tend(world.network, holder).orders == 2
    world.links.update(away)
    assert not tend(world.network, holder).waits
    assert world.read_as_registrar(holder).records[0].found.marks == {"confirmed"}


def states(world: World, holder: Holder, handle: bytes) -> list[str]:
    """How each custodian of the list keeps that version."""
    kept = (
        world.directories[number].rows.version(holder.alias, handle)
        for number in world.statement(holder.alias).custodians
    )
    return [each.state for each in kept if each is not None]


def test_custodians_that_missed_a_retraction_are_told_by_the_depositors_gateway_even_after_the_session(
    world: World,
) -> None:
    holder = world.patient(compartments=ONE)
    handle = next(iter(world.put(world.writer(), holder.alias, condition(world.doctor)).handles.values()))
    statement = world.statement(holder.alias)
    away = {number: world.links.pop(number) for number in statement.custodians[:2]}
    retract(world.network, world.writer(), statement, [handle])
    assert sorted(states(world, holder, handle)) == ["kept"] * 2 + ["retracted"] * 3
    assert tend_gateway(world.network, world.hospital).retractions == 2
    world.clock.advance(DAY)
    world.links.update(away)
    assert tend_gateway(world.network, world.clinic).retractions == 0
    assert sorted(states(world, holder, handle)) == ["kept"] * 2 + ["retracted"] * 3
    assert tend_gateway(world.network, world.hospital).retractions == 0
    assert states(world, holder, handle) == ["retracted"] * 5
    assert list(world.hospital.books.rows(UNTOLD)) == []


def test_custodians_that_missed_what_the_patient_took_back_are_told_by_the_agent(world: World) -> None:
    mine = world.claimed(compartments=ONE)
    reported = version({"resourceType": "Condition", "code": {"text": "itch"}}, source="patient-reported")
    handle = next(iter(world.put(world.own_writer(mine), mine.alias, reported).handles.values()))
    statement = world.statement(mine.alias)
    away = {number: world.links.pop(number) for number in statement.custodians[3:]}
    retract(world.network, world.own_writer(mine), statement, [handle])
    assert tend(world.network, mine).waiting == ("2 retractions to reach custodians",)
    world.links.update(away)
    assert tend_gateway(world.network, world.hospital).retractions == 0
    assert "kept" in states(world, mine, handle)
    mine = rotate(world.network, mine)
    assert not tend(world.network, mine).waits
    assert states(world, mine, handle) == ["retracted"] * 5


def test_a_retraction_that_too_few_heard_is_finished_and_one_that_was_refused_is_not(world: World) -> None:
    holder = world.patient(compartments=ONE)
    handle = next(iter(world.put(world.writer(), holder.alias, condition(world.doctor)).handles.values()))
    statement = world.statement(holder.alias)
    with pytest.raises(WritingRefused):
        retract(world.network, world.writer(world.outsider), statement, [handle])
    assert tend_gateway(world.network, world.clinic).retractions == 0
    assert states(world, holder, handle) == ["kept"] * 5
    away = {number: world.links.pop(number) for number in statement.custodians[:3]}
    with pytest.raises(NotEnoughCustodians):
        retract(world.network, world.writer(), statement, [handle])
    world.links.update(away)
    assert tend_gateway(world.network, world.hospital).retractions == 0
    assert states(world, holder, handle) == ["retracted"] * 5


def test_a_custodian_that_is_none_any_more_owes_no_retraction(world: World) -> None:
    holder = world.patient(compartments=ONE)
    handle = next(iter(world.put(world.writer(), holder.alias, condition(world.doctor)).handles.values()))
    statement = world.statement(holder.alias)
    gone = statement.custodians[0]
    del world.links[gone]
    retract(world.network, world.writer(), statement, [handle])
    assert tend_gateway(world.network, world.hospital).retractions == 1
    remove(world.network, world.officers[0], gone)
    assert tend_gateway(world.network, world.hospital).retractions == 0


def test_what_fails_now_keeps_nothing_else_from_being_done_and_is_named(world: World) -> None:
    mine = world.claimed(compartments=ONE)
    world.grant(mine, world.outsider, seconds=60)
    world.grant(mine, world.doctor)
    set_state(mine, given_consents(mine)[1], "prepared")
    world.clock.advance(120)
    away = {number: world.links.pop(number) for number in list(world.statement(mine.alias).custodians)[:2]}
    done = tend(world.network, mine)
    assert done.closed == 0
    assert "closing expired consents (NotEnoughCustodians)" in done.waiting
    world.links.update(away)
    done = tend(world.network, mine)
    assert (done.granted, done.closed, done.waiting) == (1, 1, ())


# Gateways ------------------------------------------------------------------------------------------


def test_a_gateway_finishes_deposits_completes_thin_ones_and_fetches_grants(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = world.patient(compartments=ONE)
    away = {number: world.links.pop(number) for number in list(world.statement(holder.alias).custodians)[:1]}
    with monkeypatch.context() as dies:
        dies.setattr(depositing, "finish", lambda *_: None)  # after the plan and before the anchor
        world.put(world.writer(), holder.alias, condition(world.doctor))
    done = tend_gateway(world.network, world.hospital)
    assert (done.deposits, done.shares, done.failed) == (1, 1, ())
    world.links.update(away)
    world.grant(holder, world.outsider)
    done = tend_gateway(world.network, world.hospital)
    assert (done.deposits, done.shares) == (0, 0)
    assert len(world.read_as_registrar(holder).records) == 1
    assert tend_gateway(world.network, world.clinic).grants == 1
    assert len(grants(world.clinic, holder.alias)) == 1


def test_a_gateway_tends_the_patients_whose_keys_it_keeps_and_no_others(world: World) -> None:
    kept, mine = world.patient(compartments=ONE), world.claimed(compartments=ONE)
    for holder in (kept, mine):
        world.grant(holder, world.outsider, seconds=60)
    world.clock.advance(120)
    assert tend_gateway(world.network, world.hospital).unclaimed == 0
    assert [given.state for given in given_consents(kept)] == ["revoked"]
    assert [given.state for given in given_consents(mine)] == [STANDS]


def test_a_gateway_that_cannot_do_one_thing_does_the_others(world: World) -> None:
    holder = world.patient(compartments=ONE)
    world.grant(holder, world.outsider)

    def broken(*_: object) -> int:
        raise NotEnoughCustodians()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("careledger.workflows.tend_gateway.resume", broken)
        done = tend_gateway(world.network, world.clinic)
    assert done.failed == ("finishing deposits (NotEnoughCustodians)",)
    assert done.grants == 1
