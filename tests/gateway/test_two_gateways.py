"""Two gateways of one network write the next version of one record at the same time: one of them is told so."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from careledger.app.tokens import Bearer, Bearers
from careledger.domain.consents import Permission
from careledger.domain.errors import VersionConflict
from careledger.gateway import editing, writing
from careledger.gateway.desk import Desk
from careledger.gateway.http import Answered, Asked
from gateway.edge_world import Edge
from gateway.test_fhir_writing import condition, post
from story import DIAGNOSIS


@pytest.fixture
def made(edge: Edge) -> dict[str, Any]:
    """A condition of Adam's, as the gateway shows it."""
    for permission in (Permission.VIEW, Permission.APPEND, Permission.AMEND):
        edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), permission)
    reply = post(edge.client("Dr City"), condition(edge.story.adam.hex(), "two at a time"))
    assert reply.status == 201, reply.body
    return dict(reply.body)


def bearer(edge: Edge) -> Bearer:
    world = edge.story.world
    return Bearers(world.keyring).bearer(edge.token("Dr City"), world.clock.now(), time.monotonic())


def asked(said: dict[str, Any], words: str, **headers: str) -> Asked:
    body = json.dumps(said | {"code": {"text": words}}).encode()
    return Asked({"kind": "Condition", "id": said["id"]}, headers, [], body, "PUT")


@pytest.mark.parametrize("if_match", [True, False])
def test_of_two_updates_at_once_through_two_gateways_one_is_told_that_it_lost(
    edge: Edge, made: dict[str, Any], if_match: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (Desk(edge.story.world, edge.gateway.base) for _ in range(2))
    headers = {"if-match": f'W/"{made["meta"]["versionId"]}"'} if if_match else {}
    who, whose = bearer(edge), bearer(edge)
    one.leases.look(who, edge.story.adam)
    other.leases.look(whose, edge.story.adam)
    update, won = writing.update, list[Answered]()

    def both(*given: Any) -> Any:
        """The second gateway's whole update comes between what the first one saw and what it writes."""
        monkeypatch.setattr(writing, "update", update)
        said = editing.update(other, whose, asked(made, "the other's words", **headers))
        assert isinstance(said, Answered)
        won.append(said)
        return update(*given)

    monkeypatch.setattr(writing, "update", both)
    with pytest.raises(VersionConflict):
        editing.update(one, who, asked(made, "one's words", **headers))
    assert won[0].resource is not None
    assert won[0].resource["code"] == {"text": "the other's words"}
    read = edge.client("Dr City")
    read.ask(f"Condition?patient={edge.story.adam.hex()}")
    assert read.ask(f"Condition/{made['id']}").body["code"] == {"text": "the other's words"}


def test_an_update_that_names_a_version_that_another_gateway_replaced_is_refused(
    edge: Edge, made: dict[str, Any]
) -> None:
    one, other = (Desk(edge.story.world, edge.gateway.base) for _ in range(2))
    who, whose = bearer(edge), bearer(edge)
    one.leases.look(who, edge.story.adam)
    other.leases.look(whose, edge.story.adam)
    version = {"if-match": f'W/"{made["meta"]["versionId"]}"'}
    editing.update(other, whose, asked(made, "first", **version))
    before = edge.story.world.ledger.fresh_head().head.number
    with pytest.raises(VersionConflict):
        editing.update(one, replace(who, came=time.monotonic()), asked(made, "second", **version))
    assert edge.story.world.ledger.fresh_head().head.number == before
