"""A summary on pages: what the document says, readable in any script that it has letters for, and nothing that runs."""

from __future__ import annotations

import uuid
from typing import Any

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.domain.categories import Category
from careledger.domain.errors import NotInstalled
from careledger.fhir.patient_summary import FEW, NOTHING, Summarised, readable
from careledger.fhir.printing.pdf import MISSING, UNSHAPED, characters, check_installed, pdf_of
from careledger.fhir.summary_text import INCOMPLETE

ALIAS = "ab" * 32
BASE = "http://127.0.0.1/fhir"
BENGALI = "ডায়াবেটিস মেলিটাস টাইপ ২, হৃৎপিণ্ড, ক্ষুদ্র স্বাস্থ্য কার্ড"


def summarised(*said: str, name: str = "রহিমা খাতুন", complete: bool = True) -> Summarised:
    """Problems with these texts; general information and history are not shared."""
    patient = {"resourceType": "Patient", "id": ALIAS, "name": [{"text": name}], "birthDate": "1961-03-04"}
    found: dict[str, Any] = {f"{BASE}/Patient/{ALIAS}": patient}
    for index, text in enumerate(said):
        about = {"reference": f"Patient/{ALIAS}"}
        found[f"{BASE}/Condition/{index}"] = {
            "resourceType": "Condition", "id": str(index), "code": {"text": text}, "subject": about
        }  # fmt: skip
    closed = frozenset({Category.GENERAL, Category.HISTORY})
    return Summarised(
        f"{BASE}/Patient/{ALIAS}", found, closed, complete, "2026-11-29T10:00:00Z", uuid.uuid4()
    )


def pages(given: Summarised) -> list[str]:
    """What each page says, line ends and places to break at left out."""
    document = pypdfium2.PdfDocument(pdf_of(readable(given)))
    texts = [document[at].get_textpage().get_text_range() for at in range(len(document))]
    return [" ".join(each.replace("\u200b\r\n", "").replace("\u200b", "").split()) for each in texts]


def test_the_pages_say_what_the_document_says_and_that_there_may_be_more_on_each() -> None:
    told = readable(summarised("Asthma", complete=False))
    found = pages(summarised("Asthma", complete=False))
    whole = " ".join(found)
    for each in (*told.said, FEW, "Born: 1961-03-04", "Asthma", *(part.title for part in told.parts)):
        assert each in whole
    for page in found:
        assert f"Patient/{ALIAS}, 2026-11-29T10:00:00Z {INCOMPLETE}" in page
    assert found[0].endswith(f"1 / {len(found)}")


def test_what_is_withheld_and_what_is_empty_are_told_apart() -> None:
    whole = " ".join(pages(summarised("Asthma")))
    assert "Allergies and intolerances Not shared, whether or not it holds anything: general." in whole
    assert f"Medication summary {NOTHING}" in whole
    assert "known" not in whole.casefold()


@pytest.mark.parametrize("said", [BENGALI, "मधुमेह, उच्च रक्तचाप", "Übelkeit, Łódź, Ωμέγα, сердце"])
def test_every_script_that_has_letters_here_is_read_back_as_it_was_written(said: str) -> None:
    found = " ".join(pages(summarised(said, name=said)))
    assert f"Patient: {said}" in found
    assert found.count(said) == 2
    assert MISSING not in found


def test_what_has_no_letters_here_appears_as_a_mark_and_the_page_says_so() -> None:
    assert UNSHAPED not in " ".join(pages(summarised("Asthma")))
    found = " ".join(pages(summarised("糖尿病 and \U0001f600")))
    assert f"{MISSING * 3} and {MISSING}" in found
    assert UNSHAPED in found


def test_text_is_never_markup_and_nothing_in_the_pages_runs_or_leads_elsewhere() -> None:
    hostile = '#import "@preview/x:1.0.0" #read("/etc/passwd") *b* $x$ @r <l> http://x.example \\ // /* "q"'
    made = pdf_of(readable(summarised(hostile, "[" * 40, "`" * 3)))
    found = " ".join(pages(summarised(hostile)))
    assert hostile.replace(" ", "") in found.replace(" ", "")  # lines end where they end
    assert made.startswith(b"%PDF-1.7")
    for each in (b"/JavaScript", b"/JS", b"/Launch", b"/URI", b"/OpenAction", b"/EmbeddedFile"):
        assert each not in made
    assert b"/StructTreeRoot" in made  # a screen reader finds headings and tables


def test_the_same_summary_gives_the_same_bytes() -> None:
    first, second = summarised(BENGALI), summarised(BENGALI)
    assert first.number != second.number
    assert pdf_of(readable(first)) == pdf_of(readable(second))
    assert pdf_of(readable(first)) != pdf_of(readable(summarised("Asthma")))


def test_long_words_and_many_rows_stay_on_the_pages() -> None:
    long = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 4
    found = pages(summarised(long, *(f"Problem {at}" for at in range(200))))
    assert len(found) > 3
    whole = " ".join(found)
    assert long in whole
    assert all(f"Problem {at}" in whole for at in range(200))
    assert all("Date What Value Status" in page for page in found[:3])


def test_the_fonts_have_the_letters_of_the_languages_that_people_here_write() -> None:
    have = frozenset().union(*characters())
    for text in (BENGALI, "नेपाली भाषा", "English", "–…“”€"):
        assert {ord(each) for each in text if not each.isspace()} <= have
    assert ord("糖") not in have


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=8))
def test_pages_are_set_whatever_stands_in_the_records(said: list[str]) -> None:
    assert pdf_of(readable(summarised(*said, name=said[0]))).startswith(b"%PDF-")


@pytest.mark.parametrize("said", ["O\u0313", "ক\u0313", "\u09cd", "\u200d", " \u0301", "क\u09be"])
def test_a_letter_with_a_mark_of_another_script_is_set_or_marked(said: str) -> None:
    assert pages(summarised(said))


def test_without_the_typesetter_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    monkeypatch.setattr("careledger.fhir.printing.pdf.find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match="pdf"):
        pdf_of(readable(summarised("Asthma")))
