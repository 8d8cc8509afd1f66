"""The registry's part of the ledger in memory: history, authority, parties, custodians, teams."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from careledger.adapters.memory.history import History, Key, MemoryView
from careledger.domain.errors import LedgerRefused, LedgerStale
from careledger.domain.facts import Head, PartyFacts, RetentionFacts
from careledger.domain.matrix import VERSIONS
from careledger.domain.parties import ORGANISATION_ROLES, POST_ROLES, Role, Status
from careledger.domain.retention import NOTHING_KEPT
from careledger.formats.digests import digest
from careledger.formats.signatures import Address, SigningKey
from careledger.formats.signed import deployment_id
from careledger.ports import Clock

DEEPEST_TEAM = 8
MOST_TEAMS = 8


class MemoryRegistry:
    """History and parties. Every act is final in a block of its own; ``stale`` makes fresh_head refuse.

    ``officers`` are the ministry's posts with their addresses; ``threshold`` of them enact a matrix, in force
    ``delay`` seconds later; ``version`` is the matrix that it begins with.
    """

    def __init__(
        self,
        clock: Clock,
        ministry: int,
        officers: Mapping[int, Address],
        chain_id: int = 20261,
        threshold: int = 2,
        delay: int = 0,
        version: int = max(VERSIONS),
    ) -> None:
        self._clock = clock
        self._chain_id = chain_id
        self._threshold, self._delay = threshold, delay
        self._history = History(clock.now())
        self.stale = False
        verified, roles = Status.VERIFIED, frozenset({Role.MINISTRY})
        changes: dict[Key, Any] = {
            ("party", ministry): PartyFacts(ministry, roles, verified, verified, 0, bytes(20)),
            ("matrix",): ((version, clock.now()),),
            ("retention",): (RetentionFacts(1, clock.now(), NOTHING_KEPT.days),),
        }
        for post, address in officers.items():
            changes["party", post] = PartyFacts(post, roles, verified, verified, ministry, address)
        self._history.commit(clock.now(), changes)

    @property
    def chain_id(self) -> int:
        """The network's number."""
        return self._chain_id

    @property
    def deployment(self) -> bytes:
        """What signed statements are bound to."""
        return deployment_id(self._chain_id, self.contract("Directory"))

    def contract(self, name: str) -> Address:
        """An address for that name."""
        return digest("memory-contract", name.encode())[:20]

    def fresh_head(self) -> MemoryView:
        """The newest block; raises LedgerStale when told to."""
        if self.stale:
            raise LedgerStale()
        return self._now

    def last_head(self) -> MemoryView:
        """The newest block, also when told to stand still."""
        return self._now

    def at(self, block: int) -> MemoryView:
        """The facts as they stood after that block; raises LedgerStale for one that is not there yet."""
        if not 0 <= block < len(self._history.heads):
            raise LedgerStale(block=block)
        return MemoryView(self._history, block)

    @property
    def _now(self) -> MemoryView:
        return MemoryView(self._history, len(self._history.heads) - 1)

    def mine(self) -> Head:
        """A block in which nothing changes, with the clock's time."""
        return self._history.commit(self._clock.now(), {})

    def _commit(self, changes: dict[Key, Any]) -> Head:
        return self._history.commit(self._clock.now(), changes)

    def _get(self, *key: object) -> Any:
        return self._history.get(self._now.head.number, key)

    def _time(self) -> int:
        """The time of the next block."""
        return max(self._clock.now(), self._now.head.time)

    # Checks ------------------------------------------------------------------------------------

    def _known(self, number: int) -> PartyFacts:
        facts = self._now.party(number)
        return NOBODY if facts is None else facts

    def _organisation(self, number: int, key: SigningKey) -> None:
        facts = self._known(number)
        require(facts.controller == key.address, "caller")
        require(not facts.employer, "role")
        require(facts.status is Status.VERIFIED, "status")

    def _in_standing(self, number: int, key: SigningKey) -> None:
        facts = self._known(number)
        require(facts.controller == key.address, "caller")
        require(facts.standing is Status.VERIFIED, "status")

    def _is_officer(self, number: int, key: SigningKey | None = None) -> bool:
        facts = self._known(number)
        mine = key is None or facts.controller == key.address
        return (
            mine and Role.MINISTRY in facts.roles and facts.status is Status.VERIFIED and facts.employer != 0
        )

    def _vote(self, proposal: tuple[Any, ...], post: int, key: SigningKey) -> list[int]:
        """Records an officer's vote; gives the voters who are in office."""
        require(self._is_officer(post, key), "officer")
        before = self._get("votes", proposal) or ()
        require(post not in before, "voted")
        self._commit({("votes", proposal): (*before, post)})
        return [voter for voter in (*before, post) if self._is_officer(voter)]

    def _officer(self, number: int, key: SigningKey) -> None:
        require(self._known(number).controller == key.address, "caller")
        require(self._is_officer(number), "officer")

    def _serves(self, number: int) -> bool:
        return any(facts.number == number for facts in self._now.custodians())

    def _signed_by_custodian(self, number: int, key: SigningKey, reason: str) -> None:
        require(self._serves(number), "custodian")
        require(self._get("keys", number)[0] == key.address, reason)

    # Parties -----------------------------------------------------------------------------------

    def propose_organisation(
        self, number: int, roles: Iterable[Role], licence: bytes, sealing_key: bytes, controller: SigningKey
    ) -> Head:
        """A pending organisation under that controller."""
        placed, pending = frozenset(roles), Status.PENDING
        require(bool(placed) and placed <= ORGANISATION_ROLES, "role")
        require(number != 0, "empty")
        require(self._now.party(number) is None, "taken")
        require(any(licence) and any(sealing_key), "empty")
        facts = PartyFacts(
            number, placed, pending, pending, 0, controller.address, sealing_key, licence=licence
        )
        return self._commit({("party", number): facts})

    def replace_sealing_key(self, number: int, sealing_key: bytes, controller: SigningKey) -> Head:
        """The party's new sealing key."""
        self._in_standing(number, controller)
        require(any(sealing_key), "empty")
        return self._changed(number, sealing_key=sealing_key)

    def _changed(self, number: int, **fields: Any) -> Head:
        facts = self._get("party", number)
        return self._commit({("party", number): dataclasses.replace(facts, **fields)})

    def verify(
        self, number: int, licence: bytes, sealing_key: bytes, officer: SigningKey, officer_post: int
    ) -> Head:
        """Pending to verified, for the declaration that the officer checked."""
        self._officer(officer_post, officer)
        facts = self._known(number)
        require(facts.status is Status.PENDING, "status")
        require((facts.licence, facts.sealing_key) == (licence, sealing_key), "other declaration")
        return self._moved(number, Status.VERIFIED)

    def _moved(self, number: int, status: Status) -> Head:
        return self._changed(number, status=status, standing=status)

    def _supervise(self, number: int, officer: SigningKey, post: int, new: Status, *before: Status) -> Head:
        self._officer(post, officer)
        facts = self._known(number)
        require(facts is not NOBODY, "unknown")
        require(Role.MINISTRY not in facts.roles, "role")
        require(facts.status in before, "status")
        return self._moved(number, new)

    def suspend(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Verified to suspended."""
        return self._supervise(number, officer, officer_post, Status.SUSPENDED, Status.VERIFIED)

    def reinstate(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Suspended to verified."""
        return self._supervise(number, officer, officer_post, Status.VERIFIED, Status.SUSPENDED)

    def remove(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Any status to removed, for good."""
        before = Status.PENDING, Status.VERIFIED, Status.SUSPENDED
        return self._supervise(number, officer, officer_post, Status.REMOVED, *before)

    def vouch(
        self,
        post: int,
        employer: int,
        roles: Iterable[Role],
        licence: bytes,
        sealing_key: bytes,
        key: Address,
        controller: SigningKey,
    ) -> Head:
        """A verified post of a verified organisation."""
        self._organisation(employer, controller)
        placed, verified = frozenset(roles), Status.VERIFIED
        require(bool(placed) and placed <= POST_ROLES, "role")
        require(post != 0 and any(key) and any(sealing_key), "empty")
        require(self._now.party(post) is None, "taken")
        facts = PartyFacts(post, placed, verified, verified, employer, key, sealing_key, licence=licence)
        return self._commit({("party", post): facts})

    def end_post(self, post: int, controller: SigningKey) -> Head:
        """The post is removed."""
        facts = self._known(post)
        require(facts.employer != 0, "unknown")
        employer = self._known(facts.employer)
        require(employer.controller == controller.address, "caller")
        require(employer.status in (Status.VERIFIED, Status.SUSPENDED), "employer status")
        require(Role.MINISTRY not in facts.roles, "role")
        require(facts.status is not Status.REMOVED, "status")
        return self._moved(post, Status.REMOVED)

    def rotate_party(self, number: int, old: SigningKey, new: SigningKey) -> Head:
        """The party's controller changes."""
        self._in_standing(number, old)
        return self._changed(number, controller=new.address)

    # Custodians --------------------------------------------------------------------------------

    def _step(self, number: int, before: tuple[str | None, ...], after: str) -> Head:
        require(self._get("custodian", number) in before, "custodian state")
        changes: dict[Key, Any] = {("custodian", number): after}
        if after == "active":
            changes["served", number] = True
        return self._commit(changes)

    def join_custodians(
        self, number: int, log_key: bytes, signer: SigningKey, controller: SigningKey
    ) -> Head:
        """First of two steps."""
        self._organisation(number, controller)
        require(self._get("custodian", number) in (None, "left"), "custodian state")
        require(any(log_key), "empty")
        return self._commit({("custodian", number): "joining", ("keys", number): (signer.address, log_key)})

    def rekey_custodian(
        self, number: int, log_key: bytes, signer: SigningKey, controller: SigningKey
    ) -> Head:
        """New keys at once."""
        self._organisation(number, controller)
        require(self._get("custodian", number) in ("active", "leaving"), "custodian state")
        require(any(log_key), "empty")
        return self._commit({("keys", number): (signer.address, log_key)})

    def activate_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Second of two steps."""
        self._officer(officer_post, officer)
        require(self._known(number).status is Status.VERIFIED, "status")
        return self._step(number, ("joining",), "active")

    def leave_custodians(self, number: int, controller: SigningKey) -> Head:
        """First of two steps; it goes on serving until retired."""
        self._organisation(number, controller)
        return self._step(number, ("active",), "leaving")

    def retire_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Second of two steps; also for a custodian that is no longer verified."""
        self._officer(officer_post, officer)
        lost = self._known(number).status is not Status.VERIFIED
        return self._step(number, ("leaving", "joining", "active") if lost else ("leaving",), "left")

    # Teams -------------------------------------------------------------------------------------

    def _team(self, team: int, controller: SigningKey, retired: bool = False) -> int:
        organisation: int = (self._get("team", team) or (0, 0))[0]
        require(organisation != 0, "unknown")
        require(retired or not self._get("retired team", team), "retired")
        self._employs(organisation, controller)
        return organisation

    def _alone(self, team: int) -> None:
        """Refused while a team that stands is below it."""
        teams = self._history.of_kind(self._now.head.number, "team")
        below = (key[1] for key, (_, above) in teams if above == team)
        require(all(self._get("retired team", each) for each in below), "teams below")

    def _above(self, parent: int, organisation: int) -> None:
        require(parent == 0 or (self._get("team", parent) or (0, 0))[0] == organisation, "parent")
        require(not self._get("retired team", parent), "parent")
        require(self._depth(parent) < DEEPEST_TEAM, "too deep")

    def _employs(self, organisation: int, controller: SigningKey) -> None:
        facts = self._known(organisation)
        require(facts.controller == controller.address, "caller")
        require(facts.status is Status.VERIFIED and not facts.employer, "status")

    def _depth(self, team: int) -> int:
        depth = 0
        while team:
            depth, team = depth + 1, self._get("team", team)[1]
        return depth

    def create_team(self, team: int, organisation: int, parent: int, controller: SigningKey) -> Head:
        """A team, below ``parent`` (0: top)."""
        self._employs(organisation, controller)
        require(team != 0, "empty")
        require(self._get("team", team) is None, "taken")
        self._above(parent, organisation)
        return self._commit({("team", team): (organisation, parent)})

    def move_team(self, team: int, parent: int, controller: SigningKey) -> Head:
        """The team hangs elsewhere."""
        organisation = self._team(team, controller)
        require(parent != team, "cycle")
        self._alone(team)
        self._above(parent, organisation)
        return self._commit({("team", team): (organisation, parent)})

    def retire_team(self, team: int, controller: SigningKey) -> Head:
        """The team is given up."""
        self._team(team, controller)
        self._alone(team)
        return self._commit({("retired team", team): True})

    def join_team(self, post: int, team: int, controller: SigningKey) -> Head:
        """The post works in the team."""
        organisation, facts = self._team(team, controller), self._known(post)
        require(facts.employer == organisation, "employer")
        require(facts.status is not Status.REMOVED, "status")
        teams = self._get("teams of", post) or ()
        require(team not in teams, "in team")
        require(len(teams) < MOST_TEAMS, "full")
        return self._commit({("teams of", post): (*teams, team)})

    def leave_team(self, post: int, team: int, controller: SigningKey) -> Head:
        """The post works there no longer."""
        self._team(team, controller, retired=True)
        teams = self._get("teams of", post) or ()
        require(team in teams, "not in team")
        return self._commit({("teams of", post): tuple(each for each in teams if each != team)})


NOBODY = PartyFacts(0, frozenset(), Status.UNKNOWN, Status.UNKNOWN, 0, bytes(20))


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise LedgerRefused(reason=reason)
