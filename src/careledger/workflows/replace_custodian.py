"""A custodian that was lost or leaves is replaced on a patient's list, and its shares are remade for the successor.

Order of effects: the alias statement that names the successor (from then on nothing new is given to the old one), told
again to whoever missed it, the epoch records to the successor, the shares by the helpers (nobody reconstructs a
secret), a release that shows that the shares are there, the erasures that wait for their date, and last the old
custodian destroys what it held, if it can be reached. Repeating is harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from careledger.domain.errors import (
    ActRefused,
    CareLedgerError,
    NotEnoughCustodians,
    NotEnoughShares,
    PatientNotFound,
    RequestRefused,
)
from careledger.formats.patients import AliasStatement, EpochRecords
from careledger.workflows.actors import Holder
from careledger.workflows.asking import Access, ask
from careledger.workflows.custody import LOST, epoch_chain
from careledger.workflows.epochs import (
    ALL,
    enrol_at,
    own_statement,
    publish_statement,
    repeat_enrolments,
)
from careledger.workflows.erase import tell_waiting
from careledger.workflows.evidence import gather
from careledger.workflows.network import Network
from careledger.workflows.order import repeat_orders
from careledger.workflows.repair import repair, retire
from careledger.workflows.retrieve import is_complete, require_answers

MISSED = (RequestRefused, PatientNotFound)
"""What a helper answers that has not heard of the newest statement."""


@dataclass(frozen=True)
class Replaced:
    """What came of it: of how many versions the successor holds the share, and whether the old one attested that it
    destroyed its own."""

    versions: int
    retired: bool


def replace_custodian(
    network: Network, holder: Holder, access: Access, lost: int, successor: int
) -> Replaced:
    """Puts ``successor`` in the place of ``lost``; ``access`` is the holder's own, or the registrar's until claimed.

    Raises ActRefused unless the one is or was on the list and the other is an active custodian that is not,
    NotEnoughCustodians, and NotEnoughShares if some share could not be remade by any helpers.
    """
    before, _ = own_statement(holder)
    place = _place(network, before, lost, successor)
    if before.custodians[place - 1] == lost:
        named = tuple(successor if number == lost else number for number in before.custodians)
        publish_statement(network, holder, named, before.custodian_seed, before.registrar, before.escrow)
    statement, _ = own_statement(holder)
    repeat_enrolments(network, holder)
    _tell_epochs(network, statement, successor)
    versions = remake_shares(network, holder, access, statement, place)
    tell_waiting(network, holder, successor)
    repeat_orders(network, holder)
    return Replaced(versions, _retired(network, holder, lost))


def _place(network: Network, statement: AliasStatement, lost: int, successor: int) -> int:
    """The place that changes hands."""
    listed = statement.custodians
    if successor in listed and lost not in listed:
        return listed.index(successor) + 1  # begun before
    active = {each.number for each in network.ledger.fresh_head().custodians() if not each.leaving}
    if lost not in listed or successor in listed or successor not in active:
        raise ActRefused(why="one on the list is replaced by an active custodian that is not on it")
    return listed.index(lost) + 1


def _tell_epochs(network: Network, statement: AliasStatement, successor: int) -> None:
    """Every epoch record, newest first: an older one is taken because a known later one names it."""
    link = network.custodians.get(successor)
    if link is None:
        raise NotEnoughCustodians(custodian=successor)
    records = [record for each in ALL for _, record in epoch_chain(network, statement, each)]
    link.call("keep-epoch", EpochRecords(tuple(records)).encode())


def remake_shares(
    network: Network, holder: Holder, access: Access, statement: AliasStatement, place: int
) -> int:
    """Remakes what one place lacks: sets of t helpers, those first on the list first, until a release shows every
    share; then the escrow's. Returns how many versions there are.

    Stand-ins hold shares of some versions only, so one set need not be enough. Raises NotEnoughShares.
    """
    others = [
        each
        for each, number in enumerate(statement.custodians, start=1)
        if each != place and number in network.custodians
    ]
    found = _shown(network, access, statement, place)
    for helpers in combinations(others, network.thresholds.opening):
        if found.lacking and _try(network, holder, statement, place, helpers):
            found = _shown(network, access, statement, place)
    if found.lacking or not found.complete:
        raise NotEnoughShares(lacking=found.lacking, place=place)
    sets = combinations(others, network.thresholds.escrow)
    any(_try(network, holder, statement, place, helpers) for helpers in sets)
    return found.versions


@dataclass(frozen=True)
class _Shown:
    """Of how many versions that place showed no right share in a release, of how many in all, and whether enough
    custodians answered to know of all: otherwise the one that is replaced may hold what nobody else showed."""

    lacking: int
    versions: int
    complete: bool


def _shown(network: Network, access: Access, statement: AliasStatement, place: int) -> _Shown:
    """By shares and commitments alone: whatever the block store says or does not say, no share is taken for granted."""
    asked = ask(network, access, statement, None, ALL, 0)
    require_answers(network, asked)
    view = network.ledger.fresh_head()
    gathered = gather(view, statement.alias, len(statement.custodians), asked.answers)
    found = gathered.found.values()
    lacking = sum(place not in each.shares for each in found)
    return _Shown(lacking, len(found), is_complete(network, statement, asked, gathered))


def _try(
    network: Network, holder: Holder, statement: AliasStatement, place: int, helpers: Sequence[int]
) -> bool:
    try:
        repair(network, holder, statement, place, helpers)
    except (*LOST, *MISSED, NotEnoughCustodians):
        return False
    return True


def _retired(network: Network, holder: Holder, lost: int) -> bool:
    _, statement = own_statement(holder)
    try:
        if not enrol_at(network, holder, statement, lost):
            return False
        retire(network, holder, lost)
    except CareLedgerError:
        return False
    return True
