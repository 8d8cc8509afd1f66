"""A post whose person shows a passkey for a session key, and liars who would like it to have been so."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2

from authenticator import ORIGIN, Authenticator, b64, unb64
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
from careledger.formats.signed import sign

DEPLOYMENT, POST, NOW = bytes(range(32)), 77, 1_800_000_000
RP_ID = "localhost"


def cose(key: Authenticator) -> bytes:
    numbers = key.key.public_key().public_numbers()
    made = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    return cbor2.dumps(made)


@dataclass
class Post:
    """Its key, its person's authenticator, and the network."""

    number: int = POST
    key: SigningKey = field(default_factory=SigningKey.random)
    authenticator: Authenticator = field(default_factory=Authenticator)
    deployment: bytes = DEPLOYMENT

    def enrolled(self, **changes: Any) -> Enrolled:
        key = passkey_digest(cose(self.authenticator))
        return replace(Enrolled(self.number, key, RP_ID, ORIGIN, NOW - 60), **changes)

    def assertion(self, session_key: bytes, until: int = NOW + MOST_SESSION, **changes: Any) -> Assertion:
        """As the authenticator signs it for that session key; ``changes`` to what it is asked or answers."""
        nonce = secrets.token_bytes(32)
        challenge = session_challenge(self.deployment, session_key, until, nonce)
        asked = {"rpId": changes.pop("rp_id", RP_ID), "challenge": b64(changes.pop("challenge", challenge))}
        said = self.authenticator.get(asked)["response"]
        made = Assertion(
            cose(self.authenticator),
            unb64(said["authenticatorData"]),
            unb64(said["clientDataJSON"]),
            unb64(said["signature"]),
            nonce,
            until,
        )
        return replace(made, **changes)

    def proof(self, assertion: Assertion, **changes: Any) -> PasskeyProof:
        return PasskeyProof(assertion, sign(self.enrolled(**changes), self.key, self.deployment))

    def statement(
        self, proof: PasskeyProof | None, session_key: bytes, made: int = NOW, seconds: int = 3600
    ) -> SessionStatement:
        return SessionStatement(self.number, session_key, "passkey", proof, made, made + seconds)
