"""Search across types: ``GET [base]?_type=…`` and ``POST [base]/_search`` (R4 http.html#search), and the pages of all
searches, whose links stand there too.

What all types have is asked of all that the token may search, or of those that ``_type`` names; of those also what each
of them has under the same name. It looks where a search of one type looks, and into nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from careledger.app.scopes import SOME
from careledger.app.tokens import Bearer
from careledger.domain.errors import FhirRefused, ScopeRefused
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.searching.parameters import EVERY_TYPE
from careledger.gateway.about import about_whom
from careledger.gateway.desk import Desk
from careledger.gateway.http import (
    EVERYWHERE,
    FORM,
    MOST_FORM,
    Answered,
    Asked,
    Handler,
)
from careledger.gateway.searching import PAGE, answer, named_page


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    get = Handler(
        "GET", "/", partial(search, desk), looks_at=None, needs="s", of_one=True, of=SOME, in_part=True
    )
    return [get, replace(get, method="POST", path="/_search", takes=(FORM,), most=MOST_FORM)]


def search(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """What matches of several types, or the next page of a search of any; raises FhirRefused, ScopeRefused, PageGone,
    and as ``searching.search``."""
    if asked.values(PAGE):
        return named_page(desk, who, asked)
    if all(name in EVERYWHERE or not value for name, value in asked.given):
        raise FhirRefused(path="_type", problem="name types, what is looked for, or a page of a search")
    named = named_types(asked)
    about = about_whom(named[0] if len(named) == 1 else EVERY_TYPE, asked.given)
    query = desk.parsed(EVERY_TYPE, about.rest)
    return answer(desk, who, asked, about, replace(query, types=searched(who, query.types)), "")


def named_types(asked: Asked) -> list[str]:
    """What ``_type`` names, each once."""
    return list(dict.fromkeys(",".join(filter(None, asked.values("_type"))).split(",")))


def searched(
    who: Bearer, named: tuple[str, ...], among: Collection[str] = resource_types()
) -> tuple[str, ...]:
    """The types that are looked for, at least one: those that are named, each once, or all of these that the token may
    search. Raises ScopeRefused for one that it may not, and where it may search none of them."""
    for each in named:
        if not who.scopes.allow_in_part("s", each):
            who.scopes.require("s", each)
    found = tuple(dict.fromkeys(named)) or tuple(
        each for each in sorted(among) if who.scopes.allow_in_part("s", each)
    )
    if not found:
        raise ScopeRefused(needs="s of a type that is looked for")
    return found
