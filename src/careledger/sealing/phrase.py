"""A patient's recovery phrase, and every key that comes from it.

The phrase is 24 English words of BIP-39: 256 bits of entropy and a checksum. The master secret comes from the
BIP-39 seed (PBKDF2, no passphrase), so any BIP-39 tool can check a phrase. Below it there is only HKDF with a
label and numbers: nobody who has one derived key gets another.
"""

from __future__ import annotations

from functools import cache
from typing import NoReturn

from mnemonic import Mnemonic

from careledger.domain.errors import MalformedBytes, PhraseRefused
from careledger.formats.digests import uint
from careledger.formats.signatures import ORDER, SigningKey
from careledger.sealing.keys import SealingKey, Secret, derive
from careledger.sealing.shamir import uniform_below_p

WORDS = 24
ENTROPY = 32


class Phrase:
    """24 words; never printed. ``words`` says them."""

    __slots__ = ("entropy",)
    entropy: Secret

    def __init__(self, entropy: Secret) -> None:
        """Raises PhraseRefused unless there are 32 bytes of entropy."""
        if len(entropy) != ENTROPY:
            raise PhraseRefused(why="entropy of another length")
        self.entropy = entropy

    @classmethod
    def random(cls) -> Phrase:
        """A new phrase; its entropy is below p of sealing.shamir, so guardians can hold shares of it."""
        return cls(uniform_below_p())

    @classmethod
    def from_words(cls, text: str) -> Phrase:
        """The phrase that somebody typed: any case and white space; raises PhraseRefused."""
        words = Mnemonic.normalize_string(text).lower().split()
        if len(words) != WORDS:
            raise PhraseRefused(why=f"{len(words)} words instead of {WORDS}")
        unknown = [place for place, word in enumerate(words, start=1) if word not in _known()]
        if unknown:
            raise PhraseRefused(unknown_word_at=unknown[0])
        try:
            return cls(Secret(bytes(_english().to_entropy(words))))
        except ValueError:
            raise PhraseRefused(why="a word is wrong or in another place") from None

    def words(self) -> str:
        """The 24 words, to be shown to their owner only."""
        return _english().to_mnemonic(self.entropy.reveal())

    def seed(self, passphrase: str = "") -> Secret:
        """The 64-byte BIP-39 seed. CareLedger itself uses no passphrase."""
        return Secret(_english().to_seed(self.words(), passphrase))

    def keys(self) -> PatientKeys:
        """The keys of the patient whose phrase this is."""
        return PatientKeys(derive(self.seed(), "master"))

    def __repr__(self) -> str:
        return "<Phrase>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Phrase is not pickled or copied")


class PatientKeys:
    """Keys by number: ``alias_number`` counts this person's aliases from 0; only their agent knows them."""

    __slots__ = ("_master",)

    def __init__(self, master: Secret) -> None:
        """Raises MalformedBytes unless the master secret has 32 bytes."""
        if len(master) != 32:
            raise MalformedBytes(why="a master secret has 32 bytes")
        self._master = master

    @classmethod
    def assisted(cls, card: Secret, custodial: Secret) -> PatientKeys:
        """Keys from the printed card's k₁ and the custodians' k₂ (32 bytes each), for one sitting."""
        if len(card) != 32 or len(custodial) != 32:
            raise MalformedBytes(why="each part of an assisted key has 32 bytes")
        return cls(derive(Secret(card.reveal() + custodial.reveal()), "assisted-master"))

    def controller_key(self, alias_number: int, generation: int) -> SigningKey:
        """What signs for the alias on the ledger; each rotation is the next generation."""
        return _signing_key(self._below("controller", alias_number, generation, length=48))

    def sealing_key(self, alias_number: int, generation: int) -> SealingKey:
        """What epoch seeds and log entries are sealed to."""
        return SealingKey(self._below("sealing-seed", alias_number, generation))

    def consent_key(self, alias_number: int, counter: int) -> SigningKey:
        """The one-time owner of a consent on the ledger; a counter is used once."""
        return _signing_key(self._below("consent-key", alias_number, counter, length=48))

    def consent_salt(self, alias_number: int, counter: int) -> Secret:
        """The salt of that consent's commitment, 32 bytes."""
        return self._below("consent-salt", alias_number, counter)

    def audit_seed(self, alias_number: int, claim: int) -> Secret:
        """What the audit keys of one claim come from."""
        return self._below("audit-seed", alias_number, claim)

    def _below(self, label: str, *numbers: int, length: int = 32) -> Secret:
        return derive(self._master, label, *(uint(number) for number in numbers), length=length)

    def __repr__(self) -> str:
        return "<PatientKeys>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("PatientKeys are not pickled or copied")


def audit_key(audit_seed: Secret, alias: bytes, claim: int, custodian: int) -> Secret:
    """What patient and one custodian (by its party number) share to tag and find log entries."""
    return derive(audit_seed, "audit-key", alias, uint(claim), uint(custodian))


def _signing_key(wide: Secret) -> SigningKey:
    """384 bits modulo (order − 1), plus 1: biased by less than 2⁻¹²⁷ (FIPS 186-5, A.2.1)."""
    number = int.from_bytes(wide.reveal(), "big") % (ORDER - 1) + 1
    return SigningKey(number.to_bytes(32, "big"))


@cache
def _english() -> Mnemonic:
    return Mnemonic("english")


@cache
def _known() -> frozenset[str]:
    return frozenset(_english().wordlist)
