"""One line about a resource, for tables that people read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from careledger.fhir.dates import clinical_date
from careledger.fhir.json_text import Number, Resource
from careledger.fhir.paths import all_at, concept_text, first_at, name_of, objects_at


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """When, what, and which value; each empty where the resource does not say."""

    date: str
    what: str
    value: str

    def __str__(self) -> str:
        said = ": ".join(part for part in (self.what, self.value) if part)
        return "  ".join(part for part in (self.date, said) if part)


def summary(resource: Resource) -> Summary:
    """The day, the name and the value of what a resource states."""
    kind = str(resource.get("resourceType"))
    return Summary((clinical_date(resource) or "")[:10], _what(resource) or kind, _value(kind, resource))


# Where a type says what it is about; the first that says something wins.
# fmt: off
_WHAT = (
    "code", "vaccineCode", "medicationCodeableConcept", "type", "procedureCode", "description", "category",
    "series.modality", "serviceType", "relationship", "reasonCode", "item.productOrService", "class", "use", "title",
)
# fmt: on


def _what(resource: Resource) -> str:
    name = name_of(resource)
    if name:
        return name
    found = all_at(resource, "category")[::-1] if resource.get("resourceType") == "CarePlan" else []
    found += [each for path in _WHAT for each in all_at(resource, path)]
    return next((text for text in map(_shown, found) if text), "")


def _shown(found: Any) -> str:
    if isinstance(found, str):
        return found
    if not isinstance(found, dict):
        return ""
    return concept_text(found) or str(found.get("display") or found.get("code") or "")


def _value(kind: str, resource: Resource) -> str:
    return _VALUES.get(kind, _status)(resource)


def _observed(resource: Resource) -> str:
    own = _measured(resource)
    parts = [
        f"{concept_text(part.get('code'))} {_measured(part)}" for part in objects_at(resource, "component")
    ]
    return own or ", ".join(parts) or _absent(resource)


def _absent(resource: Resource) -> str:
    return concept_text(resource.get("dataAbsentReason"))


def _measured(part: Resource) -> str:
    """The ``value[x]`` of an observation or component as text."""
    name = next((name for name in part if name.startswith("value")), "")
    value = part.get(name)
    if isinstance(value, dict):
        return concept_text(value) or _quantity(value)
    if isinstance(value, Number):
        return value.text
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else ""


def _quantity(value: Resource) -> str:
    number = value.get("value")
    if not isinstance(number, Number):
        return ""
    unit = value.get("unit") or value.get("code") or value.get("currency") or ""
    return f"{value.get('comparator', '')}{_rounded(number)} {unit}".strip()


def _rounded(number: Number) -> str:
    """At most two decimal places, for reading only."""
    places = -int(number.decimal.as_tuple().exponent)
    return f"{number.decimal:.2f}" if places > 2 else number.text


def _money(path: str) -> Callable[[Resource], str]:
    def shown(resource: Resource) -> str:
        found = first_at(resource, path)
        return _quantity(found) if isinstance(found, dict) else ""

    return shown


def _status(resource: Resource) -> str:
    concept = concept_text(resource.get("clinicalStatus"))
    status = resource.get("status") or resource.get("lifecycleStatus")
    return concept or (status if isinstance(status, str) else "")


def _dosage(resource: Resource) -> str:
    text = first_at(resource, "dosageInstruction.text")
    return text if isinstance(text, str) else _status(resource)


def _results(resource: Resource) -> str:
    count = len(all_at(resource, "result"))
    return f"{count} results" if count else _status(resource)


def _born(resource: Resource) -> str:
    parts = [f"born {resource['birthDate']}" if "birthDate" in resource else ""]
    parts.append(str(resource.get("gender", "")))
    if "deceasedDateTime" in resource:
        parts.append(f"died {str(resource['deceasedDateTime'])[:10]}")
    return ", ".join(part for part in parts if part)


def _criticality(resource: Resource) -> str:
    return str(resource.get("criticality", "")) or _status(resource)


_VALUES: dict[str, Callable[[Resource], str]] = {
    "AllergyIntolerance": _criticality,
    "Claim": _money("total"),
    "DiagnosticReport": _results,
    "ExplanationOfBenefit": _money("payment.amount"),
    "MedicationRequest": _dosage,
    "Observation": _observed,
    "Patient": _born,
}
