"""Hostile and broken files: the corpus that is kept, files cut and changed anywhere, and whatever hypothesis finds."""

from __future__ import annotations

import copy
import io
import json
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.domain.errors import FhirRefused
from careledger.fhir.canonical import canonical, canonical_of
from careledger.fhir.fhirpath.syntax import NotUnderstood, tree
from careledger.fhir.json_text import Cursor, Flaw, Number, check, decoded, is_plain, read
from careledger.fhir.parse import parse_file
from careledger.fhir.sample import sample_file
from careledger.fhir.split import import_bundle, import_open
from careledger.fhir.validation.check import examine
from careledger.fhir.versions import ImportReport
from careledger.formats.json_nesting import nesting
from fhir_cases import PATIENT, about, file_of, observation

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
EXPECTED: dict[str, str] = json.loads((CORPUS / "fhir.json").read_text())
MARK = "Xanthippe"  # a person's name that no definition has


def outcome(data: bytes, name: str = "f.json") -> tuple[str, list[str]]:
    """What became of a file, and everything that is said of it."""
    try:
        report = import_bundle(data, name)
    except FhirRefused as refusal:
        return "refused", [str(refusal)]
    if report.rejects:
        return "rejected", said_of(report)
    return "taken", said_of(report)


def outcome_in_pieces(data: bytes, name: str) -> tuple[str, list[str]]:
    """The same of a file that is read as large ones are."""
    try:
        report = import_open(io.BytesIO(data), name)
    except FhirRefused as refusal:
        return "refused", [str(refusal)]
    return "rejected" if report.rejects else "taken", said_of(report)


def said_of(report: ImportReport) -> list[str]:
    rejects = [f"{each.where} {each.why} {each.others}" for each in report.rejects]
    return rejects + [f"{each.path} {each.what}" for each in (*report.warnings, *report.unmapped)]


def test_the_corpus_and_the_table_of_what_is_expected_name_the_same_files() -> None:
    assert set(EXPECTED) == {path.name for path in (CORPUS / "fhir").iterdir()}
    kinds = Counter(text.partition(":")[0] for text in EXPECTED.values())
    assert min(kinds[kind] for kind in ("refused", "rejected", "taken")) >= 9


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_file_of_the_corpus_gets_its_precise_outcome(name: str) -> None:
    kind, _, words = EXPECTED[name].partition(": ")
    found, said = outcome((CORPUS / "fhir" / name).read_bytes(), name)
    assert found == kind, said
    assert any(word in text for word in words.split("|") for text in said) or not words, said
    if kind == "rejected":
        report = import_bundle((CORPUS / "fhir" / name).read_bytes(), name)
        assert [reject.index for reject in report.rejects] == [max(reject.index for reject in report.rejects)]
        assert report.versions, "the other entries are taken"


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_file_of_the_corpus_read_in_pieces_has_the_outcome_of_one_read_at_once(name: str) -> None:
    data = (CORPUS / "fhir" / name).read_bytes()
    assert outcome_in_pieces(data, name) == outcome(data, name)


def small_bundle() -> bytes:
    return file_of(
        PATIENT,
        observation(valueQuantity={"value": 1.50, "unit": 'mg "x" \\ { [', "system": "urn:x", "code": "mg"}),
        about("Encounter", "e1", period={"start": "2021-05-01", "end": "2021-05-02"}),
        kind="transaction",
    )


def test_a_bundle_cut_at_every_byte_is_refused_with_its_place() -> None:
    whole = small_bundle()
    outcomes = Counter(outcome(whole[:at])[0] for at in range(len(whole)))
    assert outcomes == {"refused": len(whole)}
    assert outcome(whole)[0] == "taken"
    for at in range(1, len(whole)):
        with pytest.raises(FhirRefused) as caught:
            parse_file(whole[:at], "f")
        assert "line 1 column" in str(caught.value.details["problem"])


def test_a_bundle_with_any_byte_replaced_ends_in_one_of_three_outcomes() -> None:
    whole, chance = small_bundle(), random.Random(11)
    outcomes: Counter[str] = Counter()
    for at in range(0, len(whole), 2):
        byte = bytes([chance.choice(b'"\\{}[],:0-eE.ntfu\x00\x80\xff')])
        outcomes[outcome(whole[:at] + byte + whole[at + 1 :])[0]] += 1
    assert all(outcomes[kind] > 10 for kind in ("refused", "rejected", "taken")), outcomes


NAMES = st.sampled_from(
    ["resourceType", "id", "meta", "contained", "extension", "value", "reference", "url", "_id", "code"]
)
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.just(MARK),
    st.sampled_from(["Patient", "#", "Patient/p1", "urn:uuid:x", "2021-02-31", "http://x/Patient/1/_history/2"]),
)  # fmt: skip
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def spots(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [spot for key in keys for spot in [(value, key), *spots(value[key])]]


ENTRIES = json.loads(sample_file("Jules135_Schmitt836"))["entry"][:40]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_bundle_has_one_of_three_outcomes_and_is_not_repeated(
    data: st.DataObject,
) -> None:
    chosen = copy.deepcopy(data.draw(st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=4)))
    places = spots(chosen)
    for container, key in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        container[key] = data.draw(VALUES)
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": chosen}
    kind, said = outcome(json.dumps(bundle).encode("utf-8", "surrogatepass"))
    assert kind in ("taken", "rejected", "refused")
    assert MARK not in " ".join(said)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_any_json_text_is_read_or_refused(value: Any) -> None:
    try:
        read(json.dumps(value).encode())
    except Flaw:
        return
    assert outcome(json.dumps(value).encode())[0] in ("refused", "taken", "rejected")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\ a1u0', max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert outcome(data)[0] in ("refused", "taken", "rejected")


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_what_the_definitions_take_without_a_flaw_holds_none(value: Any) -> None:
    """The reader skips its own walk where the text is plain and R4 finds no error: that must lose nothing."""
    patient = {
        "resourceType": "Patient",
        "extension": [{"url": "urn:x", "valueString": "x"}],
        "name": [{"text": "x"}],
    }
    for container, key in spots(patient):
        stated = container[key]
        container[key] = value
        data = json.dumps(patient).encode()
        container[key] = stated
        try:
            loaded = parse_unchecked(data)
        except Flaw:
            continue
        if (
            is_plain(data.decode(), nesting(data))
            and loaded.get("resourceType") == "Patient"
            and not examine(loaded).errors
        ):
            check(loaded)


def parse_unchecked(data: bytes) -> Any:
    return Cursor(decoded(data)[0]).value()


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_nesting_is_counted_as_a_reader_counts_it(value: Any) -> None:
    for text in (
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        json.dumps([json.dumps(value), value]),
    ):
        assert nesting(text.encode("utf-8", "surrogatepass")) == depth(json.loads(text))


def depth(value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.decimals(allow_nan=False, allow_infinity=False))
def test_the_canonical_form_is_python_s_sorted_json_with_the_source_s_digits(
    value: Any, number: Decimal
) -> None:
    expected = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    try:
        assert canonical_of(json.dumps(value).encode()) == expected.encode()
    except Flaw:
        return
    text = f"{number:f}" if abs(number.adjusted()) < 20 else "0"
    assert canonical({"a": Number(text)}) == f'{{"a":{text}}}'.encode()


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab.()'=!<>|&%$this0 {}+-`,", max_size=40))
def test_any_fhirpath_is_understood_or_not(text: str) -> None:
    try:
        tree(text)
    except NotUnderstood:
        return
    assert text.strip()


@pytest.mark.parametrize("name", ["a\x1b[31m\nb", "x" * 5_000, "../../etc/passwd", "\u202egnp.exe", "\ud800"])
def test_a_hostile_file_name_is_shown_in_one_short_plain_line(name: str) -> None:
    with pytest.raises(FhirRefused) as caught:
        parse_file(b"{", name)
    shown = str(caught.value.details["file"])
    assert shown.isprintable()
    assert 0 < len(shown) <= 200
