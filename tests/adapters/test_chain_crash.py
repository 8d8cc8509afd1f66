"""A real process killed at any moment loses nothing that it acknowledged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from adapters.chain_support import CHAIN_ID, Sender, stored
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.verify import verify_chain

_TESTS = Path(__file__).parent.parent
ROUNDS = 18
ENOUGH = 100


WRITER = """
import sys
from pathlib import Path
from adapters.chain_support import CHAIN_ID, Sender, write
from careledger.adapters.evm.chain import EmbeddedChain

sender = Sender()
with EmbeddedChain(Path(sys.argv[1]), CHAIN_ID) as chain:
    sender.nonce = chain.nonce(sender.address)
    if sender.nonce == 0:
        sender.install(chain)
    contract = sender.first_contract()
    print("ready", flush=True)
    while True:
        first = sender.nonce
        raws = [sender.raw(contract, write(first + at, 1)) for at in range(1 + first % 7)]
        assert all(outcome.success for outcome in chain.send_many(raws))
        print("stored", *range(first, sender.nonce), flush=True)
"""


def killed_run(directory: Path, wait: float, once_ready: bool) -> tuple[bool, set[int]]:
    """Run the writer, kill it after a while; whether it was ready, and the keys it acknowledged."""
    paths = [str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory)], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert writer.stdout is not None
    told = writer.stdout.readline() if once_ready else ""
    time.sleep(wait)
    writer.send_signal(signal.SIGKILL)
    told += writer.communicate()[0]
    assert writer.returncode == -signal.SIGKILL
    # The last line may be cut, or complete in the pipe: either way only whole lines were acknowledged.
    lines = told[: told.rfind("\n") + 1].splitlines()
    keys = {int(key) for line in lines if line.startswith("stored") for key in line.split()[1:]}
    return "ready" in lines, keys


def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    chance, counts, acknowledged = random.Random(9), Counter[str](), set[int]()
    directory, contract = tmp_path / "ledger", Sender().first_contract()
    for turn in range(10 * ROUNDS):
        if turn >= ROUNDS and len(acknowledged) > ENOUGH:
            break
        slowly = 1 + turn // ROUNDS  # a busy machine needs longer for the same
        ready, keys = killed_run(directory, chance.uniform(0.0, 0.15) * slowly, once_ready=turn % 4 != 3)
        counts["killed at work" if ready else "killed while opening"] += 1
        with EmbeddedChain(directory, CHAIN_ID) as chain:
            assert {key for key in keys if stored(chain, contract, key) != 1} == set()
            acknowledged |= keys
            kept = chain.nonce(Sender().address) - 1
        counts["stored but not told"] += kept > len(acknowledged)
        assert kept >= len(acknowledged)
        acknowledged |= set(range(1, kept + 1))
        if turn % 5 == 0:
            assert verify_chain(directory).transactions == kept + 1
    with EmbeddedChain(directory, CHAIN_ID) as chain:
        assert all(stored(chain, contract, key) == 1 for key in acknowledged)
    assert verify_chain(directory).transactions == len(acknowledged) + 1
    assert counts["killed at work"] >= 12, counts
    assert counts["killed while opening"] >= 1, counts
    assert len(acknowledged) > ENOUGH


def test_a_process_killed_while_installing_leaves_nothing_half(tmp_path: Path) -> None:
    for round_ in range(4):
        directory = tmp_path / str(round_)
        killed_run(directory, 0.2 + 0.05 * round_, once_ready=False)
        with EmbeddedChain(directory, CHAIN_ID) as chain:
            assert chain.header(0).number == 0
        verify_chain(directory)
