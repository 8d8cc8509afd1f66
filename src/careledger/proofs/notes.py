"""Signed notes (C2SP signed-note v1) with Ed25519: keys, parsing, and which signatures count.

A note is text ending in a newline, an empty line, and signature lines ``— name base64(key id ‖ signature)``.
A parsed note is unverified; ``verified`` gives its text only under a known key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from careledger.domain.errors import MalformedBytes, SignatureRefused

MOST_BYTES = 64 * 1024
MOST_SIGNATURES = 64


class KeyKind(IntEnum):
    """Signature type identifiers of signed-note."""

    LOG = 0x01
    COSIGNER = 0x04


def from_base64(written: str) -> bytes:
    """RFC 4648 §4 base 64 in its one spelling; raises MalformedBytes."""
    try:
        data = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedBytes(why="not base 64") from None
    if to_base64(data) != written:
        raise MalformedBytes(why="not the one spelling in base 64")
    return data


def to_base64(data: bytes) -> str:
    """RFC 4648 §4 base 64."""
    return base64.b64encode(data).decode("ascii")


def check_key_name(name: str) -> str:
    """The same name; raises MalformedBytes if it is empty or holds spaces, controls or a plus."""
    if not name or len(name) > 256 or "+" in name or any(c.isspace() or ord(c) < 0x20 for c in name):
        raise MalformedBytes(why="not a key name")
    return name


def key_id(name: str, kind: KeyKind, public: bytes) -> bytes:
    """SHA-256(name ‖ newline ‖ type ‖ public key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name and what it signs; ``text`` is the vkey of signed-note."""

    name: str
    kind: KeyKind
    public: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.public) != 32:
            raise MalformedBytes(why="an Ed25519 key has 32 bytes")

    @property
    def id(self) -> bytes:
        """The key id, 4 bytes."""
        return key_id(self.name, self.kind, self.public)

    @property
    def text(self) -> str:
        """``name+hex(key id)+base64(type ‖ public key)``."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, written: str) -> VerifierKey:
        """The key in a text that ``text`` gave; raises MalformedBytes."""
        try:
            name, _, material = written.split("+", 2)
            kind, public = material_of(material)
        except ValueError:
            raise MalformedBytes(why="not a verifier key") from None
        key = cls(name, kind, public)
        if key.text != written:
            raise MalformedBytes(why="the key id is another key's")
        return key

    def check(self, message: bytes, signature: bytes) -> None:
        """Raises SignatureRefused unless this key signed the message (RFC 8032)."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise SignatureRefused(name=self.name) from None


def material_of(written: str) -> tuple[KeyKind, bytes]:
    """Type and public key in a vkey's last part; raises ValueError or MalformedBytes."""
    material = from_base64(written)
    return KeyKind(material[0] if material else 0), material[1:]


class NoteKey:
    """An Ed25519 private key with its name and what it signs; never printed."""

    def __init__(self, name: str, kind: KeyKind, seed: bytes) -> None:
        """``seed`` is the 32-byte private key of RFC 8032; raises MalformedBytes."""
        if len(seed) != 32:
            raise MalformedBytes(why="an Ed25519 seed has 32 bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, kind, self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """64 bytes over the message."""
        return self._key.sign(message)

    def line(self, signature: bytes) -> NoteSignature:
        """The signature line that carries these bytes under this key's name and id."""
        return NoteSignature(self.verifier.name, self.verifier.id, signature)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: key name, key id (4 bytes) and what the algorithm made."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def text(self) -> str:
        """The line without its newline."""
        return f"— {self.name} {to_base64(self.key_id + self.signature)}"

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """The signature in one line; raises MalformedBytes."""
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "—":
            raise MalformedBytes(why="not a signature line")
        data = from_base64(parts[2])
        if len(data) < 5:
            raise MalformedBytes(why="signature too short")
        return cls(check_key_name(parts[1]), data[:4], data[4:])


def check_text(text: str) -> str:
    """The same text; raises MalformedBytes unless a note may carry it."""
    if not text.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in text):
        raise MalformedBytes(why="not the text of a note")
    return text


@dataclass(frozen=True, slots=True)
class Note:
    """A note as parsed: nothing in it is verified yet."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The note's bytes."""
        lines = "".join(f"{signature.text}\n" for signature in self.signatures)
        return f"{check_text(self.text)}\n{lines}".encode()

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """The note in these bytes, strictly; one key may sign once. Raises MalformedBytes."""
        if len(data) > MOST_BYTES:
            raise MalformedBytes(why="note over 64 KiB")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedBytes(why="not UTF-8") from None
        text, middle, rest = whole.rpartition("\n\n")
        if not middle or not text or not rest.endswith("\n"):
            raise MalformedBytes(why="not a signed note")
        signatures = tuple(NoteSignature.parse(line) for line in rest[:-1].split("\n"))
        keys = {(signature.name, signature.key_id) for signature in signatures}
        if len(keys) != len(signatures) or len(keys) > MOST_SIGNATURES:
            raise MalformedBytes(why="too many signatures")
        return cls(check_text(f"{text}\n"), signatures)

    def signature_by(self, key: VerifierKey) -> bytes:
        """The bytes that the line of this key carries; raises SignatureRefused if there is none."""
        for signature in self.signatures:
            if (signature.name, signature.key_id) == (key.name, key.id):
                return signature.signature
        raise SignatureRefused(name=key.name, why="not signed by this key")

    def verified(self, key: VerifierKey) -> str:
        """The text, signed by a key of kind LOG; raises SignatureRefused."""
        if key.kind is not KeyKind.LOG:
            raise SignatureRefused(name=key.name, why="not a key for notes")
        key.check(self.text.encode(), self.signature_by(key))
        return self.text

    def with_signature(self, signature: NoteSignature) -> Note:
        """The note with one more line, after one of the same key was dropped."""
        same = (signature.name, signature.key_id)
        kept = tuple(known for known in self.signatures if (known.name, known.key_id) != same)
        return Note(self.text, (*kept, signature))


def sign_note(text: str, key: NoteKey) -> Note:
    """The text signed by a key of kind LOG; raises SignatureRefused for another kind."""
    if key.verifier.kind is not KeyKind.LOG:
        raise SignatureRefused(name=key.verifier.name, why="not a key for notes")
    return Note(check_text(text), (key.line(key.sign(text.encode())),))
