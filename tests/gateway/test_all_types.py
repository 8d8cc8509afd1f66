"""A search across types finds what searches of each of them find together, and no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.app import tokens
from careledger.domain.consents import Purpose
from careledger.gateway import searching
from careledger.gateway.own.sight import Sight
from gateway.edge_world import DAY, JSON, Client, Edge, Reply
from gateway.ward import Ward, settled

FORM = "application/x-www-form-urlencoded"
TYPES = ("Condition", "Encounter", "Observation")
TAG = {"system": "urn:test:tags", "code": "several"}


@pytest.fixture(scope="module")
def ward(edge: Edge) -> Ward:
    """City's doctor, who wrote three records of each of three types, some of them tagged."""
    made = Ward(edge)
    alias = made.patient().alias.hex()
    for kind in TYPES:
        for at in range(3):
            assert made.reader.ask(kind, "POST", body(kind, at, alias), Content_Type=JSON).status == 201
    settled(made.reader)
    return made


def body(kind: str, at: int, alias: str) -> bytes:
    code = {"coding": [{"system": "urn:test:codes", "code": f"x{at}"}], "text": "several"}
    own: dict[str, dict[str, Any]] = {
        "Condition": {"code": code},
        "Encounter": {"status": "finished", "class": {"code": "AMB"}},
        "Observation": {"status": "final", "code": code},
    }
    meta = {"meta": {"tag": [TAG]}} if at else {}
    return json.dumps(
        {"resourceType": kind, "subject": {"reference": f"Patient/{alias}"}, **own[kind], **meta}
    ).encode()


def everything(client: Client, page: Reply) -> list[str]:
    """The paths of this page and all that follow."""
    found = list(page.matches)
    while (following := page.link("next")) is not None:
        page = client.ask(following)
        assert page.status == 200, page.body
        found += page.matches
    return [f"{each['resourceType']}/{each['id']}" for each in found]


def apart(client: Client, query: str, kinds: tuple[str, ...] = TYPES) -> list[str]:
    return [each for kind in kinds for each in everything(client, client.ask(f"{kind}?{query}"))]


QUERIES = (
    "_tag=urn:test:tags|several", "_tag:not=several", "_tag:missing=true", "_id=none", "_lastUpdated=ge2000",
    "_lastUpdated=lt2000", "_tag=several&_lastUpdated=ge2000", "_tag=several&_count=2", "_profile=urn:none",
    "_tag=several&" * 9 + "_id=none", "_tag=several&" * 9 + "_tag=urn:test:tags|",
)  # fmt: skip


@pytest.mark.parametrize("reader", ["Dr City", "Dr Stay", "Dr Lake"])
def test_it_finds_what_a_search_of_each_type_finds(ward: Ward, reader: str) -> None:
    client, names = settled(ward.edge.client(reader)), ",".join(TYPES)
    if reader == "Dr Stay":  # has Adam's records open besides
        assert client.ask(f"Condition?patient={ward.edge.story.adam.hex()}").matches
    for query in QUERIES:
        page = client.ask(f"?_type={names}&{query}")
        assert page.status == 200, page.body
        found = everything(client, page)
        assert sorted(found) == sorted(apart(client, query)), query
        assert len(found) == len(set(found))
        if "total" in page.body:
            assert page.body["total"] == len(found)
        posted = client.ask("_search", "POST", f"_type={names}&{query}".encode(), Content_Type=FORM)
        assert everything(client, posted) == found
    tagged = everything(client, client.ask(f"?_type={names}&_tag=several"))
    assert len(tagged) == (6 if reader == "Dr City" else 0)
    assert set(everything(client, client.ask("?_tag=several"))) == set(tagged)
    assert [each.partition("/")[0] for each in tagged] == sorted(each.partition("/")[0] for each in tagged)


def test_what_the_named_types_have_in_common_is_looked_at_and_nothing_else(ward: Ward) -> None:
    client = ward.reader
    found = client.ask("?_type=Condition,Observation&code=urn:test:codes|x1")
    assert sorted(each["resourceType"] for each in found.matches) == ["Condition", "Observation"]
    sought = "_type=Condition,Observation,Encounter&_tag=several"
    passed = client.ask(f"?{sought}&code=x1")
    assert len(passed.matches) == 6
    assert "code" in passed.said["not-supported"]
    strict = client.ask(f"?{sought}&code=x1", Prefer="handling=strict")
    assert (strict.status, strict.issue[0]) == (400, "invalid")
    abstract = ("_type=Resource", "_type=DomainResource,Condition")
    for wrong in (
        *abstract,
        "_type=Conditions",
        "_type=Condition&_type=Encounter",
        "_lastUpdated=2026-02-31",
        "",
    ):
        refused = client.ask(f"?{wrong}")
        assert (refused.status, refused.issue[0]) == (400, "invalid"), wrong


def test_many_come_page_by_page_one_type_after_the_other(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    client, names = ward.reader, ",".join(TYPES)
    whole = everything(client, client.ask(f"?_type={names}&_tag=several"))
    assert len(whole) == 6
    monkeypatch.setattr(searching, "AT_ONCE", 2)
    for count in (1, 2, 4):
        page = client.ask(f"?_type={names}&_tag=several&_count={count}")
        assert "total" not in page.body
        assert len(page.matches) == count
        assert everything(client, page) == whole
    other = ward.edge.client("Dr Lake").ask(page.link("next") or "")
    assert (other.status, other.issue[0]) == (410, "expired")


def test_what_is_too_much_is_refused_before_anything_is_opened(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, names = ward.reader, ",".join(TYPES)
    assert client.ask(f"?_type={names}&_tag=several&_sort=-_lastUpdated&_summary=count").body["total"] == 6
    opened: list[Any] = []
    monkeypatch.setattr(searching, "MOST_LOOKED", 4)
    monkeypatch.setattr(Sight, "_show", lambda *given: opened.append(given))
    for more in ("_sort=-_lastUpdated", "_summary=count", "_total=accurate", "_has:Provenance:target:_id=1"):
        refused = client.ask(f"?_type={names}&_tag=several&{more}")
        assert (refused.status, refused.issue[0]) == (403, "too-costly"), more
    assert opened == []


def test_an_order_over_several_types_is_that_of_what_they_share(ward: Ward) -> None:
    page = ward.reader.ask(f"?_type={','.join(TYPES)}&_tag=several&_sort=-_id")
    ids = [each["id"] for each in page.matches]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 6


def test_whose_records_are_meant_is_chosen_as_everywhere(ward: Ward) -> None:
    adam = ward.edge.story.adam.hex()
    client = settled(ward.edge.client("Dr Stay"))
    named = client.ask(f"?_type={','.join(TYPES)}&patient={adam}")
    assert sorted(everything(client, named)) == sorted(apart(client, f"patient={adam}"))
    assert named.matches
    refused = ward.edge.client("Dr Lake").ask(f"?_type=Condition,Encounter&patient={adam}")
    assert refused.status == ward.edge.client("Dr Lake").ask(f"Condition?patient={adam}").status == 403


def test_an_apps_token_searches_only_what_its_scopes_name(ward: Ward) -> None:
    staff, now = ward.doctor, ward.edge.story.world.clock.now()
    token, _ = tokens.issue(staff, Purpose.TREAT, now, DAY, scopes="user/Condition.s user/Observation.r")
    app = Client(ward.edge.gateway.base, token)
    assert {each.partition("/")[0] for each in everything(app, app.ask("?_tag=several"))} == {"Condition"}
    for kind in ("Observation", "Condition,Observation", "Encounter"):
        refused = app.ask(f"?_type={kind}&_tag=several")
        assert (refused.status, refused.issue[0]) == (403, "forbidden"), kind
    token, _ = tokens.issue(staff, Purpose.TREAT, now, DAY, scopes="user/Condition.r")
    nothing = Client(ward.edge.gateway.base, token).ask("?_tag=several")
    assert (nothing.status, nothing.issue[0]) == (403, "forbidden")


def test_the_capability_statement_says_what_all_types_are_searched_by(edge: Edge) -> None:
    rest = edge.stranger().ask("metadata").body["rest"][0]
    assert "search-system" in {each["code"] for each in rest["interaction"]}
    assert {each["name"] for each in rest["searchParam"]} >= {"_id", "_lastUpdated", "_tag", "_profile"}
