"""W3C decentralised identifiers (DID Core 1.0): did:key of a secp256k1 key, did:web of an address, did:careledger.

did:key is the multicodec 0xe7 and the compressed public key in base 58 (W3C CCG did:key 0.7, §3.1); did:web is the host
(a port as ``%3A`` and its number) and path segments separated by colons (W3C CCG did:web, §3.2).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from multiformats import multibase

from careledger.domain.errors import MalformedBytes
from careledger.formats.signatures import uncompressed

CONTEXT = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]
SECP256K1_PUB = b"\xe7\x01"
MOST = 2_000
USES = ("authentication", "assertionMethod", "capabilityDelegation", "capabilityInvocation")
_KEY, _WEB, _LEDGER = "did:key:", "did:web:", "did:careledger:"
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
Document = dict[str, Any]


def multikey(public: bytes) -> str:
    """A compressed secp256k1 public key as ``publicKeyMultibase``; raises MalformedBytes for no such key."""
    uncompressed(public)
    return str(multibase.encode(SECP256K1_PUB + public, "base58btc"))


def public_in(text: str) -> bytes:
    """The compressed secp256k1 public key in a ``publicKeyMultibase``, in its one spelling; raises MalformedBytes."""
    if not text.startswith("z") or len(text) > MOST:
        raise MalformedBytes(why="not a key in base 58")
    try:
        data = multibase.decode(text)
    except (ValueError, KeyError):
        raise MalformedBytes(why="not a key in base 58") from None
    if data[:2] != SECP256K1_PUB or multikey(data[2:]) != text:
        raise MalformedBytes(why="not a secp256k1 public key")
    return data[2:]


def key_did(public: bytes) -> str:
    """The did:key of a compressed secp256k1 public key."""
    return _KEY + multikey(public)


def key_of(did: str) -> bytes:
    """The public key that a did:key is; raises MalformedBytes for any other, also with a fragment."""
    if not did.startswith(_KEY):
        raise MalformedBytes(why="not a did:key")
    return public_in(did.removeprefix(_KEY))


def key_document(did: str) -> Document:
    """What a did:key resolves to: a key that signs and authenticates, and agrees on nothing; raises MalformedBytes."""
    key_of(did)
    name = f"{did}#{did.removeprefix(_KEY)}"
    return {
        "@context": CONTEXT,
        "id": did,
        "verificationMethod": [method(did, name, did.removeprefix(_KEY))],
        **{use: [name] for use in USES},
    }


def method(did: str, name: str, key: str) -> Document:
    """A Multikey as a verification method."""
    return {"id": name, "type": "Multikey", "controller": did, "publicKeyMultibase": key}


def web_did(base: str, *segments: str) -> str:
    """The did:web of a path below an http(s) address; raises MalformedBytes."""
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc):
        raise MalformedBytes(why="no address that a did:web has")
    path = [each for each in parts.path.split("/") if each] + list(segments)
    return _WEB + ":".join(quote(each, safe="") for each in (parts.netloc, *path))


def web_url(did: str, scheme: str = "https") -> str:
    """Where the document of a did:web lies; raises MalformedBytes for what is none, or leads elsewhere."""
    segments = did.removeprefix(_WEB).split(":")
    if not did.startswith(_WEB) or len(did) > MOST or not all(map(_SEGMENT.fullmatch, segments)):
        raise MalformedBytes(why="not a did:web")
    host, *path = map(unquote, segments)
    if not _HOST.fullmatch(host) or any("/" in each or each in (".", "..") for each in path):
        raise MalformedBytes(why="not a did:web")
    place = "/".join(quote(each, safe="") for each in path) if path else ".well-known"
    return f"{scheme}://{host}/{place}/did.json"


def ledger_party(did: str, chain_id: int) -> int:
    """The number of the party that a did:careledger of this chain names; raises MalformedBytes."""
    found = re.fullmatch(rf"{_LEDGER}{chain_id}:([0-9a-f]{{16}})", did)
    if found is None:
        raise MalformedBytes(why="not a did:careledger of this ledger")
    return int(found[1], 16)
