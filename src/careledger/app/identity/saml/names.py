"""Whom a NameID names, and whose a message is."""

from __future__ import annotations

from careledger.app.identity.saml import markup
from careledger.app.identity.saml.markup import ASSERTION, Element
from careledger.domain.errors import SignOnRefused

TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
MOST, MOST_FORMAT = 255, 300
"""Characters of a name, and of its Format."""


def issuer(element: Element) -> str:
    """Whose a message or an assertion says it is, empty where it does not say."""
    return markup.words(markup.only(element, f"{ASSERTION}Issuer"))


def named(name: Element, provider: str, here: str) -> tuple[str, str]:
    """The Format and the name, by which the ``provider`` calls somebody for who is called ``here``: in another Format
    the same name is somebody else's. Raises SignOnRefused."""
    said, kind = markup.words(name), name.get("Format") or UNSPECIFIED
    if not 0 < len(said) <= MOST or not said.isprintable() or kind == TRANSIENT:
        raise SignOnRefused(why="the provider names nobody by a name that stays")
    if len(kind) > MOST_FORMAT or not kind.isprintable() or " " in kind:
        raise SignOnRefused(why="the provider names somebody in a Format that is none")
    if (name.get("NameQualifier", provider), name.get("SPNameQualifier", here)) != (provider, here):
        raise SignOnRefused(why="somebody is named as another provider does")
    return kind, said
