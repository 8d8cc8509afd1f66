"""Who asks, and whether the request follows the rules for requests: signatures, ids, times, names, blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from careledger.domain.categories import Compartment
from careledger.domain.consents import Consent, Purpose
from careledger.domain.errors import LedgerStale, MalformedBytes, RequestRefused, SignatureRefused
from careledger.domain.facts import AliasFacts
from careledger.domain.parties import PartyId, Status
from careledger.domain.questions import BreakGlass
from careledger.domain.reasons import Rule
from careledger.domain.records import Post
from careledger.formats.patients import AliasStatement, Certificate
from careledger.formats.releases import MOST_REQUEST, ReleaseRequest, SignedRequest
from careledger.formats.sessions import SessionStatement
from careledger.formats.signatures import check_signer
from careledger.ports import LedgerView
from careledger.proofs.passkeys import person_proof
from careledger.workflows.custodian import hear_revocation, standing
from careledger.workflows.custodian.parts import Custody

MOST_STALE = 120
DAY = 86_400
RULES = {rule.code: rule for rule in Rule}


@dataclass(frozen=True)
class Asking:
    """An authentic request and the facts of the one block by which it is answered.

    ``stood``: that block is the last known one of a ledger that has stood still for so many seconds.
    ``person_proof``: how the reader's person proved who they are, as far as this custodian verified it.
    """

    request: ReleaseRequest
    digest: bytes
    rule: Rule
    view: LedgerView
    at: int
    statement: AliasStatement
    facts: AliasFacts
    session: SessionStatement | None
    reader: Post | None
    signed: SignedRequest
    stood: int | None = None
    person_proof: str = ""

    @property
    def purpose(self) -> Purpose:
        """What the records are asked for; raises MalformedBytes for an unknown word."""
        return Purpose.of(self.request.purpose)


def authentic(
    custody: Custody, view: LedgerView, signed: SignedRequest, statement: AliasStatement, facts: AliasFacts
) -> Asking:
    """The request, signed by its session's key (rule ``own``: by the alias's present controller).

    Raises SignatureRefused, PartyNotFound, MalformedBytes. What fails here was asked by nobody one could name, so it
    is not logged: else whoever knows an alias could fill its log.
    """
    request = signed.request
    digest = request.signing_digest(custody.ledger.chain_id, custody.ledger.contract("Consents"))
    if request.rule not in RULES:
        raise MalformedBytes(rule=request.rule)
    rule, at = RULES[request.rule], custody.time(view)
    if rule is Rule.OWN:
        check_signer(digest, signed.signature, facts.controller)
        return Asking(request, digest, rule, view, at, statement, facts, None, None, signed)
    if signed.session is None:
        raise SignatureRefused(why="no session")
    session, post = standing.session(view, signed.session, custody.deployment)
    check_signer(digest, signed.signature, session.session_key)
    if (session.post, session.digest()) != (request.reader, request.session):
        raise SignatureRefused(why="another session")
    if request.employer not in (post.employer, post.number if not post.employer else 0):
        raise SignatureRefused(why="another employer")
    teams = () if signed.certificate is None else (_team(signed),)
    reader = standing.post(view, post, teams)
    person = person_proof(session, post.controller, custody.deployment)
    return Asking(
        request, digest, rule, view, at, statement, facts, session, reader, signed, person_proof=person
    )


def _team(signed: SignedRequest) -> int:
    assert signed.certificate is not None
    return Certificate.decode(signed.certificate.body).grantee.number


def check_rules(custody: Custody, asking: Asking) -> None:
    """Raises RequestRefused, SessionExpired, LedgerStale for a request that may not be answered at all."""
    request = asking.request
    if asking.session is not None:
        standing.check_time(asking.session, asking.at)
    if not asking.at <= request.not_after <= asking.at + MOST_REQUEST:
        raise RequestRefused(reason="not-after")
    if custody.party not in request.custodians:
        raise RequestRefused(reason="another-custodian")
    if custody.party not in asking.statement.custodians:
        raise RequestRefused(reason="not-on-the-list")
    _check_block(custody, asking)


def _check_block(custody: Custody, asking: Asking) -> None:
    """The block that the requester saw is one of this ledger, and was its head not long ago."""
    request, head = asking.request, asking.view.head
    check_seen(custody, asking.view, request.block_number, asking.at if asking.stood is None else head.time)
    if custody.ledger.at(request.block_number).head.hash != request.block_hash:
        raise RequestRefused(reason="another-ledger")


def check_seen(custody: Custody, view: LedgerView, block: int, at: int) -> None:
    """That block was this ledger's head not long ago; raises LedgerStale for one to come, RequestRefused."""
    if block > view.head.number:
        raise LedgerStale(head=view.head.number, seen=block)
    if block < view.head.number and at - custody.ledger.at(block + 1).head.time > MOST_STALE:
        raise RequestRefused(reason="stale-block")


def consent_of(custody: Custody, asking: Asking) -> Consent | None:
    """The consent that the request names, opened by its certificate; None if there is none."""
    certificate = asking.signed.certificate
    if certificate is None:
        return None
    opened = Certificate.decode(certificate.body)
    named = (asking.request.owner, asking.request.commitment)
    if (opened.owner, opened.commitment) != named:
        raise RequestRefused(reason="another-certificate")
    consent = standing.consent(asking.view, asking.facts, certificate, custody.deployment)
    return replace(consent, revoked=True) if hear_revocation.was_heard(custody, opened) else consent


def broken_glass(asking: Asking) -> BreakGlass | None:
    """The ledger's entry that the request stands on, opened; None if it does not open, as one entered afterwards."""
    opening, view = asking.signed.emergency, asking.view
    entry = view.break_glass(asking.request.entry)
    if opening is None or entry is None or entry.afterwards or opening.commitment != entry.commitment:
        return None
    second = view.party(entry.second)
    named = frozenset(Compartment.numbered(number) for number in opening.restricted)
    return BreakGlass(
        opening.alias,
        PartyId(entry.opener),
        PartyId(entry.second),
        second is not None and second.standing is Status.VERIFIED,
        opening.reason,
        entry.opened_at,
        entry.until,
        named if entry.restricted else frozenset(),
        not view.may_break_glass(entry.opener, asking.at),
    )
