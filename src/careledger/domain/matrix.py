"""Who may read and write which category: the two versions of the access matrix, as data.

Version 1 is the read-write access control matrix of "HealthChain" (its Fig. 5) to the letter; rows and
columns that the figure does not have are ``n``. Version 2 is the default; docs/matrix.md gives each cell
that differs, and why. The ledger keeps the version in force as one 64-bit word per row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from careledger.domain.categories import Category
from careledger.domain.errors import MalformedBytes
from careledger.domain.parties import Role

_NIBBLE = 4


class ReadCell(IntEnum):
    """What a row may read of a column. The numbers are the ledger's."""

    NO = 0
    YES = 1
    INVOLVED = 2
    FIELDS = 3
    AGGREGATE = 4
    SHOWN = 5

    @property
    def word(self) -> str:
        """The cell as a person reads it."""
        return _READ_WORDS[self]


class WriteCell(IntEnum):
    """What a row may write of a column. The numbers are the ledger's."""

    NO = 0
    YES = 1
    ONCE = 2
    UNTIL_CLAIMED = 3
    NAMED_KINDS = 4
    ITS_PATIENT = 5
    COPY = 6

    @property
    def word(self) -> str:
        """The cell as a person reads it."""
        return _WRITE_WORDS[self]


_READ_WORDS = {
    ReadCell.NO: "no",
    ReadCell.YES: "yes",
    ReadCell.INVOLVED: "only if involved",
    ReadCell.FIELDS: "with restriction",
    ReadCell.AGGREGATE: "only global data",
    ReadCell.SHOWN: "only what the patient shows",
}
_WRITE_WORDS = {
    WriteCell.NO: "no",
    WriteCell.YES: "yes",
    WriteCell.ONCE: "once",
    WriteCell.UNTIL_CLAIMED: "until the patient has claimed",
    WriteCell.NAMED_KINDS: "only the kinds that the mapping names",
    WriteCell.ITS_PATIENT: "only of the patient it is bound to",
    WriteCell.COPY: "only as an unverified copy",
}


@dataclass(frozen=True, slots=True)
class Matrix:
    """One version: a word per row of each chart, the cell of category c at bits 4c to 4c + 3.

    Both tuples have one word per Role, in the order of its numbers. Raises MalformedBytes if a row is
    missing, or a cell holds a code that is not defined, or bits 0 to 3 are not zero.
    """

    version: int
    read_words: tuple[int, ...]
    write_words: tuple[int, ...]

    def __post_init__(self) -> None:
        for words, most in ((self.read_words, max(ReadCell)), (self.write_words, max(WriteCell))):
            if len(words) != len(Role) or not all(_well_formed(word, most) for word in words):
                raise MalformedBytes(matrix_version=self.version)

    def reading(self, role: Role, category: Category) -> ReadCell:
        """What that row may read of that column."""
        return ReadCell(self.read_words[role] >> _NIBBLE * category & 15)

    def writing(self, role: Role, category: Category) -> WriteCell:
        """What that row may write of that column."""
        return WriteCell(self.write_words[role] >> _NIBBLE * category & 15)


def _well_formed(word: int, most: int) -> bool:
    nibbles = [word >> _NIBBLE * place & 15 for place in range(16)]
    return 0 <= word < 1 << 64 and nibbles[0] == 0 and max(nibbles) <= most


_READ_LETTERS = dict(zip("nYIRGs", ReadCell, strict=True))
_WRITE_LETTERS = dict(zip("nYouktc", WriteCell, strict=True))


def _words(chart: dict[Role, str], letters: dict[str, ReadCell] | dict[str, WriteCell]) -> tuple[int, ...]:
    """One word per role; the letters of a row are in the order of Category, missing ones are ``n``."""
    return tuple(
        sum(
            letters[letter] << _NIBBLE * (place + 1)
            for place, letter in enumerate(chart.get(role, "").replace(" ", ""))
        )
        for role in Role
    )


# Columns: history prescription diagnosis report general image insurance, then the identities of patient,
# doctor, insurer, centre, then visit measurement, then the identities of hospital and pharmacy.
_READ_1 = {
    Role.PATIENT: "YYYYYYY YIII",
    Role.DOCTOR: "IIIIYIn IYnI",
    Role.CENTRE: "nnnnnnn InnY",
    Role.INSURER: "InnnInI InYn",
    Role.HOSPITAL: "InnnInn IInn",
    Role.OPERATOR: "nnnnYnn RYYY",
    Role.PUBLIC: "nnnnYnn GRRR",
    Role.RELATIVE: "nnnnnnn Rnnn",
    Role.MINISTRY: "nnnnnnn YYYY",
}
_WRITE_1 = {
    Role.PATIENT: "nnnnnnn Ynnn",
    Role.DOCTOR: "nYYnnnn nYnn",
    Role.CENTRE: "YnnYYYn nnnY",
    Role.INSURER: "nnnnnnY nnYn",
    Role.HOSPITAL: "onnnonn nnnn",
}
_READ_2 = {
    Role.PATIENT: "YYYYYYY YIII YY II",
    Role.DOCTOR: "IIIIYIn IYnI II II",
    Role.CENTRE: "nnnnnnn InnY nn nn",
    Role.INSURER: "InnnInI InYn nn nn",
    Role.HOSPITAL: "InnnInn IInn In Yn",
    Role.OPERATOR: "nnnnGnn RYYY nn YY",
    Role.PUBLIC: "nnnnGnn GRRR nn RR",
    Role.RELATIVE: "nnnnnnn Rnnn nn nn",
    Role.MINISTRY: "nnnnnnn YYYY nn YY",
    Role.PHARMACY: "nsnnnnn nnnn nn nY",
}
_WRITE_2 = {
    Role.PATIENT: "nnnnnnn Ynnn nn nn",
    Role.DOCTOR: "YYYnYnn nYnn YY nn",
    Role.CENTRE: "YnnYkYn nnnY nY nn",
    Role.INSURER: "nnnnnnY nnYn nn nn",
    Role.HOSPITAL: "onnnonk unnn Yn Yn",
    Role.PHARMACY: "nknnnnk nnnn nn nY",
    Role.NURSE: "knnnYnn nnnn nY nn",
    Role.DEVICE: "nnnnnnn nnnn nt nn",
    Role.IMPORT: "YYYYYYY cccc YY cc",
}

VERSION_1 = Matrix(1, _words(_READ_1, _READ_LETTERS), _words(_WRITE_1, _WRITE_LETTERS))
VERSION_2 = Matrix(2, _words(_READ_2, _READ_LETTERS), _words(_WRITE_2, _WRITE_LETTERS))
VERSIONS = {matrix.version: matrix for matrix in (VERSION_1, VERSION_2)}
