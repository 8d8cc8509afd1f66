"""Public vectors through our own code paths: each case that our suite can express runs, the others are counted."""

from __future__ import annotations

import hashlib
import hmac
import importlib.resources
import json
import os
import zlib
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.bindings._rust import openssl as rust_openssl
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

import hpke_reference as reference
from careledger.domain.errors import CannotOpen, DigestMismatch, KeyRefused, MalformedBytes, SignatureRefused
from careledger.formats.digests import framed
from careledger.formats.signatures import address_of, check_signer
from careledger.sealing import bodies, keys
from careledger.sealing.keys import SealingKey, Secret, check_hmac_tag, hkdf_sha256, hmac_tag, wrap

DATA = os.environ.get("CARELEDGER_TEST_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="CARELEDGER_TEST_DATA is unset")
INFO = framed("hpke/vectors", b"field")


def h(text: str) -> bytes:
    return bytes.fromhex(text)


def wycheproof(name: str) -> list[dict[str, Any]]:
    """The cases of a file, each with its group's fields."""
    groups = json.loads(Path(str(DATA), "wycheproof", f"{name}_test.json").read_text())["testGroups"]
    return [
        {key: value for key, value in group.items() if key != "tests"} | case
        for group in groups
        for case in group["tests"]
    ]


def wheel(*path: str) -> str:
    return importlib.resources.files("cryptography_vectors").joinpath(*path).read_text()


# AES-256-GCM, HKDF, HMAC ----------------------------------------------------------------------------------


@needs_data
def test_aes_gcm_as_the_chunks_of_a_body_use_it() -> None:
    ran: Counter[str] = Counter()
    for case in wycheproof("aes_gcm"):
        if case["keySize"] != 256:
            ran["not run: key of 128 or 192 bits"] += 1
        elif case["ivSize"] != 96:
            ran["not run: nonce of another length"] += 1
        elif case["aad"]:
            ran["not run: associated data"] += 1
        else:
            chunks = bodies._Chunks(h(case["key"]), h(case["iv"]))
            sealed = h(case["ct"] + case["tag"])
            if case["result"] == "valid":
                assert chunks.open(0, sealed) == h(case["msg"])
                assert chunks.seal(0, h(case["msg"])) == sealed
            else:
                with pytest.raises(CannotOpen):
                    chunks.open(0, sealed)
            ran[case["result"]] += 1
    assert ran == {
        "valid": 21,
        "invalid": 27,
        "not run: key of 128 or 192 bits": 211,
        "not run: nonce of another length": 39,
        "not run: associated data": 18,
    }


def check_hkdf(case: dict[str, Any], ran: Counter[str], derive: Any, *inputs: bytes) -> None:
    if case["result"] == "valid":
        assert derive(*inputs, case["size"]) == h(case["okm"])
    else:
        with pytest.raises(MalformedBytes):
            derive(*inputs, case["size"])
    ran[case["result"]] += 1


@needs_data
def test_hkdf_sha256_as_keys_are_derived() -> None:
    ran: Counter[str] = Counter()
    for case in wycheproof("hkdf_sha256"):
        key, salt, info = (h(case[name]) for name in ("ikm", "salt", "info"))
        check_hkdf(case, ran, hkdf_sha256, key, salt, info)
    assert ran == {"valid": 83, "invalid": 3}


@needs_data
def test_hkdf_expand_sha512_as_body_keys_are_derived() -> None:
    ran: Counter[str] = Counter()
    for case in wycheproof("hkdf_sha512"):
        prk = hmac.digest(h(case["salt"]) or bytes(64), h(case["ikm"]), "sha512")  # bodies never extract
        check_hkdf(case, ran, bodies.hkdf_expand_sha512, prk, h(case["info"]))
    assert ran == {"valid": 80, "invalid": 3}


def test_rfc_5869_vectors_with_sha256() -> None:
    ran = 0
    for block in wheel("KDF", "rfc-5869-HKDF-SHA256.txt").split("COUNT = ")[1:]:
        fields = dict(line.split(" =", 1) for line in block.splitlines() if " =" in line)
        case = {name.strip(): value.strip() for name, value in fields.items()}
        made = hkdf_sha256(h(case["IKM"]), h(case["salt"]), h(case["info"]), int(case["L"]))
        assert made == h(case["OKM"])
        assert reference.hkdf_extract(h(case["salt"]), h(case["IKM"])) == h(case["PRK"])
        assert reference.hkdf_expand(h(case["PRK"]), h(case["info"]), int(case["L"])) == h(case["OKM"])
        ran += 1
    assert ran == 3


@needs_data
def test_hmac_sha256_as_tags_use_it() -> None:
    ran: Counter[str] = Counter()
    for case in wycheproof("hmac_sha256"):
        key, message, tag = Secret(h(case["key"])), h(case["msg"]), h(case["tag"])
        if case["result"] == "valid" and case["tagSize"] == 256:
            check_hmac_tag(key, message, tag)
            assert hmac_tag(key, message) == tag
            ran["valid"] += 1
        else:
            with pytest.raises(DigestMismatch):
                check_hmac_tag(key, message, tag)
            ran["invalid" if case["result"] == "invalid" else "valid but cut: refused"] += 1
    assert ran == {"valid": 33, "invalid": 108, "valid but cut: refused": 33}


# Bodies ---------------------------------------------------------------------------------------------------


@needs_data
def test_c2sp_chunked_encryption_in_memory_in_streams_and_in_ranges() -> None:
    ran: Counter[str] = Counter()
    for case in wycheproof("c2sp_chunked_encryption_aes_256_gcm"):
        key, context, body = Secret(h(case["key"])), h(case["ctx"]), zlib.decompress(h(case["ct"]))
        streamed = BytesIO()
        if case["result"] == "valid":
            plaintext = bodies.decrypt(key, body, context)
            assert len(plaintext) == case["msgLength"]
            assert hashlib.sha512(plaintext).hexdigest() == case["msgSha512"]
            assert bodies.encrypt(key, plaintext, context, salt=body[:24]) == body
            bodies.decrypt_stream(key, BytesIO(body), streamed, context)
            assert streamed.getvalue() == plaintext
            end = len(plaintext)
            assert bodies.decrypt_range(key, body, end // 2, end, context) == plaintext[end // 2 :]
        else:
            refusal = MalformedBytes if "InvalidKeySize" in case["flags"] else CannotOpen
            with pytest.raises(refusal):
                bodies.decrypt(key, body, context)
            with pytest.raises(refusal):
                bodies.decrypt_stream(key, BytesIO(body), streamed, context)
            assert len(streamed.getvalue()) == case.get("msgLength", 0)
        ran[case["result"]] += 1
    assert ran == {"valid": 10, "invalid": 25}


# X-Wing and HPKE ------------------------------------------------------------------------------------------


def test_the_reference_agrees_with_rfc_9180() -> None:
    """128 vectors: none is of our KEM; the key schedule of those with HKDF-SHA256 checks the reference."""
    ran: Counter[str] = Counter()
    for case in json.loads(wheel("HPKE", "test-vectors.json")):
        suite = (case["kem_id"], case["kdf_id"], case["aead_id"])
        if suite[1] != reference.HKDF_SHA256:
            ran["not run: HKDF-SHA512"] += 1
            continue
        if suite[2] == 0xFFFF:
            ran["not run: export only"] += 1
            continue
        made = reference.key_schedule(
            h(case["shared_secret"]),
            h(case["info"]),
            suite,
            case["mode"],
            h(case.get("psk", "")),
            h(case.get("psk_id", "")),
            key_size=16 if suite[2] == 1 else 32,
        )
        assert made == (h(case["key"]), h(case["base_nonce"]))
        if suite[2] == reference.AES_256_GCM:
            first = case["encryptions"][0]
            assert AESGCM(made[0]).encrypt(made[1], h(first["pt"]), h(first["aad"])) == h(first["ct"])
            ran["AES-256-GCM"] += 1
        ran["key schedule"] += 1
    assert ran == {
        "key schedule": 48,
        "AES-256-GCM": 16,
        "not run: HKDF-SHA512": 64,
        "not run: export only": 16,
    }


def test_x_wing_vectors() -> None:
    """Our key expansion and encapsulation; their AEAD is ChaCha20-Poly1305, so that part is the library's."""
    ran: Counter[str] = Counter()
    for case in json.loads(wheel("HPKE", "hpke-pq-test-vectors.json")):
        if case["kem_id"] != reference.XWING:
            ran["not run: another KEM"] += 1
            continue
        key = SealingKey(Secret(h(case["skRm"])))
        assert key.public == h(case["pkRm"])
        kdf = {1: KDF.HKDF_SHA256, 17: KDF.SHAKE256}[case["kdf_id"]]
        suite = Suite(KEM.MLKEM768_X25519, kdf, AEAD.CHACHA20_POLY1305)
        first = case["encryptions"][0]
        opened = rust_openssl.hpke._decrypt_with_aad(
            suite, h(case["enc"] + first["ct"]), key._private, h(case["info"]), h(first["aad"])
        )
        assert opened == h(first["pt"])
        sealed = reference.seal(h(case["shared_secret"]), h(case["enc"]), framed("hpke/x"), b"to us")
        assert keys.unwrap(key, sealed, "x") == b"to us"
        ran["X-Wing"] += 1
    assert ran == {"X-Wing": 2, "not run: another KEM": 11}


def test_what_we_wrap_opens_by_the_reference() -> None:
    seed = bytes(range(32))
    expanded = hashlib.shake_256(seed).digest(96)
    key = SealingKey(Secret(seed))
    sealed = wrap(key.public, b"plaintext", "vectors", b"field")
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).decapsulate(sealed[:1088])
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
    shared = reference.xwing_shared(
        mlkem,
        x25519.exchange(X25519PublicKey.from_public_bytes(sealed[1088:1120])),
        sealed[1088:1120],
        key.public[1184:],
    )
    assert reference.seal(shared, sealed[:1120], INFO, b"plaintext") == sealed


def test_ml_kem_in_the_library_we_use_gives_its_published_secrets() -> None:
    ran = 0
    seed: dict[str, str] = {}
    for line in wheel("asymmetric", "MLKEM", "kat_MLKEM_768.rsp").splitlines():
        name, _, value = line.partition(" = ")
        seed[name] = value
        if name == "ss":
            private = MLKEM768PrivateKey.from_seed_bytes(h(seed["d"] + seed["z"]))
            assert private.public_key().public_bytes_raw() == h(seed["pk"])
            assert private.decapsulate(h(seed["ct"])) == h(value)
            ran += 1
    assert ran == 1000


@needs_data
def test_ml_kem_decapsulation_inside_our_sealing_keys() -> None:
    x25519 = X25519PrivateKey.from_private_bytes(bytes(range(32)))
    sender = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    x25519_ct = sender.public_key().public_bytes_raw()
    ran: Counter[str] = Counter()
    for case in wycheproof("mlkem_768"):
        seed, ct = h(case["seed"]), h(case["c"])
        if len(seed) != 64:
            ran["not run: X-Wing always expands to 64 bytes"] += 1
            continue
        private = MLKEM768X25519PrivateKey(MLKEM768PrivateKey.from_seed_bytes(seed), x25519)
        shared = reference.xwing_shared(
            h(case["K"]),
            sender.exchange(x25519.public_key()),
            x25519_ct,
            x25519.public_key().public_bytes_raw(),
        )
        sealed = reference.seal(shared, ct + x25519_ct, INFO, b"plaintext")
        if case["result"] == "valid":
            assert keys._open(private, sealed, INFO) == b"plaintext"
        else:
            with pytest.raises(CannotOpen):
                keys._open(private, sealed, INFO)
        ran[case["result"]] += 1
    assert ran == {"valid": 153, "invalid": 20, "not run: X-Wing always expands to 64 bytes": 20}


@needs_data
def test_ml_kem_public_keys_as_we_accept_and_refuse_them() -> None:
    x25519 = SealingKey.random().public[-32:]
    ran: Counter[str] = Counter()
    for case in wycheproof("mlkem_768_encaps"):
        if case["result"] == "valid":
            assert len(wrap(h(case["ek"]) + x25519, b"", "vectors")) == keys.OVERHEAD
        else:
            with pytest.raises(KeyRefused):
                wrap(h(case["ek"]) + x25519, b"", "vectors")
        ran[case["result"]] += 1
    assert ran == {"valid": 133, "invalid": 132}


@needs_data
def test_x25519_inside_our_sealing_keys_with_low_order_points_refused() -> None:
    mlkem = MLKEM768PrivateKey.from_seed_bytes(bytes(range(64)))
    mlkem_public = mlkem.public_key().public_bytes_raw()
    mlkem_shared, mlkem_ct = mlkem.public_key().encapsulate()
    ran: Counter[str] = Counter()
    for case in wycheproof("x25519"):
        x25519 = X25519PrivateKey.from_private_bytes(h(case["private"]))
        public = h(case["public"])
        shared = reference.xwing_shared(
            mlkem_shared, h(case["shared"]), public, x25519.public_key().public_bytes_raw()
        )
        sealed = reference.seal(shared, mlkem_ct + public, INFO, b"plaintext")
        private = MLKEM768X25519PrivateKey(mlkem, x25519)
        if "ZeroSharedSecret" in case["flags"]:
            with pytest.raises(CannotOpen):
                keys._open(private, sealed, INFO)
            with pytest.raises(KeyRefused):
                wrap(mlkem_public + public, b"", "vectors")
            ran["low order: refused both ways"] += 1
        else:
            assert keys._open(private, sealed, INFO) == b"plaintext"
            ran[case["result"]] += 1
    assert ran == {"valid": 264, "acceptable": 223, "low order: refused both ways": 31}


# Signatures -----------------------------------------------------------------------------------------------


def expressed(case: dict[str, Any]) -> bytes | None:
    """r ‖ s in 64 bytes, or None for what only DER can say."""
    try:
        r, s = decode_dss_signature(h(case["sig"]))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    except (ValueError, OverflowError):
        return None


def accepted(digest: bytes, signature: bytes, address: bytes) -> bool:
    for v in (27, 28):
        try:
            check_signer(digest, signature + bytes([v]), address)
        except SignatureRefused:
            continue
        return True
    return False


@needs_data
def test_secp256k1_signatures_with_high_s_refused() -> None:
    ran: Counter[str] = Counter()
    for case in wycheproof("ecdsa_secp256k1_sha256_bitcoin"):
        signature = expressed(case)
        if signature is None:
            assert case["result"] == "invalid"
            ran["not run: no 64 bytes say this"] += 1
            continue
        digest = hashlib.sha256(h(case["msg"])).digest()
        address = address_of(h(case["publicKey"]["uncompressed"]))
        what = case["result"]
        if what == "valid" and case["comment"] == "k*G has a large x-coordinate":
            what = "valid but v would be 29 or 30: refused"
        assert accepted(digest, signature, address) is (what == "valid"), case["tcId"]
        ran[what] += 1
    assert ran == {
        "valid": 161,
        "invalid": 69,
        "valid but v would be 29 or 30: refused": 1,
        "not run: no 64 bytes say this": 232,
    }


@needs_data
def test_every_file_of_the_folder_runs_here_or_belongs_to_another_part() -> None:
    here = {
        "aes_gcm",
        "c2sp_chunked_encryption_aes_256_gcm",
        "ecdsa_secp256k1_sha256_bitcoin",
        "hkdf_sha256",
        "hkdf_sha512",
        "hmac_sha256",
        "mlkem_768",
        "mlkem_768_encaps",
        "x25519",
    }
    not_used_yet = {  # P-256 and JOSE: no code of ours makes or reads them
        "ecdsa_secp256r1_sha256",
        "json_web_encryption",
        "json_web_key",
        "json_web_signature",
    }
    files = {path.name.removesuffix("_test.json") for path in Path(str(DATA), "wycheproof").glob("*.json")}
    assert files == here | not_used_yet
