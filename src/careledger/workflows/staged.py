"""What a source says, sorted by patient and ready to be deposited, whatever it was written in.

A reader of a format makes a ``Staged`` of a file (from_fhir does of FHIR, from_documents of PDF and DICOM).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from careledger.domain.categories import Compartment
from careledger.workflows.identity_rows import Identity
from careledger.workflows.new_versions import NewVersion


@dataclass(frozen=True, repr=False)
class StagedVersion:
    """One version of a source; ``size`` is how many bytes ``load`` makes of it, ``index`` its place in the file.

    ``content`` (16 bytes) says what it says whatever it is called, so that the same under another name is noticed.
    """

    index: int
    record_id: bytes
    content: bytes
    compartment: Compartment
    size: int
    load: Callable[[], NewVersion]


@dataclass(frozen=True, repr=False)
class StagedPatient:
    """What a file says of one patient; ``key`` is what the source calls them, empty if it does not say whom.

    ``identity`` is who the source says that they are; None where it only refers to them.
    """

    key: str
    identity: Identity | None
    versions: tuple[StagedVersion, ...]


@dataclass(frozen=True)
class Refusal:
    """One entry of a file that is not imported, with the place and the reason; never anything that it says."""

    index: int
    path: str
    why: str


@dataclass(frozen=True, repr=False)
class Stated:
    """What a file that names no patient of its own says of one all the same: where, what (``name``, ``birth``, ``id``),
    and the value. It is compared with whom the desk named and never printed."""

    where: str
    what: str
    value: str


@dataclass(frozen=True, repr=False)
class Staged:
    """What a file holds: patients in the file's order, what of it cannot be imported, what is said beside."""

    name: str
    patients: tuple[StagedPatient, ...]
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    unmapped: int
    stated: tuple[Stated, ...] = ()
    parts: tuple[tuple[str, int], ...] = ()

    def named(self, index: int) -> str:
        """What to call an entry; by its file too where several were read as one (``parts``: name and first entry)."""
        found = [(name, first) for name, first in self.parts if first <= index]
        return f"{found[-1][0]}, entry {index - found[-1][1]}" if found else f"entry {index}"

    @property
    def versions(self) -> int:
        """How many versions it has."""
        return sum(len(patient.versions) for patient in self.patients)
