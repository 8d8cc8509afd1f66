"""The campaign of `make crash` reaches what it says, and sees what an acknowledged act left undone."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from crash.acts import ACTS
from crash.failpoints import FAILING, How, Points
from crash.kinds import Campaign
from crash.runs import DONE, KILLED, Ended, forked, read_back
from crash.site import found


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    folder = tmp_path_factory.mktemp("campaign")
    found(folder / "base")
    return Campaign(folder, 1, random.Random(0))


@pytest.mark.slow
def test_there_are_hundreds_of_named_failpoints_each_in_five_ways(campaign: Campaign) -> None:
    runs = list(campaign.failpoints())
    points = {f"{run.act}: {run.name.split(' ')[0]}" for run in runs}
    assert len(runs) == len(points) * len(FAILING)
    assert {point.split(":")[0] for point in points} == set(ACTS)
    assert len(points) > 500


@pytest.mark.slow
@pytest.mark.parametrize("act", ["deposit", "import", "grant", "revoke", "erase", "repair", "break-glass"])
def test_what_is_said_to_be_done_and_is_not_there_is_a_fault(
    campaign: Campaign, tmp_path: Path, act: str
) -> None:
    shutil.copytree(campaign.base, tmp_path / "run")
    with pytest.raises((AssertionError, ValueError)):
        read_back(tmp_path / "run", act, Ended(DONE))
    read_back(tmp_path / "run", act, Ended(KILLED))


@pytest.mark.slow
def test_a_process_that_dies_at_its_commit_point_is_repeated(campaign: Campaign) -> None:
    for how in (How.KILL_BEFORE, How.KILL_AFTER):
        folder = campaign.fresh()
        ended = forked(folder, "deposit", Points("ledger.anchor#0", how))
        assert ended.how == KILLED
        read_back(folder, "deposit", ended, thorough=True)
