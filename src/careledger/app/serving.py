"""An ASGI application on a socket of loopback: uvicorn in a thread of its own, and an orderly end."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from types import TracebackType
from typing import Any

import uvicorn

from careledger.domain.errors import ServerUnavailable

MOST_CONNECTIONS = 256
UNREAD = 60_000  # milliseconds after which a client that does not read what was sent is cut off
ENDS_WITHIN = 10  # seconds that requests under way are given
_STARTS_WITHIN = 30.0


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's loopback."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class HttpServer:
    """Order of effects at the end: no new connections, what is under way is answered, the socket is closed."""

    def __init__(self, host: str, port: int, most_connections: int = 0) -> None:
        """Takes the port, 0 a free one; raises ServerUnavailable for a host that is not loopback or a port that is
        taken. The application is given to ``start``, so that it can know its own address."""
        self._socket, self._most = _listening(host, port), most_connections
        self.host, self.port = self._socket.getsockname()[:2]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self, application: Any) -> None:
        """Begins to answer; raises ServerUnavailable if it does not come up."""
        self._server = server = uvicorn.Server(_config(application, self._most))
        self._thread = threading.Thread(target=server.run, args=([self._socket],), name="http")
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_STARTS_WITHIN * 100)):
            if server.started:
                return
            waited.wait(0.01)
        self.close()
        raise ServerUnavailable(why="it did not start")

    def close(self) -> None:
        """Ends as the class says."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _config(application: Any, most_connections: int) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        lifespan="off",
        http="h11",
        loop="asyncio",
        ws="none",
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
        limit_concurrency=most_connections or MOST_CONNECTIONS,
        timeout_graceful_shutdown=ENDS_WITHIN,
    )


def _listening(host: str, port: int) -> socket.socket:
    if not is_loopback(host):
        raise ServerUnavailable(host=host, why="only loopback is served; put nothing of this on a network")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # taken over by every connection; Linux has it
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD)
        made.bind(address)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ServerUnavailable(host=host, port=port, why=why) from None
    return made
