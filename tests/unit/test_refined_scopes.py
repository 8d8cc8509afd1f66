"""Scopes that are refined by a query: what is one, what it covers, and that nothing makes it cover more."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.app.refined import MOST, demanding, readable
from careledger.app.scopes import ANY, SOME, Scopes, Word, limited_to, narrowed, read_scopes, word
from careledger.domain.errors import ScopeRefused

CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
LABS = f"user/Observation.rs?category={CATEGORIES}|laboratory"
VITALS = f"user/Observation.rs?category={CATEGORIES}|vital-signs"


def observation(category: str, **more: Any) -> dict[str, Any]:
    coding = {"system": CATEGORIES, "code": category}
    return {"resourceType": "Observation", "status": "final", "category": [{"coding": [coding]}], **more}


def said(words: list[Word]) -> list[str]:
    return [each.said for each in words]


def shown(scopes: Scopes, **more: Any) -> list[str]:
    return [
        each
        for each in ("laboratory", "vital-signs", "exam")
        if scopes.cover("r", "Observation", observation(each, **more))
    ]


def test_a_refined_scope_covers_what_matches_and_is_told_of_to_whoever_asks_for_parts_alone() -> None:
    scopes = read_scopes(f"{LABS} user/Condition.r")
    assert scopes.limited
    assert shown(scopes) == ["laboratory"]
    assert scopes.allow_in_part("rs", "Observation")
    assert scopes.allow_in_part("s", SOME)
    assert scopes.shows_some("Observation")
    for letters, kind in (("r", "Observation"), ("s", "Observation"), ("s", SOME), ("r", ANY)):
        assert not scopes.allow(letters, kind), (letters, kind)
    for letters, kind in (
        ("u", "Observation"),
        ("rs", "Encounter"),
        ("s", "Condition"),
        ("r", ANY),
        ("", "Observation"),
    ):
        assert not scopes.allow_in_part(letters, kind), (letters, kind)
    assert not scopes.shows("Observation")
    assert scopes.shown == ("Condition", "Observation (in part)")
    assert not scopes.cover(
        "r",
        "Observation",
        {"resourceType": "Condition", **observation("laboratory")} | {"resourceType": "Condition"},
    )
    assert not scopes.cover("u", "Observation", observation("laboratory"))


def test_scopes_of_one_type_add_up_and_one_without_a_query_covers_all() -> None:
    assert shown(read_scopes(f"{LABS} {VITALS}")) == ["laboratory", "vital-signs"]
    assert shown(read_scopes(f"{LABS} user/Observation.rs")) == ["laboratory", "vital-signs", "exam"]
    both = read_scopes(f"{LABS}&status=final")
    assert shown(both) == ["laboratory"]
    assert shown(both, status="preliminary") == []


def test_to_search_for_some_where_all_is_read_is_not_allowed() -> None:
    scopes = read_scopes(f"user/Observation.r {LABS}")
    assert scopes.allow("r", "Observation")
    assert not scopes.allow_in_part("s", "Observation")


@pytest.mark.parametrize(
    "query",
    ["", "&", "=", "category", "category=", "=laboratory", "category=a&&status=final", "category=%ff", "category=%00",
     "category=a\\,b", 'category="a"', "category=ä", "category=a|b|c", "category:above=a", "category:in=a",
     "nothing=a", "_id=a", "_lastUpdated=gt2020", "_sort=date", "_count=1", "_include=*", "_text=a", "_filter=a",
     "subject=Patient/a", "patient=a", "encounter=Encounter/a", "subject.name=a", "subject:Patient.name=a",
     "encounter.status=finished", "_has:Provenance:target:agent=a", "encounter:missing=true", "date=ap2020",
     "date=2020,ap2021", "date=yesterday", "category:missing=perhaps", "has-member=Observation/a",
     "category=a&patient=b", "category=" + "a" * MOST, "&".join(["status=final"] * 9), "category=a?status=final%0a"],
)  # fmt: skip
def test_what_cannot_be_answered_by_the_record_alone_refines_no_scope(query: str) -> None:
    with pytest.raises(ScopeRefused) as refused:
        word(f"user/Observation.rs?{query}")
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "scope",
    ["user/*.rs?category=a", "user/Patient.rs?gender=female", "user/Practitioner.rs?name=a", "user/Binary.rs?_tag=a",
     "user/Consent.rs?status=active", "user/Group.rs?type=person", "user/Observation.r?status=final",
     "user/Observation.s?status=final", "user/Observation.read?status=final", "user/Observation.*?status=final",
     "user/Observation?status=final", "user/Nothing.rs?status=final", "patient/Observation.rs?status=final"],
)  # fmt: skip
def test_what_is_not_shown_by_records_alone_or_not_read_and_searched_alike_is_not_refined(scope: str) -> None:
    with pytest.raises(ScopeRefused):
        word(scope)


def test_values_mean_what_they_mean_in_a_search() -> None:
    for query, found in {
        "category=laboratory,exam": ["laboratory", "exam"],
        "category:not=laboratory": ["vital-signs", "exam"],
        "category:missing=true": [],
        "category=http%3A%2F%2Fterminology.hl7.org%2FCodeSystem%2Fobservation-category%7Cexam": ["exam"],
        "category=http://elsewhere.example|exam": [],
        "date=ge2026-01-01": [],
    }.items():
        assert shown(read_scopes(f"user/Observation.rs?{query}")) == found, query


def test_narrowing_never_widens() -> None:
    all_of, labs, final = word("user/Observation.cruds"), word(LABS), word("user/Observation.rs?status=final")
    every = word("user/*.rs")
    assert said(narrowed([labs], [all_of])) == [LABS]
    assert said(narrowed([labs], [every])) == [LABS]
    assert said(narrowed([labs], [labs])) == [LABS]
    assert said(narrowed([all_of], [labs])) == [LABS]
    assert said(narrowed([every], [labs])) == [LABS]
    assert said(narrowed([labs], [final])) == [f"{LABS}&status=final"]
    assert said(narrowed([word(f"{LABS}&status=final")], [final])) == [f"{LABS}&status=final"]
    assert narrowed([labs], [word("user/Condition.rs")]) == []
    assert narrowed([labs], [word("user/Observation.r")]) == []
    assert narrowed([labs], [word("system/Observation.rs")]) == []
    written = word("user/Observation.cruds?status=final")
    assert said(narrowed([written], [word("user/Observation.cus")])) == ["user/Observation.cu?status=final"]
    long = word(f"user/Observation.rs?category={'a' * (MOST - 20)}")
    assert narrowed([long], [labs]) == []
    granted = limited_to(narrowed([all_of, every], [labs, word("user/Condition.r")]))
    assert shown(granted) == ["laboratory"]
    assert not granted.allow("r", "Observation")


def test_a_query_is_told_in_words() -> None:
    assert readable("category=a|b,c&status:not=final&code:missing=true&code:text=x") == (
        "category is a|b or c and status is not final and code is not there and code (text) is x"
    )


def test_an_index_is_asked_by_whole_queries_alone() -> None:
    assert demanding("Observation", "category=laboratory&status=final") is not None
    for query in ("category:not=laboratory", "category=laboratory&code:missing=true", "code:text=x"):
        assert demanding("Observation", query) is None, query
    assert read_scopes(f"{LABS} user/Condition.rs").queries("Observation") == [LABS.partition("?")[2]]
    assert read_scopes(f"{LABS} user/*.rs").queries("Observation") == []
    assert read_scopes("user/Observation.c?status=final").queries("Observation") == []
