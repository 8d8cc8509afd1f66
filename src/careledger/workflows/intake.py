"""Files at a registrar's desk: each record for the patient whom it is about, registered where the desk met nobody so.

Order of effects, for each patient of a file: under which alias the source's patient is known here, durable; the patient
registered under that alias; the records imported. Each is found done when the file comes again, so an intake that was
broken off is finished by repeating it. Whom a file only refers to is known from an earlier file of the same source, or
what is said of them is refused by name. Who might be registered already under another name is shown
(workflows.link) and never merged.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from careledger.domain.errors import CareLedgerError, ImportStopped, PatientNotFound
from careledger.formats.digests import framed
from careledger.formats.patients import AliasStatement
from careledger.sealing.keys import hmac_tag
from careledger.workflows import register
from careledger.workflows.actors import Holder, Organisation, Session
from careledger.workflows.custody import Chain, find_statement
from careledger.workflows.deposit import Deposited, Progress
from careledger.workflows.epochs import ensure_epochs, own_statement
from careledger.workflows.grounds import writer
from careledger.workflows.network import Network
from careledger.workflows.register import IDENTITY, kept_holder
from careledger.workflows.staging import (
    NOTHING,
    Refusal,
    Staged,
    StagedPatient,
    StagedVersion,
    deposit_staged,
)

SOURCE = "source-patient"
NO_PATIENT = "belongs to no patient of this file"
UNKNOWN_PATIENT = "is about a patient whom neither this file nor an earlier one names"


@dataclass(frozen=True)
class TakenIn:
    """What became of one patient's part of a file; ``new`` if the patient was registered for it.

    ``error`` is what stopped this part; the other parts are imported all the same.
    """

    alias: bytes | None
    new: bool
    deposited: Deposited
    error: CareLedgerError | None = None


@dataclass(frozen=True)
class Judged:
    """Whose records a file holds, and every entry that is not imported, those included that belong to nobody."""

    patients: tuple[StagedPatient, ...]
    refusals: tuple[Refusal, ...]


def judge(organisation: Organisation, staged: Staged) -> Judged:
    """What the desk can make of a file; changes nothing.

    Raises ImportStopped for a file that names no patient at all.
    """
    if staged.patients and not any(each.key for each in staged.patients):
        raise ImportStopped(file=staged.name, why="it names no patient; name one by --patient")
    known, homeless = [], []
    for each in staged.patients:
        if each.key and _is_known(organisation, each):
            known.append(each)
        else:
            why = UNKNOWN_PATIENT if each.key else NO_PATIENT
            homeless += [Refusal(version.index, "", why) for version in each.versions]
    refusals = sorted([*staged.refusals, *homeless], key=lambda each: each.index)
    return Judged(tuple(known), tuple(refusals))


def take_in(
    network: Network,
    session: Session,
    staged: Staged,
    *,
    all_or_nothing: bool = False,
    progress: Progress = lambda count: None,
) -> tuple[Judged, list[TakenIn]]:
    """Imports a file for the patients that it names; for who has claimed, without consent kept apart.

    Raises what ``judge`` raises, and ImportStopped with ``all_or_nothing`` for a file with a refusal.
    """
    judged = judge(session.staff.organisation, staged)
    if all_or_nothing:
        stop_at_refusals(staged.name, judged.refusals)
    return judged, [_taken(network, session, each, progress) for each in judged.patients]


def import_for(
    network: Network,
    session: Session,
    statement: AliasStatement,
    staged: Staged,
    *,
    all_or_nothing: bool = False,
    progress: Progress = lambda count: None,
) -> Deposited:
    """Imports a file for this patient, whatever the source calls them.

    Raises ImportStopped for a file about several patients, and with ``all_or_nothing`` for one with a refusal; what
    ``deposit`` raises.
    """
    check_one_patient(staged)
    if all_or_nothing:
        stop_at_refusals(staged.name, staged.refusals)
    versions = [version for each in staged.patients for version in each.versions]
    return _imported(network, session, statement, versions, progress)


def check_one_patient(staged: Staged) -> None:
    """Raises ImportStopped for a file that is about several patients."""
    several = [each.key for each in staged.patients if each.key]
    if len(several) > 1:
        raise ImportStopped(file=staged.name, why=f"it is about {len(several)} patients, not one")


def stop_at_refusals(name: str, refusals: Sequence[Refusal]) -> None:
    """Raises ImportStopped if there is one."""
    if refusals:
        raise ImportStopped(file=name, rejected=len(refusals), first_entry=refusals[0].index)


def known_alias(organisation: Organisation, key: str) -> bytes | None:
    """Under which alias the patient whom a source calls so was registered, if they were."""
    alias = organisation.books.get(SOURCE, _source(organisation, key))
    return alias if alias is not None and organisation.books.get(IDENTITY, alias) is not None else None


def _source(organisation: Organisation, key: str) -> bytes:
    return hmac_tag(organisation.tag, framed("source-patient", key.encode()))


def _is_known(organisation: Organisation, patient: StagedPatient) -> bool:
    return patient.identity is not None or known_alias(organisation, patient.key) is not None


def _taken(network: Network, session: Session, patient: StagedPatient, progress: Progress) -> TakenIn:
    alias, new = None, False
    try:
        alias, new = _registered(network, session.staff.organisation, patient)
        statement = _statement(network, session.staff.organisation, alias)
        made = _imported(network, session, statement, patient.versions, progress)
        return TakenIn(alias, new, made)
    except CareLedgerError as error:
        return TakenIn(alias, new, NOTHING, error)


def _imported(
    network: Network,
    session: Session,
    statement: AliasStatement,
    versions: Sequence[StagedVersion],
    progress: Progress,
) -> Deposited:
    holder = _holder(session.staff.organisation, statement.alias)
    by = writer(network, session, statement)
    chains: dict[int, Chain] = {}
    if holder is not None:
        chains = ensure_epochs(network, holder, sorted({version.compartment.number for version in versions}))
    return deposit_staged(network, by, statement, versions, progress, chains)


def _registered(network: Network, organisation: Organisation, patient: StagedPatient) -> tuple[bytes, bool]:
    key = _source(organisation, patient.key)
    alias = organisation.books.get(SOURCE, key)
    if alias is None:
        alias = secrets.token_bytes(32)
        organisation.books.put(SOURCE, [(key, alias)])
    register.finish_patients(network, organisation)
    if organisation.books.get(IDENTITY, alias) is not None:
        return alias, False
    register.patient(network, organisation, patient.identity, compartments=(), alias=alias)
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
