"""Grants that reached an organisation: fetched from the board, checked, kept in its books.

A grant counts only if the alias's present controller signed package and certificate; whether the consent is active
is asked of the ledger at each use, never remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from careledger.domain.consents import GranteeKind, Permission
from careledger.domain.errors import AccessRefused, MalformedBytes, PatientNotFound
from careledger.formats.apps import AppPass
from careledger.formats.digests import framed
from careledger.formats.patients import (
    AliasStatement,
    Certificate,
    Envelope,
    EpochKey,
    GranteeForm,
    GrantPackage,
    ReceivedGrant,
)
from careledger.formats.persons import Misfiled, MoveNotice
from careledger.formats.signed import open_signed
from careledger.ports import Books, LedgerView
from careledger.sealing.keys import hmac_tag
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.app_passes import keep_pass
from careledger.workflows.board import read_board
from careledger.workflows.due import Subject, note_due
from careledger.workflows.moved import take_misfiled, take_moved
from careledger.workflows.network import Network
from careledger.workflows.request_access import take_answer

RECEIVED = "received-grant"
EPOCH_KEYS = "received-epoch-key"
INDEX, COMPLETE, BY_GRANTEE = "received-index", b"complete", b"by grantee"
"""Markers of the index: every grant is filed under its patient, and under whom it names."""
TAG, OWNER = 16, 20
AT_ONCE = 1_000
"""How many names are read at once."""


@dataclass(frozen=True)
class Received:
    """A grant that this organisation holds."""

    package: GrantPackage
    certificate: Certificate
    statement: AliasStatement

    @property
    def alias(self) -> bytes:
        """Whose record it is about."""
        return self.certificate.alias


def fetch_grants(network: Network, organisation: Organisation) -> int:
    """Takes what is new on the board for this organisation: grants, answers, passes, notices of moves; how many."""

    def take(envelope: Envelope) -> None:
        if envelope.kind == GrantPackage.TYPE:
            keep_grant(network, organisation, envelope, check_grant(network, organisation, envelope))
        elif envelope.kind == AppPass.TYPE:
            keep_pass(network, organisation, envelope)
        elif envelope.kind == MoveNotice.TYPE:
            take_moved(network, organisation, envelope)
        elif envelope.kind == Misfiled.TYPE:
            take_misfiled(network, organisation, envelope)
        else:
            take_answer(network, organisation, envelope)

    return read_board(network, organisation.books, [organisation.sealing], take)


def grants(organisation: Organisation, alias: bytes | None = None) -> list[Received]:
    """The grants that this organisation holds, for one alias or all; those of one are found without the others."""
    kept = (ReceivedGrant.decode(row) for row in _rows(organisation, alias))
    return [_received(GrantPackage.decode(each.package.body)) for each in kept if alias in (None, each.alias)]


def grants_under(organisation: Organisation, commitment: bytes, owner: bytes = b"") -> list[Received]:
    """The grants under a consent with that commitment, by whichever one-time owner where none is named; no other one is
    opened."""
    books = organisation.books
    keys = [owner + commitment] if owner else [key for key in _keys(books) if key.endswith(commitment)]
    rows = [row for key in keys if (row := books.get(RECEIVED, key)) is not None]
    return [_received(GrantPackage.decode(ReceivedGrant.decode(row).package.body)) for row in rows]


def named_grants(organisation: Organisation, after: bytes) -> list[tuple[bytes, bytes]]:
    """Commitment and one-time owner of all grants that it holds after a commitment, in their order; none is opened."""
    found = ((key[OWNER:], key[:OWNER]) for key in _keys(organisation.books))
    return sorted(each for each in found if each[0] > after)


def _keys(books: Books) -> Iterator[bytes]:
    after = b""
    while found := books.keys(RECEIVED, after, AT_ONCE):
        yield from found
        after = found[-1]


def _rows(organisation: Organisation, alias: bytes | None) -> list[bytes]:
    """All rows of that alias, and others' where there is no index yet."""
    books = organisation.books
    if alias is None or books.get(INDEX, COMPLETE) is None:
        return [row for _, row in books.rows(RECEIVED)]
    keys = (key[TAG:] for key, _ in books.rows(INDEX, _tag(organisation, alias)))
    return [row for key in keys if (row := books.get(RECEIVED, key)) is not None]


def grants_to(organisation: Organisation, grantees: Iterable[int]) -> list[Received]:
    """The grants that name one of these parties and teams, found without the others once all are filed so."""
    books, wanted = organisation.books, frozenset(grantees)
    if books.get(INDEX, BY_GRANTEE) is None:
        return [each for each in grants(organisation) if each.certificate.grantee.number in wanted]
    tags = [_grantee_tag(organisation, each) for each in wanted]
    keys = {key[TAG:] for tag in tags for key, _ in books.rows(INDEX, tag)}
    rows = [row for key in sorted(keys) if (row := books.get(RECEIVED, key)) is not None]
    return [_received(GrantPackage.decode(ReceivedGrant.decode(row).package.body)) for row in rows]


def grantees_of(view: LedgerView, staff: Staff) -> set[int]:
    """What a consent may name so that it names this post: itself, its organisation, and each team that it is in."""
    found, left = {staff.number, staff.organisation.number}, list(view.memberships(staff.number))
    while left:
        number = left.pop()
        team = view.team(number) if number not in found else None
        if team is not None:
            found.add(number)
            left.append(team[1])
    return found


def _index_rows(
    organisation: Organisation, key: bytes, certificate: Certificate
) -> list[tuple[bytes, bytes]]:
    """What files a grant under its patient and under whom it names, by tags that need the organisation's key; the first
    time also all that came before it was filed so."""
    books, grantee = organisation.books, certificate.grantee.number
    made = [
        (_tag(organisation, certificate.alias) + key, b""),
        (_grantee_tag(organisation, grantee) + key, b""),
    ]
    if books.get(INDEX, COMPLETE) is None:
        before = ((known, ReceivedGrant.decode(row)) for known, row in books.rows(RECEIVED))
        made += [(_tag(organisation, kept.alias) + known, b"") for known, kept in before]
        made.append((COMPLETE, b""))
    if books.get(INDEX, BY_GRANTEE) is None:
        known_before = (each.certificate for each in grants(organisation))
        made += [(_grantee_tag(organisation, each.grantee.number) + _key(each), b"") for each in known_before]
        made.append((BY_GRANTEE, b""))
    return made


def _tag(organisation: Organisation, alias: bytes) -> bytes:
    return hmac_tag(organisation.tag, framed("received-index", alias))[:TAG]


def _grantee_tag(organisation: Organisation, number: int) -> bytes:
    return hmac_tag(organisation.tag, framed("received-grantee", number.to_bytes(8, "big")))[:TAG]


def known_statement(organisation: Organisation, alias: bytes) -> AliasStatement:
    """The newest alias statement that a grant brought; raises PatientNotFound."""
    statements = [each.statement for each in grants(organisation, alias)]
    if not statements:
        raise PatientNotFound()
    return max(statements, key=lambda each: each.number)


def _received(package: GrantPackage) -> Received:
    return Received(
        package,
        Certificate.decode(package.certificate.body),
        AliasStatement.decode(package.alias_statement.body),
    )


def check_grant(network: Network, organisation: Organisation, envelope: Envelope) -> Received:
    """A package that the alias's present controller (of the dead the last) signed for this organisation.

    Raises MalformedBytes, PatientNotFound, SignatureRefused.
    """
    claimed = _received(GrantPackage.decode(envelope.content.body))
    facts = network.ledger.fresh_head().alias(claimed.alias)
    if facts is None:
        raise PatientNotFound()
    deployment = network.ledger.deployment
    package = open_signed(GrantPackage, envelope.content, facts.signer, deployment)
    open_signed(Certificate, package.certificate, facts.signer, deployment)
    open_signed(AliasStatement, package.alias_statement, facts.signer, deployment)
    if claimed.certificate.grantee.organisation != organisation.number:
        raise MalformedBytes(why="a grant to another organisation")
    return claimed


def keep_grant(network: Network, organisation: Organisation, envelope: Envelope, checked: Received) -> None:
    """Keeps what was checked, filed under its patient at once, with the epoch keys known before; one sent again late
    displaces no newer one."""
    key, package = _key(checked.certificate), checked.package
    with organisation.books.alone():  # workers that read take grants too
        before = organisation.books.get(RECEIVED, key)
        if before is None or _statement_of(before).number <= checked.statement.number:
            row = ReceivedGrant(envelope.content, network.clock.now(), checked.alias)
            filed = _index_rows(organisation, key, checked.certificate)
            organisation.books.change({RECEIVED: [(key, row.encode())], INDEX: filed}, {})
    organisation.books.put(EPOCH_KEYS, [(key + _key_of(each), each.encode()) for each in package.epoch_keys])
    note_due(organisation.books, Subject.GRANT, key)


def is_held(organisation: Organisation, checked: Received) -> bool:
    """Whether a grant under that consent came before."""
    return organisation.books.get(RECEIVED, _key(checked.certificate)) is not None


def _statement_of(row: bytes) -> AliasStatement:
    return _received(GrantPackage.decode(ReceivedGrant.decode(row).package.body)).statement


def _key(certificate: Certificate) -> bytes:
    return certificate.owner + certificate.commitment


def _key_of(key: EpochKey) -> bytes:
    """A key whose epoch never came into force, after a crash, takes nobody's place."""
    return key.compartment.to_bytes(2, "big") + key.number.to_bytes(8, "big") + key.statement


def epoch_keys(organisation: Organisation, certificate: Certificate) -> list[EpochKey]:
    """All epoch keys that packages of this consent brought, newest of each compartment last."""
    rows = organisation.books.rows(EPOCH_KEYS, _key(certificate))
    return [EpochKey.decode(row) for _, row in rows]


def live_grant(
    network: Network,
    staff: Staff,
    alias: bytes,
    purpose: str,
    permission: Permission = Permission.VIEW,
    compartments: Iterable[int] = (),
) -> Received:
    """The grant by which this post may do that now, the newest where several do.

    It names the post, one of its teams or its organisation, its consent stands, it gives the permission and as many of
    these compartments as any does. Where there is none, that which comes nearest, one that names this reader before
    any that names somebody else, so that custodians say why not.
    Raises AccessRefused where nothing was granted for the purpose.
    """
    fitting = [each for each in grants(staff.organisation, alias) if each.certificate.purpose == purpose]
    if not fitting:
        raise AccessRefused(reason="no-consent")
    view, asked = network.ledger.fresh_head(), frozenset(compartments)

    def nearness(each: Received) -> tuple[bool, bool, bool, int, int]:
        certificate = each.certificate
        names = names_reader(view, certificate.grantee, staff)
        stands = names and _stands(network, view, certificate)
        permits = permission.code in certificate.scope.permissions
        covered = len(asked.intersection(certificate.scope.compartments))
        return stands, names, permits, covered, each.package.window_start

    return max(fitting, key=nearness)


def names_reader(view: LedgerView, grantee: GranteeForm, staff: Staff) -> bool:
    """Whether a consent to that grantee names this post, one of its teams or its organisation."""
    if grantee.kind == GranteeKind.TEAM.code:
        return view.in_team(staff.number, grantee.number)
    return grantee.number in (staff.number, staff.organisation.number)


def _stands(network: Network, view: LedgerView, certificate: Certificate) -> bool:
    now = max(network.clock.now(), view.head.time)
    facts = view.consent(certificate.owner, certificate.commitment)
    return facts is not None and not facts.revoked_at and facts.start <= now < facts.end
