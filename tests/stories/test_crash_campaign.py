"""The campaign of `make crash` reaches what it says, and sees what an acknowledged act left undone."""

from __future__ import annotations

import fcntl
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from careledger.adapters.blocks.hostile import HostileBlocks
from careledger.formats.cids import raw_cid
from crash import places, syscalls
from crash.__main__ import perform
from crash.acts import ACTS
from crash.failpoints import FAILING, How, Points
from crash.kinds import HOSTILE, Campaign, Run
from crash.runs import DONE, KILLED, REFUSED, Ended, forked, read_back


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    folder = tmp_path_factory.mktemp("campaign")
    return Campaign(folder, 1, random.Random(0))


@pytest.mark.slow
def test_there_are_hundreds_of_named_failpoints_each_in_five_ways(campaign: Campaign) -> None:
    runs = list(campaign.failpoints())
    points = {f"{run.act}: {run.name.split(' ')[0]}" for run in runs}
    assert len(runs) == len(points) * len(FAILING)
    assert {point.split(":")[0] for point in points} == set(ACTS)
    assert len(points) > 500


@pytest.mark.slow
@pytest.mark.parametrize(
    "act", ["deposit", "import", "undo-import", "grant", "revoke", "erase", "repair", "break-glass"]
)
def test_what_is_said_to_be_done_and_is_not_there_is_a_fault(
    campaign: Campaign, tmp_path: Path, act: str
) -> None:
    shutil.copytree(campaign.base(), tmp_path / "run")
    with pytest.raises((AssertionError, ValueError)):
        read_back(tmp_path / "run", act, Ended(DONE))
    read_back(tmp_path / "run", act, Ended(KILLED))


@pytest.mark.slow
def test_every_kind_that_this_machine_can_do_is_in_the_campaign(campaign: Campaign) -> None:
    there = {run.kind for run in campaign.runs()}
    mounted = set() if places.available() else {"full disk", "read-only disk"}
    traced = set() if syscalls.available() else {"system call"}
    assert there == mounted | traced | {
        "failpoint",
        "kill -9",
        "stepping clock",
        "two processes",
        "hostile custodian",
        "hostile store",
    }


@pytest.mark.slow
@pytest.mark.skipif(bool(places.available()), reason="only root mounts disks")
def test_on_a_read_only_disk_a_process_is_refused_by_name(campaign: Campaign) -> None:
    ended = campaign._on_disk("deposit", None)
    assert (ended.how, "DirectoryNotWritable" in ended.why) == (REFUSED, True)


@pytest.mark.slow
def test_a_store_that_loses_what_it_acknowledged_is_a_fault(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(self: HostileBlocks, blocks: Sequence[bytes]) -> list[bytes]:
        return [raw_cid(block) for block in blocks]

    monkeypatch.setattr(HostileBlocks, "put_many", lose)
    monkeypatch.setattr(HostileBlocks, "pin", lambda *_: None)
    ended = campaign._with_store("deposit", "delays")
    assert ended.how == DONE
    with pytest.raises(AssertionError):
        read_back(campaign.target, "deposit", ended)


@pytest.mark.slow
def test_a_second_process_that_gets_in_is_a_fault(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = "ledger.anchor#0"
    assert campaign._two("deposit", point).hit
    read_back(campaign.target, "deposit", Ended(DONE))
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with pytest.raises(AssertionError):
        campaign._two("deposit", point)


@pytest.mark.slow
def test_a_process_that_goes_on_after_a_lie_of_a_custodian_is_read_back(campaign: Campaign) -> None:
    for name in HOSTILE:
        ended = campaign._with_hostile("deposit", name)
        assert ended.how == DONE
        read_back(campaign.target, "deposit", ended)


def test_a_run_that_only_says_that_it_was_done_is_counted_as_a_fault(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lie() -> Ended:
        campaign.fresh()
        return Ended(DONE)

    monkeypatch.setattr(Campaign, "runs", lambda _: iter([Run("lie", "says so", "deposit", lie)]))
    assert perform(campaign) == 1
    assert "FAULT lie: deposit, says so" in capsys.readouterr().out


@pytest.mark.slow
def test_a_process_that_dies_at_its_commit_point_is_repeated(campaign: Campaign) -> None:
    for how in (How.KILL_BEFORE, How.KILL_AFTER):
        folder = campaign.fresh()
        ended = forked(folder, "deposit", Points("ledger.anchor#0", how))
        assert ended.how == KILLED
        read_back(folder, "deposit", ended, thorough=True)
