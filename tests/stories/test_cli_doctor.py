"""A data directory is examined and mended: what was broken on purpose is found, and what can be made again is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.custody.sqlite import opened
from careledger.app.own_index import place
from careledger.app.world import open_world
from careledger.domain.errors import DirectoryNotWritable, NotEnoughCustodians
from careledger.gateway.own.chart import Charts
from careledger.workflows import deposit
from careledger.workflows.deposit import PLAN, SHARED
from stories.cli_world import PATIENT, careledger, copied, explored, told

__all__ = ["copied", "explored"]
NOTE = ("record", "note", PATIENT, "Fever", "--as", "Dr Rahman")


def findings(folder: Path, *options: str) -> dict[str, str]:
    """Each part's state; the exit code has to agree."""
    import json

    done = careledger("doctor", "--data", folder, "--json", *options)
    said: dict[str, Any] = json.loads(done.out)
    assert tuple(said) == ("well", "repaired", "findings")
    assert done.code == (0 if said["well"] else 1)
    return {each["part"]: each["state"] for each in said["findings"]}


def test_a_well_directory_is_well_and_nobody_is_named(explored: Path) -> None:
    states = findings(explored)
    assert set(states.values()) == {"well"}
    assert {
        "settings",
        "permissions",
        "leftovers",
        "databases",
        "chain",
        "blocks",
        "facts",
        "patient 1",
    } <= set(states)
    assert sum(part.startswith("custodian ") for part in states) == 5
    shown = careledger("doctor", "--full", "--data", explored).out
    assert ("Everything is well." in shown, "replayed from genesis" in shown, PATIENT in shown) == (
        True,
        True,
        False,
    )


def test_open_permissions_and_leftovers_are_mended(copied: Callable[[], Path]) -> None:
    folder = copied()
    key = next((folder / "organisations").glob("*/keys"))
    os.chmod(folder, 0o755)
    (folder / "careledger.json.new").write_text("{")
    (key.parent.with_name(".0000000000000007-00000000")).mkdir(mode=0o700)
    os.link(key.parent / "books.db", key.parent / ".books.db.00000000")
    (folder / "ledger" / ".sent.sqlite.00000000").write_bytes(b"")
    before = findings(folder)
    assert (before["permissions"], before["leftovers"]) == ("open", "open")
    mended = findings(folder, "--repair")
    assert (mended["permissions"], mended["leftovers"]) == ("mended", "mended")
    assert not [path for path in folder.glob("*/**/*") if path.name.startswith(".")]
    assert (key.parent / "books.db").stat().st_nlink == 1
    assert (folder.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o700, 0o600)
    assert set(findings(folder).values()) == {"well"}


def test_facts_that_are_not_the_chains_are_folded_again(copied: Callable[[], Path]) -> None:
    folder = copied()
    with sqlite3.connect(folder / "ledger" / "facts.sqlite") as db:
        db.execute("DELETE FROM facts WHERE block = (SELECT max(block) FROM facts)")
    assert findings(folder)["facts"] == "open"
    assert findings(folder, "--repair")["facts"] == "mended"
    assert findings(folder)["facts"] == "well"


@pytest.mark.parametrize("offset", [10, -1], ids=["in a block", "before a block"])
def test_a_damaged_block_is_fetched_from_another_copy(
    copied: Callable[[], Path], explored: Path, tmp_path: Path, offset: int
) -> None:
    folder = copied()
    other = Path(shutil.copytree(explored, tmp_path / "other"))
    with SegmentBlocks(folder / "blocks") as store:
        block = store.get(store.pinned(SHARED)[0])
    [segment] = [
        path for path in (folder / "blocks").iterdir() if path.is_file() and block in path.read_bytes()
    ]
    changed = bytearray(segment.read_bytes())
    changed[changed.index(block) + offset] ^= 1
    segment.write_bytes(changed)
    assert findings(folder)["blocks"] == "open"
    assert findings(folder, "--repair")["blocks"] == "ill"
    assert findings(folder, "--repair", "--blocks", str(other))["blocks"] == "mended"
    assert set(findings(folder).values()) == {"well"}


def test_a_changed_header_of_the_chain_is_ill_with_and_without_a_replay(copied: Callable[[], Path]) -> None:
    folder = copied()
    with sqlite3.connect(folder / "ledger" / "chain.sqlite") as db:
        db.execute("UPDATE blocks SET hash = zeroblob(32) WHERE number = 3")
    assert findings(folder)["chain"] == "ill"
    assert findings(folder, "--full")["chain"] == "ill"


def test_a_damaged_database_is_named_and_the_rest_is_looked_at(copied: Callable[[], Path]) -> None:
    folder = copied()
    (folder / "board.db").write_bytes(b"not a database" * 500)
    for name in ("board.db-wal", "board.db-shm"):
        (folder / name).unlink(missing_ok=True)
    states = findings(folder)
    assert (states["databases"], states["blocks"], states["opening"]) == ("ill", "well", "ill")


def test_a_damaged_index_of_own_writings_is_removed_and_one_that_is_whole_is_well(
    copied: Callable[[], Path],
) -> None:
    folder = copied()
    world = open_world(folder)
    label, organisation = next(
        pair for pair in world.keyring.organisations().items() if pair[1].books.keys("authors-copies", b"", 1)
    )
    charts, file = Charts(world), place(world, organisation)
    assert charts.of(organisation).catch_up(60)
    charts.close()
    world.close()
    part = f"index of {label}"
    assert findings(folder)[part] == "well"
    file.write_bytes(file.read_bytes()[:5_000] + b"damage" * 200 + file.read_bytes()[6_200:])
    assert findings(folder)[part] == "open"
    assert findings(folder, "--repair")[part] == "mended"
    assert part not in findings(folder)
    assert not file.exists()


def test_a_deposit_that_a_crash_left_is_finished(
    copied: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied()

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(deposit, "finish", killed)
        assert careledger(*NOTE, "--data", folder).code == 130
    assert findings(folder)["books of City Hospital"] == "open"
    assert findings(folder, "--repair")["books of City Hospital"] == "mended"
    assert set(findings(folder).values()) == {"well"}
    world = open_world(folder)
    try:
        assert list(world.keyring.organisation("City Hospital").books.rows(PLAN)) == []
    finally:
        world.close()
    notes = [each for each in told("show", PATIENT, "--data", folder)["records"] if each["what"] == "Fever"]
    assert len(notes) == 1


def test_blocks_that_nobody_needs_are_given_back_but_not_while_a_deposit_is_unfinished(
    copied: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, part = copied(), "unneeded blocks"

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    def unreachable(*arguments: object) -> None:
        raise NotEnoughCustodians()

    with SegmentBlocks(folder / "blocks") as store:
        garbage = store.put_many([bytes([number]) * 100_000 for number in range(3)])
    assert "300,000 bytes that nobody needs" in careledger("doctor", "--data", folder).out
    with monkeypatch.context() as patched:
        patched.setattr(deposit, "finish", killed)
        assert careledger(*NOTE, "--data", folder).code == 130
    with monkeypatch.context() as patched:
        patched.setattr(deposit, "finish", unreachable)
        assert findings(folder, "--repair")[part] == "open"
    assert findings(folder, "--repair")[part] == "mended"
    with SegmentBlocks(folder / "blocks") as store:
        assert not any(store.has(cid) for cid in garbage)
        assert store.verify().sound
    assert set(findings(folder).values()) == {"well"}
    notes = [each for each in told("show", PATIENT, "--data", folder)["records"] if each["what"] == "Fever"]
    assert len(notes) == 1


def test_shares_whose_keys_are_gone_are_found_and_remade(copied: Callable[[], Path]) -> None:
    folder = copied()
    holding = told("show", "--data", folder)["patients"][0]["custodians"][0]
    number = next(
        each for each in told("party", "list", "--data", folder)["parties"] if each["name"] == holding
    )
    world = open_world(folder)
    try:
        path = world.custodian_folder(int(number["did"].rsplit(":", 1)[1], 16))
    finally:
        world.close()
    for key in (path / "shred").iterdir():
        key.unlink()
    for _ in range(2):  # also after somebody opened the directory
        assert findings(folder)[f"custodian {holding}"] == "open"
    made = told("custodian", "repair", PATIENT, holding, "--data", folder)
    assert made["versions"] > 3
    assert findings(folder)[f"custodian {holding}"] == "well"


def test_a_missing_directory_and_one_in_use_end_with_3(explored: Path, tmp_path: Path) -> None:
    assert careledger("doctor", "--data", tmp_path).code == 3
    world = open_world(explored)
    try:
        done = careledger("doctor", "--data", explored)
        assert (done.code, "Another process" in done.err) == (3, True)
    finally:
        world.close()


def test_files_of_another_user_are_named_and_not_called_damaged(
    copied: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied()
    theirs = min(folder.glob("organisations/*/books.db"))
    theirs.unlink()
    theirs.mkdir()  # what nobody opens as a database, also who may do everything
    really = os.access
    monkeypatch.setattr(
        "os.access", lambda path, *given, **more: Path(path) != theirs and really(path, *given, **more)
    )
    done = careledger("doctor", "--data", folder)
    said = " ".join(done.out.split())
    assert done.code != 0
    assert f"not be read or written by who runs this, such as {theirs.relative_to(folder)}" in said
    assert "Damaged" not in said
    with pytest.raises(DirectoryNotWritable, match="may not read and write it"):
        opened(theirs)


LOST = (
    "board.db", "ledger/chain.sqlite", "blocks/pins.db", "organisations/*/keys", "organisations/*/books.db",
    "organisations/*/reads.db", "patients/*/keys", "custodians/*/rows.db", "custodians/*/journal.db",
    "custodians/*/keys/log",
)  # fmt: skip
"""What cannot be made again of anything else that is there."""


@pytest.fixture(scope="module")
def noted(explored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One where it is written down whom something was shown."""
    folder = Path(shutil.copytree(explored, tmp_path_factory.mktemp("noted") / "data"))
    world = open_world(folder)
    world.read_log(world.keyring.organisation("City Hospital"))
    world.close()
    return folder


def removed(path: Path) -> None:
    for each in (path, *path.parent.glob(f"{path.name}-*")):
        shutil.rmtree(each) if each.is_dir() else each.unlink()


@pytest.mark.parametrize("pattern", LOST)
def test_a_file_that_is_lost_is_damage_and_not_made_anew(noted: Path, tmp_path: Path, pattern: str) -> None:
    folder = Path(shutil.copytree(noted, tmp_path / "data"))
    path = next(folder.glob(pattern))
    removed(path)
    for options in ((), ("--repair",)):
        said = careledger("doctor", "--data", folder, *options)
        assert (said.code, path.name in said.out, path.exists()) == (1, True, False)
    refused = careledger("patient", "list", "--data", folder)
    assert (refused.code, path.exists()) == (1, False)
    assert path.name in refused.err or "chain" in refused.err


def test_no_service_begins_without_an_organisations_books(noted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(noted, tmp_path / "data"))
    removed(next(folder.glob("organisations/*/books.db")))
    refused = careledger("up", "--data", folder, "--port", "0")
    assert (refused.code, "books.db" in refused.err, refused.out) == (1, True, "")


@pytest.mark.parametrize("pattern", [each for each in LOST if each.endswith(("db", "sqlite"))])
def test_a_file_that_was_emptied_is_damage_and_not_filled_anew(
    noted: Path, tmp_path: Path, pattern: str
) -> None:
    folder = Path(shutil.copytree(noted, tmp_path / "data"))
    path = next(folder.glob(pattern))
    removed(path)
    path.touch(mode=0o600)
    assert careledger("doctor", "--data", folder, "--repair").code == 1
    assert careledger("patient", "list", "--data", folder).code == 1
    assert path.stat().st_size == 0


@pytest.mark.parametrize("name", ["ledger/facts.sqlite", "blocks/*.places"])
def test_a_file_that_can_be_made_again_is_and_nothing_is_missing(
    noted: Path, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(noted, tmp_path / "data"))
    for path in folder.glob(name):
        removed(path)
    before = careledger("patient", "list", "--data", noted).out
    assert set(findings(folder).values()) == {"well"}
    assert careledger("patient", "list", "--data", folder).out == before


def test_a_patients_books_that_are_lost_are_damage_until_the_24_words_make_them_again(
    noted: Path, tmp_path: Path
) -> None:
    folder, words = Path(shutil.copytree(noted, tmp_path / "data")), tmp_path / "words"
    world = open_world(folder)
    words.write_text(world.keyring.patient(PATIENT)[1].words())
    world.close()
    books = next(folder.glob("patients/*/books.db"))
    removed(books)
    states = findings(folder)
    assert (states["files"], states["opening" if "opening" in states else "patient 1"]) == ("ill", "ill")
    assert careledger("consent", "list", PATIENT, "--data", folder).code == 1
    assert not books.exists()
    recover = ("patient", "recover", "--label", PATIENT, "--phrase-file", words, "--data", folder)
    assert careledger(*recover).code == 0
    assert set(findings(folder).values()) == {"well"}
    assert careledger("consent", "list", PATIENT, "--data", folder).code == 0


def test_shred_keys_that_are_lost_with_their_folder_are_missed_by_the_shares_under_them(
    noted: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(noted, tmp_path / "data"))
    for each in folder.glob("custodians/*/shred"):
        removed(each)
    states = findings(folder, "--repair")
    assert "open" in {state for part, state in states.items() if part.startswith("custodian ")}
    assert "custodian repair" in " ".join(careledger("doctor", "--data", folder).out.split())


def test_a_custodians_directory_that_is_gone_is_ill_while_the_others_serve(
    noted: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(noted, tmp_path / "data"))
    before = {part for part in findings(folder) if part.startswith("custodian ")}
    shutil.rmtree(next(folder.glob("custodians/*")))
    states = findings(folder, "--repair")
    after = {part: state for part, state in states.items() if part.startswith("custodian ")}
    assert (set(after), sorted(set(after.values())), list(after.values()).count("ill")) == (
        before,
        ["ill", "well"],
        1,
    )
