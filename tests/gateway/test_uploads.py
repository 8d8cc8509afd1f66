"""A post's program sends a file as it is: sealed as it comes, filed with its patient, and never half there."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from careledger.app import tokens
from careledger.domain.categories import Compartment
from careledger.fhir.contents import binary
from careledger.formats.large import CHUNK
from careledger.gateway import arriving
from careledger.workflows import arrive
from careledger.workflows.actors import Holder
from careledger.workflows.chart import copies
from dicom_cases import dicom
from gateway.edge_world import JSON, Client, Edge, Reply
from gateway.test_large_files import got
from gateway.ward import Ward

WORDS = b"what the scan says of somebody. "
SCAN = dicom(date="20260131") + random.Random(8).randbytes(5 * CHUNK) + WORDS * 40_000
SMALL = b"%PDF-1.7 a small one"


@pytest.fixture(scope="module")
def ward(edge: Edge) -> Ward:
    return Ward(edge)


@pytest.fixture
def patient(ward: Ward) -> Holder:
    return ward.patient()


def pieces(data: bytes, size: int = 70_000) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def sent(client: Client, body: Any, context: str, kind: str = "", **headers: str) -> Reply:
    kind = kind or ("application/dicom" if body != SMALL else "application/pdf")
    given = {"X_Security_Context": context} if context else {}
    return client.ask("Binary", "POST", body, Content_Type=kind, **given, **headers)


def note(holder: Holder, attachment: dict[str, Any]) -> bytes:
    """A consultation note, which a doctor signs."""
    coding = [{"system": "http://loinc.org", "code": "34117-2"}]
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": of(holder)},
        "type": {"coding": coding},
        "content": [{"attachment": attachment}],
    }
    return json.dumps(document).encode()


def of(holder: Holder) -> str:
    return f"Patient/{holder.alias.hex()}"


def path_of(edge: Edge, reply: Reply) -> str:
    assert reply.status in (200, 201), reply.body
    return str(reply.headers["Location"].removeprefix(f"{edge.gateway.base}/").partition("/_history")[0])


def test_a_large_file_that_comes_in_pieces_is_sealed_filed_and_served_again(
    edge: Edge, ward: Ward, patient: Holder
) -> None:
    made = sent(ward.reader, pieces(SCAN), of(patient))
    assert made.status == 201, made.body
    path = path_of(edge, made)
    reply = got(ward.reader, path)
    assert (reply.status, reply.headers["Content-Type"], reply.read()) == (200, "application/dicom", SCAN)
    assert got(ward.reader, path, Range="bytes=-32").read() == WORDS
    [copy] = copies(ward.city, patient.alias)
    assert Compartment.numbered(copy.compartment).category.code == "image"
    document = note(patient, {"contentType": "application/dicom", "url": path, "size": len(SCAN)})
    named = ward.reader.ask("DocumentReference", "POST", document, Content_Type=JSON)
    assert named.status == 201, named.body
    shown = ward.reader.ask(path_of(edge, named)).body
    assert shown["content"][0]["attachment"]["url"] == path
    for place, _, names in os.walk(edge.story.folder):
        for name in names:
            with suppress(FileNotFoundError):  # a gateway is running there
                assert WORDS not in Path(place, name).read_bytes()


def test_a_file_that_is_not_what_it_says_is_refused_and_what_says_nothing_is_taken(
    edge: Edge, ward: Ward, patient: Holder
) -> None:
    before = len(copies(ward.city))
    html = b"<html><script>alert(1)</script></html>"
    for body, kind in (
        (html, "application/pdf"),
        (html, "image/png; a=b"),
        (SMALL, "IMAGE/JPEG"),
        (SMALL, "application/dicom"),
        (pieces(WORDS * 400_000), "application/pdf"),
    ):
        refused = sent(ward.reader, body, of(patient), kind)
        assert (refused.status, "does not begin as" in str(refused.body)) == (400, True)
    inside = note(patient, {"contentType": "application/pdf", "data": base64.b64encode(html).decode()})
    assert ward.reader.ask("DocumentReference", "POST", inside, Content_Type=JSON).status == 400
    assert len(copies(ward.city)) == before
    assert sent(ward.reader, html, of(patient), "application/octet-stream").status == 201
    right = note(patient, {"contentType": "application/pdf", "data": base64.b64encode(SMALL).decode()})
    assert ward.reader.ask("DocumentReference", "POST", right, Content_Type=JSON).status == 201


def test_a_small_file_lies_in_its_record(edge: Edge, ward: Ward, patient: Holder) -> None:
    path = path_of(edge, sent(ward.reader, SMALL, of(patient), "application/pdf"))
    assert got(ward.reader, path).read() == SMALL
    assert "data" in ward.reader.ask(path, Accept=JSON).body


def test_what_was_sent_comes_back_though_only_its_writers_may_read_it(ward: Ward, patient: Holder) -> None:
    """A restricted record is in no lease, but in the own writings of who wrote it."""
    reply = sent(ward.reader, b"a note", of(patient), "text/plain")
    assert (reply.status, reply.body["resourceType"]) == (201, "Binary")
    assert reply.body["id"] in reply.headers["Location"]
    minimal = sent(ward.reader, b"a note", of(patient), "text/plain", Prefer="return=minimal")
    assert (minimal.status, minimal.body) == (201, None)


def test_a_file_belongs_to_the_patient_and_category_of_the_document_that_it_is_sent_with(
    edge: Edge, ward: Ward, patient: Holder
) -> None:
    to_come = note(patient, {"title": "to come"})
    made = ward.reader.ask("DocumentReference", "POST", to_come, Content_Type=JSON)
    document = path_of(edge, made)
    path = path_of(edge, sent(ward.reader, SMALL, document, "application/pdf"))
    first, second = copies(ward.city, patient.alias)
    assert first.compartment == second.compartment
    assert ward.reader.ask(path, Accept=JSON).body["securityContext"]["reference"] == document
    stranger = edge.client("Dr Lake")
    refused, unknown = (
        sent(stranger, SMALL, each)
        for each in (document, "DocumentReference/00000000-0000-4000-8000-000000000000")
    )
    assert (refused.status, refused.body) == (unknown.status, unknown.body)
    assert refused.status == 404
    assert len(copies(ward.city, patient.alias)) == 2


@pytest.mark.parametrize(
    "context", ["", "Patient/7", "Observation/1", "DocumentReference/x", "Patient/" + "A" * 64]
)
def test_a_file_of_whom_nobody_knows_is_refused(ward: Ward, context: str) -> None:
    before = len(copies(ward.city))
    assert sent(ward.reader, SMALL, context).status in (400, 404)
    assert len(copies(ward.city)) == before


def test_what_is_no_media_type_or_cannot_be_searched_is_refused(ward: Ward, patient: Holder) -> None:
    assert sent(ward.reader, SMALL, of(patient), "words").status == 400
    assert sent(ward.reader, SMALL, of(patient), "a/" + "b" * 200).status == 400
    assert sent(ward.reader, SMALL, of(patient), If_None_Exist="_id=1").status == 400
    other = ward.reader.ask("Condition", "POST", SMALL, Content_Type="application/pdf")
    assert (other.status, other.issue[0]) == (415, "not-supported")
    assert copies(ward.city, patient.alias) == []


def test_a_key_names_one_file_which_is_filed_once(edge: Edge, ward: Ward, patient: Holder) -> None:
    made = [sent(ward.reader, pieces(SCAN), of(patient), Idempotency_Key="scan-1") for _ in range(2)]
    client = ward.reader
    again = [sent(client, pieces(SCAN), of(patient), Idempotency_Key="scan-2") for _ in range(2)]
    assert [each.status for each in again] == [201, 200]
    assert again[0].headers["Location"] == again[1].headers["Location"]
    assert made[0].status == 201
    other = sent(client, pieces(SCAN[:-1]), of(patient), Idempotency_Key="scan-2")
    assert (other.status, other.issue[0]) == (422, "conflict")
    assert sent(client, SMALL, of(patient), Idempotency_Key="two words").status == 400
    assert len(copies(ward.city, patient.alias)) == 2


def test_more_than_the_limit_is_refused_before_it_is_read_and_when_it_comes(
    ward: Ward, patient: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (arrive, arriving):
        monkeypatch.setattr(module, "MOST_CONTENT", 5 * CHUNK)
    told = sent(ward.reader, pieces(SCAN), of(patient))
    assert (told.status, told.issue[0]) == (413, "too-long")
    assert str(5 * CHUNK) in told.issue[1]
    said = sent(ward.reader, SCAN, of(patient))
    assert said.status == 413
    assert copies(ward.city, patient.alias) == []


def test_too_many_files_on_their_way_are_asked_to_wait(
    ward: Ward, patient: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "MOST", 0)
    reply = sent(ward.reader, SMALL, of(patient))
    assert (reply.status, reply.headers["Retry-After"]) == (429, "5")
    monkeypatch.undo()
    assert sent(ward.reader, SMALL, of(patient)).status == 201


def test_one_post_keeps_no_files_of_others_out(edge: Edge, ward: Ward, patient: Holder) -> None:
    on_its_way = edge.gateway._edge._arriving._now
    on_its_way[ward.doctor.number] = arriving.MOST_OF_ONE
    assert sent(ward.reader, SMALL, of(patient)).status == 429
    on_its_way.clear()
    on_its_way[ward.doctor.number + 1] = arriving.MOST_OF_ONE
    assert sent(ward.reader, SMALL, of(patient)).status == 201
    on_its_way.clear()


@pytest.mark.parametrize("free", [[arriving.ROOM + len(SCAN) - 1], [2**40, arriving.ROOM]])
def test_no_file_fills_the_disk(
    edge: Edge, ward: Ward, patient: Holder, monkeypatch: pytest.MonkeyPatch, free: list[int]
) -> None:
    """What else is written needs room too, and what breaks off is not given back while a gateway runs."""
    left = iter(free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(left)))
    assert sent(ward.reader, SCAN, of(patient)).status == 503
    monkeypatch.undo()
    assert copies(ward.city, patient.alias) == []
    assert sent(ward.reader, SCAN, of(patient)).status == 201


def test_a_file_that_breaks_off_is_nowhere_and_may_be_sent_again(
    edge: Edge, ward: Ward, patient: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "MOST_OF_ONE", arriving.MOST)  # some of them may still be on their way
    client = ward.reader
    host, port = edge.gateway.url.removeprefix("http://").split(":")
    head = (
        f"POST /fhir/Binary HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {client.token}\r\n"
        f"Content-Type: application/dicom\r\nX-Security-Context: {of(patient)}\r\nContent-Length: {len(SCAN)}\r\n\r\n"
    )
    for cut in (0, 3 * CHUNK, len(SCAN) - 1):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode() + SCAN[:cut])
    deadline = time.monotonic() + 20
    while edge.gateway._edge._arriving._now and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not edge.gateway._edge._arriving._now
    assert copies(ward.city, patient.alias) == []
    assert edge.story.world.blocks.verify().sound
    assert sent(client, pieces(SCAN), of(patient)).status == 201


def test_a_file_that_comes_by_drops_is_given_up(
    edge: Edge, ward: Ward, patient: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "STUCK", 0.2)

    def slow() -> Iterator[bytes]:
        """A byte now and then."""
        for at in range(20):
            yield SCAN[at : at + 1]
            time.sleep(0.05)

    with suppress(urllib3.exceptions.HTTPError):  # the answer may come while the client is still sending
        assert sent(ward.reader, slow(), of(patient)).status == 400
    assert copies(ward.city, patient.alias) == []


def test_a_file_ends_with_its_token(ward: Ward, patient: Holder) -> None:
    client = ward.reader

    def withdrawn() -> Iterator[bytes]:
        yield SCAN[: 2 * CHUNK]
        tokens.withdraw(ward.city, tokens.digest_of(client.token))
        yield SCAN[2 * CHUNK :]

    with suppress(urllib3.exceptions.HTTPError):  # the answer may come while the client is still sending
        assert sent(client, withdrawn(), of(patient)).status == 401
    assert copies(ward.city, patient.alias) == []
    assert sent(client, SMALL, of(patient)).status == 401


def test_a_binary_in_json_names_no_file_beside_it(ward: Ward, patient: Holder) -> None:
    said = binary("1", "image/png", 5, b"\1" * 32)
    said["_data"]["extension"][0]["extension"][0]["valueUnsignedInt"] = 5
    said["securityContext"] = {"reference": of(patient)}
    del said["id"]
    reply = ward.reader.ask("Binary", "POST", json.dumps(said).encode(), Content_Type=JSON)
    assert reply.status == 400
    assert copies(ward.city, patient.alias) == []


def test_the_next_version_of_a_record_keeps_its_file_and_states_no_other(
    edge: Edge, ward: Ward, patient: Holder
) -> None:
    client = ward.reader
    document = client.ask("DocumentReference", "POST", note(patient, {"title": "to come"}), Content_Type=JSON)
    path = path_of(edge, sent(client, pieces(SCAN), path_of(edge, document)))
    client.ask(of(patient))
    resource = client.ask(path, Accept=JSON).body
    changed = {**resource, "language": "bn"}
    made = client.ask(path, "PUT", json.dumps(changed).encode(), Content_Type=JSON)
    assert made.status == 200, made.body
    assert made.body["language"] == "bn"
    assert got(client, path).read() == SCAN
    changed["_data"]["extension"][0]["extension"][0]["valueUnsignedInt"] = 7
    other = client.ask(path, "PUT", json.dumps(changed).encode(), Content_Type=JSON)
    assert (other.status, other.issue[0]) == (400, "invalid")
