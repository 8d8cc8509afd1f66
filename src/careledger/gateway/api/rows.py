"""One operation as a row: from the rows come the routes, the OpenAPI document and the test of who may."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    ActRefused,
    ApiRefused,
    CareLedgerError,
    CrossSiteRefused,
    FreshProofNeeded,
    LedgerStale,
    PartyNotVerified,
    RecordNotFound,
    RepeatRefused,
    ScopeRefused,
    SessionRefused,
    StoreCorrupt,
    StoreUnavailable,
    Throttled,
    TokenRefused,
)
from careledger.domain.parties import Role
from careledger.gateway.desk import Desk


@dataclass(frozen=True)
class Part:
    """A part of a path: a regular expression, and what it is."""

    pattern: str
    says: str

    def fits(self, value: str) -> bool:
        """Whether a value looks so."""
        return re.fullmatch(self.pattern, value, re.ASCII) is not None


BASE = "/api/v1"
ALWAYS = (
    TokenRefused,
    SessionRefused,
    ScopeRefused,
    CrossSiteRefused,
    PartyNotVerified,
    ApiRefused,
    Throttled,
    LedgerStale,
    StoreUnavailable,
    StoreCorrupt,
)
"""What every operation may refuse with."""
WITH_TOKEN = (TokenRefused, ScopeRefused, PartyNotVerified, SessionRefused, CrossSiteRefused)
"""What of it only those may that need a token."""
MOST_BODY = 64 * 1024
PARTS = {
    "party": Part("[a-z]{3}-[0-9a-hjkmnp-tv-z]{13}", "A party's identifier, for example hos-0123456789abc."),
    "patient": Part("[0-9a-f]{64}", "A patient's alias."),
    "consent": Part("[0-9a-f]{64}", "A consent's commitment."),
    "custodian": Part("[0-9a-f]{16}", "A custodian's number on the ledger."),
    "number": Part("[0-9a-f]{16}", "A party's number on the ledger."),
    "team": Part("[0-9a-f]{16}", "A team's number on the ledger."),
    "block": Part("[0-9]|[1-9][0-9]{1,14}", "A block's number."),
    "act": Part("[0-9a-f]{64}", "An act's name, from the answer to it."),
    "request": Part("[0-9a-f]{32}", "A request for access."),
    "proposal": Part("[0-9a-f]{32}", "A proposed emergency."),
    "client": Part("[0-9a-f]{32}", "An app's client id."),
    "app": Part("[0-9a-f]{64}", "What an app was granted."),
    "webhook": Part("[0-9a-f]{32}", "A webhook."),
    "entry": Part("[0-9a-f]{64}", "An emergency's entry on the ledger."),
}
"""What a path's parts look like; whatever does not is not found."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


@dataclass(frozen=True, repr=False)
class Called:
    """A request that was read: who asks, the method, the whole path and its parts, query and body as the row's structs.

    ``bearer`` is None where an open row is asked without a token. ``operations``: the names of those that this post
    may ask for. ``unique``: 32 bytes that nobody can guess, the same whenever the same token repeats the same request
    under the same idempotency key.
    """

    bearer: Bearer | None
    method: str
    headers: Mapping[str, str]
    place: str
    parts: Mapping[str, str]
    query: Any
    body: Any
    operations: tuple[str, ...]
    unique: bytes

    @property
    def who(self) -> Bearer:
        """Who brings the token; raises TokenRefused where nobody did."""
        if self.bearer is None:
            raise TokenRefused(why="a bearer token is needed")
        return self.bearer


@dataclass(frozen=True, repr=False)
class Later:
    """An answer to what was taken and is not final yet: it goes out as 202."""

    answer: Struct


@dataclass(frozen=True)
class Row:
    """``path`` is below /api/v1; ``name`` is the operationId; ``act`` answers with a struct of the type ``gives``.

    ``may``: the roles one of which the post needs, None where every post that stands may. ``query`` and ``takes`` are
    the structs of the query and the body (None: no body). ``refusals``: what it refuses with beside ALWAYS.
    ``open``: it needs no token, because what it takes counts by its own signatures and seals, and what it shows anybody
    may see. ``most``: bytes of a body. ``later``: it may answer with Later.
    ``kept``: the Cache-Control of what it gives. ``pace``: of an open row, how often at once and a second all
    together; ``by_address``: how often from one address, where that is less than of all open rows together.
    ``also``: a media type that it answers with beside JSON, by a response of its own. ``fresh``: a person's session
    needs a proof of who acts that is less than five minutes old. ``shows``: the aliases of whom an answer, as JSON has
    it, says who they are; that is noted in the organisation's log of reads before it goes out.
    """

    method: str
    path: str
    name: str
    summary: str
    act: Callable[[Desk, Called], Any]
    gives: Any
    may: frozenset[Role] | None = None
    query: type[Struct] = Nothing
    takes: type[Struct] | None = None
    refusals: tuple[type[CareLedgerError], ...] = ()
    status: int = 200
    open: bool = False
    most: int = MOST_BODY
    later: bool = False
    kept: str = "no-store"
    pace: tuple[int, float] = (300, 30.0)
    by_address: tuple[int, float] | None = None
    also: str = ""
    fresh: bool = False
    shows: Callable[[Any], Iterable[str]] | None = None

    @property
    def parts(self) -> list[str]:
        """The names of the path's parts, in order."""
        return [each[1:-1] for each in self.path.split("/") if each.startswith("{")]

    @property
    def refused(self) -> list[type[CareLedgerError]]:
        """All that it may refuse with, each once."""
        always = [each for each in ALWAYS if not (self.open and each in WITH_TOKEN)]
        found: list[type[CareLedgerError]] = [*always, *self.refusals]
        found += [RecordNotFound] if self.parts else []
        found += [ActRefused] if self.may else []
        found += [RepeatRefused] if self.once else []
        found += [FreshProofNeeded] if self.fresh else []
        return list(dict.fromkeys(found))

    @property
    def once(self) -> bool:
        """Whether it takes an idempotency key: what needs no token is named by its own signature instead."""
        return self.method == "POST" and not self.open

    def permits(self, roles: frozenset[Role]) -> bool:
        """Whether a post with these roles may ask for it."""
        return self.may is None or bool(self.may & roles)
