"""Replaying from genesis finds whatever was changed in the file, and says where."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from adapters.chain_support import CHAIN_ID, Sender, word, write
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.tables import FILE
from careledger.adapters.evm.verify import chain_head, verify_chain
from careledger.domain.errors import ChainCorrupt, StoreCorrupt, StoreUnavailable


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Six blocks: a contract, four writes by two senders, and a block of two of which one is refused."""
    one, other = Sender(1), Sender(2, kind=0)
    with EmbeddedChain(tmp_path / "ledger", CHAIN_ID) as chain:
        contract = one.install(chain)
        for key in (1, 2):
            chain.send(one.raw(contract, write(key, 5)))
            chain.send(other.raw(contract, write(key + 10, 6)))
        chain.send_many([one.raw(contract, write(1, 9)), other.raw(contract, write(3, 7))])
    return tmp_path / "ledger"


def change(ledger: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    with sqlite3.connect(ledger / FILE) as connection:
        for statement in statements:
            assert connection.execute(statement, values).rowcount
    connection.close()


def found(ledger: Path) -> tuple[object, object]:
    with pytest.raises(ChainCorrupt) as corrupt:
        verify_chain(ledger)
    return corrupt.value.details["block"], corrupt.value.details["differs"]


@pytest.mark.parametrize("engine", ["revm", "eels"])
def test_an_untouched_chain_verifies_on_either_engine(ledger: Path, engine: str) -> None:
    numbers: list[int] = []
    verified = verify_chain(ledger, engine, progress=numbers.append)
    assert (verified.engine, verified.transactions, verified.slots) == (engine, 7, 5)
    assert verified.head == chain_head(ledger)
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_a_running_chain_can_be_verified(ledger: Path) -> None:
    with EmbeddedChain(ledger, CHAIN_ID):
        assert verify_chain(ledger).head.number == 6


TAMPERED = [
    ("UPDATE storage SET value = x'09' WHERE block = 4", (4, "storage")),
    ("DELETE FROM storage WHERE block = 3", (3, "storage")),
    ("INSERT INTO storage SELECT address, slot, 5, value FROM storage WHERE block = 2", (5, "storage")),
    ("INSERT INTO storage SELECT address, slot, 9, value FROM storage WHERE block = 2", (6, "storage")),
    ("UPDATE accounts SET nonce = nonce + 1 WHERE block = 5", (5, "accounts")),
    ("UPDATE accounts SET block = 0 WHERE block = 1 AND code <> x''", (1, "accounts")),
    ("UPDATE codes SET code = code || x'00'", (1, "codes")),
    ("UPDATE logs SET data = x'00' WHERE block = 2", (2, "logs")),
    ("UPDATE logs SET topic = x'' WHERE block = 2", (2, "logs")),
    ("DELETE FROM logs WHERE block = 6", (6, "logs")),
    ("UPDATE transactions SET gas_used = gas_used + 1 WHERE block = 3", (3, "transactions")),
    ("UPDATE transactions SET success = 1 WHERE success = 0", (6, "transactions")),
    ("UPDATE transactions SET output = x'' WHERE success = 0", (6, "transactions")),
    ("UPDATE transactions SET sender = zeroblob(20) WHERE block = 4", (4, "transactions")),
    ("UPDATE transactions SET hash = zeroblob(32) WHERE block = 4", (4, "transactions")),
    ("DELETE FROM transactions WHERE block = 6 AND position = 0", (6, "transactions")),
    ("DELETE FROM transactions WHERE block = 6 AND position = 1", (6, "transactions")),
    ("UPDATE blocks SET hash = zeroblob(32) WHERE number = 3", (3, "block hash")),
    ("UPDATE blocks SET hash = zeroblob(32) WHERE number = 0", (0, "block hash")),
    ("DELETE FROM blocks WHERE number = 3", (3, "block missing")),
    ("DELETE FROM blocks WHERE number = 6", (5, "transactions")),
    ("UPDATE blocks SET header = x'c0' WHERE number = 2", (2, "header")),
    ("UPDATE meta SET chain_id = 78", (0, "genesis")),
]


@pytest.mark.parametrize(("statement", "place"), TAMPERED)
def test_a_changed_row_is_named(ledger: Path, statement: str, place: tuple[int, str]) -> None:
    change(ledger, statement)
    assert found(ledger) == place


def _reheaded(ledger: Path, number: int, old: bytes, new: bytes) -> None:
    """Change a header and make its hash fit, as somebody who knows the format would."""
    connection = sqlite3.connect(ledger / FILE)
    (header,) = connection.execute("SELECT header FROM blocks WHERE number = ?", (number,)).fetchone()
    assert header.count(old) == 1
    connection.close()
    changed = header.replace(old, new)
    change(
        ledger,
        "UPDATE blocks SET header = ?, hash = ? WHERE number = ?",
        values=(changed, keccak(changed), number),
    )


@pytest.mark.parametrize("field", ["parent", "state", "transactions", "receipts"])
def test_a_header_that_says_something_else_is_named(ledger: Path, field: str) -> None:
    with EmbeddedChain(ledger, CHAIN_ID) as chain:
        value = getattr(chain.header(4), field)
    _reheaded(ledger, 4, value, word(1))
    assert found(ledger) == (4, field)


def test_a_transaction_by_nobody_known_is_named(ledger: Path) -> None:
    stranger = Sender(9)
    stranger.nonce = 5
    change(
        ledger,
        "UPDATE transactions SET raw = ? WHERE block = 5",
        values=(stranger.raw(bytes(20), b""),),
    )
    with pytest.raises(ChainCorrupt) as corrupt:
        verify_chain(ledger)
    assert corrupt.value.details == {
        "block": 5,
        "transaction": 0,
        "differs": "transaction",
        "why": "nonce too high",
    }


def test_a_chain_cut_short_is_found_by_who_remembers_its_head(ledger: Path) -> None:
    head = chain_head(ledger)
    verify_chain(ledger, remembered=(head.number, head.hash))
    tables = ("transactions", "logs", "accounts", "storage")
    change(
        ledger, "DELETE FROM blocks WHERE number = 6", *(f"DELETE FROM {t} WHERE block = 6" for t in tables)
    )
    assert verify_chain(ledger).head.number == 5  # a whole, shorter chain
    with pytest.raises(ChainCorrupt):
        verify_chain(ledger, remembered=(head.number, head.hash))


def test_a_damaged_file_is_refused(ledger: Path) -> None:
    file = ledger / FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    with pytest.raises(StoreCorrupt):
        verify_chain(ledger)
    with pytest.raises(StoreCorrupt):
        EmbeddedChain(ledger, CHAIN_ID)
    file.write_bytes(whole)
    assert verify_chain(ledger).head.number == 6


def test_where_there_is_no_chain_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        verify_chain(tmp_path)
    with pytest.raises(StoreUnavailable):
        chain_head(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
