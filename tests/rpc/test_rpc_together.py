"""Many at once, a process killed in the middle, a disk that fails: what was acknowledged is there, in order."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.chain_support import CHAIN_ID, CREATION, Sender, write
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.tables import ChainTables
from careledger.adapters.evm.verify import verify_chain
from careledger.rpc import state
from careledger.rpc.server import Server
from rpc.rpc_world import Client, Served, request, served

__all__ = ["served"]


def together(works: list[Callable[[], None]]) -> None:
    """Runs everything at once, and fails if one fails."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_senders_who_wait_together_share_blocks_and_keep_their_order(served: Served) -> None:
    senders = [Sender(secret) for secret in range(1, 17)]

    def send(sender: Sender) -> None:
        contract = sender.first_contract()
        for raw in [
            sender.raw(None, CREATION),
            *(sender.raw(contract, write(key, key + 1)) for key in range(9)),
        ]:
            receipt = served.client.ask("eth_getTransactionReceipt", served.client.send(raw))
            assert receipt["status"] == "0x1"

    together([lambda sender=sender: send(sender) for sender in senders])  # type: ignore[misc]
    assert served.chain.head.number < 160
    for sender in senders:
        assert served.chain.nonce(sender.address) == 10
        assert [served.chain.slot(sender.first_contract(), key) for key in range(9)] == list(range(1, 10))


def test_readers_see_only_whole_blocks_while_others_send(served: Served) -> None:
    sender = Sender()
    served.chain.send(sender.raw(None, CREATION))
    contract, done = sender.first_contract(), threading.Event()

    def send() -> None:
        try:
            for key in range(0, 80, 4):
                raws = [sender.raw(contract, write(key + at, 1)) for at in range(4)]
                served.client.post([request("eth_sendRawTransaction", "0x" + raw.hex()) for raw in raws])
        finally:
            done.set()

    def read() -> None:
        seen = 0
        while not done.is_set():
            head = served.client.ask("eth_getBlockByNumber", "latest", True)
            receipts = served.client.ask("eth_getBlockReceipts", {"blockHash": head["hash"]})
            assert [one["hash"] for one in head["transactions"]] == [
                one["transactionHash"] for one in receipts
            ]
            assert len(receipts) == (1 if head["number"] == "0x1" else 4)
            assert int(head["number"], 16) >= seen
            seen = int(head["number"], 16)

    together([send, read, read])
    assert served.chain.head.number == 21


def test_a_long_call_of_the_past_holds_up_no_sender(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "PAST_GAS", 2_000_000)  # about two seconds on the executable specification
    sender, done, endless = Sender(), [], {"data": "0x5b600056"}
    served.client.send(sender.raw(None, CREATION))

    def call() -> None:
        assert served.client.error("eth_call", endless, "0x0")["code"] == -32000
        done.append("call")

    def send() -> None:
        time.sleep(0.3)
        served.client.send(sender.raw(sender.first_contract(), write(1, 1)))
        done.append("send")

    together([call, send])
    assert done == ["send", "call"]


def test_one_connection_carries_many_requests(served: Served) -> None:
    line = http.client.HTTPConnection(served.client.host, served.client.port, timeout=60)
    for _ in range(50):
        line.request("POST", "/", json.dumps(request("eth_chainId")), {"Content-Type": "application/json"})
        assert json.loads(line.getresponse().read())["result"] == hex(CHAIN_ID)
    line.close()


def test_a_block_that_cannot_be_stored_is_told_and_the_same_bytes_go_later(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    raws = [sender.raw(None, CREATION), sender.raw(sender.first_contract(), write(1, 1))]

    def fails(*_: Any) -> None:
        raise sqlite3.OperationalError("disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(ChainTables, "append", fails)
        answers = served.client.post(
            [request("eth_sendRawTransaction", "0x" + raw.hex()) for raw in raws]
        ).json
    assert [one["error"]["code"] for one in answers] == [-32603, -32603]
    assert "look for the receipt" in answers[0]["error"]["message"]
    assert "disk is full" not in json.dumps(answers)
    assert served.client.ask("eth_blockNumber") == "0x0"
    for raw in raws:
        served.client.send(raw)
    assert served.chain.slot(sender.first_contract(), 1) == 1


def test_a_fault_of_the_program_is_an_internal_error_that_says_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("secret 0x1234")

    monkeypatch.setattr(ChainTables, "count", fails)
    monkeypatch.setattr(EmbeddedChain, "send_many", fails)
    error = served.client.error("eth_getBlockTransactionCountByNumber", "latest")
    assert error == {"code": -32603, "message": "Internal error"}
    assert served.client.error("eth_sendRawTransaction", "0x" + Sender().raw(None, CREATION).hex()) == error
    assert [record.getMessage() for record in caplog.records if record.name.startswith("careledger")] == [
        "eth_getBlockTransactionCountByNumber failed: RuntimeError",
        "eth_sendRawTransaction failed: RuntimeError",
    ]


def test_an_end_answers_what_is_under_way(tmp_path: Path) -> None:
    folder, sender = tmp_path / "chain", Sender()
    raws = [sender.raw(None, CREATION) for _ in range(200)]
    body = json.dumps([request("eth_sendRawTransaction", "0x" + raw.hex()) for raw in raws])
    with EmbeddedChain(folder, CHAIN_ID) as chain:
        server = Server(chain, folder, port=0)
        server.start()
        line = http.client.HTTPConnection(server.host, server.port, timeout=60)
        line.request("POST", "/", body, {"Content-Type": "application/json"})
        while chain.head.number == 0:
            pass
        server.close()
        assert "rpc-http" not in {thread.name for thread in threading.enumerate()}
        answers = json.loads(line.getresponse().read())
        line.close()
        assert {"result" in one for one in answers} == {True}
        with pytest.raises(OSError, match="refused"):
            Client(server.host, server.port).ask("eth_chainId")


SERVE = """
import sys
from pathlib import Path
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.rpc import state
from careledger.rpc.server import Server
folder = Path(sys.argv[1])
with EmbeddedChain(folder, int(sys.argv[2])) as chain, Server(chain, folder, port=0) as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


class Doomed:
    """A server in a process of its own, killed when it has acknowledged so many transactions."""

    def __init__(self, folder: Path, acknowledgements: int) -> None:
        words = [sys.executable, "-c", SERVE, str(folder), str(CHAIN_ID)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.client = Client("127.0.0.1", int(self.process.stdout.readline()))
        self.limit = acknowledgements
        self.acknowledged: list[str] = []

    def send_until_dead(self, sender: Sender) -> int:
        """How many of a sender's transactions were acknowledged."""
        for sent in itertools.count():
            raw = sender.raw(None, CREATION)
            try:
                self.acknowledged.append(self.client.send(raw))
            except (OSError, http.client.HTTPException, ValueError):
                return sent
            if len(self.acknowledged) >= self.limit:
                os.kill(self.process.pid, signal.SIGKILL)
        raise AssertionError


@pytest.mark.parametrize("acknowledgements", [3, 17, 40])
def test_nothing_acknowledged_is_lost_when_the_server_is_killed_in_the_middle(
    acknowledgements: int, tmp_path: Path
) -> None:
    folder, sent = tmp_path / "chain", {}
    doomed, senders = Doomed(folder, acknowledgements), [Sender(secret) for secret in range(1, 5)]

    def send(sender: Sender) -> None:
        sent[sender] = doomed.send_until_dead(sender)

    try:
        together([lambda sender=sender: send(sender) for sender in senders])  # type: ignore[misc]
    finally:
        doomed.process.kill()
        doomed.process.communicate()
    assert sum(sent.values()) == len(doomed.acknowledged) >= acknowledgements
    with EmbeddedChain(folder, CHAIN_ID) as chain:
        assert None not in [chain.receipt(bytes.fromhex(digest[2:])) for digest in doomed.acknowledged]
        for sender in senders:
            assert sent[sender] <= chain.nonce(sender.address) <= sent[sender] + 1
        assert chain.send(Sender(9).raw(None, CREATION)).success
    verify_chain(folder)
