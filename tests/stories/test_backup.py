"""A data directory is backed up while a process writes to it, lost, restored, and read: nothing erased comes back."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import checker
import story
from careledger.app import world as directory
from careledger.app.backup import places
from careledger.app.backup.create import Made
from careledger.app.backup.create import create as made_copy
from careledger.app.backup.places import copies, extents, written
from careledger.app.backup.restore import restore, restore_custodian
from careledger.app.backup.second_place import end, keep
from careledger.app.backup.verify import open_file, verify
from careledger.app.clocks import SystemClock
from careledger.app.doctor import Treatment, examine
from careledger.app.doctor_world import parts
from careledger.app.founding import Member, propose
from careledger.domain.consents import Permission
from careledger.domain.errors import (
    BackupDamaged,
    CareLedgerError,
    CustodianBehind,
    DirectoryInUse,
    NotEnoughCustodians,
    SettingsRefused,
    StoreUnavailable,
)
from careledger.domain.parties import Role
from careledger.formats.backups import BackupFile, BackupManifest
from careledger.sealing.backups import seal_part
from careledger.sealing.keys import SealingKey
from careledger.workflows.accesses import by_holder
from careledger.workflows.chart import read_back
from careledger.workflows.cosigning import checkpoint_all
from careledger.workflows.epochs import own_statement
from careledger.workflows.erase import all_versions, erase
from careledger.workflows.repair import repair
from careledger.workflows.retrieve import retrieve
from story import DIAGNOSIS, ILLNESS, LATER_ILLNESS, MARKS, Story, said

TESTS = Path(__file__).parent.parent
KEY = SealingKey.random()
OTHER = SealingKey.random()

WRITER = """
import sys
from pathlib import Path
import story
from careledger.domain.consents import Permission

told = story.everybody(Path(sys.argv[1]))
append = told.grant(told.adam, told.staff["Dr City"], (story.DIAGNOSIS,), Permission.APPEND)
print("ready", flush=True)
for number in range(1000):
    [handle] = told.note(told.adam, f"note {number}", append).handles.values()
    print(handle.hex(), flush=True)
"""

KILLED = """
import os, signal, sys
from pathlib import Path
from careledger.app.backup import {module} as module
from careledger.app.clocks import SystemClock
from careledger.sealing.keys import SealingKey, Secret

real, left = module.{function}, [{count}]

def until(*given, **named):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)

module.{function} = until
key = SealingKey(Secret(bytes.fromhex(sys.argv[1])))
{call}
"""


@pytest.fixture
def mine(told: Story, tmp_path: Path) -> Iterator[Story]:
    """A copy of the story to change, open in this process, its shred keys in a second place too."""
    shutil.copytree(told.folder, tmp_path / "data")
    keep(tmp_path / "data", tmp_path / "second")
    made = replace(told)
    open_again(made, tmp_path / "data")
    yield made
    made.world.close()


def open_again(told: Story, folder: Path) -> None:
    told.world = directory.open_world(folder)
    told.find_everybody()


def create(folder: Path, backup: Path, key: SealingKey = KEY) -> Made:
    return made_copy(folder, backup, key.public, SystemClock())


def killed_while(module: str, function: str, count: int, call: str) -> None:
    """A process of its own is killed when it calls that function for the count-th time."""
    program = KILLED.format(module=module, function=function, count=count, call=call)
    done = subprocess.run(
        [sys.executable, "-c", program, KEY.seed.reveal().hex()], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def mended(folder: Path) -> dict[str, str]:
    """What is not well after careledger doctor --repair, with its sentence."""
    list(examine(folder, Treatment(repair=True)))
    return {each.part: each.sentence for each in examine(folder, Treatment()) if each.state != "well"}


def handles(told: Story) -> set[bytes]:
    return {record.handle for record in told.read_own(told.adam).records}


def note_of(told: Story, words: str) -> bytes:
    [found] = [
        record.handle
        for record in told.read_own(told.adam, [DIAGNOSIS]).records
        if record.manifest.source == "signed" and said(record.body.canonical) == words
    ]
    return found


def deposit(told: Story) -> bytes:
    """City's doctor adds a note by a consent to append."""
    append = told.grant(told.adam, told.staff["Dr City"], (DIAGNOSIS,), Permission.APPEND)
    [handle] = told.note(told.adam, "added later", append).handles.values()
    return handle


def erase_note(told: Story, words: str) -> bytes:
    read, handle = told.read_own(told.adam, [DIAGNOSIS]), note_of(told, words)
    [record] = [each for each in read.records if each.handle == handle]
    erase(
        told.world.network,
        told.holder(told.adam),
        all_versions(read.records, record.manifest.record_id),
        "wish",
    )
    return handle


# While the service runs --------------------------------------------------------------------------


def test_a_backup_of_a_directory_that_is_written_to_holds_everything_acknowledged_before_it(
    told: Story, tmp_path: Path
) -> None:
    """A process deposits without end; a copy is made; the process is killed and its directory lost; the copy serves."""
    folder, backup, second = tmp_path / "data", tmp_path / "backup", tmp_path / "second"
    shutil.copytree(told.folder, folder)
    keep(folder, second)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    before = [bytes.fromhex(writer.stdout.readline().strip()) for _ in range(3)]
    made = create(folder, backup)
    during = bytes.fromhex(writer.stdout.readline().strip())
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert len(during) == 32
    assert made.paused < 2
    shutil.rmtree(folder)
    restore(backup, 1, KEY, folder, second)
    again = story.everybody(folder)
    try:
        assert set(before) <= handles(again)
        checker.assert_logs_hold_together(again)
    finally:
        again.world.close()
    checker.assert_files_hold_together(folder)
    assert mended(folder) == {}


def test_a_copy_of_an_open_directory_reads_as_the_directory_did(mine: Story, tmp_path: Path) -> None:
    there = handles(mine)
    made = create(mine.folder, tmp_path / "backup")
    assert {"ledger/chain.sqlite", "board.db", "blocks/pins.db"} <= {
        file.path for file in made.manifest.files
    }
    assert made.manifest.head_number == mine.world.ledger.fresh_head().head.number
    restore(tmp_path / "backup", 1, KEY, tmp_path / "again", tmp_path / "second")
    again = story.everybody(tmp_path / "again")
    try:
        assert handles(again) == there
        assert deposit(mine)  # and the original goes on
    finally:
        again.world.close()
    assert mended(tmp_path / "again") == {}


def test_a_second_copy_writes_of_the_blocks_only_what_is_new(mine: Story, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    create(mine.folder, backup)
    first = {each.name: (backup / each.name).read_bytes() for each in extents(backup)}
    deposit(mine)
    create(mine.folder, backup)
    later = {each.name: each for each in extents(backup)}
    assert first.keys() < later.keys()
    assert all((backup / name).read_bytes() == data for name, data in first.items())
    [fresh] = [each for name, each in later.items() if name not in first]
    assert fresh.start == max(int(name.split("-")[2]) for name in first if fresh.segment in name)
    for number in (1, 2):
        verify(backup, number, KEY)


# What does not come back -------------------------------------------------------------------------


def test_what_was_erased_after_the_backup_is_unreadable_after_a_restore(mine: Story, tmp_path: Path) -> None:
    create(mine.folder, tmp_path / "backup")
    handle = note_of(mine, ILLNESS)
    assert retrieved(mine, handle)
    erase_note(mine, ILLNESS)
    mine.world.close()
    shutil.rmtree(mine.folder)
    restore(tmp_path / "backup", 1, KEY, mine.folder, tmp_path / "second")
    open_again(mine, mine.folder)
    assert handle in mine.before
    assert not retrieved(mine, handle)
    held = [each.rows.shares(mine.adam) for each in mine.world.directories.values()]
    assert all(handle not in shares for shares in held)
    unescrowed = {each.handle for each in mine.read_own(mine.berta).records}
    assert unescrowed == set(mine.unescrowed)  # of others everything


def retrieved(told: Story, handle: bytes) -> bool:
    """Whether the patient's own agent gets this record, which may read everything that there is."""
    holder = told.holder(told.adam)
    statement, _ = own_statement(holder)
    access = by_holder(told.world.network, holder, statement, [DIAGNOSIS])
    try:
        found = retrieve(told.world.network, access, statement, handles=[handle])
    except CareLedgerError:
        return False
    return [each.handle for each in found.records] == [handle]


def test_without_shred_keys_custodians_open_nothing_and_authors_copies_are_read(
    mine: Story, tmp_path: Path
) -> None:
    handle = note_of(mine, ILLNESS)
    create(mine.folder, tmp_path / "backup")
    restore(tmp_path / "backup", 1, KEY, tmp_path / "again", None)
    again = story.everybody(tmp_path / "again")
    try:
        assert not retrieved(again, handle)
        body = read_back(again.world.network, again.organisations["City"], handle).body
        assert said(body.canonical) == ILLNESS
    finally:
        again.world.close()


def test_no_backup_holds_a_shred_key_or_a_name_in_the_clear(mine: Story, tmp_path: Path) -> None:
    create(mine.folder, tmp_path / "backup")
    written = b"".join(path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    assert len(written) > 100_000
    words = [*MARKS, "adam", "City", "Dr Lake"]
    assert [word for word in words if len(word) > 4 and word.encode() in written] == []
    restore(tmp_path / "backup", 1, KEY, tmp_path / "again", None)
    keys = [path.read_bytes() for path in mine.folder.glob("custodians/*/shred/*")]
    restored = b"".join(path.read_bytes() for path in (tmp_path / "again").rglob("*") if path.is_file())
    assert len(keys) > 5
    assert [key for key in keys if key in restored] == []


# One custodian -----------------------------------------------------------------------------------


def test_one_custodian_is_restored_hears_of_erasures_and_is_repaired_by_the_others(
    mine: Story, tmp_path: Path
) -> None:
    statement, _ = own_statement(mine.holder(mine.adam))
    number, there = statement.custodians[0], handles(mine)
    create(mine.folder, tmp_path / "backup")
    erased = erase_note(mine, ILLNESS)
    mine.world.close()
    end(mine.folder)
    place = mine.world.custodian_folder(number)
    with pytest.raises(SettingsRefused):
        restore_custodian(tmp_path / "backup", 1, KEY, mine.folder, number)
    shutil.rmtree(place)
    restore_custodian(tmp_path / "backup", 1, KEY, mine.folder, number)
    open_again(mine, mine.folder)
    checkpoint_all(mine.world.network)
    assert any("careledger custodian repair remakes them" in each for each in custodians_said(mine))
    repair(mine.world.network, mine.holder(mine.adam), statement, 1, (2, 3))
    rows = mine.world.directories[number].rows
    assert rows.shares(mine.adam).keys() >= there - {erased}
    assert erased not in rows.shares(mine.adam)


def custodians_said(told: Story) -> list[str]:
    return [look().sentence for part, look in parts(told.world, False) if part.startswith("custodian")]


def test_a_custodian_whose_log_is_older_than_its_checkpoint_serves_nobody(
    mine: Story, tmp_path: Path
) -> None:
    statement, _ = own_statement(mine.holder(mine.adam))
    number = statement.custodians[0]
    create(mine.folder, tmp_path / "backup")
    mine.read_own(mine.adam)
    checkpoint_all(mine.world.network)
    mine.world.close()
    shutil.rmtree(mine.world.custodian_folder(number))
    restore_custodian(tmp_path / "backup", 1, KEY, mine.folder, number)
    open_again(mine, mine.folder)
    answer = partial(mine.world.custodians[number].call, "tile", b"checkpoint")
    with pytest.raises(CustodianBehind):
        answer()


# What is killed, changed, or somebody else's -----------------------------------------------------


@pytest.mark.parametrize("count", [1, 4, 9])
def test_a_killed_backup_is_named_incomplete_and_the_next_one_is_whole(
    mine: Story, tmp_path: Path, count: int
) -> None:
    backup = tmp_path / "backup"
    create(mine.folder, backup)
    deposit(mine)
    call = f"module.create(Path({str(mine.folder)!r}), Path({str(backup)!r}), key.public, SystemClock())"
    killed_while("create", "seal_part", count, call)
    verify(backup, 1, KEY)
    if 2 in copies(backup):
        with pytest.raises(BackupDamaged, match="incomplete"):
            verify(backup, 2, KEY)
    made = create(mine.folder, backup)
    assert made.manifest.number == 2
    assert copies(backup) == {1: True, 2: True}
    verify(backup, 2, KEY)
    assert list(backup.rglob("*.next")) == []
    assert not (mine.folder / ".backing-up").exists()


def test_two_copies_at_once_are_not_made_of_one_another(mine: Story, tmp_path: Path) -> None:
    def meanwhile(done: int, of: int) -> None:
        with pytest.raises(DirectoryInUse):
            create(mine.folder, tmp_path / "other")
        with pytest.raises(DirectoryInUse):
            list(examine(mine.folder, Treatment(repair=True)))
        began.append(done)

    began: list[int] = []
    mine.world.close()
    made_copy(mine.folder, tmp_path / "backup", KEY.public, SystemClock(), meanwhile)
    assert began
    verify(tmp_path / "backup", 1, KEY)
    create(mine.folder, tmp_path / "other")
    open_again(mine, mine.folder)


def test_a_killed_restore_leaves_nothing_at_its_place_and_is_gone_on_with(
    mine: Story, tmp_path: Path
) -> None:
    backup, again = tmp_path / "backup", tmp_path / "again"
    create(mine.folder, backup)
    call = f"module.restore(Path({str(backup)!r}), 1, key, Path({str(again)!r}), Path({str(tmp_path / 'second')!r}))"
    killed_while("restore", "open_file", 6, call)
    assert not again.exists()
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / ".again.restoring").rglob("*.db")}
    time.sleep(0.01)
    restore(backup, 1, KEY, again, tmp_path / "second")
    kept = [again / path.relative_to(tmp_path / ".again.restoring") for path in there]
    assert [path.stat().st_mtime_ns for path in kept] == list(there.values())
    assert mended(again) == {}


def test_every_changed_or_missing_part_is_named(mine: Story, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    create(mine.folder, backup)
    parts = [
        path for path in backup.rglob("*") if path.is_file() and path.parent.name in ("blocks", "000001")
    ]
    assert len(parts) > 20
    for path in parts[::5]:
        whole = path.read_bytes()
        for broken in (
            (whole[:-1], whole + b"\0", whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
            if len(whole) > 2001
            else (whole[:-1],)
        ):
            path.write_bytes(broken)
            with pytest.raises(BackupDamaged, match=path.name):
                verify(backup, 1, KEY)
        path.unlink()
        with pytest.raises(BackupDamaged, match=path.name if path.name != "manifest" else "incomplete"):
            verify(backup, 1, KEY)
        path.write_bytes(whole)
    verify(backup, 1, KEY)


def test_a_stranger_opens_nothing_and_adds_nothing(mine: Story, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    create(mine.folder, backup)
    with pytest.raises(BackupDamaged, match="another key"):
        verify(backup, 1, OTHER)
    with pytest.raises(BackupDamaged, match="another key"):
        restore(backup, 1, OTHER, tmp_path / "again", None)
    with pytest.raises(SettingsRefused, match="another key"):
        create(mine.folder, backup, OTHER)
    with pytest.raises(SettingsRefused, match="data directory itself"):
        create(mine.folder, mine.folder / "backup")


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("copies/000001/000000", "changed"),
        ("blocks", "missing"),
        ("../outside", "elsewhere"),
        ("/outside", "elsewhere"),
    ],
)
def test_what_somebody_elses_manifest_says_leads_nowhere_and_fills_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, why: str
) -> None:
    """Whoever has the public key can write a backup that opens; ``part`` holds a thousand times what it states."""
    backup, held = tmp_path / "backup", io.BytesIO()
    for name in ("copies/000001/000000", "../outside", "blocks/one"):
        with written(backup / name) as file:
            seal_part(KEY.public, io.BytesIO(bytes(1_000_000)), file, "plain")
    forged = BackupFile("careledger.json", "file", 1_000, bytes(32), (part,))
    said = BackupManifest(1, 1, "1", 1, 0, b"", (forged,)).encode()
    with written(backup / "copies/000001/manifest") as file:
        seal_part(KEY.public, io.BytesIO(said), file, "plain")
    with pytest.raises(BackupDamaged, match=why):
        verify(backup, 1, KEY)
    with pytest.raises(BackupDamaged, match=why):
        open_file(backup, 1, forged, KEY, held)
    assert len(held.getvalue()) <= 1_000
    monkeypatch.setattr(places, "MOST_MANIFEST", len(said) - 1)
    with pytest.raises(BackupDamaged, match="part manifest"):
        verify(backup, 1, KEY)


def test_nothing_is_restored_over_anything(mine: Story, tmp_path: Path) -> None:
    create(mine.folder, tmp_path / "backup")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a file").write_text("mine")
    with pytest.raises(SettingsRefused, match="not empty"):
        restore(tmp_path / "backup", 1, KEY, tmp_path / "full", None)
    (tmp_path / ".new.restoring").symlink_to(tmp_path / "full")
    with pytest.raises(SettingsRefused, match="a link"):
        restore(tmp_path / "backup", 1, KEY, tmp_path / "new", None)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["a file"]
    with pytest.raises(DirectoryInUse):
        restore_custodian(tmp_path / "backup", 1, KEY, mine.folder, 1)


# The second place --------------------------------------------------------------------------------


def test_the_second_place_holds_the_same_keys_at_every_moment(mine: Story, tmp_path: Path) -> None:
    first = alike(mine, tmp_path / "second")
    erase_note(mine, LATER_ILLNESS)
    deposit(mine)
    assert alike(mine, tmp_path / "second") >= first


def test_without_its_second_place_a_custodian_destroys_nothing_and_does_not_start(
    mine: Story, tmp_path: Path
) -> None:
    handle = note_of(mine, ILLNESS)
    (tmp_path / "second").rename(tmp_path / "unplugged")
    with pytest.raises(NotEnoughCustodians):
        erase_note(mine, ILLNESS)
    custodians, head = own_statement(mine.holder(mine.adam))[0].custodians, mine.world.ledger.fresh_head()
    assert [each for each in custodians if head.erasures(each, 0)] == []
    mine.world.close()
    with pytest.raises(StoreUnavailable, match="second place"):
        directory.open_world(mine.folder)
    (tmp_path / "unplugged").rename(tmp_path / "second")
    open_again(mine, mine.folder)
    assert not retrieved(mine, handle)
    assert all(handle not in each.rows.shares(mine.adam) for each in mine.world.directories.values())


def test_a_second_place_that_is_ended_holds_nothing(mine: Story, tmp_path: Path) -> None:
    with pytest.raises(DirectoryInUse):
        end(mine.folder)
    mine.world.close()
    assert end(mine.folder) == 5
    assert [path for path in (tmp_path / "second").rglob("*") if path.is_file()] == []
    with pytest.raises(SettingsRefused):
        keep(mine.folder, mine.folder / "second")
    open_again(mine, mine.folder)
    assert json.dumps(sorted(each.hex() for each in handles(mine)))


def test_a_copy_from_before_a_custodian_was_remade_names_none_of_its_keys(
    mine: Story, tmp_path: Path
) -> None:
    """Its rows lie under keys that were lost; those that were made since are others, whatever they are called."""
    statement, _ = own_statement(mine.holder(mine.adam))
    number = statement.custodians[0]
    create(mine.folder, tmp_path / "backup")
    mine.world.close()
    shutil.rmtree(mine.world.custodian_folder(number))
    restore_custodian(tmp_path / "backup", 1, KEY, mine.folder, number)
    open_again(mine, mine.folder)
    repair(mine.world.network, mine.holder(mine.adam), statement, 1, (2, 3))
    mine.world.close()
    restore(tmp_path / "backup", 1, KEY, tmp_path / "again", tmp_path / "second")
    open_again(mine, tmp_path / "again")
    rows = mine.world.directories[number].rows
    assert rows.shares(mine.adam) == {}
    repair(mine.world.network, mine.holder(mine.adam), statement, 1, (2, 3))
    assert rows.shares(mine.adam).keys() >= handles(mine)


def test_nobody_has_two_second_places_of_which_one_is_forgotten(mine: Story, tmp_path: Path) -> None:
    mine.world.close()
    with pytest.raises(SettingsRefused, match="end it first"):
        keep(mine.folder, tmp_path / "third")
    assert not (tmp_path / "third").exists()
    assert keep(mine.folder, tmp_path / "second") > 0
    shutil.rmtree(tmp_path / "second")  # a disk that is lost is replaced by another
    assert keep(mine.folder, tmp_path / "third") > 0
    open_again(mine, mine.folder)
    assert alike(mine, tmp_path / "third")


def test_a_custodian_that_joins_or_is_restored_has_the_second_place_of_the_others(
    mine: Story, tmp_path: Path
) -> None:
    member = Member("Later Hospital", (Role.HOSPITAL,), "L-9")
    joined = propose(mine.world, member).number
    assert (tmp_path / "second" / f"{joined:016x}").is_dir()
    create(mine.folder, tmp_path / "backup")
    mine.world.close()
    lost = own_statement(mine.holder(mine.adam))[0].custodians[0]
    shutil.rmtree(mine.world.custodian_folder(lost))
    restore_custodian(tmp_path / "backup", 1, KEY, mine.folder, lost)
    assert list((tmp_path / "second" / f"{lost:016x}").iterdir()) == []
    open_again(mine, mine.folder)
    deposit(mine)
    assert alike(mine, tmp_path / "second")
    restore(tmp_path / "backup", 1, KEY, tmp_path / "again", tmp_path / "second")


def alike(told: Story, second: Path) -> int:
    """How many shred keys there are, the same in both places."""
    keys = {path.relative_to(told.folder / "custodians"): path.read_bytes()
            for path in told.folder.glob("custodians/*/shred/*")}  # fmt: skip
    there = {Path(path.parent.name, "shred", path.name): path.read_bytes() for path in second.glob("*/*")}
    assert keys == there
    return len(keys)
