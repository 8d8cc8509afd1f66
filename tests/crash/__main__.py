"""The campaign: ``python -m crash`` in tests/ (``make crash``).

``--most`` runs of each kind; ``--long`` every place in every way; ``--sample`` so many of those, by chance, each kind
in its turn, so that the rare kinds are done whole.

Prints a table of the runs of each kind and how their processes ended, then every fault that was found; ends with 1 if
there is one.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from itertools import islice
from pathlib import Path

from crash import places, syscalls
from crash.kinds import Campaign, Run
from crash.runs import Ended, read_back

SHORT = 8
"""Runs of each kind in the short form."""
TOLD = 100
"""After so many runs a word of how far it is."""


def main() -> int:
    """Runs the campaign; 0 if every directory was sound after every run."""
    parser = argparse.ArgumentParser(prog="crash", description=__doc__)
    parser.add_argument("--long", action="store_true", help="every place in every way: hours")
    parser.add_argument("--most", type=int, default=SHORT, help="so many runs of each kind at most")
    parser.add_argument("--sample", type=int, default=0, help="so many runs of every place in every way")
    parser.add_argument("--minutes", type=float, default=0, help="begin no run after so many minutes")
    parser.add_argument("--seed", type=int, default=0, help="what chance decides; 0: by the clock")
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # ends with the table of what was done until then
    seed = given.seed or int(time.time())
    print(f"seed {seed}", flush=True)
    for what, why in (("system calls", syscalls.available()), ("disks", places.available())):
        if why:
            print(f"skipped: {what}, because {why}")
    with tempfile.TemporaryDirectory() as folder:
        every = given.long or given.sample
        campaign = Campaign(Path(folder), 0 if every else given.most, random.Random(seed))
        return perform(campaign, given.sample, given.minutes)


def perform(campaign: Campaign, most: int = 0, minutes: float = 0) -> int:
    """Does the runs, ``most`` of them within so many minutes (0: without a bound), and prints what came of them."""
    ends: Counter[tuple[str, str]] = Counter()
    names: set[str] = set()
    faults = 0
    until = time.monotonic() + 60 * minutes if minutes else float("inf")
    for place, run in enumerate(islice(campaign.runs(), most or None)):
        if time.monotonic() > until:
            break
        ended = Ended("")
        try:
            ended = run.do()
            read_back(campaign.target, run.act, ended, thorough=place % 4 == 0)
        except KeyboardInterrupt:
            break
        except Exception:  # whatever a check raises is a fault of the run
            faults += 1
            _show(run, ended)
        ends[run.kind, ended.how] += 1
        if ends.total() % TOLD == 0:
            print(f"{ends.total()} runs, {faults} faults", flush=True)
        names.add(f"{run.act}: {run.name}")
    for (kind, how), count in sorted(ends.items()):
        print(f"{kind:20} {how or 'fault':10} {count:6}")
    print(f"{'together':20} {'':10} {ends.total():6}  faults {faults}, at {len(names)} different places")
    return 1 if faults or not ends else 0


def _show(run: Run, ended: Ended) -> None:
    print(f"FAULT {run.kind}: {run.act}, {run.name}; it ended {ended.how} {ended.why}", flush=True)
    print(traceback.format_exc()[-1_500:], flush=True)


if __name__ == "__main__":
    sys.exit(main())
