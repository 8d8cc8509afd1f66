"""Where a scanner is named, no file that a client sends is deposited unscanned, however it is sent."""

from __future__ import annotations

import base64
import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from careledger.adapters.clamd import Clamd, Stream
from careledger.domain.consents import Permission
from careledger.domain.errors import ScannerUnavailable
from careledger.workflows.arrive import Announced, Arriving
from careledger.workflows.chart import copies
from careledger.workflows.custody import find_statement
from careledger.workflows.scanning import Scanning
from gateway.edge_world import JSON, Edge, Reply
from gateway.test_bundles import bundle
from gateway.test_fhir_writing import condition, post, put
from gateway.test_security_log import Said, events, said  # noqa: F401  # a fixture
from gateway.test_uploads import SMALL, note, of, path_of, pieces, sent
from gateway.ward import Ward
from scanner_world import HARMFUL, Daemon, Stalling, daemon
from story import DIAGNOSIS

LARGE = b"%PDF-1.7 " + random.Random(4).randbytes(6 * 2**20)
MOST = 8 * 2**20


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    with daemon(f"StreamMaxLength {MOST}", f"MaxFileSize {MOST}") as one:
        yield one


@pytest.fixture(scope="module")
def ward(edge: Edge) -> Ward:
    return Ward(edge)


@pytest.fixture(autouse=True)
def scanning(edge: Edge, running: Daemon) -> Iterator[None]:
    edge.story.world.scanning = Scanning(Clamd(running.place, MOST, 60.0))
    yield
    edge.story.world.scanning = None


def text(file: bytes) -> str:
    return base64.b64encode(file).decode()


def posted(ward: Ward, resource: Any, kind: str = "", method: str = "POST") -> Reply:
    body = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    return ward.reader.ask(kind, method, body, Content_Type=JSON)


def ways(ward: Ward, patient: Any, file: bytes) -> Iterator[tuple[str, Reply]]:
    """Every way in which a client can send a file."""
    yield "as it is", sent(ward.reader, file, of(patient), "application/octet-stream")
    yield "in pieces", sent(ward.reader, pieces(LARGE + file), of(patient), "application/pdf")
    lines = [text(file)[at : at + 20] for at in range(0, len(text(file)), 20)]
    attachments: dict[str, dict[str, Any]] = {
        "attached": {"contentType": "application/octet-stream", "data": text(file)},
        "in an extension": {"title": "1", "extension": [{"url": "urn:x", "valueBase64Binary": text(file)}]},
        "broken into lines": {"contentType": "application/pdf", "data": "\n".join(lines)},
    }  # fmt: skip
    for name, attachment in attachments.items():
        yield name, posted(ward, note(patient, attachment), "DocumentReference")
    escaped = note(patient, {"contentType": "application/pdf", "data": text(file)}).replace(
        b'"data"', b'"\\u0064ata"'
    )
    yield "under an escaped name", posted(ward, escaped, "DocumentReference")
    inside = f'<contentType value="application/pdf"/><data value="{text(file)}"/>'
    xml = (f'<DocumentReference xmlns="http://hl7.org/fhir"><status value="current"/><subject><reference '
           f'value="{of(patient)}"/></subject><content><attachment>{inside}</attachment></content>'
           f"</DocumentReference>")  # fmt: skip
    yield (
        "as XML",
        ward.reader.ask("DocumentReference", "POST", xml.encode(), Content_Type="application/fhir+xml"),
    )
    for kind in ("transaction", "batch"):
        story = bundle(type=kind)
        whom = {"reference": story["entry"][0]["fullUrl"]}
        story["entry"][-1:] = [
            {"resource": {"resourceType": "DocumentReference", "status": "current", "content": [
                {"attachment": {"contentType": "application/pdf", "data": text(file)}}], "subject": whom}}]  # fmt: skip
        yield kind, posted(ward, story)


def test_a_harmful_file_is_refused_however_it_is_sent_and_a_clean_one_is_taken(
    edge: Edge,
    ward: Ward,
    said: Said,  # noqa: F811
) -> None:
    patient, refused = ward.patient(), 0
    for way, reply in ways(ward, patient, b"%PDF-1.7 " + HARMFUL):
        assert (reply.status, reply.issue[0]) == (422, "business-rule"), (way, reply.body)
        assert "harmful" in reply.issue[1], way
        assert "CareLedger-Test" not in str(reply.body)
        refused += 1
    assert refused == 9
    lines = said()
    assert events(lines).count("file-refused") == refused
    assert not any(word in json.dumps(lines) for word in (patient.alias.hex(), "CareLedger-Test"))
    assert copies(ward.city, patient.alias) == []
    taken = [(way, reply.status) for way, reply in ways(ward, patient, b"%PDF-1.7 a clean one")]
    assert {status for _, status in taken} <= {200, 201}, taken


def test_no_update_and_no_patch_brings_a_harmful_file_in(edge: Edge) -> None:
    for permission in (Permission.VIEW, Permission.APPEND):
        edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), permission)
    doctor = edge.client("Dr City")

    def with_file(file: bytes) -> dict[str, Any]:
        return {"extension": [{"url": "urn:x", "valueBase64Binary": text(file)}]}

    made = post(doctor, condition(edge.story.adam.hex(), "before", **with_file(SMALL)))
    assert made.status == 201, made.body
    path = f"Condition/{made.body['id']}"
    for file, status in ((b"%PDF-1.7 " + HARMFUL, 422), (b"%PDF-1.7 another", 200)):
        answers = [put(doctor, made.body | with_file(file))]
        for operation in (
            {"path": "/extension/0/valueBase64Binary", "value": text(file)},
            {"path": "/extension", "value": with_file(file + b".")["extension"]},
        ):
            body = json.dumps([{"op": "replace"} | operation]).encode()
            answers.append(doctor.ask(path, "PATCH", body, Content_Type="application/json-patch+json"))
        assert [each.status for each in answers] == [status] * 3, [each.body for each in answers]
        if status == 422:
            assert doctor.ask(path).headers["ETag"] == made.headers["ETag"]


def test_a_file_that_the_scanner_does_not_look_through_whole_is_refused(ward: Ward) -> None:
    patient = ward.patient()
    for size in (MOST + 1, 3 * MOST):
        reply = sent(
            ward.reader,
            pieces(b"%PDF-1.7" + random.Random(5).randbytes(size)),
            of(patient),
            "application/pdf",
        )
        assert (reply.status, "whole of this file" in reply.issue[1]) == (422, True)
    assert copies(ward.city, patient.alias) == []


def test_while_the_scanner_stands_still_no_file_is_taken_and_everything_else_goes_on(
    edge: Edge,
    ward: Ward,
    running: Daemon,
    said: Said,  # noqa: F811
) -> None:
    edge.story.world.scanning = Scanning(Clamd(running.place, MOST, 8.0))
    patient, answers = ward.patient(), list[Reply]()
    path = path_of(edge, ward.diagnosed(patient, "1"))
    inside = note(patient, {"contentType": "application/pdf", "data": text(SMALL)})
    for send in (
        lambda: answers.append(sent(ward.reader, SMALL, of(patient), "application/pdf")),
        lambda: answers.append(posted(ward, inside, "DocumentReference")),
    ):
        with running.held():
            sending = threading.Thread(target=send)
            sending.start()
            reads = 0
            while sending.is_alive():
                assert ward.reader.ask(path).status == 200
                reads += 1
            sending.join()
        assert reads > 3  # one that came before and one that waited would be two
    assert [(each.status, each.issue[0]) for each in answers] == [(503, "transient")] * 2
    assert events(said()).count("file-unscanned") == 2
    assert len(copies(ward.city, patient.alias)) == 1
    assert sent(ward.reader, SMALL, of(patient), "application/pdf").status == 201


def as_it_comes(ward: Ward, patient: Any) -> Callable[[], Reply]:
    return lambda: sent(ward.reader, SMALL, of(patient), "application/pdf")


def in_a_note(ward: Ward, patient: Any) -> Callable[[], Reply]:
    body = note(patient, {"contentType": "application/pdf", "data": text(SMALL)})
    return lambda: posted(ward, body, "DocumentReference")


def in_a_long_note(ward: Ward, patient: Any) -> Callable[[], Reply]:
    body = note(patient, {"contentType": "application/pdf", "data": text(SMALL + bytes(200_000))})
    return lambda: posted(ward, body, "DocumentReference")


def beside_what_a_patch_changes(ward: Ward, patient: Any) -> Callable[[], Reply]:
    held = [{"url": "urn:x", "valueBase64Binary": text(SMALL)}]
    path = path_of(ward.edge, ward.diagnosed(patient, "3", extension=held))
    body = json.dumps([{"op": "replace", "path": "/code/text", "value": "other words"}]).encode()
    return lambda: ward.reader.ask(path, "PATCH", body, Content_Type="application/json-patch+json")


@pytest.mark.parametrize("way", [as_it_comes, in_a_note, in_a_long_note, beside_what_a_patch_changes])
def test_whatever_a_scanner_takes_long_over_others_read_write_and_send_long_bundles_meanwhile(
    edge: Edge, ward: Ward, running: Daemon, way: Callable[[Ward, Any], Callable[[], Reply]]
) -> None:
    patient = ward.patient()
    path, send = path_of(edge, ward.diagnosed(patient, "1")), way(ward, patient)
    long = bundle()
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{"words " * 40_000}</div>'
    long["entry"][0]["resource"]["text"] = {"status": "generated", "div": div}
    stalling = Stalling(Clamd(running.place, MOST, 60.0))
    edge.story.world.scanning = Scanning(stalling)
    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(send)
        try:
            assert stalling.asked.wait(60)
            assert ward.reader.ask(path).status == 200
            assert ward.diagnosed(patient, "2").status == 201
            assert posted(ward, long).status == 200
            assert stalling.stands
        finally:
            stalling.goes_on.set()
        assert sending.result().status in (200, 201)


def test_a_file_that_stands_in_a_body_twice_is_scanned_once_and_never_by_the_worker(
    edge: Edge, ward: Ward, running: Daemon
) -> None:
    patient, by = ward.patient(), list[str]()

    class Noting(Clamd):
        def begin(self) -> Stream:
            by.append(threading.current_thread().name)
            return super().begin()

    edge.story.world.scanning = Scanning(Noting(running.place, MOST, 60.0))
    held = [{"url": "urn:x", "valueBase64Binary": text(SMALL)}]
    assert ward.diagnosed(patient, "4", extension=[*held, *held]).status == 201
    assert [name.rpartition("_")[0] for name in by] == ["gateway-waiting"]


def test_without_its_daemon_no_file_is_taken_and_no_record_without_a_file_is_held_up(
    edge: Edge, ward: Ward
) -> None:
    edge.story.world.scanning = Scanning(Clamd("/nowhere/clamd.ctl", MOST, 1.0))
    patient = ward.patient()
    for way, reply in ways(ward, patient, SMALL):
        assert reply.status == 503, way
    assert ward.diagnosed(patient, "2").status == 201


def test_what_was_not_looked_at_whole_is_never_filed(edge: Edge, ward: Ward) -> None:
    patient, network = ward.patient(), edge.story.world.network
    statement = find_statement(network, patient.alias, edge.story.world.custodians)
    session = edge.story.session(ward.doctor)
    for looked, ends in ((b"", False), (SMALL, False), (SMALL[:-1], True)):
        file = Arriving(network, session, statement, Announced("application/pdf"), b"u" * 32)
        if looked:
            file.look(looked)
        file.add(SMALL)
        if ends:
            file.look(b"")
        with pytest.raises(ScannerUnavailable):
            file.finish()
        file.close()
