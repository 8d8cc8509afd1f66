"""What becomes of leaves: superseded by their depositor, attested as erased by custodians."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.formats.record_words import DepositPlace, marked
from careledger.formats.signatures import SigningKey
from careledger.proofs.anchors import AnchorBatch
from contracts.harness import Receipt, Reverted, key, refused
from contracts.records_world import CENTRE, DOCTOR, HOSPITAL, SUSPENDED, World, digest

REGISTRATION, ORDER = b"registration  01", digest("order")


class Anchored:
    """A network in which the hospital anchored five leaves and the centre three."""

    def __init__(self) -> None:
        self.world = World()
        self.batches: dict[int, AnchorBatch] = {}
        for organisation, count in ((HOSPITAL, 5), (CENTRE, 3)):
            batch = AnchorBatch([self.leaf(organisation, i) for i in range(count)])
            self.batches[organisation] = batch
            sender = self.world.key(organisation)
            self.world.records.send(sender, "anchor", batch.root, organisation, count)

    @staticmethod
    def leaf(organisation: int, index: int) -> bytes:
        return digest(f"leaf {organisation} {index}")

    def place(self, organisation: int, index: int) -> tuple[Any, ...]:
        proof = self.batches[organisation].inclusion(index)
        return proof.root, proof.index, proof.path

    def supersede(self, old: int, new: int, by: int = HOSPITAL, sender: SigningKey | None = None) -> Receipt:
        first, second = (self.leaf(HOSPITAL, old), self.place(HOSPITAL, old)), self.leaf(HOSPITAL, new)
        place = self.place(HOSPITAL, new)
        signer = sender or self.world.key(by)
        return self.world.leaves.send(signer, "supersede", by, *first, second, place)

    def successor(self, index: int) -> bytes:
        found: bytes = self.world.leaves.call("successor", self.leaf(HOSPITAL, index))
        return found


@pytest.fixture
def anchored() -> Anchored:
    return Anchored()


@pytest.fixture
def custodians() -> World:
    world = World()
    for party in (HOSPITAL, CENTRE):
        world.add_custodian(party)
    return world


def test_a_depositor_supersedes_its_leaf_by_another_of_its_own(anchored: Anchored) -> None:
    assert anchored.successor(0) == bytes(32)
    receipt = anchored.supersede(0, 3)
    assert anchored.successor(0) == anchored.leaf(HOSPITAL, 3)
    fields = {"leaf": anchored.leaf(HOSPITAL, 0), "successor": anchored.leaf(HOSPITAL, 3)}
    told = [(event.name, event.fields) for event in receipt.events]
    assert told == [("LeafSupersededV1", fields | {"organisation": HOSPITAL})]


def test_a_leaf_has_one_successor_and_no_ring_closes(anchored: Anchored) -> None:
    anchored.supersede(0, 1)
    with refused("superseded"):
        anchored.supersede(0, 2)
    with refused("successor"):
        anchored.supersede(1, 0)
    with refused("successor"):
        anchored.supersede(2, 2)
    anchored.supersede(1, 2)
    with refused("successor"):
        anchored.supersede(2, 0)
    anchored.supersede(3, 2)


def test_nobody_else_supersedes_a_depositors_leaf(anchored: Anchored) -> None:
    with refused("caller"):
        anchored.supersede(0, 1, sender=key("stranger"))
    with refused("leaf"):
        anchored.supersede(0, 1, by=CENTRE)
    with refused("role"):
        anchored.supersede(0, 1, by=DOCTOR)
    with refused("status"):
        anchored.supersede(0, 1, by=SUSPENDED)
    assert anchored.successor(0) == bytes(32)


def test_a_successor_is_the_depositors_own_too(anchored: Anchored) -> None:
    own, foreign = (HOSPITAL, 0), (CENTRE, 1)
    args = [part for which in (own, foreign) for part in (anchored.leaf(*which), anchored.place(*which))]
    with refused("successor"):
        anchored.world.leaves.send(anchored.world.key(HOSPITAL), "supersede", HOSPITAL, *args)


def test_a_leaf_that_is_not_under_the_root_is_not_superseded(anchored: Anchored) -> None:
    second = (anchored.leaf(HOSPITAL, 1), anchored.place(HOSPITAL, 1))
    for leaf, place in (
        (digest("never anchored"), anchored.place(HOSPITAL, 0)),
        (anchored.leaf(HOSPITAL, 0), anchored.place(HOSPITAL, 2)),
        (anchored.leaf(HOSPITAL, 0), (digest("no root"), *anchored.place(HOSPITAL, 0)[1:])),
    ):
        with refused("leaf"):
            anchored.world.leaves.send(
                anchored.world.key(HOSPITAL), "supersede", HOSPITAL, leaf, place, *second
            )


def test_a_direct_deposit_is_superseded_by_another_for_the_same_registration() -> None:
    world = World()
    world.register(REGISTRATION)
    leaves = [digest(f"leaf {i}") for i in range(2)]
    for number, leaf in enumerate(leaves):
        world.deposit(REGISTRATION, number, leaf)
    old, new, foreign = (
        DepositPlace(org, 0, i).where() for org, i in ((HOSPITAL, 0), (HOSPITAL, 1), (CENTRE, 1))
    )
    with refused("caller"):
        world.leaves.send(key("stranger"), "supersede_deposited", REGISTRATION, old, leaves, new, leaves)
    with refused("successor"):
        world.leaves.send(
            world.key(HOSPITAL), "supersede_deposited", REGISTRATION, old, leaves, foreign, leaves
        )
    with refused("unknown"):
        world.leaves.send(
            world.key(HOSPITAL), "supersede_deposited", REGISTRATION, old, leaves[::-1], new, leaves
        )
    world.leaves.send(world.key(HOSPITAL), "supersede_deposited", REGISTRATION, old, leaves, new, leaves)
    assert world.leaves.call("successor", leaves[0]) == leaves[1]


def erased_by(world: World, leaf: bytes) -> list[int]:
    places = marked([world.leaves.call("erased_by", leaf, 0)])
    return [world.records.call("custodian_at", place) for place in places]


def attest(world: World, custodian: int, leaves: list[bytes], sender: SigningKey | None = None) -> Receipt:
    signer = sender or world.signing_key(custodian)
    return world.leaves.send(signer, "attest_erased", custodian, leaves, ORDER)


def test_each_serving_custodian_counts_once_for_an_erased_leaf(custodians: World) -> None:
    leaves = [digest("a"), digest("b")]
    receipt = attest(custodians, HOSPITAL, leaves)
    told = [(event.name, event.fields) for event in receipt.events]
    assert told == [
        ("LeafErasedV1", {"leaf": leaf, "custodian": HOSPITAL, "reason": ORDER}) for leaf in leaves
    ]
    assert attest(custodians, HOSPITAL, leaves).events == ()
    attest(custodians, CENTRE, leaves[:1])
    assert erased_by(custodians, leaves[0]) == [HOSPITAL, CENTRE]
    assert erased_by(custodians, leaves[1]) == [HOSPITAL]
    assert erased_by(custodians, digest("c")) == []


def test_an_attestation_repeated_in_one_batch_counts_once(custodians: World) -> None:
    assert len(attest(custodians, HOSPITAL, [digest("a")] * 3).events) == 1


def test_only_a_serving_custodians_signing_key_attests(custodians: World) -> None:
    with refused("caller"):
        attest(custodians, HOSPITAL, [digest("a")], sender=key("stranger"))
    with refused("caller"):
        attest(custodians, HOSPITAL, [digest("a")], sender=custodians.key(HOSPITAL))
    with refused("caller"):
        attest(custodians, HOSPITAL, [digest("a")], sender=custodians.signing_key(CENTRE))
    with refused("custodian"):
        attest(custodians, SUSPENDED, [digest("a")])
    assert erased_by(custodians, digest("a")) == []


def test_a_suspended_or_released_custodian_attests_nothing_more(custodians: World) -> None:
    attest(custodians, HOSPITAL, [digest("a")])
    custodians.officer("suspend", HOSPITAL)
    with refused("custodian"):
        attest(custodians, HOSPITAL, [digest("b")])
    custodians.officer("release_custodian", HOSPITAL)
    custodians.officer("reinstate", HOSPITAL)
    with refused("custodian"):
        attest(custodians, HOSPITAL, [digest("b")])
    assert erased_by(custodians, digest("a")) == [HOSPITAL]


def test_a_hundred_leaves_are_attested_at_once_and_no_more(custodians: World) -> None:
    leaves = [digest(f"leaf {i}") for i in range(101)]
    assert len(attest(custodians, HOSPITAL, leaves[:100]).events) == 100
    with pytest.raises(Reverted):
        attest(custodians, HOSPITAL, leaves)
