"""SD-JWTs against the examples of RFC 9901, and everything that it tells a verifier to reject."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.domain.errors import MalformedBytes
from careledger.formats import sd_jwt
from careledger.formats.sd_jwt import SdJwt, base64url, digest_of, disclosure, processed

# RFC 9901 §4.2.3: disclosures and their digests
EXAMPLES = {
    "WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgImdpdmVuX25hbWUiLCAiSm9obiJd":
        "jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4",
    "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0":
        "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0",
}  # fmt: skip
GIVEN, FAMILY = EXAMPLES
SALT = bytes(16)


def element(value: Any) -> str:
    return base64url(json.dumps([base64url(SALT), value]).encode())


def test_digests_are_those_of_the_standard() -> None:
    assert {each: digest_of(each) for each in EXAMPLES} == EXAMPLES


def test_what_is_disclosed_is_put_in_and_nothing_else_is_seen() -> None:
    payload = {"iss": "x", "_sd": [EXAMPLES[GIVEN], EXAMPLES[FAMILY]], "_sd_alg": "sha-256"}
    assert processed(payload, (GIVEN,)) == {"iss": "x", "given_name": "John"}
    assert processed(payload, ()) == {"iss": "x"}
    assert processed(payload, (FAMILY, GIVEN)) == {"iss": "x", "given_name": "John", "family_name": "Möbius"}


def test_disclosures_lie_in_objects_in_arrays_and_in_each_other() -> None:
    inner = disclosure(SALT, "street", "Main")
    outer = disclosure(SALT, "address", {"_sd": [digest_of(inner)], "town": "Khulna"})
    item = element("DE")
    payload = {"_sd": [digest_of(outer)], "nations": [{"...": digest_of(item)}, {"...": "decoy"}, "FR"]}
    assert processed(payload, (outer, inner, item)) == {
        "address": {"street": "Main", "town": "Khulna"},
        "nations": ["DE", "FR"],
    }
    assert processed(payload, (outer,)) == {"address": {"town": "Khulna"}, "nations": ["FR"]}
    with pytest.raises(MalformedBytes, match="nothing refers to"):
        processed(payload, (inner,))  # what refers to it was not disclosed


NAME = disclosure(SALT, "name", "a")
ONCE = {"_sd": [digest_of(NAME)]}
DEEP: Any = "x"
for _ in range(40):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("payload", "disclosures"),
    [
        ({"_sd": [digest_of(NAME), digest_of(NAME)]}, (NAME,)),
        ({"_sd": [digest_of(NAME)], "other": {"_sd": [digest_of(NAME)]}}, (NAME,)),
        ({"_sd": ["decoy", "decoy"]}, ()),
        (ONCE, (NAME, NAME)),
        (ONCE, (NAME, GIVEN)),
        ({**ONCE, "name": "b"}, (NAME,)),
        ({**ONCE, "_sd_alg": "md5"}, (NAME,)),
        ({**ONCE, "_sd_alg": "sha-512"}, (NAME,)),
        ({"_sd": digest_of(NAME)}, (NAME,)),
        ({"_sd": [1]}, ()),
        ({"...": digest_of(NAME)}, ()),
        ({"list": [{"...": digest_of(NAME)}]}, (NAME,)),
        ({"list": [{"...": digest_of(NAME), "more": 1}]}, ()),
        ({"_sd": [digest_of(element("a"))]}, (element("a"),)),
        ({"_sd": [digest_of(disclosure(SALT, "_sd", []))]}, (disclosure(SALT, "_sd", []),)),
        ({"_sd": [digest_of(disclosure(SALT, "...", "a"))]}, (disclosure(SALT, "...", "a"),)),
        ({"deep": DEEP}, ()),
    ],
)
def test_what_the_standard_tells_to_reject_is_rejected(payload: Any, disclosures: tuple[str, ...]) -> None:
    with pytest.raises(MalformedBytes):
        processed(payload, disclosures)


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "a.b~", "a.b.c~~", "a.b.c~x~y", "a.b.c~" + "x~" * 101, "a.b.ć~", "~"]
)
def test_what_is_no_sd_jwt_is_refused(text: str) -> None:
    with pytest.raises(MalformedBytes):
        SdJwt.parse(text)


def test_an_sd_jwt_is_written_as_it_was_read() -> None:
    for text in ("a.b.c~", "a.b.c~x~", "a.b.c~x~y~d.e.f"):
        assert SdJwt.parse(text).text == text
    shown = SdJwt("a.b.c", (GIVEN, FAMILY)).showing({"given_name"})
    assert shown.text == f"a.b.c~{GIVEN}~"
    with pytest.raises(MalformedBytes):
        shown.showing({"family_name"})


@pytest.mark.parametrize("data", [b'{"a": 1, "a": 2}', b'{"a": NaN}', b"[" * 100_000, b"\xff", b""])
def test_json_that_says_two_things_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedBytes):
        sd_jwt.strict_json(data)


@pytest.mark.parametrize("text", ["YQ==", "YR", "Y", "Y Q", "+/+/"])
def test_base64url_has_one_spelling(text: str) -> None:
    with pytest.raises(MalformedBytes):
        sd_jwt.from_base64url(text)
