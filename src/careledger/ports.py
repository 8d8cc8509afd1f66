"""What a workflow may ask of the outside, and what it may rely on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from careledger.domain.facts import (
    AliasFacts,
    AnchorFacts,
    BreakGlassFacts,
    CheckpointFacts,
    ConsentFacts,
    CustodianFacts,
    Head,
    PartyFacts,
)
from careledger.domain.parties import ControllerKind, Role
from careledger.formats.signatures import Address, SigningKey


class Clock(Protocol):
    """Tells the time. Trusted as far as its owner's clock; decisions take max(clock, head time)."""

    def now(self) -> int:
        """Unix seconds."""
        ...


class Blocks(Protocol):
    """Content-addressed ciphertext. The store may lie or forget: readers verify every block.

    CIDs are 36 bytes (CIDv1, raw or dag-cbor, sha2-256), see formats.cids.
    """

    def put_many(self, blocks: Sequence[bytes]) -> list[bytes]:
        """The CIDs of these blocks, in order; all durable when it returns. Repeating is harmless."""
        ...

    def get(self, cid: bytes) -> bytes:
        """The block; raises BlockNotFound, BlockMismatch (what the store gave is something else)."""
        ...

    def has(self, cid: bytes) -> bool:
        """Whether the store says that it has the block."""
        ...

    def pin(self, owner: str, cids: Iterable[bytes]) -> None:
        """Keeps these blocks for that owner whatever others unpin; durable when it returns."""
        ...

    def unpin(self, owner: str, cids: Iterable[bytes]) -> None:
        """The owner no longer needs them; ``collect`` removes blocks that nobody pins."""
        ...


class CustodianLink(Protocol):
    """One custodian as others reach it: a message in, a message out. It may lie, delay, repeat or die.

    ``method`` is one of formats.custody.METHODS. Refusals arrive as the same exception class that the
    custodian raised; StoreUnavailable means that it may or may not have done it: repeat.
    """

    @property
    def party(self) -> int:
        """The organisation's number on the ledger."""
        ...

    def call(self, method: str, body: bytes) -> bytes:
        """The answer's bytes."""
        ...


class Board(Protocol):
    """Where sealed packages are posted without an address, and parties publish their public sealing keys.

    Trusted for nothing: packages are signed inside, keys are checked against the ledger's digests.
    """

    def post(self, package: bytes) -> None:
        """Durable when it returns; posting the same package again is harmless."""
        ...

    def since(self, position: int) -> tuple[int, list[bytes]]:
        """The position reached and all packages posted after ``position`` (0: from the start)."""
        ...

    def publish_key(self, party: int, sealing_key: bytes) -> None:
        """Durable when it returns."""
        ...

    def sealing_key(self, party: int) -> bytes | None:
        """The key that was published last under that number, by whomever."""
        ...


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

    def custodians(self) -> tuple[CustodianFacts, ...]:
        """The active custodians, by number."""
        ...

    def custodian(self, number: int) -> CustodianFacts | None:
        """A custodian that is or ever was active."""
        ...

    def alias(self, alias: bytes) -> AliasFacts | None: ...

    def consent(self, owner: Address, commitment: bytes) -> ConsentFacts | None: ...

    def matrix_version(self) -> int:
        """The number of the access matrix in force at that block."""
        ...

    def anchor(self, root: bytes) -> AnchorFacts | None: ...

    def erased_by(self, leaf: bytes) -> frozenset[int]:
        """The custodians that attested the destruction of this leaf's shares."""
        ...

    def checkpoint(self, custodian: int) -> CheckpointFacts | None: ...

    def break_glass(self, entry: bytes) -> BreakGlassFacts | None: ...

    def may_break_glass(self, post: int) -> bool:
        """Whether no earlier entry of that post waits for its review beyond 72 hours."""
        ...


class Ledger(Protocol):
    """The ledger: trusted for order and finality, not for freshness of a single node's view.

    Every act returns the block in which it is final, raises LedgerRefused with the contract's reason, or
    TransactionRefused. Acts whose authority is a signature argument may be relayed with any key.
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

    def at(self, block: int) -> LedgerView:
        """The facts as they stood after that block."""
        ...

    # Parties -----------------------------------------------------------------------------------

    def propose_organisation(
        self, number: int, roles: Iterable[Role], licence: bytes, controller: SigningKey
    ) -> Head: ...

    def set_keys(
        self, number: int, sealing_key: bytes, log_key: bytes, signer: Address, controller: SigningKey
    ) -> Head:
        """Digests of the sealing and log keys, and the address that signs a custodian's answers."""
        ...

    def verify(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def suspend(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def reinstate(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def remove(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def vouch(
        self,
        post: int,
        employer: int,
        roles: Iterable[Role],
        licence: bytes,
        key: Address,
        controller: SigningKey,
    ) -> Head: ...

    def end_post(self, post: int, employer: int, controller: SigningKey) -> Head: ...

    def rotate_party(self, number: int, old: SigningKey, new: SigningKey) -> Head: ...

    def join_custodians(self, number: int, controller: SigningKey) -> Head:
        """First of two steps; ``activate_custodian`` is the second."""
        ...

    def activate_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def leave_custodians(self, number: int, controller: SigningKey) -> Head:
        """First of two steps; ``retire_custodian`` is the second."""
        ...

    def retire_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head: ...

    def create_team(self, team: int, organisation: int, parent: int, controller: SigningKey) -> Head: ...

    def join_team(self, post: int, team: int, organisation: int, controller: SigningKey) -> Head: ...

    def leave_team(self, post: int, team: int, organisation: int, controller: SigningKey) -> Head: ...

    # Patients ----------------------------------------------------------------------------------

    def register_patient(self, registration: bytes, registrar: int, controller: SigningKey) -> Head: ...

    def end_registration(self, registration: bytes, registrar: int, controller: SigningKey) -> Head: ...

    def open_alias(
        self,
        alias: bytes,
        owner: Address,
        kind: ControllerKind,
        until: int,
        registrar: int,
        relay: SigningKey,
    ) -> Head: ...

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

    def close_alias(
        self, alias: bytes, officers: Sequence[tuple[int, SigningKey]], relay: SigningKey
    ) -> Head:
        """Death: two ministry officers sign; the kind becomes ``nobody``."""
        ...

    def link_aliases(
        self, commitment: bytes, first: bytes, second: bytes, signers: Sequence[SigningKey], relay: SigningKey
    ) -> Head: ...

    def unlink_aliases(
        self, commitment: bytes, first: bytes, second: bytes, signers: Sequence[SigningKey], relay: SigningKey
    ) -> Head: ...

    # Consents, records, logs -------------------------------------------------------------------

    def give_consent(
        self, owner: SigningKey, commitment: bytes, start: int, end: int, relay: SigningKey
    ) -> Head: ...

    def revoke_consent(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head: ...

    def anchor(self, root: bytes, count: int, organisation: int, controller: SigningKey) -> Head:
        """The commit point of a deposit. Anchoring a known root again by the same organisation is harmless."""
        ...

    def attest_erased(
        self,
        leaf: bytes,
        root: bytes,
        index: int,
        size: int,
        path: Sequence[bytes],
        custodian: int,
        key: SigningKey,
    ) -> Head: ...

    def anchor_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, note: bytes, key: SigningKey
    ) -> Head:
        """``note`` is the digest of the signed checkpoint note."""
        ...

    def cosign_checkpoint(
        self, custodian: int, size: int, root: bytes, cosigner: int, key: SigningKey
    ) -> Head: ...

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

    def review_break_glass(self, entry: bytes, justified: bool, reviewer: int, key: SigningKey) -> Head: ...

    def enact_matrix(self, version: int, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """The ministry officers' vote for that version of domain.matrix; in force after the delay."""
        ...


class Books(Protocol):
    """What one actor (an organisation, a patient's agent) remembers between acts, encrypted at rest.

    A kind is a table, a key a row's name; both are the caller's words and hold nothing personal.
    """

    def put(self, kind: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Writes or replaces rows; all of them durable when it returns, or none."""
        ...

    def get(self, kind: str, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    def rows(self, kind: str) -> Iterable[tuple[bytes, bytes]]:
        """All rows of that kind, by key."""
        ...

    def drop(self, kind: str, keys: Iterable[bytes]) -> None:
        """Removes rows; durable when it returns."""
        ...
