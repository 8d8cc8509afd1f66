"""Invitations: a code by which an employer's word reaches whom it is for, who signs up by it as one of its posts."""

from __future__ import annotations

from careledger.app import clients
from careledger.app.identity import codes
from careledger.app.identity.accounts import HELD, holder_of
from careledger.domain.errors import InvitationRefused
from careledger.formats.identity import Invitation
from careledger.workflows.actors import Organisation

KEPT = "invitation"
GOOD_FOR = 7 * 24 * 3600
"""Seconds within which whoever was invited signs up."""


def invite(employer: Organisation, post: int, now: int) -> tuple[str, Invitation]:
    """A code by which whoever signs up within a week holds that post; raises InvitationRefused for a post that
    somebody has, or an app."""
    if holder_of(employer, post) is not None:
        raise InvitationRefused(why=HELD)
    check_peoples(employer, post)
    code, kept = codes.new_invitation(), Invitation(post, now, now + GOOD_FOR)
    employer.books.put(KEPT, [(codes.code_digest(code), kept.encode())])
    return code, kept


def take(employer: Organisation, code: str, now: int) -> int:
    """The post that a code invites to; the code is none from now on. Raises InvitationRefused."""
    name = codes.code_digest(code)
    with employer.books.alone():
        row = employer.books.get(KEPT, name)
        if row is None:
            raise InvitationRefused()
        employer.books.drop(KEPT, [name])
    kept = Invitation.decode(row)
    if now >= kept.until or holder_of(employer, kept.post) is not None:
        raise InvitationRefused()
    check_peoples(employer, kept.post)
    return kept.post


def check_peoples(employer: Organisation, post: int) -> None:
    """Raises InvitationRefused for the post of an app that patients let in, each for themselves."""
    if clients.is_apps_post(employer, post):
        raise InvitationRefused(why="an app of patients has this post")


def sweep(employer: Organisation, now: int) -> None:
    """Drops invitations that are over."""
    rows = employer.books.rows(KEPT)
    employer.books.drop(KEPT, [name for name, row in rows if now >= Invitation.decode(row).until])
