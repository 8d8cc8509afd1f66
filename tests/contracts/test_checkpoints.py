"""Checkpoints of release logs: signed by their custodian, only growing, cosigned by others, forks shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.parties import Role
from careledger.formats.consent_messages import AnchorCheckpoint, CosignCheckpoint
from careledger.formats.ledger_messages import CustodianKeys
from careledger.formats.record_words import marked
from careledger.formats.signatures import SigningKey
from contracts.harness import HOUR, Receipt, high_s, key, refused
from contracts.records_world import CENTRE, HOSPITAL, SUSPENDED, World, digest

RELAY, STRANGER, THIRD = key("relay"), key("stranger"), 0x24
CUSTODIAN, SIGNATURE, CLOSED, KNOWN, FORK, SHRUNK, UNKNOWN, COSIGNED = range(1, 9)


@pytest.fixture
def world() -> World:
    made = World()
    made.add_organisation(THIRD, Role.PHARMACY)
    for party in (HOSPITAL, CENTRE, THIRD):
        made.add_custodian(party)
    return made


def checkpoint(size: int, custodian: int = HOSPITAL, history: str = "log") -> AnchorCheckpoint:
    tree = [digest(f"{history} {what} {custodian} {size}") for what in ("root", "map", "note")]
    return AnchorCheckpoint(custodian, size, *tree)


def cosignature(of: AnchorCheckpoint, cosigner: int = CENTRE) -> CosignCheckpoint:
    return CosignCheckpoint(cosigner, of.custodian, of.size, of.root, of.map_root)


def carried(world: World, message: AnchorCheckpoint | CosignCheckpoint, by: SigningKey | None = None) -> Any:
    signer = message.custodian if isinstance(message, AnchorCheckpoint) else message.cosigner
    return world.carried(message, by or world.signing_key(signer))


def anchor(world: World, message: AnchorCheckpoint, by: SigningKey | None = None) -> Receipt:
    return world.checkpoints.send(RELAY, "anchor", carried(world, message, by))


def cosign(world: World, message: CosignCheckpoint, by: SigningKey | None = None) -> Receipt:
    return world.checkpoints.send(RELAY, "cosign", carried(world, message, by))


def cosigners(world: World, of: AnchorCheckpoint) -> list[int]:
    places = marked([world.checkpoints.call("cosigned_by", of.custodian, of.size, 0)])
    return [world.records.call("custodian_at", place) for place in places]


def anchored(world: World, message: AnchorCheckpoint) -> bool:
    parts = (message.custodian, message.size, message.root, message.map_root)
    return bool(world.checkpoints.call("anchored", *parts))


def test_a_custodians_signed_checkpoint_is_anchored_whoever_carries_it(world: World) -> None:
    message = checkpoint(10)
    receipt = anchor(world, message)
    (event,) = receipt.events
    fields = {"custodian": HOSPITAL, "size": 10, "root": message.root, "map_root": message.map_root}
    assert (event.name, event.fields) == ("CheckpointAnchoredV1", fields | {"note": message.note})
    latest = (10, receipt.time, receipt.block, False, message.root, message.map_root, message.note)
    assert world.checkpoints.call("latest", HOSPITAL) == latest
    assert anchored(world, message)
    assert world.checkpoints.call("latest", CENTRE)[:4] == (0, 0, 0, False)


def test_a_log_only_grows(world: World) -> None:
    for size in (0, 1, 10):
        anchor(world, checkpoint(size))
    with refused("shrunk"):
        anchor(world, checkpoint(9))
    with refused("known"):
        anchor(world, checkpoint(10))
    with refused("known"):
        anchor(world, checkpoint(1))
    assert world.checkpoints.call("latest", HOSPITAL)[0] == 10


def test_a_second_root_or_map_for_a_size_is_refused(world: World) -> None:
    first = checkpoint(10)
    anchor(world, first)
    for other in (replace(first, root=digest("other")), replace(first, map_root=digest("other"))):
        with refused("fork"):
            anchor(world, other)
        assert not anchored(world, other)
    anchor(world, checkpoint(11))
    with refused("fork"):
        anchor(world, replace(first, root=digest("other")))


def test_nobody_else_anchors_for_a_custodian(world: World) -> None:
    for signer in (STRANGER, world.key(HOSPITAL), world.signing_key(CENTRE)):
        with refused("signature"):
            anchor(world, checkpoint(1), signer)
    with refused("custodian"):
        anchor(world, checkpoint(1, SUSPENDED))
    assert world.checkpoints.call("latest", HOSPITAL)[0] == 0


@pytest.mark.parametrize("member", ["custodian", "size", "root", "map_root", "note"])
def test_a_custodians_signature_covers_every_member(world: World, member: str) -> None:
    message = checkpoint(5)
    signature = world.signed(message, world.signing_key(HOSPITAL))
    others: dict[str, Any] = {"custodian": CENTRE, "size": 6}
    other = others.get(member, digest("other"))
    with refused("signature"):
        world.checkpoints.send(RELAY, "anchor", replace(message, **{member: other}).carried(signature))
    with refused("signature"):
        world.checkpoints.send(RELAY, "anchor", message.carried(high_s(signature)))
    world.checkpoints.send(RELAY, "anchor", message.carried(signature))


def test_a_custodian_that_is_suspended_anchors_and_cosigns_nothing(world: World) -> None:
    other = checkpoint(3, CENTRE)
    anchor(world, other)
    world.officer("suspend", HOSPITAL)
    with refused("custodian"):
        anchor(world, checkpoint(1))
    with refused("custodian"):
        cosign(world, cosignature(other, HOSPITAL))


def test_others_cosign_an_anchored_checkpoint_once_each(world: World) -> None:
    message = checkpoint(10)
    anchor(world, message)
    receipt = cosign(world, cosignature(message))
    fields = {"custodian": HOSPITAL, "cosigner": CENTRE, "size": 10}
    assert [(event.name, event.fields) for event in receipt.events] == [("CheckpointCosignedV1", fields)]
    with refused("cosigned"):
        cosign(world, cosignature(message))
    cosign(world, cosignature(message, THIRD))
    assert cosigners(world, message) == [CENTRE, THIRD]


def test_a_checkpoint_may_be_cosigned_after_the_next_one(world: World) -> None:
    first = checkpoint(10)
    anchor(world, first)
    anchor(world, checkpoint(11))
    cosign(world, cosignature(first))
    assert cosigners(world, first) == [CENTRE]
    assert cosigners(world, checkpoint(11)) == []


def test_nobody_cosigns_their_own_an_unknown_or_another_checkpoint(world: World) -> None:
    message = checkpoint(10)
    with refused("unknown"):
        cosign(world, cosignature(message))
    anchor(world, message)
    with refused("unknown"):
        cosign(world, cosignature(replace(message, root=digest("other"))))
    with refused("custodian"):
        cosign(world, cosignature(message, HOSPITAL))
    with refused("custodian"):
        cosign(world, cosignature(message, SUSPENDED))
    with refused("signature"):
        cosign(world, cosignature(message), STRANGER)
    with refused("signature"):
        cosign(world, cosignature(message), world.signing_key(THIRD))
    assert cosigners(world, message) == []


def test_a_batch_carries_several_custodians_and_names_what_it_leaves_out(world: World) -> None:
    anchor(world, checkpoint(10))
    items = [
        carried(world, checkpoint(4, CENTRE)),
        carried(world, checkpoint(10)),
        carried(world, checkpoint(11), STRANGER),
        carried(world, checkpoint(9)),
        carried(world, checkpoint(10, history="other")),
        carried(world, checkpoint(5, SUSPENDED)),
        carried(world, checkpoint(2, THIRD)),
    ]
    receipt = world.checkpoints.send(RELAY, "anchor_many", items)
    left_out = [event.fields for event in receipt.events if event.name == "CheckpointRefusedV1"]
    told = [(fields["position"], fields["reason"]) for fields in left_out]
    assert told == [(1, KNOWN), (2, SIGNATURE), (3, SHRUNK), (4, FORK), (5, CUSTODIAN)]
    assert [world.checkpoints.call("latest", party)[0] for party in (HOSPITAL, CENTRE, THIRD)] == [10, 4, 2]


def test_a_batch_of_cosignatures_names_what_it_leaves_out(world: World) -> None:
    message = checkpoint(10)
    anchor(world, message)
    items = [
        carried(world, cosignature(message)),
        carried(world, cosignature(message)),
        carried(world, cosignature(checkpoint(11))),
        carried(world, cosignature(message, THIRD)),
    ]
    receipt = world.checkpoints.send(RELAY, "cosign_many", items)
    left_out = [event.fields for event in receipt.events if event.name == "CheckpointRefusedV1"]
    assert [(fields["position"], fields["reason"]) for fields in left_out] == [(1, COSIGNED), (2, UNKNOWN)]
    assert cosigners(world, message) == [CENTRE, THIRD]


def test_a_fork_is_shown_by_the_custodians_own_signature_and_closes_the_log(world: World) -> None:
    first, other = checkpoint(10), checkpoint(10, history="other")
    anchor(world, first)
    anchor(world, checkpoint(12))
    receipt = world.checkpoints.send(STRANGER, "show_fork", carried(world, other))
    fields = {"custodian": HOSPITAL, "size": 10, "root": other.root, "map_root": other.map_root}
    assert [(event.name, event.fields) for event in receipt.events] == [("LogForkedV1", fields)]
    assert world.checkpoints.call("latest", HOSPITAL)[3] is True
    with refused("closed"):
        anchor(world, checkpoint(13))
    with refused("closed"):
        world.checkpoints.send(STRANGER, "show_fork", carried(world, other))
    anchor(world, checkpoint(1, CENTRE))


def test_nobody_can_accuse_an_honest_custodian(world: World) -> None:
    first, other = checkpoint(10), checkpoint(10, history="other")
    anchor(world, first)
    with refused("signature"):
        world.checkpoints.send(STRANGER, "show_fork", carried(world, other, STRANGER))
    with refused("no fork"):
        world.checkpoints.send(STRANGER, "show_fork", carried(world, first))
    with refused("no fork"):
        again = carried(world, replace(first, note=digest("other note")))
        world.checkpoints.send(STRANGER, "show_fork", again)
    with refused("unknown"):
        world.checkpoints.send(STRANGER, "show_fork", carried(world, checkpoint(9)))
    anchor(world, checkpoint(11))


def test_a_new_signing_key_takes_over_from_the_old_at_once(world: World) -> None:
    new, old = key("new signing key"), world.signing_key(HOSPITAL)
    keys = CustodianKeys(HOSPITAL, new.address, digest("new log key"), world.later(HOUR // 2))
    possession = keys.sign(new, world.chain.chain_id, world.records.address)
    said = (HOSPITAL, new.address, keys.log_key, keys.deadline, possession)
    world.records.send(world.key(HOSPITAL), "rekey_custodian", *said)
    with refused("signature"):
        anchor(world, checkpoint(1), old)
    anchor(world, checkpoint(1), new)
