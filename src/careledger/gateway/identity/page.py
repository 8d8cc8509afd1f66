"""The page at /sign-in: sign up, sign in, see and end one's own sessions. Nothing of it is inline or from elsewhere."""

from __future__ import annotations

from functools import partial
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.gateway.api import problems
from careledger.gateway.entrance import is_here

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    **problems.SAFE,
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-create=(self), publickey-credentials-get=(self)",
}
FILES = {
    "/sign-in": ("page.html", "text/html; charset=utf-8"),
    "/sign-in/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/sign-in/page.css": ("page.css", "text/css; charset=utf-8"),
}


def routes() -> list[Route]:
    """The page, its script and its style, for anybody."""
    return [Route(path, partial(_file, *each), methods=["GET"]) for path, each in FILES.items()]


async def _file(name: str, media_type: str, request: Request) -> Response:
    if not is_here(request):
        return problems.failed(421)
    body = files("careledger.gateway.identity").joinpath(name).read_bytes()
    return Response(body, headers=HEADERS, media_type=media_type)
