"""An organisation's own writings are searched across patients by its own posts alone, and its index hides nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import story
from careledger.adapters.index import file
from careledger.adapters.index.file import WritingsFile, remove
from careledger.app import tokens
from careledger.app.own_index import open_index, place
from careledger.domain.consents import Purpose
from careledger.domain.errors import StoreCorrupt, StoreUnavailable
from careledger.gateway import searching, server
from careledger.gateway.own import chart
from careledger.gateway.own.chart import Charts, Writings
from careledger.gateway.server import Gateway
from careledger.workflows.chart import copies
from careledger.workflows.epochs import own_statement
from careledger.workflows.retract import retract
from gateway.edge_world import DAY, JSON, Client, Edge, Reply
from gateway.ward import SYSTEM, Ward
from story import Story


@pytest.fixture
def ward(edge: Edge) -> Ward:
    return Ward(edge)


def code() -> str:
    """A code that nothing else has."""
    return uuid.uuid4().hex[:12]


def texts(found: Reply) -> list[str]:
    return [each["code"]["text"] for each in found.matches]


def everything(client: Client, page: Reply) -> list[str]:
    """The texts of this page and all that follow."""
    found = texts(page)
    while (following := page.link("next")) is not None:
        page = client.ask(following)
        assert page.status == 200, page.body
        found += texts(page)
    return found


def test_a_search_without_a_patient_finds_what_was_written_about_several(ward: Ward) -> None:
    sought, other = code(), code()
    for text in ("first", "second"):
        assert ward.diagnosed(ward.patient(), sought, text).status == 201
    ward.diagnosed(ward.patient(), other)
    found = ward.reader.ask(f"Condition?code={SYSTEM}|{sought}")
    assert (texts(found), found.body["total"]) == (["first", "second"], 2)
    one = found.matches[0]
    assert ward.reader.ask(f"Condition/{one['id']}").body == one
    assert one["meta"]["lastUpdated"] <= found.matches[1]["meta"]["lastUpdated"]
    for query, expected in (
        (f"code={sought},{other}", 3),
        (f"code={sought}&code={other}", 0),
        (f"code={sought}&_id={one['id']}", 1),
        (f"code={sought}&subject:missing=false", 2),
        (f"code={sought}&code:not={sought}", 0),
        (f"code={sought}&code:text=first", 1),
        (f"code={sought}&_lastUpdated=ge2000", 2),
        (f"code={sought}&_summary=count", 2),
    ):
        assert ward.reader.ask(f"Condition?{query}").body["total"] == expected, query


def test_what_a_form_left_empty_is_passed_over_and_named_but_never_whose_records_are_meant(
    ward: Ward,
) -> None:
    sought = code()
    holder = ward.patient()
    assert ward.diagnosed(holder, sought).status == 201
    given = f"code={sought}&clinical-status=&_sort=&onset-date&_count="
    found = ward.reader.ask(f"Condition?{given}")
    assert (found.status, found.body["total"]) == (200, 1)
    assert found.said["not-supported"] == "Not looked at: clinical-status, _sort, onset-date, _count."
    [own] = [each["url"] for each in found.body["link"] if each["relation"] == "self"]
    assert own == f"{ward.reader.base}/Condition?code={sought}"
    assert ward.reader.ask(f"Condition?{given}", Prefer="handling=strict").status == 400
    for whose in ("patient=", "subject:Patient=", "_id="):
        assert ward.reader.ask(f"Condition?code={sought}&{whose}").status == 400, whose
    for path in ("", "?_type=", "?name="):
        assert ward.reader.ask(path).status == 400, path
    for method, body in (("PUT", b"{}"), ("DELETE", None)):
        more = {"Content_Type": "application/fhir+json"} if body else {}
        place = f"Condition?patient={holder.alias.hex()}&code="
        assert ward.reader.ask(place, method, body, **more).status == 400, method


def test_nobody_else_finds_any_of_it(ward: Ward) -> None:
    sought = code()
    ward.diagnosed(ward.patient(), sought)
    assert len(ward.reader.ask(f"Condition?code={sought}").matches) == 1
    for stranger in ("clerk", "Dr Lake", "Dr Stay"):  # the matrix lets no nurse read diagnoses
        client = ward.edge.client(stranger)
        there, nothing = client.ask(f"Condition?code={sought}"), client.ask(f"Condition?code={code()}")
        assert (there.matches, there.body["total"]) == ([], 0), stranger
        assert {**there.body, "link": 0} == {**nothing.body, "link": 0}, stranger
        for history in ("Condition/_history", "_history"):
            assert sought not in json.dumps(client.ask(history).body), (stranger, history)
    page = ward.reader.ask("Condition?_count=1").link("next")
    assert page is None or ward.edge.client("Dr Lake").ask(page).status == 410


def test_pages_survive_what_is_written_between_them(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "AT_ONCE", 2)
    holder, sought = ward.patient(), code()
    for at in range(5):
        ward.diagnosed(holder, sought, f"{at}")
    client = ward.reader
    page = client.ask(f"Condition?code={sought}&_count=2")
    assert texts(page) == ["0", "1"]
    assert "total" not in page.body
    assert sought not in (page.link("next") or "")
    ward.diagnosed(holder, sought, "new")
    assert ward.reader.ask(f"Condition/{page.matches[0]['id']}", "DELETE").status == 204
    assert everything(client, page) == ["0", "1", "2", "3", "4", "new"]
    assert everything(client, client.ask(f"Condition?code={sought}&_count=2")) == ["1", "2", "3", "4", "new"]


def test_an_order_is_kept_over_pages(ward: Ward) -> None:
    holder, sought = ward.patient(), code()
    for day in ("02", "04", "01", "03"):
        ward.diagnosed(holder, sought, day, recordedDate=f"2026-03-{day}")
    client = ward.reader
    page = client.ask(f"Condition?code={sought}&_sort=-recorded-date&_count=3")
    assert page.body["total"] == 4
    ward.diagnosed(holder, sought, "05", recordedDate="2026-03-05")
    assert everything(client, page) == ["04", "03", "02", "01"]


YEARS = {"system": "http://unitsofmeasure.org", "code": "a"}
ORDERS = ("recorded-date", "-recorded-date", "-onset-info", "onset-info,-recorded-date", "code,recorded-date",
          "-code,-onset-info,recorded-date", "-_lastUpdated,onset-info", "onset-age,code", "-onset-age,recorded-date",
          "clinical-status", "-severity,recorded-date", "severity,-recorded-date", "_id", "-category,_id",
          "patient,-recorded-date", "-subject,_id", "onset-info,patient")  # fmt: skip


@pytest.mark.parametrize("few", [0, 5_000], ids=["gone through", "put in order"])
def test_an_order_beyond_what_is_put_in_order_at_once_is_the_same_by_the_index(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """The second evaluator is the sort in memory, which orders what are few."""
    holder, sought = ward.patient(), code()
    for at in range(11):
        more: dict[str, Any] = (
            {"recordedDate": ("2025-03", "2025-03-04", "2025-03-04T10:00:00Z")[at % 3]} if at % 4 else {}
        )
        if at % 2:
            more["onsetString"] = ("Émile", "emil", "Zoë", "a" * 150, "b")[at % 5]
        elif at % 3:
            more["onsetAge"] = {"value": [2, 10, 1.5, 200][at % 4]} | YEARS
        if at % 3 == 1:
            more["severity"] = {"coding": [{"code": ("Mild", "severe", "BAD")[at % 2]}, {"code": f"x{at}"}]}
        assert ward.diagnosed(holder, sought, f"{at}", **more).status == 201
    client = ward.reader
    wanted = {order: texts(client.ask(f"Condition?code={sought}&_sort={order},_id")) for order in ORDERS}
    assert all(len(each) == 11 for each in wanted.values())
    assert len({tuple(each) for each in wanted.values()}) > 6
    monkeypatch.setattr(searching, "MOST_LOOKED", 5)
    monkeypatch.setattr(file, "FEW", few)
    for order, expected in wanted.items():
        for count in (1, 4):
            page = client.ask(f"Condition?code={sought}&_sort={order},_id&_count={count}")
            assert "total" not in page.body
            assert everything(client, page) == expected, (order, count)


def named(found: dict[str, Any], element: str) -> list[str]:
    """What a reference names, written from the documentation alone: its id."""
    text = found.get(element, {}).get("reference")
    return [] if text is None else [text.rpartition("/")[2].removeprefix("urn:uuid:")]


def profiles(found: dict[str, Any]) -> list[str]:
    return list(found["meta"].get("profile", []))


def in_order(
    pool: list[dict[str, Any]], read: Callable[[dict[str, Any]], list[str]], down: bool
) -> list[str]:
    """The texts of those that have a value, put in order by Python."""
    there = [((max if down else min)(read(each)), each["code"]["text"]) for each in pool if read(each)]
    return [text for _, text in sorted(there, key=lambda pair: pair[0], reverse=down)]


@pytest.mark.parametrize("few", [0, 5_000], ids=["gone through", "put in order"])
def test_references_and_addresses_have_an_order_by_the_index_and_what_is_not_wanted_is_passed_over(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    holders, sought, unwanted = [ward.patient() for _ in range(7)], code(), code()
    for at in range(14):
        visit = (
            f"Encounter/{uuid.uuid4()}",
            f"urn:uuid:{uuid.uuid4()}",
            f"http://a.example/Encounter/{code()}",
        )
        more: dict[str, Any] = {"encounter": {"reference": visit[at % 3]}} if at < 12 else {}
        if at % 5:
            more["meta"] = {"profile": [f"http://a.example/{code()}", f"urn:{code()}"][at % 2 :]}
        more["category"] = [{"coding": [{"system": SYSTEM, "code": (sought, unwanted)[at % 7 == 5]}]}]
        assert ward.diagnosed(holders[at % 7], sought, f"{at}", **more).status == 201
    client, asked = ward.reader, f"Condition?code={sought}&category:not={SYSTEM}|{unwanted}"
    pool = client.ask(asked).matches
    assert len(pool) == 12
    monkeypatch.setattr(searching, "MOST_LOOKED", 5)
    monkeypatch.setattr(file, "FEW", few)
    reads: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "encounter": lambda each: named(each, "encounter"),
        "_profile": profiles,
        "subject": lambda each: named(each, "subject"),
        "patient": lambda each: named(each, "subject"),
    }
    for name, sign, count in product(reads, ("", "-"), (1, 4)):
        page = client.ask(f"{asked}&_sort={sign}{name},_id&_count={count}")
        assert "total" not in page.body
        found, expected = everything(client, page), in_order(pool, reads[name], bool(sign))
        assert (len(found), len(set(found))) == (12, 12)
        if name in ("encounter", "_profile"):  # each has a value of its own
            assert found[: len(expected)] == expected, (name, sign)
        values = {each["code"]["text"]: reads[name](each) for each in pool}
        assert [values[each] for each in found][: len(expected)] == [values[each] for each in expected]
    assert set(everything(client, client.ask(f"{asked}&_count=3"))) == {each["code"]["text"] for each in pool}


def visited(ward: Ward, sought: str, words: str) -> None:
    """A patient of one Bundle, in which what is written of the patient comes first."""
    person = f"urn:uuid:{uuid.uuid4()}"
    told = {"text": words, "coding": [{"system": SYSTEM, "code": sought}]}
    condition = {"resourceType": "Condition", "subject": {"reference": person}, "code": told}
    patient = {"resourceType": "Patient", "name": [{"text": f"Visitor {sought} {words}"}]}
    entries = [
        {"fullUrl": url, "request": {"method": "POST", "url": each["resourceType"]}, "resource": each}
        for url, each in (
            (f"urn:uuid:{uuid.uuid4()}", condition),
            (f"urn:uuid:{uuid.uuid4()}", condition),
            (person, patient),
        )
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    made = ward.edge.client("clerk").ask("", "POST", json.dumps(bundle).encode(), Content_Type=JSON)
    assert made.status == 200, made.body


def test_what_is_written_of_a_patient_before_the_patient_is_put_in_order_under_the_patient(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart, "AT_ONCE", 1)
    sought = code()
    for words in ("one", "two", "three"):
        visited(ward, sought, words)
    client = ward.reader
    assert len(client.ask(f"Condition?code={sought}").matches) == 6
    monkeypatch.setattr(searching, "MOST_LOOKED", 3)
    for name, sign in product(("patient", "subject"), ("", "-")):
        page = client.ask(f"Condition?code={sought}&_sort={sign}{name}&_count=2")
        assert "total" not in page.body
        found = list(page.matches)
        while (following := page.link("next")) is not None:
            page = client.ask(following)
            found += page.matches
        whose = [each["subject"]["reference"] for each in found]
        assert all(each.startswith("Patient/") for each in whose)
        assert (len(whose), whose) == (6, sorted(whose, reverse=bool(sign)))


def test_pages_in_an_order_survive_what_is_written_between_them(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MOST_LOOKED", 2)
    holder, sought = ward.patient(), code()
    for day in ("02", "06", "04", "08"):
        ward.diagnosed(holder, sought, day, recordedDate=f"2026-03-{day}")
    client = ward.reader
    page = client.ask(f"Condition?code={sought}&_sort=-recorded-date&_count=2")
    assert texts(page) == ["08", "06"]
    assert sought not in (page.link("next") or "")
    for day in ("05", "07", "09"):
        ward.diagnosed(holder, sought, day, recordedDate=f"2026-03-{day}")
    gone = client.ask(f"Condition?code={sought}&recorded-date=2026-03-04").matches[0]
    assert client.ask(f"Condition/{gone['id']}", "DELETE").status == 204
    assert everything(client, page) == ["08", "06", "05", "02"]


def test_what_a_lease_shows_stands_between_own_writings_in_the_order(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, other, sought = ward.patient(), ward.patient(), code()
    for whose, day in (
        (holder, "01"),
        (other, "02"),
        (holder, "03"),
        (other, "04"),
        (holder, "05"),
        (other, "06"),
    ):
        ward.diagnosed(whose, sought, day, recordedDate=f"2026-03-{day}")
    client = ward.reader
    assert len(client.ask(f"Condition?patient={holder.alias.hex()}").matches) == 3
    monkeypatch.setattr(searching, "MOST_LOOKED", 4)
    for count in (1, 2, 3):
        for sign, expected in (
            ("", ["01", "02", "03", "04", "05", "06"]),
            ("-", ["06", "05", "04", "03", "02", "01"]),
        ):
            page = client.ask(f"Condition?code={sought}&_sort={sign}recorded-date&_count={count}")
            assert everything(client, page) == expected, (sign, count)


def test_an_index_of_another_form_is_made_again(ward: Ward) -> None:
    sought = code()
    ward.diagnosed(ward.patient(), sought)
    path = place(ward.edge.story.world, ward.city)
    ward.writings.ask(lambda kept: kept._db.pragma("user_version", 1))
    with pytest.raises(StoreCorrupt):
        open_index(ward.edge.story.world, ward.city)
    assert path.exists()


def test_what_would_have_to_be_looked_at_one_by_one_is_refused_before_any_is(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, sought = ward.patient(), code()
    for at in range(4):
        ward.diagnosed(holder, sought, f"{at}")
    ward.reader.ask(f"Condition?code={sought}")
    opened = []
    monkeypatch.setattr(Writings, "open", lambda self, network, each: opened.append(each))
    monkeypatch.setattr(searching, "MOST_LOOKED", 3)
    monkeypatch.setattr(searching, "AT_ONCE", 2)
    for asked in (
        "_sort=recorded-date&_total=accurate",
        "_summary=count",
        "_total=accurate",
        "code:text=2",
    ):
        refused = ward.reader.ask(f"Condition?code={sought}&{asked}")
        assert (refused.status, refused.issue[0]) == (403, "too-costly"), asked
    assert opened == []


def test_what_refers_and_what_is_referred_to_is_found_and_comes_along(ward: Ward) -> None:
    sought = code()
    person, visit = f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
    resources: list[tuple[str, dict[str, Any]]] = [
        (person, {"resourceType": "Patient", "name": [{"text": f"Visitor {sought}"}]}),
        (visit, {
            "resourceType": "Encounter", "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "identifier": [{"system": "urn:visits", "value": sought}],
        }),
        (f"urn:uuid:{uuid.uuid4()}", {
            "resourceType": "Condition", "code": {"text": "seen", "coding": [{"system": SYSTEM, "code": sought}]},
            "encounter": {"reference": visit},
        }),
    ]  # fmt: skip
    entries = [
        {
            "fullUrl": url,
            "request": {"method": "POST", "url": each["resourceType"]},
            "resource": each if url == person else each | {"subject": {"reference": person}},
        }
        for url, each in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    made = ward.edge.client("clerk").ask("", "POST", json.dumps(bundle).encode(), Content_Type=JSON)
    assert made.status == 200, made.body
    path = made.body["entry"][1]["response"]["location"].partition("/_history")[0]
    client = ward.reader
    [found] = client.ask(f"Condition?code={sought}").matches
    assert found["encounter"]["reference"] == path
    for query in (
        f"encounter={path}",
        f"encounter.identifier={sought}",
        f"code={sought}&encounter.class=AMB",
    ):
        assert texts(client.ask(f"Condition?{query}")) == ["seen"], query
    assert client.ask(f"Condition?code={sought}&encounter.class=IMP").matches == []
    has = client.ask(f"Encounter?identifier={sought}&_has:Condition:encounter:code={sought}")
    assert [each["id"] for each in has.matches] == [path.partition("/")[2]]
    for query, kind in (
        (f"Condition?code={sought}&_include=Condition:encounter", "Encounter"),
        (f"Encounter?identifier={sought}&_revinclude=Condition:encounter", "Condition"),
    ):
        along = [each for each in client.ask(query).body["entry"] if each["search"]["mode"] == "include"]
        assert [each["resource"]["resourceType"] for each in along] == [kind], query
    nurse = ward.edge.client("clerk").ask(f"Encounter?identifier={sought}&_revinclude=Condition:encounter")
    assert "include" not in [each["search"]["mode"] for each in nurse.body["entry"]]


def test_of_a_patient_who_shares_nothing_ones_own_writings_are_found_and_nothing_else(ward: Ward) -> None:
    story, sought = ward.edge.story, code()
    lake, berta = ward.edge.client("Dr Lake"), story.berta.hex()
    made = []
    for text in ("one", "two"):
        sent = {
            "resourceType": "Condition",
            "code": {"coding": [{"system": SYSTEM, "code": sought}], "text": text},
            "subject": {"reference": f"Patient/{berta}"},
        }
        made.append(lake.ask("Condition", "POST", json.dumps(sent).encode(), Content_Type=JSON))
    assert [each.status for each in made] == [201, 201]
    client = ward.edge.client("Dr Lake")
    found = client.ask(f"Condition?patient={berta}&code={sought}")
    assert (texts(found), found.body["total"]) == (["one", "two"], 2)
    assert "There is no consent" in found.said["suppressed"]
    others = {each.manifest.record_id.hex() for each in story.read_own(story.berta).records if not each.apart}
    every = client.ask(f"Condition?patient={berta}").matches
    assert others
    assert not others & {each["id"].replace("-", "") for each in every}
    assert everything(client, client.ask(f"Condition?patient={berta}&code={sought}&_count=1")) == [
        "one",
        "two",
    ]
    assert client.ask(f"Observation?patient={berta}").matches == []
    for stranger in ("Dr Stay", "Dr City"):
        there = ward.edge.client(stranger).ask(f"Condition?patient={berta}&code={sought}")
        assert there.status == 403 or there.matches == [], stranger


def test_an_app_finds_the_types_that_its_scopes_show_and_is_led_to_no_other(ward: Ward) -> None:
    sought = code()
    ward.diagnosed(ward.patient(), sought)

    def app(scopes: str) -> Client:
        now = ward.edge.story.world.clock.now()
        token, _ = tokens.issue(ward.doctor, Purpose.TREAT, now, DAY, "an app", scopes)
        return Client(ward.edge.gateway.base, token)

    diagnoses, others = app("user/Condition.rs"), app("user/Observation.rs user/Patient.rs")
    assert texts(diagnoses.ask(f"Condition?code={sought}")) == [sought]
    assert diagnoses.ask("Condition/_history?_count=1").status == 200
    assert diagnoses.ask("_history").status == 403
    for path in (f"Condition?code={sought}", "Condition/_history", "_history"):
        assert others.ask(path).status == 403, path
    for query in (
        f"Patient?_has:Condition:patient:code={sought}",
        "Patient?_revinclude=Condition:patient&_count=1",
    ):
        found = others.ask(query)
        assert (found.status, sought in json.dumps(found.body.get("entry"))) == (200, False), query
    assert others.ask(f"Patient?_has:Condition:patient:code={sought}").matches == []


def test_an_update_takes_the_place_of_what_was_before(ward: Ward) -> None:
    holder, sought, corrected = ward.patient(), code(), code()
    client = ward.reader
    made = ward.diagnosed(holder, sought).body
    client.ask(f"Condition?patient={holder.alias.hex()}")
    changed = made | {"code": {"coding": [{"system": SYSTEM, "code": corrected}], "text": "corrected"}}
    sent = json.dumps(changed | {"subject": {"reference": f"Patient/{holder.alias.hex()}"}}).encode()
    assert client.ask(f"Condition/{made['id']}", "PUT", sent, Content_Type=JSON).status == 200
    assert ward.reader.ask(f"Condition?code={sought}").matches == []
    [now] = ward.reader.ask(f"Condition?code={corrected}").matches
    [newest] = ward.reader.ask(f"Condition?_id={made['id']}").matches
    assert newest == now


def test_what_was_taken_back_is_found_no_more_and_the_index_forgets_what_it_said(ward: Ward) -> None:
    holder, sought = ward.patient(), code()
    gone, taken = (ward.diagnosed(holder, sought, text).body for text in ("gone", "taken back"))
    assert len(ward.reader.ask(f"Condition?code={sought}").matches) == 2
    assert ward.reader.ask(f"Condition/{gone['id']}", "DELETE").status == 204
    assert texts(ward.reader.ask(f"Condition?code={sought}")) == ["taken back"]
    version = bytes.fromhex(taken["meta"]["versionId"])
    retract(ward.network, ward.writer, own_statement(holder)[0], [version])
    assert ward.reader.ask(f"Condition?code={sought}").matches == []
    ward.writings.look_again()
    assert ward.writings.catch_up(60)
    left = ward.writings._file._db.execute(
        "SELECT count(*) FROM value v JOIN writing w ON w.row = v.row WHERE w.handle IN (?, ?)",
        (version, bytes.fromhex(gone["meta"]["versionId"])),
    )
    assert left.get == 0


def test_the_history_of_a_type_and_of_everything_is_that_of_own_writings(ward: Ward) -> None:
    holder, sought = ward.patient(), code()
    made = [ward.diagnosed(holder, sought, f"{at}").body for at in range(3)]
    client = ward.reader
    page = client.ask("Condition/_history?_count=2")
    walked, link = list(page.body["entry"]), page.link("next")
    while link is not None:
        following = client.ask(link)
        walked += following.body["entry"]
        link = following.link("next")
    times = [
        each["resource"]["meta"]["lastUpdated"] if "resource" in each else each["response"]["lastModified"]
        for each in walked
    ]
    assert times == sorted(times, reverse=True)
    walked = [each for each in walked if "resource" in each]
    places = [f"{each['resource']['id']}/{each['resource']['meta']['versionId']}" for each in walked]
    assert len(set(places)) == len(places)
    ids = {each["id"] for each in made}
    mine = [each for each in walked if each["resource"]["id"] in ids]
    assert [each["resource"] for each in mine] == [
        client.ask(f"Condition/{each['id']}").body for each in reversed(made)
    ]
    assert mine[0]["request"] == {"method": "POST", "url": "Condition"}
    everything = client.ask("_history?_count=1000").body
    shown = [each["resource"]["id"] for each in everything["entry"] if "resource" in each]
    assert [each for each in shown if each in ids] == [each["id"] for each in reversed(made)]
    assert client.ask("Condition/_history?_since=2999-01-01").body.get("entry", []) == []
    assert client.ask("Condition/_history?_since=yesterday").status == 400
    assert client.ask(f"Condition/{made[2]['id']}", "DELETE").status == 204
    left = client.ask("_history?_count=1000").body["entry"]
    shown = [each["resource"]["id"] for each in left if "resource" in each]
    assert [each for each in shown if each in ids] == [made[1]["id"], made[0]["id"]]


def test_what_was_taken_back_is_an_entry_of_the_history_for_who_could_have_read_it(ward: Ward) -> None:
    holder, sought = ward.patient(), code()
    one = ward.diagnosed(holder, sought, "one").body
    ward.diagnosed(holder, sought, "two")
    client, path = ward.reader, f"Condition/{one['id']}"
    assert client.ask(f"Patient/{holder.alias.hex()}").status == 200
    changed = json.dumps({**client.ask(path).body, "code": {"text": sought}}).encode()
    assert client.ask(path, "PUT", changed, Content_Type=JSON).status == 200
    begun = int(time.time())
    assert client.ask(path, "DELETE").status == 204

    def gone(who: Client, asked: str) -> list[dict[str, Any]]:
        entries = who.ask(asked).body.get("entry", [])
        return [each for each in entries if each.get("request", {}).get("method") == "DELETE"]

    for asked in ("Condition/_history", "_history", f"Condition/_history?_since={time.strftime('%Y-%m-%d')}"):
        entry = gone(client, asked)[0]
        assert (entry["request"]["url"], entry["response"]["status"]) == (path, "204")
        assert "resource" not in entry
        told = datetime.fromisoformat(entry["response"]["lastModified"]).timestamp()
        assert begun - 1 <= told <= time.time() + 1
    assert gone(client, "Condition/_history?_since=2999-01-01") == []
    assert path not in json.dumps(client.ask("Observation/_history?_count=1000").body)
    walked, page = list[str](), client.ask("Condition/_history?_count=1")
    while True:
        walked += [each["request"]["url"] for each in page.body.get("entry", [])]
        if (following := page.link("next")) is None:
            break
        page = client.ask(following)
    assert walked.count(path) == 1
    for stranger in ("clerk", "Dr Lake", "Dr Stay"):
        for asked in ("Condition/_history?_count=1000", "_history?_count=1000"):
            assert path not in json.dumps(ward.edge.client(stranger).ask(asked).body), (stranger, asked)
    ward.writings._remake()
    while not ward.writings.catch_up(1):
        pass
    assert path in [each["request"]["url"] for each in gone(client, "_history?_count=1000")]


def test_the_pages_of_a_history_are_the_askers_own(ward: Ward) -> None:
    ward.diagnosed(ward.patient(), code(), "first")
    page = ward.reader.ask("Condition/_history?_count=1")
    assert ward.edge.client("Dr Lake").ask(page.link("next") or "").status == 410


# The file ------------------------------------------------------------------------------------------


def test_nothing_of_it_lies_on_the_disk_in_the_clear(ward: Ward) -> None:
    sought = code()
    ward.diagnosed(ward.patient(), sought, "Rahimamarked")
    assert texts(ward.reader.ask(f"Condition?code={sought}")) == ["Rahimamarked"]
    held = ward.index
    assert len(held) > 10_000
    for word in (sought, "Rahimamarked", "rahimamarked", "Condition", SYSTEM, "SQLite format"):
        assert word.encode() not in held, word
    assert ward.city.tag.reveal() not in held


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(4_096, len(data), 1_024):
        data[at] ^= 1
    path.write_bytes(bytes(data))
    path.with_name(path.name + "-wal").unlink(missing_ok=True)


def under_another_key(path: Path) -> None:
    remove(path)
    WritingsFile(path, b"x" * 32).close()


@pytest.mark.parametrize("harm", [remove, damaged, under_another_key], ids=lambda each: each.__name__)
def test_an_index_that_is_lost_damaged_or_anothers_is_made_again_of_the_copies(
    ward: Ward, harm: Callable[[Path], None]
) -> None:
    sought, world = code(), ward.edge.story.world
    ward.diagnosed(ward.patient(), sought, "kept")
    before = texts(ward.reader.ask(f"Condition?code={sought}"))
    ward.edge.gateway._desk.charts.close()
    harm(place(world, ward.city))
    with Gateway(world, port=0) as gateway:
        client = Client(gateway.base, ward.edge.token("Dr City"))
        assert settled(client, f"Condition?code={sought}") == before == ["kept"]


def test_damage_that_is_met_while_it_runs_is_answered_as_passing_and_mended(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    sought = code()
    ward.diagnosed(ward.patient(), sought, "kept")

    def broken(*given: Any) -> Any:
        raise StoreCorrupt

    with monkeypatch.context() as patch:
        patch.setattr(WritingsFile, "select", broken)
        refused = ward.reader.ask(f"Condition?code={sought}")
    assert (refused.status, refused.issue[0]) == (503, "transient")
    assert settled(ward.reader, f"Condition?code={sought}") == ["kept"]


def settled(client: Client, query: str) -> list[str]:
    """What is found once everything is read in."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        found = client.ask(query)
        if found.status == 200 and "read in" not in found.said.get("incomplete", ""):
            return texts(found)
        assert found.status in (200, 503)
    raise AssertionError("the index is not level")


def test_what_crashed_between_two_parts_is_finished_and_nothing_is_there_twice(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ward.edge.story.world
    for at in range(3):
        ward.diagnosed(ward.patient(), code(), f"{at}")
    house = (
        ward.edge.gateway._desk.charts
    )  # whose gateway keeps house meanwhile, and would make the index again
    monkeypatch.setattr(house, "catch_up", lambda *given: True)
    monkeypatch.setattr(house, "look_again", lambda *given: None)
    house.close()
    remove(place(world, ward.city))
    expected, crashes = len(copies(ward.city)), 0
    for effect in ("keep_key", "add", "take"):
        for before in (True, False):
            with monkeypatch.context() as patch:
                patch.setattr(WritingsFile, effect, crashing(getattr(WritingsFile, effect), before))
                charts = Charts(world)
                with pytest.raises(KeyboardInterrupt):
                    charts.of(ward.city).catch_up(60)
                crashes += 1
                charts.close()
    assert crashes == 6
    charts = Charts(world)
    assert charts.of(ward.city).catch_up(60)
    assert charts.of(ward.city).ask(WritingsFile.size) == expected
    charts.close()


def crashing(method: Callable[..., Any], before: bool) -> Callable[..., Any]:
    """The third time something is written the process dies, before or after it."""
    left = iter(range(2, -1, -1))

    def dies(*given: Any) -> Any:
        last = next(left) == 0
        if last and before:
            raise KeyboardInterrupt
        made = method(*given)
        if last:
            raise KeyboardInterrupt
        return made

    return dies


KILLED = """
import os, signal, sys
from pathlib import Path
from careledger.adapters.index.file import WritingsFile
from careledger.app.world import open_world
from careledger.gateway.own.chart import Charts
world, left, add = open_world(Path(sys.argv[1])), iter(range(2, -1, -1)), WritingsFile.add

def killed(*given):
    add(*given)
    if next(left) == 0:
        os.kill(os.getpid(), signal.SIGKILL)

WritingsFile.add = killed
Charts(world).of(world.keyring.organisation("City")).catch_up(60)
"""


def test_what_a_killed_process_had_read_in_is_there_and_the_rest_is_read_in_by_the_next(
    told: Story, tmp_path: Path
) -> None:
    mine = story.copied(told, tmp_path / "data")
    expected = {each.handle for each in copies(mine.organisations["City"])}
    mine.world.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(mine.folder)], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    mine = story.everybody(mine.folder)
    city = mine.organisations["City"]
    index = open_index(mine.world, city)
    assert 0 < index.size() < len(expected)
    index.close()
    charts = Charts(mine.world)
    assert charts.of(city).catch_up(60)
    found = charts.of(city).ask(WritingsFile.history, "", list(range(64)), (2**62, 2**62), 0, 1_000)
    assert sorted(each.copy.handle for each in found) == sorted(expected)
    charts.close()
    mine.world.close()


def test_a_running_gateway_takes_in_what_it_was_not_told_of(ward: Ward) -> None:
    holder = ward.patient()
    with Gateway(ward.edge.story.world, port=0, tends_every=0.05) as gateway:
        client = Client(gateway.base, ward.edge.token("Dr City"))
        path = ward.written(holder, "by a command")
        ends = time.monotonic() + 60
        while not client.ask(f"Condition?_id={path.partition('/')[2]}").matches:
            assert time.monotonic() < ends
            time.sleep(0.05)


@pytest.fixture(autouse=True)
def level(ward: Ward) -> None:
    """Nothing here is about an index that is behind, unless it says so."""
    ward.writings.catch_up(60)


def test_the_index_lets_requests_go_first_but_not_for_ever(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 3_600.0)
    monkeypatch.setattr(server, "BEAT", 0.02)
    with Gateway(ward.edge.story.world, port=0, tends_every=0.05) as gateway:
        entrance, charts = gateway._edge._entrance, gateway._desk.charts
        entrance.under_way += 1  # as long as a Bundle is
        levelled = threading.Event()

        def catch_up(*given: float) -> bool:
            levelled.set()
            return True

        monkeypatch.setattr(charts, "catch_up", catch_up)
        assert not levelled.wait(0.5)
        monkeypatch.setattr(server, "PATIENCE", 0.05)
        assert levelled.wait(30)
        entrance.under_way -= 1


def test_what_is_anchored_is_answered_so_whatever_becomes_of_the_index_and_found_once_it_can_be(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, sought, add = ward.patient(), code(), WritingsFile.add

    def full(*given: object) -> None:
        raise StoreUnavailable(why="the disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(WritingsFile, "add", full)
        made = ward.diagnosed(holder, sought, "on a full disk")
        assert made.status == 201
    assert WritingsFile.add is add
    ends = time.monotonic() + 60
    while not texts(reply := ward.reader.ask(f"Condition?code={sought}")):
        assert "incomplete" in reply.said
        assert time.monotonic() < ends
    assert texts(reply) == ["on a full disk"]
