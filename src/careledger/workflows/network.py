"""The outside as a workflow sees it: one value that names every port."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from careledger.domain.custodians import Thresholds
from careledger.domain.errors import NotEnoughCustodians, PartyNotFound, PartyNotVerified
from careledger.domain.facts import PartyFacts
from careledger.domain.parties import Role, Status
from careledger.domain.relaying import REGISTRATION_SPREAD
from careledger.formats.signatures import SigningKey
from careledger.ports import Blocks, Board, CustodianLink, Ledger, LedgerView, WaitingClock
from careledger.workflows.gateway import Gateway
from careledger.workflows.scanning import Scanning

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Network:
    """What a workflow may touch. ``relay`` sends messages whose authority is in their signatures.

    ``gateway`` is the way to other members; where it reaches none (the embedded network has one operator) consents go
    to the ledger directly. ``registration_spread``: within how many seconds after its alias a registration is entered.
    ``together``: custodians are asked at the same time, because each works or waits elsewhere; in one process they
    would only take the interpreter away from each other. ``scanning``: files are scanned before they are deposited.
    ``licensed``: roles in which an employer vouches for a post by a professional licence alone that was shown.
    """

    ledger: Ledger
    blocks: Blocks
    custodians: Mapping[int, CustodianLink]
    board: Board
    clock: WaitingClock
    relay: SigningKey
    thresholds: Thresholds
    gateway: Gateway = field(default_factory=Gateway)
    registration_spread: int = REGISTRATION_SPREAD
    together: bool = True
    scanning: Scanning | None = None
    licensed: frozenset[Role] = frozenset()

    def of_each(self, work: Callable[[T], R], asked: Iterable[T], durable: bool = False) -> list[R]:
        """What ``work`` gives for each of these, in order; it raises nothing.

        Done at the same time if ``together``, or if each makes something ``durable`` and so waits for a disk.
        """
        all_asked = list(asked)
        if not (self.together or durable) or len(all_asked) < 2:
            return [work(each) for each in all_asked]
        with ThreadPoolExecutor(len(all_asked)) as pool:
            return list(pool.map(work, all_asked))

    def links(self, numbers: Iterable[int]) -> list[CustodianLink]:
        """The reachable custodians among these, in order; raises NotEnoughCustodians under t of the list."""
        found = [self.custodians[number] for number in numbers if number in self.custodians]
        if len(found) < self.thresholds.opening:
            raise NotEnoughCustodians(found=len(found), needed=self.thresholds.opening)
        return found


class LastHead:
    """A ledger that stands still, its last known head taken for the fresh one: to read by, never to act."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.chain_id, self.deployment, self.contract = ledger.chain_id, ledger.deployment, ledger.contract
        self.fresh_head, self.last_head, self.at = ledger.last_head, ledger.last_head, ledger.at


def at_last_head(network: Network) -> Network:
    """The network for an emergency without the ledger, and for nothing else: facts may be out of date."""
    return replace(network, ledger=cast(Ledger, LastHead(network.ledger)))


def party(view: LedgerView, number: int) -> PartyFacts:
    """A registered party; raises PartyNotFound."""
    facts = view.party(number)
    if facts is None:
        raise PartyNotFound(party=number)
    return facts


def verified(view: LedgerView, number: int) -> PartyFacts:
    """A party whose standing (its employer's included) is verified; raises PartyNotFound, PartyNotVerified."""
    facts = party(view, number)
    if facts.standing is not Status.VERIFIED:
        raise PartyNotVerified(party=number, status=facts.standing.name.lower())
    return facts
