"""Numbers of licences that are over: typed once more they give nobody a post here, until a licence is shown that holds.

Whoever is entered by a list, a directory or the API is entered by a number alone. What a presented licence proves is
kept for them before (``keep``); the post that is then given rests on it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from careledger.app.licences.checking import Checked
from careledger.domain.errors import LicenceRefused, MalformedBytes
from careledger.domain.parties import Role
from careledger.formats.digests import digest, uint
from careledger.formats.licences import RestsOn
from careledger.workflows.actors import Organisation

WANTED = "this role is given by a licence that was shown, and with no other role"
RESTS, OVER, SHOWN = "rests-on-licence", "licence-over", "licence-shown"


def row_of(found: Checked, now: int) -> RestsOn:
    """What is kept of a licence that holds; raises LicenceRefused for one too large to be kept."""
    row = RestsOn(
        found.issuer, found.key, found.number, found.holder, found.place, found.uri, found.until, now, 0
    )
    try:
        row.encode()
    except MalformedBytes:
        raise LicenceRefused(why="too large to be kept") from None
    return row


def keep(employer: Organisation, found: Checked, now: int) -> None:
    """For whoever is entered next with that number and that profession alone; durable when it returns."""
    key = _shown(found.number, found.profession)
    employer.books.put(SHOWN, [(key, row_of(found, now).encode())])


def sweep(employer: Organisation, now: int) -> None:
    """Drops what was shown for whoever was never entered, once it holds no more; repeating changes nothing."""
    over = [key for key, row in employer.books.rows(SHOWN) if RestsOn.decode(row).until <= now]
    if over:
        employer.books.drop(SHOWN, over)


def note(employer: Organisation, post: int, row: RestsOn) -> None:
    """That post is being ended, and its licence's number is over; durable when it returns."""
    employer.books.change(
        {RESTS: [(uint(post), row.encode())], OVER: [(_number(row.number), uint(row.over))]}, {}
    )


def check(
    employer: Organisation,
    numbers: Iterable[str],
    wanted: str,
    roles: Iterable[Role],
    now: int,
    post: int = 0,
    required: frozenset[Role] = frozenset(),
) -> None:
    """Before anybody is entered with that number: raises LicenceRefused where it, or one of ``numbers`` that they had,
    is over, or a role is of ``required``, and none was shown for it that holds. ``post`` may rest on one already."""
    there = tuple(roles)
    known, demanded = {each for each in (wanted, *numbers) if each}, not required.isdisjoint(there)
    if not demanded and all(employer.books.get(OVER, _number(each)) is None for each in known):
        return
    if _kept(employer, wanted, there, now) is None and employer.books.get(RESTS, uint(post)) is None:
        raise LicenceRefused(
            why=WANTED if demanded else "revoked or expired; one that holds has to be shown first"
        )


def rest_on_shown(employer: Organisation, post: int, wanted: str, roles: Iterable[Role], now: int) -> None:
    """Before a post is registered: it rests on the licence that was shown for it, if one was, which serves once."""
    there = tuple(roles)
    row = _kept(employer, wanted, there, now)
    if row is not None:
        key = _shown(wanted, there[0].code)
        employer.books.change({RESTS: [(uint(post), row)]}, {SHOWN: [key]})


def _kept(employer: Organisation, wanted: str, roles: Iterable[Role], now: int) -> bytes | None:
    there = tuple(roles)
    row = employer.books.get(SHOWN, _shown(wanted, there[0].code)) if len(there) == 1 else None
    return row if row is not None and RestsOn.decode(row).until > now else None


def _number(said: str) -> bytes:
    """The same however a number is typed: its letters and digits alone, each as ASCII has it if it is one of those."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", said).casefold())
    signs = (str(unicodedata.decimal(each, each)) for each in plain if each.isalnum())
    return digest("licence-over", "".join(signs).encode())


def _shown(number: str, profession: str) -> bytes:
    return digest("licence-shown", _number(number), profession.encode())
