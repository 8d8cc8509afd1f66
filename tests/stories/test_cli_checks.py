"""The audit, its proof file, and everything in a directory checked again: whole, and with each part damaged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.evm.verify import chain_head
from stories.cli_world import ORGANISATIONS, PATIENT, careledger, copied, explored

__all__ = ["copied", "explored"]
Copy = Callable[[], Path]


def findings(folder: Path) -> tuple[int, dict[str, Any]]:
    """Exit code, and each part with what was found."""
    done = careledger("verify", "--data", folder, "--json")
    said = json.loads(done.out)
    assert said["holds"] == all(each["holds"] for each in said["findings"])
    return done.code, {each["part"]: each for each in said["findings"]}


def broken(folder: Path) -> set[tuple[str, str]]:
    """The parts that do not hold, with the error's class; the command ends with 1."""
    code, found = findings(folder)
    wrong = {(part, each["error"]) for part, each in found.items() if not each["holds"]}
    assert code == (1 if wrong else 0)
    return wrong


def test_the_audit_tells_each_request_once_with_reader_purpose_rule_and_reason(explored: Path) -> None:
    done = careledger("audit", PATIENT, "--data", explored, "--json")
    assert done.code == 0
    said = json.loads(done.out)
    assert (said["complete"], said["problems"]) == (True, [])
    read, refused = (each for each in said["accesses"] if each["reader"] == "Dr Sen, Lakeside")
    assert (read["outcome"], refused["outcome"]) == ("released", "refused")
    assert (read["rule"], read["purpose"], read["employer"]) == ("consent", "TREAT", "Lakeside Hospital")
    assert sorted(read["categories"]) == ["diagnosis", "measurement", "report"]
    assert (refused["categories"], refused["reasons"]) == (["insurance"], ["other-category"])
    assert sorted(log["custodian"] for log in said["logs"]) == sorted(ORGANISATIONS)
    assert {log["events"]["released"] for log in said["logs"]} == {len(said["accesses"]) - 1}
    others = {each["reader"] for each in said["accesses"]} - {"Dr Sen, Lakeside"}
    assert others <= {"the patient's own agent"}


def test_the_audit_on_screen_plots_readers_and_says_what_is_proved(explored: Path) -> None:
    screen = careledger("audit", PATIENT, "--data", explored).out
    assert "1 request answered, 1 refused" in screen
    assert "The consent does not name this" in screen
    assert "Dr Sen, Lakeside ████████████████████████████████████████ 2" in screen
    assert screen.count("none of them is missing here") == len(ORGANISATIONS)
    assert "Nothing is missing" in " ".join(screen.split())


def test_a_custodian_that_is_gone_leaves_the_audit_unproved(copied: Copy) -> None:
    folder = copied()
    gone = sorted((folder / "custodians").iterdir())[0]
    gone.rename(folder.parent / "gone")
    done = careledger("audit", PATIENT, "--data", folder, "--json")
    said = json.loads(done.out)
    assert (done.code, said["complete"]) == (1, False)
    assert any("cannot be reached" in each["problem"] for each in said["problems"])
    assert len(said["logs"]) == len(ORGANISATIONS) - 1


def test_a_proof_file_says_one_sentence_and_a_cut_one_nothing(explored: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.proof"
    assert careledger("audit", PATIENT, "--data", explored, "--proof", file, "--custodian", "Green").code == 0
    done = careledger("verify", file)
    assert done.code == 0
    assert done.out.startswith("This file proves that of the ")
    assert "the word of 5 custodian keys" in done.out
    assert json.loads(careledger("verify", file, "--json").out)["proves"] == done.out.strip()
    whole = file.read_bytes()
    for damaged in (whole[:-40], whole[:400] + bytes([whole[400] ^ 1]) + whole[401:], b""):
        file.write_bytes(damaged)
        refused = careledger("verify", file)
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)


def test_a_records_proof_says_under_which_root_and_block_it_stands(explored: Path, tmp_path: Path) -> None:
    file = tmp_path / "record.proof"
    rows = json.loads(
        careledger("show", PATIENT, "--category", "diagnosis", "--data", explored, "--json").out
    )
    record = rows["records"][0]["record"]
    shown = careledger("show", PATIENT, record, "--data", explored, "--proof", file, "--json")
    ledger = json.loads(shown.out)["parts"]["ledger"]
    said = careledger("verify", file)
    assert said.code == 0
    for part in (
        ledger["leaf"],
        ledger["root"],
        f"number {ledger['index']} of the {ledger['leaves']} leaves",
    ):
        assert part in said.out
    assert careledger("show", PATIENT, "--proof", tmp_path / "none", "--data", explored).code == 2


def test_a_proof_of_nobodys_log_is_wrong_usage(explored: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.proof"
    assert (
        careledger("audit", PATIENT, "--data", explored, "--proof", file, "--custodian", "Nobody").code == 2
    )
    assert not file.exists()


def test_a_whole_directory_holds_in_every_part(explored: Path) -> None:
    code, found = findings(explored)
    assert code == 0
    assert set(found) == {"chain", "blocks", "facts"} | {f"custodian {label}" for label in ORGANISATIONS}
    assert "Everything holds." in careledger("verify", "--data", explored).out


def test_checking_changes_nothing(copied: Copy) -> None:
    folder = copied()
    careledger("verify", "--data", folder)
    before = chain_head(folder / "ledger").hash
    assert broken(folder) == set()
    assert chain_head(folder / "ledger").hash == before


def _change(file: Path, *statements: str) -> None:
    with sqlite3.connect(file) as database:
        for statement in statements:
            assert database.execute(statement).rowcount > 0
    database.close()


def test_a_changed_row_of_the_chain_is_found_and_the_rest_is_checked_all_the_same(copied: Copy) -> None:
    folder = copied()
    _change(
        folder / "ledger" / "chain.sqlite", "UPDATE transactions SET gas_used = gas_used + 1 WHERE block = 20"
    )
    code, found = findings(folder)
    wrong = {part for part, each in found.items() if not each["holds"]}
    assert (code, wrong, found["chain"]["error"]) == (1, {"chain"}, "ChainCorrupt")
    assert "block 20" in found["chain"]["found"]
    alone = careledger("chain", "verify", "--data", folder)
    assert (alone.code, alone.err.count("\n"), "block 20, differs transactions" in alone.err) == (1, 1, True)


def test_a_damaged_block_is_found_by_verify_and_by_whoever_reads_it(copied: Copy) -> None:
    folder = copied()
    rows = json.loads(careledger("show", PATIENT, "--category", "diagnosis", "--data", folder, "--json").out)[
        "records"
    ]
    segment = max((folder / "blocks").iterdir(), key=lambda file: file.stat().st_size)
    data = bytearray(segment.read_bytes())
    for place in range(3_000, len(data), 3_000):
        data[place] ^= 1
    segment.write_bytes(data)
    wrong = broken(folder)
    assert {part for part, _ in wrong} == {"blocks"}
    read = json.loads(careledger("show", PATIENT, "--category", "diagnosis", "--data", folder, "--json").out)
    assert len(read["records"]) + len(read["problems"]) == len(rows)
    assert len(read["problems"]) > 0
    stopped = careledger("export", PATIENT, "--fhir", folder.parent / "half.json", "--data", folder)
    assert (stopped.code, (folder.parent / "half.json").exists()) == (1, False)


def test_a_release_log_that_lost_or_changed_a_line_is_found(copied: Copy) -> None:
    folder = copied()
    first, second = sorted((folder / "custodians").iterdir())[:2]
    _change(first / "journal.db", "DELETE FROM lines WHERE number >= 3")
    _change(second / "journal.db", "UPDATE lines SET entry = randomblob(64) WHERE number = 1")
    assert sorted(error for _, error in broken(folder)) == ["ProofRefused", "StoreCorrupt"]


def test_a_fact_that_the_chain_does_not_say_is_found_and_rebuilt(copied: Copy) -> None:
    folder = copied()
    with sqlite3.connect(folder / "ledger" / "facts.sqlite") as database:
        key, block = database.execute("SELECT key, block FROM facts LIMIT 1 OFFSET 4").fetchone()
        database.execute("DELETE FROM facts WHERE key = ? AND block = ?", (key, block))
    database.close()
    assert broken(folder) == {("facts", "ChainCorrupt")}
    assert broken(folder) == {("facts", "ChainCorrupt")}
    rebuilt = json.loads(careledger("chain", "rebuild", "--data", folder, "--json").out)
    assert rebuilt["differed"] == 1
    assert broken(folder) == set()


def test_the_chain_is_replayed_on_both_engines_and_holds_what_is_remembered(explored: Path) -> None:
    head = json.loads(careledger("chain", "head", "--data", explored, "--json").out)
    for engine in ("revm", "eels"):
        done = careledger("chain", "verify", "--engine", engine, "--data", explored, "--json")
        said = json.loads(done.out)
        assert (done.code, said["engine"], said["head"]) == (0, engine, head["hash"])
    remembered = f"{head['number']}:{head['hash']}"
    assert careledger("chain", "verify", "--remember", remembered, "--data", explored).code == 0
    forgotten = f"{head['number'] - 1}:{head['hash']}"
    assert careledger("chain", "verify", "--remember", forgotten, "--data", explored).code == 1


@pytest.mark.parametrize("wrong", [("--remember", "12"), ("--remember", "1:zz"), ("--engine", "other")])
def test_a_replay_with_a_wrong_option_is_wrong_usage(explored: Path, wrong: tuple[str, str]) -> None:
    assert careledger("chain", "verify", *wrong, "--data", explored).code == 2
