"""Leaves, share commitments and anchor batches."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from careledger.domain.errors import MalformedBytes, ProofRefused, ShareMismatch
from careledger.formats.cids import raw_cid
from careledger.proofs.anchors import (
    AnchorBatch,
    Commitments,
    LeafOpening,
    check_share,
    commitment_roots,
    share_commitment,
    share_commitments,
)

SHARES = [hashlib.sha256(b"share %d" % place).digest() for place in range(1, 6)]
OPENING = LeafOpening(
    handle=bytes(range(32)),
    header=raw_cid(b"header"),
    manifest=raw_cid(b"manifest"),
    body=raw_cid(b"body"),
    commitments=Commitments(SHARES).root,
)


def test_the_leaf_is_the_digest_that_the_protocol_names() -> None:
    fields = (
        b"careledger/v1/leaf",
        OPENING.handle,
        OPENING.header,
        OPENING.manifest,
        OPENING.body,
        OPENING.commitments,
    )
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in fields)
    assert OPENING.leaf == hashlib.sha256(framed).digest()


@pytest.mark.parametrize("field", ["handle", "header", "manifest", "body", "commitments"])
def test_every_part_of_a_version_changes_its_leaf(field: str) -> None:
    value = getattr(OPENING, field)
    changed = dataclasses.replace(OPENING, **{field: value[:-1] + bytes([value[-1] ^ 1])})
    assert changed.leaf != OPENING.leaf


@pytest.mark.parametrize("field", ["handle", "header", "manifest", "body", "commitments"])
def test_a_part_of_another_length_is_refused(field: str) -> None:
    with pytest.raises(MalformedBytes):
        dataclasses.replace(OPENING, **{field: getattr(OPENING, field) + b"\x00"})


def test_an_opening_does_not_print_its_handle() -> None:
    assert OPENING.handle.hex() not in repr(OPENING)
    assert str(OPENING.handle) not in repr(OPENING)


@pytest.mark.parametrize("places", [1, 2, 3, 4, 5, 7])
def test_each_custodian_can_check_its_own_share_and_no_other(places: int) -> None:
    shares = [hashlib.sha256(b"%d" % place).digest() for place in range(places)]
    commitments = Commitments(shares)
    for place, share in enumerate(shares, start=1):
        path = commitments.path(place)
        check_share(commitments.root, places, place, share, path)
        with pytest.raises(ShareMismatch):
            check_share(commitments.root, places, place, bytes(32), path)
        with pytest.raises(ShareMismatch):
            check_share(commitments.root, places, place + 1, share, path)
        with pytest.raises(ShareMismatch):
            check_share(commitments.root, places, place, share, [*path, bytes(32)])


@pytest.mark.parametrize("places", [1, 2, 3, 4, 5, 7, 8])
def test_many_versions_shares_are_committed_to_as_each_one_is(places: int) -> None:
    shares = [
        [hashlib.sha256(b"%d/%d" % (version, place)).digest() for place in range(places)]
        for version in range(3)
    ]
    columns = [share_commitments(place, each) for place, each in enumerate(zip(*shares, strict=True), 1)]
    joined = b"".join(each for version in zip(*columns, strict=True) for each in version)
    roots = [Commitments(each).root for each in shares]
    assert commitment_roots(joined, places) == b"".join(roots)
    changed = joined[:-1] + bytes([joined[-1] ^ 1])
    assert commitment_roots(changed, places)[:-32] == b"".join(roots[:-1])
    assert commitment_roots(changed, places)[-32:] != roots[-1]


def test_a_share_is_bound_to_its_place() -> None:
    assert share_commitment(1, SHARES[0]) != share_commitment(2, SHARES[0])
    for place, share in ((0, SHARES[0]), (65, SHARES[0]), (1, SHARES[0][:-1])):
        with pytest.raises(MalformedBytes):
            share_commitment(place, share)


def test_a_share_of_no_place_is_a_mismatch() -> None:
    commitments = Commitments(SHARES)
    with pytest.raises(ShareMismatch):
        check_share(commitments.root, 5, 0, SHARES[0], commitments.path(1))
    with pytest.raises(ProofRefused):
        commitments.path(6)


def test_every_leaf_of_a_batch_is_proved_under_its_root_and_no_other() -> None:
    leaves = [hashlib.sha256(b"leaf %d" % n).digest() for n in range(11)]
    batch, other = AnchorBatch(leaves), AnchorBatch(leaves[::-1])
    for index, leaf in enumerate(leaves):
        inclusion = batch.inclusion(index)
        inclusion.check(leaf)
        with pytest.raises(ProofRefused):
            inclusion.check(leaves[index - 1])
        with pytest.raises(ProofRefused):
            dataclasses.replace(inclusion, root=other.root).check(leaf)


def test_a_batch_of_one_leaf_has_an_empty_path() -> None:
    batch = AnchorBatch([OPENING.leaf])
    assert batch.inclusion(0).path == ()
    batch.inclusion(0).check(OPENING.leaf)


@pytest.mark.parametrize("leaves", [[], [b"short"], [bytes(32), bytes(33)]])
def test_a_batch_of_anything_but_leaves_is_refused(leaves: list[bytes]) -> None:
    with pytest.raises(MalformedBytes):
        AnchorBatch(leaves)


def test_a_node_cannot_be_passed_off_as_a_leaf() -> None:
    leaves = [hashlib.sha256(b"leaf %d" % n).digest() for n in range(2)]
    batch = AnchorBatch(leaves)
    with pytest.raises(ProofRefused):
        dataclasses.replace(batch.inclusion(0), size=1, path=()).check(leaves[0] + leaves[1])
