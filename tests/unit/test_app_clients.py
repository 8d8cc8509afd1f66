"""Which apps and back-end services can be registered, and with which keys and scopes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from careledger.adapters.books.memory import MemoryBooks
from careledger.app import clients
from careledger.app.key_sets import key_set
from careledger.app.scopes import narrowed, read_scopes, word
from careledger.domain.errors import (
    CareLedgerError,
    ClientNotFound,
    ClientRefused,
    KeySetRefused,
    ScopeRefused,
)
from careledger.formats.apps import AppClient
from gateway.oauth_world import KeyPair, part
from gateway.oauth_world import key_set as written

KEYS = written(KeyPair())
BACKEND = AppClient("loader", "backend", (), "", KEYS, "", "system/*.rs introspect", 7, "TREAT", 0)
APP = AppClient(
    "chart", "confidential", ("https://app.example/cb",), "", KEYS, "", "user/*.rs", 0, "TREAT", 0
)


def id_of(one: object) -> int:
    return id(one)


class Books:
    """An organisation as far as clients are concerned."""

    def __init__(self) -> None:
        self.books = MemoryBooks()


def test_a_client_is_registered_listed_found_and_removed() -> None:
    city, delta = Books(), Books()
    id = clients.add(city, BACKEND)  # type: ignore[arg-type]
    other = clients.add(city, APP)  # type: ignore[arg-type]
    assert clients.registered(city) == {id: BACKEND, other: APP}  # type: ignore[arg-type]
    found = clients.find([delta, city], id)  # type: ignore[list-item]
    assert (found.id, found.client, id_of(found.employer)) == (id, BACKEND, id_of(city))
    with pytest.raises(ClientNotFound):
        clients.remove(delta, id)  # type: ignore[arg-type]
    clients.remove(city, id)  # type: ignore[arg-type]
    for unknown in (id, "", "x", id + "0", "é"):
        with pytest.raises(ClientNotFound):
            clients.find([delta, city], unknown)  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("client", "why"),
    [
        (replace(BACKEND, name=" "), ClientRefused),
        (replace(BACKEND, kind="else"), ClientRefused),
        (replace(BACKEND, scopes=""), ClientRefused),
        (replace(BACKEND, scopes="user/*.rs"), ScopeRefused),
        (replace(BACKEND, scopes="system/*.rs openid"), ScopeRefused),
        (replace(BACKEND, purpose="ANY"), ClientRefused),
        (replace(BACKEND, post=0), ClientRefused),
        (replace(BACKEND, redirects=("https://app.example/",)), ClientRefused),
        (replace(BACKEND, launch="https://app.example/"), ClientRefused),
        (replace(BACKEND, keys=""), ClientRefused),
        (replace(BACKEND, keys_at="https://app.example/keys"), ClientRefused),
        (replace(BACKEND, keys="{}"), KeySetRefused),
        (replace(APP, post=7), ClientRefused),
        (replace(APP, redirects=()), ClientRefused),
        (replace(APP, scopes="system/*.rs"), ScopeRefused),
        (replace(APP, scopes="introspect"), ScopeRefused),
        (replace(APP, kind="public"), ClientRefused),
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_not_registered(client: AppClient, why: type[CareLedgerError]) -> None:
    city = Books()
    with pytest.raises(why):
        clients.add(city, client)  # type: ignore[arg-type]
    assert clients.registered(city) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    ["https://app.example/cb", "https://app.example:8443/cb?fixed=1", "http://127.0.0.1:5000/cb", "http://[::1]:1/",
     "http://localhost/cb", "com.example.app:/cb"],
)  # fmt: skip
def test_people_are_led_to_addresses_like_these(url: str) -> None:
    clients.check_address(url)


@pytest.mark.parametrize(
    "url",
    ["http://app.example/cb", "https://*.example/cb", "https://app.example/#", "https://app.example/#a",
     "https://user@app.example/", "javascript:alert(1)", "data:text/html,a", "app:/cb", "", "https:///cb",
     "//app.example", "https://app.example/a b",
     "https://app.example/\n", "https://äpp.example/", "https://[", "h" * 2_001,
     "http://127.0.0.1.example/cb", "file:///etc/passwd"],
)  # fmt: skip
def test_people_are_led_to_no_other_address(url: str) -> None:
    with pytest.raises(ClientRefused):
        clients.check_address(url)


def made(**more: Any) -> dict[str, Any]:
    return KeyPair().public | more


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [made(kid="")],
        [{name: value for name, value in made().items() if name != "kid"}],
        [made(use="enc")],
        [made(crv="P-256")],
        [made(x="AA")],
        [made(x=7)],
        [made(d="AA")],
        [KeyPair().public, made(d="AA")],
        [made(kid="same"), made(kid="same")],
        [KeyPair.rsa(1024).public],
        [{**KeyPair.rsa(1024).public, "n": part(bytes(128) + b"\xff" * 128)}],
        [{"kty": "oct", "kid": "k", "k": "AAAA"}],
        [KeyPair(ec.generate_private_key(ec.SECP384R1())).public] * 21,
        ["key"],
    ],
)
def test_a_set_without_a_key_that_can_be_used_is_none(keys: list[Any]) -> None:
    with pytest.raises(KeySetRefused):
        key_set(json.dumps({"keys": keys}))


def test_keys_of_other_kinds_stand_beside_those_that_are_used() -> None:
    both = [
        KeyPair.rsa().public,
        {"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": part(bytes(32))},
        made(use="sig"),
    ]
    found = key_set(json.dumps({"keys": both, "more": 1}))
    assert [each.key_type for each in found] == ["RSA", "EC"]
    assert isinstance(rsa.generate_private_key(65537, 2048).public_key().key_size, int)


@pytest.mark.parametrize(
    ("wanted", "allowed", "given"),
    [
        ("system/*.cruds", "system/Patient.r system/Condition.rs", "system/Condition.rs system/Patient.r"),
        ("system/Patient.rs", "system/*.r", "system/Patient.r"),
        ("system/Patient.read", "system/*.cruds", "system/Patient.read"),
        ("system/Patient.read", "system/Patient.r system/Patient.s", "system/Patient.read"),
        ("system/Patient.read", "system/Patient.s", "system/Patient.s"),
        ("system/*.*", "system/*.rs", "system/*.rs"),
        ("user/Patient.rs", "system/*.rs", ""),
        ("system/Patient.c", "system/*.rs system/Condition.cruds", ""),
    ],
)
def test_as_much_of_what_is_wanted_as_is_allowed(wanted: str, allowed: str, given: str) -> None:
    words = narrowed(map(word, wanted.split()), map(word, allowed.split()))
    assert " ".join(sorted(each.said for each in words)) == given
    if given:
        for kind in ("Patient", "Condition", "Encounter"):
            for letter in "cruds":
                both = read_scopes(wanted).allow(letter, kind) and read_scopes(allowed).allow(letter, kind)
                assert read_scopes(given).allow(letter, kind) == both
