"""Runs parts of the benchmarks one after the other and writes their figures with the machine's description.

    python bench/results.py [PART …] [--out FILE]

Without parts: imports, reading, consents, opening, bodies, large, chain, over_http, bulk, events, hidden, oauth,
sign_in, and own_search and soak with fewer records and minutes than a whole run of theirs has; one that is named runs
as a whole. FILE is bench/results.json. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PARTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("imports", "reading", "consents", "opening", "bodies", "large", "chain", "over_http"), ()
    ),
    **dict.fromkeys(("bulk", "events", "hidden", "oauth", "sign_in"), ()),
    "own_search": ("--resources", "20000"),
    "soak": ("--minutes", "2", "--pace", "10"),
}
"""What each part is given where none is named."""


def machine() -> dict[str, object]:
    """What it ran on."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "day": time.strftime("%Y-%m-%d"),
    }


def main() -> None:
    """Each part in a process of its own; a part that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    chosen = parser.parse_args()
    figures = []
    for part, options in (dict.fromkeys(chosen.parts, ()) or PARTS).items():
        print(part, *options, flush=True)
        words = [sys.executable, str(HERE / f"{part}.py"), "--json", *options]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        figures += json.loads(done.stdout)
    chosen.out.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
