"""What docs/backup.md tells people to type is typed, on the real directory; wrong usage is refused exactly."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from careledger.app.passphrases import OF_A_BACKUP
from careledger.app.world import open_world
from stories.cli_world import PATIENT, careledger, explored, told

__all__ = ["explored"]
PAGE = Path(__file__).parents[2] / "docs" / "backup.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
KEYED = ("--key", "backup.key")


@pytest.fixture
def here(explored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to type in, with the page's data directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(explored, tmp_path / "my-network")
    return tmp_path


def test_every_command_of_the_page_ends_well(here: Path) -> None:
    assert len(COMMANDS) == 12
    before = told("show", PATIENT, "--data", "my-network")["records"]
    for line in COMMANDS:
        if "--custodian" in line:
            lose_custodian(here / "my-network", "City Hospital")
        done = careledger(*shlex.split(line)[1:])
        assert done.code == 0, (line, done.out, done.err)
    assert told("show", PATIENT, "--data", "restored")["records"] == before
    assert told("show", PATIENT, "--data", "my-network")["records"] == before


def lose_custodian(folder: Path, label: str) -> None:
    world = open_world(folder)
    try:
        place = world.custodian_folder(world.keyring.organisation(label).number)
    finally:
        world.close()
    shutil.rmtree(place)


def test_a_passphrase_opens_what_was_backed_up_under_it_and_no_other_does(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OF_A_BACKUP, "correct horse battery staple")
    made = told("backup", "create", "nightly", "--data", "my-network")
    found = told("backup", "verify", "nightly")
    assert {name: made[name] for name in ("copy", "digest", "bytes", "head_hash")} == {
        name: found[name] for name in ("copy", "digest", "bytes", "head_hash")
    }
    assert found["copies"] == [{"copy": 1, "complete": True}]
    restored = told("backup", "restore", "nightly", "again", "--without-shred-keys")
    assert (restored["digest"], restored["shred_keys"]) == (made["digest"], False)
    monkeypatch.setenv(OF_A_BACKUP, "another horse battery staple")
    for words in (("verify", "nightly"), ("create", "nightly", "--data", "my-network")):
        done = careledger("backup", *words)
        assert (done.code, "passphrase" in done.err) == (2, True)


def test_wrong_usage_is_refused_and_changes_nothing(here: Path) -> None:
    def refused(*words: str) -> Any:
        done = careledger("backup", *words)
        return done.code, done.err

    assert careledger("backup", "key", "backup.key").code == 0
    assert refused("key", "backup.key")[0] == 2  # a key is never overwritten
    assert refused("create", "nightly", "--to", "missing", "--data", "my-network")[0] == 2
    assert refused("verify", "nowhere", *KEYED)[0] == 3
    assert refused("create", "nightly", "--to", "backup.key.public", "--data", "nowhere")[0] == 3
    assert (
        careledger("backup", "create", "nightly", "--to", "backup.key.public", "--data", "my-network").code
        == 0
    )
    assert refused("restore", "nightly", "again", *KEYED)[0] == 2  # with, without, or one custodian
    assert refused("restore", "nightly", "my-network", *KEYED, "--without-shred-keys")[0] == 3
    assert refused("restore", "nightly", "again", *KEYED, "--shred-keys", "nowhere")[0] == 3
    assert refused("restore", "nightly", "my-network", *KEYED, "--custodian", "Nobody")[0] == 2
    assert refused("verify", "nightly", "--copy", "7", *KEYED)[0] == 1
    assert refused("verify", "nightly", "--key", "backup.key.public")[0] == 2
    assert refused("second-place")[0] == 2
    code, said = refused("verify", "nightly")
    assert (code, "key file" in said) == (3, True)
    assert (here / "backup.key").stat().st_mode & 0o777 == 0o600


def test_an_interrupted_copy_is_named(here: Path) -> None:
    careledger("backup", "key", "backup.key")
    for _ in range(2):
        told("backup", "create", "nightly", "--to", "backup.key.public", "--data", "my-network")
    (here / "nightly" / "copies" / "000002" / "manifest").unlink()
    done = careledger("backup", "verify", "nightly", *KEYED)
    assert (done.code, "copy 2" in done.err, "incomplete" in done.err) == (1, True, True)
    said = json.loads(careledger("backup", "verify", "nightly", *KEYED, "--copy", "1", "--json").out)
    assert said["copies"] == [{"copy": 1, "complete": True}, {"copy": 2, "complete": False}]


def test_a_backup_is_begun_with_a_public_key_of_its_own_alone(explored: Path, tmp_path: Path) -> None:
    key, other, backup = tmp_path / "backup.key", tmp_path / "other.key", tmp_path / "nightly"
    assert [careledger("backup", "key", each).code for each in (key, other)] == [0, 0]
    (tmp_path / "short").write_text("ab" * 40)
    for wrong, why in (
        (key, "give FILE.public"),
        (tmp_path / "short", "not the public half"),
        (tmp_path / "none", "No such file"),
    ):
        ended = careledger("backup", "create", backup, "--to", wrong, "--data", explored)
        assert (ended.code, why in " ".join(ended.err.split()), backup.exists()) == (2, True, False), ended
    create = ("backup", "create", backup, "--data", explored, "--to")
    assert careledger(*create, f"{key}.public").code == 0
    ended = careledger(*create, f"{other}.public")
    assert (ended.code, "is for another key" in " ".join(ended.err.split())) == (2, True)
