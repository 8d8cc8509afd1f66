"""An epoch record is kept: its statement is signed by the alias's present controller and continues the newest.

Order of effects: journal, rows, receipt. Repeating gives the receipt again.
"""

from __future__ import annotations

from careledger.domain.categories import Compartment
from careledger.domain.custody import KeptStatement
from careledger.domain.errors import EpochRefused
from careledger.formats.patients import EpochRecord, EpochStatement
from careledger.formats.signed import open_signed
from careledger.workflows.custodian.parts import Custody, alias_facts

KIND = "keep-epoch"
GRACE = 60


def keep_epoch(custody: Custody, body: bytes) -> bytes:
    """Takes an EpochRecord; returns a signed receipt about its statement.

    Raises EpochRefused unless it is newer than the newest known one (the very next one names its digest) or the
    missing predecessor of a known one; SignatureRefused unless the present controller signed a newer one.
    """
    record = EpochRecord.decode(body)
    claimed = EpochStatement.decode(record.statement.body)
    view = custody.fresh_head()
    custody.place(custody.statement(claimed.alias))
    Compartment.numbered(claimed.compartment)
    digest = claimed.digest()
    known = custody.rows.epochs(claimed.alias, claimed.compartment)
    if not any(each.digest == digest for each in known):
        if not _precedes(claimed, digest, known):
            facts = alias_facts(view, claimed.alias)
            open_signed(EpochStatement, record.statement, facts.controller, custody.deployment)
            _check_newer(claimed, known)
        with custody.journal.transaction():
            act = custody.journal.add_act(KIND, digest, digest, body)
        apply(custody, body, act.number)
    return custody.receipt(view, EpochStatement.TYPE, digest, 0)


def apply(custody: Custody, body: bytes, act: int) -> None:
    """What an accepted record changes in the rows; also run when the journal is replayed."""
    statement = EpochStatement.decode(EpochRecord.decode(body).statement.body)
    kept = KeptStatement(statement.number, statement.digest(), body, custody.clock.now())
    with custody.rows.transaction():
        custody.rows.put_epoch(statement.alias, statement.compartment, kept)
        custody.rows.set_applied(act)


def _precedes(claimed: EpochStatement, digest: bytes, known: list[KeptStatement]) -> bool:
    """Whether a known later epoch, signed by a controller, names this one as the one before it."""
    later = next((each for each in known if each.number == claimed.number + 1), None)
    if later is None:
        return False
    return EpochStatement.decode(EpochRecord.decode(later.signed).statement.body).previous == digest


def _check_newer(claimed: EpochStatement, known: list[KeptStatement]) -> None:
    newest = known[-1] if known else None
    if newest is None:
        return
    if claimed.number <= newest.number:
        raise EpochRefused(number=claimed.number, newest=newest.number)
    if claimed.number == newest.number + 1 and claimed.previous != newest.digest:
        raise EpochRefused(number=claimed.number, why="another predecessor")


def check_current(custody: Custody, alias: bytes, compartment: int, number: int, at: int) -> None:
    """Raises EpochRefused if that epoch ended more than 60 seconds before ``at``."""
    newer = [each for each in custody.rows.epochs(alias, compartment) if each.number > number]
    if newer and at > min(each.since for each in newer) + GRACE:
        raise EpochRefused(number=number, newest=newer[-1].number)
