"""``careledger chain serve`` and ``careledger up``: open, serve, and end in order at the first SIGINT or SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.locks import hold
from careledger.adapters.members.server import MemberServer
from careledger.app import settings as settings_file
from careledger.app.ledgers import embedded_folder
from careledger.app.members.roll import LedgerRoll
from careledger.app.readers import WORKER, can_be_read_beside, lent, open_reader, raised_marks, slot
from careledger.app.running import announced
from careledger.app.service.logs import set_up
from careledger.app.service.memory import give_back
from careledger.app.service.table import Service, place_of
from careledger.app.serving import is_loopback
from careledger.app.tending import steps
from careledger.cli.actors import member
from careledger.cli.opening import opened
from careledger.cli.output import print_json, screen
from careledger.cli.passphrases import ask
from careledger.domain.errors import DirectoryInUse, MemberRefused, PartyNotFound
from careledger.gateway.apart.choosing import reader_socket
from careledger.gateway.apart.edge import EdgeGateway
from careledger.gateway.apart.reader import ReadingWorker
from careledger.gateway.apart.sharing import First
from careledger.gateway.server import Gateway
from careledger.rpc.page import network
from careledger.rpc.server import Server
from careledger.workflows.actors import Organisation

if TYPE_CHECKING:
    from careledger.app.world import World

STANDS_BY = 0.2
"""The seconds between two looks of a worker that waits for its turn."""
CUT_OFF = 1
"""The exit code of a service that did not end in time."""
_LOG = logging.getLogger("careledger.service")


def serve_chain(folder: Path, host: str, port: int, origins: Sequence[str], as_json: bool) -> None:
    """Serves until it is told to stop, then answers what is under way; raises DirectoryInUse, ServerUnavailable."""
    chain_id, ledger = settings_file.load(folder).chain_id, embedded_folder(folder)
    with (
        told_to_stop() as stop,
        EmbeddedChain(ledger, chain_id) as chain,
        Server(chain, ledger, host, port, origins) as server,
    ):
        facts = network(chain_id, server.url)
        print_json(facts) if as_json else _print(facts, server.url)
        stop.wait()
    if not as_json:
        screen().says("Stopped. Everything that was acknowledged is on the disk.")


def serve_gateway(folder: Path, service: Service, as_json: bool) -> None:
    """Serves the directory's world likewise; raises DirectoryInUse, ServerUnavailable, ConfigurationRefused.

    Order of effects once it is told to stop: it says that it is not ready; after ``shutdown.notice`` it takes nothing
    new and answers what is under way; what has come due is done; the directory is closed. What is left after
    ``shutdown.within`` is cut off: what was acknowledged is durable, and the next start goes on with the rest.
    """
    set_up(service)
    give_back()
    with (
        told_to_stop() as stop,
        _ended_within(stop, service),
        _whole(folder, service) as world,
        _to_members(world, service) as members,
        Gateway(
            world, service.host, service.port, service.tends_every, service.looks_every, service
        ) as gateway,
    ):
        with _to_agents(world, gateway):
            _say_gateway(gateway, members, service, as_json)
            stop.wait()
        gateway.stop_soon()
        time.sleep(service.notice)
    if not as_json:
        screen().says("Stopped. Everything that was acknowledged is on the disk.")


@contextmanager
def _whole(folder: Path, service: Service) -> Iterator[World]:
    """The directory's world; raises StoreCorrupt before anybody is answered where an organisation's files are lost or
    damaged, by which no token could be told."""
    with opened(folder, service=service) as world:
        world.keyring.everybody()
        yield world


def _to_agents(world: World, gateway: Gateway) -> AbstractContextManager[None]:
    """Patients' agents of this device find the gateway, unless it has a certificate, which is not theirs to judge."""
    return announced(world, gateway.url) if urlsplit(gateway.url).scheme == "http" else nullcontext()


def _say_gateway(gateway: Gateway, members: str, service: Service, as_json: bool) -> None:
    """Where it is reached."""
    facts = {
        "fhir": gateway.base,
        "metadata": f"{gateway.base}/metadata",
        "api": f"{gateway.url}/api/v1/docs",
        "ready": f"{gateway.url}/readyz",
        "metrics": gateway.metrics_url,
        "sign_in": gateway.sign_in,
        "members": members,
        "scanner": service.scanner,
    }
    if as_json:
        print_json(facts)
    else:
        screen().facts(
            f"FHIR R4 at {gateway.base}",
            [
                ("what it can do", facts["metadata"]),
                ("beside FHIR", facts["api"]),
                ("people sign in at", facts["sign_in"]),
                ("a token for a program", "careledger token issue POST"),
                ("files are scanned by", facts["scanner"] or "nobody: files.scanner is empty"),
                *([("members reach its custodian at", members)] if members else []),
            ],
        )
        reached = "Only this machine reaches it." if is_loopback(service.host) else "Others reach it."
        screen().says(
            f"{reached} Ctrl-C ends it; until then patients' agents here (careledger app, consent, audit) go through "
            "it, token, client, account, sign-on, licence, reads and staff list work beside it, and nothing else can "
            "open the directory."
        )


@contextmanager
def _to_members(world: World, service: Service) -> Iterator[str]:
    """The directory's custodian is served to other members if ``members.listen`` says so; gives where, "" if nowhere.

    Raises ServerUnavailable, and MemberRefused unless just one custodian here has a certificate with an address that
    counts.
    """
    if not service.members:
        yield ""
        return
    host, port = place_of("members.listen", service.members)
    found = [each for each in world.keyring.organisations().values() if each.number in world.directories]
    served = [(each, roll) for each in found if (roll := _roll(world, each)).address() is not None]
    if len(served) != 1:
        why = "one custodian here, and one alone, has to have a certificate with an address that counts"
        raise MemberRefused(why=why)
    ((organisation, roll),) = served
    with MemberServer(host, port, roll, world.custodians[organisation.number].call) as server:
        yield server.address


def _roll(world: World, organisation: Organisation) -> LedgerRoll:
    return LedgerRoll(world.folder, [organisation], world.ledger, world.clock)


def serve_edge(folder: Path, service: Service, as_json: bool) -> None:
    """A gateway in front of the directory's worker, which it neither opens nor reads; raises ServerUnavailable,
    ConfigurationRefused. It ends as ``serve_gateway`` does."""
    set_up(service)
    worker = worker_socket(folder, service)
    with (
        told_to_stop() as stop,
        _ended_within(stop, service),
        EdgeGateway(service, worker) as gateway,
    ):
        facts = {"url": gateway.url, "ready": f"{gateway.url}/readyz", "metrics": gateway.metrics_url}
        if as_json:
            print_json(facts | {"worker": str(worker)})
        else:
            screen().says(f"A gateway at {gateway.url}, in front of the worker at {worker}. Ctrl-C ends it.")
        stop.wait()
        gateway.stop_soon()
        time.sleep(service.notice)


def serve_worker(folder: Path, service: Service, as_json: bool) -> None:
    """Holds the directory and answers gateways; while another worker holds it, reads beside that one. Raises
    DirectoryInUse where something else than a worker has it open, ServerUnavailable, ConfigurationRefused. It ends as
    ``serve_gateway`` does; whoever reads takes over then, or when this one is killed."""
    set_up(service)
    give_back()
    place = worker_socket(folder, service)
    with told_to_stop() as stop, _ended_within(stop, service), ExitStack() as stack:
        turn = Turn(folder / WORKER, stop)
        stack.callback(turn.close)
        while not turn.came(STANDS_BY):
            if stop.is_set():
                return
            _read_beside(folder, service, place, turn, as_json)
        _serve_first(folder, service, place, stop, as_json)


def _serve_first(folder: Path, service: Service, place: Path, stop: threading.Event, as_json: bool) -> None:
    """Order of effects: whatever readers had open is to be asked for anew, it answers gateways, it lends to readers."""
    with (
        _whole(folder, service) as world,
        _to_members(world, service) as members,
        closing(raised_marks(folder)) as marks,
    ):
        sharing = First(marks)
        with (
            Gateway(
                world,
                tends_every=service.tends_every,
                looks_every=service.looks_every,
                service=service,
                at=place,
                sharing=sharing,
            ) as gateway,
            lent(world, sharing.heard),
        ):
            if as_json:
                metrics = gateway.metrics_url
                print_json(
                    {"fhir": gateway.base, "socket": str(place), "members": members, "metrics": metrics}
                )
            else:
                also = f", and other members at {members}" if members else ""
                screen().says(f"The worker answers gateways at {place}{also}. Ctrl-C ends it.")
            stop.wait()
            gateway.stop_soon()
            time.sleep(service.notice)


def _read_beside(folder: Path, service: Service, place: Path, turn: Turn, as_json: bool) -> None:
    """Reads until it is this worker's turn, or it is told to stop; returns at once where nothing can be read yet."""
    if not can_be_read_beside(folder):
        return
    with ExitStack() as stack:
        number = stack.enter_context(slot(folder))
        world = open_reader(folder, number, ask)
        if world is None:
            return
        mine = reader_socket(place, number)
        stack.enter_context(closing(world))
        reader = stack.enter_context(ReadingWorker(world, service, mine))
        if as_json:
            print_json({"reads": str(mine), "metrics": reader.metrics_url})
        else:
            also = f", and is scraped at {reader.metrics_url}" if reader.metrics_url else ""
            screen().says(f"Another worker has the directory; this one reads beside it, at {mine}{also}.")
        while not turn.came(STANDS_BY) and not turn.stop.is_set():
            pass


def serve_custodian(folder: Path, named: str, host: str, port: int, log_format: str, as_json: bool) -> None:
    """Serves one custodian of the directory to other members; raises DirectoryInUse, ServerUnavailable, MemberRefused
    where no certificate of it counts. Told to stop it takes no more calls; what was answered is on the disk."""
    set_up(service := Service(log_format=log_format))
    give_back()
    with told_to_stop() as stop, _ended_within(stop, service), opened(folder) as world:
        organisation = member(world, named, "NAME")
        number = organisation.number
        if number not in world.directories:
            raise PartyNotFound(custodian=number)
        roll = _roll(world, organisation)
        if roll.own() is None:
            raise MemberRefused(member=number, why="no certificate of it counts now")
        with MemberServer(host, port, roll, world.custodians[number].call) as server:
            if as_json:
                print_json({"custodian": f"{number:016x}", "address": server.address})
            else:
                screen().says(f"Members reach the custodian at {server.address}. Ctrl-C ends it.")
            while not stop.wait(service.tends_every):
                _tended(world)
    if not as_json:
        screen().says("Stopped. Everything that was acknowledged is on the disk.")


def _tended(world: World) -> None:
    for step in steps(world):
        for left in step():
            _LOG.warning("left for the next time: %s", left)


class Turn:
    """Whose turn it is to hold a directory: the kernel lets go of it however the worker ends that has it."""

    def __init__(self, directory: Path, stop: threading.Event) -> None:
        self._directory, self.stop, self._held = directory, stop, -1

    def came(self, seconds: float) -> bool:
        """Whether this process holds the directory now; if not, returns so many seconds later, or once it is told to
        stop."""
        if self._held == -1 and not self.stop.is_set():
            try:
                self._held = hold(self._directory)
            except DirectoryInUse:
                self.stop.wait(seconds)
        return self._held != -1

    def close(self) -> None:
        """Lets go of it."""
        if self._held != -1:
            os.close(self._held)


def worker_socket(folder: Path, service: Service) -> Path:
    """Where the directory's worker is reached."""
    return Path(service.socket) if service.socket else folder.resolve() / WORKER / "socket"


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; by way of a thread, since an event's lock may be held by the very code that
    a signal interrupts, and only the queue may be written to from there."""
    stop, queue = threading.Event(), SimpleQueue[int]()

    def told(number: int, frame: FrameType | None) -> None:
        queue.put(number)

    def pass_on() -> None:
        queue.get()
        stop.set()

    threading.Thread(target=pass_on, name="told", daemon=True).start()
    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        queue.put(0)


@contextmanager
def _ended_within(stop: threading.Event, service: Service) -> Iterator[None]:
    """The process ends so many seconds after it was told to, whatever holds it up."""
    ended = threading.Event()

    def watch() -> None:
        stop.wait()
        if not ended.wait(service.notice + service.within):
            _LOG.error("cut off after shutdown.within")
            os._exit(CUT_OFF)

    threading.Thread(target=watch, name="watch", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _print(facts: dict[str, Any], url: str) -> None:
    """What a person types into a wallet."""
    screen().facts(
        f"JSON-RPC at {url}",
        [
            ("chain id", f"{int(facts['chainId'], 16)} ({facts['chainId']})"),
            ("name", facts["chainName"]),
            ("currency", "none: gas price and value are 0"),
            ("wallet page", f"{url}/"),
        ],
    )
    screen().says(
        "Only this machine reaches it. Ctrl-C ends it; until then nothing else can open the directory."
    )
