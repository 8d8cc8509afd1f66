"""The sections of an International Patient Summary: which there are, and which records stand in each (HL7 IPS 2.0)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from careledger.domain.categories import Category
from careledger.fhir.json_text import Resource
from careledger.fhir.paths import codes_at

PAST = frozenset({"inactive", "remission", "resolved"})
PREGNANCY = frozenset({"82810-3", "11636-8", "11637-6", "11638-4", "11639-2", "11640-0", "11612-9", "11613-7",
                       "11614-5", "33065-4", "11778-8", "11779-6", "11780-4"})  # fmt: skip
"""LOINC: IPS's value sets of pregnancy status, expected date of delivery, and outcomes."""


@dataclass(frozen=True)
class Section:
    """``code`` is LOINC's; ``categories`` are the classes of record that it is drawn from; ``takes`` says whether a
    resource stands in it; one that is ``required`` is there even where it is empty."""

    title: str
    code: str
    categories: frozenset[Category]
    takes: Callable[[Resource], bool]
    required: bool = False


def is_error(resource: Resource) -> bool:
    """Whether a record says of itself that it was entered in error."""
    said = codes_at(resource, "verificationStatus") | codes_at(resource, "status")
    return any(code == "entered-in-error" for _, code in said)


def _types(*names: str) -> Callable[[Resource], bool]:
    return lambda resource: resource.get("resourceType") in names


def _condition(past: bool) -> Callable[[Resource], bool]:
    def takes(resource: Resource) -> bool:
        is_past = any(code in PAST for _, code in codes_at(resource, "clinicalStatus"))
        return resource.get("resourceType") == "Condition" and is_past is past

    return takes


def _observed(*categories: str) -> Callable[[Resource], bool]:
    def takes(resource: Resource) -> bool:
        filed = {code for _, code in codes_at(resource, "category")}
        return _is_observation(resource) and not _pregnancy(resource) and not filed.isdisjoint(categories)

    return takes


def _is_observation(resource: Resource) -> bool:
    return resource.get("resourceType") == "Observation"


def _pregnancy(resource: Resource) -> bool:
    codes = {code for _, code in codes_at(resource, "code")}
    return _is_observation(resource) and not codes.isdisjoint(PREGNANCY)


_RESULTS = _observed("laboratory", "imaging", "procedure")


def _result(resource: Resource) -> bool:
    return resource.get("resourceType") == "DiagnosticReport" or _RESULTS(resource)


def _directive(resource: Resource) -> bool:
    return resource.get("resourceType") == "Consent" and (
        "adr" in {c for _, c in codes_at(resource, "scope")}
    )


def _of(*categories: Category) -> frozenset[Category]:
    return frozenset(categories)


# A blood group is general information and a note a diagnosis, whatever the observation or report says of itself.
_REPORTED = _of(Category.REPORT, Category.GENERAL, Category.DIAGNOSIS)
_OBSERVED = _REPORTED | _of(Category.MEASUREMENT)
SECTIONS = (
    Section(
        "Medication summary",
        "10160-0",
        _of(Category.PRESCRIPTION),
        _types("MedicationRequest", "MedicationStatement"),
        True,
    ),
    Section(
        "Allergies and intolerances", "48765-2", _of(Category.GENERAL), _types("AllergyIntolerance"), True
    ),
    Section("Problems", "11450-4", _of(Category.DIAGNOSIS), _condition(past=False), True),
    Section("Immunizations", "11369-6", _of(Category.HISTORY), _types("Immunization")),
    Section("Procedures", "47519-4", _of(Category.HISTORY), _types("Procedure")),
    Section("Medical devices", "46264-8", _of(Category.HISTORY), _types("DeviceUseStatement")),
    Section("Results", "30954-2", _REPORTED, _result),
    Section("Vital signs", "8716-3", _of(Category.MEASUREMENT), _observed("vital-signs", "vital-sign")),
    Section("Past illnesses", "11348-0", _of(Category.DIAGNOSIS), _condition(past=True)),
    Section("Pregnancy", "10162-6", _OBSERVED, _pregnancy),
    Section("Social history", "29762-2", _of(Category.GENERAL), _observed("social-history")),
    Section("Functional status", "47420-5", _of(Category.DIAGNOSIS), _types("ClinicalImpression")),
    Section("Plan of care", "18776-5", _of(Category.DIAGNOSIS), _types("CarePlan")),
    Section("Advance directives", "42348-3", _of(Category.HISTORY), _directive),
)
