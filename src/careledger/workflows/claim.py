"""Claim a record: its keys pass from the registrar to the patient's own agent.

Order of effects: the hand-over sealed to the new keys (nothing of the old record is lost), the rotation on the
ledger (from that block the registrar's rule and consents end), the new statement and epochs at the custodians, and
last the registrar forgets. Until the new epochs are in force nobody can deposit: too little, never too much.
"""

from __future__ import annotations

from dataclasses import dataclass

from careledger.domain.parties import ControllerKind
from careledger.formats.patients import AliasStatement, Handover, HandoverKey
from careledger.ports import Books
from careledger.sealing.keys import Secret, unwrap, wrap
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import Holder, Organisation, new_holder
from careledger.workflows.custody import epoch_chain
from careledger.workflows.epochs import ALL, open_epochs, own_statement, publish_epoch, publish_statement
from careledger.workflows.network import Network
from careledger.workflows.register import forget_keys, kept_holder

HANDOVER = "handover"


@dataclass(frozen=True)
class Claimed:
    """The patient's own holder, and what the registrar handed over."""

    holder: Holder
    handover: Handover


def hand_over(network: Network, holder: Holder, sealing_key: bytes) -> bytes:
    """Everything that only the present holder has, sealed to the next holder's public sealing key."""
    statement, _ = own_statement(holder)
    keys = []
    for compartment in ALL:
        for number, seed in sorted(open_epochs(network, holder, statement, compartment).items()):
            keys.append(HandoverKey(compartment, number, seed.reveal()))
    made = Handover(holder.alias, holder.state.claim, holder.audit_seed.reveal(), tuple(keys))
    return wrap(sealing_key, made.encode(), "handover", holder.alias)


def claim(network: Network, registrar: Organisation, alias: bytes, phrase: Phrase, books: Books) -> Claimed:
    """The patient, at the desk, takes over; raises PatientNotFound if the registrar does not hold the keys."""
    old = kept_holder(registrar, alias)
    statement, _ = own_statement(old)
    mine = new_holder(phrase, alias, books, claim=old.state.claim + 1)
    sealed = hand_over(network, old, mine.sealing.public)
    opened = Handover.decode(unwrap(mine.sealing, sealed, "handover", alias))
    books.put(HANDOVER, [(alias, opened.encode())])
    network.ledger.rotate_alias(alias, ControllerKind.SELF, 0, old.controller, mine.controller, network.relay)
    mine = continue_statement(network, mine, statement)
    renew_epochs(network, mine, opened)
    forget_keys(registrar, alias)
    return Claimed(mine, opened)


def continue_statement(network: Network, holder: Holder, before: AliasStatement) -> Holder:
    """Publishes the statement after the former holder's, with the same custodians and registrar."""
    holder = holder.changed(statement_number=before.number, statement_digest=before.digest())
    return publish_statement(
        network, holder, before.custodians, before.custodian_seed, before.registrar, before.escrow
    )


def renew_epochs(network: Network, holder: Holder, handover: Handover) -> None:
    """A new epoch in every compartment, which opens the ones handed over."""
    statement, _ = own_statement(holder)
    newest = {key.compartment: Secret(key.seed) for key in handover.keys}  # in rising order of numbers
    for compartment in ALL:
        chain = epoch_chain(network, statement, compartment, any_controller=True)
        if chain and chain[0][0].number >= _handed(handover, compartment) + 1:
            continue
        before = chain[0][0] if chain else None
        publish_epoch(network, holder, statement, compartment, before, newest.get(compartment))


def _handed(handover: Handover, compartment: int) -> int:
    return max((key.number for key in handover.keys if key.compartment == compartment), default=-1)
