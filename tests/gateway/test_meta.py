"""``$meta`` shows of a record what a read shows as its meta, to whom a read shows the record."""

from __future__ import annotations

import uuid

from careledger.workflows.own_reads import lines_before
from gateway.edge_world import JSON, Edge
from gateway.ward import Ward


def test_it_is_the_meta_of_what_is_read_and_is_noted_as_a_read(edge: Edge) -> None:
    ward = Ward(edge)
    made = ward.diagnosed(ward.patient(), "c1", meta={"tag": [{"system": "urn:t", "code": "a"}]})
    assert made.status == 201
    path = f"Condition/{made.body['id']}"
    meta = ward.reader.ask(path).body["meta"]
    for method in ("GET", "POST"):
        said = ward.reader.ask(f"{path}/$meta", method, Content_Type=JSON)
        assert said.status == 200, said.body
        assert said.body["parameter"] == [{"name": "return", "valueMeta": meta}]
    named = f"{path}/_history/{meta['versionId']}"
    noted = [line for _, line in lines_before(edge.story.world.read_log(ward.city).books, 2**62)]
    kinds = [each.asked for each in noted if named in each.shown]
    assert kinds.count("GET /{kind}/{id}/$meta") == kinds.count("POST /{kind}/{id}/$meta") == 1


def test_what_is_not_seen_has_none(edge: Edge) -> None:
    ward = Ward(edge)
    path = f"Condition/{ward.diagnosed(ward.patient(), 'c2').body['id']}"
    for stranger in ("Dr Lake", "Dr Stay"):
        client = edge.client(stranger)
        refused, unknown = client.ask(f"{path}/$meta"), client.ask(f"Condition/{uuid.uuid4()}/$meta")
        assert (refused.status, refused.body) == (404, unknown.body)
    for change in ("$meta-add", "$meta-delete"):
        assert ward.reader.ask(f"{path}/{change}", "POST", b"{}", Content_Type=JSON).status == 404
