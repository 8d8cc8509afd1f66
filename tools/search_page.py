"""Writes docs/fhir-search.md: which of FHIR R4's search there is, and how what R4 leaves open is decided.

Run ``python tools/search_page.py`` after a change of the search or of the definitions; ``--check`` only says whether
the page is fresh (exit status 1 if not).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.searching.parameters import MODIFIERS, PREFIXES, WITH_PREFIX, not_built, parameters_of
from careledger.fhir.searching.parse import MOST_PARAMETERS, MOST_STEPS, MOST_TYPES, MOST_VALUES

PAGE = Path(__file__).parent.parent / "docs" / "fhir-search.md"

CHOSEN = """\
- **Date.** A value is the range of the precision that it states, in a resource as in a query. A date without a zone
  is in UTC. `gt` and `lt` mean beyond that range, `ge` and `le` from its beginning or up to its end, `sa` and `eb`
  wholly beyond it. A Period with an end missing is open there; a Timing is its outer limits. `ap` widens the range
  by a tenth of the time between it and now.
- **Number, quantity.** Without a prefix the last digit counts: `100` is 99.5 to 100.5, `100.00` is 99.995 to
  100.005, and `1e2` is 95 to 105 as R4's example has it. With a prefix the number is exact; `ap` is within a tenth.
  A stored `<5` is all below five, a Range reaches from low to high, SampledData from its least to its greatest
  value.
- **Units** are compared as written and never converted: `5.4|http://unitsofmeasure.org|mg` system and code to the
  letter, `5.4||mg` code or unit.
- **String.** Begins with the value, without regard to case, accents and repeated spaces; of a name or an address
  any of its strings. `:contains` anywhere, `:exact` the whole to the letter.
- **Token.** Codes and identifiers without regard to case (R4 advises so where in doubt), systems and ids to the
  letter. A `code` has the systems that its required value set gives it; a ContactPoint's system is `phone` or
  `email`. `:not` finds also what has no value; with several values it finds what has none of them. `:of-type` is of
  identifiers.
- **Reference.** `123`, `Patient/123`, an absolute URL (this server's own are relative ones), a URN, a canonical
  with or without its version. Without a version any version matches. A reference that does not say its type and id,
  such as `urn:uuid:…`, counts as what it leads to among what the reader may see. `patient` finds references to a
  Patient even if that Patient is not to be seen: the reader sees the reference.
- **URI.** To the letter; `:below` and `:above` are of URLs, segment by segment.
- **Composite.** Values with `$` between them, both in one element.
"""

RESULTS = """\
`_sort` (several names, `-` for descending; of several values of one resource the one that comes first counts; what
has none comes last; a reference counts by the id that it names), `_count`, `_include` and `_revinclude` with
`:iterate`, `_summary`, `_elements`, `_total`,
`_format`, `_pretty`, and `_type` where several types are searched: by what all types have, and by what each of those
that it names has under the same name. `_contained` is only `false`: what is contained is gone
through by chains and found by nothing else.

A part of a resource is tagged `SUBSETTED`; a PUT of one is refused.

- `_summary=true` has what R4's definitions mark as summary, at every depth, what is mandatory there and what changes a
  meaning (`isModifier`, `modifierExtension`). Other extensions are left out unless an element would be empty without
  them; those of a primitive value stay with it.
- `_summary=text` has the narrative, `id`, `meta` and what is mandatory; it is refused together with `_include` and
  `_revinclude`. `_summary=data` is all but the narrative. `_summary=count`, like `_count=0`, is the number alone.
- `_elements` has the elements named, what is mandatory and what changes a meaning; `value` is `valueQuantity` and
  whatever else it may be. It speaks of matches, `_summary` also of what comes along. The two do not go together.
- `_total` is the exact number of what may be seen, on each page at the time it is asked for; with `none`, or when too
  few custodians answered for it to be true, there is none.
"""

CHAINS = f"""\
`subject:Patient.name=…`, `patient.organization.name=…`, `_has:Observation:patient:code=…`, one inside the other, at
most {MOST_STEPS} steps. A chain without a type goes to every type that the parameter may refer to and that has the
next parameter, at most {MOST_TYPES} in all. Only what the reader may see is gone through.
"""

REFUSED = f"""\
A value that cannot be (31 February, a quantity without a number), a modifier that the parameter
does not have, more than {MOST_PARAMETERS} parameters or {MOST_VALUES:,} values in all are refused by the
parameter's name, never with the value. A parameter that is unknown, not built or has no value (`name=`, as forms
send it) is ignored and named; the caller refuses it where strict handling is asked for, and wherever a search chooses
what is written. `patient`, `subject`, `beneficiary` and `_id` without a value are always refused: everybody's records
are no answer to a question about one. Not built, of R4's:
"""

TRUTH = """\
`tests/unit/test_fhir_searching_generated.py` takes every parameter from the CapabilityStatement, with each modifier and
prefix of its type, and compares what it finds with a second evaluator (`tests/second_search.py`: the published
expressions by fhirpathpy, plain rules for values) over resources made of every type, and over three of the sample's
patients: a quarter of a minute of processor time, several times as much with `--every-search`. A parameter by which
nothing is ever found fails it.
"""

COSTS = """\
`python bench/search.py` measures it on the sample, in processor time: one demand on one resource takes 1 to 6 µs on two
shared cores (a composite one most), where `json.loads` of the same resource takes 10 to 20; parsing a parameter 11 µs;
sorting by two names 20 µs for each resource. A query is parsed once, an expression compiled once.
"""


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield "# FHIR R4 search"
    yield ""
    yield "Made by `tools/search_page.py`; do not edit. The parameters are those that HL7 publishes with R4"
    yield "(`tools/fhir_definitions.py` makes their table); the code is `src/careledger/fhir/searching`."
    yield ""
    yield from types()
    yield from ("", "## How values match", "", *CHOSEN.splitlines(), "")
    yield from ("## Chains and `_has`", "", *CHAINS.splitlines(), "")
    yield from ("## What is wanted back", "", *RESULTS.splitlines(), "")
    yield from ("## What is refused and what is ignored", "", *REFUSED.splitlines())
    yield ""
    yield from (f"- `{each.name}` of {', '.join(each.bases)}" for each in not_built())
    yield from ("", "## How it is known to be true", "", *TRUTH.splitlines())
    yield from ("", "## What it costs", "", *COSTS.splitlines())


def types() -> Iterator[str]:
    """Parameters, modifiers and prefixes by the type of the parameter."""
    count = Counter(each.type for name in resource_types() for each in parameters_of(name).values())
    prefixes = ", ".join(f"`{each}`" for each in PREFIXES)
    yield "## Types of parameters"
    yield ""
    yield f"{sum(count.values()):,} parameters of {len(resource_types())} resource types; those of every type are"
    yield "counted with each."
    yield ""
    yield "| type | parameters | modifiers | prefixes |"
    yield "|---|---|---|---|"
    for kind, modifiers in MODIFIERS.items():
        shown = ", ".join(f"`:{each}`" for each in modifiers)
        more = ", `:` and a type that it may refer to" if kind == "reference" else ""
        yield f"| {kind} | {count[kind]:,} | {shown}{more} | {prefixes if kind in WITH_PREFIX else ''} |"


def main() -> int:
    page = "".join(f"{line}\n" for line in lines())
    if "--check" in sys.argv[1:]:
        return int(not PAGE.exists() or page != PAGE.read_text())
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
