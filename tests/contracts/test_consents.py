"""Consents on the ledger: given and revoked by the owner's signature, by nobody and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.formats.consent_messages import GiveConsent, RevokeConsent, split
from careledger.formats.signatures import SigningKey
from contracts.harness import DAY, HOUR, Chain, Contract, Event, high_s, key, refused
from contracts.records_world import digest

OWNER, RELAY, STRANGER = key("owner"), key("relay"), key("stranger")


@pytest.fixture
def consents(chain: Chain) -> Contract:
    return chain.deploy("Consents")


def giving(consents: Contract, owner: SigningKey = OWNER, what: str = "consent", **other: Any) -> GiveConsent:
    now = consents.chain.time
    made = GiveConsent(owner.address, digest(what), now - HOUR, now + DAY, now + HOUR // 2)
    return replace(made, **other)


def revoking(
    consents: Contract, owner: SigningKey = OWNER, what: str = "consent", **other: Any
) -> RevokeConsent:
    return replace(RevokeConsent(owner.address, digest(what), consents.chain.time + HOUR // 2), **other)


def carried(consents: Contract, message: GiveConsent | RevokeConsent, by: SigningKey = OWNER) -> Any:
    return message.carried(message.sign(by, consents.chain.chain_id, consents.address))


def state(consents: Contract, what: str = "consent") -> Any:
    return consents.call("consent", OWNER.address, digest(what))


def active(consents: Contract, at: int, what: str = "consent") -> bool:
    return bool(consents.call("active", OWNER.address, digest(what), at))


def test_a_consent_that_its_owner_signed_is_given_whoever_carries_it(consents: Contract) -> None:
    message = giving(consents)
    receipt = consents.send(RELAY, "give", carried(consents, message))
    assert state(consents) == (1, message.start, message.until, receipt.time, 0)
    fields = {"commitment": message.commitment, "owner": "0x" + OWNER.address.hex()}
    told = Event(
        consents.address, "ConsentGivenV1", fields | {"start": message.start, "until": message.until}
    )
    assert receipt.events == (told,)


def test_a_consent_is_active_from_its_start_to_before_its_end(consents: Contract) -> None:
    message = giving(consents)
    consents.send(RELAY, "give", carried(consents, message))
    times = (message.start - 1, message.start, message.until - 1, message.until)
    assert [active(consents, at) for at in times] == [False, True, True, False]


def test_nothing_is_active_that_was_not_given(consents: Contract) -> None:
    assert state(consents) == (0, 0, 0, 0, 0)
    assert not active(consents, consents.chain.time)


def test_a_revoked_consent_is_active_at_no_time(consents: Contract) -> None:
    message = giving(consents)
    given = consents.send(RELAY, "give", carried(consents, message))
    revoked = consents.send(STRANGER, "revoke", carried(consents, revoking(consents)))
    assert state(consents) == (2, message.start, message.until, given.time, revoked.time)
    assert not active(consents, message.start)
    assert [event.name for event in revoked.events] == ["ConsentRevokedV1"]


def test_a_stranger_gives_and_revokes_nothing_in_the_owners_name(consents: Contract) -> None:
    with refused("signature"):
        consents.send(STRANGER, "give", carried(consents, giving(consents), by=STRANGER))
    consents.send(RELAY, "give", carried(consents, giving(consents)))
    with refused("signature"):
        consents.send(STRANGER, "revoke", carried(consents, revoking(consents), by=STRANGER))
    assert active(consents, consents.chain.time)


@pytest.mark.parametrize("member", ["owner", "commitment", "start", "until", "deadline"])
def test_a_signature_covers_every_member_of_the_message(consents: Contract, member: str) -> None:
    message = giving(consents)
    signature = message.sign(OWNER, consents.chain.chain_id, consents.address)
    others: dict[str, Any] = {"owner": STRANGER.address, "commitment": digest("other")}
    other = others[member] if member in others else getattr(message, member) - 1
    with refused("signature"):
        consents.send(RELAY, "give", replace(message, **{member: other}).carried(signature))
    consents.send(RELAY, "give", message.carried(signature))


def test_a_signature_for_another_chain_or_another_contract_counts_nowhere_else(consents: Contract) -> None:
    message, chain = giving(consents), consents.chain
    elsewhere = message.sign(OWNER, chain.chain_id + 1, consents.address)
    twin = message.sign(OWNER, chain.chain_id, chain.deploy("Consents").address)
    for signature in (elsewhere, twin):
        with refused("signature"):
            consents.send(RELAY, "give", message.carried(signature))


def test_a_giving_signature_does_not_revoke(consents: Contract) -> None:
    consents.send(RELAY, "give", carried(consents, giving(consents)))
    message = revoking(consents)
    signature = giving(consents).sign(OWNER, consents.chain.chain_id, consents.address)
    with refused("signature"):
        consents.send(RELAY, "revoke", message.carried(signature))


def test_the_other_form_of_a_signature_is_nobodys(consents: Contract) -> None:
    message = giving(consents)
    signature = message.sign(OWNER, consents.chain.chain_id, consents.address)
    with refused("signature"):
        consents.send(RELAY, "give", message.carried(high_s(signature)))


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_only_27_and_28_are_recovery_ids(consents: Contract, v: int) -> None:
    message = giving(consents)
    _, r, s = split(message.sign(OWNER, consents.chain.chain_id, consents.address))
    with refused("signature"):
        consents.send(RELAY, "give", (*message.values().values(), v, r, s))


def test_a_signature_that_recovers_to_nobody_does_not_speak_for_the_zero_address(consents: Contract) -> None:
    message = giving(consents, owner=OWNER)
    message = replace(message, owner=bytes(20))
    with refused("signature"):
        consents.send(STRANGER, "give", (*message.values().values(), 27, bytes(32), bytes(32)))
    with refused("signature"):
        consents.send(STRANGER, "give", (*message.values().values(), 27, bytes(32), b"\x01" * 32))


@pytest.mark.parametrize(
    ("ahead", "reason"), [(-1, "deadline"), (0, None), (HOUR, None), (HOUR + 1, "deadline")]
)
def test_a_message_counts_until_its_deadline_which_is_at_most_an_hour_ahead(
    consents: Contract, ahead: int, reason: str | None
) -> None:
    block_time = consents.chain.time + 1
    item = carried(consents, giving(consents, deadline=block_time + ahead))
    end = carried(consents, revoking(consents, what="other", deadline=block_time + 1 + ahead))
    if reason is None:
        consents.send(RELAY, "give", item)
        consents.send(RELAY, "revoke", end)
        return
    with refused(reason):
        consents.send(RELAY, "give", item)
    with refused(reason):
        consents.send(RELAY, "revoke", end)


def test_a_window_must_have_a_length_and_an_end_to_come(consents: Contract) -> None:
    now = consents.chain.time
    for start, until in ((now + 9, now + 9), (now + 9, now + 8), (now - 9, now + 1), (now, 0)):
        with refused("window"):
            consents.send(RELAY, "give", carried(consents, giving(consents, start=start, until=until)))
        consents.chain.time = now
    consents.send(RELAY, "give", carried(consents, giving(consents, start=now + HOUR, until=now + DAY)))


def test_an_id_is_used_once(consents: Contract) -> None:
    item = carried(consents, giving(consents))
    consents.send(RELAY, "give", item)
    with refused("used"):
        consents.send(RELAY, "give", item)
    consents.send(RELAY, "revoke", carried(consents, revoking(consents)))
    with refused("used"):
        consents.send(RELAY, "give", item)
    with refused("used"):
        consents.send(RELAY, "revoke", carried(consents, revoking(consents)))


def test_revoking_an_unknown_id_burns_it(consents: Contract) -> None:
    revoked = consents.send(RELAY, "revoke", carried(consents, revoking(consents)))
    assert state(consents) == (2, 0, 0, 0, revoked.time)
    with refused("used"):
        consents.send(RELAY, "give", carried(consents, giving(consents)))


def test_two_owners_of_one_commitment_have_two_consents(consents: Contract) -> None:
    consents.send(RELAY, "give", carried(consents, giving(consents, owner=STRANGER), by=STRANGER))
    assert state(consents) == (0, 0, 0, 0, 0)
    consents.send(RELAY, "revoke", carried(consents, revoking(consents)))
    assert consents.call("active", STRANGER.address, digest("consent"), consents.chain.time)
