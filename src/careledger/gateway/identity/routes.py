"""The routes under /identity, each from a row: the session, the page that asks, the pace, then the request itself.

What compares a password is worked out beside the one worker, two at a time, so that nobody's sign-in holds up others,
and by two threads of its own: each that ever did it keeps the 19 MiB that it took.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.identity.employing import Desk as Employing
from careledger.app.identity.employing import end_due
from careledger.app.identity.proving import Source
from careledger.app.identity.sessions import Current
from careledger.app.identity.sweeping import sweep
from careledger.domain.errors import CareLedgerError, RecordNotFound, SessionRefused
from careledger.gateway import cookies, security_log
from careledger.gateway.api import problems
from careledger.gateway.api.pace import Pace, place
from careledger.gateway.api.routes import json_body, read_json
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance, is_here, unexpected
from careledger.gateway.identity import own, page, people, signing_in
from careledger.gateway.identity.operations import Call, Operation, Said, Service, Steps, Who

BASE = "/identity"
OPERATIONS = signing_in.OPERATIONS + own.OPERATIONS + people.OPERATIONS
MOST_BODY = 64 * 1024
AT_ONCE, A_SECOND = 60, 2.0
"""How often one place may ask without a session."""
SWEEPS_EVERY = 600.0
"""Seconds between two looks for what is over."""
TOGETHER = 2
"""Passwords that are compared at the same time."""
PARTS = {"session": "[0-9a-f]{64}", "passkey": "[0-9a-f]{64}", "account": "[0-9a-f]{32}"}
"""What a path's parts look like; whatever does not is not found."""


class Identity:
    """Everything under /identity, and the page."""

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
        self._service, self._entrance = Service(desk, entrance.site), entrance
        self._pace, self._passwords = (
            Pace(AT_ONCE, A_SECOND),
            ThreadPoolExecutor(TOGETHER, "gateway-passwords"),
        )
        self._swept = time.monotonic()

    def routes(self) -> list[Route]:
        """One route for each row, and the page with its two files."""
        made = [
            Route(BASE + each.path, partial(self._handle, each), methods=[each.method]) for each in OPERATIONS
        ]
        return made + page.routes()

    def close(self) -> None:
        """What is under way is worked out, and nothing more."""
        self._passwords.shutdown()

    def sweep(self) -> None:
        """Drops what is over from the books, and ends posts whose time has come, every ten minutes; on the worker."""
        if time.monotonic() - self._swept < SWEEPS_EVERY:
            return
        world = self._service.desk.world
        self._swept, now = time.monotonic(), world.clock.now()
        for each in self._service.organisations():
            sweep(each, now)
            with suppress(CareLedgerError):  # what the ledger does not take now is tried again
                end_due(Employing(world.network, world.keyring, now), each)

    async def _handle(self, row: Operation, request: Request) -> Response:
        came = time.monotonic()
        if not is_here(request):
            return problems.failed(421)
        try:
            await self._admit(row, request, came)
            body = b"" if row.takes is None else await json_body(request, MOST_BODY)
            said = await self._answered(row, request, self._call(row, request, body))
        except CareLedgerError as error:
            security_log.refused(request, error)
            return problems.refused(error)
        except Exception:
            return problems.failed(500, unexpected())
        security_log.happened(request, row.event)
        return _response(said)

    async def _admit(self, row: Operation, request: Request, came: float) -> None:
        """Before the body is read; raises SessionRefused, CrossSiteRefused, FreshProofNeeded, Throttled."""
        if row.who is Who.ANYBODY:
            cookies.check_own_page(request, self._entrance.site)
            self._pace.take(_source(request).name(False), came)
            return
        await self._entrance.work(lambda: self._session(row, request))
        cookies.check_own_page(request, self._entrance.site)

    def _session(self, row: Operation, request: Request) -> Current | None:
        """The session as it is now, where one is needed or there is one; on the worker. Raises SessionRefused,
        FreshProofNeeded."""
        try:
            current = self._entrance.signed_in(request)
        except SessionRefused:
            if row.who is Who.ANYBODY:  # whoever signs in has none that counts
                return None
            raise
        if row.who is not Who.ANYBODY and current is None:
            raise SessionRefused()
        if row.who is Who.FRESH and current is not None:
            current.require_fresh(self._service.desk.world.clock.now())
        return current

    def _act(self, row: Operation, request: Request, call: Call) -> Said | Steps:
        """Begins the answer for the session and account as they are once the body has come; on the worker. Whoever was
        suspended meanwhile acts no more, and nothing older of the account is written over that."""
        current = self._session(row, request)
        self._note(row, request, call, current)
        return row.act(self._service, replace(call, session=current))

    def _note(self, row: Operation, request: Request, call: Call, current: Current | None) -> None:
        """Who wants to come in, and whom it is about, for the log; on the worker."""
        if (tried := row.tried(self._service, call)) is not None:
            self._entrance.comes(request, tried)
        if current is not None and "account" in call.parts:
            about = self._entrance.references.account(
                current.who.organisation, bytes.fromhex(call.parts["account"])
            )
            security_log.of(request).about = about

    def _call(self, row: Operation, request: Request, body: bytes) -> Call:
        for name, value in request.path_params.items():
            if not re.fullmatch(PARTS[name], value, re.ASCII):
                raise RecordNotFound()
        read = None if row.takes is None else read_json(body, row.takes)
        now, label = self._service.desk.world.clock.now(), request.headers.get("user-agent", "")
        return Call(read, request.path_params, now, _source(request), None, label)

    async def _answered(self, row: Operation, request: Request, call: Call) -> Said:
        """The answer at last: each step on the worker, what it yields beside it."""
        said = await self._entrance.work(lambda: self._act(row, request, call))
        if not isinstance(said, Generator):
            return await self._came(request, said)
        goes_on: Callable[[], object] = partial(next, said)
        while True:
            asks = await self._entrance.work(partial(_step, goes_on))
            if isinstance(asks, Said):
                return await self._came(request, asks)
            beside = asyncio.get_running_loop().run_in_executor
            made: object = await beside(self._passwords, cast(Callable[[], object], asks))
            goes_on = partial(said.send, made)

    async def _came(self, request: Request, said: Said) -> Said:
        who = said.comes
        if who is not None:
            await self._entrance.work(lambda: self._entrance.comes(request, who))
        return said


def _step(goes_on: Callable[[], object]) -> object:
    try:
        return goes_on()
    except StopIteration as ended:
        return ended.value


def _source(request: Request) -> Source:
    return Source(place(request.client.host) if request.client else "", cookies.device_of(request))


def _response(said: Said) -> Response:
    body = b"" if said.answer is None else msgspec.json.encode(said.answer)
    made = Response(body, said.status, problems.SAFE, media_type="application/json" if body else None)
    for each in said.cookies:
        made.raw_headers.append((b"set-cookie", each.encode("latin-1")))
    return made
