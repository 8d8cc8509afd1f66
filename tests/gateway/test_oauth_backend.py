"""Back-end services prove themselves and get short tokens, narrowed; nobody else gets any, and nothing counts twice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import story
from careledger.adapters.books.memory import MemoryBooks
from careledger.app import app_grants, clients, tokens
from careledger.app.app_grants import KEPT, Row
from careledger.app.assertions import UNPROVED
from careledger.app.keyring import Keyring
from careledger.app.tokens import Bearers
from careledger.domain.consents import Permission
from careledger.domain.errors import ClientNotFound, TokenRefused
from careledger.domain.parties import Role
from careledger.formats.apps import AppClient
from careledger.gateway.oauth import fetched_keys, routes
from careledger.gateway.oauth.fetched_keys import lasts
from careledger.gateway.server import Gateway
from careledger.workflows import parties
from careledger.workflows.register import Officer
from gateway.edge_world import Client, Edge, Reply
from gateway.oauth_world import BEARER, KeyPair, KeyServer, Service, asked, key_set, machine, service
from story import DIAGNOSIS, Story

ADAM_SEES = (DIAGNOSIS,)


@pytest.fixture(scope="module")
def open_edge(edge: Edge) -> Iterator[Edge]:
    """A gateway that fetches keys from this machine too."""
    world = edge.story.world
    world.settings = replace(world.settings, webhooks_to_loopback=True)
    with Gateway(world, port=0) as gateway:
        yield Edge(edge.story, gateway)


def refused(reply: Reply, status: int, error: str) -> str:
    """The words of a refusal as RFC 6749 has them, that nobody keeps."""
    assert (reply.status, reply.body.get("error")) == (status, error), reply.body
    assert set(reply.body) == {"error", "error_description"}
    assert reply.headers["Cache-Control"] == "no-store"
    if (
        error == "invalid_client"
    ):  # nothing of it came in a header (RFC 6749 5.2), and RFC 6750 has no such error
        assert "WWW-Authenticate" not in reply.headers
    return str(reply.body["error_description"])


def test_a_service_gets_a_token_that_reads_what_a_patient_lets_its_post_see(edge: Edge) -> None:
    loader = service(edge)
    edge.story.grant(edge.story.adam, post_of(edge, loader), ADAM_SEES, Permission.VIEW)
    reply = loader.token("system/Condition.rs")
    assert reply.status == 200
    assert (reply.headers["Cache-Control"], reply.headers["Pragma"]) == ("no-store", "no-cache")
    said = dict(reply.body)
    token = said.pop("access_token")
    assert said == {"token_type": "bearer", "expires_in": 300, "scope": "system/Condition.rs"}
    client = Client(edge.gateway.base, token)
    assert client.ask(f"Condition?patient={edge.story.adam.hex()}").matches
    assert client.ask(f"Encounter?patient={edge.story.adam.hex()}").status == 403
    assert client.ask(f"{edge.gateway.url}/api/v1/patients").status == 403


def post_of(edge: Edge, loader: Service) -> Any:
    return next(each for each in edge.story.staff.values() if each.number == loader.post)


def test_rsa_and_elliptic_keys_prove_a_client(edge: Edge) -> None:
    for key in (KeyPair.rsa(), KeyPair()):
        assert service(edge, key=key).token("system/*.rs").status == 200


WRONG: dict[str, Any] = {
    "another audience": {"aud": "https://elsewhere.example/token"},
    "other audiences": {"aud": [{"a": 1}, ["b"], 7, None]},
    "no audience": {"aud": None},
    "over": {"exp": -1},
    "more than five minutes": {"exp": 330},
    "no end": {"exp": None},
    "an end that is text": {"exp": "soon"},
    "an end that is true": {"exp": True},
    "not yet": {"nbf": 60},
    "no jti": {"jti": None},
    "a jti that is a number": {"jti": 7},
    "an empty jti": {"jti": ""},
    "a long jti": {"jti": "j" * 201},
    "a jti that is no text": {"jti": "\ud800"},
    "another issuer": {"iss": "0" * 32},
    "no issuer": {"iss": None},
    "another subject": {"sub": "0" * 32},
    "no subject": {"sub": None},
    "a subject that is a list": {"sub": ["0"]},
}
HEADERS: dict[str, Any] = {
    "no algorithm": {"alg": None},
    "none": {"alg": "none"},
    "a shared secret": {"alg": "HS384"},
    "another hash": {"alg": "ES256"},
    "another kind of key": {"alg": "RS384"},
    "no kid": {"kid": None},
    "another kid": {"kid": "nobody's"},
    "another typ": {"typ": "at+jwt"},
    "keys elsewhere": {"jku": "https://attacker.example/keys"},
    "something critical": {"crit": ["exp"]},
}


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_assertion_with_a_wrong_claim_gets_nothing(wrong: str, edge: Edge) -> None:
    loader, now = _loader(edge), edge.story.world.clock.now()
    claims: dict[str, Any] = {
        name: now + value if name in ("exp", "nbf") and type(value) is int else value
        for name, value in WRONG[wrong].items()
    }
    form = loader.form(grant_type="client_credentials", scope="system/*.rs")
    refused(
        asked(edge, "token", form | {"client_assertion": loader.assertion({}, **claims)}),
        401,
        "invalid_client",
    )


def test_an_assertion_may_name_the_server_by_its_issuer_and_need_not_say_that_it_is_a_jwt(edge: Edge) -> None:
    loader = _loader(edge)
    for aud in (
        edge.gateway.url,
        [edge.gateway.url],
        loader.audience,
        ["https://elsewhere.example", loader.audience],
    ):
        for typ in (None, "JWT", "jwt", "client-authentication+jwt"):
            form = loader.form(grant_type="client_credentials", scope="system/*.rs")
            made = loader.assertion({"typ": typ}, aud=aud)
            assert asked(edge, "token", form | {"client_assertion": made}).status == 200, (aud, typ)


@pytest.mark.parametrize("wrong", HEADERS, ids=str)
def test_an_assertion_with_a_wrong_header_gets_nothing(wrong: str, edge: Edge) -> None:
    loader = _loader(edge)
    form = loader.form(grant_type="client_credentials", scope="system/*.rs")
    said = loader.assertion(header=HEADERS[wrong])
    refused(asked(edge, "token", form | {"client_assertion": said}), 401, "invalid_client")


_KEPT: dict[int, Service] = {}


def _loader(edge: Edge) -> Service:
    """One service for all these tests, which nothing is given."""
    return _KEPT.setdefault(id(edge), service(edge))


def test_nobody_else_proves_a_client_and_who_is_registered_is_not_told(edge: Edge) -> None:
    loader, other = service(edge), service(edge, "City")
    nobody = Service(edge, "0" * 32, KeyPair(), 0)
    same_kid = KeyPair(kid=loader.key.kid)
    forged = [
        replace(loader, key=other.key),
        replace(loader, key=same_kid),
        replace(loader, key=replace(KeyPair.rsa(), kid=loader.key.kid)),
        nobody,
        replace(nobody, id="../books"),
    ]
    said = {refused(each.token("system/*.rs"), 401, "invalid_client") for each in forged}
    cut = loader.assertion()[:-4] + "AAAA"
    said.add(refused(loader.token("system/*.rs", client_assertion=cut), 401, "invalid_client"))
    assert said == {UNPROVED}
    for public in ({"client_id": loader.id}, {"client_id": loader.id, "client_secret": "secret"}):
        form = {"grant_type": "client_credentials", "scope": "system/*.rs"} | public
        refused(asked(edge, "token", form), 401, "invalid_client")
    refused(loader.token("system/*.rs", client_id=other.id), 401, "invalid_client")
    assert loader.token("system/*.rs", client_id=loader.id).status == 200


def test_an_assertion_counts_once_for_good(told: Story, tmp_path: Any, port: int) -> None:
    mine = story.copied(told, tmp_path / "data")
    with Gateway(mine.world, port=port) as gateway:
        loader = service(Edge(mine, gateway))
        form = loader.form(grant_type="client_credentials", scope="system/*.rs")
        first = asked(loader.edge, "token", form)
        assert first.status == 200
        again = refused(asked(loader.edge, "token", form), 401, "invalid_client")
        reused = loader.token("system/*.rs", client_assertion=loader.assertion(jti="once"))
        assert reused.status == 200
        other_end = loader.assertion(jti="once", exp=mine.world.clock.now() + 250)
        assert (
            refused(loader.token("system/*.rs", client_assertion=other_end), 401, "invalid_client") == again
        )
        elsewhere = service(loader.edge, "City")
        assert elsewhere.token("system/*.rs", client_assertion=elsewhere.assertion(jti="once")).status == 200
    mine.reopen()
    with Gateway(mine.world, port=port) as gateway:
        edge = Edge(mine, gateway)
        assert refused(asked(edge, "token", form), 401, "invalid_client") == again == "it was used before"
        form["client_assertion"] = replace(loader, edge=edge).assertion()
        assert asked(edge, "token", form).status == 200
        kept = Client(gateway.base, first.body["access_token"])
        assert (
            kept.ask(f"Condition?patient={mine.adam.hex()}").status == 403
        )  # known still: refused by the patient
    mine.world.close()


def test_a_token_ends_after_five_minutes_and_with_its_client(edge: Edge) -> None:
    loader, now = service(edge), edge.story.world.clock.now()
    lakeside, search = edge.story.organisations["Lakeside"], f"Condition?patient={edge.story.adam.hex()}"
    client = loader.client("system/*.rs")
    grant = app_grants.bearing(lakeside, tokens.digest_of(client.token), now)
    assert grant is not None
    assert grant[2] == pytest.approx(now + 300, abs=120)
    over = tokens.issue_to_app(lakeside.books, grant[0].grant, now + 3_600, now - 301, 300)
    assert Client(edge.gateway.base, over).ask(search).status == 401
    assert client.ask(search).status == 403
    clients.remove(lakeside, loader.id)
    assert client.ask(search).status == 401
    assert refused(loader.token("system/*.rs"), 401, "invalid_client") == UNPROVED


def test_scopes_are_narrowed_to_what_the_client_and_its_post_may(edge: Edge) -> None:
    some = service(edge, scopes="system/Condition.rs system/Patient.r")
    assert some.token("system/*.cruds").body["scope"] == "system/Condition.rs system/Patient.r"
    assert some.token("system/Condition.cruds system/Encounter.rs").body["scope"] == "system/Condition.rs"
    assert some.token("system/Condition.read").body["scope"] == "system/Condition.read"
    for scope in ("system/Encounter.rs", "system/Condition.c", "introspect"):
        refused(some.token(scope), 400, "invalid_scope")
    for scope in (
        "user/Condition.rs",
        "patient/Condition.rs",
        "openid",
        "system/Nothing.rs",
        "system/Condition.sr",
    ):
        refused(some.token(scope), 400, "invalid_scope")
    refined = refused(some.token("system/Observation.rs?patient=a"), 400, "invalid_scope")
    assert "refines no scope" in refined
    refused(some.ask(grant_type="client_credentials"), 400, "invalid_scope")
    device = service(edge, scopes="system/*.cruds", post=machine(edge.story, "Lakeside", Role.DEVICE))
    assert device.token("system/Observation.cruds").body["scope"] == "system/Observation.cud"
    refused(device.token("system/Condition.rs"), 400, "invalid_scope")


def test_a_post_that_does_not_stand_gets_no_token_and_its_tokens_are_inactive(edge: Edge) -> None:
    loader, world = service(edge, "Delta", scopes="system/*.rs introspect"), edge.story.world
    client = loader.client("system/*.rs")
    own = edge.token("Dr Stay")
    assert asked(edge, "introspect", {"token": client.token}, own).body["active"] is True
    post = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    officer, delta = Officer(post.number, post.key), edge.story.organisations["Delta"].number
    parties.suspend(world.network, officer, delta)
    try:
        refused(loader.token("system/*.rs"), 400, "unauthorized_client")
        assert client.ask("Condition").status == 403
        refused(asked(edge, "introspect", {"token": client.token}, own), 400, "unauthorized_client")
        assert loader.ask("introspect", token=client.token).body == {"active": False}
    finally:
        parties.reinstate(world.network, officer, delta)
    assert loader.token("system/*.rs").status == 200


def test_an_app_with_people_is_given_no_token_without_one(edge: Edge) -> None:
    key = KeyPair()
    app = replace(
        AppClient("app", "confidential", ("https://app.example/cb",), "", key_set(key), "", "user/*.rs", 0,
                          "TREAT", 0)
    )  # fmt: skip
    id = clients.add(edge.story.organisations["Lakeside"], app)
    refused(Service(edge, id, key, 0).token("system/*.rs"), 400, "unauthorized_client")


def test_whoever_may_is_told_what_a_token_stands_for_and_others_are_not(edge: Edge) -> None:
    loader, asker = service(edge), service(edge, scopes="system/Patient.r introspect")
    elsewhere = service(edge, "City", scopes="introspect")
    token = loader.client("system/Condition.rs").token
    now = edge.story.world.clock.now()
    by_scope = asker.client("introspect").token
    for reply in (
        asked(edge, "introspect", {"token": token}, by_scope),
        asked(
            edge, "introspect", {"token": token, "token_type_hint": "refresh_token"}, edge.token("Dr Lake")
        ),
        loader.ask("introspect", token=token),
    ):
        assert reply.status == 200
        assert reply.headers["Cache-Control"] == "no-store"
        said = dict(reply.body)
        assert said.pop("exp") == pytest.approx(now + 300, abs=120)
        assert said.pop("iat") == pytest.approx(now, abs=120)
        assert said == {
            "active": True,
            "scope": "system/Condition.rs",
            "client_id": loader.id,
            "token_type": "Bearer",
        }
    for other in (
        asked(edge, "introspect", {"token": token}, elsewhere.client("introspect").token),
        asked(edge, "introspect", {"token": token}, edge.token("Dr City")),
        asker.ask("introspect", token=token),
        loader.ask("introspect", token="clt_" + "A" * 43),
        loader.ask("introspect", token=edge.token("Dr Lake")),
    ):
        assert (other.status, other.body) == (200, {"active": False})
    refused(asked(edge, "introspect", {"token": token}, token), 403, "insufficient_scope")
    refused(asked(edge, "introspect", {"token": token}), 401, "invalid_client")
    refused(asked(edge, "introspect", {"token": token}, "clt_none"), 401, "invalid_token")
    refused(asked(edge, "introspect", {}, by_scope), 400, "invalid_request")
    read = Client(edge.gateway.base, by_scope)
    assert read.ask("Patient?name=a").status == 403


def test_a_revoked_token_is_none_and_only_its_client_revokes_it(edge: Edge) -> None:
    loader, other = service(edge), service(edge)
    client, search = loader.client("system/*.rs"), f"Condition?patient={edge.story.adam.hex()}"
    refused(other.ask("revoke", token=client.token), 400, "invalid_grant")
    refused(asked(edge, "revoke", {"token": client.token}), 401, "invalid_client")
    refused(asked(edge, "revoke", {"token": client.token, "client_id": loader.id}), 401, "invalid_client")
    assert client.ask(search).status == 403
    assert loader.ask("revoke", token=client.token).status == 200
    assert client.ask(search).status == 401
    assert loader.ask("revoke", token=client.token).status == 200
    assert loader.ask("revoke", token="never issued", token_type_hint="anything").status == 200
    assert loader.ask("introspect", token=client.token).body == {"active": False}
    refused(loader.ask("revoke"), 400, "invalid_request")


def test_an_export_goes_on_with_the_services_next_token_and_is_nobody_elses(edge: Edge) -> None:
    loader, other = service(edge, "City"), service(edge, "City")
    first = loader.client("system/*.rs")
    begun = first.ask("$export?_type=Condition", Prefer="respond-async", Accept="application/fhir+json")
    assert begun.status == 202, begun.body
    place = begun.headers["Content-Location"]
    assert loader.ask("revoke", token=first.token).status == 200
    assert first.ask(place).status == 401
    assert other.client("system/*.rs").ask(place).status == 404
    assert loader.client("system/Condition.rs").ask(place).status == 404  # it has no more than it asked for
    second = loader.client("system/*.rs")
    ends = time.monotonic() + 30
    while (done := second.ask(place)).status == 202 and time.monotonic() < ends:
        time.sleep(0.05)
    assert done.status == 200
    assert {each["type"] for each in done.body["output"]} == {"Condition"}


# Keys that are kept elsewhere --------------------------------------------------------------------


def test_keys_are_fetched_from_where_the_client_keeps_them_and_rotate_there(open_edge: Edge) -> None:
    old, new = KeyPair(), KeyPair.rsa()
    with KeyServer(key_set(old), {"Cache-Control": "max-age=600"}) as kept:
        loader = service(open_edge, key=old, keys_at=kept.url)
        assert loader.token("system/*.rs").status == 200
        assert loader.token("system/*.rs").status == 200
        assert len(kept.asked) == 1
        assert kept.asked[0]["accept"] == "application/json"
        named = loader.assertion(header={"jku": kept.url})
        assert loader.token("system/*.rs", client_assertion=named).status == 200
        elsewhere = loader.assertion(header={"jku": kept.url + "2"})
        refused(loader.token("system/*.rs", client_assertion=elsewhere), 401, "invalid_client")
        kept.said = key_set(new)
        rotated = replace(loader, key=new)
        refused(rotated.token("system/*.rs"), 401, "invalid_client")  # not looked at again at once
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fetched_keys, "AGAIN", 0.0)
            assert rotated.token("system/*.rs").status == 200
            assert refused(loader.token("system/*.rs"), 401, "invalid_client") == UNPROVED
        assert len(kept.asked) == 3


def test_keys_are_kept_no_longer_than_their_owner_lets_them_be(open_edge: Edge) -> None:
    with KeyServer(headers={"Cache-Control": "no-store"}) as kept:
        key = KeyPair()
        kept.said = key_set(key)
        loader = service(open_edge, key=key, keys_at=kept.url)
        for times in (1, 2, 3):
            assert loader.token("system/*.rs").status == 200
            assert len(kept.asked) == times
    said = {"max-age=60": 60, "private, max-age=5": 5, "no-cache, max-age=60": 0, "max-age=0": 0, "": 300,
            "max-age=999999": 3_600, "max-age=x": 300, "NO-STORE": 0}  # fmt: skip
    assert {each: lasts(each) for each in said} == said


@pytest.mark.parametrize(
    ("said", "status"),
    [("", 200), ("[]", 200), ('{"keys": []}', 200), ("{" * 5_000, 200), ("x" * 30_000, 200), ("{}", 404),
     ('{"keys": [1]}', 200)],
)  # fmt: skip
def test_keys_that_are_not_to_be_had_prove_nobody(said: str, status: int, open_edge: Edge) -> None:
    with KeyServer(said, status=status) as kept:
        loader = service(open_edge, keys_at=kept.url)
        assert "not to be had" in refused(loader.token("system/*.rs"), 401, "invalid_client")
        refused(loader.token("system/*.rs"), 401, "invalid_client")
        assert len(kept.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/keys", "https://127.0.0.1:{port}/keys", "http://10.0.0.1/"]
)
def test_keys_are_fetched_from_no_address_inside(url: str, edge: Edge) -> None:
    with KeyServer() as kept:
        key = KeyPair()
        kept.said = key_set(key)
        port = kept.url.rpartition(":")[2].partition("/")[0]
        loader = service(edge, key=key, keys_at=url.format(port=port))
        refused(loader.token("system/*.rs"), 401, "invalid_client")
        assert kept.asked == []


# What comes wrongly, and often -------------------------------------------------------------------

FORMS = (
    "",
    "grant_type=",
    "grant_type=password&username=a&password=b",
    "grant_type=authorization_code",
    "grant_type=authorization_code&client_id=x&code=c&redirect_uri=r&code_verifier=v",
    "grant_type=refresh_token&client_id=%00",
    "grant_type=client_credentials",
    "grant_type=client_credentials&grant_type=client_credentials",
    "grant_type=client_credentials&client_assertion=a.b.c",
    f"grant_type=client_credentials&client_assertion_type={BEARER}",
    *(
        f"grant_type=client_credentials&client_assertion_type={BEARER}&client_assertion={said}"
        for said in (
            "a",
            "a.b",
            "a.b.c",
            "....",
            "e30.e30.e30",
            "W10.W10.",
            "é.é.é",
            "A" * 9_000,
            "%00.%ff.%41",
        )
    ),
    "%",
    "%ff=%fe",
    "&".join(f"a{each}=1" for each in range(60)),
    "a=" + "b" * 40_000,
)


@pytest.mark.parametrize("path", ["token", "introspect", "revoke"])
def test_whatever_comes_is_answered_in_the_standards_words_and_never_breaks(path: str, edge: Edge) -> None:
    for form in FORMS:
        reply = asked(edge, path, form)
        assert reply.status in (400, 401), (form[:60], reply.body)
        refused(reply, reply.status, reply.body["error"])
        assert set(str(reply.body["error_description"])) <= set(map(chr, range(32, 127))) - {'"', "\\"}
    other = asked(
        edge, path, json.dumps({"grant_type": "client_credentials"}), Content_Type="application/json"
    )
    refused(other, 400, "invalid_request")
    deep = Service(edge, "x", KeyPair(), 0)
    nested = deep.key.signed({"alg": "ES384", "typ": "JWT", "kid": "k"}, b'{"sub":' + b"[" * 3_000)
    refused(asked(edge, path, deep.form(client_assertion=nested, grant_type="client_credentials")), 401,
            "invalid_client")  # fmt: skip
    assert edge.stranger().ask(f"{edge.gateway.url}/oauth/{path}").status == 405
    elsewhere = asked(edge, path, "", Host="gateway.example")
    assert elsewhere.status == 421


def test_a_client_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_kept_out(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "PACE", (2, 0.01))
    with Gateway(edge.story.world, port=0) as gateway:
        mine = Edge(edge.story, gateway)
        often, other = service(mine), service(mine)
        for _ in range(5):  # what proves nothing costs the client nothing
            refused(
                replace(often, key=KeyPair(kid=often.key.kid)).token("system/*.rs"), 401, "invalid_client"
            )
        assert [often.token("system/*.rs").status for _ in range(3)] == [200, 200, 429]
        told = often.token("system/*.rs")
        refused(told, 429, "temporarily_unavailable")
        assert int(told.headers["Retry-After"]) > 0
        assert other.token("system/*.rs").status == 200


def test_what_strangers_bring_opens_no_key_file_and_who_came_meanwhile_is_found(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = story.copied(told, tmp_path / "data").world
    keyring, opened = world.keyring, list[Path]()
    bearers, read = Bearers(keyring), keyring._read
    bearers.employers()

    def noted(folder: Path) -> bytes:
        opened.append(folder)
        return read(folder)

    monkeypatch.setattr(keyring, "_read", noted)
    with pytest.raises(TokenRefused):
        bearers.bearer("clt_made-up", world.clock.now())
    with pytest.raises(ClientNotFound):
        clients.find(bearers.anew(), "0" * 32)
    assert opened == []
    came = Keyring(keyring._folder, keyring._guard).new_organisation("Later", Role.HOSPITAL)
    assert came.number in {each.number for each in bearers.anew()}
    assert opened
    world.close()


def test_assertions_that_are_over_are_dropped_also_where_nobody_is_given_a_token(edge: Edge) -> None:
    loader, books = service(edge), edge.story.organisations["Lakeside"].books
    over = [Row(b"X" + bytes([each]), b"", 1) for each in range(app_grants.FEWEST)]
    app_grants.keep(books, over)
    assert loader.ask("introspect", token="none").body == {"active": False}
    assert list(books.rows(KEPT, b"X")) == []


def test_what_is_over_is_dropped_and_what_was_renewed_is_kept() -> None:
    books, now = MemoryBooks(), 1_000
    names = [b"X" + bytes([each]) for each in range(app_grants.FEWEST + 1)]
    app_grants.keep(books, [Row(each, b"", now - 10) for each in names[1:]])
    app_grants.keep(books, [Row(names[0], b"old", now)])
    assert app_grants.look(books, names[0], now - 1) == Row(names[0], b"old", now)
    assert app_grants.look(books, names[0], now) is None
    app_grants.keep(books, [Row(names[0], b"renewed", now + 50)])
    assert app_grants.drop_over(books, now) == len(names) - 1
    assert [key for key, _ in books.rows(KEPT, b"X")] == [names[0]]
    assert app_grants.drop_over(books, now) == 0
    assert app_grants.look(books, names[0], now) == Row(names[0], b"renewed", now + 50)


# What is said of it ------------------------------------------------------------------------------


def test_the_configuration_says_what_is_so(edge: Edge) -> None:
    reply = edge.stranger().ask(".well-known/smart-configuration", Accept="text/html")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    said = reply.body
    every = {path for _, path in edge.gateway.routes()}
    addresses = {name: value for name, value in said.items() if name.endswith("_endpoint")}
    assert {urlsplit(value).path for value in addresses.values()} <= every
    assert urlsplit(said["jwks_uri"]).path in every
    assert {"RS384", "ES384"} == set(said["token_endpoint_auth_signing_alg_values_supported"])
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt", "none"]
    assert "S256" in said["code_challenge_methods_supported"]
    assert "plain" not in said["code_challenge_methods_supported"]
    for each in ("revocation", "introspection"):  # left out it would mean a secret (RFC 8414, 2)
        assert "private_key_jwt" in said[f"{each}_endpoint_auth_methods_supported"]
        assert {"RS384", "ES384"} == set(said[f"{each}_endpoint_auth_signing_alg_values_supported"])
    beside = Client(edge.gateway.url)
    openid = beside.ask(".well-known/openid-configuration").body
    assert beside.ask(".well-known/oauth-authorization-server").body == openid
    assert "RS256" in openid["id_token_signing_alg_values_supported"]  # Discovery 1.0, 3
    assert openid["request_uri_parameter_supported"] is False  # left out it would mean true
    of_services = [each for each in said["scopes_supported"] if each.startswith("system/")]
    for scope in [*of_services, "introspect"]:
        loader = service(edge, scopes=scope)
        granted = loader.ask(grant_type="client_credentials", scope=scope)
        assert (granted.status, granted.body["scope"]) == (200, scope)
    for grant_type in ("password", "implicit", "client_credentials", "authorization_code", "refresh_token"):
        supported = grant_type in said["grant_types_supported"]
        form = {"grant_type": grant_type, "client_id": "0" * 32}
        assert (asked(edge, "token", form).body["error"] != "unsupported_grant_type") == supported
    metadata = edge.stranger().ask("metadata").body["rest"][0]["security"]
    uris = {each["url"]: each["valueUri"] for each in metadata["extension"][0]["extension"]}
    assert uris["token"] == said["token_endpoint"]
    assert metadata["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


def test_who_proves_who_it_is_costs_strangers_nothing_and_is_not_kept_to_their_pace(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("careledger.gateway.files.ALL", (3, 0.001))
    with Gateway(edge.story.world, port=0) as gateway:
        mine = Edge(edge.story, gateway)
        loader = service(mine, scopes="system/*.rs introspect")
        granted = loader.token("system/*.rs introspect").body["access_token"]
        by_token = [asked(mine, "introspect", {"token": granted}, granted) for _ in range(5)]
        assert [each.body["active"] for each in by_token] == [True] * 5
        by_key = [loader.ask("introspect", token=granted).status for _ in range(5)]
        assert by_key == [200] * 5
        made_up = [asked(mine, "introspect", {"token": granted}, "clt_x").status for _ in range(4)]
        assert made_up == [401] * 3 + [429]
