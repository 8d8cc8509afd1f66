"""How many grant packages of others an organisation tries per second, and what sealing costs.

python bench/grants.py [packages]
"""

from __future__ import annotations

import sys
import time

from careledger.sealing.grants import find_packages, seal_package
from careledger.sealing.keys import OVERHEAD, SealingKey
from careledger.sealing.padme import PREFIX


def main(packages: int = 2000) -> None:
    """Prints packages per second, one core, for each size."""
    stranger, organisation = SealingKey.random(), SealingKey.random()
    for size in (4096, 16_384, 65_536):
        content = bytes(size - OVERHEAD - PREFIX)
        start = time.perf_counter()
        board = [seal_package(stranger.public, content) for _ in range(packages)]
        sealed = time.perf_counter()
        found = list(find_packages([organisation], board))
        tried = time.perf_counter()
        if found:
            raise SystemExit("a package of another organisation was opened")
        print(
            f"{size // 1024:3} KiB: {packages / (sealed - start):7.0f} sealed/s, "
            f"{packages / (tried - sealed):7.0f} failed opens/s"
        )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
