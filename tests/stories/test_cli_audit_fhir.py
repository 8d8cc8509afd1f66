"""The audit as FHIR by command: the proved accesses and nothing else, in a file of its own."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from uuid import UUID

from careledger.fhir.validation.check import examine
from stories.cli_world import PATIENT, careledger, explored, told

__all__ = ["explored"]


def test_every_access_that_the_audit_tells_is_an_event_and_every_release_has_a_provenance(
    explored: Path, tmp_path: Path
) -> None:
    file = tmp_path / "accesses.json"
    assert told("show", PATIENT, "--category", "image", "--data", explored)["alias"]  # the patient asks too
    done = careledger("audit", PATIENT, "--json", "--fhir", file, "--data", explored)
    assert done.code == 0, done.err
    said = json.loads(done.out)
    bundle = json.loads(file.read_bytes())
    assert examine(bundle).errors == ()
    assert file.stat().st_mode & 0o777 == 0o600
    resources = [entry["resource"] for entry in bundle["entry"]]
    events = {each["id"]: each for each in resources if each["resourceType"] == "AuditEvent"}
    accesses = {str(UUID(each["request"])): each for each in said["accesses"]}
    assert list(events) == list(accesses)
    outcomes = Counter((event["outcome"], accesses[id]["outcome"]) for id, event in events.items())
    assert set(outcomes) == {("0", "released"), ("4", "refused")}
    by = {each["identifier"]["value"] for event in events.values() for each in readers(event)}
    assert by == {each["reader_id"] for each in accesses.values() if each["reader_id"]} | {said["alias"]}
    (consent,) = told("consent", "list", PATIENT, "--data", explored)["consents"][:1]
    read = next(
        each for id, each in events.items() if accesses[id]["rule"] == "consent" and each["outcome"] == "0"
    )
    assert consent["commitment"] in json.dumps(read)
    targets = {id: accesses[id]["versions"] for id in events if accesses[id]["outcome"] == "released"}
    provenances = {
        each["entity"][0]["what"]["reference"].removeprefix("urn:uuid:"): len(each["target"])
        for each in resources
        if each["resourceType"] == "Provenance"
    }
    assert provenances == {id: count for id, count in targets.items() if count}
    assert len(provenances) > 0
    again = careledger("audit", PATIENT, "--fhir", file, "--data", explored)
    assert again.code == 2


def readers(event: dict[str, list[dict[str, dict[str, dict[str, str]]]]]) -> list[dict[str, dict[str, str]]]:
    return [agent["who"] for agent in event["agent"] if agent["requestor"]]


def test_what_a_custodian_does_not_prove_is_said_in_the_file(explored: Path, tmp_path: Path) -> None:
    folder, file = tmp_path / "data", tmp_path / "accesses.json"
    shutil.copytree(explored, folder)
    custodian = next(path for path in sorted((folder / "custodians").iterdir()) if path.is_dir())
    shutil.rmtree(custodian)
    done = careledger("audit", PATIENT, "--fhir", file, "--data", folder)
    assert done.code == 1, done.err
    first = json.loads(file.read_bytes())["entry"][0]["resource"]
    assert (first["resourceType"], first["issue"][0]["code"]) == ("OperationOutcome", "incomplete")
