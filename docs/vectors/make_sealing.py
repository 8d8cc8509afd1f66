"""Writes sealing.json: every derivation, seal and share of docs/formats.md with fixed inputs, and what is refused.

python docs/vectors/make_sealing.py [--check]

HPKE encapsulates with fresh randomness, so wraps cannot be made twice: those of the present file are kept as long as
they still open; the others are made new. Everything else is a function of the constants here.
"""

from __future__ import annotations

import hashlib
import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

from sealing_inputs import (
    ALIAS,
    BATCH,
    BODY_KEY,
    CUSTODIAL,
    DICTIONARY_FRAME,
    EPOCH,
    EPOCH_FIELDS,
    FRAME,
    HANDLE,
    PLAINTEXT,
    RECIPIENT,
    RECORD,
    SALT,
    fixed,
    show,
)
from sealing_refusals import refused

from careledger.domain.errors import CareLedgerError
from careledger.formats.digests import framed, uint
from careledger.sealing import (
    bodies,
    contents,
    grants,
    keys,
    padme,
    phrase,
    relays,
    shamir,
    vault,
    versions,
)
from careledger.sealing.keys import Secret, derive

FILE = Path(__file__).with_name("sealing.json")


def derivations() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for label, fields, length in (
        ("record", [HANDLE], 32),
        ("manifest", [], 32),
        ("controller", [uint(0), uint(1)], 48),
    ):
        made.append(
            {
                "secret": show(BATCH),
                "label": label,
                "fields": [show(each) for each in fields],
                "length": length,
                "info": show(framed(f"kdf/{label}", *fields)),
                "output": show(derive(BATCH, label, *fields, length=length)),
            }
        )
    return made


def patient() -> dict[str, Any]:
    words = phrase.Phrase(fixed(4))
    of, audit = words.keys(), words.keys().audit_seed(1, 2)
    return {
        "entropy": show(words.entropy),
        "words": words.words(),
        "bip39_seed": show(words.seed()),
        "master": show(derive(words.seed(), "master")),
        "alias_number": 1,
        "number": 2,
        "controller_key": show(of.controller_key(1, 2).secret),
        "controller_address": show(of.controller_key(1, 2).address),
        "sealing_seed": show(of.sealing_key(1, 2).seed),
        "sealing_public_sha256": hashlib.sha256(of.sealing_key(1, 2).public).hexdigest(),
        "sealing_digest": show(of.sealing_key(1, 2).digest),
        "consent_key": show(of.consent_key(1, 2).secret),
        "consent_salt": show(of.consent_salt(1, 2)),
        "audit_seed": show(audit),
        "audit_key": {
            "alias": show(ALIAS),
            "claim": 2,
            "custodian": 7,
            "key": show(phrase.audit_key(audit, ALIAS, 2, 7)),
        },
        "assisted": {
            "card": show(fixed(5)),
            "custodial": show(fixed(6)),
            "master": show(derive(Secret(fixed(5).reveal() + fixed(6).reveal()), "assisted-master")),
            "controller_address": show(
                phrase.PatientKeys.assisted(fixed(5), fixed(6)).controller_key(0, 0).address
            ),
        },
    }


def shares() -> dict[str, Any]:
    split = shamir.split(CUSTODIAL, 3, 5, [fixed(10), fixed(11)])
    helpers, lost = (1, 3, 4), 2
    terms = {
        place: shamir.repair_terms(split[place - 1], helpers, lost, [fixed(20 + place), fixed(30 + place)])
        for place in helpers
    }
    sums = {to: shamir.repair_sum(terms[place][to] for place in helpers) for to in helpers}
    return {
        "secret": show(CUSTODIAL),
        "threshold": 3,
        "coefficients": [show(fixed(10)), show(fixed(11))],
        "shares": [show(each.value) for each in split],
        "commitments": [show(each) for each in shamir.commitments(split)],
        "repair": {
            "place": lost,
            "helpers": list(helpers),
            "masks": {str(place): [show(fixed(20 + place)), show(fixed(30 + place))] for place in helpers},
            "terms": {
                str(p): {str(to): show(part) for to, part in each.items()} for p, each in terms.items()
            },
            "sums": {str(to): show(each) for to, each in sums.items()},
            "share": show(shamir.remade_share(lost, sums.values()).value),
        },
    }


def padding() -> dict[str, Any]:
    lengths = [0, 1, 2, 8, 9, 100, 1000, 1025, 10_000, 65_537, 1_000_000]
    return {
        "padded_length": [[length, padme.padded_length(length)] for length in lengths],
        "pad": [
            {"content": show(each), "padded": show(padme.pad(each))} for each in (b"", b"abc", b"a" * 33)
        ],
    }


def chunked() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for length in (0, 7, bodies.CHUNK - 1, bodies.CHUNK, 2 * bodies.CHUNK + 1):
        body = bodies.encrypt(BODY_KEY, b"a" * length, b"context", SALT)
        case = {
            "key": show(BODY_KEY),
            "salt": show(SALT),
            "context": show(b"context"),
            "plaintext_is_a_times": length,
        }
        shown = {"body": show(body)} if length < 100 else {"body_sha256": hashlib.sha256(body).hexdigest()}
        made.append(case | shown)
    return made


def version() -> dict[str, Any]:
    manifest_key = versions.manifest_key(RECORD)
    body = versions._seal_compressed(BODY_KEY, versions.BODY, FRAME, SALT).data
    manifest = versions._seal_compressed(manifest_key, versions.MANIFEST, FRAME, SALT).data
    return {
        "batch_secret": show(BATCH),
        "handle": show(HANDLE),
        "record_secret": show(RECORD),
        "custodial_secret": show(CUSTODIAL),
        "manifest_key": show(manifest_key),
        "body_key": show(BODY_KEY),
        "body_key_commitment": show(versions.body_key_commitment(BODY_KEY)),
        "plaintext": show(PLAINTEXT),
        "frame": show(FRAME),
        "salt": show(SALT),
        "body": show(body),
        "manifest": show(manifest),
        "with_dictionary": {
            "frame": show(DICTIONARY_FRAME),
            "body": show(versions._seal_compressed(BODY_KEY, versions.BODY, DICTIONARY_FRAME, SALT).data),
        },
    }


def content() -> dict[str, Any]:
    """A file of 40,000 bytes: padded, sealed, and which chunks a range of it touches."""
    size = 40_000
    plaintext = (b"file" * (size // 4)).ljust(padme.padded_length(size), b"\0")
    body = bodies.encrypt(fixed(16), plaintext, contents.CONTENT, SALT)
    start, stop = 16_380, 16_390
    assert bodies.decrypt_range(fixed(16), body, start, stop, contents.CONTENT) == plaintext[start:stop]
    return {
        "key": show(fixed(16)),
        "salt": show(SALT),
        "context": show(contents.CONTENT),
        "file_is_file_times": size // 4,
        "padded_length": len(plaintext),
        "sealed_length": len(body),
        "sealed_sha256": hashlib.sha256(body).hexdigest(),
        "range": [start, stop],
        "chunks_of_range": [start // bodies.CHUNK, (stop - 1) // bodies.CHUNK],
        "bytes_of_range": show(plaintext[start:stop]),
    }


def wraps(kept: dict[str, Any]) -> dict[str, Any]:
    """Name → what is sealed to RECIPIENT, in which context; the sealed bytes kept where they still open."""
    package = padme.pad_to(b"grant", grants.SIZES[0] - keys.OVERHEAD)
    contents: dict[str, tuple[bytes, tuple[bytes, ...]]] = {
        "header": (BATCH.reveal(), EPOCH.fields()),
        "epoch-seed": (fixed(8).reveal(), EPOCH.fields()),
        "previous-epoch-seed": (fixed(9).reveal(), EPOCH.fields()),
        "author-copy": (fixed(13).reveal(), (HANDLE[:16],)),
        "grant-package": (package, (RECIPIENT.digest,)),
        "relay": (padme.pad_to(b"entry", relays.SIZES[0] - keys.OVERHEAD), (fixed(12).reveal(), uint(7))),
    }
    made = {}
    for what, (plaintext, fields) in contents.items():
        sealed = bytes.fromhex(kept.get(what, {}).get("sealed", ""))
        try:
            opened = keys.unwrap(RECIPIENT, sealed, what, *fields)
        except CareLedgerError:
            opened = None
        if opened != plaintext:
            sealed = keys.wrap(RECIPIENT.public, plaintext, what, *fields)
        made[what] = {
            "fields": [show(each) for each in fields],
            "info": show(framed(f"hpke/{what}", *fields)),
            "plaintext": show(plaintext),
            "sealed": show(sealed),
        }
    return made


def key_files() -> dict[str, Any]:
    """A vault of small cost, and one key file under it."""
    said = "N\u00e4chtlich singt die Amsel"
    salt, nonce, cost = bytes(range(16)), bytes(range(12)), vault.Cost(64, 2, 1)
    made = vault.new_vault(vault.passphrase_of(said), fixed(14), cost, salt, nonce)
    directory, name, content = "custodians/0000000000000007", "signing", fixed(15).reveal()
    key = vault.directory_key(fixed(14), directory)
    return {
        "passphrase": said,
        "same": unicodedata.normalize("NFD", said),
        "master": show(fixed(14)),
        "vault": show(made.encode()),
        "directory": directory,
        "directory_key": show(key),
        "name": name,
        "content": show(content),
        "file": show(vault.seal_file(key, name, content, nonce)),
    }


def build(kept: dict[str, Any]) -> dict[str, Any]:
    """All vectors; ``kept`` is the present file's wraps."""
    positive: dict[str, Any] = {
        "recipient": {
            "seed": show(RECIPIENT.seed),
            "public": show(RECIPIENT.public),
            "digest": show(RECIPIENT.digest),
        },
        "epoch": EPOCH_FIELDS,
        "derivations": derivations(),
        "patient": patient(),
        "shamir": shares(),
        "padding": padding(),
        "bodies": chunked(),
        "version": version(),
        "content": content(),
        "author-copy": {
            "place": 3,
            "sealed": show(versions.CopyKey(fixed(13)).seal(3, HANDLE, BODY_KEY)),
        },
        "key-files": key_files(),
        "wraps": wraps(kept),
    }
    return {"positive": positive, "negative": refused(positive)}


def main() -> int:
    """0 if the file is (now) fresh."""
    kept = json.loads(FILE.read_text())["positive"]["wraps"] if FILE.exists() else {}
    fresh = json.dumps(build(kept), indent=1) + "\n"
    if "--check" in sys.argv:
        return 0 if FILE.exists() and FILE.read_text() == fresh else 1
    FILE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
