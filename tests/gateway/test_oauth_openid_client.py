"""A client of OpenID Connect (npm openid-client) gets what apps and back-end services get, and checks all of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.loading import script
from gateway.edge_world import Edge
from gateway.oauth_world import KeyPair, app, number, service, signed_in
from gateway.ward import Ward

DEV = script("tools/dev_nodes.py")
SCRIPT = Path(__file__).with_name("openid_client.mjs")


class Program:
    """The client, in a process of its own: it is told and says one line of JSON at a time."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            ["node", str(SCRIPT), module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def told(self, said: object) -> Any:
        """What it says next."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def program() -> Iterator[Program]:
    """Skipped where it cannot be had, unless everything is required."""
    try:
        made = Program(DEV.OPENID_CLIENT.install().as_uri())
    except DEV.NoNode as error:
        if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield made
    made.end()


def named(id: str, key: KeyPair) -> dict[str, object]:
    private = number(key.private.private_numbers().private_value)
    known = {name: value for name, value in key.public.items() if name != "kid"}
    return {"id": id, "kid": key.kid, "key": known | {"d": private}}


def test_a_client_of_openid_connect_discovers_proves_itself_signs_somebody_in_and_renews(
    edge: Edge, program: Program
) -> None:
    loader, chart = service(edge, "City"), app(edge, key=KeyPair())
    assert chart.key is not None
    alias, doctor, redirect = (
        Ward(edge).patient().alias,
        signed_in(edge, "Dr City"),
        chart.client.redirects[0],
    )
    place = program.told(
        {"issuer": edge.gateway.url, "base": edge.gateway.base, "redirect": redirect,
         "service": named(loader.id, loader.key), "app": named(chart.id, chart.key)}
    )  # fmt: skip
    page = doctor.go(place)
    back = doctor.go("/oauth/consent", [*page.form, ("decision", "allow"), ("patient", alias.hex())]).to
    told = program.told(back)
    assert told["service"] == ["system/*.rs", True, False]
    assert (told["patient"], told["read"]) == (alias.hex(), 200)
    claims = told["claims"]
    assert (claims["iss"], claims["aud"]) == (edge.gateway.url, chart.id)
    assert claims["fhirUser"] == f"{edge.gateway.base}/Practitioner/{claims['sub']}"
