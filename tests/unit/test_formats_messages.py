"""The vectors of docs/vectors/messages.json, read by the code that stores and sends messages."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.domain.errors import MalformedBytes, SignatureRefused
from careledger.formats import cbor
from careledger.formats.deposits import Manifest
from careledger.formats.digests import digest, framed
from careledger.formats.patients import Order
from careledger.formats.releases import ReleaseRequest
from careledger.formats.signatures import SigningKey, check_signer, signer_of
from careledger.formats.signed import Signed, deployment_id, open_signed, sign

ROOT = Path(__file__).resolve().parents[2]


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_messages", ROOT / "docs/vectors/make_messages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KINDS = {kind.TYPE: kind for kind in _script().kinds()}
VECTORS: dict[str, Any] = json.loads((ROOT / "docs/vectors/messages.json").read_text())
KEY = SigningKey(bytes.fromhex(VECTORS["key"]["secret"]))
DEPLOYMENT = bytes.fromhex(VECTORS["deployment"]["id"])


@pytest.mark.parametrize("script", ["docs/vectors/make_messages.py", "tools/message_tables.py"])
def test_vectors_and_tables_are_what_the_declarations_give(script: str) -> None:
    assert subprocess.run([sys.executable, ROOT / script, "--check"], check=False).returncode == 0


def test_every_message_type_has_a_name_of_its_own() -> None:
    assert len(KINDS) == len(_script().kinds()) == len(VECTORS["messages"])
    assert all(KINDS)


@pytest.mark.parametrize("case", VECTORS["messages"], ids=lambda case: case["type"])
def test_a_message_has_one_encoding_digest_and_signature(case: dict[str, str]) -> None:
    kind = KINDS[case["type"]]
    read = kind.decode(bytes.fromhex(case["encoding"]))
    assert read.encode().hex() == case["encoding"]
    assert read.digest().hex() == case["digest"]
    signed = Signed(bytes.fromhex(case["encoding"]), bytes.fromhex(case["signature"]))
    assert open_signed(kind, signed, KEY.address, DEPLOYMENT) == read
    assert sign(read, KEY, DEPLOYMENT) == signed


@pytest.mark.parametrize(
    "case", VECTORS["refused_messages"], ids=lambda case: f"{case['type']}-{case['why']}"
)
def test_other_encodings_are_refused(case: dict[str, str]) -> None:
    with pytest.raises(MalformedBytes):
        KINDS[case["type"]].decode(bytes.fromhex(case["encoding"]))


@pytest.mark.parametrize("case", VECTORS["refused_cbor"], ids=lambda case: case["why"])
def test_cbor_outside_the_subset_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(MalformedBytes):
        cbor.decode(bytes.fromhex(case["encoding"]))


@pytest.mark.parametrize("depth", [17, 401, 100_000])
def test_cbor_nested_deeper_than_the_format_or_the_decoder_allows_is_refused(depth: int) -> None:
    assert cbor.decode(b"\x81" * 16 + b"\x00")
    for decode in (cbor.decode, Signed.decode):
        with pytest.raises(MalformedBytes):
            decode(b"\x81" * depth + b"\x00")


def test_frames_and_the_deployment_id_are_those_of_the_vectors() -> None:
    assert framed("vector", b"", b"\x01", b"two").hex() == VECTORS["framed"]
    assert digest("vector", b"", b"\x01", b"two").hex() == VECTORS["digest"]
    named = VECTORS["deployment"]
    assert deployment_id(named["chain_id"], bytes.fromhex(named["directory"])).hex() == named["id"]


def test_a_release_request_is_signed_as_eip712() -> None:
    case = VECTORS["release"]
    request = ReleaseRequest.decode(bytes.fromhex(case["encoding"]))
    assert request.what.hex() == case["asked"]
    made = request.signing_digest(case["chain_id"], bytes.fromhex(case["contract"]))
    assert made.hex() == case["signing_digest"]
    assert made != request.signing_digest(case["chain_id"] + 1, bytes.fromhex(case["contract"]))


def test_a_signature_is_taken_and_its_malleable_neighbours_are_not() -> None:
    case = VECTORS["signatures"]
    what = bytes.fromhex(case["digest"])
    assert signer_of(what, bytes.fromhex(case["accepted"])).hex() == case["address"]
    for why, refused in case["refused"].items():
        with pytest.raises(SignatureRefused):
            signer_of(what, bytes.fromhex(refused))
        assert why


def test_a_signature_counts_for_one_type_signer_and_deployment_only() -> None:
    signed = sign(Order.example(), KEY, DEPLOYMENT)
    assert open_signed(Order, signed, KEY.address, DEPLOYMENT) == Order.example()
    with pytest.raises(SignatureRefused):
        open_signed(Order, signed, KEY.address, digest("deployment", b"other"))
    with pytest.raises(SignatureRefused):
        open_signed(Order, signed, SigningKey.random().address, DEPLOYMENT)
    with pytest.raises(SignatureRefused):
        open_signed(KINDS["retraction"], signed, KEY.address, DEPLOYMENT)
    with pytest.raises(SignatureRefused):
        check_signer(digest("x"), signed.signature, KEY.address)


def test_a_message_names_the_field_that_breaks_its_declaration() -> None:
    value = Order.example().value()
    value["handles"] = [b"short"]
    with pytest.raises(MalformedBytes, match="field handles"):
        Order.decode(cbor.encode(value))


def test_a_number_of_an_enumeration_is_written_as_the_number_that_it_is() -> None:
    class Level(IntEnum):
        HIGH = 2

    made = replace(Manifest.example(), sensitivity=Level.HIGH)
    assert type(made.value()["sensitivity"]) is int
    assert made.encode() == replace(made, sensitivity=2).encode()
    for wrong in (True, Level.HIGH * 200, -1, 2.0, None):
        with pytest.raises(MalformedBytes, match="sensitivity"):
            replace(made, sensitivity=wrong).encode()  # type: ignore[arg-type]


def test_a_private_key_is_not_printed() -> None:
    assert KEY.secret.hex() not in repr(KEY) + str(KEY)


ALLOWED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.binary(max_size=40)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(ALLOWED)
def test_what_is_encoded_is_decoded_to_the_same(value: object) -> None:
    assert cbor.decode(cbor.encode(value)) == value


@given(st.binary(max_size=60))
def test_whatever_is_decoded_encodes_to_the_same_bytes(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except MalformedBytes:
        return
    assert cbor.encode(value) == data
