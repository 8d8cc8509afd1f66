"""Writes docs/fhir-r4.md: what becomes of each resource type of FHIR R4, and what of R4 is not checked.

Run ``python tools/fhir_page.py`` after a change of mapping.json or of the definitions; ``--check`` only says whether
the page is fresh (exit status 1 if not).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from careledger.fhir.definitions.tables import definitions
from careledger.fhir.mapping import Rule, rules_by_type
from careledger.fhir.validation.codes import not_judged
from careledger.fhir.validation.invariants import HELD_ELSEWHERE, not_evaluated

PAGE = Path(__file__).parent.parent / "docs" / "fhir-r4.md"


def decision(rule: Rule) -> str:
    """What a rule of the mapping does, in words."""
    if rule.refused:
        return f"refused: {rule.refused}"
    if rule.follows:
        return f"as its {rule.follows.value}"
    category = rule.category.code if rule.category else "diagnosis"
    notes = [f"restricted: {rule.restricted}"] if rule.restricted else []
    notes += ["listed in the report"] if rule.listed else []
    return f"{category} ({', '.join(notes)})" if notes else category


def condition(rule: Rule) -> str:
    """When it applies, in words; empty if always."""
    parts = []
    for each in rule.when:
        element = each.get("element", "any code in it")
        what = (
            f"in the table `{each['table']}`"
            if "table" in each
            else f"one of {', '.join(each.get('codes', []))}"
        )
        parts.append(f"{element} is there" if "present" in each else f"{element} {what}")
    return " and ".join(parts)


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield "# FHIR R4, type by type"
    yield ""
    yield "Made by `tools/fhir_page.py`; do not edit. [fhir.md](fhir.md) says how a file is read."
    yield ""
    yield "## What becomes of each resource type"
    yield ""
    yield "The first matching line counts. Codes and labels can restrict any record besides (fhir.md)."
    yield ""
    yield "| type | if | category or refusal |"
    yield "|---|---|---|"
    for kind, rules in sorted(rules_by_type().items()):
        for rule in rules:
            yield f"| {kind} | {condition(rule)} | {decision(rule)} |"
    yield ""
    yield from unchecked()


def unchecked() -> Iterator[str]:
    """What of R4 nothing here checks."""
    every, missing = len({each.key for each in definitions().constraints}), not_evaluated()
    yield "## Constraints"
    yield ""
    yield f"R4 states {every} constraints beside `ele-1`, which the reader of objects holds. Held by code of their own:"
    yield ""
    yield from (f"- `{key}`: {where}" for key, where in HELD_ELSEWHERE.items())
    yield ""
    yield f"Not evaluated: {len(missing)}."
    yield ""
    yield from (f"- `{key}`: needs {why}" for key, why in missing.items())
    yield ""
    yield "## Value sets that are bound and not judged"
    yield ""
    yield f"Of {len(definitions().sets)} value sets in bindings that are required, extensible or preferred, these"
    yield f"{len(not_judged())} are not listed in what HL7 publishes with R4, so any code of theirs is taken:"
    yield ""
    yield from (f"- `{url}`: {why}" for url, why in sorted(not_judged().items()))


def main() -> int:
    page = "".join(f"{line}\n" for line in lines())
    if "--check" in sys.argv[1:]:
        return int(page != PAGE.read_text())
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
