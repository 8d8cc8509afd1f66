"""Orders of the controller to its custodians: restrict, unrestrict, move, accept, confirm, dispute, erase.

An order is signed once and told to every custodian of the list; each carries it out once, so repeating is harmless.
It counts when n custodians have it; one that misses it is told again by ``repeat_orders``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from careledger.domain.errors import DepositConflict, NotEnoughCustodians
from careledger.formats.custody import Receipt
from careledger.formats.patients import Order
from careledger.formats.signed import Signed, sign
from careledger.workflows.actors import Holder
from careledger.workflows.custody import LOST, receipt
from careledger.workflows.epochs import own_statement
from careledger.workflows.network import Network

RESTRICT, UNRESTRICT = "restrict", "unrestrict"
ERASE, MOVE = "erase", "move"
ACCEPT, CONFIRM, DISPUTE = "accept", "confirm", "dispute"
UNTOLD = "untold-order"
LASTS = 3600


def order(network: Network, holder: Holder, act: str, handles: Sequence[bytes], reason: str) -> list[Receipt]:
    """Tells every custodian; raises NotEnoughCustodians if fewer than n carried it out (repeat it then)."""
    made = Order(
        secrets.token_bytes(16), holder.alias, act, tuple(handles), reason, network.clock.now() + LASTS
    )
    signed = sign(made, holder.controller, network.ledger.deployment)
    statement, _ = own_statement(holder)
    holder.books.put(UNTOLD, [(made.id + _key(number), signed.encode()) for number in statement.custodians])
    given = _tell(network, holder, made.id, signed, statement.custodians)
    if len(given) < network.thresholds.holding:
        raise NotEnoughCustodians(found=len(given), needed=network.thresholds.holding)
    return given


def repeat_orders(network: Network, holder: Holder) -> int:
    """Tells custodians what they have missed, signed anew; returns how many messages still wait."""
    waiting = 0
    for key, row in list(holder.books.rows(UNTOLD)):
        missed = Order.decode(Signed.decode(row).body)
        if missed.alias == holder.alias:
            waiting += not _told_again(network, holder, missed, int.from_bytes(key[16:], "big"))
    return waiting


def _told_again(network: Network, holder: Holder, missed: Order, number: int) -> bool:
    made = replace(missed, not_after=network.clock.now() + LASTS)
    signed = sign(made, holder.controller, network.ledger.deployment)
    try:
        return bool(_tell(network, holder, made.id, signed, (number,)))
    except DepositConflict:  # it has carried out this order as it was signed first
        holder.books.drop(UNTOLD, [made.id + _key(number)])
        return True


def _tell(
    network: Network, holder: Holder, identity: bytes, signed: Signed, numbers: Sequence[int]
) -> list[Receipt]:
    view = network.ledger.fresh_head()
    given = []
    for number in numbers:
        link = network.custodians.get(number)
        try:
            if link is not None:
                given.append(receipt(network, view, link, "order", signed.encode()))
        except LOST:
            continue
        if link is not None:
            holder.books.drop(UNTOLD, [identity + _key(number)])
    return given


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")
