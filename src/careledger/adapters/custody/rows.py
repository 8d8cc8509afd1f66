"""A custodian's rows: statements, audit keys, epochs, deposits, versions, and shares under shred keys.

May be backed up and restored: without the shred keys the shares in it are noise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from careledger.adapters.custody import sqlite
from careledger.adapters.custody.shred import ShredKeys, open_sealed, seal
from careledger.adapters.custody.sqlite import joined, number, split
from careledger.domain.custody import Anchoring, KeptDeposit, KeptStatement, KeptVersion

SCHEMA = """
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE statements (
    alias BLOB, number INTEGER, digest BLOB NOT NULL, signed BLOB NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (alias, number)) WITHOUT ROWID;
CREATE TABLE audit_keys (
    alias BLOB, claim INTEGER, key BLOB NOT NULL, PRIMARY KEY (alias, claim)) WITHOUT ROWID;
CREATE TABLE epochs (
    alias BLOB, compartment INTEGER, number INTEGER, digest BLOB NOT NULL, record BLOB NOT NULL,
    since INTEGER NOT NULL, PRIMARY KEY (alias, compartment, number)) WITHOUT ROWID;
CREATE TABLE deposits (
    digest BLOB PRIMARY KEY, id BLOB NOT NULL UNIQUE, alias BLOB NOT NULL, compartment INTEGER NOT NULL,
    epoch INTEGER NOT NULL, depositor BLOB NOT NULL, post BLOB NOT NULL, ground TEXT NOT NULL,
    source TEXT NOT NULL, intake INTEGER NOT NULL, place INTEGER NOT NULL,
    month TEXT NOT NULL, proof BLOB NOT NULL, escrow BLOB);
CREATE INDEX deposits_alias ON deposits (alias, compartment);
CREATE TABLE versions (
    handle BLOB PRIMARY KEY, deposit BLOB NOT NULL, alias BLOB NOT NULL, compartment INTEGER NOT NULL,
    header BLOB NOT NULL, manifest BLOB NOT NULL, body BLOB NOT NULL, leaf BLOB NOT NULL,
    commitments BLOB NOT NULL, all_commitments BLOB NOT NULL, predecessor BLOB, author BLOB NOT NULL,
    signed INTEGER NOT NULL, clinical_month TEXT, state TEXT NOT NULL, mark TEXT NOT NULL,
    acceptance BLOB, root BLOB, leaf_index INTEGER, size INTEGER, path BLOB, block INTEGER, matrix INTEGER);
CREATE INDEX versions_alias ON versions (alias, compartment);
CREATE INDEX versions_deposit ON versions (deposit);
CREATE TABLE shares (
    subject BLOB PRIMARY KEY, alias BLOB NOT NULL, month TEXT NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX shares_month ON shares (alias, month);
CREATE TABLE shred (
    alias BLOB, month TEXT, generation INTEGER NOT NULL, PRIMARY KEY (alias, month)) WITHOUT ROWID;
CREATE TABLE attestations (
    handle BLOB PRIMARY KEY, reason BLOB NOT NULL, attested INTEGER NOT NULL) WITHOUT ROWID;
"""
_VERSION = (
    "handle, deposit, alias, compartment, header, manifest, body, leaf, commitments, all_commitments, "
    "predecessor, author, signed, clinical_month, state, mark, acceptance, root, leaf_index, size, path, block, matrix"
)
_DEPOSIT = (
    "digest, id, alias, compartment, epoch, depositor, post, ground, source, intake, "
    "place, month, proof, escrow"
)


class Rows:
    """The rows' file and the folder of shred keys beside it. One user at a time."""

    def __init__(self, path: Path, keys: ShredKeys) -> None:
        self._db: sqlite3.Connection = sqlite.connect(path)
        self._keys = keys

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is durable at its end, or nothing is."""
        return sqlite.transaction(self._db)

    def backup(self, target: Path) -> None:
        """A copy of the rows as they are now; never of the shred keys."""
        self._db.execute("VACUUM INTO ?", (str(target),))

    def applied(self) -> int:
        """The number of the last act of the journal that these rows show."""
        row = self._db.execute("SELECT value FROM state WHERE name = 'applied'").fetchone()
        return int(row[0]) if row else 0

    def set_applied(self, act: int) -> None:
        """Says that these rows show the journal up to this act."""
        self._db.execute("INSERT OR REPLACE INTO state VALUES ('applied', ?)", (act,))

    # Statements --------------------------------------------------------------------------------

    def put_statement(self, alias: bytes, kept: KeptStatement) -> None:
        """Adds an alias statement."""
        row = (alias, kept.number, kept.digest, kept.signed, kept.since)
        self._db.execute("INSERT OR REPLACE INTO statements VALUES (?, ?, ?, ?, ?)", row)

    def statement(self, alias: bytes) -> KeptStatement | None:
        """The newest alias statement."""
        row = self._db.execute(
            "SELECT number, digest, signed, since FROM statements WHERE alias = ? ORDER BY number DESC LIMIT 1",
            (alias,),
        ).fetchone()
        return KeptStatement(*row) if row else None

    def aliases(self) -> list[bytes]:
        """All aliases that are or were enrolled."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT alias FROM statements")]

    def put_audit_key(self, alias: bytes, claim: int, key: bytes) -> None:
        """Keeps the audit key of one claim."""
        self._db.execute("INSERT OR REPLACE INTO audit_keys VALUES (?, ?, ?)", (alias, claim, key))

    def audit_key(self, alias: bytes, claim: int) -> bytes | None:
        """The audit key of that claim."""
        row = self._db.execute("SELECT key FROM audit_keys WHERE alias = ? AND claim = ?", (alias, claim))
        return next((found[0] for found in row), None)

    def put_epoch(self, alias: bytes, compartment: int, kept: KeptStatement) -> None:
        """Adds an epoch record (in ``signed``)."""
        row = (alias, compartment, kept.number, kept.digest, kept.signed, kept.since)
        self._db.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?)", row)

    def epochs(self, alias: bytes, compartment: int) -> list[KeptStatement]:
        """The epoch records of a compartment, from 0 up."""
        rows = self._db.execute(
            "SELECT number, digest, record, since FROM epochs WHERE alias = ? AND compartment = ? ORDER BY number",
            (alias, compartment),
        )
        return [KeptStatement(*row) for row in rows]

    # Deposits and versions ---------------------------------------------------------------------

    def put_deposit(
        self, deposit: KeptDeposit, versions: Sequence[KeptVersion], shares: Iterable[tuple[bytes, bytes]]
    ) -> None:
        """Adds a deposit with its versions, and shares by subject (handle, or the deposit's digest for escrow)."""
        self._db.execute(
            f"INSERT INTO deposits ({_DEPOSIT}) VALUES ({_marks(14)})",  # noqa: S608 - names and marks only
            (
                deposit.digest,
                deposit.id,
                deposit.alias,
                deposit.compartment,
                deposit.epoch,
                number(deposit.depositor),
                number(deposit.post),
                deposit.ground,
                deposit.source,
                deposit.intake,
                deposit.place,
                deposit.month,
                deposit.proof,
                None if deposit.escrow is None else joined(deposit.escrow),
            ),
        )
        self._db.executemany(
            f"INSERT INTO versions ({_VERSION}) VALUES ({_marks(23)})",  # noqa: S608 - names and marks only
            (_version_row(version) for version in versions),
        )
        self.put_shares(deposit.alias, deposit.month, shares)

    def deposit(self, digest: bytes) -> KeptDeposit | None:
        """The deposit of that statement digest."""
        return self._deposit("digest", digest)

    def deposit_named(self, id: bytes) -> KeptDeposit | None:
        """The deposit of that id."""
        return self._deposit("id", id)

    def deposits(self, alias: bytes) -> list[KeptDeposit]:
        """All deposits of an alias."""
        rows = self._db.execute(f"SELECT {_DEPOSIT} FROM deposits WHERE alias = ? ORDER BY digest", (alias,))  # noqa: S608
        return [_deposit_of(row) for row in rows]

    def _deposit(self, column: str, value: bytes) -> KeptDeposit | None:
        row = self._db.execute(f"SELECT {_DEPOSIT} FROM deposits WHERE {column} = ?", (value,)).fetchone()  # noqa: S608
        return _deposit_of(row) if row else None

    def accept(self, handles: Iterable[bytes], proof: bytes) -> None:
        """These unasked versions are accepted."""
        self._db.executemany(
            "UPDATE versions SET acceptance = ? WHERE handle = ?", ((proof, each) for each in handles)
        )

    def set_commitments(self, handle: bytes, commitments: tuple[bytes, ...]) -> None:
        """The commitments to all places' shares, where they were not known."""
        self._db.execute(
            "UPDATE versions SET all_commitments = ? WHERE handle = ?", (joined(commitments), handle)
        )

    def set_escrow(self, deposit: bytes, commitments: tuple[bytes, ...]) -> None:
        """The commitments to all places' shares of the batch secret, where they were not known."""
        self._db.execute("UPDATE deposits SET escrow = ? WHERE digest = ?", (joined(commitments), deposit))

    def intakes(self, alias: bytes, compartment: int, depositor: int, source: str) -> list[bytes]:
        """The digests of this depositor's intakes from that source in a compartment."""
        rows = self._db.execute(
            "SELECT digest FROM deposits"
            " WHERE alias = ? AND compartment = ? AND depositor = ? AND source = ? AND intake = 1",
            (alias, compartment, number(depositor), source),
        )
        return [row[0] for row in rows]

    def version(self, handle: bytes) -> KeptVersion | None:
        """The version of that handle."""
        return next(iter(self._versions("handle = ?", handle)), None)

    def versions(self, alias: bytes) -> list[KeptVersion]:
        """All versions of an alias, by handle."""
        return self._versions("alias = ?", alias)

    def versions_of(self, deposit: bytes) -> list[KeptVersion]:
        """The versions of a deposit, by handle."""
        return self._versions("deposit = ?", deposit)

    def states(self, alias: bytes) -> dict[bytes, str]:
        """The state of every version of an alias, by handle."""
        return dict(self._db.execute("SELECT handle, state FROM versions WHERE alias = ?", (alias,)))

    def all_anchored(self) -> Iterable[tuple[bytes, bytes, bytes, str]]:
        """Handle, alias, leaf and state of every anchored version."""
        return self._db.execute(
            "SELECT handle, alias, leaf, state FROM versions WHERE root IS NOT NULL"
        ).fetchall()

    def _versions(self, where: str, value: bytes) -> list[KeptVersion]:
        rows = self._db.execute(f"SELECT {_VERSION} FROM versions WHERE {where} ORDER BY handle", (value,))  # noqa: S608
        return [_version_of(row) for row in rows]

    def set_anchoring(self, handle: bytes, at: Anchoring) -> None:
        """The version is anchored there."""
        self._db.execute(
            "UPDATE versions SET root = ?, leaf_index = ?, size = ?, path = ?, block = ?, matrix = ? WHERE handle = ?",
            (at.root, at.index, at.size, joined(at.path), at.block, at.matrix, handle),
        )

    def set_state(self, handles: Iterable[bytes], state: str) -> None:
        """The versions' state."""
        self._db.executemany(
            "UPDATE versions SET state = ? WHERE handle = ?", ((state, handle) for handle in handles)
        )

    def set_mark(self, handles: Iterable[bytes], mark: str) -> None:
        """The versions' mark."""
        self._db.executemany(
            "UPDATE versions SET mark = ? WHERE handle = ?", ((mark, handle) for handle in handles)
        )

    # Shares ------------------------------------------------------------------------------------

    def put_shares(self, alias: bytes, month: str, shares: Iterable[tuple[bytes, bytes]]) -> None:
        """Adds or replaces shares by subject, under the shred key of alias and month."""
        key = self._key(alias, month)
        self._db.executemany(
            "INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?)",
            ((subject, alias, month, seal(key, subject, share)) for subject, share in shares),
        )

    def shares(self, alias: bytes) -> dict[bytes, bytes]:
        """Subject → share, of everything that is kept for an alias and can still be opened."""
        found: dict[bytes, bytes] = {}
        for month, generation in self._months(alias):
            key = self._keys.read(ShredKeys.name(alias, month), generation)
            if key is None:
                continue
            rows = self._db.execute(
                "SELECT subject, sealed FROM shares WHERE alias = ? AND month = ?", (alias, month)
            )
            found.update((subject, open_sealed(key, subject, sealed)) for subject, sealed in rows)
        return found

    def destroy_shares(self, alias: bytes, subjects: Iterable[bytes]) -> None:
        """The shares are gone for good when it returns, in these files and in every backup of them.

        New key durable; others under it and these rows deleted, durable; old key overwritten. A crash before the
        last step leaves the old key, which ``settle_keys`` destroys. Repeating is harmless.
        """
        gone = frozenset(subjects)
        for month, generation in self._months(alias):
            rows = self._db.execute(
                "SELECT subject, sealed FROM shares WHERE alias = ? AND month = ?", (alias, month)
            ).fetchall()
            if not gone.isdisjoint(subject for subject, _ in rows):
                others = [(subject, sealed) for subject, sealed in rows if subject not in gone]
                self._rekey(alias, month, generation, others)
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _rekey(self, alias: bytes, month: str, generation: int, kept: list[tuple[bytes, bytes]]) -> None:
        name = ShredKeys.name(alias, month)
        old, fresh = self._keys.read(name, generation), self._next(name)
        new = self._keys.create(name, fresh)
        opened = [] if old is None else [(subject, open_sealed(old, subject, data)) for subject, data in kept]
        with self.transaction():
            self._db.execute("DELETE FROM shares WHERE alias = ? AND month = ?", (alias, month))
            self._db.executemany(
                "INSERT INTO shares VALUES (?, ?, ?, ?)",
                ((subject, alias, month, seal(new, subject, share)) for subject, share in opened),
            )
            self._db.execute("INSERT OR REPLACE INTO shred VALUES (?, ?, ?)", (alias, month, fresh))
        self._keys.destroy(name, generation)

    def settle_keys(self) -> int:
        """After a crash or a restore: destroys keys that no row uses, drops rows whose key is not there.

        Returns how many shares were dropped: others must remake them.
        """
        lost, used = 0, set()
        with self.transaction():
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

    def _next(self, name: str) -> int:
        return max(self._keys.generations(name), default=0) + 1

    def _key(self, alias: bytes, month: str) -> bytes:
        """The shred key of alias and month, made where there is none."""
        name = ShredKeys.name(alias, month)
        for found, generation in self._months(alias):
            key = self._keys.read(name, generation) if found == month else None
            if key is not None:
                return key
        generation = self._next(name)
        key = self._keys.create(name, generation)
        self._db.execute("INSERT OR REPLACE INTO shred VALUES (?, ?, ?)", (alias, month, generation))
        return key

    # Attestations of erasure -------------------------------------------------------------------

    def owe_attestations(self, handles: Iterable[bytes], reason: bytes) -> None:
        """The destruction of these shares is to be attested on the ledger, for that reason."""
        self._db.executemany(
            "INSERT OR IGNORE INTO attestations VALUES (?, ?, 0)", ((each, reason) for each in handles)
        )

    def owed_attestations(self) -> list[tuple[bytes, bytes]]:
        """Handles whose destruction is not attested yet, with the reason."""
        return self._db.execute("SELECT handle, reason FROM attestations WHERE attested = 0").fetchall()

    def attested(self, handle: bytes) -> None:
        """The attestation is on the ledger."""
        self._db.execute("UPDATE attestations SET attested = 1 WHERE handle = ?", (handle,))


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _deposit_of(row: Sequence[Any]) -> KeptDeposit:
    values = list(row)
    values[5], values[6] = int.from_bytes(row[5], "big"), int.from_bytes(row[6], "big")
    values[13] = None if row[13] is None else split(row[13])
    values[9] = bool(row[9])
    return KeptDeposit(*values)


def _version_row(version: KeptVersion) -> tuple[object, ...]:
    at = version.anchoring
    anchored = (at.root, at.index, at.size, joined(at.path), at.block, at.matrix) if at else (None,) * 6
    return (
        version.handle,
        version.deposit,
        version.alias,
        version.compartment,
        version.header,
        version.manifest,
        version.body,
        version.leaf,
        version.commitments,
        joined(version.all_commitments),
        version.predecessor,
        number(version.author),
        version.signed,
        version.clinical_month,
        version.state,
        version.mark,
        version.acceptance,
        *anchored,
    )


def _version_of(row: Sequence[Any]) -> KeptVersion:
    root, index, size, path, block, matrix = row[17:]
    anchoring = None if root is None else Anchoring(root, index, size, split(path), block, matrix)
    values = list(row[:17])
    values[9] = split(row[9])
    values[11], values[12] = int.from_bytes(row[11], "big"), bool(row[12])
    return KeptVersion(*[*values, anchoring])
