"""A post's program exports what its organisation wrote: all of it, once, to nobody else, and across a crash."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import story
from careledger.app import tokens
from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Permission, Purpose
from careledger.domain.errors import StoreCorrupt
from careledger.fhir.split import import_bundle
from careledger.gateway.bulk import exports, jobs, work
from careledger.gateway.server import Gateway
from careledger.workflows import parties
from careledger.workflows.actors import Organisation
from careledger.workflows.chart import copies
from careledger.workflows.custody import find_statement
from careledger.workflows.from_fhir import staged
from careledger.workflows.grounds import writer
from careledger.workflows.intake import take_in
from careledger.workflows.register import Officer
from careledger.workflows.retract import retract
from careledger.workflows.undo_import import runs, undo_import
from gateway.bulk_flow import Exported, begin, export, fetch, kick_off, lines, parameters, wait
from gateway.edge_world import JSON, Client, Edge
from story import ILLNESS, LATER_ILLNESS, Story

PAUSE = 0.2
HERE = Path(__file__).parent.parent


def key_of(client: Client, place: str) -> bytes:
    """The name under which the books have that export."""
    return tokens.digest_of(client.token) + bytes.fromhex(place.rpartition("/")[2])


def eventually(holds: Callable[[], bool], most: float = 30.0) -> None:
    until = time.monotonic() + most
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def rows(edge: Edge, employer: str = "City") -> list[tuple[bytes, bytes]]:
    books = edge.story.organisations[employer].books
    return [*books.rows(jobs.JOBS), *books.rows(jobs.PIECES)]


def condition(alias: bytes, words: str) -> bytes:
    made = {
        "resourceType": "Condition",
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
            ]
        },
        "code": {"text": words},
        "subject": {"reference": f"Patient/{alias.hex()}"},
    }
    return json.dumps(made).encode()


def written(edge: Edge, closed: frozenset[Category] = frozenset()) -> set[bytes]:
    """The record ids of what City wrote."""
    return {
        each.record_id
        for each in copies(edge.story.organisations["City"])
        if Compartment.numbered(each.compartment).category not in closed
    }


def without_times(found: Exported) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in found.output)


def test_everything_that_was_written_is_exported_once_and_as_it_is_read(edge: Edge) -> None:
    client, before = edge.client("Dr City"), int(time.time())
    found = export(client)
    closed = frozenset({Category.INSURANCE, Category.IDENTITY_INSURER})
    patients = [each for each in found.output if each["resourceType"] == "Patient"]
    others = [each for each in found.output if each["resourceType"] != "Patient"]
    assert {each["id"] for each in patients} == {edge.story.adam.hex(), edge.story.berta.hex()}
    expected = {bytes.fromhex(each["id"].replace("-", "")) for each in others}
    assert expected <= written(edge, closed)
    assert len(expected) >= len(written(edge, closed)) - 1  # Adam's own Patient record is under the alias
    assert len(found.paths) == len(set(found.paths))
    texts = json.dumps(found.output)
    assert ILLNESS in texts
    assert LATER_ILLNESS in texts
    for each in others:
        read = client.ask(f"{each['resourceType']}/{each['id']}").body
        assert read["meta"]["versionId"] == each["meta"]["versionId"]
        assert set(read) == set(each)
    begun = time.strptime(found.manifest["transactionTime"], "%Y-%m-%dT%H:%M:%SZ")
    assert before - 1 <= int(time.mktime(begun) - time.timezone) <= time.time()
    assert found.manifest["request"] == f"{edge.gateway.base}/$export"
    assert found.deleted == []


def test_what_a_posts_role_never_reads_is_not_in_it_and_changes_nothing_that_it_shows(edge: Edge) -> None:
    nurse = edge.client("clerk")
    before = export(nurse)
    assert "Condition" not in {each["resourceType"] for each in before.output} > {"Patient"}
    assert "whether or not it holds anything" in " ".join(before.said)
    append = edge.story.grant(
        edge.story.adam,
        edge.story.staff["Dr City"],
        (story.DIAGNOSIS,),
        Permission.APPEND,
    )
    for number in range(3):
        edge.story.note(edge.story.adam, f"hidden {number}", append)
    after = export(nurse)
    assert without_times(after) == without_times(before)
    assert after.said == before.said
    drop = ("url",)
    for name in ("output", "error", "deleted"):
        plain = [
            [{k: v for k, v in each.items() if k not in drop} for each in one.manifest[name]]
            for one in (before, after)
        ]
        assert plain[0] == plain[1]


def test_patients_are_exported_with_their_records_all_of_them_or_those_who_are_named(edge: Edge) -> None:
    client = edge.client("Dr City")
    every = export(client, "Patient/$export")
    assert every.paths == export(client).paths
    berta = {"valueReference": {"reference": f"Patient/{edge.story.berta.hex()}"}}
    one = export(
        client, "Patient/$export", body=parameters(("patient", berta), ("_type", "Patient,Condition"))
    )
    assert {each["resourceType"] for each in one.output} == {"Patient", "Condition"}
    assert {each["id"] for each in one.output if each["resourceType"] == "Patient"} == {
        edge.story.berta.hex()
    }
    nobody = {"valueReference": {"reference": f"Patient/{'0' * 64}"}}
    unknown = kick_off(client, "Patient/$export", body=parameters(("patient", berta), ("patient", nobody)))
    assert (unknown.status, unknown.issue[0]) == (400, "invalid")
    assert "patient is not" in unknown.issue[1].replace(",", "")
    assert "0" * 64 not in unknown.issue[1]
    wrong = {"valueReference": {"reference": "Group/1"}}
    assert kick_off(client, "Patient/$export", body=parameters(("patient", wrong))).status == 400


def test_an_app_exports_the_types_of_its_scopes_and_learns_nothing_of_others(edge: Edge) -> None:
    city, now = edge.story.staff["Dr City"], edge.story.world.clock.now()

    def app(scopes: str) -> Client:
        return Client(edge.gateway.base, tokens.issue(city, Purpose.TREAT, now, 3_600, scopes=scopes)[0])

    client, whole = app("system/Condition.rs user/Patient.r"), export(edge.client("Dr City"))
    expected = [each["id"] for each in whole.output if each["resourceType"] == "Condition"]
    found = export(client)
    assert {each["resourceType"] for each in found.output} == {"Condition"}
    assert sorted(each["id"] for each in found.output) == sorted(expected)
    assert export(client, "$export?_type=Condition").paths == found.paths
    for path in (
        "$export?_type=Condition,Patient",
        "$export?_type=Observation",
        "Patient/$export?_type=Patient",
    ):
        assert (kick_off(client, path).status, kick_off(client, path).issue[0]) == (403, "forbidden")
    assert kick_off(app("user/Condition.r")).status == 403
    [about] = [
        each for each in whole.output if each.get("encounter") and each["resourceType"] == "Condition"
    ][:1]
    chain = "_type=Condition&_typeFilter=Condition%3Fencounter%3AEncounter.status%3Dfinished"
    assert about["id"] in [each["id"] for each in export(edge.client("Dr City"), f"$export?{chain}").output]
    assert export(client, f"$export?{chain}").output == []
    assert export(app("system/*.rs")).paths == whole.paths
    assert export(app("system/*.s system/Condition.r")).paths == found.paths


def test_an_app_is_not_told_of_whom_something_was_written_that_its_scopes_do_not_show(edge: Edge) -> None:
    city, now, nobody = edge.story.staff["Dr City"], edge.story.world.clock.now(), bytes(32)

    def said(scopes: str, alias: bytes) -> tuple[int, list[Any]]:
        app = Client(edge.gateway.base, tokens.issue(city, Purpose.TREAT, now, 3_600, scopes=scopes)[0])
        who = {"valueReference": {"reference": f"Patient/{alias.hex()}"}}
        reply = kick_off(app, "Patient/$export", body=parameters(("patient", who)))
        return reply.status, reply.body

    assert said("system/Immunization.rs", edge.story.adam) == said("system/Immunization.rs", nobody)
    assert said("system/Immunization.rs", nobody)[0] == 400
    assert said("system/Immunization.rs system/Condition.rs", edge.story.adam)[0] == 202


def test_only_types_elements_and_resources_that_are_wanted_are_in_it(edge: Edge) -> None:
    client = edge.client("Dr City")
    found = export(client, "$export?_type=Condition&_elements=code")
    assert {each["resourceType"] for each in found.output} == {"Condition"}
    assert all(each["meta"]["tag"][-1]["code"] == "SUBSETTED" for each in found.output)
    assert all("onsetDateTime" not in each and each["code"] for each in found.output)
    of_one_type = export(client, "$export?_elements=Condition.onset,Patient.id")  # R4's name of onset[x]
    ill = [each for each in of_one_type.output if each["resourceType"] == "Condition"]
    assert ill
    assert all("code" not in each and each["meta"]["tag"][-1]["code"] == "SUBSETTED" for each in ill)
    others = [each for each in of_one_type.output if each["resourceType"] not in ("Condition", "Patient")]
    assert others
    assert all("SUBSETTED" not in json.dumps(each) for each in others)
    adams = f"patient=Patient/{edge.story.adam.hex()}"
    chosen = export(client, f"$export?_type=Condition&_typeFilter=Condition%3F{adams.replace('=', '%3D')}")
    plain = export(client, "$export?_type=Condition")
    assert 0 < len(chosen.output) < len(plain.output)
    assert LATER_ILLNESS in json.dumps(chosen.output)  # whatever it says of its subject
    either = "Condition%3Fcode%3Anot-in-any%3Dx"
    assert kick_off(client, f"$export?_typeFilter={either}").status == 400
    by_name = export(client, "$export?_typeFilter=Condition%3Fsubject%3APatient.birthdate%3D1931")
    assert len([each for each in by_name.output if each["resourceType"] == "Condition"]) < len(plain.output)
    assert [each for each in by_name.output if each["resourceType"] == "Patient"]


def test_what_cannot_be_asked_for_is_refused_and_what_is_passed_over_is_named(edge: Edge) -> None:
    client = edge.client("Dr City")
    for path, prefer in (
        ("$export", ""),
        ("$export", "return=minimal"),
        ("$export?_outputFormat=text/csv", "respond-async"),
        ("$export?_type=Nonsense", "respond-async"),
        ("$export?_since=yesterday", "respond-async"),
        ("$export?_since=2020-13-45T00:00:00Z", "respond-async"),
        ("$export?_elements=Patient.name.given", "respond-async"),
        ("$export?_elements=Potion.name", "respond-async"),
        ("$export?_typeFilter=Condition", "respond-async"),
        ("$export?_typeFilter=Condition%3F_has%3AEncounter%3Adiagnosis%3Astatus%3Dx", "respond-async"),
        ("$export?_typeFilter=Condition%3F_include%3D*", "respond-async"),
        ("$export?includeAssociatedData=LatestProvenanceResources", "respond-async, handling=strict"),
        ("$export?patient=Patient/1", "respond-async, handling=strict"),
        ("$export?nonsense=x", "respond-async, handling=strict"),
        ("$export?includeAssociatedData=LatestProvenanceResources", "respond-async"),
        ("Patient/$export?patient=Patient/1", "respond-async"),
        ("$export?_typeFilter=Condition%3Fnonsense%3Dx", "respond-async"),
    ):
        reply = kick_off(client, path, prefer)
        assert reply.status == 400, path
        assert reply.body["resourceType"] == "OperationOutcome"
    bodies: list[Any] = [{"resourceType": "Patient"}, [], {"resourceType": "Parameters", "parameter": [1]}]
    for body in bodies:
        assert kick_off(client, body=body).status == 400
    found = export(client, "$export?_type=Patient&includeAssociatedData=x", "respond-async, handling=lenient")
    assert "Not looked at: includeAssociatedData." in found.said
    assert "Not looked at: nonsense." in export(client, "$export?_type=Patient&nonsense=x").said
    everybody = parameters(("patient", {"valueReference": {"reference": f"Patient/{edge.story.adam.hex()}"}}))
    assert kick_off(client, "$export", body=everybody).status == 400  # never all of them where one was named
    for said in ("application/fhir%2Bndjson", "application/fhir+ndjson", "ndjson", "application/ndjson"):
        assert export(client, f"$export?_type=Patient&_outputFormat={said}").output


def test_an_export_answers_the_token_that_began_it_and_nobody_else(edge: Edge) -> None:
    client = edge.client("Dr City")
    place = begin(client)
    found = wait(client, place)
    file = found["output"][0]["url"]
    unknown = client.ask(f"{edge.gateway.base}/bulk/{'0' * 32}")
    assert unknown.status == 404
    for other in (edge.client("Dr City"), edge.client("clerk"), edge.client("Dr Lake")):
        for url, method in ((place, "GET"), (file, "GET"), (place, "DELETE")):
            reply = other.ask(url, method)
            assert (reply.status, reply.body) == (404, unknown.body)
    assert edge.stranger().ask(file).status == 401
    for wrong in (f"{place}/999", f"{place}/x", f"{place}/-1", f"{place}0", f"{edge.gateway.base}/bulk/x"):
        assert client.ask(wrong).status == 404
    assert list(lines(client, [found["output"][0]]))


def test_an_export_that_is_ended_leaves_nothing_behind(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    client = edge.client("Dr City")
    place = begin(client)
    manifest = wait(client, place)
    assert rows(edge)
    assert client.ask(place, "DELETE").status == 202
    for url in (place, manifest["output"][0]["url"]):
        assert client.ask(url).status == 404
    assert client.ask(place, "DELETE").status == 404
    key = key_of(client, place)
    eventually(lambda: not [each for each, _ in rows(edge) if each.startswith((key, key[32:]))])
    monkeypatch.setattr(work.Work, "go_on", lambda self: True)  # it never ends by itself
    under_way = begin(client)
    assert client.ask(under_way).status == 202
    assert client.ask(under_way, "DELETE").status == 202
    assert client.ask(under_way).status == 404


def test_an_export_goes_when_its_time_is_over_or_its_token_is_withdrawn(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "LOOK", 0.0)
    city = edge.story.organisations["City"]
    for ends in ("time", "token"):
        client = edge.client("Dr City")
        place = begin(client)
        wait(client, place)
        key = key_of(client, place)
        if ends == "time":
            job = jobs.load(city.books, key)
            assert job is not None
            jobs.save(city.books, key, replace(job, until=int(time.time())))
            assert client.ask(place).status == 404
        else:
            tokens.withdraw(city, tokens.digest_of(client.token))
        begin(edge.client("Dr City"), "$export?_type=Group")  # wakes
        eventually(lambda key=key: not [each for each, _ in rows(edge) if each.startswith((key, key[32:]))])  # type: ignore[misc]


def test_so_many_exports_of_one_token_are_made_at_once(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work.Work, "go_on", lambda self: True)
    client = edge.client("Dr City")
    places = [begin(client) for _ in range(exports.MOST_RUNNING)]
    refused = kick_off(client)
    assert (refused.status, refused.issue[0]) == (429, "throttled")
    begin(edge.client("Dr City"))
    client.ask(places[0], "DELETE")
    assert kick_off(client).status == 202
    assert client.ask("metadata").status == 200


def test_a_suspended_employers_export_waits_and_hands_nothing_out(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "LOOK", 0.0)
    world, client = edge.story.world, edge.client("Dr City")
    post = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    officer, city = Officer(post.number, post.key), edge.story.organisations["City"]
    with monkeypatch.context() as held:
        held.setattr(work.Work, "go_on", lambda self: True)
        place = begin(client)
        parties.suspend(world.network, officer, city.number)
    try:
        assert client.ask(place).status == 403
        time.sleep(PAUSE)
        job = jobs.load(city.books, key_of(client, place))
        assert job is not None
        assert (job.state, job.files) == (jobs.RUNNING, ())
    finally:
        parties.reinstate(world.network, officer, city.number)
    kick_off(edge.client("Dr City"))
    assert fetch(client, place).output


def test_a_role_that_may_read_less_than_it_did_gets_nothing_of_what_was_made(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = edge.client("Dr City")
    place = begin(client)
    file = wait(client, place)["output"][0]["url"]
    monkeypatch.setattr(exports, "unreadable", lambda network, who: frozenset({Category.DIAGNOSIS}))
    for url in (place, file):
        assert client.ask(url).status == 403
    monkeypatch.undo()
    assert client.ask(place).status == 200


def test_what_was_made_lies_in_no_file_in_the_clear(edge: Edge) -> None:
    client = edge.client("Dr City")
    found = export(client)
    words = [ILLNESS.encode(), edge.story.berta.hex().encode(), found.paths[0].encode()]
    for path in edge.story.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [word for word in words if word in data], path


def test_what_broke_off_is_said_and_keeps_no_other_from_being_made(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = edge.client("Dr City")

    def broken(self: work.Work) -> bool:
        raise RuntimeError("broken on purpose")

    with monkeypatch.context() as breaking:
        breaking.setattr(work.Work, "go_on", broken)
        place = begin(client)
        eventually(lambda: client.ask(place).status != 202)
    reply = client.ask(place)
    assert (reply.status, reply.issue[0]) == (500, "exception")
    assert export(client).output


def test_a_body_that_is_damaged_is_named_as_an_error_and_the_others_are_exported(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, whole = edge.client("Dr City"), export(edge.client("Dr City"))
    damaged = {each.body for each in copies(edge.story.organisations["City"], edge.story.berta)[:1]}
    blocks, real = edge.story.world.blocks, edge.story.world.blocks.unchecked

    def get(cid: bytes) -> bytes:
        data = real(cid)
        return data[:-1] + bytes([data[-1] ^ 1]) if cid in damaged else data

    monkeypatch.setattr(blocks, "unchecked", get)
    found = export(client)
    assert len(found.output) == len(whole.output) - 1
    assert len(found.error) == len(whole.error) + 1


def test_later_exports_since_the_last_lose_nothing_and_name_what_was_taken_back(edge: Edge) -> None:
    client, other = edge.client("Dr City"), Client(edge.gateway.base, edge.token("Dr City"))
    first = export(client)
    time.sleep(1.1)
    edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (story.DIAGNOSIS,), Permission.APPEND)
    made = client.ask("Condition", "POST", condition(edge.story.adam, "written since"), Content_Type=JSON)
    assert made.status == 201, made.body
    since = first.manifest["transactionTime"]
    second = export(client, f"$export?_since={since}")
    texts = json.dumps(second.output)
    assert "written since" in texts
    assert f"Patient/{edge.story.berta.hex()}" not in second.paths
    new = next(each for each in second.output if "written since" in json.dumps(each))
    path = f"Condition/{new['id']}"
    later = export(client, f"$export?_since={second.manifest['transactionTime'].replace('Z', '%2B00:00')}")
    assert set(later.paths) <= set(second.paths)
    time.sleep(1.1)
    deleted = other.ask(path, "DELETE")
    assert deleted.status == 204, deleted.body
    third = export(client, f"$export?_since={second.manifest['transactionTime']}")
    assert third.gone == [path]
    assert path not in third.paths
    assert {each["type"] for each in third.deleted} == {"transaction"}
    assert path not in export(client).paths
    assert export(client).deleted == []
    assert export(client, f"$export?_type=Observation&_since={since}").gone == []
    assert export(edge.client("clerk"), f"$export?_since={since}").gone == []
    time.sleep(1.1)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert export(client, f"$export?_since={now}").gone == []


def test_a_record_counts_as_changed_when_a_version_of_it_comes_or_goes(edge: Edge) -> None:
    client, network = edge.client("Dr City"), edge.story.world.network
    session = edge.story.session(edge.story.staff["clerk"])
    _, [taken] = take_in(network, session, staged(import_bundle(bundle(), "mine.json", namespace=b"mine")))
    assert taken.alias is not None
    made = client.ask("Condition", "POST", condition(taken.alias, "first words"), Content_Type=JSON)
    assert made.status == 201, made.body
    path = f"Condition/{made.body['id']}"
    since = later_second()
    body = json.dumps(json.loads(condition(taken.alias, "second words")) | {"id": made.body["id"]}).encode()
    changed = client.ask(path, "PUT", body, Content_Type=JSON)
    assert changed.status == 200, changed.body
    [found] = [each for each in export(client, f"$export?_since={since}").output if path.endswith(each["id"])]
    assert found["code"]["text"] == "second words"
    since = later_second()
    statement = find_statement(network, taken.alias, edge.story.world.custodians)
    handle = bytes.fromhex(changed.body["meta"]["versionId"])
    retract(network, writer(network, session, statement), statement, [handle])
    after = export(client, f"$export?_since={since}")
    [found] = [each for each in after.output if path.endswith(each["id"])]
    assert found["code"]["text"] == "first words"
    assert path not in after.gone


def later_second() -> str:
    """The time in a second in which nothing was written yet."""
    time.sleep(1.1)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def test_an_import_that_was_undone_is_not_exported_and_counts_as_taken_back(edge: Edge) -> None:
    client, city = edge.client("Dr City"), edge.story.organisations["City"]
    network, session = edge.story.world.network, edge.story.session(edge.story.staff["clerk"])
    report = staged(import_bundle(bundle("undone since"), "undone.json", namespace=b"undone"))
    take_in(network, session, report, run=b"r" * 16)
    before = export(client)
    [new] = [each for each in before.output if "undone since" in json.dumps(each)]
    assert new["subject"]["reference"] in before.paths
    time.sleep(1.1)
    [undone] = undo_import(network, session, runs(city)[0].id)
    assert undone.error is None
    after = export(client, f"$export?_since={before.manifest['transactionTime']}")
    assert "undone since" not in json.dumps(after.output)
    assert after.gone == [f"Condition/{new['id']}"]


def bundle(words: str = "some illness") -> bytes:
    """A patient and a condition of theirs."""
    patient, record = (f"urn:uuid:{digit * 8}-2222-4222-8222-222222222222" for digit in "23")
    person = {
        "resourceType": "Patient",
        "id": "p1",
        "name": [{"family": "Exported"}],
        "birthDate": "1950-01-02",
    }
    about = json.loads(condition(bytes(32), words)) | {"id": "c1", "subject": {"reference": patient}}
    entries = [{"fullUrl": patient, "resource": person}, {"fullUrl": record, "resource": about}]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


SERVED = """
import sys, time
from pathlib import Path
from careledger.app.world import open_world
from careledger.gateway.bulk import work
from careledger.gateway.server import Gateway

work.PORTION = 1  # every record is durable before the next
going = work.Work.go_on
def slowly(self):
    time.sleep(0.1)
    return going(self)
work.Work.go_on = slowly
world = open_world(Path(sys.argv[1]))
with Gateway(world, port=0) as gateway:
    print(gateway.base, flush=True)
    time.sleep(600)
"""


def test_killing_the_gateway_loses_no_export_and_no_line_of_one(told: Story, tmp_path: Path) -> None:
    mine = story.copied(told, tmp_path / "data")
    token = tokens.issue(mine.staff["Dr City"], Purpose.TREAT, int(time.time()), 3_600)[0]
    with Gateway(mine.world, port=0) as gateway:
        whole = export(Client(gateway.base, token))
    mine.world.close()
    words = [sys.executable, "-c", SERVED, str(tmp_path / "data")]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert running.stdout is not None
    try:
        client = Client(running.stdout.readline().strip(), token)
        place = begin(client)
        eventually(lambda: lines_of(client, place) >= 3)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert running.returncode == -signal.SIGKILL
    again = story.everybody(tmp_path / "data")
    with Gateway(again.world, port=0) as gateway:
        client = Client(gateway.base, token)
        found = fetch(client, f"{gateway.base}/bulk/{place.rpartition('/')[2]}")
    again.world.close()
    assert without_times(found) == without_times(whole)
    assert len(found.manifest["output"]) >= 3


def lines_of(client: Client, place: str) -> int:
    said = re.search(r"([0-9]+) lines", client.ask(place).headers.get("X-Progress", ""))
    assert said is not None, "it ended before it was killed"
    return int(said[1])


def test_an_export_tries_fifty_searches_on_a_record_and_no_more(edge: Edge) -> None:
    client = edge.client("Dr City")
    many = ",".join(f"Condition%3Fcode%3Da{at}" for at in range(51))
    refused = kick_off(client, f"$export?_typeFilter={many}")
    assert (refused.status, "_typeFilter" in refused.issue[1]) == (400, True)
    assert kick_off(client, f"$export?_typeFilter={many.rpartition(',')[0]}").status == 202


def test_an_employer_that_cannot_be_read_when_the_gateway_starts_ends_no_export(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, times = edge.gateway._desk.exports, iter([StoreCorrupt(missing="keys")])
    employers = kept._bearers.employers

    def sometimes() -> tuple[Organisation, ...]:
        for error in times:
            raise error
        return employers()

    monkeypatch.setattr(kept._bearers, "employers", sometimes)
    monkeypatch.setattr(kept._bearers, "_employers", ())
    monkeypatch.setattr(kept, "_looked", None)
    assert export(edge.client("Dr City")).output
