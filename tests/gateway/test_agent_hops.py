"""Where members relay for each other, an agent's messages go by them, through a running gateway that reads none."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

import story
from careledger.app import settings as settings_file
from careledger.app.clocks import SystemClock
from careledger.domain.errors import CannotOpen, StoreUnavailable
from careledger.formats.consent_messages import GiveConsent
from careledger.formats.relaying import RelayedMessage
from careledger.formats.signatures import SigningKey
from careledger.gateway.server import Gateway
from careledger.ports import Relay
from careledger.sealing.relays import SIZES, seal_relayed
from careledger.workflows import gateway
from careledger.workflows.board import organisation_key
from careledger.workflows.grant import finish_grants, wait_for_grants
from careledger.workflows.revoke import revoke
from careledger.workflows.two_hops import signed_entry
from gateway.agent_world import Agent, over
from gateway.edge_world import DAY, Edge, Reply
from story import Story

COMMITMENT = b"\7" * 32


@pytest.fixture(scope="module")
def agent(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """Over a network that was founded with two hops, whose gateway runs."""
    mine = story.copied(told, tmp_path_factory.mktemp("hops") / "data")
    mine.reopen(lambda: settings_file.save(mine.folder, replace(mine.world.settings, two_hops=True)))
    with Gateway(mine.world, port=0) as gateway:
        made = over(Edge(mine, gateway))
        assert len(made.relays) == 5
        yield made
        made.reached.close()
    mine.world.close()


def forward(agent: Agent, member: int, sealed: bytes, at: int = 0) -> Reply:
    return agent.post(f"relays/{member:016x}", {"sealed": base64.b64encode(sealed).decode(), "at": at})


def given(agent: Agent, member: int, owner: SigningKey, signer: SigningKey) -> bytes:
    """A consent as an agent seals it to a member."""
    now, network = SystemClock().now(), agent.network
    entry = signed_entry(network, GiveConsent(owner.address, COMMITMENT, now, now + DAY, now + 900), signer)
    public = organisation_key(network, member)
    return seal_relayed(public, agent.pinned.deployment, member, RelayedMessage(entry, None).encode())


def shown(agent: Agent, owner: SigningKey) -> bool:
    return agent.edge.story.world.ledger.fresh_head().consent(owner.address, COMMITMENT) is not None


def test_a_consent_goes_by_another_member_while_the_gateway_runs_and_its_end_at_once(agent: Agent) -> None:
    patient, doctor = agent.edge.story.adam.hex(), agent.edge.client("Dr Lake")
    asked = f"Condition?patient={patient}"
    assert doctor.ask(asked).status == 403
    granted = agent.grant("Dr Lake")
    assert granted.given.state == "prepared"
    assert wait_for_grants(agent.network, agent.holder) == 0
    assert doctor.ask(asked).matches
    revoke(agent.network, agent.holder, granted.owner)
    assert doctor.ask(asked).status == 403
    assert finish_grants(agent.network, agent.holder) == 0


def test_what_is_not_due_waits_at_the_gateway_while_the_agent_sleeps(agent: Agent) -> None:
    member, owner, clock = agent.relays[0], SigningKey.random(), SystemClock()
    due = clock.now() + 3
    assert forward(agent, member, given(agent, member, owner, owner), due).status == 200
    assert not shown(agent, owner)
    for _ in range(20):
        clock.wait(1)
        if shown(agent, owner):
            break
    facts = agent.edge.story.world.ledger.fresh_head().consent(owner.address, COMMITMENT)
    assert facts is not None
    assert facts.given_at >= due


def test_what_a_stranger_forwards_is_entered_only_if_its_owner_signed_it(agent: Agent) -> None:
    member, owner, stranger, clock = agent.relays[1], SigningKey.random(), SigningKey.random(), SystemClock()
    assert (
        forward(agent, member, given(agent, member, owner, stranger)).status == 200
    )  # it is sealed: who could tell
    genuine = SigningKey.random()
    assert forward(agent, member, given(agent, member, genuine, genuine)).status == 200
    for _ in range(20):
        clock.wait(1)
        if shown(agent, genuine):
            break
    assert shown(agent, genuine)
    assert not shown(agent, owner)


def test_what_nobody_can_open_or_nobody_relays_is_refused(agent: Agent) -> None:
    member, other = agent.relays[:2]
    owner = SigningKey.random()
    sealed = given(agent, member, owner, owner)
    for wrong in (sealed[:-1], secrets.token_bytes(SIZES[0]), b"", sealed[:-1] + bytes([sealed[-1] ^ 1])):
        reply = forward(agent, member, wrong)
        assert (reply.status, reply.body["type"].rpartition(":")[2]) == (422, "cannot-open")
    assert forward(agent, other, sealed).status == 422
    for nobody in (1, agent.edge.story.organisations["City"].number):
        assert forward(agent, nobody, sealed).status == 404
    assert agent.post(f"relays/{member:016x}", {"sealed": "", "at": -1}).status == 400
    assert agent.post(f"relays/{member:016x}", b"A" * 100_000).status == 413
    assert not shown(agent, owner)


def test_where_no_member_relays_nothing_is_forwarded(edge: Edge) -> None:
    alone = over(edge)
    assert alone.relays == ()
    for number in alone.pinned.signers:
        assert forward(alone, number, bytes(SIZES[0])).status == 404
    alone.reached.close()


def test_what_is_held_is_bounded_by_what_is_due_last_and_takes_nothing_that_no_member_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[bytes] = []

    class Member:
        def take(self, sealed: bytes) -> None:
            taken.append(sealed)

    monkeypatch.setattr(gateway, "MOST_HELD", 3)
    mine = gateway.Gateway({1: cast(Relay, Member())})
    with pytest.raises(CannotOpen):
        mine.forward(1, b"short", 10, 0)
    for _ in range(3):
        mine.forward(1, bytes(SIZES[0]), 2**53, 0)
    soon = b"s" + bytes(SIZES[0] - 1)
    mine.forward(1, soon, 3, 0)
    with pytest.raises(StoreUnavailable):
        mine.forward(1, bytes(SIZES[0]), 2**53 + 1, 0)
    assert mine.hand_on(3) == 1
    assert taken == [soon]
