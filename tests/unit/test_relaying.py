"""The schedule of relayed messages: windows, times and deadlines that tell little; members chosen at random."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from careledger.domain.consents import Window
from careledger.domain.errors import MalformedBytes, StoreUnavailable
from careledger.domain.relaying import BATCH, HOUR, another, batch_at, deadline, rounded, send_at, shuffled
from careledger.formats.consent_messages import LONGEST_DEADLINE, GiveConsent, RevokeConsent
from careledger.formats.ledger_messages import RotateAlias
from careledger.formats.relaying import RelayedEntry
from careledger.formats.signatures import SigningKey

NOW = 480_000 * HOUR + 1_234


def test_a_window_is_rounded_to_full_hours_and_never_opens_more_from_now_on() -> None:
    random, kept = Random(1), 0
    for _ in range(2_000):
        start = NOW + random.randint(-3 * HOUR, 48 * HOUR)
        asked = Window(start, max(start, NOW) + random.randint(1, 72 * HOUR))
        made = rounded(asked, NOW)
        assert max(made.start, NOW) >= max(asked.start, NOW)
        assert made.end <= asked.end
        assert made.end > NOW
        if made.end == asked.end and asked.end % HOUR:
            kept += 1
            assert asked.end - max(asked.start, NOW) < 2 * HOUR
        else:
            assert made.start % HOUR == made.end % HOUR == 0
    assert 20 < kept < 100


def test_a_start_that_has_come_shows_only_the_hour() -> None:
    assert {rounded(Window(NOW - back, NOW + 9 * HOUR), NOW).start for back in range(0, 1_234, 100)} == {
        NOW - 1_234
    }


def test_what_counts_now_is_entered_now_and_what_counts_later_at_any_time_before() -> None:
    random = Random(2)
    assert {send_at(NOW, NOW + later, random) for later in (-HOUR, 0, HOUR)} == {NOW}
    times = [send_at(NOW, NOW + 11 * HOUR, random) - NOW for _ in range(5_000)]
    assert min(times) < 60
    assert 10 * HOUR - 60 < max(times) <= 10 * HOUR
    quarters = Counter(time * 4 // (10 * HOUR + 1) for time in times)
    assert all(1_100 < quarters[each] < 1_400 for each in range(4))


def test_a_deadline_is_a_half_hour_that_the_contract_takes() -> None:
    for at in range(NOW, NOW + HOUR, 7):
        made = deadline(at)
        assert made % (HOUR // 2) == 0
        assert at + 600 <= made < at + 2_400 <= at + LONGEST_DEADLINE
    assert len({deadline(at) for at in range(NOW, NOW + HOUR)}) <= 3


def test_a_batch_goes_at_the_next_five_seconds() -> None:
    assert [batch_at(second) for second in (0, 1, 4, 5)] == [5, 5, 5, 10]
    assert all(0 < batch_at(second) - second <= BATCH for second in range(NOW, NOW + 20))


def test_every_order_of_a_batch_is_as_likely() -> None:
    random = Random(3)
    orders = Counter(tuple(shuffled("abc", random)) for _ in range(6_000))
    assert len(orders) == 6
    assert all(880 < count < 1_120 for count in orders.values())


def test_a_member_is_chosen_at_random_among_those_not_tried() -> None:
    random = Random(4)
    chosen = Counter(another((1, 2, 3, 4), (2,), random) for _ in range(3_000))
    assert set(chosen) == {1, 3, 4}
    assert all(900 < count < 1_100 for count in chosen.values())
    assert another((1, 2), (1, 2), random) in (1, 2)
    with pytest.raises(StoreUnavailable):
        another((), (), random)


def test_an_entry_is_the_struct_that_was_signed_and_nothing_else_travels() -> None:
    owner = SigningKey.random().address
    for message in (GiveConsent(owner, b"\1" * 32, 1, 2, 3), RevokeConsent(owner, b"\2" * 32, 4)):
        entry = RelayedEntry.of(message, bytes(65))
        assert RelayedEntry.decode(entry.encode()).message == message
    turned = RotateAlias(b"\3" * 32, 2, owner, 1, 0, 5)
    assert RelayedEntry.decode(RelayedEntry.of(turned, bytes(65), bytes(65)).encode()).message == turned
    for signatures in ((), (bytes(65),)):
        with pytest.raises(MalformedBytes):
            _ = RelayedEntry.of(turned, *signatures).message
    words = RelayedEntry.of(RevokeConsent(owner, b"\2" * 32, 4), bytes(65)).members
    for struct, members in (
        ("RotateAlias", words),
        ("GiveConsent", words),
        ("RevokeConsent", words[:2]),
        ("RevokeConsent", (b"\1" * 32, *words[1:])),
        ("RevokeConsent", (*words[:2], b"\xff" * 32)),
    ):
        with pytest.raises(MalformedBytes):
            _ = RelayedEntry(struct, members, (bytes(65),)).message
