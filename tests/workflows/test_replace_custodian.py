"""A lost custodian is replaced: its shares are remade, found right by a release, and nobody sees a secret."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.adapters.blocks.hostile import HostileBlocks
from careledger.adapters.custody.hostile import DyingLink
from careledger.domain.errors import ActRefused, CareLedgerError, NotEnoughCustodians
from careledger.domain.records import Ground
from careledger.workflows import break_glass
from careledger.workflows.accesses import by_holder, by_registrar
from careledger.workflows.actors import Holder
from careledger.workflows.asking import Access
from careledger.workflows.epochs import own_statement
from careledger.workflows.replace_custodian import replace_custodian
from careledger.workflows.retrieve import retrieve
from world import APPEND, DIAGNOSIS, GENERAL, VIEW, World, condition, texts, version

ALLERGY = {"resourceType": "AllergyIntolerance", "code": {"text": "peanut"}}


def own(world: World, holder: Holder) -> Access:
    return by_holder(world.network, holder, own_statement(holder)[0], ())


def with_records(world: World) -> Holder:
    holder = world.patient()
    made = (condition(world.doctor, "asthma"), condition(world.doctor, "gout"))
    world.put(world.writer(), holder.alias, *made, version(ALLERGY, GENERAL, world.doctor))
    return world.claim(holder).holder


def test_a_lost_custodians_shares_are_remade_and_the_others_may_then_be_lost(world: World) -> None:
    mine = with_records(world)
    listed = world.statement(mine.alias).custodians
    lost = listed[0]
    world.add_custodian(6)
    del world.links[lost]
    replaced = replace_custodian(world.network, mine, own(world, mine), lost, 6)
    assert (replaced.versions, replaced.retired) == (3, False)
    assert world.statement(mine.alias).custodians == (6, *listed[1:])
    again = replace_custodian(world.network, mine, own(world, mine), lost, 6)
    assert again == replaced
    read = world.read_own(mine)
    assert texts(read) == ["asthma", "gout"]
    assert all(1 in record.found.shares for record in read.records)
    del world.links[listed[1]]  # of the three that held the shares at first only one is left
    assert texts(world.read_own(mine)) == ["asthma", "gout"]


@pytest.mark.parametrize("missed", ["the successor", "a helper"])
def test_whoever_missed_the_new_list_hears_of_it_before_shares_are_remade(world: World, missed: str) -> None:
    mine = with_records(world)
    listed = world.statement(mine.alias).custodians
    world.add_custodian(6)
    deaf = 6 if missed == "the successor" else listed[1]
    world.links[deaf] = DyingLink(world.links[deaf], before=("enrol",))
    assert replace_custodian(world.network, mine, own(world, mine), listed[0], 6).retired
    assert all(1 in record.found.shares for record in world.read_own(mine).records)


def test_shares_are_remade_also_while_the_block_store_shows_nothing_right(world: World) -> None:
    mine = with_records(world)
    lost, lying = world.statement(mine.alias).custodians[0], HostileBlocks(world.blocks)
    lying.lie_always()
    world.add_custodian(6)
    access, network = own(world, mine), replace(world.network, blocks=lying)
    assert replace_custodian(network, mine, access, lost, 6).versions == 3
    records = world.read_own(mine).records
    assert [1 in record.found.shares for record in records] == [True, True]


def test_while_a_custodian_does_not_show_its_shares_nobody_concludes_that_none_lacks(world: World) -> None:
    mine = with_records(world)
    listed = world.statement(mine.alias).custodians
    world.add_custodian(6)
    world.links[listed[1]] = DyingLink(world.links[listed[1]], before=("release",))
    assert replace_custodian(world.network, mine, own(world, mine), listed[0], 6).versions == 3
    assert all(1 in record.found.shares for record in world.read_own(mine).records)


def test_a_custodian_that_leaves_destroys_what_it_held(world: World) -> None:
    mine = with_records(world)
    leaving = world.statement(mine.alias).custodians[1]
    world.add_custodian(6)
    assert replace_custodian(world.network, mine, own(world, mine), leaving, 6).retired
    assert world.directories[leaving].rows.shares(mine.alias) == {}
    assert len(world.directories[6].rows.shares(mine.alias)) >= 3


def test_after_a_replacement_deposits_and_emergencies_work_as_before(world: World) -> None:
    mine = with_records(world)
    lost = world.statement(mine.alias).custodians[2]
    world.add_custodian(6)
    del world.links[lost]
    replace_custodian(world.network, mine, own(world, mine), lost, 6)
    append = world.grant(mine, world.outsider, permissions=(VIEW, APPEND))
    made = world.put(
        world.writer(world.outsider, Ground.APPEND, append), mine.alias, condition(world.outsider, "flu")
    )
    assert not made.thin
    assert texts(world.read_own(mine)) == ["asthma", "gout", "flu"]
    entry = break_glass.open_emergency(world.network, world.doctor, world.nurse, mine.alias, "unconscious")
    access = break_glass.emergency_access(world.session(), entry)
    read = retrieve(world.network, access, world.statement(mine.alias), (DIAGNOSIS,))
    assert texts(read) == ["asthma", "gout", "flu"]


def test_a_registrar_replaces_a_custodian_of_an_unclaimed_patient(world: World) -> None:
    holder = world.patient()
    world.put(world.writer(), holder.alias, condition(world.doctor))
    lost = own_statement(holder)[0].custodians[0]
    world.add_custodian(6)
    del world.links[lost]
    access = by_registrar(world.network, world.session(), holder, own_statement(holder)[0], ())
    assert replace_custodian(world.network, holder, access, lost, 6).versions == 1
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


def test_only_the_controller_replaces_and_only_by_an_active_custodian(world: World) -> None:
    mine, stranger = with_records(world), world.claimed()
    lost = world.statement(mine.alias).custodians[0]
    for wrong in (world.statement(mine.alias).custodians[1], world.hospital.number, 77):
        with pytest.raises(ActRefused):
            replace_custodian(world.network, mine, own(world, mine), lost, wrong)
    world.add_custodian(6)
    forged = Holder(stranger.keys, mine.state, stranger.books)
    with pytest.raises(CareLedgerError):
        replace_custodian(world.network, forged, own(world, mine), lost, 6)
    assert lost in world.statement(mine.alias).custodians


def test_with_fewer_than_t_helpers_nothing_is_remade(world: World) -> None:
    mine = with_records(world)
    listed = world.statement(mine.alias).custodians
    world.add_custodian(6)
    for number in listed[:4]:
        del world.links[number]
    with pytest.raises(NotEnoughCustodians):
        replace_custodian(world.network, mine, own(world, mine), listed[0], 6)
