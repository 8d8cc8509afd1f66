"""What is sent becomes final once: through errors, forgetful pools, restarts, crashes, and another user of the key."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from adapters import remote_sender
from adapters.hostile_node import Asked, HostileNode, between
from adapters.ledger_world import CHAIN_ID, DAY, digest
from adapters.remote_network import Network, opened_network, proposed
from adapters.remote_world import connected, required
from careledger.adapters.evm.node import Call
from careledger.adapters.evm.transactions import decode_transaction
from careledger.adapters.remote.node import RemoteNode
from careledger.domain.errors import LedgerRefused, NodeUnavailable, NotYetFinal, TransactionRefused
from careledger.domain.parties import Role
from careledger.formats.consent_messages import GiveConsent
from careledger.formats.relaying import RelayedEntry
from careledger.formats.signatures import SigningKey

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """One Anvil with one network for every test here."""
    with required(), opened_network() as made:
        yield made


@pytest.fixture
def hostile(network: Network) -> Iterator[tuple[HostileNode, str]]:
    """A hostile node before the real one, and its address."""
    with between(network.real.url) as made:
        yield made


def calls(network: Network, node: RemoteNode, first: int, count: int) -> list[Call]:
    """Proposals of so many organisations."""
    registry = network.ledger(node)._contract("Registry")
    arguments = (4, digest("l"), digest("k"))
    numbers = range(first, first + count)
    return [
        Call(registry.address, registry.calldata("propose_organisation", number, *arguments))
        for number in numbers
    ]


def count_of(network: Network, key: SigningKey) -> int:
    """The chain's count of a sender's transactions."""
    return int(network.real.rpc("eth_getTransactionCount", "0x" + key.address.hex(), "latest"), 16)


def settled(node: RemoteNode) -> None:
    """Waits until nothing is on the way."""
    end = time.monotonic() + 30
    while node.waiting():
        assert time.monotonic() < end
        time.sleep(0.1)


def limited(node: RemoteNode, **limits: float) -> None:
    """These limits are others from now on."""
    node._courier._limits = replace(node._courier._limits, **limits)  # type: ignore[arg-type]


def test_one_senders_calls_go_out_together_and_in_order(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    watched, url = hostile
    watched.shuffled = True
    node, sender = connected(tmp_path, [url], network.clock), SigningKey.random()
    mined = node.send(sender, calls(network, node, 2_001, 120))
    assert [each.reason for each in mined] == [None] * 120
    assert [each.block.number for each in mined] == sorted(each.block.number for each in mined)
    nonces = [decode_transaction(bytes.fromhex(raw[2:]), CHAIN_ID).transaction.nonce for raw in watched.sent]
    assert nonces == list(range(120))
    assert watched.arrays == [120]
    node.close()


def test_what_a_node_refused_or_forgot_is_sent_again_with_the_same_bytes(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    bad, url = hostile
    node, sender = connected(tmp_path, [url], network.clock, again=0.5), SigningKey.random()
    refused: Counter[str] = Counter()

    def fails(asked: Asked) -> str | None:
        raw = str(asked["params"][0]) if asked["method"] == "eth_sendRawTransaction" else ""
        refused[raw] += bool(raw)
        return "the pool is full" if raw and refused[raw] == 1 and raw[-1] in "02468ace" else None

    bad.fails = fails
    assert len(node.send(sender, calls(network, node, 2_201, 20))) == 20
    assert (len(+refused), count_of(network, sender)) == (20, 20)
    assert max(refused.values()) > 1
    bad.forgets = True
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(node.send, sender, calls(network, node, 2_231, 5))
        time.sleep(1.5)
        assert not waiting.done()
        bad.forgets = False
        assert [each.reason for each in waiting.result()] == [None] * 5
    assert (len(+refused), count_of(network, sender)) == (25, 25)
    node.close()


def test_a_restarted_node_is_given_again_what_its_pool_lost(tmp_path: Path) -> None:
    with required(), opened_network(tmp_path / "state.json") as own:
        node, sender = (
            connected(tmp_path / "sent", [own.real.url], own.clock, again=3_600),
            SigningKey.random(),
        )
        work = calls(own, node, 2_301, 10)
        own.real.rpc("evm_setIntervalMining", 0)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(node.send, sender, work)
            while int(own.real.rpc("txpool_status")["pending"], 16) < 10:
                time.sleep(0.05)
            own.real.stop()
            assert not waiting.done()
            own.real.start()
            assert own.real.rpc("txpool_status")["pending"] == "0x0"
            limited(node, again=1.0)
            assert [each.reason for each in waiting.result()] == [None] * 10
        assert count_of(own, sender) == 10
        node.close()


def test_no_more_are_on_the_way_than_the_limit(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    watched, url = hostile
    node, sender = connected(tmp_path, [url], network.clock, unconfirmed=7, array=5), SigningKey.random()
    waiting: list[int] = []

    def looks() -> None:
        waiting.append(int(network.real.rpc("txpool_status")["pending"], 16))

    watched.on_send = looks
    assert len(node.send(sender, calls(network, node, 2_401, 25))) == 25
    assert max(watched.arrays) == 5
    assert max(sent + held for sent, held in zip(watched.arrays, waiting, strict=True)) <= 7
    node.close()


def test_patience_ends_but_the_transaction_is_still_sent(network: Network, tmp_path: Path) -> None:
    node = connected(tmp_path, [network.real.url], network.clock, patience=1.5)
    ledger, sender = network.ledger(node), SigningKey.random()
    network.real.rpc("evm_setIntervalMining", 0)
    with pytest.raises(NotYetFinal):
        ledger.propose_organisation(2_501, [Role.HOSPITAL], digest("l"), digest("k"), sender)
    assert node.waiting() == 1
    network.real.rpc("evm_setIntervalMining", 1)
    settled(node)
    limited(node, patience=90)
    assert ledger.fresh_head().party(2_501) is not None
    with pytest.raises(LedgerRefused):
        ledger.propose_organisation(2_501, [Role.HOSPITAL], digest("l"), digest("k"), sender)
    assert count_of(network, sender) == 2
    node.close()


def test_without_a_node_nothing_is_sent_and_nothing_kept(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    down, url = hostile
    node = connected(tmp_path, [url], network.clock)
    ledger, sender = network.ledger(node), SigningKey.random()
    assert proposed(ledger, 2_511)
    limited(node, patience=2.5)
    down.status = 503
    with pytest.raises(NodeUnavailable) as caught:
        ledger.propose_organisation(2_512, [Role.HOSPITAL], digest("l"), digest("k"), sender)
    assert "nothing_sent" in caught.value.details
    assert node.waiting() == 0
    down.status = 200
    limited(node, patience=90)
    time.sleep(3.5)
    assert count_of(network, sender) == 0
    assert proposed(ledger, 2_513)
    node.close()


def test_a_nonce_that_somebody_else_used_is_given_up_and_the_lane_goes_on(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    slow, url = hostile
    ours = connected(tmp_path / "ours", [url], network.clock, again=1.0)
    theirs = connected(tmp_path / "theirs", [network.real.url], network.clock)
    sender, mine, other = (
        SigningKey.random(),
        calls(network, ours, 2_521, 3),
        calls(network, theirs, 2_531, 1),
    )
    slow.forgets = True
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ours.send, sender, mine)
        while len(slow.sent) < 3:
            time.sleep(0.05)
        assert theirs.send(sender, other)[0].reason is None
        slow.forgets = False
        with pytest.raises(TransactionRefused) as caught:
            waiting.result()
    assert caught.value.details["why"] == "nonce used elsewhere"
    settled(ours)
    assert count_of(network, sender) == 3  # theirs, and our second and third
    assert ours.send(sender, mine[:1])[0].reason is None
    for node in (ours, theirs):
        node.close()


def test_many_senders_at_once_wait_for_nobodys_order(network: Network, tmp_path: Path) -> None:
    node = connected(tmp_path, [network.real.url], network.clock)
    ledger = network.ledger(node)
    ledger.fresh_head()
    with ThreadPoolExecutor(24) as pool:
        held = list(pool.map(lambda number: proposed(ledger, number), range(2_601, 2_661)))
    assert all(held)
    consents = ledger.contract("Consents")
    names, end = [f"consent {number}" for number in range(130)], network.clock.now() + DAY
    entries = []
    for name in names:
        owner = SigningKey.random()
        message = GiveConsent(owner.address, digest(name), 0, end, network.clock.now() + 600)
        entries.append(RelayedEntry.of(message, message.sign(owner, CHAIN_ID, consents)))
    ledger.carry(entries, SigningKey.random())
    view = ledger.fresh_head()
    owners = [bytes(entry.message.owner) for entry in entries]  # type: ignore[attr-defined]
    assert all(view.consent(owner, digest(name)) for owner, name in zip(owners, names, strict=True))
    node.close()


def started(
    network: Network, folder: Path, key: SigningKey, first: int, count: int, point: str
) -> subprocess.Popen[str]:
    """The sender as a process of its own."""
    place = (network.real.url, folder, network.directory.hex(), network.since)
    fields = (*place, key.secret.hex(), first, count, point)
    command = [sys.executable, str(Path(remote_sender.__file__)), *map(str, fields)]
    told = os.environ | {"PYTHONPATH": str(TESTS)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=told)


def after_the_crash(network: Network, folder: Path, key: SigningKey) -> tuple[set[int], int]:
    """Opens the folder again and waits; which organisations there are, and how many transactions that took."""
    node = connected(folder, [network.real.url], network.clock)
    settled(node)
    ledger = network.ledger(node)
    head = ledger.fresh_head()
    there = {number for number in range(3_000, 3_900) if head.party(number) is not None}
    took = count_of(network, key)
    ledger.propose_organisation(
        random.randrange(10**6, 10**9), [Role.HOSPITAL], digest("l"), digest("k"), key
    )
    assert count_of(network, key) == took + 1 == node.nonce(key.address)
    node.close()
    return there, took


@pytest.mark.parametrize(("point", "first"), [("kept", 3_000), ("sent", 3_100), ("final", 3_200)])
def test_a_process_killed_around_an_effect_leaves_no_gap_and_does_nothing_twice(
    network: Network, tmp_path: Path, point: str, first: int
) -> None:
    key = SigningKey.random()
    process = started(network, tmp_path, key, first, 40, point)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output
    there, took = after_the_crash(network, tmp_path, key)
    mine = {number for number in there if first <= number < first + 40}
    acknowledged = {int(line) for line in output.split() if line.isdigit()}
    assert len(mine) == took >= 2
    assert acknowledged <= mine


@pytest.mark.slow
def test_a_process_killed_at_random_again_and_again_loses_and_doubles_nothing(
    network: Network, tmp_path: Path
) -> None:
    key, chance = SigningKey.random(), random.Random(7)
    acknowledged: set[int] = set()
    killed = 0
    for turn in range(6):
        process = started(network, tmp_path, key, 3_300 + 100 * turn, 100, "never")
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        killer = threading.Timer(chance.uniform(0.2, 3.0), process.kill)
        killer.start()
        acknowledged |= {int(line) for line in process.stdout}
        killer.cancel()
        killed += process.wait() == -signal.SIGKILL
    there, took = after_the_crash(network, tmp_path, key)
    mine = {number for number in there if number >= 3_300}
    assert killed >= 3
    assert acknowledged <= mine
    assert len(mine) == took
