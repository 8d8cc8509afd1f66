"""Whoever signs out at their SAML provider is signed out here, and the other way round (SAML 2.0 Single Logout)."""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from careledger.adapters.books.memory import MemoryBooks
from careledger.app.identity import accounts, employing, leaving, providers, sessions
from careledger.app.identity.saml import metadata, own_key
from careledger.domain.errors import ActRefused, ProviderRefused
from careledger.domain.parties import Role
from careledger.formats.sign_on import SamlKey, SamlLogout, SamlProvider
from careledger.gateway.cookies import SESSION
from careledger.gateway.server import Gateway
from gateway.edge_world import Edge
from gateway.oauth_world import Page
from gateway.saml_world import (
    DS,
    MD,
    MORE,
    PERSISTENT,
    PSS,
    SAML,
    SAMLP,
    SUCCESS,
    SamlHouse,
    SigningKey,
    at,
    ec_key,
    element,
    rsa_key,
    saml_house,
)
from gateway.sign_on_world import Traveller, edge, unpaced
from story import Story, copied

__all__ = ["edge", "unpaced"]

RSA_SHA256 = f"{MORE}rsa-sha256"


@pytest.fixture
def city(edge: Edge) -> Iterator[SamlHouse]:
    """City with a provider; somebody is in its list of staff under the name that the provider gives."""
    with saml_house(edge) as made:
        made.idp.name = f"s-{secrets.token_hex(4)}"
        made.listed(made.idp.name, Role.DOCTOR, name=f"Dr {secrets.token_hex(3)}")
        yield made


def signed_on(city: SamlHouse, index: str | None = "i-1") -> Traveller:
    """A browser in a session of the provider that it calls so."""
    browser = Traveller(city.edge)
    city.idp.said = {"index": index}
    assert city.sign_on(browser).status == 200
    city.idp.said = {}
    return browser


# What the provider sends -------------------------------------------------------------------------


def place(city: SamlHouse) -> str:
    return f"{Traveller(city.edge).origin}{city.path}/logout"


def request(city: SamlHouse, indexes: Any = ("i-1",), **said: Any) -> Any:
    """A LogoutRequest as it should be, but for what is said otherwise."""
    now = city.idp.now()
    given = {
        "id": f"_{secrets.token_hex(16)}", "issued": at(now), "until": at(now + 60), "to": place(city),
        "version": "2.0",
        "issuer": city.idp.issuer, "name": city.idp.name, "format": PERSISTENT, "by": None, "for": None, "more": (),
    } | said  # fmt: skip
    name = element("NameID", {"Format": given["format"], "NameQualifier": given["by"],
                              "SPNameQualifier": given["for"]}, given["name"])  # fmt: skip
    return element(
        "p:LogoutRequest",
        {"ID": given["id"], "Version": given["version"], "IssueInstant": given["issued"], "Destination": given["to"],
         "NotOnOrAfter": given["until"]},
        None if given["issuer"] is None else element("Issuer", {}, given["issuer"]),
        None if given["name"] is None else name,
        *(element("p:SessionIndex", {}, each) for each in indexes),
        *given["more"],
    )  # fmt: skip


def answer(city: SamlHouse, to: str, **said: Any) -> Any:
    """A LogoutResponse to the request of that ID, in the same way."""
    given = {
        "issued": at(city.idp.now()),
        "to": place(city),
        "issuer": city.idp.issuer,
        "status": SUCCESS,
    } | said
    return element(
        "p:LogoutResponse",
        {"ID": "_answer", "Version": "2.0", "IssueInstant": given["issued"], "Destination": given["to"],
         "InResponseTo": to},
        element("Issuer", {}, given["issuer"]),
        element("p:Status", {}, element("p:StatusCode", {"Value": given["status"]})),
    )  # fmt: skip


def packed(message: bytes) -> str:
    return base64.b64encode(zlib.compress(message, wbits=-15)).decode()


def in_an_address(
    city: SamlHouse,
    message: Any,
    relay: str | None = None,
    key: SigningKey | None = None,
    field: str = "SAMLRequest",
    algorithm: str = RSA_SHA256,
    hashed: str = "sha256",
) -> str:
    """Where the browser goes, as the provider signs it: for a LogoutRequest unless it is said otherwise."""
    data = message if isinstance(message, bytes) else etree.tostring(message)
    said = {field: packed(data)} | ({} if relay is None else {"RelayState": relay}) | {"SigAlg": algorithm}
    covered = urlencode(said)
    signature = (key or city.idp.key).signed(covered.encode(), hashed, pss=PSS in algorithm)
    return f"{city.path}/logout?{covered}&{urlencode({'Signature': base64.b64encode(signature).decode()})}"


def in_a_form(message: Any, key: SigningKey | None, **how: Any) -> str:
    if key is not None:
        key.sign(message, **how)
    return base64.b64encode(etree.tostring(message)).decode()


def by_address(city: SamlHouse, message: Any, **more: Any) -> Page:
    return Traveller(city.edge).go(in_an_address(city, message, **more), "cross-site")


def by_form(city: SamlHouse, message: Any, relay: str | None = None, key: SigningKey | None = None) -> Page:
    fields = {"SAMLRequest": in_a_form(message, key or city.idp.key)}
    fields |= {} if relay is None else {"RelayState": relay}
    return Traveller(city.edge).post(f"{city.path}/logout", fields)


BINDINGS: dict[str, Callable[..., Page]] = {"address": by_address, "form": by_form}


def assert_nobody(page: Page, *browsers: Traveller) -> None:
    """Refused: nothing is answered to the provider, and nobody was signed out."""
    assert (page.status, page.headers.get("location")) == (403, None), page.text
    assert "This signed nobody out" in page.text
    assert all(each.session() is not None for each in browsers)


# What this side sends ----------------------------------------------------------------------------


def sent(city: SamlHouse, url: str, field: str, to: str) -> tuple[Any, dict[str, str]]:
    """The message in an address there, signed by the key that this side's metadata shows, and the fields beside it."""
    assert url.startswith((f"{to}?", f"{to}&")), url
    covered, _, signature = url[len(to) + 1 :].partition("&Signature=")
    fields = dict(parse_qsl(covered))
    assert fields["SigAlg"] == RSA_SHA256
    assert list(fields) == [each for each in (field, "RelayState", "SigAlg") if each in fields]
    shown = etree.fromstring(Traveller(city.edge).go(f"{city.path}/metadata").text.encode())
    der = base64.b64decode(shown.findtext(f".//{{{DS}}}X509Certificate"))
    key = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    ((_, encoded),) = parse_qsl(f"Signature={signature}")
    key.verify(base64.b64decode(encoded), covered.encode(), padding.PKCS1v15(), hashes.SHA256())
    message = etree.fromstring(zlib.decompress(base64.b64decode(fields[field]), wbits=-15))
    assert message.get("Destination") == to
    assert message.findtext(f"{{{SAML}}}Issuer") == f"{Traveller(city.edge).origin}{city.path}/metadata"
    return message, fields


def signed_out(browser: Traveller) -> str:
    """Where the page goes on to after signing out here, empty for nowhere."""
    reply = browser.post("/identity/sign-out", "{}", "same-origin", Content_Type="application/json",
                         Origin=browser.origin)  # fmt: skip
    assert reply.status in (200, 204), reply.text
    return json.loads(reply.text)["elsewhere"] if reply.text else ""


def left(city: SamlHouse, browser: Traveller) -> str:
    """Where the provider is told that this browser's person signed out here."""
    page = browser.go(signed_out(browser))
    assert page.status == 303, page.text
    return page.to


# Signed out there --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", BINDINGS)
def test_who_signs_out_there_is_signed_out_of_exactly_that_session_here(city: SamlHouse, how: str) -> None:
    first, second = signed_on(city, "i-1"), signed_on(city, "i-2")
    mine = city.idp.name
    city.idp.name = f"o-{mine}"
    city.listed(city.idp.name, Role.DOCTOR, name=f"Dr Other {mine}")
    other = signed_on(city, "i-1")
    city.idp.name = mine
    otherwise = Traveller(city.edge, {SESSION: of_its_own(city)})
    message = request(city)
    page = BINDINGS[how](city, message, relay="r & +/=1")
    assert page.status == 303, page.text
    said, fields = sent(city, page.to, "SAMLResponse", "https://idp.city.example/slo/answers")
    assert (said.tag, said.get("InResponseTo")) == (f"{{{SAMLP}}}LogoutResponse", message.get("ID"))
    assert said.find(f".//{{{SAMLP}}}StatusCode").get("Value") == SUCCESS
    assert fields["RelayState"] == "r & +/=1"
    assert first.session() is None
    assert all(each.session() is not None for each in (second, other, otherwise))


def holder(city: SamlHouse) -> accounts.Person:
    employer = city.edge.story.organisations[city.organisation]
    who = employing.by_login(employer, city.idp.name)
    assert who is not None
    found = accounts.holder_of(employer, who.member.post)
    assert found is not None
    return found


def of_its_own(city: SamlHouse) -> str:
    """A session of the same account that no sign-on began."""
    return sessions.begin(holder(city), None, city.idp.now(), "TREAT")[0]


def test_without_a_session_index_all_that_began_there_by_that_name_are_over(city: SamlHouse) -> None:
    employer = city.edge.story.organisations["City"]
    same = providers.known(employer.books, city.provider, SamlProvider)
    assert same is not None
    elsewhere = SamlHouse(city.edge, city.idp, providers.add(employer, same))
    there = [signed_on(city, each) for each in ("i-1", None)]
    other = signed_on(elsewhere, "i-1")
    assert by_address(city, request(city, indexes=())).status == 303
    assert [each.session() for each in there] == [None, None]
    assert other.session() is not None
    assert by_address(city, request(city, indexes=())).status == 303


def test_a_session_that_was_proved_anew_or_sits_at_several_indexes_is_over_too(city: SamlHouse) -> None:
    first, second = signed_on(city, "i-1"), signed_on(city, "i-2")
    [current] = [each for each in sessions.own(holder(city), city.idp.now())
                 if each.digest == sessions.digest_of(first.cookies[SESSION])]  # fmt: skip
    first.cookies[SESSION], _ = sessions.renew(current, None, city.idp.now())
    assert first.session() is not None
    assert by_address(city, request(city, indexes=("i-0", "i-1", "i-2"))).status == 303
    assert (first.session(), second.session()) == (None, None)


def test_a_request_without_an_end_and_by_a_curve_or_with_salt_is_taken(edge: Edge) -> None:
    now = edge.story.world.clock.now()
    with saml_house(edge, key=ec_key(now - 60), just_in_time=True) as city:
        city.idp.name = "curved-out"
        browser = signed_on(city)
        assert_nobody(by_address(city, request(city)), browser)
        assert by_address(city, request(city, until=None), algorithm=f"{MORE}ecdsa-sha256").status == 303
        assert browser.session() is None
    with saml_house(edge, just_in_time=True) as city:
        city.idp.name = "salted-out"
        browser = signed_on(city)
        salted = {"algorithm": f"{PSS}sha512-rsa-MGF1", "hashed": "sha512"}
        assert by_address(city, request(city), **salted).status == 303
        assert browser.session() is None


def test_a_provider_that_takes_no_answer_is_heard_and_told_nothing(city: SamlHouse) -> None:
    browser, employer = signed_on(city), city.edge.story.organisations["City"]
    said = metadata.described(city.idp.metadata(logout=""), city.idp.now())
    assert said.logout is None
    providers.renew(employer, city.provider, said)
    page = by_form(city, request(city, issued=at(city.idp.now() - 1)))
    assert (page.status, page.headers.get("location")) == (200, None)
    assert browser.session() is None
    assert signed_out(signed_on(city)) == ""


# Strangers ---------------------------------------------------------------------------------------

WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://other.example"}, "no issuer": {"issuer": None},
    "another place": {"to": "https://other.example/logout"}, "no place": {"to": None},
    "another version": {"version": "1.1"}, "nobody": {"name": None}, "an empty name": {"name": ""},
    "a name that does not stay": {"format": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"},
    "another provider's name": {"by": "https://other.example"}, "a name for another": {"for": "https://other.example"},
    "two names": {"more": (element("NameID", {}, "x"),)}, "an encrypted name": {"more": (element("EncryptedID"),)},
    "a name as another kind": {"more": (element("BaseID"),)}, "a session without a name": {"indexes": ("",)},
    "an end that is none": {"until": "soon"}, "a time that is none": {"issued": "now"}, "no time": {"issued": None},
    "no ID": {"id": None}, "a long ID": {"id": "_" + "x" * 300},
}  # fmt: skip
LATE = {"over": ("until", 0), "old": ("issued", -700), "of the future": ("issued", 120)}


@pytest.mark.parametrize("how", BINDINGS)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_request_that_says_something_else_signs_nobody_out(city: SamlHouse, wrong: str, how: str) -> None:
    browser = signed_on(city)
    assert_nobody(BINDINGS[how](city, request(city, **WRONG[wrong])), browser)


@pytest.mark.parametrize("how", BINDINGS)
@pytest.mark.parametrize("wrong", LATE)
def test_a_request_of_another_time_signs_nobody_out(city: SamlHouse, wrong: str, how: str) -> None:
    browser, (name, seconds) = signed_on(city), LATE[wrong]
    assert_nobody(BINDINGS[how](city, request(city, **{name: at(city.idp.now() + seconds)})), browser)


@pytest.mark.parametrize("how", BINDINGS)
def test_another_name_format_session_or_providers_name_ends_nothing(city: SamlHouse, how: str) -> None:
    browser, send = signed_on(city), BINDINGS[how]
    for message in (request(city, ("i-2",)), request(city, name="nobody"), request(city, format=None)):
        assert send(city, message).status == 303
    with saml_house(city.edge, "Lakeside") as other:
        other.idp.name = city.idp.name
        assert send(other, request(other)).status == 303
        assert_nobody(send(city, request(city), key=other.idp.key))
    assert browser.session() is not None


@pytest.mark.parametrize("how", BINDINGS)
def test_a_request_by_another_key_or_one_that_is_over_signs_nobody_out(city: SamlHouse, how: str) -> None:
    browser, now = signed_on(city), city.idp.now()
    assert_nobody(BINDINGS[how](city, request(city), key=rsa_key(now - 60)), browser)
    employer = city.edge.story.organisations["City"]
    for key in (replace(rsa_key(now - 20 * 86_400), days=10), rsa_key(now + 3_600)):
        providers.renew(
            employer, city.provider, metadata.described(city.idp.metadata(city.idp.key, key), now)
        )
        assert_nobody(BINDINGS[how](city, request(city), key=key), browser)


def test_what_is_not_signed_or_not_as_it_was_signed_signs_nobody_out(city: SamlHouse) -> None:
    browser, where = signed_on(city), f"{city.path}/logout"
    url = in_an_address(city, request(city), relay="r")
    other = quote_plus(packed(etree.tostring(request(city))))
    head, signature = url.partition("&Signature=")[::2]
    first = dict(parse_qsl(urlsplit(url).query))["SAMLRequest"]
    changed = (
        head, f"{where}?SAMLRequest={other}", f"{head}&Signature=", f"{head}&Signature=AAAA",
        url.replace("RelayState=r", "RelayState=s"), url.replace("RelayState=r&", ""),
        url.replace(quote_plus(first), other), f"{url}&SAMLRequest={other}", f"{url}&SAMLResponse={other}",
        f"{url}&RelayState=r", url.replace("rsa-sha256", "rsa-sha1"), url.replace("rsa-sha256", "hmac-sha256"),
        f"{url}&SAMLEncoding=zip", f"{url}&Signature={signature}",
    )  # fmt: skip
    for each in changed:
        assert_nobody(Traveller(city.edge).go(each, "cross-site"), browser)
    signed = request(city)
    city.idp.key.sign(signed)
    bare = Traveller(city.edge).go(f"{where}?SAMLRequest={quote_plus(packed(etree.tostring(signed)))}")
    assert_nobody(bare, browser)
    assert_nobody(by_address(city, signed), browser)
    form = in_a_form(request(city), None)
    assert_nobody(Traveller(city.edge).post(where, {"SAMLRequest": form}), browser)
    for how in ({"by": "sha1"}, {"digest": "sha1"}):
        weak = in_a_form(request(city), city.idp.key, **how)
        assert_nobody(Traveller(city.edge).post(where, {"SAMLRequest": weak}), browser)
    assert Traveller(city.edge).go(url, "cross-site").status == 303
    assert browser.session() is None


def test_what_cannot_be_read_or_is_too_much_signs_nobody_out(city: SamlHouse) -> None:
    browser, where = signed_on(city), f"{city.path}/logout"
    whole = etree.tostring(request(city))
    bomb = whole.replace(b">i-1<", b">" + b"i" * 20_000_000 + b"<")
    typed = b'<!DOCTYPE x [<!ENTITY i "i-1">]>' + whole.replace(b">i-1<", b">&i;<")
    commented = whole.replace(b">i-1<", b">i<!-- -->-1<")
    for data in (
        bomb,
        typed,
        commented,
        whole[:-9],
        b"",
        whole + b"<x/>",
        etree.tostring(answer(city, "_x")),
    ):
        assert_nobody(Traveller(city.edge).go(in_an_address(city, data), "cross-site"), browser)
    for query in ("", "SAMLRequest=%00", "SAMLRequest=a&SigAlg=b&Signature=c", "SAMLRequest=" + "a" * 40_000):
        assert_nobody(Traveller(city.edge).go(f"{where}?{query}", "cross-site"), browser)
    long = request(city, indexes=("i-1", *("x" * 200 for _ in range(101))))
    assert_nobody(by_form(city, long), browser)
    assert_nobody(by_form(city, request(city), relay="r" * 1_001), browser)
    for form in (
        "",
        "SAMLRequest=****",
        "SAMLRequest=a&SAMLRequest=b",
        "SAMLRequest=" + "a" * 600_000,
        "x=1&" * 20,
    ):
        assert_nobody(Traveller(city.edge).post(where, form), browser)
    trailing = base64.b64encode(base64.b64decode(packed(whole)) + b"x").decode()
    covered = urlencode({"SAMLRequest": trailing, "SigAlg": RSA_SHA256})
    signature = quote_plus(base64.b64encode(city.idp.key.signed(covered.encode(), "sha256")))
    assert_nobody(Traveller(city.edge).go(f"{where}?{covered}&Signature={signature}"), browser)


def victim(root: Any, name: str) -> Any:
    """A copy of a request, about somebody else, with another ID and without its signature."""
    made = deepcopy(root)
    made.set("ID", "_evil")
    made.find(f"{{{SAML}}}NameID").text = name
    for each in made.findall(f"{{{DS}}}Signature"):
        made.remove(each)
    return made


def around(root: Any, name: str) -> Any:
    made = victim(root, name)
    made.append(element("p:Extensions", {}, root))
    return made


def in_its_signature(root: Any, name: str) -> Any:
    made = victim(root, name)
    signature = deepcopy(root.find(f"{{{DS}}}Signature"))
    made.insert(1, signature)
    signature.append(element("ds:Object", {}, root))
    return made


def with_its_signature(root: Any, name: str) -> Any:
    made = victim(root, name)
    made.insert(1, root.find(f"{{{DS}}}Signature"))
    return made


def under_its_id(root: Any, name: str) -> Any:
    made = with_its_signature(root, name)
    made.set("ID", "_first")
    return made


def as_another(root: Any, name: str) -> Any:
    root.find(f"{{{SAML}}}NameID").text = name
    return root


def a_second_name(root: Any, name: str) -> Any:
    root.append(element("p:Extensions", {}, element("NameID", {}, name)))
    return root


def the_whole_document(root: Any, name: str) -> Any:
    root.find(f".//{{{DS}}}Reference").set("URI", "")
    return root


def two_signatures(root: Any, name: str) -> Any:
    root.insert(1, deepcopy(root.find(f"{{{DS}}}Signature")))
    return root


WRAPPED = (around, in_its_signature, with_its_signature, under_its_id, as_another, a_second_name, the_whole_document,
           two_signatures)  # fmt: skip


@pytest.mark.parametrize("wrap", WRAPPED)
def test_a_request_that_was_signed_cannot_stand_for_another(
    city: SamlHouse, wrap: Callable[[Any, str], Any]
) -> None:
    browser = signed_on(city)
    message = request(city, name="nobody", id="_first")
    city.idp.key.sign(message)
    form = base64.b64encode(etree.tostring(wrap(message, city.idp.name))).decode()
    assert_nobody(Traveller(city.edge).post(f"{city.path}/logout", {"SAMLRequest": form}), browser)


# Once --------------------------------------------------------------------------------------------


def test_a_request_counts_once_also_after_a_restart(told: Story, tmp_path: Any, port: int) -> None:
    mine = copied(told, tmp_path / "data")
    with ExitStack() as opened:
        with Gateway(mine.world, port=port) as gateway:
            city = opened.enter_context(saml_house(Edge(mine, gateway), just_in_time=True))
            first = signed_on(city)
            message = request(city, id="_once", issued=at(city.idp.now() - 1))
            assert by_form(city, deepcopy(message)).status == 303
            assert first.session() is None
            second = signed_on(city)
            assert_nobody(by_form(city, deepcopy(message)), second)
            assert_nobody(by_address(city, request(city, id="_once")), second)
        with Gateway(mine.world, port=port):
            assert_nobody(by_form(city, message), second)
            assert by_address(city, request(city)).status == 303
            assert second.session() is None
    mine.world.close()


def test_what_broke_off_is_done_by_saying_it_again(city: SamlHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, url = signed_on(city), in_an_address(city, request(city))

    def broken(*given: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broke:
        broke.setattr(sessions, "end", broken)
        assert Traveller(city.edge).go(url, "cross-site").status == 500
    assert browser.session() is not None
    assert Traveller(city.edge).go(url, "cross-site").status == 303
    assert browser.session() is None


def test_a_session_that_began_after_it_was_said_goes_on(city: SamlHouse) -> None:
    browser = signed_on(city)
    assert by_address(city, request(city, issued=at(city.idp.now() - 300))).status == 303
    assert browser.session() is not None


@pytest.mark.parametrize("indexes", [("i-1",), ()])
def test_what_was_said_of_a_session_before_it_was_over_signs_nobody_on_after(
    city: SamlHouse, indexes: tuple[str, ...]
) -> None:
    late = dict[str, tuple[Traveller, str]]()
    for index in ("i-1", "i-2"):
        browser = Traveller(city.edge)
        city.idp.said = {"index": index}
        late[index] = browser, city.idp.answer(city.away(browser))
    assert by_address(city, request(city, indexes)).status == 303
    assert by_address(city, request(city, indexes, issued=at(city.idp.now() - 300))).status == 303
    for index, (browser, answered) in late.items():
        is_over = index in (indexes or late)
        assert city.back(browser, answered).status == (403 if is_over else 200)
        assert (browser.session() is None) == is_over
    assert len(sessions.own(holder(city), city.idp.now())) == (1 if indexes else 0)


def test_who_was_proved_after_a_session_was_over_signs_on_though_it_is_called_the_same(
    city: SamlHouse,
) -> None:
    assert by_address(city, request(city, issued=at(city.idp.now() - 1))).status == 303
    with saml_house(city.edge, "Lakeside") as other:
        other.idp.name = city.idp.name
        assert by_address(other, request(other)).status == 303
    assert signed_on(city).session() is not None


def test_there_is_one_key_however_many_need_it_first_at_once(
    city: SamlHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    books, now, made = MemoryBooks(), city.idp.now(), own_key._made
    other = list[own_key.OwnKey]()

    def meanwhile(at_once: int) -> Any:
        monkeypatch.setattr(own_key, "_made", made)
        other.append(own_key.of(books, at_once))
        return made(at_once)

    monkeypatch.setattr(own_key, "_made", meanwhile)
    mine = own_key.of(books, now)
    assert {mine.certificate, own_key.of(books, now).certificate} == {other[0].certificate}


def certificates(city: SamlHouse) -> list[bytes]:
    """Those that this side's metadata shows."""
    shown = etree.fromstring(Traveller(city.edge).go(f"{city.path}/metadata").text.encode())
    return [base64.b64decode(each.text) for each in shown.iter(f"{{{DS}}}X509Certificate")]


def test_a_new_key_is_shown_beside_the_old_one_then_signs_and_the_old_one_is_gone(city: SamlHouse) -> None:
    books, now = city.edge.story.organisations["City"].books, city.edge.story.world.clock.now()
    (old,) = certificates(city)
    with pytest.raises(ActRefused):
        own_key.rotate(books, now, own_key.LONGEST + 1)
    assert certificates(city) == [old]
    first = own_key.rotate(books, now, 3_600)
    assert certificates(city) == first
    assert (first[0], first[1] != old) == (old, True)
    again = own_key.rotate(books, now, 3_600)
    assert again[1] not in first
    sent(
        city, city.away(Traveller(city.edge)), "SAMLRequest", city.idp.place
    )  # signed by the first that is shown
    assert certificates(city) == again
    assert own_key.of(books, now + 3_599).certificate == old
    assert own_key.signs_next(books) == now + 3_600
    assert own_key.of(books, now + 3_600).certificate == again[1]
    assert certificates(city) == again[1:]
    sent(city, city.away(Traveller(city.edge)), "SAMLRequest", city.idp.place)
    kept = [*books.rows(own_key.KEPT), *books.rows(own_key.NEXT)]
    assert [SamlKey.decode(row).certificate for _, row in kept] == again[1:]
    at_once = own_key.rotate(books, now, 0)
    assert (len(at_once), certificates(city), at_once[0] in again) == (1, at_once, False)


def test_of_two_processes_that_follow_to_the_next_key_none_drops_it(city: SamlHouse) -> None:
    books, now = MemoryBooks(), city.idp.now()
    following = own_key.rotate(books, now, 60)[1]
    own_key._follow(books, now + 60)
    own_key._follow(books, now + 60)  # who saw that it waits before the other one was done
    assert own_key.shown(books, now + 60) == [following]


def test_a_saml_provider_signs_out_all_its_staff_at_once(city: SamlHouse) -> None:
    browser = signed_on(city)
    assert {by_address(city, request(city, name=f"of {each}")).status for each in range(80)} == {303}
    assert by_address(city, request(city)).status == 303
    assert browser.session() is None


def test_what_is_kept_of_signing_out_is_dropped_once_it_is_over(city: SamlHouse) -> None:
    employer, now = city.edge.story.organisations["City"], city.idp.now()
    browser = signed_on(city)
    assert by_address(city, request(city, issued=at(now - 1))).status == 303
    left(city, signed_on(city))
    kinds = leaving.KEPT, leaving.OF_SUBJECT, leaving.LEAVING, leaving.HEARD, leaving.OVER
    leaving.sweep(employer, now)
    assert all(list(employer.books.rows(each)) for each in kinds)
    leaving.sweep(employer, now + 13 * 3_600)
    assert not any(list(employer.books.rows(each)) for each in kinds)
    assert browser.session() is None


# Signed out here ---------------------------------------------------------------------------------


def test_who_signs_out_here_is_signed_out_first_and_then_sent_to_the_provider(city: SamlHouse) -> None:
    browser = signed_on(city, "i & 1")
    elsewhere = signed_out(browser)
    assert browser.session() is None
    assert elsewhere.startswith(f"{city.path}/leave?state=")
    url = browser.go(elsewhere).to
    message, fields = sent(city, url, "SAMLRequest", city.idp.logout)
    assert message.tag == f"{{{SAMLP}}}LogoutRequest"
    name = message.find(f"{{{SAML}}}NameID")
    assert (name.text, name.get("Format")) == (city.idp.name, PERSISTENT)
    assert message.findtext(f"{{{SAMLP}}}SessionIndex") == "i & 1"
    state = fields["RelayState"]
    assert message.get("ID") == f"_{state}"
    page = by_address(city, answer(city, f"_{state}"), relay=state, field="SAMLResponse")
    assert (page.status, "signed out here and at" in page.text) == (200, True)
    assert_nobody(by_address(city, answer(city, f"_{state}"), relay=state, field="SAMLResponse"))


@pytest.mark.parametrize("status", ["Responder", "PartialLogout"])
def test_a_provider_that_signs_nobody_out_changes_nothing_here(city: SamlHouse, status: str) -> None:
    browser = signed_on(city)
    state = sent(city, left(city, browser), "SAMLRequest", city.idp.logout)[1]["RelayState"]
    no = answer(city, f"_{state}", status=f"urn:oasis:names:tc:SAML:2.0:status:{status}")
    page = Traveller(city.edge).post(
        f"{city.path}/logout", {"SAMLResponse": in_a_form(no, city.idp.key), "RelayState": state}
    )
    assert (page.status, "does not say that you are signed out there" in page.text) == (200, True)
    assert browser.session() is None


def test_only_the_providers_own_answer_to_what_it_was_asked_is_one(city: SamlHouse, edge: Edge) -> None:
    mine, other = (
        sent(city, left(city, signed_on(city)), "SAMLRequest", city.idp.logout)[1]["RelayState"]
        for _ in range(2)
    )

    def told(to: str = f"_{mine}", relay: str | None = mine, key: Any = None, **said: Any) -> Page:
        return by_address(city, answer(city, to, **said), relay=relay, key=key, field="SAMLResponse")

    now = city.idp.now()
    for page in (told(to=f"_{other}"), told(relay=other), told(relay=None), told(to="", relay=""), told("_", ""),
                 told(key=rsa_key(now - 60)), told(issuer="https://other.example"), told(to="_x", relay="x"),
                 told(issued=at(now - 700))):  # fmt: skip
        assert_nobody(page)
    bare = (
        f"{city.path}/logout?{urlencode({'SAMLResponse': packed(etree.tostring(answer(city, f'_{mine}')))})}"
    )
    assert_nobody(Traveller(edge).go(f"{bare}&RelayState={mine}", "cross-site"))
    employer = edge.story.organisations["City"]
    same = providers.known(employer.books, city.provider, SamlProvider)
    assert same is not None
    second = SamlHouse(
        edge, city.idp, providers.add(employer, same, SamlLogout("https://x.example", "https://x.example"))
    )
    wrong = answer(second, f"_{mine}")
    assert_nobody(by_address(second, wrong, relay=mine, field="SAMLResponse"))
    assert told().status == 200


def test_signing_out_elsewhere_begins_on_this_sites_page_and_by_its_state_alone(city: SamlHouse) -> None:
    browser = signed_on(city)
    elsewhere = signed_out(browser)
    assert browser.go(elsewhere, "cross-site").status == 403
    assert browser.go(f"{city.path}/leave").status == 403
    assert browser.go(f"{city.path}/leave?state=x").status == 403
    assert browser.go(f"/sign-on/saml/{'0' * 32}/leave?state=x").status == 404
    assert browser.go(f"/sign-on/saml/{'0' * 32}/logout").status == 404
    assert browser.go(elsewhere).status == 303
    own = Traveller(city.edge, {SESSION: of_its_own(city)})
    assert signed_out(own) == ""


def test_this_sides_metadata_names_its_key_and_where_it_is_told_of_signing_out(city: SamlHouse) -> None:
    browser = Traveller(city.edge)
    root = etree.fromstring(browser.go(f"{city.path}/metadata").text.encode())
    role = root.find(f"{{{MD}}}SPSSODescriptor")
    names = [etree.QName(each).localname for each in role]
    assert names == [
        "KeyDescriptor",
        *["SingleLogoutService"] * 2,
        "NameIDFormat",
        "AssertionConsumerService",
    ]
    found = {
        each.get("Binding")[-8:]: each.get("Location")
        for each in role.findall(f"{{{MD}}}SingleLogoutService")
    }
    assert found == {"Redirect": place(city), "TTP-POST": place(city)}
    assert role.get("AuthnRequestsSigned") == "true"
    asks, _ = sent(city, city.away(browser), "SAMLRequest", city.idp.place)
    assert asks.tag == f"{{{SAMLP}}}AuthnRequest"


@pytest.mark.parametrize(
    "where", ["http://idp.example/slo", "javascript:alert(1)", "https://a@idp.example", "x"]
)
def test_a_provider_whose_place_to_sign_out_cannot_be_used_is_not_registered(
    city: SamlHouse, where: str
) -> None:
    employer, now = city.edge.story.organisations["City"], city.idp.now()
    said = metadata.described(city.idp.metadata(logout=where), now)
    with pytest.raises(ProviderRefused):
        providers.renew(employer, city.provider, said)
