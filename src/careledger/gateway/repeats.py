"""Idempotency keys: the answer to a request is durable under its key, and a repetition is answered with it.

Order of effects: the act, then its answer. A crash between the two leaves an act without an answer: the repetition acts
again, which is harmless, because what an act makes is named by ``unique``, and what is there is not made again. A
refusal is not kept. Kept for a week.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from careledger.app.tokens import Bearer
from careledger.domain.errors import ApiRefused, RepeatRefused
from careledger.formats.digests import digest, framed
from careledger.formats.keyring import AnsweredOnce
from careledger.sealing.keys import hmac_tag
from careledger.workflows.actors import Organisation

KEPT = "answered-once"
HEADER = "Idempotency-Key"
KEY = "[!-~]{1,200}"
WEEK = 7 * 24 * 3600
HOUR = 3600


@dataclass(frozen=True, repr=False)
class Repeat:
    """A request by its key: where its answer is kept (None: no key), the request's digest, what names its effects."""

    name: bytes | None
    request: bytes
    unique: bytes


def repeat(who: Bearer, key: str | None, place: str, body: bytes) -> Repeat:
    """The request as a repetition would be; raises ApiRefused for a key that is none."""
    asked = digest("api-request", place.encode(), body)
    if key is None:
        return Repeat(None, asked, secrets.token_bytes(32))
    if re.fullmatch(KEY, key) is None:
        raise ApiRefused(header=HEADER, why="not 1 to 200 visible ASCII characters")
    named = digest("api-answer", who.digest, key.encode())
    return Repeat(named, asked, hmac_tag(who.staff.organisation.tag, framed("api-unique", named, asked)))


def answer_to(organisation: Organisation, asked: Repeat, now: int) -> AnsweredOnce | None:
    """What that request was answered; raises RepeatRefused where its key named another one."""
    row = None if asked.name is None else organisation.books.get(KEPT, asked.name)
    if row is None:
        return None
    kept = AnsweredOnce.decode(row)
    if now >= kept.at + WEEK:
        return None
    if kept.request != asked.request:
        raise RepeatRefused()
    return kept


class Answers:
    """Keeps answers, and drops those that are over; not to be used by two threads at once."""

    def __init__(self) -> None:
        self._looked: dict[int, int] = {}

    def keep(self, organisation: Organisation, asked: Repeat, status: int, body: bytes, now: int) -> None:
        """Durable when it returns; nothing for a request without a key."""
        if asked.name is None:
            return
        row = AnsweredOnce(asked.request, status, now, body)
        organisation.books.put(KEPT, [(asked.name, row.encode())])
        if now >= self._looked.get(organisation.number, 0) + HOUR:
            self._looked[organisation.number] = now
            drop_old(organisation, now)


def drop_old(organisation: Organisation, now: int) -> None:
    """Answers that are over are dropped."""
    found = organisation.books.rows(KEPT)
    over = [key for key, row in found if now >= AnsweredOnce.decode(row).at + WEEK]
    if over:
        organisation.books.drop(KEPT, over)
