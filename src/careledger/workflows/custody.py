"""A patient's custodians as a workflow talks to them: asking one, asking all, enough answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from careledger.domain.errors import (
    CareLedgerError,
    MalformedBytes,
    NotEnoughCustodians,
    PartyNotFound,
    PatientNotFound,
    SignatureRefused,
    StoreUnavailable,
)
from careledger.domain.facts import CustodianFacts
from careledger.formats.custody import AliasAnswer, AliasQuestion, CustodianKeys, Receipt
from careledger.formats.patients import AliasStatement, EpochRecord, EpochStatement
from careledger.formats.signatures import Address
from careledger.formats.signed import Signed, open_signed
from careledger.ports import CustodianLink, LedgerView
from careledger.sealing.keys import check_sealing_key
from careledger.workflows.network import Network

LOST = (StoreUnavailable, MalformedBytes, SignatureRefused)


def custodian_facts(view: LedgerView, number: int) -> CustodianFacts:
    """What the ledger says of a custodian; raises PartyNotFound."""
    facts = view.custodian(number)
    if facts is None:
        raise PartyNotFound(custodian=number)
    return facts


def sealing_key(view: LedgerView, link: CustodianLink) -> bytes:
    """A custodian's public sealing key, equal to the ledger's digest; raises DigestMismatch."""
    keys = CustodianKeys.decode(link.call("keys", b""))
    check_sealing_key(keys.sealing_key, custodian_facts(view, link.party).sealing_key)
    return keys.sealing_key


def receipt(network: Network, view: LedgerView, link: CustodianLink, method: str, body: bytes) -> Receipt:
    """A custodian's signed word that it did this; raises what it refused with, SignatureRefused, MalformedBytes."""
    signed = Signed.decode(link.call(method, body))
    signer = custodian_facts(view, link.party).signer
    return open_signed(Receipt, signed, signer, network.ledger.deployment)


@dataclass(frozen=True)
class Telling:
    """One message to one custodian."""

    number: int
    method: str
    body: bytes


def tell(network: Network, tellings: Sequence[Telling]) -> list[Receipt | None]:
    """Tells custodians, all of them; their receipts in order, None for those that cannot be reached.

    Raises the first refusal in order, after all were told.
    """
    told = outcomes(network, tellings)
    for outcome in told:
        if isinstance(outcome, CareLedgerError):
            raise outcome
    return [outcome if isinstance(outcome, Receipt) else None for outcome in told]


def outcomes(network: Network, tellings: Sequence[Telling]) -> list[Receipt | CareLedgerError | None]:
    """Tells custodians, all of them; in order their receipts, refusals, None for those that cannot be reached.

    One that does not know the patient while others do has missed the enrolment, so it counts as not reached.
    """
    view = network.ledger.fresh_head()

    def one(telling: Telling) -> Receipt | CareLedgerError | None:
        link = network.custodians.get(telling.number)
        try:
            return None if link is None else receipt(network, view, link, telling.method, telling.body)
        except LOST:
            return None
        except CareLedgerError as refusal:
            return refusal

    told = network.of_each(one, tellings)
    known = any(isinstance(outcome, Receipt) for outcome in told)
    return [None if known and isinstance(outcome, PatientNotFound) else outcome for outcome in told]


def receipts(
    network: Network, numbers: Iterable[int], method: str, body: bytes, needed: int
) -> list[Receipt]:
    """Tells these custodians the same and collects their receipts.

    Those that cannot be reached or refuse are passed over while enough do it. Under ``needed`` receipts it raises the
    first refusal, or NotEnoughCustodians: repeat then, every custodian takes the same message again.
    """
    told = outcomes(network, [Telling(number, method, body) for number in numbers])
    made = [each for each in told if isinstance(each, Receipt)]
    if len(made) >= needed:
        return made
    refusals = [each for each in told if isinstance(each, CareLedgerError)]
    raise refusals[0] if refusals else NotEnoughCustodians(found=len(made), needed=needed)


def ask_alias(
    network: Network, numbers: Iterable[int], alias: bytes, compartment: int | None
) -> list[AliasAnswer]:
    """What these custodians know of an alias; those that cannot be reached or talk nonsense are left out."""
    return list(alias_answers(network, numbers, alias, compartment).values())


def alias_answers(
    network: Network, numbers: Iterable[int], alias: bytes, compartment: int | None
) -> dict[int, AliasAnswer]:
    """The same by custodian."""
    question = AliasQuestion(alias, compartment).encode()
    answers = {}
    for number in numbers:
        link = network.custodians.get(number)
        try:
            if link is not None:
                answers[number] = AliasAnswer.decode(link.call("alias", question))
        except CareLedgerError:
            continue
    return answers


def find_statement(network: Network, alias: bytes, numbers: Iterable[int]) -> AliasStatement:
    """The highest-numbered alias statement that the present controller (of the dead the last) signed; raises
    PatientNotFound."""
    facts = network.ledger.fresh_head().alias(alias)
    if facts is None:
        raise PatientNotFound()
    answers = ask_alias(network, numbers, alias, None)
    return newest_statement(network, facts.signer, alias, answers)[0]


def newest_statement(
    network: Network, controller: Address, alias: bytes, answers: Iterable[AliasAnswer]
) -> tuple[AliasStatement, Signed]:
    """The highest-numbered statement in these answers that this controller signed; raises PatientNotFound."""
    found = [
        (statement, answer.statement)
        for answer in answers
        if answer.statement is not None
        and (statement := _checked(network, controller, answer.statement)) is not None
        and statement.alias == alias
    ]
    if not found:
        raise PatientNotFound()
    return max(found, key=lambda each: each[0].number)


def _checked(network: Network, controller: Address, signed: Signed) -> AliasStatement | None:
    try:
        return open_signed(AliasStatement, signed, controller, network.ledger.deployment)
    except (SignatureRefused, MalformedBytes):
        return None


Chain = Sequence[tuple[EpochStatement, EpochRecord]]


@dataclass(frozen=True)
class Epochs:
    """The epochs of a compartment, newest first, and the custodians that answered without the newest one."""

    chain: Chain
    lacking: tuple[int, ...]


def epoch_chain(
    network: Network,
    statement: AliasStatement,
    compartment: int,
    any_controller: bool = False,
    enough: int | None = None,
) -> Chain:
    """The epochs of a compartment, newest first; see ``known_epochs``."""
    return known_epochs(network, statement, compartment, any_controller, enough).chain


def known_epochs(
    network: Network,
    statement: AliasStatement,
    compartment: int,
    any_controller: bool = False,
    enough: int | None = None,
) -> Epochs:
    """The epochs of a compartment, newest first, united from all answers; empty where there is none.

    The newest is the highest-numbered statement that the present controller signed (with ``any_controller``, just
    after a rotation, that t custodians keep); each names the digest of the one before, and of several forms of a
    record the one that most custodians keep counts. Raises NotEnoughCustodians under ``enough`` answers, N − t + 1
    unless told otherwise, so that nobody can be fed an old key.
    """
    numbers = statement.custodians
    answers = alias_answers(network, numbers, statement.alias, compartment)
    needed = len(numbers) - network.thresholds.opening + 1 if enough is None else enough
    if len(answers) < needed:
        raise NotEnoughCustodians(found=len(answers), needed=needed)
    facts = network.ledger.fresh_head().alias(statement.alias)
    if facts is None:
        raise PatientNotFound()
    known = _known_epochs(statement.alias, compartment, answers.values())
    in_order = sorted(known.values(), key=lambda each: (each.statement.number, each.kept), reverse=True)
    for newest in in_order:
        if any_controller and newest.kept >= min(network.thresholds.opening, len(answers)):
            return _epochs(newest, known, answers)
        if not any_controller and _only_signed(network, newest, facts.controller):
            return _epochs(newest, known, answers)
    return Epochs((), ())


@dataclass
class _KnownEpoch:
    """One epoch statement with the forms in which its record came, each counted once for each custodian."""

    statement: EpochStatement
    forms: Counter[bytes]

    @property
    def kept(self) -> int:
        """How many custodians keep it in some form."""
        return self.forms.total()

    @property
    def record(self) -> EpochRecord:
        """The form that most keep."""
        return EpochRecord.decode(self.forms.most_common(1)[0][0])


def _known_epochs(alias: bytes, compartment: int, answers: Iterable[AliasAnswer]) -> dict[bytes, _KnownEpoch]:
    """Every epoch of the compartment that some answer has, by its statement's digest; nonsense is left out."""
    known: dict[bytes, _KnownEpoch] = {}
    for answer in answers:
        for form in set(answer.epochs):
            try:
                statement = EpochStatement.decode(EpochRecord.decode(form).statement.body)
            except MalformedBytes:
                continue
            if (statement.alias, statement.compartment) == (alias, compartment):
                known.setdefault(statement.digest(), _KnownEpoch(statement, Counter())).forms[form] += 1
    return known


def _only_signed(network: Network, epoch: _KnownEpoch, controller: Address) -> bool:
    """Leaves only the forms that the controller signed; False if there is none."""
    for form in list(epoch.forms):
        try:
            signed = EpochRecord.decode(form).statement
            open_signed(EpochStatement, signed, controller, network.ledger.deployment)
        except SignatureRefused:
            del epoch.forms[form]
    return epoch.kept > 0


def _epochs(newest: _KnownEpoch, known: dict[bytes, _KnownEpoch], answers: dict[int, AliasAnswer]) -> Epochs:
    lacking = tuple(number for number, each in answers.items() if newest.forms.keys().isdisjoint(each.epochs))
    return Epochs(_back_from(newest, known), lacking)


def _back_from(newest: _KnownEpoch, known: dict[bytes, _KnownEpoch]) -> Chain:
    """The chain from there, as far back as each epoch's predecessor is known."""
    chain, each = [], newest
    while True:
        chain.append((each.statement, each.record))
        before = known.get(each.statement.previous)
        if before is None or before.statement.number != each.statement.number - 1:
            return tuple(chain)
        each = before
