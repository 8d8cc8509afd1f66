"""A second evaluator of FHIR R4 search, for tests: written from the specification, of a short list of parameters that
were checked by hand, with plain walks over nested keys. It shares no code with ``careledger.fhir.searching``."""

from __future__ import annotations

import calendar
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from careledger.fhir.json_text import Number

# type and name: how the parameter compares, and where its values stand and what they are
PARAMETERS: dict[tuple[str, str], tuple[str, dict[str, str]]] = {
    ("Patient", "_id"): ("token", {"id": "id"}),
    ("Patient", "name"): ("string", {"name": "HumanName"}),
    ("Patient", "family"): ("string", {"name.family": "string"}),
    ("Patient", "given"): ("string", {"name.given": "string"}),
    ("Patient", "gender"): ("token", {"gender": "code"}),
    ("Patient", "birthdate"): ("date", {"birthDate": "date"}),
    ("Patient", "death-date"): ("date", {"deceasedDateTime": "date"}),
    ("Patient", "address"): ("string", {"address": "Address"}),
    ("Patient", "address-city"): ("string", {"address.city": "string"}),
    ("Patient", "address-postalcode"): ("string", {"address.postalCode": "string"}),
    ("Patient", "identifier"): ("token", {"identifier": "Identifier"}),
    ("Patient", "telecom"): ("token", {"telecom": "Identifier"}),
    ("Patient", "language"): ("token", {"communication.language": "CodeableConcept"}),
    ("Observation", "code"): ("token", {"code": "CodeableConcept"}),
    ("Observation", "category"): ("token", {"category": "CodeableConcept"}),
    ("Observation", "status"): ("token", {"status": "code"}),
    ("Observation", "date"): (
        "date",
        {"effectiveDateTime": "date", "effectivePeriod": "Period", "effectiveInstant": "date"},
    ),
    ("Observation", "subject"): ("reference", {"subject": "Reference"}),
    ("Observation", "encounter"): ("reference", {"encounter": "Reference"}),
    ("Observation", "value-quantity"): ("quantity", {"valueQuantity": "Quantity"}),
    ("Observation", "value-concept"): ("token", {"valueCodeableConcept": "CodeableConcept"}),
    ("Observation", "component-code"): ("token", {"component.code": "CodeableConcept"}),
    ("Observation", "combo-code"): ("token", {"code": "CodeableConcept", "component.code": "CodeableConcept"}),
    ("Observation", "component-value-quantity"): ("quantity", {"component.valueQuantity": "Quantity"}),
    ("Observation", "combo-value-quantity"): (
        "quantity",
        {"valueQuantity": "Quantity", "component.valueQuantity": "Quantity"},
    ),
    ("Encounter", "class"): ("token", {"class": "Coding"}),
    ("Encounter", "date"): ("date", {"period": "Period"}),
    ("Encounter", "type"): ("token", {"type": "CodeableConcept"}),
    ("Encounter", "participant"): ("reference", {"participant.individual": "Reference"}),
    ("Encounter", "service-provider"): ("reference", {"serviceProvider": "Reference"}),
    ("Encounter", "reason-code"): ("token", {"reasonCode": "CodeableConcept"}),
    ("Condition", "code"): ("token", {"code": "CodeableConcept"}),
    ("Condition", "clinical-status"): ("token", {"clinicalStatus": "CodeableConcept"}),
    ("Condition", "onset-date"): ("date", {"onsetDateTime": "date", "onsetPeriod": "Period"}),
    ("Condition", "abatement-date"): ("date", {"abatementDateTime": "date", "abatementPeriod": "Period"}),
    ("Condition", "recorded-date"): ("date", {"recordedDate": "date"}),
    ("Condition", "encounter"): ("reference", {"encounter": "Reference"}),
    ("Procedure", "code"): ("token", {"code": "CodeableConcept"}),
    ("Procedure", "date"): ("date", {"performedDateTime": "date", "performedPeriod": "Period"}),
    ("Procedure", "location"): ("reference", {"location": "Reference"}),
    ("DiagnosticReport", "code"): ("token", {"code": "CodeableConcept"}),
    ("DiagnosticReport", "issued"): ("date", {"issued": "date"}),
    ("DiagnosticReport", "result"): ("reference", {"result": "Reference"}),
    ("DiagnosticReport", "performer"): ("reference", {"performer": "Reference"}),
    ("MedicationRequest", "authoredon"): ("date", {"authoredOn": "date"}),
    ("MedicationRequest", "code"): ("token", {"medicationCodeableConcept": "CodeableConcept"}),
    ("MedicationRequest", "intent"): ("token", {"intent": "code"}),
    ("MedicationRequest", "requester"): ("reference", {"requester": "Reference"}),
    ("Immunization", "date"): ("date", {"occurrenceDateTime": "date"}),
    ("Immunization", "vaccine-code"): ("token", {"vaccineCode": "CodeableConcept"}),
    ("CarePlan", "date"): ("date", {"period": "Period"}),
    ("CarePlan", "activity-code"): ("token", {"activity.detail.code": "CodeableConcept"}),
    ("AllergyIntolerance", "code"): ("token", {"code": "CodeableConcept", "reaction.substance": "CodeableConcept"}),
    ("AllergyIntolerance", "criticality"): ("token", {"criticality": "code"}),
    ("Organization", "name"): ("string", {"name": "string", "alias": "string"}),
    ("Practitioner", "identifier"): ("token", {"identifier": "Identifier"}),
    ("Practitioner", "active"): ("token", {"active": "boolean"}),
    ("Practitioner", "family"): ("string", {"name.family": "string"}),
    ("Claim", "created"): ("date", {"created": "date"}),
    ("Claim", "use"): ("token", {"use": "code"}),
    ("ExplanationOfBenefit", "claim"): ("reference", {"claim": "Reference"}),
    ("ImagingStudy", "started"): ("date", {"started": "date"}),
    ("ImagingStudy", "modality"): ("token", {"series.modality": "Coding"}),
}  # fmt: skip
SYSTEM_OF_GENDER = "http://hl7.org/fhir/administrative-gender"


def walk(value: Any, path: str) -> Iterator[Any]:
    """What stands at a dotted path, lists taken apart."""
    if isinstance(value, list):
        for each in value:
            yield from walk(each, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        head, _, rest = path.partition(".")
        if head in value:
            yield from walk(value[head], rest)


def values(resource: Any, name: str) -> list[tuple[str, Any]]:
    """The parameter's values in a resource, each with its type."""
    _, places = PARAMETERS[resource["resourceType"], name]
    return [(kind, found) for path, kind in places.items() for found in walk(resource, path)]


def matches(resource: Any, name: str, modifier: str, value: str) -> bool:
    """Whether a resource has this one value, which holds no comma and no backslash."""
    kind, _ = PARAMETERS[resource["resourceType"], name]
    found = values(resource, name)
    if modifier == "missing":
        return (not found) == (value == "true")
    compare = {
        "token": token,
        "string": string,
        "date": date,
        "reference": reference,
        "quantity": quantity,
    }[kind]
    hit = any(compare(each_kind, each, value, modifier) for each_kind, each in found)
    return not hit if modifier == "not" else hit


def codings(kind: str, found: Any) -> list[tuple[str, str]]:
    if kind == "CodeableConcept":
        return [(each.get("system", ""), each.get("code", "")) for each in found.get("coding", [])]
    if kind == "Coding":
        return [(found.get("system", ""), found.get("code", ""))]
    if kind == "Identifier":
        return [(found.get("system", ""), found.get("value", ""))]
    return [("", str(found).lower() if kind == "boolean" else found)]


def token(kind: str, found: Any, value: str, modifier: str) -> bool:
    if modifier == "text":
        shown = [found.get("text", "")] if kind == "CodeableConcept" else []
        shown += (
            [each.get("display", "") for each in found.get("coding", [])] if kind == "CodeableConcept" else []
        )
        shown += [found.get("display", "")] if kind == "Coding" else []
        return any(bare(each).startswith(bare(value)) for each in shown)
    if kind == "id":
        return bool(found == value.removeprefix("|"))
    system, bar, code = value.rpartition("|")
    for its_system, its_code in codings(kind, found):
        same_code = its_code.lower() == code.lower() or (bar and not code)
        if same_code and (
            not bar or system == its_system or system == SYSTEM_OF_GENDER == _implicit(kind, its_code)
        ):
            return True
    return False


def _implicit(kind: str, code: str) -> str:
    return SYSTEM_OF_GENDER if kind == "code" and code in ("male", "female", "other", "unknown") else ""


def bare(text: str) -> str:
    """Lower case without accents."""
    return "".join(
        each for each in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(each) != "Mn"
    )


def string(kind: str, found: Any, value: str, modifier: str) -> bool:
    texts = [found]
    if kind in ("HumanName", "Address"):
        names = {
            "HumanName": ["text", "family", "given", "prefix", "suffix"],
            "Address": ["text", "line", "city", "district", "state", "postalCode", "country"],
        }[kind]
        texts = [each for name in names for each in walk(found, name)]
    if modifier == "exact":
        return value in texts
    if modifier == "contains":
        return any(bare(value) in bare(each) for each in texts)
    return any(bare(each).startswith(bare(value)) for each in texts)


def reference(kind: str, found: Any, value: str, modifier: str) -> bool:
    text = found.get("reference", "")
    if modifier and modifier != "identifier":
        return bool(text == f"{modifier}/{value}" or (text == value and text.startswith(f"{modifier}/")))
    if modifier == "identifier":
        return token("Identifier", found.get("identifier", {}), value, "")
    return bool(text == value or text.split("/")[1:] == [value])


def interval(text: str) -> tuple[datetime, datetime]:
    """From the first moment of a date to the first after it."""
    if len(text) == 4:
        return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
    if len(text) == 7:
        year, month = int(text[:4]), int(text[5:])
        start = datetime(year, month, 1, tzinfo=UTC)
        return start, start + timedelta(days=calendar.monthrange(year, month)[1])
    if len(text) == 10:
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return start, start + timedelta(days=1)
    start = datetime.fromisoformat(text)
    length = timedelta(seconds=1)
    if "." in text:
        digits = len(text.split(".")[1].rstrip("Z").split("+")[0].split("-")[0])
        length = timedelta(microseconds=10 ** (6 - digits))
    return start.replace(tzinfo=start.tzinfo or UTC), start.replace(tzinfo=start.tzinfo or UTC) + length


def date(kind: str, found: Any, value: str, modifier: str) -> bool:
    prefix, text = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    low, high = interval(text)
    start, end = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    if kind == "Period":
        start = interval(found["start"])[0] if "start" in found else start
        end = interval(found["end"])[1] if "end" in found else end
    else:
        start, end = interval(found)
    return _holds(prefix, (low, high), (start, end))


def _holds(prefix: str, asked: tuple[Any, Any], found: tuple[Any, Any]) -> bool:
    """R4's table of prefixes; both ranges without their end."""
    (low, high), (start, end) = asked, found
    inside = low <= start and end <= high
    answers = {
        "eq": inside,
        "ne": not inside,
        "gt": end > high,
        "lt": start < low,
        "ge": end > low,
        "le": start < high,
        "sa": start >= high,
        "eb": end <= low,
        "ap": start < high and end > low,
    }
    return bool(answers[prefix])


def quantity(kind: str, found: Any, value: str, modifier: str) -> bool:
    number, *unit = value.split("|")
    prefix, text = (number[:2], number[2:]) if number[:2].isalpha() else ("eq", number)
    if not isinstance(found.get("value"), Number):
        return False
    stated, asked = Fraction(found["value"].text), Fraction(text)
    if unit and unit[0] and (found.get("system"), found.get("code")) != tuple(unit):
        return False
    if unit and not unit[0] and unit[1] not in (found.get("code"), found.get("unit")):
        return False
    half = Fraction(1, 2 * 10 ** len(text.partition(".")[2]))
    inside = asked - half <= stated < asked + half
    answers = {
        "eq": inside,
        "ne": not inside,
        "gt": stated > asked,
        "lt": stated < asked,
        "ge": stated >= asked,
        "le": stated <= asked,
        "sa": stated > asked,
        "eb": stated < asked,
        "ap": abs(stated - asked) <= abs(asked) / 10,
    }
    return answers[prefix]
