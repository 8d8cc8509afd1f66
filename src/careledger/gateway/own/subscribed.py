"""What an organisation wrote that answers the criteria of a Subscription, deposit by deposit.

The index says what may answer; whether it does is decided on the record by the evaluator of every search, among what
the post may read at that moment and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from careledger.app.scopes import EVERYTHING
from careledger.app.world import World
from careledger.domain.errors import FhirRefused, SearchRefused
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.searching.indexing import narrowed
from careledger.fhir.searching.parameters import parameters_of
from careledger.fhir.searching.parse import named, parse
from careledger.fhir.searching.query import Query
from careledger.formats.events import Event
from careledger.formats.indexing import Demand
from careledger.gateway.about import about_whom
from careledger.gateway.finding import Found
from careledger.gateway.grounds import closed_to
from careledger.gateway.own.chart import SLICE, Charts
from careledger.gateway.own.sight import Sight
from careledger.workflows.actors import Organisation, Staff

PLACE = "Subscription.criteria"
NO_RECORDS = frozenset({"AuditEvent", "Group", "Subscription"})
"""Types of which nothing is filed as a record; a Consent that is held is none either."""
AT_ONCE = 64
"""How many versions are opened before others have their turn, and so many are named in one notification at most."""
PATIENCE = 24 * 3_600
"""Seconds for which an event waits for what the index lacks."""


@dataclass(frozen=True, repr=False)
class Criteria:
    """A search of one type, and the patients whom it names, None where it names none; never printed."""

    kind: str
    aliases: tuple[bytes, ...] | None
    query: Query
    demands: tuple[Demand, ...]


@dataclass(frozen=True)
class Portion:
    """What was found in a part of a deposit: addresses ``TYPE/ID``, the place to go on at, 0 where it is through."""

    named: tuple[str, ...]
    place: int
    looked: bool
    """Whether records were opened for it."""


def criteria_of(text: str, base: str, now: datetime) -> Criteria:
    """A search for records by all that has to hold of them; raises FhirRefused with what is not supported."""
    kind, _, asked = text.partition("?")
    if kind not in resource_types() or kind in NO_RECORDS:
        raise _refused("begin it with the type of records that are filed here")
    try:
        given = parse_qsl(
            asked, keep_blank_values=True, strict_parsing=bool(asked), errors="strict", max_num_fields=200
        )
    except ValueError:
        raise _refused("behind the ? it is no search") from None
    about = about_whom(kind, given)
    for name, _ in about.rest:
        if "_has:" in name or name.partition(".")[0].partition(":")[0] not in parameters_of(kind):
            raise _refused(f"{named(name)} says nothing of a {kind} itself, or is not implemented")
    try:
        query = parse(kind, about.rest, base=base, now=now)
    except SearchRefused as error:
        raise _refused(f"{error.details['path']}: {error.details['problem']}") from None
    for name in query.ignored:
        raise _refused(f"{named(name)} is not implemented")
    return Criteria(kind, about.aliases, query, narrowed(kind, query.used, base, now).demands)


def _refused(problem: str) -> FhirRefused:
    return FhirRefused(path=PLACE, problem=problem)


class Subscribed:
    """For one gateway; used by its worker alone."""

    def __init__(self, world: World, base: str, charts: Charts) -> None:
        """``base``: the FHIR address."""
        self._world, self._base, self._charts = world, base, charts

    def wrote(self, organisation: Organisation, aliases: Sequence[bytes]) -> None:
        """A deposit about these is final: it is in the index before it is told of."""
        self._charts.wrote(organisation, aliases)

    def portion(self, staff: Staff, text: str, event: Event, place: int) -> Portion | None:
        """What answers in the deposit of an event, from a place on; None while the index is behind.

        Raises FhirRefused, PartyNotFound, PartyNotVerified, StoreUnavailable.
        """
        own, now = self._charts.of(staff.organisation), self._world.clock.now()
        own.catch_up(SLICE)
        if not own.level or (own.lacking and now < event.time + PATIENCE):
            return None
        network = self._world.network
        wanted = criteria_of(text, self._base, datetime.fromtimestamp(now, UTC))
        sight = Sight(own, network, closed_to(network.ledger.fresh_head(), staff.number), EVERYTHING)
        found = sight.deposited(event.reference, wanted.kind, wanted.demands, place, AT_ONCE + 1)
        some = [
            each for each in found[:AT_ONCE] if wanted.aliases is None or each.copy.alias in wanted.aliases
        ]
        answers = Found(wanted.query, (), sight).answers
        paths = (each.path for each in sight.all_shown(some) if answers(each.resource))
        ended = len(found) <= AT_ONCE
        return Portion(tuple(dict.fromkeys(paths)), 0 if ended else found[AT_ONCE].place, bool(found))
