"""Emergencies that an organisation's posts opened: kept in its books, because only who knows the opening can ask.

Two posts that each act for themselves open one in two steps: a doctor proposes it, and another post of the same
employer confirms it within a quarter of an hour. Order of effects of the confirmation: who confirms, durable with the
proposal; the entry (``open_emergency``, which a repetition finds again); what it opens to, remembered. Only the same
post repeats it.
"""

from __future__ import annotations

from dataclasses import replace

from careledger.domain.categories import Compartment
from careledger.domain.errors import AccessRefused, ActRefused, RecordNotFound
from careledger.formats.digests import uint
from careledger.formats.releases import EmergencyOpening, EmergencyProposal
from careledger.ports import LedgerView
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.break_glass import Emergency, open_emergency
from careledger.workflows.due import Subject, note_due
from careledger.workflows.network import Network

EMERGENCY = "emergency"
PROPOSED = "proposed-emergency"
PROPOSED_FOR = 900
"""Seconds within which a proposal may be confirmed."""


def remember_emergency(opener: Staff, emergency: Emergency) -> None:
    """Durable in the employer's books."""
    row = uint(emergency.until) + emergency.opening.encode()
    opener.organisation.books.put(EMERGENCY, [(emergency.entry, row)])
    note_due(opener.organisation.books, Subject.EMERGENCY, emergency.entry)


def opened_here(organisation: Organisation) -> list[Emergency]:
    """Every emergency that its posts opened, also those that are over."""
    found = []
    for entry, row in organisation.books.rows(EMERGENCY):
        until, opening = int.from_bytes(row[:8], "big"), EmergencyOpening.decode(row[8:])
        found.append(Emergency(entry, opening, until))
    return found


def emergency_for(view: LedgerView, opener: Staff, alias: bytes, now: int) -> Emergency:
    """The open emergency about that patient that lasts longest of those that this post opened; raises AccessRefused."""
    here = [
        each for each in opened_here(opener.organisation) if each.opening.alias == alias and now < each.until
    ]
    entries = {each.entry: view.break_glass(each.entry) for each in here}
    mine = {entry for entry, facts in entries.items() if facts is not None and facts.opener == opener.number}
    fitting = [each for each in here if each.entry in mine]
    if not fitting:
        raise AccessRefused(reason="no-break-glass")
    return max(fitting, key=lambda each: each.until)


def propose_emergency(opener: Staff, proposal: EmergencyProposal) -> None:
    """Durable in the employer's books, for another of its posts to confirm. Raises ActRefused for another's."""
    if proposal.opener != opener.number:
        raise ActRefused(why="a post proposes its own emergencies only")
    opener.organisation.books.put(PROPOSED, [(proposal.id, proposal.encode())])


def proposed_here(organisation: Organisation, now: int) -> list[EmergencyProposal]:
    """Every proposal that is not over, confirmed or not; those that are over are dropped."""
    found = [EmergencyProposal.decode(row) for _, row in organisation.books.rows(PROPOSED)]
    over = [each.id for each in found if now >= each.made + PROPOSED_FOR]
    if over:
        organisation.books.drop(PROPOSED, over)
    return [each for each in found if each.id not in over]


def confirm_emergency(network: Network, opener: Staff, second: Staff, proposal: bytes) -> Emergency:
    """The second post agrees to what the opener proposed; the emergency is open.

    Raises RecordNotFound for a proposal that is over, another's, or confirmed by another post; ActRefused unless they
    are two posts; and what ``open_emergency`` raises.
    """
    with second.organisation.books.alone():
        asked = _confirmed(opener, second, proposal, network.clock.now())
    restricted = [Compartment.numbered(number) for number in asked.restricted]
    made = open_emergency(network, opener, second, asked.alias, asked.reason, asked.seconds, restricted)
    remember_emergency(opener, made)
    return made


def _confirmed(opener: Staff, second: Staff, proposal: bytes, now: int) -> EmergencyProposal:
    """What is proposed, now that post's to confirm and no other's."""
    employer = second.organisation
    asked = {each.id: each for each in proposed_here(employer, now)}.get(proposal)
    if asked is None or (opener.number, opener.organisation.number) != (asked.opener, employer.number):
        raise RecordNotFound(what="proposal")
    if opener.number == second.number:
        raise ActRefused(why="another post has to confirm it")
    if asked.second not in (0, second.number):
        raise RecordNotFound(what="proposal")
    employer.books.put(PROPOSED, [(proposal, replace(asked, second=second.number).encode())])
    return asked
