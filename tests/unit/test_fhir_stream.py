"""Bundles read entry by entry: the same as at once, in bounded memory."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.errors import FhirRefused
from careledger.fhir import entries, split, stream
from careledger.fhir.entries import Entry, Naming, Reject, read_resource
from careledger.fhir.parse import parse_file
from careledger.fhir.sample import sample_file
from careledger.fhir.split import import_bundle, import_open, loaded
from careledger.fhir.stream import BundleStream
from careledger.fhir.versions import ImportReport
from fhir_cases import PATIENT, about, file_of, observation, whole


def streamed(data: bytes) -> list[Entry | Reject]:
    return list(BundleStream(io.BytesIO(data), "f").entries())


def small() -> bytes:
    faulty = {"resourceType": "Patient", "birthDate": "2021-02-31"}
    text = {"resourceType": "Patient", "id": "n", "name": [{"text": 'নুর "জাহান" {[\\'}]}
    measured = observation(valueQuantity={"value": 1.50})
    return file_of(PATIENT, faulty, measured, text, kind="transaction", total=1_234)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 10_000])
def test_a_stream_gives_what_the_whole_file_gives(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PIECE", piece)
    for data in (small(), json.dumps(json.loads(small()), indent=2).encode()):
        whole_file = parse_file(data, "f")
        found = streamed(data)
        assert [each for each in found if isinstance(each, Entry)] == list(whole_file.entries)
        assert [each for each in found if isinstance(each, Reject)] == list(whole_file.rejects)
        assert len(whole_file.rejects) == 1


def test_a_sample_file_streams_to_the_same_entries() -> None:
    data = sample_file("Jules135_Schmitt836")
    reader = BundleStream(io.BytesIO(data), "f")
    assert (reader.bundle_type, reader.meta) == (None, {})
    assert tuple(reader.entries()) == parse_file(data, "f").entries
    assert reader.bundle_type == "transaction"


@pytest.mark.parametrize("piece", [5, 4096])
def test_a_file_cut_anywhere_is_refused_at_the_place_that_the_whole_reader_names(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PIECE", piece)
    data = json.dumps(json.loads(small()), indent=1, ensure_ascii=False).encode()
    for at in range(0, len(data) - 1, 7):
        said = []
        for read in (lambda cut: parse_file(cut, "f"), streamed):
            with pytest.raises(FhirRefused) as caught:
                read(data[:at])
            said.append({key: caught.value.details.get(key) for key in ("file", "problem")})
        assert said[0] == said[1], at


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"\xff', "not UTF-8 at byte 61"),
        (b'{"resourceType":"Bundle","type":"batch","entry":[{"resource":' + b"[" * 500, "nested deeper"),
        (b'{"resourceType":"Patient","entry":[]}', "Expecting value"),
        (b'{"resourceType":"Patient"}', "not a Bundle"),
        (
            b'{"type":"history","entry":[{"resource":{"resourceType":"Patient"}}],"resourceType":"Bundle"}',
            "not imported",
        ),
        (b'{"resourceType":"Bundle","type":"batch","type":"batch"}', "twice"),
        (b'{"resourceType":"Bundle","type":"batch","entry":{"resource":1}}', "not an array"),
        (file_of(PATIENT, observation(valueString="x\x01y")), "not allowed in text"),
        (file_of(PATIENT, observation(valueString="")), "empty text"),
        (b'{"resourceType":"Bundle","type":"batch"} x', "text after the end"),
    ],
)
def test_what_refuses_a_file_refuses_its_stream(data: bytes, problem: str) -> None:
    with pytest.raises(FhirRefused) as caught:
        streamed(data)
    assert problem in str(caught.value.details["problem"])


class Endless(io.BytesIO):
    """A bundle of so many observations, made while it is read."""

    def __init__(self, entries: int) -> None:
        super().__init__()
        self._pieces = self._made(entries)

    def read(self, size: int | None = -1) -> bytes:
        return next(self._pieces, b"")

    @staticmethod
    def _made(entries: int) -> Iterator[bytes]:
        one = json.dumps({"resource": whole(observation(valueString="x" * 2_000))}).encode()
        yield b'{"resourceType":"Bundle","type":"collection","entry":['
        yield from (one + b"," for _ in range(entries - 1))
        yield one + b"]}"


def test_however_many_entries_pass_in_the_memory_of_a_few() -> None:
    def peak(entries: int) -> int:
        tracemalloc.start()
        count = sum(isinstance(each, Entry) for each in BundleStream(Endless(entries), "f").entries())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == entries
        return most

    peak(10)
    assert peak(2_000) < 2 * peak(200) < 4 * 2**20


def test_references_between_streamed_entries_are_judged_by_their_names_alone() -> None:
    naming, urn = Naming(), "urn:uuid:9afe28dc-7ad5-4e90-b6a6-16123eae98c3"
    made = read_resource(json.dumps(about("Condition", "c", encounter={"reference": urn})).encode(), 3)
    assert isinstance(made, Entry)
    assert naming.fault(made) is None
    naming.add(urn, "Observation")
    assert naming.fault(made) == ("encounter", "not a reference to Encounter")


def test_one_resource_by_itself_is_an_entry_or_a_reject() -> None:
    good = read_resource(b' {"resourceType":"Patient","id":"a"}\n', 7)
    assert isinstance(good, Entry)
    assert (good.index, good.type, good.original) == (7, "Patient", b'{"resourceType":"Patient","id":"a"}')
    for line in (
        b"",
        b"{",
        b'{"resourceType":"Patient","id":"a"} {}',
        b'{"resourceType":"Patient","id":""}',
        b"\xff",
    ):
        assert isinstance(read_resource(line, 1), Reject), line


def left(data: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[ImportReport, ImportReport]:
    """What is imported of a file at once, and of it where every resource of some size is left in it."""
    whole_file = import_bundle(data, name)
    monkeypatch.setattr(entries, "LARGE", 600)
    monkeypatch.setattr(entries, "LONG_TEXT", 100)
    return whole_file, import_open(io.BytesIO(data), name)


def with_attachment(text: str) -> dict[str, Any]:
    attachment = {"contentType": "text/plain", "data": base64.b64encode(text.encode() * 400).decode()}
    return {"resourceType": "DocumentReference", "id": f"d{text}", "status": "current", "description": "নুর জাহান",
            "subject": {"reference": "Patient/p1"}, "content": [{"attachment": attachment}]}  # fmt: skip


LINES = b"\n \n".join(json.dumps(each, ensure_ascii=False).encode() for each in (
    PATIENT, with_attachment("a"), observation(), with_attachment("b")))  # fmt: skip
BUNDLE = json.dumps(
    {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"https://নুর.example/{each['resourceType']}/{each['id']}", "resource": each}
            for each in (PATIENT, with_attachment("a"), observation(), with_attachment("b"))
        ],
    },
    ensure_ascii=False,
    indent=1,
).encode()


@pytest.mark.parametrize(
    ("data", "name", "large"),
    [
        (BUNDLE.replace("নুর.".encode(), b"x."), "bundle.json", 2),
        (b"  " + LINES, "lines.ndjson", 2),
        (b"\n " + json.dumps(with_attachment("a"), ensure_ascii=False).encode(), "one.json", 1),
    ],
)
def test_a_large_resource_is_left_in_its_file_and_comes_back_from_there(
    data: bytes, name: str, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_file, report = left(data, name, monkeypatch)
    places = [each.place for each in report.versions if each.place]
    assert len(places) == large
    for each, before in zip(report.versions, whole_file.versions, strict=True):
        if each.place is None:
            assert each == before
            continue
        assert each.canonical == each.original == b""
        its_bytes = data[each.place.offset : each.place.offset + each.place.length]
        assert (
            replace(loaded(each, its_bytes), original=before.original, place=None, content=before.content)
            == before
        )
        with pytest.raises(FhirRefused, match="the file changed"):
            loaded(each, its_bytes[:-1] + b" ")
    assert report.warnings == whole_file.warnings


def test_what_has_no_name_but_its_content_keeps_its_record_id_however_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nameless = [{name: each for name, each in with_attachment(text).items() if name != "id"} for text in "ab"]
    data = b"\n".join(json.dumps(each).encode() for each in nameless)
    monkeypatch.setattr(entries, "LARGE", 600)
    monkeypatch.setattr(entries, "LONG_TEXT", 100)
    monkeypatch.setattr(split, "LARGE", 600)
    at_once, streamed_ids = (
        [each.record_id for each in made.versions]
        for made in (import_bundle(data, "f.ndjson"), import_open(io.BytesIO(data), "f.ndjson"))
    )
    assert at_once == streamed_ids
    assert len(set(at_once)) == 2


@pytest.mark.parametrize(
    ("data", "name"), [(BUNDLE.replace("নুর.".encode(), b"x."), "f.json"), (LINES, "f.ndjson")]
)
def test_a_file_that_holds_too_much_beside_large_resources_is_refused(
    data: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_KEPT", 900)
    with pytest.raises(FhirRefused, match="beside large resources"):
        import_open(io.BytesIO(data), name)
    monkeypatch.setattr(entries, "LARGE", 600)
    assert len(import_open(io.BytesIO(data), name).versions) == 4


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"resourceType":"Bundle"}', b"[1]", b'{"resourceType":"Nothing"}']
)
def test_a_file_read_in_pieces_is_refused_as_one_read_at_once(data: bytes) -> None:
    said = []
    ways: tuple[Callable[[], object], ...] = (
        lambda: import_bundle(data, "f"),
        lambda: import_open(io.BytesIO(data), "f"),
    )
    for read in ways:
        with pytest.raises(FhirRefused) as caught:
            read()
        said.append(str(caught.value))
    assert said[0] == said[1]
