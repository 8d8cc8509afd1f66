"""Apps and back-end services that organisations registered: who they are, where they are answered, what they may get.

A client is registered once and never changed: what it was given ends with it, at once. Order of effects: the row
durable, then its id is given away.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from careledger.app.key_sets import key_set
from careledger.app.scopes import PATIENT, READS, SYSTEM, USER, Word, word
from careledger.domain.consents import Purpose
from careledger.domain.errors import ClientNotFound, ClientRefused
from careledger.formats.apps import AppClient
from careledger.ports import Books
from careledger.workflows.actors import Organisation

KEPT = "app-client"
PUBLIC, CONFIDENTIAL, BACKEND = "public", "confidential", "backend"
KINDS = (PUBLIC, CONFIDENTIAL, BACKEND)
INTROSPECT = "introspect"
"""The scope of a back-end service that asks what tokens of its organisation's apps stand for."""
OPENID, FHIR_USER, OFFLINE, ONLINE = "openid", "fhirUser", "offline_access", "online_access"
LAUNCH, LAUNCH_PATIENT, LAUNCH_ENCOUNTER = "launch", "launch/patient", "launch/encounter"
LAUNCHED = (OPENID, FHIR_USER, OFFLINE, ONLINE, LAUNCH, LAUNCH_PATIENT, LAUNCH_ENCOUNTER)
"""Scopes of apps that are for no records."""
LONGEST, MOST_SCOPES = 2_000, 1_000
"""Characters of an address, and of all scopes of one grant."""
_PRINTED = re.compile(r"[!-~]+")
_OWN_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+", re.ASCII)


@dataclass(frozen=True, repr=False)
class Registered:
    """A client, its id, and the organisation that registered it."""

    id: str
    client: AppClient
    employer: Organisation


@dataclass(frozen=True)
class Asked:
    """Scopes as they were said: those for records, and the others."""

    words: tuple[Word, ...]
    others: tuple[str, ...]


def add(employer: Organisation, client: AppClient) -> str:
    """Registers it; returns its client id. Raises ClientRefused, KeySetRefused, ScopeRefused."""
    check(client)
    if client.kind == BACKEND and is_apps_post(employer, client.post):
        raise ClientRefused(why="an app of patients has this post, and nothing else acts as it")
    id = secrets.token_hex(16)
    employer.books.put(KEPT, [(id.encode(), client.encode())])
    return id


def remove(employer: Organisation, id: str) -> None:
    """It is none any more, and no token of it counts; raises ClientNotFound."""
    if known(employer.books, id) is None:
        raise ClientNotFound()
    employer.books.drop(KEPT, [id.encode()])


def registered(employer: Organisation) -> dict[str, AppClient]:
    """The clients of an organisation by id."""
    return {key.decode(): AppClient.decode(row) for key, row in employer.books.rows(KEPT)}


def names_people(employer: Organisation) -> bool:
    """Whether one of its apps may be told who somebody is, by an id token."""
    return any(OPENID in each.scopes.split() for each in registered(employer).values())


def known(books: Books, id: str) -> AppClient | None:
    """The client of that id in these books."""
    row = books.get(KEPT, id.encode()) if re.fullmatch("[0-9a-f]{32}", id) else None
    return None if row is None else AppClient.decode(row)


def find(employers: Iterable[Organisation], id: str) -> Registered:
    """The client of that id, whoever registered it; raises ClientNotFound."""
    for employer in employers:
        client = known(employer.books, id)
        if client is not None:
            return Registered(id, client, employer)
    raise ClientNotFound()


def asked(said: str, kind: str) -> Asked:
    """The scopes that a client of that kind may ask for; raises ScopeRefused."""
    others, levels = ((INTROSPECT,), (SYSTEM,)) if kind == BACKEND else (LAUNCHED, (USER, PATIENT))
    found = tuple(word(each, levels) for each in said.split() if each not in others)
    return Asked(found, tuple(each for each in said.split() if each in others))


def check(client: AppClient) -> None:
    """Raises ClientRefused, KeySetRefused, ScopeRefused for one that cannot be registered."""
    if not client.name.strip() or client.kind not in KINDS:
        raise ClientRefused(why=f"it needs a name, and a kind out of {', '.join(KINDS)}")
    if not client.scopes.split():
        raise ClientRefused(why="it needs scopes: what at most it is given")
    asked(client.scopes, client.kind)
    if client.purpose not in Purpose.__members__:
        raise ClientRefused(why="its purpose is no purpose of use")
    if client.kind == BACKEND and not client.post:
        raise ClientRefused(why="a back-end service acts as a post")
    if is_of_patients(client):
        _check_patients(client)
    if client.kind == BACKEND and (client.redirects or client.launch):
        raise ClientRefused(why="a back-end service has no addresses that people are led to")
    if client.kind != BACKEND and not client.redirects:
        raise ClientRefused(why="an app needs the addresses that people are led back to")
    for each in (*client.redirects, *([client.launch] if client.launch else [])):
        check_address(each)
    _check_keys(client)


def is_of_patients(client: AppClient) -> bool:
    """Whether patients let it in, each by a consent to its own post, and nobody who signs in."""
    return client.kind != BACKEND and client.post != 0


def is_apps_post(employer: Organisation, post: int) -> bool:
    """Whether an app of patients has that post: nobody signs in as it, and no other program acts as it."""
    return any(is_of_patients(each) and each.post == post for each in registered(employer).values())


def _check_patients(client: AppClient) -> None:
    """A patient's app reads and searches that patient's records alone: nobody's session stands behind it."""
    said = asked(client.scopes, client.kind)
    if any(each.level != PATIENT or set(each.letters) - set(READS) for each in said.words) or not said.words:
        raise ClientRefused(
            why="an app of patients has scopes like patient/Observation.rs, which read and search"
        )
    if set(said.others) - {LAUNCH_PATIENT, OFFLINE}:
        raise ClientRefused(why=f"an app of patients may have {LAUNCH_PATIENT} and {OFFLINE} beside them")
    if client.purpose != Purpose.PATRQT.code or client.launch:
        raise ClientRefused(why="an app of patients is for PATRQT, and no EHR launches it")


def _check_keys(client: AppClient) -> None:
    if client.kind == PUBLIC:
        if client.keys or client.keys_at:
            raise ClientRefused(why="a public app has no keys")
        return
    if bool(client.keys) == bool(client.keys_at):
        raise ClientRefused(why="it needs its public keys, or the address where they are, and not both")
    if client.keys:
        key_set(client.keys)


def check_address(url: str) -> None:
    """Raises ClientRefused for what people must not be led to: no https, nor this machine, nor an app's own scheme."""
    if len(url) > LONGEST or not _PRINTED.fullmatch(url) or "*" in url:
        raise ClientRefused(why="an address is too long, a pattern, or holds characters that none has")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ClientRefused(why="an address is no URL") from None
    if parts.fragment or "#" in url or "@" in parts.netloc:
        raise ClientRefused(why="an address has a fragment or a user")
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _is_loopback(host):
        return
    if not _OWN_SCHEME.fullmatch(parts.scheme):
        raise ClientRefused(
            why="an address is neither https, nor on this machine, nor of a scheme like com.example.app"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
