"""Tokens of apps that a person let in: by a code, and renewed by what came with it.

What counts once is used up only where the ledger can be asked, and a refresh token only while the post stands: an app
that is told to come again, or does so, comes with the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from careledger.app import app_codes, signers
from careledger.app.app_codes import Given
from careledger.app.clients import BACKEND, FHIR_USER, OPENID, Registered
from careledger.app.world import World
from careledger.domain.errors import OAuthRefused
from careledger.domain.parties import party_id
from careledger.formats.apps import AppGrant
from careledger.gateway.oauth import answers, metadata
from careledger.ports import LedgerView
from careledger.workflows import let_in
from careledger.workflows.network import verified

ID_SECONDS = 300


def by_code(world: World, base: str, found: Registered, form: Mapping[str, str]) -> dict[str, Any]:
    """The token response; raises OAuthRefused, PartyNotVerified, LedgerStale."""
    _check(found, form, "code", "redirect_uri", "code_verifier")
    view = world.ledger.fresh_head()
    given = app_codes.exchange(
        found, form["code"], form["redirect_uri"], form["code_verifier"], world.clock.now()
    )
    return _response(world, view, base, found, given)


def by_refresh(world: World, base: str, found: Registered, form: Mapping[str, str]) -> dict[str, Any]:
    """The same by a refresh token; raises OAuthRefused, PartyNotVerified, LedgerStale."""
    _check(found, form, "refresh_token")
    view, now = world.ledger.fresh_head(), world.clock.now()
    stands = app_codes.refreshing(found, form["refresh_token"], now)
    if stands is not None:
        _check_standing(view, now, stands.grant)
    given = app_codes.renew(found, form["refresh_token"], form.get("scope"), now)
    return _response(world, view, base, found, given)


def user(view: LedgerView, base: str, grant: AppGrant) -> dict[str, str]:
    """Who granted it, as id tokens and introspection say it: the person, whatever post they hold; nothing where the app
    may not know."""
    scopes = grant.scopes.split()
    if OPENID not in scopes:
        return {}
    post = view.party(grant.post)
    name = (
        str(UUID(bytes=grant.account))
        if grant.account
        else party_id(grant.post, post.roles if post else frozenset())
    )
    said = {"iss": metadata.issuer(base), "sub": name}
    return said | ({"fhirUser": f"{base}/Practitioner/{name}"} if FHIR_USER in scopes else {})


def context(grant: AppGrant) -> dict[str, str]:
    """For whom it was launched."""
    found = {"patient": grant.patient.hex(), "encounter": grant.encounter}
    return {name: value for name, value in found.items() if value}


def _response(world: World, view: LedgerView, base: str, found: Registered, given: Given) -> dict[str, Any]:
    grant = given.grant
    _check_standing(view, world.clock.now(), grant)
    said: dict[str, Any] = {
        "access_token": given.token,
        "token_type": "Bearer",
        "expires_in": given.seconds,
        "scope": grant.scopes,
        **context(grant),
    }
    if given.refresh:
        said["refresh_token"] = given.refresh
    who = user(view, base, grant)
    if given.code is not None and who:
        now = world.clock.now()
        claims: dict[str, Any] = {
            "aud": found.id,
            "iat": now,
            "exp": now + ID_SECONDS,
            "auth_time": given.code.proved,
        }
        nonce = {"nonce": given.code.nonce} if given.code.nonce else {}
        said["id_token"] = signers.signed(
            found.employer.books, {**who, **claims, **nonce}, now, signers.ID_TOKENS
        )
    return said


def _check_standing(view: LedgerView, now: int, grant: AppGrant) -> None:
    """Raises PartyNotVerified, and OAuthRefused where the patient's consent is over."""
    verified(view, grant.post)
    if grant.consent and not let_in.stands(view, now, grant.consent):
        raise OAuthRefused(error=answers.GRANT, why="the patient's consent is over")


def _check(found: Registered, form: Mapping[str, str], *needed: str) -> None:
    if found.client.kind == BACKEND:
        raise OAuthRefused(error=answers.UNAUTHORIZED, why="a back-end service is let in by nobody")
    for each in needed:
        if not form.get(each):
            raise OAuthRefused(error=answers.REQUEST, why=f"{each} is needed")
