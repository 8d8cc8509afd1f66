"""Whom a SAML provider's answer proves (SAML 2.0 Core, and Profiles 4.1.4): nothing of one counts before ``proved``.

Only the one assertion counts, as the bytes that its own signature covers are read again by themselves; what stands
around it is compared and believed nothing. So nothing is gained by moving signed parts about (signature wrapping).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from careledger.app.identity.id_tokens import OLDEST, SKEW, Told
from careledger.app.identity.saml import markup, names, signatures
from careledger.app.identity.saml.markup import ASSERTION, DSIG, PROTOCOL, Element
from careledger.domain.errors import MalformedBytes, SignOnRefused

NAME_ID = "NameID"
"""What the subject's own name is called among its attributes."""
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
CONDITIONS = {f"{ASSERTION}{each}" for each in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")}
NAMES = ("name", "displayName", "urn:oid:2.16.840.1.113730.3.1.241",
         "http://schemas.microsoft.com/identity/claims/displayname")  # fmt: skip
"""Attributes that say what somebody is called."""
MOST_TEXT = 400_000


@dataclass(frozen=True, repr=False)
class Received:
    """What a browser brought, and the question that it says it answers: nothing of it is proved."""

    data: bytes
    root: Element
    request: str


@dataclass(frozen=True, repr=False)
class Asked:
    """What an answer has to say: whose it is, the certificates of its keys, for whom, where to, to which question.
    ``since``: whoever it names proved it then or later, in unix seconds; ``acr``: in one of these ways, if any."""

    issuer: str
    certificates: tuple[bytes, ...]
    audience: str
    place: str
    request: str
    since: int
    acr: tuple[str, ...] = ()


def received(text: str) -> Received:
    """What stands in the field SAMLResponse, with one assertion, each signature where it belongs, and no id twice;
    raises SignOnRefused, NotInstalled."""
    try:
        data = base64.b64decode("".join(text[:MOST_TEXT].split()), validate=True)
        root = markup.read(data)
    except (binascii.Error, ValueError, MalformedBytes):
        raise SignOnRefused(why="the browser brings no SAML response") from None
    if root.tag != f"{PROTOCOL}Response" or len(list(root.iter(f"{PROTOCOL}Response"))) > 1:
        raise SignOnRefused(why="the browser brings no SAML response")
    if next(root.iter(f"{ASSERTION}EncryptedAssertion"), None) is not None:
        raise SignOnRefused(why="the assertion is encrypted, which is not understood here")
    found = list(root.iter(f"{ASSERTION}Assertion"))
    if len(found) != 1 or found[0].getparent() is not root:
        raise SignOnRefused(why="the response has not one assertion")
    places = [root, found[0]]
    parents = [each.getparent() for each in root.iter(f"{DSIG}Signature")]
    if any(places.count(each) != 1 or signatures.of(each) is None for each in parents):
        raise SignOnRefused(why="the response has signatures where none belong")
    if not signatures.are_alone(root, places):
        raise SignOnRefused(why="an id in the response is not one element's alone")
    return Received(data, root, root.get("InResponseTo", ""))


def proved(answer: Received, asked: Asked, now: int) -> Told:
    """Whom it names, by a key of the provider; raises SignOnRefused."""
    _check_response(answer.root, asked)
    assertion = _verified(answer, asked.certificates, now)
    if assertion.get("Version") != "2.0" or names.issuer(assertion) != asked.issuer:
        raise SignOnRefused(why="the assertion is another issuer's")
    issued = markup.moment(assertion.get("IssueInstant"))
    if issued is None or not now - OLDEST <= issued <= now + SKEW:
        raise SignOnRefused(why="the assertion is old, or of the future")
    _check_conditions(assertion, asked, now)
    kind, name = _subject(assertion, asked, now)
    authenticated, index = _authenticated(assertion, asked, now)
    claims = _attributes(assertion) | {NAME_ID: name}
    return Told(f"{kind} {name}", min(authenticated, now), claims, index)


def _check_response(root: Element, asked: Asked) -> None:
    status = markup.only(root, f"{PROTOCOL}Status")
    code = None if status is None else markup.only(status, f"{PROTOCOL}StatusCode")
    if code is None or code.get("Value") != SUCCESS:
        raise SignOnRefused(why="the provider says that it proved nobody")
    if root.get("Version") != "2.0" or names.issuer(root) not in ("", asked.issuer):
        raise SignOnRefused(why="the response is another issuer's")
    needed = "" if signatures.of(root) is not None else asked.place
    if root.get("Destination", needed) != asked.place:
        raise SignOnRefused(why="the response is for another place")
    if not asked.request or root.get("InResponseTo") != asked.request:
        raise SignOnRefused(why="the response answers another question, or none")


def _verified(answer: Received, certificates: Iterable[bytes], now: int) -> Element:
    """The assertion as its signature covers it; raises SignOnRefused. A response that is signed too has to be so by the
    same provider."""
    root = answer.root
    assertion = root.find(f"{ASSERTION}Assertion")
    keys = signatures.keys(certificates)
    if signatures.of(assertion) is None:
        raise SignOnRefused(why="the assertion is not signed")
    if signatures.of(root) is not None:
        signatures.check(signatures.of(root), root.get("ID"))
        signatures.read(answer.data, "./", keys, now)
    signatures.check(signatures.of(assertion), assertion.get("ID"))
    signed = signatures.read(answer.data, f"./{ASSERTION}Assertion/", keys, now)
    if signed is None or signed.tag != assertion.tag or signed.get("ID") != assertion.get("ID"):
        raise SignOnRefused(why="something else than the assertion is signed")
    return signed


def _check_conditions(assertion: Element, asked: Asked, now: int) -> None:
    conditions = markup.only(assertion, f"{ASSERTION}Conditions")
    if conditions is None or any(each.tag not in CONDITIONS for each in conditions):
        raise SignOnRefused(why="the assertion has no conditions, or one that is not understood")
    if not _in_time(conditions, now):
        raise SignOnRefused(why="the assertion is over, or not yet")
    audiences = conditions.findall(f"{ASSERTION}AudienceRestriction")
    named = [[markup.words(each) for each in part.findall(f"{ASSERTION}Audience")] for part in audiences]
    if not named or not all(asked.audience in each for each in named):
        raise SignOnRefused(why="the assertion is for somebody else")


def _in_time(element: Element, now: int) -> bool:
    begins, ends = element.get("NotBefore"), element.get("NotOnOrAfter")
    first, last = markup.moment(begins), markup.moment(ends)
    if (begins is not None and first is None) or (ends is not None and last is None):
        return False
    return (first is None or first <= now + SKEW) and (last is None or now < last)


def _subject(assertion: Element, asked: Asked, now: int) -> tuple[str, str]:
    """The format and the name of whom it is about, confirmed for this question and place: in another format the same
    name is somebody else's. Raises SignOnRefused."""
    subject = markup.only(assertion, f"{ASSERTION}Subject")
    name = None if subject is None else markup.only(subject, f"{ASSERTION}NameID")
    confirmed = None if subject is None else markup.only(subject, f"{ASSERTION}SubjectConfirmation")
    data = None if confirmed is None else markup.only(confirmed, f"{ASSERTION}SubjectConfirmationData")
    if name is None or data is None or confirmed is None or confirmed.get("Method") != BEARER:
        raise SignOnRefused(why="the assertion names nobody, or not for whoever brings it")
    if data.get("Recipient") != asked.place or data.get("InResponseTo") != asked.request:
        raise SignOnRefused(why="the assertion is for another place, or answers another question")
    if data.get("NotOnOrAfter") is None or data.get("NotBefore") is not None or not _in_time(data, now):
        raise SignOnRefused(why="the assertion is over")
    return names.named(name, asked.issuer, asked.audience)


def _authenticated(assertion: Element, asked: Asked, now: int) -> tuple[int, str]:
    """When whoever it is proved it, in unix seconds, and what the provider calls its session with them; raises
    SignOnRefused."""
    statement = markup.only(assertion, f"{ASSERTION}AuthnStatement")
    at = None if statement is None else markup.moment(statement.get("AuthnInstant"))
    if statement is None or at is None:
        raise SignOnRefused(why="the assertion does not say when somebody proved who they are")
    if not asked.since - SKEW <= at <= now + SKEW:
        raise SignOnRefused(why="whoever it is proved it too long ago")
    ends = statement.get("SessionNotOnOrAfter")
    if ends is not None and (markup.moment(ends) or 0) <= now:
        raise SignOnRefused(why="the session at the provider is over")
    context = markup.only(statement, f"{ASSERTION}AuthnContext")
    how = None if context is None else markup.only(context, f"{ASSERTION}AuthnContextClassRef")
    if asked.acr and markup.words(how) not in asked.acr:
        raise SignOnRefused(why="whoever it is was not proved as the organisation demands")
    index = statement.get("SessionIndex", "")
    if len(index) > names.MOST or (index and not index.isprintable()):
        raise SignOnRefused(why="the session at the provider is called by what is no name")
    return at, index


def _attributes(assertion: Element) -> dict[str, Any]:
    """Each attribute by its name: a word, or a list where there are several."""
    made = dict[str, list[str]]()
    for each in assertion.iterfind(f"{ASSERTION}AttributeStatement/{ASSERTION}Attribute"):
        values = [markup.words(value) for value in each.findall(f"{ASSERTION}AttributeValue")]
        made.setdefault(each.get("Name", ""), []).extend(value for value in values if value)
    said: dict[str, Any] = {name: found[0] if len(found) == 1 else found for name, found in made.items()}
    called = next((said[each] for each in NAMES if isinstance(said.get(each), str)), "")
    return said | {"name": called}
