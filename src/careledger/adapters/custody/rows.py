"""A custodian's rows: statements, audit keys, deposits, versions, and shares under shred keys.

May be backed up and restored: without the shred keys the shares in it are noise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from careledger.adapters.custody import sqlite
from careledger.adapters.custody.remembered import Remembered
from careledger.adapters.custody.shares import Shares
from careledger.adapters.custody.shred import ShredKeys
from careledger.adapters.custody.sqlite import joined, number, split
from careledger.domain.custody import Anchoring, KeptDeposit, KeptStatement, KeptVersion
from careledger.domain.errors import StoreCorrupt
from careledger.formats.deposits import Items

SCHEMA = """
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE statements (
    alias BLOB, number INTEGER, digest BLOB NOT NULL, signed BLOB NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (alias, number)) WITHOUT ROWID;
CREATE TABLE audit_keys (
    alias BLOB, claim INTEGER, key BLOB NOT NULL, PRIMARY KEY (alias, claim)) WITHOUT ROWID;
CREATE TABLE deposits (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, id BLOB NOT NULL UNIQUE, alias BLOB NOT NULL,
    compartment INTEGER NOT NULL, epoch INTEGER NOT NULL, depositor BLOB NOT NULL, post BLOB NOT NULL,
    ground TEXT NOT NULL, source TEXT NOT NULL, intake INTEGER NOT NULL, place INTEGER NOT NULL,
    month TEXT NOT NULL, proof BLOB NOT NULL, escrow BLOB,
    root BLOB, size INTEGER, first INTEGER, outside BLOB, block INTEGER, matrix INTEGER,
    items BLOB NOT NULL, commitments BLOB NOT NULL);
CREATE INDEX deposits_alias ON deposits (alias, compartment);
CREATE TABLE marks (
    alias BLOB, handle BLOB, state TEXT NOT NULL, mark TEXT NOT NULL, acceptance BLOB,
    PRIMARY KEY (alias, handle)) WITHOUT ROWID;
CREATE TABLE shares (
    deposit INTEGER PRIMARY KEY, alias BLOB NOT NULL, month TEXT NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX shares_month ON shares (alias, month);
CREATE TABLE shred (
    alias BLOB, month TEXT, generation INTEGER NOT NULL, PRIMARY KEY (alias, month)) WITHOUT ROWID;
CREATE TABLE attestations (
    leaf BLOB PRIMARY KEY, reason BLOB NOT NULL, attested INTEGER NOT NULL) WITHOUT ROWID;
"""
_DEPOSIT = (
    "digest, id, alias, compartment, epoch, depositor, post, ground, source, intake, place, month, proof, escrow, "
    "root, size, first, outside, block, matrix"
)
_MARKS = ("state", "mark", "acceptance")
_SAID = "handle, state, mark, acceptance"
_PLAIN = ("kept", "unconfirmed", None)
MOST_KNOWN, MOST_HANDLES = 2_048, 65_536
"""Versions whose rows are kept in memory, 700 bytes each and read again in 3 µs, and whose handles are, 70 bytes."""
AT_ONCE = 500  # names in one question to the file


class Rows(Shares):
    """The rows' file and the folder of shred keys beside it. One user at a time."""

    def __init__(self, path: Path, keys: ShredKeys) -> None:
        self._db: sqlite3.Connection = sqlite.connect(path)
        self._keys = keys
        self._known = Remembered[list[KeptVersion]](MOST_KNOWN)
        self._handles = Remembered[list[bytes]](MOST_HANDLES)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is durable at its end, or nothing is."""
        try:
            with super().transaction():
                yield
        except BaseException:
            self._known.clear()  # they may hold what was not written
            self._handles.clear()
            raise

    def backup(self, target: Path) -> None:
        """A copy of the rows as they are now; never of the shred keys."""
        self._db.execute("VACUUM INTO ?", (str(target),))

    def applied(self) -> int:
        """The number of the last act of the journal that these rows show."""
        row = self._db.execute("SELECT value FROM state WHERE name = 'applied'").fetchone()
        return int(row[0]) if row else 0

    def erasures_seen(self) -> int:
        """How many of this custodian's attestations on the ledger these rows were brought up to."""
        row = self._db.execute("SELECT value FROM state WHERE name = 'erasures'").fetchone()
        return int(row[0]) if row else 0

    def set_erasures_seen(self, count: int) -> None:
        """Says that these rows show so many of them."""
        self._db.execute("INSERT OR REPLACE INTO state VALUES ('erasures', ?)", (count,))

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

    # Deposits and versions ---------------------------------------------------------------------

    def put_deposit(self, deposit: KeptDeposit, items: Items, commitments: bytes) -> None:
        """Adds a deposit without shares; ``commitments`` are those of all versions and places, joined, or empty."""
        added = self._db.execute(
            f"INSERT INTO deposits ({_DEPOSIT}, items, commitments) VALUES ({marks(22)})",  # noqa: S608 - names only
            (*_deposit_row(deposit), items.encode(), commitments),
        )
        self._handles.keep(added.lastrowid or 0, items.columns.handles)

    def deposit(self, digest: bytes) -> KeptDeposit | None:
        """The deposit of that statement digest."""
        return next(iter(self._deposits("digest = ?", digest)), None)

    def deposits_named(self, ids: Sequence[bytes]) -> dict[bytes, KeptDeposit]:
        """Those of these ids that are kept, by id."""
        found: dict[bytes, KeptDeposit] = {}
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            found.update((each.id, each) for each in self._deposits(f"id IN ({marks(len(some))})", *some))
        return found

    def deposits(self, alias: bytes) -> list[KeptDeposit]:
        """All deposits of an alias, in the order in which they came."""
        return self._deposits("alias = ?", alias)

    def intakes(self, alias: bytes, compartment: int, depositor: int, source: str) -> list[bytes]:
        """The digests of this depositor's intakes from that source in a compartment."""
        rows = self._db.execute(
            "SELECT digest FROM deposits"
            " WHERE alias = ? AND compartment = ? AND depositor = ? AND source = ? AND intake = 1",
            (alias, compartment, number(depositor), source),
        )
        return [row[0] for row in rows]

    def _deposits(self, where: str, *values: bytes) -> list[KeptDeposit]:
        rows = self._db.execute(
            f"SELECT {_DEPOSIT} FROM deposits WHERE {where} ORDER BY number",  # noqa: S608 - names only
            values,
        )
        return [_deposit_of(row) for row in rows]

    def items(self, deposit: bytes) -> Items | None:
        """The items of a deposit, as they were put."""
        row = self._db.execute("SELECT items FROM deposits WHERE digest = ?", (deposit,)).fetchone()
        return Items.decode(row[0]) if row else None

    def handles(self, alias: bytes) -> list[bytes]:
        """The handles of all versions of an alias."""
        return [handle for number in self._numbers(alias) for handle in self._handles_of(number)]

    def _numbers(self, alias: bytes) -> list[int]:
        rows = self._db.execute("SELECT number FROM deposits WHERE alias = ? ORDER BY number", (alias,))
        return [number for (number,) in rows.fetchall()]

    def _handles_of(self, number: int) -> list[bytes]:
        """The handles of a deposit by position, read once."""
        known = self._handles.get(number)
        if known is None:
            row = self._db.execute("SELECT items FROM deposits WHERE number = ?", (number,)).fetchone()
            known = Items.decode(row[0]).columns.handles
            self._handles.keep(number, known)
        return known

    def version(self, alias: bytes, handle: bytes) -> KeptVersion | None:
        """The version of that handle, if it is that alias's."""
        return self.named(alias, (handle,)).get(handle)

    def named(self, alias: bytes, handles: Collection[bytes]) -> dict[bytes, KeptVersion]:
        """The versions of these handles, those that are that alias's; only their deposits are read, each once."""
        wanted, found = frozenset(handles), list[KeptVersion]()
        for deposit in self._numbers(alias) if wanted else ():
            if not wanted.isdisjoint(self._handles_of(deposit)):
                found += (each for each in self._plain(deposit) if each.handle in wanted)
        return {each.handle: each for each in reversed(self._marked(alias, found))}

    def versions(self, alias: bytes, compartments: Collection[int] | None = None) -> list[KeptVersion]:
        """All versions of an alias (or in these compartments), deposit after deposit, by position."""
        within = "" if compartments is None else f" AND compartment IN ({marks(len(compartments))})"
        numbers = self._db.execute(
            f"SELECT number FROM deposits WHERE alias = ?{within} ORDER BY number",  # noqa: S608 - signs only
            (alias, *(compartments or ())),
        )
        return self._marked(
            alias, [version for (number,) in numbers.fetchall() for version in self._plain(number)]
        )

    def versions_of(self, deposit: bytes) -> list[KeptVersion]:
        """The versions of a deposit by position."""
        row = self._db.execute("SELECT number, alias FROM deposits WHERE digest = ?", (deposit,)).fetchone()
        return self._marked(row[1], self._plain(row[0])) if row else []

    def states(self, deposits: Iterable[bytes]) -> dict[bytes, str]:
        """The state of every version of these deposits, by handle; asked at every look at a lease."""
        found: dict[bytes, str] = {}
        for each in deposits:
            row = self._db.execute("SELECT number, alias FROM deposits WHERE digest = ?", (each,)).fetchone()
            handles = self._handles_of(row[0]) if row else []
            said = self._said(row[1], handles) if row else {}
            found.update((handle, said.get(handle, _PLAIN)[0]) for handle in handles)
        return found

    def _plain(self, number: int) -> list[KeptVersion]:
        """A deposit's versions as they came, read once."""
        known = self._known.get(number)
        if known is None:
            known = self._read(number)
            self._known.keep(number, known)
        return known

    def _read(self, number: int) -> list[KeptVersion]:
        row = self._db.execute(
            f"SELECT {_DEPOSIT}, items, commitments FROM deposits WHERE number = ?",  # noqa: S608 - names only
            (number,),
        ).fetchone()
        deposit, items, commitments = _deposit_of(row[:-2]), Items.decode(row[-2]).rows(), row[-1]
        width = len(commitments) // len(items)
        return [
            KeptVersion(
                item.handle, deposit.digest, deposit.alias, deposit.compartment, at, item.header, item.manifest,
                item.body, item.commitments, commitments[at * width : (at + 1) * width], item.predecessor,
                item.author, item.signed, item.clinical_month, deposit.anchoring,
            )
            for at, item in enumerate(items)
        ]  # fmt: skip

    def _marked(self, alias: bytes, versions: list[KeptVersion]) -> list[KeptVersion]:
        """With their states and marks, which few have."""
        said = self._said(alias, [version.handle for version in versions])
        if not said:
            return list(versions)
        return [
            version
            if version.handle not in said
            else version._replace(**dict(zip(_MARKS, said[version.handle], strict=True)))
            for version in versions
        ]

    def _said(self, alias: bytes, handles: list[bytes]) -> dict[bytes, tuple[Any, ...]]:
        """What is marked of these versions, without a look at the marks of others."""
        if self._db.execute("SELECT 1 FROM marks WHERE alias = ? LIMIT 1", (alias,)).fetchone() is None:
            return {}
        found: dict[bytes, tuple[Any, ...]] = {}
        for start in range(0, len(handles), AT_ONCE):
            some = handles[start : start + AT_ONCE]
            rows = self._db.execute(
                f"SELECT {_SAID} FROM marks WHERE alias = ? AND handle IN ({marks(len(some))})",  # noqa: S608 - signs only
                (alias, *some),
            )
            found.update((handle, (state, mark, proof)) for handle, state, mark, proof in rows)
        return found

    def set_commitments(self, deposit: bytes, commitments: bytes) -> None:
        """The commitments of all versions and places of a deposit, joined, where they were not known."""
        self._db.execute("UPDATE deposits SET commitments = ? WHERE digest = ?", (commitments, deposit))
        self._forget(deposit)

    def set_escrow(self, deposit: bytes, commitments: tuple[bytes, ...]) -> None:
        """The commitments to all places' shares of the batch secret, where they were not known."""
        self._db.execute("UPDATE deposits SET escrow = ? WHERE digest = ?", (joined(commitments), deposit))

    def set_anchoring(self, deposit: bytes, at: Anchoring) -> None:
        """The deposit is anchored there."""
        self._db.execute(
            "UPDATE deposits SET root = ?, size = ?, first = ?, outside = ?, block = ?, matrix = ? WHERE digest = ?",
            (at.root, at.size, at.first, joined(at.outside), at.block, at.matrix, deposit),
        )
        self._forget(deposit)

    def set_state(self, alias: bytes, handles: Iterable[bytes], state: str) -> None:
        """The state of those versions that are kept here."""
        self._mark(alias, handles, "state", state)

    def set_mark(self, alias: bytes, handles: Iterable[bytes], mark: str) -> None:
        """The mark of those versions that are kept here."""
        self._mark(alias, handles, "mark", mark)

    def accept(self, alias: bytes, handles: Iterable[bytes], proof: bytes) -> None:
        """Those unasked versions that are kept here are accepted; ``proof`` is the encoded AcceptanceProof."""
        self._mark(alias, handles, "acceptance", proof)

    def _mark(self, alias: bytes, handles: Iterable[bytes], column: str, value: object) -> None:
        wanted = frozenset(handles)
        kept = [each for each in self.handles(alias) if each in wanted]
        self._db.executemany(
            "INSERT OR IGNORE INTO marks VALUES (?, ?, ?, ?, ?)", [(alias, each, *_PLAIN) for each in kept]
        )
        self._db.executemany(
            f"UPDATE marks SET {column} = ? WHERE alias = ? AND handle = ?",  # noqa: S608 - a name of ours
            [(value, alias, each) for each in kept],
        )

    def _forget(self, deposit: bytes) -> None:
        """What is remembered of a deposit's versions is no longer so."""
        if self._known:
            row = self._db.execute("SELECT number FROM deposits WHERE digest = ?", (deposit,)).fetchone()
            self._known.forget(row[0] if row else 0)

    def _subjects(self, deposit: bytes) -> tuple[int, bytes, str, list[bytes]]:
        """As Shares says."""
        row = self._db.execute(
            "SELECT number, alias, month FROM deposits WHERE digest = ?", (deposit,)
        ).fetchone()
        if row is None:
            raise StoreCorrupt(what="shares of a deposit that is not kept")
        return row[0], row[1], row[2], [*self._handles_of(row[0]), deposit]

    # Attestations of erasure -------------------------------------------------------------------

    def owe_attestations(self, leaves: Iterable[bytes], reason: bytes) -> None:
        """The destruction of these leaves' shares is to be attested on the ledger, for that reason."""
        self._db.executemany(
            "INSERT OR IGNORE INTO attestations VALUES (?, ?, 0)", ((each, reason) for each in leaves)
        )

    def owed_attestations(self) -> list[tuple[bytes, bytes]]:
        """Leaves whose shares' destruction is not attested yet, with the reason."""
        return self._db.execute("SELECT leaf, reason FROM attestations WHERE attested = 0").fetchall()

    def attested(self, leaf: bytes) -> None:
        """The attestation is on the ledger."""
        self._db.execute("UPDATE attestations SET attested = 1 WHERE leaf = ?", (leaf,))

    def destroyed(self, leaf: bytes) -> bool:
        """Whether these rows show that the leaf's shares were destroyed to be attested."""
        found = self._db.execute("SELECT 1 FROM attestations WHERE leaf = ?", (leaf,))
        return found.fetchone() is not None


def marks(count: int) -> str:
    """So many question marks."""
    return ", ".join("?" * count)


def _deposit_row(deposit: KeptDeposit) -> tuple[object, ...]:
    at = deposit.anchoring
    anchored = (at.root, at.size, at.first, joined(at.outside), at.block, at.matrix) if at else (None,) * 6
    return (
        deposit.digest, deposit.id, deposit.alias, deposit.compartment, deposit.epoch, number(deposit.depositor),
        number(deposit.post), deposit.ground, deposit.source, deposit.intake, deposit.place, deposit.month,
        deposit.proof, None if deposit.escrow is None else joined(deposit.escrow), *anchored,
    )  # fmt: skip


def _deposit_of(row: Sequence[Any]) -> KeptDeposit:
    root, size, first, outside, block, matrix = row[14:]
    anchoring = None if root is None else Anchoring(root, size, first, split(outside), block, matrix)
    values = list(row[:14])
    values[5], values[6] = int.from_bytes(row[5], "big"), int.from_bytes(row[6], "big")
    values[9] = bool(row[9])
    values[13] = None if row[13] is None else split(row[13])
    return KeptDeposit(*[*values, anchoring])
