"""Whoever was shown a record that was filed on the wrong person is told so, by that person's side.

The release logs say who was shown it: the holder audits, and each reader's organisation gets a notice, sealed, by the
board. It names the record and not the right person. Order of effects: the notice posted, then the holder's books. A
crash between tells it twice, which the organisation keeps once; what cannot be told now is told the next time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from careledger.domain.errors import DigestMismatch, PartyNotFound, PartyNotVerified
from careledger.domain.parties import ControllerKind
from careledger.formats.digests import uint
from careledger.formats.patients import Envelope
from careledger.formats.persons import Misfiled, MoveNotice
from careledger.formats.signed import sign
from careledger.sealing.grants import seal_package
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.audit import Log, audit, known_claims
from careledger.workflows.board import organisation_key, post_package
from careledger.workflows.moved import UNTOLD
from careledger.workflows.network import Network
from careledger.workflows.register import kept_aliases, kept_holder
from careledger.workflows.two_hops import post

INCIDENT, RELEASED = "incident", "released"
TOLD = "told-moved"
LOOKED = "looked-for-moves"
MOST_HANDLES = 1_000
UNSENDABLE = (PartyNotFound, PartyNotVerified, DigestMismatch)
DAY = 86_400
Reader = tuple[int, int]


@dataclass(frozen=True)
class ToldMoved:
    """How many incidents the logs have, how many readers were told of them now, and how many could not be.

    ``complete``: every custodian proved its log, so that nobody who was shown something is missing.
    """

    incidents: int
    told: int
    waiting: int
    complete: bool

    @property
    def done(self) -> bool:
        """Whether nobody is left to be told."""
        return self.complete and not self.waiting


def tell_moved(network: Network, holder: Holder) -> ToldMoved:
    """Tells every reader of what was moved away since the last time, claims before this one included."""
    found = audit(network, holder, known_claims(holder))
    moved = _moved(found.logs)
    told = waiting = 0
    for reader, handles in sorted(_shown(found.logs, set(moved)).items()):
        new = [
            handle
            for handle in sorted(handles)
            if holder.books.get(TOLD, _key(holder, reader, handle)) is None
        ]
        if not new:
            continue
        try:
            for start in range(0, len(new), MOST_HANDLES):
                _tell(network, holder, reader, tuple(new[start : start + MOST_HANDLES]))
            told += 1
        except UNSENDABLE:
            waiting += 1
    return ToldMoved(len(set(moved.values())), told, waiting, found.complete)


def tell_daily(network: Network, holder: Holder) -> int:
    """The same, once a day, because each look is a line in the logs; returns how many readers were told."""
    now, row = network.clock.now(), holder.books.get(LOOKED, holder.alias)
    if row is not None and now < int.from_bytes(row, "big") + DAY:
        return 0
    told = tell_moved(network, holder)
    if told.done:
        holder.books.put(LOOKED, [(holder.alias, uint(now))])
    return told.told


def tell_untold(network: Network, organisation: Organisation) -> int:
    """An organisation's part after moves that it began or was told of; returns how many still wait.

    Where it keeps the patient's keys it tells the readers; else it tells the registrar that does. The agent of a
    patient who has claimed looks into the logs itself.
    """
    waiting, kept = 0, kept_aliases(organisation)
    for alias, _ in list(organisation.books.rows(UNTOLD)):
        if alias in kept:
            done = tell_moved(network, kept_holder(organisation, alias)).done
        else:
            done = _tell_registrar(network, organisation, alias)
        if done:
            organisation.books.drop(UNTOLD, [alias])
        waiting += not done
    return waiting


def _tell_registrar(network: Network, depositor: Organisation, alias: bytes) -> bool:
    """False where nothing can be sealed to the registrar now."""
    facts = network.ledger.fresh_head().alias(alias)
    if facts is None or facts.kind is not ControllerKind.REGISTRAR or facts.registrar == depositor.number:
        return True
    told = Misfiled(alias, depositor.number, network.clock.now())
    envelope = Envelope(Misfiled.TYPE, sign(told, depositor.controller, network.ledger.deployment), None)
    try:
        post_package(network, organisation_key(network, facts.registrar), envelope)
    except UNSENDABLE:
        return False
    return True


def _moved(logs: tuple[Log, ...]) -> dict[bytes, bytes]:
    """Handle → incident, as any custodian logged it."""
    return {
        handle: entry.request
        for log in logs
        for entry in log.entries
        if entry.event == INCIDENT
        for handle in entry.handles
    }


def _shown(logs: tuple[Log, ...], moved: set[bytes]) -> dict[Reader, set[bytes]]:
    """(employer, post) → those of the moved versions that any custodian released to it."""
    shown: dict[Reader, set[bytes]] = defaultdict(set)
    for entry in (entry for log in logs for entry in log.entries if entry.event == RELEASED and entry.reader):
        handles = moved.intersection(entry.handles)
        if handles:
            shown[entry.employer or entry.reader, entry.reader] |= handles
    return shown


def _tell(network: Network, holder: Holder, reader: Reader, handles: tuple[bytes, ...]) -> None:
    employer, number = reader
    head = network.ledger.fresh_head().head
    notice = MoveNotice(
        holder.alias, employer, number, handles, head.number, max(network.clock.now(), head.time)
    )
    signed = sign(notice, holder.controller, network.ledger.deployment)
    envelope = Envelope(MoveNotice.TYPE, signed, None)
    post(network, seal_package(organisation_key(network, employer), envelope.encode()))
    holder.books.put(TOLD, [(_key(holder, reader, handle), uint(notice.made)) for handle in handles])


def _key(holder: Holder, reader: Reader, handle: bytes) -> bytes:
    return holder.alias + uint(reader[0]) + uint(reader[1]) + handle
