"""A node that stands between us and a real one and lags, forgets, lies, stalls or answers nonsense when told to."""

from __future__ import annotations

import json
import random
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from adapters.ledger_world import CHAIN_ID

Asked = dict[str, Any]
AT_BLOCK = {"eth_call": 1, "eth_getTransactionCount": 1}
OUT_OF_RANGE = {"error": {"code": -32602, "message": "block not found"}}


class HostileNode:
    """Passes JSON-RPC arrays on to a real node. Behaviour is set by its attributes, at any time."""

    def __init__(self, real: str) -> None:
        self.real_url = real
        self.behind = 0  # blocks that it does not know yet
        self.shuffled = False
        self.fails: Callable[[Asked], str | None] = lambda asked: None
        self.body: bytes | None = None  # sent instead of any answer
        self.status = 200
        self.stall = 0.0
        self.forgets = False  # says yes to transactions and forgets them
        self.chain_id: str | None = None
        self.sent: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.arrays: list[int] = []  # transactions in each array
        self.on_send: Callable[[], None] = lambda: None

    def real(self, method: str, *parameters: Any) -> Any:
        """What the real node answers."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self.real_url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
        return {name: said[name] for name in ("result", "error") if name in said}

    def answer(self, array: list[Asked]) -> bytes:
        """What it sends for an array."""
        if self.body is not None:
            return self.body
        sends = sum(asked["method"] == "eth_sendRawTransaction" for asked in array)
        if sends:
            self.arrays.append(sends)
            self.on_send()
        said = [{"jsonrpc": "2.0", "id": asked["id"]} | self._one(asked) for asked in array]
        if self.shuffled:
            random.shuffle(said)
        return json.dumps(said).encode()

    def _one(self, asked: Asked) -> dict[str, Any]:
        failure = self.fails(asked)
        if failure is not None:
            return {"error": {"code": -32000, "message": failure}}
        method, parameters = asked["method"], list(asked["params"])
        if method == "eth_sendRawTransaction":
            self.sent.append(parameters[0])
            if self.forgets:
                return {"result": "0x" + bytes(32).hex()}
        if method == "eth_chainId" and self.chain_id is not None:
            return {"result": self.chain_id}
        return self._as_if_behind(method, parameters) if self.behind else self.real(method, *parameters)

    def _as_if_behind(self, method: str, parameters: list[Any]) -> dict[str, Any]:
        head = int(self.real("eth_blockNumber")["result"], 16) - self.behind
        head = max(0, head)
        if method == "eth_getBlockByNumber":
            if parameters[0] == "latest":
                parameters[0] = hex(head)
            if int(parameters[0], 16) > head:
                return {"result": None}
        if method in AT_BLOCK and int(parameters[AT_BLOCK[method]], 16) > head:
            return OUT_OF_RANGE
        if method == "eth_getLogs":  # nodes answer what they have and do not say that it is not all
            parameters[0]["toBlock"] = hex(min(int(parameters[0]["toBlock"], 16), head))
        said = self.real(method, *parameters)
        late = method == "eth_getTransactionReceipt" and said["result"] is not None
        return {"result": None} if late and int(said["result"]["blockNumber"], 16) > head else said


@contextmanager
def between(real: str) -> Iterator[tuple[HostileNode, str]]:
    """A hostile node before that real one, and its address."""
    node = HostileNode(real)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            array = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            node.headers.append(dict(self.headers))
            time.sleep(node.stall)
            body = node.answer(array)
            self.send_response(node.status)
            self.send_header("Content-Length", str(len(body)))
            if node.status in (301, 302, 307, 308):
                self.send_header("Location", real)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield node, f"http://127.0.0.1:{server.server_address[1]}/secret-path"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def encrypted(folder: Path) -> Iterator[tuple[str, Path]]:
    """A node's address over TLS and the certificate, made here for 127.0.0.1 alone, that it shows."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    host = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    signed = made.add_extension(host, critical=False).sign(key, hashes.SHA256())
    shown, both = folder / "certificate.pem", folder / "both.pem"
    shown.write_bytes(signed.public_bytes(Encoding.PEM))
    both.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + shown.read_bytes()
    )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            array = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(
                [{"jsonrpc": "2.0", "id": asked["id"], "result": hex(CHAIN_ID)} for asked in array]
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", shown
    finally:
        server.shutdown()
        server.server_close()
