"""Whether what was released for a lease still stands here: no order or retraction changed it, no revocation was told.

What was released when is kept in memory for as long as a lease may last. A custodian that was started since answers
nobody about it, which counts against the lease.
"""

from __future__ import annotations

from careledger.domain.custody import KeptVersion
from careledger.domain.errors import RequestRefused
from careledger.domain.questions import LONGEST_LEASE
from careledger.domain.reasons import Rule
from careledger.formats.custody import StandingQuestion
from careledger.formats.deposits import sliced
from careledger.formats.patients import Certificate
from careledger.formats.releases import MOST_REQUEST
from careledger.workflows.custodian.asking import Asking
from careledger.workflows.custodian.hear_revocation import was_heard
from careledger.workflows.custodian.parts import KEPT, Custody, ReleasedState

HANDLE = 32
MOST = 1 << 20
"""Versions of all requests that are kept: of more, what was released longest ago is asked for anew."""


def remember(custody: Custody, asking: Asking, versions: tuple[KeptVersion, ...]) -> None:
    """The state of what is released now, to be asked about by this request's id; the patient's own reading is none."""
    if asking.rule is Rule.OWN:
        return
    until = asking.at + LONGEST_LEASE + MOST_REQUEST
    custody.released_versions += len(versions)
    while custody.released:  # the oldest end first
        if next(iter(custody.released.values())).until > asking.at and custody.released_versions <= MOST:
            break
        gone = custody.released.pop(next(iter(custody.released)))
        custody.released_versions -= len(gone.handles) // HANDLE
    certificate = asking.signed.certificate
    custody.released[asking.request.id] = ReleasedState(
        tuple({version.deposit: None for version in versions}),
        until,
        b"".join(version.handle for version in versions),
        {version.handle: version.state for version in versions if version.state != KEPT},
        None if certificate is None else Certificate.decode(certificate.body),
    )


def stands(custody: Custody, body: bytes) -> bytes:
    """Takes a StandingQuestion; returns a signed receipt about it, counting what has changed since.

    Raises RequestRefused for an id that released nothing here, or not within the longest lease.
    """
    question = StandingQuestion.decode(body)
    view = custody.ledger.fresh_head()
    known = custody.released.get(question.request)
    if known is None or custody.time(view) >= known.until:
        raise RequestRefused(reason="unknown-request")
    now = custody.rows.states(known.deposits)
    changed = sum(now.get(each) != known.other.get(each, KEPT) for each in sliced(known.handles, HANDLE))
    revoked = known.certificate is not None and was_heard(custody, known.certificate)
    return custody.receipt(view, StandingQuestion.TYPE, question.digest(), changed + revoked)
