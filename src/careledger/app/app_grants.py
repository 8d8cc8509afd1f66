"""What apps and back-end services were granted, and the tokens that stand for it: rows in the employer's books.

A row has an end, and is none after it, nor once its grant was taken back, its client is registered no more, or who
granted it has left; what is over is dropped some time later. What may be used once is kept until it could not be used
any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from careledger.app import clients
from careledger.app.identity import sessions
from careledger.app.identity.accounts import ACTIVE, person
from careledger.domain.errors import FreshProofNeeded, PartyNotFound
from careledger.formats.apps import AppCode, AppGrant, AppToken
from careledger.formats.digests import uint
from careledger.ports import Books
from careledger.workflows.actors import Organisation

KEPT = "app-access"
GRANT, TOKEN, USED, CODE, REFRESH, LAUNCH = b"G", b"T", b"U", b"C", b"R", b"L"
_END, _TIME = b"e", 8
"""A row for each other one, by its end, so that what is over is found without opening anything."""
FEWEST, MOST = 20, 200
"""How many rows are dropped at once."""


@dataclass(frozen=True, repr=False)
class Standing:
    """A grant that counts, its name, its end in unix seconds, and the scopes of what it is a part of, else its own."""

    name: bytes
    grant: AppGrant
    until: int
    whole: str


@dataclass(frozen=True, repr=False)
class Row:
    """What is kept under a name until a time."""

    name: bytes
    value: bytes
    until: int


def keep(books: Books, rows: Iterable[Row]) -> None:
    """All of them durable when it returns, or none; of a row that is renewed the earlier end is forgotten."""
    made = list(rows)
    ends = [_END + uint(each.until) + each.name for each in made]
    written = [(each.name, uint(each.until) + each.value) for each in made]
    with books.alone():
        before = set(_ends(books, [each.name for each in made])).difference(ends)
        books.change({KEPT: [*written, *((each, b"") for each in ends)]}, {KEPT: sorted(before)})


def look(books: Books, name: bytes, now: int) -> Row | None:
    """The row of that name, None if there is none or it is over."""
    found = books.get(KEPT, name)
    if found is None or (until := int.from_bytes(found[:_TIME], "big")) <= now:
        return None
    return Row(name, found[_TIME:], until)


def drop(books: Books, names: Iterable[bytes]) -> None:
    """They are none any more; durable when it returns."""
    gone = list(names)
    with books.alone():
        books.drop(KEPT, [*gone, *_ends(books, gone)])


def _ends(books: Books, names: Iterable[bytes]) -> list[bytes]:
    """Where rows that are there are filed by their ends."""
    found = ((name, books.get(KEPT, name)) for name in names)
    return [_END + row[:_TIME] + name for name, row in found if row is not None]


def drop_over(books: Books, now: int) -> int:
    """Drops what is over, once it is enough to be worth it; how many rows that were."""
    keys = (each for each in books.keys(KEPT, _END, MOST) if each.startswith(_END))
    over = [each for each in keys if int.from_bytes(each[1 : 1 + _TIME], "big") <= now]
    if len(over) < FEWEST:
        return 0
    named = {each[1 + _TIME :] for each in over}
    with books.alone():
        gone = [
            each for each in named if look(books, each, now) is None
        ]  # a grant may have been renewed meanwhile
        books.drop(KEPT, [*over, *gone])
    return len(gone)


def name_of(grant: AppGrant) -> bytes:
    """The name of a grant, the same whenever the same is granted again; 32 bytes."""
    return replace(grant, made=0).digest()


def standing(employer: Organisation, name: bytes, now: int) -> Standing | None:
    """The grant of that name, if it counts."""
    books = employer.books
    row = look(books, GRANT + name, now)
    if row is None:
        return None
    grant = AppGrant.decode(row.value)
    whole = grant.scopes
    if grant.parent:
        above = standing(employer, grant.parent, now)
        if above is None:
            return None
        whole = above.whole
    if clients.known(books, grant.client) is None or not _person_stands(employer, grant, now):
        return None
    return Standing(name, grant, row.until, whole)


def of_post(employer: Organisation, post: int, now: int) -> list[Standing]:
    """The grants that count by which something acts as that post; parts of others are left out."""
    named = (name[len(GRANT) :] for name, _ in employer.books.rows(KEPT, GRANT))
    found = (standing(employer, name, now) for name in named)
    return [each for each in found if each is not None and each.grant.post == post and not each.grant.parent]


def end_of_person(employer: Organisation, account: bytes, session: bytes) -> None:
    """What that person let in is over, with its tokens and the codes that were not brought yet; what ends with that
    session stays until then."""
    books = employer.books
    with books.alone():
        granted = [(name, AppGrant.decode(row[_TIME:])) for name, row in books.rows(KEPT, GRANT)]
        granted += [(name, AppCode.decode(row[_TIME:]).grant) for name, row in books.rows(KEPT, CODE)]
        drop(books, [name for name, each in granted if each.account == account and each.session != session])


def bearing(employer: Organisation, token: bytes, now: int) -> tuple[Standing, AppToken, int] | None:
    """What the token with that SHA-256 stands for, the token, and its end."""
    row = look(employer.books, TOKEN + token, now)
    if row is None:
        return None
    kept = AppToken.decode(row.value)
    found = standing(employer, kept.grant, now)
    return None if found is None else (found, kept, min(row.until, found.until))


def require_fresh(employer: Organisation, name: bytes, now: int) -> None:
    """Of a person's app: raises FreshProofNeeded where they proved who they are more than five minutes ago, in the
    session that the grant of that name ends with, or in any of theirs where it ends with none. What nobody granted is a
    program's, or a patient's own."""
    found = standing(employer, name, now)
    if found is not None and not found.grant.account:
        return
    proved = [0]
    if found is not None:
        there = sessions.own(person(employer, found.grant.account), now)
        bound = found.grant.session
        proved += [each.row.proved for each in there if not bound or each.row.unique == bound]
    if now - max(proved) > sessions.FRESH:
        raise FreshProofNeeded(max_age=sessions.FRESH)


def _person_stands(employer: Organisation, grant: AppGrant, now: int) -> bool:
    """Whether who granted it still holds the post, and is signed in still where that is needed."""
    if not grant.account:
        return True
    try:
        who = person(employer, grant.account)
    except PartyNotFound:
        return False
    if who.account.state != ACTIVE or who.account.post != grant.post:
        return False
    return not grant.session or any(each.row.unique == grant.session for each in sessions.own(who, now))
