"""An agent that lost its books is made again from the 24 words alone.

The ledger tells which aliases the phrase controls and which one-time keys are used up, custodians the newest statement
and epochs, the board what the agent posted to itself (workflows.own_copies). Lost for good are requests that it had
read and orders that some custodian has missed.

Order of effects: the books, the holder's state last (a half recovered agent is none), then a rotation that was begun
is finished. Repeating is harmless: what stands in the books already is left as it is. ``tend`` follows, as at every
unlocking; it sends every standing consent's package again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count, takewhile

from careledger.domain.errors import CareLedgerError, NotEnoughCustodians, PatientNotFound
from careledger.domain.facts import Head
from careledger.formats.custody import AliasAnswer, AliasQuestion
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement, Certificate, GivenConsent, Handover
from careledger.formats.persons import KeptLink, LinkStatement
from careledger.formats.signatures import Address
from careledger.formats.signed import Signed, who_signed
from careledger.ports import Books, LedgerView
from careledger.sealing.phrase import PatientKeys, Phrase
from careledger.workflows.actors import HOLDER, Holder, HolderState
from careledger.workflows.claim import HANDOVER
from careledger.workflows.custody import alias_answers, epoch_chain, newest_epochs, newest_statement
from careledger.workflows.epochs import (
    ALL,
    EMERGENCIES,
    STATEMENT,
    UNTOLD,
    escrow_named,
    own_statement,
)
from careledger.workflows.grant import (
    GIVEN,
    LIVE,
    OWED,
    PREPARED,
    REVOKED,
    certificate_of,
    epoch_compartments,
    given_consents,
)
from careledger.workflows.link import LINK
from careledger.workflows.network import Network
from careledger.workflows.own_copies import own_copies
from careledger.workflows.revoke import enter_revocation
from careledger.workflows.rotate_keys import ROTATION, rotate
from careledger.workflows.turn_epochs import turn_epochs

GAP = 128
"""After so many one-time keys that the ledger does not know, no later one is looked for."""
SPARE = 32
"""So many are passed over, because a lost consent may still be on its way to the ledger."""


@dataclass(frozen=True)
class Undescribed:
    """A consent that stands on the ledger, and nothing says whom it is for: ``end_undescribed`` ends it."""

    counter: int
    commitment: bytes
    end: int


@dataclass(frozen=True)
class Recovered:
    """One alias of the phrase, with its holder as good as new."""

    holder: Holder
    undescribed: tuple[Undescribed, ...]


def recover(network: Network, phrase: Phrase, books: Books) -> list[Recovered]:
    """Every alias that this phrase controls now, with all that is known of it in these books.

    Raises PatientNotFound if there is none or its claim was never finished (then claim again, at the desk, with the
    same phrase), NotEnoughCustodians if so few answer that the newest statement may be missing.
    """
    view, keys = network.ledger.fresh_head(), phrase.keys()
    made = [_recover(network, view, keys, found, books) for found in _controlled(view, keys)]
    if not made:
        raise PatientNotFound()
    return made


def end_undescribed(network: Network, holder: Holder, found: Undescribed) -> Head:
    """Ends such a consent, with new epochs everywhere, for it may open anything; returns the block where it is over.

    Whatever custodians do, it ends on the ledger; what they refused with is raised afterwards, then repeat.
    """
    failed: CareLedgerError | None = None
    try:
        _turn_all(network, holder)
    except CareLedgerError as error:
        failed = error
    head = enter_revocation(network, holder, found.counter, found.commitment)
    if failed is not None:
        raise failed
    return head


def _turn_all(network: Network, holder: Holder) -> None:
    statement, _ = own_statement(holder)
    turn_epochs(network, holder, list(newest_epochs(network, statement, ALL)))


def _controlled(view: LedgerView, keys: PatientKeys) -> Iterator[tuple[bytes, int, int]]:
    """Each alias that the phrase controls now, with its number and the generation of its keys.

    Numbers and generations are used in order, so the first one that never controlled anything is behind the last.
    """
    for number in count():
        addresses = (keys.controller_key(number, generation).address for generation in count())
        held = list(takewhile(view.aliases_of, addresses))
        if not held:
            return
        for generation, address in enumerate(held):
            yield from ((alias, number, generation) for alias in _controlled_by(view, address))


def _controlled_by(view: LedgerView, address: Address) -> Iterator[bytes]:
    for alias in view.aliases_of(address):
        facts = view.alias(alias)
        if facts is not None and facts.controller == address:
            yield alias


def _recover(
    network: Network, view: LedgerView, keys: PatientKeys, found: tuple[bytes, int, int], books: Books
) -> Recovered:
    alias, number, generation = found
    answers = alias_answers(network, network.custodians, AliasQuestion(alias, None, ()))
    lost = Holder(keys, HolderState(alias, number, generation, 0, 0, 0, bytes(32)), books)
    statement, signed, signer = _statement(network, lost, answers)
    state = HolderState(alias, number, generation, statement.claim, 0, statement.number, statement.digest())
    holder = Holder(keys, state, books)
    copies = list(_copies(network, holder))
    _put_missing(books, STATEMENT, {alias: signed.encode()})
    untold = [each for each in statement.custodians if _misses(answers.get(each), signed)]
    _put_missing(books, UNTOLD, {alias + uint(each): signed.encode() for each in untold})
    late = _restore_epochs(network, holder, statement)
    _restore_consents(network, view, holder, copies)
    _restore_others(view, holder, copies)
    used = _used(view, holder)
    _put_state(holder, max(used, default=-1) + 1 + SPARE)
    if signer < generation or (late and generation > 0):
        books.put(ROTATION, [(alias, uint(generation))])
        rotate(network, holder.fresh())
    return Recovered(holder.fresh(), _undescribed(network, view, holder, used))


def _statement(
    network: Network, holder: Holder, answers: Mapping[int, AliasAnswer]
) -> tuple[AliasStatement, Signed, int]:
    """The newest statement and the generation that signed it: the present one, or the last if a rotation was begun."""
    state = holder.state
    for generation in reversed(range(state.generation + 1)):
        address = holder.keys.controller_key(state.alias_number, generation).address
        with suppress(PatientNotFound):
            statement, signed = newest_statement(network, address, holder.alias, answers.values())
            answered = sum(number in answers for number in statement.custodians)
            needed = len(statement.custodians) - network.thresholds.opening + 1
            if answered < needed:
                raise NotEnoughCustodians(found=answered, needed=needed)
            return statement, signed, generation
    raise PatientNotFound()


def _copies(network: Network, holder: Holder) -> Iterator[GivenConsent | Handover | KeptLink]:
    """What the agent posted to itself under any generation of its keys."""
    keys, state = holder.keys, holder.state
    generations = range(state.generation + 1)
    sealing = [keys.sealing_key(state.alias_number, each) for each in reversed(generations)]
    signers = [keys.controller_key(state.alias_number, each).address for each in generations]
    for each in own_copies(network, sealing, signers, (GivenConsent, Handover, KeptLink)):
        assert isinstance(each, GivenConsent | Handover | KeptLink)
        yield each


def _misses(answer: AliasAnswer | None, newest: Signed) -> bool:
    return answer is None or answer.statement is None or answer.statement.body != newest.body


def _restore_epochs(network: Network, holder: Holder, statement: AliasStatement) -> bool:
    """What was named for emergencies; whether some newest epoch is not signed by the present controller."""
    late = False
    for compartment in ALL:
        chain = epoch_chain(network, statement, compartment)
        newest = epoch_chain(network, statement, compartment, any_controller=True)
        late = late or (bool(newest) and (not chain or chain[0][0].number < newest[0][0].number))
        if chain and escrow_named(chain[0][0]):
            _put_missing(holder.books, EMERGENCIES, {holder.alias + uint(compartment, 2): b"named"})
    return late


def _restore_consents(
    network: Network, view: LedgerView, holder: Holder, copies: Sequence[GivenConsent | Handover | KeptLink]
) -> None:
    """The last copy of each consent, with the state that the ledger says.

    Which epochs a lost agent turned after an end nobody knows: so the newest of those that opened a compartment owes
    it a new one.
    """
    last = {each.counter: each for each in copies if isinstance(each, GivenConsent)}
    mine = {each: given for each, given in last.items() if certificate_of(given).alias == holder.alias}
    turned: set[int] = set()
    rows: dict[bytes, bytes] = {}
    for counter, given in sorted(mine.items(), reverse=True):
        state = _state(network, view, holder, given)
        opened = set(epoch_compartments(certificate_of(given)))
        if state == REVOKED and not opened <= turned:
            turned |= opened
            state = OWED
        rows[holder.alias + uint(counter)] = replace(given, state=state).encode()
    _put_missing(holder.books, GIVEN, rows)
    holder.books.drop(LIVE, [holder.alias])  # which of them live is seen from them


def _state(network: Network, view: LedgerView, holder: Holder, given: GivenConsent) -> str:
    """Whether a consent stands: on the ledger, and by a certificate of the present controller."""
    certificate = certificate_of(given)
    facts = view.consent(certificate.owner, certificate.commitment)
    signer = who_signed(Certificate, given.certificate, network.ledger.deployment)
    over = facts is None or facts.revoked_at or facts.end <= network.clock.now()
    return REVOKED if over or signer != holder.controller.address else PREPARED


def _restore_others(
    view: LedgerView, holder: Holder, copies: Sequence[GivenConsent | Handover | KeptLink]
) -> None:
    """Audit keys of former holders, and links with the numbers of their one-time keys."""
    for each in copies:
        if isinstance(each, Handover) and each.alias == holder.alias:
            _put_missing(holder.books, HANDOVER, {each.alias + uint(each.claim, 4): each.encode()})
        if isinstance(each, KeptLink):
            link = LinkStatement.decode(each.link.by_first.body)
            entered = link.commitment in view.filed_under(link.owner)
            undone = entered and not view.linked(link.owner, link.commitment)
            _put_missing(holder.books, LINK, {link.commitment: replace(each, undone=undone).encode()})


def _used(view: LedgerView, holder: Holder) -> dict[int, tuple[bytes, ...]]:
    """The one-time keys that the ledger knows, by number, with what is filed under each."""
    used: dict[int, tuple[bytes, ...]] = {}
    counter = 0
    while counter <= max(used, default=-1) + GAP:
        filed = view.filed_under(holder.consent_key(counter).address)
        if filed:
            used[counter] = filed
        counter += 1
    return used


def _put_state(holder: Holder, next_consent: int) -> None:
    """The state, durable: that of books which were not lost, with no one-time key that the ledger knows."""
    with holder.books.alone():
        row = holder.books.get(HOLDER, holder.alias)
        state = holder.state if row is None else HolderState.decode(row)
        later = replace(state, next_consent=max(state.next_consent, next_consent))
        holder.books.put(HOLDER, [(holder.alias, later.encode())])


def _undescribed(
    network: Network, view: LedgerView, holder: Holder, used: Mapping[int, tuple[bytes, ...]]
) -> tuple[Undescribed, ...]:
    described = {certificate_of(each).commitment for each in given_consents(holder)}
    found = []
    for counter, commitments in used.items():
        for commitment in set(commitments) - described:
            facts = view.consent(holder.consent_key(counter).address, commitment)
            if facts is not None and not facts.revoked_at and facts.end > network.clock.now():
                found.append(Undescribed(counter, commitment, facts.end))
    return tuple(found)


def _put_missing(books: Books, kind: str, rows: Mapping[bytes, bytes]) -> None:
    with books.alone():
        books.put(kind, [(key, row) for key, row in rows.items() if books.get(kind, key) is None])
