"""A patient's custodians as a workflow talks to them: asking one, asking all, enough answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    """Tells custodians at the same time; their receipts in order, None for those that cannot be reached.

    Raises the first refusal in order, after all were told. One that does not know the patient while others do has
    missed the enrolment, so it counts as not reached.
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

    with ThreadPoolExecutor(max(1, len(tellings))) as pool:
        outcomes = list(pool.map(one, tellings))
    known = any(isinstance(outcome, Receipt) for outcome in outcomes)
    for outcome in outcomes:
        if isinstance(outcome, CareLedgerError) and not (known and isinstance(outcome, PatientNotFound)):
            raise outcome
    return [outcome if isinstance(outcome, Receipt) else None for outcome in outcomes]


def receipts(
    network: Network, numbers: Iterable[int], method: str, body: bytes, needed: int
) -> list[Receipt]:
    """Tells these custodians the same and collects their receipts.

    A custodian that cannot be reached is passed over; one that refuses ends it with its refusal. Raises
    NotEnoughCustodians under ``needed`` receipts: repeat, every custodian takes the same message again.
    """
    told = tell(network, [Telling(number, method, body) for number in numbers])
    made = [each for each in told if each is not None]
    if len(made) < needed:
        raise NotEnoughCustodians(found=len(made), needed=needed)
    return made


def ask_alias(
    network: Network, numbers: Iterable[int], alias: bytes, compartment: int | None
) -> list[AliasAnswer]:
    """What these custodians know of an alias; those that cannot be reached or talk nonsense are left out."""
    question = AliasQuestion(alias, compartment).encode()
    answers = []
    for number in numbers:
        link = network.custodians.get(number)
        try:
            if link is not None:
                answers.append(AliasAnswer.decode(link.call("alias", question)))
        except CareLedgerError:
            continue
    return answers


def find_statement(network: Network, alias: bytes, numbers: Iterable[int]) -> AliasStatement:
    """The highest-numbered alias statement that the present controller signed; raises PatientNotFound."""
    facts = network.ledger.fresh_head().alias(alias)
    if facts is None:
        raise PatientNotFound()
    best: AliasStatement | None = None
    for answer in ask_alias(network, numbers, alias, None):
        statement = _checked(network, facts.controller, answer.statement)
        if (
            statement is not None
            and statement.alias == alias
            and (best is None or statement.number > best.number)
        ):
            best = statement
    if best is None:
        raise PatientNotFound()
    return best


def _checked(network: Network, controller: bytes, signed: Signed | None) -> AliasStatement | None:
    if signed is None:
        return None
    try:
        return open_signed(AliasStatement, signed, controller, network.ledger.deployment)
    except (SignatureRefused, MalformedBytes):
        return None


Chain = Sequence[tuple[EpochStatement, EpochRecord]]


def epoch_chain(
    network: Network, statement: AliasStatement, compartment: int, any_controller: bool = False
) -> Chain:
    """The longest valid chain of epochs of a compartment, newest first; empty where there is none.

    Valid: the newest statement is signed by the present controller (unless ``any_controller``: just after a
    rotation none is yet) and each names the digest of the one before. Raises NotEnoughCustodians under N − t + 1
    answers, so that nobody can be fed an old key.
    """
    numbers = statement.custodians
    answers = ask_alias(network, numbers, statement.alias, compartment)
    needed = len(numbers) - network.thresholds.opening + 1
    if len(answers) < needed:
        raise NotEnoughCustodians(found=len(answers), needed=needed)
    facts = network.ledger.fresh_head().alias(statement.alias)
    if facts is None:
        raise PatientNotFound()
    controller = None if any_controller else facts.controller
    chains = (_chain(network, controller, statement.alias, compartment, answer.epochs) for answer in answers)
    return max(chains, key=len)


def _chain(
    network: Network, controller: bytes | None, alias: bytes, compartment: int, epochs: Sequence[bytes]
) -> Chain:
    """One custodian's epochs, newest first, or nothing if they do not hold together."""
    try:
        records = [EpochRecord.decode(each) for each in epochs]
        statements = [EpochStatement.decode(record.statement.body) for record in records]
        for number, statement in enumerate(statements):
            before = statements[number - 1].digest() if number else bytes(32)
            if (statement.alias, statement.compartment, statement.number) != (alias, compartment, number):
                return ()
            if statement.previous != before:
                return ()
        if records and controller is not None:
            open_signed(EpochStatement, records[-1].statement, controller, network.ledger.deployment)
    except (MalformedBytes, SignatureRefused):
        return ()
    return tuple(zip(reversed(statements), reversed(records), strict=True))
