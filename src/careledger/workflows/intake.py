"""Many files at a registrar's desk: each for the one patient that it names, registered where the desk has not met it.

Order of effects of a file: which alias its patient has, durable; the patient registered under that alias; the records
imported. Each is found done when the file comes again, so an intake that was broken off is finished by repeating it.
Who might be registered already under another name is shown (workflows.link) and never merged.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from careledger.domain.errors import ImportStopped, PatientNotFound
from careledger.fhir.export import resource_of
from careledger.fhir.json_text import Resource
from careledger.fhir.versions import ImportedVersion, ImportReport
from careledger.formats.digests import framed
from careledger.formats.patients import AliasStatement
from careledger.sealing.keys import hmac_tag
from careledger.workflows import register
from careledger.workflows.actors import Holder, Organisation, Session
from careledger.workflows.custody import find_statement
from careledger.workflows.deposit import Progress
from careledger.workflows.epochs import own_statement
from careledger.workflows.grounds import writer
from careledger.workflows.import_file import Imported, import_report
from careledger.workflows.network import Network
from careledger.workflows.register import IDENTITY, Identity, kept_holder

SOURCE = "source-patient"
MOST_NAME = 200


@dataclass(frozen=True)
class TakenIn:
    """What became of one file; ``new`` if its patient was registered for it."""

    alias: bytes
    new: bool
    imported: Imported


def take_in(
    network: Network,
    session: Session,
    report: ImportReport,
    *,
    all_or_nothing: bool = False,
    progress: Progress = lambda count: None,
) -> TakenIn:
    """Imports a file for the patient that it names; once the patient has claimed, without consent kept apart.

    Raises ImportStopped for a file that names no patient or several, and with ``all_or_nothing`` for one with rejects;
    what ``import_report`` raises.
    """
    organisation = session.staff.organisation
    version = patient_version(report)
    if all_or_nothing and report.rejects:
        first = report.rejects[0].index
        raise ImportStopped(file=report.file_name, rejected=len(report.rejects), first_entry=first)
    alias, new = _patient(network, organisation, version)
    statement = _statement(network, organisation, alias)
    holder = _holder(organisation, alias)
    by = writer(network, session, statement)
    imported = import_report(network, by, statement, report, holder=holder, progress=progress)
    return TakenIn(alias, new, imported)


def patient_version(report: ImportReport) -> ImportedVersion:
    """The file's one Patient; raises ImportStopped."""
    named = [version for version in report.versions if version.resource_type == "Patient"]
    if len(named) != 1:
        raise ImportStopped(
            file=report.file_name, why=f"it names {len(named) or 'no'} patients; name one by --patient"
        )
    return named[0]


def known_alias(organisation: Organisation, version: ImportedVersion) -> bytes | None:
    """Under which alias the source's patient was registered, if it was."""
    return organisation.books.get(SOURCE, _source(organisation, version))


def _source(organisation: Organisation, version: ImportedVersion) -> bytes:
    return hmac_tag(organisation.tag, framed("source-patient", version.source_key.encode()))


def _patient(network: Network, organisation: Organisation, version: ImportedVersion) -> tuple[bytes, bool]:
    key = _source(organisation, version)
    alias = organisation.books.get(SOURCE, key)
    if alias is None:
        alias = secrets.token_bytes(32)
        organisation.books.put(SOURCE, [(key, alias)])
    register.finish_patients(network, organisation)
    if organisation.books.get(IDENTITY, alias) is not None:
        return alias, False
    identity = identity_of(resource_of(version.body))
    register.patient(network, organisation, identity, compartments=(), alias=alias)
    return alias, True


def _statement(network: Network, organisation: Organisation, alias: bytes) -> AliasStatement:
    holder = _holder(organisation, alias)
    if holder is not None:
        return own_statement(holder)[0]
    custodians = [each.number for each in network.ledger.fresh_head().custodians_ever()]
    return find_statement(network, alias, custodians)


def _holder(organisation: Organisation, alias: bytes) -> Holder | None:
    """The patient's keys, as long as this organisation keeps them."""
    try:
        return kept_holder(organisation, alias)
    except PatientNotFound:
        return None


def identity_of(patient: Resource) -> Identity:
    """What a Patient resource says of who it is, for the registrar's own table; empty where it says nothing."""
    names = [each for each in patient.get("name", ()) if isinstance(each, dict)]
    official = next((each for each in names if each.get("use") == "official"), names[0] if names else {})
    written = official.get("text") or " ".join(
        [*(each for each in official.get("given", ()) if isinstance(each, str)), official.get("family", "")]
    )
    birth = patient.get("birthDate", "")
    return Identity(bytes(32), bytes(16), written.strip()[:MOST_NAME], "", "", birth, bytes(32))
