"""What a custodian puts off it remembers over restarts and old backups, and carries out on the date."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.custody.directory import CustodyDirectory
from careledger.adapters.memory.failing import Crash, Failing, Plan
from careledger.domain.categories import Category
from careledger.domain.errors import AccessRefused, LedgerStale, SignatureRefused
from careledger.formats.patients import Order
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, sign
from careledger.workflows.custodian.custodian import Custodian
from custodian_world import DAY, OFFICERS, Deposited, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    retain(made, {Category.DIAGNOSIS: 30})
    return made


def retain(world: World, days: dict[Category, int]) -> None:
    version = world.ledger.fresh_head().retention(2**40).version + 1
    world.ledger.enact_retention(version, days, [(each, world.officer_keys[each]) for each in OFFICERS])


def order(world: World, made: Deposited, act: str = "erase", place: int = 1) -> None:
    world.receipt(place, "order", world.order(world.patient, act, made.handles))


def state(world: World, made: Deposited, number: int = 1) -> str:
    kept = world.directories[number].rows.version(world.patient.alias, made.handles[0])
    assert kept is not None
    return kept.state


def shares(world: World, number: int = 1) -> dict[bytes, bytes]:
    return world.directories[number].rows.shares(world.patient.alias)


def tend(world: World) -> None:
    world.custodians[0].call("tend", b"")


def attested(world: World, made: Deposited) -> frozenset[int]:
    return world.ledger.fresh_head().erased_by(made.leaves[0])


def test_a_stranger_puts_nothing_off_and_withdraws_nothing(world: World) -> None:
    made = world.deposited(world.patient)
    order(world, made)
    for act in ("erase", "unrestrict"):
        said = Order.decode(Signed.decode(world.order(world.patient, act, made.handles)).body)
        forged = sign(said, SigningKey.random(), world.ledger.deployment)
        with pytest.raises(SignatureRefused):
            world.custodians[0].call("order", forged.encode())
    assert state(world, made) == "restricted"
    world.clock.advance(30 * DAY)
    tend(world)
    assert state(world, made) == "erased"


def test_until_the_date_shares_stay_and_nobody_but_the_patient_is_given_them(world: World) -> None:
    made = world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient, seconds=60 * DAY)
    order(world, made)
    assert world.ask(world.patient, world.session(), certificate).rows == ()
    with pytest.raises(AccessRefused, match="restricted-by-patient"):
        world.ask(world.patient, world.session(), certificate, handles=made.handles)
    assert world.ask(world.patient, None, rule="own", purpose="PATRQT").rows
    world.clock.advance(30 * DAY - 10)
    tend(world)
    assert made.handles[0] in shares(world)
    world.clock.advance(10)
    tend(world)
    assert shares(world) == {}
    assert attested(world, made) == {1}


def test_what_was_never_anchored_or_whose_date_has_come_is_erased_at_once(world: World) -> None:
    unanchored = world.deposit(world.patient)
    world.keep(unanchored)
    order(world, unanchored)
    assert state(world, unanchored) == "erased"
    made = world.deposited(world.patient)
    world.clock.advance(30 * DAY)
    order(world, made)
    assert state(world, made) == "erased"
    assert attested(world, made) == {1}


def test_a_repeated_order_and_a_second_one_change_nothing_until_the_date(world: World) -> None:
    made = world.deposited(world.patient)
    body = world.order(world.patient, "erase", made.handles)
    for message in (body, body, world.order(world.patient, "erase", made.handles)):
        world.receipt(1, "order", message)
    assert state(world, made) == "restricted"
    assert len(world.directories[1].journal.waiting_erasures()) == 1
    world.clock.advance(30 * DAY)
    tend(world)
    tend(world)
    assert world.directories[1].journal.waiting_erasures() == []
    assert attested(world, made) == {1}


def test_a_restart_forgets_nothing(world: World) -> None:
    made = world.deposited(world.patient)
    order(world, made)
    world.restart(1)
    assert state(world, made) == "restricted"
    world.clock.advance(30 * DAY)
    world.restart(1)
    assert state(world, made) == "restricted"
    tend(world)
    assert state(world, made) == "erased"


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("carried_out", [False, True])
def test_rows_from_an_old_backup_are_brought_up_to_what_was_ordered_and_erased(
    world: World, tmp_path: Path, ordered: bool, carried_out: bool
) -> None:
    made = world.deposited(world.patient)
    if ordered:
        order(world, made)
    world.directories[1].rows.backup(tmp_path / "rows.backup")
    if not ordered:
        order(world, made)
    if carried_out:
        world.clock.advance(30 * DAY)
        tend(world)
    world.directories[1].close()
    for name in ("rows.db-wal", "rows.db-shm"):
        (world.folder / "custodian-1" / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "rows.backup", world.folder / "custodian-1" / "rows.db")
    world.directories[1] = CustodyDirectory(world.folder / "custodian-1")
    world.custodians[0] = world.start(1)
    assert state(world, made) == ("erased" if carried_out else "restricted")
    assert (made.handles[0] in shares(world)) is not carried_out
    world.clock.advance(30 * DAY)
    tend(world)
    assert state(world, made) == "erased"
    assert shares(world) == {}


def test_a_withdrawn_erasure_stays_withdrawn_over_an_old_backup(world: World, tmp_path: Path) -> None:
    made = world.deposited(world.patient)
    world.directories[1].rows.backup(tmp_path / "rows.backup")
    order(world, made)
    order(world, made, "unrestrict")
    world.directories[1].close()
    for name in ("rows.db-wal", "rows.db-shm"):
        (world.folder / "custodian-1" / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "rows.backup", world.folder / "custodian-1" / "rows.db")
    world.directories[1] = CustodyDirectory(world.folder / "custodian-1")
    world.custodians[0] = world.start(1)
    world.clock.advance(30 * DAY)
    tend(world)
    assert state(world, made) == "kept"


@pytest.mark.parametrize("step", ["destroy", "set_state", "owe_attestations", "set_applied"])
def test_a_crash_between_the_steps_of_a_due_erasure_ends_in_the_same_state(world: World, step: str) -> None:
    made = world.deposited(world.patient)
    order(world, made)
    world.clock.advance(30 * DAY)
    directory = world.directories[1]
    target = directory.rows._keys if step == "destroy" else directory.rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, step, _dies)
        with pytest.raises(ZeroDivisionError):
            tend(world)
    world.restart(1)
    tend(world)
    assert state(world, made) == "erased"
    assert shares(world) == {}
    assert attested(world, made) == {1}


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_the_attestation_is_put_right_by_the_next_tending(world: World, after: bool) -> None:
    made = world.deposited(world.patient)
    order(world, made)
    world.clock.advance(30 * DAY)
    directory = world.directories[1]
    crashing: Any = Failing(world.ledger, Plan(0, after))
    dying = Custodian(1, directory.rows, directory.journal, world.keys(1), crashing, world.clock)
    with pytest.raises(Crash):
        dying.call("tend", b"")
    world.restart(1)
    tend(world)
    assert attested(world, made) == {1}
    assert shares(world) == {}


def test_without_a_fresh_head_nothing_is_erased_and_nothing_is_forgotten(world: World) -> None:
    made = world.deposited(world.patient)
    order(world, made)
    world.clock.advance(30 * DAY)
    world.ledger.stale = True
    with pytest.raises(LedgerStale):
        tend(world)
    assert state(world, made) == "restricted"
    world.ledger.stale = False
    tend(world)
    assert state(world, made) == "erased"


def _dies(*arguments: object, **named: object) -> None:
    raise ZeroDivisionError
