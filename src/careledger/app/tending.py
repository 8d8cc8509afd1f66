"""What comes due by itself, in steps between which others may use the world: organisations' acts, custodians' logs.

Every step may be repeated; what it cannot do now is done the next time, by whoever opens the directory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from careledger.app.world import World
from careledger.domain.errors import CareLedgerError
from careledger.ports import CustodianLink
from careledger.workflows.actors import Organisation
from careledger.workflows.cosigning import checkpoint
from careledger.workflows.tend_gateway import tend_gateway

Step = Callable[[], tuple[str, ...]]
"""Does one thing; returns what could not be done now, in words that name nobody."""


def steps(world: World) -> list[Step]:
    """First each organisation's, then each custodian's, so that what was released is anchored with it.

    Custodians of other members are tended by those; here it is looked whether more of them are known by now.
    """
    world.reach_members()
    made: list[Step] = [
        partial(_organisation, world, each) for each in world.keyring.organisations().values()
    ]
    own = [link for number, link in world.network.custodians.items() if number not in world.elsewhere]
    return made + [partial(_log, link) for link in own]


def _organisation(world: World, organisation: Organisation) -> tuple[str, ...]:
    return tend_gateway(world.network, organisation).failed


def _log(link: CustodianLink) -> tuple[str, ...]:
    try:
        checkpoint(link)
    except CareLedgerError as error:
        return (f"anchoring a custodian's log ({type(error).__name__})",)
    return ()
