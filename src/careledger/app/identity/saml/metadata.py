"""What a SAML provider says of itself (SAML 2.0 Metadata), in a file that its organisation trusts: where browsers are
sent to sign in and out, and the keys that it signs by."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from careledger.app.identity.saml import markup
from careledger.app.identity.saml.markup import DSIG, METADATA, PROTOCOL, Element
from careledger.domain.errors import MalformedBytes, ProviderRefused
from careledger.formats.sign_on import MOST_CERTIFICATES, SamlLogout

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
LEAST_BITS = 2_048
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


@dataclass(frozen=True)
class Described:
    """A provider's entity ID, where a browser brings it a question, the certificates (DER) of the keys that it signs
    by, whether it gives names that stay, and where it takes what is said of signing out, None for nowhere."""

    issuer: str
    place: str
    certificates: tuple[bytes, ...]
    persistent: bool
    logout: SamlLogout | None = None


def described(data: bytes, now: int) -> Described:
    """The one provider that a metadata file describes; raises ProviderRefused, NotInstalled."""
    try:
        root = markup.read(data, commented=True)
    except MalformedBytes:
        raise ProviderRefused(
            why="its metadata is no XML of at most 256 KiB without a document type"
        ) from None
    role = markup.only(root, f"{METADATA}IDPSSODescriptor")
    if root.tag != f"{METADATA}EntityDescriptor" or role is None:
        raise ProviderRefused(why="its metadata is no EntityDescriptor with one IDPSSODescriptor")
    if PROTOCOL[1:-1] not in role.get("protocolSupportEnumeration", "").split():
        raise ProviderRefused(why="its metadata does not say that it speaks SAML 2.0")
    for each in (root, role):
        if each.get("validUntil") is not None and (markup.moment(each.get("validUntil")) or 0) <= now:
            raise ProviderRefused(why="its metadata is over")
    issuer = root.get("entityID", "")
    if not 0 < len(issuer) <= 1_024 or not issuer.isprintable():
        raise ProviderRefused(why="its metadata names no entity")
    formats = {markup.words(each) for each in role.findall(f"{METADATA}NameIDFormat")}
    return Described(issuer, _place(role), _certificates(role), PERSISTENT in formats, _logout(role))


def _place(role: Element) -> str:
    found = _redirecting(role, "SingleSignOnService")
    if found is None:
        raise ProviderRefused(why="its metadata names no place for the HTTP-Redirect binding")
    place: str = found.get("Location", "")
    return place[:2_001]


def _logout(role: Element) -> SamlLogout | None:
    found = _redirecting(role, "SingleLogoutService")
    if found is None:
        return None
    place = found.get("Location", "")
    return SamlLogout(place[:2_001], found.get("ResponseLocation", place)[:2_001])


def _redirecting(role: Element, service: str) -> Element | None:
    there = (each for each in role.findall(f"{METADATA}{service}") if each.get("Binding") == REDIRECT)
    return next(there, None)


def _certificates(role: Element) -> tuple[bytes, ...]:
    keys = [each for each in role.findall(f"{METADATA}KeyDescriptor") if each.get("use") in (None, "signing")]
    found = [one for each in keys for one in _of_key(each)]
    if not 0 < len(set(found)) <= MOST_CERTIFICATES:
        raise ProviderRefused(
            why=f"its metadata has none or more than {MOST_CERTIFICATES} certificates to sign by"
        )
    return tuple(dict.fromkeys(found))


def _of_key(descriptor: Element) -> list[bytes]:
    """The certificates of the one key that it describes: those that issued others there, for other keys, are only that
    certificate's chain."""
    texts = [markup.words(each) for each in descriptor.iter(f"{DSIG}X509Certificate")]
    if len(texts) > MOST_CERTIFICATES:
        raise ProviderRefused(why=f"a key in its metadata has more than {MOST_CERTIFICATES} certificates")
    there = [_read(each) for each in texts]
    own = [each for each in there if not any(_issued(each, other) for other in there)]
    if len({_key(each) for each in own}) > 1:
        raise ProviderRefused(why="a key in its metadata has certificates of several keys, and no chain")
    return [_checked(each) for each in own]


def _issued(issuer: x509.Certificate, other: x509.Certificate) -> bool:
    """Whether by the one's key the other was issued, for another key."""
    if _key(issuer) == _key(other):
        return False
    try:
        other.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _key(certificate: x509.Certificate) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(serialization.Encoding.DER, form)


def _read(text: str) -> x509.Certificate:
    try:
        read = x509.load_der_x509_certificate(base64.b64decode("".join(text.split()), validate=True))
        _key(read)
    except (ValueError, UnsupportedAlgorithm):
        raise ProviderRefused(why="a certificate in its metadata cannot be read") from None
    return read


def _checked(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    strong = isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_BITS
    if not strong and not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES)):
        raise ProviderRefused(
            why="a key in its metadata is neither RSA from 2048 bits nor of P-256, P-384, P-521"
        )
    return certificate.public_bytes(serialization.Encoding.DER)
