"""The controller's orders (restrict, unrestrict, erase, move, accept, confirm, dispute, retire), and retractions.

Order of effects: journal (the order, its log line, what waits for its date), rows, for ``erase`` the shares and their
keys, receipt, then the attestation on the ledger. What is ordered erased before its date (retained.py) is restricted
until then. The journal is replayed at every start, so a crash anywhere ends in the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from careledger.domain.custody import KeptVersion
from careledger.domain.errors import (
    DepositConflict,
    LedgerStale,
    MalformedBytes,
    RequestRefused,
    WritingRefused,
)
from careledger.domain.parties import ControllerKind, Status
from careledger.formats.deposits import Retraction, RetractRequest
from careledger.formats.patients import Order
from careledger.formats.releases import MOST_ACCEPTED
from careledger.formats.signatures import Address
from careledger.formats.signed import Signed, open_signed
from careledger.ports import LedgerView
from careledger.workflows.custodian import accept, erasures, logbook, retained, standing
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.parts import Custody, alias_facts

ORDER, RETRACTION = "order", "retraction"
STATES = {"restrict": "restricted", "unrestrict": "kept", "erase": "erased", "move": "moved"}
FROM = {
    "restrict": ("kept",),
    "unrestrict": ("restricted",),
    "erase": ("kept", "restricted", "retracted", "moved"),
    "move": ("kept", "restricted", "retracted"),
    "retract": ("kept", "restricted"),
}
MARKS = {"confirm": "confirmed", "dispute": "disputed"}
LONGEST = 3600
INCIDENT = "incident"


def order(custody: Custody, body: bytes) -> bytes:
    """Takes a signed Order; returns a signed receipt about it.

    Handles that this custodian does not keep are passed over; the same order signed again for a later time is the
    same. Raises SignatureRefused unless the present controller
    signed, RequestRefused when its time is over, DepositConflict for an id used for another order.
    """
    signed = Signed.decode(body)
    claimed = Order.decode(signed.body)
    view = custody.fresh_head()
    facts = alias_facts(view, claimed.alias)
    made = open_signed(Order, signed, facts.controller, custody.deployment)
    known = custody.journal.act(ORDER, made.id)
    if known is not None and not _same(made, known.body):
        raise DepositConflict(what="order id")
    if known is None:
        _check(custody, view, signed, made)
        early = _early(custody, view, made)
        said = f"{made.act}{'-later' if early else ''} {made.reason}".strip()[:64]
        kind = INCIDENT if made.act == "move" else "order"
        event = Event(kind, request=made.id, reason=said, handles=made.handles)
        number = _write(
            custody, view, made.alias, ORDER, made.id, made.digest(), body, event,
            lambda: _settle(custody, made, early),
        )  # fmt: skip
        apply_order(custody, body, number)
    erasures.attest_owed(custody)
    kept = _versions(custody, made.alias, made.handles)
    return custody.receipt(view, Order.TYPE, made.digest(), len(kept))


def _early(custody: Custody, view: LedgerView, made: Order) -> list[bytes]:
    """What is kept for longer by the ledger's retention: an erasure restricts it, and waits for the date."""
    if made.act != "erase":
        return []
    return retained.too_early(custody, view, _versions(custody, made.alias, made.handles))


def _settle(custody: Custody, made: Order, early: list[bytes]) -> None:
    """What the order does to erasures that wait: lifting the restriction withdraws them."""
    if made.act in ("erase", "unrestrict"):
        custody.journal.settled_erasures(made.handles)
    retained.put_off(custody, made.id, made.digest(), made.alias, early)


def _same(made: Order, known: bytes) -> bool:
    """Whether this is the order of before; it may have been signed again for a later time."""
    before = Order.decode(Signed.decode(known).body)
    return replace(before, block=made.block, not_after=made.not_after) == made


def _check(custody: Custody, view: LedgerView, signed: Signed, made: Order) -> None:
    if not custody.time(view) <= made.not_after <= custody.time(view) + LONGEST:
        raise RequestRefused(reason="not-after")
    if made.act not in (*STATES, *MARKS, "accept", "retire"):
        raise MalformedBytes(act=made.act[:16])
    if made.act == "retire" and custody.party in custody.statement(made.alias).custodians:
        raise RequestRefused(reason="still-on-the-list")
    if made.act == "erase" and alias_facts(view, made.alias).kind is ControllerKind.REGISTRAR:
        raise RequestRefused(reason="unclaimed")  # nothing is erased by an organisation alone
    if made.act == "accept":
        _check_provable(custody, view, signed, made)


def _check_provable(custody: Custody, view: LedgerView, signed: Signed, made: Order) -> None:
    """Readers will ask the ledger who controlled the alias at the order's block, and answers carry the order."""
    if made.block > view.head.number:
        raise LedgerStale(head=view.head.number, seen=made.block)
    if len(made.handles) > MOST_ACCEPTED:
        raise MalformedBytes(most=MOST_ACCEPTED)
    controller = alias_facts(custody.ledger.at(made.block), made.alias).controller
    open_signed(Order, signed, controller, custody.deployment)


def _versions(custody: Custody, alias: bytes, handles: Iterable[bytes]) -> list[KeptVersion]:
    """Those of the patient's versions that are kept here; another custodian may keep more."""
    wanted = frozenset(handles)
    return [version for version in custody.rows.versions(alias) if version.handle in wanted]


def _write(
    custody: Custody,
    view: LedgerView,
    alias: bytes,
    kind: str,
    id: bytes,
    digest: bytes,
    body: bytes,
    event: Event,
    beside: Callable[[], None] | None = None,
) -> int:
    """The act, its line and what stands ``beside`` them, durable together; returns the act's number."""
    statement = custody.statement(alias)
    with custody.journal.transaction():
        number = custody.journal.add_act(kind, id, digest, body).number
        logbook.write(custody, view, statement, event)
        if beside is not None:
            beside()
    return number


def apply_order(custody: Custody, body: bytes, act: int) -> None:
    """What an accepted order changes; also run when the journal is replayed. Repeating is harmless."""
    made = Order.decode(Signed.decode(body).body)
    early = custody.journal.put_off_by(made.id)
    if made.act == "erase":
        gone = [handle for handle in made.handles if handle not in early]
        erasures.destroy(custody, made.alias, gone, made.digest())
    if made.act == "retire":
        custody.rows.destroy_shares(made.alias, list(custody.rows.shares(made.alias)))
    with custody.rows.transaction():
        _move(custody, made.alias, early, "restrict", STATES["restrict"])
        if made.act in STATES:
            _move(custody, made.alias, set(made.handles) - early, made.act, STATES[made.act])
        elif made.act in MARKS:
            custody.rows.set_mark(made.alias, made.handles, MARKS[made.act])
        elif made.act == "accept":
            custody.rows.accept(made.alias, made.handles, accept.by_order(body))
        custody.rows.set_applied(act)


def _move(custody: Custody, alias: bytes, handles: Iterable[bytes], act: str, state: str) -> None:
    moving = [each.handle for each in _versions(custody, alias, handles) if each.state in FROM[act]]
    custody.rows.set_state(alias, moving, state)


def retract(custody: Custody, body: bytes) -> bytes:
    """Takes a RetractRequest; returns a signed receipt about the retraction.

    A known one may be signed again by the depositor's own key. Raises SignatureRefused, SessionExpired, WritingRefused
    unless each version is the depositor's.
    """
    request = RetractRequest.decode(body)
    claimed = Retraction.decode(request.statement.body)
    view = custody.fresh_head()
    made = _retraction(custody, view, request, claimed)
    known = custody.journal.act(RETRACTION, made.id)
    if known is not None and known.digest != made.digest():
        raise DepositConflict(what="retraction id")
    if known is None:
        for version in _versions(custody, made.alias, made.handles):
            deposit = custody.rows.deposit(version.deposit)
            if deposit is None or deposit.depositor != made.depositor:
                raise WritingRefused(reason="depositor-mismatch")
        event = Event(
            "order" if made.successor is None else INCIDENT,
            request=made.id,
            reader=made.post,
            employer=made.depositor,
            reason="retract",
            handles=made.handles,
        )
        number = _write(custody, view, made.alias, RETRACTION, made.id, made.digest(), body, event)
        apply_retraction(custody, body, number)
    kept = _versions(custody, made.alias, made.handles)
    return custody.receipt(view, Retraction.TYPE, made.digest(), len(kept))


def _retraction(
    custody: Custody, view: LedgerView, request: RetractRequest, claimed: Retraction
) -> Retraction:
    if request.session is None:
        controller = _without_session(view, claimed)
        return open_signed(Retraction, request.statement, controller, custody.deployment)
    session, post = standing.session(view, request.session, custody.deployment)
    standing.check_time(session, custody.time(view))
    if post.standing is not Status.VERIFIED:
        raise WritingRefused(reason="depositor-not-verified")
    if (session.post, post.employer) != (claimed.post, claimed.depositor):
        raise WritingRefused(reason="depositor-mismatch")
    return open_signed(Retraction, request.statement, session.session_key, custody.deployment)


def _without_session(view: LedgerView, claimed: Retraction) -> Address:
    """Who signs it: a verified depositor's own key, which stands above its posts, or for what the patient deposited
    the alias's controller. Raises PartyNotFound, WritingRefused, MalformedBytes."""
    if claimed.depositor:
        facts = standing.party(view, claimed.depositor)
        if facts.standing is not Status.VERIFIED:
            raise WritingRefused(reason="depositor-not-verified")
        return facts.controller
    if claimed.post:
        raise MalformedBytes(why="a post without its employer")
    return alias_facts(view, claimed.alias).controller


def apply_retraction(custody: Custody, body: bytes, act: int) -> None:
    """What an accepted retraction changes; also run when the journal is replayed."""
    made = Retraction.decode(RetractRequest.decode(body).statement.body)
    with custody.rows.transaction():
        _move(custody, made.alias, made.handles, "retract", "retracted")
        custody.rows.set_applied(act)
