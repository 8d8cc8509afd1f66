"""FHIR search: processor time of one demand on one resource, of parsing a query, and of a patient's compartment.

    python bench/search.py [--json] [--rounds N]

The resources are the sample's, parsed already. The rival beside a demand is ``json.loads`` of the same resource, which
whoever searches without an index pays as well.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial

from _measured import Figure, run

from careledger.fhir.fhirpath.naming import Resolve
from careledger.fhir.json_text import Resource, read
from careledger.fhir.sample import sample_files
from careledger.fhir.searching.parse import parse

COMMAND = "python bench/search.py"
LOINC = "http://loinc.org|8302-2"
UNIT = "http://unitsofmeasure.org|cm"
QUERIES = {
    "a token": ("code", LOINC),
    "a date": ("date", "ge2015-01-01"),
    "a reference": ("patient", "Patient/unknown"),
    "a quantity": ("value-quantity", f"gt100|{UNIT}"),
    "a composite": ("combo-code-value-quantity", f"{LOINC}$gt100"),
    "a chain": ("subject:Patient.family", "x"),
}
NAMES = {"a string": ("name", "smi"), "a negated token": ("gender:not", "male")}


def microseconds(work: Callable[[], object], times: int, rounds: int) -> float:
    """Processor time of one of ``times`` in the fastest round."""
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken) / times * 1e6


def asked(answers: Callable[[Resource], object], found: list[Resource]) -> list[object]:
    """What a demand says of each resource."""
    return [answers(each) for each in found]


def demands(
    kind: str, queries: dict[str, tuple[str, str]], found: list[Resource], resolve: Resolve, rounds: int
) -> list[Figure]:
    """One demand on one resource, by the type of the parameter."""
    texts = [json.dumps(each, default=lambda number: float(number.text)) for each in found]
    loads = microseconds(lambda: [json.loads(each) for each in texts], len(found), rounds)
    made = []
    for name, given in queries.items():
        answers = parse(kind, [given]).within(resolve)
        cost = microseconds(partial(asked, answers, found), len(found), rounds)
        label = f"search: {name} on one {kind}"
        made.append(Figure.of(label, cost, "µs", COMMAND, "json.loads of the resource", loads))
    return made


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All figures."""
    by_url = {each["fullUrl"]: each["resource"] for _, data in sample_files() for each in read(data)["entry"]}
    every = list(by_url.values())
    seen = [each for each in every if each["resourceType"] == "Observation"]
    people = [each for each in every if each["resourceType"] == "Patient"] * 20
    pairs = list(QUERIES.values())
    parsing = microseconds(
        lambda: [parse("Observation", pairs) for _ in range(200)], 200 * len(pairs), chosen.rounds
    )
    order = parse("Observation", [("_sort", "-date,code")])
    sorting = microseconds(lambda: order.sorted(seen), len(seen), chosen.rounds)
    return [
        *demands("Observation", QUERIES, seen, by_url.get, chosen.rounds),
        *demands("Patient", NAMES, people, by_url.get, chosen.rounds),
        Figure.of("search: parsing one parameter", parsing, "µs", COMMAND),
        Figure.of("search: sorting by two names, each resource", sorting, "µs", COMMAND),
    ]


if __name__ == "__main__":
    run(__doc__ or "", measure, ("--rounds", {"type": int, "default": 5}))
