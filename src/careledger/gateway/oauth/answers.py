"""Answers of the OAuth endpoints: JSON that nobody keeps, and refusals in RFC 6749's words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from careledger.domain.errors import (
    AssertionRefused,
    CareLedgerError,
    ClientNotFound,
    OAuthRefused,
    PartyNotFound,
    PartyNotVerified,
    ScopeRefused,
    TokenRefused,
)
from careledger.gateway import outcomes

JSON = "application/json"
SAFE = {"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"}
REQUEST, CLIENT, GRANT, SCOPE = "invalid_request", "invalid_client", "invalid_grant", "invalid_scope"
UNAUTHORIZED, GRANT_TYPE, TOKEN = "unauthorized_client", "unsupported_grant_type", "invalid_token"
INSUFFICIENT, UNAVAILABLE, BROKEN = "insufficient_scope", "temporarily_unavailable", "server_error"
_STATUS = {CLIENT: 401, TOKEN: 401, INSUFFICIENT: 403, BROKEN: 500}
_OTHERS: tuple[tuple[type[CareLedgerError], str], ...] = (
    (AssertionRefused, CLIENT),
    (ClientNotFound, CLIENT),
    (ScopeRefused, SCOPE),
    (TokenRefused, TOKEN),
    (PartyNotVerified, UNAUTHORIZED),
    (PartyNotFound, UNAUTHORIZED),
)
_UNSAID = re.compile(r"[^ !#-\[\]-~]")
"""What an error_description cannot hold (RFC 6749, 5.2)."""


def answered(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """That object; nobody keeps it."""
    return Response(json.dumps(body).encode(), status, {**SAFE, **(headers or {})}, media_type=JSON)


def refused(error: CareLedgerError) -> Response:
    """Why something was refused; who brought a token in a header is told so in one (RFC 6749 5.2, RFC 6750 3)."""
    if (status := outcomes.kind_of(error).status) in (429, 503):
        return failed(UNAVAILABLE, str(error), status, outcomes.again(error))
    code = str(error.details["error"]) if isinstance(error, OAuthRefused) else _code(error)
    why = str(error.details["why"]) if "why" in error.details else str(error)
    status = _STATUS.get(code, 400)
    headers = {"WWW-Authenticate": f'Bearer realm="careledger", error="{code}"'} if code == TOKEN else {}
    return failed(code, why, status, headers)


def failed(code: str, why: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The error of that code."""
    return answered({"error": code, "error_description": plain(why)}, status, headers)


def plain(why: str) -> str:
    """Words without what an error_description cannot hold."""
    return _UNSAID.sub("'", why)


def _code(error: CareLedgerError) -> str:
    return next((code for kind, code in _OTHERS if isinstance(error, kind)), REQUEST)
