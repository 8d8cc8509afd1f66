"""An organisation's own writings are searched across patients by its own posts alone, and its index hides nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import story
from careledger.adapters.index.file import WritingsFile, remove
from careledger.app import tokens
from careledger.app.own_index import open_index, place
from careledger.domain.consents import Purpose
from careledger.domain.errors import StoreCorrupt, StoreUnavailable
from careledger.gateway import searching
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
    for asked in ("_sort=-recorded-date", "_summary=count", "_total=accurate", "code:not=x", "code:text=2"):
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
    times = [each["resource"]["meta"]["lastUpdated"] for each in walked]
    assert times == sorted(times, reverse=True)
    places = [f"{each['resource']['id']}/{each['resource']['meta']['versionId']}" for each in walked]
    assert len(set(places)) == len(places)
    ids = {each["id"] for each in made}
    mine = [each for each in walked if each["resource"]["id"] in ids]
    assert [each["resource"] for each in mine] == [
        client.ask(f"Condition/{each['id']}").body for each in reversed(made)
    ]
    assert mine[0]["request"] == {"method": "POST", "url": "Condition"}
    everything = client.ask("_history?_count=1000").body
    assert [each["resource"]["id"] for each in everything["entry"] if each["resource"]["id"] in ids] == [
        each["id"] for each in reversed(made)
    ]
    assert client.ask("Condition/_history?_since=2999-01-01").body.get("entry", []) == []
    assert client.ask("Condition/_history?_since=yesterday").status == 400
    assert client.ask(f"Condition/{made[2]['id']}", "DELETE").status == 204
    left = client.ask("_history?_count=1000").body["entry"]
    assert [each["resource"]["id"] for each in left if each["resource"]["id"] in ids] == [
        made[1]["id"],
        made[0]["id"],
    ]
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
    ward.edge.gateway._desk.charts.close()
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
    for _ in range(200):
        reply = ward.reader.ask(f"Condition?code={sought}")
        if texts(reply):
            break
        assert "incomplete" in reply.said
    assert texts(reply) == ["on a full disk"]
