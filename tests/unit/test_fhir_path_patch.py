"""FHIRPath Patch as R4 describes it (fhirpatch.html): what each operation does, and what it refuses."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from careledger.domain.errors import FhirRefused
from careledger.fhir.canonical import canonical
from careledger.fhir.fhirpath import places
from careledger.fhir.fhirpath.places import pairs
from careledger.fhir.json_text import read
from careledger.fhir.path_patch import patched
from careledger.fhir.validation.check import examine

PLAIN = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"system": "urn:a", "value": str(number)} for number in range(4)],
    "name": [
        {"use": "official", "family": "Rahman", "given": ["Anika", "Sultana"]},
        {"use": "usual", "given": ["Ani"], "_given": [{"extension": [{"url": "urn:x", "valueCode": "a"}]}]},
    ],
    "active": True,
    "birthDate": "1980-01-01",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1980-01-01T10:00:00Z"}]},
    "deceasedBoolean": False,
    "contact": [
        {"name": {"text": "a name"}, "telecom": [{"use": "work"}], "gender": "male"},
        {"organization": {"display": "a ward"}, "gender": "female"},
    ],
}


def operation(type: str, path: str, **parts: Any) -> dict[str, Any]:
    """``value`` is the name in JSON with the value, or parts by name for a type without one."""
    made: list[dict[str, Any]] = [{"name": "type", "valueCode": type}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if name == "value":
            made.append(stated("value", value))
        else:
            made.append({"name": name, "valueString" if name == "name" else "valueInteger": value})
    return {"name": "operation", "part": made}


def stated(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"name": name, "part": [stated(*each) for each in value]}
    return {"name": name, **value}


def after(*operations: dict[str, Any], resource: Any = PLAIN) -> Any:
    """The resource afterwards; the one before is as it was."""
    parameters = read(json.dumps({"resourceType": "Parameters", "parameter": list(operations)}).encode())
    assert examine(parameters).errors == ()
    before = read(json.dumps(resource).encode())
    kept = deepcopy(before)
    made = json.loads(canonical(patched(before, parameters)))
    assert before == kept
    return made


def changed(**elements: Any) -> dict[str, Any]:
    made = {**PLAIN, **elements}
    return {name: value for name, value in made.items() if value is not None}


NAMES: Any = PLAIN["name"]
CONTACTS: Any = PLAIN["contact"]
IDENTIFIERS: Any = PLAIN["identifier"]
FITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "add one": (
        operation("add", "Patient", name="gender", value={"valueCode": "female"}),
        changed(gender="female"),
    ),
    "add to a list": (
        operation("add", "Patient", name="identifier", value={"valueIdentifier": {"value": "last"}}),
        changed(identifier=[*IDENTIFIERS, {"value": "last"}]),
    ),
    "add the first of a list": (
        operation("add", "Patient", name="telecom", value={"valueContactPoint": {"use": "home"}}),
        changed(telecom=[{"use": "home"}]),
    ),
    "add inside": (
        operation("add", "Patient.contact[0]", name="period", value={"valuePeriod": {"start": "2020"}}),
        changed(contact=[{**CONTACTS[0], "period": {"start": "2020"}}, CONTACTS[1]]),
    ),
    "add of chosen type": (
        operation("add", "Patient", name="multipleBirth", value={"valueInteger": 2}),
        changed(multipleBirthInteger=2),
    ),
    "add of a type without a name": (
        operation(
            "add",
            "Patient",
            name="contact",
            value=[
                ("name", {"valueHumanName": {"text": "another"}}),
                ("telecom", {"valueContactPoint": {"use": "home"}}),
                ("telecom", {"valueContactPoint": {"use": "mobile"}}),
            ],
        ),
        changed(
            contact=[
                *CONTACTS,
                {"name": {"text": "another"}, "telecom": [{"use": "home"}, {"use": "mobile"}]},
            ]
        ),
    ),
    "add beside a primitive": (
        operation(
            "add",
            "Patient.active",
            name="extension",
            value=[("url", {"valueUri": "urn:y"}), ("value", {"valueCode": "b"})],
        ),
        changed(_active={"extension": [{"url": "urn:y", "valueCode": "b"}]}),
    ),
    "add beside a primitive of a list": (
        operation(
            "add",
            "Patient.name[0].given[1]",
            name="extension",
            value=[("url", {"valueUri": "urn:y"}), ("value", {"valueCode": "b"})],
        ),
        changed(
            name=[
                {**NAMES[0], "_given": [None, {"extension": [{"url": "urn:y", "valueCode": "b"}]}]},
                NAMES[1],
            ]
        ),
    ),
    "insert first": (
        operation("insert", "Patient.identifier", index=0, value={"valueIdentifier": {"value": "x"}}),
        changed(identifier=[{"value": "x"}, *IDENTIFIERS]),
    ),
    "insert between": (
        operation("insert", "Patient.identifier", index=3, value={"valueIdentifier": {"value": "x"}}),
        changed(identifier=[*IDENTIFIERS[:3], {"value": "x"}, IDENTIFIERS[3]]),
    ),
    "insert last": (
        operation("insert", "Patient.identifier", index=4, value={"valueIdentifier": {"value": "x"}}),
        changed(identifier=[*IDENTIFIERS, {"value": "x"}]),
    ),
    "insert what has something beside it": (
        operation("insert", "Patient.name[1].given", index=0, value={"valueString": "Nila"}),
        changed(
            name=[NAMES[0], {**NAMES[1], "given": ["Nila", "Ani"], "_given": [None, *NAMES[1]["_given"]]}]
        ),
    ),
    "insert into no list yet": (
        operation("insert", "Patient.telecom", index=0, value={"valueContactPoint": {"use": "home"}}),
        changed(telecom=[{"use": "home"}]),
    ),
    "delete one with what is beside it": (
        operation("delete", "Patient.birthDate"),
        changed(birthDate=None, _birthDate=None),
    ),
    "delete of a list": (
        operation("delete", "Patient.identifier[2]"),
        changed(identifier=[*IDENTIFIERS[:2], IDENTIFIERS[3]]),
    ),
    "delete what holds nothing else": (
        operation("delete", "Patient.contact[0].name.text"),
        changed(contact=[{"telecom": [{"use": "work"}], "gender": "male"}, CONTACTS[1]]),
    ),
    "delete the only one of a list with what held it": (
        operation("delete", "Patient.contact.where(gender = 'male').telecom[0].use"),
        changed(contact=[{"name": {"text": "a name"}, "gender": "male"}, CONTACTS[1]]),
    ),
    "delete by a condition": (
        operation("delete", "Patient.identifier.where(value = '1' and system = 'urn:a')"),
        changed(identifier=[IDENTIFIERS[0], *IDENTIFIERS[2:]]),
    ),
    "delete an extension": (
        operation("delete", "Patient.birthDate.extension('urn:time')"),
        changed(_birthDate=None),
    ),
    "delete what is not there": (operation("delete", "Patient.maritalStatus"), PLAIN),
    "delete of chosen type": (operation("delete", "Patient.deceased"), changed(deceasedBoolean=None)),
    "replace a primitive and what is beside it": (
        operation("replace", "Patient.birthDate", value={"valueDate": "1990-02-03"}),
        changed(birthDate="1990-02-03", _birthDate=None),
    ),
    "replace of a list": (
        operation(
            "replace", "Patient.name.where(use = 'official').given.last()", value={"valueString": "Nila"}
        ),
        changed(name=[{**NAMES[0], "given": ["Anika", "Nila"]}, NAMES[1]]),
    ),
    "replace by another of the chosen types": (
        operation("replace", "Patient.deceased", value={"valueDateTime": "2025-01-01"}),
        changed(deceasedBoolean=None, deceasedDateTime="2025-01-01"),
    ),
    "replace the chosen type": (
        operation("replace", "Patient.deceased.ofType(boolean)", value={"valueBoolean": True}),
        changed(deceasedBoolean=True),
    ),
    "replace without the type in front": (
        operation("replace", "active", value={"valueBoolean": False}),
        changed(active=False),
    ),
    "move forwards": (
        operation("move", "Patient.identifier", source=0, destination=3),
        changed(identifier=[*IDENTIFIERS[1:], IDENTIFIERS[0]]),
    ),
    "move backwards": (
        operation("move", "Patient.identifier", source=3, destination=1),
        changed(identifier=[IDENTIFIERS[0], IDENTIFIERS[3], *IDENTIFIERS[1:3]]),
    ),
    "move to where it is": (operation("move", "Patient.identifier", source=1, destination=1), PLAIN),
}


@pytest.mark.parametrize("what", FITS)
def test_an_operation_does_what_r4_says_and_nothing_else(what: str) -> None:
    asked, expected = FITS[what]
    made = after(asked)
    assert made == expected
    assert examine(read(json.dumps(made).encode())).errors == ()


def test_each_operation_sees_the_effect_of_those_before() -> None:
    made = after(
        operation("add", "Patient", name="contact", value=[("gender", {"valueCode": "other"})]),
        operation("replace", "Patient.contact[2].gender", value={"valueCode": "unknown"}),
        operation("move", "Patient.contact", source=2, destination=0),
        operation("delete", "Patient.contact[1]"),
    )
    assert made == changed(contact=[{"gender": "unknown"}, CONTACTS[1]])


OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "weight"},
    "valueQuantity": {"value": 70.50, "unit": "kg"},
    "contained": [{"resourceType": "Patient", "id": "inside", "gender": "male"}],
    "subject": {"reference": "#inside"},
}


def test_numbers_keep_their_digits_and_what_is_contained_is_part_of_the_record() -> None:
    resource = json.dumps(OBSERVATION).replace("70.5", "70.50")
    replaced = operation("replace", "Observation.value.value", value={"valueDecimal": 0})
    parameters = json.dumps({"resourceType": "Parameters", "parameter": [replaced]}).replace(
        '"valueDecimal": 0', '"valueDecimal": 71.00'
    )
    made = canonical(patched(read(resource.encode()), read(parameters.encode())))
    assert b'"value":71.00' in made
    assert b'"value":70.50' in canonical(patched(read(resource.encode()), {"resourceType": "Parameters"}))
    inside = operation("replace", "Observation.contained[0].gender", value={"valueCode": "female"})
    assert after(inside, resource=OBSERVATION)["contained"][0]["gender"] == "female"
    device = {"resourceType": "Device", "id": "scales"}
    added = operation("add", "Observation", name="contained", value={"resource": device})
    assert after(added, resource=OBSERVATION)["contained"] == [*OBSERVATION["contained"], device]
    named = operation("add", "Observation", name="device", value={"resource": device})
    with pytest.raises(FhirRefused):
        after(named, resource=OBSERVATION)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "several": (
        operation("replace", "Patient.name.given", value={"valueString": "x"}),
        "leads to 3 elements",
    ),
    "several to be deleted": (operation("delete", "Patient.identifier"), "leads to 4 elements"),
    "none": (
        operation("replace", "Patient.maritalStatus", value={"valueCodeableConcept": {"text": "x"}}),
        "leads to no",
    ),
    "none to add to": (
        operation("add", "Patient.maritalStatus", name="text", value={"valueString": "x"}),
        "leads to no",
    ),
    "there already": (
        operation("add", "Patient", name="birthDate", value={"valueDate": "2000"}),
        "there already",
    ),
    "chosen already": (
        operation("add", "Patient", name="deceased", value={"valueDateTime": "2000"}),
        "there already",
    ),
    "an unknown element": (
        operation("add", "Patient", name="colour", value={"valueString": "x"}),
        "not there in R4",
    ),
    "a type that may not be chosen": (
        operation("add", "Patient", name="multipleBirth", value={"valueString": "x"}),
        "not there in R4",
    ),
    "another type": (
        operation("add", "Patient", name="maritalStatus", value={"valueHumanName": {"text": "x"}}),
        "type",
    ),
    "another primitive": (
        operation("replace", "Patient.active", value={"valueString": "true"}),
        "another type",
    ),
    "parts for a primitive": (
        operation("replace", "Patient.active", value=[("id", {"valueString": "x"})]),
        "another type",
    ),
    "a type for parts": (
        operation("add", "Patient", name="contact", value={"valueHumanName": {"text": "x"}}),
        "another type",
    ),
    "beyond the end": (
        operation("insert", "Patient.identifier", index=5, value={"valueIdentifier": {"value": "x"}}),
        "index",
    ),
    "before the beginning": (
        operation("insert", "Patient.identifier", index=-1, value={"valueIdentifier": {"value": "x"}}),
        "index",
    ),
    "moved from beyond": (operation("move", "Patient.identifier", source=4, destination=0), "index"),
    "moved beyond": (operation("move", "Patient.identifier", source=0, destination=4), "index"),
    "no list": (operation("move", "Patient.birthDate", source=0, destination=0), "no list"),
    "an element for a list": (
        operation("insert", "Patient.identifier[0]", index=0, value={"valueIdentifier": {"value": "x"}}),
        "no list",
    ),
    "a list of several": (operation("move", "Patient.name.given", source=0, destination=0), "leads to 2"),
    "the record": (operation("delete", "Patient"), "as a whole"),
    "another record": (operation("delete", "Patient.managingOrganization.resolve().name"), "no place"),
    "another type's record": (operation("delete", "Observation.code"), "another type"),
    "a value": (operation("delete", "Patient.name.count()"), "no place"),
    "a sum": (operation("delete", "Patient.name | Patient.contact"), "no place"),
    "no path": (operation("delete", "Patient..name["), "expected"),
    "a pattern": (operation("delete", "Patient.name.where(family.matches('(a+)+$'))"), "a function in its"),
    "all of the record for each": (
        operation("delete", "Patient.name.where(%resource.name.where(%resource.name.exists()).exists())"),
        "looks beyond",
    ),
    "everything below": (operation("delete", "Patient.name.where(descendants().exists())"), "a function in"),
    "twice as much": (operation("delete", "Patient.name.where((given | given).exists())"), "an operator in"),
    "a text and a number": (operation("delete", "Patient.name.where(family + 1 = 1)"), "an operator in"),
    "no number": (operation("delete", "Patient.name.where(family.substring('a') = '')"), "does not fit"),
    "no text": (operation("delete", "Patient.name.where(family.startsWith(1))"), "does not fit"),
    "no day": (
        operation("delete", "Patient.name.where('2026-02-31T10:00:00Z' < '2026-03-01T10:00:00.5Z')"),
        "does not fit",
    ),
    "no name": (operation("delete", "Patient.name.ofType(``)"), "character"),
    "brackets without end": (operation("delete", "(" * 400 + "Patient" + ")" * 90), "brackets"),
    "without end": (operation("delete", "Patient" + ".name" * 200), "characters"),
    "an unknown operation": (operation("fly", "Patient.name"), "is none of add"),
    "too much": (operation("delete", "Patient.active", index=1), "no other"),
    "too little": (
        operation("insert", "Patient.identifier", value={"valueIdentifier": {"value": "x"}}),
        "needs the parts",
    ),
    "no operation": ({"name": "else", "valueString": "x"}, "is no operation"),
    "a path of another type": (
        {
            "name": "operation",
            "part": [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueUri": "a"}],
        },
        "type",
    ),
    "a part twice": ({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}] * 2}, "twice"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused_with_its_operation(what: str) -> None:
    asked, why = REFUSED[what]
    with pytest.raises(FhirRefused) as refused:
        after(operation("replace", "Patient.active", value={"valueBoolean": False}), asked)
    assert refused.value.details["path"] == "Parameters.parameter[1]"
    assert why in str(refused.value.details["problem"])


def test_a_condition_looks_at_each_element_of_a_list_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = []

    def counted(inside: Any, name: str) -> list[Any]:
        lists.append(name)
        return pairs(inside, name)

    monkeypatch.setattr(places, "pairs", counted)
    named: dict[str, Any] = PLAIN | {"name": [{"family": str(number)} for number in range(300)]}
    made = after(operation("delete", "Patient.name.where(family = '299')"), resource=named)
    assert (made["name"], lists) == (named["name"][:-1], ["name"])


def test_more_than_a_record_of_its_size_takes_at_once_is_refused_before_any_is_done() -> None:
    named = PLAIN | {"name": [{"family": str(number)} for number in range(3_000)]}
    asked = [
        operation("replace", f"Patient.name[{at}].family", value={"valueString": "x"}) for at in range(100)
    ]
    assert after(*asked[:2], resource=named)["name"][1] == {"family": "x"}
    with pytest.raises(FhirRefused) as refused:
        after(*asked, resource=named)
    assert refused.value.details["path"] == "Parameters"
