"""A patient lets an app in: by the pass that the patient's agent gave, typed on a page that needs no session.

The pass says for whom, by which consent and with which scopes at most; the page and the app only narrow that. Order of
effects: the code is durable and the pass used up with it, then the person is led back.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection

from careledger.app import app_codes, clients
from careledger.app.app_codes import DENIED, NOT_LET_IN
from careledger.app.clients import LAUNCH_PATIENT
from careledger.app.scopes import narrowed
from careledger.domain.errors import AccessRefused, OAuthRefused, RecordNotFound
from careledger.formats.apps import AppCode, AppGrant, AppPass
from careledger.gateway.desk import Desk
from careledger.gateway.oauth.consenting import scopes_said
from careledger.gateway.oauth.requests import Sent, Wanted
from careledger.workflows import let_in


def allowed(desk: Desk, sent: Sent, wanted: Wanted, granted: Collection[str], said: str) -> str:
    """A code for what the patient left of it; raises AccessRefused for a pass that is none, OAuthRefused where nothing
    is left."""
    found, now = sent.found, desk.world.clock.now()
    kept = _pass(desk, sent, said)
    most = clients.asked(kept.scopes, found.client.kind).words
    words = narrowed([each for each in wanted.scopes.words if each.said in granted], most)
    if not words:
        raise OAuthRefused(error=DENIED, why="nothing was allowed")
    others = {*wanted.scopes.others, LAUNCH_PATIENT}
    grant = AppGrant(
        found.id, found.client.post, found.client.purpose, scopes_said(words, others), kept.alias, "", b"", b"",
        secrets.token_bytes(16), b"", now, kept.owner + kept.commitment,
    )  # fmt: skip
    code = AppCode(grant, sent.redirect, sent.given["code_challenge"], "", now, b"")
    return app_codes.give_by_pass(found.employer.books, code, kept, now)


def _pass(desk: Desk, sent: Sent, said: str) -> AppPass:
    found = sent.found
    try:
        kept, received = let_in.admitted(desk.world.network, found.employer, said)
    except RecordNotFound:
        raise AccessRefused(because=NOT_LET_IN) from None
    certificate = received.certificate
    fits = (kept.client, certificate.grantee.number, certificate.purpose) == (
        found.id, found.client.post, found.client.purpose,
    )  # fmt: skip
    if not fits:
        raise AccessRefused(because=NOT_LET_IN)
    return kept
