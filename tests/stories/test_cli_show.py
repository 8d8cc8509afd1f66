"""What a person sees of a data directory, of a patient's records and of one record."""

from __future__ import annotations

import json
import re
import shutil
import stat
from pathlib import Path

import pytest

from careledger.cli.one_record import indented
from careledger.fhir.canonical import canonical_of
from careledger.fhir.json_text import read
from careledger.fhir.sample import sample_file
from careledger.sealing.phrase import Phrase
from stories.cli_world import ORGANISATIONS, PATIENT, careledger, explored, told

__all__ = ["explored"]


def test_show_names_every_party_with_its_standing_identifier_and_did(explored: Path) -> None:
    found = told("show", "--data", explored)
    parties = {party["name"]: party for party in found["parties"]}
    assert set(ORGANISATIONS) | {"Ministry of Health", "Dr Sen, Lakeside", "Officer Begum"} <= set(parties)
    assert {party["standing"] for party in parties.values()} == {"verified"}
    prefixes = {
        "City Hospital": "hos",
        "Delta Diagnostics": "lab",
        "Green Pharmacy": "pha",
        "Dr Sen, Lakeside": "doc",
    }
    assert {name: parties[name]["id"][:3] for name in prefixes} == prefixes
    did = re.compile(rf"did:careledger:{found['network']['chain_id']}:[0-9a-f]{{16}}")
    assert all(did.fullmatch(party["did"]) for party in parties.values())
    assert parties["Dr Sen, Lakeside"]["employer"] == parties["Lakeside Hospital"]["id"]
    screen = careledger("show", "--data", explored, width=140).out
    assert all(party["did"] in screen and party["id"] in screen for party in parties.values())


def test_show_counts_patients_records_and_blocks(explored: Path) -> None:
    found = told("show", "--data", explored)
    (patient,) = found["patients"]
    assert (patient["name"], patient["controller"], patient["consents_standing"]) == (PATIENT, "own keys", 1)
    assert sorted(patient["custodians"]) == sorted(ORGANISATIONS)
    assert found["aliases"] == {"own keys": 1}
    entries = len(json.loads(sample_file("Jules135_Schmitt836"))["entry"])
    assert found["records"]["leaves"] == found["records"]["by_organisation"]["City Hospital"] > entries * 0.8
    assert found["network"]["matrix_version"] == 2
    assert found["network"]["head"]["number"] == told("chain", "head", "--data", explored)["number"]


def test_a_patients_own_agent_shows_every_record_and_one_category(explored: Path) -> None:
    everything = told("show", PATIENT, "--data", explored)
    leaves = told("show", "--data", explored)["records"]["leaves"]
    assert len(everything["records"]) == leaves
    assert (everything["complete"], everything["problems"], everything["waiting"]) == (True, [], 0)
    some = told("show", PATIENT, "--category", "measurement", "--category", "visit", "--data", explored)
    kinds = [row["category"] for row in everything["records"]]
    assert len(some["records"]) == kinds.count("measurement") + kinds.count("visit") > 0
    assert {row["depositor"] for row in some["records"]} == {"City Hospital"}
    assert {row["source"] for row in some["records"]} == {"imported"}


def test_a_patient_is_found_by_the_beginning_of_the_name_or_of_the_alias(explored: Path) -> None:
    named = told("consent", "list", PATIENT, "--data", explored)
    assert told("consent", "list", "jules", "--data", explored) == named
    assert told("consent", "list", named["alias"][:12], "--data", explored) == named
    assert careledger("consent", "list", named["alias"][:3], "--data", explored).code == 2


def test_as_of_a_block_before_the_deposit_there_is_nothing(explored: Path) -> None:
    record = told("show", PATIENT, "--category", "diagnosis", "--data", explored)["records"][0]
    before = told("show", PATIENT, "--as-of", record["block"] - 1, "--data", explored)
    at = told("show", PATIENT, "--as-of", record["block"], "--data", explored)
    assert (len(before["records"]), len(at["records"]) > 0) == (0, True)
    beyond = careledger("show", PATIENT, "--as-of", 10**6, "--data", explored)
    assert (beyond.code, "the last block is" in beyond.err) == (2, True)


def test_one_record_says_who_answers_for_it_and_where_its_parts_lie(explored: Path) -> None:
    row = told("show", PATIENT, "--category", "diagnosis", "--data", explored)["records"][0]
    found = told("show", PATIENT, row["record"][:10], "--data", explored)
    assert found["record"] == row["record"] == found["manifest"]["record_id"]
    assert found["manifest"]["author_resolved"] == row["author_resolved"] != ""
    parts = found["parts"]
    assert {name: block["state"] for name, block in parts["blocks"].items()} == dict.fromkeys(
        ("header", "manifest", "body"), "whole"
    )
    assert sorted(share["custodian"] for share in parts["shares"]) == sorted(ORGANISATIONS)
    assert sum(share["share"] for share in parts["shares"]) == 3
    assert parts["ledger"]["block"] == row["block"]
    assert 0 <= parts["ledger"]["index"] < parts["ledger"]["leaves"]
    screen = careledger("show", PATIENT, row["record"], "--data", explored, width=140).out
    shown = (*(block["cid"] for block in parts["blocks"].values()), parts["ledger"]["root"], *ORGANISATIONS)
    assert [each for each in shown if each not in screen] == []


def test_a_record_is_printed_as_the_fhir_that_was_deposited(explored: Path) -> None:
    rows = told("show", PATIENT, "--category", "measurement", "--data", explored)["records"]
    record = next(row for row in rows if "." in row["value"])
    printed = careledger("show", PATIENT, record["record"], "--fhir", "--data", explored)
    assert printed.code == 0
    found = told("show", PATIENT, record["record"], "--data", explored)
    assert canonical_of(printed.out.strip().encode()) == canonical_of(found["resource"].encode())
    resource = json.loads(printed.out, parse_float=str)
    assert (resource["resourceType"], resource["id"].replace("-", "")) == (record["type"], record["record"])
    stated = {entry["resource"]["id"]: entry["resource"]
              for entry in json.loads(sample_file("Jules135_Schmitt836"), parse_float=str)["entry"]}  # fmt: skip
    source = stated[found["manifest"]["source_key"].partition("/")[2]]
    assert resource["code"] == source["code"]
    assert resource.get("valueQuantity") == source.get("valueQuantity")


def test_printed_numbers_keep_the_digits_of_their_source() -> None:
    printed = indented(read(b'{"a":[1.10,72,1e2],"b":"\\u0031"}'))
    assert printed == '{\n  "a": [\n    1.10,\n    72,\n    1e2\n  ],\n  "b": "1"\n}'


def test_lines_fit_the_terminal(explored: Path) -> None:
    for width in (80, 140):
        for command in (("show",), ("show", PATIENT), ("audit", PATIENT), ("consent", "list", PATIENT)):
            done = careledger(*command, "--data", explored, width=width)
            assert done.code == 0
            assert max(map(len, done.out.splitlines())) <= width


def test_a_whole_record_is_exported_as_fhir_for_the_owner_alone(explored: Path, tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    assert careledger("export", PATIENT, "--fhir", target, "--data", explored).code == 0
    bundle = json.loads(target.read_bytes())
    records = told("show", PATIENT, "--data", explored)["records"]
    assert {entry["resource"]["id"].replace("-", "") for entry in bundle["entry"]} == {
        row["record"] for row in records
    }
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    again = careledger("export", PATIENT, "--fhir", target, "--data", explored)
    assert (again.code, json.loads(target.read_bytes())) == (2, bundle)
    piped = careledger("export", PATIENT, "--fhir", "-", "--data", explored)
    assert json.loads(piped.out) == bundle


def test_an_archive_opens_with_the_patients_phrase_alone(explored: Path, tmp_path: Path) -> None:
    target, words = tmp_path / "record.archive", tmp_path / "all.words"
    assert careledger("export", PATIENT, "--archive", target, "--data", explored).code == 0
    assert PATIENT.split()[1].encode() not in target.read_bytes()
    assert careledger("patient", "phrase", PATIENT, "--phrase-file", words, "--data", explored).code == 0
    act = ("archive", "open", target, "--phrase-file", words)
    bundle, plain = tmp_path / "opened.json", tmp_path / "exported.json"
    made = told(*act, "--fhir", bundle)
    records = told("show", "--data", explored)["records"]
    assert (made["versions"], bundle.stat().st_mode & 0o777) == (records["leaves"], 0o600)
    assert careledger("export", PATIENT, "--fhir", plain, "--data", explored).code == 0
    assert entries(bundle) == entries(plain)
    assert careledger(*act, "--fhir", bundle).code == 2
    assert "The archive is whole" in careledger(*act).err
    papers, documents = tmp_path / "papers", tmp_path / "documents"
    assert (
        told(*act, "--documents", papers)["written"]
        == told("export", PATIENT, "--documents", documents, "--data", explored)["count"]
    )
    assert contents(papers) == contents(documents)


def test_an_archive_is_put_into_another_record_once(explored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(explored, folder)
    target, words = tmp_path / "record.archive", tmp_path / "all.words"
    at = ("--data", folder)
    assert careledger("export", PATIENT, "--archive", target, *at).code == 0
    assert careledger("patient", "phrase", PATIENT, "--phrase-file", words, *at).code == 0
    told("patient", "register", "--as", "City Hospital", "--name", "Kazi Islam", "--birth", "1990-05", *at)
    told("patient", "claim", "Kazi", "--at", "City Hospital", "--label", "kazi",
         "--phrase-file", tmp_path / "kazi.words", *at)  # fmt: skip
    bring = ("archive", "import", target, "kazi", "--phrase-file", words, "--by", "City Hospital", *at)
    before = told("show", PATIENT, *at)["records"]
    for _ in range(2):
        assert told(*bring) == {"versions": len(before)}
        brought = told("show", "kazi", *at)["records"]
        assert {each["record"] for each in brought} == {each["record"] for each in before}
        assert len(brought) == len(before)
    assert {each["source"] for each in brought} <= {"imported", "patient-reported"}


def entries(bundle: Path) -> dict[str, object]:
    """The resources of a Bundle by where each is."""
    return {each["fullUrl"]: each["resource"] for each in json.loads(bundle.read_bytes())["entry"]}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_archive_opens_to_nobody_else_and_not_where_it_was_changed(explored: Path, tmp_path: Path) -> None:
    target, words, others = tmp_path / "record.archive", tmp_path / "all.words", tmp_path / "others.words"
    assert careledger("export", PATIENT, "--archive", target, "--data", explored).code == 0
    assert careledger("patient", "phrase", PATIENT, "--phrase-file", words, "--data", explored).code == 0
    others.write_text(Phrase.random().words())
    out = tmp_path / "out.json"
    for changed, phrase in ((target.read_bytes(), others), (target.read_bytes()[:-1], words), (b"PK", words)):
        archive = tmp_path / "changed.archive"
        archive.write_bytes(changed)
        done = careledger("archive", "open", archive, "--phrase-file", phrase, "--fhir", out)
        assert (done.code, done.out, list(tmp_path.glob("out*"))) == (1, "", [])
    same = careledger("archive", "import", target, PATIENT, "--phrase-file", words, "--by", "City Hospital",
                      "--data", explored)  # fmt: skip
    assert (same.code, "of that same record" in same.err) == (1, True)


@pytest.mark.parametrize("options", [(), ("--fhir", "a", "--archive", "b")])
def test_an_export_is_one_of_two(explored: Path, options: tuple[str, ...]) -> None:
    assert careledger("export", PATIENT, *options, "--data", explored).code == 2


def test_consents_say_to_whom_for_what_and_how_they_stand(explored: Path) -> None:
    (consent,) = told("consent", "list", PATIENT, "--data", explored)["consents"]
    assert (consent["state"], consent["grantee"], consent["organisation"]) == (
        "active",
        "Dr Sen, Lakeside",
        "Lakeside Hospital",
    )
    assert (consent["may"], sorted(consent["categories"])) == (
        ["view"],
        ["diagnosis", "measurement", "report"],
    )
    assert (consent["purpose"], consent["revoked"]) == ("TREAT", None)
    assert "treatment" in careledger("consent", "list", PATIENT, "--data", explored).out
