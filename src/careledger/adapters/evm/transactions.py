"""Signed transactions of types 0 (EIP-155) and 2 (EIP-1559), packed by hand.

The network is free of fees: a gas price or a value other than 0 is refused, as it would wedge the account
on the production network. Access lists are refused too; no contract of ours gains by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from careledger.adapters.evm.engine import intrinsic_gas
from careledger.adapters.evm.rlp_trie import Item, decode_rlp, encode_rlp, read_uint, uint_bytes
from careledger.domain.errors import MalformedBytes, SignatureRefused, TransactionRefused
from careledger.formats.signatures import Address, SigningKey, signer_of

MAX_TRANSACTION_GAS = 100_000_000
MAX_NONCE = 2**64 - 2  # EIP-2681


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is signed. ``to`` None creates a contract; ``kind`` is 0 or 2; price and value are always 0."""

    chain_id: int
    nonce: int
    to: Address | None
    data: bytes
    gas: int
    kind: int = 2

    def _fields(self) -> list[Item]:
        to, gas, nonce = self.to or b"", uint_bytes(self.gas), uint_bytes(self.nonce)
        if self.kind == 0:
            return [nonce, b"", gas, to, b"", self.data]
        return [uint_bytes(self.chain_id), nonce, b"", b"", gas, to, b"", self.data, []]

    def digest(self) -> bytes:
        """The 32 bytes that the sender signs."""
        if self.kind == 0:
            return keccak(encode_rlp([*self._fields(), uint_bytes(self.chain_id), b"", b""]))
        return keccak(b"\x02" + encode_rlp(self._fields()))

    def sign(self, key: SigningKey) -> bytes:
        """The raw signed transaction."""
        signature = key.sign(self.digest())
        r, s = (uint_bytes(int.from_bytes(part, "big")) for part in (signature[:32], signature[32:64]))
        parity = signature[64] - 27
        if self.kind == 0:
            return encode_rlp([*self._fields(), uint_bytes(2 * self.chain_id + 35 + parity), r, s])
        return b"\x02" + encode_rlp([*self._fields(), uint_bytes(parity), r, s])


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction with its bytes, its hash and the address that signed it."""

    transaction: Transaction
    raw: bytes
    hash: bytes
    sender: Address


def decode_transaction(raw: bytes, chain_id: int) -> SignedTransaction:
    """Read and check everything that needs no state.

    Raises TransactionRefused with ``why``: malformed, type, chain id, gas price, value, access list,
    signature, nonce too high, gas too low, gas too high.
    """
    try:
        signed = _decode(raw, chain_id)
    except MalformedBytes as error:
        raise TransactionRefused(why="malformed", detail=error.details.get("why")) from None
    except SignatureRefused as error:
        raise TransactionRefused(why="signature", detail=error.details.get("why")) from None
    _check_limits(signed.transaction)
    return signed


def read_transaction(raw: bytes, chain_id: int) -> tuple[Transaction, int, int, int]:
    """The transaction and its signature (parity, r, s) as they are written there, not verified.

    Raises MalformedBytes, TransactionRefused.
    """
    if raw[:1] == b"\x02":
        return _read_type_2(_list(decode_rlp(raw[1:]), 12), chain_id)
    if raw[:1] >= b"\xc0":
        return _read_type_0(_list(decode_rlp(raw), 9), chain_id)
    raise TransactionRefused(why="type")


def _decode(raw: bytes, chain_id: int) -> SignedTransaction:
    transaction, parity, r, s = read_transaction(raw, chain_id)
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])
    return SignedTransaction(transaction, raw, keccak(raw), signer_of(transaction.digest(), signature))


def _list(item: Item, size: int) -> Sequence[Item]:
    if isinstance(item, bytes) or len(item) != size:
        raise MalformedBytes(why=f"not a list of {size}")
    return item


def _read_type_0(fields: Sequence[Item], chain_id: int) -> tuple[Transaction, int, int, int]:
    nonce, price, gas, to, value, data, v, r, s = fields
    _check_free(price, value)
    bound, parity = divmod(read_uint(v) - 35, 2)
    if bound != chain_id:  # 27 and 28, signed for no chain, give −4
        raise TransactionRefused(why="chain id", expected=chain_id)
    transaction = Transaction(chain_id, read_uint(nonce, 8), _to(to), _data(data), read_uint(gas, 8), 0)
    return transaction, parity, read_uint(r), read_uint(s)


def _read_type_2(fields: Sequence[Item], chain_id: int) -> tuple[Transaction, int, int, int]:
    bound, nonce, tip, price, gas, to, value, data, access, parity, r, s = fields
    if read_uint(bound) != chain_id:
        raise TransactionRefused(why="chain id", expected=chain_id)
    _check_free(tip, value)
    _check_free(price, value)
    if isinstance(access, bytes):
        raise MalformedBytes(why="access list")
    if access:
        raise TransactionRefused(why="access list")
    if parity not in (b"", b"\x01"):
        raise MalformedBytes(why="parity")
    transaction = Transaction(chain_id, read_uint(nonce, 8), _to(to), _data(data), read_uint(gas, 8), 2)
    return transaction, len(parity), read_uint(r), read_uint(s)


def _check_free(price: Item, value: Item) -> None:
    if read_uint(price):
        raise TransactionRefused(why="gas price")
    if read_uint(value):
        raise TransactionRefused(why="value")


def _to(item: Item) -> Address | None:
    if not isinstance(item, bytes) or len(item) not in (0, 20):
        raise MalformedBytes(why="address")
    return item or None


def _data(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise MalformedBytes(why="data")
    return item


def _check_limits(transaction: Transaction) -> None:
    if transaction.nonce > MAX_NONCE:
        raise TransactionRefused(why="nonce too high")
    if transaction.gas > MAX_TRANSACTION_GAS:
        raise TransactionRefused(why="gas too high", most=MAX_TRANSACTION_GAS)
    needed = intrinsic_gas(transaction.data, transaction.to is None)
    if transaction.gas < needed:
        raise TransactionRefused(why="gas too low", needed=needed)
