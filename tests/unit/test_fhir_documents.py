"""PDF and DICOM become FHIR by what they begin with; no header, however hostile, is believed or breaks anything."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from careledger.fhir.canonical import canonical
from careledger.fhir.dicom import Header, header_of
from careledger.fhir.documents import DICOM, PDF, attachments, binary, document, ending, kind_of, reference
from careledger.fhir.entries import Entry, taken
from careledger.fhir.json_text import read
from dicom_cases import BIG, EXPLICIT, IMPLICIT, dicom

SAID = {"name": "Jahan^Nur", "id": "MRN 7", "birth": "19880402", "date": "20260131", "instance": "1.2.3"}
READ = Header("Jahan Nur", "MRN 7", "1988-04-02", "2026-01-31", "1.2.3")
ONE, TWO = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"%PDF-1.7", PDF),
        (b"\n\n%PDF-1.4", PDF),
        (b" " * 1_020 + b"%PDF-1.4", ""),
        (dicom(EXPLICIT, **SAID), DICOM),
        (b"DICM", ""),
        (b"%PDF-1.7".ljust(128) + b"DICM", DICOM),
        (b"\xff\xd8\xff\xe0 JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"II+\0 a whole slide", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b" \xff\xd8\xff", ""),
        (b"{}", ""),
        (b"", ""),
    ],
)
def test_what_a_file_is_says_how_it_begins(start: bytes, kind: str) -> None:
    assert kind_of(start) == kind


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.4.90"])
def test_the_header_of_a_dicom_file_is_read_past_its_sequences(syntax: str) -> None:
    assert header_of(dicom(syntax, **SAID)) == READ


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (dicom(BIG, **SAID), Header()),
        (
            dicom(EXPLICIT, **{**SAID, "birth": "20260231", "date": "yesterday", "instance": "1..2"}),
            Header("Jahan Nur", "MRN 7"),
        ),
        (dicom(characters="ISO_IR 100", encoding="latin-1", name="Müller^Änne"), Header("Müller Änne")),
        (dicom(characters="ISO 2022 IR 87", name="Jahan^Nur", id="7"), Header()),
        (dicom(encoding="latin-1", name="Müller^Änne"), Header()),
        (dicom(name="Jahan^Nur=নুর"), Header("Jahan Nur")),
        (dicom(), Header()),
    ],
)
def test_what_cannot_be_read_says_nothing(data: bytes, header: Header) -> None:
    assert header_of(data) == header


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_header_cut_anywhere_or_nested_without_end_breaks_nothing(syntax: str) -> None:
    data = dicom(syntax, **SAID)
    found = [header_of(data[:length]) for length in range(len(data))]
    assert {each.name for each in found} <= {"", "Jahan Nur"}
    endless = data[: data.index(b"\xff\xff\xff\xff")] + b"\xff\xff\xff\xff" * 100_000
    assert header_of(endless) == Header()


@given(some.binary(max_size=400), some.integers(0, 300))
def test_no_header_raises(noise: bytes, at: int) -> None:
    data = dicom(EXPLICIT, **SAID)
    made = header_of(data[: 132 + at] + noise + data[132 + at + len(noise) :])
    assert len(made.name) <= 1_024


@pytest.mark.parametrize("kind", [PDF, DICOM])
def test_a_document_is_valid_fhir_and_gives_its_bytes_back(kind: str) -> None:
    data = dicom(EXPLICIT, **SAID) if kind == DICOM else b"%PDF-1.7 ..."
    made = document(data, "scan", len(data), b"\1" * 32)
    for resource in (reference(made, ONE, TWO), binary(made, TWO, data)):
        again = read(canonical(resource))
        found = taken(0, again, b"", plain=True)
        assert isinstance(found, Entry)
        assert found.examined.warnings == ()
    assert list(attachments(read(canonical(binary(made, TWO, data))))) == [(kind, data)]
    assert reference(made, ONE, TWO)["content"][0]["attachment"]["url"] == f"urn:uuid:{TWO}"


def test_attachments_are_found_wherever_they_stand_and_what_is_no_base64_is_passed_over() -> None:
    data = base64.b64encode(b"words").decode()
    inner = {"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}
    resource = {"content": [inner, {"attachment": {"contentType": "text/plain", "data": "no base64!"}}]}
    assert list(attachments(resource)) == [("text/plain; charset=utf-8", b"words")]


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        (PDF, "pdf"),
        ("TEXT/plain; charset=x", "txt"),
        ("../../etc", "bin"),
        ("image/x;a=/", "bin"),
        ("", "bin"),
    ],
)
def test_how_a_files_name_ends_is_never_made_of_what_a_record_says(kind: str, end: str) -> None:
    assert ending(kind) == end
