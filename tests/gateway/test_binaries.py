"""A Binary read as the file that it holds: bytes by range, always an attachment, for who may read it alone."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
import urllib3

from careledger.gateway.forms import SANDBOX
from careledger.gateway.operations.binaries import kind_of
from careledger.gateway.views import Shown
from gateway.edge_world import JSON, Client, Edge

FILE = b"\x89PNG\r\n\x1a\n" + random.Random(5).randbytes(99_993)
WHEN = "2026-05-04T10:00:00Z"


def sent(patient: str, kind: str = "image/png", data: bytes = FILE) -> bytes:
    """A transaction of a document about that patient and the Binary that holds it."""
    person = {"resourceType": "Patient", "identifier": [{"system": "urn:careledger:alias", "value": patient}]}
    binary = {"resourceType": "Binary", "contentType": kind, "data": base64.b64encode(data).decode()}
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "urn:uuid:11111111-1111-4111-8111-111111111111"},
        "date": WHEN,
        "content": [{"attachment": {"url": "urn:uuid:22222222-2222-4222-8222-222222222222"}}],
    }
    given: dict[str, Any] = {
        "11111111-1111-4111-8111-111111111111": person,
        "22222222-2222-4222-8222-222222222222": binary,
    }
    given["33333333-3333-4333-8333-333333333333"] = document
    entries = [
        {
            "fullUrl": f"urn:uuid:{name}",
            "resource": each,
            "request": {"method": "POST", "url": each["resourceType"]},
        }
        for name, each in given.items()
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


@pytest.fixture(scope="module")
def binary(edge: Edge) -> str:
    """Where a Binary is that City's clerk wrote: Binary/ID."""
    return written(edge, sent("ab" * 32))


def written(edge: Edge, bundle: bytes) -> str:
    reply = edge.client("clerk").ask("", "POST", bundle, Content_Type=JSON)
    assert reply.status == 200, reply.body
    found: list[str] = [each["response"]["location"] for each in reply.body["entry"]]
    return next(each.partition("/_history")[0] for each in found if each.startswith("Binary/"))


def got(client: Client, path: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent["Authorization"] = f"Bearer {client.token}"
    return client.pool.request(method, f"{client.base}/{path}", headers=sent, retries=False)


def test_a_binary_is_the_file_that_it_holds_and_an_attachment_that_runs_nowhere(
    edge: Edge, binary: str
) -> None:
    for wanted in ("*/*", "image/png", "image/*", "text/html"):
        reply = got(edge.client("Dr City"), binary, Accept=wanted)
        assert (reply.status, reply.data, reply.headers["Content-Type"]) == (200, FILE, "image/png")
        assert (
            reply.headers["Content-Disposition"] == f'attachment; filename="{binary.partition("/")[2]}.png"'
        )
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"] == SANDBOX
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Accept-Ranges"] == "bytes"


def test_who_asks_for_fhirs_own_format_is_given_the_resource(edge: Edge, binary: str) -> None:
    client = edge.client("Dr City")
    for reply in (client.ask(binary, Accept=JSON), client.ask(f"{binary}?_format=json", Accept="*/*")):
        assert reply.headers["Content-Type"] == f"{JSON}; charset=utf-8"
        assert (reply.body["resourceType"], reply.body["contentType"]) == ("Binary", "image/png")
        assert base64.b64decode(reply.body["data"]) == FILE


@pytest.mark.parametrize(
    ("said", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1-1000", 1, 1_001),
        ("bytes=2-", 2, 100_001),
        ("bytes=-5", 99_996, 100_001),
        ("bytes=-999999", 0, 100_001),
        ("bytes=99999-999999", 99_999, 100_001),
        ("Bytes=0-0", 0, 1),
        ("bytes=100000-" + "9" * 40, 100_000, 100_001),
    ],
)
def test_a_range_of_the_content_is_those_bytes(
    edge: Edge, binary: str, said: str, start: int, stop: int
) -> None:
    reply = got(edge.client("Dr City"), binary, Range=said)
    assert (reply.status, reply.data) == (206, FILE[start:stop])
    assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/100001"
    assert reply.headers["Content-Disposition"] == f'attachment; filename="{binary.partition("/")[2]}.png"'


@pytest.mark.parametrize("said", ["bytes=100001-", "bytes=100001-100002", "bytes=-0", f"bytes={'9' * 30}-"])
def test_a_range_beyond_the_end_is_refused_with_the_length(edge: Edge, binary: str, said: str) -> None:
    reply = got(edge.client("Dr City"), binary, Range=said)
    assert (reply.status, reply.headers["Content-Range"]) == (416, "bytes */100001")
    assert reply.headers["Content-Type"] == f"{JSON}; charset=utf-8"
    assert json.loads(reply.data)["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("said", ["bytes=5-4", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes"])
def test_a_range_that_is_none_or_not_one_is_as_if_it_were_not_there(
    edge: Edge, binary: str, said: str
) -> None:
    reply = got(edge.client("Dr City"), binary, Range=said)
    assert (reply.status, reply.data) == (200, FILE)


def test_a_range_counts_only_for_the_version_that_if_range_names_and_never_for_head(
    edge: Edge, binary: str
) -> None:
    client = edge.client("Dr City")
    tag = got(client, binary).headers["ETag"]
    assert got(client, binary, Range="bytes=0-9", If_Range=tag).data == FILE[:10]
    for other in (f"W/{tag}", '"other"', "Sun, 29 Nov 2026 05:00:00 GMT"):
        assert got(client, binary, Range="bytes=0-9", If_Range=other).status == 200
    head = got(client, binary, "HEAD", Range="bytes=0-9")
    assert (head.status, head.headers["Content-Length"]) == (200, "100001")
    assert got(client, binary, If_None_Match=tag).status == 304
    for named, status in (
        (tag, 200),
        ("*", 200),
        (f'"other", {tag}', 200),
        ('"other"', 412),
        (f"W/{tag}", 412),
    ):
        assert got(client, binary, If_Match=named).status == status, named


@pytest.mark.parametrize("stated", ["a/b\r\nX-Other: 1", "image/p\u00e9g", "a/" + "b" * 200, "words", ""])
def test_a_content_type_that_no_header_can_hold_is_sent_as_plain_bytes(stated: str) -> None:
    shown = Shown("Binary", "1", "1", 0, {"resourceType": "Binary", "contentType": stated})
    assert kind_of(shown) == "application/octet-stream"
    parameters = {"resourceType": "Binary", "contentType": "text/plain; charset=utf-8"}
    assert kind_of(Shown("Binary", "1", "1", 0, parameters)) == "text/plain; charset=utf-8"


def test_to_another_organisation_a_binary_is_what_is_not_there(edge: Edge, binary: str) -> None:
    stranger = edge.client("Dr Lake")
    refused = stranger.ask(binary, Accept="*/*", Range="bytes=0-0")
    unknown = stranger.ask("Binary/00000000-0000-4000-8000-000000000000", Accept="*/*", Range="bytes=0-0")
    assert (refused.status, refused.body) == (unknown.status, unknown.body)
    assert refused.status == 404
    assert refused.headers.get("Content-Range") is None
    assert edge.stranger().ask(binary).status == 401
