"""A server that receives what the gateway sends: real sockets on loopback, answers as a test wants them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_WAIT = 30.0


@dataclass(frozen=True)
class Got:
    """One request that came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    def signed_by(self, secret: str, body: bytes | None = None) -> bool:
        """Whether it is signed as Standard Webhooks says: by a client of its own, which compares in constant time."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
        tag = hmac.new(key, content + (self.body if body is None else body), hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(tag).decode()
        return any(hmac.compare_digest(wanted, each) for each in self.headers["webhook-signature"].split(" "))


@dataclass
class Receiver:
    """Answers 204, or what ``answers`` gives for a request: a status, headers, seconds to wait before."""

    answers: Callable[[Got], tuple[int, dict[str, str], float]] = lambda got: (204, {}, 0.0)
    tls: ssl.SSLContext | None = None
    got: list[Got] = field(default_factory=list)

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                receiver.got.append(got)
                status, headers, wait = receiver.answers(got)
                time.sleep(wait)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *given: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *given: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def until(self, count: int, path: str = "", wait: float = MOST_WAIT) -> list[Got]:
        """The requests under a path, as soon as so many came."""
        end = time.monotonic() + wait
        while time.monotonic() < end:
            found = [each for each in self.got if each.path.startswith(path)]
            if len(found) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{len(found)} of {count} came")
