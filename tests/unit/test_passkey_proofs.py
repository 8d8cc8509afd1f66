"""A statement proves that a passkey was shown for its session key, or it counts as the organisation's word."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from authenticator import PRESENT, Authenticator
from careledger.domain.errors import CareLedgerError, MalformedBytes
from careledger.formats.sessions import (
    MOST_SESSION,
    MOST_STATEMENT,
    Assertion,
    Enrolled,
    PasskeyProof,
    SessionStatement,
    passkey_digest,
)
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import who_signed
from careledger.proofs.passkeys import check_passkey, person_proof
from passkey_world import DEPLOYMENT, NOW, Post

KEY, OTHER = SigningKey.random().address, SigningKey.random().address
Attack = Callable[[Post], SessionStatement]


def honest(post: Post) -> SessionStatement:
    return post.statement(post.proof(post.assertion(KEY)), KEY)


def word(post: Post, statement: SessionStatement, deployment: bytes = DEPLOYMENT) -> str:
    return person_proof(statement, post.key.address, deployment)


def test_a_passkey_that_was_shown_for_the_session_key_is_proved() -> None:
    post = Post()
    assert word(post, honest(post)) == "passkey"
    assert check_passkey(honest(post), post.key.address, DEPLOYMENT).since == NOW - 60


def another_posts_enrolment(post: Post) -> SessionStatement:
    other = Post(number=78, key=post.key, authenticator=post.authenticator)
    return post.statement(other.proof(post.assertion(KEY)), KEY)


def enrolled_by_another_key(post: Post) -> SessionStatement:
    forger = Post(authenticator=post.authenticator)
    return post.statement(forger.proof(post.assertion(KEY)), KEY)


def signed_by_another_credential(post: Post) -> SessionStatement:
    thief = Post(key=post.key)
    shown = replace(thief.assertion(KEY), public_key=post.assertion(KEY).public_key)
    return post.statement(post.proof(shown), KEY)


def another_credential_than_the_enrolled_one(post: Post) -> SessionStatement:
    return post.statement(post.proof(Post(key=post.key).assertion(KEY)), KEY)


def _flags(post: Post, change: Callable[[bytes], bytes]) -> SessionStatement:
    shown = post.assertion(KEY)
    data = shown.authenticator_data
    return post.statement(post.proof(replace(shown, authenticator_data=change(data))), KEY)


def verification_claimed_afterwards(post: Post) -> SessionStatement:
    """The authenticator verified nobody, and the flag is set by the liar."""
    careless = Post(key=post.key, authenticator=copy.copy(post.authenticator))
    careless.authenticator.flags = PRESENT
    shown = careless.assertion(KEY)
    data = shown.authenticator_data
    lie = replace(shown, authenticator_data=data[:32] + bytes([data[32] | 4]) + data[33:])
    return post.statement(post.proof(lie), KEY)


def nobody_verified(post: Post) -> SessionStatement:
    careless = Post(key=post.key, authenticator=copy.copy(post.authenticator))
    careless.authenticator.flags = PRESENT
    return post.statement(post.proof(careless.assertion(KEY)), KEY)


def on_another_page(post: Post) -> SessionStatement:
    elsewhere = Post(key=post.key, authenticator=copy.copy(post.authenticator))
    elsewhere.authenticator.origin = "http://localhost:9999"
    return post.statement(post.proof(elsewhere.assertion(KEY)), KEY)


def embedded(post: Post) -> SessionStatement:
    """The page stood in a frame of another one; signed so, for it is the browser that says it."""
    shown = post.assertion(KEY)
    client = json.dumps({**json.loads(shown.client_data), "crossOrigin": True}).encode()
    data = hashes.Hash(hashes.SHA256())
    data.update(client)
    signature = post.authenticator.key.sign(
        shown.authenticator_data + data.finalize(), ec.ECDSA(hashes.SHA256())
    )
    return post.statement(post.proof(replace(shown, client_data=client, signature=signature)), KEY)


REFUSED: list[Attack] = [
    lambda post: post.statement(None, KEY),
    lambda post: post.statement(post.proof(post.assertion(KEY)), OTHER),
    lambda post: post.statement(post.proof(post.assertion(KEY, challenge=bytes(32))), KEY),
    lambda post: post.statement(post.proof(post.assertion(KEY, nonce=bytes(32))), KEY),
    lambda post: post.statement(post.proof(replace(post.assertion(KEY), until=NOW + 7200)), KEY),
    lambda post: _flags(post, lambda data: data[:32] + bytes([data[32] ^ 4]) + data[33:]),
    lambda post: _flags(post, lambda data: data[:36]),
    nobody_verified,
    verification_claimed_afterwards,
    on_another_page,
    embedded,
    lambda post: post.statement(post.proof(post.assertion(KEY), origin="https://care.example"), KEY),
    lambda post: post.statement(post.proof(post.assertion(KEY, rp_id="example.org")), KEY),
    lambda post: post.statement(
        post.proof(post.assertion(KEY, rp_id="example.org"), rp_id="example.org"), KEY
    ),
    lambda post: post.statement(post.proof(post.assertion(KEY, rp_id="host"), rp_id="host"), KEY),
    lambda post: post.statement(post.proof(post.assertion(KEY, rp_id=""), rp_id=""), KEY),
    signed_by_another_credential,
    another_credential_than_the_enrolled_one,
    another_posts_enrolment,
    enrolled_by_another_key,
    lambda post: post.statement(post.proof(post.assertion(KEY), since=NOW + 1), KEY),
    lambda post: post.statement(post.proof(post.assertion(KEY)), KEY, NOW + MOST_SESSION - 60),
    lambda post: post.statement(post.proof(post.assertion(KEY, NOW + 60)), KEY),
    lambda post: post.statement(post.proof(post.assertion(KEY, NOW + MOST_SESSION + 1)), KEY),
    lambda post: replace(honest(post), proof="vouched"),
    lambda post: replace(honest(post), proof="machine"),
    lambda post: replace(honest(post), proof="Passkey"),
]
SAID = (
    "no proof at all", "another session key", "another challenge", "another nonce", "another end", "flipped UV",
    "data cut short", "nobody verified", "UV set afterwards", "another origin", "in a frame", "another origin enrolled",
    "another relying party", "a relying party that the origin is not of", "part of the host's name", "no relying party",
    "signature of another credential", "another credential", "another post's", "enrolled by another key",
    "enrolled later", "replayed at the end", "expired", "shown for later than twelve hours", "said to be vouched",
    "said to be a machine", "another word",
)  # fmt: skip


@pytest.mark.parametrize("attack", REFUSED, ids=SAID)
def test_whatever_else_a_statement_carries_is_not_proved(attack: Attack) -> None:
    post = Post()
    assert word(post, honest(post)) == "passkey"
    assert word(post, attack(post)) == "vouched"


def test_a_proof_counts_for_one_network_and_while_the_post_has_the_key_that_enrolled_it() -> None:
    post = Post()
    assert word(post, honest(post), bytes(32)) == "vouched"
    assert person_proof(honest(post), OTHER, DEPLOYMENT) == "vouched"


def test_no_statement_is_longer_than_what_custodians_keep_of_each_and_no_honest_one_reaches_that() -> None:
    post = Post()
    proof = honest(post).passkey
    assert proof is not None
    assert len(honest(post).encode()) < MOST_STATEMENT // 2
    full = replace(
        proof.assertion,
        public_key=bytes(2_048),
        authenticator_data=bytes(1_024),
        client_data=bytes(2_048),
        signature=bytes(1_024),
    )
    longest = post.statement(post.proof(full, rp_id="a" * 253, origin="b" * 300), KEY)
    assert SessionStatement.decode(longest.encode()) == longest
    padded = replace(proof.enrolled, body=proof.enrolled.body + bytes(MOST_STATEMENT))
    with pytest.raises(MalformedBytes):
        SessionStatement.decode(post.statement(replace(proof, enrolled=padded), KEY).encode())


def test_a_machine_is_a_machine_and_no_other_word_is_passed_on() -> None:
    post = Post()
    plain = post.statement(None, KEY)
    words = [
        word(post, replace(plain, proof=each))
        for each in ("machine", "vouched", "passkey", "by the minister")
    ]
    assert words == ["machine", "vouched", "vouched", "vouched"]


def _with_key(public_key: bytes, sign: Callable[[bytes], bytes]) -> SessionStatement:
    """As ``honest``, by a credential of another kind."""
    post = Post()
    shown = post.assertion(KEY)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(shown.client_data)
    signature = sign(shown.authenticator_data + digest.finalize())
    made = replace(shown, public_key=public_key, signature=signature)
    return post.statement(post.proof(made, key=passkey_digest(public_key)), KEY)


NO_DECIMAL, NO_POWER = bytes.fromhex("c4821b7fffffffffffffff01"), bytes.fromhex("c5821b7fffffffffffffff01")
"""A decimal and a bigfloat of CBOR (RFC 8949 §3.4.4) beyond all arithmetic."""


def test_every_kind_of_key_that_sign_ins_take_is_verified_and_no_other() -> None:
    post = Post()
    edwards = ed25519.Ed25519PrivateKey.generate()
    okp = cbor2.dumps({1: 1, 3: -8, -1: 6, -2: edwards.public_key().public_bytes_raw()})
    long, short = (rsa.generate_private_key(65537, size) for size in (2048, 1024))

    def rsa_cose(key: rsa.RSAPrivateKey) -> bytes:
        n = key.public_key().public_numbers().n
        return cbor2.dumps({1: 3, 3: -257, -1: n.to_bytes((n.bit_length() + 7) // 8, "big"), -2: b"\1\0\1"})

    def by(key: rsa.RSAPrivateKey) -> Callable[[bytes], bytes]:
        return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    for public, sign, is_proved in (
        (okp, edwards.sign, True),
        (rsa_cose(long), by(long), True),
        (rsa_cose(short), by(short), False),
        (okp, lambda data: edwards.sign(data + b"x"), False),
        (rsa_cose(long), by(short), False),
        (cbor2.dumps({1: 2, 3: -7, -1: 2, -2: bytes(32), -3: bytes(32)}), edwards.sign, False),
        (b"\xa0", edwards.sign, False),
        (b"", edwards.sign, False),
        (NO_DECIMAL, edwards.sign, False),
        (NO_POWER, edwards.sign, False),
    ):
        _check(_with_key(public, sign), is_proved)
    assert word(post, honest(post)) == "passkey"


def _check(made: SessionStatement, is_proved: bool) -> None:
    assert made.passkey is not None
    signer = who_signed(Enrolled, made.passkey.enrolled, DEPLOYMENT)
    assert person_proof(made, signer, DEPLOYMENT) == ("passkey" if is_proved else "vouched")


BYTES = st.binary(max_size=80)


@given(BYTES, BYTES, BYTES, BYTES)
def test_whatever_lies_in_a_proof_is_not_proved_in_our_words(
    public_key: bytes, data: bytes, client: bytes, signature: bytes
) -> None:
    post = Post(authenticator=Authenticator())
    made = Assertion(public_key, data, client, signature, bytes(32), NOW + 3600)
    statement = post.statement(PasskeyProof(made, post.proof(post.assertion(KEY)).enrolled), KEY)
    with pytest.raises(CareLedgerError):
        check_passkey(statement, post.key.address, DEPLOYMENT)
    assert word(post, statement) == "vouched"
