"""RFC 9180 and X-Wing a second time, from their texts: what sealing.keys is compared with.

Slow and plain on purpose; itself checked against RFC 9180's vectors in unit/test_sealing_vectors.py.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

XWING_LABEL = bytes.fromhex("5c2e2f2f5e5c")
XWING, HKDF_SHA256, AES_256_GCM = 0x647A, 1, 2


def hkdf_extract(salt: bytes, key: bytes) -> bytes:
    """RFC 5869 §2.2 with SHA-256."""
    return hmac.digest(salt or bytes(32), key, "sha256")


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 §2.3 with SHA-256."""
    made, block = b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([number]), "sha256")
        made += block
    return made[:length]


def xwing_shared(mlkem_shared: bytes, x25519_shared: bytes, x25519_ct: bytes, x25519_public: bytes) -> bytes:
    """X-Wing's combiner."""
    return hashlib.sha3_256(mlkem_shared + x25519_shared + x25519_ct + x25519_public + XWING_LABEL).digest()


def key_schedule(
    shared: bytes,
    info: bytes,
    suite: tuple[int, int, int],
    mode: int = 0,
    psk: bytes = b"",
    psk_id: bytes = b"",
    key_size: int = 32,
) -> tuple[bytes, bytes]:
    """Key and base nonce of RFC 9180 §5.1 for suites with HKDF-SHA256."""
    suite_id = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in suite)

    def extract(salt: bytes, label: bytes, key: bytes) -> bytes:
        return hkdf_extract(salt, b"HPKE-v1" + suite_id + label + key)

    def expand(prk: bytes, label: bytes, context: bytes, length: int) -> bytes:
        return hkdf_expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + context, length)

    context = bytes([mode]) + extract(b"", b"psk_id_hash", psk_id) + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", psk)
    return expand(secret, b"key", context, key_size), expand(secret, b"base_nonce", context, 12)


def seal(shared: bytes, enc: bytes, info: bytes, plaintext: bytes) -> bytes:
    """What single-shot base mode of our suite sends for this shared secret and encapsulation."""
    key, nonce = key_schedule(shared, info, (XWING, HKDF_SHA256, AES_256_GCM))
    return enc + AESGCM(key).encrypt(nonce, plaintext, None)
