"""Anchors: a verified organisation commits to a tree of leaves, and anybody can check what is under it."""

from __future__ import annotations

import pytest

from careledger.domain.parties import Role
from careledger.formats.record_words import AnchorWord
from careledger.proofs.anchors import AnchorBatch
from careledger.proofs.merkle import leaf_hash, node_hash
from contracts.harness import Reverted, key, refused
from contracts.records_world import CENTRE, DOCTOR, HOSPITAL, MINISTRY, OFFICER, SUSPENDED, World, digest

ROOT = digest("root")


@pytest.fixture
def world() -> World:
    return World()


def anchor_of(world: World, root: bytes) -> AnchorWord | None:
    return AnchorWord.unpack(world.records.call("anchor_word", root))


def test_a_verified_organisation_anchors_a_root(world: World) -> None:
    receipt = world.records.send(world.key(HOSPITAL), "anchor", ROOT, HOSPITAL, 1_000)
    kept = AnchorWord(HOSPITAL, 1_000, receipt.time, receipt.block)
    assert anchor_of(world, ROOT) == kept
    (event,) = receipt.events
    assert (event.name, event.fields) == ("AnchoredV1", {"root": ROOT, "anchor": kept.word()})


def test_a_root_that_nobody_anchored_is_unknown(world: World) -> None:
    assert anchor_of(world, ROOT) is None


def test_the_same_anchor_again_changes_nothing(world: World) -> None:
    world.records.send(world.key(HOSPITAL), "anchor", ROOT, HOSPITAL, 7)
    first = anchor_of(world, ROOT)
    assert world.records.send(world.key(HOSPITAL), "anchor", ROOT, HOSPITAL, 7).events == ()
    assert anchor_of(world, ROOT) == first


def test_a_known_root_is_nobody_elses_and_has_no_other_size(world: World) -> None:
    world.records.send(world.key(HOSPITAL), "anchor", ROOT, HOSPITAL, 7)
    with refused("known root"):
        world.records.send(world.key(CENTRE), "anchor", ROOT, CENTRE, 7)
    with refused("known root"):
        world.records.send(world.key(HOSPITAL), "anchor", ROOT, HOSPITAL, 8)


def test_an_anchor_has_leaves(world: World) -> None:
    with refused("count"):
        world.records.send(world.key(HOSPITAL), "anchor", ROOT, HOSPITAL, 0)


def test_only_the_controller_of_a_verified_organisation_anchors(world: World) -> None:
    refusals = [
        (key("stranger"), HOSPITAL, "caller"),
        (world.key(CENTRE), HOSPITAL, "caller"),
        (world.key(SUSPENDED), SUSPENDED, "status"),
        (world.key(DOCTOR), DOCTOR, "role"),
        (world.key(OFFICER), OFFICER, "role"),
        (key("stranger"), 99, "caller"),
    ]
    for sender, party, reason in refusals:
        with refused(reason):
            world.records.send(sender, "anchor", ROOT, party, 1)
    with pytest.raises(Reverted):
        world.records.send(bytes(20), "anchor", ROOT, 99, 1)
    assert anchor_of(world, ROOT) is None


def test_an_organisation_anchors_until_the_block_that_suspends_it(world: World) -> None:
    world.records.send(world.key(HOSPITAL), "anchor", ROOT, HOSPITAL, 1)
    world.officer("suspend", HOSPITAL)
    with refused("status"):
        world.records.send(world.key(HOSPITAL), "anchor", digest("next"), HOSPITAL, 1)
    world.officer("reinstate", HOSPITAL)
    world.records.send(world.key(HOSPITAL), "anchor", digest("next"), HOSPITAL, 1)


def test_a_pending_organisation_anchors_nothing(world: World) -> None:
    pending = 0x77
    world.officer("add_organisation", pending, world.key(pending).address, 1 << Role.HOSPITAL)
    with refused("status"):
        world.records.send(world.key(pending), "anchor", ROOT, pending, 1)


def test_every_leaf_of_an_anchored_batch_is_included_and_nothing_else(world: World) -> None:
    batch = AnchorBatch([digest(f"leaf {i}") for i in range(13)])
    world.records.send(world.key(HOSPITAL), "anchor", batch.root, HOSPITAL, batch.size)
    for index in range(batch.size):
        path = batch.inclusion(index).path
        leaf = digest(f"leaf {index}")
        assert world.leaves.call("included", leaf, index, batch.size, path, batch.root)
        assert not world.leaves.call("included", digest("other"), index, batch.size, path, batch.root)
        assert not world.leaves.call("included", leaf, index + 1, batch.size, path, batch.root)
        assert not world.leaves.call("included", leaf, index, batch.size, path[:-1], batch.root)
        assert not world.leaves.call("included", leaf, index, batch.size, (*path, ROOT), batch.root)


def test_a_proof_counts_only_under_an_anchored_root_and_its_size(world: World) -> None:
    batch = AnchorBatch([digest(f"leaf {i}") for i in range(6)])
    proof = batch.inclusion(2)
    question = (digest("leaf 2"), 2, 6, proof.path, batch.root)
    assert not world.leaves.call("included", *question)
    world.records.send(world.key(HOSPITAL), "anchor", batch.root, HOSPITAL, 6)
    assert world.leaves.call("included", *question)
    assert not world.leaves.call("included", digest("leaf 2"), 2, 5, proof.path, batch.root)


def test_a_tree_of_one_leaf_needs_no_path(world: World) -> None:
    batch = AnchorBatch([digest("only")])
    world.records.send(world.key(HOSPITAL), "anchor", batch.root, HOSPITAL, 1)
    assert world.leaves.call("included", digest("only"), 0, 1, [], batch.root)
    assert not world.leaves.call("included", digest("only"), 1, 1, [], batch.root)


def test_the_ministry_gains_no_way_to_anchor_for_an_organisation(world: World) -> None:
    with refused("caller"):
        world.records.send(world.key(MINISTRY), "anchor", ROOT, HOSPITAL, 1)


def test_a_path_of_another_tree_shape_proves_nothing_even_if_its_hashes_meet_the_root(world: World) -> None:
    leaf, other = digest("leaf"), digest("other")
    pair = node_hash(leaf_hash(leaf), leaf_hash(other))
    world.records.send(world.key(HOSPITAL), "anchor", pair, HOSPITAL, 4)
    assert not world.leaves.call("included", leaf, 0, 4, [leaf_hash(other)], pair)
    beside = node_hash(other, leaf_hash(leaf))
    world.records.send(world.key(HOSPITAL), "anchor", beside, HOSPITAL, 1)
    assert not world.leaves.call("included", leaf, 0, 1, [other], beside)
