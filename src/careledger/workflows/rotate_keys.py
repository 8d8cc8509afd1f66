"""A holder changes its keys: a new controller and sealing key from the same phrase, one generation on.

Order of effects: books (the generation that is begun), the rotation on the ledger (from that block every certificate
and session of the old controller ends), the new statement, new epochs, then the certificates that shall live on,
signed anew, with the agent's own copies and their packages. A crash between leaves too few readers, never too many;
``rotate`` is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from careledger.domain.errors import CannotOpen, NotTheController, PatientNotFound
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement, Certificate
from careledger.formats.signed import sign
from careledger.sealing.epochs import open_record
from careledger.workflows.actors import Holder
from careledger.workflows.custody import epoch_chain
from careledger.workflows.epochs import ALL, own_statement, publish_epoch, publish_statement
from careledger.workflows.grant import (
    OWED,
    PREPARED,
    STANDS,
    certificate_of,
    epoch_compartments,
    given_consents,
    is_revoked,
    remember,
    send_newest,
    set_state,
)
from careledger.workflows.network import Network
from careledger.workflows.own_copies import keep_copy
from careledger.workflows.two_hops import rotate_alias

ROTATION = "rotation"


def rotate(
    network: Network, holder: Holder, keep: Callable[[Certificate], bool] = lambda certificate: True
) -> Holder:
    """The holder under its next keys; consents that ``keep`` names go on, all others end at the rotation's block.

    Raises NotTheController if neither the old nor the new key controls the alias.
    """
    old, new = _generations(holder)
    _turn(network, old, new)
    new = new.changed(generation=new.state.generation)
    statement, _ = own_statement(new)
    if statement.sealing_key != new.sealing.public:
        new = publish_statement(
            network,
            new,
            statement.custodians,
            statement.custodian_seed,
            statement.registrar,
            statement.escrow,
        )
        statement, _ = own_statement(new)
    for compartment in ALL:
        _renew(network, old, new, statement, compartment)
    _sign_anew(network, new, keep)
    new.books.drop(ROTATION, [new.alias])
    return new.fresh()


def _generations(holder: Holder) -> tuple[Holder, Holder]:
    """The holder before and after; the generation that was begun if one was."""
    holder = holder.fresh()
    row = holder.books.get(ROTATION, holder.alias)
    after = int.from_bytes(row, "big") if row is not None else holder.state.generation + 1
    holder.books.put(ROTATION, [(holder.alias, uint(after))])
    before = replace(holder, state=replace(holder.state, generation=after - 1))
    return before, replace(holder, state=replace(holder.state, generation=after))


def _turn(network: Network, old: Holder, new: Holder) -> None:
    facts = network.ledger.fresh_head().alias(old.alias)
    if facts is None:
        raise PatientNotFound()
    if facts.controller == old.controller.address:
        rotate_alias(network, old.alias, facts.kind, facts.until, old.controller, new.controller)
    elif facts.controller != new.controller.address:
        raise NotTheController()


def _renew(network: Network, old: Holder, new: Holder, statement: AliasStatement, compartment: int) -> None:
    """The next epoch where the newest one is still sealed to the old key."""
    chain = epoch_chain(network, statement, compartment, any_controller=True)
    if not chain:
        return
    try:
        before = open_record(old.sealing, *chain[0])
    except CannotOpen:
        return  # renewed before, or its seed is kept by somebody else
    publish_epoch(network, new, statement, compartment, chain[0][0], before)


def _sign_anew(network: Network, holder: Holder, keep: Callable[[Certificate], bool]) -> None:
    now = network.clock.now()
    for given in given_consents(holder):
        certificate = certificate_of(given)
        if given.state not in (PREPARED, STANDS) or given.end <= now or not keep(certificate):
            continue
        if is_revoked(network, given):
            set_state(holder, given, OWED)
            continue
        signed = sign(certificate, holder.controller, network.ledger.deployment)
        renewed = replace(given, certificate=signed)
        remember(holder, renewed)
        keep_copy(network, holder, renewed)
        if given.state == STANDS:
            send_newest(network, holder, renewed, epoch_compartments(certificate))
