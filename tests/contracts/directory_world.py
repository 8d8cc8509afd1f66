"""A directory with members, for its tests."""

from __future__ import annotations

from careledger.domain.parties import Role
from careledger.formats.ledger_words import contract_name
from contracts.harness import DAY, Chain, Contract, Receipt
from contracts.registry_world import CENTRE, HOSPITAL, INSURER, OFFICERS, PHARMACY, Consortium, controller

DELAY = 7 * DAY
MEMBERS = (HOSPITAL, CENTRE, PHARMACY, INSURER)
REGISTRY, LINKS = contract_name("Registry"), contract_name("Links")


class Guild:
    """The directory, four member organisations, and short ways to vote."""

    def __init__(self, net: Consortium) -> None:
        self.net = net
        self.chain: Chain = net.chain
        net.add_organisation(PHARMACY, Role.PHARMACY)
        net.add_organisation(INSURER, Role.INSURER)
        self.links = net.add("Links")
        where = [net.registry.address, self.links.address]
        self.directory = self.chain.deploy("Directory", DELAY, [REGISTRY, LINKS], where)

    def found(self, *parties: int) -> None:
        """Members that a ministry officer admits."""
        for party in parties:
            self.directory.send(controller(OFFICERS[0]), "found", OFFICERS[0], party)

    def member(self, party: int, function: str, *args: object) -> Receipt:
        """A member's transaction."""
        return self.directory.send(controller(party), function, party, *args)

    def propose(self, party: int, contract: Contract, name: bytes = LINKS) -> int:
        """A member's proposal, by its number."""
        self.member(party, "propose", name, contract.address)
        return int(self.directory.call("replacement_count"))

    def resolve(self, name: bytes = LINKS) -> bytes:
        """The contract of that name."""
        return bytes.fromhex(self.directory.call("resolve", name)[2:])

    def second_edition(self) -> Contract:
        """Another contract to put in place."""
        return self.net.add("Links")
