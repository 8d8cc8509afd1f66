"""Transactions of every method, over HTTP: whole or not at all, in R4's order, entries referring to each other."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.workflows.chart import copies
from gateway.edge_world import JSON, Client, Edge, Reply
from gateway.test_batches import Entry, asks, condition, json_patch, made, send, statuses
from gateway.test_scopes import app
from gateway.ward import Ward
from story import DIAGNOSIS

SYSTEM = "urn:test:ids"


@pytest.fixture(scope="module")
def ward(edge: Edge) -> Ward:
    return Ward(edge)


@pytest.fixture
def alias(ward: Ward) -> str:
    return ward.patient().alias.hex()


def named(alias: str, words: str, value: str, **more: Any) -> dict[str, Any]:
    """A condition with an identifier."""
    return condition(alias, words, identifier=[{"system": SYSTEM, "value": value}], **more)


def whole(entry: Entry, full_url: str) -> Entry:
    return {"fullUrl": full_url, **entry}


def urn() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def place(reply: Reply, at: int) -> str:
    """Type and id of what that entry was answered to be."""
    return str(reply.body["entry"][at]["response"]["location"]).partition("/_history/")[0]


def refused(ward: Ward, status: int, entry: int, *entries: Entry, by: Client | None = None) -> Reply:
    """A transaction that is refused for that entry, and of which nothing is left."""
    before = copies(ward.city)
    reply = send(by or ward.reader, "transaction", *entries)
    assert (reply.status, reply.body["resourceType"]) == (status, "OperationOutcome"), reply.body
    [issue] = reply.body["issue"]
    assert issue["expression"] == [f"Bundle.entry[{entry}]"], issue
    assert issue["diagnostics"].startswith(f"Bundle.entry[{entry}]: ")
    assert copies(ward.city) == before
    return reply


def said(ward: Ward, path: str) -> str:
    return str(ward.reader.ask(path).body["code"]["text"])


# Methods ---------------------------------------------------------------------------------------------


def test_a_transaction_of_all_methods_is_answered_in_the_order_of_its_entries(ward: Ward, alias: str) -> None:
    doctor = ward.reader
    changed, patched, ended, again = (
        made(doctor, alias, each) for each in ("changed", "patched", "ended", "again")
    )
    at = [f"Condition/{each.body['id']}" for each in (changed, patched, ended, again)]
    reply = send(
        doctor,
        "transaction",
        asks("GET", f"Condition?patient={alias}&code=new"),
        asks(
            "PUT", at[0], {**changed.body, "code": {"text": "changed by it"}}, ifMatch=changed.headers["ETag"]
        ),
        asks("PATCH", at[1], json_patch({"op": "replace", "path": "/code/text", "value": "patched by it"})),
        asks("DELETE", at[2]),
        asks("POST", "Condition", condition(alias, "new")),
        asks("DELETE", f"Condition?patient={alias}&code=again"),
        asks("GET", at[0]),
        asks("GET", at[2]),
        asks("HEAD", at[1]),
    )
    assert (reply.status, reply.body["type"]) == (200, "transaction-response"), reply.body
    assert [each[:3] for each in statuses(reply)] == [
        "200",
        "200",
        "200",
        "204",
        "201",
        "204",
        "200",
        "410",
        "200",
    ]
    entries = reply.body["entry"]
    assert [
        each["resource"]["id"]
        for each in entries[0]["resource"]["entry"]
        if each["search"]["mode"] == "match"
    ]
    assert (said(ward, at[0]), said(ward, at[1])) == ("changed by it", "patched by it")
    assert entries[6]["resource"]["code"]["text"] == "changed by it"
    assert [doctor.ask(each).status for each in (at[2], at[3])] == [410, 410]
    assert said(ward, place(reply, 4)) == "new"
    for each in (1, 2):
        assert set(entries[each]) == {"response"}
        assert doctor.ask(at[each - 1]).headers["ETag"] == entries[each]["response"]["etag"]
    assert set(entries[8]) == {"response"}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET", "POST"])
def test_a_transaction_of_one_method_does_what_the_request_would(ward: Ward, alias: str, method: str) -> None:
    one = made(ward.reader, alias, "one")
    path = f"Condition/{one.body['id']}"
    entry = {
        "PUT": asks("PUT", path, {**one.body, "code": {"text": "anew"}}),
        "PATCH": asks("PATCH", path, json_patch({"op": "replace", "path": "/code/text", "value": "anew"})),
        "DELETE": asks("DELETE", path),
        "GET": asks("GET", path),
        "POST": asks("POST", "Condition", condition(alias, "beside")),
    }[method]
    reply = send(ward.reader, "transaction", entry)
    assert reply.status == 200, reply.body
    shown = ward.reader.ask(path)
    assert (shown.status, shown.body.get("code", {}).get("text")) == {
        "PUT": (200, "anew"), "PATCH": (200, "anew"), "DELETE": (410, None), "GET": (200, "one"), "POST": (200, "one"),
    }[method]  # fmt: skip


@pytest.mark.parametrize("type", ["transaction", "batch"])
def test_what_is_created_twice_in_one_bundle_is_there_twice(ward: Ward, alias: str, type: str) -> None:
    twice = [asks("POST", "Condition", condition(alias, "twice"))] * 2
    reply = send(ward.reader, type, *twice)
    assert [each[:3] for each in statuses(reply)] == ["201", "201"], reply.body
    assert place(reply, 0) != place(reply, 1)


def test_an_empty_transaction_does_nothing(ward: Ward) -> None:
    reply = send(ward.reader, "transaction")
    assert (reply.status, reply.body) == (200, {"resourceType": "Bundle", "type": "transaction-response"})


def test_what_is_written_of_several_patients_is_anchored_once(ward: Ward) -> None:
    one, other = (ward.patient().alias.hex() for _ in range(2))
    first = made(ward.reader, one, "first")
    send(ward.reader, "transaction", asks("POST", "Condition", condition(other, "warm")))
    ledger = ward.edge.story.world.ledger
    before = ledger.fresh_head().head.number
    changed = {**first.body, "code": {"text": "second"}}
    reply = send(
        ward.reader,
        "transaction",
        asks("PUT", f"Condition/{first.body['id']}", changed),
        asks("POST", "Condition", condition(other, "beside")),
        asks("POST", "Condition", condition(one, "too")),
    )
    assert reply.status == 200, reply.body
    assert ledger.fresh_head().head.number == before + 1


def test_what_was_written_comes_back_where_the_client_prefers_it(ward: Ward, alias: str) -> None:
    one = made(ward.reader, alias, "preferred")
    entries = [
        asks("PUT", f"Condition/{one.body['id']}", {**one.body, "code": {"text": "anew"}}),
        asks("POST", "Condition", condition(alias, "created")),
    ]
    reply = send(ward.reader, "transaction", *entries, Prefer="return=representation")
    assert [each["resource"]["code"]["text"] for each in reply.body["entry"]] == ["anew", "created"]
    for each in reply.body["entry"]:
        assert each["response"]["location"].endswith(each["resource"]["meta"]["versionId"])
    plain = send(ward.reader, "transaction", asks("POST", "Condition", condition(alias, "another")))
    assert set(plain.body["entry"][0]) == {"response"}


# Conditions ------------------------------------------------------------------------------------------


def test_what_is_there_is_not_created_again_and_others_refer_to_it(ward: Ward, alias: str) -> None:
    there = made(ward.reader, alias, "there")
    known, new = urn(), urn()
    reply = send(
        ward.reader,
        "transaction",
        whole(asks("POST", "Condition", condition(alias, "there"), ifNoneExist="code=there"), known),
        whole(asks("POST", "Condition", condition(alias, "not yet"), ifNoneExist="code=not yet"), new),
        asks("POST", "Condition", condition(alias, "points", evidence=[{"detail": [{"reference": known}]}])),
        asks("POST", "Condition", condition(alias, "too", evidence=[{"detail": [{"reference": new}]}])),
    )
    assert [each[:3] for each in statuses(reply)] == ["200", "201", "201", "201"], reply.body
    assert place(reply, 0) == f"Condition/{there.body['id']}"
    for at, to in ((2, 0), (3, 1)):
        shown = ward.reader.ask(place(reply, at)).body
        assert shown["evidence"][0]["detail"][0]["reference"] == place(reply, to)


@pytest.mark.parametrize("matches", [0, 1, 2])
def test_a_condition_by_a_search_wants_one_record_or_none(ward: Ward, alias: str, matches: int) -> None:
    for each in range(matches):
        made(ward.reader, alias, f"twin {each}")
    search = "code:text=twin"
    new = asks("POST", "Condition", condition(alias, "twin anew"), ifNoneExist=search)
    put = asks("PUT", f"Condition?patient={alias}&{search}", condition(alias, "twin put"))
    if matches == 2:
        refused(ward, 412, 0, new)
        refused(ward, 412, 1, asks("POST", "Condition", condition(alias, "in vain")), put)
        refused(ward, 412, 0, asks("DELETE", f"Condition?patient={alias}&{search}"))
        return
    assert [each[:3] for each in statuses(send(ward.reader, "transaction", new))] == [["201", "200"][matches]]
    changed = send(ward.reader, "transaction", put)
    assert [each[:3] for each in statuses(changed)] == ["200"], changed.body
    assert said(ward, place(changed, 0)) == "twin put"


def test_an_update_by_a_search_that_finds_nothing_creates(ward: Ward, alias: str) -> None:
    put = asks("PUT", f"Condition?patient={alias}&identifier={SYSTEM}|7", named(alias, "seven", "7"))
    first, second = (send(ward.reader, "transaction", put) for _ in range(2))
    assert [statuses(each)[0][:3] for each in (first, second)] == ["201", "200"]
    assert place(first, 0) == place(second, 0)
    stated = {**named(alias, "eight", "8"), "id": "eight"}
    refused(ward, 405, 0, asks("PUT", f"Condition?patient={alias}&identifier={SYSTEM}|8", stated))


@pytest.mark.parametrize("matches", [0, 1, 2])
def test_a_conditional_reference_names_one_record_or_refuses_the_whole(
    ward: Ward, alias: str, matches: int
) -> None:
    value = f"reference-{matches}"
    for each in range(matches):
        body = json.dumps(named(alias, f"evidence {each}", value)).encode()
        assert ward.reader.ask("Condition", "POST", body, Content_Type=JSON).status == 201
    detail = [{"detail": [{"reference": f"Condition?identifier={SYSTEM}|{value}"}]}]
    entries = [
        asks("POST", "Condition", condition(alias, "first")),
        asks("POST", "Condition", condition(alias, "by search", evidence=detail)),
    ]
    if matches != 1:
        refused(ward, {0: 404, 2: 412}[matches], 1, *entries)
        return
    reply = send(ward.reader, "transaction", *entries)
    assert reply.status == 200, reply.body
    shown = ward.reader.ask(place(reply, 1)).body["evidence"][0]["detail"][0]["reference"]
    assert said(ward, shown) == "evidence 0"


def test_a_conditional_reference_finds_what_the_transaction_writes_and_not_what_it_takes_back(
    ward: Ward, alias: str
) -> None:
    gone = named(alias, "gone", "here")
    there = ward.reader.ask("Condition", "POST", json.dumps(gone).encode(), Content_Type=JSON)
    detail = [{"detail": [{"reference": f"Condition?identifier={SYSTEM}|here"}]}]
    one = made(ward.reader, alias, "changed")
    reply = send(
        ward.reader,
        "transaction",
        asks("POST", "Condition", condition(alias, "points", evidence=detail)),
        asks("PUT", f"Condition/{one.body['id']}", {**one.body, "evidence": detail}),
        whole(asks("POST", "Condition", named(alias, "new", "here")), urn()),
        asks("DELETE", f"Condition/{there.body['id']}"),
    )
    assert reply.status == 200, reply.body
    for each in (0, 1):
        shown = ward.reader.ask(place(reply, each)).body["evidence"][0]["detail"][0]["reference"]
        assert shown == place(reply, 2)


def test_a_conditional_reference_may_name_the_patient(ward: Ward) -> None:
    system, value, called = "urn:test:mrn", uuid.uuid4().hex, urn()
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": system, "value": value}],
        "name": [{"family": "X"}],
    }
    about = {"reference": f"Patient?identifier={system}|{value}"}
    new = condition("0" * 64, "of who is new", subject=about)
    first = send(
        ward.reader,
        "transaction",
        asks("POST", "Condition", new),
        whole(asks("POST", "Patient", patient), called),
    )
    assert [each[:3] for each in statuses(first)] == ["201", "201"], first.body
    subject = ward.reader.ask(place(first, 0)).body["subject"]["reference"]
    assert subject == place(first, 1)
    second = send(ward.reader, "transaction", asks("POST", "Condition", {**new, "code": {"text": "later"}}))
    assert second.status == 200, second.body
    assert ward.reader.ask(place(second, 0)).body["subject"]["reference"] == subject


def test_what_is_hidden_is_found_by_no_condition(edge: Edge, ward: Ward, alias: str) -> None:
    """What another organisation wrote of a patient who lets nobody here see it: no match, as if it were not there."""
    body = json.dumps(named(alias, "hidden", "secret")).encode()
    assert ward.reader.ask("Condition", "POST", body, Content_Type=JSON).status == 201
    lake = edge.client("Dr Lake")
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:lake", "value": uuid.uuid4().hex}]}
    registered = send(lake, "transaction", asks("POST", "Patient", patient))
    theirs = place(registered, 0).partition("/")[2]
    references = []
    for value in ("secret", "nothing"):
        detail = [{"detail": [{"reference": f"Condition?identifier={SYSTEM}|{value}"}]}]
        references.append(
            send(lake, "transaction", asks("POST", "Condition", condition(theirs, "x", evidence=detail)))
        )
    assert [each.status for each in references] == [404, 404]
    assert references[0].body == references[1].body
    replies = [
        send(
            lake, "transaction", asks("POST", "Condition", condition(alias, "x"), ifNoneExist=f"code={each}")
        )
        for each in ("hidden", "nothing")
    ]
    assert [each.status for each in replies] == [403, 403]
    assert replies[0].body == replies[1].body


# References ------------------------------------------------------------------------------------------


def test_entries_refer_to_each_other_in_whatever_order_and_by_whatever_method(ward: Ward, alias: str) -> None:
    one, two = made(ward.reader, alias, "one"), made(ward.reader, alias, "two")
    created, updated = urn(), urn()
    patch = json_patch({"op": "add", "path": "/evidence", "value": [{"detail": [{"reference": created}]}]})  # type: ignore[dict-item]
    pointing = [{"detail": [{"reference": created}]}]
    reply = send(
        ward.reader,
        "transaction",
        whole(asks("PUT", f"Condition/{one.body['id']}", {**one.body, "evidence": pointing}), updated),
        asks("PATCH", f"Condition/{two.body['id']}", patch),
        asks("POST", "Condition", condition(alias, "back", evidence=[{"detail": [{"reference": updated}]}])),
        whole(asks("POST", "Condition", condition(alias, "target")), created),
    )
    assert reply.status == 200, reply.body
    for at, to in ((0, 3), (1, 3), (2, 0)):
        shown = ward.reader.ask(place(reply, at)).body["evidence"][0]["detail"][0]["reference"]
        assert shown == place(reply, to), at


def test_numbers_keep_their_digits_where_a_reference_is_replaced(ward: Ward, alias: str) -> None:
    there = made(ward.reader, alias, "anchor")
    known = urn()
    text = json.dumps(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "weight"},
            "subject": {"reference": f"Patient/{alias}"},
            "focus": [{"reference": known}],
            "valueQuantity": {"value": 0, "unit": "kg"},
        }
    ).replace('"value": 0', '"value": 70.10')
    exists = whole(asks("POST", "Condition", condition(alias, "anchor"), ifNoneExist="code=anchor"), known)
    body = json.dumps(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [exists, asks("POST", "Observation", "HERE")],
        }
    ).replace('"HERE"', text)
    reply = ward.reader.ask("", "POST", body.encode(), Content_Type=JSON)
    assert reply.status == 200, reply.body
    assert place(reply, 0) == f"Condition/{there.body['id']}"
    asked = ward.reader.pool.request(
        "GET",
        f"{ward.reader.base}/{place(reply, 1)}",
        headers={"Authorization": f"Bearer {ward.reader.token}"},
    )
    assert b'"value":70.10' in asked.data.replace(b" ", b"")
    assert json.loads(asked.data)["focus"][0]["reference"] == place(reply, 0)


@pytest.mark.parametrize("name", ["reference", r"\u0072eference", r"r\u0065\u0066erence"])
def test_a_reference_is_replaced_however_its_name_is_written(ward: Ward, alias: str, name: str) -> None:
    there, known = made(ward.reader, alias, "escaped"), urn()
    entries = [
        whole(asks("POST", "Condition", condition(alias, "escaped"), ifNoneExist="code=escaped"), known),
        *(
            asks("POST", "Condition", condition(alias, words, evidence=[{"detail": [{"NAME": to}]}]))
            for words, to in ((r"by \u0072ef", known), ("by search", "Condition?code=escaped"))
        ),
    ]
    bundle = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    reply = ward.reader.ask("", "POST", bundle.replace("NAME", name).encode(), Content_Type=JSON)
    assert reply.status == 200, reply.body
    assert said(ward, place(reply, 1)) == r"by \u0072ef"
    for each in (1, 2):
        shown = ward.reader.ask(place(reply, each)).body["evidence"][0]["detail"][0]["reference"]
        assert shown == f"Condition/{there.body['id']}"


# Refusals --------------------------------------------------------------------------------------------


def test_two_entries_that_change_the_same_record_refuse_the_whole(ward: Ward, alias: str) -> None:
    one = made(ward.reader, alias, "twice")
    path = f"Condition/{one.body['id']}"
    put, delete = asks("PUT", path, one.body), asks("DELETE", path)
    patch = asks("PATCH", path, json_patch({"op": "replace", "path": "/code/text", "value": "x"}))
    search = asks("PUT", f"Condition?patient={alias}&code=twice", {**one.body, "id": one.body["id"]})
    for other in (put, patch, search):
        reply = refused(ward, 400, 1, put, other)
        assert "changes the same record as Bundle.entry[0]" in reply.issue[1]
    refused(ward, 400, 1, delete, patch)
    refused(ward, 400, 1, delete, delete)
    for id in (one.body["id"].upper(), one.body["id"].replace("-", "")):
        again = asks("DELETE", f"Condition/{id}")
        refused(ward, 400, 1, again, put)
        refused(ward, 400, 1, delete, again)
    assert said(ward, path) == "twice"


@pytest.mark.parametrize(
    ("status", "entry"),
    [
        (400, asks("POST", "Condition", {"resourceType": "Condition", "code": 7})),
        (400, asks("POST", "Observation", {"resourceType": "Condition"})),
        (405, asks("PUT", "Condition/unknown", {"resourceType": "Condition", "id": "unknown"})),
        (400, asks("PUT", "Condition/unknown", {"resourceType": "Condition", "id": "another"})),
        (400, asks("PUT", "Observation?code=x", condition("0" * 64, "x"))),
        (404, asks("DELETE", "Condition/00000000-0000-4000-8000-000000000000")),
        (404, asks("GET", "Potion/1")),
        (404, asks("GET", "$export")),
        (400, asks("POST", "Patient/$match", {"resourceType": "Parameters"})),
        (400, asks("POST", "Condition", {"resourceType": "Condition"}, ifNoneExist="never-heard=1")),
        (
            404,
            asks(
                "POST",
                "Condition",
                {"resourceType": "Condition", "subject": {"reference": f"Patient/{'0' * 64}"}},
            ),
        ),
    ],
)
def test_a_bad_entry_is_named_and_the_others_are_not_written(
    ward: Ward, alias: str, status: int, entry: Entry
) -> None:
    if "ifNoneExist" in entry["request"]:
        entry = {**entry, "resource": condition(alias, "x")}
    before = copies(ward.city)
    good = asks("POST", "Condition", condition(alias, "in vain"))
    reply = send(ward.reader, "transaction", good, entry)
    assert (reply.status, "Bundle.entry[1]" in reply.issue[1]) == (status, True), reply.body
    assert copies(ward.city) == before


def test_a_version_that_is_not_the_newest_refuses_the_whole(ward: Ward, alias: str) -> None:
    one, two = made(ward.reader, alias, "one"), made(ward.reader, alias, "two")
    at = [f"Condition/{each.body['id']}" for each in (one, two)]
    put = asks("PUT", at[0], {**one.body, "code": {"text": "in vain"}}, ifMatch=one.headers["ETag"])
    refused(ward, 412, 1, put, asks("PUT", at[1], two.body, ifMatch=one.headers["ETag"]))
    refused(ward, 412, 1, put, asks("DELETE", at[1], ifMatch=one.headers["ETag"]))
    assert [said(ward, each) for each in at] == ["one", "two"]


def test_another_organisations_record_is_neither_changed_nor_taken_back(
    edge: Edge, ward: Ward, alias: str
) -> None:
    """Adam lets City's doctor see and append, not amend: what Stay's doctor wrote stays hers, the whole is refused."""
    adam, doctor, story = edge.story.adam.hex(), ward.reader, edge.story
    for label, permission in (
        ("Dr City", Permission.VIEW),
        ("Dr City", Permission.APPEND),
        ("Dr Stay", Permission.APPEND),
    ):
        story.grant(story.adam, story.staff[label], (DIAGNOSIS,), permission)
    stay = edge.client("Dr Stay")
    assert send(stay, "transaction", asks("POST", "Condition", condition(adam, "theirs"))).status == 200
    [theirs] = doctor.ask(f"Condition?patient={adam}&code=theirs").matches
    mine = made(doctor, alias, "mine")
    put = asks("PUT", f"Condition/{mine.body['id']}", {**mine.body, "code": {"text": "in vain"}})
    path = f"Condition/{theirs['id']}"
    new = asks("POST", "Condition", condition(alias, "x"))
    refused(ward, 403, 2, put, new, asks("PUT", path, theirs), by=doctor)
    refused(ward, 403, 1, put, asks("DELETE", path), by=doctor)
    assert said(ward, f"Condition/{mine.body['id']}") == "mine"
    assert doctor.ask(path).status == 200


def test_a_stranger_changes_nothing_by_a_transaction(edge: Edge, ward: Ward, alias: str) -> None:
    one = made(ward.reader, alias, "not theirs")
    path = f"Condition/{one.body['id']}"
    lake = edge.client("Dr Lake")
    organisation = edge.story.staff["Dr Lake"].organisation
    before = copies(organisation)
    for status, entry in (
        (405, asks("PUT", path, one.body)),
        (405, asks("PATCH", path, json_patch({"op": "remove", "path": "/code"}))),
        (404, asks("DELETE", path)),
        (403, asks("DELETE", f"Condition?patient={alias}&code=not theirs")),
        (403, asks("POST", "Condition", condition(alias, "theirs"))),
    ):
        reply = send(lake, "transaction", entry)
        assert reply.status == status, (entry["request"], reply.body)
        assert reply.body["issue"][0]["expression"] == ["Bundle.entry[0]"]
    assert copies(organisation) == before
    assert said(ward, path) == "not theirs"
    assert len(ward.reader.ask(f"Condition?patient={alias}").matches) == 1


def test_where_one_patient_may_not_be_written_of_nobody_is(edge: Edge, ward: Ward, alias: str) -> None:
    clerk, adam = edge.client("clerk"), edge.story.adam.hex()
    organisation = edge.story.staff["clerk"].organisation
    before = copies(organisation)
    entries = [asks("POST", "Condition", condition(each, "x")) for each in (alias, adam)]
    reply = send(clerk, "transaction", *entries)
    assert reply.status == 403, reply.body
    assert reply.body["issue"][0]["expression"] == ["Bundle.entry[1]"]
    assert copies(organisation) == before


def test_an_app_does_in_a_transaction_what_its_scopes_say_of_each_entry(
    edge: Edge, ward: Ward, alias: str
) -> None:
    one = made(ward.reader, alias, "by an app")
    path = f"Condition/{one.body['id']}"
    new, put, delete, read = (
        asks("POST", "Condition", condition(alias, "app's")),
        asks("PUT", path, {**one.body, "code": {"text": "changed by an app"}}),
        asks("DELETE", path),
        asks("GET", path),
    )
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
                   "subject": {"reference": f"Patient/{alias}"}}  # fmt: skip
    before = copies(ward.city)
    limited = app(edge, "Dr City", "user/Condition.cr")
    for entry in (put, delete, asks("POST", "Observation", observation)):
        reply = send(limited, "transaction", new, entry)
        assert (reply.status, reply.body["issue"][0]["expression"]) == (403, ["Bundle.entry[1]"])
    assert copies(ward.city) == before
    assert [each[:3] for each in statuses(send(limited, "transaction", new, read))] == ["201", "200"]
    search = asks("POST", "Condition", condition(alias, "x"), ifNoneExist="code=x")
    assert send(limited, "transaction", search).status == 403
    full = app(edge, "Dr City", "user/Condition.cruds")
    assert [each[:3] for each in statuses(send(full, "transaction", put, search))] == ["200", "201"]
