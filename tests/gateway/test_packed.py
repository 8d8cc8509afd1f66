"""What anybody may read is compressed for who takes that; what shows records never is."""

from __future__ import annotations

import gzip

import pytest
import urllib3

from gateway.edge_world import Edge
from gateway.test_who_may_ask import answers

PUBLIC = ("/fhir/metadata", "/api/v1/openapi.json", "/api/v1/docs", "/api/v1/docs/page.js")


def raw(edge: Edge, path: str, takes: str | None) -> urllib3.BaseHTTPResponse:
    headers = {} if takes is None else {"Accept-Encoding": takes}
    return urllib3.request("GET", f"{edge.gateway.url}{path}", headers=headers, decode_content=False)


@pytest.mark.parametrize("path", PUBLIC)
def test_what_anybody_may_read_is_the_same_compressed(edge: Edge, path: str) -> None:
    plain = raw(edge, path, "identity")
    assert "Content-Encoding" not in plain.headers
    for takes in ("gzip", "br, gzip;q=0.5", "*", "GZIP"):
        reply = raw(edge, path, takes)
        assert (reply.headers["Content-Encoding"], reply.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert int(reply.headers["Content-Length"]) == len(reply.data) < len(plain.data)
        assert gzip.decompress(reply.data) == plain.data
    for takes in ("gzip;q=0", "gzip; q=0.0", "br", "xgzip", "gzipped", ""):
        reply = raw(edge, path, takes)
        assert "Content-Encoding" not in reply.headers, takes
        assert reply.data == plain.data


def test_nothing_but_what_anybody_may_read_is_compressed(edge: Edge) -> None:
    client, alias = edge.client("Dr Stay"), edge.story.adam.hex()
    found = client.ask(f"Patient/{alias}/$everything?_count=1000", Accept_Encoding="gzip")
    assert found.status == 200
    assert int(found.headers["Content-Length"]) > 4_096
    assert "Content-Encoding" not in found.headers
    for reply in answers(edge.client("Dr City"), edge, Accept_Encoding="gzip"):
        assert "Content-Encoding" not in reply.headers
