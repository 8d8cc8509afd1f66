"""Since when each version that a group's members show has been readable here, as the exports of that group found it.

Records become readable later than they were anchored: by another consent, a key that comes late, a patient who takes up
what was written unasked. So an export remembers what it showed of each member, and one with ``_since`` has also what no
export up to then could have. What is not remembered counts as new: sent twice is no harm, left out is a loss.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from careledger.app.tokens import Bearer
from careledger.formats.digests import framed, uint
from careledger.formats.exports import GroupSeen, SeenSince
from careledger.ports import Books
from careledger.sealing.keys import hmac_tag
from careledger.workflows.actors import Organisation

ROWS = "group-seen"
TAG = 16
AT_ONCE = 500
NOBODY = GroupSeen(b"", 0, ())


@dataclass(frozen=True, repr=False)
class Memory:
    """What the exports of one group that are asked for in one way remember; ``through`` is the transaction time of
    this one. Never printed."""

    who: Bearer
    group: bytes
    through: int
    now: Callable[[], int]

    def learn(self, alias: bytes, consent: bytes, versions: Iterable[str]) -> dict[str, int]:
        """Since when each of these versions, which are all that a member shows now, has been readable; durable.

        Another export may have come here first that began later or at the same time, and not have seen what came
        meanwhile: for that it is as if it had come now.
        """
        key, books = self._key(alias), self.who.staff.organisation.books
        with books.alone():
            row = books.get(ROWS, key)
            before = NOBODY if row is None else GroupSeen.decode(row)
            known = _times(before) if before.consent == consent else {}
            new = self.through if self.through > before.walked else self.now()
            found = {each: known.get(_short(each), new) for each in versions}
            learnt = GroupSeen(consent, max(before.walked, self.through), _since(found))
            books.put(ROWS, [(key, learnt.encode())])
        return found

    def refused(self, alias: bytes) -> None:
        """A member shows nothing now: what is shown again counts as new."""
        self.learn(alias, b"", ())

    def _key(self, alias: bytes) -> bytes:
        who = self.who
        said = sorted(f"{kind}.{''.join(sorted(of))}" for kind, of in (who.scopes.by_type or {}).items())
        parts = sorted(each.said for each in who.scopes.parts)
        asked = "\n".join([who.purpose.code, str(who.scopes.limited), *said, *parts]).encode()
        way = framed("group-seen-way", uint(who.staff.number), asked, who.consent)
        return (
            self.group + _tag(who.staff.organisation, alias) + hmac_tag(who.staff.organisation.tag, way)[:TAG]
        )


def forget(books: Books, prefix: bytes) -> None:
    """What is remembered of a group, or of a member, is no more."""
    after = prefix
    while found := [each for each in books.keys(ROWS, after, AT_ONCE) if each.startswith(prefix)]:
        books.drop(ROWS, found)
        after = found[-1]


def forget_member(organisation: Organisation, group: bytes, alias: bytes) -> None:
    """Whoever comes into a group is new to all who export it."""
    forget(organisation.books, group + _tag(organisation, alias))


def _tag(organisation: Organisation, alias: bytes) -> bytes:
    return hmac_tag(organisation.tag, framed("group-seen", alias))[:TAG]


def _short(version: str) -> bytes:
    return hashlib.sha256(bytes.fromhex(version)).digest()[:TAG]


def _times(seen: GroupSeen) -> dict[bytes, int]:
    return {
        each.versions[at : at + TAG]: each.at
        for each in seen.since
        for at in range(0, len(each.versions), TAG)
    }


def _since(found: dict[str, int]) -> tuple[SeenSince, ...]:
    by_time = defaultdict[int, list[bytes]](list)
    for version, at in found.items():
        by_time[at].append(_short(version))
    return tuple(SeenSince(at, b"".join(sorted(by_time[at]))) for at in sorted(by_time))
