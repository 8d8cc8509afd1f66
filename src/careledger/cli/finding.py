"""Finding a person: every member of this machine is asked, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from careledger.adapters.memory.locator import InProcessLocator
from careledger.app.names import Names
from careledger.cli.actors import session
from careledger.cli.emergencies import entry_of
from careledger.cli.opening import Mine
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, moment
from careledger.workflows import find
from careledger.workflows.actors import Organisation
from careledger.workflows.find import BREAK_GLASS, NO_ENTRY, PRESENT, Sought
from careledger.workflows.located import located
from careledger.workflows.request_access import read_requests

if TYPE_CHECKING:
    from careledger.app.world import World

__all__ = ["Sought", "find_person", "show", "show_who_looked", "who_looked"]


def find_person(world: World, acting: str, sought: Sought, entry: str) -> Facts:
    """Asks as that post; raises what ``find`` raises."""
    asking = session(world, acting)
    declared, named = (BREAK_GLASS, entry_of(world, entry)) if entry else (PRESENT, NO_ENTRY)
    found = find.find(world.network, locator(world), asking, sought, declared, named)
    names = Names(world, world.ledger.fresh_head())
    return {
        "matches": [
            {"member": names.of(each.member), "alias": each.alias.hex(), "why": each.why}
            for each in found.matches
        ],
        "unanswered": [
            {"member": names.of(member), "why": str(error), "error": type(error).__name__}
            for member, error in found.unanswered
        ],
    }


def locator(world: World) -> InProcessLocator:
    """Every organisation of this machine answers from its own table."""
    made = InProcessLocator()
    for member in world.keyring.organisations().values():
        made.join(member.number, _answering(world, member))
    return made


def _answering(world: World, member: Organisation) -> find.Answering:
    return lambda body: find.answer(world.network, member, body)


def show(screen: Screen, found: Facts) -> None:
    """Matches, and who did not answer."""
    rows = [(each["alias"][:16] + "…", each["member"], each["why"]) for each in found["matches"]]
    if rows:
        screen.table("Found; each person was told", ("alias", "member", "why"), rows)
    else:
        screen.says("Nobody was found by those who answered.")
    for each in found["unanswered"]:
        screen.warns(f"{each['member']} did not answer: {each['why']}")


def who_looked(world: World, mine: Mine) -> list[Facts]:
    """Who looked for this person, oldest first; the board is read first."""
    read_requests(world.network, mine.holder)
    names = Names(world, world.ledger.fresh_head())
    return [
        {
            "time": moment(each.at_time),
            "reader": names.of(each.reader),
            "employer": names.of(each.employer),
            "member": names.of(each.member),
            "declared": each.declared,
        }
        for each in located(mine.holder)
    ]


def show_who_looked(screen: Screen, found: list[Facts]) -> None:
    """The table."""
    if not found:
        screen.says("Nobody looked for this patient.")
        return
    rows = [
        (each["time"], f"{each['reader']}\n{each['employer']}", each["member"], each["declared"])
        for each in found
    ]
    screen.table("Who looked for this patient", ("when", "who", "found at", "declared"), rows)
