"""The controller gets the sealed entries of a patient, and the proof that there are no more.

Order of effects: the log's head anchored, entries and proof under it, a log line of the audit itself, the answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from careledger.domain.errors import RequestRefused
from careledger.formats.cbor import MOST_BYTES
from careledger.formats.custody import AuditAnswer
from careledger.formats.patients import AuditRequest
from careledger.formats.schema import MOST_ITEMS
from careledger.formats.signed import Signed, open_signed, sign
from careledger.proofs.audit import make_proof
from careledger.workflows.custodian import checkpoint, logbook
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.orders import LONGEST
from careledger.workflows.custodian.parts import Custody, alias_facts

MOST_ANSWER = MOST_BYTES - 1024
"""Bytes of an answer, so that it can be read with its signature."""


def audit(custody: Custody, body: bytes) -> bytes:
    """Takes a signed AuditRequest; returns the signed AuditAnswer.

    From the first entry on each line is proved by itself, else only the last one. "Never held anything" is an
    answer too. Raises SignatureRefused unless the present controller signed, RequestRefused for another custodian
    or when its time is over, and what ``checkpoint`` raises.
    """
    signed = Signed.decode(body)
    claimed = AuditRequest.decode(signed.body)
    view = custody.fresh_head()
    facts = alias_facts(view, claimed.alias)
    request = open_signed(AuditRequest, signed, facts.controller, custody.deployment)
    if request.custodian != custody.party:
        raise RequestRefused(reason="another-custodian")
    if not custody.time(view) <= request.not_after <= custody.time(view) + LONGEST:
        raise RequestRefused(reason="not-after")
    key = custody.rows.audit_key(request.alias, request.claim)
    if key is None:
        held_nothing = AuditAnswer(custody.party, request.digest(), False, request.first, (), None, ())
        return _signed(custody, held_nothing)
    answer = _answer(custody, request, key)
    event = Event("audited", request=request.id, reason=f"claim {request.claim}")
    with custody.journal.transaction():
        logbook.write(custody, view, custody.statement(request.alias), event)
    return _signed(custody, answer)


def _answer(custody: Custody, request: AuditRequest, key: bytes) -> AuditAnswer:
    checkpoint.anchor(custody)
    anchored = custody.anchored
    assert anchored is not None  # whoever has an audit key has a line
    lines = custody.journal.lines(request.alias, request.claim, 0, anchored.size)
    proof = make_proof(anchored.head, anchored.note, key, len(lines), every_line=request.first == 0)
    entries = tuple(line.sealed for line in lines[request.first :])
    bare = AuditAnswer(custody.party, request.digest(), True, request.first, entries, proof.encode(), ())
    room = MOST_ANSWER - len(bare.encode())
    return replace(
        bare, sessions=tuple(_fitting(custody.journal.sessions(request.alias, request.claim), room))
    )


def _fitting(sessions: Iterable[bytes], room: int) -> Iterator[bytes]:
    """As many as there is room for beside the entries, which never give way: one that is left out only proves less."""
    for sealed in itertools.islice(sessions, MOST_ITEMS):
        room -= len(sealed) + 5  # what CBOR says of its length
        if room < 0:
            return
        yield sealed


def _signed(custody: Custody, answer: AuditAnswer) -> bytes:
    return sign(answer, custody.keys.signing, custody.deployment).encode()
