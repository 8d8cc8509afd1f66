"""Bundles read entry by entry: the same as at once, in bounded memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator

import pytest

from careledger.domain.errors import FhirRefused
from careledger.fhir import stream
from careledger.fhir.entries import Entry, Naming, Reject, read_resource
from careledger.fhir.parse import parse_file
from careledger.fhir.sample import sample_file
from careledger.fhir.stream import BundleStream
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


class Endless(io.RawIOBase):
    """A bundle of so many observations, made while it is read."""

    def __init__(self, entries: int) -> None:
        self._pieces = self._made(entries)

    def read(self, size: int = -1) -> bytes:
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
