"""The fold of the events equals what the contracts answer themselves, at every block, and can be made again."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from importlib import resources
from random import Random
from typing import Any

import pytest

from adapters.ledger_random import SUBJECTS, RandomActs, outcome
from adapters.ledger_reads import DirectReads, differences, every_fact
from adapters.ledger_world import CHAIN_ID, MINISTRY, OFFICERS, POLICY_DELAY, THRESHOLD, of
from adapters.test_ledger_evm import genesis
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.deploy import found
from careledger.adapters.evm.embedded import EmbeddedNode
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.memory.clock import ManualClock
from careledger.adapters.memory.ledger import MemoryLedger
from careledger.domain.facts import AnchorFacts, CheckpointFacts
from careledger.ports import LedgerView
from careledger.projection.fold import HANDLERS, WITHOUT_FACTS

ACTS, LOOKS, MAKERS = 2_200, 10, 28


def founded() -> tuple[ManualClock, EmbeddedNode, EvmLedger, MemoryLedger]:
    """A ledger of either kind, founded alike, on one clock."""
    clock = ManualClock()
    node = EmbeddedNode(EmbeddedChain(None, CHAIN_ID, clock.now))
    evm = EvmLedger(node, found(node, genesis()), clock)
    officers = {post: of(post).address for post in OFFICERS}
    memory = MemoryLedger(clock, MINISTRY, officers, CHAIN_ID, THRESHOLD, POLICY_DELAY, version=1)
    return clock, node, evm, memory


def without_blocks(view: LedgerView) -> dict[Any, Any]:
    """Every fact but block numbers, and the ministry's controller, in which the two kinds differ by design."""
    facts = every_fact(view, SUBJECTS)
    for question, fact in facts.items():
        if isinstance(fact, AnchorFacts | CheckpointFacts):
            facts[question] = dataclasses.replace(fact, block=0)
    facts["party", MINISTRY] = None
    return facts


@pytest.mark.parametrize("seed", [3, 8])
def test_after_random_acts_projection_contracts_and_memory_agree(seed: int) -> None:
    clock, node, evm, memory = founded()
    acts, said, done = RandomActs(seed), Counter[str](), Counter[str]()
    seen: dict[int, Any] = {}
    for number in range(1, ACTS + 1):
        clock.advance(acts.pause())
        name, act = acts.draw(clock.now())
        on_evm, in_memory = outcome(evm, act), outcome(memory, act)
        assert on_evm == in_memory, name
        said[on_evm] += 1
        done[name] += not on_evm
        if number % (ACTS // LOOKS) == 0:
            head = evm.fresh_head()
            direct = DirectReads(node, evm, head.head.number)
            assert differences(head, direct, SUBJECTS) == []
            assert without_blocks(head) == without_blocks(memory.fresh_head())
            seen[head.head.number] = every_fact(head, SUBJECTS)
    assert said[""] >= 300, said
    assert len(said) >= 28, said
    assert len(done) == MAKERS, done
    assert min(done.values()) >= 1, done
    assert len(seen) == LOOKS
    rows = evm.rows()
    assert len(rows) > 200
    evm.rebuild()
    assert evm.rows() == rows
    for block, facts in seen.items():
        assert every_fact(evm.at(block), SUBJECTS) == facts


def test_an_earlier_block_is_read_as_the_contracts_read_it() -> None:
    clock, node, evm, _ = founded()
    acts = RandomActs(5)
    for _ in range(300):
        clock.advance(acts.pause())
        outcome(evm, acts.draw(clock.now())[1])
    head = evm.fresh_head().head.number
    for block in Random(5).sample(range(1, head), 3):
        assert differences(evm.at(block), DirectReads(node, evm, block), SUBJECTS) == []


def test_every_event_of_every_contract_is_folded_or_named_as_without_facts() -> None:
    known = set()
    for path in (resources.files("careledger.adapters.evm") / "artifacts").iterdir():
        abi = json.loads(path.read_text("utf-8"))["abi"]
        known |= {entry["name"] for entry in abi if entry["type"] == "event"}
    assert len(known) > 40
    assert known == set(HANDLERS) | WITHOUT_FACTS
    assert not set(HANDLERS) & WITHOUT_FACTS
