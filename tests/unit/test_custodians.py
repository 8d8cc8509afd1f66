"""Which custodians keep a patient's shares: the same for everybody, even, and stable."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from careledger.domain.custodians import Thresholds, custodian_list
from careledger.domain.errors import MalformedBytes, NotEnoughCustodians
from careledger.domain.parties import PartyId

ACTIVE = [PartyId(number) for number in range(1, 11)]


def seed(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(4, "big")).digest()


def test_a_list_is_the_same_for_everybody_whatever_the_order_of_the_registry() -> None:
    first = custodian_list(seed(0), ACTIVE, 5)
    assert first == custodian_list(seed(0), reversed(ACTIVE), 5)
    assert len(set(first)) == 5
    assert first != custodian_list(seed(1), ACTIVE, 5)


def test_the_rank_is_the_digest_that_the_formats_give() -> None:
    def framed(*fields: bytes) -> bytes:
        return b"".join(len(field).to_bytes(4, "big") + field for field in fields)

    ranks = {
        party: hashlib.sha256(
            framed(b"careledger/v1/custodian-rank", seed(3), party.number.to_bytes(8, "big"))
        ).hexdigest()
        for party in ACTIVE
    }
    assert list(custodian_list(seed(3), ACTIVE, 10)) == sorted(ACTIVE, key=lambda party: ranks[party])


def test_custodians_get_about_the_same_number_of_patients() -> None:
    places = Counter(party for number in range(2_000) for party in custodian_list(seed(number), ACTIVE, 5))
    assert places.total() == 10_000
    assert all(900 < places[party] < 1_100 for party in ACTIVE)


def test_when_one_leaves_only_its_place_is_filled_again() -> None:
    moved = kept = 0
    for number in range(500):
        before = custodian_list(seed(number), ACTIVE, 5)
        after = custodian_list(seed(number), ACTIVE[1:], 5)
        rest = [party for party in before if party != ACTIVE[0]]
        assert list(after[: len(rest)]) == rest
        moved += len(rest) == 4
        kept += len(rest) == 5
    assert moved + kept == 500
    assert 200 < moved < 300


def test_who_treats_the_patient_comes_last_where_there_are_enough_others() -> None:
    treating = set(ACTIVE[:5])
    assert not treating & set(custodian_list(seed(0), ACTIVE, 5, treating))
    most = custodian_list(seed(0), ACTIVE, 7, treating)
    assert [party in treating for party in most] == [False] * 5 + [True] * 2


def test_too_few_custodians_are_refused() -> None:
    assert len(custodian_list(seed(0), ACTIVE[:5], 5)) == 5
    with pytest.raises(NotEnoughCustodians):
        custodian_list(seed(0), ACTIVE[:4], 5)
    with pytest.raises(NotEnoughCustodians):
        custodian_list(seed(0), [ACTIVE[0]] * 5, 5)
    with pytest.raises(MalformedBytes):
        custodian_list(b"short", ACTIVE, 5)


def test_so_many_answers_that_nothing_t_hold_is_missing() -> None:
    usual = Thresholds()
    assert (usual.opening, usual.holding, usual.listed, usual.answers_needed) == (2, 3, 5, 4)
    assert usual.answers_needed + usual.holding > usual.listed
    assert usual.listed - usual.answers_needed < usual.opening


def test_a_smaller_network_has_a_shorter_list() -> None:
    four = Thresholds().fitted(4)
    assert (four.listed, four.escrow, four.answers_needed) == (4, 3, 3)
    assert Thresholds().fitted(40) == Thresholds()
    with pytest.raises(NotEnoughCustodians):
        Thresholds().fitted(2)


@pytest.mark.parametrize("wrong", [(0, 3, 5, 3), (4, 3, 5, 5), (2, 6, 5, 3), (2, 3, 5, 2), (2, 3, 5, 6)])
def test_thresholds_that_protect_nothing_are_refused(wrong: tuple[int, int, int, int]) -> None:
    with pytest.raises(MalformedBytes):
        Thresholds(*wrong)
    assert Thresholds(1, 1, 1, 1).answers_needed == 1
