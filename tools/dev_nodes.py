"""Development nodes of other code bases, for tests: Anvil and Ganache.

    python tools/dev_nodes.py      install both into the user's cache and print the programs' paths

From npm by version (@foundry-rs/anvil 1.7.1, ganache 7.9.2), outside the repository. They listen on loopback only,
without fees, Anvil at the London hard fork and Ganache below it, for it knows no London without a base fee. Anvil's
mining of each transaction loses some, so it mines by the second or when told to.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_STARTS_WITHIN = 90.0  # seconds
_NO_GAS_LIMIT = str(2**53 - 1)


class NoNode(Exception):
    """This node cannot be had here; the message says why."""


@dataclass(frozen=True)
class Program:
    """An npm package and where its program lies in it."""

    name: str
    package: str
    version: str
    place: str

    def install(self) -> Path:
        """The program, installed first where it is not; raises NoNode."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "careledger"
        folder = cache / f"{self.name}-{self.version}"
        found = self._found(folder)
        if found is None:
            npm = shutil.which("npm")
            if npm is None:
                raise NoNode("no Node and npm here")
            package = f"{self.package}@{self.version}"
            command = [
                npm,
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--prefix",
                str(folder),
                package,
            ]
            folder.mkdir(parents=True, exist_ok=True)
            said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            found = self._found(folder)
            if found is None:
                raise NoNode(f"npm could not install {package}: {said.stderr.strip()[-200:]}")
        return found

    def _found(self, folder: Path) -> Path | None:
        found = sorted(folder.glob(self.place))
        return found[0] if found else None


ANVIL = Program("anvil", "@foundry-rs/anvil", "1.7.1", "node_modules/@foundry-rs/anvil-*/bin/anvil*")
GANACHE = Program("ganache", "ganache", "7.9.2", "node_modules/.bin/ganache")


@dataclass
class Node:
    """A node on loopback that can be ended and started again; its chain begins anew unless it keeps a state."""

    program: Program
    options: Sequence[str]
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

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

    def start(self) -> None:
        """Starts it and waits until it answers; raises NoNode."""
        command = [str(self.program.install()), *self.options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self.rpc("eth_chainId")
                return
            except OSError:
                time.sleep(0.1)
        raise NoNode(f"{self.program.name} did not start")

    def stop(self, kill: bool = False) -> None:
        """Ends it by its process id, orderly or at once."""
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(timeout=60)
            self._process = None


@contextmanager
def _running(program: Program, options: Sequence[str], port_option: str) -> Iterator[Node]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    node = Node(program, [*options, port_option, str(port)], port)
    try:
        node.start()
        yield node
    finally:
        node.stop()


def _anvil(chain_id: int, *options: str) -> list[str]:
    fixed = ("--host", "127.0.0.1", "--chain-id", str(chain_id), "--silent", "--hardfork", "london")
    return [*fixed, "--accounts", "1", "--gas-price", "0", "--base-fee", "0", *options]


@contextmanager
def running(chain_id: int, start: int) -> Iterator[Node]:
    """Anvil that mines when told to, with that chain id, whose time starts then (unix seconds)."""
    options = _anvil(chain_id, "--timestamp", str(start), "--no-mining")
    with _running(ANVIL, options, "--port") as node:
        yield node


@contextmanager
def anvil(chain_id: int, state: Path | None = None) -> Iterator[Node]:
    """Anvil with a block every second; with ``state`` its chain, not its pool, outlives an orderly end."""
    kept = () if state is None else ("--state", str(state))
    options = _anvil(chain_id, "--block-time", "1", "--gas-limit", _NO_GAS_LIMIT, *kept)
    with _running(ANVIL, options, "--port") as node:
        yield node


@contextmanager
def ganache(chain_id: int) -> Iterator[Node]:
    """Ganache with a block every second."""
    options = ["--server.host", "127.0.0.1", "--chain.chainId", str(chain_id), "--chain.hardfork", "berlin"]
    options += [
        "--miner.blockTime",
        "1",
        "--miner.blockGasLimit",
        _NO_GAS_LIMIT,
        "--miner.defaultGasPrice",
        "0",
    ]
    options += ["--wallet.totalAccounts", "1", "--logging.quiet"]
    with _running(GANACHE, options, "--server.port") as node:
        yield node


if __name__ == "__main__":
    try:
        for each in (ANVIL, GANACHE):
            print(each.install())
    except NoNode as error:
        sys.exit(str(error))
