"""Passwords: Argon2id (RFC 9106) at OWASP's cost, long ones only, compared outside the thread that holds the world.

How many guesses a new one takes is estimated as zxcvbn does (Wheeler, USENIX Security 2016), with its lists of words
and of passwords that leaked, and with words of the context, which are kept nowhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from careledger.domain.errors import PasswordRefused

LEAST, MOST = 15, 128
"""Characters."""
GUESSES = 10**10
"""How many whoever knows the words has to make at least."""
LOOKED_AT = 72
"""Characters whose guesses are estimated; what follows them only adds to these."""
OURS = ("careledger",)
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def new_hash(password: str, words: Iterable[str] = ()) -> str:
    """What is kept of a new password; ``words`` are those that somebody guesses who knows whose it is and where. Raises
    PasswordRefused. Touches nothing, so that any thread may ask."""
    said = _said(password)
    if not LEAST <= len(said) <= MOST:
        raise PasswordRefused(characters=f"{LEAST} to {MOST}")
    if len(set(said)) < LEAST // 3:
        raise PasswordRefused(why="it repeats itself")
    if _guesses(said, words) < GUESSES:
        raise PasswordRefused(
            why="it is made of common passwords, of words of this place, or in a common way"
        )
    return hashed(said)


def hashed(said: str) -> str:
    """The Argon2id hash of what nobody chose."""
    return _HASHER.hash(said)


def is_password(kept: str, password: str) -> bool:
    """Whether it is the password; it takes as long if it is not. Touches nothing, so that any thread may ask."""
    try:
        return _HASHER.verify(kept, _said(password))
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def _guesses(said: str, words: Iterable[str]) -> int:
    """How many guesses it takes about. The package's own entry keeps the words it is given, and tries every way of
    writing letters as signs, which can take seconds; so its parts are asked, and those are left out."""
    from zxcvbn import matching, scoring  # 25 ms and 10 MiB that only a new password needs

    plain = said.casefold()[:LOOKED_AT]
    if (again := re.fullmatch(r"(.+?)\1+", plain, re.DOTALL)) is not None:
        plain = again[1]
    near = {
        part for each in (*OURS, *words) for part in (each.casefold(), *re.split(r"\W+", each.casefold()))
    }
    ranks = {word: at for at, word in enumerate(sorted(near - {""}), 1)}
    lists = {**matching.RANKED_DICTIONARIES, "user_inputs": ranks}
    found = [
        *matching.dictionary_match(plain, lists),
        *matching.reverse_dictionary_match(plain, lists),
        *matching.spatial_match(plain),
        *matching.sequence_match(plain),
        *matching.date_match(plain),
    ]
    return int(scoring.most_guessable_match_sequence(plain, found)["guesses"])


def _said(password: str) -> str:
    """However a keyboard composed it (RFC 8265)."""
    return unicodedata.normalize("NFC", password)
