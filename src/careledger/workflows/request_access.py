"""Ask a patient for access, and answer: requests and answers travel as sealed packages on the board.

Nothing is decided here: granting is ``grant``, and silence grants nothing.
"""

from __future__ import annotations

import secrets

from careledger.domain.consents import Purpose, Scope, Window
from careledger.domain.errors import MalformedBytes, PatientNotFound, RecordNotFound, SignatureRefused
from careledger.formats.patients import AccessAnswer, AccessRequest, AliasStatement, Envelope
from careledger.formats.persons import Located
from careledger.formats.scopes import scope_form
from careledger.formats.sessions import SessionStatement
from careledger.formats.signed import open_signed, sign
from careledger.workflows.actors import Holder, Organisation, Session
from careledger.workflows.audit import known_claims
from careledger.workflows.board import organisation_key, post_package, read_board
from careledger.workflows.due import Subject, note_due
from careledger.workflows.located import take_located
from careledger.workflows.network import Network, verified

ASKED = "access-request"
ANSWERED = "access-answer"
SENT = "sent-request"
CLOSED = "closed-request"
"""Requests that this holder answered: the board still has them."""


def request_access(
    network: Network,
    session: Session,
    statement: AliasStatement,
    scope: Scope,
    purpose: Purpose,
    window: Window,
    reason: str,
    id: bytes | None = None,
) -> AccessRequest:
    """Posts a request, signed by the session, sealed to the patient; ``id``: 16 bytes by which a repetition is the
    same request."""
    session.check(network.clock.now())
    staff = session.staff
    request = AccessRequest(
        id or secrets.token_bytes(16), statement.alias, staff.number, staff.organisation.number, scope_form(scope),
        purpose.code, window.start, window.end, reason, network.clock.now(),
    )  # fmt: skip
    signed = sign(request, session.key, network.ledger.deployment)
    staff.organisation.books.put(SENT, [(request.id, request.encode())])
    post_package(
        network, statement.sealing_key, Envelope(AccessRequest.TYPE, signed, session.proof.statement)
    )
    return request


def read_requests(network: Network, holder: Holder) -> list[AccessRequest]:
    """All requests that have reached this holder and were not answered, new ones fetched first; forged ones are passed
    over. What was asked before the keys were claimed or changed is sealed to the keys of then, and is found too.

    Word of who looked for this person is taken too (``located``).
    """

    def take(envelope: Envelope) -> None:
        if envelope.kind == Located.TYPE:
            take_located(network, holder, envelope)
            return
        request = _checked(network, envelope)
        if request.alias == holder.alias and holder.books.get(CLOSED, request.id) is None:
            holder.books.put(ASKED, [(request.id, request.encode())])

    read_board(network, holder.books, [key for each in known_claims(holder) for key in each.sealing], take)
    found = (AccessRequest.decode(row) for _, row in holder.books.rows(ASKED))
    return [request for request in found if request.alias == holder.alias]


def answer(network: Network, holder: Holder, request_id: bytes, outcome: str) -> None:
    """Tells the asker ``granted`` or ``refused`` and no more; raises RecordNotFound for an unknown request."""
    row = holder.books.get(ASKED, request_id)
    if row is None:
        raise RecordNotFound(what="access request")
    request = AccessRequest.decode(row)
    signed = sign(AccessAnswer(request_id, outcome), holder.controller, network.ledger.deployment)
    post_package(
        network, organisation_key(network, request.employer), Envelope(AccessAnswer.TYPE, signed, None)
    )
    holder.books.put(CLOSED, [(request_id, b"")])
    holder.books.drop(ASKED, [request_id])


def take_answer(network: Network, organisation: Organisation, envelope: Envelope) -> None:
    """Keeps an answer to a request of this organisation.

    Raises MalformedBytes, RecordNotFound for a request never sent, SignatureRefused unless the present controller of
    the alias that was asked signed.
    """
    if envelope.kind != AccessAnswer.TYPE:
        raise MalformedBytes(envelope=envelope.kind)
    row = organisation.books.get(SENT, AccessAnswer.decode(envelope.content.body).request)
    if row is None:
        raise RecordNotFound(what="access request")
    facts = network.ledger.fresh_head().alias(AccessRequest.decode(row).alias)
    if facts is None:
        raise PatientNotFound()
    told = open_signed(AccessAnswer, envelope.content, facts.controller, network.ledger.deployment)
    organisation.books.put(ANSWERED, [(told.request, told.encode())])
    note_due(organisation.books, Subject.ANSWER, told.request)


def _checked(network: Network, envelope: Envelope) -> AccessRequest:
    """The request of an envelope whose post is verified and whose session it signed."""
    if envelope.kind != AccessRequest.TYPE or envelope.session is None:
        raise MalformedBytes(envelope=envelope.kind)
    claimed = AccessRequest.decode(envelope.content.body)
    view = network.ledger.fresh_head()
    post = verified(view, claimed.reader)
    deployment = network.ledger.deployment
    session = open_signed(SessionStatement, envelope.session, post.controller, deployment)
    if post.employer != claimed.employer or session.post != claimed.reader or session.until <= claimed.made:
        raise SignatureRefused(why="another post's session")
    return open_signed(AccessRequest, envelope.content, session.session_key, deployment)


def sent_requests(organisation: Organisation) -> list[AccessRequest]:
    """Every request of this organisation's posts."""
    return [AccessRequest.decode(row) for _, row in organisation.books.rows(SENT)]


def answer_to(organisation: Organisation, request_id: bytes) -> str | None:
    """``granted`` or ``refused`` as the patient answered, None while there is no answer."""
    row = organisation.books.get(ANSWERED, request_id)
    return None if row is None else AccessAnswer.decode(row).outcome
