"""Asking custodians for shares: one signed request that names all who are asked, their sealed answers opened.

What comes back is checked here as far as the custodian goes: its signature, its name, the request it answers. What
the rows claim is checked by ``retrieve``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from careledger.domain.consents import Purpose
from careledger.domain.errors import (
    CannotOpen,
    CareLedgerError,
    MalformedBytes,
    PartyNotFound,
    SignatureRefused,
    StoreUnavailable,
)
from careledger.domain.reasons import Rule
from careledger.formats.after_death import SignedDecision
from careledger.formats.patients import AliasStatement, Certificate
from careledger.formats.releases import (
    MOST_REQUEST,
    Answer,
    EmergencyOpening,
    OfficerAgreement,
    ReleaseRequest,
    SignedAgreement,
    SignedOpening,
    SignedRequest,
)
from careledger.formats.sessions import SessionProof
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, open_signed
from careledger.ports import CustodianLink, LedgerView
from careledger.sealing.keys import SealingKey, Secret, unwrap
from careledger.workflows.actors import Session
from careledger.workflows.custody import custodian_facts
from careledger.workflows.network import Network

NO_ANSWER = (MalformedBytes, SignatureRefused, CannotOpen, PartyNotFound)


@dataclass(frozen=True, repr=False)
class Access:
    """Who asks, why it may, and what it can open; never printed.

    ``seeds`` are epoch seeds by (compartment, epoch); ``secrets`` record secrets by handle. ``entry`` is a
    break-glass entry's id on the ledger, 32 zero bytes otherwise; ``opening`` is what both posts signed while it stood
    still. An ``agreement`` serves one request. A ``decision`` is two officers' about somebody dead, ``entry``
    its digest.
    """

    rule: Rule
    purpose: Purpose
    key: SigningKey
    reader: int = 0
    employer: int = 0
    session: bytes = bytes(32)
    proof: SessionProof | None = None
    certificate: Signed | None = None
    entry: bytes = bytes(32)
    emergency: EmergencyOpening | None = None
    agreement: SignedAgreement | None = None
    decision: SignedDecision | None = None
    opening: SignedOpening | None = None
    seeds: tuple[tuple[tuple[int, int], Secret], ...] = ()
    secrets: tuple[tuple[bytes, Secret], ...] = ()


def session_access(session: Session, rule: Rule, purpose: Purpose, **more: object) -> Access:
    """Access of a post by its session."""
    staff = session.staff
    return Access(
        rule, purpose, session.key, staff.number, staff.organisation.number, session.digest, session.proof,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One request and what became of it: opened answers, refusals and failures by custodian."""

    request: ReleaseRequest
    answers: tuple[tuple[Answer, Signed], ...]
    refusals: tuple[tuple[int, CareLedgerError], ...]
    unreached: tuple[int, ...]

    def followed_by(self, more: Asked) -> Asked:
        """This and a later request for the same, to others."""
        return Asked(
            more.request,
            self.answers + more.answers,
            self.refusals + more.refusals,
            self.unreached + more.unreached,
        )


def ask(
    network: Network,
    access: Access,
    statement: AliasStatement,
    handles: tuple[bytes, ...] | None,
    compartments: Iterable[int],
    as_of: int = 0,
    custodians: tuple[int, ...] | None = None,
) -> Asked:
    """Sends one request to these custodians, to the whole list unless told otherwise, and opens what they answer."""
    view = network.ledger.fresh_head()
    ephemeral = SealingKey.random()
    named = statement.custodians if custodians is None else custodians
    request = _request(
        network, view, access, statement.alias, named, handles, tuple(compartments), as_of, ephemeral
    )
    digest = request.signing_digest(network.ledger.chain_id, network.ledger.contract("Consents"))
    body = _signed(access, request, digest).encode()

    def one(number: int) -> tuple[Answer, Signed] | CareLedgerError | None:
        """An opened answer, a refusal, or None for one that cannot be reached or talks nonsense."""
        link = network.custodians.get(number)
        if link is None:
            return None
        try:
            sealed = link.call("release", body)
        except StoreUnavailable:
            return None
        except CareLedgerError as refusal:
            return refusal
        try:
            return _opened(network, view, link, sealed, digest, ephemeral)
        except NO_ANSWER:
            return None

    told = list(zip(named, network.of_each(one, named), strict=True))
    return Asked(
        request,
        tuple(said for _, said in told if isinstance(said, tuple)),
        tuple((number, said) for number, said in told if isinstance(said, CareLedgerError)),
        tuple(number for number, said in told if said is None),
    )


def _request(
    network: Network,
    view: LedgerView,
    access: Access,
    alias: bytes,
    custodians: tuple[int, ...],
    handles: tuple[bytes, ...] | None,
    compartments: tuple[int, ...],
    as_of: int,
    ephemeral: SealingKey,
) -> ReleaseRequest:
    owner, commitment = bytes(20), bytes(32)
    if access.certificate is not None:
        certificate = Certificate.decode(access.certificate.body)
        owner, commitment = certificate.owner, certificate.commitment
    return ReleaseRequest(
        id=_id(access),
        reader=access.reader,
        employer=access.employer,
        session=access.session,
        custodians=custodians,
        alias=alias,
        rule=access.rule.code,
        owner=owner,
        commitment=commitment,
        entry=access.entry,
        purpose=access.purpose.code,
        handles=handles,
        compartments=compartments,
        as_of=as_of,
        block_number=view.head.number,
        block_hash=view.head.hash,
        not_after=max(network.clock.now(), view.head.time) + MOST_REQUEST,
        ephemeral_key=ephemeral.public,
    )


def _signed(access: Access, request: ReleaseRequest, digest: bytes) -> SignedRequest:
    """The request, signed, with what it stands on."""
    return SignedRequest(
        request, access.key.sign(digest), access.proof, access.certificate, access.emergency, access.agreement,
        access.opening, access.decision,
    )  # fmt: skip


def _id(access: Access) -> bytes:
    """A random id, or the one that an officer agreed to."""
    if access.agreement is None:
        return secrets.token_bytes(16)
    return OfficerAgreement.decode(access.agreement.statement.body).request


def _opened(
    network: Network,
    view: LedgerView,
    link: CustodianLink,
    sealed: bytes,
    digest: bytes,
    ephemeral: SealingKey,
) -> tuple[Answer, Signed]:
    """A custodian's answer, opened and checked to be its own and about this request."""
    signed = Signed.decode(unwrap(ephemeral, sealed, "answer", digest))
    answer = open_signed(Answer, signed, custodian_facts(view, link.party).signer, network.ledger.deployment)
    if answer.request != digest or answer.custodian != link.party:
        raise SignatureRefused(why="an answer to something else")
    return answer, signed
