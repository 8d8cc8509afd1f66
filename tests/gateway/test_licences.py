"""A licence proves what its ministry issued, to whom, while it is in force, to who asked, once; and nothing else."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import story
from careledger.app.licences import checking, issuing, jose, status
from careledger.app.licences.checking import Checked
from careledger.app.licences.issuing import Licensed, issue, revoke
from careledger.app.licences.presenting import present
from careledger.domain.errors import LicenceRefused
from careledger.domain.parties import PartyId
from careledger.formats.dids import key_did
from careledger.formats.sd_jwt import SdJwt, base64url, digest_of, disclosure, from_base64url
from careledger.formats.signatures import SigningKey
from careledger.workflows.actors import Organisation
from gateway.edge_world import Edge
from story import Story

NEEDED = {"licence_number", "profession"}
DAY = 86_400


@dataclass
class Desk:
    """City Hospital, which is shown licences, and the ministry that issues them."""

    story: Story
    base: str
    holder: SigningKey = field(default_factory=SigningKey.random)

    @property
    def now(self) -> int:
        return self.story.world.clock.now()

    @property
    def ministry(self) -> Organisation:
        return self.story.world.keyring.ministry()

    @property
    def city(self) -> Organisation:
        return self.story.organisations["City"]

    @property
    def audience(self) -> str:
        return PartyId(self.city.number).did(20261)

    def issue(self, start: int = 0, until: int = DAY, issuer: Organisation | None = None) -> tuple[str, int]:
        said = Licensed("D-1204", "doctor", "Dr Marked Name", self.now + start, self.now + until)
        return issue(issuer or self.ministry, 20261, self.holder.public, said, self.base, self.now)

    def presented(self, licence: str, nonce: str = "", **other: Any) -> str:
        given: dict[str, Any] = {
            "key": self.holder,
            "audience": self.audience,
            "show": NEEDED,
            "now": self.now,
        } | other
        return present(licence, nonce=nonce or checking.ask(self.city, self.now), **given)

    def check(
        self,
        text: str,
        verifier: Organisation | None = None,
        now: int = 0,
        lists: Callable[[int, str], str] | None = None,
    ) -> Checked:
        view, world = self.story.world.ledger.fresh_head(), self.story.world
        here = lists or (lambda issuer, uri: status.found(world, issuer, uri))
        asked = verifier or self.city
        return checking.check(
            view, 20261, asked, PartyId(asked.number).did(20261), text, here, now or self.now
        )

    def rebuilt(
        self,
        licence: str,
        key: SigningKey | None = None,
        kind: str = issuing.KIND,
        kid: str = "",
        **claims: Any,
    ) -> str:
        """The licence with other claims, signed anew; None takes one away."""
        said = SdJwt.parse(licence)
        header, payload = jose.read(said.jwt, issuing.KIND, frozenset({"kid"}))
        made = {name: value for name, value in (payload | claims).items() if value is not None}
        token = jose.signed(key or self.ministry.controller, kind, made, kid=kid or header["kid"])
        return SdJwt(token, said.disclosures).text


@pytest.fixture(scope="module")
def desk(edge: Edge) -> Desk:
    return Desk(edge.story, edge.gateway.url)


def refused(desk: Desk, text: str, why: str, **how: Any) -> None:
    with pytest.raises(LicenceRefused, match=why):
        desk.check(text, **how)


def test_a_licence_that_is_in_force_shows_what_its_holder_shows_and_nothing_else(desk: Desk) -> None:
    licence, place = desk.issue()
    text = desk.presented(licence)
    found = desk.check(text)
    assert (found.issuer, found.holder, found.place) == (desk.ministry.number, desk.holder.public, place)
    assert (found.number, found.profession, found.until) == ("D-1204", "doctor", found.until)
    parts = SdJwt.parse(text)
    shown = [json.loads(from_base64url(each))[1] for each in parts.disclosures]
    assert sorted(shown) == sorted(NEEDED)
    readable = b"".join(from_base64url(each) for each in parts.jwt.split(".")[:2]) + text.encode()
    assert b"Dr Marked Name" not in readable
    assert b"D-1204" not in readable
    header, claims = jose.read(parts.jwt, issuing.KIND, frozenset({"kid"}))
    assert (header["alg"], claims["vct"]) == ("ES256K", issuing.VCT)
    assert len(claims["_sd"]) == 3 + issuing.DECOYS


def test_a_nonce_serves_once_and_also_not_after_a_restart(desk: Desk, told: Story, tmp_path: Any) -> None:
    licence, _ = desk.issue()
    text = desk.presented(licence)
    desk.check(text)
    refused(desk, text, "used")
    mine = story.copied(told, tmp_path / "data")
    other = Desk(mine, desk.base)
    text = other.presented(other.issue()[0])
    other.check(text)
    mine.reopen()
    refused(other, text, "used")
    mine.world.close()


def test_a_nonce_that_nobody_asked_with_or_that_is_over_is_refused(desk: Desk) -> None:
    licence, _ = desk.issue()
    refused(desk, desk.presented(licence, nonce=base64url(bytes(16))), "not asked with")
    nonce, later = checking.ask(desk.city, desk.now), desk.now + checking.LASTS + 2
    refused(desk, desk.presented(licence, nonce, now=later), "over", now=later)
    refused(desk, desk.presented(licence, now=desk.now - checking.LASTS - 60), "another time")
    lakeside = desk.story.organisations["Lakeside"]
    text = desk.presented(licence, checking.ask(lakeside, desk.now))
    refused(desk, text, "not asked with")


def test_what_is_expired_or_not_yet_in_force_is_refused(desk: Desk) -> None:
    licence, _ = desk.issue(until=100)
    refused(desk, desk.presented(licence, now=desk.now + 100), "expired", now=desk.now + 100)
    future, _ = desk.issue(start=1_000)
    refused(desk, desk.presented(future), "not yet")
    for times in (
        {"exp": None},
        {"nbf": None},
        {"iat": None},
        {"exp": "9999999999"},
        {"exp": 9e9},
        {"iat": True},
    ):
        refused(desk, desk.presented(desk.rebuilt(licence, **times)), "times that are none")
    with pytest.raises(LicenceRefused):
        desk.issue(start=10, until=10)


def test_only_a_ministry_that_stands_on_the_ledger_issues(desk: Desk) -> None:
    licence, _ = desk.issue()
    stranger = SigningKey.random()
    refused(desk, desk.presented(desk.rebuilt(licence, stranger)), "another key")
    named = f"{key_did(stranger.public)}#key"  # also where a stranger names its own key
    refused(desk, desk.presented(desk.rebuilt(licence, stranger, kid=named)), "another key than its issuer's")
    refused(desk, desk.presented(desk.issue(issuer=desk.story.organisations["Lakeside"])[0]), "no ministry")
    for iss in ("did:careledger:1:0000000000000001", "did:web:example.com", None, 7):
        refused(desk, desk.presented(desk.rebuilt(licence, iss=iss)), "did:careledger")
    refused(desk, desk.presented(desk.rebuilt(licence, iss=PartyId(7).did(20261))), "no ministry")
    refused(desk, desk.presented(desk.rebuilt(licence, vct="urn:other")), "another type")


def test_every_changed_disclosure_or_signature_is_refused(desk: Desk) -> None:
    licence, _ = desk.issue()
    said = SdJwt.parse(licence)
    forged = disclosure(bytes(16), "profession", "nurse")
    number = next(
        each for each in said.disclosures if json.loads(from_base64url(each))[1] == "licence_number"
    )
    for disclosures, why in (
        ((number, forged), "nothing refers to"),
        ((*said.disclosures, said.disclosures[0]), "twice"),
        ((number,), "does not show"),
        ((), "does not show"),
    ):
        unbound = SdJwt(said.jwt, disclosures).unbound
        claims = {"iat": desk.now, "aud": desk.audience, "nonce": checking.ask(desk.city, desk.now),
                  "sd_hash": digest_of(unbound)}  # fmt: skip
        refused(desk, unbound + jose.signed(desk.holder, "kb+jwt", claims), why)
    head, body, signature = said.jwt.split(".")
    for jwt in (f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}.", f"{head}.{head}.{signature}"):
        with pytest.raises(LicenceRefused):
            desk.check(SdJwt(jwt, said.disclosures, "a.b.c").text)
    none = base64url(b'{"alg":"none","typ":"dc+sd-jwt","kid":"x"}')
    refused(desk, SdJwt(f"{none}.{body}.", said.disclosures).text, "another kind")


def test_a_duplicate_digest_or_another_kind_of_token_is_refused(desk: Desk) -> None:
    licence, _ = desk.issue()
    said = SdJwt.parse(licence)
    _, claims = jose.read(said.jwt, issuing.KIND, frozenset({"kid"}))
    refused(desk, desk.presented(desk.rebuilt(licence, _sd=[*claims["_sd"], claims["_sd"][0]])), "twice")
    refused(desk, desk.rebuilt(licence, kind="jwt"), "another kind")
    refused(desk, desk.rebuilt(licence, kind="statuslist+jwt"), "another kind")


def test_who_does_not_hold_its_key_presents_nothing(desk: Desk) -> None:
    licence, _ = desk.issue()
    thief, nonce = SigningKey.random(), checking.ask(desk.city, desk.now)
    with pytest.raises(LicenceRefused, match="another key"):
        desk.presented(licence, nonce, key=thief)
    shown = SdJwt.parse(licence).showing(NEEDED)
    claims = {"iat": desk.now, "aud": desk.audience, "nonce": nonce, "sd_hash": digest_of(shown.unbound)}
    refused(desk, shown.unbound + jose.signed(thief, "kb+jwt", claims), "another key")
    refused(desk, shown.unbound, "did not sign")
    for wrong, why in (
        ({"aud": "did:careledger:20261:0000000000000001"}, "another verifier"),
        ({"sd_hash": digest_of(licence.strip())}, "another presentation"),
        ({"nonce": None}, "not asked with"),
        ({"nonce": "a"}, "base64url"),
        ({"iat": None}, "times"),
        ({"iat": desk.now + 1_000}, "another time"),
    ):
        refused(desk, shown.unbound + jose.signed(desk.holder, "kb+jwt", claims | wrong), why)
    refused(desk, shown.unbound + jose.signed(desk.holder, "jwt", claims), "another kind")
    desk.check(shown.unbound + jose.signed(desk.holder, "kb+jwt", claims))  # the neighbour that holds


def test_a_presentation_to_one_organisation_serves_no_other(desk: Desk) -> None:
    licence, _ = desk.issue()
    refused(desk, desk.presented(licence), "another verifier", verifier=desk.story.organisations["Lakeside"])


def test_a_revoked_licence_is_refused_by_the_list_that_the_gateway_serves(desk: Desk, edge: Edge) -> None:
    def fetch(issuer: int, uri: str) -> str:
        return status.fetched(uri)

    licence, place = desk.issue()
    other, _ = desk.issue()
    desk.check(desk.presented(licence), lists=fetch)
    revoke(desk.ministry, place, desk.now)
    assert revoke(desk.ministry, place, desk.now + 9).revoked <= desk.now
    text = desk.presented(licence)
    refused(desk, text, "revoked", lists=fetch)
    refused(desk, text, "revoked")
    desk.check(desk.presented(other), lists=fetch)
    with pytest.raises(LicenceRefused):
        revoke(desk.ministry, status.PLACES, desk.now)
    with pytest.raises(LicenceRefused):
        revoke(desk.story.organisations["Lakeside"], place, desk.now)
    listed = edge.stranger().pool.request("GET", desk.base + status.place(desk.ministry.number))
    assert (listed.status, listed.headers["Access-Control-Allow-Origin"]) == (200, "*")
    for path in (
        "/licences/0000000000000001/status",
        f"/licences/{desk.city.number:016x}/status",
        "/licences/x/status",
    ):
        assert edge.stranger().pool.request("GET", edge.gateway.url + path).status == 404


def test_a_list_that_cannot_be_had_or_is_not_the_issuers_is_a_refusal(desk: Desk) -> None:
    licence, place = desk.issue()
    text, uri = desk.presented(licence), desk.base + status.place(desk.ministry.number)
    key, now, good = desk.ministry.controller, desk.now, {"bits": 1, "lst": status.packed([])}

    def made(signer: SigningKey = key, kind: str = status.KIND, **claims: Any) -> str:
        said = {"sub": uri, "iat": now, "exp": now + 60, "status_list": good} | claims
        return jose.signed(signer, kind, said)

    bomb = base64url(zlib.compress(bytes(10_000_000)))
    for listed, why in (
        (made(SigningKey.random()), "another key"),
        (made(kind="jwt"), "another kind"),
        (made(sub="https://elsewhere.example/list"), "another place"),
        (made(exp=now), "another time"),
        (made(iat=now + 1_000, exp=now + 2_000), "another time"),
        (made(status_list={"bits": 2, "lst": good["lst"]}), "another kind"),
        (made(status_list={"bits": 1, "lst": "eNrbuRgAAhcBXQ"}), "no such place"),
        (made(status_list={"bits": 1, "lst": "x"}), "cannot be read"),
        (made(status_list={"bits": 1, "lst": bomb}), "cannot be read"),
        ("", "not a signed token"),
    ):
        refused(desk, text, why, lists=lambda issuer, uri, listed=listed: listed)
    assert place >= 16
    for elsewhere in (
        "http://example.com/list",
        "https://127.0.0.1:1/list",
        "http://127.0.0.1:1/list",
        "file:///etc/passwd",
    ):
        with pytest.raises(LicenceRefused):
            status.fetched(elsewhere)
    desk.check(text, lists=lambda issuer, uri: made())


def test_a_licence_without_status_or_holder_is_refused(desk: Desk) -> None:
    licence, _ = desk.issue()
    for claims, why in (
        ({"status": None}, "no status list"),
        ({"status": {"status_list": {"idx": "1", "uri": "x"}}}, "no status list"),
    ):
        refused(desk, desk.presented(desk.rebuilt(licence, **claims)), why)
    said = SdJwt.parse(desk.rebuilt(licence, cnf=None)).showing(NEEDED)
    refused(desk, said.text, "JWK")
    said = SdJwt.parse(desk.rebuilt(licence, cnf="x")).showing(NEEDED)
    refused(desk, said.text, "another shape")


def test_the_list_reads_as_the_drafts_example() -> None:
    """draft-ietf-oauth-status-list §4.1: sixteen statuses of one bit."""
    wanted = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    key = SigningKey.random()
    claims = {"sub": "x", "iat": 1, "exp": 9, "status_list": {"bits": 1, "lst": "eNrbuRgAAhcBXQ"}}
    token = jose.signed(key, status.KIND, claims)
    assert [int(status.is_revoked(token, key.public, "x", at, 5)) for at in range(16)] == wanted
