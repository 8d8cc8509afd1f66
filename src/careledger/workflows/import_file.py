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
from careledger.workflows.batches import Writer
from careledger.workflows.custody import Chain
from careledger.workflows.deposit import Deposited, Progress
from careledger.workflows.epochs import ensure_epochs
from careledger.workflows.from_fhir import staged_versions
from careledger.workflows.network import Network
from careledger.workflows.source_patients import known_as
from careledger.workflows.staging import deposit_staged

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
    """Imports a file for one patient; repeating deposits nothing twice, and for another patient makes other records.

    With ``holder`` (the registrar's, until the patient claims) first epochs are begun where the file needs them. An
    entry that cannot be imported is a reject of the report; with ``all_or_nothing`` it stops the whole file.
    Raises FhirRefused for the file as a whole, and what ``deposit`` raises.
    """
    namespace, alias = namespace_of(writer.organisation), statement.alias
    report = import_bundle(data, file_name, namespace=namespace + alias, home=home, lookup=lookup)
    if known_as(writer.organisation, {each.patient_key for each in report.versions}, alias):
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
    chosen_ones = [each for each in report.versions if chosen(each)]
    chains: dict[int, Chain] = {}
    if holder is not None:
        numbers = sorted({version.compartment.number for version in chosen_ones})
        chains = ensure_epochs(network, holder, numbers)
    versions = staged_versions(chosen_ones, report.mapping_version)
    return Imported(report, deposit_staged(network, writer, statement, versions, progress, chains))
