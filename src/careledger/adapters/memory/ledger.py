"""A ledger in memory that refuses what the contracts refuse; authority is the address of the key that is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from careledger.adapters.memory.history import Key
from careledger.adapters.memory.registry import MemoryRegistry, require
from careledger.domain.facts import (
    AliasFacts,
    AnchorFacts,
    BreakGlassFacts,
    CheckpointFacts,
    ConsentFacts,
    Head,
)
from careledger.domain.matrix import VERSIONS
from careledger.domain.parties import ControllerKind, Role
from careledger.formats.signatures import SigningKey

LONGEST_BREAK_GLASS = 4 * 3600


class MemoryLedger(MemoryRegistry):
    """The port Ledger: the registry, and what is about patients, records and logs."""

    # Patients ----------------------------------------------------------------------------------

    def register_patient(self, registration: bytes, registrar: int, controller: SigningKey) -> Head:
        """A registration with that hospital."""
        self._party(registrar, controller)
        require(self._get("registration", registration) is None, "taken")
        return self._commit({("registration", registration): registrar})

    def end_registration(self, registration: bytes, registrar: int, controller: SigningKey) -> Head:
        """The registration ends."""
        self._party(registrar, controller)
        require(self._get("registration", registration) == registrar, "registration")
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
        require(self._now.alias(alias) is None, "taken")
        require(kind in (ControllerKind.SELF, ControllerKind.GUARDIAN, ControllerKind.REGISTRAR), "kind")
        require((kind is ControllerKind.GUARDIAN) == (until > 0), "until")
        require((kind is ControllerKind.REGISTRAR) == (registrar > 0), "registrar")
        if kind is ControllerKind.REGISTRAR:
            require(answering is not None, "signature")
            assert answering is not None
            self._party(registrar, answering)
        return self._commit({("alias", alias): AliasFacts(alias, owner.address, kind, until, registrar)})

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
        facts = self._now.alias(alias)
        require(facts is not None and facts.kind is not ControllerKind.NOBODY, "unknown")
        assert facts is not None
        require(facts.controller == present.address, "signature")
        require((kind is ControllerKind.GUARDIAN) == (until > 0), "until")
        held = facts.registrar if kind is ControllerKind.REGISTRAR else 0
        return self._commit({("alias", alias): AliasFacts(alias, new.address, kind, until, held)})

    def close_alias(self, alias: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """Nobody controls the alias any more, once two officers said so."""
        for post, key in officers:
            self._officer(post, key)
        facts = self._now.alias(alias)
        require(facts is not None and facts.kind is not ControllerKind.NOBODY, "unknown")
        said = self._get("closing", alias) or frozenset()
        said |= {post for post, _ in officers}
        changes: dict[Key, Any] = {("closing", alias): said}
        if len(said) >= 2:
            changes["alias", alias] = AliasFacts(alias, bytes(20), ControllerKind.NOBODY, 0, 0)
        return self._commit(changes)

    def link_aliases(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """A link is made once."""
        require(self._get("link", owner.address, commitment) is None, "used")
        return self._commit({("link", owner.address, commitment): True})

    def unlink_aliases(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """A link is undone for good."""
        require(bool(self._get("link", owner.address, commitment)), "unknown")
        return self._commit({("link", owner.address, commitment): False})

    # Consents, records, logs -------------------------------------------------------------------

    def give_consent(
        self, owner: SigningKey, commitment: bytes, start: int, end: int, relay: SigningKey
    ) -> Head:
        """An id is used once."""
        require(0 < start < end, "window")
        require(self._now.consent(owner.address, commitment) is None, "used")
        facts = ConsentFacts(start, end, self._clock.now(), 0)
        return self._commit({("consent", owner.address, commitment): facts})

    def revoke_consent(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """Revoking an unknown id burns it; revoking again is harmless."""
        facts = self._now.consent(owner.address, commitment) or ConsentFacts(0, 0, 0, 0)
        revoked = dataclasses.replace(facts, revoked_at=facts.revoked_at or self._clock.now())
        return self._commit({("consent", owner.address, commitment): revoked})

    def anchor(self, root: bytes, count: int, organisation: int, controller: SigningKey) -> Head:
        """A root is anchored once; by the same organisation again is harmless."""
        self._party(organisation, controller)
        require(count > 0, "count")
        known = self._now.anchor(root)
        if known is not None:
            require((known.organisation, known.count) == (organisation, count), "known root")
            return self._history.heads[known.block]
        number, now = self._now.head.number + 1, self._clock.now()
        return self._commit({("anchor", root): AnchorFacts(root, number, now, organisation, count)})

    def attest_erased(
        self, leaves: Sequence[bytes], reason: bytes, custodian: int, signer: SigningKey
    ) -> Head:
        """One attestation per leaf and custodian; again is harmless."""
        self._signer(custodian, signer)
        require(bool(leaves) and any(reason), "empty")
        return self._commit({("erased", leaf): self._now.erased_by(leaf) | {custodian} for leaf in leaves})

    def anchor_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, note: bytes, signer: SigningKey
    ) -> Head:
        """Sizes grow; two trees of one size are a fork."""
        self._signer(custodian, signer)
        known = self._now.checkpoint(custodian)
        if known is not None and known.size == size:
            require((known.root, known.map_root) == (root, map_root), "fork")
        require(known is None or known.size != size, "known")
        require(known is None or known.size < size, "shrunk")
        block, now = self._now.head.number + 1, self._clock.now()
        facts = CheckpointFacts(custodian, size, root, map_root, block, now, frozenset(), note)
        return self._commit({("checkpoint", custodian): facts})

    def cosign_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, cosigner: int, signer: SigningKey
    ) -> Head:
        """Another custodian puts its name to the newest checkpoint, once."""
        self._signer(cosigner, signer)
        known = self._now.checkpoint(custodian)
        require(known is not None, "unknown")
        assert known is not None
        require((known.size, known.root, known.map_root) == (size, root, map_root), "unknown")
        require(cosigner != custodian and cosigner not in known.cosigners, "cosigned")
        changed = dataclasses.replace(known, cosigners=known.cosigners | {cosigner})
        return self._commit({("checkpoint", custodian): changed})

    def open_break_glass(
        self,
        entry: bytes,
        commitment: bytes,
        until: int,
        restricted: bool,
        opener: tuple[int, SigningKey],
        second: tuple[int, SigningKey],
        relay: SigningKey,
    ) -> Head:
        """A verified doctor and a second party, for at most four hours."""
        facts, other = self._party(*opener), self._party(*second)
        require(Role.DOCTOR in facts.roles, "role")
        require(opener[0] != second[0] and facts.controller != other.controller, "second party")
        now = self._clock.now()
        require(now < until <= now + LONGEST_BREAK_GLASS, "window")
        require(self._now.may_break_glass(opener[0]), "review overdue")
        require(self._now.break_glass(entry) is None, "used")
        made = BreakGlassFacts(entry, opener[0], second[0], now, until, restricted, commitment, False)
        return self._commit({("glass", entry): made})

    def review_break_glass(self, entry: bytes, justified: bool, reviewer: int, key: SigningKey) -> Head:
        """Once, by a ministry officer or the opener's employer."""
        facts, judge = self._now.break_glass(entry), self._party(reviewer, key)
        require(facts is not None, "unknown")
        assert facts is not None
        opener = self._now.party(facts.opener)
        employer = opener is not None and opener.employer == reviewer
        require(employer or Role.MINISTRY in judge.roles, "reviewer")
        require(not facts.reviewed, "reviewed")
        require(reviewer not in (facts.opener, facts.second), "reviewer")
        return self._commit({("glass", entry): dataclasses.replace(facts, reviewed=True)})

    def enact_matrix(self, version: int, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """The officers' vote; in force at once."""
        for post, key in officers:
            self._officer(post, key)
        require(len({post for post, _ in officers}) >= self._threshold, "threshold")
        require(version in VERSIONS, "unknown")
        return self._commit({("matrix",): version})
