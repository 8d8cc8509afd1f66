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
from dataclasses import replace
from pathlib import Path
from typing import Any

from careledger.domain.errors import CareLedgerError
from careledger.formats.digests import framed, uint
from careledger.formats.keyring import Vault
from careledger.sealing import bodies, epochs, grants, keys, padme, phrase, relays, shamir, vault, versions
from careledger.sealing.keys import SealingKey, Secret, derive

FILE = Path(__file__).with_name("sealing.json")
ALIAS = bytes(range(100, 132))
HANDLE = bytes(range(32, 64))
SALT = bytes(range(200, 224))
EPOCH = epochs.Epoch(ALIAS, 6, 2)
EPOCH_FIELDS = {"alias": ALIAS.hex(), "compartment": 6, "number": 2}
FRAME = bytes.fromhex(
    "28b52ffd2016b100007b227265736f7572636554797065223a2250616e227d"
)  # of PLAINTEXT, stored raw
DICTIONARY_FRAME = bytes.fromhex("28b52ffd2308293501166500002850616e227d0100246eae40")  # of PLAINTEXT too
PLAINTEXT = b'{"resourceType":"Pan"}'


def fixed(number: int) -> Secret:
    """A 32-byte secret that anybody can make: SHA-256 of one byte, below p."""
    return Secret(hashlib.sha256(bytes([number])).digest())


RECIPIENT = SealingKey(fixed(1))
BATCH, CUSTODIAL = fixed(2), fixed(3)
RECORD = versions.record_secret(BATCH, HANDLE)
BODY_KEY = versions.body_key(RECORD, CUSTODIAL)


def show(value: Secret | bytes) -> str:
    return (value.reveal() if isinstance(value, Secret) else value).hex()


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


Row = tuple[str, str, list[Any], str]


def refused(good: dict[str, Any]) -> list[dict[str, Any]]:
    """Inputs that must be refused: which function, why, its arguments, the error class."""
    rows = [
        *refused_wraps(good),
        *refused_bodies(good),
        *refused_padding(good),
        *refused_shares(good["shamir"]),
        *refused_key_files(good["key-files"]),
    ]
    rows += refused_phrases(good["patient"]["words"])
    return [dict(zip(("function", "why", "arguments", "error"), row, strict=True)) for row in rows]


def refused_wraps(good: dict[str, Any]) -> list[Row]:
    seed, public = good["recipient"]["seed"], good["recipient"]["public"]
    sealed, fields = good["wraps"]["header"]["sealed"], good["wraps"]["header"]["fields"]
    package, relayed = good["wraps"]["grant-package"]["sealed"], good["wraps"]["relay"]
    deployment = relayed["fields"][0]
    low_order = sealed[: 2 * 1088] + "00" * 32 + sealed[2 * 1120 :]
    return [
        ("unwrap", "another key", [show(fixed(99)), "header", fields, sealed], "CannotOpen"),
        ("unwrap", "another context", [seed, "header", [*fields[:2], show(uint(3))], sealed], "CannotOpen"),
        ("unwrap", "another purpose", [seed, "epoch-seed", fields, sealed], "CannotOpen"),
        ("unwrap", "low-order point", [seed, "header", fields, low_order], "CannotOpen"),
        ("unwrap", "cut", [seed, "header", fields, sealed[:-2]], "CannotOpen"),
        ("unwrap", "shorter than the encapsulation", [seed, "header", fields, sealed[:200]], "CannotOpen"),
        ("wrap", "low-order point", [public[:-64] + "00" * 32], "KeyRefused"),
        ("wrap", "coefficients over the modulus", ["ff" * 1184 + public[-64:]], "KeyRefused"),
        ("wrap", "cut", [public[:-2]], "KeyRefused"),
        ("open_package", "of another size", [seed, package + "00"], "CannotOpen"),
        ("open_relayed", "of another size", [seed, deployment, 7, relayed["sealed"] + "00"], "CannotOpen"),
        ("open_relayed", "for another member", [seed, deployment, 8, relayed["sealed"]], "CannotOpen"),
        ("open_relayed", "of another network", [seed, show(fixed(13)), 7, relayed["sealed"]], "CannotOpen"),
    ]


def refused_key_files(good: dict[str, Any]) -> list[Row]:
    made, key, file = good["vault"], good["directory_key"], good["file"]
    opened = Vault.decode(bytes.fromhex(made))
    cheaper, dear = (show(replace(opened, memory=memory).encode()) for memory in (32, 1 << 21))
    other = show(replace(opened, kdf="scrypt").encode())
    return [
        ("open_vault", "another passphrase", [made, good["passphrase"] + " "], "PassphraseRefused"),
        ("open_vault", "another cost", [cheaper, good["passphrase"]], "PassphraseRefused"),
        ("open_vault", "an absurd cost", [dear, good["passphrase"]], "MalformedBytes"),
        ("open_vault", "another function", [other, good["passphrase"]], "MalformedBytes"),
        ("open_file", "another name", [key, "log", file], "CannotOpen"),
        ("open_file", "another directory", [show(fixed(99)), "signing", file], "CannotOpen"),
        ("open_file", "altered", [key, "signing", file[:-2] + "00"], "CannotOpen"),
        ("open_file", "not sealed", [key, "signing", good["content"]], "MalformedBytes"),
    ]


def refused_bodies(good: dict[str, Any]) -> list[Row]:
    key, context, body = good["bodies"][1]["key"], good["bodies"][1]["context"], good["bodies"][1]["body"]
    commitment, block = good["version"]["body_key_commitment"], good["version"]["body"]
    long = show(versions._seal_compressed(BODY_KEY, versions.BODY, FRAME + b"\0", SALT).data)
    return [
        ("decrypt", "another key", [show(fixed(99)), context, body], "CannotOpen"),
        ("decrypt", "another context", [key, "", body], "CannotOpen"),
        ("decrypt", "cut", [key, context, body[:-2]], "CannotOpen"),
        ("decrypt", "extended", [key, context, body + "00"], "CannotOpen"),
        ("decrypt", "no chunk", [key, context, body[: 2 * bodies.START]], "CannotOpen"),
        ("open_body", "another key than committed", [key, show(fixed(99)), block], "CannotOpen"),
        ("open_body", "bytes after the frame", [key, commitment, long], "MalformedBytes"),
    ]


def refused_padding(good: dict[str, Any]) -> list[Row]:
    padded = good["padding"]["pad"][2]["padded"]
    return [
        ("unpad", "not zero", [padded[:-2] + "01"], "MalformedBytes"),
        ("unpad", "one zero more", [padded + "00"], "MalformedBytes"),
        ("unpad", "one zero less", [padded[:-2]], "MalformedBytes"),
        ("unpad", "length beyond the end", ["ff" * 8 + padded[16:]], "MalformedBytes"),
    ]


def refused_shares(good: dict[str, Any]) -> list[Row]:
    one, two, three, _, five = good["shares"]
    first = good["commitments"][0]
    return [
        ("combine", "too few", [3, {"1": one, "2": two}], "NotEnoughShares"),
        (
            "combine",
            "one more that does not fit",
            [3, {"1": one, "2": two, "3": three, "4": five}],
            "ShareMismatch",
        ),
        ("combine", "not below p", [2, {"1": "ff" * 32, "2": two}], "MalformedBytes"),
        ("combine", "place 0", [2, {"0": one, "2": two}], "MalformedBytes"),
        ("check_share", "another place", [2, one, first], "ShareMismatch"),
        ("check_share", "another value", [1, two, first], "ShareMismatch"),
    ]


def refused_phrases(words: str) -> list[Row]:
    each = words.split()
    return [
        ("phrase", "checksum", [" ".join(reversed(each))], "PhraseRefused"),
        ("phrase", "23 words", [" ".join(each[1:])], "PhraseRefused"),
        ("phrase", "no such word", [" ".join(["zzz", *each[1:]])], "PhraseRefused"),
    ]


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
