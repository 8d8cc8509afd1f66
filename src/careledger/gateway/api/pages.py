"""Lists page by page: in order of a name that stays, so that nothing is skipped or repeated when something is added."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

from msgspec import Meta, Struct, structs

from careledger.domain.errors import ApiRefused
from careledger.gateway.api.rows import Called

MOST = 200
T = TypeVar("T")


class Paged(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a list."""

    limit: Annotated[int, Meta(ge=1, le=MOST, description="How many at most.")] = 50
    cursor: Annotated[
        str, Meta(max_length=200, description="Where to go on, from the link to the next page; opaque.")
    ] = ""


class Page(Struct, Generic[T], frozen=True):
    """A part of a list; ``next`` is the link to what follows, null at the end."""

    items: list[T]
    next: str | None


def page(called: Called, names: Iterable[str], make: Callable[[str], T]) -> Page[T]:
    """What ``make`` gives for each of the names, in their order, after the cursor; raises ApiRefused."""
    query: Paged = called.query
    after = _opened(query.cursor)
    left = sorted(name for name in names if name > after)
    shown = left[: query.limit]
    following = None
    if len(left) > len(shown):
        said = {**_given(query), "cursor": _closed(shown[-1])}
        following = f"{called.place}?{urlencode(said)}"
    return Page([make(name) for name in shown], following)


def page_along(called: Called, following: Callable[[str], Iterable[tuple[str, T]]]) -> Page[T]:
    """The same of what comes after a name, "" for the beginning, in the order of names; no more is taken of it than a
    page and one. Raises ApiRefused."""
    query: Paged = called.query
    try:
        found = list(islice(following(_opened(query.cursor)), query.limit + 1))
    except ValueError:
        raise ApiRefused(parameter="cursor", why="it is none that was given") from None
    more = None
    if len(found) > query.limit:
        more = f"{called.place}?{urlencode({**_given(query), 'cursor': _closed(found[-2][0])})}"
    return Page([made for _, made in found[: query.limit]], more)


def _given(query: Struct) -> dict[str, object]:
    """The parameters that say something."""
    return {name: value for name, value in structs.asdict(query).items() if value != ""}


def _closed(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode("ascii").rstrip("=")


def _opened(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise ApiRefused(parameter="cursor", why="it is none that was given") from None
