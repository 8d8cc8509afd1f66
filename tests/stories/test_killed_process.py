"""A process that deposits, grants and revokes is killed at random moments; nothing acknowledged is lost or undone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import checker
import story
from careledger.domain.errors import AccessRefused
from careledger.workflows.grant import STANDS, certificate_of, finish_grants, given_consents
from careledger.workflows.revoke import revoke
from story import Story

_TESTS = Path(__file__).parent.parent
KILLS = 10

WRITER = """
import sys
from pathlib import Path
import story
from careledger.domain.consents import Permission
from careledger.workflows.grant import finish_grants
from careledger.workflows.revoke import revoke

told = story.everybody(Path(sys.argv[1]))
holder, number = told.holder(told.adam), int(sys.argv[2])
finish_grants(told.world.network, holder)
append = told.grant(told.adam, told.staff["Dr City"], (story.DIAGNOSIS,), Permission.APPEND)
print("ready", flush=True)
while True:
    number += 1
    made = told.note(told.adam, f"note {number}", append)
    [handle] = made.handles.values()
    print("stored", handle.hex(), number, flush=True)
    if number % 3 == 0:
        shown = told.grant(told.adam, told.staff["Dr Lake"], (story.DIAGNOSIS,), Permission.VIEW)
        revoke(told.world.network, told.holder(told.adam), shown.owner)
        print("revoked", shown.owner.hex(), shown.commitment.hex(), flush=True)
"""


@dataclass
class Acknowledged:
    """What killed processes had said before they died."""

    runs: int = 0
    ready: int = 0
    stored: dict[bytes, str] = field(default_factory=dict)
    revoked: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def enough(self) -> bool:
        """Whether so much was acknowledged that losing it would show."""
        return len(self.stored) >= KILLS and len(self.revoked) >= 2

    def take(self, line: str) -> None:
        match line.split():
            case ["ready"]:
                self.ready += 1
            case ["stored", handle, number]:
                self.stored[bytes.fromhex(handle)] = f"note {number}"
            case ["revoked", owner, commitment]:
                self.revoked.append((bytes.fromhex(owner), bytes.fromhex(commitment)))


def run_and_kill(folder: Path, first: int, wait: float, once_ready: bool, said: Acknowledged) -> None:
    paths = [str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(first)],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert writer.stdout is not None
    told = writer.stdout.readline() if once_ready else ""
    time.sleep(wait)
    writer.send_signal(signal.SIGKILL)
    told += writer.communicate()[0]
    assert writer.returncode == -signal.SIGKILL
    for line in told[: told.rfind("\n") + 1].splitlines():  # a cut last line was not acknowledged
        said.take(line)
    said.runs += 1


@pytest.fixture
def killed(told: Story, tmp_path: Path) -> tuple[Path, Acknowledged]:
    """A copy of the story's directory, after many a killed process."""
    folder, chance, said = tmp_path / "data", random.Random(20), Acknowledged()
    story.copied(told, folder).world.close()
    while said.runs < KILLS or (said.runs < 6 * KILLS and not said.enough):
        once_ready = said.runs % 6 != 5
        wait = chance.uniform(0, 0.4) if once_ready else chance.uniform(0.3, 1.0)
        slowly = 1 + said.runs // KILLS  # a busy machine needs longer for the same
        run_and_kill(folder, 1000 * (said.runs + 1), wait * slowly, once_ready, said)
    return folder, said


@pytest.mark.slow
def test_a_process_killed_at_any_moment_loses_nothing_that_it_acknowledged(
    killed: tuple[Path, Acknowledged],
) -> None:
    folder, said = killed
    assert said.runs >= KILLS
    assert said.ready >= KILLS - 2
    assert said.enough
    again = story.everybody(folder)
    try:
        finish_grants(again.world.network, again.holder(again.adam))
        others = checker.assert_acknowledged_is_there(again, again.adam, said.stored)
        assert others <= said.runs + 2  # at most one in flight for each process, and the story's own two
        assert checker.assert_revoked(again, said.revoked) == len(said.revoked)
        checker.assert_nothing_is_missing_in_the_log(again, again.adam)
        checker.assert_logs_hold_together(again)
    finally:
        again.world.close()
    parts = checker.assert_files_hold_together(folder)
    assert parts == {"chain": 1, "blocks": 1, "facts": 1, "custodian": len(story.CUSTODIANS)}


def test_the_checker_sees_what_is_missing_or_wrong(told: Story, tmp_path: Path) -> None:
    mine = story.copied(told, tmp_path / "data")
    try:
        stored = dict.fromkeys(mine.before[-1:], story.ILLNESS)
        checker.assert_acknowledged_is_there(mine, mine.adam, stored)
        with pytest.raises(AssertionError):
            checker.assert_acknowledged_is_there(mine, mine.adam, {bytes(32): "note 1"})
        with pytest.raises(AssertionError):
            checker.assert_acknowledged_is_there(mine, mine.adam, dict.fromkeys(stored, "note 1"))
        assert mine.revoked is not None
        assert mine.staying is not None
        checker.assert_revoked(mine, [(mine.revoked.owner, mine.revoked.commitment)])
        with pytest.raises(AssertionError):
            checker.assert_revoked(mine, [(mine.staying.owner, mine.staying.commitment)])
        checker.assert_logs_hold_together(mine)
    finally:
        mine.world.close()
    checker.assert_files_hold_together(mine.folder)
    segment = next((mine.folder / "blocks").glob("*.seg"))
    spoiled = bytearray(segment.read_bytes())
    spoiled[len(spoiled) // 2] ^= 1
    segment.write_bytes(spoiled)
    with pytest.raises(AssertionError):
        checker.assert_files_hold_together(mine.folder)


def test_after_a_killed_revocation_was_repeated_its_reader_reads_nothing_and_the_other_still_does(
    told: Story, tmp_path: Path
) -> None:
    said, folder = Acknowledged(), tmp_path / "data"
    story.copied(told, folder).world.close()
    while not said.revoked:
        run_and_kill(folder, 2 + 3000 * said.runs, 0.4, True, said)
    again = story.everybody(folder)
    try:
        holder, reader = again.holder(again.adam), again.staff["Dr Lake"]
        finish_grants(again.world.network, holder)
        for given in given_consents(holder):
            certificate = certificate_of(given)
            if given.state == STANDS and certificate.grantee.number == reader.number:
                revoke(again.world.network, holder, certificate.owner)
        with pytest.raises(AccessRefused, match="consent-revoked"):
            again.read_by_consent(reader)
        assert again.read_by_consent(again.staff["Dr Stay"]).records
    finally:
        again.world.close()
