"""Padmé: what the padded length betrays, what it costs, and that only true padding is taken off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.domain.errors import MalformedBytes
from careledger.sealing.padme import pad, pad_to, padded_length, unpad, unpad_from


@pytest.mark.parametrize(
    ("length", "padded"),
    [
        (0, 0),
        (1, 1),
        (8, 8),
        (9, 10),
        (100, 104),
        (1000, 1024),
        (1025, 1088),
        (10_000, 10_240),
        (1 << 20, 1 << 20),
    ],
)
def test_lengths_round_up_as_the_paper_says(length: int, padded: int) -> None:
    assert padded_length(length) == padded


@given(st.integers(2, 1 << 40))
def test_padding_costs_at_most_twelve_percent_and_is_stable(length: int) -> None:
    padded = padded_length(length)
    assert length <= padded <= length * 1.12
    assert padded_length(padded) == padded


def test_few_lengths_are_left_to_tell_apart() -> None:
    assert len({padded_length(length) for length in range(1, 1 << 16)}) < 300


@given(st.binary(max_size=5000))
def test_content_comes_back(content: bytes) -> None:
    assert unpad(pad(content)) == content
    assert len(pad(content)) == padded_length(8 + len(content))


def test_padding_that_pad_would_not_make_is_refused() -> None:
    padded = pad(b"content" * 43)
    assert len(padded) > 8 + 7 * 43
    wrong = {
        "not zero": padded[:-1] + b"\1",
        "cut": padded[:-1],
        "longer": padded + b"\0",
        "length beyond the end": (1 << 40).to_bytes(8, "big") + padded[8:],
        "length too short": (3).to_bytes(8, "big") + padded[8:],
        "no prefix": b"\0\0\0",
        "empty": b"",
    }
    for bad in wrong.values():
        with pytest.raises(MalformedBytes):
            unpad(bad)


def test_padding_to_a_given_length_comes_off_again_but_not_by_the_strict_rule() -> None:
    padded = pad_to(b"abc", 4096)
    assert len(padded) == 4096
    assert unpad_from(padded) == b"abc"
    with pytest.raises(MalformedBytes):
        unpad(padded)
