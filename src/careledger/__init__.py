"""CareLedger: a patient-controlled health-record exchange on a permissioned ledger."""

__version__ = "0.1.0"
