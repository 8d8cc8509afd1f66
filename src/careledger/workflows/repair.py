"""Repair: the shares of one place are remade for its successor by helpers, over the patient's agent, who sees none.

Order of effects: the alias statement that names the successor (published before), parts from helper to helper,
sums to the successor, its receipt; then the one that was replaced destroys what it held. A crash anywhere is
repeated from the start.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from careledger.domain.errors import NotEnoughCustodians
from careledger.formats.custody import Receipt, RepairAnswer, RepairOrder, RepairRequest
from careledger.formats.patients import AliasStatement, Order
from careledger.formats.signed import Signed, sign
from careledger.ports import CustodianLink
from careledger.workflows.actors import Holder
from careledger.workflows.custody import receipt, sealing_key
from careledger.workflows.network import Network

LASTS = 3600


def repair(
    network: Network, holder: Holder, statement: AliasStatement, place: int, helpers: Sequence[int]
) -> Receipt:
    """Remakes the shares of ``place`` at the custodian that the statement names there; ``helpers`` are places.

    At least t helpers remake shares of records; escrow needs as many as its threshold. Returns the successor's
    receipt, which counts the versions whose share it now holds. Raises ShareMismatch if a helper lied,
    NotEnoughCustodians if one cannot be reached.
    """
    if len(set(helpers)) < network.thresholds.opening:
        raise NotEnoughCustodians(found=len(set(helpers)), needed=network.thresholds.opening)
    view, successor = network.ledger.fresh_head(), statement.custodians[place - 1]
    links = network.links([statement.custodians[each - 1] for each in helpers])
    if len(links) != len(helpers) or successor not in network.custodians:
        raise NotEnoughCustodians(found=len(links), needed=len(helpers))
    escrow, until = len(links) >= network.thresholds.escrow, network.clock.now() + LASTS
    made = RepairOrder(
        secrets.token_bytes(16), statement.alias, place, successor, tuple(helpers), escrow, until
    )
    order = sign(made, holder.controller, network.ledger.deployment)
    keys = tuple(sealing_key(view, link) for link in links)
    parts = [_ask(link, "repair-terms", order, keys, ()) for link in links]
    last = network.custodians[successor]
    to_last = (sealing_key(view, last),)
    sums = tuple(
        _ask(link, "repair-sums", order, to_last, tuple(part[at] for part in parts))[0]
        for at, link in enumerate(links)
    )
    request = RepairRequest(order, (), sums).encode()
    return receipt(network, view, last, "repair-finish", request)


def _ask(
    link: CustodianLink, method: str, order: Signed, keys: tuple[bytes, ...], sealed: tuple[bytes, ...]
) -> tuple[bytes, ...]:
    return RepairAnswer.decode(link.call(method, RepairRequest(order, keys, sealed).encode())).sealed


def retire(network: Network, holder: Holder, replaced: int) -> Receipt:
    """The custodian that is no longer on the list destroys what it held of this alias; its receipt attests it."""
    view, until = network.ledger.fresh_head(), network.clock.now() + LASTS
    made = Order(secrets.token_bytes(16), holder.alias, "retire", (), "replaced", view.head.number, until)
    signed = sign(made, holder.controller, network.ledger.deployment)
    link = network.custodians[replaced]
    return receipt(network, view, link, "order", signed.encode())
