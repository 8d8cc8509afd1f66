"""Every route refuses whoever brings no token in force; the routes are those that the application itself has."""

from __future__ import annotations

import time

import pytest

from careledger.app import tokens
from careledger.domain.consents import Purpose
from careledger.domain.errors import TokenRefused
from careledger.formats.cids import raw_cid, text
from careledger.gateway.scim.routes import ERROR
from careledger.workflows import parties
from careledger.workflows.register import Officer
from gateway.edge_world import DAY, Client, Edge, Reply

FORM = "application/x-www-form-urlencoded"
KINDS = {"PATCH": "application/json-patch+json"}
LOG = "/logs/{custodian}/"
OPEN = {
    ("GET", "/fhir/metadata"),
    ("GET", "/fhir/.well-known/smart-configuration"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/oauth/keys"),
    ("GET", "/oauth/page.css"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/logs"),
    ("GET", LOG + "checkpoint"),
    ("GET", LOG + "tile/{file:path}"),
    *(("GET", f"/api/v1/{each}") for each in ("openapi.json", "docs", "docs/page.js", "docs/page.css")),
    ("GET", "/sealed/{cid}"),
    ("GET", "/.well-known/did.json"),
    ("GET", "/licences/{issuer}/status"),
    ("GET", "/members/{party}/did.json"),
    ("GET", "/members/{party}/posts/{number}/did.json"),
    ("GET", "/api/v1/blocks"),
    ("GET", "/api/v1/blocks/{block}"),
    ("GET", "/api/v1/agent/network"),
    ("POST", "/api/v1/agent/custodians/{custodian}"),
    ("POST", "/api/v1/agent/acts"),
    ("GET", "/api/v1/agent/acts/{act}"),
    ("POST", "/api/v1/agent/packages"),
    ("GET", "/api/v1/agent/packages"),
    ("POST", "/api/v1/agent/relays/{number}"),
    ("GET", "/api/v1/agent/sealing-keys/{number}"),
    ("GET", "/api/v1/agent/apps/{client}"),
}
"""The routes that need no token; a new one has to be decided here."""
PROVED = {("POST", f"/oauth/{each}") for each in ("token", "introspect", "revoke")}
"""Those at which clients prove who they are: they refuse in OAuth's words whoever does not."""
LED = {(method, f"/oauth/{each}") for each in ("authorize", "consent") for method in ("GET", "POST")}
"""Pages to which apps lead people; what they ask needs a session, see test_oauth_launch.py."""
SIGNING_ON = {("GET", f"/sign-on/{{provider}}{each}") for each in ("", "/return", "/leave", "/left")}
SIGNING_ON |= {
    ("GET", f"/sign-on/saml/{{provider}}{each}") for each in ("", "/metadata", "/leave", "/logout")
}
SIGNING_ON |= {("POST", f"/sign-on/saml/{{provider}}/{each}") for each in ("return", "logout")}
SIGNING_ON |= {("POST", "/sign-on/{provider}/logout")}
"""Away to an organisation's identity provider and back, for a browser and its one sign-on, and what a provider says of
signing out; see test_sign_on.py, test_sign_on_saml.py, test_sign_on_saml_logout.py and test_sign_on_leaving.py."""
PARTS = {
    "kind": "Condition", "id": "1", "version": "1", "party": "hos-0000000000001", "patient": "0" * 64,
    "consent": "0" * 64, "file": "0", "request": "0" * 32, "proposal": "0" * 32, "entry": "0" * 64,
    "webhook": "0" * 32, "app": "0" * 64, "team": "0" * 16,
}  # fmt: skip


def routes(edge: Edge) -> list[tuple[str, str]]:
    """Every method and path of the application that takes a token, HEAD left out, which answers as GET without a body;
    those that take a session alone are in test_identity_routes.py."""
    found = edge.gateway.routes()
    assert {method for method, _ in found} <= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    left = set(found) - OPEN - PROVED - LED - SIGNING_ON
    return sorted(each for each in left if not each[1].startswith(("/identity/", "/sign-in")))


def answers(client: Client, edge: Edge, **headers: str) -> list[Reply]:
    made = []
    for method, path in routes(edge):
        kind = FORM if path.endswith("_search") else KINDS.get(method, "application/fhir+json")
        kind = "application/json" if path.startswith("/api/") else kind
        url = edge.gateway.url + path.format(**PARTS)
        body = b"{}" if method in ("POST", "PUT", "PATCH") else None
        made.append(client.ask(url, method, body, **({"Content_Type": kind} | headers)))
    assert len(made) >= 8
    return made


def assert_unknown(replies: list[Reply]) -> None:
    """All say the same: no token in force; nothing of what it was."""
    assert {each.status for each in replies} == {401}
    challenges = {each.headers["WWW-Authenticate"] for each in replies}
    assert len(challenges) == 1
    assert challenges <= {f'Bearer realm="careledger"{more}' for more in ("", ', error="invalid_token"')}
    fhir, api = refusals(replies)
    assert {code for code, _ in fhir} == {"login"}
    assert api == {"token-refused"}
    said = {words for _, words in fhir} | {each.body["detail"] for each in replies if "detail" in each.body}
    assert len(said) == 1


def refusals(replies: list[Reply]) -> tuple[set[tuple[str, str]], set[str]]:
    """Issues of what FHIR answered, and types of problems of what the plain interface did; SCIM has no types."""
    fhir = [each for each in replies if "resourceType" in each.body]
    scim = [each for each in replies if each.headers["Content-Type"] == "application/scim+json"]
    assert {tuple(each.body["schemas"]) for each in scim} <= {(ERROR,)}
    assert all(each.body["status"] == str(each.status) for each in scim)
    api = [each for each in replies if each not in fhir and each not in scim]
    return {each.issue for each in fhir}, {each.problem for each in api}


def test_every_route_has_a_decision_and_the_open_ones_are_open(edge: Edge) -> None:
    assert set(edge.gateway.routes()) > OPEN | PROVED | LED
    world = edge.story.world
    number, link = next(iter(world.custodians.items()))
    link.call("checkpoint", b"")
    parts = {
        "custodian": f"{number:016x}",
        "file": "0/000.p/1",
        "number": f"{number:016x}",
        "act": "0" * 64,
        "client": "0" * 32,
    }
    parts |= {
        "block": "0",
        "cid": text(raw_cid(b"")),
        "party": f"{number:016x}",
        "issuer": f"{world.keyring.ministry().number:016x}",
    }
    for method, path in sorted(OPEN):
        url = edge.gateway.url + path.replace(":path", "").format(**parts)
        reply = edge.stranger().pool.request(method, url)
        nothing = path.endswith(
            ("{act}", "{cid}", "{client}", "known/did.json", "{number}/did.json")
        )  # of that name
        wanted = 415 if method == "POST" else 404 if nothing else 200
        assert reply.status == wanted, path


def test_no_client_gets_anything_that_does_not_prove_itself(edge: Edge) -> None:
    form = "token=clt_x&grant_type=client_credentials&scope=system/*.rs&client_id=" + "0" * 32
    for _, path in PROVED:
        for said in ("", "Basic YTpi", "Bearer clt_abc"):
            headers = {"Authorization": said} if said else {}
            reply = edge.stranger().ask(
                edge.gateway.url + path, "POST", form.encode(), Content_Type=FORM, **headers
            )
            assert (reply.status, reply.body["error"] in ("invalid_client", "invalid_token")) == (
                401,
                True,
            ), path


def test_pages_for_people_lead_nowhere_without_a_client_whoever_asks(edge: Edge) -> None:
    for method, path in LED:
        for token in ("", edge.token("Dr City")):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            sent = {"Sec-Fetch-Site": "same-origin", "Origin": edge.gateway.sign_in.removesuffix("/sign-in")}
            form = "redirect_uri=https://app.example/after&decision=allow"
            reply = edge.stranger().pool.request(
                method, f"{edge.gateway.url}{path}?{form}", body=form if method == "POST" else None, redirect=False,
                headers={"Content-Type": FORM, **sent, **headers},
            )  # fmt: skip
            assert (reply.status, "Location" in reply.headers) == (400, False), (method, path)


def test_no_route_answers_without_a_token(edge: Edge) -> None:
    assert_unknown(answers(edge.stranger(), edge))


@pytest.mark.parametrize(
    "said", ["Basic YTpi", "Bearer", "Bearer ", "clt_abc", "Bearer clt_abc def", "Token {}"]
)
def test_no_route_answers_to_what_is_no_bearer_token(edge: Edge, said: str) -> None:
    whole = said.format(edge.token("Dr Stay"))
    assert {each.status for each in answers(edge.stranger(), edge, Authorization=whole)} == {401}


def test_no_route_answers_to_a_token_that_is_over_withdrawn_or_made_up(edge: Edge) -> None:
    staff, now = edge.story.staff["Dr Stay"], edge.story.world.clock.now()
    over = tokens.issue(staff, Purpose.TREAT, now - 2 * DAY, DAY)[0]
    withdrawn = edge.token("Dr Stay")
    assert edge.stranger(withdrawn).ask("?_page=none").status == 410
    tokens.withdraw(staff.organisation, tokens.digest_of(withdrawn))
    for token in (over, withdrawn, withdrawn[:-1], "clt_" + "A" * 43, "é" * 20):
        replies = answers(edge.stranger(), edge, Authorization=f"Bearer {token}".encode().decode("latin-1"))
        assert_unknown(replies)


def test_a_token_of_another_organisation_opens_nothing_of_this_ones_leases(edge: Edge) -> None:
    patient = edge.story.adam.hex()
    one = edge.client("Dr Stay").ask(f"Condition?patient={patient}").matches[0]
    stranger = edge.client("Dr Lake")
    assert stranger.ask(f"Condition/{one['id']}").status == 404
    assert stranger.ask(f"Condition?patient={patient}").status == 403
    another = edge.client("Dr Stay")
    assert (
        another.ask(f"Condition/{one['id']}").status == 404
    )  # the same post by another token has its own lease


def test_a_token_reads_for_the_purpose_it_was_issued_for(edge: Edge) -> None:
    research = edge.client("Dr Stay", purpose=Purpose.HRESCH)
    refused = research.ask(f"Condition?patient={edge.story.adam.hex()}")
    assert (refused.status, refused.issue[0]) == (403, "forbidden")


def test_a_suspended_employers_tokens_open_nothing_and_its_leases_end_at_once(edge: Edge) -> None:
    patient, world = edge.story.adam.hex(), edge.story.world
    client = edge.client("Dr Stay")
    one = client.ask(f"Condition?patient={patient}").matches[0]
    post = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    officer = Officer(post.number, post.key)
    delta = edge.story.staff["Dr Stay"].organisation.number
    parties.suspend(world.network, officer, delta)
    try:
        assert {each.status for each in answers(client, edge)} == {403}
        assert client.ask("Patient?name=a").issue[0] == "forbidden"
        assert client.ask(f"Condition/{one['id']}").status == 403
        assert client.ask(f"Condition?patient={patient}").status == 403
    finally:
        parties.reinstate(world.network, officer, delta)
    assert client.ask(f"Condition?patient={patient}").matches


def test_a_token_is_kept_as_a_digest_and_for_at_most_ninety_days(edge: Edge) -> None:
    staff, now = edge.story.staff["Dr Stay"], int(time.time())
    token, kept = tokens.issue(staff, Purpose.TREAT, now, DAY, "ward tablet")
    rows = b"".join(key + row for key, row in staff.organisation.books.rows("bearer-token"))
    assert token.encode() not in rows
    assert tokens.digest_of(token) in rows
    assert (kept.post, kept.until - kept.issued, kept.label) == (staff.number, DAY, "ward tablet")
    for seconds in (0, -1, tokens.LONGEST + 1):
        with pytest.raises(TokenRefused):
            tokens.issue(staff, Purpose.TREAT, now, seconds)
