"""The index's file: SQLite under SQLite3 Multiple Ciphers, ChaCha20-Poly1305 page by page, mode 0600.

What a deposit gives is written in transactions of its parts, the deposit's own row with the last; a crash loses parts
that are taken in again. Nothing here is kept that the author's copies do not give again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import apsw

from careledger.domain.errors import StoreCorrupt, StoreUnavailable
from careledger.formats.charts import AuthorsCopy
from careledger.formats.indexing import Demand, Entry, Filed, Range

CACHE = -32 * 1024
"""KiB of pages that are kept in memory, as SQLite wants it said."""
FEW = 5_000
"""As many rows are put in order for one search; more are gone through in the order in which they were filed."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (deposit BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS copy_key (deposit BLOB PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writing (
    row INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name BLOB NOT NULL, deposit BLOB NOT NULL,
    made INTEGER NOT NULL, place INTEGER NOT NULL, current INTEGER NOT NULL, back INTEGER NOT NULL, alias BLOB NOT NULL,
    handle BLOB NOT NULL UNIQUE, compartment INTEGER NOT NULL, record BLOB NOT NULL, body BLOB NOT NULL,
    body_key BLOB NOT NULL, content_digest BLOB NOT NULL, leaf BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_kind ON writing (kind, current, row);
CREATE INDEX IF NOT EXISTS by_alias ON writing (alias, current, row);
CREATE INDEX IF NOT EXISTS by_name ON writing (name, made, place);
CREATE INDEX IF NOT EXISTS by_made ON writing (made, row);
CREATE INDEX IF NOT EXISTS by_record ON writing (record);
CREATE INDEX IF NOT EXISTS by_deposit ON writing (deposit);
CREATE INDEX IF NOT EXISTS by_leaf ON writing (leaf);
CREATE TABLE IF NOT EXISTS parameter (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name)
);
CREATE TABLE IF NOT EXISTS value (
    parameter INTEGER NOT NULL, low NOT NULL, row INTEGER NOT NULL, high NOT NULL,
    PRIMARY KEY (parameter, low, row, high)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_row ON value (row, parameter);
CREATE TABLE IF NOT EXISTS reached (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
"""
_COLUMNS = (
    "w.row, w.kind, w.name, w.deposit, w.made, w.place, w.current, w.alias, w.handle, w.compartment, w.record, w.body,"
    " w.body_key, w.content_digest, w.leaf"
)
P = ParamSpec("P")
T = TypeVar("T")


def _guarded(
    method: Callable[Concatenate[WritingsFile, P], T],
) -> Callable[Concatenate[WritingsFile, P], T]:
    """Tells damage from everything else."""

    def guarded(self: WritingsFile, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except (apsw.NotADBError, apsw.CorruptError):
            raise StoreCorrupt(why="the index of own writings") from None
        except (apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError):
            raise StoreUnavailable(disk="the index of own writings") from None

    guarded.__name__, guarded.__doc__ = method.__name__, method.__doc__
    return guarded


class WritingsFile:
    """One organisation's index; not to be used by two threads at once.

    Every method raises StoreCorrupt where the file is damaged or under another key, StoreUnavailable where the disk
    fails.
    """

    @_guarded
    def __init__(self, path: Path, key: bytes) -> None:
        """Opens or makes the file; ``key`` has 32 bytes."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = apsw.Connection(str(path))
        self._db.set_busy_timeout(5_000)
        self._parameters: dict[tuple[str, str], int] = {}
        self._db.pragma("cipher", "chacha20")
        self._db.pragma("key", f"raw:{key.hex()}")
        for name, value in (
            ("journal_mode", "wal"),
            ("synchronous", "normal"),
            ("secure_delete", "on"),
            ("cache_size", CACHE),
        ):
            self._db.pragma(name, value)
        self._db.execute(SCHEMA)
        for id, kind, name in self._db.execute("SELECT id, kind, name FROM parameter"):
            self._parameters[kind, name] = id

    @_guarded
    def taken(self, first: bytes, last: bytes) -> set[bytes]:
        """The names of the deposits that were taken in whole, from one to another."""
        found = self._db.execute("SELECT deposit FROM taken WHERE deposit BETWEEN ? AND ?", (first, last))
        return {name for (name,) in found}

    @_guarded
    def take(self, name: bytes) -> None:
        """The deposit of that name is there as a whole."""
        self._db.execute("INSERT OR IGNORE INTO taken VALUES (?)", (name,))

    @_guarded
    def add(self, writings: Iterable[tuple[Filed, Iterable[Entry]]]) -> None:
        """Files versions with their values, all or none; a version that is there stays as it is, and one without a
        type was taken back."""
        with self._db:
            names = set()
            for filed, entries in writings:
                if self._filed(filed):
                    row = self._db.last_insert_rowid()
                    self._db.executemany(
                        "INSERT OR IGNORE INTO value VALUES (?, ?, ?, ?)",
                        [(self._parameter(filed.kind, each[0]), each[1], row, each[2]) for each in entries],
                    )
                    names.add(filed.name)
            self._renew(names)

    @_guarded
    def keep_key(self, deposit: bytes, key: bytes) -> None:
        """Keeps the sealed key of that deposit's copies."""
        self._db.execute("INSERT OR REPLACE INTO copy_key VALUES (?, ?)", (deposit, key))

    @_guarded
    def key(self, deposit: bytes) -> bytes | None:
        """The sealed key of a deposit."""
        found = self._db.execute("SELECT key FROM copy_key WHERE deposit = ?", (deposit,)).fetchone()
        return None if found is None else bytes(found[0])

    @_guarded
    def drop(self, column: str, values: Sequence[bytes]) -> int:
        """Drops the versions of these deposits, or with these leaves, and all of their values; returns how many."""
        assert column in ("deposit", "leaf")
        with self._db:
            marks = ",".join("?" * len(values))
            found = self._db.execute(f"SELECT row, name FROM writing WHERE {column} IN ({marks})", values)
            gone = list(found)
            for row, _ in gone:
                self._db.execute("DELETE FROM value WHERE row = ?", (row,))
                self._db.execute("DELETE FROM writing WHERE row = ?", (row,))
            self._renew({name for _, name in gone})
        return len(gone)

    @_guarded
    def take_back(self, handles: Sequence[bytes]) -> None:
        """Forgets what these versions say, and keeps that they were there."""
        with self._db:
            marks = ",".join("?" * len(handles))
            found = list(
                self._db.execute(
                    f"SELECT row, name FROM writing WHERE back = 0 AND handle IN ({marks})", handles
                )
            )
            for row, _ in found:
                self._db.execute("DELETE FROM value WHERE row = ?", (row,))
                self._db.execute("UPDATE writing SET back = 1, current = 0 WHERE row = ?", (row,))
            self._renew({name for _, name in found})

    @_guarded
    def versions(self, name: bytes) -> list[Filed]:
        """The versions of one record, or a patient's, in the order of writing; with those that were taken back."""
        return self._found("FROM writing w WHERE w.name = ? ORDER BY w.made, w.place", (name,))

    @_guarded
    def of_record(self, record: bytes) -> Filed | None:
        """The newest version with that record id."""
        made = self._found(
            "FROM writing w WHERE w.record = ? AND w.back = 0 ORDER BY w.made DESC, w.place DESC LIMIT 1",
            (record,),
        )
        return made[0] if made else None

    @_guarded
    def history(
        self, kind: str, compartments: Sequence[int], before: tuple[int, int], since: int, most: int
    ) -> list[Filed]:
        """Versions of that type, of all where it is empty, the last written first, before a time and row."""
        marks, of_kind = ",".join("?" * len(compartments)), "AND w.kind = ?" if kind else ""
        return self._found(
            "FROM writing w WHERE (w.made, w.row) < (?, ?) AND w.back = 0 AND w.made >= ? "
            f"AND w.compartment IN ({marks}) {of_kind} "
            "ORDER BY w.made DESC, w.row DESC LIMIT ?",
            (*before, since, *compartments, *([kind] if kind else []), most),
        )

    @_guarded
    def select(
        self, kind: str, compartments: Sequence[int], demands: Sequence[Demand], after: int, most: int
    ) -> list[Filed]:
        """The newest versions of that type that may meet every demand, in the order of filing, after a row."""
        counted = [(self._count(kind, each), at) for at, each in enumerate(demands)]
        least, first = min(counted, default=(FEW + 1, -1))
        if least == 0:
            return []
        if least > FEW:
            exact = [at for at, each in enumerate(demands) if len(each) == 1 and each[0].exact]
            first = exact[0] if exact else -1
        marks = ",".join("?" * len(compartments))
        begins, given = "FROM writing w WHERE w.kind = ? AND w.current = 1 AND w.row > ?", [kind, after]
        if least <= FEW:
            rows, bound = self._rows(kind, demands[first])
            begins, given = f"FROM writing w WHERE w.row IN ({rows}) AND w.row > ?", [*bound, after]
            begins, given = f"{begins} AND w.kind = ? AND w.current = 1", [*given, kind]
        elif first >= 0:
            begins = (
                "FROM value v CROSS JOIN writing w ON w.row = v.row WHERE v.parameter = ? AND v.low = ? "
                "AND v.row > ? AND w.kind = ? AND w.current = 1"
            )
            one = demands[first][0]
            given = [self._parameters[kind, one.parameter], one.low_from, after, kind]
        others, bounds = self._others(kind, [each for at, each in enumerate(demands) if at != first])
        order = "v.row" if begins.startswith("FROM value") else "w.row"
        return self._found(
            f"{begins} AND w.compartment IN ({marks}) {others} ORDER BY {order} LIMIT ?",
            (*given, *compartments, *bounds, most),
        )

    @_guarded
    def of_patient(
        self, alias: bytes, kind: str, compartments: Sequence[int], demands: Sequence[Demand], most: int
    ) -> list[Filed]:
        """The same about one patient, of every type where it is empty; the first so many."""
        marks, of_kind = ",".join("?" * len(compartments)), "AND w.kind = ?" if kind else ""
        others, bounds = self._others(kind, demands)
        return self._found(
            f"FROM writing w WHERE w.alias = ? AND w.current = 1 {of_kind} AND w.compartment IN ({marks}) {others} "
            "ORDER BY w.row LIMIT ?",
            (alias, *([kind] if kind else []), *compartments, *bounds, most),
        )

    @_guarded
    def size(self) -> int:
        """How many versions are filed."""
        return int(self._db.execute("SELECT count(*) FROM writing").get)

    @_guarded
    def reached(self, name: str) -> int:
        """A position that was kept, 0 at first."""
        found = self._db.execute("SELECT position FROM reached WHERE name = ?", (name,)).fetchone()
        return 0 if found is None else int(found[0])

    @_guarded
    def reach(self, name: str, position: int) -> None:
        """Keeps a position."""
        self._db.execute("INSERT OR REPLACE INTO reached VALUES (?, ?)", (name, position))

    @_guarded
    def check(self) -> None:
        """Looks at every page."""
        if [each for (each,) in self._db.execute("PRAGMA quick_check")] != ["ok"]:
            raise StoreCorrupt(why="the index of own writings")

    def close(self) -> None:
        """Closes the file."""
        self._db.close(True)

    def _filed(self, each: Filed) -> bool:
        copy = each.copy
        self._db.execute(
            "INSERT OR IGNORE INTO writing VALUES (NULL, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (each.kind, each.name, each.deposit, each.made, each.place, not each.kind, copy.alias, copy.handle,
             copy.compartment, copy.record_id, copy.body, copy.body_key, copy.content_digest, copy.leaf),
        )  # fmt: skip
        return self._db.changes() == 1

    def _renew(self, names: Iterable[bytes]) -> None:
        """Of several versions the newest is the current one."""
        for name in names:
            self._db.execute(
                "UPDATE writing SET current = row IS (SELECT row FROM writing WHERE name = ? "
                "AND back = 0 ORDER BY made DESC, place DESC LIMIT 1) WHERE name = ?",
                (name, name),
            )

    def _parameter(self, kind: str, name: str) -> int:
        found = self._parameters.get((kind, name))
        if found is None:
            self._db.execute("INSERT INTO parameter VALUES (NULL, ?, ?)", (kind, name))
            found = self._parameters[kind, name] = self._db.last_insert_rowid()
        return found

    def _count(self, kind: str, demand: Demand) -> int:
        """How many values meet a demand, as far as they are few."""
        rows, bounds = self._rows(kind, demand)
        return int(self._db.execute(f"SELECT count(*) FROM ({rows} LIMIT {FEW + 1})", bounds).get)

    def _rows(self, kind: str, demand: Demand) -> tuple[str, list[Any]]:
        parts = self._any(kind, demand)
        rows = " UNION ALL ".join(f"SELECT row FROM value WHERE {where}" for where, _ in parts)
        return rows, [each for _, bound in parts for each in bound]

    def _any(self, kind: str, demand: Demand) -> list[tuple[str, list[Any]]]:
        """Conditions of which any will do: one for all single values of a parameter, because SQLite takes few."""
        made = [self._bounded(kind, each) for each in demand if not each.exact]
        exact: dict[str, list[Any]] = {}
        for each in demand:
            if each.exact:
                exact.setdefault(each.parameter, []).append(each.low_from)
        for name, keys in exact.items():
            marks = ",".join("?" * len(keys))
            made.append(
                (f"parameter = ? AND low IN ({marks})", [self._parameters.get((kind, name), 0), *keys])
            )
        return made

    def _others(self, kind: str, demands: Iterable[Demand]) -> tuple[str, list[Any]]:
        said, bounds = [], []
        for demand in demands:
            parts = self._any(kind, demand)
            where = " OR ".join(
                f"EXISTS (SELECT 1 FROM value WHERE row = w.row AND {part})" for part, _ in parts
            )
            said.append(f"AND ({where})")
            bounds += [each for _, bound in parts for each in bound]
        return " ".join(said), bounds

    def _bounded(self, kind: str, each: Range) -> tuple[str, list[Any]]:
        signs = ("low >= ?", "low <= ?", "high >= ?", "high <= ?")
        said: list[tuple[str, Any]] = [
            (sign, bound) for sign, bound in zip(signs, each[1:], strict=True) if bound is not None
        ]
        if each.exact:
            said = [("low = ?", each.low_from)]
        where = " AND ".join(["parameter = ?", *(sign for sign, _ in said)])
        return where, [self._parameters.get((kind, each.parameter), 0), *(bound for _, bound in said)]

    def _found(self, said: str, given: Sequence[Any]) -> list[Filed]:
        rows: Iterable[Any] = self._db.execute(f"SELECT {_COLUMNS} {said}", given)
        made = []
        for row, kind, name, deposit, date, place, current, *columns, leaf in rows:
            alias, handle, compartment, record, body, key, content = columns
            copy = AuthorsCopy(alias, handle, compartment, record, body, key, content, b"", leaf)
            made.append(Filed(row, kind, name, deposit, date, place, bool(current), copy))
        return made


def remove(path: Path) -> None:
    """Removes an index with what belongs to it."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)
