"""Take a whole import back: everything that one run deposited is retracted, patient by patient.

It does what an author may do and no more: new readers do not see it, whoever read it keeps what they have, patients
whom the run registered stay registered. Order of effects: a deposit that a crash left open is finished; for each
patient, who read it and who built on it is asked, which their logs tell; the retraction at the custodians (retract);
then each deposit is noted as undone, so that the same file may be imported again. Repeating retracts what is left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from careledger.domain.categories import Category, Compartment
from careledger.domain.errors import CareLedgerError, ImportNotFound
from careledger.domain.records import Ground
from careledger.formats.charts import AuthorsCopies, ImportPart
from careledger.formats.deposits import sliced
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement
from careledger.workflows.accesses import by_registrar
from careledger.workflows.actors import Holder, Organisation, Session
from careledger.workflows.asking import ask
from careledger.workflows.audit import audit
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import resume
from careledger.workflows.deposited import UNDONE, copies_of
from careledger.workflows.evidence import gather
from careledger.workflows.grounds import writer
from careledger.workflows.intake import statement_of
from careledger.workflows.network import Network
from careledger.workflows.register import keeps_keys, kept_holder
from careledger.workflows.retract import retract
from careledger.workflows.staging import parts_of

AT_ONCE = 1_000
NORMAL = tuple(Compartment(category) for category in Category)


@dataclass(frozen=True)
class Run:
    """One import as its organisation remembers it; ``made`` in unix seconds. A version is one of its records."""

    id: bytes
    made: int
    patients: int
    versions: int
    undone: bool


@dataclass(frozen=True)
class Undone:
    """What became of one patient's part: how many versions were retracted now, how many before.

    ``built_on`` are those that a later version follows, ``read`` those that somebody outside the organisation was
    given; they are retracted all the same. ``read`` is None where only the patient's own log tells. ``error`` is what
    stopped this part; the others are undone all the same.
    """

    alias: bytes
    retracted: int
    before: int
    built_on: int
    read: int | None
    error: CareLedgerError | None = None


def runs(organisation: Organisation) -> list[Run]:
    """Every import that deposited something, the latest first."""
    undone, found = _undone(organisation), defaultdict[bytes, list[ImportPart]](list)
    for part in parts_of(organisation.books):
        found[part.run].append(part)
    made = [
        Run(
            id,
            min(part.made for part in parts),
            len({part.alias for part in parts}),
            sum(len(part.record_ids) // 16 for part in parts),
            all(part.deposit in undone for part in parts),
        )
        for id, parts in found.items()
    ]
    return sorted(made, key=lambda run: run.made, reverse=True)


def undo_import(network: Network, session: Session, run: bytes) -> list[Undone]:
    """Retracts what that run deposited; raises ImportNotFound unless it is one of this organisation."""
    organisation = session.staff.organisation
    parts = [part for part in parts_of(organisation.books) if part.run == run]
    if not parts:
        raise ImportNotFound()
    resume(network, Writer(organisation, Ground.UNASKED, session))
    by_alias: dict[bytes, set[bytes]] = defaultdict(set)
    for part in parts:
        by_alias[part.alias].add(part.deposit)
    return [_undo(network, session, alias, deposits) for alias, deposits in by_alias.items()]


def _undo(network: Network, session: Session, alias: bytes, deposits: set[bytes]) -> Undone:
    organisation = session.staff.organisation
    done = _undone(organisation)
    copies = copies_of(organisation.books, alias)
    mine = [each for each in copies if each.id in deposits]
    before = sum(len(each.record_ids) // 16 for each in mine if each.id in done)
    left = [each for each in mine if each.id not in done]
    handles = _handles(left)
    try:
        if not handles:
            return Undone(alias, 0, before, 0, 0)
        statement = statement_of(network, organisation, alias)
        read, followed = _others(network, session, statement, set(handles))
        built_on = followed | _amended(left, copies)
        by = writer(network, session, statement)
        for first in range(0, len(handles), AT_ONCE):
            retract(network, by, statement, handles[first : first + AT_ONCE])
        at = uint(network.clock.now())
        organisation.books.put(UNDONE, [(each.id, at) for each in left])
    except CareLedgerError as error:
        return Undone(alias, 0, before, 0, None, error)
    return Undone(alias, len(handles), before, len(built_on), None if read is None else len(read))


def _undone(organisation: Organisation) -> set[bytes]:
    return {deposit for deposit, _ in organisation.books.rows(UNDONE)}


def _handles(copies: Iterable[AuthorsCopies]) -> list[bytes]:
    return [handle for each in copies for handle in sliced(each.handles, 32)]


def _amended(left: Sequence[AuthorsCopies], copies: Sequence[AuthorsCopies]) -> set[bytes]:
    """The handles whose record the organisation itself went on with afterwards."""
    ids, last = {each.id for each in left}, max(each.made for each in left)
    later = [each for each in copies if each.id not in ids and each.made >= last]
    records = {record for each in later for record in sliced(each.record_ids, 16)}
    return {
        handle
        for each in left
        for handle, record in zip(sliced(each.handles, 32), sliced(each.record_ids, 16), strict=True)
        if record in records
    }


def _others(
    network: Network, session: Session, statement: AliasStatement, handles: set[bytes]
) -> tuple[set[bytes] | None, set[bytes]]:
    """Which of these somebody outside was given, and which a later version follows, as far as the registrar may ask."""
    organisation = session.staff.organisation
    if not keeps_keys(organisation, statement.alias):
        return None, set()
    holder = kept_holder(organisation, statement.alias)
    found = audit(network, holder)
    given = {
        handle
        for log in found.logs
        for entry in log.entries
        if entry.event == "released" and entry.employer != organisation.number
        for handle in entry.handles
    }
    return handles & given, handles & _followed(network, session, holder, statement)


def _followed(network: Network, session: Session, holder: Holder, statement: AliasStatement) -> set[bytes]:
    """What versions of this patient name as the one before, as far as a registrar is shown them."""
    access = by_registrar(network, session, holder, statement, NORMAL)
    asked = ask(network, access, statement, None, [each.number for each in NORMAL])
    view = network.ledger.fresh_head()
    gathered = gather(view, statement.alias, len(statement.custodians), asked.answers)
    named = (each.item.predecessor for each in gathered.found.values())
    return {handle for handle in named if handle is not None}
