"""A patient's agent acts on its device while a service has the data directory open."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from careledger.adapters.locks import hold, turn
from careledger.app.running import FILE
from gateway.test_service_process import served
from stories.cli_world import PATIENT, careledger, explored, found_small, lived, told
from stories.conftest import passphrase

__all__ = ["explored", "lived", "passphrase"]
IN_USE = 3
PUBLIC = ("client", "add", "chart view", "--kind", "public", "--redirect", "https://app.example/after", "--scope",
          "user/*.rs")  # fmt: skip
PROVIDER = ("sign-on", "add", "https://idp.city.example", "--client", "careledger", "--claim", "groups", "--role",
            "physicians=doctor", "--amr", "mfa")  # fmt: skip
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
        assert (others.code, "beside a service patients act" in others.err) == (IN_USE, True)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    assert not (lived / FILE).exists()
    assert careledger("doctor", *data).code == 0


@pytest.mark.slow
def test_licences_are_issued_shown_checked_and_revoked_while_the_service_runs(
    lived: Path, tmp_path: Path
) -> None:
    """What an officer may is looked at on the ledger, as the service's custodians sign it."""
    data, asks = ("--data", lived), ("--as", "Lakeside Hospital")
    key, licence, officer = tmp_path / "doctor.key", tmp_path / "doctor.licence", ("--as", "Officer Begum")
    did = told("licence", "key", key)["did"]
    issue = ("licence", "issue", licence, "--holder", did, "--profession", "doctor", "--number", "D-77")

    def shown(name: str) -> Path:
        asked, file = told("licence", "ask", *asks, *data), tmp_path / name
        told(
            "licence",
            "present",
            licence,
            file,
            "--key",
            key,
            "--to",
            asked["audience"],
            "--nonce",
            asked["nonce"],
        )
        return file

    with served(lived, "up") as (running, _):
        assert careledger(*issue, "--as", "Dr Sen, Lakeside", *data).code == 2
        place = told(*issue, *officer, *data)["place"]
        first = shown("first")
        assert told("licence", "check", first, *asks, "--keep", *data)["number"] == "D-77"
        assert careledger("licence", "check", first, *asks, *data).code == 1  # its nonce was used
        assert careledger("licence", "revoke", place, "--as", "Dr Sen, Lakeside", *data).code == 2
        second = shown("second")
        told("licence", "revoke", place, *officer, *data)
        refused = careledger("licence", "check", second, *asks, *data)
        assert (refused.code, "revoked" in refused.err) == (1, True)
        assert [each["place"] for each in told("licence", "list", *data)["licences"] if each["revoked"]] == [
            place
        ]
        ends = careledger("licence", "sweep", *asks, *data)  # which acts on the ledger
        assert (ends.code, "its API (/api/v1" in " ".join(ends.err.split())) == (IN_USE, True)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    assert careledger("doctor", *data).code == 0


@pytest.mark.slow
def test_behind_a_worker_without_a_gateway_licences_are_listed_and_asked_for_and_no_more(
    lived: Path, tmp_path: Path
) -> None:
    data, file = ("--data", lived), tmp_path / "licence"
    did = told("licence", "key", tmp_path / "key")["did"]
    issue = ("licence", "issue", file, "--holder", did, "--profession", "doctor", "--number", "D-78")
    with served(lived, "worker") as (running, _):
        assert "licences" in told("licence", "list", *data)
        assert told("licence", "ask", "--as", "Lakeside Hospital", *data)["nonce"]
        assert careledger(*issue, "--as", "Officer Begum", *data).code == IN_USE
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    assert not file.exists()


def met(url: str, token: str, path: str = "/fhir/Patient?_summary=count&_id=none") -> int:
    """What a program is answered that brings this token."""
    headers = {"Authorization": f"Bearer {token}"}
    return urllib3.request("GET", url + path, headers=headers, retries=False, timeout=120).status


@pytest.mark.slow
@pytest.mark.parametrize("command", ["up", "worker"])
def test_an_organisations_books_are_seen_to_while_the_service_runs(lived: Path, command: str) -> None:
    """By whoever has directory and passphrase; the service's next request sees it, and nothing goes on the ledger."""
    data, city = ("--data", lived), ("--as", "City Hospital")
    with served(lived, command) as (running, facts):
        given = told("token", "issue", "Dr Sen, Lakeside", *data)
        tokens = told("token", "list", "--as", "Lakeside Hospital", *data)["tokens"]
        assert given["token_digest"] in {each["token_digest"] for each in tokens}
        client = told(*PUBLIC, *city, *data)["client_id"]
        added = told(*PROVIDER, *city, *data)["id"]
        invited = told("account", "invite", "Dr Sen, Lakeside", *data)["invitation"]
        assert invited
        assert told("staff", "list", *city, *data) == {"staff": []}
        assert told("reads", "check", *city, *data)["lines"] >= 0
        for refused in (ADD, ("party", "list"), ("account", "approve", "nobody", *city)):
            assert careledger(*refused, *data).code == IN_USE
        if command == "up":
            check_is_seen(facts["fhir"].removesuffix("/fhir"), given["token"], client, added)
        told("token", "withdraw", given["token_digest"][:12], "--as", "Lakeside Hospital", *data)
        told("client", "remove", client, *city, *data)
        told("sign-on", "remove", added, *city, *data)
        if command == "up":
            assert met(facts["fhir"].removesuffix("/fhir"), given["token"]) == 401
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    assert client not in {each["client_id"] for each in told("client", "list", *city, *data)["clients"]}
    assert careledger("doctor", *data).code == 0


def check_is_seen(url: str, token: str, client: str, provider: str) -> None:
    """By the service, at once."""
    assert met(url, token) == 200
    headers = {"Sec-Fetch-Site": "same-origin"}
    listed = urllib3.request(
        "GET", f"{url}/identity/organisations", headers=headers, retries=False, timeout=120
    )
    assert provider in listed.data.decode()
    asks = {"response_type": "code", "client_id": client, "redirect_uri": "https://elsewhere.example"}
    place = f"{url}/oauth/authorize?{urlencode(asks)}"
    known = urllib3.request("GET", place, redirect=False, retries=False, timeout=120)
    unknown = urllib3.request(
        "GET", place.replace(client, "nobody"), redirect=False, retries=False, timeout=120
    )
    assert (known.status, unknown.status, known.data != unknown.data) == (400, 400, True)


@pytest.mark.slow
def test_beside_what_is_no_service_nobody_sees_to_books(lived: Path) -> None:
    """A command that has the directory is waited for."""
    held = hold(lived / "ledger")
    try:
        assert careledger("token", "list", "--as", "City Hospital", "--data", lived).code == IN_USE
        with turn(lived):
            assert careledger("token", "list", "--as", "City Hospital", "--data", lived).code == 0
    finally:
        os.close(held)


@pytest.mark.slow
def test_who_has_not_the_passphrase_sees_to_no_books_beside_a_service(tmp_path: Path) -> None:
    folder = found_small(tmp_path / "data")
    listing = ("token", "list", "--as", "City Hospital", "--data", folder)
    held = hold(folder / "ledger")
    try:
        with turn(folder), pytest.MonkeyPatch.context() as patch:
            assert careledger(*listing).code == 0
            patch.setenv("CARELEDGER_PASSPHRASE", "another one than the directory's")
            refused = careledger(*listing)
            assert (refused.code != 0, "passphrase" in refused.err.lower()) == (True, True)
            patch.delenv("CARELEDGER_PASSPHRASE")
            assert careledger(*listing).code != 0
    finally:
        os.close(held)


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
