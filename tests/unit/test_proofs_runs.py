"""Runs of leaves under one root: the one proof is right for every run of every small tree, and for nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.domain.errors import MalformedBytes, ProofRefused
from careledger.formats.cids import raw_cid
from careledger.formats.deposits import DepositItem, Items, packed_month, unpacked_month
from careledger.proofs import merkle
from careledger.proofs.anchors import AnchorBatch
from careledger.proofs.items import ItemTree, check_item, item_tree, leaf_of
from careledger.proofs.runs import Run, folded, leaf_hashes, outside

ENTRIES = [hashlib.sha256(bytes([number])).digest() for number in range(20)]
CID = bytes((1, 0x55, 0x12, 0x20)) + bytes(32)


def item(number: int, **changes: Any) -> DepositItem:
    return DepositItem(ENTRIES[number], CID, CID, CID, bytes(32), None, 0, False, "2020-01")._replace(
        **changes
    )


@pytest.mark.parametrize("size", range(1, 20))
def test_every_run_of_a_tree_proves_itself_and_gives_each_path(size: int) -> None:
    tree = merkle.Tree(ENTRIES[:size])
    hashes = leaf_hashes(ENTRIES[:size])
    assert folded(hashes) == tree.root()
    for first in range(size):
        for count in range(1, size - first + 1):
            run = Run(size, first, hashes[first : first + count], outside(tree.node, first, count, size))
            run.check(tree.root())
            assert [list(run.path(at)) for at in range(first, first + count)] == [
                tree.path(at) for at in range(first, first + count)
            ]


@given(st.data())
def test_another_leaf_place_or_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 20))
    first = data.draw(st.integers(0, size - 1))
    count = data.draw(st.integers(1, size - first))
    tree = merkle.Tree(ENTRIES[:size])
    hashes = leaf_hashes(ENTRIES[first : first + count])
    proof = outside(tree.node, first, count, size)
    wrong = [
        (size, first, [*hashes[:-1], bytes(32)], proof),
        (size, first, hashes, (*proof, bytes(32))),
        (size, first + 1, hashes, proof),
        *(
            [(size, first, hashes, proof[:-1]), (size, first, hashes, (bytes(31), *proof[1:]))]
            if proof
            else []
        ),
    ]
    for parts in wrong:
        with pytest.raises(ProofRefused):
            Run(*parts).check(tree.root())
    with pytest.raises(ProofRefused):
        Run(size, first, hashes, proof).path(first + count)


def test_an_empty_run_or_one_beyond_the_tree_is_refused() -> None:
    tree = merkle.Tree(ENTRIES)
    for first, count in ((0, 0), (19, 2), (-1, 1)):
        with pytest.raises(ProofRefused):
            outside(tree.node, first, count, 20)


def test_every_word_of_an_item_is_under_the_root() -> None:
    items = [item(0), item(1, predecessor=ENTRIES[0], author=9, signed=True), item(2, clinical_month=None)]
    tree = ItemTree(Items.of(items))
    path = tree.path(1)
    check_item(tree.root, 3, 1, items[1], leaf_of(items[1]), path)
    for changes in (
        {"handle": ENTRIES[5]},
        {"header": CID[:-1] + b"\1"},
        {"manifest": CID[:-1] + b"\1"},
        {"body": CID[:-1] + b"\1"},
        {"commitments": ENTRIES[5]},
        {"predecessor": None},
        {"author": 8},
        {"signed": False},
        {"clinical_month": "2020-02"},
    ):
        other = items[1]._replace(**changes)
        with pytest.raises(ProofRefused):
            check_item(tree.root, 3, 1, other, leaf_of(other), path)
    with pytest.raises(ProofRefused):
        check_item(tree.root, 3, 0, items[1], leaf_of(items[1]), path)


def test_the_leaves_of_items_stand_where_they_were_anchored_and_nowhere_else() -> None:
    cid = raw_cid(b"block")
    item = DepositItem(bytes(32), cid, cid, cid, b"r" * 32, None, 0, False, None)
    tree = item_tree(Items.of([item._replace(handle=bytes([each]) * 32) for each in range(5)]))
    before, after = [b"b" * 32] * 3, [b"a" * 32] * 4
    batch = AnchorBatch([*before, *tree.leaves, *after])
    outside = batch.outside(3, 5)
    for _ in range(2):  # what is remembered answers as what is made
        tree.check_anchored(batch.root, 12, 3, outside)
        for root, first, proof in (
            (bytes(32), 3, outside),
            (batch.root, 4, outside),
            (batch.root, 3, outside[1:]),
        ):
            with pytest.raises(ProofRefused):
                tree.check_anchored(root, 12, first, proof)


def test_columns_give_back_the_items() -> None:
    items = [item(0), item(1, predecessor=ENTRIES[0]), item(2, author=3), item(3, clinical_month="1999")]
    assert Items.decode(Items.of(items).encode()).rows() == items


def test_columns_that_do_not_fit_are_refused() -> None:
    made = Items.of([item(0), item(1, author=3)])
    wrong = [
        replace(made, handles=made.handles[:-1]),
        replace(made, manifests=made.manifests + CID),
        replace(made, bodies=b""),
        replace(made, commitments=made.commitments[:32]),
        replace(made, months=b""),
        replace(made, words=made.words * 2),
        replace(made, words=(replace(made.words[0], position=2),)),
    ]
    for each in wrong:
        with pytest.raises(MalformedBytes):
            each.rows()


@pytest.mark.parametrize("month", [None, "2026-01", "2026-12", "0001-01", "2026", "5040-12"])
def test_months_are_packed_without_loss(month: str | None) -> None:
    assert unpacked_month(packed_month(month)) == month


@pytest.mark.parametrize(
    "month", ["2026-13", "2026-00", "26-01", "2026-1", "0000", "5041-01", "", "2026-01-01"]
)
def test_what_is_no_month_is_refused(month: str) -> None:
    with pytest.raises(MalformedBytes):
        packed_month(month)


@pytest.mark.parametrize("number", [1, 12, 5041 * 13, 0xFFFF])
def test_what_no_month_is_packed_to_is_refused(number: int) -> None:
    made = Items.of([item(0)])
    with pytest.raises(MalformedBytes):
        replace(made, months=number.to_bytes(2, "big")).rows()
