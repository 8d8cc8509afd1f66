"""Who acts, with the keys and books that only they hold: organisations, posts, sessions, holders of an alias."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from careledger.domain.errors import PatientNotFound, SessionExpired
from careledger.domain.parties import Role
from careledger.formats.schema import Message, octets, uint
from careledger.formats.sessions import (
    MOST_SESSION,
    PASSKEY,
    VOUCHED,
    PasskeyProof,
    SessionProof,
    SessionStatement,
)
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.ports import Books
from careledger.sealing.keys import SealingKey, Secret, hmac_tag
from careledger.sealing.phrase import PatientKeys, Phrase

HOLDER = "holder"


@dataclass(frozen=True)
class Organisation:
    """An organisation inside its own walls.

    ``sealing`` opens grant packages, ``chart`` the author's copies; ``tag`` makes content tags.
    """

    number: int
    role: Role
    controller: SigningKey
    sealing: SealingKey
    chart: SealingKey
    tag: Secret
    books: Books


@dataclass(frozen=True)
class Staff:
    """A post whose key the employer's gateway keeps; machines are posts too."""

    number: int
    organisation: Organisation
    key: SigningKey


@dataclass(frozen=True)
class Session:
    """A post acting until a time, by a session key of its own."""

    staff: Staff
    key: SigningKey
    proof: SessionProof
    until: int

    @property
    def digest(self) -> bytes:
        """The digest of the session statement, as requests name it."""
        return SessionStatement.decode(self.proof.statement.body).digest()

    def check(self, now: int) -> None:
        """Raises SessionExpired if it has ended."""
        if now >= self.until:
            raise SessionExpired(post=self.staff.number)


def open_session(staff: Staff, deployment: bytes, now: int, seconds: int = MOST_SESSION) -> Session:
    """A new session of at most 12 hours, stated by the post's key; the organisation vouches for the person."""
    return _stated(staff, deployment, SigningKey.random(), None, now, now + min(seconds, MOST_SESSION))


def proved_session(
    staff: Staff, deployment: bytes, now: int, key: SigningKey, passkey: PasskeyProof, seconds: int
) -> Session:
    """A session by the key that a passkey was shown for, until the end that was shown with it at the latest."""
    until = min(now + min(seconds, MOST_SESSION), passkey.assertion.until)
    return _stated(staff, deployment, key, passkey, now, until)


def _stated(
    staff: Staff, deployment: bytes, key: SigningKey, passkey: PasskeyProof | None, now: int, until: int
) -> Session:
    proof = VOUCHED if passkey is None else PASSKEY
    statement = SessionStatement(staff.number, key.address, proof, passkey, now, until)
    return Session(staff, key, SessionProof(sign(statement, staff.key, deployment)), until)


@dataclass(frozen=True)
class HolderState(Message):
    """What a holder remembers of an alias beside its phrase."""

    TYPE = "holder-state"
    alias: bytes = octets(32)
    alias_number: int = uint()
    generation: int = uint()
    claim: int = uint(32)
    next_consent: int = uint()
    statement_number: int = uint()
    statement_digest: bytes = octets(32)

    @property
    def published(self) -> bool:
        """Whether a statement of this holder, or of the one before it, is in force."""
        return self.statement_digest != bytes(32)


@dataclass(frozen=True)
class Holder:
    """Whoever holds an alias's keys: the registrar until it is claimed, then the patient's agent."""

    keys: PatientKeys
    state: HolderState
    books: Books

    @property
    def alias(self) -> bytes:
        """The alias, 32 bytes."""
        return self.state.alias

    @cached_property
    def controller(self) -> SigningKey:
        """What signs for the alias."""
        return self.keys.controller_key(self.state.alias_number, self.state.generation)

    @cached_property
    def sealing(self) -> SealingKey:
        """What epoch seeds and log entries are sealed to."""
        return self.keys.sealing_key(self.state.alias_number, self.state.generation)

    @property
    def audit_seed(self) -> Secret:
        """What this claim's audit keys come from."""
        return self.keys.audit_seed(self.state.alias_number, self.state.claim)

    @property
    def tag_key(self) -> Secret:
        """What content tags of the holder's own deposits are made with."""
        return Secret(hmac_tag(self.audit_seed, b"content-tags"))

    def take_counter(self) -> int:
        """The number of a one-time key that was never used before, used up from now on."""
        with self.books.alone():
            counter = self.fresh().state.next_consent
            self.changed(next_consent=counter + 1)
        return counter

    def consent_key(self, counter: int) -> SigningKey:
        """The one-time owner of the consent with that counter."""
        return self.keys.consent_key(self.state.alias_number, counter)

    def consent_salt(self, counter: int) -> bytes:
        """Its salt, 32 bytes."""
        return self.keys.consent_salt(self.state.alias_number, counter).reveal()

    def fresh(self) -> Holder:
        """The holder as its books say now: one that was kept for a while may be behind."""
        row = self.books.get(HOLDER, self.alias)
        return self if row is None else replace(self, state=HolderState.decode(row))

    def changed(self, **fields: object) -> Holder:
        """The holder with these changes to what its books say, durable in them."""
        with self.books.alone():
            made = self.to_be(**fields)
            self.books.put(HOLDER, [made.row])
        return made

    def to_be(self, **fields: object) -> Holder:
        """The same before its books say so: ``row`` is what they are to say."""
        return replace(self, state=replace(self.fresh().state, **fields))  # type: ignore[arg-type]

    @property
    def row(self) -> tuple[bytes, bytes]:
        """What its books keep of it, as ``HOLDER``."""
        return self.alias, self.state.encode()


def new_holder(phrase: Phrase, alias: bytes, books: Books, alias_number: int = 0, claim: int = 0) -> Holder:
    """A holder of a new alias, or of one that was just claimed; durable in the books."""
    made = begun_holder(phrase, alias, books, alias_number, claim)
    books.put(HOLDER, [made.row])
    return made


def begun_holder(phrase: Phrase, alias: bytes, books: Books, alias_number: int = 0, claim: int = 0) -> Holder:
    """The same before the books say so."""
    return Holder(phrase.keys(), HolderState(alias, alias_number, 0, claim, 0, 0, bytes(32)), books)


def load_holder(phrase: Phrase, alias: bytes, books: Books) -> Holder:
    """The holder as its books say; raises PatientNotFound."""
    row = books.get(HOLDER, alias)
    if row is None:
        raise PatientNotFound()
    return Holder(phrase.keys(), HolderState.decode(row), books)
