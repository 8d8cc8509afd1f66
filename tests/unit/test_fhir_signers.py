"""Who may sign which resource: the fourth column of the mapping, typed again from the requirements."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.domain.categories import Category
from careledger.domain.parties import Role
from careledger.fhir import mapping
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.tables import codes
from fhir_cases import concept, observation

CASES: list[tuple[dict[str, Any], str]] = [
    ({"resourceType": "Patient"}, "hospital patient"),
    ({"resourceType": "PractitionerRole"}, "doctor"),
    ({"resourceType": "Organization"}, "hospital"),
    ({"resourceType": "Encounter"}, "doctor hospital"),
    ({"resourceType": "Condition"}, "doctor"),
    ({"resourceType": "AllergyIntolerance"}, "doctor hospital nurse"),
    (observation("o1", "laboratory"), "centre"),
    (observation("o1", "vital-signs"), "centre device doctor nurse"),
    (observation("o1", "exam"), "doctor"),
    ({"resourceType": "ImagingStudy"}, "centre"),
    ({"resourceType": "Immunization"}, "doctor hospital nurse"),
    ({"resourceType": "Procedure"}, "doctor hospital"),
    ({"resourceType": "MedicationRequest"}, "doctor"),
    ({"resourceType": "MedicationDispense"}, "pharmacy"),
    ({"resourceType": "Claim"}, "hospital patient pharmacy"),
    ({"resourceType": "ExplanationOfBenefit"}, "insurer"),
    ({"resourceType": "AuditEvent"}, ""),
    ({"resourceType": "Questionnaire"}, ""),
]


def words(roles: frozenset[Role]) -> str:
    return " ".join(sorted(role.name.lower() for role in roles))


@pytest.mark.parametrize(("resource", "expected"), CASES, ids=lambda case: str(case)[:60])
def test_each_row_of_the_mapping_names_who_may_sign(resource: dict[str, Any], expected: str) -> None:
    assert words(mapping.signers(resource, Category.DIAGNOSIS)) == expected


def test_a_blood_group_is_a_centres_to_sign_and_another_observation_of_the_kind_is_not() -> None:
    system, code = sorted(codes().mapped["blood-group"])[0]
    blood = observation("o1", "social-history", code=concept(code, system))
    assert words(mapping.signers(blood, Category.GENERAL)) == "centre"
    assert (
        words(mapping.signers(observation("o1", "social-history"), Category.GENERAL))
        == "doctor hospital nurse"
    )


def test_what_follows_others_is_signed_as_its_category_is() -> None:
    binary = {"resourceType": "Binary"}
    assert words(mapping.signers(binary, Category.REPORT)) == "centre"
    assert words(mapping.signers(binary, Category.PRESCRIPTION)) == "doctor"


def test_every_exchanged_type_has_somebody_who_may_sign_it() -> None:
    refused = {
        kind for kind in resource_types() if not mapping.signers({"resourceType": kind}, Category.DIAGNOSIS)
    }
    assert len(refused) == 62
    assert set(mapping.signers_by_category()) == set(Category)
