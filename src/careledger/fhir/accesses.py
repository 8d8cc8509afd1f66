"""Accesses to a patient's records as FHIR R4: an AuditEvent for each, a Provenance for what was released.

The AuditEvents follow IHE's Basic Audit Log Patterns (BALP), Privacy Disclosure as recorded at the source. They do not
claim the profile, which asks for network addresses: release logs have none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from careledger.domain.categories import Compartment
from careledger.domain.consents import Purpose
from careledger.domain.errors import MalformedBytes
from careledger.fhir.consent import words
from careledger.fhir.consent.times import instant
from careledger.fhir.export import unnamed
from careledger.fhir.json_text import Resource

DICOM = "http://dicom.nema.org/resources/ontology/DCM"
LIFECYCLE = words.TERMINOLOGY + "iso-21089-lifecycle"
ENTITY_TYPES = words.TERMINOLOGY + "audit-entity-type"
ENTITY_ROLES = words.TERMINOLOGY + "object-role"
TRANSACTIONS = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
PARTICIPANTS = words.TERMINOLOGY + "provenance-participant-type"
EVIDENCE = "urn:careledger:evidence"
PERSON_PROOF = "urn:careledger:person-proof"
RULE = "urn:careledger:rule:"
REQUEST = "urn:careledger:request"
EXPORT, SOURCE, DESTINATION = (DICOM, "110106"), (DICOM, "110153"), (DICOM, "110152")
SUCCESS, MINOR_FAILURE = "0", "4"


class Evidence(Enum):
    """How it is known who was before the screen: the person's own key, or the organisation's word for it."""

    PROVED = "proved"
    STATED = "stated"


@dataclass(frozen=True)
class Told:
    """One access as the release logs together tell it; parties by their identifiers, the reader empty for the patient.

    ``request`` has 16 bytes; ``handles`` and ``compartments`` are what was released, or asked for where nothing was;
    ``custodians`` are those whose proved logs have it, at least one; ``consent`` is empty but for a consent's
    commitment; ``refusals`` are sentences.
    """

    request: bytes
    at: int
    reader: str
    employer: str
    person_proof: str
    rule: str
    purpose: str
    released: bool
    refusals: tuple[str, ...]
    compartments: tuple[Compartment, ...]
    handles: tuple[bytes, ...]
    custodians: tuple[str, ...]
    officers: tuple[str, ...] = ()
    consent: bytes = b""

    @property
    def url(self) -> str:
        """What the AuditEvent is called."""
        return f"urn:uuid:{UUID(bytes=self.request)}"

    @property
    def person(self) -> Evidence:
        """That the post's own key signed is proved; which human that was, a passkey proves and nothing else does."""
        return Evidence.PROVED if not self.reader or self.person_proof == "passkey" else Evidence.STATED


def audit_event(told: Told, alias: bytes) -> Resource:
    """The AuditEvent of an access to the records of that alias."""
    activity = "disclose" if told.released else "access"
    made: Resource = {
        "resourceType": "AuditEvent",
        "id": str(UUID(bytes=told.request)),
        "meta": {"tag": [_coding(EVIDENCE, Evidence.PROVED.value)]},
        "type": _coding(*EXPORT),
        "subtype": [_coding(LIFECYCLE, activity)],
        "action": "R",
        "recorded": instant(told.at),
        "outcome": SUCCESS if told.released else MINOR_FAILURE,
        "agent": _agents(told, alias),
        "source": {"observer": _party("Organization", told.custodians[0])},
        "entity": _entities(told, alias),
    }
    purpose = _purpose(told.purpose)
    if purpose:
        made["purposeOfEvent"] = purpose
    if told.refusals:
        some = "Some custodians refused: " if told.released else ""
        made["outcomeDesc"] = some + " ".join(told.refusals)
    return made


def provenance(told: Told, alias: bytes) -> Resource | None:
    """The Provenance of what an access released: which versions, by whom, to whom, why; None if it released none."""
    if not told.released or not told.handles:
        return None
    made: Resource = {
        "resourceType": "Provenance",
        "target": [_version(handle) for handle in told.handles],
        "occurredDateTime": instant(told.at),
        "recorded": instant(told.at),
        "policy": [RULE + told.rule],
        "activity": {"coding": [_coding(LIFECYCLE, "disclose")]},
        "agent": [
            *(
                _provenance_agent(PARTICIPANTS, "custodian", _party("Organization", each))
                for each in told.custodians
            ),
            _recipient(told, alias),
        ],
        "entity": [{"role": "source", "what": {"reference": told.url}}],
    }
    purpose = _purpose(told.purpose)
    return {**made, "reason": purpose} if purpose else made


def bundle(accesses: Iterable[Told], alias: bytes, problems: Iterable[str]) -> Resource:
    """A collection of these, oldest first; where something is not proved an OperationOutcome says so before them."""
    entries: list[Resource] = []
    issues = [{"severity": "warning", "code": "incomplete", "diagnostics": each} for each in problems]
    if issues:
        entries.append(unnamed({"resourceType": "OperationOutcome", "issue": issues}, 0))
    for each in accesses:
        entries.append({"fullUrl": each.url, "resource": audit_event(each, alias)})
        released = provenance(each, alias)
        if released is not None:
            entries.append(unnamed(released, len(entries)))
    made: Resource = {"resourceType": "Bundle", "type": "collection"}
    return {**made, "entry": entries} if entries else made


# Who -------------------------------------------------------------------------------------------


def _agents(told: Told, alias: bytes) -> list[Resource]:
    """The custodians that released, the organisation that received, and who asked, with the evidence for the human."""
    made = [_agent(SOURCE, _party("Organization", each)) for each in told.custodians]
    if told.employer:
        made.append(_agent(DESTINATION, _party("Organization", told.employer)))
    asked: Resource = {
        **_agent(words.RECIPIENT, _reader(told, alias)),
        "requestor": True,
        "policy": [RULE + told.rule],
    }
    if told.reader:
        asked["extension"] = [
            {"url": PERSON_PROOF, "valueCode": told.person_proof or "machine"},
            {"url": EVIDENCE, "valueCode": told.person.value},
        ]
    purpose = _purpose(told.purpose)
    made.append({**asked, "purposeOfUse": purpose} if purpose else asked)
    agreed = [{"text": "an officer who agreed"}]
    return made + [
        {"who": _party("Practitioner", each), "role": agreed, "requestor": False} for each in told.officers
    ]


def _agent(kind: words.Code, who: Resource) -> Resource:
    return {"type": {"coding": [_coding(*kind)]}, "who": who, "requestor": False}


def _reader(told: Told, alias: bytes) -> Resource:
    return _party("Practitioner", told.reader) if told.reader else _patient(alias)


def _recipient(told: Told, alias: bytes) -> Resource:
    made = _provenance_agent(*words.RECIPIENT, _reader(told, alias))
    return {**made, "onBehalfOf": _party("Organization", told.employer)} if told.employer else made


def _provenance_agent(system: str, code: str, who: Resource) -> Resource:
    return {"type": {"coding": [_coding(system, code)]}, "who": who}


# What ------------------------------------------------------------------------------------------


def _entities(told: Told, alias: bytes) -> list[Resource]:
    made: list[Resource] = [
        {"what": _patient(alias), "type": _coding(ENTITY_TYPES, "1"), "role": _coding(ENTITY_ROLES, "1")},
        {
            "what": {"identifier": {"system": REQUEST, "value": told.request.hex()}},
            "type": _coding(TRANSACTIONS, "XrequestId"),
        },
    ]
    if told.consent:
        consent = {"type": "Consent", "identifier": {"system": words.CONSENT, "value": told.consent.hex()}}
        made.append({"what": consent, "type": _coding(ENTITY_TYPES, "2")})
    if told.compartments:
        kinds = [{"type": "category", "valueString": str(each)} for each in told.compartments]
        made.append(
            {"type": _coding(ENTITY_TYPES, "2"), "role": _coding(ENTITY_ROLES, "24"), "detail": kinds}
        )
    object_, resource = _coding(ENTITY_TYPES, "2"), _coding(ENTITY_ROLES, "4")
    return made + [{"what": _version(each), "type": object_, "role": resource} for each in told.handles]


def _version(handle: bytes) -> Resource:
    return {"identifier": {"system": words.VERSION, "value": handle.hex()}}


def _patient(alias: bytes) -> Resource:
    return {"type": "Patient", "identifier": {"system": words.ALIAS, "value": alias.hex()}}


def _party(kind: str, identifier: str) -> Resource:
    return {"type": kind, "identifier": {"system": words.PARTY, "value": identifier}}


def _purpose(code: str) -> list[Resource]:
    try:
        return [{"coding": [_coding(*words.PURPOSE_CODES[Purpose.of(code)])]}]
    except MalformedBytes:
        return [{"text": code}] if code else []


def _coding(system: str, code: str) -> Resource:
    return {"system": system, "code": code}
