"""docs/vectors/sealing.json is what the code does, and what it must refuse is refused by name."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from careledger.domain import errors
from careledger.formats.cids import raw_cid
from careledger.formats.digests import framed, uint
from careledger.formats.keyring import Vault
from careledger.formats.signatures import SigningKey
from careledger.sealing import bodies, frames, grants, keys, padme, relays, shamir, vault, versions
from careledger.sealing.epochs import Epoch, open_previous, open_seed
from careledger.sealing.keys import SealingKey, Secret, derive
from careledger.sealing.phrase import PatientKeys, Phrase, audit_key
from careledger.sealing.shamir import Share
from careledger.sealing.states import Ciphertext, VerifiedCiphertext, verify

VECTORS = Path(__file__).parents[2] / "docs" / "vectors"
FILE = json.loads((VECTORS / "sealing.json").read_text())
GOOD = FILE["positive"]
h = bytes.fromhex


def secret(text: str) -> Secret:
    return Secret(h(text))


def checked(text: str) -> VerifiedCiphertext:
    return verify(Ciphertext(h(text)), raw_cid(h(text)))


def recipient() -> SealingKey:
    return SealingKey(secret(GOOD["recipient"]["seed"]))


def test_the_script_gives_the_committed_file() -> None:
    made = subprocess.run([sys.executable, str(VECTORS / "make_sealing.py"), "--check"], check=False)
    assert made.returncode == 0


def test_derivations() -> None:
    for case in GOOD["derivations"]:
        fields = [h(each) for each in case["fields"]]
        assert framed(f"kdf/{case['label']}", *fields) == h(case["info"])
        made = derive(secret(case["secret"]), case["label"], *fields, length=case["length"])
        assert made == secret(case["output"])


def test_a_patients_keys() -> None:
    case = GOOD["patient"]
    phrase = Phrase.from_words(case["words"])
    assert phrase.entropy == secret(case["entropy"])
    assert phrase.seed() == secret(case["bip39_seed"])
    of, alias, number = PatientKeys(secret(case["master"])), case["alias_number"], case["number"]
    assert phrase.keys().consent_salt(0, 0) == of.consent_salt(0, 0)
    assert of.controller_key(alias, number) == SigningKey(h(case["controller_key"]))
    assert of.controller_key(alias, number).address == h(case["controller_address"])
    assert of.sealing_key(alias, number).seed == secret(case["sealing_seed"])
    assert hashlib.sha256(of.sealing_key(alias, number).public).digest() == h(case["sealing_public_sha256"])
    assert of.sealing_key(alias, number).digest == h(case["sealing_digest"])
    assert of.consent_key(alias, number) == SigningKey(h(case["consent_key"]))
    assert of.consent_salt(alias, number) == secret(case["consent_salt"])
    assert of.audit_seed(alias, number) == secret(case["audit_seed"])
    audit = case["audit_key"]
    made = audit_key(of.audit_seed(alias, number), h(audit["alias"]), audit["claim"], audit["custodian"])
    assert made == secret(audit["key"])


def test_assisted_keys() -> None:
    case = GOOD["patient"]["assisted"]
    made = PatientKeys.assisted(secret(case["card"]), secret(case["custodial"]))
    same = PatientKeys(secret(case["master"]))
    assert (
        made.controller_key(0, 0).address
        == same.controller_key(0, 0).address
        == h(case["controller_address"])
    )


def test_shares_and_their_repair() -> None:
    case = GOOD["shamir"]
    coefficients = [secret(each) for each in case["coefficients"]]
    shares = shamir.split(secret(case["secret"]), case["threshold"], len(case["shares"]), coefficients)
    assert [share.value for share in shares] == [secret(each) for each in case["shares"]]
    assert shamir.commitments(shares) == [h(each) for each in case["commitments"]]
    repair = case["repair"]
    for place in repair["helpers"]:
        masks = [secret(each) for each in repair["masks"][str(place)]]
        terms = shamir.repair_terms(shares[place - 1], repair["helpers"], repair["place"], masks)
        assert {str(to): part for to, part in terms.items()} == {
            to: secret(part) for to, part in repair["terms"][str(place)].items()
        }
    for to, total in repair["sums"].items():
        assert shamir.repair_sum(secret(each[to]) for each in repair["terms"].values()) == secret(total)
    made = shamir.remade_share(repair["place"], [secret(each) for each in repair["sums"].values()])
    assert made.value == secret(repair["share"]) == shares[repair["place"] - 1].value


def test_padding() -> None:
    for length, padded in GOOD["padding"]["padded_length"]:
        assert padme.padded_length(length) == padded
    for case in GOOD["padding"]["pad"]:
        assert padme.pad(h(case["content"])) == h(case["padded"])
        assert padme.unpad(h(case["padded"])) == h(case["content"])


def test_bodies() -> None:
    for case in GOOD["bodies"]:
        plaintext, key, context = b"a" * case["plaintext_is_a_times"], secret(case["key"]), h(case["context"])
        body = bodies.encrypt(key, plaintext, context, h(case["salt"]))
        assert hashlib.sha256(body).hexdigest() == case.get("body_sha256", hashlib.sha256(body).hexdigest())
        assert body == h(case.get("body", body.hex()))
        assert bodies.decrypt(key, body, context) == plaintext
    assert Counter("body" in case for case in GOOD["bodies"]) == {True: 2, False: 3}


def test_a_file_beside_a_body() -> None:
    case = GOOD["content"]
    key, context, salt = secret(case["key"]), h(case["context"]), h(case["salt"])
    plaintext = (b"file" * case["file_is_file_times"]).ljust(case["padded_length"], b"\0")
    assert padme.padded_length(4 * case["file_is_file_times"]) == case["padded_length"]
    body = bodies.encrypt(key, plaintext, context, salt)
    assert (len(body), hashlib.sha256(body).hexdigest()) == (case["sealed_length"], case["sealed_sha256"])
    start, stop = case["range"]
    assert bodies.decrypt_range(key, body, start, stop, context) == h(case["bytes_of_range"])
    made: list[bytearray] = []

    def room(size: int) -> memoryview:
        made.append(bytearray(size))
        return memoryview(made[-1])

    for piece in (999, bodies.CHUNK, 300_000):
        made.clear()
        piecewise = bodies.Sealing(key, room, context, salt)
        for at in range(0, len(plaintext), piece):
            piecewise.add(plaintext[at : at + piece])
        piecewise.end()
        assert b"".join(made) == body


def test_a_version_from_header_to_body() -> None:
    case, epoch = (
        GOOD["version"],
        Epoch(h(GOOD["epoch"]["alias"]), GOOD["epoch"]["compartment"], GOOD["epoch"]["number"]),
    )
    batch = versions.open_header(recipient(), epoch, checked(GOOD["wraps"]["header"]["sealed"]))
    assert batch == secret(case["batch_secret"])
    record = versions.record_secret(batch, h(case["handle"]))
    assert record == secret(case["record_secret"])
    assert versions.manifest_key(record) == secret(case["manifest_key"])
    assert versions.open_manifest(record, checked(case["manifest"])).data == h(case["plaintext"])
    key = versions.body_key(record, secret(case["custodial_secret"]))
    assert key == secret(case["body_key"])
    assert versions.body_key_commitment(key) == h(case["body_key_commitment"])
    opened = versions.open_body(key, h(case["body_key_commitment"]), checked(case["body"]))
    assert opened.data == h(case["plaintext"])
    compressed = versions.open_body(
        key, h(case["body_key_commitment"]), checked(case["with_dictionary"]["body"])
    )
    assert compressed.data == h(case["plaintext"])


def test_the_dictionary_is_the_one_that_the_documents_name() -> None:
    said = Path(__file__).parents[2] / "docs" / "formats.md"
    assert hashlib.sha256(frames.DICTIONARY.read_bytes()).hexdigest() in said.read_text()


def test_wraps_open_in_the_context_that_the_documents_give() -> None:
    epoch = Epoch(h(GOOD["epoch"]["alias"]), GOOD["epoch"]["compartment"], GOOD["epoch"]["number"])
    sealed = {what: h(case["sealed"]) for what, case in GOOD["wraps"].items()}
    plain = {what: h(case["plaintext"]) for what, case in GOOD["wraps"].items()}
    for what, case in GOOD["wraps"].items():
        assert framed(f"hpke/{what}", *(h(each) for each in case["fields"])) == h(case["info"])
    key, handle = recipient(), h(GOOD["version"]["handle"])
    [deposit] = (h(each) for each in GOOD["wraps"]["author-copy"]["fields"])
    assert key.public == h(GOOD["recipient"]["public"])
    assert key.digest == h(GOOD["recipient"]["digest"])
    assert open_seed(key, epoch, sealed["epoch-seed"]).reveal() == plain["epoch-seed"]
    assert open_previous(key, epoch, sealed["previous-epoch-seed"]).reveal() == plain["previous-epoch-seed"]
    assert keys.unwrap(key, sealed["author-copy"], "author-copy", deposit) == plain["author-copy"]
    copy = GOOD["author-copy"]
    opened_key = versions.CopyKey.opened(key, deposit, sealed["author-copy"])
    assert opened_key.open(copy["place"], handle, h(copy["sealed"])) == secret(GOOD["version"]["body_key"])
    assert grants.open_package(key, sealed["grant-package"]) == b"grant"
    deployment, member = (h(each) for each in GOOD["wraps"]["relay"]["fields"])
    number = int.from_bytes(member, "big")
    assert relays.open_relayed(key, deployment, number, sealed["relay"]) == b"entry"
    opened = ["header", "epoch-seed", "previous-epoch-seed", "author-copy", "grant-package", "relay"]
    assert list(sealed) == opened


def test_key_files() -> None:
    case = GOOD["key-files"]
    made = Vault.decode(h(case["vault"]))
    for said in (case["passphrase"], case["same"]):
        assert vault.open_vault(made, vault.passphrase_of(said)) == secret(case["master"])
    assert case["same"] != case["passphrase"]
    key = vault.directory_key(secret(case["master"]), case["directory"])
    assert key == secret(case["directory_key"])
    assert vault.open_file(key, case["name"], h(case["file"])) == h(case["content"])


def refuse(function: str, arguments: list[Any]) -> object:
    match function:
        case "unwrap":
            seed, what, fields, sealed = arguments
            return keys.unwrap(SealingKey(secret(seed)), h(sealed), what, *(h(each) for each in fields))
        case "wrap":
            return keys.wrap(h(arguments[0]), b"", "vectors")
        case "decrypt":
            key, context, body = arguments
            return bodies.decrypt(secret(key), h(body), h(context))
        case "open_body":
            key, commitment, body = arguments
            return versions.open_body(secret(key), h(commitment), checked(body))
        case "unpad":
            return padme.unpad(h(arguments[0]))
        case "combine":
            threshold, shares = arguments
            return shamir.combine([Share(int(place), secret(v)) for place, v in shares.items()], threshold)
        case "check_share":
            place, value, commitment = arguments
            shamir.check_share(Share(place, secret(value)), h(commitment))
            return None
        case "phrase":
            return Phrase.from_words(arguments[0])
        case "open_package":
            return grants.open_package(SealingKey(secret(arguments[0])), h(arguments[1]))
        case "open_vault":
            return vault.open_vault(Vault.decode(h(arguments[0])), vault.passphrase_of(arguments[1]))
        case "open_file":
            return vault.open_file(secret(arguments[0]), arguments[1], h(arguments[2]))
        case "open_relayed":
            seed, deployment, member, sealed = arguments
            return relays.open_relayed(SealingKey(secret(seed)), h(deployment), member, h(sealed))
    raise AssertionError(function)


@pytest.mark.parametrize("case", FILE["negative"], ids=lambda case: f"{case['function']}: {case['why']}")
def test_what_must_be_refused_is_refused_by_its_name(case: dict[str, Any]) -> None:
    with pytest.raises(errors.CareLedgerError) as refused:
        refuse(case["function"], case["arguments"])
    assert type(refused.value).__name__ == case["error"]


def test_integers_in_contexts_have_the_widths_of_the_documents() -> None:
    assert Epoch(b"\1" * 32, 6, 2).fields() == (b"\1" * 32, b"\0\6", uint(2))
