"""Scenarios in which a patient's messages travel by other members and everything may die on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import pytest

from careledger.domain import relaying
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused
from careledger.domain.parties import PartyId
from careledger.formats.consent_messages import GiveConsent
from careledger.formats.signatures import SigningKey
from careledger.workflows.gateway import Gateway
from careledger.workflows.grant import certificate_of, finish_grants, given_consents, grant
from careledger.workflows.link import check_link, link, unlink
from careledger.workflows.network import Network
from careledger.workflows.relay_desk import RelayDesk
from careledger.workflows.relay_entry import enter
from careledger.workflows.revoke import revoke
from careledger.workflows.rotate_keys import rotate
from careledger.workflows.two_hops import signed_entry
from crash_patients import ONE, with_record
from crashing import Attempt, Finish, Scenario, Trial, die, first_some_last
from world import DAY, VIEW, World, texts


@dataclass
class Desks:
    """The members' desks over that network's ledger and board, and the clock whose seconds let them send."""

    world: World
    network: Network
    gateway: Gateway = field(default_factory=Gateway)

    def __post_init__(self) -> None:
        ledger, board, clock = self.network.ledger, self.network.board, self.world.clock
        self.desks = {
            number: RelayDesk(number, actor.sealing, SigningKey.random(), ledger, board, clock, Random(1))
            for number, actor in self.world.custodial.items()
        }
        self.gateway = Gateway(self.desks)

    def now(self) -> int:
        return self.world.clock.now()

    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.gateway.hand_on(self.now())
        for desk in self.desks.values():
            desk.send_batch()


def over(world: World, network: Network) -> Network:
    """The network with other members to send by; their desks die with it, and forget what waits."""
    desks = Desks(world, network)
    return replace(network, gateway=desks.gateway, clock=desks)


def relayed(world: World) -> Attempt:
    """A consent and its revocation by other members; their desks die with the agent, and forget what waits."""
    mine = world.claim(with_record(world)).holder

    def attempt(trial: Trial) -> Finish:
        crashing = over(world, trial.network)
        sound = over(world, world.network)
        before, now, ending = len(given_consents(mine)), world.clock.now(), list[object]()
        grantee = Grantee(GranteeKind.POST, world.outsider.number, PartyId(world.clinic.number))
        asked = (grantee, Scope(frozenset(ONE), frozenset({VIEW})), Purpose.TREAT, Window(now, now + DAY))

        def act() -> None:
            holder = trial.holder(mine)
            granted = grant(crashing, holder, *asked)
            world.clock.advance(relaying.PATIENCE)
            crashing.clock.wait(relaying.BATCH)
            finish_grants(crashing, holder)
            ending.append(granted)
            revoke(crashing, holder, granted.owner)

        die(trial, act)

        def finish() -> None:
            if len(given_consents(mine)) == before:
                grant(sound, mine, *asked)
            for _ in range(3):
                world.clock.advance(relaying.PATIENCE)
                finish_grants(sound, mine)
                sound.clock.wait(relaying.BATCH)
            given = given_consents(mine)[-1]
            assert len(given_consents(mine)) == before + 1
            certificate = certificate_of(given)
            facts = world.ledger.fresh_head().consent(certificate.owner, certificate.commitment)
            assert facts is not None
            if not ending:
                assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
            revoke(sound, mine, certificate.owner)
            with pytest.raises(AccessRefused):
                world.read_by_consent(world.outsider, mine.alias)

        return finish

    return attempt


def relayed_entries(world: World) -> Attempt:
    """An alias is turned, linked and unlinked, each by other members."""
    other = world.claim(world.patient(compartments=ONE)).holder

    def attempt(trial: Trial) -> Finish:
        mine = world.claim(with_record(world)).holder
        crashing, sound = over(world, trial.network), over(world, world.network)

        def act() -> None:
            turned = rotate(crashing, trial.holder(mine))
            unlink(crashing, turned, link(crashing, turned, trial.holder(other)))

        die(trial, act)

        def finish() -> None:
            turned = rotate(sound, mine)
            facts = world.ledger.fresh_head().alias(mine.alias)
            assert facts is not None
            assert facts.controller == turned.controller.address
            assert texts(world.read_own(turned)) == ["asthma"]
            made = link(sound, turned, other)
            statement = check_link(sound, made)
            unlink(sound, turned, made)
            assert not world.ledger.fresh_head().linked(statement.owner, statement.commitment)

        return finish

    return attempt


def brought(world: World) -> Attempt:
    """A consent that its owner signed is brought to a gateway, which dies while it enters it."""

    def attempt(trial: Trial) -> Finish:
        owner, now = SigningKey.random(), world.clock.now()
        given = GiveConsent(owner.address, bytes(32), now, now + DAY, now + relaying.LEAST_TIME)
        entry = signed_entry(world.network, given, owner)
        die(trial, lambda: enter(trial.network, entry))

        def finish() -> None:
            assert enter(world.network, entry) == enter(world.network, entry)
            facts = world.ledger.fresh_head().consent(owner.address, bytes(32))
            assert facts is not None
            assert facts.given_at > 0

        return finish

    return attempt


SCENARIOS: dict[str, Scenario] = {
    "a consent and its end travel by other members": Scenario(
        (
            "two_hops.send_consent",
            "two_hops.send_revocation",
            "two_hops.post",
            "relay_desk.RelayDesk",
            "gateway.Gateway",
        ),
        relayed,
        18,
        first_some_last(4, 5, 3),
    ),
    "a signed consent is brought to a gateway": Scenario(("relay_entry.enter",), brought, 1),
    "entries of an alias travel by other members": Scenario(
        ("two_hops.rotate_alias", "two_hops.link_aliases", "two_hops.unlink_aliases"),
        relayed_entries,
        12,
        first_some_last(4, 5, 3),
    ),
}
