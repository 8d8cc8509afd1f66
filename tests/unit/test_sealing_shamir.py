"""Shamir's shares: who can reconstruct, who learns nothing, wrong shares, and repair by enrolment."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.domain.errors import MalformedBytes, NotEnoughShares, ShareMismatch
from careledger.proofs.anchors import share_commitment
from careledger.sealing.keys import Secret
from careledger.sealing.shamir import (
    P,
    Share,
    check_share,
    combine,
    commitment,
    commitments,
    remade_share,
    repair_sum,
    repair_terms,
    split,
    uniform_below_p,
)

POLICIES = [(2, 3), (2, 5), (3, 4), (3, 5)]


def value(number: int) -> Secret:
    return Secret(number.to_bytes(32, "big"))


def is_prime(n: int) -> bool:
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        x = pow(base, odd, n)
        if x not in (1, n - 1) and all((x := x * x % n) != n - 1 for _ in range(twos - 1)):
            return False
    return True


def test_the_field_is_the_largest_prime_below_two_to_the_256() -> None:
    assert is_prime(P)
    assert not any(is_prime(n) for n in range(P + 2, 2**256, 2))


@pytest.mark.parametrize(("threshold", "places"), POLICIES)
def test_any_threshold_of_custodians_reconstruct_and_one_fewer_do_not(threshold: int, places: int) -> None:
    secret = uniform_below_p()
    shares = split(secret, threshold, places)
    done = {"reconstructed": 0, "refused": 0}
    for count in range(places + 1):
        for some in itertools.combinations(shares, count):
            if count < threshold:
                with pytest.raises(NotEnoughShares):
                    combine(some, threshold)
                done["refused"] += 1
            else:
                assert combine(some, threshold) == secret
                done["reconstructed"] += 1
    assert sum(done.values()) == 2**places
    assert done["refused"] == sum(1 for n in range(2**places) if n.bit_count() < threshold)


def test_one_share_of_two_fits_every_secret() -> None:
    (held, _) = split(value(1), 2, 2, [value(7)])
    for secret in (0, 1, 2, P - 1):
        slope = (int.from_bytes(held.value.reveal(), "big") - secret) % P
        assert split(value(secret), 2, 2, [value(slope)])[0] == held


def test_secrets_to_be_split_reach_up_to_the_whole_field() -> None:
    made = [int.from_bytes(uniform_below_p().reveal(), "big") for _ in range(300)]
    assert len(set(made)) == 300
    assert max(made) > P // 2 > min(made)


def test_splitting_twice_gives_other_shares() -> None:
    secret = uniform_below_p()
    assert split(secret, 2, 3) != split(secret, 2, 3)


@settings(max_examples=50)
@given(st.integers(0, P - 1))
def test_every_value_of_the_field_can_be_split(number: int) -> None:
    assert combine(split(value(number), 3, 5)[1:4], 3) == value(number)


@pytest.mark.parametrize("secret", [value(P), value(2**256 - 1), Secret(bytes(31)), Secret(bytes(33))])
def test_what_is_not_in_the_field_is_refused(secret: Secret) -> None:
    with pytest.raises(MalformedBytes):
        split(secret, 2, 3)
    with pytest.raises(MalformedBytes):
        Share(1, secret)


@pytest.mark.parametrize(("threshold", "places"), [(1, 3), (0, 3), (4, 3), (2, 65)])
def test_a_threshold_that_protects_nothing_or_cannot_be_met_is_refused(threshold: int, places: int) -> None:
    with pytest.raises(MalformedBytes):
        split(value(1), threshold, places)


@pytest.mark.parametrize("place", [0, -1, 65])
def test_no_share_lies_at_the_secret_itself_or_beyond_the_list(place: int) -> None:
    with pytest.raises(MalformedBytes):
        Share(place, value(1))


def test_a_wrong_share_is_recognised_by_its_commitment() -> None:
    shares = split(uniform_below_p(), 2, 3)
    roots = commitments(shares)
    assert roots == [commitment(share) for share in shares]
    for share, root in zip(shares, roots, strict=True):
        check_share(share, root)
        forged = Share(share.place, uniform_below_p())
        moved = Share(share.place % 3 + 1, share.value)
        for wrong in (forged, moved):
            with pytest.raises(ShareMismatch):
                check_share(wrong, root)


def test_a_share_beyond_the_threshold_that_does_not_fit_is_refused() -> None:
    first, second, third = split(uniform_below_p(), 2, 3)
    with pytest.raises(ShareMismatch):
        combine([first, second, Share(3, value(5))], 2)
    with pytest.raises(ShareMismatch):
        combine([first, second, Share(2, value(5))], 2)
    assert combine([first, second, third, first], 2) == combine([second, third], 2)


def test_the_commitment_is_the_one_that_a_version_leaf_names() -> None:
    for share in split(uniform_below_p(), 3, 5):
        assert commitment(share) == share_commitment(share.place, share.value.reveal())


def test_the_same_place_twice_is_one_share() -> None:
    first, *_ = split(uniform_below_p(), 2, 3)
    with pytest.raises(NotEnoughShares):
        combine([first, first], 2)


def enrol(
    shares: tuple[Share, ...], helpers: tuple[int, ...], place: int
) -> tuple[dict[int, dict[int, Secret]], dict[int, Secret]]:
    terms = {p: repair_terms(shares[p - 1], helpers, place) for p in helpers}
    sums = {j: repair_sum(terms[i][j] for i in helpers) for j in helpers}
    return terms, sums


@pytest.mark.parametrize(("threshold", "places"), POLICIES)
def test_any_helpers_remake_any_lost_share_and_it_fits_its_commitment(threshold: int, places: int) -> None:
    shares = split(uniform_below_p(), threshold, places)
    roots = commitments(shares)
    remade = 0
    for lost in range(1, places + 1):
        for helpers in itertools.combinations([p for p in range(1, places + 1) if p != lost], threshold):
            _, sums = enrol(shares, helpers, lost)
            share = remade_share(lost, sums.values())
            check_share(share, roots[lost - 1])
            assert share == shares[lost - 1]
            remade += 1
    assert remade >= places


def test_a_place_beyond_the_first_list_can_be_enrolled() -> None:
    shares = split(uniform_below_p(), 2, 3)
    _, sums = enrol(shares, (1, 3), 4)
    newcomer = remade_share(4, sums.values())
    assert combine([newcomer, shares[1]], 2) == combine(shares[:2], 2)


def test_what_travels_in_a_repair_is_masked() -> None:
    """Nothing that a helper or the successor receives equals a share, a Lagrange term or the secret."""
    secret = uniform_below_p()
    shares = split(secret, 2, 3)
    terms, sums = enrol(shares, (1, 2), 3)
    again, sums_again = enrol(shares, (1, 2), 3)
    for i, j in itertools.product((1, 2), repeat=2):
        assert terms[i][j] != again[i][j]
    assert all(sums[j] != sums_again[j] for j in (1, 2))
    private = {secret.reveal(), *(share.value.reveal() for share in shares)}
    assert private.isdisjoint(part.reveal() for each in terms.values() for part in each.values())
    assert private.isdisjoint(each.reveal() for each in sums.values())


def test_a_helper_that_lies_is_found_out_by_the_commitment() -> None:
    shares = split(uniform_below_p(), 2, 3)
    _, sums = enrol(shares, (1, 2), 3)
    sums[1] = uniform_below_p()
    with pytest.raises(ShareMismatch):
        check_share(remade_share(3, sums.values()), commitment(shares[2]))


@pytest.mark.parametrize(
    ("helpers", "place"), [((1, 2), 2), ((2, 3), 4), ((1, 1), 3), ((1, 2), 0), ((1, 2), 65)]
)
def test_a_repair_with_impossible_helpers_is_refused(helpers: tuple[int, ...], place: int) -> None:
    with pytest.raises(MalformedBytes):
        repair_terms(Share(1, value(9)), helpers, place)


def test_shares_betray_nothing_by_their_first_byte() -> None:
    """A share of one fixed secret is uniform: 256 buckets, chi-square within six deviations."""
    seeded = random.Random(7)
    count = [0] * 256
    for _ in range(5120):
        share = split(value(1), 2, 2, [value(seeded.randrange(P))])[0]
        count[share.value.reveal()[0]] += 1
    chi = sum((n - 20) ** 2 / 20 for n in count)
    assert sum(count) == 5120
    assert abs(chi - 255) < 6 * (2 * 255) ** 0.5
