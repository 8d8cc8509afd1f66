"""Clock, stores, custodians and the ways between members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from careledger.formats.cids import Block, Cid, raw_cid


class Clock(Protocol):
    """Tells the time. Trusted as far as its owner's clock; decisions take max(clock, head time)."""

    def now(self) -> int:
        """Unix seconds."""
        ...


class WaitingClock(Clock, Protocol):
    """A clock that who acts can also wait by."""

    def wait(self, seconds: int) -> None:
        """Returns when so many seconds have passed."""
        ...


class KeyFiles(Protocol):
    """How the key files of one directory lie on the disk: sealed under a passphrase, or insecurely as they are."""

    def seal(self, name: str, content: bytes) -> bytes:
        """What the file of that name is to hold."""
        ...

    def open(self, name: str, data: bytes) -> bytes:
        """The content of the file of that name; raises StoreCorrupt for what was not sealed so, and here."""
        ...


class Blocks(Protocol):
    """Content-addressed ciphertext. The store may lie or forget: readers verify every block.

    CIDs are 36 bytes (CIDv1; raw or dag-cbor under their SHA-256, chunks under their BLAKE3), see formats.cids.
    """

    def put_many(self, blocks: Sequence[Block], named: Callable[[Block], Cid] = raw_cid) -> list[bytes]:
        """The CIDs of these blocks, as ``named`` makes them, in order; all durable when it returns, and no view among
        them is kept. Repeating is harmless."""
        ...

    def get(self, cid: bytes) -> bytes:
        """The block; raises BlockNotFound, BlockMismatch (what the store gave is something else)."""
        ...

    def unchecked(self, cid: bytes) -> bytes:
        """What the store gives as that block, for a caller that verifies it; raises BlockNotFound."""
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

    def has(self, package: bytes) -> bool:
        """Whether exactly this package was posted."""
        ...

    def since(self, position: int, most: int | None = None) -> tuple[int, list[bytes]]:
        """The position reached and all packages posted after ``position`` (0: from the start), or ``most`` of them."""
        ...

    def publish_key(self, party: int, sealing_key: bytes) -> None:
        """Durable when it returns."""
        ...

    def sealing_key(self, party: int) -> bytes | None:
        """The key that was published last under that number, by whomever."""
        ...


class Locator(Protocol):
    """Members' own identity tables, reached over mutually authenticated connections.

    Trusted for nothing: a member answers by its own rules and signs, and who asks signs too.
    """

    def members(self) -> Iterable[int]:
        """The organisations that can be asked."""
        ...

    def ask(self, member: int, request: bytes) -> bytes:
        """A member's signed answer to a LocatorRequest; refusals arrive as the class that it raised."""
        ...


class Relay(Protocol):
    """Another member that sends what was sealed to it. Trusted for nothing: it may drop, delay, alter or repeat.

    What it carries is signed and sealed; whether it did carry it is asked of the ledger or the board.
    """

    @property
    def party(self) -> int:
        """The member's number; messages are sealed to its registered key (sealing.relays)."""
        ...

    def take(self, sealed: bytes) -> None:
        """Handed over; an honest member sends it in its next batch, and revocations and packages at once.

        Raises CannotOpen, MalformedBytes, StoreUnavailable. The same again is harmless.
        """
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

    def rows(self, kind: str, prefix: bytes = b"", after: bytes = b"") -> Iterable[tuple[bytes, bytes]]:
        """All rows of that kind whose keys begin so and come ``after`` that one (empty: from the first), by key."""
        ...

    def keys(self, kind: str, after: bytes, most: int) -> list[bytes]:
        """The next keys of that kind in order, at most so many, all greater than ``after``; no value is opened."""
        ...

    def drop(self, kind: str, keys: Iterable[bytes]) -> None:
        """Removes rows; durable when it returns."""
        ...

    def change(
        self,
        written: Mapping[str, Sequence[tuple[bytes, bytes]]],
        dropped: Mapping[str, Sequence[bytes]],
    ) -> None:
        """Writes rows of several kinds and removes others at once: all durable when it returns, or nothing."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """What is read and written inside is one step: nobody else writes these books between, in whatever thread or
        process, and what was written is durable at the end, or nothing is where something is raised. Inside another one
        it is part of that. Nothing slow belongs inside, and nothing that other parties or books see."""
        ...


class ScanningFile(Protocol):
    """One file on its way to a scanner."""

    def add(self, piece: bytes) -> None:
        """The next bytes; raises FileNotScanned for more than it takes, ScannerUnavailable."""
        ...

    def end(self) -> None:
        """Nothing more comes, and the file is clean; raises FileRefused, FileNotScanned, ScannerUnavailable."""
        ...

    def close(self) -> None:
        """Gives the file up."""
        ...


class Scanner(Protocol):
    """Looks through files for what is known as harmful. It sees them in clear, so it is of this machine; it is trusted
    to say what it found, and where it says nothing that is taken for no. Several threads may ask it at once."""

    def begin(self) -> ScanningFile:
        """One file; raises ScannerUnavailable."""
        ...
