"""An organisation approves who signed up: as a patient that it registers or registered, or as one of its posts.

Order of effects for a patient: the alias noted with the account, the registration (workflows.register), the account
active and its claim, which stands in the identity table from then on, dropped. Repeating finishes what broke off. For a
post: that it is this account's, then the account. Who lost everything that proves them signs up anew: an account that
was suspended gives its place to the new one.
"""

from __future__ import annotations

import secrets

from careledger.app.identity import accounts, invitations
from careledger.app.identity.accounts import PENDING, SUSPENDED, Person
from careledger.domain.errors import ActRefused, InvitationRefused
from careledger.workflows import register
from careledger.workflows.identity_rows import Identity
from careledger.workflows.network import Network


def as_patient(network: Network, who: Person, alias: bytes = b"") -> Person:
    """The account is that patient's, or a new one's; raises ActRefused, PatientNotFound, and what
    ``register.patient`` raises."""
    if alias:
        register.identity_of(who.organisation, alias)
    else:
        with who.organisation.books.alone():
            who = _still_pending(who)
            who = accounts.changed(who, alias=who.account.alias or secrets.token_bytes(32))
        alias, claim = who.account.alias, who.account.claim
        said = ("", "", "") if claim is None else (claim.name, claim.national_id, claim.birth)
        row = Identity(bytes(32), bytes(16), said[0], "", said[1], said[2], bytes(32))
        register.patient(network, who.organisation, row, alias=alias)
    with who.organisation.books.alone():
        if not _gives_way(accounts.whose(who.organisation, alias), _still_pending(who)):
            raise ActRefused(why="another account is this patient's")
        return accounts.bind(who, alias)


def as_post(who: Person, post: int) -> Person:
    """The account acts as that post of the organisation's; raises ActRefused, InvitationRefused for one that
    somebody has, or an app."""
    invitations.check_peoples(who.organisation, post)
    with who.organisation.books.alone():
        if not _gives_way(accounts.holder_of(who.organisation, post), _still_pending(who)):
            raise InvitationRefused(why="somebody signs in as this post already")
        return accounts.bind(who, post=post)


def reinstate(who: Person) -> Person:
    """Whoever was suspended may sign in again, as what they were; raises ActRefused."""
    return accounts.reinstate(who)


def _gives_way(holder: Person | None, who: Person) -> bool:
    return holder is None or holder.id == who.id or holder.account.state == SUSPENDED


def _still_pending(who: Person) -> Person:
    """The account as it is now; raises ActRefused unless it waits for approval."""
    now = accounts.person(who.organisation, who.id)
    if now.account.state != PENDING or now.account.post:
        raise ActRefused(why="this account does not wait for approval")
    return now
