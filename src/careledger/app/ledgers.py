"""The ledger that a data directory's settings name: the chain in the directory itself, or nodes elsewhere."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.deploy import Genesis
from careledger.adapters.evm.deploy import found as deploy
from careledger.adapters.evm.embedded import EmbeddedNode
from careledger.adapters.evm.ledger import EvmLedger, open_ledger
from careledger.adapters.evm.node import Node
from careledger.adapters.remote.courier import Limits
from careledger.adapters.remote.http import Endpoint
from careledger.adapters.remote.journal import Journal
from careledger.adapters.remote.node import SENT, RemoteNode
from careledger.adapters.remote.nodes import Nodes
from careledger.adapters.remote.rpc import JsonRpc
from careledger.app import settings as settings_file
from careledger.app.settings import RemoteLedger, Settings
from careledger.domain.errors import LedgerRefused, SettingsRefused
from careledger.ports import Clock

LEDGER, FACTS = "ledger", "facts.sqlite"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def open_node(folder: Path, settings: Settings, clock: Clock) -> Node:
    """The chain in the directory, or the nodes elsewhere; close it.

    Raises DirectoryInUse, DirectoryNotWritable, and what EmbeddedChain and RemoteNode raise.
    """
    if isinstance(settings.ledger, RemoteLedger):
        return connect(folder / LEDGER, settings.chain_id, settings.ledger, clock)
    return EmbeddedNode(EmbeddedChain(folder / LEDGER, settings.chain_id, clock.now, new=False))


def over(node: Node, folder: Path, settings: Settings, clock: Clock) -> EvmLedger:
    """The settings' network on that node, with the facts kept in the directory; closing it closes the node."""
    facts = folder / LEDGER / FACTS
    return EvmLedger(node, bytes.fromhex(settings.directory), clock, facts, since(settings))


def since(settings: Settings) -> int:
    """A block before which nothing of the settings' network happened."""
    return settings.ledger.since if isinstance(settings.ledger, RemoteLedger) else 0


def open_settled(folder: Path, settings: Settings, clock: Clock) -> EvmLedger:
    """The ledger, known to hold the network that the settings name.

    Raises SettingsRefused if it does not, and what ``open_node`` raises.
    """
    if not isinstance(settings.ledger, RemoteLedger):
        ledger = open_ledger(folder / LEDGER, settings.chain_id, clock)
    else:
        ledger = over(open_node(folder, settings, clock), folder, settings, clock)
    try:
        ledger.contract("Registry")
        if ledger.contract("Directory").hex() != settings.directory:
            raise SettingsRefused(key="directory", why="another ledger's")
    except LedgerRefused:
        ledger.close()
        raise SettingsRefused(key="directory", why="no network was founded there") from None
    except BaseException:
        ledger.close()
        raise
    return ledger


def found_on(
    folder: Path, chain_id: int, remote: RemoteLedger | None, clock: Clock, genesis: Genesis
) -> tuple[EvmLedger, Settings]:
    """Founds a network on a new chain in the directory, or on nodes elsewhere; gives it with its settings."""
    if remote is None:
        ledger = open_ledger(folder / LEDGER, chain_id, clock, genesis)
        return ledger, Settings(chain_id, ledger.contract("Directory").hex())
    node = connect(folder / LEDGER, chain_id, remote, clock)
    try:
        settings = Settings(chain_id, "", ledger=remote.starting(node.head().number))
        settings = settings.at(deploy(node, genesis))
        return over(node, folder, settings, clock), settings
    except BaseException:
        node.close()
        raise


def connect(folder: Path, chain_id: int, remote: RemoteLedger, clock: Clock) -> RemoteNode:
    """The nodes; ``folder`` keeps what is sent to them. Raises SettingsRefused, and what RemoteNode raises."""
    limits = Limits(unconfirmed=remote.unconfirmed)
    return RemoteNode(folder, chain_id, _nodes(remote), clock, remote.oldest, limits, new=False)


def prepare(folder: Path, remote: RemoteLedger | None) -> None:
    """Makes what a directory keeps of nodes elsewhere; once it says that it is one, it has lost what is not there."""
    if remote is not None:
        (folder / LEDGER).mkdir(mode=0o700, exist_ok=True)
        Journal(folder / LEDGER / SENT).close()


def greet(chain_id: int, remote: RemoteLedger) -> None:
    """Asks the nodes who they are, before anything is made.

    Raises SettingsRefused, WrongNetwork, and NodeUnavailable if fewer answer than have to agree.
    """
    nodes = _nodes(remote)
    try:
        nodes.check(chain_id)
    finally:
        nodes.close()


def _nodes(remote: RemoteLedger) -> Nodes:
    header = None if not remote.authorization else _header(Path(remote.authorization), remote)
    trusted = None if not remote.authorities else _file(Path(remote.authorities), "authorities")
    return Nodes([JsonRpc(Endpoint(url, header, trusted)) for url in remote.nodes], remote.agreeing)


def embedded_folder(folder: Path) -> Path:
    """Where the chain lies; raises SettingsRefused if it is not in this data directory."""
    if isinstance(settings_file.load(folder).ledger, RemoteLedger):
        raise SettingsRefused(key="ledger", why="the chain is on nodes elsewhere, not in this data directory")
    return folder / LEDGER


def _header(path: Path, remote: RemoteLedger) -> str:
    """The value of the Authorization header, which goes only where nobody can listen."""
    for url in remote.nodes:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise SettingsRefused(key="authorization", why="a secret would be sent without TLS")
    if stat.S_IMODE(_file(path, "authorization").stat().st_mode) & 0o077:
        raise SettingsRefused(key="authorization", why="others may read the file")
    value = path.read_text("ascii", "replace").strip()
    if not value.isprintable() or value.split(" ")[0] not in ("Basic", "Bearer"):
        raise SettingsRefused(key="authorization", why="the file holds no Basic or Bearer header")
    return value


def _file(path: Path, key: str) -> Path:
    if not path.is_absolute() or not path.is_file():
        raise SettingsRefused(key=key, why="not the absolute path of a file")
    return path
