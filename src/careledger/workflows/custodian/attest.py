"""A ledger fact is attested for an agent that reaches no node: value, block, the agent's nonce, signed."""

from __future__ import annotations

from careledger.domain.errors import MalformedBytes
from careledger.formats import cbor
from careledger.formats.custody import AttestedFact, CustodianKeys, FactQuestion
from careledger.formats.digests import uint
from careledger.formats.signed import sign
from careledger.ports import LedgerView
from careledger.workflows.custodian.parts import Custody


def attest(custody: Custody, body: bytes) -> bytes:
    """Takes a FactQuestion; returns the signed AttestedFact, its fact empty where there is no such thing.

    As of the block that was asked for, otherwise of the newest, and only while the newest is fresh. Facts: ``anchor``
    size; ``checkpoint`` size ‖ root ‖ map root; others a CBOR array of the fields of domain.facts in order, roles as
    bits. Raises MalformedBytes for another question or form of subject, LedgerStale for a block that is not there yet.
    """
    question = FactQuestion.decode(body)
    view = custody.fresh_head()
    if question.block is not None:
        view = custody.ledger.at(question.block)
    fact = fact_of(view, question.question, question.subject)
    head = view.head
    made = AttestedFact(
        custody.party, question.question, question.subject, fact, head.number, head.hash, question.nonce
    )
    return sign(made, custody.keys.signing, custody.deployment).encode()


def fact_of(view: LedgerView, question: str, subject: bytes) -> bytes:
    """The fact as bytes, as ``attest`` describes."""
    match question, len(subject):
        case "head", 0:
            return cbor.encode([view.head.number, view.head.hash, view.head.time])
        case "custodians", 0:
            return cbor.encode([each.number for each in view.custodians_ever()])
        case "matrix", 0:
            return cbor.encode([view.matrix_version()])
        case "in-team", 16:
            post, team = (int.from_bytes(part, "big") for part in (subject[:8], subject[8:]))
            return cbor.encode([int(view.in_team(post, team))])
        case "filed-under", 20:
            return cbor.encode(list(view.filed_under(subject)))
        case (("party" | "custodian" | "checkpoint" | "team"), 8):
            return _of_party(view, question, int.from_bytes(subject, "big"))
        case "alias", 32:
            alias = view.alias(subject)
            return cbor.encode([alias.controller, alias.kind, alias.until, alias.registrar]) if alias else b""
        case "consent", 52:
            consent = view.consent(subject[:20], subject[20:])
            fields = [consent.start, consent.end, consent.given_at, consent.revoked_at] if consent else None
            return cbor.encode(fields) if fields else b""
        case "anchor", 32:
            anchor = view.anchor(subject)
            return uint(anchor.count) if anchor else b""
        case "anchored", 32:
            anchor = view.anchor(subject)
            return (
                cbor.encode([anchor.block, anchor.time, anchor.organisation, anchor.count]) if anchor else b""
            )
        case "erased", 32:
            return cbor.encode(sorted(view.erased_by(subject)))
        case "break-glass", 32:
            glass = view.break_glass(subject)
            if glass is None:
                return b""
            fields = [glass.opener, glass.second, glass.opened_at, glass.until, int(glass.restricted)]
            return cbor.encode([*fields, glass.commitment, glass.reviewed])
        case _:
            raise MalformedBytes(question=question[:32])


def _of_party(view: LedgerView, question: str, number: int) -> bytes:
    if question == "party":
        party = view.party(number)
        if party is None:
            return b""
        roles = sum(1 << role for role in party.roles)
        fields = [roles, party.status, party.standing, party.employer]
        return cbor.encode([*fields, party.controller, party.sealing_key, party.log_key])
    if question == "team":
        team = view.team(number)
        return cbor.encode(list(team)) if team else b""
    if question == "custodian":
        custodian = view.custodian(number)
        fields_of = [custodian.signer, custodian.sealing_key, custodian.log_key] if custodian else None
        return cbor.encode(fields_of) if fields_of else b""
    checkpoint = view.checkpoint(number)
    return uint(checkpoint.size) + checkpoint.root + checkpoint.map_root if checkpoint else b""


def keys(custody: Custody, body: bytes) -> bytes:
    """Returns the public keys, to be checked against the ledger's digests."""
    log = custody.keys.log.verifier.public
    return CustodianKeys(custody.party, custody.keys.sealing.public, log).encode()
