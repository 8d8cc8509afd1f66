"""A FHIR file as the staging step takes it: its versions by patient, and who each patient is said to be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path

from careledger.domain.categories import Compartment
from careledger.fhir.export import resource_of
from careledger.fhir.joined import JoinedLines
from careledger.fhir.json_text import Resource
from careledger.fhir.parse import NDJSON, shown
from careledger.fhir.split import import_bundle, import_open, loaded
from careledger.fhir.versions import ImportedVersion, ImportReport
from careledger.workflows.identity_rows import Identity
from careledger.workflows.new_versions import NewVersion, ReadyBody
from careledger.workflows.staged import Refusal, Staged, StagedPatient, StagedVersion

FHIR_JSON = "application/fhir+json"
MOST_NAME = 200
AT_ONCE = 8 * 2**20


Unit = tuple[Path, ...]


def staged_file(unit: Unit, namespace: bytes) -> Staged:
    """What a file holds, sorted by patient, or several files of lines read as one; raises FhirRefused, OSError.

    Small files are read as a whole, which is faster. Of others the large resources, with their attachments, stay in
    the file until they are deposited.
    """
    if len(unit) > 1:
        return _joined(unit, namespace)
    [path] = unit
    if path.stat().st_size <= AT_ONCE:
        return staged(import_bundle(path.read_bytes(), path.name, namespace=namespace))
    with path.open("rb") as file:
        return staged(import_open(file, path.name, namespace=namespace), unit)


def _joined(unit: Unit, namespace: bytes) -> Staged:
    with closing(JoinedLines(unit)) as lines:
        report = import_open(lines, f"{unit[0].parent.name}{NDJSON}", namespace=namespace)
        firsts = accumulate(lines.counts, initial=0)
        parts = tuple((shown(path.name), first) for path, first in zip(unit, firsts, strict=False))
    return replace(staged(report, unit), parts=parts)


def staged(report: ImportReport, unit: Unit = ()) -> Staged:
    """What was read of a FHIR file, sorted by patient; ``unit`` is where the large versions were left."""
    groups: dict[str, list[ImportedVersion]] = defaultdict(list)
    for version in report.versions:
        groups[version.patient_key].append(version)
    return Staged(
        report.file_name,
        tuple(_patient(key, versions, report.mapping_version, unit) for key, versions in groups.items()),
        tuple(Refusal(each.index, each.path, each.why) for each in report.rejects),
        tuple(f"entry {each.index}, {each.resource_type}: {each.what}" for each in report.warnings),
        len(report.unmapped),
    )


def staged_versions(
    versions: Iterable[ImportedVersion], mapping_version: int, unit: Unit = ()
) -> tuple[StagedVersion, ...]:
    """These versions; those that were left in their file are made when they are asked for."""
    return tuple(
        StagedVersion(
            each.index,
            each.record_id.bytes,
            each.content,
            Compartment.numbered(each.compartment.number),
            each.size,
            _load(unit, each, mapping_version),
        )
        for each in versions
    )


def _load(unit: Unit, version: ImportedVersion, mapping_version: int) -> Callable[[], NewVersion]:
    if version.place is None:
        return _Made(new_version(version, mapping_version))
    return partial(_loaded_version, unit, version, mapping_version)


@dataclass(frozen=True, repr=False)
class _Made:
    """A version that was read with its bytes, as it is deposited: so it is light to hand to another process."""

    version: NewVersion

    def __call__(self) -> NewVersion:
        return self.version


def _patient(key: str, versions: list[ImportedVersion], mapping_version: int, unit: Unit) -> StagedPatient:
    named = [each for each in versions if each.resource_type == "Patient"]
    identity = _identity(named[0], unit) if named else None
    return StagedPatient(key, identity, staged_versions(versions, mapping_version, unit))


def _identity(patient: ImportedVersion, unit: Unit) -> Identity:
    return identity_of(resource_of(_loaded(unit, patient).body))


def _loaded_version(unit: Unit, imported: ImportedVersion, mapping_version: int) -> NewVersion:
    return new_version(_loaded(unit, imported), mapping_version)


def _loaded(unit: Unit, version: ImportedVersion) -> ImportedVersion:
    """With its bytes, read again where they were left; raises FhirRefused if they are others now."""
    if version.place is None or not unit:
        return version
    try:
        with closing(JoinedLines(unit)) as file:
            file.seek(version.place.offset)
            data = file.read(version.place.length)
    except OSError:
        data = b""
    return loaded(version, data)


def new_version(imported: ImportedVersion, mapping_version: int) -> NewVersion:
    """The first version of an imported record, as it is deposited."""
    note = f"forwarded by {imported.forwarded_by}" if imported.forwarded_by else ""
    return NewVersion(
        record_id=imported.record_id.bytes,
        version=1,
        predecessor=None,
        resource_type=imported.resource_type,
        subject=str(imported.subject) if imported.subject else imported.subject_stated[:256],
        compartment=Compartment.numbered(imported.compartment.number),
        body=ReadyBody.of(imported.body),
        mime_type=FHIR_JSON,
        source=imported.author.source,
        source_key=imported.source_key,
        mapping_version=mapping_version,
        clinical_date=imported.clinical_date,
        author=0,
        author_stated=imported.author.text,
        author_resolved=imported.author.resolved,
        note=note[:1000],
    )


def identity_of(patient: Resource) -> Identity:
    """What a Patient resource says of who it is, for the registrar's own table; empty where it says nothing."""
    names = [each for each in patient.get("name", ()) if isinstance(each, dict)]
    official = next((each for each in names if each.get("use") == "official"), names[0] if names else {})
    written = official.get("text") or " ".join(
        [*(each for each in official.get("given", ()) if isinstance(each, str)), official.get("family", "")]
    )
    birth = patient.get("birthDate", "")
    return Identity(bytes(32), bytes(16), written.strip()[:MOST_NAME], "", "", birth, bytes(32))
