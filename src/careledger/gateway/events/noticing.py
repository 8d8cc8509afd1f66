"""Noticing what happened: from an organisation's books and the ledger's facts into its outbox, in portions.

Order of effects: the event with how far its subject has come, together; then what was noted is settled, or the subject
closed. After a crash between them it is looked at again, and the stage says that it was told.
"""

from __future__ import annotations

from collections.abc import Iterator

from careledger.domain.categories import Compartment
from careledger.domain.consents import GranteeKind
from careledger.formats.charts import AuthorsCopies
from careledger.formats.digests import uint
from careledger.formats.events import Event
from careledger.formats.patients import AccessRequest, GranteeForm
from careledger.gateway.events.attention import Attention
from careledger.gateway.events.outbox import Outbox
from careledger.gateway.events.recording import Records
from careledger.gateway.events.stages import OVER
from careledger.gateway.events.watched import Found, Watched, watched
from careledger.ports import LedgerView
from careledger.workflows.actors import Organisation
from careledger.workflows.deposited import COPIES
from careledger.workflows.due import Subject, note_due, noted, settle
from careledger.workflows.emergencies import EMERGENCY
from careledger.workflows.network import Network
from careledger.workflows.received import RECEIVED, fetch_grants
from careledger.workflows.request_access import SENT

ANSWERED, DEPOSITED, MOVED_AWAY = "request-answered", "deposit-final", "record-moved-away"
JOINED, LEFT, REKEYED = "custodian-joined", "custodian-left", "custodian-rekeyed"
PORTION = 200
"""How many subjects are looked at before others have their turn."""
KEPT_FOR = 30 * 24 * 3600
"""Seconds that an event is kept."""
_CUSTODIAN = 28  # number ‖ signing key's address


class Noticing:
    """For one organisation; used by the gateway's worker alone."""

    def __init__(self, organisation: Organisation, outbox: Outbox, records: Records) -> None:
        """Reads what has still to be looked at."""
        self.organisation, self.outbox, self._records = organisation, outbox, records
        if not outbox.begun:
            _note_all(organisation)
        self._attention = Attention()
        opened = outbox.open()
        over = [subject for subject in opened if outbox.stage(subject) >= OVER]  # a crash left them open
        if over:
            outbox.close(over)
        for subject in set(opened).difference(over):
            self._watch(subject)

    def look(self, network: Network) -> Iterator[None]:
        """Looks once at everything, and lets others have their turn at each step. Raises LedgerStale, StoreUnavailable;
        what was noticed before stays."""
        fetch_grants(network, self.organisation)
        yield
        view = network.ledger.fresh_head()
        now = max(network.clock.now(), view.head.time)
        waiting = noted(self.organisation.books)
        for at in range(0, len(waiting), PORTION):
            self._take(waiting[at : at + PORTION], now)
            yield
        due = self._attention.due(view, now)
        for at in range(0, len(due), PORTION):
            self._compare(due[at : at + PORTION], view, now, network.ledger.deployment)
            yield
        self._see(view, now)
        self.outbox.forget_before(now - KEPT_FOR)

    def _take(self, waiting: list[bytes], now: int) -> None:
        """What was noted: told at once, or watched from now on."""
        events: list[Event] = []
        stages: dict[bytes, int] = {}
        opened: list[bytes] = []
        for subject in waiting:
            stage = self.outbox.stage(subject)
            if subject[0] in (Subject.GRANT, Subject.EMERGENCY):
                opened += [subject] if stage < OVER else []
            elif not stage:
                events += _at_once(self.organisation, subject, now)
                stages[subject] = 1
        self._records.wrote(self.organisation, [each[1:33] for each in waiting if each[0] == Subject.DEPOSIT])
        self.outbox.append(events, stages, opened)
        settle(self.organisation.books, waiting)
        for subject in opened:
            self._watch(subject)

    def _watch(self, subject: bytes) -> None:
        made = watched(self.organisation, subject, self.outbox.stage(subject))
        if made is not None:
            self._attention.watch(made)

    def _compare(self, due: list[Watched], view: LedgerView, now: int, deployment: bytes) -> None:
        looked = [(each, each.look(view, now, deployment)) for each in due]
        found: list[tuple[Watched, Found]] = [(each, what) for each, what in looked if what is not None]
        if found:
            self._found(found)
        self._attention.looked(due, now)

    def _found(self, found: list[tuple[Watched, Found]]) -> None:
        events = sorted((event for _, what in found for event in what.events), key=lambda each: each.time)
        self.outbox.append(events, {each.subject: what.stage for each, what in found})
        over = [each.subject for each, what in found if what.stage >= OVER]
        for each, what in found:
            each.stage = what.stage
        for subject in over:
            self._attention.leave(subject)
        if over:
            self.outbox.close(over)

    def _see(self, view: LedgerView, now: int) -> None:
        """Which custodians came, went, or have another key."""
        serving = {each.number: each.signer for each in view.custodians()}
        seen = b"".join(uint(number) + signer for number, signer in sorted(serving.items()))
        before = self.outbox.custodians()
        if before == seen:
            return
        everybody = (
            GranteeForm(GranteeKind.ORGANISATION.code, self.organisation.number, self.organisation.number),
        )
        changed = [] if before is None else _changes(_parsed(before), serving)
        self.outbox.saw(seen, [Event(kind, now, uint(number), everybody, (), ()) for kind, number in changed])


def _note_all(organisation: Organisation) -> None:
    """Books from before there were events: what is held is looked at from now on."""
    books = organisation.books
    note_due(books, Subject.GRANT, *(key for key, _ in books.rows(RECEIVED)))
    note_due(books, Subject.EMERGENCY, *(key for key, _ in books.rows(EMERGENCY)))


def _at_once(organisation: Organisation, subject: bytes, now: int) -> list[Event]:
    """What is told of a subject of which there is nothing more to tell."""
    books, key = organisation.books, subject[1:]
    if subject[0] == Subject.ANSWER:
        row = books.get(SENT, key)
        return [] if row is None else [_to_post(ANSWERED, now, key, AccessRequest.decode(row).reader)]
    if subject[0] == Subject.MOVE:
        return [_to_post(MOVED_AWAY, now, key[40:], int.from_bytes(key[:8], "big"))]
    row = books.get(COPIES, key)
    if row is None:
        return []
    copies = AuthorsCopies.decode(row)
    numbers = {
        int.from_bytes(copies.compartments[at : at + 2], "big")
        for at in range(0, len(copies.compartments), 2)
    }
    categories = {int(Compartment.numbered(number).category) for number in numbers}
    return [Event(DEPOSITED, copies.made, copies.id, (), (), tuple(sorted(categories)))]


def _to_post(kind: str, time: int, reference: bytes, post: int) -> Event:
    return Event(kind, time, reference, (GranteeForm(GranteeKind.POST.code, post, 0),), (), ())


def _parsed(seen: bytes) -> dict[int, bytes]:
    rows = [seen[at : at + _CUSTODIAN] for at in range(0, len(seen), _CUSTODIAN)]
    return {int.from_bytes(row[:8], "big"): row[8:] for row in rows}


def _changes(before: dict[int, bytes], now: dict[int, bytes]) -> list[tuple[str, int]]:
    gone = [(LEFT, number) for number in sorted(before.keys() - now.keys())]
    came = [(JOINED, number) for number in sorted(now.keys() - before.keys())]
    both = sorted(now.keys() & before.keys())
    return gone + came + [(REKEYED, number) for number in both if before[number] != now[number]]
