"""The kinds of runs of a campaign: what is done to the process of an act, and where."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from careledger.adapters.blocks.hostile import HostileBlocks
from careledger.adapters.custody.hostile import DelayingLink, DyingLink, LyingLink, RepeatingLink
from careledger.adapters.memory.failing import TELLING
from careledger.domain.errors import DirectoryInUse
from careledger.ports import CustodianLink
from crash import places, syscalls
from crash.acts import ACTS
from crash.failpoints import FAILING, How, Points
from crash.runs import Ended, attempt, forked
from crash.site import Site, found

BYTES_LEFT = (0, 300_000, 700_000, 900_000, 1_100_000, 1_400_000, 2_000_000)
LONGEST = 0.6
"""Seconds in which most acts come to their end on an idle machine."""
OLDEST_BASE = 1_800
"""Seconds for which a directory serves as the beginning of runs; its consents last for an hour."""
SPOILT = bytes([0x80])
HOSTILE: dict[str, Callable[[CustodianLink], CustodianLink]] = {
    "repeats every message": RepeatingLink,
    "dies before it does anything": lambda link: DyingLink(link, before=TELLING, times=1_000),
    "dies after it did it": lambda link: DyingLink(link, after=TELLING, times=1_000),
    "delays": lambda link: DelayingLink(link, lambda: time.sleep(0.005)),
    "lies": lambda link: LyingLink(
        link, dict.fromkeys(("release", "alias", "keep", "order"), lambda _: SPOILT)
    ),
}
STORES: dict[str, Callable[[HostileBlocks], object]] = {
    "lies about every block": HostileBlocks.lie_always,
    "repeats every act": HostileBlocks.repeat,
    "delays": lambda blocks: blocks.delay(lambda: time.sleep(0.005)),
    "fails before it persisted": lambda blocks: _fail(blocks, False),
    "fails after it persisted": lambda blocks: _fail(blocks, True),
}


def _fail(blocks: HostileBlocks, persisted: bool) -> None:
    for method in ("put_many", "pin", "unpin"):
        blocks.fail(method, persisted)


@dataclass(frozen=True)
class Run:
    """One run: its kind, what is done, to which act, and how to do it."""

    kind: str
    name: str
    act: str
    do: Callable[[], Ended]


@dataclass
class Campaign:
    """Where it happens, how many runs of each kind at most (0: all), and what chance decides."""

    folder: Path
    most: int
    chance: random.Random
    _founded: float = 0
    _reached: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def base(self) -> Path:
        """The directory that every run starts from, founded again before its consents expire."""
        folder = self.folder / "base"
        if time.time() - self._founded > OLDEST_BASE:
            shutil.rmtree(folder, ignore_errors=True)
            found(folder)
            self._founded = time.time()
        return folder

    @property
    def target(self) -> Path:
        """Where the directory of the last run lies."""
        return self.folder / "run"

    def runs(self) -> Iterator[Run]:
        """All kinds, each sampled, one run of each in turn as long as it has any."""
        disks = self.full_disks, self.read_only_disks
        hostile = self.custodians, self.stores
        left = [self._chosen(kind) for kind in (self.failpoints, self.kills, self.calls, *disks, *hostile)]
        left += [self._chosen(kind) for kind in (self.clocks, self.pairs)]
        while any(left):
            yield from [runs.pop() for runs in left if runs]

    def _chosen(self, kind: Callable[[], Iterator[Run]]) -> list[Run]:
        found = list(kind())
        self.chance.shuffle(found)
        return found[: self.most or len(found)]

    def fresh(self) -> Path:
        """A new copy of it."""
        shutil.rmtree(self.target, ignore_errors=True)
        shutil.copytree(self.base(), self.target)
        return self.target

    def _points(self, act: str) -> tuple[str, ...]:
        """The failpoints that an act reaches, found out once."""
        if act not in self._reached:
            self._reached[act] = forked(self.fresh(), act, Points()).points
        return self._reached[act]

    def failpoints(self) -> Iterator[Run]:
        """Every named failpoint, in each of the five ways."""
        for act in ACTS:
            for point in self._points(act):
                for how in FAILING:
                    yield Run("failpoint", f"{point} {how.value}", act, partial(self._at, act, point, how))

    def _at(self, act: str, point: str, how: How) -> Ended:
        return forked(self.fresh(), act, Points(point, how))

    def kills(self) -> Iterator[Run]:
        """Killed -9 somewhere between opening the directory and the end of the act."""
        for act in ACTS:
            for _ in range(40):
                wait = self.chance.uniform(0, LONGEST)
                yield Run("kill -9", f"after {wait:.3f} s", act, partial(self._killed, act, wait))

    def _killed(self, act: str, wait: float) -> Ended:
        def arm(site: Site) -> None:
            threading.Timer(wait, os.kill, (os.getpid(), signal.SIGKILL)).start()

        return forked(self.fresh(), act, Points(), arm)

    def calls(self) -> Iterator[Run]:
        """Every occurrence of the file system calls fails with EIO or ENOSPC, or kills."""
        if syscalls.available():
            return
        for act in ("deposit", "erase") if self.most else ACTS:
            for each in syscalls.injections(syscalls.occurrences(self.fresh(), act)):
                yield Run("system call", str(each), act, partial(self._injected, act, each))

    def _injected(self, act: str, each: syscalls.Injection) -> Ended:
        return syscalls.injected(self.fresh(), act, each)

    def full_disks(self) -> Iterator[Run]:
        """A disk that gets full; what was written before stays."""
        for act in () if places.available() else ACTS:
            for leave in BYTES_LEFT:
                yield Run("full disk", f"{leave} bytes left", act, partial(self._on_disk, act, leave))

    def read_only_disks(self) -> Iterator[Run]:
        """A disk that takes nothing."""
        for act in () if places.available() else ACTS:
            yield Run("read-only disk", "", act, partial(self._on_disk, act, None))

    def _on_disk(self, act: str, leave: int | None) -> Ended:
        with places.mounted(self.folder / "disk", 60_000) as disk:
            folder = disk / "run"
            shutil.copytree(self.base(), folder)
            if leave is None:
                places.remount(disk, "ro")
                ended = forked(folder, act, Points())
            else:
                ballast = places.fill(disk, leave)
                ended = forked(folder, act, Points())
                ballast.unlink()
            shutil.rmtree(self.target, ignore_errors=True)
            shutil.copytree(folder, self.target)
        return ended

    def clocks(self) -> Iterator[Run]:
        """The clock of the process steps back and forth while it acts."""
        for act in ACTS:
            for _ in range(10):
                chance = random.Random(self.chance.random())
                yield Run("stepping clock", "by up to ten minutes", act, partial(self._stepping, act, chance))

    def _stepping(self, act: str, chance: random.Random) -> Ended:
        def arm(site: Site) -> None:
            site.told.world.clock = Stepping(chance)

        return forked(self.fresh(), act, Points(), arm)

    def pairs(self) -> Iterator[Run]:
        """A second process on the same directory while the first is at one of its failpoints: it is refused."""
        for act in ACTS:
            for point in self._points(act):
                yield Run("two processes", f"{point} meanwhile", act, partial(self._two, act, point))

    def _two(self, act: str, point: str) -> Ended:
        folder, seconds = self.fresh(), list[Ended]()
        points = Points(point, How.MEANWHILE, lambda: seconds.append(forked(folder, act, Points())))
        first = attempt(folder, act, points, close=True)
        assert all(DirectoryInUse.__name__ in second.why for second in seconds), seconds
        return replace(first, hit=bool(seconds))

    def custodians(self) -> Iterator[Run]:
        """One custodian that lies, delays, repeats, or fails before or after it persisted."""
        for act in ACTS:
            for name in HOSTILE:
                yield Run("hostile custodian", name, act, partial(self._with_hostile, act, name))

    def _with_hostile(self, act: str, name: str) -> Ended:
        def arm(site: Site) -> None:
            custodians = site.told.world.custodians
            number = min(custodians)
            custodians[number] = HOSTILE[name](custodians[number])

        return forked(self.fresh(), act, Points(), arm)

    def stores(self) -> Iterator[Run]:
        """A block store that lies, delays, repeats, or fails before or after it persisted."""
        for act in ACTS:
            for name in STORES:
                yield Run("hostile store", name, act, partial(self._with_store, act, name))

    def _with_store(self, act: str, name: str) -> Ended:
        def arm(site: Site) -> None:
            blocks = HostileBlocks(site.told.world.blocks)
            STORES[name](blocks)
            site.told.world.blocks = blocks  # type: ignore[assignment]

        return forked(self.fresh(), act, Points(), arm)


class Stepping:
    """A clock that steps back and forth around the present."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def now(self) -> int:
        """Unix seconds, up to ten minutes early or late."""
        return int(time.time()) + self._chance.randrange(-600, 600)

    def wait(self, seconds: int) -> None:
        """Sleeps so long by the machine's own clock."""
        time.sleep(seconds)
