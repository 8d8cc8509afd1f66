"""What an index is allowed to leave out, said once more: by walking through all entries."""

from __future__ import annotations

from collections.abc import Iterable

from careledger.fhir.searching.indexing import Narrowed
from careledger.formats.indexing import Demand, Entry, Range


def may_answer(part: Narrowed, entries: Iterable[Entry]) -> bool:
    """Whether a resource with these entries would be looked at for a search."""
    there = list(entries)
    return all(meets(there, demand) for demand in part.demands)


def meets(entries: Iterable[Entry], demand: Demand) -> bool:
    return any(lies(entry, each) for entry in entries for each in demand)


def lies(entry: Entry, wanted: Range) -> bool:
    if entry.parameter != wanted.parameter:
        return False
    ends = [(entry.low, wanted.low_from, wanted.low_to), (entry.high, wanted.high_from, wanted.high_to)]
    return all(
        (least is None or at >= least) and (most is None or at <= most)  # type: ignore[operator]
        for at, least, most in ends
    )
