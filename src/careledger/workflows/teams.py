"""What an organisation calls its teams: the ledger knows them by number only."""

from __future__ import annotations

from careledger.domain.parties import PartyId
from careledger.workflows.actors import Organisation
from careledger.workflows.network import Network
from careledger.workflows.parties import create_team

TEAM = "team"


def teams(organisation: Organisation) -> dict[int, str]:
    """The labels of an organisation's teams by number."""
    return {int.from_bytes(key, "big"): label.decode() for key, label in organisation.books.rows(TEAM)}


def form_team(network: Network, organisation: Organisation, label: str, parent: int = 0) -> int:
    """Forms a team below ``parent`` (0: at the top); returns its number, whose label is durable in the books before.

    After a crash the same label goes on with the same number. Raises LedgerRefused for a team that was formed.
    """
    known = {name: number for number, name in teams(organisation).items()}
    number = known.get(label) or PartyId.random().number
    organisation.books.put(TEAM, [(number.to_bytes(8, "big"), label.encode())])
    create_team(network, organisation, number, parent)
    return number
