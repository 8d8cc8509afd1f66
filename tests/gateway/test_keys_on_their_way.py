"""What is written while a reader's new key is on its way: who wrote it has it at once, others once the key comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.parties import PartyId
from careledger.workflows.grant import grant
from careledger.workflows.revoke import revoke
from gateway.bulk_flow import export
from gateway.edge_world import Client, Edge
from gateway.test_bulk import later_second
from gateway.test_bulk_groups import of
from gateway.test_fhir_writing import condition, post, put
from gateway.test_refined_scopes import narrow
from story import DIAGNOSIS


@dataclass
class SlowBoard:
    """A board whose packages are on their way, as by members who relay, until they are handed on."""

    board: Any

    def __post_init__(self) -> None:
        self.held = list[bytes]()

    def post(self, sealed: bytes) -> None:
        self.held.append(sealed)

    def hand_on(self) -> None:
        for each in self.held:
            self.board.post(each)
        self.held.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.board, name)


@pytest.fixture
def board(edge: Edge) -> Iterator[SlowBoard]:
    """Adam's doctor may see and write diagnoses; another reader was revoked just now, and no package has come."""
    told, network = edge.story, edge.story.world.network
    city, now = told.staff["Dr City"], told.world.clock.now()
    both = Scope(frozenset({DIAGNOSIS}), frozenset({Permission.VIEW, Permission.APPEND, Permission.AMEND}))
    grantee = Grantee(GranteeKind.POST, city.number, PartyId(city.organisation.number))
    grant(network, told.holder(told.adam), grantee, both, Purpose.TREAT, Window(now - 10, now + 3_600))
    ended = told.grant(told.adam, told.staff["Dr Lake"], (DIAGNOSIS,), Permission.VIEW)
    slow = SlowBoard(network.board)
    revoke(replace(network, board=slow), told.holder(told.adam), ended.owner)
    assert slow.held
    yield slow
    slow.hand_on()


def end_again(edge: Edge, slow: SlowBoard) -> None:
    """Another reader is revoked while no package comes."""
    told = edge.story
    ended = told.grant(told.adam, told.staff["Dr Lake"], (DIAGNOSIS,), Permission.VIEW)
    revoke(replace(told.world.network, board=slow), told.holder(told.adam), ended.owner)
    assert slow.held


def seen(client: Client, edge: Edge) -> list[str]:
    found = client.ask(f"Condition?patient={edge.story.adam.hex()}&_count=200")
    assert found.status == 200
    return [each["code"].get("text", "") for each in found.matches]


def test_whoever_wrote_it_finds_it_at_once_and_who_stays_when_the_key_comes(
    edge: Edge, board: SlowBoard
) -> None:
    doctor, staying = edge.client("Dr City"), edge.client("Dr Stay")
    made = post(doctor, condition(edge.story.adam.hex(), "sealed anew"))
    assert (made.status, made.body["code"]["text"]) == (201, "sealed anew")
    one = f"Condition/{made.body['id']}"
    assert seen(doctor, edge).count("sealed anew") == 1
    assert doctor.ask(one).body["subject"] == {"reference": f"Patient/{edge.story.adam.hex()}"}
    assert doctor.ask(f"{one}/_history/{made.body['meta']['versionId']}").status == 200
    assert "sealed anew" not in seen(staying, edge)
    assert staying.ask(one).status == 404
    board.hand_on()
    assert seen(staying, edge).count("sealed anew") == seen(doctor, edge).count("sealed anew") == 1
    assert staying.ask(one).status == 200


def test_what_lacks_its_key_is_changed_once_the_key_has_come(edge: Edge, board: SlowBoard) -> None:
    doctor = edge.client("Dr City")
    made = post(doctor, condition(edge.story.adam.hex(), "to be changed")).body
    assert put(doctor, made | {"note": [{"text": "too early"}]}).status == 503
    board.hand_on()
    assert put(doctor, made | {"note": [{"text": "in time"}]}).status == 200
    assert doctor.ask(f"Condition/{made['id']}").body["note"] == [{"text": "in time"}]


def test_it_says_when_it_was_written_so_that_what_asks_for_changes_since_has_it(
    edge: Edge, board: SlowBoard
) -> None:
    doctor = edge.client("Dr City")
    made = post(doctor, condition(edge.story.adam.hex(), "dated")).body
    one = doctor.ask(f"Condition/{made['id']}")
    said = parsedate_to_datetime(one.headers["Last-Modified"])
    assert said == datetime.fromisoformat(one.body["meta"]["lastUpdated"])


def test_no_older_version_stands_for_one_without_a_key_that_scopes_do_not_cover(
    edge: Edge, board: SlowBoard
) -> None:
    board.hand_on()
    doctor, scope = edge.client("Dr City"), "user/Condition.rs?clinical-status=active"
    made = post(doctor, condition(edge.story.adam.hex(), "soon over")).body
    assert "soon over" in seen(narrow(edge, scope), edge)
    end_again(edge, board)
    ended = json.loads(json.dumps(made).replace('"active"', '"inactive"'))
    assert put(doctor, ended).status == 200
    one = f"Condition/{made['id']}"
    assert "inactive" in str(doctor.ask(one).body["clinicalStatus"])
    assert "soon over" in seen(doctor, edge)
    active = narrow(edge, scope)
    for _ in ("before the key", "after it"):
        assert "soon over" not in seen(active, edge)
        assert active.ask(one).status == 404
        board.hand_on()


def test_no_scope_and_no_stranger_sees_more_for_lack_of_a_key(edge: Edge, board: SlowBoard) -> None:
    doctor = edge.client("Dr City")
    made = post(doctor, condition(edge.story.adam.hex(), "nobody else's")).body
    assert edge.client("Dr Lake").ask(f"Condition?patient={edge.story.adam.hex()}").status == 403
    assert edge.client("Dr Lake").ask(f"Condition/{made['id']}").status == 404
    assert edge.stranger().ask(f"Condition/{made['id']}").status == 401


def test_an_export_of_a_group_since_the_last_has_what_became_readable_since_however_old_it_is(
    edge: Edge, board: SlowBoard
) -> None:
    told, reader = edge.story, edge.client("Dr City")
    told.grant(told.adam, told.staff["Dr Stay"], (DIAGNOSIS,), Permission.APPEND)
    made = post(edge.client("Dr Stay"), condition(told.adam.hex(), "sealed before the key came")).body
    later_second()
    path = of(reader, told.adam)
    first = export(reader, path)
    assert made["meta"]["lastUpdated"] < first.manifest["transactionTime"]
    assert "Condition" in {each["resourceType"] for each in first.output}
    assert made["id"] not in json.dumps(first.output)
    later_second()
    again = export(reader, f"{path}?_since={first.manifest['transactionTime']}")
    assert {each["resourceType"] for each in again.output} <= {"Patient"}
    later_second()
    board.hand_on()
    later = export(reader, f"{path}?_since={again.manifest['transactionTime']}")
    assert [each["id"] for each in later.output if each["resourceType"] != "Patient"] == [made["id"]]
    last = export(reader, f"{path}?_since={later.manifest['transactionTime']}")
    assert {each["resourceType"] for each in last.output} <= {"Patient"}
