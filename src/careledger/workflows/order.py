"""Orders of the controller to its custodians: restrict, unrestrict, move, accept, confirm, dispute, erase.

An order is signed once and told to every custodian of the list; each carries it out once, so repeating is harmless.
It counts when n custodians have it; one that misses it is told again by ``repeat_orders``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from careledger.domain.errors import CareLedgerError, DepositConflict, NotEnoughCustodians, RecordNotFound
from careledger.formats.custody import Receipt
from careledger.formats.patients import Order
from careledger.formats.signed import Signed, sign
from careledger.workflows.actors import Holder
from careledger.workflows.custody import Telling, outcomes
from careledger.workflows.epochs import own_statement
from careledger.workflows.network import Network

RESTRICT, UNRESTRICT = "restrict", "unrestrict"
ERASE, MOVE = "erase", "move"
ACCEPT, CONFIRM, DISPUTE = "accept", "confirm", "dispute"
UNTOLD = "untold-order"
WAITING = "waiting-erasure"
LASTS = 3600


def order(network: Network, holder: Holder, act: str, handles: Sequence[bytes], reason: str) -> list[Receipt]:
    """Tells every custodian; what fewer than n carried out does not count yet, and ``repeat_orders`` tells the others.

    Accepting takes at most 64 versions at once; lifting a restriction withdraws an erasure that waits for its date.
    Raises the refusal if none carried it out and one refused, NotEnoughCustodians if some did but fewer than n,
    RecordNotFound if no custodian keeps any of these versions for this patient.
    """
    made = Order(
        secrets.token_bytes(16), holder.alias, act, tuple(handles), reason, network.ledger.fresh_head().head.number,
        network.clock.now() + LASTS,
    )  # fmt: skip
    signed = sign(made, holder.controller, network.ledger.deployment)
    statement, _ = own_statement(holder)
    holder.books.put(UNTOLD, [(made.id + _key(number), signed.encode()) for number in statement.custodians])
    if act == UNRESTRICT:
        holder.books.drop(WAITING, handles)
    told = _tell(network, holder, made.id, signed, statement.custodians)
    given = [each for each in told if isinstance(each, Receipt)]
    refusals = [each for each in told if isinstance(each, CareLedgerError)]
    if refusals and not given:
        holder.books.drop(UNTOLD, [made.id + _key(number) for number in statement.custodians])
        raise refusals[0]
    if len(given) < network.thresholds.holding:
        raise NotEnoughCustodians(found=len(given), needed=network.thresholds.holding)
    if handles and not any(each.count for each in given):
        raise RecordNotFound()
    return given


def owe(
    network: Network, holder: Holder, act: str, handles: Sequence[bytes], reason: str, custodian: int
) -> None:
    """An order for one custodian alone, durable; ``repeat_orders`` tells it."""
    made = Order(
        secrets.token_bytes(16), holder.alias, act, tuple(handles), reason, network.ledger.fresh_head().head.number,
        network.clock.now() + LASTS,
    )  # fmt: skip
    signed = sign(made, holder.controller, network.ledger.deployment)
    holder.books.put(UNTOLD, [(made.id + _key(custodian), signed.encode())])


def repeat_orders(network: Network, holder: Holder) -> int:
    """Tells custodians what they have missed, signed anew; returns how many messages still wait."""
    waiting = 0
    for key, row in list(holder.books.rows(UNTOLD)):
        missed = Order.decode(Signed.decode(row).body)
        if missed.alias == holder.alias:
            waiting += not _told_again(network, holder, missed, int.from_bytes(key[16:], "big"))
    return waiting


def _told_again(network: Network, holder: Holder, missed: Order, number: int) -> bool:
    head = network.ledger.fresh_head().head.number
    made = replace(missed, block=head, not_after=network.clock.now() + LASTS)
    signed = sign(made, holder.controller, network.ledger.deployment)
    [told] = _tell(network, holder, made.id, signed, (number,))
    if isinstance(told, DepositConflict):  # it has carried out this order as it was signed first
        holder.books.drop(UNTOLD, [made.id + _key(number)])
    return isinstance(told, Receipt | DepositConflict)


def _tell(
    network: Network, holder: Holder, identity: bytes, signed: Signed, numbers: Sequence[int]
) -> list[Receipt | CareLedgerError | None]:
    """What became of it at each; who carried it out owes nothing more."""
    told = outcomes(network, [Telling(number, "order", signed.encode()) for number in numbers])
    done = [number for number, outcome in zip(numbers, told, strict=True) if isinstance(outcome, Receipt)]
    holder.books.drop(UNTOLD, [identity + _key(number) for number in done])
    return told


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")
