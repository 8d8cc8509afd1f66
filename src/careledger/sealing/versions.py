"""A record version's keys and its three blocks: header, manifest, body.

    batch secret b ──handle──▶ record secret r ──▶ manifest key
                                     r and custodial secret c ──▶ body key

The header is b sealed to the epoch key. So who has epoch key and handle opens the manifest, and the body only
with c, of which custodians hold shares. No block names a patient, an author or a category; the context is bound
and not stored.
"""

from __future__ import annotations

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.domain.errors import CannotOpen, MalformedBytes
from careledger.formats.digests import digest, framed
from careledger.sealing import bodies
from careledger.sealing.epochs import Epoch
from careledger.sealing.frames import compressed, decompressed
from careledger.sealing.keys import SealingKey, Secret, derive, unwrap, wrap
from careledger.sealing.padme import pad, unpad
from careledger.sealing.shamir import uniform_below_p
from careledger.sealing.states import Ciphertext, Plaintext, VerifiedCiphertext

HANDLE = 32
MANIFEST = framed("sealed/manifest")
BODY = framed("sealed/body")


def new_batch_secret() -> Secret:
    """A new batch secret b, uniform below p so that it can be split for escrow."""
    return uniform_below_p()


def new_custodial_secret() -> Secret:
    """A new custodial secret c, uniform below p."""
    return uniform_below_p()


def new_handle() -> bytes:
    """A new handle: 32 random bytes, as secret as a key for whoever has the epoch key."""
    return secrets.token_bytes(HANDLE)


# Keys ---------------------------------------------------------------------------------------------------


def record_secret(batch: Secret, handle: bytes) -> Secret:
    """r = HKDF(b, handle); raises MalformedBytes unless both have 32 bytes."""
    if len(batch) != 32 or len(handle) != HANDLE:
        raise MalformedBytes(why="batch secret and handle have 32 bytes each")
    return derive(batch, "record", handle)


def manifest_key(record: Secret) -> Secret:
    """The manifest's key, from the record secret alone."""
    return derive(record, "manifest")


def body_key(record: Secret, custodial: Secret) -> Secret:
    """The body's key: from r ‖ c, so that neither is enough; raises MalformedBytes unless both have 32 bytes."""
    if len(record) != 32 or len(custodial) != 32:
        raise MalformedBytes(why="record and custodial secret have 32 bytes each")
    return derive(Secret(record.reveal() + custodial.reveal()), "body")


def body_key_commitment(key: Secret) -> bytes:
    """``H("body-key", key)``: stands in the manifest."""
    return digest("body-key", key.reveal())


def check_body_key(key: Secret, commitment: bytes) -> None:
    """Raises CannotOpen unless this is the key that the manifest commits to."""
    if not hmac.compare_digest(body_key_commitment(key), commitment):
        raise CannotOpen(why="not the body key that was committed to")


# Blocks -------------------------------------------------------------------------------------------------


def seal_header(epoch_public: bytes, epoch: Epoch, batch: Secret) -> Ciphertext:
    """The header of a batch: b sealed to the epoch key, 1,168 bytes; raises KeyRefused."""
    return Ciphertext(wrap(epoch_public, batch.reveal(), "header", *epoch.fields()))


def open_header(epoch_key: SealingKey, epoch: Epoch, header: VerifiedCiphertext) -> Secret:
    """The batch secret; raises CannotOpen for another epoch's key or context."""
    opened = unwrap(epoch_key, header.data, "header", *epoch.fields())
    if len(opened) != 32:
        raise CannotOpen(why="not a batch secret")
    return Secret(opened)


def seal_manifest(record: Secret, manifest: Plaintext) -> Ciphertext:
    """The manifest block, in the same form as a body; its key seals this one manifest."""
    return _seal(manifest_key(record), MANIFEST, manifest)


def open_manifest(record: Secret, manifest: VerifiedCiphertext) -> Plaintext:
    """The manifest's bytes; raises CannotOpen."""
    return _open(manifest_key(record), MANIFEST, manifest)


def seal_body(key: Secret, frame: bytes) -> Ciphertext:
    """The body block: what ``compressed`` made of the body, Padmé, then Cobblestone-256."""
    return _seal_compressed(key, BODY, frame)


def open_body(key: Secret, commitment: bytes, body: VerifiedCiphertext) -> Plaintext:
    """The body, after checking the key against the manifest's commitment; raises CannotOpen."""
    check_body_key(key, commitment)
    return open_own_body(key, body)


def open_own_body(key: Secret, body: VerifiedCiphertext) -> Plaintext:
    """The body by the key in one's own author's copy, to which no manifest needs to commit; raises CannotOpen."""
    return _open(key, BODY, body)


class CopyKey:
    """The key of one deposit's author's copies: it seals the deposit's body keys, each once, by its place."""

    def __init__(self, key: Secret) -> None:
        self._cipher = AESGCM(key.reveal())

    @classmethod
    def new(cls, chart_public: bytes, deposit: bytes) -> tuple[CopyKey, bytes]:
        """A random key, and it sealed to the depositor's own chart key."""
        key = Secret.random()
        return cls(key), wrap(chart_public, key.reveal(), "author-copy", deposit)

    @classmethod
    def opened(cls, chart_key: SealingKey, deposit: bytes, sealed: bytes) -> CopyKey:
        """The key that ``new`` sealed; raises CannotOpen."""
        return cls(Secret(unwrap(chart_key, sealed, "author-copy", deposit)))

    def seal(self, place: int, handle: bytes, body_key: Secret) -> bytes:
        """AES-256-GCM of a body key, 48 bytes: nonce is the place, the handle is bound."""
        return self._cipher.encrypt(place.to_bytes(12, "big"), body_key.reveal(), handle)

    def open(self, place: int, handle: bytes, sealed: bytes) -> Secret:
        """The body key; raises CannotOpen."""
        try:
            return Secret(self._cipher.decrypt(place.to_bytes(12, "big"), sealed, handle))
        except (InvalidTag, ValueError):
            raise CannotOpen(what="author's copy") from None


def _seal(key: Secret, context: bytes, plaintext: Plaintext) -> Ciphertext:
    return _seal_compressed(key, context, compressed(plaintext))


def _seal_compressed(key: Secret, context: bytes, frame: bytes, salt: bytes | None = None) -> Ciphertext:
    return Ciphertext(bodies.encrypt(key, pad(frame), context, salt))


def _open(key: Secret, context: bytes, block: VerifiedCiphertext) -> Plaintext:
    return Plaintext(decompressed(unpad(bodies.decrypt(key, block.data, context))))
