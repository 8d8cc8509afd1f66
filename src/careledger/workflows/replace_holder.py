"""A holder that does not answer is replaced: a registrar by a second organisation, a guardian past its time.

A second organisation and a ministry officer sign together; the change waits for 72 hours of alarm in which the present
controller can stop it. Nobody hands anything over, so the new epochs open nothing earlier: older records are read from
authors' copies, and deposited again under the new epochs.

Order of effects: the new holder's books, the alarm on the ledger; after the time the change on the ledger, the new
statement and epochs. Both steps are repeated after a crash. Stopping: the present holder's books say which generation
of the alias it stops, then the ledger.
"""

from __future__ import annotations

from careledger.domain.errors import LedgerRefused, NotTheController, PatientNotFound
from careledger.domain.facts import AliasFacts, Head
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement
from careledger.ports import Books
from careledger.sealing.keys import Secret
from careledger.sealing.phrase import Phrase
from careledger.workflows import two_hops
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.claim import continue_statement, next_holder
from careledger.workflows.custody import epoch_chain, find_statement
from careledger.workflows.epochs import ALL, own_statement, publish_epoch, published, restart_epoch
from careledger.workflows.network import Network
from careledger.workflows.parties import check_officer
from careledger.workflows.register import KEPT_PHRASE, Officer

FORMER = "former-statement"
STOPPING = "stopping-replacement"


def begin_replacing_registrar(
    network: Network, organisation: Organisation, officer: Officer, alias: bytes
) -> Holder:
    """The organisation makes keys of its own for an unclaimed alias and asks, with an officer, to hold it.

    Raises LedgerRefused while another change waits, and for the registrar itself.
    """
    entropy = organisation.books.get(KEPT_PHRASE, alias)
    phrase = Phrase.random() if entropy is None else Phrase(Secret(entropy))
    organisation.books.put(KEPT_PHRASE, [(alias, phrase.entropy.reveal())])
    return _begin(network, organisation, officer, alias, phrase, organisation.books)


def begin_replacing_guardian(
    network: Network, organisation: Organisation, officer: Officer, alias: bytes, phrase: Phrase, books: Books
) -> Holder:
    """The young person, whose guardian's time is over and who does not hand over, asks with both to hold the alias."""
    return _begin(network, organisation, officer, alias, phrase, books)


def complete_replacement(network: Network, holder: Holder, registrar: int) -> Holder:
    """After 72 hours: the change, a statement that names this registrar, and epochs that open nothing earlier.

    Raises LedgerRefused before its time, or if it was stopped.
    """
    facts = network.ledger.fresh_head().alias(holder.alias)
    if facts is None:
        raise PatientNotFound()
    if not _controls(facts, holder):
        network.ledger.complete_replacement(holder.alias, network.relay)
    row = holder.books.get(FORMER, holder.alias)
    if row is None:
        raise NotTheController()
    if published(holder) is None:
        holder = continue_statement(network, holder, AliasStatement.decode(row), registrar)
    statement, _ = own_statement(holder)
    for compartment in ALL:
        chain = epoch_chain(network, statement, compartment, any_controller=True)
        if not chain:
            publish_epoch(network, holder, statement, compartment, None, None)
        elif not epoch_chain(network, statement, compartment):
            restart_epoch(network, holder, statement, compartment, chain[0][0])
    return holder.fresh()


def stop_replacement(network: Network, holder: Holder) -> Head:
    """The present controller is there after all; repeating is harmless.

    Raises PatientNotFound, LedgerRefused if nothing waits that was not stopped by this holder, or if it may not.
    """
    view, number = network.ledger.fresh_head(), network.ledger.alias_number(holder.alias)
    facts, row = view.alias(holder.alias), holder.books.get(STOPPING, holder.alias)
    if facts is None:
        raise PatientNotFound()
    holder.books.put(STOPPING, [(holder.alias, uint(number))])
    try:
        return two_hops.stop_replacement(network, holder.alias, holder.controller)
    except LedgerRefused as refusal:
        before = row is not None and int.from_bytes(row, "big") < number
        if before and refusal.details.get("reason") == "no alarm" and _controls(facts, holder):
            return view.head
        holder.books.drop(STOPPING, [holder.alias])
        raise


def _controls(facts: AliasFacts, holder: Holder) -> bool:
    return facts.controller == holder.controller.address


def _begin(
    network: Network, organisation: Organisation, officer: Officer, alias: bytes, phrase: Phrase, books: Books
) -> Holder:
    """The new holder with the former one's newest statement in its books, then the alarm.

    Repeated, an alarm that waits is this one's: another's would be refused when it is completed.
    """
    check_officer(network.ledger.fresh_head(), officer)
    row = books.get(FORMER, alias)
    former = AliasStatement.decode(row) if row else find_statement(network, alias, network.custodians)
    books.put(FORMER, [(alias, former.encode())])
    holder = next_holder(phrase, alias, books, former.claim)
    signers = (organisation.number, organisation.controller), (officer.post, officer.key)
    try:
        network.ledger.replace_controller(alias, *signers, holder.controller, network.relay)
    except LedgerRefused as refusal:
        if row is None or refusal.details.get("reason") != "alarm":
            raise
    return holder
