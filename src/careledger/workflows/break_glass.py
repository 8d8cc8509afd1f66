"""Break the glass: a verified doctor with a second party, on the ledger, for at most four hours, reviewed.

Order of effects: the opener's books (what the entry's commitment opens to), the entry on the ledger (public, without
the patient), then the request, which opens the commitment to the custodians; they alarm the patient before they
answer. Whoever repeats after a crash opens the same entry, so that nobody owes a review for one that was never used.

While the ledger stands still: the entry signed by both and durable in the gateway's books, then the request, which
custodians grant once they have found no fresh head for five minutes; ``enter_emergencies`` enters it when the ledger
moves, as does every custodian that granted it. From then on it waits for its review like any other.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from careledger.domain.categories import Compartment
from careledger.domain.consents import Purpose
from careledger.domain.errors import ActRefused, CareLedgerError, LedgerStale
from careledger.domain.facts import Head
from careledger.domain.reasons import Rule
from careledger.formats.consent_messages import OpenBreakGlass
from careledger.formats.digests import digest, uint
from careledger.formats.releases import EmergencyOpening, SignedOpening
from careledger.formats.signatures import SigningKey
from careledger.workflows.actors import Organisation, Session, Staff
from careledger.workflows.asking import Access, session_access
from careledger.workflows.network import Network

LONGEST = 4 * 3600
SHOWN_WITHIN = 900
"""Seconds in which custodians have to be shown what was signed without the ledger."""
APART = 60
"""Seconds by which custodians' clocks may be behind: an emergency without the ledger ends so much earlier."""
UNENTERED = "unentered-emergency"
BEGUN = "begun-emergency"


@dataclass(frozen=True)
class Emergency:
    """An open entry: its id on the ledger, what its commitment opens to, and until when.

    ``signed``: it is not there yet, because the ledger stands still.
    """

    entry: bytes
    opening: EmergencyOpening
    until: int
    signed: SignedOpening | None = None


def open_emergency(
    network: Network,
    opener: Staff,
    second: Staff,
    alias: bytes,
    reason: str,
    seconds: int = LONGEST,
    restricted: Iterable[Compartment] = (),
) -> Emergency:
    """Enters the emergency; ``reason`` is a code. While one of this opener, second party and reason for this patient
    lasts and is not reviewed, that one is returned. Raises LedgerRefused (no doctor, same person, overdue review …)."""
    opening, view, books = (
        _opening(alias, reason, restricted),
        network.ledger.fresh_head(),
        opener.organisation.books,
    )
    now, asked = max(network.clock.now(), view.head.time), _asked(opener, second, opening)
    row = books.get(BEGUN, asked)
    entry = row[:32] if row is not None else secrets.token_bytes(32)
    facts = view.break_glass(entry)
    if row is not None and facts is not None and now < facts.until and not facts.reviewed:
        return Emergency(entry, EmergencyOpening.decode(row[32:]), facts.until)
    if facts is not None:
        entry = secrets.token_bytes(32)
    until = now + min(seconds, LONGEST)
    books.put(BEGUN, [(asked, entry + opening.encode())])
    network.ledger.open_break_glass(
        entry,
        opening.commitment,
        until,
        bool(opening.restricted),
        (opener.number, opener.key),
        (second.number, second.key),
        network.relay,
    )
    return Emergency(entry, opening, until)


def open_without_ledger(
    network: Network,
    opener: Staff,
    second: Staff,
    alias: bytes,
    reason: str,
    seconds: int = LONGEST,
    restricted: Iterable[Compartment] = (),
) -> Emergency:
    """Signs the emergency while the ledger stands still; read with ``network.at_last_head``.

    Raises ActRefused while the ledger answers: then it is entered there first.
    """
    with suppress(LedgerStale):
        network.ledger.fresh_head()
        raise ActRefused(why="the ledger answers, so the emergency is entered there first")
    opening, entry = _opening(alias, reason, restricted), secrets.token_bytes(32)
    now = max(network.clock.now(), network.ledger.last_head().head.time)
    until, deadline = now + min(seconds, LONGEST - APART), now + SHOWN_WITHIN
    named, posts = bool(opening.restricted), (opener.number, second.number)
    said = OpenBreakGlass(entry, opening.commitment, *posts, until, named, deadline)
    where = network.ledger.chain_id, network.ledger.contract("BreakGlass")
    signatures = (staff.key.sign(said.digest(*where)) for staff in (opener, second))
    signed = SignedOpening(entry, opening.commitment, *posts, until, named, deadline, *signatures)
    opener.organisation.books.put(UNENTERED, [(entry, signed.encode())])
    return Emergency(entry, opening, until, signed)


def enter_emergencies(network: Network, organisation: Organisation) -> int:
    """Enters what was opened while the ledger stood still; returns how much still waits.

    Raises nothing: what the ledger does not take now waits for the next time.
    """
    for entry, row in list(organisation.books.rows(UNENTERED)):
        with suppress(CareLedgerError):
            _enter(network, organisation, entry, SignedOpening.decode(row))
    return len(list(organisation.books.rows(UNENTERED)))


def emergency_access(session: Session, emergency: Emergency) -> Access:
    """What the opener asks custodians with."""
    return session_access(
        session,
        Rule.BREAK_GLASS,
        Purpose.BTG,
        entry=emergency.entry,
        emergency=emergency.opening,
        opening=emergency.signed,
    )


def review(network: Network, entry: bytes, justified: bool, reviewer: int, key: SigningKey) -> Head:
    """Records a review by a ministry officer or the opener's employer; repeating one's own is harmless.

    Raises LedgerRefused for anybody else, and for a second one.
    """
    view = network.ledger.fresh_head()
    facts, judge = view.break_glass(entry), view.party(reviewer)
    same = facts is not None and (facts.reviewed, facts.justified, facts.reviewer) == (
        True,
        justified,
        reviewer,
    )
    if same and judge is not None and judge.controller == key.address:
        return view.head
    return network.ledger.review_break_glass(entry, justified, reviewer, key)


def _asked(opener: Staff, second: Staff, opening: EmergencyOpening) -> bytes:
    numbers = (opener.number, second.number, *opening.restricted)
    return digest("emergency", opening.alias, opening.reason.encode(), *map(uint, numbers))


def _opening(alias: bytes, reason: str, restricted: Iterable[Compartment]) -> EmergencyOpening:
    numbers = tuple(sorted(each.number for each in restricted))
    return EmergencyOpening(secrets.token_bytes(32), alias, reason, numbers)


def _enter(network: Network, organisation: Organisation, entry: bytes, signed: SignedOpening) -> None:
    """A custodian may have entered it before; the contract takes it only after its deadline."""
    view = network.ledger.fresh_head()
    if view.break_glass(entry) is None:
        if max(network.clock.now(), view.head.time) <= signed.deadline:
            return
        network.ledger.enter_break_glass(signed, network.relay)
    organisation.books.drop(UNENTERED, [entry])
