"""Transactions per second of the embedded chain, durably, by block size, on revm and on EELS.

    python bench/chain.py [--seconds 3] [--directory DIR]

Each transaction is signed beforehand, decoded, its sender recovered, executed (one fresh slot, one log)
and part of a block that is committed with a sync before the next begins. The last columns give revm as a
multiple of EELS, and what opening the chain again and verifying it cost. DIR should lie on the disk that
is to be measured (default: the temporary folder).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from adapters.chain_support import CHAIN_ID, Sender, write
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.engines import new_engine
from careledger.adapters.evm.verify import verify_chain

SIZES = (1, 100, 1000)


def rate(directory: Path, engine: str, size: int, seconds: float) -> float:
    """Transactions per second in blocks of that size."""
    sender, done, spent = Sender(), 0, 0.0
    with EmbeddedChain(directory, CHAIN_ID, engine=engine) as chain:
        contract = sender.install(chain)
        while spent < seconds:
            raws = [sender.raw(contract, write(done + at, 1)) for at in range(size)]
            begun = time.perf_counter()
            chain.send_many(raws)
            spent += time.perf_counter() - begun
            done += size
    return done / spent


def reopening(directory: Path, engine: str) -> tuple[float, float, int]:
    """Seconds to open and to verify, and how many transactions there are."""
    begun = time.perf_counter()
    EmbeddedChain(directory, CHAIN_ID, engine=engine).close()
    opened = time.perf_counter()
    verified = verify_chain(directory, engine)
    return opened - begun, time.perf_counter() - opened, verified.transactions


def loading(slots: int) -> float:
    """Seconds to put that many slots into revm."""
    engine = new_engine(CHAIN_ID, "revm")
    begun = time.perf_counter()
    engine.load([], ((b"\xc0" * 20, slot << 200, slot + 1) for slot in range(slots)))
    return time.perf_counter() - begun


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--directory", type=Path)
    chosen = options.parse_args()
    print(f"{'block of':>8} {'revm tx/s':>10} {'EELS tx/s':>10} {'ratio':>6}")
    with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
        for size in SIZES:
            revm, eels = (
                rate(Path(folder) / f"{engine}{size}", engine, size, chosen.seconds)
                for engine in ("revm", "eels")
            )
            print(f"{size:>8} {revm:>10,.0f} {eels:>10,.0f} {revm / eels:>6.1f}")
        for engine in ("revm", "eels"):
            opening, verifying, count = reopening(Path(folder) / f"{engine}{SIZES[-1]}", engine)
            print(
                f"{engine}: {count:,} transactions open in {opening:.2f} s, verify at {count / verifying:,.0f}/s"
            )
    print(f"revm takes 1,000,000 slots in {loading(1_000_000):.1f} s")


if __name__ == "__main__":
    main()
