"""The recovery phrase: what is a phrase, and which keys come from it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from careledger.domain.errors import MalformedBytes, PhraseRefused
from careledger.sealing.keys import Secret
from careledger.sealing.phrase import PatientKeys, Phrase, audit_key
from careledger.sealing.shamir import combine, split

VECTORS = json.loads((Path(__file__).parent / "vectors" / "bip39_english.json").read_text())["vectors"]
WORDS = VECTORS[8][1]
KEYS = PatientKeys(Secret(bytes(range(32))))


def test_every_reference_vector_of_24_words_runs_and_shorter_ones_are_no_phrase() -> None:
    ran = {"24 words": 0, "refused": 0}
    for entropy, words, seed in VECTORS:
        if len(words.split()) != 24:
            with pytest.raises(PhraseRefused):
                Phrase.from_words(words)
            with pytest.raises(PhraseRefused):
                Phrase(Secret(bytes.fromhex(entropy)))
            ran["refused"] += 1
            continue
        phrase = Phrase.from_words(words)
        assert phrase.entropy.reveal().hex() == entropy
        assert Phrase(Secret(bytes.fromhex(entropy))).words() == words
        assert phrase.seed("TREZOR").reveal().hex() == seed
        ran["24 words"] += 1
    assert ran == {"24 words": 8, "refused": 16}


def test_a_new_phrase_comes_back_from_its_words_and_is_never_the_same() -> None:
    phrase = Phrase.random()
    assert Phrase.from_words(phrase.words()).entropy == phrase.entropy
    assert phrase.words() != Phrase.random().words()


def test_case_and_white_space_do_not_matter() -> None:
    assert Phrase.from_words(f"  {WORDS.upper()}\n".replace(" ", " \t ")).words() == WORDS


@pytest.mark.parametrize(
    "text",
    [
        "",
        WORDS.replace("art", "abandon"),
        WORDS.replace("art", "artt"),
        " ".join(reversed(WORDS.split())),
        " ".join(WORDS.split()[:-1]),
        WORDS + " art",
        VECTORS[14][1].replace("hamster diagram", "diagram hamster"),
    ],
)
def test_words_that_are_no_phrase_are_refused(text: str) -> None:
    with pytest.raises(PhraseRefused):
        Phrase.from_words(text)


def test_the_refusal_names_the_place_of_an_unknown_word_and_never_a_word() -> None:
    with pytest.raises(PhraseRefused) as refused:
        Phrase.from_words(WORDS.replace("art", "secretword"))
    assert "24" in str(refused.value)
    assert "secretword" not in str(refused.value)
    assert "abandon" not in str(refused.value)


def test_phrase_and_keys_are_never_printed_or_pickled() -> None:
    phrase = Phrase.from_words(WORDS)
    assert repr(phrase) == "<Phrase>"
    assert repr(KEYS) == "<PatientKeys>"
    for private in (phrase, KEYS):
        with pytest.raises(TypeError):
            pickle.dumps(private)


def test_the_same_phrase_gives_the_same_keys_and_another_gives_others() -> None:
    def of(phrase: Phrase) -> tuple[bytes, bytes]:
        keys = phrase.keys()
        return keys.controller_key(0, 0).address, keys.sealing_key(0, 0).public

    phrase = Phrase.random()
    assert of(phrase) == of(Phrase.from_words(phrase.words()))
    assert set(of(phrase)).isdisjoint(of(Phrase.random()))


def test_every_label_and_number_gives_another_key() -> None:
    made: list[bytes] = []
    for alias in (0, 1):
        for number in (0, 1, 256):
            made += [
                KEYS.controller_key(alias, number).secret,
                KEYS.sealing_key(alias, number).seed.reveal(),
                KEYS.consent_key(alias, number).secret,
                KEYS.consent_salt(alias, number).reveal(),
                KEYS.audit_seed(alias, number).reveal(),
            ]
    assert len(set(made)) == len(made) == 30


def test_custodians_share_no_audit_key_and_a_claim_starts_new_ones() -> None:
    seed, alias = KEYS.audit_seed(0, 1), bytes(32)
    keys = [
        audit_key(seed, alias, 1, 7),
        audit_key(seed, alias, 1, 8),
        audit_key(seed, alias, 2, 7),
        audit_key(seed, b"\1" * 32, 1, 7),
        audit_key(KEYS.audit_seed(0, 2), alias, 1, 7),
    ]
    assert len({key.reveal() for key in keys}) == 5


def test_assisted_keys_need_both_parts() -> None:
    card, custodial = Secret(b"c" * 32), Secret(b"k" * 32)
    address = PatientKeys.assisted(card, custodial).controller_key(0, 0).address
    assert PatientKeys.assisted(card, custodial).controller_key(0, 0).address == address
    for wrong in ((custodial, card), (card, Secret(bytes(32))), (Secret(bytes(32)), custodial)):
        assert PatientKeys.assisted(*wrong).controller_key(0, 0).address != address
    with pytest.raises(MalformedBytes):
        PatientKeys.assisted(Secret(b"c" * 33), Secret(b"k" * 31))
    with pytest.raises(MalformedBytes):
        PatientKeys(Secret(bytes(16)))


def test_guardians_recover_a_phrase_from_shares_of_its_entropy() -> None:
    phrase = Phrase.random()
    shares = split(phrase.entropy, 3, 5)
    assert Phrase(combine(shares[1:4], 3)).words() == phrase.words()
