"""Drops from an organisation's books what nobody can use any more: challenges, sessions, invitations and the like."""

from __future__ import annotations

from careledger.app.identity import (
    accounts,
    attempts,
    challenges,
    invitations,
    leaving,
    proving,
    sessions,
    signing_on,
)
from careledger.workflows.actors import Organisation


def sweep(organisation: Organisation, now: int) -> None:
    """Repeating changes nothing."""
    challenges.sweep(organisation.books, now)
    attempts.sweep(organisation.books, now)
    sessions.sweep(organisation, now)
    proving.sweep(organisation, now)
    invitations.sweep(organisation, now)
    accounts.sweep_waiting(organisation, now)
    signing_on.sweep(organisation.books, now)
    leaving.sweep(organisation, now)
