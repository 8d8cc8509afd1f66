"""The ledger over the contracts keeps the port's promises, and is the same after it was opened again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.ledger_suite_parties import PartySuite
from adapters.ledger_suite_patients import PatientSuite
from adapters.ledger_suite_records import RecordSuite
from adapters.ledger_world import (
    CHAIN_ID,
    HOSPITAL,
    MINISTRY,
    OFFICERS,
    POLICY_DELAY,
    RELAY,
    THRESHOLD,
    LedgerWorld,
    digest,
    key,
    of,
    refused,
)
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.deploy import Genesis, directory_of, found
from careledger.adapters.evm.embedded import EmbeddedNode
from careledger.adapters.evm.ledger import EvmLedger, open_ledger
from careledger.adapters.evm.verify import verify_chain
from careledger.adapters.memory.clock import ManualClock
from careledger.domain.errors import LedgerRefused, StoreCorrupt
from careledger.formats.signed import deployment_id


def genesis(**other: object) -> Genesis:
    """What the tests' network is founded with."""
    officers = tuple((post, of(post).address) for post in OFFICERS)
    told = {"founder": key("founder"), "threshold": THRESHOLD, "policy_delay": POLICY_DELAY} | other
    return Genesis(ministry=MINISTRY, controller=of(MINISTRY).address, officers=officers, **told)  # type: ignore[arg-type]


@pytest.fixture
def world() -> Iterator[LedgerWorld]:
    """A founded ledger on a chain in memory."""
    clock = ManualClock()
    ledger = open_ledger(None, CHAIN_ID, clock, genesis())
    yield LedgerWorld(ledger, clock)
    ledger.close()


def contracts(world: LedgerWorld) -> EvmLedger:
    """The ledger over the contracts."""
    assert isinstance(world.ledger, EvmLedger)
    return world.ledger


def close(world: LedgerWorld) -> None:
    """Closes it, so that its directory may be opened again."""
    contracts(world).close()


class TestParties(PartySuite):
    """Organisations, posts, custodians, teams."""


class TestPatients(PatientSuite):
    """Registrations, aliases, links, consents."""


class TestRecords(RecordSuite):
    """Anchors, erasures, checkpoints, emergencies, the matrix."""


def test_what_a_contract_said_before_it_was_named_has_changed_for_who_looked_before(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = contracts(world)._follower
    named = follower._learn_names
    owner, slot = key("consent"), key("consent").address + digest("commitment")
    world.ledger.give_consent(owner, digest("commitment"), 0, world.now() + 1_000, RELAY)
    looked = world.ledger.fresh_head().head.number
    monkeypatch.setattr(follower, "_learn_names", lambda first, last: named(first, last) or True)
    world.ledger.give_consent(owner, digest("other"), 0, world.now() + 1_000, RELAY)
    view = world.ledger.fresh_head()
    monkeypatch.undo()
    assert view.changed(looked) >= {slot, owner.address + digest("other")}
    world.ledger.revoke_consent(owner, digest("other"), RELAY)
    later = world.ledger.fresh_head()
    assert later.changed(view.head.number) == {owner.address + digest("other")}
    assert slot in later.changed(looked)


def test_a_directory_opens_again_with_the_same_facts(tmp_path: Path) -> None:
    clock = ManualClock()
    world = LedgerWorld(open_ledger(tmp_path, CHAIN_ID, clock, genesis()), clock)
    world.organisation(HOSPITAL)
    world.ledger.anchor(digest("root"), 3, HOSPITAL, of(HOSPITAL))
    before, deployment = world.ledger.fresh_head(), world.ledger.deployment
    facts = before.head, before.party(HOSPITAL), before.anchor(digest("root"))
    close(world)
    again = open_ledger(tmp_path, CHAIN_ID, clock)
    view = again.fresh_head()
    assert (view.head, view.party(HOSPITAL), view.anchor(digest("root"))) == facts
    assert again.deployment == deployment == deployment_id(CHAIN_ID, again.contract("Directory"))
    LedgerWorld(again, clock).post(31, HOSPITAL)
    again.close()
    assert verify_chain(tmp_path).head.number == view.head.number + 1


def test_an_empty_directory_needs_a_genesis(tmp_path: Path) -> None:
    with pytest.raises(StoreCorrupt):
        open_ledger(tmp_path, CHAIN_ID, ManualClock())
    open_ledger(tmp_path, CHAIN_ID, ManualClock(), genesis()).close()


def test_founding_the_embedded_chain_takes_one_block_and_gives_the_same_addresses() -> None:
    chains = [EmbeddedChain(None, CHAIN_ID, ManualClock().now) for _ in range(2)]
    addresses = [found(EmbeddedNode(chain), genesis()) for chain in chains]
    assert addresses[0] == addresses[1] == directory_of(chains[0])
    assert chains[0].head.number == 1


def test_a_genesis_that_a_contract_refuses_founds_nothing() -> None:
    chain = EmbeddedChain(None, CHAIN_ID, ManualClock().now)
    with pytest.raises(LedgerRefused) as caught:
        found(EmbeddedNode(chain), genesis(threshold=4))
    assert caught.value.details["reason"] == "threshold"
    assert directory_of(chain) is None


def test_the_projections_file_can_be_deleted(tmp_path: Path) -> None:
    clock = ManualClock()
    ledger = open_ledger(tmp_path, CHAIN_ID, clock, genesis())
    LedgerWorld(ledger, clock).organisation(HOSPITAL)
    kept = ledger.rows()
    ledger.close()
    for path in tmp_path.glob("facts.sqlite*"):
        path.unlink()
    again = open_ledger(tmp_path, CHAIN_ID, clock)
    assert again.rows() == kept != []
    again.close()


def test_the_projection_of_another_chain_is_not_believed(tmp_path: Path) -> None:
    clock = ManualClock()
    first = LedgerWorld(open_ledger(tmp_path / "one", CHAIN_ID, clock, genesis()), clock)
    first.organisation(HOSPITAL)
    close(first)
    clock.advance(1)
    second = open_ledger(tmp_path / "two", CHAIN_ID, clock, genesis())
    second.close()
    (tmp_path / "one" / "facts.sqlite").replace(tmp_path / "two" / "facts.sqlite")
    again = open_ledger(tmp_path / "two", CHAIN_ID, clock)
    assert again.fresh_head().party(HOSPITAL) is None
    again.close()


def test_an_unknown_name_leads_to_no_contract(world: LedgerWorld) -> None:
    with refused("unknown"):
        world.ledger.contract("consents")
    assert world.ledger.contract("Consents")


def test_direct_deposits_have_their_chart_only_where_they_are_wanted() -> None:
    clock = ManualClock()
    with_chart = open_ledger(None, CHAIN_ID, clock, genesis(direct_deposits=True))
    assert with_chart.contract("WriteChart")
    without = open_ledger(None, CHAIN_ID, clock, genesis())
    with refused("unknown"):
        without.contract("WriteChart")
    assert isinstance(without, EvmLedger)


def test_acts_of_many_at_once_are_all_final_and_share_blocks(tmp_path: Path) -> None:
    clock = ManualClock()
    world = LedgerWorld(open_ledger(tmp_path, CHAIN_ID, clock, genesis()), clock)
    organisations, roots = range(101, 109), range(25)
    for number in organisations:
        world.organisation(number)
    first = world.ledger.fresh_head().head.number

    def anchor_all(number: int) -> None:
        for root in roots:
            world.ledger.anchor(digest(f"{number} {root}"), 1, number, of(number))

    with ThreadPoolExecutor(16) as pool:  # two threads for each sender
        list(pool.map(anchor_all, [*organisations, *organisations]))
    view = world.ledger.fresh_head()
    anchored = [view.anchor(digest(f"{number} {root}")) for number in organisations for root in roots]
    assert [facts.organisation for facts in anchored if facts] == [
        number for number in organisations for _ in roots
    ]
    assert view.head.number - first < 2 * len(anchored)
    close(world)
    assert verify_chain(tmp_path).transactions > 2 * len(anchored)


def test_a_projection_that_fell_behind_catches_up(tmp_path: Path) -> None:
    clock = ManualClock()
    world = LedgerWorld(open_ledger(tmp_path, CHAIN_ID, clock, genesis()), clock)
    world.organisation(HOSPITAL)
    world.ledger.fresh_head()
    with sqlite3.connect(tmp_path / "facts.sqlite") as database, sqlite3.connect(tmp_path / "kept") as kept:
        database.backup(kept)
    world.ledger.anchor(digest("root"), 3, HOSPITAL, of(HOSPITAL))
    facts, rows = world.ledger.fresh_head().anchor(digest("root")), contracts(world).rows()
    close(world)
    for path in tmp_path.glob("facts.sqlite*"):
        path.unlink()
    (tmp_path / "kept").rename(tmp_path / "facts.sqlite")
    again = open_ledger(tmp_path, CHAIN_ID, clock)
    assert again.fresh_head().anchor(digest("root")) == facts is not None
    assert again.rows() == rows
    again.close()
