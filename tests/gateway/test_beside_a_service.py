"""A patient's agent acts on its device while a service has the data directory open."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import urllib3

from careledger.adapters.locks import hold
from careledger.app.running import FILE
from gateway.test_service_process import served
from stories.cli_world import PATIENT, careledger, explored, lived, told
from stories.conftest import passphrase

__all__ = ["explored", "lived", "passphrase"]
IN_USE = 3
ADD = (
    "client", "add", "my diary", "--as", "City Hospital", "--kind", "public", "--for-patients", "--redirect",
    "https://diary.example/after", "--scope", "patient/*.rs",
)  # fmt: skip


def asked(facts: dict[str, Any], token: str) -> int:
    """What Dr Sen is answered who looks for the patient's diagnoses."""
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{facts['fhir']}/Condition?patient={facts['alias']}"
    return urllib3.request("GET", url, headers=headers, retries=False, timeout=120).status


@pytest.mark.slow
def test_a_patient_grants_lets_an_app_in_revokes_and_audits_while_the_service_runs(lived: Path) -> None:
    data = ("--data", lived)
    app = told(*ADD, *data)["client_id"]
    token = told("token", "issue", "Dr Sen, Lakeside", *data)["token"]
    for each in told("consent", "list", PATIENT, *data)["consents"]:
        if each["state"] == "active":
            careledger("consent", "revoke", PATIENT, each["commitment"][:8], *data)
    with served(lived, "up") as (running, facts):
        facts["alias"] = told("consent", "list", PATIENT, *data)["alias"]
        assert asked(facts, token) == 403
        request = json.dumps({"patient": facts["alias"], "categories": ["diagnosis"]}).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        place = f"{facts['fhir'].removesuffix('/fhir')}/api/v1/consent-requests"
        reply = urllib3.request("POST", place, body=request, headers=headers, retries=False, timeout=120)
        assert reply.status in (200, 201), reply.data
        waiting = [each["request"] for each in told("consent", "requests", PATIENT, *data)["requests"]]
        granted = told("consent", "grant", PATIENT, "--request", waiting[-1], *data)
        assert asked(facts, token) == 200
        allowed = told("app", "allow", PATIENT, app, "--scope", "patient/Condition.rs", *data)
        assert (allowed["name"], allowed["categories"]) == ("my diary", ["diagnosis"])
        for consent in (granted["commitment"], allowed["consent"]):
            assert careledger("consent", "revoke", PATIENT, consent[:8], *data).code == 0
        assert asked(facts, token) == 403
        audit = told("audit", PATIENT, *data)
        assert audit["complete"]
        assert "Dr Sen, Lakeside" in {each["reader"] for each in audit["accesses"]}
        others = careledger("party", "list", *data)
        assert (others.code, "beside careledger up only patients act" in others.err) == (IN_USE, True)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    assert not (lived / FILE).exists()
    assert careledger("doctor", *data).code == 0


@pytest.mark.slow
def test_what_is_no_service_of_this_network_is_told_nothing(lived: Path, tmp_path: Path) -> None:
    """A killed service leaves its file; at its place another one may answer, or nobody."""
    listing = ("consent", "list", PATIENT, "--data", lived)
    other = tmp_path / "other"
    members = [f"--member={each} Hospital=hospital" for each in ("North", "South", "West")]
    assert careledger("init", *members, "--data", other).code == 0
    with served(lived, "up") as (running, _):
        said = json.loads((lived / FILE).read_bytes())
        assert (lived / FILE).stat().st_mode & 0o077 == 0
        running.kill()
        running.wait(timeout=60)
    assert careledger(*listing).code == 0  # nobody has it: opened as ever
    held = hold(lived / "ledger")
    try:
        assert careledger(*listing).code == IN_USE
        with served(other, "up"):
            said["url"] = json.loads((other / FILE).read_bytes())["url"]
            (lived / FILE).write_text(json.dumps(said))
            assert careledger(*listing).code == IN_USE
    finally:
        os.close(held)


@pytest.mark.slow
def test_a_patients_keys_and_books_are_one_process_s_at_a_time(lived: Path) -> None:
    listing = ("consent", "list", PATIENT, "--data", lived)
    with served(lived, "up"):
        held = hold(lived / "patients")
        try:
            assert careledger(*listing).code == IN_USE
        finally:
            os.close(held)
        assert careledger(*listing).code == 0
    held = hold(lived / "patients")
    try:
        assert careledger(*listing).code == IN_USE
    finally:
        os.close(held)
