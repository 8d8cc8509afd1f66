"""What a token stands for, to whom that is said (RFC 7662), and its end before its time (RFC 7009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from careledger.app import app_codes, app_grants, tokens
from careledger.app.app_grants import GRANT, TOKEN
from careledger.app.clients import INTROSPECT, Registered
from careledger.app.tokens import Bearer
from careledger.app.world import World
from careledger.domain.errors import OAuthRefused, PartyNotFound, PartyNotVerified
from careledger.gateway.oauth import answers, launched
from careledger.workflows.actors import Organisation
from careledger.workflows.let_in import stands
from careledger.workflows.network import verified


@dataclass(frozen=True, repr=False)
class Inquirer:
    """Who asks: about the tokens of an organisation's apps, or of one client alone."""

    employer: Organisation
    client: str = ""


def by_token(world: World, who: Bearer) -> Inquirer:
    """Whoever brings the organisation's own token, or one with the scope ``introspect``; raises OAuthRefused."""
    employer = who.staff.organisation
    found = app_grants.standing(employer, who.digest, world.clock.now()) if who.client else None
    limited = who.scopes.limited if found is None else INTROSPECT not in found.grant.scopes.split()
    if limited:
        raise OAuthRefused(error=answers.INSUFFICIENT, why=f"the token lacks the scope {INTROSPECT}")
    return Inquirer(who.staff.organisation)


def introspected(world: World, base: str, asker: Inquirer, form: Mapping[str, str]) -> dict[str, Any]:
    """What is said of a token: of another's, of what is none, and of what is over the same. Raises OAuthRefused."""
    digest, now = tokens.digest_of(_named(form)), world.clock.now()
    found = app_grants.bearing(asker.employer, digest, now)
    if found is None or asker.client not in ("", found[0].grant.client):
        return {"active": False}
    standing, kept, until = found
    view = world.ledger.fresh_head()
    try:
        verified(view, standing.grant.post)
    except (PartyNotFound, PartyNotVerified):
        return {"active": False}
    grant = standing.grant
    if grant.consent and not stands(view, now, grant.consent):
        return {"active": False}
    said = {
        "active": True,
        "scope": grant.scopes,
        "client_id": grant.client,
        "exp": until,
        "iat": kept.issued,
    }
    return {**said, "token_type": "Bearer", **launched.context(grant), **launched.user(view, base, grant)}


def revoked(world: World, found: Registered, form: Mapping[str, str]) -> None:
    """A token of that client is none any more, with a refresh token everything that was granted with it; what is none
    is none already. Raises OAuthRefused for another's."""
    digest = tokens.digest_of(_named(form))
    now, books = world.clock.now(), found.employer.books
    stands = app_codes.refreshing(found, form["token"], now)
    if stands is not None:
        app_grants.drop(books, [GRANT + stands.name])
        return
    bears = app_grants.bearing(found.employer, digest, now)
    if bears is None:
        return
    if bears[0].grant.client != found.id:
        raise OAuthRefused(error=answers.GRANT, why="the token is another client's")
    app_grants.drop(books, [TOKEN + digest])


def _named(form: Mapping[str, str]) -> str:
    if not form.get("token"):
        raise OAuthRefused(error=answers.REQUEST, why="a token is needed")
    return form["token"]
