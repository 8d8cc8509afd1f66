"""Members' certificates: made for a new key, and judged by what the ledger says of the member.

A certificate proves nothing by itself. It is believed once its member's controller, as the ledger has it now, signed
that it is that member's; and it names the member itself, signed by its own key, so that nobody claims another's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from careledger.domain.errors import MemberRefused, SignatureRefused
from careledger.domain.facts import PartyFacts
from careledger.domain.parties import PartyId, Status
from careledger.formats.members import MemberCertificate
from careledger.formats.signed import Signed, check_signed

LONGEST = 366 * 24 * 3600
"""Seconds that a certificate counts at most."""
_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):[1-9][0-9]{0,4}")
Facts = Callable[[int], PartyFacts | None]


def new_certificate(chain_id: int, member: int, since: int, until: int) -> tuple[bytes, bytes]:
    """A self-signed certificate for a new Ed25519 key that names the member, and the key (PKCS #8); both DER."""
    key = Ed25519PrivateKey.generate()
    name = _subject(member, key.public_key())
    usage = x509.KeyUsage(True, *[False] * 8)
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    named = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(PartyId(member).did(chain_id))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(_moment(since))
        .not_valid_after(_moment(until))
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(named, critical=False)
        .sign(key, None)
    )
    return made.public_bytes(Encoding.DER), key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )


def judged(signed: Signed, facts: Facts, chain_id: int, deployment: bytes, now: int) -> MemberCertificate:
    """What the member says, if it counts now by what ``facts`` tells of the party; raises MemberRefused.

    The member is a verified organisation; its present controller signed; it counts at ``now`` and no longer than
    ``LONGEST``; and the certificate names that member and is signed by its own key.
    """
    said = MemberCertificate.decode(signed.body)
    party = facts(said.member)
    if party is None or party.employer:
        raise MemberRefused(member=said.member, why="no organisation of this network")
    if party.standing is not Status.VERIFIED:
        raise MemberRefused(member=said.member, why=party.standing.name.lower())
    try:
        check_signed(MemberCertificate, signed, party.controller, deployment)
    except SignatureRefused:
        raise MemberRefused(member=said.member, why="not signed by its present key") from None
    if not said.since <= now < said.until or said.until - said.since > LONGEST:
        raise MemberRefused(
            member=said.member, why="expired" if now >= said.until else "not yet, or too long"
        )
    check_address(said.member, said.address)
    _check_own(said, chain_id)
    return said


def check_address(member: int, address: str) -> None:
    """Raises MemberRefused for what is neither empty nor ``host:port``."""
    if address and (not _ADDRESS.fullmatch(address) or int(address.rpartition(":")[2]) > 65_535):
        raise MemberRefused(member=member, why="its address is not HOST:PORT")


def _check_own(said: MemberCertificate, chain_id: int) -> None:
    """Whoever has the key said that it is this member's: a member that claims another's certificate is refused."""
    try:
        whose, authority, plain = _read(said)
    except Exception:  # by whatever a member's bytes break the reader: others' certificates go on counting
        raise MemberRefused(member=said.member, why="not a certificate of its own") from None
    if whose != [PartyId(said.member).did(chain_id)] or authority:
        raise MemberRefused(member=said.member, why="the certificate names another")
    if not plain:
        raise MemberRefused(member=said.member, why="not a certificate of its own")


def _read(said: MemberCertificate) -> tuple[list[str], bool, bool]:
    """Whom a certificate names, whether it is an authority's, whether key and subject are as ``new_certificate`` makes
    them (OpenSSL looks for certificates by their subjects); raises whatever the reader of X.509 raises."""
    read = x509.load_der_x509_certificate(said.certificate)
    read.verify_directly_issued_by(read)
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    here = names.get_values_for_type(x509.UniformResourceIdentifier)
    authority = read.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key = read.public_key()
    plain = isinstance(key, Ed25519PublicKey) and read.subject == _subject(said.member, key)
    return here, authority, plain


def _subject(member: int, key: Ed25519PublicKey) -> x509.Name:
    """No two keys and no two members have one: nobody's certificate stands before another's."""
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    named = (
        (NameOID.COMMON_NAME, f"{member:016x}"),
        (NameOID.SERIAL_NUMBER, hashlib.sha256(public).hexdigest()),
    )
    return x509.Name([x509.NameAttribute(*each) for each in named])


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
