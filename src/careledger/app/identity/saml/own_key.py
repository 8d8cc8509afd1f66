"""The key by which an organisation signs what it sends its SAML providers: made when it is needed, once.

RSA with SHA-256, because some providers know nothing else. Order of effects: the key durable, then what it signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from careledger.formats.sign_on import SamlKey
from careledger.ports import Books

KEPT, BITS, DAYS = SamlKey.TYPE, 3_072, 3_650
ALGORITHM = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


@dataclass(frozen=True, repr=False)
class OwnKey:
    """The key, and its certificate (DER), which says nothing but until when it counts."""

    _private: rsa.RSAPrivateKey
    certificate: bytes

    def signed(self, data: bytes) -> bytes:
        """The signature of ALGORITHM."""
        return self._private.sign(data, padding.PKCS1v15(), hashes.SHA256())


def of(books: Books, now: int) -> OwnKey:
    """An organisation's key."""
    row = books.get(KEPT, b"")
    kept = SamlKey.decode(row) if row is not None else _first(books, _made(now))
    read = serialization.load_der_private_key(
        kept.key, None, unsafe_skip_rsa_key_validation=True
    )  # made here
    return OwnKey(cast(rsa.RSAPrivateKey, read), kept.certificate)


def _first(books: Books, made: SamlKey) -> SamlKey:
    """The key that was made first, however many made one at once."""
    with books.alone():
        row = books.get(KEPT, b"")
        if row is None:
            books.put(KEPT, [(b"", made.encode())])
    return made if row is None else SamlKey.decode(row)


def _made(now: int) -> SamlKey:
    private = rsa.generate_private_key(65_537, BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CareLedger")])
    first = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
    until = first + timedelta(days=DAYS)
    shown = x509.CertificateBuilder(
        name, name, private.public_key(), x509.random_serial_number(), first, until
    )
    return SamlKey(
        private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        shown.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER),
    )
