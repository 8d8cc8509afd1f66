"""Shamir's secret sharing over p = 2²⁵⁶ − 189, share commitments, and repair by enrolment.

A value is 32 bytes, big-endian, below p. Secrets to be split are *made* below p (``uniform_below_p``): of all
256-bit values 189 are not, and those are refused. Place x holds the polynomial's value at x; the secret is at 0.
"How to share a secret" (Shamir, 1979); enrolment as in "Unconditionally secure social secret sharing scheme"
(Nojoumian, Stinson, Grainger, 2010).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from careledger.domain.errors import MalformedBytes, NotEnoughShares, ShareMismatch
from careledger.formats.digests import digest, uint
from careledger.sealing.keys import Secret

P = 2**256 - 189
SIZE = 32
MOST_PLACES = 64


@dataclass(frozen=True, slots=True)
class Share:
    """The value at one place of a patient's custodian list; the value is never printed."""

    place: int
    value: Secret

    def __post_init__(self) -> None:
        """Raises MalformedBytes for a place outside 1…64 or a value not below p."""
        if not 1 <= self.place <= MOST_PLACES:
            raise MalformedBytes(why="share place outside 1 to 64")
        _number(self.value)


def uniform_below_p() -> Secret:
    """A new uniform secret that can be split."""
    return _value(secrets.randbelow(P))


def split(
    secret: Secret, threshold: int, places: int, coefficients: Sequence[Secret] | None = None
) -> tuple[Share, ...]:
    """Shares for places 1…``places``; any ``threshold`` of them give the secret, fewer tell nothing.

    ``coefficients`` (of x¹ … x^(threshold − 1)) are random; given only to make test vectors. Raises
    MalformedBytes for a threshold under 2 or over ``places``, or for a secret that is not below p.
    """
    if coefficients is None:
        values = split_values(secret, threshold, places)
    else:
        _check_threshold(threshold, places)
        if len(coefficients) != threshold - 1:
            raise MalformedBytes(why="one coefficient fewer than the threshold")
        values = _values(_number(secret), [_number(each) for each in coefficients], places)
    return tuple(Share(place, Secret(value)) for place, value in enumerate(values, start=1))


def split_values(secret: Secret, threshold: int, places: int) -> list[bytes]:
    """The values of ``split`` at places 1…``places``, in order; raises as it does."""
    _check_threshold(threshold, places)
    return _values(_number(secret), [secrets.randbelow(P) for _ in range(threshold - 1)], places)


def _check_threshold(threshold: int, places: int) -> None:
    if not 2 <= threshold <= places <= MOST_PLACES:
        raise MalformedBytes(why="threshold outside 2 to the number of places")


def _values(secret: int, coefficients: Sequence[int], places: int) -> list[bytes]:
    falling = coefficients[::-1]
    values = []
    for x in range(1, places + 1):
        number = 0
        for coefficient in falling:
            number = (number + coefficient) * x
        values.append(((number + secret) % P).to_bytes(SIZE, "big"))
    return values


def combine(shares: Iterable[Share], threshold: int) -> Secret:
    """The secret. Raises NotEnoughShares for fewer places than ``threshold``.

    Shares beyond the threshold are checked against the others: ShareMismatch if they do not fit, or if one
    place comes with two values. With exactly ``threshold`` shares only commitments tell a wrong one.
    """
    known: dict[int, Secret] = {}
    for share in shares:
        if known.setdefault(share.place, share.value) != share.value:
            raise ShareMismatch(place=share.place)
    if len(known) < threshold:
        raise NotEnoughShares(needed=threshold, found=len(known))
    places = sorted(known)
    used = tuple(places[:threshold])
    for place in places[threshold:]:
        if _value(_interpolate(known, used, place)) != known[place]:
            raise ShareMismatch(place=place)
    return _value(_interpolate(known, used, 0))


def commitment(share: Share) -> bytes:
    """``H("share", place, value)``, 32 bytes; no blind, because shares are uniform."""
    return digest("share", uint(share.place), share.value.reveal())


def commitments(shares: Iterable[Share]) -> list[bytes]:
    """The commitments in the shares' order: the leaves under the root that a version's leaf names."""
    return [commitment(share) for share in shares]


def check_share(share: Share, expected: bytes) -> None:
    """Raises ShareMismatch unless this is the share that was committed to."""
    if not hmac.compare_digest(commitment(share), expected):
        raise ShareMismatch(place=share.place)


# Enrolment: t helpers remake the share of a place that none of them holds, and nobody reconstructs ---------


def repair_terms(
    share: Share, helpers: Sequence[int], place: int, masks: Sequence[Secret] | None = None
) -> dict[int, Secret]:
    """Step 1, at each helper: its Lagrange term for ``place``, split into random parts, one per helper.

    Part j goes, sealed, to helper j alone. ``helpers`` are the places of all (at least threshold) helpers, this
    one included. ``masks`` (all parts but the last helper's) are random; given only to make test vectors.
    Raises MalformedBytes if the helpers are not distinct, lack this share's place, or hold ``place`` already.
    """
    ordered = tuple(sorted(set(helpers)))
    if len(ordered) != len(helpers) or share.place not in ordered or place in ordered:
        raise MalformedBytes(why="helpers of a repair")
    if not 1 <= place <= MOST_PLACES:
        raise MalformedBytes(why="share place outside 1 to 64")
    if masks is None:
        masks = [uniform_below_p() for _ in ordered[1:]]
    weight = _weights(ordered, place)[ordered.index(share.place)]
    numbers = [_number(mask) for mask in masks]
    last = (weight * _number(share.value) - sum(numbers)) % P
    return dict(zip(ordered, [*(_value(each) for each in numbers), _value(last)], strict=True))


def repair_sum(parts: Iterable[Secret]) -> Secret:
    """Step 2, at each helper: the sum of the parts that all helpers sent it; goes, sealed, to the successor."""
    return _value(sum(_number(part) for part in parts) % P)


def remade_share(place: int, sums: Iterable[Secret]) -> Share:
    """Step 3, at the successor: the share of ``place``. Check it against its commitment before use."""
    return Share(place, repair_sum(sums))


def _number(value: Secret) -> int:
    number = int.from_bytes(value.reveal(), "big")
    if len(value) != SIZE or number >= P:
        raise MalformedBytes(why="not a 32-byte value below p")
    return number


def _value(number: int) -> Secret:
    return Secret(number.to_bytes(SIZE, "big"))


def _interpolate(known: dict[int, Secret], places: tuple[int, ...], x: int) -> int:
    weights = _weights(places, x)
    return sum(w * _number(known[place]) for w, place in zip(weights, places, strict=True)) % P


@lru_cache(maxsize=4096)
def _weights(places: tuple[int, ...], x: int) -> tuple[int, ...]:
    """Lagrange's weights of the values at ``places`` for the value at x."""
    weights = []
    for i in places:
        above = below = 1
        for j in places:
            if j != i:
                above = above * (x - j) % P
                below = below * (i - j) % P
        weights.append(above * pow(below, -1, P) % P)
    return tuple(weights)
