"""The whole demo, from an empty directory to a checked one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from careledger.app.clocks import StoryClock
from careledger.app.world import found
from careledger.cli.demo import ending, founding, importing, reading, sharing
from careledger.cli.demo.stage import Stage
from careledger.cli.screen import Screen

OFFICERS = ("Officer Begum", "Officer Das", "Officer Khan")
DAY = 24 * 3600
BEHIND = 45 * DAY
CHAPTERS: tuple[Callable[[Stage], None], ...] = (
    founding.open_the_network,
    founding.vote_the_matrix,
    sharing.register_and_claim,
    sharing.deposit_at_three,
    reading.ask_and_grant,
    reading.read_and_refuse,
    reading.disclose_one,
    reading.break_the_glass,
    reading.revoke,
    ending.lose_a_custodian,
    ending.erase_one,
    ending.audit_everything,
)


def demo(folder: Path, screen: Screen, processes: bool = False, patients: int = 19) -> bool:
    """Performs the story in that empty directory; True if everything that it claimed was seen to hold.

    ``processes`` runs each custodian as a process of its own; ``patients`` is how many of the sample are imported
    beside the story's own.
    """
    begun = time.perf_counter()
    clock = StoryClock(BEHIND)
    world = found(folder, OFFICERS, clock, processes=processes)
    stage = Stage(world, screen, clock)
    screen.says(
        f"[bold red]INSECURE:[/bold red] the story has no passphrase. Every key in it lies unencrypted in {folder}; "
        "a network with real data begins with [bold]careledger init[/bold]."
    )
    try:
        for chapter in CHAPTERS[:2]:
            chapter(stage)
        if patients:
            importing.import_sample(stage, patients)
        for chapter in CHAPTERS[2:]:
            clock.pass_time(DAY)
            chapter(stage)
        clock.catch_up()
        ending.check_everything(stage)
    finally:
        world.close()
    failed = [claim for claim in stage.claims if not claim.holds]
    screen.says("")
    screen.says(
        f"[bold]{len(stage.claims) - len(failed)} of {len(stage.claims)} claims held[/bold] "
        f"in {time.perf_counter() - begun:.0f} s. The data lie in {folder}: try"
    )
    for command in ("show", 'show "Velvet Botsford"', 'audit "Velvet Botsford"', "verify", "chain head"):
        screen.says(f"  careledger {command} --data {folder}")
    screen.says(
        "(audit ends with code 1 here, as it should: the lost custodian's log cannot be proved any more.)"
    )
    return not failed
