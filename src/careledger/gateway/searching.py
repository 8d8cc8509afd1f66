"""Search, and its pages, over what this post sees.

A search asks for a patient's compartment when it names the patient; one that names none looks into open leases and the
organisation's own identity table, and into nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from careledger.app.tokens import Bearer
from careledger.domain.errors import AccessRefused, FhirRefused, TooCostly
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.query import Query
from careledger.gateway import bundles
from careledger.gateway.about import About, about_whom
from careledger.gateway.desk import Desk
from careledger.gateway.finding import Found
from careledger.gateway.http import FORM, MOST_FORM, Answered, Asked, Handler
from careledger.gateway.identities import registered
from careledger.gateway.operations import consents
from careledger.gateway.outcomes import outcome
from careledger.gateway.pages import Rest, until
from careledger.gateway.views import Shown, View, everything

COUNT, MOST_COUNT = 50, 1_000
MOST_PATIENTS = 10
"""How many patients one search may ask for."""


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler("GET", "/", partial(next_page, desk)),
        Handler("POST", "/{kind}/_search", partial(search, desk), (FORM,), MOST_FORM),
        Handler("GET", "/{kind}", partial(search, desk)),
    ]


def search(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """What matches among everything that this post sees of the patients who are named.

    Raises FhirRefused, TooCostly for a search that names nobody, and what ``Leases.look`` raises.
    """
    about = about_whom(asked.kind, asked.given)
    query = desk.parsed(asked.kind, about.rest)
    check_ignored(asked, query)
    views, own = _views(desk, who, asked.kind, about)
    found = Found(query, [*everything(views), *own])
    said = bundles.withheld(views) + not_looked_at(query)
    if query.summary == "count":
        return Answered(bundles.searchset(desk.base, [], len(found.matches), {}, said))
    return page(desk, who, views, found, found.matches, len(found.matches), said)


def next_page(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The next page of a search: of what was found then, what may still be seen now. Raises PageGone."""
    names = asked.values("_page")
    if len(names) != 1:
        raise FhirRefused(path="_page", problem="name a type, or a page of a search")
    rest = desk.pages.rest(names[0], who.digest, desk.world.clock.now())
    views = [desk.leases.look(who, alias) for alias in rest.aliases]
    found = Found(rest.query, [*everything(views), *_own(desk, who, rest.query.resource_type, views)])
    current = {shown.path: shown for shown in found.pool}
    shown = [current[path] for path in rest.paths if path in current]
    said = bundles.withheld(views) + not_looked_at(rest.query)
    return page(desk, who, views, found, shown, rest.total, said)


def page(
    desk: Desk,
    who: Bearer,
    views: Sequence[View],
    found: Found,
    matches: Sequence[Shown],
    total: int,
    said: Sequence[Resource],
) -> Answered:
    """The first of these matches and what comes along with them; the others behind a link."""
    count = found.query.count
    size = COUNT if count is None else min(count, MOST_COUNT)
    now, later = matches[:size], matches[size:]
    links = {}
    if later and size:
        aliases, paths = tuple(view.seen.alias for view in views), tuple(each.path for each in later)
        ends = until(desk.world.clock.now())
        name = desk.pages.keep(Rest(who.digest, aliases, paths, found.query, total, ends))
        links["next"] = f"{desk.base}?_page={name}"
    entries = [(shown, found.narrowed(shown), "match") for shown in now]
    entries += [(shown, shown.resource, "include") for shown in found.included(now)]
    return Answered(bundles.searchset(desk.base, entries, total, links, said))


def _views(desk: Desk, who: Bearer, kind: str, about: About) -> tuple[list[View], list[Shown]]:
    """The patients whom a search names; else those that are open, and for patients who is registered here; for
    consents those that are held."""
    if about.aliases is not None:
        if len(about.aliases) > MOST_PATIENTS:
            raise TooCostly(most=MOST_PATIENTS)
        if kind == consents.KIND and (own := consents.held(desk.world, who, about.aliases)):
            return _looked(desk, who, about.aliases), own
        return [desk.leases.look(who, alias) for alias in about.aliases], []
    views = desk.leases.live(who)
    if not views and kind not in ("Patient", consents.KIND):
        raise TooCostly()
    return views, _own(desk, who, kind, views)


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


def check_ignored(asked: Asked, query: Query) -> None:
    """Raises FhirRefused where something would be passed over and the client wants strict handling."""
    if asked.prefers("handling=strict") and query.ignored:
        raise FhirRefused(path=", ".join(query.ignored), problem="is not supported here")


def not_looked_at(query: Query) -> list[Resource]:
    """What every page says of the parameters that were passed over."""
    ignored = (*query.ignored, *(["_summary"] if query.summary in ("true", "text", "data") else []))
    if not ignored:
        return []
    return [outcome("warning", "not-supported", f"Not looked at: {', '.join(ignored)}.")]
