"""What travels by another member to ledger and board, and what custodians hear of a revocation beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.domain.errors import MalformedBytes
from careledger.formats.abi import decode, encode
from careledger.formats.consent_messages import GiveConsent, LedgerMessage, RevokeConsent
from careledger.formats.ledger_messages import LinkAliases, RotateAlias, StopAlarm, UnlinkAliases
from careledger.formats.schema import Message, maybe, message, octets, several, text, uint
from careledger.formats.signed import Signed

MOST_PACKAGE = 64 * 1024
SIGNERS: dict[type[LedgerMessage], int] = {
    GiveConsent: 1,
    RevokeConsent: 1,
    RotateAlias: 2,
    StopAlarm: 1,
    LinkAliases: 1,
    UnlinkAliases: 1,
}
"""What members relay, and by how many keys it is signed."""
ENTRIES: dict[str, type[LedgerMessage]] = {kind.STRUCT.name: kind for kind in SIGNERS}


@dataclass(frozen=True)
class RelayedEntry(Message):
    """A ledger message of somebody else with its signatures.

    ``struct`` is the EIP-712 struct's name, ``members`` its members in order, each as its ABI word. A RotateAlias is
    signed by the present controller and then by the new one, everything else by one key.
    """

    TYPE: ClassVar[str] = "relayed-entry"
    struct: str = text(32)
    members: tuple[bytes, ...] = several(octets(32), most=16)
    signatures: tuple[bytes, ...] = several(octets(65), most=2)

    @classmethod
    def of(cls, entry: LedgerMessage, *signatures: bytes) -> RelayedEntry:
        """The entry as it travels."""
        values = entry.values()
        words = (encode([kind], [values[name]]) for kind, name in entry.STRUCT.members)
        return cls(entry.STRUCT.name, tuple(words), signatures)

    @property
    def message(self) -> LedgerMessage:
        """The ledger message; raises MalformedBytes for one that nobody relays, or what does not fit it."""
        kind = ENTRIES.get(self.struct)
        if kind is None or len(self.members) != len(kind.STRUCT.members):
            raise MalformedBytes(struct=self.struct)
        if len(self.signatures) != SIGNERS[kind]:
            raise MalformedBytes(struct=self.struct, signatures=len(self.signatures))
        types = [each for each, _ in kind.STRUCT.members]
        return kind(*(_value(each, word) for each, word in zip(types, self.members, strict=True)))


@dataclass(frozen=True)
class RelayedMessage(Message):
    """What a member opens: an entry for the ledger or a package for the board, the other one null."""

    TYPE: ClassVar[str] = "relayed-message"
    entry: RelayedEntry | None = maybe(message(RelayedEntry))
    package: bytes | None = maybe(octets(most=MOST_PACKAGE))


@dataclass(frozen=True)
class RelayAttempt(Message):
    """What an agent remembers of a consent on its way: since when it is due, and the members it went by."""

    TYPE: ClassVar[str] = "relay-attempt"
    due: int = uint()
    tried: tuple[int, ...] = several(uint(), most=1024)


@dataclass(frozen=True)
class ConsentRevocation(Message):
    """A custodian hears of a revocation before the ledger shows it.

    ``entry`` is the owner's RevokeConsent of the certificate's consent, as it is entered.
    """

    TYPE: ClassVar[str] = "consent-revocation"
    certificate: Signed = message(Signed)
    entry: RelayedEntry = message(RelayedEntry)


def _value(kind: str, word: bytes) -> bytes | int:
    try:
        value = decode([kind], word)[0]
        again = encode([kind], [value])
    except Exception as error:  # eth_abi raises ValueError and classes of its own
        raise MalformedBytes(why="a word does not fit", type=kind) from error
    if again != word:
        raise MalformedBytes(why="a word does not fit", type=kind)
    return bytes.fromhex(value[2:]) if kind == "address" else value
