"""Search, and its pages, over what this post sees.

A search asks for a patient's compartment when it names the patient; one that names none looks into open leases and the
organisation's own identity table, and into nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from careledger.app.scopes import SOME
from careledger.app.tokens import Bearer
from careledger.domain.errors import AccessRefused, FhirRefused, TooCostly
from careledger.fhir.json_text import Resource
from careledger.gateway import bundles
from careledger.gateway.about import About, about_whom
from careledger.gateway.desk import Desk
from careledger.gateway.finding import Found
from careledger.gateway.http import FORM, MOST_FORM, Answered, Asked, Handler, refuse_if_strict
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
        Handler("GET", "/", partial(next_page, desk), looks_at=("_page",), needs="s", of=SOME),
        Handler(
            "POST", "/{kind}/_search", partial(search, desk), (FORM,), MOST_FORM, looks_at=None, needs="s"
        ),
        Handler("GET", "/{kind}", partial(search, desk), looks_at=None, needs="s"),
    ]


@dataclass(frozen=True, repr=False)
class Looked:
    """What was searched for, in which views, and ``address`` of that search without what was passed over."""

    views: Sequence[View]
    found: Found
    address: str

    @property
    def complete(self) -> bool:
        """Whether enough custodians answered: a number of matches would be wrong otherwise."""
        return all(view.seen.complete for view in self.views)

    def said(self) -> list[Resource]:
        """What every page says."""
        return bundles.withheld(self.views) + not_looked_at(self.found.query.ignored)


def search(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """What matches among everything that this post sees of the patients who are named.

    Raises FhirRefused, TooCostly for a search that names nobody, and what ``Leases.look`` raises.
    """
    about = about_whom(asked.kind, asked.given)
    query = desk.parsed(asked.kind, about.rest)
    refuse_if_strict(asked.headers, query.ignored)
    views, own = _views(desk, who, asked.kind, about)
    used = [each for each in asked.given if each not in about.rest or each in query.used]
    looked = Looked(views, Found(query, [*everything(views), *own]), address(desk, asked.kind, used))
    return page(desk, who, looked, looked.found.matches)


def address(desk: Desk, path: str, used: Sequence[tuple[str, str]]) -> str:
    """What a Bundle says of how it was searched for (R4 search.html#conformance)."""
    return f"{desk.base}/{path}?{urlencode(used)}" if used else f"{desk.base}/{path}"


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
    before = sum(path in current for path in rest.paths[: rest.before])
    return page(desk, who, Looked(views, found, f"{desk.base}?_page={names[0]}"), shown, before)


def page(desk: Desk, who: Bearer, looked: Looked, matches: Sequence[Shown], before: int = 0) -> Answered:
    """What follows the first ``before`` of these matches and what comes along with it; the others behind a link."""
    query, found, links = looked.found.query, looked.found, {"self": looked.address}
    size = 0 if query.counts else COUNT if query.count is None else min(query.count, MOST_COUNT)
    now, end = matches[before : before + size], before + size
    if size and end < len(matches):
        aliases, paths = tuple(view.seen.alias for view in looked.views), tuple(each.path for each in matches)
        ends = until(desk.world.clock.now())
        name = desk.pages.keep(Rest(who.digest, aliases, paths, end, query, ends))
        links["next"] = f"{desk.base}?_page={name}"
    entries = [(shown, found.narrowed(shown), "match") for shown in now]
    entries += [(shown, found.summarised(shown), "include") for shown in found.included(now)]
    told = looked.complete and (query.counts or query.total != "none")
    total = len(matches) if told else None
    return Answered(bundles.searchset(desk.base, entries, total, links, looked.said()))


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


def not_looked_at(ignored: Sequence[str]) -> list[Resource]:
    """What every page says of the parameters that were passed over."""
    if not ignored:
        return []
    return [outcome("warning", "not-supported", f"Not looked at: {', '.join(ignored)}.")]
