"""What an OpenID provider says of itself (OpenID Connect Discovery 1.0), its keys, and what it gives for a code.

Only addresses are asked that events may be sent to. What is kept of it lies in memory, and is asked for again after ten
minutes; however many wait for one provider, it is asked once at a time.
"""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from careledger.app.identity.id_tokens import ALGORITHMS
from careledger.app.key_sets import CURVE, Keys
from careledger.domain.errors import AssertionRefused, EndpointRefused, SignOnRefused
from careledger.gateway.events.addresses import target
from careledger.gateway.events.sending import Sender
from careledger.gateway.oauth.fetched_keys import FetchedKeys

PLACE = "/.well-known/openid-configuration"
MOST_BYTES = 64 * 1024
KEPT, AGAIN = 600.0, 10.0
"""Seconds that what a provider says is kept; until one is asked again that did not say it."""
CURVES = ("P-256", CURVE)
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
AT_ONCE = 4


@dataclass(frozen=True)
class Metadata:
    """Where a provider is asked, what it signs by, how clients may prove themselves, whether it says who it is when it
    sends somebody back (RFC 9207), and where somebody signs out there, empty for nowhere."""

    issuer: str
    authorization: str
    token: str
    keys: str
    algorithms: tuple[str, ...]
    methods: tuple[str, ...]
    says_issuer: bool
    end_session: str = ""


class Discovered:
    """For one gateway; of the event loop alone."""

    def __init__(self, sender: Sender) -> None:
        self._sender, self._keys = sender, FetchedKeys(sender, CURVES)
        self._pool = ThreadPoolExecutor(AT_ONCE, "gateway-sign-on")
        self._held: dict[str, tuple[float, Metadata | None]] = {}
        self._under_way: dict[str, asyncio.Task[Metadata | None]] = {}

    def close(self) -> None:
        """Ends what is under way."""
        self._keys.close()
        self._pool.shutdown(cancel_futures=True)

    async def of(self, issuer: str) -> Metadata:
        """What the provider says of itself; raises SignOnRefused."""
        until, found = self._held.get(issuer, (0.0, None))
        if time.monotonic() >= until:
            if issuer not in self._under_way:
                self._under_way[issuer] = asyncio.create_task(self._fetch(issuer))
            found = await asyncio.shield(self._under_way[issuer])
        if found is None:
            raise SignOnRefused(why="the provider does not say where it is asked")
        return found

    async def keys(self, said: Metadata, kid: str) -> Keys:
        """The provider's keys; raises SignOnRefused."""
        try:
            return await self._keys.at(said.keys, kid)
        except AssertionRefused:
            raise SignOnRefused(why="the provider's keys are not to be had") from None

    async def given(self, url: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        """What the token endpoint answers; raises SignOnRefused."""
        sent = {"Content-Type": FORM, "Accept": JSON, **headers}
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(self._pool, self._sender.ask, url, sent, body, MOST_BYTES)
        if made.problem:
            raise SignOnRefused(why=f"the provider gives nothing for the code: {made.problem}")
        return _object(made.body)

    async def _fetch(self, issuer: str) -> Metadata | None:
        try:
            loop, url = asyncio.get_running_loop(), issuer.removesuffix("/") + PLACE
            made = await loop.run_in_executor(self._pool, self._sender.fetch, url, JSON, MOST_BYTES)
            found = None if made.problem else _metadata(made.body, issuer, self._sender.loopback)
            self._held[issuer] = time.monotonic() + (AGAIN if found is None else KEPT), found
            return found
        finally:
            del self._under_way[issuer]


def _metadata(body: bytes, issuer: str, loopback: bool) -> Metadata | None:
    """What that says, None where it is not that issuer's or leads where nobody is sent."""
    try:
        said = _object(body)
        places = said["authorization_endpoint"], said["token_endpoint"], said["jwks_uri"]
        end_session = said.get("end_session_endpoint", "")
        for each in (*places, *([end_session] if end_session else [])):
            target(each, loopback)
    except (SignOnRefused, EndpointRefused, KeyError, TypeError):
        return None
    signs = _words(said.get("id_token_signing_alg_values_supported", ["RS256"]))
    algorithms = tuple(each for each in signs if each in ALGORITHMS)
    if said.get("issuer") != issuer or not algorithms:
        return None
    methods = _words(said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]))
    says_issuer = said.get("authorization_response_iss_parameter_supported") is True
    return Metadata(issuer, *places, algorithms, methods, says_issuer, end_session)


def _words(said: Any) -> tuple[str, ...]:
    return tuple(each for each in said if isinstance(each, str)) if isinstance(said, list) else ()


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SignOnRefused(why="the provider does not answer with a JSON object")
    return found
