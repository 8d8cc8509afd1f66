"""Who comes in: a bearer token is looked up, its post's standing checked at the ledger's head, on the one worker."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from starlette.requests import Request

from careledger.app.scopes import ANY
from careledger.app.serving import is_loopback
from careledger.app.tokens import Bearer, Bearers
from careledger.app.world import World
from careledger.domain.errors import TokenRefused
from careledger.domain.facts import PartyFacts
from careledger.workflows.network import verified

_LOG = logging.getLogger("careledger.gateway")
T = TypeVar("T")


class Entrance:
    """For everything that a gateway serves with a token, so that all of it is as strict."""

    def __init__(self, world: World, worker: Executor) -> None:
        """``worker``: the one thread that touches the world."""
        self._world, self._worker = world, worker
        self._bearers = Bearers(world.keyring)

    async def work(self, act: Callable[[], T]) -> T:
        """What that act gives, carried out by the worker in the order of arrival."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, act)

    def who(self, request: Request, came: float, for_apps: bool = False) -> Bearer:
        """Who brings the request's token; on the worker. ``for_apps``: whoever asks this looks at scopes itself.
        Raises TokenRefused, ScopeRefused for an app's token elsewhere."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            raise TokenRefused(why="a bearer token is needed")
        who = self._bearers.bearer(token.strip(), self._world.clock.now(), came)
        if not for_apps:
            who.scopes.require("", ANY)
        return who

    def standing(self, who: Bearer) -> PartyFacts:
        """The post as it stands on the ledger now, with its employer; on the worker. Raises PartyNotVerified."""
        return verified(self._world.ledger.fresh_head(), who.staff.number)


def is_here(request: Request) -> bool:
    """Whether the name that was asked under is this machine's."""
    host = request.headers.get("host", "")
    return is_loopback(host.rpartition(":")[0] or host)


def unexpected() -> str:
    """The sentence for whoever asked; what happened, the exception being handled, is for the operator, without the
    request."""
    place = secrets.token_hex(8)
    _LOG.exception("unexpected, noted as %s", place)
    return f"Something is wrong here, noted as {place}."
