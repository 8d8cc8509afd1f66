"""FHIR R4 search: what a client may give, what is refused, what is ignored by name; chains, _has, result parameters."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.domain.errors import FhirRefused, SearchRefused
from careledger.fhir.definitions.tables import definitions, resource_types, search_definitions
from careledger.fhir.json_text import Number, Resource, read
from careledger.fhir.searching.elements import elements
from careledger.fhir.searching.parameters import MODIFIERS, PREFIXES, not_built, parameters_of
from careledger.fhir.searching.parse import MOST_PARAMETERS, MOST_VALUES, parse

TYPES = sorted({*resource_types(), "Resource"})


def resource(kind: str, own_id: str, /, **more: Any) -> Resource:
    made: Resource = read(json.dumps({"resourceType": kind, "id": own_id, **more}).encode())
    return made


def test_every_parameter_of_every_type_compiles_and_finds_something() -> None:
    found = {
        (kind, each.name): elements(kind, each.expression)
        for kind in TYPES
        for each in parameters_of(kind).values()
    }
    assert len(found) > 2_000
    assert [name for name, places in found.items() if not places] == []
    parts = [
        elements(place.type, part.expression, kind)
        for kind in TYPES
        for each in parameters_of(kind).values()
        for place in elements(kind, each.expression)
        for part in each.parts
    ]
    assert len(parts) > 100
    assert all(parts)


def test_the_table_is_that_of_the_definitions() -> None:
    assert len(search_definitions()) == 1_375
    assert {each.name for each in not_built()} == {"_content", "_query", "_text", "near", "phonetic"}
    patient = parameters_of("Patient")
    assert {
        "_id",
        "_lastUpdated",
        "_tag",
        "_profile",
        "_security",
        "_source",
        "birthdate",
        "general-practitioner",
    } <= set(patient)
    assert patient["general-practitioner"].targets == ("Practitioner", "Organization", "PractitionerRole")
    assert patient["birthdate"].url == "http://hl7.org/fhir/SearchParameter/individual-birthdate"
    code = parameters_of("Observation")["code-value-quantity"]
    assert [(each.name, each.type) for each in code.parts] == [
        ("code", "token"),
        ("value-quantity", "quantity"),
    ]
    assert "patient" not in parameters_of("Resource")
    assert "_id" in parameters_of("Binary")
    assert parameters_of("Nothing") == {}


@pytest.mark.parametrize(
    ("kind", "name", "value", "path"),
    [
        ("Patient", "birthdate", "1999-02-31", "birthdate"),
        ("Patient", "birthdate", "1999-13", "birthdate"),
        ("Patient", "birthdate", "23 May 2009", "birthdate"),
        ("Patient", "birthdate", "1999-01-01T25:00", "birthdate"),
        ("Patient", "birthdate", "1999-01-01T10", "birthdate"),
        ("Patient", "birthdate", "1999-01-01T10:00:00+15:00", "birthdate"),
        ("Patient", "birthdate", "1999-01-01T10:00:00+05:61", "birthdate"),
        ("Patient", "birthdate", "0000", "birthdate"),
        ("Patient", "birthdate", "xx1999", "birthdate"),
        ("Patient", "birthdate", "gt", "birthdate"),
        ("Patient", "birthdate", "1999,", "birthdate"),
        ("Patient", "birthdate", "１９９９", "birthdate"),
        ("Patient", "birthdate:exact", "1999", "birthdate"),
        ("Patient", "name", "   ", "name"),
        ("Patient", "name:above", "x", "name"),
        ("Patient", "name:missing", "yes", "name:missing"),
        ("Patient", "gender", "|", "gender"),
        ("Patient", "gender", "a|b|c", "gender"),
        ("Patient", "gender:in", "http://v", "gender"),
        ("Patient", "gender:not-in", "http://v", "gender"),
        ("Patient", "gender:below", "x", "gender"),
        ("Patient", "gender:", "x", None),
        ("Patient", "identifier:of-type", "a|b", "identifier"),
        ("Patient", "organization:Group", "1", "organization"),
        ("Patient", "organization:Organization", "Patient/1", "organization:Organization"),
        ("Patient", "organization:Group.name", "x", "organization"),
        ("Patient", "organization", "#7", "organization"),
        ("Patient", "organization", "Nothing/7", "organization"),
        ("Patient", "organization", "Organization/7 8", "organization"),
        ("Observation", "value-quantity", "five", "value-quantity"),
        ("Observation", "value-quantity", "5|mg", "value-quantity"),
        ("Observation", "value-quantity", "5|a|b|c", "value-quantity"),
        ("Observation", "value-quantity", "NaN", "value-quantity"),
        ("Observation", "value-quantity", "1" * 41, "value-quantity"),
        ("Observation", "value-quantity", "1e9999", "value-quantity"),
        ("Observation", "code-value-quantity", "x", "code-value-quantity"),
        ("Observation", "code-value-quantity", "x$5$6", "code-value-quantity"),
        ("Observation", "code-value-quantity", "$5", "code-value-quantity"),
        ("Observation", "code-value-quantity", "x$five", "code-value-quantity"),
        ("Observation", "code-value-quantity:missing", "true", "code-value-quantity"),
        ("RiskAssessment", "probability", "0,5x", "probability"),
        ("ValueSet", "url:below", "urn:oid:1.2", "url:below"),
        ("Patient", "_count", "-1", "_count"),
        ("Patient", "_count", "many", "_count"),
        ("Patient", "_count", "99999999999", "_count"),
        ("Patient", "_summary", "yes", "_summary"),
        ("Patient", "_total", "some", "_total"),
        ("Patient", "_elements", "name,<x>", "_elements"),
        ("Patient", "_sort", "-", "_sort"),
        ("Patient", "_include", "Patient", "_include"),
        ("Patient", "_include", "Nothing:subject", "_include"),
        ("Patient", "_revinclude", "Observation:subject:Nothing", "_revinclude"),
        ("Patient", "_has:Observation:device:code", "x", "_has"),
        ("Patient", "name", "x" * 200_001, "search"),
        ("Patient", "name", "x," * 2_100, "name"),
        ("Observation", "focus.subject.subject", "x", "focus"),
        ("Encounter", "part-of.part-of.part-of.part-of.part-of.status", "x", "part-of"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_the_name_of_its_parameter(
    kind: str, name: str, value: str, path: str | None
) -> None:
    if path is None:
        assert parse(kind, [(name, value)]).criteria
        return
    with pytest.raises(SearchRefused) as refused:
        parse(kind, [(name, value)])
    assert refused.value.details["path"] == path
    assert isinstance(refused.value, FhirRefused)


def test_a_refusal_says_nothing_of_the_value() -> None:
    for kind, name, value in (
        ("Patient", "birthdate", "secret"),
        ("Patient", "gender", "secret|secret|secret"),
        ("Observation", "value-quantity", "secret"),
        ("Patient", "_has:Observation:patient:date", "secret"),
        ("Observation", "subject:Patient.birthdate", "secret"),
        ("Patient", "organization:Organization", "Secret/secret/Patient/secret"),
        ("Patient", "_include", "secret:secret"),
    ):
        with pytest.raises(SearchRefused) as refused:
            parse(kind, [(name, value)])
        assert "secret" not in str(refused.value).lower()
    assert "secret" not in repr(parse("Patient", [("name", "secret")])).lower()


def test_more_than_is_taken_is_refused() -> None:
    assert len(parse("Patient", [("active", "true")] * MOST_PARAMETERS).criteria) == MOST_PARAMETERS
    with pytest.raises(SearchRefused):
        parse("Patient", [("active", "true")] * (MOST_PARAMETERS + 1))
    with pytest.raises(SearchRefused):
        parse("Patient", [("_count", "1"), ("_count", "2")])
    many = ",".join(map(str, range(MOST_VALUES)))
    assert parse("Patient", [("_id", many)]).criteria
    with pytest.raises(SearchRefused):
        parse("Patient", [("_id", many), ("name", "x")])
    assert parse("Encounter", [("patient.name", many)]).criteria
    with pytest.raises(SearchRefused):  # a subject is a Patient or a Group
        parse("Encounter", [("subject._id", many)])


def test_what_is_unknown_or_not_built_is_ignored_by_name_and_the_rest_holds() -> None:
    names = [
        "nothing",
        "phonetic",
        "_text",
        "_content",
        "_filter",
        "_list",
        "near",
        "name.given",
        "gender.x",
        "_has:x",
    ]
    names += [
        "organization.nothing",
        "_has:Observation:patient:nothing",
        "_has:Observation:code:x",
        "_type",
        "_contained",
    ]
    query = parse("Patient", [*((name, "true") for name in names), ("gender", "male"), ("ä\n", "x")])
    assert sorted(query.ignored) == sorted([*names, "(no name of a parameter)"])
    assert [each.name for each in query.criteria] == ["gender"]
    blank = parse(
        "Patient", [(each, "") for each in ("name", "name:exact", "_sort", "_include", "_count", "<")]
    )
    assert blank.ignored == ("name", "name:exact", "_sort", "_include", "_count", "(no name of a parameter)")
    assert (blank.criteria, blank.used) == ((), ())
    assert parse("Patient", [("_sort", "name,nothing")]).ignored == ("_sort",)
    assert parse("Patient", [("_include", "Patient:nothing")]).ignored == ("_include",)
    assert parse("Patient", [("_include:recurse", "Patient:organization")]).ignored == ("_include:recurse",)


def test_result_parameters_are_typed() -> None:
    query = parse(
        "Observation",
        [
            ("_sort", "-date,code"),
            ("_count", "20"),
            ("_include", "Observation:subject:Patient"),
            ("_include:iterate", "Patient:organization"),
            ("_revinclude", "Provenance:target"),
            ("_summary", "count"),
            ("_elements", "status,code"),
            ("_total", "accurate"),
            ("_format", "application/fhir+json"),
            ("_pretty", "true"),
            ("_contained", "false"),
        ],
    )
    assert [(each.name, each.descending) for each in query.sort] == [("date", True), ("code", False)]
    assert [(each.source, each.parameter, each.target, each.iterate) for each in query.includes] == [
        ("Observation", "subject", "Patient", False),
        ("Patient", "organization", "", True),
    ]
    assert [each.source for each in query.revincludes] == ["Provenance"]
    assert (query.count, query.subset.summary, query.total, query.pretty) == (20, "count", "accurate", True)
    assert (query.subset.elements, query.format, query.ignored) == (
        ("status", "code"),
        "application/fhir+json",
        (),
    )
    assert parse("Resource", [("_type", "Patient,Group")]).types == ("Patient", "Group")


@pytest.mark.parametrize(
    "more",
    [("_include", "Observation:subject"), ("_revinclude", "Provenance:target"), ("_elements", "code")],
)
def test_a_summary_of_the_text_brings_nothing_along_and_names_no_elements(more: tuple[str, str]) -> None:
    assert parse("Observation", [("_summary", "data"), ("_include", "Observation:subject")]).includes
    with pytest.raises(SearchRefused) as refused:
        parse("Observation", [("_summary", "text"), more])
    assert refused.value.details["path"] == "_summary"


def test_what_was_used_is_told_apart_from_what_was_passed_over() -> None:
    given = [
        ("code", "a"),
        ("shoe-size", "44"),
        ("_include", "Observation:subject"),
        ("_include", "Observation:nothing"),
    ]
    query = parse("Observation", given)
    assert query.used == (given[0], given[2])
    assert query.ignored == ("shoe-size", "_include")


CLINIC = "urn:uuid:00000000-0000-0000-0000-000000000007"


def person(own_id: str, family: str, **more: Any) -> Resource:
    return resource("Patient", own_id, name=[{"family": family}], **more)


def seen(own_id: str, code: str, subject: str, **more: Any) -> Resource:
    coded = {"coding": [{"code": code}]}
    return resource("Observation", own_id, code=coded, subject={"reference": subject}, **more)


MADE = [
    person("1", "Peters", managingOrganization={"reference": CLINIC}),
    person("2", "Other"),
    resource("Organization", "7", name="Clinic"),
    seen("a", "1", "Patient/1"),
    seen("b", "2", "Patient/2/_history/4"),
    seen("c", "1", "#in", contained=[person("in", "Peters")]),
    seen("d", "1", "Patient/hidden"),
    resource("Group", "g", member=[{"entity": {"reference": "Patient/2"}}]),
    resource(
        "Provenance",
        "p",
        target=[{"reference": "Observation/b"}],
        agent=[{"who": {"reference": "Patient/1"}}],
    ),
]
WORLD = {f"{each['resourceType']}/{each['id']}": each for each in MADE}
BY_URN = {CLINIC: WORLD["Organization/7"]}


def resolve(reference: str) -> Resource | None:
    return BY_URN.get(reference) or WORLD.get(reference)


def of_type(kind: str) -> Iterable[Resource]:
    return [each for each in WORLD.values() if each["resourceType"] == kind]


@pytest.mark.parametrize(
    ("kind", "name", "value", "expected"),
    [
        ("Observation", "subject:Patient.name", "peter", ["a", "c"]),
        ("Observation", "subject.name", "peter,other", ["a", "b", "c"]),
        ("Observation", "patient.name", "other", ["b"]),
        ("Observation", "patient.organization.name", "clinic", ["a"]),
        ("Observation", "patient.organization", "Organization/7", ["a"]),
        ("Observation", "subject:Patient.name:missing", "true", []),
        ("Observation", "patient", "1", ["a"]),
        ("Observation", "patient", "hidden", ["d"]),
        ("Observation", "patient.name:not", "x", None),
        ("Observation", "patient._id", "2", ["b"]),
        ("Observation", "patient.gender:not", "male", ["a", "b", "c"]),
        ("Patient", "organization", "Organization/7", ["1"]),
        ("Patient", "organization.name", "clinic", ["1"]),
        ("Patient", "_has:Observation:patient:code", "2", ["2"]),
        ("Patient", "_has:Observation:subject:code", "1,2", ["1", "2"]),
        ("Patient", "_has:Observation:patient:code", "3", []),
        ("Patient", "_has:Observation:patient:_has:Provenance:target:agent", "Patient/1", ["2"]),
        ("Observation", "patient._has:Group:member:_id", "g", ["b"]),
        ("Organization", "_has:Patient:organization:name", "peter", ["7"]),
        ("Observation", "_has:Provenance:target:agent.name", "peter", ["b"]),
    ],
)
def test_chains_and_has_go_through_what_the_reader_sees(
    kind: str, name: str, value: str, expected: list[str] | None
) -> None:
    if expected is None:
        with pytest.raises(SearchRefused):
            parse(kind, [(name, value)])
        return
    answers = parse(kind, [(name, value)]).within(resolve, of_type)
    assert [each["id"] for each in WORLD.values() if answers(each)] == expected


def test_includes_say_where_a_resource_leads() -> None:
    (include,) = parse("Observation", [("_include", "Observation:subject")]).includes
    assert [each["id"] for each in include.reached(WORLD["Observation/b"], resolve)] == ["2"]
    assert include.reached(WORLD["Observation/d"], resolve) == []
    assert include.reached(WORLD["Patient/1"], resolve) == []
    (other,) = parse("Observation", [("_include", "Observation:subject:Group")]).includes
    assert other.reached(WORLD["Observation/b"], resolve) == []
    (every,) = parse("Patient", [("_include", "*")]).includes
    assert [each["id"] for each in every.reached(WORLD["Patient/1"], resolve)] == ["7"]
    (reverse,) = parse("Patient", [("_revinclude", "Group:member")]).revincludes
    assert reverse.leads(WORLD["Group/g"], WORLD["Patient/2"], resolve)
    assert not reverse.leads(WORLD["Group/g"], WORLD["Patient/1"], resolve)


def test_references_to_this_server_and_to_versions_lead_where_they_name() -> None:
    ours = "https://ours.example/fhir"
    found = seen("e", "1", f"{ours}/Patient/1/_history/3")
    asked = [("subject:Patient.name", "peter")]
    assert parse("Observation", asked, base=ours).matches(found, WORLD.get, of_type)
    assert not parse("Observation", asked).matches(found, WORLD.get, of_type)
    (include,) = parse("Observation", [("_include", "Observation:subject")], base=ours).includes
    assert include.reached(found, WORLD.get) == [WORLD["Patient/1"]]
    query = parse("Patient", [("_has:Observation:patient:code", "1")], base=ours)
    assert query.matches(WORLD["Patient/1"], WORLD.get, lambda kind: [found])
    assert not parse("Patient", [("_has:Observation:patient:code", "1")]).matches(
        WORLD["Patient/1"], WORLD.get, lambda kind: [found]
    )


def test_sorting_takes_the_value_that_comes_first_and_leaves_what_has_none_last() -> None:
    people = [
        resource("Patient", "a", name=[{"family": "Zoe"}, {"family": "Ben"}], birthDate="1990"),
        resource("Patient", "b", birthDate="1980-05"),
        resource("Patient", "c", name=[{"family": "élan"}], birthDate="1990-02-03"),
        resource("Patient", "d", name=[{"family": "Élan"}]),
    ]

    def order(text: str) -> list[str]:
        return [each["id"] for each in parse("Patient", [("_sort", text)]).sorted(people)]

    assert order("family") == ["a", "c", "d", "b"]
    assert order("-family") == ["a", "c", "d", "b"]
    assert order("birthdate") == ["b", "a", "c", "d"]
    assert order("-birthdate") == ["a", "c", "b", "d"]
    assert order("family,-_id") == ["a", "d", "c", "b"]
    assert order("-_id") == ["d", "c", "b", "a"]
    assert parse("Patient", []).sorted(people) == people


NAMES = st.sampled_from(
    [*sorted({name for kind in TYPES for name in parameters_of(kind)}), "_sort", "_count", "_include"]
)
AFTER = st.sampled_from(
    ["", *(f":{each}" for found in MODIFIERS.values() for each in found), ":Patient.name", ".name", ":x"]
)
TEXT = st.text(alphabet=st.sampled_from(list("aé0159-:.TZ+|$,\\/ _%#*ſ\n")) | st.characters(), max_size=12)
VALUES = (
    st.builds(str.__add__, st.sampled_from(["", *PREFIXES]), TEXT)
    | st.dates().map(str)
    | st.floats().map(str)
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(TYPES),
    st.lists(st.tuples(st.builds(str.__add__, NAMES, AFTER) | st.text(max_size=20), VALUES), max_size=4),
)
def test_whatever_is_given_parses_or_is_refused(kind: str, pairs: list[tuple[str, str]]) -> None:
    try:
        query = parse(kind, pairs)
    except SearchRefused:
        return
    query.matches({"resourceType": kind, "id": "1"})


KEYS = [
    "coding",
    "system",
    "code",
    "value",
    "start",
    "end",
    "event",
    "repeat",
    "boundsPeriod",
    "reference",
    "identifier",
    "type",
    "text",
    "low",
    "high",
    "origin",
    "data",
    "factor",
    "comparator",
    "currency",
    "unit",
    "display",
    "family",
    "line",
    "city",
]
LEAVES = st.sampled_from(
    ["x", "2020", "5 E", True, False, Number("5"), Number("1e3"), None, "#a", "Patient/1"]
)
JUNK = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=8,
)
ASKED = {
    "date": "2020",
    "number": "5",
    "quantity": "5||x",
    "reference": "Patient/1",
    "token": "urn:s|x",
    "composite": "x$5",
}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TYPES), st.data())
def test_a_resource_that_is_no_resource_is_no_answer_and_no_crash(kind: str, data: st.DataObject) -> None:
    parameter = data.draw(st.sampled_from(list(parameters_of(kind).values())))
    modifier = data.draw(st.sampled_from(["", *(MODIFIERS[parameter.type])]))
    junk = {
        name: data.draw(JUNK) for name in definitions().shapes[kind]["elements"] if data.draw(st.booleans())
    }
    value = (
        "true"
        if modifier == "missing"
        else "urn:s|x|y"
        if modifier == "of-type"
        else ASKED.get(parameter.type, "x")
    )
    given_name = f"{parameter.name}:{modifier}" if modifier else parameter.name
    try:
        query = parse(kind, [(given_name, value), ("_sort", parameter.name)])
    except SearchRefused:
        assert parameter.type == "composite"
        return
    found = {**junk, "resourceType": kind}
    query.matches(found, resolve, of_type)
    query.sorted([found, {"resourceType": kind}], resolve)
