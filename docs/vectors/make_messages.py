"""Writes messages.json: each message type encoded, digested and signed, and encodings that must be refused.

python docs/vectors/make_messages.py [--check]
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any

from careledger.formats import cbor
from careledger.formats.digests import digest, framed, uint
from careledger.formats.releases import ReleaseRequest
from careledger.formats.schema import Message
from careledger.formats.signatures import ORDER, SigningKey
from careledger.formats.signed import deployment_id, sign, statement_digest

MODULES = (
    "signed",
    "patients",
    "after_death",
    "sessions",
    "releases",
    "deposits",
    "charts",
    "exports",
    "custody",
    "bodies",
    "proofs",
    "keyring",
    "identity",
    "sign_on",
    "apps",
    "persons",
    "relaying",
    "events",
    "own_reads",
    "members",
    "backups",
    "licences",
)
FILE = Path(__file__).with_name("messages.json")
KEY = SigningKey(bytes(31) + b"\x07")
DEPLOYMENT = deployment_id(20261, bytes(range(20)))


def kinds() -> list[type[Message]]:
    """All message classes, in the order of their modules."""
    found = []
    for name in MODULES:
        module = importlib.import_module(f"careledger.formats.{name}")
        found += [
            kind
            for kind in vars(module).values()
            if inspect.isclass(kind) and issubclass(kind, Message) and kind.__module__ == module.__name__
        ]
    return found


def good(kind: type[Message]) -> dict[str, str]:
    """The example of one type, its digest, and its signature by the vectors' key."""
    example = kind.example()
    signed = sign(example, KEY, DEPLOYMENT)
    return {
        "type": kind.TYPE,
        "encoding": signed.body.hex(),
        "digest": example.digest().hex(),
        "signing_digest": statement_digest(DEPLOYMENT, kind.TYPE, signed.body).hex(),
        "signature": signed.signature.hex(),
    }


def bad(kind: type[Message]) -> list[dict[str, str]]:
    """Encodings of that type which a decoder refuses, and why."""
    value: dict[str, Any] = kind.example().value()
    first = sorted(value)[0]
    body = cbor.encode(value)
    missing = {name: item for name, item in value.items() if name != first}
    return [
        {"type": kind.TYPE, "encoding": encoding.hex(), "why": why}
        for why, encoding in (
            ("a field more", cbor.encode({**value, "more": 1})),
            (f"without {first}", cbor.encode(missing)),
            (f"{first} of another type", cbor.encode({**value, first: {"x": 1}})),
            ("a byte after the end", body + b"\x00"),
            ("the last byte missing", body[:-1]),
            ("map of indefinite length", b"\xbf" + body[1 if len(value) < 24 else 2 :] + b"\xff"),
        )
    ]


def refused_cbor() -> list[dict[str, str]]:
    """CBOR that is well-formed but not allowed."""
    return [
        {"encoding": encoding, "why": why}
        for why, encoding in (
            ("float", "fb3ff0000000000000"),
            ("integer in more bytes than needed", "1800"),
            ("map keys out of order", "a2616201616101"),
            ("key twice", "a2616101616102"),
            ("key is not text", "a10101"),
            ("tag", "c11a00000000"),
            ("undefined", "f7"),
            ("indefinite array", "9f01ff"),
            ("text that is not UTF-8", "61ff"),
            ("integer over 64 bits", "c249010000000000000000"),
            ("depth 17", "81" * 17 + "00"),
            ("nothing", ""),
        )
    ]


def signatures() -> dict[str, Any]:
    """One accepted signature and its refused neighbours."""
    what = digest("vector", b"signed")
    made = KEY.sign(what)
    s = int.from_bytes(made[32:64], "big")
    other = made[:32] + (ORDER - s).to_bytes(32, "big") + bytes([55 - made[64]])
    return {
        "digest": what.hex(),
        "address": KEY.address.hex(),
        "accepted": made.hex(),
        "refused": {
            "high s": other.hex(),
            "v 0": (made[:64] + b"\x00").hex(),
            "64 bytes": made[:64].hex(),
            "r zero": (bytes(32) + made[32:]).hex(),
        },
    }


def vectors() -> dict[str, Any]:
    """The whole file."""
    request = ReleaseRequest.example()
    return {
        "framed": framed("vector", b"", b"\x01", b"two").hex(),
        "digest": digest("vector", b"", b"\x01", b"two").hex(),
        "uint": uint(258).hex(),
        "deployment": {"chain_id": 20261, "directory": bytes(range(20)).hex(), "id": DEPLOYMENT.hex()},
        "key": {"secret": KEY.secret.hex(), "address": KEY.address.hex()},
        "signatures": signatures(),
        "release": {
            "encoding": request.encode().hex(),
            "chain_id": 20261,
            "contract": bytes(range(20)).hex(),
            "asked": request.what.hex(),
            "signing_digest": request.signing_digest(20261, bytes(range(20))).hex(),
        },
        "messages": [good(kind) for kind in kinds()],
        "refused_messages": [case for kind in kinds() for case in bad(kind)],
        "refused_cbor": refused_cbor(),
    }


def main() -> int:
    """0 if the file is (now) fresh."""
    fresh = json.dumps(vectors(), indent=1) + "\n"
    if "--check" in sys.argv:
        return 0 if FILE.exists() and FILE.read_text() == fresh else 1
    FILE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
