"""Record categories, sensitivity, and the compartments that consents and epochs are about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from careledger.domain.errors import MalformedBytes


class Category(IntEnum):
    """A class of record. The numbers are the ledger's; a number is never given again."""

    HISTORY = 1
    PRESCRIPTION = 2
    DIAGNOSIS = 3
    REPORT = 4
    GENERAL = 5
    IMAGE = 6
    INSURANCE = 7
    IDENTITY_PATIENT = 8
    IDENTITY_DOCTOR = 9
    IDENTITY_INSURER = 10
    IDENTITY_CENTRE = 11
    VISIT = 12
    MEASUREMENT = 13
    IDENTITY_HOSPITAL = 14
    IDENTITY_PHARMACY = 15

    @property
    def code(self) -> str:
        """The category's name in documents and messages, for example ``identity-patient``."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def of(cls, code: str) -> Category:
        """The category of that name; raises MalformedBytes for any other word."""
        try:
            return cls[code.upper().replace("-", "_")]
        except KeyError:
            raise MalformedBytes(category=code) from None


class Sensitivity(IntEnum):
    """How guarded a version is; restricted records are in no consent unless named."""

    NORMAL = 0
    RESTRICTED = 1

    @property
    def code(self) -> str:
        """``normal`` or ``restricted``."""
        return self.name.lower()


@dataclass(frozen=True, order=True, slots=True)
class Compartment:
    """A category at one sensitivity: what an epoch key opens and a consent names."""

    category: Category
    sensitivity: Sensitivity = Sensitivity.NORMAL

    @property
    def number(self) -> int:
        """``category * 2 + sensitivity``: how messages and the ledger write it."""
        return self.category * 2 + self.sensitivity

    @classmethod
    def numbered(cls, number: int) -> Compartment:
        """The compartment of that number; raises MalformedBytes for an unknown one."""
        known = _NUMBERED.get(number)
        if known is None:
            raise MalformedBytes(compartment=number)
        return known

    def __str__(self) -> str:
        return self.category.code + (" (restricted)" if self.sensitivity else "")


_NUMBERED = {
    made.number: made for made in (Compartment(each, level) for each in Category for level in Sensitivity)
}
