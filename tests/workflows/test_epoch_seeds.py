"""Earlier epochs' seeds: whoever stays through revocations goes back once, and no further than there is something."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.domain.categories import Category, Compartment
from careledger.sealing import epochs
from careledger.sealing.epochs import Epoch
from careledger.workflows.actors import Holder
from careledger.workflows.revoke import revoke
from world import DIAGNOSIS, World, condition, texts, version

REPORT = Compartment(Category.REPORT)
TIMES = 4


@pytest.fixture
def gone_back(monkeypatch: pytest.MonkeyPatch) -> list[Epoch]:
    """The epochs from which somebody went back to the one before."""
    made: list[Epoch] = []
    real = epochs.open_previous

    def opened(key: Any, epoch: Epoch, sealed: bytes) -> Any:
        made.append(epoch)
        return real(key, epoch, sealed)

    monkeypatch.setattr(epochs, "open_previous", opened)
    return made


def turned(world: World, mine: Holder) -> None:
    """Somebody is let in and revoked, several times."""
    for _ in range(TIMES):
        revoke(world.network, mine, world.grant(mine, world.outsider).owner)


def test_a_reader_who_stayed_goes_back_once_and_only_where_something_was_written(
    world: World, gone_back: list[Epoch]
) -> None:
    holder = world.patient(compartments=(DIAGNOSIS, REPORT))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    mine = world.claim(holder).holder
    world.grant(mine, world.doctor)
    turned(world, mine)
    gone_back.clear()
    assert texts(world.read_by_consent(world.doctor, mine.alias, (DIAGNOSIS, REPORT))) == ["asthma"]
    assert len(gone_back) == len(set(gone_back)) >= TIMES
    assert {each.compartment for each in gone_back} == {DIAGNOSIS.number}


def test_what_was_written_in_the_newest_epoch_leads_no_further_back(
    world: World, gone_back: list[Epoch]
) -> None:
    mine = world.claim(world.patient(compartments=(DIAGNOSIS,))).holder
    world.grant(mine, world.doctor)
    turned(world, mine)
    said = {"resourceType": "Condition", "code": {"text": "gout"}}
    world.put(world.own_writer(mine), mine.alias, version(said, DIAGNOSIS, source="patient-reported"))
    gone_back.clear()
    assert texts(world.read_by_consent(world.doctor, mine.alias)) == ["gout"]
    assert len(gone_back) == 1  # what the newest record says of the one before
