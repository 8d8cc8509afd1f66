"""Consents, revocations and packages travel by other members, and arrive whatever one of those does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from careledger.adapters.relays.hostile import (
    AlteringRelay,
    DeadRelay,
    DelayingRelay,
    DroppingRelay,
    RepeatingRelay,
)
from careledger.domain import relaying
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import (
    AccessRefused,
    CannotOpen,
    MalformedBytes,
    RequestRefused,
    SignatureRefused,
)
from careledger.domain.facts import ConsentFacts
from careledger.domain.parties import PartyId
from careledger.formats.consent_messages import GiveConsent, LedgerMessage, RevokeConsent
from careledger.formats.relaying import ConsentRevocation, RelayedEntry, RelayedMessage
from careledger.formats.signatures import SigningKey
from careledger.ports import Relay
from careledger.sealing.relays import SIZES, seal_relayed
from careledger.workflows.actors import Holder, Staff
from careledger.workflows.gateway import Gateway
from careledger.workflows.grant import Granted, finish_grants, given_consents, grant
from careledger.workflows.relay_desk import RelayDesk
from careledger.workflows.revoke import revoke
from careledger.workflows.two_hops import signed_entry, signed_revocation
from world import DAY, DIAGNOSIS, VIEW, World, condition, texts

HOUR = 3_600


@dataclass
class Watched:
    """What a patient's gateway sees of what it hands on."""

    relay: Relay
    seen: list[bytes] = field(default_factory=list)

    @property
    def party(self) -> int:
        return self.relay.party

    def take(self, sealed: bytes) -> None:
        self.seen.append(sealed)
        self.relay.take(sealed)


@dataclass
class Waiting:
    """The world's clock; the desks send their batches while somebody waits."""

    relayed: Relayed

    def now(self) -> int:
        return self.relayed.world.clock.now()

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.relayed.pass_on(1)


class Relayed:
    """A world whose five custodial members relay for the others."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.desks = {
            number: RelayDesk(
                number,
                actor.sealing,
                SigningKey.random(),
                world.ledger,
                world.board,
                world.clock,
                Random(number),
            )
            for number, actor in world.custodial.items()
        }
        self.relays: dict[int, Any] = {number: Watched(desk) for number, desk in self.desks.items()}
        self.network = world.network = replace(
            world.network, gateway=Gateway(self.relays), clock=Waiting(self)
        )

    def among(self, **relays: Any) -> None:
        """Only these relay."""
        self.relays.clear()
        self.relays.update({each.party: each for each in relays.values()})

    def pass_on(self, seconds: int = relaying.BATCH) -> int:
        """Time passes and every desk sends its batch."""
        self.network.gateway.hand_on(self.world.clock.now())
        self.world.clock.advance(seconds)
        return sum(desk.send_batch() for desk in self.desks.values())

    def entered(self, granted: Granted) -> ConsentFacts | None:
        return self.world.ledger.fresh_head().consent(granted.owner, granted.commitment)

    def ask(self, holder: Holder, reader: Staff, start: int, seconds: int = DAY) -> Granted:
        """A consent to view diagnoses from ``start`` seconds after now."""
        now = self.world.clock.now()
        grantee = Grantee(GranteeKind.POST, reader.number, PartyId(reader.organisation.number))
        scope, window = (
            Scope(frozenset({DIAGNOSIS}), frozenset({VIEW})),
            Window(now + start, now + start + seconds),
        )
        return grant(self.network, holder, grantee, scope, Purpose.TREAT, window)


@pytest.fixture
def mine(world: World) -> Holder:
    holder = world.patient()
    world.put(world.writer(), holder.alias, condition(world.doctor, "asthma"))
    return world.claim(holder).holder


@pytest.fixture
def relayed(world: World, mine: Holder) -> Relayed:
    """Members relay from now on; the patient has claimed before."""
    return Relayed(world)


def read(world: World, alias: bytes) -> list[str]:
    return texts(world.read_by_consent(world.outsider, alias))


# The accepted way ---------------------------------------------------------------------------------


def test_a_consent_reaches_the_ledger_by_another_member_and_then_opens(
    relayed: Relayed, mine: Holder
) -> None:
    world = relayed.world
    granted = relayed.ask(mine, world.outsider, 0)
    assert granted.given.state == "prepared"
    assert relayed.entered(granted) is None
    with pytest.raises(AccessRefused):
        read(world, mine.alias)
    assert relayed.pass_on() == 1
    assert relayed.entered(granted) is not None
    assert finish_grants(relayed.network, mine) == 1
    assert finish_grants(relayed.network, mine) == 0
    assert read(world, mine.alias) == ["asthma"]


def test_with_no_other_member_a_consent_goes_directly_as_it_was_asked(world: World, mine: Holder) -> None:
    granted = world.grant(mine, world.outsider, seconds=1234)
    assert granted.given.state == "given"
    assert granted.given.end - granted.given.start == 1234
    assert read(world, mine.alias) == ["asthma"]


def test_the_gateway_hands_on_bytes_of_one_length_that_hold_nothing_it_could_look_for(
    relayed: Relayed, mine: Holder
) -> None:
    made = [relayed.ask(mine, relayed.world.outsider, 0) for _ in range(3)]
    seen = [sealed for each in relayed.relays.values() for sealed in each.seen]
    assert [len(sealed) for sealed in seen] == [SIZES[0]] * 3
    assert not any(each.owner in sealed or each.commitment in sealed for each in made for sealed in seen)


def test_only_the_chosen_member_opens_what_was_sealed_to_it(relayed: Relayed, mine: Holder) -> None:
    relayed.ask(mine, relayed.world.outsider, 0)
    ((chosen, sealed),) = [(number, each.seen[0]) for number, each in relayed.relays.items() if each.seen]
    refused = 0
    for number, desk in relayed.desks.items():
        if number != chosen:
            with pytest.raises(CannotOpen):
                desk.take(sealed)
            refused += 1
    assert refused == 4


def test_a_member_takes_an_entry_or_a_package_and_nothing_else(relayed: Relayed) -> None:
    desk, deployment = relayed.desks[1], relayed.world.ledger.deployment
    entry = RelayedEntry("RotateAlias", (bytes(32),), (bytes(65),))
    for message in (
        RelayedMessage(None, None),
        RelayedMessage(RelayedEntry.example(), bytes(4096)),
        RelayedMessage(entry, None),
        RelayedMessage(None, bytes(5000)),
    ):
        with pytest.raises(MalformedBytes):
            desk.take(seal_relayed(desk.sealing.public, deployment, 1, message.encode()))
    assert desk.send_batch() == 0


def test_a_consent_for_later_is_entered_at_some_time_before_it_counts(relayed: Relayed, mine: Holder) -> None:
    clock = relayed.world.clock
    granted = relayed.ask(mine, relayed.world.outsider, 10 * HOUR)
    start = granted.given.start
    assert start % HOUR == 0
    while clock.now() < start - HOUR + relaying.BATCH:
        seen = sum(len(each.seen) for each in relayed.relays.values())
        assert seen == (relayed.entered(granted) is not None)
        relayed.pass_on(relaying.LEAST_TIME // 2)
    facts = relayed.entered(granted)
    assert facts is not None
    assert facts.start == start


def test_the_ledger_shows_full_hours_and_a_deadline_on_the_half_hour(relayed: Relayed, mine: Holder) -> None:
    relayed.world.clock.advance(777)
    granted = relayed.ask(mine, relayed.world.outsider, 0)
    ((entry,),) = [
        [each for _, each in desk._waiting.values()] for desk in relayed.desks.values() if desk._waiting
    ]
    message = entry.message
    assert isinstance(message, GiveConsent)
    assert message.start % HOUR == message.until % HOUR == message.deadline % (HOUR // 2) == 0
    assert message.start <= relayed.world.clock.now()
    assert message.until <= relayed.world.clock.now() + DAY
    assert (granted.given.start, granted.given.end) == (message.start, message.until)


# Members that relay badly --------------------------------------------------------------------------


BAD: dict[str, Callable[[RelayDesk], Any]] = {
    "drops": lambda desk: DroppingRelay(desk.party),
    "delays": DelayingRelay,
    "alters": AlteringRelay,
    "dies before": DeadRelay,
    "dies after": lambda desk: DeadRelay(desk, after=True),
    "repeats": RepeatingRelay,
}


@pytest.mark.parametrize("what", BAD)
def test_a_consent_survives_a_member_that(what: str, relayed: Relayed, mine: Holder) -> None:
    bad = BAD[what](relayed.desks[1])
    relayed.among(bad=bad)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relaying, "another", lambda members, tried, random: _first(members, tried))
        relayed.among(bad=bad, good=relayed.desks[2])
        granted = relayed.ask(mine, relayed.world.outsider, 0)
        for _ in range(3):
            relayed.pass_on(relaying.PATIENCE + relaying.BATCH)
            finish_grants(relayed.network, mine)
    assert len(bad.handed) >= 1
    assert given_consents(mine)[-1].state == "given"
    assert relayed.entered(granted) is not None
    assert read(relayed.world, mine.alias) == ["asthma"]


def _first(members: Iterable[int], tried: Collection[int]) -> int:
    return next((each for each in sorted(members) if each not in tried), min(members))


def test_a_consent_is_not_sent_again_before_its_member_had_time(relayed: Relayed, mine: Holder) -> None:
    relayed.ask(mine, relayed.world.outsider, 0)
    finish_grants(relayed.network, mine)
    relayed.world.clock.advance(relaying.PATIENCE - 1)
    finish_grants(relayed.network, mine)
    assert sum(len(each.seen) for each in relayed.relays.values()) == 1
    relayed.world.clock.advance(1)
    finish_grants(relayed.network, mine)
    assert [len(each.seen) for each in relayed.relays.values()].count(1) == 2


def test_a_consent_that_came_to_nothing_is_not_sent_again_after_its_window(
    relayed: Relayed, mine: Holder
) -> None:
    dropping = DroppingRelay(1)
    relayed.among(bad=dropping)
    relayed.ask(mine, relayed.world.outsider, 0)
    relayed.world.clock.advance(relaying.PATIENCE)
    finish_grants(relayed.network, mine)
    assert len(dropping.handed) == 2
    relayed.world.clock.advance(DAY)
    finish_grants(relayed.network, mine)
    assert len(dropping.handed) == 2


def test_a_consent_that_was_held_back_cannot_be_entered_after_its_revocation(
    relayed: Relayed, mine: Holder
) -> None:
    slow = DelayingRelay(relayed.desks[1])
    relayed.among(slow=slow)
    granted = relayed.ask(mine, relayed.world.outsider, 0)
    relayed.among(good=relayed.desks[2], other=relayed.desks[3])
    revoke(relayed.network, mine, granted.owner)
    slow.release()
    assert relayed.pass_on() == 1
    facts = relayed.entered(granted)
    assert facts is not None
    assert facts.revoked_at > 0
    assert facts.given_at == 0


def test_a_batch_is_shuffled_and_a_stranger_in_it_holds_up_nobody(relayed: Relayed, mine: Holder) -> None:
    world, desk = relayed.world, relayed.desks[1]
    relayed.among(only=desk)
    made = [relayed.ask(mine, world.outsider, 0) for _ in range(12)]
    forged = replace(next(iter(desk._waiting.values()))[1], signatures=(bytes(64) + b"\x1b",))
    sealed = seal_relayed(
        desk.sealing.public, world.ledger.deployment, 1, RelayedMessage(forged, None).encode()
    )
    desk.take(sealed)
    sent: list[list[RelayedEntry]] = []
    carry = world.ledger.carry

    def watched(entries: Iterable[RelayedEntry]) -> None:
        sent.append(list(entries))
        carry(sent[-1], desk.sender)

    desk.ledger = _Watched(world.ledger, watched)
    assert relayed.pass_on() == 13
    order = [_commitment(entry.message) for entry in sent[0] if entry != forged]
    assert sorted(order) == sorted(each.commitment for each in made)
    assert order != [each.commitment for each in made]
    assert all(relayed.entered(each) is not None for each in made)


def _commitment(message: LedgerMessage) -> bytes:
    assert isinstance(message, GiveConsent | RevokeConsent)
    return message.commitment


class _Watched:
    """A ledger whose batches are looked at before they are carried."""

    def __init__(self, ledger: Any, look: Callable[[Any], Any]) -> None:
        self._ledger, self._look = ledger, look

    def carry(self, entries: Any, relay: SigningKey) -> Any:
        return self._look(entries)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


# Revoking ------------------------------------------------------------------------------------------


def given(relayed: Relayed, mine: Holder) -> Granted:
    granted = relayed.ask(mine, relayed.world.outsider, 0)
    relayed.pass_on()
    finish_grants(relayed.network, mine)
    assert read(relayed.world, mine.alias) == ["asthma"]
    return granted


def test_a_revocation_goes_at_once_by_two_members(relayed: Relayed, mine: Holder) -> None:
    granted = given(relayed, mine)
    before = {number: len(each.seen) for number, each in relayed.relays.items()}
    revoke(relayed.network, mine, granted.owner)
    assert (
        sum(len(each.seen) - before[number] for number, each in relayed.relays.items()) == relaying.REVOKERS
    )
    facts = relayed.entered(granted)
    assert facts is not None
    assert facts.revoked_at > 0
    with pytest.raises(AccessRefused):
        read(relayed.world, mine.alias)


@pytest.mark.parametrize("what", ["drops", "delays", "alters", "dies before"])
def test_a_revocation_survives_members_that_all(what: str, relayed: Relayed, mine: Holder) -> None:
    granted = given(relayed, mine)
    bad = {f"bad{number}": BAD[what](desk) for number, desk in relayed.desks.items()}
    relayed.among(**bad)
    revoke(relayed.network, mine, granted.owner)
    assert all(len(each.handed) == 1 for each in bad.values())
    facts = relayed.entered(granted)
    assert facts is not None
    assert facts.revoked_at > 0


def test_custodians_that_were_told_refuse_before_the_ledger_shows_it(relayed: Relayed, mine: Holder) -> None:
    world, granted = relayed.world, given(relayed, mine)
    key = mine.consent_key(granted.given.counter)
    entry = signed_revocation(relayed.network, key, granted.commitment)
    told = ConsentRevocation(granted.given.certificate, entry)
    for number in world.links:
        for _ in range(2):
            world.links[number].call("revoked", told.encode())
    facts = relayed.entered(granted)
    assert facts is not None
    assert facts.revoked_at == 0
    with pytest.raises(AccessRefused) as refused:
        read(world, mine.alias)
    assert refused.value.details["reason"] == "consent-revoked"
    for number in world.links:
        world.start_custodian(number)
    with pytest.raises(AccessRefused):
        read(world, mine.alias)


def test_a_stranger_tells_custodians_nothing(relayed: Relayed, mine: Holder) -> None:
    world, granted = relayed.world, given(relayed, mine)
    key, stranger, network = mine.consent_key(granted.given.counter), SigningKey.random(), relayed.network
    certificate, now = granted.given.certificate, world.clock.now()
    honest = signed_revocation(network, key, granted.commitment)
    old = signed_entry(network, RevokeConsent(key.address, granted.commitment, now - 1), key)
    other = signed_entry(network, RevokeConsent(key.address, bytes(32), now + 600), key)
    forged = signed_entry(network, RevokeConsent(key.address, granted.commitment, now + 600), stranger)
    link = world.links[1]
    for told, error in (
        (ConsentRevocation(certificate, forged), SignatureRefused),
        (ConsentRevocation(replace(certificate, signature=forged.signatures[0]), honest), SignatureRefused),
        (ConsentRevocation(certificate, other), RequestRefused),
        (ConsentRevocation(certificate, old), RequestRefused),
    ):
        with pytest.raises(error):
            link.call("revoked", told.encode())
    assert read(world, mine.alias) == ["asthma"]


# Packages ------------------------------------------------------------------------------------------


def test_a_package_is_posted_by_another_member_or_at_last_by_the_gateway_itself(
    relayed: Relayed, mine: Holder
) -> None:
    given(relayed, mine)
    sizes = {len(sealed) for each in relayed.relays.values() for sealed in each.seen}
    assert len(sizes) == 2
    assert sizes < set(SIZES)
    dropping = {f"bad{number}": DroppingRelay(number) for number in relayed.desks}
    granted = relayed.ask(mine, relayed.world.doctor, 0)
    relayed.pass_on()
    relayed.among(**dropping)
    before = len(relayed.world.board.since(0)[1])
    finish_grants(relayed.network, mine)
    assert relayed.entered(granted) is not None
    assert (
        len(relayed.world.board.since(0)[1]) == before + 2
    )  # the agent's own copy, and the grantee's package
    assert all(len(each.handed) == 2 for each in dropping.values())
