"""Which licence a post rests on, and the end of the post once that licence is revoked or expired.

Order of effects of looking: that the licence and its number are over durable in the employer's books, the post ended on
the ledger, its account, its line in the list of staff, and then the row is dropped. Whatever breaks off is finished by
looking again, without asking for the list once more. A status list that cannot be had, or is not the issuer's, ends
nothing. Of a post that its employer ended before, it is looked once more whether its licence is over by then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from careledger.app.founding import licence
from careledger.app.identity import employing
from careledger.app.identity.employing import Desk
from careledger.app.licences import over, status
from careledger.app.licences.checking import Checked, Lists, check_issuer
from careledger.domain.errors import CareLedgerError, LicenceRefused
from careledger.domain.parties import Status
from careledger.formats.licences import RestsOn
from careledger.ports import LedgerView
from careledger.workflows.actors import Organisation

KEPT = over.RESTS
STANDS, ENDED, GONE, LEFT = "stands", "ended", "ended before", "not known"
REVOKED, EXPIRED = "revoked", "expired"


@dataclass(frozen=True, repr=False)
class Looked:
    """What became of a post: ``STANDS``; ``ENDED``, as ``why`` says; ``GONE``, by its employer; or ``LEFT`` as it is,
    for want of an answer."""

    post: int
    number: str
    until: int
    outcome: str
    why: str = ""


def rest(view: LedgerView, employer: Organisation, post: int, found: Checked, now: int) -> None:
    """From now on that post rests on that licence and on none before it; durable when it returns.

    A post that is on the ledger already is the employer's, with this profession as its one role and this number.
    Raises LicenceRefused for another one, one that is over, or a licence too large to be kept.
    """
    facts = view.party(post)
    if facts is not None:
        if facts.status is Status.REMOVED:
            raise LicenceRefused(why="the post is over")
        roles = {role.code for role in facts.roles}
        vouched = facts.employer, facts.licence, roles
        if vouched != (employer.number, licence(found.number), {found.profession}):
            raise LicenceRefused(why="the post was vouched for with another number or profession")
    said = over.row_of(found, now).encode()
    employer.books.put(KEPT, [(_key(post), said)])


def rested(employer: Organisation) -> list[tuple[int, RestsOn]]:
    """Every post that rests on a licence, by its number."""
    return [(int.from_bytes(key, "big"), RestsOn.decode(row)) for key, row in employer.books.rows(KEPT)]


def lists_of(employer: Organisation) -> set[tuple[int, str]]:
    """The issuers and addresses of the status lists that ``look`` asks for."""
    return {(row.issuer, row.uri) for _, row in rested(employer) if not row.over}


def look(desk: Desk, employer: Organisation, lists: Lists) -> list[Looked]:
    """Each post that rests on a licence, and what became of it; repeating is harmless. What was shown and holds no more
    is dropped.

    Where something is refused its post is ``LEFT``, and looked at the next time; what is raised is that there is no
    ledger to ask.
    """
    view = desk.network.ledger.fresh_head()
    over.sweep(employer, desk.now)
    return [_looked(desk, view, employer, lists, *each) for each in rested(employer)]


def _looked(
    desk: Desk, view: LedgerView, employer: Organisation, lists: Lists, post: int, row: RestsOn
) -> Looked:
    facts = view.party(post)
    said = post, row.number, row.until
    gone = facts is not None and facts.status is Status.REMOVED and not row.over
    try:
        why = _why_over(view, row, lists, desk.now)
        if why and not row.over:
            over.note(employer, post, replace(row, over=desk.now))
        if not (why or gone):
            return Looked(*said, STANDS)
        if not gone:
            employing.end_post(desk, employer, post)
    except LicenceRefused as refusal:
        return Looked(*said, LEFT, str(refusal.details.get("why")))
    except CareLedgerError as error:  # the ledger, which takes it the next time
        return Looked(*said, LEFT, type(error).__name__)
    employer.books.drop(KEPT, [_key(post)])
    return Looked(*said, GONE if gone else ENDED, why)


def _why_over(view: LedgerView, row: RestsOn, lists: Lists, now: int) -> str:
    """ "" for a licence that holds; raises LicenceRefused where that is not known."""
    if now >= row.until:
        return EXPIRED
    if row.over:
        return REVOKED
    check_issuer(view, row.issuer, row.key)
    listed = lists(row.issuer, row.uri)
    return REVOKED if status.is_revoked(listed, row.key, row.uri, row.place, now) else ""


def _key(post: int) -> bytes:
    return post.to_bytes(8, "big")
