"""The HTTP side: one POST for JSON-RPC and one page, for programs of this machine only.

A request is refused before it is read if its Host is not a name of loopback (a page of somebody else's whose name was
made to lead here), or if a browser sends it for an origin that was not allowed. What is read is bounded in bytes and
time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.app.serving import is_loopback
from careledger.rpc.dispatch import Answer
from careledger.rpc.page import Page

MOST_BYTES = 5 * 2**20  # of one request, as on Besu
READ_WITHIN = 30.0  # seconds for the whole of a request
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Allow-Private-Network": "true",
    "Access-Control-Max-Age": "600",
}


class _Turned(Exception):
    """An HTTP request that is turned away; status and sentence."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status, self.why = status, why
        super().__init__(why)


class Edge:
    """The application: it checks, bounds and reads a request, and lets a worker answer it.

    ``origins`` are those of pages and wallets that may ask beside the server's own page.
    """

    def __init__(
        self, answer: Callable[[bytes], Answer], page: Page, origins: Sequence[str], workers: Executor
    ) -> None:
        self._answer, self._page = answer, page
        self._origins, self._workers = frozenset(origins), workers

    def application(self) -> Starlette:
        """As ASGI."""
        return Starlette(
            routes=[
                Route("/", self._turning(self._show), methods=["GET"]),
                Route("/wallet.js", self._turning(self._script), methods=["GET"]),
                Route("/", self._turning(self._post), methods=["POST"]),
                Route("/", self._turning(self._preflight), methods=["OPTIONS"]),
            ]
        )

    def _turning(self, serve: Callable[[Request], object]) -> Callable[[Request], object]:
        async def served(request: Request) -> Response:
            try:
                origin = self._checked(request)
                response: Response = await serve(request)  # type: ignore[misc]
            except _Turned as turned:
                return JSONResponse({"message": turned.why}, turned.status)
            if origin is not None:
                response.headers.update({"Access-Control-Allow-Origin": origin, "Vary": "Origin"})
            return response

        return served

    def _checked(self, request: Request) -> str | None:
        """The origin that a browser asks for, if one does."""
        host = request.headers.get("host", "")
        name = host.rpartition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if not is_loopback(name):
            raise _Turned(HTTPStatus.FORBIDDEN, "Host not authorized: only names of loopback are")
        origin = request.headers.get("origin")
        if origin is not None and origin not in self._origins and origin != f"http://{host}":
            raise _Turned(HTTPStatus.FORBIDDEN, "Origin not allowed: name it with --allow-origin")
        return origin

    async def _show(self, request: Request) -> Response:
        return Response(self._page.html, media_type="text/html", headers=self._page.headers)

    async def _script(self, request: Request) -> Response:
        return Response(self._page.script, media_type="text/javascript", headers=self._page.headers)

    async def _preflight(self, request: Request) -> Response:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=_PREFLIGHT)

    async def _post(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":  # what a browser sends without asking first is none
            raise _Turned(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type has to be application/json")
        try:
            body = await asyncio.wait_for(_body(request), READ_WITHIN)
        except TimeoutError:
            raise _Turned(HTTPStatus.REQUEST_TIMEOUT, f"not read within {READ_WITHIN:.0f} s") from None
        except ClientDisconnect:
            raise _Turned(HTTPStatus.BAD_REQUEST, "ended early") from None
        said = await asyncio.get_running_loop().run_in_executor(self._workers, self._answer, body)
        return Response(said.body, said.status, media_type="application/json")


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise _Turned(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {MOST_BYTES:,} bytes")
    return b"".join(parts)
