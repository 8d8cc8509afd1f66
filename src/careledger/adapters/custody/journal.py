"""A custodian's journal: acts, epochs, request ids, its release log, checkpoints, logs followed, emergencies, evidence.

A file of its own, so that rows restored from a backup find here what was done since.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from careledger.adapters.custody import sqlite
from careledger.adapters.custody.lines import TAGS, FollowedLines, OwnLines, add_tags, have_tags
from careledger.adapters.custody.sqlite import number as column
from careledger.domain.custody import Act, KeptOpening, KeptStatement, LogLine, PutOff

SCHEMA = f"""
CREATE TABLE acts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id BLOB NOT NULL, digest BLOB NOT NULL,
    body BLOB NOT NULL, UNIQUE (kind, id));
CREATE TABLE epoch_records (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE epochs (
    alias BLOB, compartment INTEGER, number INTEGER, digest BLOB NOT NULL, since INTEGER NOT NULL,
    records INTEGER NOT NULL, first INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (alias, compartment, number)) WITHOUT ROWID;
CREATE TABLE requests (id BLOB PRIMARY KEY, not_after INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE lines (
    number INTEGER PRIMARY KEY, alias BLOB NOT NULL, claim INTEGER NOT NULL, position INTEGER NOT NULL,
    entry BLOB NOT NULL, sealed BLOB NOT NULL, at INTEGER NOT NULL);
CREATE UNIQUE INDEX lines_alias ON lines (alias, claim, position);
CREATE TABLE sessions (
    alias BLOB, claim INTEGER, name BLOB, sealed BLOB NOT NULL, PRIMARY KEY (alias, claim, name)) WITHOUT ROWID;
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note BLOB NOT NULL, anchored INTEGER NOT NULL);
CREATE TABLE followed (
    custodian BLOB, number INTEGER, entry BLOB NOT NULL, PRIMARY KEY (custodian, number)) WITHOUT ROWID;
CREATE TABLE general (post BLOB, day INTEGER, alias BLOB, PRIMARY KEY (post, day, alias)) WITHOUT ROWID;
CREATE TABLE put_off (
    number INTEGER PRIMARY KEY, handle BLOB NOT NULL, order_id BLOB NOT NULL, reason BLOB NOT NULL, alias BLOB NOT NULL,
    waits INTEGER NOT NULL, UNIQUE (order_id, handle));
CREATE INDEX put_off_handle ON put_off (handle);
CREATE TABLE openings (
    entry BLOB PRIMARY KEY, opener BLOB NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL, entered INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE evidence (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL);
{TAGS}"""
_LINE = "number, alias, claim, position, entry, sealed, at"
_EPOCHS = (
    "SELECT epochs.number, digest, substr(bytes, first, length), since FROM epochs"
    " JOIN epoch_records ON records = epoch_records.number WHERE alias = ? AND compartment = ?"
)


class Journal:
    """The journal's file. One user at a time."""

    def __init__(self, path: Path) -> None:
        self._db: sqlite3.Connection = sqlite.connect(path)
        have_tags(self._db)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is durable at its end, or nothing is."""
        return sqlite.transaction(self._db)

    # Acts and requests -------------------------------------------------------------------------

    def act(self, kind: str, id: bytes) -> Act | None:
        """The act of that kind and id."""
        row = self._db.execute(
            "SELECT number, kind, id, digest, body FROM acts WHERE kind = ? AND id = ?", (kind, id)
        ).fetchone()
        return Act(*row) if row else None

    def add_act(self, kind: str, id: bytes, digest: bytes, body: bytes) -> Act:
        """Writes an act down before it is done."""
        added = self._db.execute(
            "INSERT INTO acts (kind, id, digest, body) VALUES (?, ?, ?, ?)", (kind, id, digest, body)
        )
        return Act(added.lastrowid or 0, kind, id, digest, body)

    def acts_after(self, number: int) -> list[Act]:
        """The acts since that one, in order."""
        rows = self._db.execute(
            "SELECT number, kind, id, digest, body FROM acts WHERE number > ? ORDER BY number", (number,)
        )
        return [Act(*row) for row in rows]

    def put_epochs(self, epochs: Sequence[tuple[bytes, int, KeptStatement]]) -> None:
        """Adds epoch records (in ``signed``) of aliases and compartments; what comes together lies together."""
        together = b"".join(kept.signed for _, _, kept in epochs)
        number = self._db.execute("INSERT INTO epoch_records (bytes) VALUES (?)", (together,)).lastrowid
        first = 1
        for alias, compartment, kept in epochs:
            row = (alias, compartment, kept.number, kept.digest, kept.since, number, first, len(kept.signed))
            self._db.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            first += len(kept.signed)

    def epochs(self, alias: bytes, compartment: int, first: int = 0) -> list[KeptStatement]:
        """The epoch records of a compartment, from number ``first`` up."""
        rows = self._db.execute(
            f"{_EPOCHS} AND epochs.number >= ? ORDER BY epochs.number", (alias, compartment, first)
        )
        return [KeptStatement(*row) for row in rows]

    def epoch(self, alias: bytes, compartment: int, number: int) -> KeptStatement | None:
        """The epoch record of that number."""
        row = self._db.execute(f"{_EPOCHS} AND epochs.number = ?", (alias, compartment, number)).fetchone()
        return KeptStatement(*row) if row else None

    def newest_epoch(self, alias: bytes, compartment: int) -> KeptStatement | None:
        """The epoch record with the highest number."""
        row = self._db.execute(
            f"{_EPOCHS} ORDER BY epochs.number DESC LIMIT 1", (alias, compartment)
        ).fetchone()
        return KeptStatement(*row) if row else None

    def count_epochs(self, alias: bytes, compartment: int) -> int:
        """How many epoch records of a compartment are kept."""
        row = self._db.execute(
            "SELECT COUNT(*) FROM epochs WHERE alias = ? AND compartment = ?", (alias, compartment)
        ).fetchone()
        return int(row[0])

    def seen(self, request: bytes) -> bool:
        """Whether a request's id was written down."""
        return self._db.execute("SELECT 1 FROM requests WHERE id = ?", (request,)).fetchone() is not None

    def remember(self, request: bytes, not_after: int) -> None:
        """Writes a request's id down."""
        self._db.execute("INSERT OR IGNORE INTO requests VALUES (?, ?)", (request, not_after))

    def forget(self, before: int) -> None:
        """Drops ids of requests that could no longer be asked before that time."""
        self._db.execute("DELETE FROM requests WHERE not_after < ?", (before,))

    # The release log ---------------------------------------------------------------------------

    def add_line(self, line: LogLine) -> None:
        """Appends to the log, inside a transaction; the number is the log's size before."""
        row = (line.number, line.alias, line.claim, line.index, line.entry, line.sealed, line.at)
        self._db.execute("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        add_tags(self._db, OwnLines.LOG, line.number, [line.entry])

    def has_session(self, alias: bytes, claim: int, name: bytes) -> bool:
        """Whether that session's statement is kept for the patient's lines under that claim."""
        row = self._db.execute(
            "SELECT 1 FROM sessions WHERE alias = ? AND claim = ? AND name = ?", (alias, claim, name)
        ).fetchone()
        return row is not None

    def add_session(self, alias: bytes, claim: int, name: bytes, sealed: bytes) -> None:
        """Keeps a session statement, sealed to the patient."""
        self._db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (alias, claim, name, sealed))

    def sessions(self, alias: bytes, claim: int) -> list[bytes]:
        """The sealed session statements of the patient's lines under that claim."""
        rows = self._db.execute(
            "SELECT sealed FROM sessions WHERE alias = ? AND claim = ? ORDER BY name", (alias, claim)
        )
        return [row[0] for row in rows]

    def log(self) -> OwnLines:
        """This custodian's own log."""
        return OwnLines(self._db)

    def followed(self, custodian: int) -> FollowedLines:
        """The accepted entries of another custodian's log."""
        return FollowedLines(self._db, column(custodian))

    def last_line(self, alias: bytes, claim: int) -> LogLine | None:
        """The patient's newest line under that claim."""
        row = self._db.execute(
            f"SELECT {_LINE} FROM lines WHERE alias = ? AND claim = ? ORDER BY position DESC LIMIT 1",  # noqa: S608
            (alias, claim),
        ).fetchone()
        return LogLine(*row) if row else None

    def lines(self, alias: bytes, claim: int, first: int, below: int) -> list[LogLine]:
        """The patient's lines from index ``first`` on whose number is below ``below``."""
        rows = self._db.execute(
            f"SELECT {_LINE} FROM lines WHERE alias = ? AND claim = ? AND position >= ? AND number < ?"  # noqa: S608
            " ORDER BY position",
            (alias, claim, first, below),
        )
        return [LogLine(*row) for row in rows]

    def oldest_since(self, size: int) -> int | None:
        """When the first line beyond that size was written, or None if there is none."""
        row = self._db.execute("SELECT at FROM lines WHERE number = ?", (size,)).fetchone()
        return row[0] if row else None

    def put_checkpoint(self, size: int, note: bytes, anchored: bool) -> None:
        """Keeps a signed checkpoint note, and whether it stands on the ledger."""
        self._db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (size, note, anchored))

    def checkpoint(self, anchored: bool) -> tuple[int, bytes] | None:
        """Size and note of the newest checkpoint, of the anchored ones alone if asked."""
        row = self._db.execute(
            "SELECT size, note FROM checkpoints WHERE anchored >= ? ORDER BY size DESC LIMIT 1", (anchored,)
        ).fetchone()
        return (row[0], row[1]) if row else None

    def follow(self, custodian: int, start: int, entries: Sequence[bytes]) -> None:
        """Keeps accepted entries of another custodian's log, inside a transaction."""
        log = column(custodian)
        self._db.executemany(
            "INSERT INTO followed VALUES (?, ?, ?)",
            ((log, at, entry) for at, entry in enumerate(entries, start)),
        )
        add_tags(self._db, log, start, entries)

    # Counts and evidence -----------------------------------------------------------------------

    def count_general(self, post: int, day: int, alias: bytes) -> None:
        """This post read this patient by the rule ``general`` on that day."""
        self._db.execute("INSERT OR IGNORE INTO general VALUES (?, ?, ?)", (column(post), day, alias))

    def general(self, post: int, day: int, other_than: bytes) -> int:
        """How many other patients the post read so on that day."""
        row = self._db.execute(
            "SELECT COUNT(*) FROM general WHERE post = ? AND day = ? AND alias != ?",
            (column(post), day, other_than),
        ).fetchone()
        return int(row[0])

    def put_off(self, erasures: Iterable[PutOff]) -> None:
        """Keeps that these are to be erased when their date has come."""
        self._db.executemany(
            "INSERT OR IGNORE INTO put_off (handle, order_id, reason, alias, waits) VALUES (?, ?, ?, ?, 1)",
            ((each.handle, each.order, each.reason, each.alias) for each in erasures),
        )

    def put_off_by(self, order: bytes) -> frozenset[bytes]:
        """Handles that were put off when this order came."""
        rows = self._db.execute("SELECT handle FROM put_off WHERE order_id = ?", (order,))
        return frozenset(row[0] for row in rows)

    def waiting_erasures(self) -> list[PutOff]:
        """What still waits for its date."""
        rows = self._db.execute(
            "SELECT handle, order_id, reason, alias FROM put_off WHERE waits ORDER BY number"
        )
        return [PutOff(*row) for row in rows]

    def settled_erasures(self, handles: Iterable[bytes]) -> None:
        """Carried out or withdrawn."""
        self._db.executemany("UPDATE put_off SET waits = 0 WHERE handle = ?", ((each,) for each in handles))

    def add_opening(self, entry: bytes, opener: int, kept: KeptOpening) -> None:
        """Keeps an emergency that was granted without the ledger, until it is entered there."""
        row = (entry, column(opener), kept.at, kept.body)
        self._db.execute("INSERT INTO openings VALUES (?, ?, ?, ?, 0)", row)

    def opening(self, entry: bytes) -> KeptOpening | None:
        """What was granted under that entry."""
        row = self._db.execute("SELECT at, body FROM openings WHERE entry = ?", (entry,)).fetchone()
        return KeptOpening(*row) if row else None

    def openings(self, opener: int, since: int, other_than: bytes) -> int:
        """How many others of that opener were granted since then."""
        row = self._db.execute(
            "SELECT COUNT(*) FROM openings WHERE opener = ? AND at > ? AND entry != ?",
            (column(opener), since, other_than),
        ).fetchone()
        return int(row[0])

    def oldest_unentered(self, opener: int) -> int | None:
        """When that opener's oldest was granted that is not known to be on the ledger."""
        row = self._db.execute(
            "SELECT MIN(at) FROM openings WHERE opener = ? AND NOT entered", (column(opener),)
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def unentered(self) -> list[KeptOpening]:
        """All that are not known to be on the ledger, oldest first."""
        rows = self._db.execute("SELECT at, body FROM openings WHERE NOT entered ORDER BY at, entry")
        return [KeptOpening(*row) for row in rows]

    def entered(self, entry: bytes) -> None:
        """Nothing more is to be done about it."""
        self._db.execute("UPDATE openings SET entered = 1 WHERE entry = ?", (entry,))

    def add_evidence(self, kind: str, body: bytes) -> None:
        """Keeps what shows that somebody lied."""
        self._db.execute("INSERT INTO evidence (kind, body) VALUES (?, ?)", (kind, body))

    def evidence(self) -> Iterable[tuple[str, bytes]]:
        """Everything kept as evidence, oldest first."""
        return self._db.execute("SELECT kind, body FROM evidence ORDER BY number").fetchall()
