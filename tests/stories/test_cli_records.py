"""Writing, orders, erasure, import and emergencies by commands: the accepted path beside the refused one."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_cases import dicom
from stories.cli_world import PATIENT, careledger, explored, lived, registered, told

__all__ = ["explored", "lived"]


def condition(text: str, **more: object) -> dict[str, object]:
    subject = {"display": "the patient"}
    return {
        "resourceType": "Condition",
        "subject": subject,
        "code": {"text": text},
        "recordedDate": "2026-11-20",
        **more,
    }


def bundle(*resources: dict[str, object]) -> dict[str, object]:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": each} for each in resources],
    }


def marks(folder: Path, record: str) -> list[str]:
    rows = told("show", PATIENT, "--all", "--data", folder)["records"]
    return [mark for row in rows if row["record"] == record for mark in row["marks"]]


@pytest.fixture(scope="module")
def treated(lived: Path) -> Path:
    """City Hospital may read, append and amend."""
    told("consent", "grant", PATIENT, "--to", "City Hospital", "--category", "all", "--may", "view", "--may", "append",
         "--may", "amend", "--data", lived)  # fmt: skip
    return lived


def test_a_doctor_notes_amends_and_retracts_what_is_the_doctors_own(treated: Path, tmp_path: Path) -> None:
    at = ("--data", treated)
    noted = told("record", "note", PATIENT, "Asthma", "--as", "Dr Rahman", "--date", "2026-11-19", *at)
    assert (noted["ground"], noted["thin"]) == ("append", False)
    [record] = noted["records"]
    (tmp_path / "next.json").write_text(json.dumps(condition("Severe asthma")))
    amended = told("record", "amend", PATIENT, record[:10], tmp_path / "next.json", "--as", "Dr Rahman", *at)
    assert amended["records"] == [record]
    shown = told("show", PATIENT, record, *at)
    assert (shown["version"], shown["what"], shown["source"]) == (2, "Severe asthma", "signed")
    stranger = careledger("record", "retract", PATIENT, record, "--as", "Dr Sen", *at)
    assert (stranger.code, "did not" in stranger.err or "not among those" in stranger.err) == (2, True)
    assert told("record", "retract", PATIENT, record, "--as", "Dr Rahman", *at)["versions"] == 2


def test_what_is_written_unasked_is_kept_apart_until_the_patient_accepts(treated: Path) -> None:
    at = ("--data", treated)
    noted = told("record", "note", PATIENT, "Gout", "--as", "Dr Chowdhury", *at)
    assert noted["ground"] == "unasked"
    said = careledger("record", "note", PATIENT, "Sprain", "--as", "Dr Chowdhury", *at).out
    assert "kept apart until the patient" in " ".join(said.split())
    accepted = told("record", "accept", PATIENT, noted["records"][0], *at)
    assert (accepted["accepted_by"], accepted["custodians"]) == ("the patient", 5)
    more = told("record", "note", PATIENT, "Burn", "--as", "Dr Chowdhury", *at)["records"][0]
    stranger = careledger("record", "accept", PATIENT, more, "--as", "Dr Chowdhury", *at)
    assert (stranger.code, "other-grantee" in stranger.err) == (1, True)
    by_doctor = told("record", "accept", PATIENT, more, "--as", "Dr Rahman", *at)
    assert (by_doctor["accepted_by"], by_doctor["custodians"]) == ("Dr Rahman", 5)


def test_a_nurse_signs_no_diagnosis_and_a_hospital_is_no_post(treated: Path) -> None:
    at = ("--data", treated)
    nurse = careledger("record", "note", PATIENT, "Fever", "--as", "records desk", *at)
    assert (nurse.code, "Next: " in nurse.err) == (1, True)
    assert careledger("record", "note", PATIENT, "Fever", "--as", "City Hospital", *at).code == 2
    wrong = careledger("record", "note", PATIENT, "Fever", "--as", "Dr Rahman", "--date", "2026-02-31", *at)
    assert (wrong.code, "is no date" in wrong.err) == (2, True)


def test_an_imported_record_is_adopted_by_a_doctor(treated: Path) -> None:
    at = ("--data", treated)
    rows = told("show", PATIENT, "--category", "diagnosis", *at)["records"]
    imported = next(each for each in rows if each["source"] == "imported" and each["sensitivity"] == "normal")
    told("record", "adopt", PATIENT, imported["record"], "--as", "Dr Rahman", *at)
    assert told("show", PATIENT, imported["record"], *at)["source"] == "signed"


def test_a_patient_puts_in_a_file_of_their_own(treated: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.7")
    act = ("record", "report", PATIENT, tmp_path / "letter.pdf", "--by", "City Hospital", "--data", treated)
    made = told(*act, "--why", "fever", "--admitted", "2026-01-03")
    shown = told("show", PATIENT, made["records"][0], "--data", treated)
    assert (made["ground"], shown["source"], shown["sensitivity"]) == (
        "own",
        "patient-reported",
        "restricted",
    )
    wrong = careledger(*act, "--admitted", "2026-01-03", "--discharged", "2026-01-01")
    assert (wrong.code, "discharged before admitted" in wrong.err) == (1, True)


def test_a_patient_confirms_disputes_restricts_and_erases(treated: Path) -> None:
    at = ("--data", treated)
    one, other, third = (
        each["record"] for each in told("show", PATIENT, "--category", "report", *at)["records"][:3]
    )
    told("record", "confirm", PATIENT, one, *at)
    told("record", "dispute", PATIENT, other, "--reason", "not me", *at)
    assert (marks(treated, one), marks(treated, other)) == (["confirmed"], ["disputed"])
    told("record", "restrict", PATIENT, one, *at)
    assert "restricted" in marks(treated, one)
    told("record", "unrestrict", PATIENT, one, *at)
    assert "restricted" not in marks(treated, one)
    kept = careledger("erase", PATIENT, third, *at)
    assert (kept.code, "Erase 1 version for good?" in kept.err) == (1, True)
    gone = told("erase", PATIENT, third, "--yes", *at)
    assert (gone["custodians"], gone["charts_that_keep_a_copy"]) == (5, ["City Hospital"])
    assert third not in {each["record"] for each in told("show", PATIENT, "--all", *at)["records"]}


def test_a_record_on_the_wrong_person_is_moved_with_its_versions(treated: Path, tmp_path: Path) -> None:
    at = ("--data", treated)
    registered(treated, "Right Person")
    noted = told("record", "note", PATIENT, "Fracture", "--as", "Dr Rahman", *at)
    (tmp_path / "amended.json").write_text(json.dumps(condition("Fracture, healed", id="f1")))
    told("record", "amend", PATIENT, noted["records"][0], tmp_path / "amended.json", "--as", "Dr Rahman", *at)
    moved = told("record", "move", PATIENT, noted["records"][0], "Right Person", "--as", "Dr Rahman", *at)
    assert (moved["record"], moved["versions"]) == (noted["records"][0], 2)


def test_files_are_imported_once_and_a_bad_one_names_itself(treated: Path, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps(condition("Rhinitis", id="r1")))
    (tmp_path / "bad.json").write_text("{")
    act = ("import", "--patient", PATIENT, "--as", "records desk", "--data", treated)
    first = told(*act, tmp_path / "good.json")["files"]
    assert [(each["deposited"], each["known"], each["error"]) for each in first] == [(1, 0, None)]
    both = careledger(*act, tmp_path / "bad.json", tmp_path / "good.json", "--json")
    said = json.loads(both.out)["files"]
    assert both.code == 1
    assert [(each["file"], each["error"], each["known"]) for each in said] == [
        ("bad.json", "FhirRefused", 0), ("good.json", None, 1)]  # fmt: skip
    assert careledger(*act, tmp_path / "missing.json").code == 2
    (tmp_path / "half.json").write_text(
        json.dumps(bundle(condition("Sprain", id="s1"), {"resourceType": "Condition"}))
    )
    whole = json.loads(careledger(*act, "--all-or-nothing", tmp_path / "half.json", "--json").out)["files"]
    assert [(each["error"], each["deposited"]) for each in whole] == [("ImportStopped", 0)]
    half = careledger(*act, tmp_path / "half.json")
    assert (half.code, "1 record deposited" in half.out, "entry 1, subject" in half.out) == (1, True, True)


def test_a_folder_is_taken_in_patient_by_patient_and_again_without_doubling(
    treated: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exports"
    (folder / "deep").mkdir(parents=True)
    for number in range(5):
        named = {"resourceType": "Patient", "id": f"folder-{number}", "birthDate": "1990-01-01"}
        told_of = condition("Rhinitis", id=f"c{number}", subject={"reference": f"Patient/folder-{number}"})
        lines = "\n".join(json.dumps(each) for each in (named, told_of))
        (folder / "deep" / f"{number}.ndjson").write_text(lines)
    (folder / "broken.json").write_text("{")
    (folder / "notes.txt").write_text("not read")
    act = ("import", folder, "--as", "records desk", "--data", treated)
    before = careledger(*act, "--preview", "--json")
    said = json.loads(before.out)["files"]
    assert [(each["file"], each["read"], each["new"], each["deposited"]) for each in said] == [
        ("broken.json", 0, False, 0), *((f"{number}.ndjson", 2, True, 0) for number in range(5))]  # fmt: skip
    first = json.loads(careledger(*act, "--json").out)["files"]
    assert [each["deposited"] for each in first] == [0, 2, 2, 2, 2, 2]
    assert len({each["alias"] for each in first[1:]}) == 5
    again = careledger(*act)
    assert (
        again.code,
        "0 records deposited, 10 known before, 0 patients new, 1 not imported" in again.out,
    ) == (1, True)


def test_a_bulk_export_goes_to_the_patients_that_its_parts_name(treated: Path, tmp_path: Path) -> None:
    export = tmp_path / "bulk"
    export.mkdir()
    people = [{"resourceType": "Patient", "id": f"bulk-{number}"} for number in range(2)]
    told_of = [
        condition("Rhinitis", id=f"b{number}", subject={"reference": f"Patient/{whom}"})
        for number, whom in enumerate(("bulk-0", "bulk-1", "nobody"))
    ]
    for name, resources in (("Condition", told_of), ("Patient", people)):
        (export / f"{name}.ndjson").write_text("\n".join(json.dumps(each) for each in resources))
    act = ("import", export, "--as", "records desk", "--data", treated)
    done = careledger(*act, "--json")
    [said] = json.loads(done.out)["files"]
    assert (done.code, said["file"], said["parts"]) == (1, "bulk", ["Patient.ndjson", "Condition.ndjson"])
    assert (said["new"], [each["deposited"] for each in said["patients"]]) == (2, [2, 2])
    assert said["rejected"] == [
        "Condition.ndjson, entry 2: is about a patient whom neither this file nor an earlier one names"
    ]
    again = json.loads(careledger(*act, "--json").out)["files"]
    assert [each["known"] for each in again[0]["patients"]] == [2, 2]
    none = json.loads(careledger(*act, "--all-or-nothing", "--json").out)["files"]
    assert "Condition.ndjson, entry 2" in none[0]["why"]


KILLED = """
import os, signal, sys
from careledger.adapters.blocks.store import SegmentBlocks
from careledger.cli.main import main
from careledger.formats import large

put_many, large.AT_ONCE = SegmentBlocks.put_many, 2

def stored_once(self, blocks, *named, **more):
    put_many(self, blocks, *named, **more)
    if len(blocks) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return put_many(self, blocks, *named, **more)

SegmentBlocks.put_many = stored_once
main()
"""


def test_a_large_scan_survives_a_kill_lies_nowhere_in_the_clear_and_comes_back_in_pieces(
    treated: Path, tmp_path: Path
) -> None:
    label, scan = "Scan Owner", tmp_path / "scan.dcm"
    registered(treated, label, label)
    told("consent", "grant", label, "--to", "City Hospital", "--category", "all", "--may", "append",
         "--data", treated)  # fmt: skip
    words = b"what the scan says of somebody "
    scan.write_bytes(dicom(name="Owner^Scan") + words * (5 * 2**20 // len(words)))
    act = ("import", scan, "--patient", label, "--as", "records desk", "--data", treated)
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, act)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert told("show", label, "--data", treated)["records"] == []
    assert [each["deposited"] for each in told(*act)["files"]] == [2]
    assert [each["known"] for each in told(*act)["files"]] == [2]
    rows = told("show", label, "--data", treated)["records"]
    [binary] = [each for each in rows if each["type"] == "Binary"]
    record = binary["record"]
    out, archive, bundle = tmp_path / "out", tmp_path / "all.archive", tmp_path / "all.json"
    shown = careledger("show", label, record, "--content", tmp_path / "again.dcm", "--data", treated)
    assert (shown.code, f"{scan.stat().st_size:,} bytes, sealed beside it" in shown.out) == (0, True)
    assert (tmp_path / "again.dcm").read_bytes() == scan.read_bytes()
    assert (tmp_path / "again.dcm").stat().st_mode & 0o777 == 0o600
    assert told("export", label, "--documents", out, "--data", treated)["count"] == 1
    assert [path.read_bytes() for path in out.iterdir()] == [scan.read_bytes()]
    assert told("export", label, "--fhir", bundle, "--data", treated)["count"] == 2
    exported = [each["resource"] for each in json.loads(bundle.read_bytes())["entry"]]
    [whole] = [each for each in exported if each["resourceType"] == "Binary"]
    assert (base64.b64decode(whole["data"], validate=True), "_data" in whole) == (scan.read_bytes(), False)
    piped = careledger("export", label, "--fhir", "-", "--data", treated).out
    assert piped.rstrip("\n") == bundle.read_text().rstrip("\n")
    assert careledger("export", label, "--archive", archive, "--data", treated).code == 0
    assert archive.stat().st_size > scan.stat().st_size
    assert words not in archive.read_bytes()
    everything = b"".join(path.read_bytes() for path in treated.rglob("*") if path.is_file())
    assert words not in everything
    other = _damaged(Path(shutil.copytree(treated, tmp_path / "damaged")))
    ill = careledger("show", label, record, "--content", tmp_path / "ill.dcm", "--data", other)
    assert (ill.code != 0, (tmp_path / "ill.dcm").exists()) == (True, False)
    ill = careledger("export", label, "--archive", tmp_path / "ill.archive", "--data", other)
    assert (ill.code != 0, list(tmp_path.glob("ill.*"))) == (True, [])


def _damaged(folder: Path) -> Path:
    """One bit in every second block of a mebibyte: a file's first one is whole."""
    record = b"CBLK" + (2**20).to_bytes(4, "big")
    for path in sorted((folder / "blocks").glob("*.seg")):
        parts = path.read_bytes().split(record)
        for number in range(2, len(parts), 2):
            part = bytearray(parts[number])
            part[5_000] ^= 1
            parts[number] = bytes(part)
        path.write_bytes(record.join(parts))
    return folder


def test_documents_are_told_by_how_they_begin_and_come_back_as_the_same_bytes(
    treated: Path, tmp_path: Path
) -> None:
    label = "Document Owner"
    registered(treated, label, label)
    told(
        "consent",
        "grant",
        label,
        "--to",
        "City Hospital",
        "--category",
        "all",
        "--may",
        "append",
        "--data",
        treated,
    )
    folder, out = tmp_path / "scans", tmp_path / "out"
    folder.mkdir()
    scan, letter = dicom(name="Somebody^Else", date="20260131"), b"%PDF-1.7 " + bytes(range(256))
    (folder / "picture.jpeg").write_bytes(scan)
    (folder / "..\n\x1b[31m%2e%2e; rm -rf.json").write_bytes(letter)
    (folder / "notes.txt").write_text("not read")
    act = ("import", folder, "--as", "records desk", "--data", treated)
    nobody = careledger(*act)
    assert (nobody.code, "a document names no patient" in nobody.out) == (1, True)
    assert "\x1b" not in nobody.out
    assert "..?" in nobody.out
    unplaced = careledger(*act, "--patient", label, "--preview", "--json")
    assert [each["categories"] for each in json.loads(unplaced.out)["files"]] == [
        {"diagnosis": 2},
        {"image": 2},
    ]
    filed = (*act, "--patient", label, "--category", "report")
    done = told(*filed)["files"]
    assert sorted(each["deposited"] for each in done) == [2, 2]
    assert [each["notes"] for each in done if each["file"] == "picture.jpeg"] == [
        ["(0010,0010) PatientName says another patient than the one named"]
    ]
    assert [each["known"] for each in told(*filed)["files"]] == [2, 2]
    rows = told("show", label, "--data", treated)["records"]
    assert sorted({each["type"] for each in rows}) == ["Binary", "DocumentReference"]
    assert told("export", label, "--documents", out, "--data", treated)["count"] == 2
    assert sorted(path.suffix for path in out.iterdir()) == [".dcm", ".pdf"]
    assert sorted(path.read_bytes() for path in out.iterdir()) == sorted([scan, letter])
    assert careledger("export", label, "--documents", out, "--data", treated).code == 2
    ledger = b"".join(path.read_bytes() for path in (treated / "ledger").rglob("*") if path.is_file())
    assert b"rm -rf" not in ledger


def test_a_whole_import_is_listed_and_taken_back_by_its_organisation_alone(
    treated: Path, tmp_path: Path
) -> None:
    at = ("--data", treated)
    named: dict[str, object] = {
        "resourceType": "Patient",
        "id": "taken-back",
        "name": [{"text": "Taken Back"}],
        "birthDate": "1990-01-01",
    }
    told_of = condition("Rhinitis", id="tb1", subject={"reference": "Patient/taken-back"})
    (tmp_path / "wrong.json").write_text(json.dumps(bundle(named, told_of)))
    (tmp_path / "alike.json").write_text(json.dumps(bundle({**named, "id": "alike"})))
    act = ("import", tmp_path / "wrong.json", "--as", "records desk", *at)
    first = told(*act)
    assert careledger(*act).out.count("takes it back") == 0
    alike = careledger("import", tmp_path / "alike.json", "--as", "records desk", "--preview", *at)
    assert "may be the one registered as " + first["files"][0]["alias"][:8] in " ".join(alike.out.split())
    stranger = careledger("undo-import", first["run"], "--as", "Dr Sen, Lakeside", *at)
    assert (stranger.code, "made no import" in stranger.err) == (1, True)
    listed = told("undo-import", "--as", "records desk", *at)
    assert [(each["versions"], each["undone"]) for each in listed["imports"] if each["run"] == first["run"]] == [
        (2, False)]  # fmt: skip
    assert first["run"][:8] in careledger("undo-import", "--as", "records desk", *at).out
    undone = told("undo-import", first["run"][:10], "--as", "records desk", *at)["undone"]
    assert [(each["retracted"], each["read"], each["error"]) for each in undone] == [(2, 0, None)]
    again = careledger("undo-import", first["run"], "--as", "records desk", *at)
    assert (again.code, "0 versions retracted, 2 retracted before" in again.out) == (0, True)
    assert "stay registered" in again.out
    assert told(*act)["files"][0]["deposited"] == 2


def test_rejects_are_written_to_a_file_without_what_they_say(treated: Path, tmp_path: Path) -> None:
    named: dict[str, object] = {"resourceType": "Patient", "id": "rejecting"}
    bad: dict[str, object] = {"resourceType": "Condition", "id": "x", "code": {"text": "Secret illness"}}
    (tmp_path / "half.json").write_text(json.dumps(bundle(named, bad)))
    rejects = tmp_path / "rejects.ndjson"
    made = careledger(
        "import", tmp_path / "half.json", "--as", "records desk", "--rejects", rejects, "--data", treated
    )
    [line] = rejects.read_text().splitlines()
    assert (made.code, json.loads(line)["file"]) == (1, "half.json")
    assert "Secret illness" not in line + made.out + made.err
    nobody = careledger("import", tmp_path / "none.json", "--as", "records desk", "--data", treated)
    assert nobody.code == 2
    (tmp_path / "none.json").write_text(json.dumps(condition("Rhinitis", id="r9")))
    unnamed = careledger("import", tmp_path / "none.json", "--as", "records desk", "--data", treated)
    assert (unnamed.code, "name one by --patient" in unnamed.out + unnamed.err) == (1, True)


def test_an_emergency_needs_two_opens_records_alarms_and_is_reviewed(treated: Path) -> None:
    at = ("--data", treated)
    act = ("break-glass", "open", PATIENT, "--as", "Dr Chowdhury", "--reason", "unconscious", *at)
    alone = careledger(*act, "--second", "Dr Chowdhury")
    assert (alone.code, "Next: " in alone.err) == (1, True)
    nurse = careledger(
        "break-glass", "open", PATIENT, "--as", "records desk", "--second", "Dr Rahman", "--reason", "x", *at
    )
    assert nurse.code == 1
    opened = told(*act, "--second", "Dr Sen, Lakeside", "--for", "2h")
    assert (opened["rule"], len(opened["records"]) > 3) == ("break-glass", True)
    assert not any(each["sensitivity"] == "restricted" for each in opened["records"])
    [entry] = [
        each for each in told("break-glass", "list", *at)["emergencies"] if each["entry"] == opened["entry"]
    ]
    assert (entry["state"], entry["opener"], entry["reviewed"]) == ("open", "Dr Chowdhury, Lakeside", False)
    alarms = [each for each in told("audit", PATIENT, *at)["accesses"] if each["alarm"]]
    assert [each["reader"] for each in alarms] == ["Dr Chowdhury, Lakeside"]
    own = careledger("break-glass", "review", opened["entry"][:8], "--as", "Dr Chowdhury", "--justified", *at)
    assert own.code == 2
    done = told("break-glass", "review", opened["entry"][:8], "--as", "Officer Das", "--justified", *at)
    assert (done["reviewed_by"], done["justified"]) == ("Officer Das", True)
    assert (
        careledger("break-glass", "review", "ffffffff", "--as", "Officer Das", "--justified", *at).code == 2
    )
    too_long = careledger(*act, "--second", "Dr Sen, Lakeside", "--for", "never")
    assert too_long.code == 2


def test_one_file_is_imported_for_two_patients_by_name_and_once_for_each_and_for_its_own(
    treated: Path, tmp_path: Path
) -> None:
    file, at = tmp_path / "one.json", ("--as", "records desk", "--data", treated)
    file.write_text(json.dumps(bundle(condition("Told of two", id="two-c"))))
    for label in ("First Of Two", "Second Of Two"):
        registered(treated, label, label)
        told("consent", "grant", label, "--to", "City Hospital", "--category", "all", "--may", "append",
             "--data", treated)  # fmt: skip
    for label in ("First Of Two", "Second Of Two"):
        for expected in ((1, 0), (0, 1)):
            [found] = told("import", file, "--patient", label, *at)["files"]
            assert (found["deposited"], found["known"]) == expected, label
    records = [
        {each["record"] for each in told("show", label, "--data", treated)["records"]}
        for label in ("First Of Two", "Second Of Two")
    ]
    assert len(records[0]) == len(records[1]) == 1
    assert records[0] != records[1]


def test_a_file_that_names_its_patient_is_the_same_when_the_desk_names_them_too(
    treated: Path, tmp_path: Path
) -> None:
    file, at = tmp_path / "own.json", ("--as", "records desk", "--data", treated)
    person: dict[str, object] = {
        "resourceType": "Patient",
        "id": "own-1",
        "name": [{"text": "Known By File"}],
    }
    about = condition("Told by its own name", id="own-c", subject={"reference": "Patient/own-1"})
    file.write_text(json.dumps(bundle(person, about)))
    [own] = told("import", file, *at)["files"]
    assert own["deposited"] == 2
    [again] = told("import", file, "--patient", "Known By File", *at)["files"]
    assert (again["deposited"], again["known"]) == (0, 2)
