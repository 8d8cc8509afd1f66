"""Staff of one organisation as it lists them, and how they sign on at its own identity provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, flag, message, octets, several, text, uint

MOST_ROLES, MOST_CERTIFICATES, MOST_PROOFS = 100, 10, 10


@dataclass(frozen=True)
class RoleGiven(Message):
    """What a provider's claim has to hold for somebody to act in that role."""

    TYPE: ClassVar[str] = "sign-on-role"
    said: str = text(200)
    role: int = uint(8)


@dataclass(frozen=True)
class Provider(Message):
    """An organisation's OpenID provider, under 16 random bytes in its books.

    ``secret`` is empty where the organisation proves itself by its key (private_key_jwt). ``person`` names the claim by
    which somebody is called in the list of staff, ``claim`` the one that gives roles. ``just_in_time``: whoever has a
    role and is not in the list is entered. ``acr``: one of these has to be said of how somebody proved who they are;
    ``amr``: each of these. ``any_proof``: neither is demanded, because the organisation said so.
    """

    TYPE: ClassVar[str] = "sign-on-provider"
    issuer: str = text(500)
    client: str = text(200)
    secret: str = text(500)
    person: str = text(100)
    claim: str = text(100)
    roles: tuple[RoleGiven, ...] = several(message(RoleGiven), MOST_ROLES)
    just_in_time: bool = flag()
    acr: tuple[str, ...] = several(text(200), MOST_PROOFS)
    amr: tuple[str, ...] = several(text(100), MOST_PROOFS)
    any_proof: bool = flag()
    made: int = uint()


@dataclass(frozen=True)
class SamlProvider(Message):
    """An organisation's SAML 2.0 provider, under 16 random bytes in its books.

    ``issuer`` is its entity ID, ``place`` where browsers are sent with a question, ``certificates`` those of the keys
    that it signs by (DER). ``persistent``: it is asked for a name that stays. ``person`` and ``claim`` name
    attributes, as a provider's of OpenID name claims; ``acr`` are classes of authentication contexts, one of which has
    to be said. ``any_proof``: none is demanded, because the organisation said so.
    """

    TYPE: ClassVar[str] = "sign-on-saml-provider"
    issuer: str = text(1_024)
    place: str = text(2_000)
    certificates: tuple[bytes, ...] = several(octets(most=8_192), MOST_CERTIFICATES)
    persistent: bool = flag()
    person: str = text(300)
    claim: str = text(300)
    roles: tuple[RoleGiven, ...] = several(message(RoleGiven), MOST_ROLES)
    just_in_time: bool = flag()
    acr: tuple[str, ...] = several(text(200), MOST_PROOFS)
    any_proof: bool = flag()
    made: int = uint()


@dataclass(frozen=True)
class SamlLogout(Message):
    """Where a SAML provider takes a request to sign somebody out, and ``answers`` to its own (HTTP-Redirect binding),
    under the provider's id."""

    TYPE: ClassVar[str] = "sign-on-saml-logout"
    place: str = text(2_000)
    answers: str = text(2_000)


@dataclass(frozen=True)
class SamlKey(Message):
    """The RSA key (PKCS #8, DER) that an organisation signs by what it sends SAML providers, and a certificate of it
    (DER), by itself."""

    TYPE: ClassVar[str] = "saml-key"
    key: bytes = octets(most=8_192)
    certificate: bytes = octets(most=8_192)


@dataclass(frozen=True)
class SamlKeyNext(Message):
    """The key that takes its place, as in SamlKey: shown beside it until ``signs``, in unix seconds, and alone from
    then on."""

    TYPE: ClassVar[str] = "saml-key-next"
    key: bytes = octets(most=8_192)
    certificate: bytes = octets(most=8_192)
    signs: int = uint()


@dataclass(frozen=True)
class SignedOn(Message):
    """What the provider said of a session that a sign-on began, under the session's ``unique``.

    ``subject`` is the provider's ``sub``, of SAML the NameID after its Format and a space; ``index`` what the provider
    calls its own session (``sid``, SessionIndex), empty where it does not say.
    """

    TYPE: ClassVar[str] = "signed-on"
    account: bytes = octets(16)
    provider: bytes = octets(16)
    subject: str = text(600)
    index: str = text(255)
    until: int = uint()


@dataclass(frozen=True)
class Leaving(Message):
    """Somebody who signed out here and is to sign out at the provider, under the SHA-256 of the state, which is of
    SAML the request's ID without the underscore before it; good once, until ``until``. The rest as in SignedOn."""

    TYPE: ClassVar[str] = "sign-on-leaving"
    provider: bytes = octets(16)
    subject: str = text(600)
    index: str = text(255)
    began: int = uint()
    until: int = uint()


@dataclass(frozen=True)
class SignOn(Message):
    """A sign-on that a browser began, under the SHA-256 of its state; good once, until ``until``. In SAML the state
    is the question's ID without the underscore before it.

    ``browser`` is the SHA-256 of the browser's cookie, ``session`` the digest of the session that it had, empty for
    none. ``again``: whoever it is has to prove it anew.
    """

    TYPE: ClassVar[str] = "sign-on-begun"
    provider: bytes = octets(16)
    browser: bytes = octets(32)
    session: bytes = octets(most=32)
    nonce: str = text(43)
    verifier: str = text(43)
    again: bool = flag()
    began: int = uint()
    until: int = uint()


@dataclass(frozen=True)
class Member(Message):
    """A member of an organisation's staff, under 16 random bytes in its books.

    ``login`` is what their provider calls them; ``subject`` is ``H("sign-on-subject", issuer, sub)`` of whoever
    signed on by it, empty before; of SAML ``sub`` is the NameID after its Format and a space. ``post`` is the party
    that they act as, for ``roles``. ``by`` is who entered them: ``sign-on``, ``scim`` or ``file``. ``external`` is
    how the employer's directory names them. Who is not ``active`` has left; ``gone``: and is shown no more to the
    directory that took them out. ``until`` is when they leave, in unix seconds, 0 for no such time.
    """

    TYPE: ClassVar[str] = "staff-member"
    login: str = text(200)
    name: str = text(100)
    external: str = text(200)
    licence: str = text(64)
    roles: tuple[int, ...] = several(uint(8), 16)
    post: int = uint()
    subject: bytes = octets(most=32)
    by: str = text(16)
    active: bool = flag()
    gone: bool = flag()
    until: int = uint()
    made: int = uint()
    changed: int = uint()
