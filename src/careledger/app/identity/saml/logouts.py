"""What a SAML provider says of signing out (SAML 2.0 Core 3.7, Profiles 4.4): its requests, and its answers to ours.

Nothing of a message counts before ``proved``, which returns the element that the signature covers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from careledger.app.identity.id_tokens import OLDEST, SKEW, Ended
from careledger.app.identity.saml import addresses, markup, names, signatures
from careledger.app.identity.saml.addresses import RELAY, REQUEST, RESPONSE, Packed
from careledger.app.identity.saml.answers import MOST_TEXT, SUCCESS
from careledger.app.identity.saml.markup import ASSERTION, DSIG, PROTOCOL, Element
from careledger.domain.errors import MalformedBytes, SignOnRefused

TAGS = {REQUEST: f"{PROTOCOL}LogoutRequest", RESPONSE: f"{PROTOCOL}LogoutResponse"}
MOST_RELAY = 1_000
MOST_INDEXES = 100


@dataclass(frozen=True, repr=False)
class Brought:
    """A message, the field that it came in, and RelayState: nothing of it is proved. ``packed`` where it came in an
    address, and is signed by that."""

    field: str
    data: bytes
    root: Element
    relay: str
    packed: Packed | None = None


@dataclass(frozen=True, repr=False)
class Expected:
    """Whose a message has to be, the certificates of its keys, what this side is called there, and where it is told."""

    issuer: str
    certificates: tuple[bytes, ...]
    here: str
    place: str


def by_form(fields: Sequence[tuple[str, str]]) -> Brought:
    """By the HTTP-POST binding; raises SignOnRefused, NotInstalled."""
    there = [(name, value) for name, value in fields if name in (REQUEST, RESPONSE, RELAY)]
    said = dict(there)
    found = [each for each in TAGS if each in said]
    if len(said) < len(there) or len(found) != 1:
        raise SignOnRefused(why="a form brings no message of SAML, or several")
    try:
        data = base64.b64decode("".join(said[found[0]][:MOST_TEXT].split()), validate=True)
    except (binascii.Error, ValueError):
        raise SignOnRefused(why="a form brings what cannot be read") from None
    root, relay = _read(found[0], data), said.get(RELAY, "")
    parents = [each.getparent() for each in root.iter(f"{DSIG}Signature")]
    if parents != [root]:
        raise SignOnRefused(why="the message is not signed, or something else in it")
    return _checked(Brought(found[0], data, root, relay))


def by_address(query: str) -> Brought:
    """By the HTTP-Redirect binding; raises SignOnRefused, NotInstalled."""
    packed = addresses.read(query)
    root = _read(packed.field, packed.message)
    if next(root.iter(f"{DSIG}Signature"), None) is not None:
        raise SignOnRefused(why="a message in an address is signed in itself")
    return _checked(Brought(packed.field, packed.message, root, packed.relay, packed))


def proved(brought: Brought, expected: Expected, now: int) -> Element:
    """The message, of that provider, by a key of it, for this place, of now; raises SignOnRefused."""
    keys = signatures.keys(expected.certificates)
    root = brought.root
    if brought.packed is not None:
        addresses.check(brought.packed, keys, now)
    else:
        signatures.check(signatures.of(root), root.get("ID"))
        signed = signatures.read(brought.data, "./", keys, now)
        if signed is None or signed.tag != root.tag or signed.get("ID") != root.get("ID"):
            raise SignOnRefused(why="something else than the message is signed")
        root = signed
    if root.get("Version") != "2.0" or names.issuer(root) != expected.issuer:
        raise SignOnRefused(why="the message is another issuer's")
    if root.get("Destination") != expected.place:
        raise SignOnRefused(why="the message is for another place")
    issued = markup.moment(root.get("IssueInstant"))
    if issued is None or not now - OLDEST <= issued <= now + SKEW:
        raise SignOnRefused(why="the message is old, or of the future")
    return root


def ended(request: Element, expected: Expected, now: int) -> Ended:
    """Whom a proved request says that the provider signed out; raises SignOnRefused."""
    until = request.get("NotOnOrAfter")
    if until is not None and (markup.moment(until) or 0) <= now:
        raise SignOnRefused(why="the request is over")
    name = markup.only(request, f"{ASSERTION}NameID")
    others = [each for each in ("BaseID", "EncryptedID") if request.find(f"{ASSERTION}{each}") is not None]
    if name is None or others:
        raise SignOnRefused(why="the request does not name somebody by one NameID that is not encrypted")
    kind, called = names.named(name, expected.issuer, expected.here)
    found = [markup.words(each) for each in request.findall(f"{PROTOCOL}SessionIndex")]
    if len(found) > MOST_INDEXES or not all(0 < len(each) <= names.MOST for each in found):
        raise SignOnRefused(why="the request names sessions by what is no name")
    issued = markup.moment(request.get("IssueInstant")) or 0
    return Ended(request.get("ID", ""), issued, f"{kind} {called}", tuple(found))


def is_done(response: Element) -> bool:
    """Whether a proved answer says that the provider signed somebody out, everywhere."""
    status = markup.only(response, f"{PROTOCOL}Status")
    code = None if status is None else markup.only(status, f"{PROTOCOL}StatusCode")
    return code is not None and code.get("Value") == SUCCESS and len(code) == 0


def _read(field: str, data: bytes) -> Element:
    try:
        root = markup.read(data)
    except MalformedBytes:
        raise SignOnRefused(why="what is brought is no message of SAML") from None
    if root.tag != TAGS[field] or len(list(root.iter(*TAGS.values()))) != 1:
        raise SignOnRefused(why="what is brought is no request or answer about signing out")
    return root


def _checked(brought: Brought) -> Brought:
    if not signatures.are_alone(brought.root, [brought.root]) or len(brought.root.get("ID")) > names.MOST:
        raise SignOnRefused(why="the message has no ID that is its own alone")
    if len(brought.relay) > MOST_RELAY or (brought.relay and not brought.relay.isprintable()):
        raise SignOnRefused(why="a RelayState is longer than it may be")
    return brought
