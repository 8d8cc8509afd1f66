"""Adam's agent, elsewhere, over the gateway of a story."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from careledger.adapters.edge.acts import signed_act
from careledger.adapters.edge.attested import AttestedLedger, Pinned
from careledger.adapters.edge.http import Edge as Reached
from careledger.adapters.edge.links import EdgeBlocks, EdgeBoard, EdgeGateway, custodians
from careledger.app.clocks import SystemClock
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.parties import PartyId
from careledger.formats.consent_messages import LedgerMessage
from careledger.formats.signatures import SigningKey
from careledger.workflows.actors import Holder
from careledger.workflows.gateway import Gateway
from careledger.workflows.grant import Granted, grant
from careledger.workflows.network import Network
from gateway.edge_world import DAY, Edge, Reply
from story import DIAGNOSIS


@dataclass
class Agent:
    """Adam's own agent, elsewhere: nothing of the data directory is in its hands but what it pinned and its books."""

    edge: Edge
    reached: Reached
    pinned: Pinned
    relays: tuple[int, ...] = ()

    @property
    def network(self) -> Network:
        """The outside as it reaches it."""
        links, clock = custodians(self.reached, self.pinned.signers), SystemClock()
        ledger = AttestedLedger(self.reached, self.pinned, links, clock).port()
        thresholds = self.edge.story.world.settings.thresholds
        board = EdgeBoard(self.reached)
        return Network(
            ledger,
            EdgeBlocks(self.reached),
            links,
            board,
            clock,
            SigningKey.random(),
            thresholds,
            cast(Gateway, EdgeGateway(self.reached, self.relays)),
            together=False,
        )

    @property
    def holder(self) -> Holder:
        return self.edge.story.holder(self.edge.story.adam)

    def grant(self, label: str) -> Granted:
        staff, now = self.edge.story.staff[label], SystemClock().now()
        grantee = Grantee(GranteeKind.POST, staff.number, PartyId(staff.organisation.number))
        scope = Scope(frozenset({DIAGNOSIS}), frozenset({Permission.VIEW}))
        return grant(self.network, self.holder, grantee, scope, Purpose.TREAT, Window(now - 10, now + DAY))

    def post(self, path: str, said: Any, **headers: str) -> Reply:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        sent = {"Content_Type": "application/json"} | headers
        return self.edge.stranger().ask(f"{self.edge.gateway.url}/api/v1/agent/{path}", "POST", body, **sent)

    def get(self, path: str) -> Reply:
        return self.edge.stranger().ask(f"{self.edge.gateway.url}/api/v1/agent/{path}")

    def act(self, message: LedgerMessage, *signers: SigningKey, **elsewhere: Any) -> dict[str, Any]:
        """As an agent writes it; ``elsewhere`` changes the chain or contract that it is signed for."""
        chain = elsewhere.get("chain", self.pinned.chain_id)
        contract = elsewhere.get("contract", self.pinned.contracts[message.CONTRACT])
        return signed_act(message, [message.sign(key, chain, contract) for key in signers], chain, contract)


def over(edge: Edge) -> Agent:
    """An agent that pinned what it was handed at the desk where it claimed."""
    reached = Reached(edge.gateway.url)
    said, view = reached.get("/agent/network"), edge.story.world.ledger.fresh_head()
    signers = {}
    for named in said["custodians"]:
        facts = view.custodian(int(named, 16))
        assert facts is not None
        signers[facts.number] = facts.signer
    contracts = {name: bytes.fromhex(each[2:]) for name, each in said["contracts"].items()}
    pinned = Pinned(said["chain_id"], bytes.fromhex(said["directory"][2:]), contracts, signers, needed=2)
    assert pinned.deployment.hex() == said["deployment"]
    return Agent(edge, reached, pinned, tuple(int(named, 16) for named in said["relays"]))


@pytest.fixture(scope="module")
def agent(edge: Edge) -> Iterator[Agent]:
    made = over(edge)
    yield made
    made.reached.close()
