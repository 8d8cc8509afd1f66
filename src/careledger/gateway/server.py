"""A gateway that answers: an open world, one worker, a socket, and an orderly end.

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
from pathlib import Path
from types import TracebackType

from careledger.app.relaying import Members
from careledger.app.service import tls
from careledger.app.service.table import Service
from careledger.app.serving import ENDS_WITHIN, MOST_CONNECTIONS, HttpServer, is_loopback
from careledger.app.tending import Step, steps
from careledger.app.world import World
from careledger.domain.errors import ServerUnavailable
from careledger.formats import abi
from careledger.gateway.apart.handing import Handed
from careledger.gateway.apart.sharing import Alone, Sharing
from careledger.gateway.application import Edge, site_of
from careledger.gateway.beside import Beside
from careledger.gateway.desk import Desk
from careledger.gateway.events.listening import MOST_LISTENERS
from careledger.gateway.licences import Looking
from careledger.gateway.operating.front import Counted, Front
from careledger.gateway.operating.health import Health
from careledger.gateway.operating.metrics import Metrics
from careledger.gateway.operating.spans import Spans
from careledger.gateway.taking import read_first

SHARED = 4
"""How many gateways' connections one worker takes at once."""
HOST, PORT = "127.0.0.1", 8080
HOUSE, BEAT = 10.0, 1.0
"""Seconds between looks for leases that are over; for what members relay, and what is not in the index yet."""
REST = 0.002
"""Seconds between two steps of exports or of the index, so that a request that needs the worker twice waits for one."""
PATIENCE = 0.25
"""Seconds for which the index lets requests go first, so that a Bundle's steps follow one another and it is read in
while nobody asks; under requests that never end it has one slice in that time."""
_LOG = logging.getLogger("careledger.gateway")


class Gateway:
    """Serves a world until it is closed; the world stays open.

    Every ``tends_every`` seconds it does what has come due, step by step between requests, and every
    ``looks_every`` seconds it looks for what there is to tell; never without them. With the former the process that
    reads long requests is there from the start. Exports are made likewise, whenever there are some. Order of effects at
    the end: it is not ready any more, event streams end, no new connections, what is under way is answered, every
    lease is dropped.
    """

    def __init__(
        self,
        world: World,
        host: str = HOST,
        port: int = PORT,
        tends_every: float | None = None,
        looks_every: float | None = None,
        service: Service | None = None,
        at: Path | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        """Port 0 takes a free one. ``service``: how it is reached, secured and looked at, None: on loopback alone.
        ``at``: a socket over which gateways hand requests on; then links begin with what the service says.
        ``sharing``: how its leases stand to those of readers, if there may be any.

        Raises ServerUnavailable for a taken port or a host that the service does not secure, ConfigurationRefused.
        """
        self._service = service = service or Service()
        most = MOST_CONNECTIONS + MOST_LISTENERS
        self._spans = Spans(service.traces) if service.traces else None
        beyond = not is_loopback(service.host)  # only such a service goes beyond
        within = min(ENDS_WITHIN, service.within)
        if at is None:
            self._http = HttpServer(host, port, most, tls.context(service), beyond, within)
        else:
            self._http = HttpServer.at(at, SHARED * most, within)
        self._apart = at is not None
        self.url = service.address if at is not None else service.base or self._http.url
        self.base = f"{self.url}/fhir"
        self._world, self._tends_every, self._looks_every = world, tends_every, looks_every
        self._desk = Desk(world, self.base, sharing or Alone())
        self._worker = ThreadPoolExecutor(1, "gateway")
        self._beside = Beside()
        self._licences = Looking(world, self._worker)
        self._health = Health(world, self._worker)
        self._metrics = Metrics(self._health)
        self._metrics_http = self._metrics.listener(service)
        self._edge = Edge(self._desk, self._worker, self._beside, self._health)
        self.sign_in = f"{site_of(self.base, world.ledger.deployment).origin}/sign-in"
        self._ended = threading.Event()
        self._keeping = threading.Thread(target=self._keep_house, name="gateway-house", daemon=True)
        self._exporting = threading.Thread(target=self._export, name="gateway-exports", daemon=True)

    def start(self) -> None:
        """Begins to answer; raises ServerUnavailable if it does not come up."""
        if self._tends_every is not None:
            self._beside.begin(read_first)
        self._desk.events.begin(self._worker, self._looks_every)
        try:
            made = self._edge.application()
            if self._apart:
                self._http.start(Handed(Counted(made, self._metrics)))
            else:
                self._http.start(Front(made, self._service, self._metrics, self._spans))
            if self._metrics_http is not None:
                self._metrics_http.start(self._metrics.application())
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

    @property
    def metrics_url(self) -> str:
        """Where Prometheus scrapes, "" if nowhere."""
        return Metrics.place(self._metrics_http)

    def stop_soon(self) -> None:
        """It answers as before, and says that it is not ready."""
        self._health.stop()

    def close(self) -> None:
        """Ends as the class says."""
        self._health.stop()
        self._desk.events.close()
        self._http.close()
        if self._metrics_http is not None:
            self._metrics_http.close()
        if self._spans is not None:
            self._spans.close()
        self._ended.set()
        self._desk.exports.woken.set()
        for thread in (self._keeping, self._exporting):
            if thread.is_alive():
                thread.join()
        self._edge.close()
        self._beside.close()
        self._worker.submit(self._desk.close)
        self._worker.shutdown()

    def _keep_house(self) -> None:
        """Nothing that a lease opened stays in memory after it, whether or not anybody asks again; does what is due."""
        every = self._tends_every
        tended = time.monotonic()
        members = self._world.members
        if every is not None:
            abi.load()
            self._look_again()
        pauses = (HOUSE, *(() if every is None else (every, BEAT)), *(() if members is None else (BEAT,)))
        while not self._ended.wait(min(pauses)):
            self._worker.submit(self._desk.drop_ended)
            self._do(self._edge.sweep)
            self._look_at_licences()
            if members is not None:
                self._do(partial(_pass_on, members))
            if every is not None and time.monotonic() - tended >= every:
                self._tend()
                self._look_again()
                tended = time.monotonic()
            elif every is not None:
                self._level()

    def _look_at_licences(self) -> None:
        try:
            self._licences.look()
        except Exception:  # whatever one look does, the gateway goes on
            _LOG.exception("looking at licences broke off")

    def _look_again(self) -> None:
        """Compares the index of own writings with the copies."""
        self._do(self._desk.charts.look_again)
        self._level()

    def _level(self) -> None:
        """Brings it level, slice by slice."""
        waiting, last = True, time.monotonic()

        def slice() -> None:
            nonlocal waiting
            waiting = False  # unless this goes well: what fails is tried again at the next beat
            waiting = not self._desk.charts.catch_up()

        while waiting and not self._ended.wait(REST):
            if not self._edge.is_asked or time.monotonic() - last >= PATIENCE:
                self._do(slice)
                last = time.monotonic()

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
