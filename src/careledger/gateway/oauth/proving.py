"""Who asks an OAuth endpoint: a client that proves itself by an assertion, each of which counts once, for good.

Order of effects: what was used is durable, then the client gets what it asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from careledger.app import app_codes
from careledger.app.assertions import TYPE, UNPROVED, Claimed, claimed, proved
from careledger.app.clients import PUBLIC, Registered
from careledger.app.key_sets import Keys, key_set
from careledger.domain.errors import AssertionRefused, ClientNotFound, OAuthRefused
from careledger.gateway.entrance import Entrance
from careledger.gateway.oauth import answers
from careledger.gateway.oauth.fetched_keys import FetchedKeys


class Proving:
    """For every endpoint that clients prove themselves at."""

    def __init__(self, entrance: Entrance, fetched: FetchedKeys, audiences: tuple[str, ...]) -> None:
        """``audiences``: as what this server may be meant, the token endpoint's address and its issuer (RFC 7523 3)."""
        self._entrance, self._fetched, self._audiences = entrance, fetched, audiences

    async def client(self, form: Mapping[str, str]) -> Registered:
        """The client that proves itself by that form, or a public one that names itself; SMART lets that one renew by
        the refresh token alone. Raises AssertionRefused, OAuthRefused."""
        if "client_assertion" not in form and "client_assertion_type" not in form:
            if form.get("client_id"):
                return await self._entrance.work(lambda: self._public(form["client_id"]))
            if form.get("refresh_token"):
                return await self._entrance.work(lambda: self._renewing(form["refresh_token"]))
        said = _said(form)
        found = await self._entrance.work(lambda: self._registered(said.client))
        keys = await self._keys(found, said)
        return await self._entrance.work(lambda: self._once(said, keys))

    def _public(self, id: str) -> Registered:
        """Raises AssertionRefused for a client that has to prove itself, as for one that is none."""
        found = self._registered(id)
        if found.client.kind != PUBLIC:
            raise AssertionRefused(why=UNPROVED)
        return found

    def _renewing(self, token: str) -> Registered:
        """Raises AssertionRefused for the token of a client that has to prove itself, OAuthRefused for none."""
        found = app_codes.whose(self._entrance.employers, token, self._entrance.now)
        return self._public(found.id)

    def _registered(self, id: str) -> Registered:
        """Raises AssertionRefused in the words in which what proves nothing is refused."""
        try:
            return self._entrance.client(id)
        except ClientNotFound:
            raise AssertionRefused(why=UNPROVED) from None

    async def _keys(self, found: Registered, said: Claimed) -> Keys:
        if said.keys_at and said.keys_at != found.client.keys_at:
            raise AssertionRefused(why=UNPROVED)
        if found.client.keys_at:
            return await self._fetched.at(found.client.keys_at, said.kid)
        return key_set(found.client.keys) if found.client.keys else ()

    def _once(self, said: Claimed, keys: Keys) -> Registered:
        now = self._entrance.now
        proof = proved(said, keys, self._audiences, now)
        found = self._registered(proof.client)
        app_codes.use_assertion(found.employer.books, proof, now)
        return found


def _said(form: Mapping[str, str]) -> Claimed:
    if form.get("client_assertion_type") != TYPE or "client_assertion" not in form:
        raise OAuthRefused(error=answers.CLIENT, why="a client proves itself by private_key_jwt here")
    said = claimed(form["client_assertion"])
    if form.get("client_id", said.client) != said.client:
        raise AssertionRefused(why="client_id is another one than the assertion's")
    return said
