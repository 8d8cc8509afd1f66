"""Both ledgers carry what others signed in batches, and leave out what they would refuse alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapters.ledger_world import (
    CHAIN_ID,
    DAY,
    HOUR,
    MINISTRY,
    OFFICERS,
    POLICY_DELAY,
    RELAY,
    STRANGER,
    THRESHOLD,
    LedgerWorld,
    digest,
    key,
    of,
)
from careledger.adapters.evm.deploy import Genesis
from careledger.adapters.evm.ledger import open_ledger
from careledger.adapters.memory.clock import ManualClock
from careledger.adapters.memory.ledger import MemoryLedger
from careledger.domain.errors import MalformedBytes
from careledger.domain.facts import ConsentFacts
from careledger.domain.parties import ControllerKind
from careledger.formats.consent_messages import GiveConsent, LedgerMessage, RevokeConsent
from careledger.formats.ledger_messages import LinkAliases, RotateAlias, UnlinkAliases
from careledger.formats.relaying import RelayedEntry
from careledger.formats.signatures import SigningKey


@pytest.fixture(params=["memory", "contracts"])
def world(request: pytest.FixtureRequest) -> Iterator[LedgerWorld]:
    """A founded ledger of either kind."""
    clock = ManualClock()
    if request.param == "memory":
        officers = {post: of(post).address for post in OFFICERS}
        yield LedgerWorld(MemoryLedger(clock, MINISTRY, officers, CHAIN_ID, THRESHOLD, POLICY_DELAY), clock)
        return
    posts = tuple((post, of(post).address) for post in OFFICERS)
    genesis = Genesis(key("founder"), MINISTRY, of(MINISTRY).address, posts, THRESHOLD, POLICY_DELAY)
    ledger = open_ledger(None, CHAIN_ID, clock, genesis)
    yield LedgerWorld(ledger, clock)
    ledger.close()


def signed(world: LedgerWorld, message: LedgerMessage, by: SigningKey) -> RelayedEntry:
    ledger = world.ledger
    return RelayedEntry.of(message, message.sign(by, ledger.chain_id, ledger.contract("Consents")))


def giving(world: LedgerWorld, name: str, by: SigningKey | None = None, **other: int) -> RelayedEntry:
    told = {"start": world.now() - HOUR, "until": world.now() + DAY, "deadline": world.now() + 600} | other
    return signed(world, GiveConsent(key(name).address, digest(name), **told), by or key(name))


def revoking(world: LedgerWorld, name: str, by: SigningKey | None = None) -> RelayedEntry:
    return signed(world, RevokeConsent(key(name).address, digest(name), world.now() + 600), by or key(name))


def found(world: LedgerWorld, name: str) -> ConsentFacts | None:
    return world.ledger.fresh_head().consent(key(name).address, digest(name))


def given(world: LedgerWorld, name: str) -> bool:
    facts = found(world, name)
    return facts is not None and facts.given_at > 0 and not facts.revoked_at


def revoked(world: LedgerWorld, name: str) -> bool:
    facts = found(world, name)
    return facts is not None and facts.revoked_at > 0


def test_a_batch_enters_what_is_signed_and_leaves_out_the_rest(world: LedgerWorld) -> None:
    honest = [giving(world, name) for name in ("one", "two", "three")]
    refused = [
        giving(world, "forged", by=STRANGER),
        giving(world, "late", deadline=world.now() - 1),
        giving(world, "early", deadline=world.now() + 2 * HOUR),
        giving(world, "over", until=world.now()),
        replace(giving(world, "garbled"), signatures=(bytes(65),)),
        honest[0],
    ]
    world.ledger.carry([refused[0], *honest, *refused[1:]], RELAY)
    assert [given(world, name) for name in ("one", "two", "three")] == [True] * 3
    names = ("forged", "late", "early", "over", "garbled")
    assert [found(world, name) for name in names] == [None] * len(names)


def test_revocations_and_consents_share_a_batch(world: LedgerWorld) -> None:
    world.ledger.carry([giving(world, "old")], RELAY)
    world.ledger.carry(
        [revoking(world, "old"), giving(world, "new"), revoking(world, "unknown"), revoking(world, "old")],
        RELAY,
    )
    assert revoked(world, "old")
    assert given(world, "new")
    world.ledger.carry([revoking(world, "new", by=STRANGER), giving(world, "unknown")], RELAY)
    assert given(world, "new")
    assert not given(world, "unknown")


def test_more_than_a_transaction_takes_is_carried_whole(world: LedgerWorld) -> None:
    names = [f"consent {number}" for number in range(130)]
    world.ledger.carry([giving(world, name) for name in names], RELAY)
    assert sum(given(world, name) for name in names) == 130


def turning(
    world: LedgerWorld, name: str, present: SigningKey, new: SigningKey, **other: int
) -> RelayedEntry:
    told = {"number": world.ledger.alias_number(digest(name)), "deadline": world.now() + 600} | other
    message = RotateAlias(
        digest(name), told["number"], new.address, int(ControllerKind.SELF), 0, told["deadline"]
    )
    ledger = world.ledger
    contract = ledger.contract("Aliases")
    return RelayedEntry.of(
        message, *(message.sign(each, ledger.chain_id, contract) for each in (present, new))
    )


def linking(
    world: LedgerWorld, name: str, by: SigningKey, kind: type[LinkAliases | UnlinkAliases]
) -> RelayedEntry:
    message = kind(key(name).address, digest(name), world.now() + 600)
    ledger = world.ledger
    return RelayedEntry.of(message, message.sign(by, ledger.chain_id, ledger.contract("Links")))


def holder_of(world: LedgerWorld, name: str) -> bytes | None:
    facts = world.ledger.fresh_head().alias(digest(name))
    return facts.controller if facts is not None else None


def test_aliases_and_links_are_carried_beside_consents_and_only_as_they_were_signed(
    world: LedgerWorld,
) -> None:
    ledger = world.ledger
    for name in ("turned", "kept", "again"):
        ledger.open_alias(digest(name), key(name), ControllerKind.SELF, 0, 0, None, RELAY)
    refused = [
        turning(world, "kept", STRANGER, STRANGER),
        turning(world, "kept", key("kept"), STRANGER, number=9),
        turning(world, "kept", key("kept"), STRANGER, deadline=world.now() - 1),
        turning(world, "nobody", key("kept"), STRANGER),
        linking(world, "unlinked", STRANGER, LinkAliases),
    ]
    once = turning(world, "again", key("again"), key("next"))
    honest = [
        turning(world, "turned", key("turned"), key("new")),
        linking(world, "linked", key("linked"), LinkAliases),
    ]
    ledger.carry([*refused, giving(world, "one"), once, *honest, once], RELAY)
    assert given(world, "one")
    owners = {name: holder_of(world, name) for name in ("turned", "kept", "again", "nobody")}
    assert owners == {
        "turned": key("new").address,
        "kept": key("kept").address,
        "again": key("next").address,
        "nobody": None,
    }
    linked = ledger.fresh_head().linked
    assert linked(key("linked").address, digest("linked"))
    assert not linked(key("unlinked").address, digest("unlinked"))
    ledger.carry([linking(world, "linked", STRANGER, UnlinkAliases)], RELAY)
    assert ledger.fresh_head().linked(key("linked").address, digest("linked"))
    ledger.carry([linking(world, "linked", key("linked"), UnlinkAliases)], RELAY)
    assert not ledger.fresh_head().linked(key("linked").address, digest("linked"))


def test_nothing_to_carry_changes_nothing_and_what_nobody_relays_is_refused(world: LedgerWorld) -> None:
    before = world.ledger.fresh_head().head
    assert world.ledger.carry([], RELAY) == before
    with pytest.raises(MalformedBytes):
        world.ledger.carry([giving(world, "good"), RelayedEntry("OpenAlias", (), (bytes(65),))], RELAY)
    assert found(world, "good") is None
