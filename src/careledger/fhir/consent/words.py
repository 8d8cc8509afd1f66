"""The code systems and names that a Consent is read and written in."""

from __future__ import annotations

from careledger.domain.categories import Category, Sensitivity
from careledger.domain.consents import GranteeKind, Permission, Purpose

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
PURPOSES = TERMINOLOGY + "v3-ActReason"
CONFIDENTIALITY = TERMINOLOGY + "v3-Confidentiality"
ACTIONS = TERMINOLOGY + "consentaction"
PARTICIPATION = TERMINOLOGY + "v3-ParticipationType"
SCOPES = TERMINOLOGY + "consentscope"
LOINC = "http://loinc.org"

OWN_PURPOSES = "urn:careledger:purpose"
OWN_CATEGORIES = "urn:careledger:category"
ALIAS = "urn:careledger:alias"
PARTY = "urn:careledger:party"
VERSION = "urn:careledger:version"
CONSENT = "urn:careledger:consent"

NO_MORE = "urn:careledger:policy:provisions-only"
"""The policy that adds nothing to what the provisions say."""
READY_MADE = "urn:careledger:ready-made:"

PRIVACY = (SCOPES, "patient-privacy")
PRIVACY_CONSENT = (LOINC, "59284-0")
RECIPIENT = (PARTICIPATION, "IRCP")

Code = tuple[str, str]
_OWN = frozenset({Purpose.DISPENSE, Purpose.AFTERDEATH})
PURPOSE_CODES: dict[Purpose, Code] = {
    purpose: (OWN_PURPOSES if purpose in _OWN else PURPOSES, purpose.code) for purpose in Purpose
}
CATEGORY_CODES: dict[Category, Code] = {category: (OWN_CATEGORIES, category.code) for category in Category}
LABEL_CODES: dict[Sensitivity, Code] = {
    Sensitivity.NORMAL: (CONFIDENTIALITY, "N"),
    Sensitivity.RESTRICTED: (CONFIDENTIALITY, "R"),
}
ACTION_CODES: dict[Permission, Code] = {
    Permission.VIEW: (ACTIONS, "access"),
    Permission.APPEND: (ACTIONS, "collect"),
    Permission.AMEND: (ACTIONS, "correct"),
}
ACTOR_TYPES: dict[GranteeKind, str] = {
    GranteeKind.POST: "Practitioner",
    GranteeKind.TEAM: "CareTeam",
    GranteeKind.ORGANISATION: "Organization",
}
