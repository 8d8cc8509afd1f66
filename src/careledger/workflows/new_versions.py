"""A version that is to be deposited, as a reader of files hands it over: nothing is sealed, and no key is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from careledger.domain.categories import Compartment
from careledger.formats.bodies import RecordBody
from careledger.sealing.frames import compressed
from careledger.sealing.states import Plaintext

if TYPE_CHECKING:  # the process that reads ahead starts without what signs
    from careledger.formats.signatures import SigningKey


class ReadyBody(NamedTuple):
    """A body as far as it can be made ready without a key, so that who reads a file does that work; never printed.

    ``canonical`` is the canonical JSON, ``content`` its digest, ``frame`` the whole body's bytes, compressed.
    """

    canonical: bytes
    content: bytes
    frame: bytes

    @classmethod
    def of(cls, body: RecordBody) -> ReadyBody:
        """The body, made ready; raises MalformedBytes for one over 256 MiB."""
        canonical = body.canonical
        frame = compressed(Plaintext(body.encode()))
        return cls(canonical, body.content_digest, frame)

    def __repr__(self) -> str:
        return "<ready-body>"


@dataclass(frozen=True, repr=False)
class FileBody:
    """A body whose file is sealed when it is deposited; never printed.

    ``canonical`` is its Binary, which states this length and SHA-256; its BLAKE3 tells whether it is the same still.
    """

    canonical: bytes
    path: Path
    size: int
    sha256: bytes
    blake3: bytes


@dataclass(frozen=True, repr=False)
class NewVersion:
    """One version to be deposited; never printed.

    ``author`` is a party's number, 0 for none; ``author_key`` signs for that post where it answers for it.
    """

    record_id: bytes
    version: int
    predecessor: bytes | None
    resource_type: str
    subject: str
    compartment: Compartment
    body: RecordBody | ReadyBody | FileBody
    mime_type: str
    source: str
    source_key: str
    mapping_version: int
    clinical_date: str | None
    author: int = 0
    author_stated: str = ""
    author_resolved: str = "unknown"
    author_key: SigningKey | None = None
    note: str = ""
