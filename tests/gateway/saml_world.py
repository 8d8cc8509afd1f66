"""A SAML provider that says what it is told to, and signs by the primitives alone, so that nothing of the verifier's
own library is in it."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from lxml import etree

from careledger.app.identity import employing, providers
from careledger.app.identity.employing import Listed, Wanted
from careledger.app.identity.saml import metadata
from careledger.domain.parties import Role
from careledger.formats.sign_on import SamlProvider
from gateway.edge_world import Edge
from gateway.oauth_world import Page
from gateway.sign_on_world import ROLES, Traveller

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
TRANSFORMS = (f"{DS}enveloped-signature", EXCLUSIVE)
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
SHA: dict[str, Any] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
DIGEST = {"sha1": f"{DS}sha1", "sha256": "http://www.w3.org/2001/04/xmlenc#sha256"}
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
PSS = "http://www.w3.org/2007/05/xmldsig-more#"


def at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.123Z")


def element(name: str, attributes: dict[str, str | None] | None = None, *inside: Any) -> Any:
    """Of SAML, ``p:`` before a name of its protocol, ``ds:`` of signatures; an attribute of None is left out."""
    prefix, _, local = name.rpartition(":")
    space = {"": SAML, "p": SAMLP, "ds": DS}[prefix]
    made = etree.Element(
        f"{{{space}}}{local}", nsmap={"saml": SAML, "samlp": SAMLP} if prefix == "p" else None
    )
    for key, value in (attributes or {}).items():
        if value is not None:
            made.set(key, value)
    for each in inside:
        if isinstance(each, str):
            made.text = each
        elif each is not None:
            made.append(each)
    return made


def canonical(found: Any) -> bytes:
    return bytes(etree.tostring(found, method="c14n", exclusive=True, with_comments=False))


@dataclass
class SigningKey:
    """A key and its certificate."""

    private: Any
    begins: int
    days: int = 3_650
    by: SigningKey | None = None
    """Who issued its certificate, itself for None."""
    called: str = "idp"

    @property
    def certificate(self) -> bytes:
        first, issuer = datetime.fromtimestamp(self.begins, UTC), self.by or self
        name, of = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)])
            for each in (self.called, issuer.called)
        )
        made = x509.CertificateBuilder(
            of, name, self.private.public_key(), 7, first, first + timedelta(self.days)
        )
        return made.sign(issuer.private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def signed(self, data: bytes, hashed: str, pss: bool = False) -> bytes:
        if pss:
            salted = padding.PSS(padding.MGF1(SHA[hashed]()), SHA[hashed].digest_size)
            return bytes(self.private.sign(data, salted, SHA[hashed]()))
        if isinstance(self.private, rsa.RSAPrivateKey):
            return bytes(self.private.sign(data, padding.PKCS1v15(), SHA[hashed]()))
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(SHA[hashed]())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def sign(
        self, parent: Any, by: str = "sha256", digest: str = "sha256", other: bool = False, pss: bool = False
    ) -> Any:
        """Puts a signature of it into an element; ``other``: which covers the whole document."""
        own = parent if not other else parent.getroottree().getroot()
        value = base64.b64encode(hashlib.new(digest, canonical(own)).digest()).decode()
        kind = "rsa" if isinstance(self.private, rsa.RSAPrivateKey) else "ecdsa"
        method = (
            f"{DS if by == 'sha1' and kind == 'rsa' else MORE}{kind}-{by}"
            if not pss
            else f"{PSS}{by}-rsa-MGF1"
        )
        info = element(
            "ds:SignedInfo", {},
            element("ds:CanonicalizationMethod", {"Algorithm": EXCLUSIVE}),
            element("ds:SignatureMethod", {"Algorithm": method}),
            element(
                "ds:Reference", {"URI": f"#{own.get('ID')}"},
                element("ds:Transforms", {}, *(element("ds:Transform", {"Algorithm": each}) for each in TRANSFORMS)),
                element("ds:DigestMethod", {"Algorithm": DIGEST[digest]}),
                element("ds:DigestValue", {}, value),
            ),
        )  # fmt: skip
        made = element("ds:Signature", {}, info)
        parent.insert(1, made)
        signed = base64.b64encode(self.signed(canonical(info), by, pss)).decode()
        made.append(element("ds:SignatureValue", {}, signed))
        shown = base64.b64encode(self.certificate).decode()
        made.append(
            element("ds:KeyInfo", {}, element("ds:X509Data", {}, element("ds:X509Certificate", {}, shown)))
        )
        return made


def rsa_key(begins: int, bits: int = 2_048) -> SigningKey:
    return SigningKey(rsa.generate_private_key(65_537, bits), begins)


def ec_key(begins: int) -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()), begins)


@dataclass
class Idp:
    """What it says otherwise than it should is for a test to say: ``said`` by name, ``before`` it signs, ``after``."""

    key: SigningKey
    now: Callable[[], int]
    issuer: str = "https://idp.city.example/saml"
    place: str = "https://idp.city.example/sso?tenant=1"
    logout: str = "https://idp.city.example/slo"
    name: str = "s-1"
    attributes: dict[str, list[str]] = field(
        default_factory=lambda: {"groups": ["physicians"], "displayName": ["Dr Rahima"]}
    )
    said: dict[str, Any] = field(default_factory=dict)
    sign: dict[str, dict[str, Any]] = field(default_factory=lambda: {"Assertion": {}})
    before: Callable[[Any], None] | None = None
    after: Callable[[Any], Any] | None = None
    raw: Callable[[bytes], bytes] | None = None

    def metadata(self, *keys: SigningKey, **said: Any) -> bytes:
        """What it says of itself; of its own key where none are named."""
        given: dict[str, Any] = {
            "use": "signing", "formats": [PERSISTENT], "binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
            "speaks": SAMLP, "until": "", "entity": self.issuer, "place": self.place, "logout": self.logout,
            "together": False,
        } | said  # fmt: skip
        shown = [
            f"<ds:X509Certificate>{base64.encodebytes(each.certificate).decode()}</ds:X509Certificate>"
            for each in keys or (self.key,)
        ]
        descriptors = [
            f'<md:KeyDescriptor use="{given["use"]}"><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data>{each}</ds:X509Data>'
            "</ds:KeyInfo></md:KeyDescriptor>"
            for each in (["".join(shown)] if given["together"] else shown)
        ]
        formats = [f"<md:NameIDFormat>{each}</md:NameIDFormat>" for each in given["formats"]]
        until = f' validUntil="{given["until"]}"' if given["until"] else ""
        return (
            f'<?xml version="1.0"?><!-- kept by hand --><md:EntityDescriptor xmlns:md="{MD}"'
            f' entityID="{given["entity"]}"{until}><md:IDPSSODescriptor protocolSupportEnumeration="{given["speaks"]}" '
            f'WantAuthnRequestsSigned="false">{"".join(descriptors + formats)}'
            f"{self._logout(given['logout'])}"
            f'<md:SingleSignOnService Binding="{given["binding"]}" Location="{given["place"]}"/>'
            "</md:IDPSSODescriptor></md:EntityDescriptor>"
        ).encode()

    def _logout(self, place: str) -> str:
        if not place:
            return ""
        said = f'Location="{place}" ResponseLocation="{place}/answers"'
        return (
            f'<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" {said}/>'
        )

    def asked(self, url: str) -> Any:
        """The question that a browser comes with."""
        assert url.startswith(self.place)
        packed = dict(parse_qsl(urlsplit(url).query))["SAMLRequest"]
        return etree.fromstring(zlib.decompress(base64.b64decode(packed), wbits=-15))

    def answer(self, url: str) -> str:
        """The field SAMLResponse for whoever comes with that question."""
        asks, now = self.asked(url), self.now()
        audience = asks.findtext(f"{{{SAML}}}Issuer")
        place, id = asks.get("AssertionConsumerServiceURL"), asks.get("ID")
        given = {
            "issuer": self.issuer, "response_issuer": self.issuer, "destination": place, "response_to": id,
            "recipient": place, "in_response_to": id, "confirmed_until": at(now + 60), "confirmed_from": None,
            "begins": at(now), "ends": at(now + 60), "audiences": [[audience]], "issued": at(now), "proved": at(now),
            "session_until": None, "index": None, "context": PASSWORD, "status": SUCCESS, "version": "2.0",
            "format": PERSISTENT,
            "method": BEARER, "name": self.name, "qualifier": None, "for_qualifier": None, "condition": None,
            "id": "_assertion-1", "response_id": "_response-1", "attributes": self.attributes,
        } | self.said  # fmt: skip
        root = self._response(given)
        if self.before is not None:
            self.before(root)
        signs = [*root.iter(f"{{{SAML}}}Assertion"), root]
        for each in signs:
            how = self.sign.get(etree.QName(each).localname)
            if how is not None:
                how.get("key", self.key).sign(
                    each, **{name: value for name, value in how.items() if name != "key"}
                )
        made = etree.tostring(root if self.after is None else self.after(root))
        return base64.b64encode(self.raw(made) if self.raw is not None else made).decode()

    def _response(self, given: dict[str, Any]) -> Any:
        return element(
            "p:Response",
            {"ID": given["response_id"], "Version": given["version"], "IssueInstant": given["issued"],
             "Destination": given["destination"], "InResponseTo": given["response_to"]},
            None if given["response_issuer"] is None else element("Issuer", {}, given["response_issuer"]),
            element("p:Status", {}, element("p:StatusCode", {"Value": given["status"]})),
            self._assertion(given),
        )  # fmt: skip

    def _assertion(self, given: dict[str, Any]) -> Any:
        audiences = [
            element("AudienceRestriction", {}, *(element("Audience", {}, one) for one in each))
            for each in given["audiences"]
        ]
        attributes = [
            element("Attribute", {"Name": name}, *(element("AttributeValue", {}, value) for value in values))
            for name, values in given["attributes"].items()
        ]
        further = () if given["condition"] is None else (element(given["condition"]),)
        return element(
            "Assertion",
            {"ID": given["id"], "Version": given["version"], "IssueInstant": given["issued"]},
            element("Issuer", {}, given["issuer"]),
            element(
                "Subject", {},
                element("NameID", {"Format": given["format"], "NameQualifier": given["qualifier"],
                                   "SPNameQualifier": given["for_qualifier"]}, given["name"]),
                element(
                    "SubjectConfirmation", {"Method": given["method"]},
                    element("SubjectConfirmationData", {
                        "Recipient": given["recipient"], "InResponseTo": given["in_response_to"],
                        "NotOnOrAfter": given["confirmed_until"], "NotBefore": given["confirmed_from"]}),
                ),
            ),
            element("Conditions", {"NotBefore": given["begins"], "NotOnOrAfter": given["ends"]}, *audiences, *further),
            element(
                "AuthnStatement", {"AuthnInstant": given["proved"], "SessionNotOnOrAfter": given["session_until"],
                                   "SessionIndex": given["index"]},
                element("AuthnContext", {}, element("AuthnContextClassRef", {}, given["context"])),
            ),
            element("AttributeStatement", {}, *attributes),
        )  # fmt: skip


@dataclass
class SamlHouse:
    """An organisation with a SAML provider, its list of staff, and the way there and back."""

    edge: Edge
    idp: Idp
    provider: bytes
    organisation: str = "City"

    @property
    def path(self) -> str:
        return f"/sign-on/saml/{self.provider.hex()}"

    @property
    def desk(self) -> employing.Desk:
        world = self.edge.story.world
        return employing.Desk(world.network, world.keyring, world.clock.now())

    def listed(self, login: str, *roles: Role, name: str = "Dr Nahar") -> Listed:
        employer = self.edge.story.organisations[self.organisation]
        return employing.join(self.desk, employer, Wanted(login, name, roles), employing.BY_FILE)

    def away(self, browser: Traveller, again: bool = False) -> str:
        """Where the browser is sent, with its question."""
        page = browser.go(f"{self.path}{'?again=1' if again else ''}")
        assert page.status == 303, page.text
        return page.to

    def back(self, browser: Traveller, answer: str, **more: str) -> Page:
        return browser.post(f"{self.path}/return", {"SAMLResponse": answer} | more)

    def sign_on(self, browser: Traveller, again: bool = False) -> Page:
        return self.back(browser, self.idp.answer(self.away(browser, again)))


@contextmanager
def saml_house(
    edge: Edge, organisation: str = "City", key: SigningKey | None = None, **said: Any
) -> Iterator[SamlHouse]:
    """Provider and organisation; ``said``: of the provider as the organisation registered it."""
    now = edge.story.world.clock.now
    idp = Idp(key or rsa_key(now() - 3_600), now)
    found = metadata.described(idp.metadata(), now())
    made = SamlProvider(
        found.issuer,
        found.place,
        found.certificates,
        found.persistent,
        "NameID",
        "groups",
        ROLES,
        False,
        (),
        True,
        0,
    )
    employer = edge.story.organisations[organisation]
    yield SamlHouse(edge, idp, providers.add(employer, replace(made, **said), found.logout), organisation)
