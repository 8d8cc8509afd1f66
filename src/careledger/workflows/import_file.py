"""Import a FHIR file: read, split, place, attribute, deposit.

The patient's registrar, or an organisation with an append consent, imports. Practitioners and organisations in the
file become unverified copies under the patient's alias, never parties.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from careledger.domain.errors import ImportStopped
from careledger.fhir.authorship import Identifier, Lookup
from careledger.fhir.split import import_bundle, nobody_registered
from careledger.fhir.versions import ImportedVersion, ImportReport
from careledger.formats.patients import AliasStatement
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.batches import NewVersion, Writer
from careledger.workflows.deposit import Deposited, Progress, deposit
from careledger.workflows.epochs import ensure_epochs
from careledger.workflows.network import Network

FHIR_JSON = "application/fhir+json"
Chosen = Callable[[ImportedVersion], bool]


@dataclass(frozen=True)
class Imported:
    """What became of a file: the report of its entries, and the deposit of its versions."""

    report: ImportReport
    deposited: Deposited


def import_file(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    data: bytes,
    file_name: str,
    *,
    home: Identifier | None = None,
    lookup: Lookup = nobody_registered,
    holder: Holder | None = None,
    all_or_nothing: bool = False,
    chosen: Chosen = lambda version: True,
    progress: Progress = lambda count: None,
) -> Imported:
    """Imports a file for one patient; repeating deposits nothing twice.

    With ``holder`` (the registrar's, until the patient claims) first epochs are begun where the file needs them. An
    entry that cannot be imported is a reject of the report; with ``all_or_nothing`` it stops the whole file.
    Raises FhirRefused for the file as a whole, and what ``deposit`` raises.
    """
    namespace = namespace_of(writer.organisation)
    report = import_bundle(data, file_name, namespace=namespace, home=home, lookup=lookup)
    return import_report(
        network, writer, statement, report, holder=holder, all_or_nothing=all_or_nothing, chosen=chosen,
        progress=progress,
    )  # fmt: skip


def namespace_of(organisation: Organisation) -> bytes:
    """What makes the record ids of an organisation's imports its own."""
    return organisation.number.to_bytes(8, "big")


def import_report(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    report: ImportReport,
    *,
    holder: Holder | None = None,
    all_or_nothing: bool = False,
    chosen: Chosen = lambda version: True,
    progress: Progress = lambda count: None,
) -> Imported:
    """As ``import_file``, of a file that was read before."""
    if all_or_nothing and report.rejects:
        first = report.rejects[0].index
        raise ImportStopped(file=report.file_name, rejected=len(report.rejects), first_entry=first)
    versions = [new_version(each, report.mapping_version) for each in report.versions if chosen(each)]
    if holder is not None:
        ensure_epochs(network, holder, sorted({version.compartment.number for version in versions}))
    return Imported(report, deposit(network, writer, statement, versions, progress))


def new_version(imported: ImportedVersion, mapping_version: int) -> NewVersion:
    """The first version of an imported record, as it is deposited."""
    note = f"forwarded by {imported.forwarded_by}" if imported.forwarded_by else ""
    return NewVersion(
        record_id=imported.record_id.bytes,
        version=1,
        predecessor=None,
        resource_type=imported.resource_type,
        subject=str(imported.subject) if imported.subject else imported.subject_stated[:256],
        compartment=imported.compartment,
        body=imported.body,
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
