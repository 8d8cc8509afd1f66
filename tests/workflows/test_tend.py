"""An unlocked agent finishes what was left open, once, and says what still waits."""

from __future__ import annotations

from careledger.domain.errors import NotEnoughCustodians
from careledger.workflows.grant import STANDS, given_consents, set_state
from careledger.workflows.order import CONFIRM, order
from careledger.workflows.tend import tend
from world import DIAGNOSIS, World, condition

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
