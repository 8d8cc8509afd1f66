"""The key by which an organisation signs what it sends its SAML providers: made when it is needed, changed when an
operator says so.

RSA with SHA-256, because some providers know nothing else. Order of effects: the key durable, then what it signs. A
change: the next key durable, and shown beside the present one, so that providers know it by the time when it signs;
from then on, by whoever asks first, it is the key, and the one before is dropped in the same step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from careledger.domain.errors import ActRefused
from careledger.formats.sign_on import SamlKey, SamlKeyNext
from careledger.ports import Books

KEPT, NEXT, BITS, DAYS = SamlKey.TYPE, SamlKeyNext.TYPE, 3_072, 3_650
LONGEST = 90 * 24 * 3_600
"""Seconds that a next key is shown at most before it signs."""
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
    kept = _kept(books, now)
    read = serialization.load_der_private_key(
        kept.key, None, unsafe_skip_rsa_key_validation=True
    )  # made here
    return OwnKey(cast(rsa.RSAPrivateKey, read), kept.certificate)


def shown(books: Books, now: int) -> list[bytes]:
    """The certificates (DER) of the key that signs and of the next one."""
    kept, row = _kept(books, now), books.get(NEXT, b"")
    return [kept.certificate] if row is None else [kept.certificate, SamlKeyNext.decode(row).certificate]


def signs_next(books: Books) -> int:
    """When the next key signs, in unix seconds; 0 if there is none."""
    row = books.get(NEXT, b"")
    return 0 if row is None else SamlKeyNext.decode(row).signs


def rotate(books: Books, now: int, after: int) -> list[bytes]:
    """Makes the key that signs so many seconds from now, in the place of one that waits for that; returns the
    certificates that are shown. Raises ActRefused for longer than LONGEST."""
    if not 0 <= after <= LONGEST:
        raise ActRefused(why="a key waits for at most 90 days")
    _kept(books, now)  # there is one that signs until then
    made = _made(now)
    with books.alone():
        books.drop(NEXT, [b""])
        books.put(NEXT, [(b"", SamlKeyNext(made.key, made.certificate, now + after).encode())])
    return shown(books, now)


def _kept(books: Books, now: int) -> SamlKey:
    row = books.get(NEXT, b"")
    if row is not None and now >= SamlKeyNext.decode(row).signs:
        _follow(books, now)
    row = books.get(KEPT, b"")
    return SamlKey.decode(row) if row is not None else _first(books, _made(now))


def _follow(books: Books, now: int) -> None:
    """The next key is the key, unless another process was faster; the one before is overwritten."""
    with books.alone():
        row = books.get(NEXT, b"")
        following = None if row is None else SamlKeyNext.decode(row)
        if following is not None and now >= following.signs:
            books.put(KEPT, [(b"", SamlKey(following.key, following.certificate).encode())])
            books.drop(NEXT, [b""])


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
    certificate = x509.CertificateBuilder(
        name, name, private.public_key(), x509.random_serial_number(), first, until
    )
    return SamlKey(
        private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER),
    )
