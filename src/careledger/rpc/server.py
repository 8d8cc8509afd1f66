"""The server itself: a socket on loopback, uvicorn in a thread of its own, workers, and an orderly end.

with Server(chain, directory) as server:      # chain is open in this process
    ... server.url ...
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.onlooker import Onlooker
from careledger.app.serving import HttpServer
from careledger.domain.errors import ServerUnavailable
from careledger.rpc.dispatch import answer
from careledger.rpc.filters import Filters
from careledger.rpc.http import Edge
from careledger.rpc.node import Node
from careledger.rpc.page import page_of

HOST, PORT = "127.0.0.1", 8545
WORKERS = 64  # as many senders as may share a block


class Server:
    """Serves an open chain until it is closed; the chain stays open.

    Order of effects at the end: no new connections, what is under way is answered, workers and read connections end.
    """

    def __init__(
        self,
        chain: EmbeddedChain,
        directory: Path,
        host: str = HOST,
        port: int = PORT,
        origins: Sequence[str] = (),
    ) -> None:
        """``directory`` is the chain's own; port 0 takes a free one.

        Raises ServerUnavailable for a host that is not loopback, or a port that is taken.
        """
        self._http = HttpServer(host, port)
        self.host, self.port, self.url = self._http.host, self._http.port, self._http.url
        self._onlooker = Onlooker(directory, chain.chain_id)
        self._workers = ThreadPoolExecutor(WORKERS, "rpc")
        node = Node(chain, self._onlooker, Filters())
        self._edge = Edge(partial(answer, node), page_of(chain.chain_id, self.url), origins, self._workers)

    def start(self) -> None:
        """Begins to answer; raises ServerUnavailable if it does not come up."""
        try:
            self._http.start(self._edge.application())
        except ServerUnavailable:
            self.close()
            raise

    def close(self) -> None:
        """Ends as the class says."""
        self._http.close()
        self._workers.shutdown(cancel_futures=True)
        self._onlooker.close()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
