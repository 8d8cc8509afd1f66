"""Staff sign on at their organisation's SAML provider; what comes back otherwise than it was asked for is nobody's."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lxml import etree

from careledger.app.identity import employing, providers
from careledger.app.identity.saml import markup, metadata
from careledger.domain.errors import PartyNotFound, ProviderRefused
from careledger.domain.parties import Role, Status
from careledger.formats.digests import digest
from careledger.formats.sign_on import RoleGiven, SamlProvider
from careledger.gateway.cookies import SAML as COOKIE
from careledger.gateway.cookies import SESSION
from careledger.gateway.server import Gateway
from gateway.edge_world import Edge
from gateway.saml_world import (
    DS,
    MD,
    SAML,
    SAMLP,
    SamlHouse,
    at,
    ec_key,
    element,
    rsa_key,
    saml_house,
)
from gateway.sign_on_world import Traveller, edge, unpaced
from story import Story, copied

__all__ = ["edge", "unpaced"]

ASSERTION, RESPONSE, NAME = f"{{{SAML}}}Assertion", f"{{{SAMLP}}}Response", f"{{{SAML}}}NameID"
SIGNATURE = f"{{{DS}}}Signature"
EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"


@pytest.fixture
def city(edge: Edge) -> Iterator[SamlHouse]:
    """City with a provider; somebody is in its list of staff under the name that the provider gives."""
    with saml_house(edge) as made:
        made.idp.name = f"s-{secrets.token_hex(4)}"
        made.listed(made.idp.name, Role.DOCTOR, name=f"Dr {secrets.token_hex(3)}")
        yield made


def member(city: SamlHouse) -> employing.Listed:
    found = employing.by_login(city.edge.story.organisations[city.organisation], city.idp.name)
    assert found is not None
    return found


def assert_nobody(browser: Traveller, page: Any) -> None:
    assert page.status == 403, page.text
    assert "This did not sign you in" in page.text
    assert SESSION not in browser.cookies


# Who gets in -------------------------------------------------------------------------------------


def test_a_member_of_staff_signs_on_by_saml_and_acts_as_their_post(city: SamlHouse) -> None:
    browser = Traveller(city.edge)
    page = city.sign_on(browser)
    assert (page.status, page.to) == (200, "/sign-in")
    said = browser.session()
    assert (said["state"], said["proof"], said["purpose"]) == ("active", "vouched", "TREAT")
    assert said["post"].startswith("doc-")
    assert f"{city.path}?again=1" in {each["address"] for each in said["sign_on"]}
    there = json.loads(Traveller(city.edge).go("/identity/organisations").text)["items"]
    (found,) = [each for each in there if each["name"] == "City"]
    assert {"name": "idp.city.example", "address": city.path} in found["sign_on"]


def test_only_the_cookie_that_names_the_browser_comes_along_from_another_sites_form(city: SamlHouse) -> None:
    browser = Traveller(city.edge)
    sent = browser.go(city.path).headers["set-cookie"]
    assert sent.startswith(f"{COOKIE}=")
    assert "SameSite=None" in sent
    assert browser.anywhere == {COOKIE}
    assert city.sign_on(browser).status == 200
    assert browser.anywhere == {COOKIE}


def test_a_key_on_a_curve_and_a_response_that_is_signed_too_are_taken(edge: Edge) -> None:
    with saml_house(edge, key=ec_key(edge.story.world.clock.now() - 60), just_in_time=True) as city:
        city.idp.name = "curved"
        assert city.sign_on(Traveller(edge)).status == 200
        city.idp.sign = {"Assertion": {}, "Response": {}}
        assert city.sign_on(Traveller(edge)).status == 200
        city.idp.said["destination"] = None
        again = Traveller(edge)
        assert_nobody(again, city.sign_on(again))


def says_another_key(root: Any) -> Any:
    """As the assertion's signature does not cover what is said of its key."""
    other = ec_key(0).private.public_key()
    der = other.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    made = etree.SubElement(
        root.find(f".//{{{DS}}}KeyInfo"), "{http://www.w3.org/2009/xmldsig11#}DEREncodedKeyValue"
    )
    made.text = base64.b64encode(der).decode()
    return root


def test_a_padding_with_salt_is_taken_and_what_a_signature_says_of_its_key_not_looked_at(
    city: SamlHouse,
) -> None:
    city.idp.after = says_another_key
    assert city.sign_on(Traveller(city.edge)).status == 200
    city.idp.sign = {"Assertion": {"pss": True}}
    assert city.sign_on(Traveller(city.edge)).status == 200
    browser = Traveller(city.edge)
    city.idp.sign = {"Assertion": {"pss": True, "key": rsa_key(city.idp.now() - 60)}}
    assert_nobody(browser, city.sign_on(browser))


def test_a_newcomer_gets_a_post_just_in_time_for_the_roles_that_the_attribute_gives(edge: Edge) -> None:
    with saml_house(edge, just_in_time=True, person="uid") as city:
        city.idp.attributes |= {"groups": ["cooks", "nursing"], "uid": ["newcomer"]}
        browser = Traveller(edge)
        assert city.sign_on(browser).status == 200
        assert browser.session()["post"].startswith("nur-")
        found = employing.by_login(edge.story.organisations["City"], "newcomer")
        assert found is not None
        assert found.member.name == "Dr Rahima"
        city.idp.attributes["groups"] = ["cooks"]
        later = Traveller(edge)
        assert_nobody(later, city.sign_on(later))
        facts = edge.story.world.ledger.fresh_head().party(found.member.post)
        assert facts is not None
        assert facts.status is Status.REMOVED
        assert browser.session() is None


def test_a_login_that_somebody_signed_on_under_by_saml_is_nobody_elses(edge: Edge) -> None:
    with saml_house(edge, just_in_time=True, person="uid") as city:
        city.idp.name, city.idp.attributes["uid"] = "one", ["shared"]
        assert city.sign_on(Traveller(edge)).status == 200
        city.idp.name = "another"
        thief = Traveller(edge)
        assert_nobody(thief, city.sign_on(thief))


def test_the_same_name_in_another_format_or_by_openid_is_somebody_else(edge: Edge) -> None:
    with saml_house(edge, just_in_time=True, person="uid") as city:
        city.idp.name, city.idp.attributes["uid"] = "format-1", ["of one format"]
        first, second = Traveller(edge), Traveller(edge)
        assert city.sign_on(first).status == 200
        city.idp.said["format"], city.idp.attributes["uid"] = EMAIL, ["of another"]
        assert city.sign_on(second).status == 200
        assert first.session()["post"] != second.session()["post"]
        city.idp.said["format"], city.idp.attributes["uid"] = None, ["of one format"]
        thief = Traveller(edge)
        assert_nobody(thief, city.sign_on(thief))
        other = city.listed("of openid", Role.DOCTOR, name="Dr Open, City")
        employing.bind(other, digest("sign-on-subject", city.idp.issuer.encode(), b"format-2"))
        city.idp.name, city.idp.attributes["uid"] = "format-2", ["no openid"]
        assert city.sign_on(thief).status == 200
        found = employing.by_login(edge.story.organisations["City"], "no openid")
        assert found is not None
        assert found.member.post != other.member.post


def test_again_means_proved_anew_and_a_context_that_is_demanded_is_asked_for(edge: Edge) -> None:
    with saml_house(
        edge, just_in_time=True, acr=("urn:example:card", "urn:example:token"), any_proof=False
    ) as city:
        city.idp.name = "anew"
        browser, now = Traveller(edge), edge.story.world.clock.now()
        asks = city.idp.asked(city.away(browser, again=True))
        assert asks.get("ForceAuthn") == "true"
        demanded = [each.text for each in asks.iter(f"{{{SAML}}}AuthnContextClassRef")]
        assert demanded == ["urn:example:card", "urn:example:token"]
        assert asks.find(f"{{{SAMLP}}}NameIDPolicy").get("Format").endswith("persistent")
        assert_nobody(browser, city.sign_on(browser))
        city.idp.said = {"context": "urn:example:token", "proved": at(now - 3_600)}
        assert city.idp.asked(city.away(browser)).get("ForceAuthn") is None
        assert_nobody(Traveller(edge), city.sign_on(Traveller(edge), again=True))
        assert city.sign_on(browser).status == 200
        city.idp.said["proved"] = at(now)
        assert city.sign_on(browser, again=True).status == 200


def test_what_this_side_says_of_itself_names_one_provider_and_wants_assertions_signed(
    city: SamlHouse,
) -> None:
    browser = Traveller(city.edge)
    page = browser.go(f"{city.path}/metadata")
    assert (page.status, page.headers["content-type"]) == (200, "application/samlmetadata+xml")
    root = etree.fromstring(page.text.encode())
    asks = city.idp.asked(city.away(browser))
    assert (
        root.get("entityID") == asks.findtext(f"{{{SAML}}}Issuer") == f"{browser.origin}{city.path}/metadata"
    )
    assert root.find(f"{{{MD}}}SPSSODescriptor").get("WantAssertionsSigned") == "true"
    place = root.find(f".//{{{MD}}}AssertionConsumerService")
    assert (
        place.get("Location")
        == asks.get("AssertionConsumerServiceURL")
        == f"{browser.origin}{city.path}/return"
    )
    assert place.get("Binding") == asks.get("ProtocolBinding")


@pytest.mark.parametrize(
    "state", ["https://elsewhere.example/", "//elsewhere.example", "/fhir/Patient", "\\\\x"]
)
def test_a_relay_state_leads_nowhere(city: SamlHouse, state: str) -> None:
    browser = Traveller(city.edge)
    page = city.back(browser, city.idp.answer(city.away(browser)), RelayState=state)
    assert (page.status, page.to) == (200, "/sign-in")
    assert state not in page.text


# What proves nobody ------------------------------------------------------------------------------

WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://other.example"},
    "a response of another issuer": {"response_issuer": "https://other.example"},
    "another audience": {"audiences": [["https://other.example"]]},
    "two restrictions of which one is for another": {"audiences": [["x"], ["https://other.example"]]},
    "no audience": {"audiences": []},
    "another recipient": {"recipient": "https://other.example/return"},
    "no recipient": {"recipient": None},
    "another destination": {"destination": "https://other.example/return"},
    "another question": {"in_response_to": "_other"},
    "no question": {"in_response_to": None},
    "not for whoever brings it": {"method": "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"},
    "a condition that is not understood": {"condition": "Condition"},
    "nobody was proved": {"status": "urn:oasis:names:tc:SAML:2.0:status:Responder"},
    "another version": {"version": "1.1"},
    "a name that does not stay": {"format": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"},
    "another provider's name": {"qualifier": "https://other.example"},
    "a name for another": {"for_qualifier": "https://other.example"},
    "nobody": {"name": ""},
    "no time of proof": {"proved": None},
    "a time of proof that is none": {"proved": "yesterday"},
    "no end": {"confirmed_until": None},
    "an end that is none": {"ends": "never"},
    "no role": {"attributes": {"groups": ["cooks"]}},
}
LATE = {
    "over": ("ends", 0), "confirmed until now": ("confirmed_until", 0), "not yet": ("begins", 120),
    "old": ("issued", -700), "of the future": ("issued", 120), "confirmed from": ("confirmed_from", 0),
    "proved in the future": ("proved", 120), "proved yesterday": ("proved", -24 * 3_600),
    "session over": ("session_until", 0),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_an_assertion_that_says_something_else_proves_nobody(city: SamlHouse, wrong: str) -> None:
    city.idp.said = WRONG[wrong]
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))
    city.idp.said = {}
    assert city.sign_on(browser).status == 200


@pytest.mark.parametrize("wrong", LATE)
def test_an_assertion_of_another_time_proves_nobody(city: SamlHouse, wrong: str) -> None:
    name, seconds = LATE[wrong]
    city.idp.said = {name: at(city.edge.story.world.clock.now() + seconds)}
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))


UNSIGNED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "the response alone": {"Response": {}},
    "the assertion by SHA-1": {"Assertion": {"by": "sha1"}},
    "a digest by SHA-1": {"Assertion": {"digest": "sha1"}},
    "the response by SHA-1": {"Assertion": {}, "Response": {"by": "sha1"}},
    "something else": {"Assertion": {"other": True}},
}


@pytest.mark.parametrize("what", UNSIGNED)
def test_an_assertion_counts_only_by_its_own_strong_signature(city: SamlHouse, what: str) -> None:
    city.idp.sign = UNSIGNED[what]
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))


@pytest.mark.parametrize("signed", ["Assertion", "Response"])
def test_another_key_under_the_same_name_proves_nobody(city: SamlHouse, signed: str) -> None:
    city.idp.sign = {"Assertion": {}, "Response": {}} | {signed: {"key": rsa_key(city.idp.now() - 60)}}
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))


def test_a_key_whose_certificate_is_over_or_does_not_count_yet_proves_nobody(edge: Edge) -> None:
    now = edge.story.world.clock.now()
    for key in (replace(rsa_key(now - 20 * 86_400), days=10), rsa_key(now + 3_600)):
        with saml_house(edge, key=key, just_in_time=True) as city:
            browser = Traveller(edge)
            assert_nobody(browser, city.sign_on(browser))


# Signature wrapping: every way that is known to have what was signed apart from what is read -----------------------


def evil(root: Any) -> tuple[Any, Any]:
    """The assertion, and a copy about somebody else."""
    real = root.find(ASSERTION)
    made = deepcopy(real)
    made.set("ID", "_evil")
    made.find(f".//{NAME}").text = "victim"
    return real, made


def unsigned(made: Any) -> Any:
    for each in made.findall(SIGNATURE):
        made.remove(each)
    return made


def a_response_around_the_response(root: Any) -> Any:
    outer = deepcopy(root)
    outer.set("ID", "_outer")
    outer.find(f".//{NAME}").text = "victim"
    outer.find(SIGNATURE).append(element("ds:Object", {}, root))
    return outer


def a_response_beside_the_response(root: Any) -> Any:
    outer = deepcopy(root)
    outer.set("ID", "_outer")
    outer.find(f".//{NAME}").text = "victim"
    outer.insert(0, unsigned(root))
    return outer


def an_assertion_before(root: Any) -> Any:
    real, made = evil(root)
    real.addprevious(unsigned(made))
    return root


def an_assertion_after(root: Any) -> Any:
    real, made = evil(root)
    real.addnext(unsigned(made))
    return root


def an_assertion_around(root: Any) -> Any:
    real, made = evil(root)
    root.replace(real, unsigned(made))
    made.append(real)
    return root


def the_signature_moved_to_another(root: Any) -> Any:
    real, made = evil(root)
    real.addprevious(made)
    unsigned(real)
    return root


def an_assertion_in_the_signature(root: Any) -> Any:
    real, made = evil(root)
    root.replace(real, made)
    made.find(SIGNATURE).append(element("ds:Object", {}, unsigned(real)))
    return root


def an_assertion_in_an_extension(root: Any) -> Any:
    real, made = evil(root)
    root.insert(1, element("p:Extensions", {}, real))
    root.append(made)
    return root


def an_id_twice(root: Any) -> Any:
    real, made = evil(root)
    made.set("ID", real.get("ID"))
    holder = element("p:Extensions", {}, element("p:Other", {"ID": real.get("ID")}))
    root.insert(1, holder)
    real.find(f".//{NAME}").text = "victim"
    return root


def two_signatures(root: Any) -> Any:
    real = root.find(ASSERTION)
    real.insert(1, deepcopy(real.find(SIGNATURE)))
    return root


def a_name_changed(root: Any) -> Any:
    root.find(f".//{NAME}").text = "victim"
    return root


def a_whole_document(root: Any) -> Any:
    root.find(f".//{{{DS}}}Reference").set("URI", "")
    return root


def no_transforms(root: Any) -> Any:
    found = root.find(f".//{{{DS}}}Transforms")
    found.getparent().remove(found)
    return root


def encrypted(root: Any) -> Any:
    root.append(element("EncryptedAssertion"))
    return root


WRAPPED = (
    a_response_around_the_response, a_response_beside_the_response, an_assertion_before, an_assertion_after,
    an_assertion_around, the_signature_moved_to_another, an_assertion_in_the_signature, an_assertion_in_an_extension,
    an_id_twice, two_signatures, a_name_changed, a_whole_document, no_transforms, encrypted,
)  # fmt: skip


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("both", [False, True], ids=["assertion", "both"])
def test_what_was_signed_cannot_stand_for_something_else(
    city: SamlHouse, wrap: Callable[[Any], Any], both: bool
) -> None:
    if wrap in WRAPPED[:2] and not both:
        pytest.skip("a response that is not signed covers nothing that could be moved")
    if employing.by_login(city.edge.story.organisations["City"], "victim") is None:
        city.listed("victim", Role.DOCTOR, name="Dr Victim, City")
    city.idp.sign = {"Assertion": {}, "Response": {}} if both else {"Assertion": {}}
    city.idp.after = wrap
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))


# XML that does something -------------------------------------------------------------------------


def commented(data: bytes) -> bytes:
    return data.replace(b">root.other.example<", b">root<!-- -->.other.example<")


def with_an_instruction(data: bytes) -> bytes:
    return data.replace(b">root.other.example<", b">root<?cut?>.other.example<")


def a_section(data: bytes) -> bytes:
    return data.replace(b">root.other.example<", b"><![CDATA[root]]>.other.example<")


def expanding(data: bytes) -> bytes:
    many = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    return f'<!DOCTYPE x [<!ENTITY e0 "root">{many}]>'.encode() + data.replace(
        b">root.other.example<", b">&e8;<"
    )


def external(data: bytes) -> bytes:
    made = data.replace(b">root.other.example<", b">&x;<")
    return b'<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + made


def a_document_type(data: bytes) -> bytes:
    return b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">' + data


def in_wide_characters(data: bytes) -> bytes:
    return b"\xff\xfe" + ('<?xml version="1.0" encoding="UTF-16"?>' + expanding(data).decode()).encode(
        "utf-16-le"
    )


def in_another_encoding(data: bytes) -> bytes:
    said = expanding(data).decode().replace("<!", "+ADwAIQ-")
    return b'<?xml version="1.0" encoding="UTF-7"?>' + said.encode()


def nested(data: bytes) -> bytes:
    return data.replace(b">root.other.example<", b">" + b"<x>" * 20_000 + b"</x>" * 20_000 + b"<")


def many_namespaces(data: bytes) -> bytes:
    """Which no signature covers, as nothing uses them."""
    more = "".join(f' xmlns:n{each}="urn:n"' for each in range(5_000)).encode()
    return data.replace(b" ", more + b" ", 1)


def cut(data: bytes) -> bytes:
    return data[:-20]


def large(data: bytes) -> bytes:
    return data.replace(b">root.other.example<", b">" + b"r" * 300_000 + b"<")


def nothing(data: bytes) -> bytes:
    return b""


DOING = (commented, with_an_instruction, a_section, expanding, external, a_document_type, in_wide_characters,
         in_another_encoding, nested, many_namespaces, cut, large, nothing)  # fmt: skip


@pytest.mark.parametrize("does", DOING)
def test_xml_that_does_something_or_cuts_a_name_is_not_read(
    city: SamlHouse, does: Callable[[bytes], bytes]
) -> None:
    if employing.by_login(city.edge.story.organisations["City"], "root") is None:
        city.listed("root", Role.DOCTOR, name="Dr Root, City")
        city.listed("root.other.example", Role.DOCTOR, name="Dr Other, City")
    city.idp.name, city.idp.raw = "root.other.example", does
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))
    city.idp.raw = None
    assert city.sign_on(browser).status == 200


@pytest.mark.parametrize(
    "fields",
    ["", "SAMLResponse=", "SAMLResponse=%00", "SAMLResponse=****", "SAMLResponse=PHg%2BPC94Pg%3D%3D",
     "SAMLResponse=a&SAMLResponse=b", "x=1&" * 20, "SAMLResponse=" + "a" * 600_000],
    ids=["nothing", "empty", "a zero", "no base64", "other XML", "twice", "many", "large"],
)  # fmt: skip
def test_a_form_that_cannot_be_read_proves_nobody(city: SamlHouse, fields: str) -> None:
    browser = Traveller(city.edge)
    city.away(browser)
    assert_nobody(browser, browser.post(f"{city.path}/return", fields))


# Once, for this browser, of this provider --------------------------------------------------------


def test_an_answer_counts_once_and_for_the_browser_that_asked(city: SamlHouse) -> None:
    browser, thief = Traveller(city.edge), Traveller(city.edge)
    answer = city.idp.answer(city.away(browser))
    assert_nobody(thief, city.back(thief, answer))
    answer = city.idp.answer(city.away(browser))
    city.away(thief)
    assert_nobody(thief, city.back(thief, answer))
    answer = city.idp.answer(city.away(browser))
    assert city.back(browser, answer).status == 200
    browser.cookies.pop(SESSION)
    assert_nobody(browser, city.back(browser, answer))


def test_an_answer_that_nobody_asked_for_proves_nobody(city: SamlHouse) -> None:
    browser = Traveller(city.edge)
    url = city.away(browser)
    for said in ({"response_to": None, "in_response_to": None}, {"response_to": "_x", "in_response_to": "_x"},
                 {"response_to": "", "in_response_to": ""}, {"response_to": "_", "in_response_to": "_"}):  # fmt: skip
        city.idp.said = said
        assert_nobody(browser, city.back(browser, city.idp.answer(url)))


def test_an_assertion_for_an_earlier_question_answers_no_later_one(city: SamlHouse) -> None:
    browser = Traveller(city.edge)
    first = city.idp.asked(city.away(browser)).get("ID")
    city.idp.said = {"in_response_to": first}
    assert_nobody(browser, city.sign_on(browser))


def test_one_organisations_provider_proves_nobody_at_another(city: SamlHouse, edge: Edge) -> None:
    """Neither a provider of its own under the same name, nor the very same one, which both trust."""
    with saml_house(edge, "Lakeside", just_in_time=True) as other:
        browser = Traveller(edge)
        other.idp.name = city.idp.name
        url = city.away(browser)
        assert_nobody(browser, city.back(browser, other.idp.answer(url)))
        same = replace(
            providers.find([edge.story.organisations["City"]], city.provider, SamlProvider).provider
        )
        id = providers.add(edge.story.organisations["Lakeside"], replace(same, just_in_time=True))
        second = SamlHouse(edge, city.idp, id, "Lakeside")
        answer = city.idp.answer(city.away(browser))
        assert_nobody(browser, second.back(browser, answer))
        second.away(browser)
        assert_nobody(browser, second.back(browser, city.idp.answer(city.away(browser))))
        assert second.sign_on(browser).status == 200


def test_an_answer_counts_after_a_restart_and_no_second_time(told: Story, tmp_path: Any, port: int) -> None:
    mine = copied(told, tmp_path / "data")
    with ExitStack() as opened:
        with Gateway(mine.world, port=port) as gateway:
            first = Edge(mine, gateway)
            city = opened.enter_context(saml_house(first, just_in_time=True))
            browser = Traveller(first)
            answer = city.idp.answer(city.away(browser))
        with Gateway(mine.world, port=port):
            assert city.back(browser, answer).status == 200
        with Gateway(mine.world, port=port) as third:
            replayed = Traveller(Edge(mine, third), {COOKIE: browser.cookies[COOKIE]}, {COOKIE})
            assert_nobody(replayed, city.back(replayed, answer))
    mine.world.close()


def test_what_one_gateway_took_no_other_of_the_same_directory_takes(told: Story, tmp_path: Any) -> None:
    mine = copied(told, tmp_path / "data")
    with Gateway(mine.world, port=0) as one, Gateway(mine.world, port=0) as two, ExitStack() as opened:
        city = opened.enter_context(saml_house(Edge(mine, one), just_in_time=True))
        browser = Traveller(Edge(mine, one))
        answer = city.idp.answer(city.away(browser))
        other = Traveller(Edge(mine, two), browser.cookies, browser.anywhere)
        assert city.back(browser, answer).status == 200
        replayed = Traveller(Edge(mine, two), {COOKIE: other.cookies[COOKIE]}, {COOKIE})
        assert_nobody(replayed, city.back(replayed, answer))
    mine.world.close()


def test_a_page_elsewhere_begins_no_sign_on_by_saml(city: SamlHouse) -> None:
    browser = Traveller(city.edge)
    assert browser.go(city.path, "cross-site").status == 403
    assert browser.cookies == {}
    assert browser.go(f"/sign-on/saml/{'0' * 32}").status == 404
    assert browser.go("/sign-on/saml/x").status == 404
    assert browser.go("/sign-on/saml/x/metadata").status == 404


def test_a_saml_provider_that_was_removed_lets_nobody_in(city: SamlHouse) -> None:
    browser = Traveller(city.edge)
    answer = city.idp.answer(city.away(browser))
    providers.remove(city.edge.story.organisations["City"], city.provider)
    assert city.back(browser, answer).status == 404
    assert browser.session() is None
    with pytest.raises(PartyNotFound):
        providers.remove(city.edge.story.organisations["City"], city.provider)


def test_a_gateway_without_the_extra_says_so_and_signs_nobody_on(
    city: SamlHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markup, "find_spec", lambda name: None)
    page = Traveller(city.edge).go(city.path)
    assert page.status == 501
    assert "saml" in page.text


# What a provider says of itself ------------------------------------------------------------------


def test_keys_change_by_newer_metadata_and_the_old_one_counts_no_more(city: SamlHouse) -> None:
    employer, now = city.edge.story.organisations["City"], city.idp.now()
    old, new = city.idp.key, rsa_key(now - 60)

    def renewed(*keys: Any) -> None:
        providers.renew(employer, city.provider, metadata.described(city.idp.metadata(*keys), now))

    city.idp.key = new
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))
    renewed(old, new)
    for key in (old, new):
        city.idp.key = key
        assert city.sign_on(Traveller(city.edge)).status == 200
    renewed(new)
    assert city.sign_on(Traveller(city.edge)).status == 200
    city.idp.key = old
    late = Traveller(city.edge)
    assert_nobody(late, city.sign_on(late))
    with pytest.raises(ProviderRefused):
        providers.renew(
            employer, city.provider, metadata.described(city.idp.metadata(entity="https://x.example"), now)
        )
    with pytest.raises(PartyNotFound):
        providers.renew(
            city.edge.story.organisations["Lakeside"],
            city.provider,
            metadata.described(city.idp.metadata(new), now),
        )


BAD: dict[str, dict[str, Any]] = {
    "another protocol": {"speaks": "urn:oasis:names:tc:SAML:1.1:protocol"},
    "no place": {"binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"},
    "over": {"until": "2001-01-01T00:00:00Z"},
    "an end that is none": {"until": "soon"},
    "no name": {"entity": ""},
    "keys for encryption alone": {"use": "encryption"},
}


@pytest.mark.parametrize("wrong", BAD)
def test_metadata_of_no_provider_that_can_be_used_is_refused(city: SamlHouse, wrong: str) -> None:
    with pytest.raises(ProviderRefused):
        metadata.described(city.idp.metadata(**BAD[wrong]), city.idp.now())


def test_metadata_with_a_weak_or_unreadable_key_or_a_document_type_is_refused(city: SamlHouse) -> None:
    now = city.idp.now()
    whole = city.idp.metadata()
    shown = base64.encodebytes(city.idp.key.certificate)
    for data in (city.idp.metadata(rsa_key(now, 1_024)), whole.replace(shown[:60], b""), b"<x/>", b"", whole[:-9],
                 b'<!DOCTYPE x [<!ENTITY y "z">]>' + whole):  # fmt: skip
        with pytest.raises(ProviderRefused):
            metadata.described(data, now)
    found = metadata.described(city.idp.metadata(formats=[]), now)
    assert (found.issuer, found.place, found.persistent) == (city.idp.issuer, city.idp.place, False)
    assert x509.load_der_x509_certificate(found.certificates[0]).serial_number == 7


def test_of_a_chain_only_the_certificate_of_the_key_itself_counts(city: SamlHouse) -> None:
    employer, now = city.edge.story.organisations["City"], city.idp.now()
    root = replace(rsa_key(now - 60), called="root")
    middle = replace(ec_key(now - 60), by=root, called="middle")
    leaf = replace(rsa_key(now - 60), by=middle)
    for chain in ((leaf, middle, root), (root, leaf, middle)):
        found = metadata.described(city.idp.metadata(*chain, together=True), now)
        [only] = found.certificates
        assert x509.load_der_x509_certificate(only).public_key() == leaf.private.public_key()
    providers.renew(employer, city.provider, found)
    for key in (root, middle):
        city.idp.key, browser = key, Traveller(city.edge)
        assert_nobody(browser, city.sign_on(browser))
    city.idp.key = leaf
    assert city.sign_on(Traveller(city.edge)).status == 200


def test_certificates_of_one_key_count_all_and_those_of_several_as_one_key_none(city: SamlHouse) -> None:
    now, key = city.idp.now(), city.idp.key
    longer = replace(key, days=7_300)
    assert len(metadata.described(city.idp.metadata(key, longer, together=True), now).certificates) == 2
    for several in ((key, rsa_key(now)), (key, longer) * 6):
        with pytest.raises(ProviderRefused):
            metadata.described(city.idp.metadata(*several, together=True), now)


@pytest.mark.parametrize(
    "said",
    [
        {"place": "http://idp.example/sso"}, {"place": "https://a@idp.example"}, {"place": "https://idp.example#x"},
        {"place": "idp"}, {"place": "https://["}, {"place": "javascript:alert(1)"}, {"person": ""}, {"claim": "a b"},
        {"roles": ()}, {"roles": (RoleGiven("x", Role.HOSPITAL),)},
    ],
    ids=str,
)  # fmt: skip
def test_a_saml_provider_that_cannot_be_used_is_not_registered(city: SamlHouse, said: dict[str, Any]) -> None:
    employer = city.edge.story.organisations["City"]
    made = providers.known(employer.books, city.provider, SamlProvider)
    assert made is not None
    with pytest.raises(ProviderRefused):
        providers.add(employer, replace(made, **said))
