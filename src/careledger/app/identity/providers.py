"""Providers at which an organisation's staff sign on, of OpenID Connect and of SAML 2.0: registered once and never
changed, but that a SAML provider's newer metadata says by which keys it signs and where it is asked.

Order of effects: the row durable, then its id is given away.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from careledger.app.identity.saml.metadata import Described
from careledger.app.serving import is_loopback
from careledger.domain.errors import PartyNotFound, ProviderRefused
from careledger.domain.parties import POST_ROLES, Role
from careledger.formats.sign_on import Provider, SamlLogout, SamlProvider
from careledger.ports import Books
from careledger.workflows.actors import Organisation

SUBJECT = "sub"
_CLAIM = re.compile(r"[!-~]{1,300}")
CLASSES = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
ONE_FACTOR = {"0"} | {
    CLASSES + each
    for each in (
        "AuthenticatedTelephony", "InternetProtocol", "InternetProtocolPassword", "MobileOneFactorContract",
        "MobileOneFactorUnregistered", "NomadTelephony", "Password", "PasswordProtectedTransport",
        "PersonalTelephony", "PreviousSession", "SecureRemotePassword", "Telephony", "unspecified",
    )
}  # fmt: skip
"""What says of a proof that it was by one factor, or nothing (OpenID Connect Core 2; SAML 2.0)."""
KNOWN = {"geo", "kba", "pin", "pwd", "rba", "user", "wia"}
ALONE = KNOWN | {
    "face", "fpt", "hwk", "iris", "mca", "otp", "pop", "retina", "sc", "sms", "swk", "tel", "vbm",
}  # fmt: skip
"""Methods of RFC 8176 that are one factor: what somebody knows or where they are, and with what they have or are."""
P = TypeVar("P", Provider, SamlProvider)
Of = TypeVar("Of", bound=Provider | SamlProvider, covariant=True)


@dataclass(frozen=True, repr=False)
class Registered(Generic[Of]):
    """A provider, its id, and the organisation that registered it."""

    id: bytes
    provider: Of
    employer: Organisation


Anywhere = Registered[Provider | SamlProvider]


def add(employer: Organisation, provider: Provider | SamlProvider, logout: SamlLogout | None = None) -> bytes:
    """Registers it; returns its id. ``logout``: where a SAML provider takes what is said of signing out, None for
    nowhere. Raises ProviderRefused."""
    if isinstance(provider, Provider):
        _check(provider)
    else:
        _check_saml(provider, logout)
    id = secrets.token_bytes(16)
    _keep(employer.books, id, provider, logout)
    return id


def renew(employer: Organisation, id: bytes, said: Described) -> SamlProvider:
    """A SAML provider as its newer metadata describes it; raises PartyNotFound, ProviderRefused for another one's. In
    one step, so that none comes back that another process removes meanwhile."""
    with employer.books.alone():
        had = known(employer.books, id, SamlProvider)
        if had is None:
            raise PartyNotFound()
        if said.issuer != had.issuer:
            raise ProviderRefused(why="this metadata is another provider's")
        made = replace(had, place=said.place, certificates=said.certificates, persistent=said.persistent)
        _check_saml(made, said.logout)
        _keep(employer.books, id, made, said.logout)
    return made


def registered(employer: Organisation, kind: type[P]) -> dict[bytes, P]:
    """The providers of an organisation of that kind by id."""
    return {id: kind.decode(row) for id, row in employer.books.rows(kind.TYPE)}


def remove(employer: Organisation, id: bytes) -> None:
    """Nobody signs on there any more; raises PartyNotFound."""
    kinds = [kind for kind in (Provider.TYPE, SamlProvider.TYPE) if employer.books.get(kind, id) is not None]
    if not kinds:
        raise PartyNotFound()
    employer.books.change({}, {kinds[0]: [id], SamlLogout.TYPE: [id]})


def stands(found: Anywhere) -> bool:
    """Whether it was not removed meanwhile."""
    return found.employer.books.get(found.provider.TYPE, found.id) is not None


def known(books: Books, id: bytes, kind: type[P]) -> P | None:
    """The provider of that id and kind in these books."""
    row = books.get(kind.TYPE, id)
    return None if row is None else kind.decode(row)


def logout_of(books: Books, id: bytes) -> SamlLogout | None:
    """Where a SAML provider takes what is said of signing out, None for nowhere."""
    row = books.get(SamlLogout.TYPE, id)
    return None if row is None else SamlLogout.decode(row)


def find(employers: Iterable[Organisation], id: bytes, kind: type[P]) -> Registered[P]:
    """The provider of that id and kind, whoever registered it; raises PartyNotFound."""
    for employer in employers:
        provider = known(employer.books, id, kind)
        if provider is not None:
            return Registered(id, provider, employer)
    raise PartyNotFound()


def _check(provider: Provider) -> None:
    _check_issuer(provider.issuer)
    if not provider.client or not provider.client.isprintable() or not provider.secret.isprintable():
        raise ProviderRefused(why="it needs a client id, and that and the secret have to be printable")
    _check_said(provider)


def _keep(books: Books, id: bytes, provider: Provider | SamlProvider, logout: SamlLogout | None) -> None:
    written, dropped = {provider.TYPE: [(id, provider.encode())]}, dict[str, list[bytes]]()
    if logout is None:
        dropped[SamlLogout.TYPE] = [id]
    else:
        written[SamlLogout.TYPE] = [(id, logout.encode())]
    books.change(written, dropped)


def _check_saml(provider: SamlProvider, logout: SamlLogout | None) -> None:
    for each in (provider.place, *(() if logout is None else (logout.place, logout.answers))):
        _check_place(each)
    _check_said(provider)


def _check_place(place: str) -> None:
    try:
        parts = urlsplit(place)
        host = parts.hostname or ""
    except ValueError:
        raise ProviderRefused(why="the place where it is asked is no URL") from None
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not secure or not host or "@" in parts.netloc or "#" in place:
        raise ProviderRefused(why="the place where it is asked is no https URL without user and fragment")


def _check_said(provider: Provider | SamlProvider) -> None:
    if not _CLAIM.fullmatch(provider.person) or not _CLAIM.fullmatch(provider.claim):
        raise ProviderRefused(why="it needs the claim that names a person, and the one that gives roles")
    if not provider.roles or not all(each.said for each in provider.roles):
        raise ProviderRefused(why="it needs at least one value of the claim that gives a role")
    if any(Role(each.role) not in POST_ROLES for each in provider.roles):
        raise ProviderRefused(why="a role that no post has")
    _check_proofs(provider.acr, provider.amr if isinstance(provider, Provider) else (), provider.any_proof)


def _check_proofs(acr: tuple[str, ...], amr: tuple[str, ...], anyhow: bool) -> None:
    """That two factors are demanded, or that the organisation said that none are."""
    if not all(_CLAIM.fullmatch(each) for each in (*acr, *amr)):
        raise ProviderRefused(why="what it has to say of a proof is a word without spaces")
    if anyhow != (not acr and not amr):
        raise ProviderRefused(
            why="it has to say how it proved somebody, by acr or amr, unless any proof will do"
        )
    if ONE_FACTOR & {*acr}:
        raise ProviderRefused(why="that acr says that somebody was proved by one factor, or nothing")
    if amr and not acr and ({*amr} <= KNOWN or (len({*amr}) == 1 and {*amr} <= ALONE)):
        raise ProviderRefused(why="that amr says that somebody was proved by one factor")


def _check_issuer(issuer: str) -> None:
    try:
        parts = urlsplit(issuer)
        host = parts.hostname or ""
    except ValueError:
        raise ProviderRefused(why="its issuer is no URL") from None
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not secure or not host or "@" in parts.netloc or "?" in issuer or "#" in issuer:
        raise ProviderRefused(why="its issuer is no https URL without user, query and fragment")
