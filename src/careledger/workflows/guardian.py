"""A minor's record: a guardian holds it until a date, and at majority the young person takes it over.

While a guardian holds it, the seeds of restricted compartments stay with the registrar: the guardian signs those
epochs' statements and cannot open them. Order of effects, both times: what is handed over durable in the next books,
the rotation on the ledger, statement and epochs at the custodians, and last the former holders forget. Repeating
with the same phrase and books finishes what a crash left.
"""

from __future__ import annotations

from careledger.domain.categories import Compartment, Sensitivity
from careledger.domain.errors import ActRefused, CannotOpen, PatientNotFound
from careledger.domain.parties import ControllerKind
from careledger.formats.patients import AliasStatement
from careledger.ports import Books
from careledger.sealing.epochs import open_record
from careledger.sealing.keys import Secret
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import HOLDER, Holder, Organisation, load_holder
from careledger.workflows.claim import Claimed, handed_over, next_holder, take_over
from careledger.workflows.custody import epoch_chain
from careledger.workflows.epochs import ALL, own_statement, publish_epoch
from careledger.workflows.network import Network
from careledger.workflows.register import KEPT_PHRASE, kept_holder

GUARDED_PHRASE = "guarded-phrase"
RESTRICTED = tuple(n for n in ALL if Compartment.numbered(n).sensitivity is Sensitivity.RESTRICTED)
NORMAL = tuple(n for n in ALL if n not in RESTRICTED)


def appoint_guardian(
    network: Network, registrar: Organisation, alias: bytes, phrase: Phrase, books: Books, until: int
) -> Claimed:
    """The guardian, at the desk, takes over until that second (unix), the day of majority.

    Raises PatientNotFound if the registrar does not hold the keys, ActRefused for a date that is past.
    """
    if until <= network.clock.now():
        raise ActRefused(why="a guardian's time ends in the future")
    old = guarded_holder(registrar, alias) or kept_holder(registrar, alias)
    before, _ = own_statement(old)
    guardian = next_holder(phrase, alias, books, old.state.claim)
    handed = handed_over(network, old, guardian, before, NORMAL, log=False)
    registrar.books.put(GUARDED_PHRASE, [(alias, _entropy(registrar, alias))])
    guardian = take_over(
        network, guardian, old.controller, before, [handed], ControllerKind.GUARDIAN, until, NORMAL
    )
    for compartment in RESTRICTED:
        _guarded_epoch(network, old, guardian, own_statement(guardian)[0], compartment)
    registrar.books.drop(KEPT_PHRASE, [alias])
    return Claimed(guardian, handed)


def come_of_age(
    network: Network, guardian: Holder, registrar: Organisation, phrase: Phrase, books: Books
) -> Claimed:
    """The young person takes over from guardian and registrar; the guardian keeps nothing without consent.

    Raises PatientNotFound unless the registrar kept the restricted epochs.
    """
    kept = guarded_holder(registrar, guardian.alias)
    if kept is None:
        raise PatientNotFound()
    before, _ = own_statement(guardian)
    mine = next_holder(phrase, guardian.alias, books, guardian.state.claim)
    normal = handed_over(network, guardian, mine, before, NORMAL)
    restricted = handed_over(network, kept, mine, before, RESTRICTED)
    mine = take_over(network, mine, guardian.controller, before, [normal, restricted])
    registrar.books.drop(GUARDED_PHRASE, [guardian.alias])
    registrar.books.drop(HOLDER, [guardian.alias])
    return Claimed(mine, normal)


def guarded_holder(registrar: Organisation, alias: bytes) -> Holder | None:
    """What the registrar keeps of a minor's record beside a guardian: it opens the restricted epochs, nothing more."""
    entropy = registrar.books.get(GUARDED_PHRASE, alias)
    return None if entropy is None else load_holder(Phrase(Secret(entropy)), alias, registrar.books)


def _entropy(registrar: Organisation, alias: bytes) -> bytes:
    entropy = registrar.books.get(GUARDED_PHRASE, alias) or registrar.books.get(KEPT_PHRASE, alias)
    if entropy is None:
        raise PatientNotFound()
    return entropy


def _guarded_epoch(
    network: Network, kept: Holder, guardian: Holder, statement: AliasStatement, compartment: int
) -> None:
    """The next epoch of a restricted compartment: signed by the guardian, its seed sealed to the registrar."""
    chain = epoch_chain(network, statement, compartment, any_controller=True)
    if not chain:
        publish_epoch(network, guardian, statement, compartment, None, None, kept.sealing.public)
        return
    if epoch_chain(network, statement, compartment):
        return  # the guardian has signed the newest one
    try:
        before = open_record(kept.sealing, *chain[0])
    except CannotOpen:
        return
    publish_epoch(network, guardian, statement, compartment, chain[0][0], before, kept.sealing.public)
