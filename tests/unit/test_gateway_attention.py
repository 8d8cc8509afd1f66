"""What is watched is looked at when it is new, when the ledger changed it and when its time has come, and else not."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from careledger.gateway.events.attention import SOME, Attention
from careledger.gateway.events.watched import Watched
from careledger.ports import LedgerView


@dataclass
class Kept:
    subject: bytes
    ends: int
    named: tuple[bytes, ...]
    stage: int = 0


def view(block: int, *changed: bytes) -> LedgerView:
    asked: Any = SimpleNamespace(head=SimpleNamespace(number=block), changed=lambda after: frozenset(changed))
    return cast(LedgerView, asked)


def watched(many: int) -> tuple[Attention, list[Any]]:
    attention = Attention()
    made = [Kept(bytes([each]), 100 + each, (bytes([each]), b"whose")) for each in range(many)]
    for each in made:
        attention.watch(cast(Watched, each))
    return attention, made


def subjects(found: list[Watched]) -> list[bytes]:
    return [each.subject for each in found]


def test_everything_is_looked_at_once_and_then_what_changed_or_ended() -> None:
    attention, made = watched(5)
    assert attention.due(view(1, b"not asked for at first"), 0) == made
    attention.looked(made, 0)
    assert attention.due(view(1, b"\1"), 0) == []
    assert subjects(attention.due(view(2, b"\3", b"of somebody else"), 0)) == [b"\3"]
    assert subjects(attention.due(view(2), 0)) == [b"\3"], "it is due until it was looked at"
    attention.looked([made[3]], 0)
    assert len(attention.due(view(3, b"whose"), 0)) == 5
    attention.looked(made, 0)
    assert subjects(attention.due(view(3), 101)) == [b"\0", b"\1"]
    attention.looked(made[:2], 101)
    assert attention.due(view(3), 101) == []


def test_what_turns_out_to_end_later_is_looked_at_again_then() -> None:
    attention, made = watched(1)
    attention.due(view(1), 0)
    made[0].ends = 500
    attention.looked(made, 0)
    assert attention.due(view(1), 499) == []
    assert attention.due(view(1), 500) == made


def test_what_is_left_is_not_looked_at_and_what_is_watched_anew_is() -> None:
    attention, made = watched(2)
    attention.looked(attention.due(view(1), 0), 0)
    attention.leave(b"\0")
    assert subjects(attention.due(view(2, b"\0", b"whose"), 100)) == [b"\1"]
    assert len(attention._due) == 1, "nothing is kept of what was left"
    attention.looked([made[1]], 100)
    attention.watch(made[0])
    assert subjects(attention.due(view(2), 100)) == [b"\0"]


def test_a_chain_that_is_shorter_than_before_is_looked_at_as_a_whole() -> None:
    attention, _ = watched(3)
    attention.looked(attention.due(view(9), 0), 0)
    assert len(attention.due(view(4), 0)) == 3


def test_however_often_it_is_looked_at_an_end_lies_in_memory_once_and_one_that_is_over_not_for_long() -> None:
    attention, made = watched(3)
    for block in range(1, 500):
        attention.looked(attention.due(view(block, b"whose"), 0), 0)
    assert len(attention._ends) == 3
    for later in range(1_000, 2_000):
        made[1].ends = later
        attention.looked(made, 0)
    assert len(attention._ends) <= 2 * 3 + SOME
    assert subjects(attention.due(view(500), 1_999)) == [b"\0", b"\2", b"\1"]
    attention.looked([made[0], made[2]], 1_999)
    assert subjects(attention.due(view(500), 2_000)) == [b"\1"]
