"""A block store that lies or forgets costs the block it lies about, and says so; it never gives other words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.adapters.blocks.hostile import HostileBlocks
from careledger.domain.errors import BlockMismatch, BlockNotFound, CareLedgerError, StoreUnavailable
from careledger.workflows.accesses import by_holder
from careledger.workflows.actors import Holder
from careledger.workflows.chart import read_back
from careledger.workflows.deposit import deposit
from careledger.workflows.epochs import own_statement
from careledger.workflows.network import Network
from careledger.workflows.retrieve import Record, Retrieved, retrieve
from world import DIAGNOSIS, GENERAL, World, condition, texts


@pytest.fixture
def blocks(world: World) -> HostileBlocks:
    return HostileBlocks(world.blocks)


@pytest.fixture
def network(world: World, blocks: HostileBlocks) -> Network:
    """The network over a store that can be told to lie."""
    return replace(world.network, blocks=blocks)


@pytest.fixture
def mine(world: World) -> Holder:
    """A patient with two diagnoses in two batches."""
    holder = world.patient(compartments=(DIAGNOSIS, GENERAL))
    for words in ("asthma", "gout"):
        world.put(world.writer(), holder.alias, condition(world.doctor, words))
    return world.claim(holder).holder


def read(network: Network, holder: Holder) -> Retrieved:
    statement, _ = own_statement(holder)
    access = by_holder(network, holder, statement, [DIAGNOSIS])
    return retrieve(network, access, statement, [DIAGNOSIS])


def record_of(network: Network, holder: Holder, words: str) -> Record:
    found = read(network, holder)
    return found.records[texts(found).index(words)]


PARTS = ("header", "manifest", "body")


@pytest.mark.parametrize("part", PARTS)
def test_a_block_with_other_bytes_opens_nothing_and_the_others_are_read(
    network: Network, blocks: HostileBlocks, mine: Holder, part: str
) -> None:
    assert texts(read(network, mine)) == ["asthma", "gout"]
    blocks.lie(getattr(record_of(network, mine, "gout").found.row, part))
    found = read(network, mine)
    assert texts(found) == ["asthma"]
    assert [type(problem) for problem in found.problems] == [BlockMismatch]


@pytest.mark.parametrize("part", PARTS)
def test_another_records_block_in_its_place_is_not_taken_for_it(
    network: Network, blocks: HostileBlocks, mine: Holder, part: str
) -> None:
    gout, asthma = (record_of(network, mine, words).found.row for words in ("gout", "asthma"))
    other = network.blocks.get(getattr(asthma, part))
    blocks.lie(getattr(gout, part), lambda honest: other)
    found = read(network, mine)
    assert texts(found) == ["asthma"]
    assert [type(problem) for problem in found.problems] == [BlockMismatch]


def test_a_forgotten_block_is_a_problem_and_not_an_absence(
    network: Network, blocks: HostileBlocks, mine: Holder
) -> None:
    blocks.forget(record_of(network, mine, "gout").found.row.body)
    found = read(network, mine)
    assert texts(found) == ["asthma"]
    assert [type(problem) for problem in found.problems] == [BlockNotFound]


def test_an_author_is_not_shown_other_words_as_its_own(
    world: World, network: Network, blocks: HostileBlocks, mine: Holder
) -> None:
    gout, asthma = (record_of(network, mine, words) for words in ("gout", "asthma"))
    assert b"gout" in read_back(network, world.hospital, gout.handle).body.canonical
    other = network.blocks.get(asthma.found.row.body)
    blocks.lie(gout.found.row.body, lambda honest: other)
    with pytest.raises(BlockMismatch):
        read_back(network, world.hospital, gout.handle)


@pytest.mark.parametrize("persisted", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["put_many", "pin"])
def test_a_store_that_fails_leaves_a_deposit_that_can_be_repeated(
    world: World, network: Network, blocks: HostileBlocks, method: str, persisted: bool
) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    version, statement, writer = condition(world.doctor), world.statement(holder.alias), world.writer()
    blocks.fail(method, persisted)
    with pytest.raises(StoreUnavailable):
        deposit(network, writer, statement, [version])
    assert world.read_as_registrar(holder).records == ()
    deposit(network, writer, statement, [version])
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


def test_a_store_that_cannot_be_reached_refuses_by_name(
    network: Network, blocks: HostileBlocks, mine: Holder
) -> None:
    blocks.fail("get", persisted=False, times=100)
    found = read(network, mine)
    assert found.records == ()
    assert [type(problem) for problem in found.problems] == [StoreUnavailable, StoreUnavailable]
    assert all(isinstance(problem, CareLedgerError) for problem in found.problems)
