"""Passkeys: WebAuthn Level 3 by py_webauthn, user verification required, its refusals in our words.

A body that carries what the PRF extension gave is refused: that secret unlocks keys, and has to stay in the browser.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from cbor2 import CBORError, dumps
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from careledger.domain.errors import MalformedBytes, SecretSent, SignInRefused
from careledger.formats.identity import MOST_CREDENTIAL, BoundKey, Passkey, Shown
from careledger.formats.sessions import Assertion

TIMEOUT = 120_000
"""Milliseconds that a person has."""
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
LENGTHS = (16, 20, 32, 48)
"""Bytes of credential ids that authenticators really make."""
_REFUSALS = (
    *(WebAuthnException, CBORError, ValueError, TypeError, LookupError, AttributeError),
    *(ArithmeticError, RecursionError, EOFError),
)
Credential = dict[str, Any]
Options = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """What passkeys are bound to: the relying party's id, the one origin whose pages use them, and the network that
    their sessions ask in."""

    rp_id: str
    origin: str
    deployment: bytes


def credential_digest(credential: bytes) -> bytes:
    """What names a credential in the books."""
    return hashlib.sha256(credential).digest()


def creation_options(
    site: Site, account: bytes, name: str, challenge: bytes, there: list[bytes] | None = None
) -> Options:
    """What a browser makes a passkey by; ``there``: credential ids that the account has already."""
    made = generate_registration_options(
        rp_id=site.rp_id,
        rp_name="CareLedger",
        user_id=account,
        user_name=name,
        user_display_name=name,
        challenge=challenge,
        timeout=TIMEOUT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in there or ()],
        supported_pub_key_algs=ALGORITHMS,
    )
    options: Options = json.loads(options_to_json(made))
    return options


def request_options(site: Site, challenge: bytes, allowed: list[bytes]) -> Options:
    """What a browser proves a passkey by; without ``allowed`` any that it finds for the site."""
    made = generate_authentication_options(
        rp_id=site.rp_id,
        challenge=challenge,
        timeout=TIMEOUT,
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    options: Options = json.loads(options_to_json(made))
    return options


def decoy(secret: bytes, name: str) -> bytes:
    """The credential id that a name is answered which has none: always the same, and like a real one."""
    made = hmac.digest(secret, name.encode(), "sha512")
    return made[: LENGTHS[made[-1] % len(LENGTHS)]]


@cache
def nobodys_key() -> bytes:
    """A public key of this process that no passkey has, in COSE: what is nobody's is verified by it, so that this takes
    as long as for what is somebody's."""
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (each.to_bytes(32, "big") for each in (numbers.x, numbers.y))
    return dumps({1: 2, 3: COSEAlgorithmIdentifier.ECDSA_SHA_256.value, -1: 1, -2: x, -3: y})


def challenge_of(credential: Credential) -> bytes:
    """The challenge that an answer is to; raises SignInRefused, and SecretSent for one that carries a PRF's output."""
    extensions = credential.get("clientExtensionResults")
    if isinstance(extensions, dict) and "prf" in extensions:
        raise SecretSent()
    try:
        said = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        return base64url_to_bytes(said["challenge"])
    except _REFUSALS:
        raise SignInRefused() from None


def made(site: Site, credential: Credential, challenge: bytes, account: bytes, now: int) -> Passkey:
    """A new passkey of an account; raises SignInRefused."""
    try:
        found = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
    except _REFUSALS:
        raise SignInRefused() from None
    if len(found.credential_id) > MOST_CREDENTIAL:
        raise SignInRefused()
    return Passkey(account, found.credential_id, found.credential_public_key, found.sign_count, now, now)


def named(credential: Credential) -> bytes:
    """The credential id that an answer says it is by; raises SignInRefused."""
    try:
        return base64url_to_bytes(credential["rawId"])
    except _REFUSALS:
        raise SignInRefused() from None


def count_proved(site: Site, credential: Credential, challenge: bytes, passkey: Passkey) -> int:
    """The counter of an answer that proves this passkey, greater than the last one unless the authenticator counts
    nothing; raises SignInRefused."""
    try:
        said = credential["response"].get("userHandle")
        if said is not None and base64url_to_bytes(said) != passkey.account:
            raise SignInRefused()
        return verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.count,
            require_user_verification=True,
        ).new_sign_count
    except _REFUSALS:
        raise SignInRefused() from None


def shown(site: Site, credential: Credential, passkey: Passkey, bound: BoundKey) -> Shown:
    """What is kept of an answer that proves this passkey, to a challenge that this session key is in; raises
    SignInRefused for one that is too long to be sent on."""
    try:
        said = credential["response"]
        assertion = Assertion(
            passkey.public_key,
            base64url_to_bytes(said["authenticatorData"]),
            base64url_to_bytes(said["clientDataJSON"]),
            base64url_to_bytes(said["signature"]),
            bound.nonce,
            bound.until,
        )
        assertion.encode()
    except (MalformedBytes, *_REFUSALS):
        raise SignInRefused() from None
    name = credential_digest(passkey.credential)
    return Shown(bound.secret, name, site.rp_id, site.origin, assertion)
