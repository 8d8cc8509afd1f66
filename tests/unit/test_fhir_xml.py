"""FHIR's XML: the same resource as in JSON, there and back, and nothing that is no resource."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.definitions.tables import definitions, resource_types
from careledger.fhir.json_text import Flaw, Number, Resource, read
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.xml_text import from_xml, to_xml
from made_resources import Maker

TYPES = sorted(resource_types())
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">A &amp; <b class="x">b</b><br/> é</div>'
PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "1",
    "text": {"status": "generated", "div": DIV},
    "contained": [{"resourceType": "Organization", "id": "o", "name": 'In\n\t"side" <&>'}],
    "extension": [{"url": "urn:x", "valueDecimal": Number("1.50"), "id": "e"}],
    "active": True,
    "name": [
        {
            "id": "n",
            "given": [None, "B"],
            "_given": [{"extension": [{"url": "urn:y", "valueCode": "z"}]}, {"id": "g"}],
        }
    ],
    "_birthDate": {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]},
    "multipleBirthInteger": Number("2"),
}
XML = (
    '<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="1"></id><text>'
    f'<status value="generated"></status>{DIV}</text><contained><Organization><id value="o"></id>'
    "<name value='In&#10;&#9;\"side\" &lt;&amp;&gt;'></name></Organization></contained>"
    '<extension id="e" url="urn:x"><valueDecimal value="1.50"></valueDecimal></extension><active value="true"></active>'
    '<name id="n"><given><extension url="urn:y"><valueCode value="z"></valueCode></extension></given>'
    '<given id="g" value="B"></given></name><birthDate><extension url="urn:absent"><valueCode value="unknown">'
    '</valueCode></extension></birthDate><multipleBirthInteger value="2"></multipleBirthInteger></Patient>'
)


def test_a_resource_is_written_in_the_order_of_its_definition_and_read_back() -> None:
    assert to_xml(PATIENT).decode() == XML
    assert from_xml(XML.encode()) == PATIENT
    spaced = XML.replace("><", "> <!-- not part of it -->\n <").replace(
        f"> <!-- not part of it -->\n {DIV}", f">{DIV}"
    )
    assert (
        from_xml(spaced.replace("<br/> <!-- not part of it -->\n ", "<br/>").encode())["name"]
        == PATIENT["name"]
    )


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_goes_there_and_back_with_every_element(kind: str) -> None:
    for turn in range(4):
        resource = read(Maker(f"xml {kind} {turn}", 1.0 if turn < 3 else 0.5, turn).resource(kind))
        again = from_xml(to_xml(resource))
        assert again == resource
    elements = definitions().shapes[kind]["elements"]
    assert len(resource) > 2 or len(elements) < 8


def test_records_of_people_go_there_and_back() -> None:
    kinds = set()
    for name in sample_names()[:4]:
        bundle = read(sample_file(name))
        assert from_xml(to_xml(bundle)) == bundle
        kinds |= {each["resource"]["resourceType"] for each in bundle["entry"]}
    assert len(kinds) > 12


def test_all_real_data_go_there_and_back(test_data: Path) -> None:
    files = [
        *sorted((test_data / "synthea-r4").glob("*.json"))[:3],
        *sorted((test_data / "ihe-pcf").rglob("*.json")),
    ]
    seen = 0
    for file in files:
        said = json.loads(file.read_bytes())
        if isinstance(said, dict) and "resourceType" in said:
            resource = read(file.read_bytes())
            assert from_xml(to_xml(resource)) == resource, file.name
            seen += 1
    assert seen > 10


def patient(inner: str) -> bytes:
    return f'<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>'.encode()


@pytest.mark.parametrize(
    ("data", "why", "place"),
    [
        (b"", "not XML", ""),
        (b"<Patient", "not XML", ""),
        (patient("<active value='true'>"), "not XML", "Patient.active"),
        (b"<Patient/>", "name space", ""),
        (b'<Nothing xmlns="http://hl7.org/fhir"/>', "not a resource", ""),
        (b'<Patient xmlns="http://hl7.org/fhir" id="1"/>', "not a resource", ""),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>', "document type", ""),
        (patient("words"), "text", "Patient"),
        (patient("<nothing value='1'/>"), "no element", "Patient"),
        (patient("<active value='1'/>"), "neither", "Patient.active"),
        (patient("<active/>"), "nothing in it", "Patient.active"),
        (patient("<name/>"), "nothing in it", "Patient.name"),
        (patient("<active value='true'/><active value='true'/>"), "more than one", "Patient"),
        (patient("<active value='true' url='x'/>"), "attribute", "Patient"),
        (patient("<name value='x'/>"), "attribute", "Patient"),
        (patient("<multipleBirthInteger value='01'/>"), "not a number", "Patient.multipleBirthInteger"),
        (patient("<active><name/></active>"), "no element", "Patient.active"),
        (patient("<extension><url value='x'/></extension>"), "no element", "Patient.extension"),
        (patient("<contained/>"), "no resource", "Patient.contained"),
        (patient("<contained><id value='1'/></contained>"), "not a resource", "Patient.contained"),
        (patient('<div xmlns="http://www.w3.org/1999/xhtml">x</div>'), "narrative", "Patient"),
        (patient('<x:active xmlns:x="urn:other" value="true"/>'), "name space", "Patient"),
        (patient("<extension url='u'>" * 70), "deeper", ""),
    ],
)
def test_what_is_no_resource_is_refused_with_its_place(data: bytes, why: str, place: str) -> None:
    with pytest.raises(Flaw) as flaw:
        from_xml(data)
    assert why in flaw.value.why
    if place:
        assert flaw.value.path == place


def test_a_narrative_that_others_give_its_name_space_is_refused_rather_than_changed() -> None:
    named = 'xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"'
    data = f'<Patient {named}><text><status value="generated"/><h:div>x</h:div></text></Patient>'
    with pytest.raises(Flaw):
        from_xml(data.encode())


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t&<>\"'"), min_size=1))
def test_any_text_goes_there_and_back(text: str) -> None:
    said: dict[str, Any] = {"resourceType": "Patient", "name": [{"text": text}]}
    if not any(sign in text for sign in "\ufffe\uffff"):
        assert from_xml(to_xml(said)) == said


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bytes_are_a_resource_or_refused(data: bytes) -> None:
    for given_ in (data, patient("") + data, b'<Patient xmlns="http://hl7.org/fhir">' + data):
        with suppress(Flaw):
            assert from_xml(given_)["resourceType"] == "Patient"


FORGED = (
    "<div xmlns='http://www.w3.org/1999/xhtml'>x</div></text></Observation></resource></entry>"
    "<entry><resource><Basic><text>"
)


@pytest.mark.parametrize(
    "bad",
    [
        {"resourceType": "Observation", "text": {"status": "generated", "div": FORGED}},
        {"resourceType": "Observation", "text": {"status": "generated", "div": 5}},
        {
            "resourceType": "Observation",
            "text": {"status": "generated", "div": "<div>of no name space</div>"},
        },
        {"resourceType": "Foo"},
        {"resourceType": "Observation", "code": "a text"},
    ],
)
def test_a_record_that_is_no_fhir_spoils_no_others_place_and_brings_no_markup(bad: dict[str, Any]) -> None:
    good = {"resourceType": "Patient", "id": "1"}
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": bad}, {"resource": good}]}
    found = from_xml(to_xml(bundle))
    assert [each["resource"]["resourceType"] for each in found["entry"]] == ["OperationOutcome", "Patient"]
    assert from_xml(to_xml(bad))["resourceType"] == "OperationOutcome"
