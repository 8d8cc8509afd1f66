"""Writes sessions.json: session statements that prove that a passkey was shown for their key, and those that do not.

python docs/vectors/make_sessions.py [--check]
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from careledger.formats.sessions import (
    MOST_SESSION,
    Assertion,
    Enrolled,
    PasskeyProof,
    SessionStatement,
    passkey_digest,
    session_challenge,
)
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import deployment_id, sign
from careledger.proofs.passkeys import person_proof

FILE = Path(__file__).with_name("sessions.json")
DEPLOYMENT = deployment_id(20261, bytes(range(20)))
POST, SESSION, OTHER = (SigningKey(bytes(31) + bytes([each])) for each in (7, 8, 9))
PASSKEY, ANOTHER = (Ed25519PrivateKey.from_private_bytes(bytes(31) + bytes([each])) for each in (1, 2))
RP_ID, ORIGIN, NOW, NONCE = "care.example", "https://care.example", 1_800_000_000, bytes(range(32))
PRESENT_AND_VERIFIED = 5


def cose(key: Ed25519PrivateKey) -> bytes:
    return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()})


def assertion(
    by: Ed25519PrivateKey = PASSKEY, origin: str = ORIGIN, flags: int = PRESENT_AND_VERIFIED
) -> Assertion:
    """What an authenticator and a browser answer to the challenge of ``SESSION``."""
    until = NOW + MOST_SESSION
    challenge = session_challenge(DEPLOYMENT, SESSION.address, until, NONCE)
    written = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
    said = {"type": "webauthn.get", "challenge": written, "origin": origin, "crossOrigin": False}
    client = json.dumps(said, separators=(",", ":")).encode()
    data = hashlib.sha256(RP_ID.encode()).digest() + bytes([flags]) + bytes(4)
    signature = by.sign(data + hashlib.sha256(client).digest())
    return Assertion(cose(PASSKEY), data, client, signature, NONCE, until)


def statement(shown: Assertion, by: SigningKey = POST, **enrolled: Any) -> SessionStatement:
    said = Enrolled(77, passkey_digest(cose(PASSKEY)), RP_ID, ORIGIN, NOW - 60)
    proof = PasskeyProof(shown, sign(replace(said, **enrolled), by, DEPLOYMENT))
    return SessionStatement(77, SESSION.address, "passkey", proof, NOW, NOW + 3_600)


def cases() -> dict[str, SessionStatement]:
    """Each with what is said of it."""
    honest = statement(assertion())
    return {
        "proved": honest,
        "no proof": replace(honest, passkey=None),
        "another session key": replace(honest, session_key=OTHER.address),
        "another nonce": statement(replace(assertion(), nonce=bytes(32))),
        "the person was not verified": statement(assertion(flags=1)),
        "a page of another origin": statement(assertion(origin="https://other.example")),
        "another relying party": statement(assertion(), rp_id="example"),
        "signed by another passkey": statement(assertion(by=ANOTHER)),
        "enrolled by another key": statement(assertion(), by=OTHER),
        "enrolled for another post": statement(assertion(), post=78),
        "enrolled later": statement(assertion(), since=NOW + 1),
        "beyond the end that was shown": replace(
            honest, made=NOW + MOST_SESSION - 60, until=NOW + MOST_SESSION + 60
        ),
        "shown for a time far ahead": replace(honest, made=NOW - 60),
        "said to be vouched": replace(honest, proof="vouched"),
    }


def vectors() -> dict[str, Any]:
    """The whole file."""
    return {
        "deployment": DEPLOYMENT.hex(),
        "post_key": POST.address.hex(),
        "session_key": SESSION.address.hex(),
        "challenge": session_challenge(DEPLOYMENT, SESSION.address, NOW + MOST_SESSION, NONCE).hex(),
        "passkey": passkey_digest(cose(PASSKEY)).hex(),
        "statements": [
            {
                "what": what,
                "encoding": each.encode().hex(),
                "is": person_proof(each, POST.address, DEPLOYMENT),
            }
            for what, each in cases().items()
        ],
    }


def main() -> int:
    """0 if the file is (now) fresh."""
    fresh = json.dumps(vectors(), indent=1) + "\n"
    if "--check" in sys.argv:
        return 0 if FILE.exists() and FILE.read_text() == fresh else 1
    FILE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
