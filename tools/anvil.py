"""Anvil, a development node of another code base: the second opinion on gas.

    python tools/anvil.py      install it into the user's cache and print the program's path

Version 1.7.1 from the npm package @foundry-rs/anvil, outside the repository, by version. It listens on loopback
only, at the London hard fork, without fees, and mines when told to (its automatic mining loses transactions).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = "1.7.1"
_STARTS_WITHIN = 60.0  # seconds


class NoAnvil(Exception):
    """Anvil cannot be had here; the message says why."""


def install() -> Path:
    """The program, installed first where it is not; raises NoAnvil."""
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "careledger" / f"anvil-{VERSION}"
    )
    found = _program(cache)
    if found is None:
        npm = shutil.which("npm")
        if npm is None:
            raise NoAnvil("no Node and npm here")
        package = f"@foundry-rs/anvil@{VERSION}"
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(cache), package]
        cache.mkdir(parents=True, exist_ok=True)
        said = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
        found = _program(cache)
        if found is None:
            raise NoAnvil(f"npm could not install {package}: {said.stderr.strip()[-200:]}")
    return found


def _program(cache: Path) -> Path | None:
    found = sorted(cache.glob("node_modules/@foundry-rs/anvil-*/bin/anvil*"))
    return found[0] if found else None


@dataclass(frozen=True)
class Node:
    """A running Anvil."""

    url: str

    def rpc(self, method: str, *parameters: Any) -> Any:
        """The result of a JSON-RPC call; raises RuntimeError with the node's error."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            said = json.load(answer)
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error'].get('message')}")
        return said["result"]

    def send(self, raw: bytes) -> int:
        """The gas of that transaction, mined alone; raises RuntimeError if it is refused or reverted."""
        sent = self.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        self.rpc("evm_mine")
        receipt = self.rpc("eth_getTransactionReceipt", sent)
        if receipt is None or receipt["status"] != "0x1":
            raise RuntimeError(f"reverted or not mined: {sent}")
        return int(receipt["gasUsed"], 16)


@contextmanager
def running(chain_id: int, start: int) -> Iterator[Node]:
    """A node with that chain id whose time starts then (unix seconds); ended by its process id."""
    program = install()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(str(program), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id), "--silent"),
        *("--hardfork", "london", "--timestamp", str(start), "--no-mining", "--accounts", "1"),
        *("--gas-price", "0", "--base-fee", "0"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        node = Node(f"http://127.0.0.1:{port}")
        _wait(node, process)
        yield node
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(node: Node, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            node.rpc("eth_chainId")
            return
        except OSError:
            time.sleep(0.1)
    raise NoAnvil("Anvil did not start")


if __name__ == "__main__":
    try:
        print(install())
    except NoAnvil as error:
        sys.exit(str(error))
