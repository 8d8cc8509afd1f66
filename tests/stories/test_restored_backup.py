"""An erased record stays erased whatever is restored; its author's chart keeps it, and nobody else's store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import story
from attacker import Attacker
from careledger.domain.errors import AccessRefused, BlockNotFound, CareLedgerError, RecordNotFound
from careledger.workflows.accesses import by_holder
from careledger.workflows.chart import read_back
from careledger.workflows.deposit import SHARED
from careledger.workflows.epochs import own_statement
from careledger.workflows.erase import all_versions, conclude, erase
from careledger.workflows.repair import repair
from careledger.workflows.retrieve import Record, retrieve
from story import DIAGNOSIS, ILLNESS, Story, said


@pytest.fixture
def mine(told: Story, tmp_path: Path) -> Iterator[Story]:
    """A copy of the story to change."""
    made = story.copied(told, tmp_path / "data")
    yield made
    made.world.close()


def the_note(told: Story, words: str = ILLNESS) -> Record:
    [found] = [
        record
        for record in told.read_own(told.adam, [DIAGNOSIS]).records
        if record.manifest.source == "signed" and said(record.body.canonical) == words
    ]
    return found


def erased(told: Story, record: Record) -> None:
    read = told.read_own(told.adam, [DIAGNOSIS])
    versions = all_versions(read.records, record.manifest.record_id)
    erase(told.world.network, told.holder(told.adam), versions, "wish")


def reading(told: Story, handle: bytes) -> list[Record]:
    """What the patient's own agent gets, who may read everything that there is."""
    holder = told.holder(told.adam)
    statement, _ = own_statement(holder)
    access = by_holder(told.world.network, holder, statement, [DIAGNOSIS])
    return list(retrieve(told.world.network, access, statement, handles=[handle]).records)


def backed_up(told: Story, target: Path, with_shred_keys: bool) -> Path:
    """A copy of every custodian's directory, as a backup takes it: without the shred keys."""
    left_out = None if with_shred_keys else shutil.ignore_patterns("shred")
    shutil.copytree(told.folder / "custodians", target, ignore=left_out)
    return target


def restore(told: Story, backup: Path, names: tuple[str, ...]) -> None:
    """These files of every custodian come back from the backup."""
    for folder in (told.folder / "custodians").iterdir():
        for name in names:
            for path in folder.glob(f"{name}*"):
                path.unlink()
            for path in (backup / folder.name).glob(f"{name}*"):
                shutil.copy(path, folder)


def remove_files(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def test_a_record_is_erased_when_its_holders_have_attested_it(mine: Story) -> None:
    record = the_note(mine)
    custodians, network = own_statement(mine.holder(mine.adam))[0].custodians, mine.world.network
    before = conclude(network.ledger.fresh_head(), record.found.leaf, custodians, 2)
    assert not before.erased
    assert reading(mine, record.handle)
    erased(mine, record)
    after = conclude(network.ledger.fresh_head(), record.found.leaf, custodians, 2)
    assert after.erased
    with pytest.raises(AccessRefused, match="erased"):
        reading(mine, record.handle)
    others = {each.handle for each in mine.read_own(mine.adam).records}
    assert others == {*mine.before, *mine.after} - {record.handle}


@pytest.mark.parametrize("names", [("rows.db",), ("rows.db", "journal.db")], ids=["rows", "rows-and-journal"])
def test_erasure_survives_a_restored_backup_of_every_custodian(
    mine: Story, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """The journal knows what was erased; where it too is old, the ledger does, or the custodian serves nobody."""
    record = the_note(mine)
    backup = backed_up(mine, tmp_path / "backup", with_shred_keys=False)
    erased(mine, record)
    mine.reopen(lambda: restore(mine, backup, names))
    with pytest.raises(CareLedgerError):
        reading(mine, record.handle)
    held = [directory.rows.shares(mine.adam) for directory in mine.world.directories.values()]
    assert all(record.handle not in shares for shares in held)
    assert stolen_everything(mine, tmp_path / "after", mine.folder / "custodians", record) == set()


def stolen_everything(told: Story, scratch: Path, custodians: Path, record: Record) -> set[bytes]:
    """The record's body if a thief of all custodians and of the patient's own device opens it."""
    thief = Attacker(scratch)
    scratch.mkdir()
    thief.steal_public(told.folder)
    for path in custodians.iterdir():
        thief.steal_custodian(path)
    thief.steal_actor(told.folder / "patients" / told.adam.hex()[:16])
    thief.open_all()
    return thief.bodies.keys() & {record.found.row.body}


def test_a_backup_opens_an_erased_record_only_if_it_holds_the_shred_keys(mine: Story, tmp_path: Path) -> None:
    """Not even together with the shred keys that the custodians have now."""
    record = the_note(mine)
    honest = backed_up(mine, tmp_path / "honest", with_shred_keys=False)
    forbidden = backed_up(mine, tmp_path / "forbidden", with_shred_keys=True)
    erased(mine, record)
    for folder in honest.iterdir():
        shutil.copytree(mine.folder / "custodians" / folder.name / "shred", folder / "shred")
    assert stolen_everything(mine, tmp_path / "one", honest, record) == set()
    assert stolen_everything(mine, tmp_path / "two", forbidden, record) == {record.found.row.body}


def test_a_custodian_restored_without_its_shred_keys_is_repaired_by_the_others(
    mine: Story, tmp_path: Path
) -> None:
    handles = {record.handle for record in mine.read_own(mine.adam).records}
    statement, _ = own_statement(mine.holder(mine.adam))
    number = statement.custodians[0]
    shred = mine.world.custodian_folder(number) / "shred"
    mine.reopen(partial(remove_files, shred))
    rows = mine.world.directories[number].rows
    assert rows.shares(mine.adam) == {}
    assert {record.handle for record in mine.read_own(mine.adam).records} == handles
    repair(mine.world.network, mine.holder(mine.adam), statement, 1, (2, 3))
    assert rows.shares(mine.adam).keys() >= handles


def test_collected_blocks_are_gone_and_the_authors_copy_still_opens(mine: Story) -> None:
    record = the_note(mine)
    manifest, body = (
        mine.world.blocks.get(cid) for cid in (record.found.row.manifest, record.found.row.body)
    )
    erased(mine, record)
    mine.reopen()
    city, lakeside, blocks = mine.organisations["City"], mine.organisations["Lakeside"], mine.world.blocks
    blocks.collect()
    with pytest.raises(BlockNotFound):
        blocks.get(record.found.row.manifest)
    assert not on_disk(mine, manifest)
    assert record.found.row.body not in blocks.pinned(SHARED)
    assert said(read_back(mine.world.network, city, record.handle).body.canonical) == ILLNESS
    with pytest.raises(RecordNotFound):
        read_back(mine.world.network, lakeside, record.handle)
    blocks.unpin(f"chart-{city.number}", [record.found.row.body])
    blocks.collect()
    assert not on_disk(mine, body)


def on_disk(told: Story, block: bytes) -> bool:
    return any(block in path.read_bytes() for path in (told.folder / "blocks").glob("*.seg"))


def test_before_the_erasure_collecting_takes_nothing_away(mine: Story) -> None:
    record = the_note(mine)
    block = mine.world.blocks.get(record.found.row.body)
    mine.reopen()
    mine.world.blocks.collect()
    assert on_disk(mine, block)
    assert len(mine.read_own(mine.adam).records) == len([*mine.before, *mine.after])
