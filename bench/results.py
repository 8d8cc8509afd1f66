"""Runs parts of the benchmarks one after the other and writes their figures with the machine's description.

    python bench/results.py [PART …] [--out FILE]

Without parts: imports, reading, consents, opening, bodies, chain, over_http. FILE is bench/results.json. Nothing
else should run meanwhile.
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
PARTS = ("imports", "reading", "consents", "opening", "bodies", "chain", "over_http")


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
    for part in chosen.parts or PARTS:
        print(part, flush=True)
        done = subprocess.run(
            [sys.executable, HERE / f"{part}.py", "--json"], check=True, stdout=subprocess.PIPE, text=True
        )
        figures += json.loads(done.stdout)
    chosen.out.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
