"""Shares under shred keys: one sealed row for each deposit, one key for each alias and month.

A row's plaintext is a bitmap of the versions whose shares are held, most significant bit first, by position, the
batch secret's after the last; then those shares, 32 bytes each.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from careledger.adapters.custody import sqlite
from careledger.adapters.custody.shred import ShredKeys, open_sealed, seal
from careledger.domain.errors import StoreCorrupt
from careledger.formats.deposits import sliced

SHARE = 32


class Shares(ABC):
    """The part of a custodian's rows that shred keys open. One user at a time."""

    _db: sqlite3.Connection
    _keys: ShredKeys
    _in_use: tuple[tuple[bytes, str], bytes] | None = None
    """The shred key of an alias and month that the transaction under way writes under; none lives longer in memory."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is durable at its end, or nothing is."""
        try:
            with sqlite.transaction(self._db):
                yield
        finally:
            if not self._db.in_transaction:
                self._in_use = None

    def put_shares(self, deposit: bytes, shares: Mapping[bytes, bytes]) -> None:
        """Adds or replaces shares of a kept deposit by subject: a handle, or its digest for the batch secret."""
        number, alias, month, subjects = self._subjects(deposit)
        key = self._key(alias, month)
        row = self._db.execute("SELECT sealed FROM shares WHERE deposit = ?", (number,)).fetchone()
        held = _unpacked(subjects, open_sealed(key, deposit, row[0])) if row else {}
        held.update(shares)
        self._db.execute(
            "INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?)",
            (number, alias, month, seal(key, deposit, _packed(subjects, held))),
        )

    def shares(self, alias: bytes, deposits: Collection[bytes] | None = None) -> dict[bytes, bytes]:
        """Subject → share, of everything (or of these deposits) that is kept for an alias and can still be opened."""
        found: dict[bytes, bytes] = {}
        for month, generation in self._months(alias):
            key = self._keys.read(ShredKeys.name(alias, month), generation)
            if key is None:
                continue
            named = (
                self._sealed(alias, month) if deposits is None else self._sealed_of(alias, month, deposits)
            )
            for deposit, sealed in named:
                found.update(_unpacked(self._subjects(deposit)[3], open_sealed(key, deposit, sealed)))
        return found

    def _sealed_of(
        self, alias: bytes, month: str, deposits: Iterable[bytes]
    ) -> Iterator[tuple[bytes, bytes]]:
        """The same of these deposits, each looked up by its name."""
        for deposit in deposits:
            yield from self._db.execute(
                "SELECT digest, sealed FROM deposits JOIN shares ON deposit = number"
                " WHERE digest = ? AND shares.alias = ? AND shares.month = ?",
                (deposit, alias, month),
            )

    def _sealed(self, alias: bytes, month: str) -> list[tuple[bytes, bytes]]:
        """Deposit digest and sealed row of everything under one shred key."""
        return self._db.execute(
            "SELECT digest, sealed FROM shares JOIN deposits ON deposit = number"
            " WHERE shares.alias = ? AND shares.month = ?",
            (alias, month),
        ).fetchall()

    @abstractmethod
    def _subjects(self, deposit: bytes) -> tuple[int, bytes, str, list[bytes]]:
        """A kept deposit's number, alias, month, and its subjects by position; raises StoreCorrupt."""

    def destroy_shares(self, alias: bytes, subjects: Iterable[bytes]) -> None:
        """The shares are gone for good when it returns, in these files and in every backup of them.

        New key durable; others under it and these rows deleted, durable; old key overwritten. A crash before the
        last step leaves the old key, which ``settle_keys`` destroys. Repeating is harmless.
        """
        gone = frozenset(subjects)
        for month, generation in self._months(alias):
            old = self._keys.read(ShredKeys.name(alias, month), generation)
            held = {} if old is None else {
                deposit: _unpacked(self._subjects(deposit)[3], open_sealed(old, deposit, sealed))
                for deposit, sealed in self._sealed(alias, month)
            }  # fmt: skip
            if any(not gone.isdisjoint(each) for each in held.values()):
                self._rekey(alias, month, generation, held, gone)
        sqlite.emptied(self._db)

    def _rekey(
        self,
        alias: bytes,
        month: str,
        generation: int,
        held: dict[bytes, dict[bytes, bytes]],
        gone: frozenset[bytes],
    ) -> None:
        name = ShredKeys.name(alias, month)
        fresh = ShredKeys.generation()
        key = self._keys.create(name, fresh)
        with self.transaction():
            self._db.execute("DELETE FROM shares WHERE alias = ? AND month = ?", (alias, month))
            self._db.execute("INSERT OR REPLACE INTO shred VALUES (?, ?, ?)", (alias, month, fresh))
            for deposit, shares in held.items():
                left = {subject: share for subject, share in shares.items() if subject not in gone}
                number, _, _, subjects = self._subjects(deposit)
                row = (number, alias, month, seal(key, deposit, _packed(subjects, left)))
                if left:
                    self._db.execute("INSERT INTO shares VALUES (?, ?, ?, ?)", row)
        self._keys.destroy(name, generation)

    def settle_keys(self) -> int:
        """After a crash or a restore: destroys keys that no row uses, drops rows whose key is not there.

        Returns for how many deposits shares were dropped: others must remake them.
        """
        used, lost = set(), 0
        for alias, month, generation in self._db.execute("SELECT * FROM shred").fetchall():
            name = ShredKeys.name(alias, month)
            if self._keys.read(name, generation) is not None:
                used.add((name, generation))
                continue
            where = (alias, month)
            lost += self._db.execute("DELETE FROM shares WHERE alias = ? AND month = ?", where).rowcount
            self._db.execute("DELETE FROM shred WHERE alias = ? AND month = ?", where)
        for name, generation in self._keys.all():
            if (name, generation) not in used:
                self._keys.destroy(name, generation)
        return lost

    def _months(self, alias: bytes) -> list[tuple[str, int]]:
        return self._db.execute("SELECT month, generation FROM shred WHERE alias = ?", (alias,)).fetchall()

    def _key(self, alias: bytes, month: str) -> bytes:
        """The shred key of alias and month, made where there is none."""
        known = self._in_use
        if known is not None and known[0] == (alias, month):
            return known[1]
        key = self._durable_key(alias, month)
        if self._db.in_transaction:
            self._in_use = (alias, month), key
        return key

    def _durable_key(self, alias: bytes, month: str) -> bytes:
        name = ShredKeys.name(alias, month)
        for found, generation in self._months(alias):
            key = self._keys.read(name, generation) if found == month else None
            if key is not None:
                return key
        generation = ShredKeys.generation()
        key = self._keys.create(name, generation)
        self._db.execute("INSERT OR REPLACE INTO shred VALUES (?, ?, ?)", (alias, month, generation))
        return key


def _packed(subjects: list[bytes], shares: Mapping[bytes, bytes]) -> bytes:
    bits = "".join("1" if subject in shares else "0" for subject in subjects)
    width = -(-len(subjects) // 8)
    bitmap = int(bits.ljust(8 * width, "0"), 2).to_bytes(width, "big")
    return bitmap + b"".join(shares[subject] for subject in subjects if subject in shares)


def _unpacked(subjects: list[bytes], plain: bytes) -> dict[bytes, bytes]:
    width = -(-len(subjects) // 8)
    bits = f"{int.from_bytes(plain[:width], 'big'):0{8 * width}b}"
    held = [subject for subject, bit in zip(subjects, bits, strict=False) if bit == "1"]
    if len(plain) != width + SHARE * len(held):
        raise StoreCorrupt(what="shares")
    return dict(zip(held, sliced(plain[width:], SHARE), strict=True))
