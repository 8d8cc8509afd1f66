"""RLP is read as the reference library reads it: the one encoding of an item, and nothing else."""

from __future__ import annotations

from collections import Counter

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from careledger.adapters.evm.rlp_trie import Item, decode_rlp, encode_rlp
from careledger.domain.errors import MalformedBytes

ITEMS = st.recursive(
    st.binary(max_size=3) | st.binary(min_size=54, max_size=58) | st.binary(min_size=255, max_size=257),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=12,
)


@given(ITEMS)
def test_every_item_is_read_back(item: Item) -> None:
    encoded = encode_rlp(item)
    assert decode_rlp(encoded) == item == rlp.decode(encoded)


def test_of_all_short_bytes_and_all_altered_encodings_the_same_are_refused() -> None:
    short = [bytes(each) for each in ((a, b) for a in range(256) for b in range(256))]
    item: Item = [b"", b"\x01", b"\x80", b"x" * 60, [b"y" * 300, [b"z", [], b"w" * 56]]]
    whole = encode_rlp(item)
    altered = [
        whole[:at] + bytes([value]) + whole[at + 1 :]
        for at in range(len(whole))
        for value in (0, 1, 0x7F, 0x80, 0x81, 0xB7, 0xB8, 0xC0, 0xC1, 0xF7, 0xF8, 0xFF)
    ]
    cut = [whole[:at] for at in range(len(whole))] + [whole + b"\x01"]
    outcomes = Counter(_same(each) for each in (b"", *short, *altered, *cut))
    assert set(outcomes) == {"read", "refused"}
    assert min(outcomes.values()) > 500


def _same(encoded: bytes) -> str:
    try:
        expected = rlp.decode(encoded, strict=True)
    except rlp.DecodingError:
        with pytest.raises(MalformedBytes):
            decode_rlp(encoded)
        return "refused"
    assert decode_rlp(encoded) == expected
    return "read"


def test_lists_in_lists_without_end_are_refused() -> None:
    deep: Item = []
    for _ in range(63):
        deep = [deep]
    assert decode_rlp(encode_rlp(deep)) == deep
    for more in (1, 200):
        for _ in range(more):
            deep = [deep]
        with pytest.raises(MalformedBytes):
            decode_rlp(encode_rlp(deep))
