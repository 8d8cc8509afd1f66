"""Members and posts have DID documents over HTTP that say what the ledger says of them now, and of nobody else."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from careledger.app import dids
from careledger.app.clocks import SystemClock
from careledger.app.world import found, officer_posts
from careledger.domain.errors import DidNotResolved, MalformedBytes, PartyNotFound
from careledger.domain.parties import Role
from careledger.formats.dids import key_of, public_in, web_url
from careledger.formats.signatures import address_of, uncompressed
from careledger.gateway.server import Gateway
from careledger.sealing.keys import sealing_key_digest
from careledger.workflows import parties
from careledger.workflows.register import Officer
from gateway.edge_world import Edge
from story import organisation


def fetched(edge: Edge, path: str) -> tuple[int, Any]:
    reply = edge.stranger().pool.request("GET", f"{edge.gateway.url}{path}")
    return reply.status, json.loads(reply.data) if reply.status == 200 else None


def keys(document: Any) -> tuple[str, bytes]:
    """The account of the ledger, and the address of the signing key."""
    account, signing = document["verificationMethod"]
    return account["blockchainAccountId"], address_of(uncompressed(public_in(signing["publicKeyMultibase"])))


def test_a_member_is_found_at_its_did_web_with_the_keys_that_the_ledger_knows(edge: Edge) -> None:
    world, city = edge.story.world, edge.story.organisations["City"]
    facts = world.ledger.fresh_head().party(city.number)
    assert facts is not None
    did = dids.web_did_of(world.ledger.fresh_head(), city.number, edge.gateway.url)
    found = dids.resolve(did)
    assert found["id"] == did
    assert found["alsoKnownAs"] == [f"did:careledger:20261:{city.number:016x}"]
    account, address = keys(found)
    assert (account, address) == (f"eip155:20261:0x{facts.controller.hex()}", facts.controller)
    assert found["assertionMethod"] == [f"{did}#account", f"{did}#signing"]
    [sealing] = found["keyAgreement"]
    public = base64.urlsafe_b64decode(sealing["xWingPublicKey"] + "==")
    assert sealing_key_digest(public) == facts.sealing_key
    again = dids.resolve(found["alsoKnownAs"][0], world)
    assert keys(again) == keys(found)


def test_a_post_is_found_under_its_employer_alone(edge: Edge) -> None:
    world, post = edge.story.world, edge.story.staff["Dr City"]
    view, city = world.ledger.fresh_head(), edge.story.organisations["City"]
    did = dids.web_did_of(view, post.number, edge.gateway.url)
    found = dids.resolve(did)
    assert keys(found)[1] == post.key.address
    assert found["controller"] == dids.web_did_of(view, city.number, edge.gateway.url)
    lakeside = edge.story.organisations["Lakeside"].number
    for path in (
        f"/members/{lakeside:016x}/posts/{post.number:016x}/did.json",
        f"/members/{post.number:016x}/did.json",
        f"/members/{'0' * 16}/did.json",
        f"/members/{city.number:x}0/did.json",
        "/members/..%2f/did.json",
        "/.well-known/did.json",  # several members' keys lie here
    ):
        assert fetched(edge, path)[0] == 404, path


def test_who_is_suspended_asserts_nothing_and_who_was_removed_is_not_found(edge: Edge) -> None:
    world, post = edge.story.world, edge.story.staff["Dr Stay"]
    path = f"/members/{post.organisation.number:016x}/posts/{post.number:016x}/did.json"
    assert "assertionMethod" in fetched(edge, path)[1]
    officer = Officer(officer_posts(world)[0].number, officer_posts(world)[0].key)
    parties.suspend(world.network, officer, post.organisation.number)
    status, found = fetched(edge, path)
    assert (status, found.keys() & {"authentication", "assertionMethod", "keyAgreement"}) == (200, set())
    parties.reinstate(world.network, officer, post.organisation.number)
    assert "assertionMethod" in fetched(edge, path)[1]
    parties.end_post(world.network, post)
    assert fetched(edge, path)[0] == 404
    with pytest.raises(PartyNotFound):
        dids.resolve(f"did:careledger:20261:{post.number:016x}", world)


def test_the_only_member_of_a_machine_is_found_under_its_host(tmp_path: Path) -> None:
    world = found(tmp_path / "data", ["Officer A", "Officer B"], SystemClock(), policy_delay=0)
    try:
        city = organisation(world, "City", Role.HOSPITAL, officer_posts(world)[0], keeps=False)
        with Gateway(world, port=0) as gateway:
            did = dids.host_did(gateway.url)
            document = dids.resolve(did)
            assert keys(document)[1] == city.controller.address
            assert document["alsoKnownAs"][1] == dids.web_did_of(
                world.ledger.fresh_head(), city.number, gateway.url
            )
    finally:
        world.close()


def test_a_document_says_nothing_personal(edge: Edge) -> None:
    city = edge.story.organisations["City"]
    said = json.dumps(fetched(edge, f"/members/{city.number:016x}/did.json")[1])
    assert [word for word in ("City", "Dr City", "adam", edge.story.adam.hex()) if word in said] == []


def test_a_person_is_a_did_key_that_resolves_by_itself(edge: Edge) -> None:
    holder = edge.story.holder(edge.story.adam)
    did = dids.person_did(holder.controller)
    found = dids.resolve(did)
    facts = edge.story.world.ledger.fresh_head().alias(edge.story.adam)
    assert facts is not None
    assert address_of(uncompressed(key_of(did))) == facts.controller
    assert found["id"] == did


@contextmanager
def serving(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"did:web:127.0.0.1%3A{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"id": "did:web:somebody.else"}'),
        (200, b"[]"),
        (200, b"not json"),
        (200, b"[" * 60_000),
        (200, b'{"id": "' + b"x" * 70_000 + b'"}'),
        (404, b"{}"),
        (302, b"{}"),
    ],
)
def test_what_is_no_document_of_that_did_is_refused(status: int, body: bytes) -> None:
    with serving(status, body) as did, pytest.raises(DidNotResolved):
        dids.resolve(did)


def test_a_did_without_server_or_method_is_refused(edge: Edge) -> None:
    with pytest.raises(DidNotResolved):
        dids.resolve("did:web:127.0.0.1%3A1")
    assert web_url("did:web:127.0.0.1%3A1").startswith("https://")
    for did in ("did:ethr:0x00", "did:careledger:20261:00000000000000ff", "nothing"):
        with pytest.raises(MalformedBytes):
            dids.resolve(did)
    with pytest.raises(MalformedBytes):
        dids.resolve("did:careledger:1:00000000000000ff", edge.story.world)
