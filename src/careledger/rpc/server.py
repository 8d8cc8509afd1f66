"""The server itself: a socket on loopback, uvicorn in a thread of its own, workers, and an orderly end.

with Server(chain, directory) as server:      # chain is open in this process
    ... server.url ...
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

import uvicorn

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.onlooker import Onlooker
from careledger.domain.errors import RpcUnavailable
from careledger.rpc.dispatch import answer
from careledger.rpc.filters import Filters
from careledger.rpc.http import Edge, is_loopback
from careledger.rpc.node import Node
from careledger.rpc.page import page_of

HOST, PORT = "127.0.0.1", 8545
MOST_CONNECTIONS = 256
WORKERS = 64  # as many senders as may share a block
ENDS_WITHIN = 10  # seconds that requests under way are given
_STARTS_WITHIN = 30.0


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

        Raises RpcUnavailable for a host that is not loopback, or a port that is taken.
        """
        self._socket = _listening(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        self._onlooker = Onlooker(directory, chain.chain_id)
        self._workers = ThreadPoolExecutor(WORKERS, "rpc")
        node = Node(chain, self._onlooker, Filters())
        edge = Edge(partial(answer, node), page_of(chain.chain_id, self.url), origins, self._workers)
        self._server = uvicorn.Server(
            uvicorn.Config(
                edge.application(),
                lifespan="off",
                http="h11",
                loop="asyncio",
                ws="none",
                access_log=False,
                log_config=None,
                log_level=logging.WARNING,
                server_header=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=ENDS_WITHIN,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="rpc-http")

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Begins to answer; raises RpcUnavailable if it does not come up."""
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_STARTS_WITHIN * 100)):
            if self._server.started:
                return
            waited.wait(0.01)
        self.close()
        raise RpcUnavailable(why="it did not start")

    def close(self) -> None:
        """Ends as the class says."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._workers.shutdown(cancel_futures=True)
        self._onlooker.close()
        self._socket.close()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _listening(host: str, port: int) -> socket.socket:
    if not is_loopback(host):
        raise RpcUnavailable(host=host, why="only loopback is served; put nothing of this on a network")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except (OSError, OverflowError) as error:
        raise RpcUnavailable(
            host=host, port=port, why=getattr(error, "strerror", None) or str(error)
        ) from None
    return made
