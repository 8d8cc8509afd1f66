"""Consents as FHIR JSON for tests, and who and what their references name."""

from __future__ import annotations

from typing import Any

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Grantee, GranteeKind
from careledger.domain.parties import PartyId, Role
from careledger.fhir.consent.agreed import Known, NamedRecord
from careledger.fhir.consent.words import PARTY, VERSION

HOSPITAL, DOCTOR, TEAM, CENTRE = PartyId(40), PartyId(41), PartyId(42), PartyId(43)
ALIAS = bytes(range(32))
RECORD, RESTRICTED_RECORD = b"\x0a" * 32, b"\x0b" * 32
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
RECORDS = {
    RECORD: Compartment(Category.REPORT),
    RESTRICTED_RECORD: Compartment(Category.GENERAL, Sensitivity.RESTRICTED),
}
GRANTEES = {
    HOSPITAL.text(Role.HOSPITAL): Grantee(GranteeKind.ORGANISATION, HOSPITAL.number, HOSPITAL),
    CENTRE.text(Role.CENTRE): Grantee(GranteeKind.ORGANISATION, CENTRE.number, CENTRE),
    DOCTOR.text(Role.DOCTOR): Grantee(GranteeKind.POST, DOCTOR.number, HOSPITAL),
    f"{TEAM.number:016x}": Grantee(GranteeKind.TEAM, TEAM.number, HOSPITAL),
}
_NAMES = {grantee.number: text for text, grantee in GRANTEES.items()}


def name(number: int) -> str:
    """The identifier of a party of these cases."""
    return _NAMES[number]


def known(**changes: Any) -> Known:
    """An agent that knows these parties and records by identifier, and whose patient said nothing beside the file."""
    values: dict[str, Any] = {
        "patient": frozenset({f"urn:careledger:alias|{ALIAS.hex()}"}),
        "party": {f"{PARTY}|{text}": grantee for text, grantee in GRANTEES.items()}.get,
        "record": {f"{VERSION}|{each.hex()}": NamedRecord(each, at) for each, at in RECORDS.items()}.get,
    }
    return Known(**{**values, **changes})


def coding(system: str, code: str) -> dict[str, str]:
    """A Coding of HL7's terminology, or of the ledger's own."""
    return {"system": system if ":" in system else TERMINOLOGY + system, "code": code}


def purposes(*codes: str) -> list[dict[str, str]]:
    """Purposes of use."""
    return [coding("v3-ActReason", code) for code in codes]


def labels(*codes: str) -> list[dict[str, str]]:
    """Confidentiality labels."""
    return [coding("v3-Confidentiality", code) for code in codes]


def classes(*categories: Category) -> list[dict[str, str]]:
    """Categories of records."""
    return [coding("urn:careledger:category", category.code) for category in categories]


def party(kind: str, number: PartyId) -> dict[str, Any]:
    """A reference to a party by its identifier."""
    return {"type": kind, "identifier": {"system": PARTY, "value": name(number.number)}}


def actor(kind: str, number: PartyId) -> dict[str, Any]:
    """Who receives the information."""
    role = {"coding": [coding("v3-ParticipationType", "IRCP")]}
    return {"role": role, "reference": party(kind, number)}


def instance(handle: bytes) -> dict[str, Any]:
    """A single record."""
    return {
        "meaning": "instance",
        "reference": {"identifier": {"system": VERSION, "value": handle.hex()}},
    }


def permit(**changes: Any) -> dict[str, Any]:
    """The doctor reads reports for treatment, in 2026; an element that is None is left out."""
    made: dict[str, Any] = {
        "type": "permit",
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
        "actor": [actor("Practitioner", DOCTOR)],
        "securityLabel": labels("N"),
        "purpose": purposes("TREAT"),
        "class": classes(Category.REPORT),
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def consent(provision: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A privacy consent of the patient with that provision; an element that is None is left out."""
    made: dict[str, Any] = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [coding("consentscope", "patient-privacy")]},
        "category": [{"coding": [coding("http://loinc.org", "59284-0")]}],
        "patient": {"identifier": {"system": "urn:careledger:alias", "value": ALIAS.hex()}},
        "dateTime": "2026-01-01",
        "policy": [{"uri": "urn:careledger:policy:provisions-only"}],
        "provision": permit() if provision is None else provision,
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not None}
