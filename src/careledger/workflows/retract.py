"""Retract what one deposited: entered in error. Hidden from new readers; whoever read it keeps what they have.

Order of effects: the retraction durable in the depositor's books for every custodian of the list, then each is told;
it counts when n have it. One that misses it is told again by ``repeat_retractions``: the same retraction, signed by the
depositor's own key, for the session that signed it first has ended by then. Repeating is harmless.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from careledger.domain.errors import CareLedgerError, NotEnoughCustodians
from careledger.formats.custody import Receipt
from careledger.formats.deposits import Retraction, RetractRequest
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement
from careledger.formats.signed import sign
from careledger.ports import Books
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.batches import Writer
from careledger.workflows.custody import Telling, outcomes
from careledger.workflows.network import Network

UNTOLD = "untold-retraction"
PLANNED = "planned-retraction"
RETRACTED = "retracted-version"
HANDLE = 32


def retract(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    handles: Sequence[bytes],
    successor: bytes | None = None,
) -> list[Receipt]:
    """Tells every custodian; raises WritingRefused for what another deposited, NotEnoughCustodians under n."""
    made = Retraction(
        secrets.token_bytes(16),
        statement.alias,
        writer.depositor,
        writer.post,
        tuple(handles),
        successor,
        network.clock.now(),
    )
    keys = [made.id + _key(number) for number in statement.custodians]
    writer.books.put(UNTOLD, [(key, made.encode()) for key in keys])
    noted = _note(writer.books, made)
    told = _tell(network, writer.books, made, _request(network, writer, made), statement.custodians)
    given = [each for each in told if isinstance(each, Receipt)]
    refusals = [each for each in told if isinstance(each, CareLedgerError)]
    if refusals and not given:
        writer.books.drop(RETRACTED, noted)
        writer.books.drop(UNTOLD, keys)
    if len(given) < network.thresholds.holding:
        raise (
            refusals[0]
            if refusals
            else NotEnoughCustodians(found=len(given), needed=network.thresholds.holding)
        )
    return given


def repeat_retractions(network: Network, depositor: Organisation | Holder) -> int:
    """Tells custodians what they have missed; returns how many messages still wait."""
    active, waiting = {each.number for each in network.ledger.fresh_head().custodians()}, 0
    for key, row in list(depositor.books.rows(UNTOLD)):
        missed, number = Retraction.decode(row), int.from_bytes(key[16:], "big")
        if not _by(depositor, missed):
            continue
        if number not in active:  # it has nothing to hide any more
            depositor.books.drop(UNTOLD, [key])
            continue
        _note(depositor.books, missed)
        request = RetractRequest(sign(missed, depositor.controller, network.ledger.deployment), None)
        [told] = _tell(network, depositor.books, missed, request, (number,))
        waiting += not isinstance(told, Receipt)
    return waiting


@dataclass(frozen=True)
class Retracted:
    """When a version was taken back, in unix seconds, 0 if that was not kept; ``successor`` where it was moved."""

    at: int
    successor: bytes | None


def retracted(books: Books, handle: bytes) -> Retracted | None:
    """How the depositor whose books these are took that version back, None if it did not."""
    row = books.get(RETRACTED, handle)
    if row is None:
        return None
    at, successor = row[: len(row) % HANDLE], row[len(row) % HANDLE :]
    return Retracted(int.from_bytes(at, "big"), successor or None)


def is_retracted(books: Books, handle: bytes) -> bool:
    """Whether the depositor whose books these are took that version back."""
    return books.get(RETRACTED, handle) is not None


def own_untold(books: Books) -> Iterable[bytes]:
    """The aliases whose holders took back something of their own that some custodian has missed."""
    missed = (Retraction.decode(row) for _, row in books.rows(UNTOLD))
    return {each.alias for each in missed if not each.depositor}


def planned(
    network: Network, writer: Writer, statement: AliasStatement, handles: Sequence[bytes]
) -> list[tuple[bytes, bytes]]:
    """The rows of ``PLANNED`` of a retraction that is owed with deposits (``owe_planned``), one for each custodian."""
    made = Retraction(
        secrets.token_bytes(16),
        statement.alias,
        writer.depositor,
        writer.post,
        tuple(handles),
        None,
        network.clock.now(),
    )
    return [(made.id + _key(number), made.encode()) for number in statement.custodians]


def owe_planned(books: Books) -> None:
    """What is taken back with deposits that are done counts as taken back from now on, and is owed to custodians."""
    rows = list(books.rows(PLANNED))
    if rows:
        books.change(owed(books, rows), {PLANNED: [key for key, _ in rows]})


def owed(books: Books, rows: Sequence[tuple[bytes, bytes]]) -> dict[str, list[tuple[bytes, bytes]]]:
    """The rows with which such retractions are owed."""
    made = {key[:16]: Retraction.decode(row) for key, row in rows}
    return {UNTOLD: list(rows), RETRACTED: [row for each in made.values() for row in _noted(books, each)]}


def tell_owed(network: Network, writer: Writer, rows: Sequence[tuple[bytes, bytes]]) -> None:
    """Tells custodians of retractions that this writer made and owes them; whoever misses one is told again."""
    numbers = defaultdict[bytes, list[int]](list)
    for key, row in rows:
        numbers[row].append(int.from_bytes(key[16:], "big"))
    for row, some in numbers.items():
        made = Retraction.decode(row)
        _tell(network, writer.books, made, _request(network, writer, made), some)


def _request(network: Network, writer: Writer, made: Retraction) -> RetractRequest:
    proof = writer.session.proof if writer.session and writer.post else None
    return RetractRequest(sign(made, writer.key, network.ledger.deployment), proof)


def _note(books: Books, made: Retraction) -> list[bytes]:
    """Which versions its depositor took back, when, each with its successor if it has one; returns those noted now."""
    rows = _noted(books, made)
    if rows:
        books.put(RETRACTED, rows)
    return [handle for handle, _ in rows]


def _noted(books: Books, made: Retraction) -> list[tuple[bytes, bytes]]:
    row = uint(made.made) + (made.successor or b"")
    return [(handle, row) for handle in made.handles if not is_retracted(books, handle)]


def _by(depositor: Organisation | Holder, missed: Retraction) -> bool:
    """Whether it is this one's to tell: an organisation keeps those of patients whose keys it holds beside its own."""
    if isinstance(depositor, Holder):
        return not missed.depositor and missed.alias == depositor.alias
    return missed.depositor == depositor.number


def _tell(
    network: Network, books: Books, made: Retraction, request: RetractRequest, numbers: Sequence[int]
) -> list[Receipt | CareLedgerError | None]:
    """What became of it at each; who took it owes nothing more."""
    told = outcomes(network, [Telling(number, "retract", request.encode()) for number in numbers])
    done = [number for number, outcome in zip(numbers, told, strict=True) if isinstance(outcome, Receipt)]
    books.drop(UNTOLD, [made.id + _key(number) for number in done])
    return told


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")
