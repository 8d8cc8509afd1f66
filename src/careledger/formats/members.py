"""What members say of themselves to one another: the certificates that they come with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, message, octets, text, uint
from careledger.formats.signed import Signed

MOST_CERTIFICATE = 2_048


@dataclass(frozen=True)
class MemberCertificate(Message):
    """This certificate (X.509, DER) is this member's, from ``since`` until before ``until``, unix seconds.

    Signed by the member's controller, so that it ends with that key. ``address`` is where its custodian is reached,
    as ``host:port``; empty for a member that only asks others.
    """

    TYPE: ClassVar[str] = "member-certificate"
    member: int = uint()
    certificate: bytes = octets(most=MOST_CERTIFICATE)
    address: str = text(300)
    since: int = uint()
    until: int = uint()


@dataclass(frozen=True)
class OwnCertificate(Message):
    """A member's own certificate in its books, under the certificate's SHA-256, with its private key (PKCS #8, DER)."""

    TYPE: ClassVar[str] = "own-certificate"
    signed: Signed = message(Signed)
    key: bytes = octets(most=MOST_CERTIFICATE)
