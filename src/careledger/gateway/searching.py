"""Search, and its pages, over what this post sees.

A search asks for a patient's compartment when it names the patient; one that names none looks into open leases, the
organisation's own identity table and own writings (``across``), and into nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlencode

from careledger.app.tokens import Bearer
from careledger.domain.errors import AccessRefused, FhirRefused, TooCostly
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.indexing import narrowed, order_of
from careledger.fhir.searching.parse import named as parameter_name
from careledger.fhir.searching.query import Query
from careledger.formats.indexing import Filed, Order, Part
from careledger.gateway import bundles
from careledger.gateway.about import About, about_whom
from careledger.gateway.desk import Desk
from careledger.gateway.finding import Found
from careledger.gateway.http import (
    EVERYWHERE,
    FORM,
    MOST_FORM,
    Answered,
    Asked,
    Handler,
    passed_over,
    refuse_if_strict,
)
from careledger.gateway.identities import registered
from careledger.gateway.operations import consents
from careledger.gateway.outcomes import outcome, why
from careledger.gateway.own import history
from careledger.gateway.own.sight import MOST_LOOKED, Sight
from careledger.gateway.pages import Onward, Past, Rest, until
from careledger.gateway.views import Shown, View, everything

PAGE = "_page"
COUNT, MOST_COUNT = 50, 1_000
FEWEST, AT_ONCE = 20, 60
"""How many own writings are looked at whatever the page holds, and at most for one page, if there are no more."""
FEW_DEMANDS = 8
"""By how many demands an index is narrowed where it is asked of several types; the others are looked at on the records.
"""
MOST_PATIENTS = 10
"""How many patients one search may ask for."""


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler(
            "POST",
            "/{kind}/_search",
            partial(search, desk),
            (FORM,),
            MOST_FORM,
            looks_at=None,
            needs="s",
            of_one=True,
            in_part=True,
        ),
        Handler("GET", "/{kind}", partial(search, desk), looks_at=None, needs="s", of_one=True, in_part=True),
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
    if asked.values(PAGE):
        return named_page(desk, who, asked)
    return of_whom(desk, who, asked, about_whom(asked.kind, asked.given), asked.kind)


def of_whom(desk: Desk, who: Bearer, asked: Asked, about: About, said: str) -> Answered:
    """The same of those whom the search is ``about``, asked for under the address ``said``; raises likewise."""
    return answer(desk, who, asked, about, desk.parsed(asked.kind, about.rest), said)


def answer(desk: Desk, who: Bearer, asked: Asked, about: About, query: Query, said: str) -> Answered:
    """What answers a query of one type or of several; raises likewise."""
    refuse_if_strict(asked.headers, query.ignored)
    used = [each for each in asked.given if each not in about.rest or each in query.used]
    place = address(desk, said, used)
    aliases = (who.patient,) if about.aliases is None and who.patient else about.aliases
    if aliases is None:
        return across(desk, who, query, place)
    sight = desk.sight(who)
    views, own, refused = _views(desk, who, query, aliases, sight)
    found = Found(query, [*everything(views), *own], sight if refused else None)
    return page(desk, who, Looked(views, found, place, refused), found.matches)


def across(desk: Desk, who: Bearer, query: Query, said: str) -> Answered:
    """What matches among what is open, who is registered here and own writings; raises FhirRefused, TooCostly.

    Own writings that may match are all looked at where they are few. Where they are many they come page by page, one
    type after the other, in the order that is asked for of one type or in which they were filed, unless their number,
    an order that the index does not have or what it cannot narrow is asked for.
    """
    sight = desk.sight(who)
    sight.catch_up()
    parts, whole = _parts(desk, query, sight)
    order = _order(query, sight)
    whole = bool(order is None or query.counts or query.total == "accurate" or not whole)
    wanted = COUNT if query.count is None else query.count
    few = MOST_LOOKED if whole or order else min(max(wanted, FEWEST), AT_ONCE)
    own = sight.few(parts, few)
    if own is None and whole:
        raise TooCostly(most=MOST_LOOKED)
    onward = Onward(parts, order or ()) if own is None else None
    views = desk.leases.live(who)
    seen = {shown.path for shown in everything(views)}
    own = [each for each in own or () if each.path not in seen]
    pool = [*everything(views), *_own(desk, who, query.kinds, views), *own]
    looked = Looked(views, Found(query, pool, sight), said)
    matches = list({each.path: each for each in reversed(looked.found.matches)}.values())[::-1]
    return page(desk, who, looked, matches, onward=onward)


def _parts(desk: Desk, query: Query, sight: Sight) -> tuple[tuple[Part, ...], bool]:
    """What an index can say of each type that is searched, and whether that is all that is asked: what several scopes
    of one type show is looked at together, as the same may be in the part of each."""
    now = desk.now
    made = [(kind, narrowed(kind, query.used, desk.base, now)) for kind in query.kinds]
    most = FEW_DEMANDS if len(made) > 1 else None
    parts = sight.within([(kind, each.demands[:most]) for kind, each in made])
    return parts, all(each.whole for _, each in made) and len(parts) <= len(made)


def _order(query: Query, sight: Sight) -> tuple[Order, ...] | None:
    """The order of a search as the index has it: of one type; None where it has it not."""
    if not query.sort:
        return ()
    one = query.kinds[0] if len(query.kinds) == 1 else ""
    return order_of(one, query.sort, sight.sees_patients) if one else None


def address(desk: Desk, path: str, used: Sequence[tuple[str, str]]) -> str:
    """What a Bundle says of how it was searched for (R4 search.html#conformance)."""
    return f"{desk.base}/{path}?{urlencode(used, safe=',')}" if used else f"{desk.base}/{path}"


def named_page(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The page of a search that the request names, under whatever address; raises as ``next_page``, and FhirRefused."""
    names = dict.fromkeys(name for name, _ in asked.given if name not in (PAGE, *EVERYWHERE))
    others = tuple(parameter_name(each) for each in names)
    refuse_if_strict(asked.headers, others)
    made = next_page(desk, who, asked)
    return replace(made, headers={**made.headers, **passed_over(replace(asked, ignored=others))})


def next_page(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The next page of a search: of what was found then, what may still be seen now. Raises PageGone."""
    names = asked.values(PAGE)
    if len(names) != 1:
        raise FhirRefused(path=PAGE, problem="names one page of a search")
    rest = desk.pages.rest(names[0], who.digest, desk.world.clock.now())
    said = f"{desk.base}?_page={names[0]}"
    if isinstance(rest, Past):
        return history.page(desk, who, rest, said)
    views = [desk.leases.look(who, alias) for alias in rest.aliases]
    sight = desk.sight(who) if rest.across else None
    pool = [*everything(views), *_own(desk, who, rest.query.kinds, views)]
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
    now = list(matches[before : before + size])
    taken = len(now)
    total: int | None = len(matches) if onward is None else None
    if onward is not None and size:
        first = not onward.begun and before == 0
        seen = {each.path for each in (*everything(looked.views), *matches)}
        if onward.order:
            now, taken, onward = interleaved(found, onward, size, now, seen)
        else:
            more, onward = following(found, onward, size - len(now), seen)
            now += [each for each, _ in more]
        total = len(matches) + len(now) - taken if first and onward is None else None
    end = before + taken
    if size and (end < len(matches) or onward):
        aliases, paths = tuple(view.seen.alias for view in looked.views), tuple(each.path for each in matches)
        ends = until(desk.world.clock.now())
        rest = Rest(who.digest, aliases, paths, end, query, ends, found.own is not None, onward)
        links["next"] = f"{desk.base}?_page={desk.pages.keep(rest)}"
    entries = [(shown, found.narrowed(shown), "match") for shown in now]
    entries += [(shown, found.summarised(shown), "include") for shown in found.included(now)]
    told = looked.complete and (query.counts or query.total != "none")
    made = bundles.searchset(desk.base, entries, total if told else None, links, looked.said())
    return Answered(made, lists=[shown for shown, _, _ in entries])


Ahead = list[tuple[Shown, Onward]]
"""Own writings, each with where the search goes on behind it."""


def following(found: Found, onward: Onward, room: int, before: Set[str]) -> tuple[Ahead, Onward | None]:
    """As many own writings as there is room for that answer the query and were not shown before; and where it goes on
    from there, None if nothing is left."""
    sight, made, left, most = found.own, Ahead(), MOST_LOOKED, room + 1
    while sight is not None and left > 0:
        some = _ahead(sight, onward, min(most, left))
        if not some:
            if (following := onward.onto_next) is None:
                return made, None
            onward = following
            continue
        most *= 2  # much is passed over: less often asked for
        sight.all_shown([each for each, _ in some[: room - len(made)]])
        for each, behind in some:
            if len(made) == room:
                return made, onward
            shown, onward = sight.shown(each), behind
            if shown is not None and shown.path not in before and found.answers(shown.resource):
                made.append((shown, onward))
            left -= 1
    return made, onward


def _ahead(sight: Sight, onward: Onward, most: int) -> list[tuple[Filed, Onward]]:
    kind, demands = onward.parts[0]
    if not onward.order:
        some = sight.candidates(kind, demands, onward.after, most)
        return [(each, onward.behind(each.row)) for each in some]
    placed = sight.in_order(kind, demands, onward.order, onward.place, most)
    return [(each, onward.behind(0, place)) for each, place in placed]


def interleaved(
    found: Found, onward: Onward, size: int, matches: Sequence[Shown], before: Set[str]
) -> tuple[list[Shown], int, Onward | None]:
    """A page of matches that are in order and of the own writings that follow in the index's; how many of the
    matches are on it, and where it goes on among own writings, None if nothing is left."""
    ahead, last = following(found, onward, size, before)
    made, taken, at = list[Shown](), 0, 0
    while len(made) < size and (taken < len(matches) or at < len(ahead)):
        if at < len(ahead) and (taken == len(matches) or found.precedes(ahead[at][0], matches[taken])):
            made.append(ahead[at][0])
            onward, at = ahead[at][1], at + 1
        elif at == len(ahead) and last is not None:
            break  # what is looked at next may come before these
        else:
            made.append(matches[taken])
            taken += 1
    return made, taken, onward if at < len(ahead) else last


def _views(
    desk: Desk, who: Bearer, query: Query, aliases: Sequence[bytes], sight: Sight
) -> tuple[list[View], list[Shown], list[str]]:
    """The patients whom a search names, and for consents those that are held. Of a patient who lets this post see
    nothing what was written here, if anything was, and why it sees no more; raises TooCostly, and else the refusal."""
    kinds, views, own, refused = query.kinds, list[View](), list[Shown](), list[str]()
    if len(aliases) > MOST_PATIENTS:
        raise TooCostly(most=MOST_PATIENTS)
    held = consents.held(desk.world, who, aliases) if consents.KIND in kinds else []
    if held and len(kinds) == 1:
        return _looked(desk, who, aliases), held, []
    for alias in aliases:
        try:
            views.append(desk.leases.look(who, alias))
        except AccessRefused as error:
            written = sight.about(alias, _parts(desk, query, sight)[0])
            if written is None and not held:
                raise
            own += written or ()
            refused.append(why(error))
    return views, [*held, *own], refused


def _own(desk: Desk, who: Bearer, kinds: Sequence[str], views: Sequence[View]) -> list[Shown]:
    """What is found without a patient's view: who is registered here and not open, the consents that are held."""
    made = list[Shown]()
    if "Patient" in kinds:
        open_now = {view.patient.id for view in views}
        there = [each for each in registered(who.staff.organisation) if each.id not in open_now]
        made += [each for each in there if who.patient.hex() in ("", each.id)]
    return made + (consents.held(desk.world, who) if consents.KIND in kinds else [])


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
