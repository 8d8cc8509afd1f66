"""Who in an organisation's own identity table may be this person: asked by its posts that register or treat.

A question says enough of one person, whole words and no patterns, so that nobody leafs through the table by it. Order
of effects: the question counted, durable; everybody who is named is told, as by the locator; then the answer. A
repeated question is a new one: counted, and told again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from careledger.domain.consents import Purpose
from careledger.domain.errors import AccessRefused, PatientNotFound, RequestRefused, Throttled
from careledger.domain.parties import Role
from careledger.domain.questions import PATIENTS_A_DAY
from careledger.domain.reasons import Reason
from careledger.formats.digests import digest, uint
from careledger.formats.persons import Located
from careledger.ports import Books
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.find import MAY_ASK, NO_ENTRY, PRESENT
from careledger.workflows.identity_index import rows_near
from careledger.workflows.identity_rows import Identity, bare
from careledger.workflows.judging import post_at
from careledger.workflows.link import births_agree, likeness, plain
from careledger.workflows.located import tell_located
from careledger.workflows.network import Network, verified

COUNTED = "match-asked"
POSTS = frozenset({Role.DOCTOR, Role.NURSE})
CARE = frozenset({Purpose.TREAT, Purpose.ETREAT, Purpose.COC})
MOST_QUESTIONS, WITHIN = PATIENTS_A_DAY, 3_600
"""So many questions of one post within so many seconds."""
MOST_MATCHES = 16
NUMBER, NAME, LIKE, SWAPPED = (
    "national-id",
    "name-and-birth",
    "similar-name-and-birth",
    "day-and-month-swapped",
)
_STRENGTH = (NUMBER, NAME, LIKE, SWAPPED)
_PATTERNS = frozenset("*%?_")


@dataclass(frozen=True, repr=False)
class Asker:
    """Who asks: the post, and what its token or session is for."""

    staff: Staff
    purpose: Purpose


@dataclass(frozen=True, repr=False)
class Candidate:
    """A row of the table; ``why`` as ``workflows.link`` says it, or that day and month would have to be swapped."""

    row: Identity
    why: str
    certain: bool


def match(
    network: Network, asker: Asker, sought: Sequence[Identity], most: int, only_certain: bool = False
) -> list[Candidate]:
    """Whom these identities, which are one person's names with the same number and birth, may be: at most ``most``
    and never more than 16, the likeliest first. Everybody who is returned was told.

    Raises AccessRefused for who neither registers nor treats, RequestRefused for a question that says too little or has
    patterns, Throttled beyond 40 questions of a post within an hour, whatever token or session they
    come by.
    """
    _check_asker(network, asker)
    _check_sought(sought)
    organisation = asker.staff.organisation
    count(organisation.books, asker.staff.number, network.clock.now())
    found = candidates(rows_near(organisation, [*sought, *_swapped(sought)]), sought)
    wanted = [each for each in found if each.certain or not only_certain]
    return [each for each in wanted[: min(most, MOST_MATCHES)] if _told(network, asker.staff, each.row)]


def candidates(table: Sequence[Identity], sought: Sequence[Identity]) -> list[Candidate]:
    """The rows that may be this person. One is certain if it alone has the number, or the whole name and the whole
    birth date, and nothing that it says contradicts what is sought."""
    found = [(row, why) for row in table if (why := _why(row, sought))]
    found.sort(key=lambda each: (_STRENGTH.index(each[1]), each[0].alias))
    near = [row for row, why in found if why in (NUMBER, NAME)]
    return [Candidate(row, why, near == [row] and _is_certain(row, why, sought)) for row, why in found]


def _why(row: Identity, sought: Sequence[Identity]) -> str:
    reasons = {likeness(row, each) for each in sought}
    reasons |= {SWAPPED for each in _swapped(sought) if likeness(row, each) in (NAME, LIKE)}
    return next((why for why in _STRENGTH if why in reasons), "")


def _swapped(sought: Sequence[Identity]) -> Iterator[Identity]:
    for each in sought:
        year, _, rest = each.birth.partition("-")
        month, _, day = rest.partition("-")
        if day and day != month and int(day) <= 12:
            yield replace(each, birth=f"{year}-{day}-{month}")


def _is_certain(row: Identity, why: str, sought: Sequence[Identity]) -> bool:
    number, birth = sought[0].national_id, sought[0].birth
    if why == NAME:
        return len(row.birth) == len(birth) == 10 and not (bare(number) and bare(row.national_id))
    born = not (row.birth and birth) or births_agree(row.birth, birth)
    names = {plain(row.name), plain(row.romanised)} - {""}
    stated = {plain(each.name) for each in sought} - {""}
    return born and (not names or not stated or bool(names & stated))


def _check_asker(network: Network, asker: Asker) -> None:
    view = network.ledger.fresh_head()
    verified(view, asker.staff.number)
    post = post_at(view, asker.staff.number)
    if not (post.roles & POSTS and post.employer_roles & MAY_ASK):
        raise AccessRefused(
            reason="treats-nobody", because="Only who registers or treats patients may ask this."
        )
    if asker.purpose not in CARE:
        raise AccessRefused(reason=Reason.NOT_FOR_CARE.code, because=Reason.NOT_FOR_CARE.sentence)


def _check_sought(sought: Sequence[Identity]) -> None:
    if any(_PATTERNS & set(each.name + each.national_id) for each in sought):
        raise RequestRefused(
            reason="pattern", because="Names and numbers are taken as they are, without patterns."
        )
    enough = [bare(each.national_id) or (plain(each.name) and each.birth) for each in sought]
    if not enough or not all(enough):
        said = "Too little is given: name a national identifier, or a name and a birth date."
        raise RequestRefused(reason="too-little-known", because=said)


def count(books: Books, post: int, now: int) -> None:
    """Remembers a question of that post; what is older than counts is forgotten. Raises Throttled."""
    name = digest("match-asked-by", uint(post))
    with books.alone():
        rows = [key for key, _ in books.rows(COUNTED)]
        asked = sorted(_when(key) for key in rows if key.startswith(name) and _when(key) > now - WITHIN)
        if len(asked) >= MOST_QUESTIONS:
            raise Throttled(seconds=asked[-MOST_QUESTIONS] + WITHIN - now)
        books.drop(COUNTED, [key for key in rows if _when(key) <= now - WITHIN])
        books.put(COUNTED, [(name + uint(now) + secrets.token_bytes(8), b"")])


def _when(key: bytes) -> int:
    return int.from_bytes(key[32:40], "big")


def _told(network: Network, staff: Staff, row: Identity) -> bool:
    """False for somebody who cannot be told, and is therefore not found."""
    organisation: Organisation = staff.organisation
    number, now = organisation.number, network.clock.now()
    told = Located(row.alias, number, staff.number, number, PRESENT, NO_ENTRY, now)
    try:
        tell_located(network, organisation, told)
    except PatientNotFound:
        return False
    return True
