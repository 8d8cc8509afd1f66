"""Ledger facts as the values that decisions are about."""

from __future__ import annotations

from dataclasses import replace

from careledger.domain.consents import Consent, Purpose, Window
from careledger.domain.errors import PartyNotFound, PatientNotFound, SignatureRefused
from careledger.domain.matrix import VERSIONS, Matrix
from careledger.domain.parties import PartyId
from careledger.domain.records import Patient, Post
from careledger.formats.patients import Certificate
from careledger.formats.scopes import grantee_of, scope_of
from careledger.formats.signed import Signed, open_signed
from careledger.ports import LedgerView


def post_at(view: LedgerView, number: int, team: int = 0) -> Post:
    """A party at its employer as the ledger says at one block; raises PartyNotFound.

    ``team`` is the team that the question is about (0: none); it is in ``teams`` if the role tree says so.
    """
    party = view.party(number)
    employer = view.party(party.employer or number) if party else None
    if party is None or employer is None:
        raise PartyNotFound(party=number)
    teams = frozenset({team}) if team and view.in_team(number, team) else frozenset()
    return Post(
        PartyId(party.number),
        PartyId(employer.number),
        party.roles,
        employer.roles,
        party.status,
        employer.status,
        teams,
    )


def patient_at(view: LedgerView, alias: bytes, registrar: int) -> Patient:
    """An alias and who controls it; ``registrar`` is the one its statement names, and counts once it is claimed.

    Raises PatientNotFound.
    """
    facts = view.alias(alias)
    if facts is None:
        raise PatientNotFound()
    named = facts.registrar or registrar
    made = Patient(alias, facts.kind, PartyId(named) if named else None, facts.until or None)
    before = facts.living
    return made if before is None else replace(made, living=before.kind, died=before.died)


def consent_at(view: LedgerView, signed: Signed, deployment: bytes) -> Consent:
    """A certificate with what the ledger says of its consent at one block; raises MalformedBytes, PatientNotFound."""
    certificate = Certificate.decode(signed.body)
    alias = view.alias(certificate.alias)
    if alias is None:
        raise PatientNotFound()
    facts = view.consent(certificate.owner, certificate.commitment)
    try:
        open_signed(Certificate, signed, alias.signer, deployment)
        by_present = True
    except SignatureRefused:
        by_present = False
    return Consent(
        certificate.alias,
        grantee_of(certificate.grantee),
        scope_of(certificate.scope),
        Purpose.of(certificate.purpose),
        Window(facts.start, facts.end) if facts and facts.start < facts.end else Window(0, 1),
        facts is not None and facts.given_at > 0,
        facts is not None and facts.revoked_at > 0,
        by_present,
        certificate.ready_made,
        facts.given_at if facts else 0,
    )


def matrix_at(view: LedgerView) -> Matrix:
    """The access matrix in force at that block."""
    return VERSIONS[view.matrix_version()]
