"""A short soak, killed under its load: nothing that was acknowledged is lost, and a look would show it if it were.

bench/soak.py runs the same for an hour.
"""

from __future__ import annotations

import secrets
import sys
import time
from base64 import urlsafe_b64encode
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from _soak_kept import Kept, doctored, lost, own_log
from _soak_load import OPENED, SHARES, Load
from _soak_samples import Probe
from _soak_world import cast_of
from over_http import started
from soak import Soaked, driven, report, signed_up, started_again, table

LONG, PACE = 8.0, 10.0


@dataclass
class Seen:
    """What a soak did, what was lost, and what the same look finds of claims that are false."""

    soaked: Soaked
    lost: list[str]
    false: list[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("soak") / "data"
    cast = cast_of(folder, 3_600, leavers=5)
    base, running = started(folder)
    try:
        load = signed_up(base, cast)
        with Probe() as probe:
            load.once()
            made = driven(folder, load, LONG, PACE, running, probe)
        running = started_again(folder, base)
        missing = lost(load.kept, cast, base, time.time())
        false, never_shown = lies(load), Kept(shown={new_session()})
        found = lost(false, cast, base, time.time())
        running.terminate()
        assert running.wait() == 0
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()
    missing += [*own_log(load.kept, folder), *doctored(folder)]
    return Seen(made, missing, found + own_log(never_shown, folder))


def lies(load: Load) -> Kept:
    """As if everything had gone wrong; what is said of each is not so."""
    kept = load.kept
    pair, given = next(iter(kept.consents.items()))
    id, active = next(iter(kept.staff.items()))
    path = next(each for each in kept.versions if each.startswith("Observation/"))
    return Kept(
        versions={path: {"0" * 64}},
        sessions={next(iter(kept.ended_sessions)): time.time()},
        ended_sessions={next(iter(kept.sessions))},
        ended_tokens={load.cast.doctor},
        refresh=dict(list(kept.used_refresh.items())[:1]),
        consents={pair: not given},
        staff={id: not active},
        released=Counter({(0, 0): 10_000}),
    )


def new_session() -> str:
    return urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def test_nothing_that_was_acknowledged_is_lost_when_the_server_is_killed_under_load(seen: Seen) -> None:
    assert seen.lost == []
    load, kept = seen.soaked.load, seen.soaked.load.kept
    assert load.failed == []
    assert {kind for _, kind, _ in load.taken} == {*SHARES, OPENED}
    assert min(len(kept.versions), len(kept.sessions), len(kept.ended_sessions), len(kept.ended_tokens)) >= 2
    assert set(kept.staff.values()) == {True, False}
    assert False in kept.consents.values()
    assert kept.used_refresh
    assert kept.shown
    assert sum(kept.released.values()) >= 2


def test_what_is_not_as_it_was_acknowledged_is_named(seen: Seen) -> None:
    said = "\n".join(seen.false)
    for words in (
        "was written", "a session was ended", "a session counts", "a token was ended", "a refresh token counts",
        "a consent ", "somebody ", "10000 readings were acknowledged", "1 who were shown something",
    ):  # fmt: skip
        assert words in said
    assert len(seen.false) == 9


def test_a_soak_shows_what_it_saw(seen: Seen) -> None:
    said = "\n".join(report(seen.soaked))
    assert "Nothing was lost." in said
    head, first, *_ = table(seen.soaked)
    assert len(head.split("\t")) == len(first.split("\t"))
    cells = dict(zip(head.split("\t"), first.split("\t"), strict=True))
    assert float(cells["memory MiB"]) > 50
    assert int(cells["threads"]) > 3
    assert float(cells["rows signed-in"]) > 5
