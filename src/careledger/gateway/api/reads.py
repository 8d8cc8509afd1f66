"""What the organisation's posts were shown, as it noted it itself: for its operators."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.app.names import Names
from careledger.domain.errors import PartyNotFound
from careledger.domain.parties import Role
from careledger.formats.own_reads import OwnRead
from careledger.gateway.api.pages import Page
from careledger.gateway.api.parties import number_of, seen
from careledger.gateway.api.rows import PARTS, Called, Row
from careledger.gateway.api.times import Moment, moment
from careledger.gateway.desk import Desk
from careledger.workflows.own_reads import end_of, lines_before

OPERATORS = frozenset({Role.OPERATOR})
MOST, MOST_LOOKED = 200, 2_000
"""Lines on a page, and how many are gone through for one."""


class Read(Struct, frozen=True):
    """What one post was shown by one request; for a quarter of an hour the same is not noted again."""

    number: int
    time: Moment
    post: str
    name: str | None
    token: Annotated[str, Meta(description="The beginning of the token's digest.")]
    purpose: str
    asked: Annotated[str, Meta(description="The kind of request, without what stood in it.")]
    patient: Annotated[str | None, Meta(description="The alias of whom it is about, where it says so.")]
    shown: list[str]


class OfReads(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the log, the newest first."""

    limit: Annotated[int, Meta(ge=1, le=MOST, description="How many lines at most.")] = 50
    before: Annotated[
        int, Meta(ge=0, le=2**53, description="Only lines before this number; 0: from the end.")
    ] = 0
    patient: Annotated[
        str,
        Meta(pattern=f"^({PARTS['patient'].pattern})?$", max_length=64, description="Only about this alias."),
    ] = ""
    post: Annotated[
        str,
        Meta(
            pattern=f"^({PARTS['party'].pattern})?$",
            max_length=17,
            description="Only what this post was shown.",
        ),
    ] = ""


def reads(desk: Desk, called: Called) -> Page[Read]:
    """The asking operator's own organisation's. A page may be short, or empty, where few lines fit: then ``next`` goes
    on. Raises PartyNotFound, StoreCorrupt."""
    view, names = seen(desk, called)
    query: OfReads = called.query
    books = desk.world.read_log(called.who.staff.organisation).books
    alias, post = bytes.fromhex(query.patient), number_of(view, query.post) if query.post else 0
    at, items = query.before or end_of(books).count, list[Read]()
    stop = max(0, at - MOST_LOOKED)
    for number, line in lines_before(books, at):
        if len(items) == query.limit or number < stop:
            break
        at = number
        if alias in (b"", line.patient) and post in (0, line.post):
            items.append(_read(names, number, line))
    return Page(items, _next(called, at) if at else None)


def _next(called: Called, before: int) -> str:
    query: OfReads = called.query
    said = [f"limit={query.limit}", f"before={before}"]
    said += [f"{name}={getattr(query, name)}" for name in ("patient", "post") if getattr(query, name)]
    return f"{called.place}?{'&'.join(said)}"


def _read(names: Names, number: int, line: OwnRead) -> Read:
    return Read(
        number,
        moment(line.time),
        names.id(line.post),
        names.known(line.post),
        line.token.hex()[:16],
        line.purpose,
        line.asked,
        line.patient.hex() or None,
        list(line.shown),
    )


ROWS = (
    Row("GET", "/reads", "reads", "What this organisation's posts were shown, as it noted it itself.", reads,
        Page[Read], OPERATORS, query=OfReads, refusals=(PartyNotFound,)),
)  # fmt: skip
