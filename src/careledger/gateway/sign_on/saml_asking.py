"""What a browser brings a SAML provider (HTTP-Redirect binding), signed, and what this side says of itself."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from careledger.app.identity.saml import addresses
from careledger.app.identity.saml.answers import SUCCESS
from careledger.app.identity.saml.markup import ASSERTION, DSIG, METADATA, PROTOCOL
from careledger.app.identity.saml.metadata import PERSISTENT, REDIRECT
from careledger.app.identity.saml.own_key import OwnKey
from careledger.formats.sign_on import Leaving, SamlLogout, SamlProvider, SignOn

BEFORE = "_"
"""What stands before a state to make an ID of it, which must not begin with a digit."""
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
BY_USER = "urn:oasis:names:tc:SAML:2.0:logout:user"
GOOD_FOR = 300
"""Seconds that a request to sign somebody out is good for."""


def question(provider: SamlProvider, begun: SignOn, state: str, named: str, back: str, key: OwnKey) -> str:
    """Where a browser is sent to; ``named`` is what this side is called, ``back`` where the browser is to come back."""
    fields = {"ProtocolBinding": POST, "AssertionConsumerServiceURL": back}
    fields |= {"ForceAuthn": "true"} if begun.again else {}
    inside = ""
    if provider.persistent:
        inside += f'<samlp:NameIDPolicy Format="{PERSISTENT}" AllowCreate="true"/>'
    if provider.acr:
        ref = "saml:AuthnContextClassRef"
        how = "".join(f"<{ref}>{escape(each)}</{ref}>" for each in provider.acr)
        inside += f'<samlp:RequestedAuthnContext Comparison="exact">{how}</samlp:RequestedAuthnContext>'
    said = _message("AuthnRequest", BEFORE + state, begun.began, provider.place, named, fields, inside)
    return addresses.written(provider.place, addresses.REQUEST, said, "", key)


def sign_out(place: SamlLogout, asked: Leaving, state: str, named: str, key: OwnKey) -> str:
    """Where a browser is sent to whose person signed out here; it comes back with that state twice."""
    until = _moment(asked.began + GOOD_FOR)
    kind, _, name = asked.subject.partition(" ")
    inside = f"<saml:NameID{_written({'Format': kind})}>{escape(name)}</saml:NameID>"
    if asked.index:
        inside += f"<samlp:SessionIndex>{escape(asked.index)}</samlp:SessionIndex>"
    fields = {"NotOnOrAfter": until, "Reason": BY_USER}
    said = _message("LogoutRequest", BEFORE + state, asked.began, place.place, named, fields, inside)
    return addresses.written(place.place, addresses.REQUEST, said, state, key)


def signed_out(place: SamlLogout, request: str, relay: str, named: str, key: OwnKey, now: int) -> str:
    """Where a browser is sent to that brought a request of the provider: it is done."""
    inside = f'<samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status>'
    id, fields = BEFORE + secrets.token_urlsafe(32), {"InResponseTo": request}
    said = _message("LogoutResponse", id, now, place.answers, named, fields, inside)
    return addresses.written(place.answers, addresses.RESPONSE, said, relay, key)


def metadata(named: str, back: str, logout: str, certificates: list[bytes]) -> str:
    """What this side says of itself to one provider, which is to sign its assertions: its keys, and where it is
    told that somebody signed out or has to be."""
    place = _written({"Binding": POST, "Location": back, "index": "0", "isDefault": "true"})
    role = _written(
        {
            "protocolSupportEnumeration": PROTOCOL[1:-1],
            "AuthnRequestsSigned": "true",
            "WantAssertionsSigned": "true",
        }
    )
    outs = (_written({"Binding": each, "Location": logout}) for each in (REDIRECT, POST))
    before = f'<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{DSIG[1:-1]}"><ds:X509Data><ds:X509Certificate>'
    after = "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
    keys = (f"{before}{base64.b64encode(each).decode()}{after}" for each in certificates)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<md:EntityDescriptor xmlns:md="{METADATA[1:-1]}"{_written({"entityID": named})}><md:SPSSODescriptor{role}>'
        f"{''.join(keys)}{''.join(f'<md:SingleLogoutService{each}/>' for each in outs)}"
        f"<md:NameIDFormat>{PERSISTENT}</md:NameIDFormat><md:AssertionConsumerService{place}/>"
        "</md:SPSSODescriptor></md:EntityDescriptor>\n"
    )


def _message(kind: str, id: str, at: int, place: str, named: str, fields: dict[str, str], inside: str) -> str:
    given = {"ID": id, "Version": "2.0", "IssueInstant": _moment(at), "Destination": place} | fields
    return (
        f'<samlp:{kind} xmlns:samlp="{PROTOCOL[1:-1]}" xmlns:saml="{ASSERTION[1:-1]}"{_written(given)}>'
        f"<saml:Issuer>{escape(named)}</saml:Issuer>{inside}</samlp:{kind}>"
    )


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _written(fields: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in fields.items())
