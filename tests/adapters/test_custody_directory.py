"""A custodian's directory: private, installed once, whole, and backed up without its shred keys."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from careledger.adapters.custody.directory import CustodyDirectory, install
from careledger.domain.errors import StoreCorrupt

ALIAS, SUBJECT, SHARE = b"\1" * 32, b"\2" * 32, b"\3" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(tmp_path / "custodian")
    return tmp_path / "custodian"


def test_everything_in_it_is_the_owners_alone(folder: Path) -> None:
    CustodyDirectory(folder).close()
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_it_is_installed_once_with_keys_of_its_own(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreCorrupt):
        install(folder)
    install(tmp_path / "other")
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
        opened.rows.put_shares(ALIAS, "2026-05", [(SUBJECT, SHARE)])
    assert opened.rows.shares(ALIAS) == {SUBJECT: SHARE}
    opened.close()
    again = CustodyDirectory(folder)
    assert again.rows.shares(ALIAS) == {SUBJECT: SHARE}
    again.close()
    assert SHARE not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_backup_has_the_rows_and_no_key(folder: Path, tmp_path: Path) -> None:
    opened = CustodyDirectory(folder)
    with opened.rows.transaction():
        opened.rows.put_shares(ALIAS, "2026-05", [(SUBJECT, SHARE)])
    opened.rows.backup(tmp_path / "backup")
    opened.close()
    install(tmp_path / "restored")
    shutil.copy(tmp_path / "backup", tmp_path / "restored" / "rows.db")
    restored = CustodyDirectory(tmp_path / "restored")
    assert restored.rows.shares(ALIAS) == {}
    assert restored.rows.settle_keys() == 1
    with restored.rows.transaction():
        restored.rows.put_shares(ALIAS, "2026-05", [(SUBJECT, SHARE)])
    assert restored.rows.shares(ALIAS) == {SUBJECT: SHARE}
    restored.close()


def test_a_transaction_that_fails_leaves_nothing(folder: Path) -> None:
    opened = CustodyDirectory(folder)

    def half() -> None:
        with opened.rows.transaction():
            opened.rows.put_shares(ALIAS, "2026-05", [(SUBJECT, SHARE)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert opened.rows.shares(ALIAS) == {}
    opened.rows.settle_keys()
    assert list((folder / "shred").iterdir()) == []
    opened.close()
