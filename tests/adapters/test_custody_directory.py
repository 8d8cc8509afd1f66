"""A custodian's directory: private, installed once, whole, and backed up without its shred keys."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from careledger.adapters.custody.directory import CustodyDirectory, install
from careledger.adapters.custody.plain_keys import InsecurePlainKeys
from careledger.adapters.custody.rows import Rows
from careledger.domain.custody import KeptDeposit
from careledger.domain.errors import StoreCorrupt
from careledger.formats.cids import raw_cid
from careledger.formats.deposits import DepositItem, Items

ALIAS, SUBJECT, SHARE, DEPOSIT = b"\1" * 32, b"\2" * 32, b"\3" * 32, b"\4" * 32


def keep(rows: Rows) -> None:
    """A deposit of two versions of which one's share is held."""
    if rows.deposit(DEPOSIT) is None:
        kept = KeptDeposit(
            DEPOSIT, b"\5" * 16, ALIAS, 1, 0, 7, 8, "append", "signed", False, 1, "2026-05", b"proof", None
        )
        cid = raw_cid(b"block")
        items = [
            DepositItem(handle, cid, cid, cid, bytes(32), None, 0, False, "2026-05")
            for handle in (b"\6" * 32, SUBJECT)
        ]
        rows.put_deposit(kept, Items.of(items), b"")
    rows.put_shares(DEPOSIT, {SUBJECT: SHARE})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(tmp_path / "custodian", InsecurePlainKeys())
    return tmp_path / "custodian"


def test_everything_in_it_is_the_owners_alone(folder: Path) -> None:
    CustodyDirectory(folder).close()
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_it_is_installed_once_with_keys_of_its_own(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreCorrupt):
        install(folder, InsecurePlainKeys())
    install(tmp_path / "other", InsecurePlainKeys())
    seeds = {path.read_bytes() for each in (folder, tmp_path / "other") for path in (each / "keys").iterdir()}
    assert len(seeds) == 6


@pytest.mark.parametrize("name", ["rows.db", "journal.db", "keys/log"])
def test_a_missing_part_is_named_and_not_made_again(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(StoreCorrupt, match=name.rpartition("/")[2]):
        CustodyDirectory(folder)


def test_a_key_that_others_can_read_is_not_used(folder: Path) -> None:
    (folder / "keys" / "signing").chmod(0o644)
    with pytest.raises(StoreCorrupt, match="signing"):
        CustodyDirectory(folder)


def test_shares_are_read_back_and_lie_encrypted(folder: Path) -> None:
    opened = CustodyDirectory(folder)
    with opened.rows.transaction():
        keep(opened.rows)
    assert opened.rows.shares(ALIAS) == {SUBJECT: SHARE}
    opened.close()
    again = CustodyDirectory(folder)
    assert again.rows.shares(ALIAS) == {SUBJECT: SHARE}
    again.close()
    assert SHARE not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_versions_are_found_by_their_handles_with_their_marks_and_nobody_elses(folder: Path) -> None:
    opened = CustodyDirectory(folder)
    with opened.rows.transaction():
        keep(opened.rows)
        opened.rows.set_mark(ALIAS, [SUBJECT], "confirmed")
    found = opened.rows.named(ALIAS, [SUBJECT, b"\7" * 32])
    assert {handle: version.mark for handle, version in found.items()} == {SUBJECT: "confirmed"}
    assert opened.rows.version(ALIAS, SUBJECT) == found[SUBJECT]
    assert opened.rows.version(ALIAS, b"\7" * 32) is None
    assert opened.rows.named(bytes(32), [SUBJECT]) == {}
    assert opened.rows.named(ALIAS, []) == {}
    opened.close()


def test_a_backup_has_the_rows_and_no_key(folder: Path, tmp_path: Path) -> None:
    opened = CustodyDirectory(folder)
    with opened.rows.transaction():
        keep(opened.rows)
    opened.rows.backup(tmp_path / "backup")
    opened.close()
    install(tmp_path / "restored", InsecurePlainKeys())
    shutil.copy(tmp_path / "backup", tmp_path / "restored" / "rows.db")
    restored = CustodyDirectory(tmp_path / "restored")
    assert restored.rows.shares(ALIAS) == {}
    assert restored.rows.settle_keys() == 1
    with restored.rows.transaction():
        keep(restored.rows)
    assert restored.rows.shares(ALIAS) == {SUBJECT: SHARE}
    restored.close()


def test_a_transaction_that_fails_leaves_nothing(folder: Path) -> None:
    opened = CustodyDirectory(folder)

    def half() -> None:
        with opened.rows.transaction():
            keep(opened.rows)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert opened.rows.shares(ALIAS) == {}
    opened.rows.settle_keys()
    assert list((folder / "shred").iterdir()) == []
    opened.close()
