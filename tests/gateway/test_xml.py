"""The gateway in XML: the same answers as in JSON, and what is sent in it is taken as if it had come in JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.fhir.json_text import Resource, read
from careledger.fhir.xml_text import from_xml, to_xml
from careledger.gateway.forms import MOST_XML, SANDBOX, XMLS, wanted
from gateway.edge_world import JSON, Client, Edge
from story import VISIT

XML = "application/fhir+xml"


@dataclass
class Said:
    """What came back, read by its content type."""

    status: int
    headers: Any
    body: Resource


def ask(client: Client, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Said:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if client.token:
        sent["Authorization"] = f"Bearer {client.token}"
    reply = client.pool.request(method, f"{client.base}/{path}", body=body, headers=sent, retries=False)
    kind, _, charset = reply.headers.get("content-type", "").partition("; charset=")
    assert (kind in (JSON, XML), charset) == (True, "utf-8"), (reply.status, kind)
    return Said(reply.status, reply.headers, from_xml(reply.data) if kind == XML else read(reply.data))


def same(text: Resource) -> str:
    """Without names of pages, of documents made for the answer, and when."""
    return re.sub(
        r"_page=[0-9a-f]{32}|urn:uuid:[0-9a-f-]{36}|\\d{4}-\\d\\d-\\d\\dT[0-9:]+Z|[0-9a-f-]{36}",
        "X",
        repr(text),
    )


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: ordered(value[name]) for name in sorted(value)}
    return [ordered(each) for each in value] if isinstance(value, list) else value


@pytest.fixture
def visit(edge: Edge) -> Resource:
    patient = {"reference": f"Patient/{edge.story.adam.hex()}"}
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    return {"resourceType": "Encounter", "status": "finished", "class": kind, "subject": patient}


def test_every_answer_is_the_same_in_xml(edge: Edge) -> None:
    client, patient = edge.client("Dr Stay"), edge.story.adam.hex()
    one = client.ask(f"Condition?patient={patient}").matches[0]
    path = f"Condition/{one['id']}"
    asked = [
        ("metadata", 200), (f"Condition?patient={patient}&_count=1", 200), (path, 200), (f"{path}/_history", 200),
        (f"{path}/_history/{one['meta']['versionId']}", 200), (f"{path}?_summary=true", 200), ("Consent", 200),
        (f"Patient/{patient}", 200), (f"Patient/{patient}/$everything", 200), (f"Patient/{patient}/$summary", 200),
        ("OperationDefinition/everything", 200), (f"Condition/{'0' * 8}", 404),
        (f"Condition?patient={patient}&onset-date=x", 400),
        ("Encounter?status=finished", 200), ("Nothing/1", 404),
    ]  # fmt: skip
    for address, status in asked:
        plain, marked = (ask(client, address, Accept=each) for each in (JSON, XML))
        assert (plain.status, marked.status) == (status, status), address
        assert marked.headers["content-type"] == f"{XML}; charset=utf-8"
        assert marked.headers["Content-Security-Policy"] == SANDBOX
        assert same(ordered(plain.body)) == same(ordered(marked.body)), address
        assert plain.headers.get("ETag") == marked.headers.get("ETag")
    named = ask(client, f"{path}?_format=xml", Accept=JSON)
    assert (named.headers["content-type"], named.body) == (
        f"{XML}; charset=utf-8",
        read(to_json(client, path)),
    )
    refused = ask(edge.stranger("clt_none"), path, Accept=XML)
    assert (refused.status, refused.body["resourceType"]) == (401, "OperationOutcome")


def to_json(client: Client, path: str) -> bytes:
    headers = {"Authorization": f"Bearer {client.token}"}
    return client.pool.request("GET", f"{client.base}/{path}", headers=headers).data


def test_what_is_written_in_xml_is_written(edge: Edge, visit: Resource) -> None:
    story = edge.story
    story.grant(story.adam, story.staff["Dr City"], (VISIT,), Permission.APPEND)
    story.grant(story.adam, story.staff["Dr City"], (VISIT,), Permission.VIEW)
    client = edge.client("Dr City")
    made = ask(client, "Encounter", "POST", to_xml(visit), Content_Type=XML, Accept=XML)
    assert (made.status, made.headers["content-type"]) == (201, f"{XML}; charset=utf-8")
    path = f"Encounter/{made.body['id']}"
    assert client.ask(path).body["class"] == visit["class"]
    changed = {**made.body, "status": "cancelled"}
    put = ask(client, path, "PUT", to_xml(changed), Content_Type="application/xml")
    assert (put.status, put.body["status"], put.headers["content-type"]) == (
        200,
        "cancelled",
        f"{JSON}; charset=utf-8",
    )
    told = ask(client, "Encounter/$validate", "POST", to_xml(visit), Content_Type="text/xml", Accept=XML)
    assert told.body["issue"][0]["diagnostics"] == "This is valid FHIR R4."
    path = f"Patient/{story.adam.hex()}/$summary"
    asked = ask(client, path, "POST", to_xml({"resourceType": "Parameters"}), Content_Type=XML)
    assert asked.body["type"] == "document"


def test_a_bundle_in_xml_is_imported(edge: Edge) -> None:
    person = {"resourceType": "Patient", "name": [{"text": "Shefali Xml"}]}
    entry = {"fullUrl": "urn:uuid:00000000-0000-0000-0000-0000000000ab", "resource": person,
             "request": {"method": "POST", "url": "Patient"}}  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    taken = ask(edge.client("clerk"), "", "POST", to_xml(bundle), Content_Type=XML, Accept=XML)
    assert taken.status == 200, taken.body
    assert taken.body["entry"][0]["response"]["status"] == "201 Created"
    assert len(edge.client("clerk").ask("Patient?name=Shefali Xml").matches) == 1


def test_what_is_no_resource_in_xml_is_refused_with_its_place(edge: Edge, visit: Resource) -> None:
    client = edge.client("Dr City")
    declared = b'<!DOCTYPE a><Encounter xmlns="http://hl7.org/fhir"/>'
    for body in (
        b"",
        b"{}",
        b"<Encounter/>",
        declared,
        to_xml(visit)[:-3],
        b"<x>" * 10_000,
        b" " * (MOST_XML + 1),
    ):
        refused = ask(client, "Encounter", "POST", body, Content_Type=XML)
        assert (refused.status, refused.body["issue"][0]["code"]) == (400, "invalid"), body[:40]
    unknown = to_xml(visit).replace(b"<subject>", b"<shoe value='44'/><subject>")
    refused = ask(client, "Encounter", "POST", unknown, Content_Type=XML)
    assert "shoe" in refused.body["issue"][0]["diagnostics"]
    patch = ask(client, "Encounter/1", "PATCH", b"<a/>", Content_Type=XML)
    assert patch.status == 400


@pytest.mark.parametrize(
    ("accept", "named", "form"),
    [
        ("*/*", None, JSON), (XML, None, XML), ("text/html, application/xml;q=0.9, */*;q=0.8", None, XMLS[1]),
        (f"{XML};q=0.5, {JSON}", None, JSON), (f"{XML}; q=0, */*;q=0.1", None, JSON), ("text/turtle", None, None),
        ("text/turtle", "xml", XML), (XML, "application/fhir json", JSON), (JSON, "ttl", None),
        ("application/xml;q=x", None, None), ("", None, None), (f"{XML.title()}; fhirVersion=4.0", None, XML),
    ],
)  # fmt: skip
def test_the_form_is_the_one_that_is_liked_best(accept: str, named: str | None, form: str | None) -> None:
    assert wanted(accept, named) == form
