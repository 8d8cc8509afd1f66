"""FHIR R4 search: what each type of parameter matches, by the cases of R4's search page and their neighbours."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from careledger.fhir.json_text import Resource, read
from careledger.fhir.searching.parse import parse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def resource(kind: str, **elements: Any) -> Resource:
    made: Resource = read(json.dumps({"resourceType": kind, "id": "x", **elements}).encode())
    return made


def matches(found: Resource, name: str, value: str, base: str = "") -> bool:
    return parse(found["resourceType"], [(name, value)], base=base, now=NOW).matches(found)


def observed(**elements: Any) -> Resource:
    return resource("Observation", status="final", code={"text": "x"}, **elements)


def on(moment: str) -> Resource:
    return observed(effectiveDateTime=moment)


def during(**ends: str) -> Resource:
    return observed(effectivePeriod=ends)


@pytest.mark.parametrize(
    ("value", "found", "expected"),
    [
        ("eq2013-01-14", on("2013-01-14T00:00:00Z"), True),
        ("eq2013-01-14", on("2013-01-14T10:00:00Z"), True),
        ("eq2013-01-14", on("2013-01-15T00:00:00Z"), False),
        ("2013-01-14", on("2013-01"), False),
        ("2013", on("2013-01"), True),
        ("ne2013-01-14", on("2013-01-15T00:00:00Z"), True),
        ("ne2013-01-14", on("2013-01-14T00:00:00Z"), False),
        ("ne2013-01-14", on("2013-01-14T10:00:00Z"), False),
        ("lt2013-01-14T10:00", on("2013-01-14"), True),
        ("gt2013-01-14T10:00", on("2013-01-14"), True),
        ("gt2013-01-14", on("2013-01-14T10:00:00Z"), False),
        ("gt2013-01-14", on("2013-01-15"), True),
        ("lt2013-01-14", on("2013-01-13T23:59:59Z"), True),
        ("lt2013-01-14", on("2013-01-14T00:00:00Z"), False),
        ("ge2013-03-14", during(start="2013-01-21"), True),
        ("le2013-03-14", during(start="2013-01-21"), True),
        ("ge2013-03-14", during(start="2013-01-21", end="2013-02-01"), False),
        ("ge2013-03-14", during(start="2013-01-21", end="2013-03-14T08:00:00Z"), True),
        ("le2013-03-14", during(start="2013-03-14T08:00:00Z"), True),
        ("le2013-03-14", during(start="2013-03-15"), False),
        ("le2013-03-14", during(end="2013-02-01"), True),
        ("sa2013-03-14", during(start="2013-03-15", end="2013-06-01"), True),
        ("sa2013-03-14", during(start="2013-03-14T12:00:00Z"), False),
        ("eb2013-03-14", during(start="2012", end="2013-03-13"), True),
        ("eb2013-03-14", during(start="2012", end="2013-03-14T01:00:00Z"), False),
        ("ap2020", on("2019-10-01"), True),  # a tenth of the six years since
        ("ap2020", on("2018-10-01"), False),
        ("2013-01-14T10:00:00Z", on("2013-01-14T10:00:00.5Z"), True),
        ("2013-01-14T10:00:00+01:00", on("2013-01-14T04:00:00-05:00"), True),
        ("2013-01-14T10:00:00+01:00", on("2013-01-14T10:00:00Z"), False),
        ("2013-01-14", on("2013-01-14T23:30:00-05:00"), False),  # that is the fifteenth in UTC
        ("2013-01-15", on("2013-01-14T23:30:00-05:00"), True),
        ("2016-12-31T23:59:60Z", on("2016-12-31T23:59:60Z"), True),
        ("9999-12-31", on("9999-12-31T23:59:59Z"), True),
        ("2000-02-29", on("2000-02-29"), True),
        ("2013-05", observed(effectiveTiming={"event": ["2013-05-01", "2013-05-03"]}), True),
        ("2013-05-02", observed(effectiveTiming={"event": ["2013-05-01", "2013-05-03"]}), False),
        ("ap2013-05-02", observed(effectiveTiming={"event": ["2013-05-01", "2013-05-03"]}), True),
        ("gt2013-02-01", observed(effectiveTiming={"repeat": {"boundsPeriod": {"start": "2013-01-31"}}}), True),
        ("2013", observed(), False),
        ("ne2013", observed(), False),
    ],
)  # fmt: skip
def test_a_date_is_a_range_of_the_precision_that_it_states(
    value: str, found: Resource, expected: bool
) -> None:
    assert matches(found, "date", value) is expected


def risk(number: str) -> Resource:
    text = (
        '{"resourceType":"RiskAssessment","status":"final","subject":{"display":"x"},'
        f'"prediction":[{{"probabilityDecimal":{number}}}]}}'
    )
    made: Resource = read(text.encode())
    return made


@pytest.mark.parametrize(
    ("value", "number", "expected"),
    [
        ("100", "99.5", True),
        ("100", "100.49999999999999999999999999999", True),
        ("100", "100.5", False),
        ("100", "99.49", False),
        ("100.00", "99.995", True),
        ("100.00", "100.005", False),
        ("100.00", "100", True),
        ("100.00", "100.01", False),
        ("1e2", "95", True),
        ("1e2", "104.9", True),
        ("1e2", "105", False),
        ("1e2", "94.9", False),
        ("5.4e1", "53.5", True),
        ("5.4e1", "54.5", False),
        ("-2", "-2.4", True),
        ("+2", "2.4", True),
        ("lt100", "99.9", True),
        ("lt100", "100", False),
        ("le100", "100", True),
        ("le100", "100.1", False),
        ("gt100", "100", False),
        ("gt100", "100.1", True),
        ("ge100", "100.0", True),
        ("ge100", "99.9", False),
        ("ne100", "100.4", False),
        ("ne100", "101", True),
        ("sa100", "100.1", True),
        ("eb100", "99.9", True),
        ("ap100", "90", True),
        ("ap100", "89", False),
        ("ap-100", "-109", True),
    ],
)
def test_a_number_has_the_precision_that_it_states(value: str, number: str, expected: bool) -> None:
    assert matches(risk(number), "probability", value) is expected


def measured(value: str, **more: str) -> Resource:
    whole = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"} | more
    quantity = ",".join(f'"{name}":"{each}"' for name, each in whole.items() if each)
    text = (
        f'{{"resourceType":"Observation","status":"final","valueQuantity":{{"value":{value},{quantity}}},'
        '"code":{"coding":[{"system":"http://loinc.org","code":"1-1"}]}}'
    )
    made: Resource = read(text.encode())
    return made


@pytest.mark.parametrize(
    ("value", "found", "expected"),
    [
        ("5.4", measured("5.35"), True),
        ("5.4", measured("5.45"), False),
        ("5.4|http://unitsofmeasure.org|mg", measured("5.4"), True),
        ("5.4|http://unitsofmeasure.org|g", measured("5.4"), False),
        ("5.4|http://unitsofmeasure.org|MG", measured("5.4"), False),
        ("5.4|http://other|mg", measured("5.4"), False),
        ("5.4||mg", measured("5.4"), True),
        ("5.4||milligrams", measured("5.4", unit="milligrams"), True),
        ("5.4||g", measured("5.4"), False),
        ("5.4|http://unitsofmeasure.org|", measured("5.4"), True),
        ("le5.4|http://unitsofmeasure.org|mg", measured("5.4"), True),
        ("ap5.4||mg", measured("5.0"), True),
        ("lt4", measured("5", comparator="<"), True),
        ("gt5", measured("5", comparator="<"), False),
        ("ge5", measured("5", comparator="<"), False),
        ("ge5", measured("5", comparator="<="), True),
        ("gt5", measured("5", comparator=">"), True),
        ("sa5", measured("5", comparator=">"), True),
        ("sa5", measured("5", comparator=">="), False),
        ("5", measured("5", comparator=">"), False),
    ],
)  # fmt: skip
def test_a_quantity_is_of_its_unit_and_its_comparator_opens_it(
    value: str, found: Resource, expected: bool
) -> None:
    assert matches(found, "value-quantity", value) is expected


def test_a_range_and_sampled_data_count_as_far_as_they_reach() -> None:
    condition = resource(
        "Condition", subject={"display": "x"}, onsetRange={"low": {"value": 3}, "high": {"value": 7}}
    )
    sampled = observed(
        valueSampledData={
            "origin": {"value": 1, "unit": "mV"},
            "period": 1,
            "factor": 2,
            "dimensions": 1,
            "data": "3 E 5",
        }
    )
    assert [matches(condition, "onset-age", each) for each in ("gt6", "lt4", "gt7", "sa2", "5")] == [
        True, True, False, True, False]  # fmt: skip
    assert [matches(sampled, "value-quantity", each) for each in ("gt10", "gt11", "ge7||mV", "ge7||V")] == [
        True, False, True, False]  # fmt: skip


PATIENT = resource(
    "Patient",
    active=True,
    gender="male",
    birthDate="1970-03-30",
    name=[
        {"family": "van de Müller", "given": ["Élise", "Severine"], "prefix": ["Dr."]},
        {"text": "Straße  Ångström"},
    ],
    address=[{"line": ["1163 Et St."], "city": "Edison", "use": "home"}],
    identifier=[
        {
            "system": "http://acme.org/patient",
            "value": "2345-Ab",
            "type": {"text": "Medical record", "coding": [{"system": "http://v2-0203", "code": "MR"}]},
        },
        {"value": "none"},
        {"system": "http://only.system"},
    ],
    telecom=[{"system": "phone", "value": "555-1234"}, {"system": "email", "value": "a@b.example"}],
    managingOrganization={"reference": "Organization/7"},
    generalPractitioner=[
        {"reference": "http://ours.example/fhir/Practitioner/3"},
        {"reference": "Practitioner/4/_history/2"},
        {"identifier": {"system": "http://npi", "value": "99"}},
    ],
    communication=[
        {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "nl"}], "text": "Nederlands"}}
    ],
)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("given", "eli", True),
        ("given", "ÉLI", True),
        ("given", "eve", False),
        ("given:contains", "EVER", True),
        ("given:exact", "Élise", True),
        ("given:exact", "Elise", False),
        ("given:exact", "élise", False),
        ("given:exact", "Él", False),
        ("family", "VAN DE MUL", True),
        ("family", "muller", False),
        ("name", "dr", True),
        ("name", "strasse ang", True),
        ("name", "official", False),
        ("address", "edi", True),
        ("address", "home", False),
        ("address-city:exact", "Edison", True),
        ("given", "x,sev", True),
        ("gender", "male", True),
        ("gender", "MALE", True),
        ("gender", "female,male", True),
        ("gender", "http://hl7.org/fhir/administrative-gender|male", True),
        ("gender", "http://other|male", False),
        ("gender", "|male", True),
        ("gender:not", "male", False),
        ("gender:not", "female,other", True),
        ("gender:not", "female,male", False),
        ("deceased", "false", True),
        ("deceased", "true", False),
        ("active", "true", True),
        ("active", "false", False),
        ("language", "nl", True),
        ("language", "urn:ietf:bcp:47|nl", True),
        ("language", "|nl", False),
        ("language", "urn:ietf:bcp:47|", True),
        ("language", "urn:other|", False),
        ("language:text", "neder", True),
        ("language:text", "lands", False),
        ("identifier", "2345-aB", True),
        ("identifier", "http://acme.org/patient|2345-Ab", True),
        ("identifier", "http://ACME.org/patient|2345-Ab", False),
        ("identifier", "|2345-Ab", False),
        ("identifier", "|none", True),
        ("identifier", "http://acme.org/patient|", True),
        ("identifier", "http://only.system|", True),
        ("identifier", "2345", False),
        ("identifier:of-type", "http://v2-0203|MR|2345-Ab", True),
        ("identifier:of-type", "http://v2-0203|SS|2345-Ab", False),
        ("identifier:of-type", "http://v2-0203|MR|none", False),
        ("identifier:text", "medical", True),
        ("phone", "555-1234", True),
        ("phone", "a@b.example", False),
        ("email", "a@b.example", True),
        ("telecom", "phone|555-1234", True),
        ("telecom", "email|555-1234", False),
        ("_id", "x", True),
        ("_id", "X", False),
        ("_id", "y,x", True),
        ("organization", "7", True),
        ("organization", "Organization/7", True),
        ("organization", "Organization/77", False),
        ("organization", "Organization/7/_history/1", False),
        ("organization:Organization", "7", True),
        ("organization", "http://ours.example/fhir/Organization/7", True),
        ("organization", "http://else.example/fhir/Organization/7", False),
        ("general-practitioner", "Practitioner/3", True),
        ("general-practitioner", "3", True),
        ("general-practitioner:Organization", "3", False),
        ("general-practitioner", "http://ours.example/fhir/Practitioner/3", True),
        ("general-practitioner", "Practitioner/4", True),
        ("general-practitioner", "Practitioner/4/_history/2", True),
        ("general-practitioner", "Practitioner/4/_history/3", False),
        ("general-practitioner:identifier", "http://npi|99", True),
        ("general-practitioner:identifier", "http://npi|98", False),
        ("organization:identifier", "http://npi|99", False),
        ("link:missing", "true", True),
        ("link:missing", "false", False),
        ("gender:missing", "false", True),
        ("gender:missing", "true", False),
    ],
)  # fmt: skip
def test_strings_tokens_and_references_match_as_r4_says(name: str, value: str, expected: bool) -> None:
    assert matches(PATIENT, name, value, base="http://ours.example/fhir") is expected


def test_not_finds_also_what_has_no_value() -> None:
    assert matches(resource("Patient"), "gender:not", "male")
    assert not matches(resource("Patient"), "gender", "male")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("url", "http://acme.org/fhir/ValueSet/123", True),
        ("url", "http://acme.org/fhir/ValueSet/12", False),
        ("url", "http://ACME.org/fhir/ValueSet/123", False),
        ("url:below", "http://acme.org/fhir", True),
        ("url:below", "http://acme.org/fhir/", True),
        ("url:below", "http://acme.org/fhir/ValueSet/1", False),
        ("url:above", "http://acme.org/fhir/ValueSet/123/_history/5", True),
        ("url:above", "http://acme.org/fhir/ValueSet/1234", False),
        ("_profile", "http://p.example/a", True),
        ("_profile", "http://p.example/a|2", True),
        ("_profile", "http://p.example/a|3", False),
        ("_tag", "http://t|one", True),
        ("_security", "R", True),
        ("_lastUpdated", "2024-05-06", True),
        ("_lastUpdated", "gt2024-05-06", False),
        ("_source", "http://s.example", True),
    ],
)
def test_uris_match_to_the_letter_and_meta_as_for_every_type(name: str, value: str, expected: bool) -> None:
    found = resource(
        "ValueSet",
        url="http://acme.org/fhir/ValueSet/123",
        status="draft",
        meta={
            "profile": ["http://p.example/a|2"],
            "tag": [{"system": "http://t", "code": "one"}],
            "security": [{"system": "http://c", "code": "R"}],
            "lastUpdated": "2024-05-06T07:08:09.123Z",
            "source": "http://s.example",
        },
    )
    assert matches(found, name, value) is expected


PRESSURE = observed(
    component=[
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
            "valueQuantity": {"value": 120},
        },
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]},
            "valueQuantity": {"value": 80},
        },
    ]
)


def test_a_composite_matches_within_one_element() -> None:
    assert matches(PRESSURE, "component-code-value-quantity", "8480-6$gt100")
    assert not matches(PRESSURE, "component-code-value-quantity", "8462-4$gt100")
    assert matches(PRESSURE, "combo-code-value-quantity", "8462-4$gt100,http://loinc.org|8462-4$lt100")
    assert matches(measured("5"), "code-value-quantity", "1-1$5||mg")
    assert not matches(measured("5"), "code-value-quantity", "1-2$5||mg")
    document = resource(
        "DocumentReference",
        status="current",
        content=[{"attachment": {"title": "x"}}],
        relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/1"}}],
    )
    assert matches(document, "relationship", "replaces$DocumentReference/1")
    assert not matches(document, "relationship", "signs$DocumentReference/1")


def test_a_resource_of_another_type_never_matches() -> None:
    query = parse("Patient", [])
    assert query.matches(PATIENT)
    assert not query.matches(PRESSURE)
    assert parse("Resource", [("_id", "x")]).matches(PRESSURE)
    assert not parse("Resource", [("_id", "x"), ("_type", "Patient,Group")]).matches(PRESSURE)


def test_a_parameter_of_several_types_regards_only_what_is_said_of_this_one() -> None:
    found = resource("ClinicalImpression", status="completed", effectiveDateTime="2020")
    assert not matches(found, "date", "2020")  # an Observation's date is when it took effect
    assert matches(found | {"date": "2020"}, "date", "2020")


def test_patient_finds_references_to_patients_only_by_what_they_say() -> None:
    def subject(**said: Any) -> Resource:
        return observed(subject=said)

    logical = {"identifier": {"system": "urn:s", "value": "1"}}
    assert matches(subject(reference="Group/7"), "subject", "7")
    assert not matches(subject(reference="Group/7"), "patient", "7")
    assert matches(
        subject(reference="http://else.example/Patient/7"), "patient", "http://else.example/Patient/7"
    )
    assert matches(subject(type="Patient", **logical), "patient:identifier", "urn:s|1")
    assert not matches(subject(type="Group", **logical), "patient:identifier", "urn:s|1")
    assert not matches(subject(**logical), "patient:identifier", "urn:s|1")
    assert matches(subject(**logical), "subject:identifier", "urn:s|1")


def test_repeated_names_all_hold_and_of_commas_any() -> None:
    assert parse("Patient", [("given", "eli"), ("given", "sev")]).matches(PATIENT)
    assert not parse("Patient", [("given", "eli"), ("given", "peter")]).matches(PATIENT)
    assert parse("Patient", [("given", "eli,peter"), ("gender", "male")]).matches(PATIENT)


def test_escaped_signs_are_part_of_the_value() -> None:
    found = resource(
        "Patient", name=[{"family": "a,b|c$d\\e"}], identifier=[{"system": "s|t", "value": "u,v"}]
    )
    assert matches(found, "family:exact", r"a\,b\|c\$d\\e")
    assert matches(found, "identifier", r"s\|t|u\,v")
    assert not matches(found, "family:exact", "a,b")
    assert parse("Patient", [("family", r"a\,b,c")]).criteria[0].values == ("a,b", "c")
