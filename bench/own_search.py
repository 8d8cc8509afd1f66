"""Search across an organisation's own writings over HTTP, the whole path on, and what making its index takes.

    python bench/own_search.py [--json] [--resources N]

The server is a process of its own; what it searches are the sample's resources, as many times as are needed, each time
as other records of another patient, sealed as a deposit seals them (``bulk.py``). Every match is opened, verified and
decided on by the evaluator. The rival of a search is the same answer from a bare Starlette application.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from _measured import Figure, run, spread
from bulk import prepared, processor
from over_http import Line, bare, serving

from careledger.app.own_index import FILE

COMMAND = "python bench/own_search.py"
SEARCHES = {
    "a code, the first 50": "Observation?code=http://loinc.org|8302-2",
    "a code, the first 10": "Observation?code=http://loinc.org|8302-2&_count=10",
    "a code and a number": "Observation?code=http://loinc.org|8302-2&value-quantity=gt190",
    "a code and a month": "Observation?code=http://loinc.org|8302-2&date=2015-03",
    "a status and a day": "Encounter?status=finished&date=2015-03-02",
    "what nothing answers": "Condition?code=http://snomed.info/sct|none",
    "one by its id": "Observation?_id={}",
}
TIMES = 40


def level(base: str, token: str) -> tuple[float, list[float]]:
    """Seconds until everything is in the index, and what another request waited meanwhile, in milliseconds."""
    begun, line, waited = time.perf_counter(), Line(base, token), []
    while b"still being read in" in line.ask("/fhir/Flag"):
        for _ in range(20):
            asks = time.perf_counter()
            line.ask("/fhir/OperationDefinition/everything")
            waited.append(1000 * (time.perf_counter() - asks))
            time.sleep(0.02)
    return time.perf_counter() - begun, waited


def searches(base: str, process: int, token: str, scratch: Path) -> list[Figure]:
    """Each search for itself, then all of them together."""
    figures, medians = [], []
    line = Line(base, token)
    one = json.loads(line.ask("/fhir/Observation?_count=1"))["entry"][0]["resource"]["id"]
    for at, (name, path) in enumerate(SEARCHES.items()):
        path = "/fhir/" + path.format(one)
        body = line.ask(path)
        found = sum(each["search"]["mode"] == "match" for each in json.loads(body).get("entry", ()))
        used = processor(process)
        median, late = spread(partial(line.ask, path), TIMES)
        spent = 1_000 * (processor(process) - used) / TIMES
        medians.append(median)
        with bare(scratch, body, 18_180 + at) as other:
            nothing, _ = spread(partial(Line(other).ask, "/fhir/x"), TIMES)
        said = f"search across own writings: {name} ({found})"
        figures.append(Figure.of(f"{said}, median", median, "ms", COMMAND, "bare Starlette", nothing))
        figures.append(Figure.of(f"{said}, p99", late, "ms", COMMAND))
        figures.append(Figure.of(f"{said}, processor time of the server", spent, "ms", COMMAND))
        line = Line(base, token)
    figures.append(
        Figure.of("search across own writings, median of these", statistics.median(medians), "ms", COMMAND)
    )
    return figures


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All figures."""
    count = chosen.resources
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        token = prepared(folder, count)
        with serving(folder) as (base, process):
            used = processor(process)
            took, waited = level(base, token)
            spent = processor(process) - used
            figures = searches(base, process, token, Path(scratch))
        size = sum(each.stat().st_size for each in folder.rglob(f"{FILE}*"))
    late = sorted(waited)[int(0.99 * (len(waited) - 1))]
    return [
        Figure.of(f"index of {count:,} own writings", count / took, "resources/s", COMMAND),
        Figure.of("processor time of one resource in the index", 1e3 * spent / count, "ms", COMMAND),
        Figure.of("another request meanwhile, median", statistics.median(waited), "ms", COMMAND),
        Figure.of("another request meanwhile, p99", late, "ms", COMMAND),
        Figure.of("index, for each resource", size / count, "bytes", COMMAND),
        *figures,
    ]


if __name__ == "__main__":
    run(__doc__ or "", measure, ("--resources", {"type": int, "default": 200_000, "metavar": "N"}))
