"""Speed of Cobblestone-256 bodies against plain AES-256-GCM in pieces of 64 KiB; the ratio is what counts.

python bench/bodies.py [MiB] [rounds]
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.sealing import bodies
from careledger.sealing.keys import Secret

PIECE = 64 * 1024


def plain_seal(key: bytes, plaintext: bytes) -> bytes:
    """The bare cipher: no commitment, no ranges, a counter as the nonce."""
    aead, source, target = AESGCM(key), io.BytesIO(plaintext), io.BytesIO()
    for at in range(0, len(plaintext), PIECE):
        target.write(aead.encrypt(at.to_bytes(12, "big"), source.read(PIECE), None))
    return target.getvalue()


def best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest round."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def stream_seal(key: Secret, plaintext: bytes) -> None:
    bodies.encrypt_stream(key, io.BytesIO(plaintext), io.BytesIO())


def main(mebibytes: int = 64, rounds: int = 7) -> None:
    """Prints one line per way: MB/s, and the ratio to the bare cipher."""
    key, plaintext = Secret.random(), os.urandom(mebibytes << 20)
    body = bodies.encrypt(key, plaintext)
    ways: dict[str, Callable[[], object]] = {
        "AES-256-GCM, 64 KiB pieces": lambda: plain_seal(key.reveal(), plaintext),
        "encrypt": lambda: bodies.encrypt(key, plaintext),
        "decrypt": lambda: bodies.decrypt(key, body),
        "encrypt_stream": lambda: stream_seal(key, plaintext),
        "decrypt_stream": lambda: bodies.decrypt_stream(key, io.BytesIO(body), io.BytesIO()),
    }
    bare = 0.0
    for name, work in ways.items():
        speed = len(plaintext) / best(work, rounds) / 1e6
        bare = bare or speed
        print(f"{name:28} {speed:8.0f} MB/s   ratio {speed / bare:.2f}")
    small = Secret.random(), os.urandom(1000)
    seconds = best(lambda: [bodies.encrypt(*small) for _ in range(1000)], rounds) / 1000
    print(f"{'encrypt 1,000 bytes':28} {seconds * 1e6:8.1f} µs")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
