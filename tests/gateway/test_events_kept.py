"""Events are kept: each once whatever is killed, as long as they are promised, and a slow client costs nobody else."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import story
from careledger.adapters.books.memory import MemoryBooks
from careledger.app.tokens import Bearer
from careledger.domain.consents import Purpose
from careledger.domain.errors import ApiRefused, EventsGone, StoreUnavailable, Throttled
from careledger.domain.facts import BreakGlassFacts, ConsentFacts
from careledger.formats.events import Event
from careledger.gateway.events import listening
from careledger.gateway.events.inbox import Inbox
from careledger.gateway.events.listening import Listener, Listeners
from careledger.gateway.events.outbox import KEPT, Outbox
from careledger.gateway.events.stages import (
    ConsentStage,
    EmergencyStage,
    consent_stage,
    emergency_stage,
    of_consent,
    of_emergency,
)
from story import Story

LOOKER = Path(__file__).with_name("event_looker.py")
KILLED_AT = (2, 5, 3, 8)
"""At which of its changes each run is killed, in turn; more than one, so that every run gets further."""


def event(number: int, kind: str = "consent-given") -> Event:
    return Event(kind, 1_000 + number, number.to_bytes(4, "big"), (), (), ())


def everything(event: Event) -> bool:
    return True


def looks(folder: Path, effect: int = 0, when: str = "after") -> bool:
    """Whether a process that looks came to its end; else it was killed."""
    done = subprocess.run([sys.executable, LOOKER, folder, str(effect), when], capture_output=True, text=True)
    assert done.returncode in (0, -9), done.stderr
    return done.stdout == "done\n"


def told(folder: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Every organisation's events as kinds and references, in order of their numbers."""
    opened = story.everybody(folder)
    found = {}
    for label, organisation in opened.organisations.items():
        outbox = Outbox(organisation.books)
        events = [outbox.event(number) for number in range(1, outbox.last + 1)]
        assert None not in events
        found[label] = [(each.kind, each.reference) for each in events if each is not None]
    opened.world.close()
    return found


@pytest.mark.slow
def test_what_is_killed_while_it_looks_tells_everything_once_after_all(
    told_story: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(told_story, whole)
    assert looks(whole)
    expected = told(whole)
    assert sum(map(len, expected.values())) >= 6
    kills = 0
    for when in ("before", "after"):
        folder = tmp_path / when
        shutil.copytree(told_story, folder)
        for effect in itertools.cycle(KILLED_AT):
            if looks(folder, effect, when):
                break
            kills += 1
        assert looks(folder)
        assert {label: sorted(each) for label, each in told(folder).items()} == {
            label: sorted(each) for label, each in expected.items()
        }
    assert kills >= 6


@pytest.fixture(scope="module")
def told_story(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed copy of the story's directory."""
    folder = tmp_path_factory.mktemp("closed") / "data"
    shutil.copytree(told.folder, folder)
    return folder


def test_numbers_rise_by_one_over_restarts_and_an_event_lies_beside_how_far_its_subject_came() -> None:
    books = MemoryBooks()
    Outbox(books).append([event(1), event(2)], {b"\1a": 2})
    again = Outbox(books)
    again.append([event(3)], {b"\1a": 4}, [b"\1b"])
    assert (again.first, again.last, again.stage(b"\1a"), again.stage(b"\1b"), again.open()) == (
        1,
        3,
        4,
        0,
        [b"\1b"],
    )
    assert [again.event(number) for number in (1, 2, 3, 4)] == [event(1), event(2), event(3), None]


def test_old_events_are_dropped_and_who_would_resume_before_them_is_told_so() -> None:
    books = MemoryBooks()
    outbox = Outbox(books)
    outbox.append([event(number) for number in range(1, 6)], {})
    inbox = Inbox(outbox, 7)
    inbox.catch_up(everything)
    assert outbox.forget_before(1_004) == 3
    assert (outbox.first, outbox.last) == (4, 5)
    for each in (inbox, Inbox(Outbox(books), 7)):
        each.catch_up(everything)
        assert [one.number for one in each.page(3, 9, everything).found] == [4, 5]
        with pytest.raises(EventsGone):
            each.page(2, 9, everything)
        with pytest.raises(ApiRefused):
            each.page(6, 9, everything)
    assert [key for key, _ in books.rows(KEPT, b"n")] == [b"n" + n.to_bytes(8, "big") for n in (4, 5)]
    assert outbox.forget_before(9_999) == 2
    outbox.append([event(6)], {})
    inbox.catch_up(everything)
    assert [one.number for one in inbox.page(5, 9, everything).found] == [6]


def test_what_could_not_be_written_down_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    books = MemoryBooks()
    outbox = Outbox(books)
    inbox = Inbox(outbox, 7)
    outbox.append([event(1)], {})

    def full(*rows: object) -> None:
        raise StoreUnavailable(why="the disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(books, "put", full)
        with pytest.raises(StoreUnavailable):
            inbox.catch_up(everything)
    outbox.append([event(2)], {})
    inbox.catch_up(everything)
    for each in (inbox, Inbox(Outbox(books), 7)):
        assert [one.event for one in each.page(0, 9, everything).found] == [event(1), event(2)]


def test_a_post_is_told_what_it_sees_under_numbers_of_its_own() -> None:
    books = MemoryBooks()
    outbox = Outbox(books)
    outbox.append([event(number) for number in range(1, 10)], {})

    def even(each: Event) -> bool:
        return each.time % 2 == 0

    def odd(each: Event) -> bool:
        return not even(each)

    first, second = Inbox(outbox, 1), Inbox(outbox, 2)
    for inbox, sees in ((first, even), (second, odd)):
        inbox.catch_up(sees)
        inbox.catch_up(sees)
    assert [(each.number, each.event.time) for each in first.page(0, 9, even).found] == [
        (1, 1_002),
        (2, 1_004),
        (3, 1_006),
        (4, 1_008),
    ]
    assert [each.number for each in second.page(0, 2, odd).found] == [1, 2]
    assert second.page(0, 2, odd).more
    assert not second.page(3, 2, odd).more
    assert first.page(0, 9, odd) == ([], 4, False)  # what may not be known of any more is left out
    outbox.append([event(10)], {})
    reopened = Inbox(Outbox(books), 1)
    reopened.catch_up(even)
    assert [each.number for each in reopened.page(4, 9, even).found] == [5]


def bearer(digest: bytes = b"d") -> Bearer:
    return Bearer(digest, None, Purpose.TREAT, 0, 0.0)  # type: ignore[arg-type]


def test_a_listener_that_does_not_keep_up_is_ended_and_another_is_told_everything() -> None:
    listeners, slow, quick = Listeners(), Listener(bearer(), 0), Listener(bearer(), 0)
    listeners.join(slow)
    listeners.join(quick)
    taken = []
    for number in range(1, listening.MOST_WAITING + 2):
        listeners.give([slow, quick], [(number, b"x")], number)
        taken += quick.taken()
    assert slow.over
    assert slow.taken() == []
    assert not quick.over
    assert [number for number, _ in taken] == list(range(1, listening.MOST_WAITING + 2))


def test_nobody_is_told_the_same_twice() -> None:
    listeners, listener = Listeners(), Listener(bearer(), 2)
    listeners.join(listener)
    listeners.give([listener], [(2, b"b"), (3, b"c")], 3)
    listeners.give([listener], [(3, b"c"), (4, b"d")], 4)
    assert listener.taken() == [(3, b"c"), (4, b"d")]


def test_streams_are_bounded_and_closing_ends_all_and_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MOST_LISTENERS", 2)
    listeners, mine = Listeners(), [Listener(bearer(bytes([n])), 0) for n in range(4)]
    listeners.join(mine[0])
    listeners.join(mine[1])
    with pytest.raises(Throttled):
        listeners.join(mine[2])
    listeners.leave(mine[0])
    listeners.join(mine[2])

    async def closes() -> None:
        mine[1].loop = asyncio.get_running_loop()
        listeners.close()
        async with asyncio.timeout(5):
            await mine[1].woken.wait()

    asyncio.run(closes())
    assert mine[1].over
    assert mine[2].over
    with pytest.raises(Throttled):
        listeners.join(mine[3])


def test_a_stream_that_was_never_served_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    listeners, listener = Listeners(), Listener(bearer(), 0)
    listeners.join(listener)
    listeners.drop_unstarted()
    assert listeners.all() == [listener]
    monkeypatch.setattr(listening, "UNSTARTED", -1.0)
    listeners.drop_unstarted()
    assert listeners.all() == []


GIVEN = ConsentFacts(10, 100, 5, 0)
CONSENTS = [
    (None, True, 50, "UNKNOWN"),
    (ConsentFacts(0, 0, 0, 0), True, 50, "UNKNOWN"),
    (GIVEN, True, 50, "GIVEN"),
    (GIVEN, True, 7, "GIVEN"),
    (GIVEN, False, 50, "ENDED"),
    (GIVEN, False, 100, "EXPIRED"),
    (GIVEN, True, 99, "GIVEN"),
    (ConsentFacts(10, 100, 5, 60), True, 200, "REVOKED"),
    (ConsentFacts(0, 0, 0, 60), True, 200, "REVOKED"),
]


@pytest.mark.parametrize(("facts", "counts", "now", "stage"), CONSENTS)
def test_a_consents_stage_is_what_the_ledger_says(
    facts: ConsentFacts, counts: bool, now: int, stage: str
) -> None:
    assert consent_stage(facts, counts, now) is ConsentStage[stage]


def test_what_was_missed_between_two_looks_is_told_in_order_and_an_end_may_be_undone() -> None:
    unknown, given, ended = ConsentStage.UNKNOWN, ConsentStage.GIVEN, ConsentStage.ENDED
    revoked = ConsentFacts(10, 100, 5, 60)
    assert of_consent(unknown, ConsentStage.REVOKED, revoked, 70) == [
        ("consent-given", 5),
        ("consent-revoked", 60),
    ]
    assert of_consent(given, ConsentStage.REVOKED, revoked, 70) == [("consent-revoked", 60)]
    burnt = ConsentFacts(0, 0, 0, 60)
    assert of_consent(unknown, ConsentStage.REVOKED, burnt, 70) == [("consent-revoked", 60)]
    assert of_consent(unknown, ConsentStage.EXPIRED, GIVEN, 120) == [
        ("consent-given", 5),
        ("consent-expired", 100),
    ]
    assert of_consent(given, ended, GIVEN, 50) == [("consent-ended", 50)]
    assert of_consent(ended, given, GIVEN, 60) == [("consent-given", 60)]
    assert of_consent(given, given, GIVEN, 60) == []


def test_an_emergency_that_was_reviewed_before_anybody_looked_is_told_whole() -> None:
    facts = BreakGlassFacts(b"e", 1, 2, 10, 20, False, b"c", True)
    assert emergency_stage(facts, 15) is EmergencyStage.REVIEWED
    assert of_emergency(EmergencyStage.UNKNOWN, EmergencyStage.REVIEWED, facts, 15) == [
        ("emergency-opened", 10),
        ("emergency-reviewed", 15),
    ]
    waiting = BreakGlassFacts(b"e", 1, 2, 10, 20, False, b"c", False)
    assert (emergency_stage(waiting, 19), emergency_stage(waiting, 20)) == (
        EmergencyStage.OPENED,
        EmergencyStage.DUE,
    )
    assert emergency_stage(None, 20) is EmergencyStage.UNKNOWN
    assert of_emergency(EmergencyStage.OPENED, EmergencyStage.DUE, waiting, 25) == [
        ("emergency-review-due", 20)
    ]
