"""Content identifiers are those of IPFS, with exactly one spelling each."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multiformats import CID, multihash

from careledger.domain.errors import BlockMismatch, MalformedBytes
from careledger.formats import cids


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([("raw", cids.raw_cid), ("dag-cbor", cids.dag_cbor_cid)]))
def test_identifiers_equal_those_of_the_multiformats_library(data: bytes, codec: tuple) -> None:  # type: ignore[type-arg]
    name, make = codec
    expected = CID("base32", 1, name, multihash.digest(data, "sha2-256"))
    assert make(data) == bytes(expected)
    assert cids.text(make(data)) == str(expected)
    assert cids.parse(str(expected)) == make(data)


def test_the_well_known_identifier_of_the_empty_block() -> None:
    assert cids.text(cids.raw_cid(b"")) == "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    assert cids.codec_of(cids.raw_cid(b"")) == cids.RAW
    assert cids.codec_of(cids.dag_cbor_cid(b"")) == cids.DAG_CBOR


GOOD = cids.text(cids.raw_cid(b"x"))


@pytest.mark.parametrize(
    "written",
    [
        "",
        "b",
        GOOD[1:],
        GOOD.upper(),
        "B" + GOOD[1:].upper(),
        GOOD[:-1],
        GOOD + "a",
        GOOD + "=",
        "z" + GOOD[1:],
        GOOD[:-1] + "1",
        GOOD[:10] + "é" + GOOD[11:],
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
    ],
)
def test_any_other_spelling_is_refused(written: str) -> None:
    assert cids.parse(GOOD) == cids.raw_cid(b"x")
    with pytest.raises(MalformedBytes):
        cids.parse(written)


def test_the_last_character_has_only_one_accepted_value_per_block() -> None:
    accepted = 0
    for last in "abcdefghijklmnopqrstuvwxyz234567":
        try:
            cids.parse(GOOD[:-1] + last)
            accepted += 1
        except MalformedBytes:
            pass
    assert accepted == 8  # 36 bytes are 288 bits: of the last 5 bits, 3 are data


@pytest.mark.parametrize("position", range(4))
def test_other_versions_codecs_and_hashes_are_refused(position: int) -> None:
    cid = bytearray(cids.raw_cid(b"x"))
    cid[position] ^= 0x01
    with pytest.raises(MalformedBytes):
        cids.check_cid(bytes(cid))
    with pytest.raises(MalformedBytes):
        cids.check_cid(cids.raw_cid(b"x")[:-1])


def test_a_chunk_is_raw_and_under_its_blake3_as_others_make_it() -> None:
    cid = cids.chunk_cid(memoryview(b"IETF"))
    assert cid[4:].hex() == "83a2de1ee6f4e6ab686889248f4ec0cf4cc5709446a682ffd1cbb4d6165181e2"
    other = CID.decode(cid)
    assert (other.version, other.codec.name, other.hashfun.name) == (1, "raw", "blake3")
    assert (cids.is_chunk(cid), cids.is_chunk(cids.raw_cid(b"IETF"))) == (True, False)
    assert cids.check_block(cid, b"IETF") == b"IETF"
    with pytest.raises(BlockMismatch):
        cids.check_block(cid, b"IETf")
    with pytest.raises(MalformedBytes):
        cids.check_cid(bytes((1, cids.DAG_CBOR)) + cid[2:])


def test_bytes_are_checked_against_their_identifier() -> None:
    cid = cids.raw_cid(b"block")
    assert cid[4:] == hashlib.sha256(b"block").digest()
    assert cids.check_block(cid, b"block") == b"block"
    with pytest.raises(BlockMismatch):
        cids.check_block(cid, b"Block")
