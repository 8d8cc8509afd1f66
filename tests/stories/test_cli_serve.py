"""``careledger chain serve`` serves a data directory to this machine until it is told to stop, and ends in order."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stories.cli_world import careledger, explored

__all__ = ["explored"]
PROGRAM = "from careledger.cli.main import main; main()"


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of that directory in a process of its own, and what it prints first; ended by its process id."""
    words = [sys.executable, "-c", PROGRAM, "chain", "serve", "--data", str(folder), "--port", "0", *options]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        said = ""
        while not said.endswith("\n}\n") and "Ctrl-C" not in said and (line := running.stdout.readline()):
            said += line
        yield running, said
    finally:
        running.kill()
        running.wait(timeout=60)


def ask(port: int, method: str, *params: Any) -> Any:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    line.request("POST", "/", body, {"Content-Type": "application/json"})
    return json.loads(line.getresponse().read())["result"]


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_a_directory_is_served_until_it_is_told_to_stop(told: signal.Signals, explored: Path) -> None:
    head = json.loads(careledger("chain", "head", "--data", explored, "--json").out)
    with serving(explored, "--json") as (running, said):
        network = json.loads(said)
        port = int(network["rpcUrls"][0].rpartition(":")[2])
        assert ask(port, "eth_chainId") == network["chainId"]
        assert ask(port, "eth_getBlockByNumber", "latest", False)["hash"] == "0x" + head["hash"]
        other = careledger("show", "--data", explored)
        beside = careledger("chain", "verify", "--data", explored)
        second = careledger("chain", "serve", "--data", explored, "--port", "0")
        assert (other.code, beside.code, second.code) == (3, 0, 3)
        os.kill(running.pid, told)
        assert (running.wait(timeout=60), running.communicate()) == (0, ("", ""))
    assert careledger("show", "--data", explored).code == 0


def test_what_is_printed_is_what_a_wallet_wants_to_know(explored: Path) -> None:
    with serving(explored) as (running, said):
        for words in ("http://127.0.0.1:", "20261 (0x4f25)", "CareLedger 20261", "Ctrl-C"):
            assert words in said
        os.kill(running.pid, signal.SIGINT)
        rest, wrong = running.communicate(timeout=60)
        assert (running.returncode, wrong) == (0, "")
        assert "Everything that was acknowledged is on the disk" in rest


def test_another_host_than_loopback_is_wrong_usage(explored: Path) -> None:
    for host in ("0.0.0.0", "example.org"):
        done = careledger("chain", "serve", "--data", explored, "--host", host, "--port", "0")
        assert (done.code, done.out) == (2, "")
        assert "loopback" in done.err
    assert careledger("chain", "head", "--data", explored).code == 0


def test_other_commands_do_not_load_the_server() -> None:
    program = (
        "import sys, careledger.cli.main; print([m for m in ('uvicorn', 'starlette') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
