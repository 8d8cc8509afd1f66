"""Files at a registrar's desk: each record for the patient whom it is about, registered where the desk met nobody so.

Order of effects, for each patient of a file: under which alias the source's patient is known here, durable; the patient
registered under that alias; the records imported. Each is found done when the file comes again, so an intake that was
broken off is finished by repeating it. Whom a file only refers to is known from an earlier file of the same source, or
by the alias that it names, or what is said of them is refused by name; an alias that somebody has is that patient,
whatever else a file says of them. Who might be registered already under another
name is shown (workflows.alike) and never merged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from careledger.domain.errors import CareLedgerError, ImportStopped, PatientNotFound
from careledger.formats.patients import AliasStatement
from careledger.ports import LedgerView
from careledger.workflows import register
from careledger.workflows.actors import Holder, Organisation, Session
from careledger.workflows.alike import KnownPeople, Like, SameContent, all_versions, same_contents
from careledger.workflows.batches import Writer
from careledger.workflows.custody import Chain, find_statement
from careledger.workflows.deposit import Deposited, Prepared, Progress
from careledger.workflows.epochs import ensure_epochs, own_statement
from careledger.workflows.grounds import writer
from careledger.workflows.network import Network
from careledger.workflows.register import IDENTITY, kept_holder
from careledger.workflows.source_patients import chosen_alias, known_alias, named_alias
from careledger.workflows.staged import Refusal, Staged, StagedPatient, StagedVersion
from careledger.workflows.staging import NOTHING, add_in_steps, deposit_in_steps, joined
from careledger.workflows.steps import Steps, whole
from careledger.workflows.together import Together

NO_PATIENT = "belongs to no patient of this file"
UNKNOWN_PATIENT = "is about a patient whom neither this file nor an earlier one names"


@dataclass(frozen=True)
class TakenIn:
    """What became of one patient's part of a file; ``new`` if the patient was registered for it.

    ``error`` is what stopped this part; the other parts are imported all the same. ``like`` are whom a new patient may
    be, ``same`` what may have been imported before.
    """

    alias: bytes | None
    new: bool
    deposited: Deposited
    error: CareLedgerError | None = None
    like: tuple[Like, ...] = ()
    same: tuple[SameContent, ...] = ()


@dataclass(frozen=True)
class JudgedPatient:
    """One patient of a file as the desk sees them before anything is imported; ``alias`` is None for a new one."""

    staged: StagedPatient
    alias: bytes | None
    like: tuple[Like, ...]
    same: tuple[SameContent, ...]


@dataclass(frozen=True)
class Judged:
    """Whose records a file holds, and every entry that is not imported, those included that belong to nobody."""

    patients: tuple[JudgedPatient, ...]
    refusals: tuple[Refusal, ...]


def registered_in(view: LedgerView, staged: Staged) -> frozenset[bytes]:
    """The aliases by which a file calls its patients and that are somebody's."""
    named = (named_alias(each.key) for each in staged.patients)
    return frozenset(each for each in named if each is not None and view.alias(each) is not None)


def judge(
    organisation: Organisation,
    staged: Staged,
    people: KnownPeople | None = None,
    registered: Collection[bytes] = (),
) -> Judged:
    """What the desk can make of a file; changes nothing. ``people`` is its identity table, if it was read already;
    ``registered`` as of ``registered_in``: whom the file calls so is that patient and no new one, whatever it says.

    Raises ImportStopped for a file that names no patient at all.
    """
    if staged.patients and not any(each.key for each in staged.patients):
        raise ImportStopped(file=staged.name, why="it names no patient; name one by --patient")
    people = people or KnownPeople(organisation)
    known: list[JudgedPatient] = []
    homeless: list[Refusal] = []
    for each in staged.patients:
        named = named_alias(each.key)
        alias = named if named in registered else known_alias(organisation, each.key) if each.key else None
        if alias is None and each.identity is None:
            alias = named
        if alias is not None:
            same = same_contents(organisation, alias, each.versions)
            known.append(JudgedPatient(each, alias, (), same))
        elif each.key and each.identity is not None:
            known.append(JudgedPatient(each, None, people.like(each.identity), ()))
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
    run: bytes = b"",
    people: KnownPeople | None = None,
) -> tuple[Judged, list[TakenIn]]:
    """Imports a file for the patients that it names; for who has claimed, without consent kept apart.

    ``run`` is the import that the file is part of (staging); ``people`` as of ``judge``, kept up to date. Raises what
    ``judge`` raises; with ``all_or_nothing`` ImportStopped for a file with a refusal, PatientNotFound for who is
    nobody.
    """
    return whole(
        take_in_steps(
            network, session, staged, all_or_nothing=all_or_nothing, progress=progress, run=run, people=people
        )
    )


def take_in_steps(
    network: Network,
    session: Session,
    staged: Staged,
    *,
    all_or_nothing: bool = False,
    progress: Progress = lambda count: None,
    run: bytes = b"",
    people: KnownPeople | None = None,
    most: int = 0,
) -> Steps[tuple[Judged, list[TakenIn]]]:
    """The same, a step for each portion of at most so many versions of one patient (as of ``deposit_in_steps``)."""
    people = people or KnownPeople(session.staff.organisation)
    registered = registered_in(network.ledger.fresh_head(), staged)
    judged = judge(session.staff.organisation, staged, people, registered)
    if all_or_nothing:
        stop_at_refusals(staged, judged.refusals)
        for named in judged.patients:
            if named.alias is not None:
                statement_of(network, session.staff.organisation, named.alias)
    taken: list[TakenIn] = []
    for each in judged.patients:
        taken.append((yield from _taken(network, session, each, people, progress, run, most)))
    return judged, taken


def became(network: Network, alias: bytes, prepared: Sequence[Prepared], root: bytes) -> TakenIn:
    """What became of one patient's portions that were anchored together under that root."""
    return TakenIn(
        alias, False, reduce(joined, (each.deposited(network, root) for each in prepared), NOTHING)
    )


def add_patient(
    network: Network,
    session: Session,
    judged: JudgedPatient,
    people: KnownPeople,
    together: Together,
    most: int,
) -> Steps[tuple[bytes, list[Prepared]]]:
    """Registers this patient where they are new, and adds the records to what is deposited together, a step for each
    portion of at most so many; returns the alias. Raises what registering and ``Together.add`` raise."""
    alias, _ = _met(network, session, judged, people)
    statement = statement_of(network, session.staff.organisation, alias)
    by, chains = _begun(network, session, statement, judged.staged.versions)
    return alias, (yield from add_in_steps(together, by, statement, judged.staged.versions, chains, most))


def _met(
    network: Network, session: Session, judged: JudgedPatient, people: KnownPeople
) -> tuple[bytes, bool]:
    """Under which alias this patient is registered, and whether only now."""
    alias, new, patient = judged.alias, False, judged.staged
    if alias is None or named_alias(patient.key) != alias:
        alias, new = _registered(network, session.staff.organisation, patient)
    if new and patient.identity is not None:
        people.add(replace(patient.identity, alias=alias))
    return alias, new


def _begun(
    network: Network, session: Session, statement: AliasStatement, versions: Sequence[StagedVersion]
) -> tuple[Writer, dict[int, Chain]]:
    """Who writes of this patient, and the epochs that were begun for it where this organisation keeps the keys."""
    holder = _holder(session.staff.organisation, statement.alias)
    by = writer(network, session, statement)
    if holder is None:
        return by, {}
    return by, ensure_epochs(network, holder, sorted({version.compartment.number for version in versions}))


def import_for(
    network: Network,
    session: Session,
    statement: AliasStatement,
    staged: Staged,
    *,
    all_or_nothing: bool = False,
    progress: Progress = lambda count: None,
    run: bytes = b"",
) -> TakenIn:
    """Imports a file for this patient, whatever the source calls them.

    Raises ImportStopped for a file about several patients, and with ``all_or_nothing`` for one with a refusal; what
    ``deposit`` raises.
    """
    check_one_patient(staged)
    if all_or_nothing:
        stop_at_refusals(staged, staged.refusals)
    versions = all_versions(staged)
    same = same_contents(session.staff.organisation, statement.alias, versions)
    made = whole(_imported(network, session, statement, versions, progress, run))
    return TakenIn(statement.alias, False, made, None, (), same)


def check_one_patient(staged: Staged) -> None:
    """Raises ImportStopped for a file that is about several patients."""
    several = [each.key for each in staged.patients if each.key]
    if len(several) > 1:
        raise ImportStopped(file=staged.name, why=f"it is about {len(several)} patients, not one")


def stop_at_refusals(staged: Staged, refusals: Sequence[Refusal]) -> None:
    """Raises ImportStopped if there is one."""
    if refusals:
        first = staged.named(refusals[0].index).removeprefix("entry ")
        raise ImportStopped(file=staged.name, rejected=len(refusals), first_entry=first)


def _taken(
    network: Network,
    session: Session,
    judged: JudgedPatient,
    people: KnownPeople,
    progress: Progress,
    run: bytes,
    most: int,
) -> Steps[TakenIn]:
    alias, new, patient = judged.alias, False, judged.staged
    made, failed = NOTHING, None
    like = people.like(patient.identity) if alias is None and patient.identity else ()
    try:
        alias, new = _met(network, session, judged, people)
        statement = statement_of(network, session.staff.organisation, alias)
        made = yield from _imported(network, session, statement, patient.versions, progress, run, most)
    except CareLedgerError as error:
        failed = error
    return TakenIn(alias, new, made, failed, like, judged.same)


def _imported(
    network: Network,
    session: Session,
    statement: AliasStatement,
    versions: Sequence[StagedVersion],
    progress: Progress,
    run: bytes,
    most: int = 0,
) -> Steps[Deposited]:
    by, chains = _begun(network, session, statement, versions)
    return (yield from deposit_in_steps(network, by, statement, versions, progress, chains, run, most))


def _registered(network: Network, organisation: Organisation, patient: StagedPatient) -> tuple[bytes, bool]:
    alias = chosen_alias(organisation, patient.key)
    register.finish_patients(network, organisation)
    if organisation.books.get(IDENTITY, alias) is not None:
        return alias, False
    register.patient(network, organisation, patient.identity, compartments=(), alias=alias)
    return alias, True


def statement_of(network: Network, organisation: Organisation, alias: bytes) -> AliasStatement:
    """The newest statement of a patient whom this organisation imported for; raises PatientNotFound."""
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
