"""How the ledger packs anchors, pages of direct deposits and marks of custodians into 256-bit words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eth_hash.auto import keccak

from careledger.domain.errors import DigestMismatch, MalformedBytes

PAGE = 32
"""Direct deposits of one organisation for one registration that share a word."""

MOST_PATH = 24
"""Hashes in an inclusion path that the contracts take: trees of up to 2**24 leaves."""

_MASK32, _MASK40, _MASK64 = (1 << 32) - 1, (1 << 40) - 1, (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class AnchorWord:
    """Who anchored a root, how many leaves it has, block time (unix seconds) and block number."""

    organisation: int
    count: int
    time: int
    block: int

    def word(self) -> int:
        """Organisation in bits 0–63, count 64–95, time 96–135, block 136–199."""
        return self.organisation | self.count << 64 | self.time << 96 | self.block << 136

    @classmethod
    def unpack(cls, word: int) -> AnchorWord | None:
        """The anchor in that word; None for 0, which means that nobody anchored it."""
        if word == 0:
            return None
        return cls(word & _MASK64, word >> 64 & _MASK32, word >> 96 & _MASK40, word >> 136 & _MASK64)


@dataclass(frozen=True, slots=True)
class DepositPlace:
    """Where a direct deposit stands: the depositor, the page (from 0) and the index in the page (0–31)."""

    organisation: int
    page: int
    index: int = 0

    def where(self) -> int:
        """Organisation in bits 64–127, page 8–39, index 0–7."""
        if not 0 <= self.index < PAGE or not 0 <= self.page <= _MASK32:
            raise MalformedBytes(page=self.page, index=self.index)
        return self.organisation << 64 | self.page << 8 | self.index

    @classmethod
    def unpack(cls, where: int) -> DepositPlace:
        """The place in that number."""
        return cls(where >> 64 & _MASK64, where >> 8 & _MASK32, where & 255)

    @classmethod
    def numbered(cls, organisation: int, number: int) -> DepositPlace:
        """Where the number-th deposit (from 0) of an organisation for a registration stands."""
        return cls(organisation, number // PAGE, number % PAGE)


@dataclass(frozen=True, slots=True)
class DepositPage:
    """A page of direct deposits: how many, which are removed (indexes), the digest of all leaves (27 bytes)."""

    count: int
    removed: frozenset[int]
    digest: bytes

    @classmethod
    def unpack(cls, word: int) -> DepositPage:
        """Count in bits 0–7, a bit for each removed one 8–39, digest 40–255."""
        marks = word >> 8 & _MASK32
        removed = frozenset(index for index in range(PAGE) if marks >> index & 1)
        return cls(word & 255, removed, (word >> 40).to_bytes(27, "big"))

    def check(self, leaves: Iterable[bytes]) -> None:
        """Raises DigestMismatch unless these are all leaves of the page, in order."""
        kept = list(leaves)
        if len(kept) != self.count or page_digest(kept) != self.digest:
            raise DigestMismatch(page="direct deposits")


def page_digest(leaves: Iterable[bytes]) -> bytes:
    """The first 27 bytes of keccak(digest so far as a word ‖ leaf), leaf by leaf, from zero."""
    digest = bytes(27)
    for leaf in leaves:
        digest = keccak(bytes(5) + digest + leaf)[:27]
    return digest


def marked(words: Iterable[int]) -> Iterator[int]:
    """The places (from 0) in the registry's list of custodians that are marked in words of 256 bits each."""
    for group, word in enumerate(words):
        yield from (256 * group + bit for bit in range(256) if word >> bit & 1)
