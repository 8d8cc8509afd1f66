"""The index's file: SQLite under SQLite3 Multiple Ciphers, ChaCha20-Poly1305 page by page, mode 0600.

What a deposit gives is written in transactions of its parts, the deposit's own row with the last; a crash loses parts
that are taken in again. Nothing here is kept that the author's copies do not give again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import apsw

from careledger.adapters.custody.sqlite import AGAIN
from careledger.adapters.index.conditions import Conditions
from careledger.adapters.index.ordering import Key, Ordering
from careledger.adapters.index.rows import COLUMNS, COUNT, filed_of
from careledger.adapters.index.schema import FORM, SCHEMA
from careledger.domain.errors import StoreCorrupt, StoreUnavailable
from careledger.formats.indexing import ORDERED, Demand, Entry, Filed, Order, Place

CACHE = -16 * 1024
"""KiB of pages that are kept in memory, as SQLite wants it said."""
MOST_NAMES = 500
"""Of one question to the file."""
FEW = 5_000
"""As many rows are put in order for one search; more are gone through in the order in which they were filed."""
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
        except (apsw.BusyError, apsw.LockedError):
            raise StoreUnavailable(why="another process keeps the index locked", seconds=AGAIN) from None

    guarded.__name__, guarded.__doc__ = method.__name__, method.__doc__
    return guarded


class WritingsFile:
    """One organisation's index; not to be used by two threads at once.

    Every method raises StoreCorrupt where the file is damaged or under another key, StoreUnavailable where the disk
    fails or another process keeps it locked.
    """

    @_guarded
    def __init__(self, path: Path, key: bytes) -> None:
        """Opens or makes the file; ``key`` has 32 bytes."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = apsw.Connection(str(path))
        self._db.set_busy_timeout(5_000)
        self._parameters: dict[tuple[str, str], int] = {}
        self._conditions = Conditions(self._parameters)
        self._db.pragma("cipher", "chacha20")
        self._db.pragma("key", f"raw:{key.hex()}")
        for name, value in (
            ("journal_mode", "wal"),
            ("synchronous", "normal"),
            ("secure_delete", "on"),
            ("cache_size", CACHE),
        ):
            self._db.pragma(name, value)
        if self._db.pragma("user_version") != FORM:
            if self._db.execute("SELECT count(*) FROM sqlite_master").get:
                self._db.close(True)
                raise StoreCorrupt(why="the index of own writings has another form")
            self._db.pragma("user_version", FORM)
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
        """Files versions with their values, all or none; a version that is there stays as it is."""
        with self._db:
            names = set()
            for filed, entries in writings:
                if self._filed(filed):
                    self._value(self._db.last_insert_rowid(), filed.kind, entries)
                    names.add(filed.name)
            self._renew(names)

    @_guarded
    def value_again(self, writings: Iterable[tuple[Filed, Iterable[Entry]]]) -> None:
        """Gives versions that are there other values, all or none."""
        with self._db:
            for filed, entries in writings:
                self._db.execute("DELETE FROM value WHERE row = ?", (filed.row,))
                self._value(filed.row, filed.kind, entries)

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
    def take_back(self, times: Mapping[bytes, int]) -> None:
        """Forgets what the versions with these handles say, and keeps that they were there, and since when they are
        not."""
        with self._db:
            marks = ",".join("?" * len(times))
            found = list(
                self._db.execute(
                    f"SELECT row, name, handle FROM writing WHERE back = 0 AND handle IN ({marks})",
                    list(times),
                )
            )
            for row, _, handle in found:
                self._db.execute("DELETE FROM value WHERE row = ?", (row,))
                self._db.execute(
                    "UPDATE writing SET back = ?, current = 0 WHERE row = ?", (times[handle], row)
                )
            self._renew({name for _, name, _ in found})

    @_guarded
    def versions(self, name: bytes) -> list[Filed]:
        """The versions of one record, or a patient's, in the order of writing; with those that were taken back."""
        return self._found("FROM writing w WHERE w.name = ? ORDER BY w.made, w.place", (name,))

    @_guarded
    def of_records(self, records: Sequence[bytes]) -> dict[bytes, Filed]:
        """The newest version with each of these record ids, where there is one."""
        found: dict[bytes, Filed] = {}
        for first in range(0, len(records), MOST_NAMES):
            some = records[first : first + MOST_NAMES]
            made = self._found(
                f"FROM writing w WHERE w.record IN ({','.join('?' * len(some))}) AND w.back = 0 "
                "ORDER BY w.made, w.place",
                some,
            )
            found.update({each.copy.record_id: each for each in made})
        return found

    @_guarded
    def naming(self, key: int, after: int, most: int) -> list[Filed]:
        """Versions with that value of any parameter, in the order of filing, after a row."""
        rows = "SELECT row FROM value WHERE parameter IN (SELECT id FROM parameter) AND low = ?"
        return self._found(
            f"FROM writing w WHERE w.row IN ({rows}) AND w.row > ? ORDER BY w.row LIMIT ?", (key, after, most)
        )

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
    def removed(
        self, kind: str, compartments: Sequence[int], before: tuple[int, int], since: int, most: int
    ) -> list[Filed]:
        """Likewise the last versions of records all of whose versions were taken back, by when they were."""
        marks, of_kind = ",".join("?" * len(compartments)), "AND w.kind = ?" if kind else ""
        return self._found(
            "FROM writing w WHERE w.back > 0 AND (w.back, w.row) < (?, ?) AND w.back >= ? "
            f"AND w.compartment IN ({marks}) {of_kind} AND NOT EXISTS (SELECT 1 FROM writing o "
            "WHERE o.name = w.name AND (o.back = 0 OR (o.back, o.row) > (w.back, w.row))) "
            "ORDER BY w.back DESC, w.row DESC LIMIT ?",
            (*before, since, *compartments, *([kind] if kind else []), most),
        )

    @_guarded
    def select(
        self, kind: str, compartments: Sequence[int], demands: Sequence[Demand], after: int, most: int
    ) -> list[Filed]:
        """The newest versions of that type that may meet every demand, in the order of filing, after a row."""
        least, first = self._least(kind, demands)
        if least == 0:
            return []
        if least > FEW:
            exact = [at for at, each in enumerate(demands) if len(each) == 1 and each[0].exact]
            first = exact[0] if exact else -1
        marks = ",".join("?" * len(compartments))
        begins, given = "FROM writing w WHERE w.kind = ? AND w.current = 1 AND w.row > ?", [kind, after]
        if least <= FEW:
            rows, bound = self._conditions.rows(kind, demands[first])
            begins, given = f"FROM writing w WHERE w.row IN ({rows}) AND w.row > ?", [*bound, after]
            begins, given = f"{begins} AND w.kind = ? AND w.current = 1", [*given, kind]
        elif first >= 0:
            begins = (
                "FROM value v CROSS JOIN writing w ON w.row = v.row WHERE v.parameter = ? AND v.low = ? "
                "AND v.row > ? AND w.kind = ? AND w.current = 1"
            )
            one = demands[first][0]
            given = [self._parameters[kind, one.parameter], one.low_from, after, kind]
        others, bounds = self._conditions.others(
            kind, [each for at, each in enumerate(demands) if at != first]
        )
        order = "v.row" if begins.startswith("FROM value") else "w.row"
        return self._found(
            f"{begins} AND w.compartment IN ({marks}) {others} ORDER BY {order} LIMIT ?",
            (*given, *compartments, *bounds, most),
        )

    @_guarded
    def in_order(
        self,
        kind: str,
        compartments: Sequence[int],
        demands: Sequence[Demand],
        order: Sequence[Order],
        after: Place | None,
        most: int,
    ) -> list[tuple[Filed, Place]]:
        """The same in an order, after a place in it, each with its own."""
        least, first = self._least(kind, demands)
        if least == 0:
            return []
        marks, few = ",".join("?" * len(compartments)), least <= FEW
        left = [each for at, each in enumerate(demands) if not few or at != first]
        others, bounds = self._conditions.others(kind, left)
        among = f"w.kind = ? AND w.current = 1 AND w.compartment IN ({marks}) {others}"
        given = [kind, *compartments, *bounds]
        numbers = [self._parameters.get((kind, each.parameter + ORDERED), 0) for each in order]
        keys = tuple(Key(number, each.descending) for number, each in zip(numbers, order, strict=True))
        if few:
            rows, bound = self._conditions.rows(kind, demands[first])
            some = Ordering((f"w.row IN ({rows}) AND {among}", [*bound, *given]), keys, after, most)
            return self._placed(*some.put_in_order())
        many = Ordering((among, given), keys, after, most)
        found = [] if after and after.values[0] is None else self._placed(*many.gone_through())
        if len(found) < most:
            found += self._placed(*replace(many, most=most - len(found)).without())
        return found

    @_guarded
    def of_patient(
        self, alias: bytes, kind: str, compartments: Sequence[int], demands: Sequence[Demand], most: int
    ) -> list[Filed]:
        """The same about one patient, of every type where it is empty; the first so many."""
        marks, of_kind = ",".join("?" * len(compartments)), "AND w.kind = ?" if kind else ""
        others, bounds = self._conditions.others(kind, demands)
        return self._found(
            f"FROM writing w WHERE w.alias = ? AND w.current = 1 {of_kind} AND w.compartment IN ({marks}) {others} "
            "ORDER BY w.row LIMIT ?",
            (alias, *([kind] if kind else []), *compartments, *bounds, most),
        )

    @_guarded
    def of_deposit(
        self,
        deposit: bytes,
        kind: str,
        compartments: Sequence[int],
        demands: Sequence[Demand],
        place: int,
        most: int,
    ) -> list[Filed]:
        """The versions of one deposit that stand and may meet every demand, current or not, from a place in it on."""
        marks = ",".join("?" * len(compartments))
        others, bounds = self._conditions.others(kind, demands)
        return self._found(
            f"FROM writing w WHERE w.deposit = ? AND w.kind = ? AND w.back = 0 AND w.place >= ? "
            f"AND w.compartment IN ({marks}) {others} ORDER BY w.place LIMIT ?",
            (deposit, kind, place, *compartments, *bounds, most),
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
            (each.kind, each.name, each.deposit, each.made, each.place, each.back, copy.alias, copy.handle,
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

    def _value(self, row: int, kind: str, entries: Iterable[Entry]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO value VALUES (?, ?, ?, ?)",
            [(self._parameter(kind, each[0]), each[1], row, each[2]) for each in entries],
        )

    def _parameter(self, kind: str, name: str) -> int:
        found = self._parameters.get((kind, name))
        if found is None:
            self._db.execute("INSERT INTO parameter VALUES (NULL, ?, ?)", (kind, name))
            found = self._parameters[kind, name] = self._db.last_insert_rowid()
        return found

    def _count(self, kind: str, demand: Demand) -> int:
        """How many values meet a demand, as far as they are few."""
        rows, bounds = self._conditions.rows(kind, demand)
        return int(self._db.execute(f"SELECT count(*) FROM ({rows} LIMIT {FEW + 1})", bounds).get)

    def _least(self, kind: str, demands: Sequence[Demand]) -> tuple[int, int]:
        """How many rows the narrowest demand leaves, more than FEW without any, and which one it is."""
        counted = [(self._count(kind, each), at) for at, each in enumerate(demands)]
        return min(counted, default=(FEW + 1, -1))

    def _placed(self, said: str, given: Sequence[Any]) -> list[tuple[Filed, Place]]:
        return [
            (filed_of(row[:COUNT]), Place(row[COUNT:-1], row[0])) for row in self._db.execute(said, given)
        ]

    def _found(self, said: str, given: Sequence[Any]) -> list[Filed]:
        return [filed_of(row) for row in self._db.execute(f"SELECT {COLUMNS} {said}", given)]


def remove(path: Path) -> None:
    """Removes an index with what belongs to it."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)
