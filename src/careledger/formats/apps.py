"""Apps and back-end services, and what they were granted: rows in the books of who registered them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, flag, message, octets, several, text, uint


@dataclass(frozen=True)
class AppClient(Message):
    """An app or a back-end service that an organisation registered, under its client id.

    ``kind`` is ``public``, ``confidential`` or ``backend``. ``redirects`` and ``launch`` are addresses of an app;
    ``keys`` is its JWK Set as JSON, or ``keys_at`` says where that is; ``scopes`` are the most it is given. A back-end
    service acts as ``post`` for ``purpose``, a purpose of use code; an app as whoever signs in (0), for ``purpose``; an
    app of patients as ``post``, which is its own.
    """

    TYPE: ClassVar[str] = "app-client"
    name: str = text(100)
    kind: str = text(16)
    redirects: tuple[str, ...] = several(text(2_000), most=10)
    launch: str = text(2_000)
    keys: str = text(20_000)
    keys_at: str = text(2_000)
    scopes: str = text(1_000)
    post: int = uint()
    purpose: str = text(32)
    made: int = uint()


@dataclass(frozen=True)
class AppGrant(Message):
    """What a client was granted: to act as ``post`` for ``purpose`` within ``scopes``.

    ``patient`` and ``encounter`` are those that it was launched for; both may be empty. A person who granted it is
    ``account``; with the session whose ``unique`` is ``session`` it ends, where that is not empty. ``unique`` tells one
    launch from another; ``parent`` is the name of the grant that this is a part of, empty for none. ``consent`` is the
    one by which a patient's app reads, its owner ‖ its commitment, and empty for other apps.
    """

    TYPE: ClassVar[str] = "app-grant"
    client: str = text(64)
    post: int = uint()
    purpose: str = text(32)
    scopes: str = text(1_000)
    patient: bytes = octets(most=32)
    encounter: str = text(64)
    account: bytes = octets(most=16)
    session: bytes = octets(most=16)
    unique: bytes = octets(most=16)
    parent: bytes = octets(most=32)
    made: int = uint()
    consent: bytes = octets(most=52)


@dataclass(frozen=True)
class AppPass(Message):
    """The patient's word that who brings a secret is let in by an app; signed by the alias's controller, sealed to the
    organisation that registered the app.

    ``secret`` is ``H("app-pass-secret", the 10 bytes that the agent shows)``; good once, until ``until``. ``owner`` and
    ``commitment`` are those of the consent to the app's post; ``scopes`` are the most that the app is given by it.
    """

    TYPE: ClassVar[str] = "app-pass"
    alias: bytes = octets(32)
    client: str = text(64)
    owner: bytes = octets(20)
    commitment: bytes = octets(32)
    scopes: str = text(1_000)
    secret: bytes = octets(32)
    until: int = uint()


@dataclass(frozen=True)
class AppToken(Message):
    """An access token, under its SHA-256: it stands for the grant of that name."""

    TYPE: ClassVar[str] = "app-token"
    grant: bytes = octets(32)
    issued: int = uint()


@dataclass(frozen=True)
class AppCode(Message):
    """An authorization code, under its SHA-256: what it gives once, and what has to come with it.

    ``challenge`` is PKCE's of the method S256, ``nonce`` goes into the id token, ``proved`` is when the person proved
    who they are. Once it was used ``used`` is the name of the grant, empty before.
    """

    TYPE: ClassVar[str] = "app-code"
    grant: AppGrant = message(AppGrant)
    redirect: str = text(2_000)
    challenge: str = text(43)
    nonce: str = text(200)
    proved: int = uint()
    used: bytes = octets(most=32)


@dataclass(frozen=True)
class AppRefresh(Message):
    """A refresh token, under its SHA-256: it renews the grant of that name once, and ends it if it comes again."""

    TYPE: ClassVar[str] = "app-refresh"
    grant: bytes = octets(32)
    used: bool = flag()


@dataclass(frozen=True)
class AppLaunch(Message):
    """For what a post launches an app, under the SHA-256 of the handle: ``client`` is the only one, empty for any."""

    TYPE: ClassVar[str] = "app-launch"
    post: int = uint()
    client: str = text(64)
    patient: bytes = octets(32)
    encounter: str = text(64)


@dataclass(frozen=True)
class AppSigner(Message):
    """A key of an organisation that signs id tokens (RS256) or what proves it to a provider (ES256), under when it was
    made: a private JWK as JSON."""

    TYPE: ClassVar[str] = "app-signer"
    key: str = text(4_000)
    made: int = uint()
