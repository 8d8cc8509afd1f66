"""Claim a record: its keys pass from the registrar to the patient's own agent.

Order of effects: the hand-over sealed to the new keys and durable in the new books (nothing of the old record is
lost), the rotation on the ledger (from that block the registrar's rule and consents end), the new statement and epochs
at the custodians, the agent's own copy of the audit keys handed over, and last the registrar forgets. Until the new
epochs are in force nobody can deposit: too little, never too much. ``claim`` is repeated with the same phrase
and books.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from careledger.domain.errors import NotTheController, PatientNotFound
from careledger.domain.parties import ControllerKind
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement, HandedErasure, Handover, HandoverKey
from careledger.formats.signatures import SigningKey
from careledger.ports import Books
from careledger.sealing.keys import Secret, unwrap, wrap
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import HOLDER, Holder, Organisation, load_holder, new_holder
from careledger.workflows.custody import epoch_chain
from careledger.workflows.epochs import (
    ALL,
    open_epochs,
    own_statement,
    publish_epoch,
    publish_statement,
    published,
)
from careledger.workflows.erase import waiting_erasures
from careledger.workflows.network import Network
from careledger.workflows.order import WAITING
from careledger.workflows.own_copies import keep_copy
from careledger.workflows.register import forget_keys, kept_holder
from careledger.workflows.two_hops import rotate_alias

HANDOVER = "handover"


@dataclass(frozen=True)
class Claimed:
    """The patient's own holder, and what the registrar handed over."""

    holder: Holder
    handover: Handover


def claim(network: Network, registrar: Organisation, alias: bytes, phrase: Phrase, books: Books) -> Claimed:
    """The patient, at the desk, takes over; raises PatientNotFound if the registrar does not hold the keys."""
    old = kept_holder(registrar, alias)
    before, _ = own_statement(old)
    mine = next_holder(phrase, alias, books, old.state.claim)
    opened = handed_over(network, old, mine, before)
    take_over(network, mine, old.controller, before, [opened])
    forget_keys(registrar, alias)
    return Claimed(mine.fresh(), opened)


def next_holder(phrase: Phrase, alias: bytes, books: Books, claim_before: int) -> Holder:
    """The holder who takes over; the one that began before, if these books have it."""
    if books.get(HOLDER, alias) is not None:
        begun = load_holder(phrase, alias, books)
        if begun.state.claim > claim_before:
            return begun
    return new_holder(phrase, alias, books, claim=claim_before + 1)


def handed_over(
    network: Network,
    old: Holder,
    mine: Holder,
    statement: AliasStatement,
    compartments: Iterable[int] = ALL,
    log: bool = True,
) -> Handover:
    """What the former holder hands over, sealed on the way, durable in the new books; what is there stays."""
    row = mine.books.get(HANDOVER, old.alias + uint(old.state.claim, 4))
    if row is not None:
        return Handover.decode(row)
    return receive(mine, hand_over(network, old, mine.sealing.public, statement, compartments, log))


def hand_over(
    network: Network,
    holder: Holder,
    sealing_key: bytes,
    statement: AliasStatement,
    compartments: Iterable[int] = ALL,
    log: bool = True,
) -> bytes:
    """Everything that only the former holder has of these compartments, sealed to the next holder's public key.

    ``log`` adds the sealing seed, which opens this claim's log entries and epoch records.
    """
    keys = []
    for compartment in compartments:
        for number, seed in sorted(open_epochs(network, holder, statement, compartment).items()):
            keys.append(HandoverKey(compartment, number, seed.reveal()))
    made = Handover(
        holder.alias,
        holder.state.claim,
        holder.audit_seed.reveal(),
        holder.sealing.seed.reveal() if log else None,
        tuple(keys),
        tuple(HandedErasure(handle, each) for handle, each in waiting_erasures(holder).items()),
    )
    return wrap(sealing_key, made.encode(), "handover", holder.alias)


def receive(mine: Holder, sealed: bytes) -> Handover:
    """Opens a hand-over and makes it durable, the erasures that wait first; raises CannotOpen, MalformedBytes."""
    opened = Handover.decode(unwrap(mine.sealing, sealed, "handover", mine.alias))
    mine.books.put(WAITING, [(each.handle, each.waiting.encode()) for each in opened.erasures])
    mine.books.put(HANDOVER, [(mine.alias + uint(opened.claim, 4), opened.encode())])
    return opened


def take_over(
    network: Network,
    mine: Holder,
    present: SigningKey,
    before: AliasStatement,
    handed: Sequence[Handover],
    kind: ControllerKind = ControllerKind.SELF,
    until: int = 0,
    compartments: Iterable[int] = ALL,
) -> Holder:
    """The rotation, the next statement and the next epochs; what is done already is not done again.

    Raises NotTheController if neither ``present`` nor the new holder controls the alias.
    """
    facts = network.ledger.fresh_head().alias(mine.alias)
    if facts is None:
        raise PatientNotFound()
    if facts.controller == present.address:
        rotate_alias(network, mine.alias, kind, until, present, mine.controller)
    elif facts.controller != mine.controller.address:
        raise NotTheController()
    if published(mine) is None:
        mine = continue_statement(network, mine, before)
    renew_epochs(network, mine, [key for each in handed for key in each.keys], compartments)
    for each in handed:  # the epochs' seeds follow from the new ones
        keep_copy(network, mine, replace(each, keys=(), erasures=()))
    return mine.fresh()


def continue_statement(
    network: Network, holder: Holder, before: AliasStatement, registrar: int | None = None
) -> Holder:
    """Publishes the statement after the former holder's: the same custodians, the same registrar unless another is
    named."""
    named = before.registrar if registrar is None else registrar
    holder = holder.changed(statement_number=before.number, statement_digest=before.digest())
    return publish_statement(network, holder, before.custodians, before.custodian_seed, named, before.escrow)


def renew_epochs(
    network: Network, holder: Holder, handed: Iterable[HandoverKey], compartments: Iterable[int] = ALL
) -> None:
    """A new epoch in every compartment, which opens the newest one handed over.

    A compartment whose newest seed was not handed over is passed over: who holds that seed continues it.
    """
    statement, _ = own_statement(holder)
    newest = {key.compartment: key for key in sorted(handed, key=lambda key: key.number)}
    for compartment in compartments:
        chain = epoch_chain(network, statement, compartment, any_controller=True)
        before, key = (chain[0][0] if chain else None), newest.get(compartment)
        if before is None:
            publish_epoch(network, holder, statement, compartment, None, None)
        elif key is not None and key.number == before.number:
            publish_epoch(network, holder, statement, compartment, before, Secret(key.seed))
