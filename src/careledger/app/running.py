"""A service that has the data directory open, as patients' agents of the same device reach it, and what commands of the
directory's owner have beside it.

One process has the directory; an agent in another needs no more than an agent elsewhere needs. The service leaves in
the directory where it answers, and what an agent has to have pinned: the contracts, and who signs for which custodian.
The directory is its owner's alone, so that is believed as the settings beside it are, and what comes over HTTP is not.
Organisations' books are any process's that may read the directory and has its passphrase, one step at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.board.sqlite import SqliteBoard
from careledger.adapters.edge.attested import Pinned
from careledger.adapters.edge.http import Edge
from careledger.adapters.edge.kept import KeptLedger
from careledger.adapters.edge.links import EdgeBlocks, EdgeBoard, EdgeGateway, custodians
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.locks import is_taken
from careledger.app import settings as settings_file
from careledger.app.clocks import SystemClock
from careledger.app.keyring import Keyring
from careledger.app.ledgers import FACTS, LEDGER
from careledger.app.vault import Ask, open_guard, replace_file
from careledger.app.world import World
from careledger.domain.errors import CareLedgerError, DirectoryInUse
from careledger.formats.relaying import SIGNERS
from careledger.workflows.gateway import Gateway
from careledger.workflows.network import Network

FILE = "service.json"


@contextmanager
def announced(world: World, url: str) -> Iterator[None]:
    """Agents of this device find the service until the block ends; what a killed one left leads to nobody."""
    view = world.ledger.last_head()
    said = {
        "url": url,
        "contracts": {
            name: world.ledger.contract(name).hex() for name in sorted({each.CONTRACT for each in SIGNERS})
        },
        "signers": {f"{each.number:016x}": each.signer.hex() for each in view.custodians_ever()},
        "relays": [f"{number:016x}" for number in sorted(world.network.gateway.relays)],
    }
    replace_file(world.folder / FILE, json.dumps(said, indent=2).encode())
    try:
        yield
    finally:
        (world.folder / FILE).unlink(missing_ok=True)


@dataclass
class AgentWorld(World):
    """What a patient's agent has of the world: keys and books of this device, and the rest as a gateway passes it on.

    Ledger, board and blocks are those of an agent: what no agent does is not there.
    """

    edge: Edge = field(kw_only=True)
    relays: tuple[int, ...] = field(kw_only=True)

    @property
    def network(self) -> Network:
        """The outside as workflows see it."""
        gateway = cast(Gateway, EdgeGateway(self.edge, self.relays))
        return replace(super().network, gateway=gateway, together=False)

    def close(self) -> None:
        """Closes books, facts and connections."""
        self.keyring.close()
        self.ledger.close()
        self.edge.close()


def reach(folder: Path, passphrase: Ask) -> AgentWorld | None:
    """The world of an agent through the service that has the directory; None if none is there that answers for it.

    Raises PassphraseMissing, PassphraseRefused, SettingsRefused.
    """
    said = _said(folder)
    if said is None:
        return None
    settings, edge, clock = settings_file.load(folder), Edge(said["url"]), SystemClock()
    pinned = Pinned(
        settings.chain_id,
        bytes.fromhex(settings.directory),
        {name: bytes.fromhex(each) for name, each in said["contracts"].items()},
        {int(number, 16): bytes.fromhex(each) for number, each in said["signers"].items()},
        settings.opening,
    )
    if not _answers(edge, pinned):
        edge.close()
        return None
    guard, links = open_guard(folder, passphrase), custodians(edge, pinned.signers)
    return AgentWorld(
        folder,
        settings,
        clock,
        cast(EvmLedger, KeptLedger(edge, pinned, links, clock, folder / LEDGER / FACTS)),
        cast(SegmentBlocks, EdgeBlocks(edge)),
        cast(SqliteBoard, EdgeBoard(edge)),
        guard,
        Keyring(folder, guard),
        dict(links),
        {},
        edge=edge,
        relays=tuple(int(number, 16) for number in said["relays"]),
    )


def beside(folder: Path, passphrase: Ask) -> BooksWorld | None:
    """Keys and books of the directory's organisations while a service has it; None if none has.

    Raises PassphraseMissing, PassphraseRefused, SettingsRefused.
    """
    if not is_taken(folder):
        return None
    settings, guard = settings_file.load(folder), open_guard(folder, passphrase)
    gone: Any = _TheServices(folder.name)
    return BooksWorld(
        folder, settings, SystemClock(), gone, gone, gone, guard, Keyring(folder, guard), {}, {}
    )


class _TheServices:
    """Ledger, blocks and board while a service has them: whoever asks for anything there is refused."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def __getattr__(self, name: str) -> Any:
        raise DirectoryInUse(directory=self._directory)


class BooksWorld(World):
    """What there is beside a service: keys and books of organisations, and nothing of the ledger."""

    def close(self) -> None:
        """Closes books and logs of reads."""
        for log in self._read_logs.values():
            log.close()
        self._read_logs.clear()
        self.keyring.close()


def _said(folder: Path) -> Any:
    """What a service left there, None where none did."""
    try:
        return json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return None


def _answers(edge: Edge, pinned: Pinned) -> bool:
    """Whether a gateway of this network is there; what it says else is believed by its signatures alone."""
    try:
        return bool(edge.get("/agent/network").get("deployment") == pinned.deployment.hex())
    except CareLedgerError:
        return False
