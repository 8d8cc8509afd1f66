"""The ledger in memory: registrations, aliases and links, and what officers say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from careledger.adapters.memory.history import Key
from careledger.adapters.memory.registry import MemoryRegistry, require
from careledger.domain.facts import AliasFacts, Head, Living
from careledger.domain.parties import ORGANISATION_ROLES, ControllerKind, Status
from careledger.formats.ledger_words import patient_word
from careledger.formats.signatures import Address, SigningKey

ALARM = 72 * 3600
"""Seconds for which a replacement waits."""
NO_OWNER = bytes(20)
OFFICERS = 2


class MemoryAliases(MemoryRegistry):
    """Acts about patients: who registers, controls and links them."""

    def register_patient(self, registration: bytes, registrar: int, controller: SigningKey) -> Head:
        """A registration with that organisation."""
        patient_word(registrar, registration)
        facts = self._known(registrar)
        require(facts.controller == controller.address, "caller")
        require(facts.status is Status.VERIFIED, "status")
        require(bool(facts.roles & ORGANISATION_ROLES), "role")
        require(self._get("registration", registration) is None, "taken")
        return self._commit({("registration", registration): registrar})

    def end_registration(self, registration: bytes, controller: SigningKey) -> Head:
        """The registration ends."""
        registrar = self._get("registration", registration)
        require(bool(registrar), "unknown")
        facts = self._known(registrar)
        require(facts.controller == controller.address, "caller")
        require(facts.status in (Status.VERIFIED, Status.SUSPENDED), "status")
        return self._commit({("registration", registration): 0})

    def open_alias(
        self,
        alias: bytes,
        owner: SigningKey,
        kind: ControllerKind,
        until: int,
        registrar: int,
        answering: SigningKey | None,
        relay: SigningKey,
    ) -> Head:
        """A new alias under that controller."""
        require(not until or kind is ControllerKind.GUARDIAN, "detail")
        require(any(alias), "empty")
        require(self._now.alias(alias) is None, "taken")
        self._kind(kind, until)
        held = registrar if kind is ControllerKind.REGISTRAR else 0
        if kind is ControllerKind.REGISTRAR:
            require(answering is not None, "signature form")
            assert answering is not None
            require(self._registrar(held) == answering.address, "registrar signer")
        return self._turn(AliasFacts(alias, owner.address, kind, until, held))

    def _kind(self, kind: ControllerKind, until: int) -> None:
        require(kind in (ControllerKind.SELF, ControllerKind.GUARDIAN, ControllerKind.REGISTRAR), "kind")
        require(kind is not ControllerKind.GUARDIAN or until > self._time(), "until")

    def _registrar(self, number: int) -> Address:
        facts = self._known(number)
        able = bool(facts.roles & ORGANISATION_ROLES)
        require(able and facts.status is Status.VERIFIED, "registrar")
        return facts.controller

    def _turn(self, facts: AliasFacts) -> Head:
        return self._commit(self._turned(facts))

    def _turned(self, facts: AliasFacts) -> dict[Key, Any]:
        """Every change counts up the alias's number, which voids what was voted under the one before."""
        number = (self._get("number", facts.alias) or 0) + 1
        return {("alias", facts.alias): facts, ("number", facts.alias): number}

    def _alive(self, alias: bytes) -> AliasFacts:
        facts = self._now.alias(alias)
        require(facts is not None, "unknown")
        assert facts is not None
        require(facts.kind is not ControllerKind.NOBODY, "nobody")
        return facts

    def rotate_alias(
        self,
        alias: bytes,
        kind: ControllerKind,
        until: int,
        present: SigningKey,
        new: SigningKey,
        relay: SigningKey,
    ) -> Head:
        """The alias changes hands."""
        return self._rotate(alias, present.address, AliasFacts(alias, new.address, kind, until, 0))

    def _rotate(self, alias: bytes, present: Address, new: AliasFacts) -> Head:
        kind, until = new.kind, new.until
        require(not until or kind is ControllerKind.GUARDIAN, "detail")
        facts = self._alive(alias)
        require(facts.controller == present, "signer")
        self._kind(kind, until)
        if facts.kind is ControllerKind.SELF:
            require(kind is ControllerKind.SELF, "kind")
        elif facts.kind is ControllerKind.REGISTRAR:
            self._registrar(facts.registrar)
        elif kind is not ControllerKind.SELF:
            require(kind is ControllerKind.GUARDIAN and self._time() < facts.until, "kind")
            require(until <= facts.until, "until")
        held = facts.registrar if kind is ControllerKind.REGISTRAR else 0
        return self._turn(replace(new, registrar=held))

    def alias_number(self, alias: bytes) -> int:
        """Counts the alias's changes, 0 if unknown."""
        return self._get("number", alias) or 0

    def close_alias(self, alias: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """Nobody controls the alias any more, once two officers said so."""
        for post, key in officers:
            before = self._alive(alias)
            living = Living(before.controller, before.kind, self._time())
            dead = AliasFacts(alias, bytes(20), ControllerKind.NOBODY, 0, 0, living)
            proposal = ("death", alias, self._get("number", alias))
            kept = self._turned(dead) | {("living", alias): before}
            if self._said(proposal, post, key, kept):
                break
        return self._now.head

    def reopen_alias(self, alias: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """The controller is what it was, once two officers withdrew the death."""
        for post, key in officers:
            facts = self._now.alias(alias)
            require(facts is not None and facts.kind is ControllerKind.NOBODY, "kind")
            proposal = ("alive", alias, self._get("number", alias))
            if self._said(proposal, post, key, self._turned(self._get("living", alias))):
                break
        return self._now.head

    def link_unclaimed(self, commitment: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """A link under no owner is made once, once two officers said so."""
        place: Key = ("link", NO_OWNER, commitment)
        for post, key in officers:
            if self._said(("link", commitment), post, key, {place: True}, self._get(*place) is None):
                break
        return self._now.head

    def unlink_unclaimed(self, commitment: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """Such a link is undone for good, once two officers said so."""
        place: Key = ("link", NO_OWNER, commitment)
        for post, key in officers:
            require(self._get(*place) is True, "state")
            if self._said(("unlink", commitment), post, key, {place: False}):
                break
        return self._now.head

    def _said(
        self,
        proposal: tuple[Any, ...],
        post: int,
        key: SigningKey,
        changes: dict[Key, Any],
        possible: bool = True,
    ) -> bool:
        """Records an officer's word; with the second one of those in office the changes, which must be possible."""
        require(self._is_officer(post, key), "officer")
        before = self._get("votes", proposal) or ()
        require(post not in before, "voted")
        carried = sum(self._is_officer(voter) for voter in (*before, post)) >= OFFICERS
        require(possible or not carried, "state")
        self._commit({("votes", proposal): (*before, post), **(changes if carried else {})})
        return carried

    # Replacing who controls an alias -----------------------------------------------------------

    def replace_controller(
        self,
        alias: bytes,
        organisation: tuple[int, SigningKey],
        officer: tuple[int, SigningKey],
        new: SigningKey,
        relay: SigningKey,
    ) -> Head:
        """The change waits for 72 hours of alarm."""
        facts = self._alive(alias)
        require(self._registrar(organisation[0]) == organisation[1].address, "registrar signer")
        require(self._is_officer(*officer), "officer")
        if facts.kind is ControllerKind.REGISTRAR:
            require(facts.registrar != organisation[0], "same registrar")
            to = AliasFacts(alias, new.address, ControllerKind.REGISTRAR, 0, organisation[0])
        else:
            over = facts.kind is ControllerKind.GUARDIAN and facts.until <= self._time()
            require(over, "kind")
            to = AliasFacts(alias, new.address, ControllerKind.SELF, 0, 0)
        require(self._waiting(alias) is None, "alarm")
        waiting = (self._get("number", alias), self._time() + ALARM, to)
        return self._commit({("waiting", alias): waiting})

    def complete_replacement(self, alias: bytes, relay: SigningKey) -> Head:
        """The waiting change takes effect."""
        self._alive(alias)
        waiting = self._waiting(alias)
        require(waiting is not None, "no alarm")
        assert waiting is not None
        ready, to = waiting
        require(self._time() >= ready, "too early")
        return self._turn(to)

    def stop_replacement(self, alias: bytes, present: SigningKey, relay: SigningKey) -> Head:
        """The present controller is there after all."""
        facts = self._alive(alias)
        require(self._waiting(alias) is not None, "no alarm")
        require(facts.kind is not ControllerKind.GUARDIAN or self._time() < facts.until, "kind")
        if facts.kind is ControllerKind.REGISTRAR:
            self._registrar(facts.registrar)
        require(facts.controller == present.address, "signer")
        return self._turn(facts)

    def _waiting(self, alias: bytes) -> tuple[int, AliasFacts] | None:
        """When it is ready, and what it is, as long as the alias is what it was when the alarm began."""
        number, ready, to = self._get("waiting", alias) or (0, 0, None)
        return (ready, to) if to is not None and number == self._get("number", alias) else None

    # Links of patients -------------------------------------------------------------------------

    def link_aliases(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """A link is made once."""
        return self._link(owner.address, commitment)

    def _link(self, owner: Address, commitment: bytes) -> Head:
        require(self._get("link", owner, commitment) is None, "state")
        return self._commit({("link", owner, commitment): True})

    def unlink_aliases(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """A link is undone for good; an unknown one can then never be made."""
        return self._unlink(owner.address, commitment)

    def _unlink(self, owner: Address, commitment: bytes) -> Head:
        require(self._get("link", owner, commitment) is not False, "state")
        return self._commit({("link", owner, commitment): False})
