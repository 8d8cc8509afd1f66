"""Epoch records are kept: each statement is signed by the alias's present controller and continues the newest.

Order of effects: journal, all records of a message or none, then the receipt. Repeating gives the receipt again. Epochs
are in the journal alone, so that no restored backup of the rows forgets one.
"""

from __future__ import annotations

from collections.abc import Sequence

from careledger.domain.categories import Compartment
from careledger.domain.custody import KeptStatement
from careledger.domain.errors import EpochRefused
from careledger.formats.digests import digest as digest_of
from careledger.formats.patients import EpochRecord, EpochRecords, EpochStatement
from careledger.formats.signed import check_signed
from careledger.ports import LedgerView
from careledger.workflows.custodian.parts import Custody, alias_facts

GRACE = 60


def keep_epochs(custody: Custody, body: bytes) -> bytes:
    """Takes EpochRecords; returns a signed receipt about them.

    Raises EpochRefused unless each is newer than the newest known one (the very next one names its digest) or the
    missing predecessor of a known one; SignatureRefused unless the present controller signed a newer one.
    """
    told = EpochRecords.decode(body)
    taking = Taking(custody, custody.fresh_head())
    for record in told.records:
        taking.add(record)
    taking.keep()
    return custody.receipt(
        taking.view, EpochRecords.TYPE, digest_of(EpochRecords.TYPE, body), len(told.records)
    )


class Taking:
    """Epoch records that are checked one after the other and kept all at once."""

    def __init__(self, custody: Custody, view: LedgerView) -> None:
        self.view = view
        self._custody = custody
        self._new: dict[tuple[bytes, int, int], KeptStatement] = {}
        self._newest: dict[tuple[bytes, int], KeptStatement] = {}
        self._listed: set[bytes] = set()

    def add(self, record: EpochRecord) -> None:
        """Takes a record, if it is not known yet; raises as ``keep_epochs``."""
        custody, claimed = self._custody, EpochStatement.decode(record.statement.body)
        if claimed.alias not in self._listed:
            custody.place(custody.statement(claimed.alias))
            self._listed.add(claimed.alias)
        Compartment.numbered(claimed.compartment)
        place, digest = (
            (claimed.alias, claimed.compartment),
            digest_of(EpochStatement.TYPE, record.statement.body),
        )
        newest = self._newest.get(place) or custody.journal.newest_epoch(*place)
        same = self._known(newest, place, claimed.number)
        if same is not None and same.digest == digest:
            return
        kept = KeptStatement(claimed.number, digest, record.encode(), custody.clock.now())
        if not _precedes(digest, self._known(newest, place, claimed.number + 1)):
            facts = alias_facts(self.view, claimed.alias)
            check_signed(EpochStatement, record.statement, facts.controller, custody.deployment)
            _check_newer(claimed, newest)
            self._newest[place] = kept
        self._new[(*place, claimed.number)] = kept

    def keep(self) -> None:
        """Writes what was taken, all of it or nothing."""
        if self._new:
            with self._custody.journal.transaction():
                self._custody.journal.put_epochs(
                    [(alias, compartment, kept) for (alias, compartment, _), kept in self._new.items()]
                )

    def _known(
        self, newest: KeptStatement | None, place: tuple[bytes, int], number: int
    ) -> KeptStatement | None:
        """The epoch of that number, taken now or kept before; none is beyond the newest."""
        if newest is None or number > newest.number:
            return None
        return self._new.get((*place, number)) or self._custody.journal.epoch(*place, number)


def _precedes(digest: bytes, later: KeptStatement | None) -> bool:
    """Whether the known epoch after it, signed by a controller, names this one as the one before it."""
    if later is None:
        return False
    return EpochStatement.decode(EpochRecord.decode(later.signed).statement.body).previous == digest


def _check_newer(claimed: EpochStatement, newest: KeptStatement | None) -> None:
    if newest is None:
        return
    if claimed.number <= newest.number:
        raise EpochRefused(number=claimed.number, newest=newest.number)
    if claimed.number == newest.number + 1 and claimed.previous != newest.digest:
        raise EpochRefused(number=claimed.number, why="another predecessor")


def check_current(epochs: Sequence[KeptStatement], number: int, at: int) -> None:
    """Raises EpochRefused if of a compartment's epochs that one ended more than 60 seconds before ``at``."""
    newer = [each for each in epochs if each.number > number]
    if newer and at > min(each.since for each in newer) + GRACE:
        raise EpochRefused(number=number, newest=newer[-1].number)
