"""Which rows of an organisation's identity table may be one person, found without opening the others.

A row is filed under its number and the month of its birth, each as a tag that needs the organisation's key, so that
what lies on the disk says neither. Order of effects: a row and its tags at once. A table from before there were tags
gets them once, when it is first asked, and is then called complete; a crash between is begun again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from careledger.formats.digests import framed
from careledger.sealing.keys import hmac_tag
from careledger.workflows.actors import Organisation
from careledger.workflows.identity_rows import Identity, bare

INDEX, COMPLETE = "identity-index", b"complete"
IDENTITY = "identity"
TAG = 16
PORTION = 1_000
MONTHS = tuple(f"{month:02}" for month in range(1, 13))


def index_rows(organisation: Organisation, row: Identity) -> list[tuple[bytes, bytes]]:
    """What the books are to keep as ``INDEX`` so that the row is found."""
    return [(tag + row.alias, b"") for tag in _tags(organisation, _filed(row))]


def rows_near(organisation: Organisation, sought: Iterable[Identity]) -> list[Identity]:
    """Every row that has the number of one of these identities, or a birth date that may be the same day; by alias."""
    _complete(organisation)
    books, found = organisation.books, set[bytes]()
    names = {name for each in sought for name in _wanted(each)}
    for tag in _tags(organisation, names):
        found.update(key[TAG:] for key, _ in books.rows(INDEX, tag))
    rows = ((alias, books.get(IDENTITY, alias)) for alias in sorted(found))
    return [Identity.decode(row) for _, row in rows if row is not None]


def _complete(organisation: Organisation) -> None:
    books = organisation.books
    if books.get(INDEX, COMPLETE) is not None:
        return
    after = b""
    while aliases := books.keys(IDENTITY, after, PORTION):
        rows = [Identity.decode(row) for each in aliases if (row := books.get(IDENTITY, each)) is not None]
        books.put(INDEX, [tag for row in rows for tag in index_rows(organisation, row)])
        after = aliases[-1]
    books.put(INDEX, [(COMPLETE, b"")])


def _filed(row: Identity) -> Iterator[str]:
    if number := bare(row.national_id):
        yield f"number {number}"
    if row.birth:
        yield f"born {row.birth[:7]}"


def _wanted(sought: Identity) -> Iterator[str]:
    """Where rows are filed that ``workflows.link`` could call alike: a year alone may be any of its months."""
    yield from _filed(sought)
    if sought.birth:
        year = sought.birth[:4]
        yield f"born {year}"
        if len(sought.birth) < 7:
            yield from (f"born {year}-{month}" for month in MONTHS)


def _tags(organisation: Organisation, names: Iterable[str]) -> list[bytes]:
    return [hmac_tag(organisation.tag, framed("identity-index", each.encode()))[:TAG] for each in names]
