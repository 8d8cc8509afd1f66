"""A custodian that answers from one log and shows another is found: by the patient's audit or by other custodians."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from careledger.adapters.custody.directory import CustodyDirectory
from careledger.domain.errors import LogForked
from careledger.workflows.actors import Holder
from careledger.workflows.audit import audit
from careledger.workflows.cosigning import checkpoint_all, cosign_all
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.epochs import own_statement
from world import DIAGNOSIS, World, condition, texts


@contextmanager
def double(world: World, number: int, folder: Path) -> Iterator[None]:
    """Meanwhile the custodian answers from a copy of its directory, whose log nobody else will see."""
    honest = world.links[number]
    shutil.copytree(world.folder / f"custodian-{number}", folder)
    copy = CustodyDirectory(folder)
    keys = world.custody_keys(number)
    world.links[number] = Custodian(number, copy.rows, copy.journal, keys, world.ledger, world.clock)
    yield
    world.links[number] = honest
    copy.close()


@pytest.fixture
def mine(world: World) -> Holder:
    """A claimed patient with a record that the outsider may read."""
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    claimed = world.claim(holder).holder
    world.grant(claimed, world.outsider)
    return claimed


def listed(holder: Holder) -> tuple[int, ...]:
    return own_statement(holder)[0].custodians


def readings(world: World, holder: Holder) -> int:
    """How many releases to the outsider the patient's audit shows."""
    found = audit(world.network, holder)
    return sum(access.reader == world.outsider.number for access in found.accesses)


def test_a_release_that_one_custodian_kept_out_of_its_log_is_seen_and_found_missing_there(
    world: World, mine: Holder, tmp_path: Path
) -> None:
    assert audit(world.network, mine).problems == ()
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    assert audit(world.network, mine).problems == ()
    assert readings(world, mine) == 1
    liar = listed(mine)[0]
    with double(world, liar, tmp_path / "double"):
        assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    assert readings(world, mine) == 2
    assert {number for number, _ in audit(world.network, mine).problems} == {liar}


def test_a_log_that_was_cosigned_and_goes_on_differently_is_found_by_its_cosigners(
    world: World, mine: Holder, tmp_path: Path
) -> None:
    liar = listed(mine)[0]
    assert checkpoint_all(world.network) == {}
    assert cosign_all(world.network) == {}
    with double(world, liar, tmp_path / "double"):
        world.read_by_consent(world.outsider, mine.alias)
        assert checkpoint_all(world.network) == {}
        assert cosign_all(world.network) == {}
    for _ in range(2):
        world.read_by_consent(world.outsider, mine.alias)
    checkpoint_all(world.network)
    failed = cosign_all(world.network)
    others = set(world.links) - {liar}
    assert {pair: type(error) for pair, error in failed.items()} == {
        (liar, each): LogForked for each in others
    }
    assert all(evidence_of(world, each) == ["fork"] for each in others)


def evidence_of(world: World, number: int) -> list[str]:
    return [kind for kind, _ in world.links[number].evidence()]


def test_custodians_that_keep_one_log_are_cosigned_again_and_again(world: World, mine: Holder) -> None:
    for _ in range(3):
        world.read_by_consent(world.outsider, mine.alias)
        assert checkpoint_all(world.network) == {}
        assert cosign_all(world.network) == {}
    assert audit(world.network, mine).complete
