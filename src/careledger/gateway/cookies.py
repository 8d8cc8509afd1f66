"""The cookies of people's browsers, and whether a page of this gateway sent them.

All are bound to this host alone (``__Host-``), hidden from scripts, and sent by this site's pages only, but
for those by which a sign-on elsewhere comes back.
"""

from __future__ import annotations

import re

from starlette.requests import Request

from careledger.app.identity.passkeys import Site
from careledger.app.identity.proving import DEVICE_FOR
from careledger.domain.errors import CrossSiteRefused

SESSION, DEVICE = "__Host-careledger-session", "__Host-careledger-device"
SIGN_ON, SAML = "__Host-careledger-sign-on", "__Host-careledger-saml"
SAFE_METHODS = ("GET", "HEAD")
_GIVEN = re.compile(r"[A-Za-z0-9_-]{43}")
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"


def session_of(request: Request) -> str:
    """The session that a request brings, empty for none."""
    return request.cookies.get(SESSION, "")


def device_of(request: Request) -> str:
    """The cookie of a browser that was here before, empty for none and for what was never given."""
    said = request.cookies.get(DEVICE, "")
    return said if _GIVEN.fullmatch(said) else ""


def session_cookie(secret: str) -> str:
    """For a browser to keep until it is closed."""
    return f"{SESSION}={secret}; {_ATTRIBUTES}"


def no_session() -> str:
    """For a browser to drop its session."""
    return f"{SESSION}=; {_ATTRIBUTES}; Max-Age=0"


def device_cookie(secret: str) -> str:
    """For a browser to keep as long as it is known."""
    return f"{DEVICE}={secret}; {_ATTRIBUTES}; Max-Age={DEVICE_FOR}"


def sign_on_of(request: Request) -> str:
    """What a browser that signs on elsewhere was given before, empty for none."""
    return request.cookies.get(SIGN_ON, "")


def sign_on_cookie(secret: str, seconds: int) -> str:
    """For a browser that is sent to another site, to come back with: so it is sent on a way from there too."""
    return f"{SIGN_ON}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"


def saml_of(request: Request) -> str:
    """What a browser that signs on elsewhere by SAML was given before, empty for none and for what was never given."""
    said = request.cookies.get(SAML, "")
    return said if _GIVEN.fullmatch(said) else ""


def saml_cookie(secret: str, seconds: int) -> str:
    """For a browser that comes back with a form of another site's page, with which no cookie is sent that is kept to
    this site. It opens nothing: it only says which browser began."""
    return f"{SAML}={secret}; Path=/; Secure; HttpOnly; SameSite=None; Max-Age={seconds}"


def check_own_page(request: Request, site: Site) -> None:
    """What changes something has to come from a page of this origin, and say so (Fetch Metadata, RFC 6454); what only
    reads must not come from another site's. Raises CrossSiteRefused."""
    fetched = request.headers.get("sec-fetch-site")
    if request.method in SAFE_METHODS:
        if fetched not in (None, "same-origin", "none"):
            raise CrossSiteRefused()
    elif fetched != "same-origin" or request.headers.get("origin") != site.origin:
        raise CrossSiteRefused()
