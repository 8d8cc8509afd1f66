"""Facts with their past: each key's values by block, and a view of all of them at one block."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from typing import Any

from careledger.domain.facts import (
    AliasFacts,
    AnchorFacts,
    BreakGlassFacts,
    CheckpointFacts,
    ConsentFacts,
    CustodianFacts,
    Head,
    PartyFacts,
    RetentionFacts,
)
from careledger.domain.parties import Status
from careledger.formats.digests import digest, uint
from careledger.formats.signatures import Address

REVIEW_WITHIN = 72 * 3600
WATCHED = frozenset({"alias", "consent", "glass"})
Key = tuple[Any, ...]


class History:
    """What was written when; block n's facts are those written up to block n."""

    def __init__(self, start: int) -> None:
        self.heads = [Head(0, digest("memory-block", uint(0)), start)]
        self._past: dict[Key, list[tuple[int, Any]]] = {}

    def commit(self, time: int, changes: dict[Key, Any]) -> Head:
        """The new block that these changes are final in."""
        last = self.heads[-1]
        number = last.number + 1
        head = Head(number, digest("memory-block", uint(number), last.hash), max(time, last.time))
        for key, value in changes.items():
            self._past.setdefault(key, []).append((number, value))
        self.heads.append(head)
        return head

    def get(self, block: int, key: Key) -> Any:
        """The value as of that block, or None."""
        past = self._past.get(key, [])
        at = bisect_right(past, block, key=lambda change: change[0])
        return past[at - 1][1] if at else None

    def of_kind(self, block: int, kind: str) -> list[tuple[Key, Any]]:
        """All keys of a kind with their values as of that block."""
        found = ((key, self.get(block, key)) for key in self._past if key[0] == kind)
        return [(key, value) for key, value in found if value is not None]

    def all_of_kind(self, block: int, *kinds: str) -> list[tuple[Key, Any]]:
        """Every value that a key of these kinds ever had up to that block, in the order of blocks."""
        found = [
            (number, key, value)
            for key, past in self._past.items()
            if key[0] in kinds
            for number, value in past
            if number <= block
        ]
        return [(key, value) for _, key, value in sorted(found, key=lambda each: each[0])]

    def changed(self, after: int, upto: int) -> list[Key]:
        """The keys that these blocks wrote, but for the first of them."""
        return [key for key, past in self._past.items() if any(after < number <= upto for number, _ in past)]


class MemoryView:
    """All facts as they stand at one block."""

    def __init__(self, history: History, block: int) -> None:
        self._history = history
        self._block = block

    @property
    def head(self) -> Head:
        """The block."""
        return self._history.heads[self._block]

    def _get(self, *key: object) -> Any:
        return self._history.get(self._block, key)

    def party(self, number: int) -> PartyFacts | None:
        """The party, its standing that of the employer if that is worse."""
        facts: PartyFacts | None = self._get("party", number)
        if facts is None:
            return None
        _, log_key = self._get("keys", number) or (b"", bytes(32))
        facts = dataclasses.replace(facts, log_key=log_key)
        if not facts.employer:
            return facts
        employer: PartyFacts = self._get("party", facts.employer)
        standing = facts.status if facts.status is not Status.VERIFIED else employer.status
        return dataclasses.replace(facts, standing=standing)

    def in_team(self, post: int, team: int) -> bool:
        """Whether a post in good standing works in that team or in one below it."""
        facts, sought = self.party(post), self._get("team", team)
        if facts is None or sought is None or not self.team_stands(team):
            return False
        if facts.employer != sought[0] or facts.standing is not Status.VERIFIED:
            return False
        for at in self.memberships(post):
            while at and at != team and self.team_stands(at):
                at = self._get("team", at)[1]
            if at == team:
                return True
        return False

    def team(self, number: int) -> tuple[int, int] | None:
        """A team's organisation and the team above it (0: none)."""
        known: tuple[int, int] | None = self._get("team", number)
        return known

    def team_stands(self, number: int) -> bool:
        """Whether there is that team and it was not given up."""
        return self._get("team", number) is not None and not self._get("retired team", number)

    def memberships(self, post: int) -> tuple[int, ...]:
        """The teams that a post was put into itself, those that were given up included."""
        joined: tuple[int, ...] = self._get("teams of", post) or ()
        return joined

    def custodians(self) -> tuple[CustodianFacts, ...]:
        """The custodians that serve, by number."""
        steps = self._history.of_kind(self._block, "custodian")
        found = (self._serving(key[1]) for key, step in steps if step in ("active", "leaving"))
        return tuple(sorted((facts for facts in found if facts), key=lambda facts: facts.number))

    def _serving(self, number: int) -> CustodianFacts | None:
        party = self.party(number)
        return self.custodian(number) if party and party.status is Status.VERIFIED else None

    def custodian(self, number: int) -> CustodianFacts | None:
        """A custodian that is or ever was active."""
        if not self._get("served", number):
            return None
        party: PartyFacts = self._get("party", number)
        signer, log_key = self._get("keys", number)
        leaving = self._get("custodian", number) == "leaving"
        return CustodianFacts(number, signer, party.sealing_key, log_key, leaving)

    def custodians_ever(self) -> tuple[CustodianFacts, ...]:
        """Every custodian that is or ever was active, by number."""
        keys = self._history.of_kind(self._block, "served")
        found = (self.custodian(key[1]) for key, _ in keys)
        return tuple(sorted((facts for facts in found if facts), key=lambda facts: facts.number))

    def alias(self, alias: bytes) -> AliasFacts | None:
        """Who controls that alias."""
        facts: AliasFacts | None = self._get("alias", alias)
        return facts

    def aliases_of(self, controller: Address) -> tuple[bytes, ...]:
        """The aliases that this address controls or has controlled, by the order of its taking them."""
        turns = self._history.all_of_kind(self._block, "alias")
        held = (key[1] for key, facts in turns if facts.controller == controller)
        return tuple(dict.fromkeys(held))

    def linked(self, owner: Address, commitment: bytes) -> bool:
        """Whether that link stands."""
        return bool(self._get("link", owner, commitment))

    def consent(self, owner: Address, commitment: bytes) -> ConsentFacts | None:
        """The consent's slot."""
        facts: ConsentFacts | None = self._get("consent", owner, commitment)
        return facts

    def filed_under(self, owner: Address) -> tuple[bytes, ...]:
        """The commitments of consents and links under this one-time owner, burnt and undone ones too, in order."""
        filed = self._history.all_of_kind(self._block, "consent", "link")
        return tuple(dict.fromkeys(key[2] for key, _ in filed if key[1] == owner))

    def changed(self, after: int) -> frozenset[bytes]:
        """Aliases, consents (owner ‖ commitment) and emergencies of which blocks after that one changed something."""
        found = (key for key in self._history.changed(after, self._block) if key[0] in WATCHED)
        return frozenset(b"".join(key[1:]) for key in found)

    def matrix_version(self) -> int:
        """The number of the access matrix in force."""
        return max((version for version, since in self._get("matrix") if since <= self.head.time), default=0)

    def retention(self, at: int) -> RetentionFacts:
        """The retention table in force at that time; before the first one, the first."""
        tables: tuple[RetentionFacts, ...] = self._get("retention")
        return ([each for each in tables if each.since <= at] or tables[:1])[-1]

    def anchor(self, root: bytes) -> AnchorFacts | None:
        """The anchored root."""
        facts: AnchorFacts | None = self._get("anchor", root)
        return facts

    def erased_by(self, leaf: bytes) -> frozenset[int]:
        """The custodians that attested this leaf's erasure."""
        return self._get("erased", leaf) or frozenset()

    def erasures(self, custodian: int, start: int) -> tuple[bytes, ...]:
        """The leaves that this custodian attested, in order, without the first ``start``."""
        leaves: tuple[bytes, ...] = self._get("erasures", custodian) or ()
        return leaves[start:]

    def checkpoint(self, custodian: int) -> CheckpointFacts | None:
        """The newest anchored checkpoint."""
        facts: CheckpointFacts | None = self._get("checkpoint", custodian)
        return facts

    def break_glass(self, entry: bytes) -> BreakGlassFacts | None:
        """The emergency entry."""
        facts: BreakGlassFacts | None = self._get("glass", entry)
        return facts

    def may_break_glass(self, post: int, at: int = 0) -> bool:
        """Whether no entry of that post waits for its review beyond 72 hours, at the block's time or later."""
        return not self.overdue(post, max(at, self.head.time))

    def overdue(self, post: int, at: int) -> bool:
        """Whether one does at that time."""
        return any(
            facts.opener == post and not facts.reviewed and facts.opened_at + REVIEW_WITHIN < at
            for _, facts in self._history.of_kind(self._block, "glass")
        )
