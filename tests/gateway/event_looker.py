"""Looks once for what happened to everybody and is killed on the way: a process of its own for the tests of crashes.

python event_looker.py FOLDER EFFECT WHEN

EFFECT is the number of the change to any books, from 1, WHEN ``before`` or ``after`` it is durable; 0 is never. Prints
``done`` where it was not killed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from careledger.adapters.books.sqlite import SqliteBooks
from careledger.app.world import open_world
from careledger.gateway.events.service import Events
from careledger.gateway.own.chart import Charts
from careledger.gateway.own.subscribed import Subscribed


def killing(act: Callable[..., Any], at: int, when: str) -> Callable[..., Any]:
    def acts(*given: Any) -> Any:
        count[0] += 1
        if count[0] == at and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        made = act(*given)
        if count[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    return acts


count = [0]
BASE = "http://localhost/fhir"


def main() -> None:
    folder, at, when = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    world = open_world(folder)
    SqliteBooks.put = killing(SqliteBooks.put, at, when)  # type: ignore[method-assign]
    SqliteBooks.drop = killing(SqliteBooks.drop, at, when)  # type: ignore[method-assign]
    events = Events(world, BASE, Subscribed(world, BASE, Charts(world)))
    for organisation in world.keyring.organisations().values():
        for _ in events.look(organisation):
            pass
    world.close()
    print("done")


if __name__ == "__main__":
    main()
