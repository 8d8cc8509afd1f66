"""Search, and its pages, over what this post sees.

A search asks for a patient's compartment when it names the patient; one that names none looks into open leases, the
organisation's own identity table and own writings (``across``), and into nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

from careledger.app.scopes import SOME
from careledger.app.tokens import Bearer
from careledger.domain.errors import AccessRefused, FhirRefused, TooCostly
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.indexing import narrowed
from careledger.fhir.searching.query import Query
from careledger.gateway import bundles
from careledger.gateway.about import about_whom
from careledger.gateway.desk import Desk
from careledger.gateway.finding import Found
from careledger.gateway.http import FORM, MOST_FORM, Answered, Asked, Handler, refuse_if_strict
from careledger.gateway.identities import registered
from careledger.gateway.operations import consents
from careledger.gateway.outcomes import outcome, why
from careledger.gateway.own import history
from careledger.gateway.own.sight import MOST_LOOKED, Sight
from careledger.gateway.pages import Onward, Past, Rest, until
from careledger.gateway.views import Shown, View, everything

COUNT, MOST_COUNT = 50, 1_000
FEWEST, AT_ONCE = 20, 60
"""How many own writings are looked at whatever the page holds, and at most for one page, if there are no more."""
MOST_PATIENTS = 10
"""How many patients one search may ask for."""


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler("GET", "/", partial(next_page, desk), looks_at=("_page",), needs="s", of=SOME),
        Handler(
            "POST", "/{kind}/_search", partial(search, desk), (FORM,), MOST_FORM, looks_at=None, needs="s"
        ),
        Handler("GET", "/{kind}", partial(search, desk), looks_at=None, needs="s"),
    ]


@dataclass(frozen=True, repr=False)
class Looked:
    """What was searched for, in which views, and ``address`` of that search without what was passed over; why patients
    let this post see nothing of whom only own writings are shown."""

    views: Sequence[View]
    found: Found
    address: str
    refused: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Whether enough custodians answered: a number of matches would be wrong otherwise."""
        own = self.found.own
        return all(view.seen.complete for view in self.views) and (own is None or own.complete)

    def said(self) -> list[Resource]:
        """What every page says."""
        own = self.found.own
        behind = [] if own is None or own.complete else [outcome("warning", "incomplete", history.BEHIND)]
        refused = [
            outcome(
                "information",
                "suppressed",
                f"But for what was written here nothing is shared with you: {reason}",
            )
            for reason in dict.fromkeys(self.refused)
        ]
        return bundles.withheld(self.views) + refused + behind + not_looked_at(self.found.query.ignored)


def search(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """What matches among everything that this post sees of the patients who are named.

    Raises FhirRefused, TooCostly, and what ``Leases.look`` raises.
    """
    about = about_whom(asked.kind, asked.given)
    now = desk.now
    query = desk.parsed(asked.kind, about.rest, now)
    refuse_if_strict(asked.headers, query.ignored)
    used = [each for each in asked.given if each not in about.rest or each in query.used]
    if about.aliases is None:
        return across(desk, who, query, now, address(desk, asked.kind, used))
    sight = desk.sight(who)
    views, own, refused = _views(desk, who, query, now, about.aliases, sight)
    found = Found(query, [*everything(views), *own], sight if refused else None)
    looked = Looked(views, found, address(desk, asked.kind, used), refused)
    return page(desk, who, looked, found.matches)


def across(desk: Desk, who: Bearer, query: Query, now: datetime, said: str) -> Answered:
    """What matches among what is open, who is registered here and own writings; raises FhirRefused, TooCostly.

    Own writings that may match are all looked at where they are few. Where they are many they come page by page, in the
    order in which they were filed, unless an order, their number or what the index cannot narrow is asked for.
    """
    sight, kind = desk.sight(who), query.resource_type
    sight.catch_up()
    part = narrowed(kind, query.used, desk.base, now)
    whole = bool(query.sort or query.counts or query.total == "accurate" or not part.whole)
    wanted = COUNT if query.count is None else query.count
    own = sight.few(kind, part.demands, MOST_LOOKED if whole else min(max(wanted, FEWEST), AT_ONCE))
    if own is None and whole:
        raise TooCostly(most=MOST_LOOKED)
    onward = Onward(part.demands, 0) if own is None else None
    views = desk.leases.live(who)
    seen = {shown.path for shown in everything(views)}
    own = [each for each in own or () if each.path not in seen]
    pool = [*everything(views), *_own(desk, who, kind, views), *own]
    looked = Looked(views, Found(query, pool, sight), said)
    matches = list({each.path: each for each in reversed(looked.found.matches)}.values())[::-1]
    return page(desk, who, looked, matches, onward=onward)


def address(desk: Desk, path: str, used: Sequence[tuple[str, str]]) -> str:
    """What a Bundle says of how it was searched for (R4 search.html#conformance)."""
    return f"{desk.base}/{path}?{urlencode(used)}" if used else f"{desk.base}/{path}"


def next_page(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The next page of a search: of what was found then, what may still be seen now. Raises PageGone."""
    names = asked.values("_page")
    if len(names) != 1:
        raise FhirRefused(path="_page", problem="name a type, or a page of a search")
    rest = desk.pages.rest(names[0], who.digest, desk.world.clock.now())
    said = f"{desk.base}?_page={names[0]}"
    if isinstance(rest, Past):
        return history.page(desk, who, rest, said)
    views = [desk.leases.look(who, alias) for alias in rest.aliases]
    sight = desk.sight(who) if rest.across else None
    pool = [*everything(views), *_own(desk, who, rest.query.resource_type, views)]
    current = {shown.path: shown for shown in pool}
    for path in rest.paths:
        if sight and path not in current and (own := sight.resolve(path)) is not None:
            current[path] = own
    shown = [current[path] for path in rest.paths if path in current]
    before = sum(path in current for path in rest.paths[: rest.before])
    found = Found(rest.query, list(current.values()), sight)
    return page(desk, who, Looked(views, found, said), shown, before, rest.own)


def page(
    desk: Desk,
    who: Bearer,
    looked: Looked,
    matches: Sequence[Shown],
    before: int = 0,
    onward: Onward | None = None,
) -> Answered:
    """What follows the first ``before`` of these matches, then own writings where the search goes ``onward``, and what
    comes along with it; the others behind a link."""
    query, found, links = looked.found.query, looked.found, {"self": looked.address}
    size = 0 if query.counts else COUNT if query.count is None else min(query.count, MOST_COUNT)
    now, end = list(matches[before : before + size]), before + size
    total: int | None = len(matches) if onward is None else None
    if onward is not None and size:
        first = onward.after == 0 and before == 0
        seen = {each.path for each in (*everything(looked.views), *matches)}
        more, onward = following(found, onward, size - len(now), seen)
        now += more
        total = len(matches) + len(more) if first and onward is None else None
    if size and (end < len(matches) or onward):
        aliases, paths = tuple(view.seen.alias for view in looked.views), tuple(each.path for each in matches)
        ends = until(desk.world.clock.now())
        rest = Rest(
            who.digest, aliases, paths, min(end, len(matches)), query, ends, found.own is not None, onward
        )
        links["next"] = f"{desk.base}?_page={desk.pages.keep(rest)}"
    entries = [(shown, found.narrowed(shown), "match") for shown in now]
    entries += [(shown, found.summarised(shown), "include") for shown in found.included(now)]
    told = looked.complete and (query.counts or query.total != "none")
    return Answered(bundles.searchset(desk.base, entries, total if told else None, links, looked.said()))


def following(found: Found, onward: Onward, room: int, before: Set[str]) -> tuple[list[Shown], Onward | None]:
    """As many own writings as there is room for that answer the query and were not shown before; and where it goes on
    from there, None if nothing is left."""
    sight, query = found.own, found.query
    made: list[Shown] = []
    after, left = onward.after, MOST_LOOKED
    while sight is not None and left > 0:
        some = sight.candidates(query.resource_type, onward.demands, after, room - len(made) + 1)
        if not some:
            return made, None
        for each in some:
            if len(made) == room:
                return made, Onward(onward.demands, after)
            shown = sight.shown(each)
            if shown is not None and shown.path not in before and found.answers(shown.resource):
                made.append(shown)
            after, left = each.row, left - 1
    return made, Onward(onward.demands, after)


def _views(
    desk: Desk, who: Bearer, query: Query, now: datetime, aliases: Sequence[bytes], sight: Sight
) -> tuple[list[View], list[Shown], list[str]]:
    """The patients whom a search names, and for consents those that are held. Of a patient who lets this post see
    nothing what was written here, if anything was, and why it sees no more; raises TooCostly, and else the refusal."""
    kind, views, own, refused = query.resource_type, list[View](), list[Shown](), list[str]()
    if len(aliases) > MOST_PATIENTS:
        raise TooCostly(most=MOST_PATIENTS)
    if kind == consents.KIND and (own := consents.held(desk.world, who, aliases)):
        return _looked(desk, who, aliases), own, []
    for alias in aliases:
        try:
            views.append(desk.leases.look(who, alias))
        except AccessRefused as error:
            written = sight.about(alias, kind, narrowed(kind, query.used, desk.base, now).demands)
            if written is None:
                raise
            own += written
            refused.append(why(error))
    return views, own, refused


def _own(desk: Desk, who: Bearer, kind: str, views: Sequence[View]) -> list[Shown]:
    """What is found without a patient's view: who is registered here and not open, the consents that are held."""
    if kind == "Patient":
        open_now = {view.patient.id for view in views}
        return [each for each in registered(who.staff.organisation) if each.id not in open_now]
    return consents.held(desk.world, who) if kind == consents.KIND else []


def _looked(desk: Desk, who: Bearer, aliases: Sequence[bytes]) -> list[View]:
    """The patients among these who let this post see something now; the others it knows by consents that are over."""
    views = []
    for alias in aliases:
        with suppress(AccessRefused):
            views.append(desk.leases.look(who, alias))
    return views


def not_looked_at(ignored: Sequence[str]) -> list[Resource]:
    """What every page says of the parameters that were passed over."""
    if not ignored:
        return []
    return [outcome("warning", "not-supported", f"Not looked at: {', '.join(ignored)}.")]
