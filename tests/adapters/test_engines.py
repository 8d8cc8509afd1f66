"""Both engines say the same of everything, and neither lets one transaction leak into the next."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import pytest
from pyrevm import EVM, Env

from adapters.programs import program
from careledger.adapters.evm import engines, revm
from careledger.adapters.evm.engine import (
    Account,
    BlockContext,
    Engine,
    Execution,
    Message,
    WriteSet,
)
from careledger.adapters.evm.engines import FIGURES, Figure, check_figures, check_loading, new_engine
from careledger.adapters.evm.revm import RevmEngine
from careledger.domain.errors import EngineMismatch, TransactionRefused

NAMES = ("revm", "eels")
SENDER, CONTRACT = b"\xaa" * 20, b"\xc0" * 20
BLOCK = BlockContext(number=9, timestamp=1_000, chain_id=77)


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return new_engine(77, str(request.param))


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_an_engine_shows_the_gas_of_london(engine: Engine, figure: Figure) -> None:
    check_figures(engine, figure)


def test_an_engine_of_a_later_fork_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_unknown_fork(env: Env, gas_limit: int, spec_id: str) -> EVM:
        return EVM(env, gas_limit=gas_limit, spec_id="Londinium")  # silently the latest fork

    monkeypatch.setattr(revm, "EVM", of_unknown_fork)
    engines._checked.cache_clear()
    with pytest.raises(EngineMismatch):
        new_engine(77, "revm")
    monkeypatch.undo()
    assert new_engine(77, "revm").name == "revm"


def test_an_engine_that_loses_loaded_slots_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class OneSnapshotForAll(RevmEngine):
        def load(self, accounts: object, storage: object) -> None:
            super().load(accounts, [])  # type: ignore[arg-type]
            with self._isolated():
                for address, slot, value in storage:  # type: ignore[attr-defined]
                    self._evm.insert_account_storage("0x" + address.hex(), slot, value)

    check_loading(RevmEngine(77))
    with pytest.raises(EngineMismatch):
        check_loading(OneSnapshotForAll(77))


def test_nothing_runs_on_a_journal_that_was_read_outside_a_snapshot() -> None:
    engine = RevmEngine(77)
    engine._evm.storage("0x" + CONTRACT.hex(), 0)
    assert engine._evm.journal_state
    with pytest.raises(EngineMismatch):
        engine.execute(Message(SENDER, CONTRACT), BLOCK)
    with pytest.raises(EngineMismatch):
        engine.apply(WriteSet({CONTRACT: Account(1, b"\x00")}))


def test_executing_and_calling_leave_the_state_alone(engine: Engine) -> None:
    engine.load([(CONTRACT, Account(1, bytes.fromhex("60005460010160005560005460005260206000f3")))], [])
    message = Message(SENDER, CONTRACT)
    first = engine.execute(message, BLOCK)
    assert engine.execute(message, BLOCK) == first
    assert engine.call(message, BLOCK).output == first.output
    assert engine.call(message, BLOCK).writes == WriteSet()
    engine.apply(first.writes)
    assert int.from_bytes(engine.call(message, BLOCK).output, "big") == 2


def test_a_write_that_is_undone_is_no_write(engine: Engine) -> None:
    engine.load([(CONTRACT, Account(1, bytes.fromhex("60016000556002600155600060005500")))], [])
    writes = engine.execute(Message(SENDER, CONTRACT), BLOCK).writes
    assert writes.storage == {(CONTRACT, 1): 2}


def test_a_refusal_gives_its_reason_and_writes_only_the_nonce(engine: Engine) -> None:
    engine.load([(CONTRACT, Account(1, bytes.fromhex("600160005560ab60005260206000fd")))], [])
    refused = engine.execute(Message(SENDER, CONTRACT), BLOCK)
    assert not refused.success
    assert refused.output[-1] == 0xAB
    assert refused.writes == WriteSet({SENDER: Account(1)})


def test_less_gas_than_the_intrinsic_is_no_transaction(engine: Engine) -> None:
    assert engine.execute(Message(SENDER, CONTRACT, b"\x01", 21_016), BLOCK).gas_used == 21_016
    with pytest.raises(TransactionRefused):
        engine.execute(Message(SENDER, CONTRACT, b"\x01", 21_015), BLOCK)


def test_an_engine_runs_for_its_own_chain_id_only(engine: Engine) -> None:
    engine.execute(Message(SENDER, CONTRACT), BLOCK)
    with pytest.raises(EngineMismatch):
        engine.execute(Message(SENDER, CONTRACT), BlockContext(9, 1_000, 78))


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(EngineMismatch):
        new_engine(77, "another")


def _outcome(engine: Engine, message: Message, block: BlockContext) -> Execution | str:
    try:
        return engine.execute(message, block)
    except TransactionRefused:
        return "refused"


class _Pair:
    """Both engines in one state, and what was written so far."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.counts = chance, Counter[str]()
        self.contracts = [bytes([0xC0 + at]) * 20 for at in range(3)]
        slots = {
            (at, chance.choice((0, 1, 3, 32))): chance.randrange(1, 5)
            for at in self.contracts
            for _ in range(3)
        }
        self.slots = slots
        self.engines = [new_engine(77, name) for name in NAMES]
        codes = [(at, Account(1, program(chance, [*self.contracts, SENDER]))) for at in self.contracts]
        for engine in self.engines:
            engine.load(codes, [(*slot, value) for slot, value in slots.items()])

    def run(self, block: BlockContext) -> None:
        chance = self.chance
        to = chance.choice([*self.contracts, None])
        data = program(chance, self.contracts) if to is None else chance.randbytes(chance.choice((0, 32, 99)))
        message = Message(SENDER, to, data, chance.choice((21_500, 60_000, 300_000, 2_000_000)))
        one, other = (_outcome(engine, message, block) for engine in self.engines)
        assert one == other
        if isinstance(one, Execution):
            self._apply(one)
        else:
            self.counts["refused"] += 1

    def _apply(self, seen: Execution) -> None:
        writes = seen.writes
        cleared = {slot: 0 for slot in self.slots if slot[0] in writes.destroyed}
        whole = WriteSet(writes.accounts, cleared | writes.storage)
        self.slots.update(whole.storage)
        for engine in self.engines:
            engine.apply(whole)
        self.counts["success" if seen.success else "reverted" if seen.output else "halted"] += 1
        self.counts["logged"] += bool(seen.logs)
        self.counts["stored"] += bool(writes.storage)
        self.counts["destroyed"] += bool(writes.destroyed)
        self.counts["created"] += any(account.code for account in writes.accounts.values())


def test_random_programs_give_the_same_on_both_engines() -> None:
    counts = Counter[str]()
    for seed in range(200):
        pair = _Pair(random.Random(seed))
        for at in range(4):
            pair.run(BlockContext(10 + at, 1_000 + at, 77))
        counts += pair.counts
    least = {"success": 200, "reverted": 40, "halted": 100, "logged": 100, "stored": 50, "created": 5}
    least |= {"destroyed": 10, "refused": 10}
    assert {name: counts[name] for name in least if counts[name] < least[name]} == {}, counts


HOSTILE = """
import json, threading
import careledger.adapters.evm.eels

def read():
    for text in ("[" * 200_000, '{"a":' * 200_000):
        try:
            json.loads(text)
        except RecursionError:
            print("refused")

read()
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""


def test_with_the_second_engine_loaded_nested_json_is_refused_and_the_process_lives() -> None:
    done = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, ["refused"] * 4), done.stderr
