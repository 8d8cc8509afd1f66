"""Transactions per second of the embedded chain by block size, beside Anvil and Ganache, and beside its second engine.

    python bench/chain.py [--seconds 3] [--directory DIR] [--json]

Over JSON-RPC: each node is a process of its own on loopback; signed transactions go to it as one array and are one
block when it answers (Anvil and Ganache are told to mine it). The embedded chain has synced that block to the disk by
then; Anvil and Ganache keep theirs in memory and lose them when they end. In process: the same without JSON-RPC, on
revm and on EELS. Each transaction is signed beforehand, decoded, its sender recovered, executed (one fresh slot, one
log). DIR should lie on the disk that is to be measured (default: the temporary folder).
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import urllib3

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from _measured import Figure, run

from adapters.chain_support import CHAIN_ID, CREATION, Sender, write
from adapters.remote_world import DEV_NODES
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.engines import new_engine
from careledger.adapters.evm.verify import verify_chain
from careledger.rpc.server import Server

COMMAND = "python bench/chain.py"
SIZES = (1, 100, 1000)
SLOTS = 1_000_000
Asked = tuple[str, Sequence[object]]
LEGACY = 0  # Ganache knows no other kind without fees


class Node:
    """A node elsewhere: transactions sent to it as one array become one block."""

    def __init__(self, url: str, mines_when_told: bool) -> None:
        self._url, self._told = url, mines_when_told
        self._pool = urllib3.PoolManager()
        if mines_when_told:
            self._mine_only_when_told()
        self._sender = Sender(kind=LEGACY)
        self._contract, self._done = self._sender.first_contract(), 0
        self._block([self._sender.raw(None, CREATION)])

    def rate(self, size: int, seconds: float) -> float:
        """Transactions per second in blocks of that size."""
        spent, done = 0.0, 0
        while spent < seconds:
            numbers = range(self._done, self._done + size)
            raws = [self._sender.raw(self._contract, write(number, 1)) for number in numbers]
            begun = time.perf_counter()
            self._block(raws)
            spent += time.perf_counter() - begun
            self._done, done = self._done + size, done + size
            mined = self._ask(("eth_getBlockTransactionCountByNumber", ["latest"]))
            if mined != [hex(size)]:
                raise SystemExit(f"{self._url}: a block of {mined}, not of {size}")
        return done / spent

    def _block(self, raws: list[bytes]) -> None:
        self._ask(*(("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws))
        if self._told:
            self._ask(("evm_mine", []))

    def _mine_only_when_told(self) -> None:
        anvil: list[Asked] = [("evm_setAutomine", [False]), ("evm_setIntervalMining", [0])]
        ganache: list[Asked] = [("miner_stop", [])]
        for calls in (anvil, ganache):
            try:
                self._ask(*calls)
                return
            except RuntimeError:
                continue
        raise SystemExit(f"{self._url}: mines by itself")

    def _ask(self, *calls: Asked) -> list[object]:
        said = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        answers = self._pool.request("POST", self._url, json=said).json()
        wrong = [each["error"] for each in answers if "error" in each]
        if wrong:
            raise RuntimeError(f"{self._url}: {wrong[0]}")
        return [each["result"] for each in sorted(answers, key=lambda each: int(each["id"]))]


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    """The embedded chain in a process of its own; its address."""
    spawned, (mine, theirs) = multiprocessing.get_context("spawn"), multiprocessing.Pipe()
    process = spawned.Process(target=_serve, args=(folder, theirs))
    process.start()
    try:
        yield mine.recv()
    finally:
        mine.send("end")
        process.join()


def _serve(folder: Path, asked: Connection) -> None:
    with EmbeddedChain(folder, CHAIN_ID) as chain, Server(chain, folder, port=0) as server:
        asked.send(server.url)
        asked.recv()


def rpc_figures(folder: Path, seconds: float) -> list[Figure]:
    """The embedded chain beside each node that can be had here."""
    with embedded(folder / "served") as url:
        node = Node(url, mines_when_told=False)
        ours = {size: node.rate(size, seconds) for size in SIZES}
    figures = []
    for name, start in (("Anvil", DEV_NODES.anvil), ("Ganache", DEV_NODES.ganache)):
        try:
            with start(CHAIN_ID) as running:
                node = Node(running.url, mines_when_told=True)
                theirs = {size: node.rate(size, seconds) for size in SIZES}
        except DEV_NODES.NoNode as why:
            print(f"without {name}: {why}", file=sys.stderr)
            continue
        figures += [
            Figure.of(
                f"embedded chain, durable, block of {size:,}", ours[size], "tx/s", COMMAND,
                f"{name}, not durable", theirs[size],
            )
            for size in SIZES
        ]  # fmt: skip
    return figures


def in_process(folder: Path, size: int, seconds: float) -> float:
    """Transactions per second in blocks of that size, of the engine that the folder is named for."""
    sender, done, spent = Sender(), 0, 0.0
    with EmbeddedChain(folder, CHAIN_ID, engine=_engine(folder)) as chain:
        contract = sender.install(chain)
        while spent < seconds:
            raws = [sender.raw(contract, write(done + at, 1)) for at in range(size)]
            begun = time.perf_counter()
            chain.send_many(raws)
            spent += time.perf_counter() - begun
            done += size
    return done / spent


def opening(folder: Path) -> float:
    """Seconds to open it again."""
    begun = time.perf_counter()
    EmbeddedChain(folder, CHAIN_ID, engine=_engine(folder)).close()
    return time.perf_counter() - begun


def verifying(folder: Path) -> float:
    """Transactions verified per second."""
    begun = time.perf_counter()
    verified = verify_chain(folder, _engine(folder))
    return verified.transactions / (time.perf_counter() - begun)


def _engine(folder: Path) -> str:
    return folder.name.partition("-")[0]


def loading(slots: int) -> float:
    """Seconds to put that many slots into revm."""
    engine = new_engine(CHAIN_ID, "revm")
    begun = time.perf_counter()
    engine.load([], ((b"\xc0" * 20, slot << 200, slot + 1) for slot in range(slots)))
    return time.perf_counter() - begun


def engine_figures(folder: Path, seconds: float) -> list[Figure]:
    """revm beside EELS, without JSON-RPC."""

    def both(name: str, unit: str, size: int, measured: Callable[[Path], float]) -> Figure:
        revm, eels = (measured(folder / f"{engine}-{size}") for engine in ("revm", "eels"))
        return Figure.of(name, revm, unit, COMMAND, "EELS", eels)

    figures = [
        both(
            f"revm in process, durable, block of {size:,}",
            "tx/s",
            size,
            partial(in_process, size=size, seconds=seconds),
        )
        for size in SIZES
    ]
    figures.append(both("a chain of full blocks opened again", "s", SIZES[-1], opening))
    figures.append(both("transactions verified", "tx/s", SIZES[-1], verifying))
    return [*figures, Figure.of(f"{SLOTS:,} slots put into revm", loading(SLOTS), "s", COMMAND)]


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Over JSON-RPC beside other nodes, then in process beside the other engine."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
        return rpc_figures(Path(folder), chosen.seconds) + engine_figures(Path(folder), chosen.seconds)


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        ("--seconds", {"type": float, "default": 3.0}),
        ("--directory", {"type": Path}),
    )
