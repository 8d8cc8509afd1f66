"""Accesses as AuditEvents and Provenances: valid R4, who and why as the logs say, and proof told from word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Purpose
from careledger.fhir.accesses import Evidence, Told, audit_event, bundle, provenance
from careledger.fhir.validation.check import examine

ALIAS, HANDLE, COMMITMENT = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
HOSPITAL, DOCTOR, FIRST, SECOND, OFFICER = "hos-h", "doc-d", "hos-1", "lab-2", "opr-o"
RELEASED = Told(
    request=bytes(range(16)),
    at=1_790_000_000,
    reader=DOCTOR,
    employer=HOSPITAL,
    person_proof="vouched",
    rule="consent",
    purpose="TREAT",
    released=True,
    refusals=(),
    compartments=(Compartment(Category.REPORT), Compartment(Category.GENERAL, Sensitivity.RESTRICTED)),
    handles=(HANDLE,),
    custodians=(FIRST, SECOND),
    consent=COMMITMENT,
)
REFUSED = replace(
    RELEASED, request=bytes(16), released=False, handles=(), refusals=("The consent was revoked.",)
)
OWN = replace(RELEASED, reader="", employer="", person_proof="", rule="own", purpose="PATRQT", consent=b"")


def agents(event: Any, code: str) -> list[str]:
    return [
        agent["who"]["identifier"]["value"]
        for agent in event["agent"]
        if any(coding["code"] == code for coding in agent.get("type", {}).get("coding", ()))
    ]


def entity(event: Any, code: str) -> list[Any]:
    return [each for each in event["entity"] if each["type"]["code"] == code]


@pytest.mark.parametrize("told", [RELEASED, REFUSED, OWN, replace(RELEASED, officers=(OFFICER,))])
def test_every_access_is_a_valid_event_with_one_requestor(told: Told) -> None:
    event = audit_event(told, ALIAS)
    assert examine(event).errors == ()
    assert [agent["requestor"] for agent in event["agent"]].count(True) == 1
    (patient,) = entity(event, "1")
    assert patient["what"]["identifier"]["value"] == ALIAS.hex()
    (request,) = entity(event, "XrequestId")
    assert request["what"]["identifier"]["value"] == told.request.hex()


def test_a_release_names_custodians_receiver_person_ground_and_records() -> None:
    event = audit_event(RELEASED, ALIAS)
    assert (event["outcome"], event["recorded"]) == ("0", "2026-09-21T14:13:20Z")
    assert agents(event, "110153") == [FIRST, SECOND]
    assert agents(event, "110152") == [HOSPITAL]
    assert agents(event, "IRCP") == [DOCTOR]
    assert event["source"]["observer"]["identifier"]["value"] == FIRST
    named = [each["what"]["identifier"]["value"] for each in entity(event, "2") if "what" in each]
    assert named == [COMMITMENT.hex(), HANDLE.hex()]
    (kinds,) = [each["detail"] for each in entity(event, "2") if "detail" in each]
    assert [each["valueString"] for each in kinds] == ["report", "general (restricted)"]
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"


def test_a_refusal_is_a_failure_with_its_reason_and_discloses_nothing() -> None:
    event = audit_event(REFUSED, ALIAS)
    assert (event["outcome"], event["outcomeDesc"]) == ("4", "The consent was revoked.")
    assert [each["code"] for each in event["subtype"]] == ["access"]
    assert provenance(REFUSED, ALIAS) is None


def test_what_some_custodians_released_counts_as_disclosed_though_others_refused() -> None:
    event = audit_event(replace(RELEASED, refusals=("The consent was revoked.",)), ALIAS)
    assert (event["outcome"], event["outcomeDesc"]) == (
        "0",
        "Some custodians refused: The consent was revoked.",
    )


@pytest.mark.parametrize(
    ("told", "person"),
    [
        (RELEASED, Evidence.STATED),
        (replace(RELEASED, person_proof="machine"), Evidence.STATED),
        (replace(RELEASED, person_proof=""), Evidence.STATED),
        (replace(RELEASED, person_proof="passkey"), Evidence.PROVED),
        (OWN, Evidence.PROVED),
    ],
)
def test_the_release_is_proved_and_which_human_read_only_where_a_passkey_says_so(
    told: Told, person: Evidence
) -> None:
    event = audit_event(told, ALIAS)
    assert event["meta"]["tag"] == [{"system": "urn:careledger:evidence", "code": "proved"}]
    assert told.person is person
    (asked,) = [agent for agent in event["agent"] if agent["requestor"]]
    said = {each["url"]: each["valueCode"] for each in asked.get("extension", ())}
    assert said.get("urn:careledger:evidence") == (person.value if told.reader else None)


def test_a_provenance_names_what_was_released_and_its_event() -> None:
    made = provenance(RELEASED, ALIAS)
    assert made is not None
    assert examine(made).errors == ()
    assert [each["identifier"]["value"] for each in made["target"]] == [HANDLE.hex()]
    assert made["entity"][0]["what"]["reference"] == RELEASED.url
    assert made["agent"][-1]["onBehalfOf"]["identifier"]["value"] == HOSPITAL
    own = provenance(OWN, ALIAS)
    assert own is not None
    assert "onBehalfOf" not in own["agent"][-1]


@pytest.mark.parametrize("purpose", [*(each.code for each in Purpose), "", "OTHER"])
def test_every_purpose_and_none_is_written(purpose: str) -> None:
    event = audit_event(replace(RELEASED, purpose=purpose), ALIAS)
    assert examine(event).errors == ()
    assert ("purposeOfEvent" in event) is (purpose != "")


def test_the_bundle_resolves_its_references_and_says_first_what_is_not_proved() -> None:
    made = bundle([RELEASED, REFUSED], ALIAS, ["lab-2: cannot be reached"])
    assert examine(made).errors == ()
    kinds = [entry["resource"]["resourceType"] for entry in made["entry"]]
    assert kinds == ["OperationOutcome", "AuditEvent", "Provenance", "AuditEvent"]
    assert len({entry["fullUrl"] for entry in made["entry"]}) == len(kinds)  # bdl-7, and every entry has one
    assert made["entry"][0]["resource"]["issue"][0]["diagnostics"] == "lab-2: cannot be reached"
    assert "OperationOutcome" not in str(bundle([RELEASED], ALIAS, []))
    assert bundle([], ALIAS, []) == {"resourceType": "Bundle", "type": "collection"}
