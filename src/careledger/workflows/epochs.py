"""A holder's statements and epochs: published to its custodians, continued, opened.

Order of effects: books (the seed is not lost), custodians (in force once n hold it), books (number reached, and who
need not be told any more, at once).
Repeating publishes the same statement again, which custodians take as done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import CareLedgerError, NotEnoughCustodians, NotTheController
from careledger.formats.custody import AliasQuestion, Receipt
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement, Enrolment, EpochRecord, EpochRecords, EpochStatement
from careledger.formats.signed import Signed, sign
from careledger.sealing.epochs import Epoch, new_epoch_seed, open_back, open_record, seal_record, seal_seed
from careledger.sealing.keys import SealingKey, Secret, wrap
from careledger.sealing.phrase import audit_key
from careledger.workflows.actors import HOLDER, Holder
from careledger.workflows.custody import (
    LOST,
    Chain,
    Newest,
    Telling,
    alias_answers,
    epoch_chain,
    newest_epochs,
    outcomes,
    receipt,
    receipts,
    sealing_key,
)
from careledger.workflows.network import Network

ALL = tuple(Compartment(category, sensitivity).number for category in Category for sensitivity in Sensitivity)
STATEMENT = "alias-statement"
EMERGENCIES = "named-for-emergencies"
UNTOLD = "untold-statement"


@dataclass(frozen=True)
class OpenEpoch:
    """An epoch whose seed the holder has."""

    statement: EpochStatement
    seed: Secret


def own_statement(holder: Holder) -> tuple[AliasStatement, Signed]:
    """The holder's newest published statement; raises NotTheController before there is one."""
    row = holder.books.get(STATEMENT, holder.alias)
    if row is None:
        raise NotTheController()
    signed = Signed.decode(row)
    return AliasStatement.decode(signed.body), signed


def published(holder: Holder) -> AliasStatement | None:
    """The newest statement that this holder published under its claim; its books may keep a former claim's."""
    row = holder.books.get(STATEMENT, holder.alias)
    statement = AliasStatement.decode(Signed.decode(row).body) if row is not None else None
    return statement if statement is not None and statement.claim == holder.state.claim else None


def _caught_up(holder: Holder) -> Holder:
    """The holder after the statement that it published last, also if a crash kept that out of its state."""
    holder, newest = holder.fresh(), published(holder)
    state = holder.state
    if newest is None or (newest.number, newest.digest()) == (state.statement_number, state.statement_digest):
        return holder
    return holder.changed(statement_number=newest.number, statement_digest=newest.digest())


def publish_statement(
    network: Network, holder: Holder, custodians: tuple[int, ...], seed: bytes, registrar: int, escrow: bool
) -> Holder:
    """Signs the next alias statement and enrols the alias at each custodian; needs n of them."""
    holder = _caught_up(holder)
    state = holder.state
    number = state.statement_number + 1 if state.published else 0
    statement = AliasStatement(
        holder.alias, number, state.statement_digest, state.claim, holder.sealing.public, custodians, seed,
        registrar, escrow,
    )  # fmt: skip
    signed = sign(statement, holder.controller, network.ledger.deployment)
    told = _enrol(network, holder, signed, custodians)
    holder = holder.to_be(statement_number=number, statement_digest=statement.digest())
    done = {STATEMENT: [(holder.alias, signed.encode())], HOLDER: [holder.row]}
    holder.books.change(done, {UNTOLD: told})
    return holder


def _enrol(network: Network, holder: Holder, signed: Signed, custodians: Iterable[int]) -> list[bytes]:
    """Enrols at each custodian that can be reached, at least n; returns what need not be told any more, and
    ``repeat_enrolments`` tells the others later.

    Raises the first refusal if fewer than n take it and one refused, NotEnoughCustodians otherwise.
    """
    numbers = tuple(custodians)
    holder.books.put(UNTOLD, [(holder.alias + uint(number), signed.encode()) for number in numbers])

    def one(number: int) -> bool | CareLedgerError:
        try:
            return _enrolled(network, holder, signed, number)
        except CareLedgerError as refusal:
            return refusal

    outcomes = network.of_each(one, numbers, durable=True)
    told = [
        holder.alias + uint(number) for number, each in zip(numbers, outcomes, strict=True) if each is True
    ]
    if len(told) < network.thresholds.holding:
        refusals = [each for each in outcomes if isinstance(each, CareLedgerError)]
        needed = network.thresholds.holding
        raise refusals[0] if refusals else NotEnoughCustodians(found=len(told), needed=needed)
    return told


def repeat_enrolments(network: Network, holder: Holder) -> int:
    """Tells custodians the statements that they have missed; returns how many still miss one."""
    for key, row in list(holder.books.rows(UNTOLD)):
        if key.startswith(holder.alias):
            with suppress(CareLedgerError):  # one that refuses keeps nobody from telling the next
                enrol_at(network, holder, Signed.decode(row), int.from_bytes(key[32:], "big"))
    return sum(key.startswith(holder.alias) for key, _ in holder.books.rows(UNTOLD))


def enrol_at(network: Network, holder: Holder, signed: Signed, number: int) -> bool:
    """Tells one custodian a statement, also one that is no longer on the list; False if it cannot be reached."""
    told = _enrolled(network, holder, signed, number)
    if told:
        holder.books.drop(UNTOLD, [holder.alias + uint(number)])
    return told


def _enrolled(network: Network, holder: Holder, signed: Signed, number: int) -> bool:
    link = network.custodians.get(number)
    if link is None:
        return False
    view = network.ledger.fresh_head()
    key = audit_key(holder.audit_seed, holder.alias, holder.state.claim, number)
    try:
        sealed = wrap(sealing_key(view, link), key.reveal(), "audit-key", holder.alias)
        receipt(network, view, link, "enrol", Enrolment(signed, sealed).encode())
    except LOST:
        return False
    return True


def escrowed(holder: Holder, statement: AliasStatement, compartment: int) -> bool:
    """Whether new batches of a compartment are left in escrow for emergencies.

    As the alias statement says; restricted compartments only where they were named by ``name_for_emergencies``.
    """
    if Compartment.numbered(compartment).sensitivity is Sensitivity.NORMAL:
        return statement.escrow
    return statement.escrow and holder.books.get(EMERGENCIES, holder.alias + uint(compartment, 2)) is not None


def escrow_named(epoch: EpochStatement) -> bool:
    """Whether an epoch says that its restricted compartment was named for emergencies."""
    return epoch.escrow and Compartment.numbered(epoch.compartment).sensitivity is not Sensitivity.NORMAL


def begin_epochs(
    network: Network,
    holder: Holder,
    compartments: Iterable[int] = ALL,
    telling: Callable[[Sequence[OpenEpoch]], object] = lambda made: None,
) -> None:
    """A new epoch in each of these compartments: the first, or the next one after the newest.

    In force when n custodians hold them, all or none; ``telling`` is called with them before any custodian is told.
    First custodians are told the earlier epochs that they have missed, so that no chain hangs on one of them.
    """
    statement, _ = own_statement(holder)
    asked = tuple(compartments)
    newest = newest_epochs(network, statement, asked)
    for compartment, each in newest.items():
        if each.behind:
            spread_epochs(network, statement, compartment, epoch_chain(network, statement, compartment))
    if asked:
        made = [
            _next_epoch(network, holder, statement, compartment, newest.get(compartment))
            for compartment in asked
        ]
        telling([opened for _, opened in made])
        _publish(network, statement, [record for record, _ in made])


def ensure_epochs(network: Network, holder: Holder, compartments: Iterable[int]) -> dict[int, Chain]:
    """The epochs in force of each of these compartments, a first one where there was none.

    One that a crash left at a few custodians is told to all.
    """
    statement, _ = own_statement(holder)
    asked = tuple(compartments)
    begun = _in_force(network, statement, asked)
    chains: dict[int, Chain] = {each: begun[each].chain if each in begun else () for each in asked}
    missing = [each for each, chain in chains.items() if not chain]
    if missing:
        made = [
            _new_epoch(network, holder, statement, each, None, None, holder.sealing.public)
            for each in missing
        ]
        _publish(network, statement, [record for record, _ in made])
        chains |= {opened.statement.compartment: ((opened.statement, record),) for record, opened in made}
    return chains


def _next_epoch(
    network: Network, holder: Holder, statement: AliasStatement, compartment: int, newest: Newest | None
) -> tuple[EpochRecord, OpenEpoch]:
    """The next one, or the first, published to nobody yet; raises CannotOpen."""
    if newest is None:
        return _new_epoch(network, holder, statement, compartment, None, None, holder.sealing.public)
    before = open_record(holder.sealing, newest.statement, newest.record)
    return _new_epoch(
        network, holder, statement, compartment, newest.statement, before, holder.sealing.public
    )


def chains_in_force(
    network: Network, statement: AliasStatement, compartments: Iterable[int]
) -> dict[int, Chain]:
    """The newest epoch of each of these compartments that has one, alone, by one question to every custodian, after
    those without it were told it.

    Nothing may be sealed under an epoch that a crash left at fewer than n: with those its key would be lost.
    """
    return {each: newest.chain for each, newest in _in_force(network, statement, compartments).items()}


def _in_force(network: Network, statement: AliasStatement, compartments: Iterable[int]) -> dict[int, Newest]:
    """The newest epochs of these compartments, after custodians without them were told them."""
    found = newest_epochs(network, statement, compartments)
    untold: dict[int, list[EpochRecord]] = {}
    for each in found.values():
        for number in each.lacking:
            untold.setdefault(number, []).append(each.record)
    outcomes(
        network,
        [
            Telling(number, "keep-epoch", EpochRecords(tuple(said)).encode())
            for number, said in untold.items()
        ],
    )
    return found


def spread_epochs(network: Network, statement: AliasStatement, compartment: int, chain: Chain) -> int:
    """Tells each custodian the epochs of a chain that it has missed, newest first; returns how many of them."""
    question = AliasQuestion(statement.alias, compartment, ())
    answers = alias_answers(network, statement.custodians, question)
    told = 0
    for number, answer in answers.items():
        missed = tuple(record for _, record in chain if record.encode() not in answer.epochs)
        if missed:
            telling = Telling(number, "keep-epoch", EpochRecords(missed).encode())
            told += isinstance(outcomes(network, [telling])[0], Receipt)
    return told


def publish_epoch(
    network: Network,
    holder: Holder,
    statement: AliasStatement,
    compartment: int,
    newest: EpochStatement | None,
    before: Secret | None,
    keeper: bytes | None = None,
) -> OpenEpoch:
    """Publishes the epoch after ``newest``, whose seed is ``before``; both None for the first.

    ``keeper`` is another sealing key that the seed is sealed to instead of the holder's.
    """
    record, opened = _new_epoch(
        network, holder, statement, compartment, newest, before, keeper or holder.sealing.public
    )
    _publish(network, statement, [record])
    return opened


def _new_epoch(
    network: Network,
    holder: Holder,
    statement: AliasStatement,
    compartment: int,
    newest: EpochStatement | None,
    before: Secret | None,
    keeper: bytes,
) -> tuple[EpochRecord, OpenEpoch]:
    """The epoch after ``newest``, signed and its seed sealed, published to nobody yet."""
    key = SealingKey(new_epoch_seed())
    made = EpochStatement(
        holder.alias,
        compartment,
        newest.number + 1 if newest else 0,
        key.public,
        newest.digest() if newest else bytes(32),
        escrowed(holder, statement, compartment),
    )
    signed = sign(made, holder.controller, network.ledger.deployment)
    return seal_record(signed, made, keeper, key, before), OpenEpoch(made, key.seed)


def _publish(network: Network, statement: AliasStatement, records: Sequence[EpochRecord]) -> None:
    """In force when n custodians hold them."""
    told, needed = EpochRecords(tuple(records)).encode(), network.thresholds.holding
    receipts(network, statement.custodians, "keep-epoch", told, needed, durable=True)


def restart_epoch(
    network: Network, holder: Holder, statement: AliasStatement, compartment: int, newest: EpochStatement
) -> OpenEpoch:
    """Publishes the epoch after ``newest`` where nobody has that one's seed: it opens nothing earlier."""
    seed = new_epoch_seed()
    public, number = SealingKey(seed).public, newest.number + 1
    left = escrowed(holder, statement, compartment)
    made = EpochStatement(holder.alias, compartment, number, public, newest.digest(), left)
    signed = sign(made, holder.controller, network.ledger.deployment)
    record = EpochRecord(signed, seal_seed(holder.sealing.public, Epoch.of(made), seed), None)
    _publish(network, statement, [record])
    return OpenEpoch(made, seed)


def open_epochs(
    network: Network, holder: Holder, statement: AliasStatement, compartment: int, enough: int | None = None
) -> dict[int, Secret]:
    """The seeds of all epochs of a compartment, by number; ``enough``: see ``epoch_chain``. Raises CannotOpen."""
    return open_chain(holder.sealing, epoch_chain(network, statement, compartment, enough=enough))


def open_chain(key: SealingKey, chain: Chain) -> dict[int, Secret]:
    """The seeds of a chain, newest first, whose newest one is sealed to this key; raises CannotOpen.

    It ends where an epoch was restarted.
    """
    return open_back(open_record(key, *chain[0]), unbroken(chain)) if chain else {}


def unbroken(chain: Chain) -> Chain:
    """The chain down to the first epoch that opens nothing earlier."""
    for place, (_, record) in enumerate(chain, start=1):
        if record.previous_seed is None:
            return chain[:place]
    return chain
