"""A patient's app is a party that the patient's agent grants: it reads by that consent alone, and ends with it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from careledger.app import clients, patients_apps, tokens
from careledger.app.identity import invitations
from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.errors import (
    CannotExpress,
    ClientNotFound,
    ClientRefused,
    InvitationRefused,
    RecordNotFound,
    TokenRefused,
)
from careledger.domain.parties import PartyId, Role, party_id
from careledger.formats.apps import AppPass
from careledger.formats.patients import Envelope
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.sealing.grants import seal_package
from careledger.workflows import app_passes, audit, let_in
from careledger.workflows.actors import Holder
from careledger.workflows.board import organisation_key
from careledger.workflows.grant import Granted, grant
from careledger.workflows.network import Network
from careledger.workflows.received import fetch_grants
from careledger.workflows.revoke import revoke
from gateway import agent_world
from gateway.browser import account_of, newcomer
from gateway.edge_world import DAY, Client, Edge, Reply
from gateway.oauth_world import APP, App, Browser, KeyPair, key_set, signed_in
from gateway.test_identity_routes import operator
from gateway.test_oauth_backend import refused
from story import DIAGNOSIS, ILLNESS, NAME, REPORT, VISIT

CLINICAL = (DIAGNOSIS, REPORT, VISIT)
OWN = replace(
    APP, name="my diary", launch="", scopes="patient/*.rs launch/patient offline_access", purpose="PATRQT"
)


@dataclass
class Diary:
    """An app of patients that City registered, and Adam with his agent."""

    edge: Edge
    app: App

    @property
    def network(self) -> Network:
        return self.edge.story.world.network

    @property
    def holder(self) -> Holder:
        return self.edge.story.holder(self.edge.story.adam)

    def consent(self, *compartments: Compartment, holder: Holder | None = None, **more: Any) -> Granted:
        now = self.edge.story.world.clock.now()
        to = more.get("to") or Grantee(
            GranteeKind.POST, self.app.client.post, PartyId(self.edge.story.organisations["City"].number)
        )
        scope = Scope(frozenset(compartments or CLINICAL), frozenset({Permission.VIEW}))
        purpose = more.get("purpose", Purpose.PATRQT)
        return grant(self.network, holder or self.holder, to, scope, purpose, Window(now - 10, now + DAY))

    def passed(self, granted: Granted, scopes: str = "patient/*.rs", client: str = "") -> str:
        return let_in.let_in(self.network, self.holder, granted.certificate, client or self.app.id, scopes)

    def asked(
        self, said: str, scope: str = "launch/patient patient/*.rs", leave_out: Iterable[str] = ()
    ) -> Any:
        """Where the page leads that the pass is typed on, in a browser in which nobody is signed in."""
        browser = Browser(self.edge)
        page = browser.go(self.app.request(scope))
        assert page.status == 200, page.text
        form = [each for each in page.form if each[1] not in leave_out]
        return browser.go("/oauth/consent", [*form, ("decision", "allow"), ("pass", said)])

    def given(
        self, said: str, scope: str = "launch/patient patient/*.rs", leave_out: Iterable[str] = ()
    ) -> Any:
        reply = self.app.exchange(self.asked(said, scope, leave_out).told["code"])
        assert reply.status == 200, reply.body
        return reply.body

    def reads(self, given: Any, kind: str = "Condition") -> Reply:
        token = Client(self.edge.gateway.base, given["access_token"])
        return token.ask(f"{kind}?patient={self.edge.story.adam.hex()}")


def registered(edge: Edge, employer: str = "City", **more: Any) -> Diary:
    key = more.pop("key", None)
    kept = {"kind": "confidential", "keys": key_set(key)} if key else {}
    made = replace(OWN, **({"name": f"diary {secrets.token_hex(3)}"} | kept | more))
    organisation = edge.story.organisations[employer]
    id = patients_apps.add(edge.story.world, organisation, made)
    client = clients.known(organisation.books, id)
    assert client is not None
    return Diary(edge, App(edge, id, client, key))


@pytest.fixture(scope="module")
def diary(edge: Edge) -> Diary:
    return registered(edge)


def test_a_patients_app_reads_by_its_consent_and_stands_in_the_log_as_itself(diary: Diary) -> None:
    story = diary.edge.story
    said = diary.given(diary.passed(diary.consent()))
    assert {name: value for name, value in said.items() if name != "access_token"} == {
        "token_type": "Bearer", "expires_in": 900, "patient": story.adam.hex(), "scope": "patient/*.rs launch/patient",
    }  # fmt: skip
    before = audit.audit(diary.network, diary.holder)
    found = diary.reads(said)
    assert ILLNESS in {each["code"]["text"] for each in found.matches}
    after = audit.audit(diary.network, diary.holder)
    new = [each for each in after.accesses if each.request not in {one.request for one in before.accesses}]
    assert [(each.reader, each.rule, each.purpose) for each in new] == [
        (diary.app.client.post, "consent", "PATRQT")
    ]
    assert story.world.keyring.labels()[diary.app.client.post] == f"{diary.app.client.name} (app)"
    reads = Client(diary.edge.gateway.base, said["access_token"])
    assert reads.ask(f"Condition?patient={story.berta.hex()}").status == 403
    assert reads.ask(f"{diary.edge.gateway.url}/api/v1/patients").status == 403


def test_an_app_sees_the_consents_categories_and_none_of_its_hosts_own_writings(diary: Diary) -> None:
    known = diary.reads(diary.given(diary.passed(diary.consent())), "Encounter").matches[0]
    said = diary.given(diary.passed(diary.consent(DIAGNOSIS)))
    assert diary.reads(said).matches
    assert diary.reads(said, "Encounter").matches == []  # City, which hosts it, brought Adam's visits
    reads = Client(diary.edge.gateway.base, said["access_token"])
    assert diary.edge.client("clerk").ask(f"Encounter/{known['id']}").status == 200
    for path in (f"Encounter/{known['id']}", f"Encounter/{known['id']}/_history"):
        assert reads.ask(path).status == 404
    assert reads.ask(f"Practitioner/{party_id(diary.app.client.post, frozenset({Role.NURSE}))}").status == 404
    everything = reads.ask(f"Patient/{diary.edge.story.adam.hex()}/$everything")
    kinds = {each["resource"]["resourceType"] for each in everything.body["entry"]}
    assert "Condition" in kinds
    assert "Encounter" not in kinds


def test_an_app_learns_nothing_of_who_the_patient_is_but_by_the_consent(diary: Diary) -> None:
    """City, which hosts it, has registered Adam by name."""
    alias = diary.edge.story.adam.hex()
    said = diary.given(diary.passed(diary.consent(DIAGNOSIS)))
    reads = Client(diary.edge.gateway.base, said["access_token"])
    for path in (
        "Patient", "Patient?name=Quillfeather", f"Patient?_id={alias}",
        f"Patient/{alias}", f"Patient/{alias}/_history", f"Patient/{alias}/$summary",
        f"Patient/{alias}/$everything", f"Condition?patient={alias}&_include=Condition:subject&_count=1",
    ):  # fmt: skip
        page: str | None = path
        while page:
            reply = reads.ask(page)
            assert reply.status == 200, (page, reply.body)
            assert NAME not in json.dumps(reply.body), page
            page = reply.link("next")
    assert NAME in json.dumps(diary.edge.client("clerk").ask("Patient?name=Quillfeather").body)


def test_no_other_consent_lets_an_app_read(diary: Diary) -> None:
    """What the organisation itself is granted for the same purpose is not the app's."""
    said = diary.given(diary.passed(diary.consent(VISIT)))
    city = diary.edge.story.organisations["City"]
    to = Grantee(GranteeKind.ORGANISATION, city.number, PartyId(city.number))
    diary.consent(DIAGNOSIS, to=to)
    diary.consent(DIAGNOSIS)
    assert diary.reads(said).matches == []
    consents = diary.reads(said, "Consent").matches
    assert len(consents) == 1


def test_scopes_narrow_and_never_widen_what_the_patient_allowed(diary: Diary) -> None:
    granted = diary.consent()
    wanted = "patient/Condition.rs patient/Encounter.rs patient/Observation.rs user/*.rs openid online_access"
    said = diary.given(
        diary.passed(granted, "patient/Condition.r patient/Encounter.rs"), wanted, ["patient/Encounter.rs"]
    )
    assert said["scope"] == "patient/Condition.r launch/patient"
    assert "refresh_token" not in said
    assert "id_token" not in said
    assert diary.reads(said, "Encounter").status == 403
    assert diary.reads(said).status == 403  # .r does not search
    nothing = diary.asked(diary.passed(granted, "patient/Condition.rs"), "patient/Encounter.rs")
    assert nothing.told["error"] == "access_denied"


def test_the_page_speaks_to_a_patient_who_is_not_signed_in(diary: Diary) -> None:
    page = Browser(diary.edge).go(diary.app.request("launch/patient patient/*.rs"))
    assert "know which record is yours" in page.text
    assert "/sign-in" not in page.text


def test_with_the_consent_the_app_ends(diary: Diary) -> None:
    granted = diary.consent()
    said = diary.given(diary.passed(granted), "patient/*.rs offline_access")
    renewed = diary.app.renew(said["refresh_token"]).body
    assert diary.reads(renewed).matches
    code = diary.asked(diary.passed(granted)).told["code"]
    left = diary.passed(granted)
    revoke(diary.network, diary.holder, granted.owner)
    assert diary.reads(renewed).status == diary.reads(said).status == 401
    refused(diary.app.renew(renewed["refresh_token"]), 400, "invalid_grant")
    refused(diary.app.exchange(code), 400, "invalid_grant")
    assert diary.asked(left).status == 403
    with pytest.raises(CannotExpress):
        diary.passed(granted)


def test_an_app_that_gives_up_what_it_was_given_needs_a_new_pass(diary: Diary) -> None:
    granted = diary.consent()
    used = diary.passed(granted)
    said = diary.given(used, "patient/*.rs offline_access")
    assert diary.app.ask("revoke", token=said["refresh_token"]).status == 200
    assert diary.reads(said).status == 401
    assert diary.asked(used).status == 403
    assert diary.reads(diary.given(diary.passed(granted))).matches


def test_a_confidential_app_of_patients_is_told_what_its_token_stands_for_until_the_consent_ends(
    edge: Edge,
) -> None:
    own = registered(edge, key=KeyPair())
    granted = own.consent()
    said = own.given(own.passed(granted))
    told = own.app.ask("introspect", token=said["access_token"]).body
    assert (told["active"], told["patient"], told["client_id"]) == (True, edge.story.adam.hex(), own.app.id)
    assert "sub" not in told
    revoke(own.network, own.holder, granted.owner)
    assert own.app.ask("introspect", token=said["access_token"]).body == {"active": False}


def test_a_pass_counts_once_for_its_app_its_consent_and_a_quarter_of_an_hour(
    edge: Edge, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted, other = diary.consent(), registered(edge)
    typed = diary.passed(granted)
    assert other.asked(typed).status == 403
    assert "code" in diary.asked(f" {typed.lower().replace('-', ' ')} ").told
    assert diary.asked(typed).status == 403
    assert (
        other.asked(diary.passed(granted, client=other.app.id)).status == 403
    )  # by a consent to another app
    elsewhere = diary.consent(purpose=Purpose.TREAT)
    assert diary.asked(diary.passed(elsewhere)).status == 403
    for made_up in ("", "x", "0000-0000-0000-0000", "U" * 16):
        refused = diary.asked(made_up)
        assert refused.status == 403
        assert "Go back and type it again" in refused.text
    late = diary.passed(granted)
    fetch_grants(diary.network, edge.story.organisations["City"])
    clock = edge.story.world.clock
    now = clock.now()
    with monkeypatch.context() as later:
        later.setattr(clock, "now", lambda: now + app_passes.LASTS + 1)
        with pytest.raises(RecordNotFound):
            let_in.admitted(diary.network, edge.story.organisations["City"], late)


def test_one_patients_passes_fill_nothing_and_take_nobody_elses_place(diary: Diary) -> None:
    city, granted, story = diary.edge.story.organisations["City"], diary.consent(), diary.edge.story
    berta = story.holder(story.berta)
    hers = diary.consent(holder=berta).certificate
    waits = let_in.let_in(diary.network, berta, hers, diary.app.id, "patient/*.rs")
    typed = [diary.passed(granted) for _ in range(app_passes.MOST_OF_ONE + 3)]
    fetch_grants(diary.network, city)
    kept = [AppPass.decode(row) for _, row in city.books.rows(app_passes.PASSES)]
    assert sum(each.alias == diary.holder.alias for each in kept) == app_passes.MOST_OF_ONE
    assert "code" in diary.asked(typed[-1]).told
    assert "code" in diary.asked(waits).told


def test_a_pass_that_the_patients_key_did_not_sign_is_none(diary: Diary) -> None:
    granted, network = diary.consent(), diary.network
    city, secret = diary.edge.story.organisations["City"], secrets.token_bytes(app_passes.BYTES)
    made = AppPass(
        diary.holder.alias, diary.app.id, granted.owner, granted.commitment, "patient/*.rs",
        app_passes.digest_of(secret), diary.edge.story.world.clock.now() + 60,
    )  # fmt: skip
    public, typed = organisation_key(network, city.number), app_passes.as_text(secret)
    for key in (SigningKey.random(), diary.edge.story.holder(diary.edge.story.berta).controller):
        signed = sign(made, key, network.ledger.deployment)
        network.board.post(seal_package(public, Envelope(AppPass.TYPE, signed, None).encode()))
        assert diary.asked(typed).status == 403
    long = sign(replace(made, until=made.until + DAY), diary.holder.controller, network.ledger.deployment)
    network.board.post(seal_package(public, Envelope(AppPass.TYPE, long, None).encode()))
    assert diary.asked(typed).status == 403
    signed = sign(made, diary.holder.controller, network.ledger.deployment)
    network.board.post(seal_package(public, Envelope(AppPass.TYPE, signed, None).encode()))
    assert "code" in diary.asked(typed).told


def test_nobody_who_is_signed_in_lets_a_patients_app_in_for_somebody(diary: Diary) -> None:
    diary.edge.story.grant(
        diary.edge.story.adam, diary.edge.story.staff["Dr City"], CLINICAL, Permission.VIEW
    )
    doctor = signed_in(diary.edge, "Dr City", "PATRQT")
    page = doctor.go(diary.app.request())
    assert page.patients == {}
    more = [("decision", "allow"), ("patient", diary.edge.story.adam.hex())]
    assert doctor.go("/oauth/consent", [*page.form, *more]).status == 403
    assert doctor.go("/oauth/consent", [*page.form, ("decision", "refuse")]).told["error"] == "access_denied"
    cross = replace(doctor, site="cross-site")
    pass_ = diary.passed(diary.consent())
    assert cross.go("/oauth/consent", [*page.form, ("decision", "allow"), ("pass", pass_)]).status == 403


def test_an_agent_elsewhere_learns_what_the_app_is_and_lets_it_in(diary: Diary) -> None:
    agent = agent_world.over(diary.edge)
    said = agent.get(f"apps/{diary.app.id}").body
    city = diary.edge.story.organisations["City"].number
    assert said == {
        "client": diary.app.id, "name": diary.app.client.name, "organisation": f"{city:016x}",
        "post": f"{diary.app.client.post:016x}", "purpose": "PATRQT", "scopes": diary.app.client.scopes,
        "redirects": list(diary.app.client.redirects),
    }  # fmt: skip
    to = Grantee(GranteeKind.POST, int(said["post"], 16), PartyId(int(said["organisation"], 16)))
    now = diary.edge.story.world.clock.now()
    scope = Scope(frozenset({DIAGNOSIS}), frozenset({Permission.VIEW}))
    made = grant(agent.network, agent.holder, to, scope, Purpose.PATRQT, Window(now - 10, now + DAY))
    typed = let_in.let_in(
        agent.network, agent.holder, made.certificate, said["client"], "patient/Condition.rs"
    )
    assert diary.reads(diary.given(typed)).matches
    agent.reached.close()


def test_of_an_app_that_acts_for_posts_agents_are_told_nothing(edge: Edge) -> None:
    city = edge.story.organisations["City"]
    id = clients.add(city, APP)
    agent = agent_world.over(edge)
    assert agent.get(f"apps/{id}").status == agent.get(f"apps/{'0' * 32}").status == 404
    with pytest.raises(ClientNotFound):
        patients_apps.find([city], id)
    agent.reached.close()


def test_with_the_registration_the_post_ends_and_every_consent_to_it(edge: Edge) -> None:
    own = registered(edge)
    said = own.given(own.passed(own.consent()))
    city = edge.story.organisations["City"]
    patients_apps.remove(edge.story.world, city, own.app.id)
    assert own.reads(said).status == 401
    facts = edge.story.world.ledger.fresh_head().party(own.app.client.post)
    assert facts is not None
    assert facts.status.name == "REMOVED"
    with pytest.raises(ClientNotFound):
        patients_apps.remove(edge.story.world, city, own.app.id)


def test_nobody_signs_in_and_no_other_program_acts_as_an_apps_post(edge: Edge) -> None:
    """Patients granted it to the app, under whose name the log has every request."""
    world, city, own = edge.story.world, edge.story.organisations["City"], registered(edge)
    now, post = world.clock.now(), own.app.client.post
    officer, waits = operator(edge), account_of(newcomer(edge))
    named = {"post": party_id(post, frozenset({Role.NURSE}))}
    for place in ("/invitations", f"/people/{waits.id.hex()}/post"):
        reply = officer.post(place, named)
        assert (reply.status, reply.problem) == (403, "invitation-refused")
    staff = world.keyring.post(city, post)
    assert staff is not None
    with pytest.raises(TokenRefused):
        tokens.issue(staff, Purpose.PATRQT, now, 60)
    machine = replace(
        OWN, kind="backend", redirects=(), keys=key_set(KeyPair()), scopes="system/*.rs", post=post
    )
    with pytest.raises(ClientRefused):
        clients.add(city, machine)
    left = world.keyring.new_staff(city, patients_apps.label_of("left over"), {patients_apps.ROLE})
    code, _ = invitations.invite(city, left.number, now)
    patients_apps.add(world, city, replace(OWN, name="left over"))
    with pytest.raises(InvitationRefused):
        invitations.take(city, code, now)


def test_an_app_is_registered_under_a_name_that_nobody_has_and_with_scopes_that_only_read(edge: Edge) -> None:
    world, city = edge.story.world, edge.story.organisations["City"]
    own = registered(edge)
    before = clients.registered(city)
    bad: list[dict[str, Any]] = [
        {"name": own.app.client.name},
        {"scopes": "patient/*.cruds"},
        {"scopes": "user/*.rs"},
        {"scopes": "launch/patient"},
        {"scopes": "patient/*.rs openid"},
        {"purpose": "TREAT"},
        {"launch": "https://app.example/launch"},
        {"redirects": ("https://app.example:99999/after",)},
        {"redirects": ("https://app.example:x/after",)},
    ]
    for each in bad:
        with pytest.raises(ClientRefused):
            patients_apps.add(world, city, replace(OWN, **({"name": f"bad {len(str(each))}"} | each)))
    assert clients.registered(city) == before
    left = world.keyring.new_staff(city, patients_apps.label_of("half made"), {patients_apps.ROLE})
    id = patients_apps.add(world, city, replace(OWN, name="half made"))
    assert clients.registered(city)[id].post == left.number


def test_a_scopes_categories_are_those_that_its_types_are_filed_under() -> None:
    said = clients.asked("patient/Condition.rs patient/Encounter.rs", "public").words
    assert patients_apps.categories(said) == {Category.DIAGNOSIS, Category.VISIT}
    assert {Category.REPORT, Category.IDENTITY_PATIENT} < patients_apps.categories(
        clients.asked("patient/*.rs", "public").words
    )
