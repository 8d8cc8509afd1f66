"""Runs a workflow with one of its effects failing, before or after it persisted, then what has to hold afterwards.

Two things die: the caller, at an effect on one of its ports; and a custodian, at an effect on its own stores or on the
ledger, which its caller sees as one that cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from careledger.adapters.custody.directory import CustodyDirectory
from careledger.adapters.memory.failing import (
    BLOCKS,
    BOARD,
    Crash,
    Failing,
    FailingBooks,
    FailingLink,
    FailingStore,
    MortalLink,
    Plan,
)
from careledger.domain.errors import CareLedgerError
from careledger.workflows.actors import Holder, Organisation, Session, Staff
from careledger.workflows.batches import Writer
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.network import Network
from world import World


class Trial:
    """The network, an organisation and a holder through a plan; with a ``victim`` that custodian instead of them."""

    def __init__(self, world: World, at: int | None, after: bool, victim: int = 0) -> None:
        self.plan = Plan(at, after)
        self.effects = 0
        self._world, self._victim = world, victim
        real = world.network
        self.network: Network = self._with_victim(real) if victim else self._failing(real)

    def _failing(self, real: Network) -> Network:
        return replace(
            real,
            ledger=Failing(real.ledger, self.plan),
            blocks=Failing(real.blocks, self.plan, BLOCKS),
            board=Failing(real.board, self.plan, BOARD),
            custodians={number: FailingLink(link, self.plan) for number, link in real.custodians.items()},
        )

    def _with_victim(self, real: Network) -> Network:
        dying = MortalLink(self._victim, self._dying, self.plan)
        return replace(real, custodians={**real.custodians, self._victim: dying})

    def _dying(self) -> Custodian:
        """A second one on the same directory; the real one serves again when the trial is over."""
        custodian = self._world.start_custodian(self._victim)
        custody = custodian._custody
        custody.rows = FailingStore(custody.rows, self.plan)
        custody.journal = FailingStore(custody.journal, self.plan)
        custody.ledger = Failing(custody.ledger, self.plan)
        return custodian

    def over(self) -> None:
        """The victim is started again from its directory, as after kill -9."""
        if self._victim:
            directories = self._world.directories
            directories[self._victim].close()
            directories[self._victim] = CustodyDirectory(directories[self._victim].path)
            self._world.start_custodian(self._victim)

    def books(self, books: Any) -> Any:
        return books if self._victim else FailingBooks(books, self.plan)

    def organisation(self, actor: Organisation) -> Organisation:
        return replace(actor, books=self.books(actor.books))

    def staff(self, post: Staff) -> Staff:
        return replace(post, organisation=self.organisation(post.organisation))

    def session(self, session: Session) -> Session:
        return replace(session, staff=self.staff(session.staff))

    def writer(self, writer: Writer) -> Writer:
        holder = self.holder(writer.holder) if writer.holder else None
        return replace(writer, organisation=self.organisation(writer.organisation), holder=holder)

    def holder(self, holder: Holder) -> Holder:
        return replace(holder, books=self.books(holder.books))


Finish = Callable[[], None]
Attempt = Callable[[Trial], Finish]


@dataclass(frozen=True)
class Scenario:
    """What is crashed: functions of workflows (``module.function``), how, and how many effects its caller has at least.

    ``at`` chooses places among them where all would take too long. ``alone``: in a network of its own, because it
    changes who the custodians are.
    """

    functions: tuple[str, ...]
    start: Callable[[World], Attempt]
    effects: int
    at: Callable[[int], Iterable[int]] = range
    alone: bool = False


def first_some_last(first: int, some: int, last: int) -> Callable[[int], Iterable[int]]:
    """The first effects, a few between, the last ones."""

    def places(effects: int) -> Iterable[int]:
        between = range(first, effects - last, max(1, (effects - last - first) // some))
        return sorted({*range(first), *between, *range(effects - last, effects)})

    return places


def crash_at(world: World, attempt: Attempt, at: int | None, after: bool, victim: int = 0) -> Trial:
    """Runs ``attempt`` with that effect failing, then what it returns: repeat and check."""
    trial = Trial(world, at, after, victim)
    finish = attempt(trial)
    trial.over()
    finish()
    return trial


def crash_everywhere(world: World, attempt: Attempt, places: Callable[[int], Iterable[int]] = range) -> int:
    """Each effect fails in turn, before and after it persisted; returns how many there are.

    Where only some places are chosen, they fail alternately before and after.
    """
    effects = crash_at(world, attempt, None, False).effects
    sides = [(at, after) for at in places(effects) for after in (False, True)]
    chosen = sides if places is range else [(at, after) for at, after in sides if after is bool(at % 2)]
    failed = [crash_at(world, attempt, at, after).plan.failed for at, after in chosen]
    assert all(failed)
    return effects


def crash_custodian(world: World, attempt: Attempt, victim: int, places: int) -> tuple[int, int]:
    """A custodian dies at some of its effects, alternately before and after; how many it has, and how often it died.

    Which place it has on a patient's list, and so how many effects, is another one in each trial.
    """
    effects = crash_at(world, attempt, None, False, victim).plan.effects
    died = [
        crash_at(world, attempt, at, at % 2 == 0, victim).plan.failed
        for at in range(0, effects, max(1, effects // places))
    ]
    return effects, sum(died)


def crash_here_and_there(world: World, attempt: Attempt, first: int, few: int, last: int) -> int:
    """The first effects, the last ones and a few between fail, alternately before and after; returns how many."""
    effects = crash_at(world, attempt, None, False).effects
    places = list(first_some_last(first, few, last)(effects))
    failed = [crash_at(world, attempt, at, at % 2 == 0).plan.failed for at in places]
    assert all(failed)
    return len(places)


def die(trial: Trial, act: Callable[[], object]) -> None:
    """Does it until the crash, and counts the effects that it had."""
    try:
        act()
    except Crash:
        assert trial.plan.failed
    except CareLedgerError:
        assert trial.plan.failed  # refused because a custodian has died
    trial.effects = trial.plan.effects
