"""The ledger: facts at a block, and acts that are final when they return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from careledger.domain.categories import Category
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
from careledger.domain.parties import ControllerKind, Role
from careledger.formats.relaying import RelayedEntry
from careledger.formats.releases import SignedOpening
from careledger.formats.signatures import Address, SigningKey


class LedgerView(Protocol):
    """All facts as they stand at one block. None means: no such thing at that block."""

    @property
    def head(self) -> Head:
        """The block."""
        ...

    def party(self, number: int) -> PartyFacts | None: ...

    def in_team(self, post: int, team: int) -> bool:
        """Whether the role tree puts that post in that team or below it."""
        ...

    def team(self, number: int) -> tuple[int, int] | None:
        """A team's organisation and the team above it (0: none), also of one that was given up."""
        ...

    def team_stands(self, number: int) -> bool:
        """Whether there is that team and it was not given up."""
        ...

    def memberships(self, post: int) -> tuple[int, ...]:
        """The teams that a post was put into itself, those that were given up included, in no order."""
        ...

    def custodians(self) -> tuple[CustodianFacts, ...]:
        """The custodians that serve, by number: active or leaving, the organisation verified."""
        ...

    def custodian(self, number: int) -> CustodianFacts | None:
        """A custodian that is or ever was active."""
        ...

    def custodians_ever(self) -> tuple[CustodianFacts, ...]:
        """Every custodian that is or ever was active, by number: whom an audit has to ask."""
        ...

    def alias(self, alias: bytes) -> AliasFacts | None: ...

    def aliases_of(self, controller: Address) -> tuple[bytes, ...]:
        """The aliases that this address controls or has controlled, by the order of its taking them."""
        ...

    def linked(self, owner: Address, commitment: bytes) -> bool:
        """Whether that link of two aliases stands; owner is the zero address for the officers' links."""
        ...

    def consent(self, owner: Address, commitment: bytes) -> ConsentFacts | None: ...

    def filed_under(self, owner: Address) -> tuple[bytes, ...]:
        """The commitments of consents and links under this one-time owner, burnt and undone ones too, in order."""
        ...

    def changed(self, after: int) -> frozenset[bytes]:
        """Of what blocks after that one, up to this, changed something: aliases, consents by owner ‖ commitment,
        emergencies by entry. What only time ends is not among them."""
        ...

    def matrix_version(self) -> int:
        """The number of the access matrix in force at that block."""
        ...

    def retention(self, at: int) -> RetentionFacts:
        """The retention table in force at that time (unix seconds), as far as that block knows."""
        ...

    def anchor(self, root: bytes) -> AnchorFacts | None: ...

    def erased_by(self, leaf: bytes) -> frozenset[int]:
        """The custodians that attested the destruction of this leaf's shares."""
        ...

    def erasures(self, custodian: int, start: int) -> tuple[bytes, ...]:
        """The leaves of which this custodian attested that, in order, without the first ``start``."""
        ...

    def checkpoint(self, custodian: int) -> CheckpointFacts | None: ...

    def break_glass(self, entry: bytes) -> BreakGlassFacts | None: ...

    def may_break_glass(self, post: int, at: int = 0) -> bool:
        """Whether no entry of that post waits for its review beyond 72 hours, at the block's time or at ``at``."""
        ...


class Ledger(Protocol):
    """The ledger: trusted for order and finality, not for freshness of a single node's view.

    Every act returns the block in which it is final, raises LedgerRefused with the contract's ``reason``, or
    TransactionRefused. Acts whose authority is a signature may be relayed with any key.
    """

    @property
    def chain_id(self) -> int: ...

    @property
    def deployment(self) -> bytes:
        """formats.signed.deployment_id of this network, 32 bytes."""
        ...

    def contract(self, name: str) -> Address:
        """The address of a contract, found through the directory."""
        ...

    def fresh_head(self) -> LedgerView:
        """The newest final block; raises LedgerStale if it may be too old to decide on."""
        ...

    def last_head(self) -> LedgerView:
        """The newest final block known here, however old: what an emergency goes by while the ledger stands still."""
        ...

    def at(self, block: int) -> LedgerView:
        """The facts as they stood after that block."""
        ...

    # Parties -----------------------------------------------------------------------------------

    def propose_organisation(
        self, number: int, roles: Iterable[Role], licence: bytes, sealing_key: bytes, controller: SigningKey
    ) -> Head:
        """A pending organisation; ``licence`` is a commitment, ``sealing_key`` a digest, both 32 bytes."""
        ...

    def replace_sealing_key(self, number: int, sealing_key: bytes, controller: SigningKey) -> Head:
        """The digest of a verified party's new sealing key."""
        ...

    def verify(
        self, number: int, licence: bytes, sealing_key: bytes, officer: SigningKey, officer_post: int
    ) -> Head:
        """The officer names the licence and key that were checked; other ones on the ledger are refused."""
        ...

    def suspend(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def reinstate(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def remove(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

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
        """A verified post that acts by ``key``; ``sealing_key`` is the digest of the key that is sealed to."""
        ...

    def end_post(self, post: int, controller: SigningKey) -> Head:
        """By the controller of the post's employer."""
        ...

    def rotate_party(self, number: int, old: SigningKey, new: SigningKey) -> Head: ...

    def join_custodians(
        self, number: int, log_key: bytes, signer: SigningKey, controller: SigningKey
    ) -> Head:
        """First of two steps; ``activate_custodian`` is the second.

        ``log_key`` is the digest of the release log's key; ``signer`` signs the custodian's answers, and here
        shows that it exists.
        """
        ...

    def rekey_custodian(
        self, number: int, log_key: bytes, signer: SigningKey, controller: SigningKey
    ) -> Head:
        """A serving custodian takes new keys at once."""
        ...

    def activate_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def leave_custodians(self, number: int, controller: SigningKey) -> Head:
        """First of two steps; ``retire_custodian`` is the second."""
        ...

    def retire_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def create_team(self, team: int, organisation: int, parent: int, controller: SigningKey) -> Head: ...

    def move_team(self, team: int, parent: int, controller: SigningKey) -> Head:
        """A team with none below it hangs under ``parent`` from now on (0: at the top)."""
        ...

    def retire_team(self, team: int, controller: SigningKey) -> Head:
        """A team with none below it is given up: nobody is in it from this block on."""
        ...

    def join_team(self, post: int, team: int, controller: SigningKey) -> Head:
        """By the controller of the organisation that formed the team."""
        ...

    def leave_team(self, post: int, team: int, controller: SigningKey) -> Head: ...

    # Patients ----------------------------------------------------------------------------------

    def register_patient(self, registration: bytes, registrar: int, controller: SigningKey) -> Head:
        """``registration`` is 16 random bytes; a number is never given again."""
        ...

    def end_registration(self, registration: bytes, controller: SigningKey) -> Head:
        """By the controller of the registrar."""
        ...

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
        """A new alias under ``owner``; for kind ``registrar`` the organisation's controller answers for it too.

        ``until`` is a guardian's end and ``registrar`` an organisation, 0 for other kinds.
        """
        ...

    def rotate_alias(
        self,
        alias: bytes,
        kind: ControllerKind,
        until: int,
        present: SigningKey,
        new: SigningKey,
        relay: SigningKey,
    ) -> Head:
        """Rotation and claim: signed by the present controller and by the new one."""
        ...

    def alias_number(self, alias: bytes) -> int:
        """What the next message about that alias has to name at the fresh head: counts its changes, 0 if unknown."""
        ...

    def close_alias(self, alias: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """Death: the word of two ministry officers, given at once or one after the other; then ``nobody``."""
        ...

    def link_aliases(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """Two aliases are one person; ``owner`` is a key used for this link alone."""
        ...

    def unlink_aliases(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """Undoes a link for good."""
        ...

    def reopen_alias(self, alias: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """A death that was recorded wrongly: the word of two officers; the controller is what it was."""
        ...

    def link_unclaimed(self, commitment: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """Two unclaimed aliases are one person: the word of two officers; found under the zero address as owner."""
        ...

    def unlink_unclaimed(self, commitment: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """Undoes such a link for good: the word of two officers."""
        ...

    def replace_controller(
        self,
        alias: bytes,
        organisation: tuple[int, SigningKey],
        officer: tuple[int, SigningKey],
        new: SigningKey,
        relay: SigningKey,
    ) -> Head:
        """For a registrar that does not answer or a guardian whose time is over; waits for 72 hours.

        Of the former the organisation becomes the registrar, in place of the latter the patient takes over.
        """
        ...

    def complete_replacement(self, alias: bytes, relay: SigningKey) -> Head:
        """After 72 hours the waiting controller is the present one."""
        ...

    def stop_replacement(self, alias: bytes, present: SigningKey, relay: SigningKey) -> Head:
        """The present controller stops what waits."""
        ...

    # Consents, records, logs -------------------------------------------------------------------

    def give_consent(
        self, owner: SigningKey, commitment: bytes, start: int, end: int, relay: SigningKey
    ) -> Head: ...

    def revoke_consent(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """Revoking an unknown id burns it; revoking again is harmless."""
        ...

    def carry(self, entries: Sequence[RelayedEntry], relay: SigningKey) -> Head:
        """What others signed: consents, revocations, entries of aliases and links.

        One that would be refused alone is left out and holds up no other: ask for each afterwards. Raises
        MalformedBytes for an entry that nobody relays.
        """
        ...

    def anchor(self, root: bytes, count: int, organisation: int, controller: SigningKey) -> Head:
        """The commit point of a deposit. Anchoring a known root again by the same organisation is harmless."""
        ...

    def attest_erased(
        self, leaves: Sequence[bytes], reason: bytes, custodian: int, signer: SigningKey
    ) -> Head:
        """A serving custodian destroyed its shares of these leaves; ``reason`` is the order's digest.

        At least one leaf. Attesting again is harmless.
        """
        ...

    def anchor_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, note: bytes, signer: SigningKey
    ) -> Head:
        """``note`` is the digest of the signed checkpoint note. The same again is refused as ``known``."""
        ...

    def cosign_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, cosigner: int, signer: SigningKey
    ) -> Head:
        """Another serving custodian signs under an anchored checkpoint, once."""
        ...

    def open_break_glass(
        self,
        entry: bytes,
        commitment: bytes,
        until: int,
        restricted: bool,
        opener: tuple[int, SigningKey],
        second: tuple[int, SigningKey],
        relay: SigningKey,
    ) -> Head: ...

    def enter_break_glass(self, signed: SignedOpening, relay: SigningKey) -> Head:
        """An opening that custodians granted while the ledger stood still, after its deadline; marked, opens nothing.

        Refused as ``used`` once it was entered.
        """
        ...

    def review_break_glass(self, entry: bytes, justified: bool, reviewer: int, key: SigningKey) -> Head:
        """By a ministry officer or the opener's employer, never by who opened it or stood by."""
        ...

    def enact_matrix(self, version: int, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """The officers' votes for the next version of domain.matrix, given at once or one after the other.

        Once the threshold is reached it is in force after the ledger's delay; votes beyond it are not cast.
        """
        ...

    def enact_retention(
        self, version: int, days: Mapping[Category, int], officers: Sequence[tuple[int, SigningKey]]
    ) -> Head:
        """The officers' votes for the next retention table, as for a matrix; at most 36,525 days each."""
        ...
