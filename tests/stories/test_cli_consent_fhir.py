"""Consents leave and come as FHIR by commands: what is given is what the file says, or nothing is."""

from __future__ import annotations

import json
from base64 import b64decode
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from careledger.fhir.validation.check import examine
from stories.cli_world import PATIENT, careledger, explored, lived, told
from stories.test_cli_consents import reads

__all__ = ["explored", "lived"]

GRANTED = {"diagnosis", "report", "measurement"}


@pytest.fixture(scope="module")
def stated(lived: Path) -> dict[str, Any]:
    """The consent for Dr Sen as this patient's agent writes it."""
    resource: dict[str, Any] = as_fhir(lived)[0]
    return resource


def as_fhir(folder: Path) -> list[Any]:
    done = careledger("consent", "list", PATIENT, "--fhir", "--data", folder)
    assert done.code == 0, done.err
    bundle = json.loads(done.out)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    assert examine(bundle).errors == ()
    assert len({entry["fullUrl"] for entry in bundle["entry"]}) == len(bundle["entry"])
    return [entry["resource"] for entry in bundle["entry"]]


def given(folder: Path) -> int:
    return len(told("consent", "list", PATIENT, "--data", folder)["consents"])


def party(folder: Path, name: str) -> str:
    parties = told("party", "list", "--data", folder)["parties"]
    return str(next(each["id"] for each in parties if each["name"] == name))


def to(stated: dict[str, Any], kind: str, id: str) -> dict[str, Any]:
    """The same consent for somebody else."""
    made = deepcopy(stated)
    made["provision"]["actor"][0]["reference"] = {
        "type": kind, "identifier": {"system": "urn:careledger:party", "value": id}
    }  # fmt: skip
    return made


def written(folder: Path, consent: dict[str, Any]) -> Path:
    file = folder / "consent.json"
    file.write_text(json.dumps(consent))
    return file


def test_a_consent_that_left_as_fhir_is_given_to_somebody_else_and_opens_exactly_that(
    lived: Path, stated: dict[str, Any], tmp_path: Path
) -> None:
    at = ("--data", lived)
    assert reads(lived, "Dr Chowdhury", *GRANTED) == {"other-grantee"}
    file = written(tmp_path, to(stated, "Practitioner", party(lived, "Dr Chowdhury, Lakeside")))
    (made,) = told("consent", "grant-fhir", PATIENT, file, *at)["consents"]
    assert (made["grantee"], set(made["categories"]), made["purpose"]) == (
        "Dr Chowdhury, Lakeside",
        GRANTED,
        "TREAT",
    )
    assert reads(lived, "Dr Chowdhury", *GRANTED) == GRANTED
    assert not reads(lived, "Dr Chowdhury", "visit") & {"visit"}
    before = given(lived)
    (again,) = told("consent", "grant-fhir", PATIENT, file, *at)["consents"]
    assert (again["commitment"], given(lived)) == (made["commitment"], before)
    back = next(each for each in as_fhir(lived) if each["id"] == made["commitment"])
    assert (
        back["provision"] == to(stated, "Practitioner", party(lived, "Dr Chowdhury, Lakeside"))["provision"]
    )
    told("consent", "revoke", PATIENT, made["commitment"][:12], *at)
    ended = next(each for each in as_fhir(lived) if each["id"] == made["commitment"])
    assert ended["status"] == "inactive"
    assert careledger("consent", "grant-fhir", PATIENT, written(tmp_path, ended), *at).code == 2
    assert reads(lived, "Dr Chowdhury", "report") == {"consent-revoked"}


def test_single_records_are_named_as_the_gateway_names_them(
    lived: Path, stated: dict[str, Any], tmp_path: Path
) -> None:
    at = ("--data", lived)
    rows = told("show", PATIENT, "--category", "report", *at)["records"]
    first = rows[0]
    name = f"{first['type']}/{UUID(first['record'])}"
    consent = to(stated, "Practitioner", party(lived, "Dr Rahman, City"))
    for element in ("class", "securityLabel"):
        del consent["provision"][element]
    consent["provision"]["data"] = [{"meaning": "instance", "reference": {"reference": name}}]
    (made,) = told("consent", "grant-fhir", PATIENT, written(tmp_path, consent), *at)["consents"]
    assert (made["single_records"], made["categories"]) == (1, ["report"])
    back = next(each for each in as_fhir(lived) if each["id"] == made["commitment"])
    assert back["provision"]["data"][0]["reference"]["identifier"]["value"] == first["handle"]
    exact = consent["provision"]["data"][0]["reference"]
    exact["reference"] = f"{name}/_history/{first['handle']}"
    (same,) = told("consent", "grant-fhir", PATIENT, written(tmp_path, consent), *at)["consents"]
    assert same["commitment"] == made["commitment"]


def test_an_open_end_and_missing_labels_are_said_by_the_patient_or_refused(
    lived: Path, stated: dict[str, Any], tmp_path: Path
) -> None:
    at, before = ("--data", lived), given(lived)
    consent = to(stated, "Organization", party(lived, "Delta Diagnostics"))
    del consent["provision"]["period"]["end"], consent["provision"]["securityLabel"]
    consent["policy"] = [{"uri": "http://example.org/policy"}]
    file, said = written(tmp_path, consent), []
    words: tuple[tuple[str, ...], ...] = (
        (),
        ("--policy", "http://example.org/policy"),
        ("--policy", "http://example.org/policy", "--label", "normal"),
    )
    for options in words:
        done = careledger("consent", "grant-fhir", PATIENT, file, *options, *at, width=300)
        assert done.code == 2
        said.append(done.err)
    assert [
        path in each
        for path, each in zip(("Consent.policy", "securityLabel", "period.end"), said, strict=True)
    ] == [True] * 3
    assert given(lived) == before
    (made,) = told(
        "consent", "grant-fhir", PATIENT, file, *words[-1], "--until", "2030-12-31", *at
    )["consents"]  # fmt: skip
    assert (made["grantee"], made["end"]) == ("Delta Diagnostics", "2031-01-01T00:00:00Z")
    unknown = careledger("consent", "grant-fhir", PATIENT, file, "--label", "secret", *at, width=300)
    assert (unknown.code, "normal, restricted" in unknown.err) == (2, True)


def test_a_file_of_which_one_part_cannot_be_given_gives_nothing(
    lived: Path, stated: dict[str, Any], tmp_path: Path
) -> None:
    at, before = ("--data", lived), given(lived)
    nobody = to(stated, "Practitioner", "doc-0000000000001")
    both = to(stated, "Organization", party(lived, "Delta Diagnostics"))
    both["provision"]["actor"] += nobody["provision"]["actor"]
    denied = deepcopy(stated)
    denied["provision"]["provision"] = [{"type": "deny", "actor": both["provision"]["actor"][:1]}]
    other = {**stated, "patient": {"reference": f"Patient/{'0' * 64}"}}
    over = deepcopy(stated)
    over["provision"]["period"] = {"start": "2020-01-01", "end": "2020-12-31"}
    for consent, path in (
        (nobody, "provision.actor[0].reference"),
        (both, "provision.actor[1].reference"),
        (denied, "provision.provision[0].actor"),
        (other, "Consent.patient"),
        (over, "Consent.provision.period.end"),
    ):
        done = careledger("consent", "grant-fhir", PATIENT, written(tmp_path, consent), *at, width=300)
        assert (done.code, path in done.err) == (2, True), done.err
    (tmp_path / "consent.json").write_text('{"resourceType": "Consent",')
    assert careledger("consent", "grant-fhir", PATIENT, tmp_path / "consent.json", *at).code != 0
    assert careledger("consent", "grant-fhir", PATIENT, tmp_path / "none.json", *at).code == 2
    (tmp_path / "consent.json").write_bytes(b" " * ((1 << 20) + 1))
    assert careledger("consent", "grant-fhir", PATIENT, tmp_path / "consent.json", *at).code == 2
    assert given(lived) == before


def test_a_consent_is_printed_with_its_package_for_the_grantee_alone(
    lived: Path, stated: dict[str, Any]
) -> None:
    at = ("--data", lived)
    done = careledger("consent", "signed", PATIENT, stated["id"][:12], *at)
    assert done.code == 0, done.err
    made = json.loads(done.out)
    attachment = made.pop("sourceAttachment")
    assert made == stated
    assert attachment["contentType"] == "application/vnd.careledger.grant-package"
    assert len(b64decode(attachment["data"], validate=True)) in (4096, 16384, 65536)
    assert careledger("consent", "signed", PATIENT, "nobody", *at).code == 2
