"""Batches of consents: what would be refused alone is left out and named, and holds up nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode

from careledger.formats.consent_messages import GiveConsent, RevokeConsent
from careledger.formats.signatures import SigningKey
from contracts.harness import DAY, HOUR, Chain, Contract, Reverted, high_s, key
from contracts.records_world import digest

RELAY, STRANGER = key("relay"), key("stranger")
SIGNATURE, DEADLINE, WINDOW, USED = 1, 2, 3, 4


@pytest.fixture
def consents(chain: Chain) -> Contract:
    return chain.deploy("Consents")


def owner(number: int) -> SigningKey:
    return key(f"owner {number}")


def carried(consents: Contract, message: GiveConsent | RevokeConsent, by: SigningKey) -> tuple[Any, ...]:
    return message.carried(message.sign(by, consents.chain.chain_id, consents.address))


def giving(consents: Contract, number: int) -> GiveConsent:
    now = consents.chain.time
    return GiveConsent(owner(number).address, digest(f"{number}"), now, now + DAY, now + HOUR)


def given(consents: Contract, number: int) -> tuple[Any, ...]:
    return carried(consents, giving(consents, number), owner(number))


def revoked(consents: Contract, number: int) -> tuple[Any, ...]:
    message = RevokeConsent(owner(number).address, digest(f"{number}"), consents.chain.time + HOUR)
    return carried(consents, message, owner(number))


def active(consents: Contract, number: int) -> bool:
    return bool(consents.call("active", owner(number).address, digest(f"{number}"), consents.chain.time))


def answer(consents: Contract, function: str, items: list[tuple[Any, ...]]) -> int:
    """What the function would return in the next block."""
    output = consents.chain.call(RELAY.address, consents.address, consents.data(function, items))
    (bits,) = decode(["uint256"], output)
    return int(bits)


def test_a_batch_of_a_hundred_is_given_and_revoked(consents: Contract) -> None:
    items = [given(consents, number) for number in range(100)]
    assert answer(consents, "give_many", items) == 2**100 - 1
    receipt = consents.send(RELAY, "give_many", items)
    assert [event.name for event in receipt.events] == ["ConsentGivenV1"] * 100
    assert all(active(consents, number) for number in range(100))
    receipt = consents.send(RELAY, "revoke_many", [revoked(consents, number) for number in range(100)])
    assert [event.name for event in receipt.events] == ["ConsentRevokedV1"] * 100
    assert not any(active(consents, number) for number in range(100))


def test_a_batch_of_more_than_a_hundred_is_refused_whole(consents: Contract) -> None:
    with pytest.raises(Reverted):
        consents.send(RELAY, "give_many", [given(consents, number) for number in range(101)])
    assert not active(consents, 0)


def test_bad_items_are_left_out_and_named_with_their_reasons(consents: Contract) -> None:
    late, empty = giving(consents, 3), giving(consents, 4)
    late = replace(late, deadline=consents.chain.time - 1)
    empty = replace(empty, until=empty.start)
    items = [
        given(consents, 0),
        carried(consents, giving(consents, 1), STRANGER),
        given(consents, 2),
        carried(consents, late, owner(3)),
        carried(consents, empty, owner(4)),
        given(consents, 0),
        given(consents, 5),
    ]
    assert answer(consents, "give_many", items) == 0b1000101
    receipt = consents.send(RELAY, "give_many", items)
    refusals = [event.fields for event in receipt.events if event.name == "ConsentRefusedV1"]
    told = [(fields["position"], fields["reason"], fields["commitment"]) for fields in refusals]
    assert told == [
        (1, SIGNATURE, digest("1")),
        (3, DEADLINE, digest("3")),
        (4, WINDOW, digest("4")),
        (5, USED, digest("0")),
    ]
    assert [active(consents, number) for number in range(6)] == [True, False, True, False, False, True]


def test_a_revocation_that_another_relay_carried_first_does_not_hold_up_the_batch(consents: Contract) -> None:
    consents.send(RELAY, "give_many", [given(consents, number) for number in range(3)])
    items = [revoked(consents, number) for number in range(3)]
    consents.send(STRANGER, "revoke", items[1])
    receipt = consents.send(RELAY, "revoke_many", items)
    names = [event.name for event in receipt.events]
    assert names == ["ConsentRevokedV1", "ConsentRefusedV1", "ConsentRevokedV1"]
    assert receipt.events[1].fields["reason"] == USED
    assert not any(active(consents, number) for number in range(3))


def test_a_malleable_signature_in_a_batch_is_nobodys(consents: Contract) -> None:
    message = giving(consents, 0)
    signature = high_s(message.sign(owner(0), consents.chain.chain_id, consents.address))
    receipt = consents.send(RELAY, "give_many", [message.carried(signature), given(consents, 1)])
    assert [active(consents, number) for number in (0, 1)] == [False, True]
    assert receipt.events[0].fields["reason"] == SIGNATURE


def test_an_empty_batch_changes_nothing(consents: Contract) -> None:
    assert consents.send(RELAY, "give_many", []).events == ()
    assert answer(consents, "revoke_many", []) == 0
