"""Whether a session statement proves by itself that a passkey was shown for its session key.

WebAuthn Level 3, §7.2, as far as somebody can check it who is not the relying party and sees only what was signed: the
challenge is made of the session key, the origin and the relying party's id are those that the post said its passkey
belongs to, the person was verified, and the signature is the credential's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import cbor2
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from careledger.domain.errors import MalformedBytes, ProofRefused, SignatureRefused
from careledger.formats.sessions import (
    MACHINE,
    MOST_SESSION,
    PASSKEY,
    VOUCHED,
    Assertion,
    Enrolled,
    SessionStatement,
    passkey_digest,
    session_challenge,
)
from careledger.formats.signatures import Address
from careledger.formats.signed import open_signed

PRESENT, VERIFIED = 1, 4
"""Flags of authenticator data (§6.1): somebody was there, and the authenticator verified who."""
LEAST_RSA = 2_048
Check = Callable[[bytes, bytes], None]
_UNREADABLE = (
    *(cbor2.CBORError, ValueError, TypeError, LookupError, AttributeError),
    *(ArithmeticError, RecursionError, EOFError),
)


@lru_cache(maxsize=4_096)
def person_proof(statement: SessionStatement, post_key: Address, deployment: bytes) -> str:
    """How somebody proved who they are, in one of three words, of which ``passkey`` is said where it verifies and
    nowhere else. That ``post_key`` signed the statement is the caller's to see to.

    The last few are remembered: each request of a session brings the same.
    """
    try:
        check_passkey(statement, post_key, deployment)
    except (ProofRefused, SignatureRefused, MalformedBytes):
        return MACHINE if (statement.proof, statement.passkey) == (MACHINE, None) else VOUCHED
    return PASSKEY


def check_passkey(statement: SessionStatement, post_key: Address, deployment: bytes) -> Enrolled:
    """What the post says of the passkey that was shown for this statement's session key; raises ProofRefused,
    SignatureRefused, MalformedBytes."""
    proof = statement.passkey
    if proof is None or statement.proof != PASSKEY:
        raise ProofRefused(why="no passkey")
    said, shown = open_signed(Enrolled, proof.enrolled, post_key, deployment), proof.assertion
    if (said.post, said.key) != (statement.post, passkey_digest(shown.public_key)):
        raise ProofRefused(why="another post's passkey, or another passkey")
    if not said.since <= statement.made < statement.until <= shown.until <= statement.made + MOST_SESSION:
        raise ProofRefused(why="a passkey that was shown for another time")
    challenge = session_challenge(deployment, statement.session_key, shown.until, shown.nonce)
    _check_client(shown.client_data, challenge, said)
    _check_authenticator(shown.authenticator_data, said.rp_id)
    _check_signature(shown)
    return said


def _check_client(client_data: bytes, challenge: bytes, said: Enrolled) -> None:
    """The browser's part: for what, and on whose page."""
    try:
        client: Any = json.loads(client_data)
        told = client["type"], client["challenge"], client["origin"], client.get("crossOrigin", False)
        host = urlsplit(said.origin).hostname or ""
    except _UNREADABLE:
        raise ProofRefused(why="client data that nobody can read") from None
    written = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode("ascii")
    if told != ("webauthn.get", written, said.origin, False):
        raise ProofRefused(why="a passkey that was shown for something else, or elsewhere")
    if not said.rp_id or not f".{host}".endswith(f".{said.rp_id}"):
        raise ProofRefused(why="an origin that is not the relying party's")


def _check_authenticator(data: bytes, rp_id: str) -> None:
    """The authenticator's part: for which relying party, and that it verified its person."""
    if len(data) < 37 or data[:32] != hashlib.sha256(rp_id.encode()).digest():
        raise ProofRefused(why="a passkey of another relying party")
    if data[32] & (PRESENT | VERIFIED) != PRESENT | VERIFIED:
        raise ProofRefused(why="a passkey that did not verify its person")


def _check_signature(shown: Assertion) -> None:
    try:
        check = _check_of(cbor2.loads(shown.public_key))
        check(shown.signature, shown.authenticator_data + hashlib.sha256(shown.client_data).digest())
    except (InvalidSignature, UnsupportedAlgorithm, *_UNREADABLE):
        raise ProofRefused(why="not the passkey's signature") from None


def _check_of(key: Any) -> Check:
    """What raises InvalidSignature unless a COSE key (RFC 9053) made that signature over that; raises ValueError,
    LookupError for a key of another kind than passkeys of this network have."""
    kind = key[1], key[3]
    if kind == (2, -7) and key[-1] == 1:
        point = b"\x04" + key[-2] + key[-3]
        p256 = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        return lambda signature, data: p256.verify(signature, data, ec.ECDSA(SHA256()))
    if kind == (1, -8) and key[-1] == 6:
        return ed25519.Ed25519PublicKey.from_public_bytes(key[-2]).verify
    if kind == (3, -257):
        modulus, exponent = (int.from_bytes(key[each], "big") for each in (-1, -2))  # RFC 8230 §4
        rsa_key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        if rsa_key.key_size < LEAST_RSA:
            raise ValueError("too short")
        return lambda signature, data: rsa_key.verify(signature, data, padding.PKCS1v15(), SHA256())
    raise ValueError("another kind of key")
