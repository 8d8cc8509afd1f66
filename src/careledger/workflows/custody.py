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


def outcomes(
    network: Network, tellings: Sequence[Telling], durable: bool = False
) -> list[Receipt | CareLedgerError | None]:
    """Tells custodians, all of them; in order their receipts, refusals, None for those that cannot be reached.

    ``durable``: each writes before it answers, so they do it at the same time, in whatever process they are.
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

    told = network.of_each(one, tellings, durable)
    known = any(isinstance(outcome, Receipt) for outcome in told)
    return [None if known and isinstance(outcome, PatientNotFound) else outcome for outcome in told]


def receipts(
    network: Network, numbers: Iterable[int], method: str, body: bytes, needed: int, durable: bool = False
) -> list[Receipt]:
    """Tells these custodians the same and collects their receipts; ``durable`` as in ``outcomes``.

    Those that cannot be reached or refuse are passed over while enough do it. Under ``needed`` receipts it raises the
    first refusal, or NotEnoughCustodians: repeat then, every custodian takes the same message again.
    """
    told = outcomes(network, [Telling(number, method, body) for number in numbers], durable)
    made = [each for each in told if isinstance(each, Receipt)]
    if len(made) >= needed:
        return made
    refusals = [each for each in told if isinstance(each, CareLedgerError)]
    raise refusals[0] if refusals else NotEnoughCustodians(found=len(made), needed=needed)


def alias_answers(
    network: Network, numbers: Iterable[int], question: AliasQuestion
) -> dict[int, AliasAnswer]:
    """What these custodians know of an alias; those that cannot be reached or talk nonsense are left out."""
    encoded, asked = question.encode(), tuple(numbers)

    def one(number: int) -> AliasAnswer | None:
        link = network.custodians.get(number)
        try:
            return None if link is None else AliasAnswer.decode(link.call("alias", encoded))
        except CareLedgerError:
            return None

    answers = zip(asked, network.of_each(one, asked), strict=True)
    return {number: answer for number, answer in answers if answer is not None}


def find_statement(network: Network, alias: bytes, numbers: Iterable[int]) -> AliasStatement:
    """The highest-numbered alias statement that the present controller (of the dead the last) signed; raises
    PatientNotFound."""
    facts = network.ledger.fresh_head().alias(alias)
    if facts is None:
        raise PatientNotFound()
    answers = alias_answers(network, numbers, AliasQuestion(alias, None, ()))
    return newest_statement(network, facts.signer, alias, answers.values())[0]


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


def epoch_chain(
    network: Network,
    statement: AliasStatement,
    compartment: int,
    any_controller: bool = False,
    enough: int | None = None,
) -> Chain:
    """The epochs of a compartment, newest first, united from all answers; empty where there is none.

    The newest is the highest-numbered statement that the present controller signed (with ``any_controller``, just
    after a rotation, that t custodians keep); each names the digest of the one before, and of several forms of a
    record the one that most custodians keep counts. Raises NotEnoughCustodians under ``enough`` answers, N − t + 1
    unless told otherwise, so that nobody can be fed an old key.
    """
    answers = _enough_answers(network, statement, AliasQuestion(statement.alias, compartment, ()), enough)
    controller = _controller(network, statement.alias)
    known = _known_epochs(statement.alias, compartment, [answer.epochs for answer in answers.values()])
    for newest in _newest_first(known):
        if any_controller and newest.kept >= min(network.thresholds.opening, len(answers)):
            return _back_from(newest, known)
        if not any_controller and _only_signed(network, newest, controller):
            return _back_from(newest, known)
    return ()


@dataclass(frozen=True)
class Newest:
    """The newest epoch of a compartment, with the custodians that answered without it, and with too few before it."""

    statement: EpochStatement
    record: EpochRecord
    lacking: tuple[int, ...]
    behind: tuple[int, ...]

    @property
    def chain(self) -> Chain:
        """The newest epoch as a chain of one."""
        return ((self.statement, self.record),)


def newest_epochs(
    network: Network, statement: AliasStatement, compartments: Iterable[int]
) -> dict[int, Newest]:
    """The newest epoch of each of these compartments that has one, by one question to every custodian.

    Chosen as ``epoch_chain`` does, whatever the number of epochs: a custodian takes none that is older than what it
    has, so what the present controller signed last is the newest that an honest one keeps. Raises NotEnoughCustodians.
    """
    asked = tuple(compartments)
    if not asked:
        return {}
    answers = _enough_answers(network, statement, AliasQuestion(statement.alias, None, asked), None)
    controller = _controller(network, statement.alias)
    found = {each: _newest(network, statement.alias, controller, each, answers) for each in asked}
    return {compartment: newest for compartment, newest in found.items() if newest is not None}


def _newest(
    network: Network, alias: bytes, controller: Address, compartment: int, answers: dict[int, AliasAnswer]
) -> Newest | None:
    told = {
        number: each
        for number, answer in answers.items()
        for each in answer.newest
        if each.compartment == compartment
    }
    known = _known_epochs(alias, compartment, [(each.record,) for each in told.values()])
    for epoch in _newest_first(known):
        if _only_signed(network, epoch, controller):
            has = [number for number, each in told.items() if each.record in epoch.forms]
            whole = [number for number in has if told[number].kept > epoch.statement.number]
            return Newest(
                epoch.statement,
                epoch.record,
                tuple(number for number in answers if number not in has),
                tuple(number for number in answers if number not in whole),
            )
    return None


def _enough_answers(
    network: Network, statement: AliasStatement, question: AliasQuestion, enough: int | None
) -> dict[int, AliasAnswer]:
    """The answers of the list; raises NotEnoughCustodians under ``enough``, N − t + 1 unless told otherwise."""
    numbers = statement.custodians
    answers = alias_answers(network, numbers, question)
    needed = len(numbers) - network.thresholds.opening + 1 if enough is None else enough
    if len(answers) < needed:
        raise NotEnoughCustodians(found=len(answers), needed=needed)
    return answers


def _controller(network: Network, alias: bytes) -> Address:
    """Who controls an alias now; raises PatientNotFound."""
    facts = network.ledger.fresh_head().alias(alias)
    if facts is None:
        raise PatientNotFound()
    return facts.controller


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


def _newest_first(known: dict[bytes, _KnownEpoch]) -> list[_KnownEpoch]:
    """By number; of several with one number the one that most custodians keep."""
    return sorted(known.values(), key=lambda each: (each.statement.number, each.kept), reverse=True)


def _known_epochs(
    alias: bytes, compartment: int, answers: Iterable[Iterable[bytes]]
) -> dict[bytes, _KnownEpoch]:
    """Every epoch of the compartment that some answer has, by its statement's digest; nonsense is left out."""
    known: dict[bytes, _KnownEpoch] = {}
    for records in answers:
        for form in set(records):
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


def _back_from(newest: _KnownEpoch, known: dict[bytes, _KnownEpoch]) -> Chain:
    """The chain from there, as far back as each epoch's predecessor is known."""
    chain, each = [], newest
    while True:
        chain.append((each.statement, each.record))
        before = known.get(each.statement.previous)
        if before is None or before.statement.number != each.statement.number - 1:
            return tuple(chain)
        each = before
