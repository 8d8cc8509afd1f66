"""What a post is shown stands in its organisation's own log before it is shown, and its operators alone read it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careledger.app.read_log import FILE, ReadLog
from careledger.domain.errors import CareLedgerError, StoreCorrupt, StoreUnavailable
from careledger.domain.parties import Role
from careledger.domain.questions import LONGEST_LEASE
from careledger.formats.digests import uint
from careledger.formats.own_reads import OwnRead
from careledger.gateway.told import Told
from careledger.sealing.keys import Secret
from careledger.workflows import own_reads, register
from careledger.workflows.identity_rows import Identity
from careledger.workflows.own_reads import LINES, append, check, end_of, lines_before
from gateway.bulk_flow import export
from gateway.edge_world import Client, Edge
from gateway.test_api_writing import client, employed
from gateway.ward import Ward


@pytest.fixture
def operator(edge: Edge) -> Client:
    return client(edge, employed(edge, "City", "operator, City", Role.OPERATOR))


def lines(operator: Client, more: str = "") -> list[Any]:
    """The whole log, the newest first."""
    found, place = [], f"reads?limit=3{more}"
    while place:
        body = operator.ask(place).body
        found += body["items"]
        assert len(body["items"]) <= 3
        place = operator.base.removesuffix("/api/v1") + body["next"] if body["next"] else ""
    assert [each["number"] for each in found] == sorted((each["number"] for each in found), reverse=True)
    return found


def noted(operator: Client, before: int, more: str = "") -> list[Any]:
    return [each for each in lines(operator, more) if each["number"] >= before]


def count(edge: Edge, label: str = "City") -> int:
    return end_of(edge.story.world.read_log(edge.story.organisations[label]).books).count


def test_own_writings_read_back_are_noted_once_in_a_quarter_of_an_hour(edge: Edge, operator: Client) -> None:
    ward = Ward(edge)
    holder = ward.patient()
    path, doctor, begun = ward.written(holder, "noted when read"), edge.client("Dr City"), count(edge)
    version = doctor.ask(path).headers["ETag"][3:-1]
    for _ in range(3):
        assert doctor.ask(path).status == 200
    (line,) = noted(operator, begun)
    assert line["shown"] == [f"{path}/_history/{version}"]
    assert (line["patient"], line["purpose"], line["asked"]) == (
        holder.alias.hex(),
        "TREAT",
        "GET /{kind}/{id}",
    )
    assert (line["name"], line["post"]) == (
        "Dr City",
        doctor.ask(f"{edge.gateway.url}/api/v1/posts/me").body["post"]["id"],
    )
    assert edge.client("Dr City").ask(path).status == 200
    assert len(noted(operator, begun)) == 2  # another token is another reader
    told: Told = edge.gateway._edge._told
    told._noted = {key: until - LONGEST_LEASE for key, until in told._noted.items()}
    assert doctor.ask(path).status == 200
    assert len(noted(operator, begun)) == 3


def test_what_was_noted_longer_ago_is_forgotten_though_that_token_never_comes_again(edge: Edge) -> None:
    ward = Ward(edge)
    path, told = ward.written(ward.patient(), "shown once"), edge.gateway._edge._told
    for _ in range(3):
        assert edge.client("Dr City").ask(path).status == 200
    assert sum(named.startswith(path) for _, named in told._noted) == 3
    told._noted = {key: until - LONGEST_LEASE for key, until in told._noted.items()}
    assert edge.client("Dr City").ask(path).status == 200
    assert [named.partition("/_history/")[0] for _, named in told._noted] == [path]


def test_the_oldest_are_forgotten_where_too_much_was_noted_at_once(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward = Ward(edge)
    holder, told = ward.patient(), edge.gateway._edge._told
    first, second = (ward.written(holder, words) for words in ("one", "another"))
    monkeypatch.setattr("careledger.gateway.told.MOST_KEPT", 1)
    doctor = edge.client("Dr City")
    for path in (first, second):
        assert doctor.ask(path).status == 200
    assert [named.partition("/_history/")[0] for _, named in told._noted] == [second]


def test_what_every_kind_of_answer_shows_is_noted(edge: Edge, operator: Client) -> None:
    ward = Ward(edge)
    holder = ward.patient()
    alias, path = holder.alias.hex(), ward.written(holder, "noted in every way")
    for asked, there in (
        (f"{path}/_history", path), (f"Condition?patient={alias}", path), (f"Patient/{alias}/$everything", path),
        (f"Patient/{alias}/$summary", path), (f"Patient/$summary?identifier=urn:careledger:alias|{alias}", path),
        (f"Condition?patient={alias}&_elements=code", path),
        ("Condition/_history", path), (f"Patient?_id={alias}", f"Patient/{alias}"), ("Condition?code:text=noted", path),
    ):  # fmt: skip
        begun, doctor = count(edge), edge.client("Dr City")
        assert doctor.ask(asked).status == 200, asked
        shown = [each for line in noted(operator, begun) for each in line["shown"]]
        assert [each for each in shown if each.startswith(there)], asked
    begun = count(edge)
    exported = export(edge.client("Dr City"))
    files = len(exported.manifest["output"] + exported.manifest["error"])
    shown = [each for line in noted(operator, begun) for each in line["shown"]]
    assert shown == [each["url"].removeprefix(f"{edge.gateway.base}/") for each in [
        *exported.manifest["output"], *exported.manifest["error"]]][::-1]  # fmt: skip
    assert len(shown) == files
    begun = count(edge)
    doctor = edge.client("Dr City")
    for nothing in ("metadata", "OperationDefinition/match", f"Condition?patient={alias}&_summary=count",
                    "Condition/00000000-0000-4000-8000-000000000000", "Condition?patient=" + "0" * 64):  # fmt: skip
        doctor.ask(nothing)
    assert count(edge) == begun


def test_who_is_looked_up_in_the_identity_table_is_noted(edge: Edge, operator: Client) -> None:
    ward, network = Ward(edge), edge.story.world.network
    [rahim, karim] = [
        register.patient(
            network, ward.city, Identity(bytes(32), bytes(16), name, "", "", born, bytes(32)), escrow=False
        )
        for name, born in (("Rahim Looked-Up", "1979-02-03"), ("Karim Passed-By", "1981-04-05"))
    ]
    alias, api = rahim.alias.hex(), f"{edge.gateway.url}/api/v1"
    sought = {"resourceType": "Patient", "name": [{"text": "Rahim Looked-Up"}], "birthDate": "1979-02-03"}
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": sought}]}
    twin = {"name": "Rahim Looked-Up", "birth": "1979-02-03"}
    for asked, method, body, kind in (
        ("Patient?name=Rahim", "GET", None, "GET /{kind}"),
        ("Patient/$match", "POST", parameters, "POST /Patient/$match"),
        (f"{api}/patients/{alias}", "GET", None, "GET /api/v1/patients/{patient}"),
        (f"{api}/patients?limit=200", "GET", None, "GET /api/v1/patients"),
        (f"{api}/patients", "POST", twin, "POST /api/v1/patients"),
    ):
        begun, doctor = count(edge), edge.client("Dr City")
        sent = None if body is None else json.dumps(body).encode()
        media = "application/fhir+json" if kind == "POST /Patient/$match" else "application/json"
        reply = doctor.ask(asked, method, sent, Content_Type=media)
        assert reply.status in (200, 201), (asked, reply.body)
        assert doctor.ask(asked, method, sent, Content_Type=media).status in (200, 201)
        lines = [each for each in noted(operator, begun) if each["patient"] == alias]
        assert [(each["asked"], each["shown"]) for each in lines] == [(kind, [f"Patient/{alias}"])], asked
        passed = [each for each in noted(operator, begun) if each["patient"] == karim.alias.hex()]
        assert bool(passed) == asked.endswith("limit=200"), asked


def test_nobody_of_the_identity_table_is_shown_who_cannot_be_noted(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = Ward(edge).patient()

    def full(books: Any, made: Any) -> None:
        raise StoreUnavailable(store="reads")

    asked = f"{edge.gateway.url}/api/v1/patients/{holder.alias.hex()}"
    monkeypatch.setattr("careledger.app.read_log.append", full)
    refused = edge.client("Dr City").ask(asked)
    assert (refused.status, "alias" in refused.body) == (503, False)
    monkeypatch.undo()
    assert edge.client("Dr City").ask(asked).body["alias"] == holder.alias.hex()


def test_reads_within_a_lease_are_noted_by_whose_post_reads_and_found_by_patient_and_post(edge: Edge) -> None:
    operator = client(edge, employed(edge, "Delta", "operator, Delta", Role.OPERATOR))
    begun, stay, adam = count(edge, "Delta"), edge.client("Dr Stay"), edge.story.adam.hex()
    found = stay.ask(f"Condition?patient={adam}").matches
    post = stay.ask(f"{edge.gateway.url}/api/v1/posts/me").body["post"]["id"]
    for more in ("", f"&patient={adam}", f"&post={post}"):
        shown = [each for line in noted(operator, begun, more) for each in line["shown"]]
        assert {f"Condition/{each['id']}/_history/{each['meta']['versionId']}" for each in found} <= set(
            shown
        )
    assert noted(operator, begun, f"&patient={edge.story.berta.hex()}") == []
    me = operator.ask("posts/me").body["post"]["id"]
    assert noted(operator, begun, f"&post={me}") == []
    assert operator.ask("reads?post=hos-0000000000001").problem == "party-not-found"


def test_nobody_but_the_organisations_operators_reads_its_log(edge: Edge, operator: Client) -> None:
    edge.client("Dr City").ask(f"Condition?patient={edge.story.adam.hex()}")
    assert lines(operator)
    for stranger in (edge.story.staff["Dr City"], edge.story.staff["clerk"], edge.story.staff["Dr Stay"]):
        assert client(edge, stranger).ask("reads").problem == "act-refused"
    elsewhere = client(edge, employed(edge, "Lakeside", "operator, Lakeside", Role.OPERATOR))
    assert elsewhere.ask("reads").body == {"items": [], "next": None}


def test_what_cannot_be_noted_is_not_shown(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    ward = Ward(edge)
    path, doctor = ward.written(ward.patient(), "shown to nobody"), edge.client("Dr City")

    def full(books: Any, made: Any) -> None:
        raise StoreUnavailable(store="reads")

    monkeypatch.setattr("careledger.app.read_log.append", full)
    refused = doctor.ask(path)
    assert refused.status == 503
    assert "shown to nobody" not in json.dumps(refused.body)
    monkeypatch.undo()
    assert doctor.ask(path).status == 200


@pytest.mark.parametrize("instead", ["nothing", "a folder"])
def test_where_the_log_is_lost_nothing_is_shown_and_none_is_made_anew(edge: Edge, instead: str) -> None:
    ward, world = Ward(edge), edge.story.world
    path, doctor = ward.written(ward.patient(), "shown to nobody"), edge.client("Dr City")
    assert doctor.ask(ward.written(ward.patient())).status == 200
    number = ward.city.number
    folder, log = world.folder / "organisations" / f"{number:016x}", world._read_logs.pop(number, None)
    if log is not None:
        log.close()
    kept = [each.rename(each.with_name(f"kept-{each.name}")) for each in folder.glob(f"{FILE}*")]
    if instead == "a folder":
        (folder / FILE).mkdir()
    refused = doctor.ask(path)
    assert (refused.status, refused.issue[0]) == (503, "no-store")
    assert "shown to nobody" not in json.dumps(refused.body)
    assert not (folder / FILE).is_file()
    if instead == "a folder":
        (folder / FILE).rmdir()
    for each in kept:
        each.rename(each.with_name(each.name.removeprefix("kept-")))
    assert doctor.ask(path).status == 200


def test_a_log_in_a_folder_that_nobody_may_write_to_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        ReadLog(tmp_path / "file" / "within", Secret(bytes(32)))


def test_nothing_of_it_lies_in_the_clear(edge: Edge) -> None:
    ward = Ward(edge)
    holder = ward.patient()
    path = ward.written(holder)
    assert edge.client("Dr City").ask(path).status == 200
    folder = edge.story.world.folder / "organisations" / f"{ward.city.number:016x}"
    lying = b"".join(each.read_bytes() for each in folder.glob(f"{FILE}*"))
    assert len(lying) > 4096
    for mark in (
        path.encode(),
        path.split("/")[1].encode(),
        holder.alias.hex().encode(),
        holder.alias,
        b"TREAT",
    ):
        assert mark not in lying


# The log itself -----------------------------------------------------------------------------------


def line(number: int) -> OwnRead:
    return OwnRead(
        number, 7, bytes(32), "TREAT", "GET /{kind}/{id}", bytes(32), (f"Basic/{number}",), bytes(32)
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ReadLog]:
    made = ReadLog(tmp_path / "organisation", Secret(bytes(32)))
    yield made
    made.close()


def test_lines_that_wait_together_are_written_by_one_commit_in_their_order(
    log: ReadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    noted = threading.Event()

    def counted(books: Any, made: list[OwnRead]) -> None:
        assert noted.wait(60)  # a commit that takes long
        groups.append(len(made))
        append(books, made)

    monkeypatch.setattr("careledger.app.read_log.append", counted)
    waiting = [log.note([line(number)]) for number in range(500)]
    noted.set()
    for each in waiting:
        each.result()
    assert sum(groups) == 500
    assert len(groups) <= 2
    assert [found.time for _, found in lines_before(log.books, 500)] == list(range(499, -1, -1))
    assert check(log.books) == 500


def test_whoever_waits_no_more_holds_up_nobody_who_waits(
    log: ReadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slow(books: Any, made: list[OwnRead]) -> None:
        begun.set()
        goes_on.wait(20)
        append(books, made)

    monkeypatch.setattr("careledger.app.read_log.append", slow)
    first = log.note([line(0)])
    begun.wait(20)
    left, stays = log.note([line(1)]), log.note([line(2)])
    assert left.cancel()
    goes_on.set()
    for each in (first, stays):
        each.result(20)
    assert [found.time for _, found in lines_before(log.books, 9)] == [2, 0]
    assert check(log.books) == 2


@pytest.mark.parametrize("damage", ["changed", "missing", "cut", "put in", "swapped"])
def test_a_line_that_is_missing_changed_or_put_in_is_found(log: ReadLog, damage: str) -> None:
    log.note([line(number) for number in range(6)]).result()
    books = log.books
    assert check(books) == 6
    rows = {number: own_reads.line(books, number) for number in range(6)}
    if damage == "changed":
        books.put(LINES, [(uint(2), line(99).encode())])
    elif damage == "missing":
        books.drop(LINES, [uint(2)])
    elif damage == "cut":
        books.drop(LINES, [uint(5)])
    elif damage == "put in":
        books.put(LINES, [(uint(6), line(6).encode())])
    else:
        books.put(LINES, [(uint(2), rows[3].encode()), (uint(3), rows[2].encode())])
    with pytest.raises(StoreCorrupt):
        check(books)


KILLED = """
import sys
from pathlib import Path
from careledger.app.read_log import ReadLog
from careledger.formats.own_reads import OwnRead
from careledger.sealing.keys import Secret
log = ReadLog(Path(sys.argv[1]), Secret(bytes(32)))
for number in range(10_000):
    log.note([OwnRead(number, 7, bytes(32), "TREAT", "GET", b"", ("Basic/1",), bytes(32))]).result()
    print(number, flush=True)
"""


def test_killing_the_process_loses_no_line_that_was_durable(tmp_path: Path) -> None:
    made = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "o")], stdout=subprocess.PIPE, text=True
    )
    assert made.stdout is not None
    told = [int(made.stdout.readline()) for _ in range(50)]
    made.kill()
    told += [int(each) for each in made.stdout.read().split("\n") if each]
    made.wait()
    log = ReadLog(tmp_path / "o", Secret(bytes(32)))
    try:
        assert check(log.books) >= told[-1] + 1
    finally:
        log.close()


def test_a_log_under_another_key_is_not_opened(log: ReadLog, tmp_path: Path) -> None:
    log.note([line(1)]).result()
    other = ReadLog(tmp_path / "organisation", Secret(b"\1" * 32))
    try:
        with pytest.raises(CareLedgerError):
            check(other.books)
    finally:
        other.close()
