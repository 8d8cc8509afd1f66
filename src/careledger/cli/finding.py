"""Finding a person: every member of this machine is asked, and what came of it."""

from __future__ import annotations

from careledger.adapters.memory.locator import InProcessLocator
from careledger.app.world import World
from careledger.cli.actors import session
from careledger.cli.emergencies import entry_of
from careledger.cli.opening import Names
from careledger.cli.screen import Screen
from careledger.cli.words import Facts
from careledger.workflows import find
from careledger.workflows.actors import Organisation
from careledger.workflows.find import BREAK_GLASS, NO_ENTRY, PRESENT, Sought

__all__ = ["Sought", "find_person", "show"]


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
