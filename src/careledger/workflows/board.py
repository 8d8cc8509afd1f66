"""Sealed packages on the board: posted to an organisation or a patient, found by trying one's key.

Every member fetches all packages; how far it has read stands in its books, so each is tried once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from careledger.domain.errors import CareLedgerError, LedgerStale, PartyNotFound, StoreUnavailable
from careledger.formats.digests import digest
from careledger.formats.patients import Envelope
from careledger.ports import Books
from careledger.sealing.grants import find_packages, seal_package
from careledger.sealing.keys import SealingKey, check_sealing_key
from careledger.workflows.network import Network, verified

POSITION = "board-position"


def organisation_key(network: Network, number: int) -> bytes:
    """An organisation's published sealing key, equal to the ledger's digest.

    Raises PartyNotFound, PartyNotVerified, DigestMismatch.
    """
    facts = verified(network.ledger.fresh_head(), number)
    public = network.board.sealing_key(number)
    if public is None:
        raise PartyNotFound(sealing_key_of=number)
    check_sealing_key(public, facts.sealing_key)
    return public


def post_package(network: Network, public: bytes, envelope: Envelope) -> None:
    """Seals an envelope to a key and posts it; raises PackageTooLarge."""
    network.board.post(seal_package(public, envelope.encode()))


def read_board(
    network: Network, books: Books, keys: Sequence[SealingKey], take: Callable[[Envelope], None]
) -> int:
    """Hands every new envelope for one of these keys to ``take``, then remembers how far it read.

    What ``take`` refuses (CareLedgerError) is passed over: anybody can post anything. Where the ledger or a store is
    not there to ask, it ends with that, and everything new is read again next time. Returns how many were taken.
    """
    mark = digest("board-reader", *(key.digest for key in keys))  # books may serve several readers
    before = int.from_bytes(books.get(POSITION, mark) or b"", "big")
    reached, packages = network.board.since(before)
    taken = 0
    for envelope in _envelopes(keys, packages):
        try:
            take(envelope)
            taken += 1
        except (LedgerStale, StoreUnavailable):
            raise
        except CareLedgerError:
            continue
    if reached != before:
        books.put(POSITION, [(mark, reached.to_bytes(8, "big"))])
    return taken


def _envelopes(keys: Sequence[SealingKey], packages: Sequence[bytes]) -> Iterator[Envelope]:
    for _, content in find_packages(keys, packages):
        try:
            yield Envelope.decode(content)
        except CareLedgerError:
            continue
