"""Runs a workflow with one of its effects failing, before or after it persisted, then what has to hold afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from careledger.adapters.memory.failing import BLOCKS, BOARD, BOOKS, Crash, Failing, FailingLink, Plan
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.network import Network
from world import World


class Trial:
    """The network, an organisation and a holder through a plan."""

    def __init__(self, world: World, at: int | None, after: bool) -> None:
        self.plan = Plan(at, after)
        self.effects = 0
        real = world.network
        self.network: Network = replace(
            real,
            ledger=Failing(real.ledger, self.plan),  # type: ignore[arg-type]
            blocks=Failing(real.blocks, self.plan, BLOCKS),  # type: ignore[arg-type]
            board=Failing(real.board, self.plan, BOARD),  # type: ignore[arg-type]
            custodians={number: FailingLink(link, self.plan) for number, link in real.custodians.items()},
        )

    def books(self, books: object) -> object:
        return Failing(books, self.plan, BOOKS)

    def organisation(self, actor: Organisation) -> Organisation:
        return replace(actor, books=self.books(actor.books))  # type: ignore[arg-type]

    def holder(self, holder: Holder) -> Holder:
        return replace(holder, books=self.books(holder.books))  # type: ignore[arg-type]


Attempt = Callable[[Trial], Callable[[], None]]


def crash_at(world: World, attempt: Attempt, at: int | None, after: bool) -> Trial:
    """Runs ``attempt`` with that effect failing, then what it returns: repeat and check."""
    trial = Trial(world, at, after)
    attempt(trial)()
    return trial


def crash_everywhere(world: World, attempt: Attempt) -> int:
    """Each effect fails in turn, before and after it persisted; returns how many there are."""
    effects = crash_at(world, attempt, None, False).effects
    failed = [
        crash_at(world, attempt, at, after).plan.failed for at in range(effects) for after in (False, True)
    ]
    assert all(failed)
    return effects


def crash_here_and_there(world: World, attempt: Attempt, first: int, few: int, last: int) -> int:
    """The first effects, the last ones and a few between fail, alternately before and after; returns how many."""
    effects = crash_at(world, attempt, None, False).effects
    between = range(first, effects - last, max(1, (effects - last - first) // few))
    places = sorted({*range(first), *between, *range(effects - last, effects)})
    failed = [crash_at(world, attempt, at, at % 2 == 0).plan.failed for at in places]
    assert all(failed)
    return len(places)


def die(trial: Trial, act: Callable[[], object]) -> None:
    """Does it until the crash, and counts the effects that it had."""
    try:
        act()
    except Crash:
        assert trial.plan.failed
    trial.effects = trial.plan.effects
