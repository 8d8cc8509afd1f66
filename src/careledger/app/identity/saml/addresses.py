"""Messages that a browser brings in an address (SAML 2.0 Bindings, 3.4, HTTP-Redirect): packed, and signed as they
stand there."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote_plus, urlencode

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from careledger.app.identity.saml import markup
from careledger.app.identity.saml.own_key import ALGORITHM, OwnKey
from careledger.domain.errors import SignOnRefused

REQUEST, RESPONSE, RELAY, SIGNED_BY, SIGNATURE = (
    "SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature",
)  # fmt: skip
ENCODING, DEFLATE = "SAMLEncoding", "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
READ = (REQUEST, RESPONSE, RELAY, SIGNED_BY, SIGNATURE, ENCODING)
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
MORE, LATER = "http://www.w3.org/2001/04/xmldsig-more#", "http://www.w3.org/2007/05/xmldsig-more#"
ALGORITHMS = {
    **{f"{MORE}{kind}-sha{bits}": (kind, each) for kind in ("rsa", "ecdsa") for bits, each in HASHES.items()},
    **{f"{LATER}sha{bits}-rsa-MGF1": ("pss", each) for bits, each in HASHES.items()},
}


@dataclass(frozen=True, repr=False)
class Packed:
    """What an address brings: in which field, the message, RelayState if there is one; and by which algorithm it says
    that what is signed is signed. Nothing of it is proved."""

    field: str
    message: bytes
    relay: str
    algorithm: str
    covered: bytes
    signature: bytes


def written(place: str, field: str, message: str, relay: str, key: OwnKey) -> str:
    """The address there with that message, signed; an empty ``relay`` is left out."""
    packer = zlib.compressobj(wbits=-15)
    packed = base64.b64encode(packer.compress(message.encode()) + packer.flush()).decode()
    said = {field: packed} | ({RELAY: relay} if relay else {}) | {SIGNED_BY: ALGORITHM}
    covered = urlencode(said)
    signed = urlencode({SIGNATURE: base64.b64encode(key.signed(covered.encode())).decode()})
    return f"{place}{'&' if '?' in place else '?'}{covered}&{signed}"


def read(query: str) -> Packed:
    """What the query of an address brings, each field once; raises SignOnRefused."""
    parts = [each.partition("=") for each in query.split("&")]
    there = [(name, value) for name, _, value in parts if name in READ]
    raw = dict(there)
    fields = [each for each in (REQUEST, RESPONSE) if each in raw]
    if len(raw) < len(there) or len(fields) != 1 or SIGNED_BY not in raw or SIGNATURE not in raw:
        raise SignOnRefused(why="an address brings no signed message of SAML, or several")
    if unquote_plus(raw.get(ENCODING, DEFLATE)) != DEFLATE:
        raise SignOnRefused(why="a message is packed in a way that is not understood")
    covered = "&".join(f"{name}={raw[name]}" for name in (fields[0], RELAY, SIGNED_BY) if name in raw)
    try:
        message, signature = _unpacked(_decoded(raw[fields[0]])), _decoded(raw[SIGNATURE])
        relay = unquote_plus(raw.get(RELAY, ""), errors="strict")
    except (ValueError, zlib.error):
        raise SignOnRefused(why="an address brings what cannot be read") from None
    algorithm = unquote_plus(raw[SIGNED_BY])
    return Packed(fields[0], message, relay, algorithm, covered.encode("ascii", "replace"), signature)


def check(packed: Packed, keys: Iterable[x509.Certificate], now: int) -> None:
    """That one of those keys signed it while its certificate is in force; raises SignOnRefused."""
    kind, hashed = ALGORITHMS.get(packed.algorithm, ("", None))
    at = datetime.fromtimestamp(now, UTC)
    for each in keys if hashed is not None else ():
        in_force = each.not_valid_before_utc <= at < each.not_valid_after_utc
        if in_force and hashed is not None and _is_signed(packed, each.public_key(), kind, hashed):
            return
    raise SignOnRefused(why="a signature is by no key of the provider, or by an algorithm that is not taken")


def _is_signed(packed: Packed, key: object, kind: str, hashed: hashes.HashAlgorithm) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey) and kind in ("rsa", "pss"):
            salted = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
            key.verify(
                packed.signature, packed.covered, salted if kind == "pss" else padding.PKCS1v15(), hashed
            )
            return True
        if isinstance(key, ec.EllipticCurvePublicKey) and kind == "ecdsa":
            key.verify(_pair(packed.signature, key), packed.covered, ec.ECDSA(hashed))
            return True
    except (InvalidSignature, ValueError):
        return False
    return False


def _pair(signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """As XML Signature has it, r and s of one length, for a library that takes DER; raises ValueError."""
    half = (key.key_size + 7) // 8
    if len(signature) != 2 * half:
        raise ValueError("two numbers of the curve's length")
    return encode_dss_signature(
        int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    )


def _decoded(value: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode("".join(unquote_plus(value, errors="strict").split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _unpacked(packed: bytes) -> bytes:
    """Bounded, however small it is packed; raises ValueError, zlib.error."""
    reader = zlib.decompressobj(wbits=-15)
    message = reader.decompress(packed, markup.MOST + 1)
    if len(message) > markup.MOST or not reader.eof or reader.unused_data:
        raise ValueError("more than a document may be, or something after it")
    return message
