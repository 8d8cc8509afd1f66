"""A ledger in memory that refuses what the contracts refuse; authority is the address of the key that is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from careledger.adapters.memory.aliases import MemoryAliases
from careledger.adapters.memory.history import Key
from careledger.adapters.memory.registry import require
from careledger.domain.categories import Category
from careledger.domain.errors import LedgerRefused, SignatureRefused
from careledger.domain.facts import (
    AliasFacts,
    AnchorFacts,
    BreakGlassFacts,
    CheckpointFacts,
    ConsentFacts,
    Head,
    PartyFacts,
    RetentionFacts,
)
from careledger.domain.matrix import VERSIONS
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.formats.consent_messages import LONGEST_DEADLINE, GiveConsent, LedgerMessage, RevokeConsent
from careledger.formats.ledger_messages import LinkAliases, RotateAlias, UnlinkAliases
from careledger.formats.ledger_words import retention_days, retention_table
from careledger.formats.relaying import RelayedEntry
from careledger.formats.releases import SignedOpening
from careledger.formats.signatures import Address, SigningKey, check_signer

LONGEST_BREAK_GLASS = 4 * 3600
MOST_DAYS = 36_525
ENTERED_WITHIN = 7 * 24 * 3600


class MemoryLedger(MemoryAliases):
    """The port Ledger: the registry, aliases, and what is about records and logs."""

    # Consents, records, logs -------------------------------------------------------------------

    def give_consent(
        self, owner: SigningKey, commitment: bytes, start: int, end: int, relay: SigningKey
    ) -> Head:
        """An id is used once."""
        return self._give(owner.address, commitment, start, end)

    def _give(self, owner: Address, commitment: bytes, start: int, end: int) -> Head:
        require(start < end and end > self._time(), "window")
        require(self._now.consent(owner, commitment) is None, "used")
        facts = ConsentFacts(start, end, self._time(), 0)
        return self._commit({("consent", owner, commitment): facts})

    def revoke_consent(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """Revoking an unknown id burns it; revoking again is harmless."""
        return self._revoke(owner.address, commitment)

    def _revoke(self, owner: Address, commitment: bytes) -> Head:
        facts = self._now.consent(owner, commitment) or ConsentFacts(0, 0, 0, 0)
        if facts.revoked_at:
            return self._now.head
        revoked = dataclasses.replace(facts, revoked_at=self._time())
        return self._commit({("consent", owner, commitment): revoked})

    def carry(self, entries: Sequence[RelayedEntry], relay: SigningKey) -> Head:
        """Each as if alone; what is refused is left out."""
        messages = [entry.message for entry in entries]
        for entry, message in zip(entries, messages, strict=True):
            with suppress(LedgerRefused, SignatureRefused):
                self._carry(message, entry.signatures)
        return self._now.head

    def _carry(self, message: LedgerMessage, signatures: Sequence[bytes]) -> None:
        signed = message.digest(self.chain_id, self.contract(message.CONTRACT))
        if isinstance(message, RotateAlias):
            self._carry_rotation(message, signed, signatures)
            return
        assert isinstance(message, GiveConsent | RevokeConsent | LinkAliases | UnlinkAliases)
        check_signer(signed, signatures[0], message.owner)
        self._in_time(message.deadline)
        match message:
            case GiveConsent():
                self._give(message.owner, message.commitment, message.start, message.until)
            case RevokeConsent():
                self._revoke(message.owner, message.commitment)
            case LinkAliases():
                self._link(message.owner, message.commitment)
            case UnlinkAliases():
                self._unlink(message.owner, message.commitment)

    def _carry_rotation(self, message: RotateAlias, signed: bytes, signatures: Sequence[bytes]) -> None:
        present = self._alive(message.alias).controller
        for signature, signer in zip(signatures, (present, message.controller), strict=True):
            check_signer(signed, signature, signer)
        self._in_time(message.deadline)
        require(message.number == self.alias_number(message.alias), "signer")
        kind = ControllerKind(message.kind)
        until = message.detail if kind is ControllerKind.GUARDIAN else 0
        self._rotate(message.alias, present, AliasFacts(message.alias, message.controller, kind, until, 0))

    def _in_time(self, deadline: int) -> None:
        require(self._time() <= deadline <= self._time() + LONGEST_DEADLINE, "deadline")

    def anchor(self, root: bytes, count: int, organisation: int, controller: SigningKey) -> Head:
        """A root is anchored once; by the same organisation again is harmless."""
        self._organisation(organisation, controller)
        known = self._now.anchor(root)
        if known is not None:
            require((known.organisation, known.count) == (organisation, count), "known root")
            return self._history.heads[known.block]
        require(count > 0, "count")
        number = self._now.head.number + 1
        return self._commit({("anchor", root): AnchorFacts(root, number, self._time(), organisation, count)})

    def attest_erased(
        self, leaves: Sequence[bytes], reason: bytes, custodian: int, signer: SigningKey
    ) -> Head:
        """One attestation per leaf and custodian; again is harmless."""
        self._signed_by_custodian(custodian, signer, "caller")
        new = [leaf for leaf in dict.fromkeys(leaves) if custodian not in self._now.erased_by(leaf)]
        changes: dict[Key, Any] = {("erased", leaf): self._now.erased_by(leaf) | {custodian} for leaf in new}
        changes["erasures", custodian] = self._now.erasures(custodian, 0) + tuple(new)
        return self._commit(changes)

    def anchor_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, note: bytes, signer: SigningKey
    ) -> Head:
        """Sizes grow; two trees of one size are a fork."""
        self._signed_by_custodian(custodian, signer, "signature")
        tree, newest = self._get("tree", custodian, size), self._now.checkpoint(custodian)
        if tree is not None:
            require(tree != (root, map_root), "known")
            require(False, "fork")
        require(newest is None or newest.size < size, "shrunk")
        block = self._now.head.number + 1
        facts = CheckpointFacts(custodian, size, root, map_root, block, self._time(), frozenset(), note)
        changes: dict[Key, Any] = {
            ("checkpoint", custodian): facts,
            ("tree", custodian, size): (root, map_root),
        }
        return self._commit(changes)

    def cosign_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, cosigner: int, signer: SigningKey
    ) -> Head:
        """Another custodian puts its name to an anchored checkpoint, once."""
        require(cosigner != custodian, "custodian")
        self._signed_by_custodian(cosigner, signer, "signature")
        require(self._get("tree", custodian, size) == (root, map_root), "unknown")
        before = self._get("cosigners", custodian, size) or frozenset()
        require(cosigner not in before, "cosigned")
        changes: dict[Key, Any] = {("cosigners", custodian, size): before | {cosigner}}
        newest = self._now.checkpoint(custodian)
        if newest is not None and newest.size == size:
            changes["checkpoint", custodian] = dataclasses.replace(newest, cosigners=before | {cosigner})
        return self._commit(changes)

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
        facts, other = self._openers(opener[0], second[0])
        require(facts.controller == opener[1].address, "signature")
        require(other.controller == second[1].address, "signature")
        now = self._time()
        require(now < until <= now + LONGEST_BREAK_GLASS, "window")
        require(not self._now.overdue(opener[0], now), "review overdue")
        require(self._now.break_glass(entry) is None, "used")
        made = BreakGlassFacts(entry, opener[0], second[0], now, until, restricted, commitment, False)
        return self._commit({("glass", entry): made})

    def enter_break_glass(self, signed: SignedOpening, relay: SigningKey) -> Head:
        """After its deadline, within a week; whoever's review is overdue may own up too."""
        facts, other = self._openers(signed.opener, signed.second)
        said = signed.said.digest(self.chain_id, self.contract("BreakGlass"))
        for signature, post in ((signed.by_opener, facts), (signed.by_second, other)):
            require(_made(said, signature, post.controller), "signature")
        now = self._time()
        require(signed.deadline < now <= signed.deadline + ENTERED_WITHIN, "deadline")
        require(signed.until <= signed.deadline + LONGEST_BREAK_GLASS, "window")
        require(self._now.break_glass(signed.entry) is None, "used")
        made = BreakGlassFacts(
            signed.entry, signed.opener, signed.second, now, signed.until, signed.restricted, signed.commitment,
            reviewed=False, afterwards=True,
        )  # fmt: skip
        return self._commit({("glass", signed.entry): made})

    def _openers(self, opener: int, second: int) -> tuple[PartyFacts, PartyFacts]:
        facts, other = self._post(opener), self._post(second)
        require(Role.DOCTOR in facts.roles, "role")
        require(opener != second and facts.controller != other.controller, "second party")
        return facts, other

    def _post(self, number: int) -> PartyFacts:
        facts = self._known(number)
        require(facts.status is Status.VERIFIED, "status")
        require(facts.employer != 0, "role")
        require(facts.standing is Status.VERIFIED, "status")
        return facts

    def review_break_glass(self, entry: bytes, justified: bool, reviewer: int, key: SigningKey) -> Head:
        """Once, by a ministry officer or the opener's employer."""
        facts, judge = self._now.break_glass(entry), self._known(reviewer)
        require(facts is not None, "unknown")
        assert facts is not None
        require(not facts.reviewed, "reviewed")
        require(judge.status is Status.VERIFIED, "status")
        require(judge.controller == key.address, "caller")
        opener, second = self._known(facts.opener), self._known(facts.second)
        require(reviewer not in (facts.opener, facts.second), "reviewer")
        require(key.address not in (opener.controller, second.controller), "reviewer")
        require(Role.MINISTRY in judge.roles or opener.employer == reviewer, "reviewer")
        found = dataclasses.replace(facts, reviewed=True, justified=justified, reviewer=reviewer)
        return self._commit({("glass", entry): found})

    def enact_matrix(self, version: int, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """The officers' votes, until they carry it; in force after the delay."""
        require(version in VERSIONS, "version")
        for post, key in officers:
            require(self._is_officer(post, key), "officer")
            versions = self._get("matrix")
            latest, since = versions[-1]
            require(since <= self._time(), "pending")
            require(version == latest + 1, "version")
            if len(self._vote(("matrix", version), post, key)) >= self._threshold:
                return self._commit({("matrix",): (*versions, (version, self._time() + self._delay))})
        return self._now.head

    def enact_retention(
        self, version: int, days: Mapping[Category, int], officers: Sequence[tuple[int, SigningKey]]
    ) -> Head:
        """The officers' votes, until they carry it; in force after the delay."""
        table = retention_table(days)
        for post, key in officers:
            require(self._is_officer(post, key), "officer")
            tables: tuple[RetentionFacts, ...] = self._get("retention")
            require(tables[-1].since <= self._time(), "pending")
            require(version == tables[-1].version + 1, "version")
            require(max(days.values(), default=0) <= MOST_DAYS, "days")
            if len(self._vote(("retention", version, table), post, key)) >= self._threshold:
                made = RetentionFacts(version, self._time() + self._delay, retention_days(table))
                return self._commit({("retention",): (*tables, made)})
        return self._now.head


def _made(said: bytes, signature: bytes, signer: Address) -> bool:
    try:
        check_signer(said, signature, signer)
    except SignatureRefused:
        return False
    return True
