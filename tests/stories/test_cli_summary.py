"""A patient sums up the own record by a command: on the screen, or on pages that nobody else can read."""

from __future__ import annotations

import re
from pathlib import Path

import pypdfium2
import pytest

from careledger.fhir.summary_text import INCOMPLETE
from stories.cli_world import PATIENT, careledger, explored, lived

__all__ = ["explored", "lived"]


def test_a_summary_is_printed_with_its_sections_and_that_there_may_be_more(explored: Path) -> None:
    done = careledger("summary", PATIENT, "--data", explored)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "International Patient Summary"
    for title in ("Medication summary", "Allergies and intolerances", "Problems", "Immunizations"):
        assert title in lines
    assert INCOMPLETE in lines
    assert [each for each in lines if re.match(r"  \d{4}-\d\d-\d\d  \S", each)]
    assert not any("not shared" in each.casefold() for each in lines)


def test_the_same_on_pages_is_for_the_owner_alone_and_overwrites_nothing(
    explored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "summary.pdf"
    assert careledger("summary", PATIENT, "--pdf", target, "--data", explored).code == 0
    assert target.stat().st_mode & 0o777 == 0o600
    document = pypdfium2.PdfDocument(target.read_bytes())
    first = document[0].get_textpage().get_text_range()
    assert "International Patient Summary" in first
    before = target.read_bytes()
    assert careledger("summary", PATIENT, "--pdf", target, "--data", explored).code != 0
    assert target.read_bytes() == before
    monkeypatch.setattr("careledger.fhir.printing.pdf.find_spec", lambda name: None)
    refused = careledger("summary", PATIENT, "--pdf", tmp_path / "other.pdf", "--data", explored)
    assert refused.code == 2
    assert "careledger[pdf]" in refused.err
    assert not (tmp_path / "other.pdf").exists()
