"""Many records of one patient that a reader may not see, deposited at once, and what it costs to answer that reader."""

from __future__ import annotations

import json
import uuid
from typing import Any

from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Permission
from careledger.domain.records import Ground
from careledger.fhir.split import import_bundle
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import deposit
from careledger.workflows.epochs import own_statement
from careledger.workflows.from_fhir import new_version
from careledger.workflows.signing import signed_by
from story import VISIT, Story

HIDDEN = (VISIT, Compartment(Category.MEASUREMENT))
PATIENT = "urn:uuid:00000000-0000-0000-0000-0000000000aa"
CLASS = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
VITAL = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}


def hide(story: Story, count: int, told_of: list[uuid.UUID]) -> list[str]:
    """So many visits and reports of Adam by City's doctor, which name records that others see; returns their paths.

    Half of each. Only City may write them and nobody at Delta may read them.
    """
    doctor = story.staff["Dr City"]
    granted = story.grant(story.adam, doctor, HIDDEN, Permission.APPEND)
    entries = [{"fullUrl": PATIENT, "resource": {"resourceType": "Patient", "name": [{"text": "x"}]}}]
    entries += [_entry(number, told_of[number % len(told_of)]) for number in range(count)]
    made = import_bundle(
        json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode(), "x"
    )
    assert not made.rejects, made.rejects[:1]
    versions = [
        new_version(each, made.mapping_version) for each in made.versions if each.resource_type != "Patient"
    ]
    assert len(versions) == count
    writer = Writer(
        doctor.organisation, Ground.APPEND, story.session(doctor), None, granted.given.certificate
    )
    statement, _ = own_statement(story.holder(story.adam))
    if versions:
        done = deposit(story.world.network, writer, statement, [signed_by(each, doctor) for each in versions])
        assert len(done.handles) == count
    return [f"{each.resource_type}/{uuid.UUID(bytes=each.record_id)}" for each in versions]


def _entry(number: int, told_of: uuid.UUID) -> dict[str, Any]:
    named = {"reference": f"urn:uuid:{told_of}"}
    if number % 2:
        resource = {
            "resourceType": "Encounter",
            "status": "finished",
            "class": CLASS,
            "diagnosis": [{"condition": named}],
        }
    else:
        resource = {"resourceType": "Observation", "status": "final", "code": {"text": "hidden"}, "focus": [named],
                    "category": [{"coding": [VITAL]}]}  # fmt: skip
    made = {**resource, "id": f"h{number}", "subject": {"reference": PATIENT}}
    return {"fullUrl": str(uuid.uuid5(uuid.UUID(int=7), str(number)).urn), "resource": made}
