"""What an import makes of a file: record versions ready to be deposited, and a report for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from careledger.domain.categories import Compartment
from careledger.fhir.canonical import content_digest
from careledger.fhir.dates import month_of
from careledger.fhir.entries import Place, Reject
from careledger.formats.bodies import RecordBody, RewrittenReference

OWN_ELEMENT = "own-element"
PROVENANCE = "provenance"
ENCOUNTER = "encounter"
REFERRER = "referrer"
SERVICE_PROVIDER = "service-provider"
UNKNOWN = "unknown"

IMPORTED = "imported"
PATIENT_REPORTED = "patient-reported"
DEVICE = "device"


@dataclass(frozen=True, slots=True, repr=False)
class AuthorStatement:
    """Who answers for a statement, as the file says it.

    ``text`` is for people (at most 512 characters, empty if unknown); ``resolved`` says how the author was found
    (the codes of the manifest); ``source`` is ``imported``, ``patient-reported`` or ``device``; ``party`` is the
    registered party that the lookup found by identifier, 0 if none.
    """

    text: str = ""
    resolved: str = UNKNOWN
    source: str = IMPORTED
    reference: str | None = None
    identifiers: tuple[tuple[str, str], ...] = ()
    party: int = 0

    @property
    def inferred(self) -> bool:
        """Whether the author was concluded rather than named by the record or its provenance."""
        return self.resolved not in (OWN_ELEMENT, PROVENANCE)


@dataclass(frozen=True, slots=True, repr=False)
class ImportedVersion:
    """One resource of a file as a record version.

    ``canonical`` is its canonical JSON with id and references rewritten to record ids and without ``meta.versionId``
    and ``meta.lastUpdated``; ``original`` the bytes in the file. ``subject`` is the record id of the Patient in the
    same file, None if the file has none; ``subject_stated`` what the resource says; ``patient_key`` what the source
    calls the patient under whom it is filed (for example ``Patient/7``), empty where neither file nor resource says.
    ``forwarded_by`` names another organisation at whose encounter the record was made. ``source_key`` identifies the
    record at its source: the same key and digest is the same version, the same key and another digest an amendment.
    ``content`` is 16 bytes that two versions have in common if they say the same under other names. A version that was
    left in its file has its ``place`` there and neither canonical nor original bytes.
    """

    index: int
    record_id: UUID
    resource_type: str
    canonical: bytes
    original: bytes
    compartment: Compartment
    row: str
    why_restricted: tuple[str, ...]
    clinical_date: str | None
    subject: UUID | None
    subject_stated: str
    patient_key: str
    author: AuthorStatement
    forwarded_by: str | None
    source_key: str
    full_url: str | None
    source_id: str | None
    references: tuple[tuple[str, UUID], ...]
    place: Place | None = None
    content: bytes = b""

    @property
    def size(self) -> int:
        """About how many bytes its body has."""
        return self.place.length if self.place else len(self.canonical) + len(self.original)

    @property
    def clinical_month(self) -> str | None:
        """``YYYY-MM`` of the clinical date, or None."""
        return month_of(self.clinical_date)

    @property
    def content_digest(self) -> bytes:
        """The digest of the canonical bytes, 32 bytes."""
        return content_digest(self.canonical)

    @property
    def body(self) -> RecordBody:
        """What is sealed: enough to give back both the statement and the file's own bytes."""
        named = tuple(RewrittenReference(stated, record.bytes) for stated, record in self.references)
        return RecordBody(self.canonical, self.original, self.full_url, self.source_id, named)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people should know about one entry; never what it says."""

    index: int
    resource_type: str
    what: str
    path: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class ImportReport:
    """What became of a file: every entry is a version or a reject, and ``unmapped`` lists versions to look at."""

    file_name: str
    versions: tuple[ImportedVersion, ...]
    warnings: tuple[Notice, ...]
    unmapped: tuple[Notice, ...]
    rejects: tuple[Reject, ...]
    mapping_version: int

    def rows(self) -> Counter[str]:
        """How many versions each row of the mapping took."""
        return Counter(version.row for version in self.versions)

    def forwarded(self) -> tuple[ImportedVersion, ...]:
        """The versions that another organisation made."""
        return tuple(version for version in self.versions if version.forwarded_by)
