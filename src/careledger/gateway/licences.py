"""The status list of the licences that this machine's ministry issued, for whoever checks one; and looking at those
that posts rest on, at whoever issued them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.identity.employing import Desk as Employing
from careledger.app.identity.references import References
from careledger.app.licences import resting, status
from careledger.app.world import World
from careledger.domain.errors import EndpointRefused, LicenceRefused, PartyNotFound
from careledger.gateway import security_log
from careledger.gateway.desk import Desk
from careledger.gateway.events.addresses import check_listed
from careledger.gateway.files import FRESH, Work, answered, strangers

MEDIA_TYPE = "application/statuslist+jwt"
LOOKS_EVERY = 600.0
"""Seconds between two looks at the status lists of others."""
Lists = dict[tuple[int, str], str | LicenceRefused]


def routes(desk: Desk, work: Work) -> list[Route]:
    """The one route."""
    pace = strangers()

    async def listed(request: Request) -> Response:
        named = request.path_params["issuer"]
        made = await answered(request, work, lambda: token(desk, named), MEDIA_TYPE, FRESH, pace)
        made.headers["Access-Control-Allow-Origin"] = (
            "*"  # whoever checks in a browser (Token Status List, 8.1)
        )
        return made

    return [Route("/licences/{issuer}/status", listed, methods=["GET"])]


def token(desk: Desk, named: str) -> bytes:
    """The signed list; raises PartyNotFound for another issuer than the ministry whose keys lie here."""
    issuer = desk.world.keyring.ministry()
    if named != f"{issuer.number:016x}":
        raise PartyNotFound()
    uri = desk.base.removesuffix("/fhir") + status.place(issuer.number)
    return status.token(issuer, uri, desk.world.clock.now()).encode()


class Looking:
    """Looks at the licences that posts rest on, first when the gateway starts and then every ten minutes."""

    def __init__(self, world: World, worker: Executor, fetch: Callable[[str], str] = status.fetched) -> None:
        self._world, self._worker, self._fetch = world, worker, fetch
        self._references = References()
        self._looked: float | None = None

    def look(self) -> None:
        """Fetches on the thread that calls it, so that no request waits for an issuer; all else on the worker."""
        if self._looked is not None and time.monotonic() - self._looked < LOOKS_EVERY:
            return
        self._looked = time.monotonic()
        lists = self._worker.submit(self._made_here).result()
        wanted = [each for each, said in lists.items() if said is None]
        fetched: Lists = {each: said for each, said in lists.items() if said is not None}
        for each in wanted:
            try:
                check_listed(urlsplit(each[1]).hostname or "", self._world.outside)
                fetched[each] = self._fetch(each[1])
            except LicenceRefused as refusal:
                fetched[each] = refusal
            except (EndpointRefused, ValueError):
                fetched[each] = LicenceRefused(
                    why="its status list is at a host that outside.hosts does not name"
                )
        self._worker.submit(partial(self._carry_out, fetched)).result()

    def _made_here(self) -> dict[tuple[int, str], str | None]:
        """The lists that are wanted, those of issuers whose keys lie here made already."""
        keyring, now = self._world.keyring, self._world.clock.now()
        here = {each.number: each for each in keyring.everybody()}
        wanted = {one for each in keyring.organisations().values() for one in resting.lists_of(each)}
        return {
            (issuer, uri): status.token(here[issuer], uri, now) if issuer in here else None
            for issuer, uri in wanted
        }

    def _carry_out(self, lists: Lists) -> None:
        desk = Employing(self._world.network, self._world.keyring, self._world.clock.now())
        for employer in self._world.keyring.organisations().values():
            for each in resting.look(desk, employer, partial(_given, lists)):
                about = self._references.post(employer, each.post)
                if each.outcome == resting.ENDED:
                    security_log.by_itself(security_log.ENDED, about, each.why)
                elif each.outcome == resting.LEFT:
                    security_log.by_itself(security_log.UNKNOWN, about, each.why)


def _given(lists: Lists, issuer: int, uri: str) -> str:
    said = lists.get((issuer, uri), LicenceRefused(why="its status list was not fetched yet"))
    if isinstance(said, LicenceRefused):
        raise said
    return said
