"""An ASGI application on a socket, of loopback unless told otherwise: uvicorn in a thread, and an orderly end."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from careledger.adapters.custody.sockets import is_ours
from careledger.app.lingering import Lingering
from careledger.domain.errors import ServerUnavailable

MOST_CONNECTIONS = 256
UNREAD = 60_000  # milliseconds after which a client that does not read what was sent is cut off
ENDS_WITHIN = 10  # seconds that requests under way are given
IDLE = 5  # seconds after which a connection is closed on which nothing more is asked
_STARTS_WITHIN = 30.0


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's loopback."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Ours(H11Protocol):
    """A connection on a Unix socket: closed unread where another user's process made it, whatever the file's mode."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._ours = is_ours(transport.get_extra_info("socket"))
        if not self._ours:
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self._ours:
            super().data_received(data)


class HttpServer:
    """Order of effects at the end: no new connections, what is under way is answered, the socket is closed."""

    def __init__(
        self,
        host: str,
        port: int,
        most_connections: int = 0,
        tls: ssl.SSLContext | None = None,
        beyond: bool = False,
        within: float = ENDS_WITHIN,
    ) -> None:
        """Takes the port, 0 a free one; raises ServerUnavailable for a host that is not loopback, unless ``beyond``, or
        a port that is taken. The application is given to ``start``, so that it can know its own address. ``within``:
        seconds that requests under way are given at the end."""
        self._serve(_listening(host, port, beyond), most_connections, tls, within)
        self.host, self.port = self._socket.getsockname()[:2]

    @classmethod
    def at(cls, path: Path, most_connections: int = 0, within: float = ENDS_WITHIN) -> HttpServer:
        """The same on a Unix socket of mode 0600, in place of one that was left, for its own user alone; raises
        ServerUnavailable."""
        made = cls.__new__(cls)
        made._serve(_local(path), most_connections, None, within)
        made.host, made.port, made._speaks = str(path), 0, Ours
        return made

    def _serve(self, on: socket.socket, most: int, tls: ssl.SSLContext | None, within: float) -> None:
        self._socket, self._most, self._tls, self._within = on, most, tls, within
        self._speaks: type[H11Protocol] = H11Protocol
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is reached; of a Unix socket its path."""
        if self._speaks is Ours:
            return str(self.host)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}"

    def start(self, application: Any) -> None:
        """Begins to answer; raises ServerUnavailable if it does not come up."""
        self._server = server = uvicorn.Server(self._config(application))
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

    def _config(self, application: Any) -> uvicorn.Config:
        tls = self._tls
        return uvicorn.Config(
            Lingering(application),
            lifespan="off",
            http=self._speaks,
            loop="asyncio",
            ws="none",
            access_log=False,
            log_config=None,
            log_level=logging.WARNING,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=self._most or MOST_CONNECTIONS,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=max(1, int(self._within)),
            ssl_context_factory=None if tls is None else lambda config, default: tls,
        )

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _local(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        if path.is_socket():
            path.unlink(missing_ok=True)
        made.bind(str(path))
    except OSError as error:
        made.close()
        raise ServerUnavailable(socket=str(path), why=error.strerror or str(error)) from None
    finally:
        os.umask(before)
    return made


def _listening(host: str, port: int, beyond: bool) -> socket.socket:
    if not beyond and not is_loopback(host):
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
