"""Break-glass while the ledger stands still: granted on both posts' signatures by the facts of the last known head.

Order of effects: the opening with the log line and the alarm in one transaction, durable, then the answer; once the
ledger moves, the entry there, then the opening marked as entered. Every custodian that granted it enters it, so the
opener cannot leave it out; whoever comes second finds it there.
"""

from __future__ import annotations

from contextlib import suppress

from careledger.domain.categories import Compartment
from careledger.domain.custody import KeptOpening
from careledger.domain.errors import CareLedgerError, LedgerStale
from careledger.domain.facts import BreakGlassFacts, PartyFacts
from careledger.domain.parties import PartyId, Status
from careledger.domain.questions import BreakGlass
from careledger.domain.reasons import Rule
from careledger.formats.consent_messages import LONGEST_DEADLINE
from careledger.formats.releases import EmergencyOpening, SignedOpening, SignedRequest
from careledger.formats.signatures import check_signer
from careledger.ports import LedgerView
from careledger.workflows.custodian.asking import DAY, Asking
from careledger.workflows.custodian.parts import Custody

REVIEW_WITHIN = 72 * 3600
ENTERED_WITHIN = 7 * DAY
"""Seconds after the deadline in which the contract still takes it."""
UNENTERED, ANOTHER = "unentered-emergency", "another-emergency"


def head_for(custody: Custody, signed: SignedRequest) -> tuple[LedgerView, int | None]:
    """The block to decide by, and for how many seconds the ledger has stood still (None: it moves).

    Raises LedgerStale for everything but an emergency that carries its signed opening.
    """
    try:
        return custody.fresh_head(), None
    except LedgerStale:
        if signed.request.rule != Rule.BREAK_GLASS.code or signed.opening is None:
            raise
    view, standstill = custody.ledger.last_head(), custody.standstill
    assert standstill is not None  # the look above was in vain
    return view, standstill.seconds(view.head.time)


def signed_glass(custody: Custody, asking: Asking) -> BreakGlass | None:
    """The emergency that both posts signed; None if it is not for this request, is on the ledger, or came too late.

    Raises SignatureRefused unless the present keys of both posts signed it.
    """
    opening, signed, view = asking.signed.emergency, asking.signed.opening, asking.view
    if opening is None or signed is None or not _answers(asking, opening, signed):
        return None
    opener, second = view.party(signed.opener), view.party(signed.second)
    if opener is None or second is None:
        return None
    _check_signatures(custody, signed, opener, second)
    kept = custody.journal.opening(signed.entry)
    if not _in_time(asking.at, signed, kept):
        return None
    named = frozenset(Compartment.numbered(number) for number in opening.restricted)
    return BreakGlass(
        opening.alias,
        PartyId(signed.opener),
        PartyId(signed.second),
        _stands_by(opener, second),
        opening.reason,
        asking.at if kept is None else kept.at,
        signed.until,
        named if signed.restricted else frozenset(),
        _suspended(custody, asking, signed.opener),
        asking.stood,
        custody.journal.openings(signed.opener, asking.at - DAY, signed.entry),
    )


def keep(custody: Custody, asking: Asking) -> None:
    """What was granted, inside the journal's transaction with the log line."""
    signed = asking.signed.opening
    assert signed is not None
    if custody.journal.opening(signed.entry) is None:
        custody.journal.add_opening(signed.entry, signed.opener, KeptOpening(asking.at, signed.encode()))


def enter(custody: Custody) -> int:
    """Enters on the ledger what was granted without it; returns how much still waits. Raises LedgerStale.

    What the ledger never took within a week is kept as evidence.
    """
    view = custody.fresh_head()
    for kept in custody.journal.unentered():
        signed = SignedOpening.decode(kept.body)
        facts = view.break_glass(signed.entry)
        if facts is not None:
            _settle(custody, signed, None if _same(facts, signed) else ANOTHER)
        elif custody.time(view) > signed.deadline + ENTERED_WITHIN:
            _settle(custody, signed, UNENTERED)
        elif custody.time(view) > signed.deadline:
            with suppress(CareLedgerError):  # one that is refused keeps no other from being entered
                custody.ledger.enter_break_glass(signed, custody.keys.signing)
                _settle(custody, signed, None)
    return len(custody.journal.unentered())


def _answers(asking: Asking, opening: EmergencyOpening, signed: SignedOpening) -> bool:
    """Whether it is the entry that the request names, opens to what was signed, and is not on the ledger."""
    if (signed.entry, signed.commitment) != (asking.request.entry, opening.commitment):
        return False
    return asking.view.break_glass(signed.entry) is None


def _check_signatures(
    custody: Custody, signed: SignedOpening, opener: PartyFacts, second: PartyFacts
) -> None:
    said = signed.said.digest(custody.ledger.chain_id, custody.ledger.contract("BreakGlass"))
    check_signer(said, signed.by_opener, opener.controller)
    check_signer(said, signed.by_second, second.controller)


def _in_time(at: int, signed: SignedOpening, kept: KeptOpening | None) -> bool:
    """First shown before its deadline, an hour off at most; afterwards the same bytes again."""
    if kept is not None:
        return kept.body == signed.encode()
    return at <= signed.deadline <= at + LONGEST_DEADLINE


def _stands_by(opener: PartyFacts, second: PartyFacts) -> bool:
    """Whether the second party is another verified post under another key."""
    return bool(
        second.standing is Status.VERIFIED
        and second.employer
        and second.number != opener.number
        and second.controller != opener.controller
    )


def _suspended(custody: Custody, asking: Asking, opener: int) -> bool:
    """A review is overdue: of an entry on the ledger, or of one that could not even be entered in that time."""
    oldest = custody.journal.oldest_unentered(opener)
    waits = oldest is not None and asking.at > oldest + REVIEW_WITHIN
    return waits or not asking.view.may_break_glass(opener, asking.at)


def _same(facts: BreakGlassFacts, signed: SignedOpening) -> bool:
    return (facts.opener, facts.commitment) == (signed.opener, signed.commitment)


def _settle(custody: Custody, signed: SignedOpening, evidence: str | None) -> None:
    with custody.journal.transaction():
        if evidence is not None:
            custody.journal.add_evidence(evidence, signed.encode())
        custody.journal.entered(signed.entry)
