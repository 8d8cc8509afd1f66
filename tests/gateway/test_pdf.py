"""A patient's summary as pages over HTTP: what this post may see now, as an attachment, and for nobody else."""

from __future__ import annotations

from typing import Any

import pypdfium2
import pytest
import urllib3

from careledger.fhir.summary_text import INCOMPLETE
from careledger.gateway.forms import SANDBOX
from gateway.edge_world import JSON, Edge
from story import ILLNESS


def path(edge: Edge) -> str:
    return f"Patient/{edge.story.adam.hex()}/$pdf"


def fetched(edge: Edge, label: str, method: str = "GET", body: bytes | None = None) -> Any:
    headers = {"Authorization": f"Bearer {edge.token(label)}", "Content-Type": JSON}
    url = f"{edge.gateway.base}/{path(edge)}"
    return urllib3.request(method, url, headers=headers, body=body, retries=False)


def text(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    found = (document[at].get_textpage().get_text_range() for at in range(len(document)))
    return " ".join(" ".join(found).split())


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b'{"resourceType":"Parameters"}')])
def test_a_post_gets_pages_of_what_is_shared_with_it(edge: Edge, method: str, body: bytes | None) -> None:
    reply = fetched(edge, "Dr Stay", method, body)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/pdf")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="summary.pdf"'
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Security-Policy"] == SANDBOX
    assert reply.headers["Cache-Control"] == "no-store"
    said = text(reply.data)
    assert ILLNESS in said
    assert INCOMPLETE in said
    assert "Allergies and intolerances Not shared, whether or not it holds anything: general." in said


def test_who_is_not_let_see_anything_gets_no_pages(edge: Edge) -> None:
    refused = edge.client("Dr Lake").ask(path(edge))
    assert (refused.status, refused.issue[0]) == (403, "forbidden")
    assert edge.stranger().ask(path(edge)).status == 401
    unknown = edge.client("Dr Stay").ask(f"Patient/{'0' * 64}/$pdf")
    assert (unknown.status, unknown.issue[0]) == (404, "not-found")
    assert fetched(edge, "Dr Stay", "POST", b"{}").status == 400


def test_a_gateway_that_cannot_set_pages_says_so(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("careledger.fhir.printing.pdf.find_spec", lambda name: None)
    reply = edge.client("Dr Stay").ask(path(edge))
    assert (reply.status, reply.issue[0]) == (501, "not-supported")
