"""Writes contracts.json: trees, signed messages and packed words that Python and the contracts must see alike.

python docs/vectors/make_contracts.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from careledger.adapters.evm.rlp_trie import encode_rlp
from careledger.formats.consent_messages import (
    AnchorCheckpoint,
    CosignCheckpoint,
    GiveConsent,
    LedgerMessage,
    OpenBreakGlass,
    RevokeConsent,
    contract_domain,
)
from careledger.formats.record_words import AnchorWord, DepositPlace, page_digest
from careledger.formats.signatures import ORDER, SigningKey
from careledger.proofs.anchors import AnchorBatch

FILE = Path(__file__).with_name("contracts.json")
CHAIN = 20_260
DEPLOYER = bytes(range(0xD0, 0xE4))
ADDRESS = keccak(encode_rlp([DEPLOYER, b""]))[12:]  # of the deployer's first contract
KEY = SigningKey(bytes(31) + b"\x09")
NOW = 1_767_225_600
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17)
MESSAGES: tuple[LedgerMessage, ...] = (
    GiveConsent(KEY.address, bytes([0xC0] * 32), NOW - 3_600, NOW + 86_400, NOW + 3_000),
    RevokeConsent(KEY.address, bytes([0xC0] * 32), NOW + 3_000),
    AnchorCheckpoint(7, 1_000, bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)),
    CosignCheckpoint(8, 7, 1_000, bytes([1] * 32), bytes([2] * 32)),
    OpenBreakGlass(bytes([4] * 32), bytes([5] * 32), 7, 8, NOW + 3_600, True, NOW + 3_000),
)


def entry(index: int) -> bytes:
    """The index-th entry of the trees, 32 bytes."""
    return keccak(b"entry %d" % index)


def trees() -> list[dict[str, Any]]:
    """Each size's root and every entry's path."""
    made = []
    for size in SIZES:
        batch = AnchorBatch([entry(index) for index in range(size)])
        paths = [[node.hex() for node in batch.inclusion(index).path] for index in range(size)]
        made.append({"size": size, "root": batch.root.hex(), "paths": paths})
    return made


def refused_proofs() -> list[dict[str, Any]]:
    """Proofs in a tree of seven that prove nothing, and why."""
    batch = AnchorBatch([entry(index) for index in range(7)])
    path = [node.hex() for node in batch.inclusion(2).path]
    good: dict[str, Any] = {
        "entry": entry(2).hex(),
        "index": 2,
        "size": 7,
        "path": path,
        "root": batch.root.hex(),
    }
    changes: list[tuple[str, dict[str, Any]]] = [
        ("another entry", {"entry": entry(3).hex()}),
        ("another index", {"index": 3}),
        ("an index outside the tree", {"index": 7}),
        ("a smaller tree", {"size": 4}),
        ("a much larger tree", {"size": 1_000}),
        ("an empty tree", {"index": 0, "size": 0, "path": []}),
        ("a path too short", {"path": path[:-1]}),
        ("a path too long", {"path": [*path, path[0]]}),
        ("a path in another order", {"path": path[::-1]}),
        ("another root", {"root": entry(0).hex()}),
        ("an inner node for an entry", {"entry": path[1], "index": 0, "size": 2, "path": path[2:]}),
    ]
    return [{"why": why} | good | change for why, change in changes]


def messages() -> list[dict[str, Any]]:
    """Each message's members, hashes and signature for the deployer's first contract."""
    made = []
    for message in MESSAGES:
        values = {name: _plain(value) for name, value in message.values().items()}
        signature = message.sign(KEY, CHAIN, ADDRESS)
        s = ORDER - int.from_bytes(signature[32:64], "big")
        high = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
        made.append(
            {
                "type": message.STRUCT.name,
                "contract": message.CONTRACT,
                "values": values,
                "domain": contract_domain(message.CONTRACT, CHAIN, ADDRESS).separator.hex(),
                "struct": message.STRUCT.hash(message.values()).hex(),
                "digest": message.digest(CHAIN, ADDRESS).hex(),
                "signature": signature.hex(),
                "refused": {"high s": high.hex(), "v of 0": (signature[:64] + b"\x00").hex()},
            }
        )
    return made


def words() -> dict[str, Any]:
    """Packed words with what they hold."""
    anchor, place = AnchorWord(0x0102030405060708, 10_000, NOW, 77), DepositPlace(0x0102030405060708, 3, 31)
    leaves = [entry(index) for index in range(3)]
    page = int.from_bytes(page_digest(leaves), "big") << 40 | 0b010 << 8 | 3
    return {
        "anchor": {"organisation": anchor.organisation, "count": 10_000, "time": NOW, "block": 77}
        | {"word": f"{anchor.word():064x}"},
        "place": {
            "organisation": place.organisation,
            "page": 3,
            "index": 31,
            "word": f"{place.where():064x}",
        },
        "page": {"leaves": [leaf.hex() for leaf in leaves], "removed": [1], "word": f"{page:064x}"},
        "consent_id": keccak(KEY.address + bytes([0xC0] * 32)).hex(),
    }


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def vectors() -> dict[str, Any]:
    """The whole file."""
    return {
        "chain_id": CHAIN,
        "deployer": DEPLOYER.hex(),
        "address": ADDRESS.hex(),
        "secret": KEY.secret.hex(),
        "entries": [entry(index).hex() for index in range(max(SIZES))],
        "trees": trees(),
        "refused_proofs": refused_proofs(),
        "messages": messages(),
        "words": words(),
    }


def main(arguments: list[str]) -> int:
    """Write or compare; the exit code."""
    text = json.dumps(vectors(), indent=1) + "\n"
    if "--check" in arguments:
        return 0 if FILE.read_text() == text else 1
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
