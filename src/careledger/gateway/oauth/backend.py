"""Tokens of back-end services (SMART Backend Services): short, narrowed to what the client and its post may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from careledger.app import clients, tokens
from careledger.app.clients import BACKEND, Registered
from careledger.app.scopes import ANY, Word, narrowed
from careledger.app.world import World
from careledger.domain.categories import Category
from careledger.domain.errors import OAuthRefused
from careledger.fhir.mapping import rules_by_type
from careledger.formats.apps import AppGrant
from careledger.gateway.grounds import closed_to
from careledger.gateway.oauth import answers
from careledger.ports import LedgerView
from careledger.workflows.network import verified

SECONDS, LASTS = 300, 24 * 3_600
"""How long a token is good for, and what it stands for goes on without a new one: an export, a page."""


def granted(world: World, found: Registered, form: Mapping[str, str]) -> dict[str, Any]:
    """The token response; raises OAuthRefused, ScopeRefused, PartyNotFound, PartyNotVerified."""
    client, employer, now = found.client, found.employer, world.clock.now()
    if client.kind != BACKEND:
        raise OAuthRefused(
            error=answers.UNAUTHORIZED, why="only a back-end service is given a token without a person"
        )
    if world.keyring.post(employer, client.post) is None:
        raise OAuthRefused(error=answers.UNAUTHORIZED, why="the post that it acts as is none any more")
    view = world.ledger.fresh_head()
    verified(view, client.post)
    scopes = _scopes(view, found, form.get("scope", ""))
    grant = AppGrant(found.id, client.post, client.purpose, scopes, b"", "", b"", b"", b"", b"", now, b"")
    token = tokens.issue_to_app(employer.books, grant, now + LASTS, now, SECONDS)
    return {"access_token": token, "token_type": "bearer", "expires_in": SECONDS, "scope": scopes}


def _scopes(view: LedgerView, found: Registered, said: str) -> str:
    """As much of what is asked for as the client and its post may; raises OAuthRefused where that is nothing."""
    if not said.split():
        raise OAuthRefused(error=answers.SCOPE, why="say which scopes, for example system/Patient.rs")
    wanted, most = clients.asked(said, BACKEND), clients.asked(found.client.scopes, BACKEND)
    closed = closed_to(view, found.client.post)
    words = [
        part for each in narrowed(wanted.words, most.words) if (part := _readable(each, closed)) is not None
    ]
    made = [*(each.said for each in words), *(each for each in wanted.others if each in most.others)]
    if not made:
        raise OAuthRefused(error=answers.SCOPE, why="nothing of this is allowed to the client and its post")
    text = " ".join(sorted(set(made)))
    if len(text) > clients.MOST_SCOPES:
        raise OAuthRefused(error=answers.SCOPE, why="these are more scopes than are kept")
    return text


def _readable(word: Word, closed: frozenset[Category]) -> Word | None:
    """Without reading and searching where the matrix lets the post read nothing of that type; what it writes is the
    organisation's import too, and decided when it writes."""
    kinds = rules_by_type() if word.kind == ANY else {word.kind: rules_by_type().get(word.kind, ())}
    places = {rule.category for rules in kinds.values() for rule in rules}
    if not places or None in places or places - closed:
        return word
    letters = "".join(each for each in word.letters if each not in "rs")
    return word.made(word.kind, letters, word.query)
