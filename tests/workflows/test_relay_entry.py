"""What a patient's agent signed is entered whoever brings it, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.errors import (
    CareLedgerError,
    LedgerRefused,
    MalformedBytes,
    PatientNotFound,
    SignatureRefused,
)
from careledger.domain.parties import ControllerKind
from careledger.formats.consent_messages import GiveConsent, LedgerMessage, RevokeConsent
from careledger.formats.ledger_messages import LinkAliases, RotateAlias, StopAlarm, UnlinkAliases
from careledger.formats.relaying import RelayedEntry
from careledger.formats.signatures import SigningKey
from careledger.workflows.actors import Holder
from careledger.workflows.relay_entry import enter, shows
from careledger.workflows.replace_holder import begin_replacing_registrar
from careledger.workflows.two_hops import signed_entry
from world import DAY, World

HOUR, COMMITMENT = 3_600, b"\7" * 32


def giving(world: World, owner: SigningKey, **changed: Any) -> GiveConsent:
    now = world.clock.now()
    return replace(GiveConsent(owner.address, COMMITMENT, now, now + DAY, now + HOUR // 2), **changed)


def revoking(world: World, owner: SigningKey) -> RevokeConsent:
    return RevokeConsent(owner.address, COMMITMENT, world.clock.now() + HOUR // 2)


def turning(world: World, holder: Holder, new: SigningKey) -> RotateAlias:
    number = world.ledger.alias_number(holder.alias)
    deadline = world.clock.now() + HOUR // 2
    return RotateAlias(holder.alias, number, new.address, int(ControllerKind.SELF), 0, deadline)


def refused(
    world: World, entry: RelayedEntry, error: type[CareLedgerError], reason: str | None = None
) -> None:
    """It is refused, and nothing is sent for it."""
    before = world.ledger.fresh_head().head
    with pytest.raises(error, match=reason):
        enter(world.network, entry)
    assert world.ledger.fresh_head().head == before


def test_a_consent_is_entered_and_ended_by_its_owners_signature_once(world: World) -> None:
    owner, network = SigningKey.random(), world.network
    given = signed_entry(network, giving(world, owner), owner)
    assert shows(network, given) is None
    at = enter(network, given)
    facts = world.ledger.at(at.number).consent(owner.address, COMMITMENT)
    assert facts is not None
    assert (facts.given_at, facts.revoked_at) == (at.time, 0)
    assert enter(network, given) == shows(network, given) == at
    over = signed_entry(network, revoking(world, owner), owner)
    ended = enter(network, over)
    facts = world.ledger.fresh_head().consent(owner.address, COMMITMENT)
    assert facts is not None
    assert facts.revoked_at == ended.time
    assert enter(network, over) == ended
    refused(world, given, LedgerRefused, "used")


def test_a_stranger_enters_nothing_in_anothers_name(world: World) -> None:
    owner, stranger, network = SigningKey.random(), SigningKey.random(), world.network
    holder = world.claimed()
    made: list[tuple[LedgerMessage, tuple[SigningKey, ...]]] = [
        (giving(world, owner), (stranger,)),
        (revoking(world, owner), (stranger,)),
        (turning(world, holder, stranger), (stranger, stranger)),
        (turning(world, holder, owner), (holder.controller, stranger)),
        (StopAlarm(holder.alias, 0, world.clock.now() + HOUR), (stranger,)),
        (LinkAliases(owner.address, COMMITMENT, world.clock.now() + HOUR), (stranger,)),
        (UnlinkAliases(owner.address, COMMITMENT, world.clock.now() + HOUR), (stranger,)),
    ]
    for message, signers in made:
        refused(world, signed_entry(network, message, *signers), SignatureRefused)
    nobody = replace(giving(world, owner), owner=bytes(20))
    refused(world, signed_entry(network, nobody, stranger), SignatureRefused)


def test_what_was_changed_after_signing_counts_nowhere(world: World) -> None:
    owner, network = SigningKey.random(), world.network
    signed = signed_entry(network, giving(world, owner), owner)
    for place, word in enumerate(signed.members):
        altered = word[:-1] + bytes([word[-1] ^ 1])
        changed = replace(signed, members=(*signed.members[:place], altered, *signed.members[place + 1 :]))
        refused(world, changed, SignatureRefused)


@pytest.mark.parametrize("elsewhere", ["chain", "contract"])
def test_a_signature_for_another_chain_or_contract_enters_nothing_here(world: World, elsewhere: str) -> None:
    owner, ledger = SigningKey.random(), world.ledger
    message, contract = giving(world, owner), ledger.contract("Consents")
    chain = ledger.chain_id + (elsewhere == "chain")
    contract = ledger.contract("Aliases") if elsewhere == "contract" else contract
    refused(world, RelayedEntry.of(message, message.sign(owner, chain, contract)), SignatureRefused)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (lambda now: {"deadline": now - 1}, "deadline"),
        (lambda now: {"deadline": now + HOUR + 60}, "deadline"),
        (lambda now: {"until": now}, "window"),
        (lambda now: {"start": now + DAY}, "window"),
    ],
)
def test_what_is_over_or_too_far_ahead_is_refused_before_it_is_sent(
    world: World, changed: Callable[[int], dict[str, int]], reason: str
) -> None:
    owner = SigningKey.random()
    message = giving(world, owner, **changed(world.clock.now()))
    refused(world, signed_entry(world.network, message, owner), LedgerRefused, reason)


def test_an_id_that_was_used_for_another_window_or_burnt_is_refused(world: World) -> None:
    owner, network = SigningKey.random(), world.network
    enter(network, signed_entry(network, giving(world, owner), owner))
    other = giving(world, owner, until=world.clock.now() + 2 * DAY)
    refused(world, signed_entry(network, other, owner), LedgerRefused, "used")
    burnt = SigningKey.random()
    enter(network, signed_entry(network, revoking(world, burnt), burnt))
    refused(world, signed_entry(network, giving(world, burnt), burnt), LedgerRefused, "used")


def test_an_alias_is_turned_by_both_keys_and_an_old_turn_counts_no_more(world: World) -> None:
    holder, network = world.claimed(), world.network
    new, third = SigningKey.random(), SigningKey.random()
    entry = signed_entry(network, turning(world, holder, new), holder.controller, new)
    at = enter(network, entry)
    facts = world.ledger.fresh_head().alias(holder.alias)
    assert facts is not None
    assert facts.controller == new.address
    assert enter(network, entry) == at
    enter(network, signed_entry(network, turning(world, holder, third), new, third))
    refused(world, entry, SignatureRefused)
    stale = replace(turning(world, holder, new), number=0)
    refused(world, signed_entry(network, stale, third, new), LedgerRefused, "number")
    unknown = replace(turning(world, holder, new), alias=bytes(32))
    refused(world, signed_entry(network, unknown, third, new), PatientNotFound)


def test_links_are_made_and_undone_and_a_replacement_is_stopped(world: World) -> None:
    owner, network, deadline = SigningKey.random(), world.network, world.clock.now() + HOUR // 2
    made = signed_entry(network, LinkAliases(owner.address, COMMITMENT, deadline), owner)
    undone = signed_entry(network, UnlinkAliases(owner.address, COMMITMENT, deadline), owner)
    assert enter(network, made) == enter(network, made)
    assert world.ledger.fresh_head().linked(owner.address, COMMITMENT)
    assert shows(network, undone) is None
    assert enter(network, undone) == enter(network, undone)
    assert not world.ledger.fresh_head().linked(owner.address, COMMITMENT)
    refused(world, made, LedgerRefused, "used")
    unclaimed = world.patient()
    begin_replacing_registrar(network, world.clinic, world.officers[0], unclaimed.alias)
    number = world.ledger.alias_number(unclaimed.alias)
    stop = signed_entry(network, StopAlarm(unclaimed.alias, number, deadline), unclaimed.controller)
    enter(network, stop)
    assert world.ledger.alias_number(unclaimed.alias) == number + 1
    refused(world, stop, LedgerRefused, "number")


def test_what_no_member_relays_is_not_taken(world: World) -> None:
    for entry in (
        RelayedEntry("OpenAlias", (bytes(32),) * 5, (bytes(65),)),
        RelayedEntry("AnchorCheckpoint", (bytes(32),) * 5, (bytes(65),)),
        RelayedEntry("GiveConsent", (bytes(32),) * 4, (bytes(65),)),
        RelayedEntry("GiveConsent", (b"\xff" * 32,) * 5, (bytes(65),)),
        RelayedEntry("GiveConsent", (bytes(32),) * 5, (bytes(65),) * 2),
    ):
        refused(world, entry, MalformedBytes)
