"""What begins, joins, finds and carries away a person's records: registering, links, the locator, archives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.bodies import MOST_BODY
from careledger.formats.digests import digest
from careledger.formats.schema import Message, flag, maybe, message, octets, several, text, uint
from careledger.formats.signed import Signed

NO_OWNER = bytes(20)
ARCHIVE_FORMAT = "careledger-archive"
ARCHIVE_VERSION = 1
MOST_PART = MOST_BODY + 2**25
MOST_ARCHIVE = 2**36


@dataclass(frozen=True)
class BegunPatient(Message):
    """A patient whose alias is not ready yet, in the registrar's books until it is.

    ``registration`` is entered on the ledger at ``enter_at`` (unix seconds), apart from the alias; ``custodians`` and
    ``custodian_seed``, ``escrow`` and the compartments of the first epochs are what was chosen at the desk.
    """

    TYPE: ClassVar[str] = "begun-patient"
    registration: bytes = octets(16)
    enter_at: int = uint()
    custodians: tuple[int, ...] = several(uint(), 64)
    custodian_seed: bytes = octets(32)
    escrow: bool = flag()
    compartments: tuple[int, ...] = several(uint(16), 64)


@dataclass(frozen=True)
class WaitingErasure(Message):
    """A version, by its handle, that is erased from ``until`` on (unix seconds), in the books of who ordered it.

    ``blocks`` are its manifest's and body's CIDs, unpinned then.
    """

    TYPE: ClassVar[str] = "waiting-erasure"
    alias: bytes = octets(32)
    until: int = uint()
    reason: str = text(32)
    blocks: tuple[bytes, ...] = several(octets(36), 2)


@dataclass(frozen=True)
class LinkStatement(Message):
    """Two aliases are one person's; ``first`` is the lower one, signed by the controllers of both at ``block``.

    ``owner`` is the one-time address that entered it, zero for a link of unclaimed aliases, which officers enter.
    """

    TYPE: ClassVar[str] = "link-statement"
    first: bytes = octets(32)
    second: bytes = octets(32)
    owner: bytes = octets(20)
    salt: bytes = octets(32)
    block: int = uint()

    @property
    def commitment(self) -> bytes:
        """What the ledger keeps: ``H("link", salt, first, second)``."""
        return digest("link", self.salt, self.first, self.second)


@dataclass(frozen=True)
class SignedLink(Message):
    """A link statement with both controllers' signatures: the same body twice."""

    TYPE: ClassVar[str] = "signed-link"
    by_first: Signed = message(Signed)
    by_second: Signed = message(Signed)


@dataclass(frozen=True)
class KeptLink(Message):
    """A link in the books of who made it; ``counter`` is that of its one-time key, null where it has none here.

    ``undone`` says that a new link of the pair needs a new statement.
    """

    TYPE: ClassVar[str] = "kept-link"
    link: SignedLink = message(SignedLink)
    counter: int | None = maybe(uint())
    undone: bool = flag()


@dataclass(frozen=True)
class LocatorQuestion(Message):
    """Who looks for whom, and why it may: signed by the asking post's session, sent to members over mutual TLS.

    ``declared`` is ``present`` (the person is at the desk) or ``break-glass`` (then ``entry`` is open on the ledger).
    ``birth`` is a date with its precision. Empty: not asked by this.
    """

    TYPE: ClassVar[str] = "locator-question"
    id: bytes = octets(16)
    reader: int = uint()
    employer: int = uint()
    declared: str = text(16)
    entry: bytes = octets(32)
    name: str = text(200)
    national_id: str = text(64)
    birth: str = text(10)
    not_after: int = uint()


@dataclass(frozen=True)
class LocatorRequest(Message):
    """A locator question and the session that signed it."""

    TYPE: ClassVar[str] = "locator-request"
    question: Signed = message(Signed)
    session: Signed = message(Signed)


@dataclass(frozen=True)
class LocatorMatch(Message):
    """A person found: the alias, how it was found, and the salted commitment to the identity that the member holds.

    ``commitment`` is ``H("identity", salt, name, romanised, national id, birth)`` with a salt that stays there.
    """

    TYPE: ClassVar[str] = "locator-match"
    alias: bytes = octets(32)
    why: str = text(32)
    commitment: bytes = octets(32)


@dataclass(frozen=True)
class LocatorAnswer(Message):
    """What a member's own identity table says; signed by its controller. ``question`` is the question's digest."""

    TYPE: ClassVar[str] = "locator-answer"
    member: int = uint()
    question: bytes = octets(32)
    matches: tuple[LocatorMatch, ...] = several(message(LocatorMatch), most=16)


@dataclass(frozen=True)
class Located(Message):
    """Tells a person who was found by whom and why; signed by the member that answered, sealed to the alias."""

    TYPE: ClassVar[str] = "located"
    alias: bytes = octets(32)
    member: int = uint()
    reader: int = uint()
    employer: int = uint()
    declared: str = text(16)
    entry: bytes = octets(32)
    at_time: int = uint()


@dataclass(frozen=True)
class MoveNotice(Message):
    """Tells an organisation that versions one of its posts was shown were filed on the wrong person.

    Signed by the controller of the alias that they were filed on, at ``block``; sealed to the organisation. It does not
    say whose they are.
    """

    TYPE: ClassVar[str] = "move-notice"
    alias: bytes = octets(32)
    employer: int = uint()
    reader: int = uint()
    handles: tuple[bytes, ...] = several(octets(32), most=1_000)
    block: int = uint()
    made: int = uint()


@dataclass(frozen=True)
class Misfiled(Message):
    """Tells the registrar of an unclaimed patient that something was filed on that patient by mistake and moved away.

    Signed by the controller of ``depositor``, sealed to the registrar, whose part it is to look in the logs.
    """

    TYPE: ClassVar[str] = "misfiled"
    alias: bytes = octets(32)
    depositor: int = uint()
    made: int = uint()


@dataclass(frozen=True)
class ArchivedVersion(Message):
    """One version in an archive: the encoded manifest and body, and where and when it was anchored."""

    TYPE: ClassVar[str] = "archived-version"
    manifest: bytes = octets()
    body: bytes = octets(most=MOST_BODY)
    root: bytes = octets(32)
    leaf: bytes = octets(32)
    block: int = uint()
    anchored_at: int = uint()


@dataclass(frozen=True)
class Archive(Message):
    """What a part of an archive holds inside its seal: versions of one alias that its owner took away, oldest first."""

    TYPE: ClassVar[str] = "archive"
    MOST: ClassVar[int] = MOST_PART
    alias: bytes = octets(32)
    deployment: bytes = octets(32)
    made: int = uint()
    versions: tuple[ArchivedVersion, ...] = several(message(ArchivedVersion))


@dataclass(frozen=True)
class ArchiveHead(Message):
    """What stands before the stream of an archive: which of the phrase's sealing keys opens it, and with it the key.

    The file is ``framed("archive/2", head)``, then the stream: Cobblestone-256 under the key, with the context
    ``framed("sealed/archive-stream")``, of items one after the other, ``LP(item)`` each, ``LP("")`` as their end, and
    zeros up to Padmé's next length. An item is a part, one Zstandard frame of an ``archive``; after each part, for
    every version in it whose body has a file beside it that none before had, come the index of its blocks and these
    blocks in order, as their CIDs name them. ``key`` is 32 random bytes, HPKE with the context ``archive-stream``.
    """

    TYPE: ClassVar[str] = "archive-head"
    alias_number: int = uint()
    generation: int = uint()
    key: bytes = octets(most=8192)


@dataclass(frozen=True)
class ArchiveFile(Message):
    """An archive of version 1, which is still opened and no longer written: a random key sealed to its owner's sealing
    key, and parts, each an Archive, under it. Files beside their bodies are left out.

    ``key`` is HPKE with the context ``archive``, ``H("archive-parts", parts…)``. A part is Zstandard, Padmé, then
    Cobblestone-256 with the context ``LP("sealed/archive") ‖ LP(uint32 its number) ‖ LP(uint32 how many)``.
    ``alias_number`` and ``generation`` say which of the phrase's sealing keys opens it.
    """

    TYPE: ClassVar[str] = "archive-file"
    MOST: ClassVar[int] = MOST_ARCHIVE
    format: str = text(32)
    version: int = uint(8)
    alias_number: int = uint()
    generation: int = uint()
    key: bytes = octets(most=8192)
    parts: tuple[bytes, ...] = several(octets(most=2 * MOST_PART))
