"""The refusals about what FHIR is asked for; errors.py has them with all others."""

from __future__ import annotations

from careledger.domain.refusal import CareLedgerError


class FhirRefused(CareLedgerError):
    """This is not FHIR R4 as it can be taken here."""


class TypeUnknown(FhirRefused):
    """This is not a resource type of FHIR R4."""


class SearchRefused(FhirRefused):
    """This is not a search as FHIR R4 has it."""


class ExportRefused(FhirRefused):
    """This is not an export that can be made here."""


class VersionConflict(CareLedgerError):
    """This is not the version that is current now."""


class SeveralMatch(CareLedgerError):
    """Several records match, where it has to be one."""
