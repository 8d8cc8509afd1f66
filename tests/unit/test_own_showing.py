"""Own writings are shown the same whether or not they were looked through before, and only references are renamed."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.fhir.canonical import canonical
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.split import import_bundle
from careledger.formats.bodies import RecordBody
from careledger.formats.charts import AuthorsCopy
from careledger.gateway.own.showing import as_shown, linked, named_in, shown_again
from careledger.workflows.chart import ChartEntry
from careledger.workflows.from_fhir import staged

URN = "urn:uuid:6f5902ac-2378-41bb-9d0c-6a2e7b0f4c11"
MADE, PLACE = 1_790_000_000, 3


def entry(body: RecordBody, record: bytes = bytes(16)) -> ChartEntry:
    copy = AuthorsCopy(bytes(32), bytes(32), 1, record, b"", b"", b"", b"", b"")
    return ChartEntry(copy, body)


def bodies(name: str) -> list[tuple[RecordBody, bytes]]:
    said = staged(import_bundle(sample_file(name), name, namespace=b"showing"))
    made = [each.load() for patient in said.patients for each in patient.versions]
    return [(RecordBody(each.body.canonical, b"", None, None, ()), each.record_id) for each in made]


def both_ways(one: ChartEntry, named: dict[str, str]) -> tuple[Any, Any]:
    walked = linked(as_shown(one, MADE, PLACE), named.get)
    again = shown_again(one, MADE, PLACE, named.get)
    assert (walked.path, walked.version, walked.place) == (again.path, again.version, again.place)
    return walked.resource, again.resource


@pytest.mark.parametrize("name", list(sample_names())[:3])
def test_a_version_is_shown_as_a_walk_through_it_would_show_it(name: str) -> None:
    references = 0
    for body, record in bodies(name):
        one = entry(body, record)
        urns = sorted(set(named_in(one)))
        references += len(urns)
        for named in ({}, {urn: f"Encounter/{urn[9:]}" for urn in urns[::2]}):
            walked, again = both_ways(one, named)
            assert canonical(walked) == canonical(again)
    assert references > 50


def test_what_only_looks_like_a_reference_stays_as_the_record_says_it() -> None:
    said: dict[str, Any] = {
        "resourceType": "Condition",
        "id": "x",
        "code": {"text": f'"reference":"{URN}"'},
        "note": [{"text": f"reference: {URN}"}, {"text": URN}],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": URN}],
        "extension": [{"url": URN, "valueUri": URN}],
        "subject": {"reference": URN, "display": f'\\","reference":"{URN}'},
    }
    one = entry(RecordBody(canonical(said), b"", None, None, ()))
    walked, again = both_ways(one, {URN: "Patient/p"})
    assert walked == again
    assert again["subject"] == {**said["subject"], "reference": "Patient/p"}
    assert again["extension"] == [{"url": "Patient/p", "valueUri": URN}]
    assert {name: again[name] for name in ("code", "note", "identifier")} == {
        name: said[name] for name in ("code", "note", "identifier")
    }
