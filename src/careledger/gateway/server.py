"""A gateway that answers: an open world, one worker, a socket on loopback, and an orderly end.

with Gateway(world) as gateway:
    ... gateway.base ...
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType

from careledger.app.relaying import Members
from careledger.app.serving import MOST_CONNECTIONS, HttpServer
from careledger.app.tending import Step, steps
from careledger.app.world import World
from careledger.domain.errors import ServerUnavailable
from careledger.gateway.application import Edge
from careledger.gateway.beside import Beside
from careledger.gateway.desk import Desk
from careledger.gateway.events.listening import MOST_LISTENERS

HOST, PORT = "127.0.0.1", 8080
HOUSE, BEAT = 10.0, 1.0
"""Seconds between looks for leases that are over; for what members relay, and what is not in the index yet."""
REST = 0.002
"""Seconds between two steps of exports or of the index, so that a request that needs the worker twice waits for one."""
_LOG = logging.getLogger("careledger.gateway")


class Gateway:
    """Serves a world until it is closed; the world stays open.

    Every ``tends_every`` seconds it does what has come due, step by step between requests, and every ``looks_every``
    seconds it looks for what there is to tell; never without them. Exports are made likewise, whenever there are some.
    Order of effects at the end: event streams end, no new connections, what is under way is answered, every lease is
    dropped.
    """

    def __init__(
        self,
        world: World,
        host: str = HOST,
        port: int = PORT,
        tends_every: float | None = None,
        looks_every: float | None = None,
    ) -> None:
        """Port 0 takes a free one; raises ServerUnavailable for a host that is not loopback or a taken port."""
        self._http = HttpServer(host, port, MOST_CONNECTIONS + MOST_LISTENERS)
        self.url = self._http.url
        self.base = f"{self.url}/fhir"
        self._world, self._tends_every, self._looks_every = world, tends_every, looks_every
        self._desk = Desk(world, self.base)
        self._worker = ThreadPoolExecutor(1, "gateway")
        self._beside = Beside()
        self._edge = Edge(self._desk, self._worker, self._beside)
        self._ended = threading.Event()
        self._keeping = threading.Thread(target=self._keep_house, name="gateway-house", daemon=True)
        self._exporting = threading.Thread(target=self._export, name="gateway-exports", daemon=True)

    def start(self) -> None:
        """Begins to answer; raises ServerUnavailable if it does not come up."""
        self._desk.events.begin(self._worker, self._looks_every)
        try:
            self._http.start(self._edge.application())
        except ServerUnavailable:
            self.close()
            raise
        self._keeping.start()
        self._exporting.start()

    def routes(self) -> list[tuple[str, str]]:
        """Every method and path that is answered, HEAD, which is answered like GET, left out."""
        return [
            (method, route.path)
            for route in self._edge.routes()
            for method in sorted(route.methods or ())
            if method != "HEAD"
        ]

    def close(self) -> None:
        """Ends as the class says."""
        self._desk.events.close()
        self._http.close()
        self._ended.set()
        self._desk.exports.woken.set()
        for thread in (self._keeping, self._exporting):
            if thread.is_alive():
                thread.join()
        self._beside.close()
        self._worker.submit(self._desk.close)
        self._worker.shutdown()

    def _keep_house(self) -> None:
        """Nothing that a lease opened stays in memory after it, whether or not anybody asks again; does what is due."""
        every = self._tends_every
        tended = time.monotonic()
        members = self._world.members
        if every is not None:
            self._look_again()
        pauses = (HOUSE, *(() if every is None else (every, BEAT)), *(() if members is None else (BEAT,)))
        while not self._ended.wait(min(pauses)):
            self._worker.submit(self._desk.leases.drop_ended)
            if members is not None:
                self._do(partial(_pass_on, members))
            if every is not None and time.monotonic() - tended >= every:
                self._tend()
                self._look_again()
                tended = time.monotonic()
            elif every is not None:
                self._level()

    def _look_again(self) -> None:
        """Compares the index of own writings with the copies."""
        self._do(self._desk.charts.look_again)
        self._level()

    def _level(self) -> None:
        """Brings it level, slice by slice."""
        waiting = True

        def slice() -> None:
            nonlocal waiting
            waiting = False  # unless this goes well: what fails is tried again at the next beat
            waiting = not self._desk.charts.catch_up()

        while waiting and not self._ended.wait(REST):
            self._do(slice)

    def _export(self) -> None:
        """Makes exports, one step after the other, each waiting its turn among the requests."""
        exports = self._desk.exports
        while not self._ended.is_set():
            more = False
            try:
                more = self._worker.submit(exports.step).result()
            except Exception:  # whatever one look does, the gateway goes on
                _LOG.exception("a step of the exports broke off")
            if more:
                self._ended.wait(REST)
            else:
                exports.woken.wait(HOUSE)
                exports.woken.clear()

    def _tend(self) -> None:
        """One step after the other, each waiting its turn among the requests."""
        due: list[Step] = []

        self._do(lambda: due.extend(steps(self._world)))
        for step in due:
            if self._ended.is_set():
                return
            self._do(step)

    def _do(self, step: Callable[[], tuple[str, ...] | None]) -> None:
        try:
            for what in self._worker.submit(step).result() or ():
                _LOG.warning("left for the next time: %s", what)
        except Exception:  # whatever one step does, the gateway goes on
            _LOG.exception("a step of tending broke off")

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pass_on(members: Members) -> tuple[str, ...]:
    """What members relay for each other's patients goes on."""
    members.pass_on()
    return ()
