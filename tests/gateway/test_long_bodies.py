"""A long resource is read beside: no other request waits until it is read."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from careledger.app import tokens
from careledger.fhir.xml_text import to_xml
from careledger.gateway.beside import LONG
from careledger.workflows.actors import Holder
from gateway.edge_world import JSON, Edge, Reply
from gateway.test_uploads import of, path_of
from gateway.ward import Ward

PATCH = "application/json-patch+json"
WORDS = "words of a long note " * (LONG // 20)
NAMES = [{"family": f"Nahar {each}", "given": ["Rahima"] * 5} for each in range(LONG // 50)]


@pytest.fixture(scope="module")
def ward(edge: Edge) -> Ward:
    made = Ward(edge)
    assert validated(made, made.patient())().status == 200  # from now on the process is there
    return made


def condition(patient: Holder, **more: Any) -> dict[str, Any]:
    subject = {"reference": of(patient)}
    return {
        "resourceType": "Condition",
        "code": {"text": "1"},
        "subject": subject,
        "note": [{"text": WORDS}],
    } | more


def sends(ward: Ward, path: str, method: str, body: Any, kind: str = JSON) -> Callable[[], Reply]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda: ward.reader.ask(path, method, data, Content_Type=kind)


def created(ward: Ward, patient: Holder) -> Callable[[], Reply]:
    return sends(ward, "Condition", "POST", condition(patient))


def created_by_xml(ward: Ward, patient: Holder) -> Callable[[], Reply]:
    return sends(ward, "Condition", "POST", to_xml(condition(patient)), "application/fhir+xml")


def updated(ward: Ward, patient: Holder) -> Callable[[], Reply]:
    path = path_of(ward.edge, ward.diagnosed(patient, "1"))
    return sends(ward, path, "PUT", condition(patient, id=path.partition("/")[2]))


def updated_by_a_search(ward: Ward, patient: Holder) -> Callable[[], Reply]:
    path = path_of(ward.edge, ward.diagnosed(patient, "7"))
    there = f"Condition?patient={patient.alias.hex()}&_id={path.partition('/')[2]}"
    return sends(ward, there, "PUT", condition(patient))


def patched(ward: Ward, patient: Holder) -> Callable[[], Reply]:
    path = path_of(ward.edge, ward.diagnosed(patient, "1"))
    return sends(ward, path, "PATCH", [{"op": "add", "path": "/note", "value": [{"text": WORDS}]}], PATCH)


def registered(ward: Ward, patient: Holder) -> Callable[[], Reply]:
    return sends(ward, "Patient", "POST", {"resourceType": "Patient", "name": NAMES})


def validated(ward: Ward, patient: Holder) -> Callable[[], Reply]:
    return sends(ward, "Condition/$validate", "POST", condition(patient))


WAYS = [created, created_by_xml, updated, updated_by_a_search, patched, registered, validated]


@contextmanager
def stopped(edge: Edge, asked: Callable[[], Reply]) -> Iterator[Future[Reply]]:
    """The process beside stands still, with that request before it."""
    process = edge.gateway._beside._process
    [number] = process._processes  # type: ignore[union-attr]
    os.kill(number, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as threads:
            try:
                sending = threads.submit(asked)
                while not process._pending_work_items:  # type: ignore[union-attr]
                    assert not sending.done(), sending.result().body
                    time.sleep(0.01)
                yield sending
            finally:
                os.kill(number, signal.SIGCONT)
    finally:
        os.kill(number, signal.SIGCONT)


@pytest.mark.parametrize("way", WAYS)
def test_while_a_long_resource_is_read_others_read_and_write(
    edge: Edge, ward: Ward, way: Callable[[Ward, Holder], Callable[[], Reply]]
) -> None:
    patient = ward.patient()
    path, asked = path_of(edge, ward.diagnosed(patient, "5")), way(ward, patient)
    with stopped(edge, asked) as sending:
        assert ward.reader.ask(path).status == 200
        assert ward.diagnosed(patient, "6").status == 201
        assert not sending.done()
    assert sending.result().status in (200, 201), sending.result().body
    said = json.dumps(sending.result().body)
    assert WORDS in said or str(NAMES[-1]["family"]) in said or "valid FHIR" in said


def test_a_long_resource_that_is_none_is_refused_with_its_place_and_leaves_nothing(ward: Ward) -> None:
    patient = ward.patient()
    wrong = condition(patient, onsetDateTime="some day")
    path = path_of(ward.edge, ward.diagnosed(patient, "1"))
    before = ward.handles(patient)
    for reply in (
        sends(ward, "Condition", "POST", wrong)(),
        sends(ward, path, "PUT", wrong | {"id": path.partition("/")[2]})(),
        sends(ward, "Condition", "POST", condition(patient, subject={"reference": "Patient/x"}))(),
        sends(ward, "Patient", "POST", {"resourceType": "Patient", "name": NAMES, "birthDate": "some day"})(),
    ):
        assert (reply.status, reply.issue[0]) == (400, "invalid"), reply.body
    assert ward.handles(patient) == before


def test_a_patch_of_a_version_that_another_one_followed_meanwhile_is_refused(edge: Edge, ward: Ward) -> None:
    patient = ward.patient()
    path = path_of(edge, ward.diagnosed(patient, "1"))
    body = [{"op": "add", "path": "/note", "value": [{"text": WORDS}]}]
    with stopped(edge, sends(ward, path, "PATCH", body, PATCH)) as sending:
        shorter = {"op": "replace", "path": "/code/text", "value": "what another one wrote"}
        assert sends(ward, path, "PATCH", [shorter], PATCH)().status == 200
    assert sending.result().status == 412
    assert ward.reader.ask(path).body["code"]["text"] == "what another one wrote"


def test_whose_token_is_withdrawn_while_a_long_resource_is_read_writes_nothing(
    edge: Edge, ward: Ward
) -> None:
    patient, program = ward.patient(), ward.reader
    before = ward.handles(patient)
    body = json.dumps(condition(patient)).encode()
    with stopped(edge, lambda: program.ask("Condition", "POST", body, Content_Type=JSON)) as sending:
        tokens.withdraw(ward.city, tokens.digest_of(program.token))
    assert sending.result().status == 401
    assert ward.handles(patient) == before
