"""The refusals about what is brought from outside; errors.py has them with all others."""

from __future__ import annotations

from careledger.domain.refusal import CareLedgerError


class BackupDamaged(CareLedgerError):
    """A backup is incomplete, or is not what was written to it."""


class DidNotResolved(CareLedgerError):
    """A decentralised identifier does not lead to its document."""


class LicenceRefused(CareLedgerError):
    """This licence does not prove what was asked of it."""


class MemberRefused(CareLedgerError):
    """This certificate proves no member that stands on the ledger."""


class StaffFileRefused(CareLedgerError):
    """This is no list of staff."""
