"""A data directory is founded once, in an empty place, and is the same network when it is opened again."""

from __future__ import annotations

import gc
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from careledger.app.checking import check
from careledger.app.clocks import StoryClock, SystemClock
from careledger.app.doctor import Treatment, examine
from careledger.app.removal import remove
from careledger.app.settings import FILE
from careledger.app.vault import InsecurePlainGuard
from careledger.app.world import (
    custodian_keys,
    custodian_numbers,
    found,
    install_custodian,
    log_key_digest,
    officer_posts,
    open_world,
)
from careledger.domain.errors import (
    CareLedgerError,
    DirectoryInUse,
    DirectoryNotWritable,
    SettingsRefused,
    StoreCorrupt,
)
from careledger.domain.parties import Role, Status
from careledger.workflows import register
from crash import places

LICENCE = b"\1" * 32


def with_custodian(folder: Path) -> int:
    """A founded directory with one custodian that serves; closed again."""
    world = found(folder, ["Officer A", "Officer B"], SystemClock())
    seeds = install_custodian(folder, 7, InsecurePlainGuard())
    made = world.keyring.new_organisation("City", Role.HOSPITAL, 7, seeds.sealing)
    first = officer_posts(world)[0]
    officer = register.Officer(first.number, first.key)
    register.organisation(world.network, made, [Role.HOSPITAL], LICENCE)
    register.verify(world.network, officer, 7, LICENCE, made.sealing.digest)
    keys = custodian_keys(world.ledger.deployment, 7, seeds)
    register.custodian(world.network, made, log_key_digest(keys), keys.signing, officer)
    world.close()
    return 7


def test_a_directory_that_holds_anything_is_not_founded_in(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(SettingsRefused, match="not empty"):
        found(tmp_path, ["Officer A"], SystemClock())
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    (tmp_path / "empty").mkdir(mode=0o755)
    found(tmp_path / "empty", ["Officer A", "Officer B"], SystemClock()).close()
    assert stat.S_IMODE((tmp_path / "empty").stat().st_mode) == 0o700
    with pytest.raises(SettingsRefused, match="not empty"):
        found(tmp_path / "empty", ["Officer A"], SystemClock())


def test_an_opened_directory_is_the_network_that_was_founded(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    number = with_custodian(folder)
    assert custodian_numbers(folder) == [number]
    with open_closed(folder) as world:
        facts = world.ledger.fresh_head().party(number)
        assert facts is not None
        assert facts.status is Status.VERIFIED
        assert facts.sealing_key == world.keyring.organisation("City").sealing.digest
        assert list(world.network.custodians) == [number]
        assert world.network.custodians[number].call("keys", b"")
        assert [each.number for each in world.ledger.fresh_head().custodians()] == [number]
        assert len(officer_posts(world)) == 2
        with pytest.raises(DirectoryInUse):
            open_world(folder)


@contextmanager
def taking_nothing(disk: Path) -> Iterator[None]:
    """The disk as one that is mounted read-only; for others than root, its folders as another user's."""
    if os.geteuid() == 0:
        places.remount(disk, "ro")
        yield
        places.remount(disk, "rw")
        return
    folders = [disk, *(path for path in disk.rglob("*") if path.is_dir())]
    locks = list(disk.rglob("lock"))
    for path in (*folders, *locks):
        path.chmod(0o500)
    yield
    for path in (*folders, *locks):
        path.chmod(0o700)


def test_a_disk_that_takes_nothing_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    with ExitStack() as opened:
        disk = tmp_path / "disk"
        if os.geteuid() == 0:
            if places.available():
                pytest.skip(places.available())
            opened.enter_context(places.mounted(disk, 60_000))
        folder = disk / "data"
        with_custodian(folder)
        with taking_nothing(disk):
            acts: list[Callable[[], object]] = [
                lambda: open_world(folder), lambda: list(check(folder)), lambda: list(examine(folder, Treatment())),
                lambda: remove(folder),
            ]  # fmt: skip
            for act in acts:
                with pytest.raises(DirectoryNotWritable):
                    act()
        assert all(finding.holds for finding in check(folder))


def test_custodians_that_share_a_process_are_asked_one_after_the_other(tmp_path: Path) -> None:
    world = found(tmp_path / "one", ["Officer A"], SystemClock(), threshold=1)
    asking = world.network.of_each(lambda _: threading.get_ident(), range(5))
    world.close()
    assert asking == [threading.get_ident()] * 5


def test_custodians_in_processes_of_their_own_are_asked_at_the_same_time(tmp_path: Path) -> None:
    world = found(tmp_path / "several", ["Officer A"], SystemClock(), threshold=1, processes=True)
    every_one_begun = threading.Barrier(5)
    places = world.network.of_each(lambda _: every_one_begun.wait(timeout=20), range(5))
    world.close()
    assert sorted(places) == [0, 1, 2, 3, 4]


class open_closed:
    """Opens a directory and closes it again."""

    def __init__(self, folder: Path) -> None:
        self._world = open_world(folder)

    def __enter__(self):  # type: ignore[no-untyped-def]
        return self._world

    def __exit__(self, *raised: object) -> None:
        self._world.close()


def changed(folder: Path, **fields: object) -> None:
    said = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps(said | fields))


def test_settings_of_another_ledger_do_not_open_this_one(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    found(folder, ["Officer A"], SystemClock(), threshold=1).close()
    said = json.loads((folder / FILE).read_text())
    for wrong in ({"directory": "ab" * 20}, {"chain_id": 5}):
        changed(folder, **wrong)
        with pytest.raises(CareLedgerError):
            open_world(folder)
        changed(folder, **said)
    open_world(folder).close()


def test_the_collector_leaves_alone_what_was_loaded_until_the_directory_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with_custodian(folder)
    with open_closed(folder) as world:
        assert gc.get_freeze_count() > 10_000
        assert not any(each is world for each in gc.get_objects())
    assert gc.get_freeze_count() == 0


def test_a_failed_opening_leaves_the_directory_free(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    number = with_custodian(folder)
    parts = folder / "custodians" / f"{number:016x}" / "keys"
    for path in (next(path for path in sorted(parts.iterdir()) if path.is_file()), folder / "board.db"):
        whole = path.read_bytes()
        path.write_bytes(b"damaged")
        with pytest.raises(CareLedgerError):
            open_world(folder)
        path.write_bytes(whole)
        open_world(folder).close()


def test_a_custodians_keys_are_made_once(tmp_path: Path) -> None:
    seeds = install_custodian(tmp_path, 7, InsecurePlainGuard())
    with pytest.raises(StoreCorrupt):
        install_custodian(tmp_path, 7, InsecurePlainGuard())
    other = install_custodian(tmp_path, 8, InsecurePlainGuard())
    assert seeds.sealing != other.sealing
    assert custodian_numbers(tmp_path) == [7, 8]
    assert custodian_numbers(tmp_path / "nowhere") == []


def test_a_storys_clock_is_behind_and_never_ahead_of_the_machines() -> None:
    machine, story = SystemClock(), StoryClock(3600)
    assert 3599 <= machine.now() - story.now() <= 3601
    story.pass_time(600)
    assert 2999 <= machine.now() - story.now() <= 3001
    story.pass_time(10**9)
    assert abs(machine.now() - story.now()) <= 1
    behind = StoryClock(60)
    behind.catch_up()
    assert abs(machine.now() - behind.now()) <= 1
