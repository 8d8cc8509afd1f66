"""The state of the bytes: only what was verified can be opened, and nothing readable is printed."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from careledger.domain.errors import BlockMismatch, DigestMismatch, MalformedBytes
from careledger.formats.cids import CHUNK_PREFIX, RAW_PREFIX, chunk_cid, dag_cbor_cid, raw_cid
from careledger.sealing.keys import (
    SealingKey,
    Secret,
    check_hmac_tag,
    check_sealing_key,
    derive,
    hmac_tag,
)
from careledger.sealing.states import (
    Ciphertext,
    Plaintext,
    VerifiedCiphertext,
    joined,
    verify,
)

SEALED = Ciphertext(b"sealed bytes")
DIGEST = hashlib.sha256(SEALED.data).digest()


def test_bytes_that_equal_their_cid_are_verified_and_others_are_refused() -> None:
    assert verify(SEALED, raw_cid(SEALED.data)).data == SEALED.data
    with pytest.raises(BlockMismatch):
        verify(Ciphertext(b"sealed byteS"), raw_cid(SEALED.data))


@pytest.mark.parametrize(
    "cid", [DIGEST, b"", raw_cid(SEALED.data)[:-1], dag_cbor_cid(SEALED.data), raw_cid(SEALED.data) + b"\0"]
)
def test_a_cid_of_another_form_is_refused(cid: bytes) -> None:
    with pytest.raises(MalformedBytes):
        verify(SEALED, cid)


def test_a_chunk_is_verified_by_its_blake3_and_never_by_a_digest_of_the_other_kind() -> None:
    assert verify(SEALED, chunk_cid(SEALED.data)).data == SEALED.data
    for wrong in (CHUNK_PREFIX + DIGEST, RAW_PREFIX + chunk_cid(SEALED.data)[4:], chunk_cid(b"sealed byteS")):
        with pytest.raises(BlockMismatch):
            verify(SEALED, wrong)


def test_verified_parts_are_joined_in_their_order() -> None:
    parts = [verify(Ciphertext(each), chunk_cid(each)) for each in (b"one", b"two")]
    assert joined(parts).data == b"onetwo"


def test_nobody_makes_a_verified_ciphertext_without_verification() -> None:
    with pytest.raises(TypeError):
        VerifiedCiphertext()
    made: Any = verify(SEALED, raw_cid(SEALED.data))
    with pytest.raises(AttributeError):
        made.data = b"other"


def test_readable_content_and_secrets_are_never_printed() -> None:
    private = b"HIV positive, 12 March"
    shown = [Plaintext(private), Secret(private), SealingKey(Secret(private.ljust(32)))]
    for value in shown:
        for text in (repr(value), str(value), f"{value}"):
            assert "HIV" not in text
            assert private.hex() not in text


def test_a_secret_is_not_turned_into_bytes_or_pickled_by_accident() -> None:
    secret = Secret(b"x" * 32)
    every: tuple[Callable[[Any], object], ...] = (bytes, pickle.dumps, hash, list)
    for careless in every:
        with pytest.raises(TypeError):
            careless(secret)
    with pytest.raises(TypeError):
        pickle.dumps(SealingKey(secret))
    assert secret.reveal() == b"x" * 32


def test_secrets_are_equal_by_content_only() -> None:
    assert Secret(b"one") == Secret(b"one")
    assert Secret(b"one") != Secret(b"two")
    assert Secret(b"one") != b"one"


def test_another_label_field_or_field_boundary_derives_another_secret() -> None:
    secret = Secret(bytes(32))
    derived = [
        derive(secret, "one"),
        derive(secret, "two"),
        derive(secret, "one", b""),
        derive(secret, "one", b"ab", b"c"),
        derive(secret, "one", b"a", b"bc"),
        derive(Secret(bytes(31) + b"\1"), "one"),
    ]
    assert derive(secret, "one") == derived[0]
    assert len({each.reveal() for each in derived}) == len(derived)


def test_a_tag_is_checked_against_message_and_key() -> None:
    key = Secret(b"k" * 32)
    tag = hmac_tag(key, b"message")
    check_hmac_tag(key, b"message", tag)
    for other_key, message in ((key, b"massage"), (Secret(b"K" * 32), b"message")):
        with pytest.raises(DigestMismatch):
            check_hmac_tag(other_key, message, tag)


def test_a_sealing_key_that_is_not_the_registered_one_is_refused() -> None:
    registered, stranger = SealingKey.random(), SealingKey.random()
    check_sealing_key(registered.public, registered.digest)
    with pytest.raises(DigestMismatch):
        check_sealing_key(stranger.public, registered.digest)


def test_a_sealing_seed_of_another_length_is_refused() -> None:
    with pytest.raises(MalformedBytes):
        SealingKey(Secret(bytes(31)))
