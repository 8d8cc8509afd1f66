"""What issuers and employers remember of professional licences, in their books."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, octets, text, uint


@dataclass(frozen=True)
class IssuedLicence(Message):
    """A licence in its issuer's books, under its place in the status list (uint32).

    ``holder`` is the compressed public key that it is bound to; ``number`` and ``profession`` are as issued; ``issued``
    and ``until`` are unix seconds, ``revoked`` as well, 0 while it is in force.
    """

    TYPE: ClassVar[str] = "issued-licence"
    holder: bytes = octets(33)
    number: str = text(100)
    profession: str = text(32)
    issued: int = uint()
    until: int = uint()
    revoked: int = uint()


@dataclass(frozen=True)
class AskedLicence(Message):
    """A nonce that an organisation asked for a licence with, in its books under the nonce (16 bytes).

    ``until`` is when it ends and ``used`` when a licence was accepted with it, 0 before; unix seconds.
    """

    TYPE: ClassVar[str] = "asked-licence"
    until: int = uint()
    used: int = uint()


@dataclass(frozen=True)
class RestsOn(Message):
    """The licence that a post rests on, in its employer's books under the post's number (uint64).

    ``issuer`` is the ministry's party number and ``key`` the compressed public key that signed; ``number`` is the
    licence's, ``holder`` the key that it is bound to. ``place`` is its place in the status list at ``uri``; ``until``
    is when it ends and ``checked`` when it was presented. ``over`` is when it was seen to be over, 0 before; from then
    on the post is being ended. Unix seconds.
    """

    TYPE: ClassVar[str] = "rests-on-licence"
    issuer: int = uint()
    key: bytes = octets(33)
    number: str = text(100)
    holder: bytes = octets(33)
    place: int = uint()
    uri: str = text(1_000)
    until: int = uint()
    checked: int = uint()
    over: int = uint()
