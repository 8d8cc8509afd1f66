"""The registry's part of the ledger in memory: history, authority, parties, custodians, teams."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from careledger.adapters.memory.history import History, Key, MemoryView
from careledger.domain.errors import LedgerRefused, LedgerStale
from careledger.domain.facts import Head, PartyFacts
from careledger.domain.matrix import VERSIONS
from careledger.domain.parties import ORGANISATION_ROLES, POST_ROLES, Role, Status
from careledger.formats.digests import digest
from careledger.formats.signatures import Address, SigningKey
from careledger.formats.signed import deployment_id
from careledger.ports import Clock


class MemoryRegistry:
    """History and parties. Every act is final in a block of its own; ``stale`` makes fresh_head refuse.

    ``officers`` are the ministry's posts with their addresses; ``threshold`` of them enact a matrix, two close
    an alias.
    """

    def __init__(
        self,
        clock: Clock,
        ministry: int,
        officers: Mapping[int, Address],
        chain_id: int = 20261,
        threshold: int = 2,
    ) -> None:
        self._clock = clock
        self._chain_id = chain_id
        self._threshold = threshold
        self._history = History(clock.now())
        self.stale = False
        verified, roles = Status.VERIFIED, frozenset({Role.MINISTRY})
        changes: dict[Key, Any] = {
            ("party", ministry): PartyFacts(ministry, roles, verified, verified, 0, bytes(20)),
            ("matrix",): max(VERSIONS),
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

    # Checks ------------------------------------------------------------------------------------

    def _party(self, number: int, key: SigningKey, *statuses: Status) -> PartyFacts:
        facts = self._now.party(number)
        require(facts is not None, "unknown")
        assert facts is not None
        require(facts.controller == key.address, "caller")
        require(facts.standing in (statuses or (Status.VERIFIED,)), "status")
        return facts

    def _officer(self, number: int, key: SigningKey) -> None:
        require(Role.MINISTRY in self._party(number, key).roles and number != 0, "officer")

    def _signer(self, custodian: int, key: SigningKey, step: tuple[str, ...] = ("active", "leaving")) -> None:
        require(self._get("custodian", custodian) in step, "custodian")
        require(self._get("keys", custodian)[0] == key.address, "signature")

    # Parties -----------------------------------------------------------------------------------

    def propose_organisation(
        self, number: int, roles: Iterable[Role], licence: bytes, sealing_key: bytes, controller: SigningKey
    ) -> Head:
        """A pending organisation under that controller."""
        placed, pending = frozenset(roles), Status.PENDING
        require(bool(placed) and placed <= ORGANISATION_ROLES, "role")
        require(self._now.party(number) is None and number != 0, "taken")
        facts = PartyFacts(
            number, placed, pending, pending, 0, controller.address, sealing_key, licence=licence
        )
        return self._commit({("party", number): facts})

    def replace_sealing_key(self, number: int, sealing_key: bytes, controller: SigningKey) -> Head:
        """The party's new sealing key."""
        self._party(number, controller)
        require(any(sealing_key), "empty")
        facts = self._get("party", number)
        return self._commit({("party", number): dataclasses.replace(facts, sealing_key=sealing_key)})

    def verify(
        self, number: int, licence: bytes, sealing_key: bytes, officer: SigningKey, officer_post: int
    ) -> Head:
        """Pending to verified, for the declaration that the officer checked."""
        facts = self._now.party(number)
        require(
            facts is not None and (facts.licence, facts.sealing_key) == (licence, sealing_key),
            "other declaration",
        )
        return self._move(number, officer, officer_post, Status.VERIFIED, Status.PENDING)

    def _move(self, number: int, officer: SigningKey, post: int, new: Status, *from_: Status) -> Head:
        self._officer(post, officer)
        facts = self._get("party", number)
        require(facts is not None and facts.status in from_, "status")
        return self._commit({("party", number): dataclasses.replace(facts, status=new, standing=new)})

    def suspend(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Verified to suspended."""
        return self._move(number, officer, officer_post, Status.SUSPENDED, Status.VERIFIED)

    def reinstate(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Suspended to verified."""
        return self._move(number, officer, officer_post, Status.VERIFIED, Status.SUSPENDED)

    def remove(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Any status to removed, for good."""
        return self._move(
            number, officer, officer_post, Status.REMOVED, Status.PENDING, Status.VERIFIED, Status.SUSPENDED
        )

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
        self._party(employer, controller)
        placed, verified = frozenset(roles), Status.VERIFIED
        require(bool(placed) and placed <= POST_ROLES, "role")
        require(self._now.party(post) is None and post != 0, "taken")
        facts = PartyFacts(post, placed, verified, verified, employer, key, sealing_key, licence=licence)
        return self._commit({("party", post): facts})

    def end_post(self, post: int, employer: int, controller: SigningKey) -> Head:
        """The post is removed."""
        self._party(employer, controller, Status.VERIFIED, Status.SUSPENDED)
        facts = self._get("party", post)
        require(facts is not None and facts.employer == employer, "caller")
        require(facts.status is not Status.REMOVED, "status")
        gone = dataclasses.replace(facts, status=Status.REMOVED, standing=Status.REMOVED)
        return self._commit({("party", post): gone})

    def rotate_party(self, number: int, old: SigningKey, new: SigningKey) -> Head:
        """The party's controller changes."""
        self._party(number, old, Status.PENDING, Status.VERIFIED)
        facts = self._get("party", number)
        return self._commit({("party", number): dataclasses.replace(facts, controller=new.address)})

    def _step(self, number: int, before: tuple[str | None, ...], after: str) -> Head:
        require(self._get("custodian", number) in before, "custodian state")
        return self._commit({("custodian", number): after})

    def join_custodians(
        self, number: int, log_key: bytes, signer: SigningKey, controller: SigningKey
    ) -> Head:
        """First of two steps."""
        self._party(number, controller)
        require(any(log_key), "empty")
        require(self._get("custodian", number) in (None, "left"), "custodian state")
        return self._commit({("custodian", number): "joining", ("keys", number): (signer.address, log_key)})

    def rekey_custodian(
        self, number: int, log_key: bytes, signer: SigningKey, controller: SigningKey
    ) -> Head:
        """New keys at once."""
        self._party(number, controller)
        require(self._get("custodian", number) in ("active", "leaving"), "custodian state")
        return self._commit({("keys", number): (signer.address, log_key)})

    def activate_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Second of two steps."""
        self._officer(officer_post, officer)
        return self._step(number, ("joining",), "active")

    def leave_custodians(self, number: int, controller: SigningKey) -> Head:
        """First of two steps; it stays active until retired."""
        self._party(number, controller)
        return self._step(number, ("active",), "leaving")

    def retire_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Second of two steps."""
        self._officer(officer_post, officer)
        return self._step(number, ("leaving",), "left")

    def create_team(self, team: int, organisation: int, parent: int, controller: SigningKey) -> Head:
        """A team, below ``parent`` (0: top)."""
        self._party(organisation, controller)
        require(self._get("team", team) is None and team != 0, "taken")
        require(parent == 0 or (self._get("team", parent) or (0, 0))[0] == organisation, "parent")
        return self._commit({("team", team): (organisation, parent)})

    def _member(self, post: int, team: int, organisation: int, controller: SigningKey, joins: bool) -> Head:
        self._party(organisation, controller)
        facts = self._get("party", post)
        require((self._get("team", team) or (0, 0))[0] == organisation, "team")
        require(facts is not None and facts.employer == organisation, "post")
        return self._commit({("member", post, team): joins})

    def join_team(self, post: int, team: int, organisation: int, controller: SigningKey) -> Head:
        """The post is in the team."""
        return self._member(post, team, organisation, controller, True)

    def leave_team(self, post: int, team: int, organisation: int, controller: SigningKey) -> Head:
        """The post is no longer in the team."""
        return self._member(post, team, organisation, controller, False)


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise LedgerRefused(reason=reason)
