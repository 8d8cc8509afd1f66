"""Signed transactions: the bytes of the standards, and every way in which one is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eth_hash.auto import keccak
from ethereum.crypto.hash import keccak256
from ethereum.london.blocks import Log as EelsLog
from ethereum.london.bloom import logs_bloom
from ethereum.london.fork_types import Address as EelsAddress
from ethereum.london.transactions import (
    LegacyTransaction,
    recover_sender,
)
from ethereum.london.transactions import (
    decode_transaction as eels_decode,
)
from ethereum.london.trie import Trie, root, trie_set
from ethereum_rlp import rlp as eels_rlp
from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U64, Uint

from adapters.chain_support import CHAIN_ID, Sender
from careledger.adapters.evm.blocks import bloom_of
from careledger.adapters.evm.engine import Log
from careledger.adapters.evm.rlp_trie import Item, encode_rlp, ordered_root, uint_bytes
from careledger.adapters.evm.transactions import (
    MAX_TRANSACTION_GAS,
    Transaction,
    decode_transaction,
)
from careledger.domain.errors import TransactionRefused
from careledger.formats.signatures import ORDER, SigningKey

KEY = SigningKey(b"\x46" * 32)
TO = b"\x35" * 20


def fields(kind: int, **changed: Item) -> list[Item]:
    """The unsigned fields of a transaction that is taken, some of them changed."""
    number: dict[str, Item] = {"nonce": uint_bytes(9), "price": b"", "gas": uint_bytes(30_000)}
    if kind == 2:
        number = {"chain": uint_bytes(CHAIN_ID), "nonce": b"\x09", "tip": b"", "price": b""}
        number["gas"] = uint_bytes(30_000)
    number |= {"to": TO, "value": b"", "data": b"\x01\x00"}
    if kind == 2:
        number["access"] = []
    assert changed.keys() <= number.keys()
    return list((number | changed).values())


def signed(kind: int, parts: list[Item]) -> bytes:
    """Those fields, signed as the standards say."""
    if kind == 2:
        made = KEY.sign(keccak(b"\x02" + encode_rlp(parts)))
        v = made[64] - 27
    else:
        made = KEY.sign(keccak(encode_rlp([*parts, uint_bytes(CHAIN_ID), b"", b""])))
        v = made[64] - 27 + 35 + 2 * CHAIN_ID
    numbers = (v, int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big"))
    whole = encode_rlp([*parts, *map(uint_bytes, numbers)])
    return b"\x02" + whole if kind == 2 else whole


def why(raw: bytes, chain_id: int = CHAIN_ID) -> object:
    with pytest.raises(TransactionRefused) as refused:
        decode_transaction(raw, chain_id)
    return refused.value.details["why"]


def test_the_example_of_eip_155_has_its_signing_digest_and_sender() -> None:
    raw = bytes.fromhex(
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a0"
        "28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a0"
        "67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    )
    assert why(raw, 1) == "gas price"  # the network is free of fees
    assert why(raw, 2) == "gas price"
    assert KEY.address.hex() == "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"


@pytest.mark.parametrize("kind", [0, 2])
@pytest.mark.parametrize("to", [TO, None])
def test_the_executable_specification_reads_our_transactions(kind: int, to: bytes | None) -> None:
    transaction = Transaction(CHAIN_ID, 9, to, b"\x01\x00" * 40, 100_000, kind)
    raw = transaction.sign(KEY)
    theirs = eels_decode(raw) if kind == 2 else eels_rlp.decode_to(LegacyTransaction, raw)
    assert (int(theirs.nonce), int(theirs.gas), bytes(theirs.to), bytes(theirs.data)) == (
        9,
        100_000,
        to or b"",
        transaction.data,
    )
    assert bytes(recover_sender(U64(CHAIN_ID), theirs)) == KEY.address
    ours = decode_transaction(raw, CHAIN_ID)
    assert (ours.transaction, ours.sender, ours.raw) == (transaction, KEY.address, raw)
    assert ours.hash == keccak256(raw)


@pytest.mark.parametrize("kind", [0, 2])
def test_the_bytes_that_are_signed_are_the_standard_s(kind: int) -> None:
    assert Transaction(CHAIN_ID, 9, TO, b"\x01\x00", 30_000, kind).sign(KEY) == signed(kind, fields(kind))


REFUSED: list[tuple[dict[str, Item], str]] = [
    ({"price": b"\x01"}, "gas price"),
    ({"value": b"\x01"}, "value"),
    ({"gas": uint_bytes(21_019)}, "gas too low"),
    ({"gas": uint_bytes(MAX_TRANSACTION_GAS + 1)}, "gas too high"),
    ({"nonce": uint_bytes(2**64 - 1)}, "nonce too high"),
    ({"nonce": b"\x00\x09"}, "malformed"),
    ({"nonce": uint_bytes(2**64)}, "malformed"),
    ({"nonce": [b"\x09"]}, "malformed"),
    ({"to": TO[1:]}, "malformed"),
    ({"to": TO + b"\x00"}, "malformed"),
    ({"data": [b"\x01"]}, "malformed"),
]


@pytest.mark.parametrize("kind", [0, 2])
@pytest.mark.parametrize(("changed", "reason"), REFUSED)
def test_a_field_that_may_not_be_is_refused(kind: int, changed: dict[str, Item], reason: str) -> None:
    assert decode_transaction(signed(kind, fields(kind)), CHAIN_ID).sender == KEY.address
    assert why(signed(kind, fields(kind, **changed))) == reason


def test_a_tip_and_an_access_list_are_refused() -> None:
    assert why(signed(2, fields(2, tip=b"\x01"))) == "gas price"
    assert why(signed(2, fields(2, access=[[TO, []]]))) == "access list"
    assert why(signed(2, fields(2, access=b""))) == "malformed"


def test_exactly_the_intrinsic_gas_is_enough() -> None:
    assert decode_transaction(signed(0, fields(0, gas=uint_bytes(21_020))), CHAIN_ID)
    assert decode_transaction(signed(0, fields(0, gas=uint_bytes(MAX_TRANSACTION_GAS))), CHAIN_ID)


def _split(kind: int) -> tuple[bytes, Callable[[int, int, int], bytes]]:
    raw = signed(kind, fields(kind))
    return (
        raw,
        lambda v, r, s: (
            (b"\x02" if kind == 2 else b"")
            + encode_rlp([*fields(kind), uint_bytes(v), uint_bytes(r), uint_bytes(s)])
        ),
    )


@pytest.mark.parametrize("kind", [0, 2])
def test_a_malleated_or_foreign_signature_is_refused(kind: int) -> None:
    raw, remade = _split(kind)
    digest = Transaction(CHAIN_ID, 9, TO, b"\x01\x00", 30_000, kind).digest()
    made = KEY.sign(digest)
    r, s = int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big")
    base = 0 if kind == 2 else 35 + 2 * CHAIN_ID
    parity = made[64] - 27
    assert remade(base + parity, r, s) == raw
    assert why(remade(base + 1 - parity, r, ORDER - s)) == "signature"
    assert why(remade(base + parity, 0, s)) == "signature"
    assert why(remade(base + parity, r, 0)) == "signature"
    assert why(remade(base + parity, ORDER, s)) == "signature"
    other = decode_transaction(remade(base + 1 - parity, r, s), CHAIN_ID)
    assert other.sender != KEY.address  # another, unknown sender: never the signer's account


def test_a_transaction_signed_for_no_chain_is_refused() -> None:
    made = KEY.sign(keccak(encode_rlp(fields(0))))
    numbers = (made[64], int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big"))
    assert why(encode_rlp([*fields(0), *map(uint_bytes, numbers)])) == "chain id"


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00", b"\x7f", b"\x02", b"\xc0", b"\x02\xc0", b"\xf8", b"\xc1\xc0", b"\x02" + b"\xc1" * 3_000],
)
def test_what_is_no_transaction_is_refused(raw: bytes) -> None:
    assert why(raw) in ("malformed", "type")


@pytest.mark.parametrize("kind", [1, 3, 4])
def test_other_types_are_refused(kind: int) -> None:
    assert why(bytes([kind]) + signed(2, fields(2))[1:]) == "type"


@pytest.mark.parametrize("kind", [0, 2])
def test_bytes_more_or_less_are_refused(kind: int) -> None:
    raw = Sender(kind=kind).raw(TO, b"abc")
    assert why(raw + b"\x00") == "malformed"
    assert why(raw[:-1]) == "malformed"


@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 127, 128, 129, 255, 256, 257, 700])
def test_roots_over_lists_are_the_specification_s(count: int) -> None:
    for length in (1, 31, 120):
        values = [bytes([at % 251 + 1]) * length for at in range(count)]
        trie: Trie[bytes, bytes | None] = Trie(secured=False, default=None)
        for at, value in enumerate(values):
            trie_set(trie, eels_rlp.encode(Uint(at)), value)
        assert ordered_root(values) == root(trie)


def test_the_bloom_is_the_specification_s() -> None:
    logs = [Log(bytes([at]) * 20, tuple(keccak(bytes([at, n])) for n in range(at)), b"") for at in range(5)]
    theirs = [EelsLog(EelsAddress(log.address), tuple(map(Bytes32, log.topics)), b"") for log in logs]
    assert bloom_of(logs) == logs_bloom(tuple(theirs))
