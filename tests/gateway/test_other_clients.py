"""Clients that others wrote talk to the gateway as to any FHIR R4 server."""

from __future__ import annotations

from typing import Any

import pytest
from fhirclient import client as smart
from fhirclient.models.bundle import Bundle
from fhirclient.models.condition import Condition
from fhirclient.models.fhirabstractbase import FHIRAbstractBase
from fhirclient.models.patient import Patient
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import ForbiddenError, MultipleResourcesFound, OperationOutcome, ResourceNotFound

from careledger.domain.consents import Permission
from gateway.edge_world import Edge
from story import DIAGNOSIS, ILLNESS, LATER_ILLNESS


@pytest.fixture
def patient(edge: Edge) -> str:
    for permission in (Permission.VIEW, Permission.APPEND):
        edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), permission)
    return edge.story.adam.hex()


@pytest.fixture
def fhirpy(edge: Edge, patient: str) -> Any:
    return SyncFHIRClient(edge.gateway.base, authorization=f"Bearer {edge.token('Dr City')}")


@pytest.fixture
def server(edge: Edge, patient: str) -> Any:
    """SMART's client, whose models refuse whatever is not FHIR R4."""
    made = smart.FHIRClient(settings={"app_id": "test", "api_base": edge.gateway.base})
    made.server.session.headers["Authorization"] = f"Bearer {edge.token('Dr City')}"
    return made.server


def test_fhirpy_searches_reads_creates_changes_and_deletes(fhirpy: Any, patient: str) -> None:
    found = fhirpy.resources("Condition").search(patient=patient).limit(1).fetch_all()
    assert {ILLNESS, LATER_ILLNESS} <= {each["code"]["text"] for each in found}
    one = fhirpy.reference("Condition", found[0]["id"]).to_resource()
    assert one.serialize() == found[0].serialize()
    made = fhirpy.resource(
        "Condition",
        code={"text": "by fhirpy"},
        subject={"reference": f"Patient/{patient}"},
        clinicalStatus={
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
            ]
        },
    )
    made.save()
    before = made["meta"]["versionId"]
    made["code"] = {"text": "by fhirpy again"}
    made.save()
    assert made["meta"]["versionId"] != before
    assert fhirpy.resources("Condition").search(patient=patient, _id=made.id).count() == 1
    made.delete()
    with pytest.raises((ResourceNotFound, OperationOutcome)):
        fhirpy.reference("Condition", made.id).to_resource()


def test_fhirpy_is_told_why_it_is_refused(edge: Edge, patient: str) -> None:
    revoked = SyncFHIRClient(edge.gateway.base, authorization=f"Bearer {edge.token('Dr Lake')}")
    with pytest.raises(ForbiddenError) as refused:
        revoked.resources("Condition").search(patient=patient).fetch()
    assert "The consent was revoked." in str(refused.value)


def test_smarts_strict_models_take_everything_that_is_shown(server: Any, patient: str) -> None:
    found = next(Condition.where({"patient": patient}).perform_iter(server))
    assert isinstance(found, Bundle)
    assert found.total == len([each for each in found.entry if each.search.mode == "match"])
    for each in found.entry:
        assert isinstance(each.resource, FHIRAbstractBase)
    first = next(each.resource for each in found.entry if each.search.mode == "match")
    assert Condition.read(first.id, server).as_json() == first.as_json()
    assert Patient.read(patient, server).identifier[0].value == patient


def test_smarts_client_pages_through_everything(server: Any, patient: str) -> None:
    whole = list(Condition.where({"patient": patient, "_count": "1"}).perform_resources_iter(server))
    conditions = [each for each in whole if isinstance(each, Condition)]
    assert len({each.id for each in conditions}) == len(conditions) > 2


def test_the_capability_statement_is_one(server: Any) -> None:
    server.get_capability(force=True)
    assert "4.0.1" in str(server.capabilityStatement.fhirVersion)


def test_fhirpy_sends_a_transaction_of_mixed_methods(fhirpy: Any, patient: str) -> None:
    made = fhirpy.resource(
        "Condition", code={"text": "before fhirpy"}, subject={"reference": f"Patient/{patient}"}
    )
    made.save()
    new = {**made.serialize(), "code": {"text": "another by fhirpy"}}
    del new["id"], new["meta"]
    changed = {**made.serialize(), "code": {"text": "changed by fhirpy"}}
    put = {"method": "PUT", "url": f"Condition/{made.id}", "ifMatch": f'W/"{made["meta"]["versionId"]}"'}
    bundle = fhirpy.resource("Bundle", type="transaction")
    bundle["entry"] = [
        {"request": {"method": "GET", "url": f"Condition/{made.id}"}},
        {"request": {"method": "POST", "url": "Condition"}, "resource": new},
        {"request": put, "resource": changed},
    ]
    said = fhirpy.execute("", method="POST", data=bundle.serialize())
    assert [each["response"]["status"][:3] for each in said["entry"]] == ["200", "201", "200"]
    assert said["entry"][0]["resource"]["code"]["text"] == "changed by fhirpy"
    place = said["entry"][1]["response"]["location"].partition("/_history/")[0].split("/")
    assert fhirpy.reference(*place).to_resource()["code"]["text"] == "another by fhirpy"
    with pytest.raises(MultipleResourcesFound) as lost:  # so fhirpy calls every 412
        fhirpy.execute("", method="POST", data=bundle.serialize())
    assert "Bundle.entry[2]" in str(lost.value)
