"""Acts per second on a remote ledger with a block each second, many on the way beside one at a time.

    python bench/ledger_rpc.py [--seconds 15] [--threads 400] [--json]

Starts Anvil (npm) on loopback, founds a network there and registers an organisation. Anchors and consents are acts
of the port Ledger, each returned only when its receipt is in a block, so that no caller does more than one a second;
transactions of one lane are sent by one call. The rival is the same act by one caller that waits for each. Processor
time is this process's alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from adapters.ledger_world import CHAIN_ID, HOSPITAL, LedgerWorld, digest, of
from adapters.remote_world import DEV_NODES, TravellingClock, founded
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.evm.node import Call
from careledger.formats.consent_messages import GiveConsent
from careledger.formats.relaying import RelayedEntry
from careledger.formats.signatures import SigningKey

COMMAND = "python bench/ledger_rpc.py"
LANE = 2_000  # transactions of one sender
CARRIED = 3_000  # consents, a hundred in a transaction


@dataclass(frozen=True)
class Rate:
    """Acts per second, and processor milliseconds for each."""

    acts: float
    processor: float


def rate(act: Callable[[int], object], threads: int, seconds: float) -> Rate:
    """What so many callers reach, each beginning the next act when its last one is final."""
    numbers, end = itertools.count(), time.monotonic() + seconds

    def call() -> int:
        done = 0
        while time.monotonic() < end:
            act(next(numbers))
            done += 1
        return done

    begun, spent = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(future.result() for future in [pool.submit(call) for _ in range(threads)])
    return Rate(done / (time.monotonic() - begun), (time.process_time() - spent) / done * 1_000)


def once(act: Callable[[], object], count: int) -> Rate:
    """So many things done by one call."""
    begun, spent = time.monotonic(), time.process_time()
    act()
    return Rate(count / (time.monotonic() - begun), (time.process_time() - spent) / count * 1_000)


def measured(world: LedgerWorld, seconds: float, threads: int) -> list[tuple[str, Rate, Rate]]:
    """Name, many at once, one at a time."""
    ledger = world.ledger
    assert isinstance(ledger, EvmLedger)
    world.organisation(HOSPITAL)

    def anchor(number: int) -> None:
        ledger.anchor(
            digest(f"{seconds} {threads} {number} {time.monotonic_ns()}"), 1_000, HOSPITAL, of(HOSPITAL)
        )

    def consent(number: int) -> None:
        owner = SigningKey.random()
        ledger.give_consent(owner, digest(f"c{number}"), 0, world.now() + 86_400, SigningKey.random())

    one_anchor, one_consent = rate(anchor, 1, seconds), rate(consent, 1, seconds)
    found = [
        (f"anchors by one organisation, {threads} callers", rate(anchor, threads, seconds), one_anchor),
        (f"consents by as many relays, {threads} callers", rate(consent, threads, seconds), one_consent),
    ]
    contract = ledger._contract("Records")
    calls = [
        Call(contract.address, contract.calldata("anchor", digest(f"lane {n}"), HOSPITAL, 1))
        for n in range(LANE)
    ]
    lane = once(lambda: ledger._node.send(of(HOSPITAL), calls), LANE)
    entries = [carried(world, number) for number in range(CARRIED)]
    batches = once(lambda: ledger.carry(entries, SigningKey.random()), CARRIED)
    return [
        *found,
        (f"{LANE:,} transactions of one lane", lane, one_anchor),
        ("consents carried a hundred a transaction", batches, one_consent),
    ]


def carried(world: LedgerWorld, number: int) -> RelayedEntry:
    """A signed consent as a relay gets it."""
    owner, now = SigningKey.random(), world.now()
    message = GiveConsent(owner.address, digest(f"carried {number}"), 0, now + 86_400, now + 1_200)
    return RelayedEntry.of(message, message.sign(owner, CHAIN_ID, world.ledger.contract("Consents")))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--threads", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with DEV_NODES.anvil(CHAIN_ID) as node, founded(node.url, TravellingClock(node)) as world:
        rows = measured(world, asked.seconds, asked.threads)
    if asked.json:
        made = [
            {
                "name": f"remote ledger, {name}", "value": round(many.acts, 1), "unit": "acts/s",
                "rival": "the same, one at a time", "rival_value": round(one.acts, 2),
                "ratio": round(many.acts / one.acts, 1), "command": COMMAND,
            }
            for name, many, one in rows
        ]  # fmt: skip
        print(json.dumps(made, indent=2))
        return
    print(
        f"{'acts on Anvil, a block each second':48} {'acts/s':>8} {'ms each':>8} {'one at a time':>14} {'times':>7}"
    )
    for name, many, one in rows:
        print(
            f"{name:48} {many.acts:8.1f} {many.processor:8.2f} {one.acts:14.2f} {many.acts / one.acts:7.0f}"
        )


if __name__ == "__main__":
    main()
