"""When care took place: what ``start`` and ``end`` of ``$everything`` ask for, as ranges of time."""

from __future__ import annotations

from careledger.fhir.dates import CLINICAL
from careledger.fhir.json_text import Resource
from careledger.fhir.paths import first_at
from careledger.fhir.searching.moments import ALWAYS, Span, period, span, timing

_PATHS = tuple(
    (path.partition(".")[0], path.removesuffix(".start").removesuffix(".event")) for path in CLINICAL
)


def care_span(resource: Resource) -> Span | None:
    """From when to when the care took place that a resource states; None if it does not say."""
    for head, path in _PATHS:
        if head not in resource:
            continue
        found = resource if path == "start" else first_at(resource, path)
        made = span(found) or period(found) or timing(found)
        if made is not None:
            return made
    return None


def within(resource: Resource, asked: Span) -> bool:
    """Whether a resource is about care in that time; what says no time may be."""
    found = care_span(resource)
    return found is None or (found[0] <= asked[1] and found[1] >= asked[0])


def between(start: Span | None, end: Span | None) -> Span:
    """The time from the beginning of one date to the end of another, open where there is none."""
    return start[0] if start else -ALWAYS, end[1] if end else ALWAYS
