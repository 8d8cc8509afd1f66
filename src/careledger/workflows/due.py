"""What may have to be told to an organisation's posts, noted where it happens; ``gateway/events`` makes events of it.

Noted after the thing itself is durable and before whatever keeps the step from being repeated, so that a crash loses
none; noting again is harmless, because what was told of a subject is kept.
"""

from __future__ import annotations

from enum import IntEnum

from careledger.ports import Books

DUE = "event-due"


class Subject(IntEnum):
    """What a noted key names a row of: a received grant, an answer, own copies, an emergency, what was moved away."""

    GRANT = 1
    ANSWER = 2
    DEPOSIT = 3
    EMERGENCY = 4
    MOVE = 5


def note_due(books: Books, subject: Subject, *keys: bytes) -> None:
    """Durable when it returns."""
    books.put(DUE, due(subject, *keys))


def due(subject: Subject, *keys: bytes) -> list[tuple[bytes, bytes]]:
    """The rows of ``DUE`` that note this, for who writes them with something else."""
    return [(bytes([subject]) + key, b"") for key in keys]


def noted(books: Books) -> list[bytes]:
    """What is noted: one byte of the subject and its key."""
    return [key for key, _ in books.rows(DUE)]


def settle(books: Books, noted: list[bytes]) -> None:
    """These are looked at."""
    books.drop(DUE, noted)
