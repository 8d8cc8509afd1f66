"""What has to be refused, for sealing.json: altered, cut, exchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sealing_inputs import BODY_KEY, FRAME, SALT, fixed, show

from careledger.formats.digests import uint
from careledger.formats.keyring import Vault
from careledger.sealing import bodies, versions

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
