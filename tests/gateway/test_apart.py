"""Two gateways, a worker and one that reads beside it, as processes of their own over one data directory."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import urllib3

import story as stories
from careledger.app.service.table import Service as HttpService
from careledger.domain.consents import Permission
from careledger.gateway.apart.edge import WORKER, Behind, EdgeGateway
from careledger.gateway.server import Gateway
from careledger.workflows.grant import Granted
from careledger.workflows.revoke import revoke
from gateway.agent_world import Agent, over
from gateway.edge_world import Client, Edge, Reply
from gateway.event_client import Stream, Told
from gateway.test_fhir_writing import condition, post
from gateway.test_page import PROGRAM
from stories.cli_world import ENVIRONMENT, careledger
from story import Story

BASE = "http://localhost:8080"
POSTS = ("Dr Stay", "Dr Lake", "Dr City")


@dataclass
class Service:
    """A data directory, its processes, and tokens that were issued before any of them began."""

    network: Path
    device: Story
    tokens: dict[str, str] = field(default_factory=dict)
    gateways: list[str] = field(default_factory=list)
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def start(self, name: str, *words: str) -> subprocess.Popen[str]:
        """One process, ended by its process id."""
        line = [sys.executable, "-c", PROGRAM, *words, "--data", str(self.network), "--json"]
        given = {each: value for each, value in os.environ.items() if not each.startswith("CARELEDGER_PASS")}
        given |= ENVIRONMENT | {"CARELEDGER_LISTEN_BASE": BASE}
        made = self.running[name] = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=given)
        self.stack.callback(made.wait, 60)
        self.stack.callback(made.kill)
        return made

    def worker(self, name: str) -> subprocess.Popen[str]:
        return self.start(name, "worker")

    def gateway(self, name: str) -> str:
        url = str(said(self.start(name, "gateway", "--port", "0"))["url"])
        self.gateways.append(url)
        return url

    def client(self, gateway: int, label: str) -> Client:
        return Client(f"{self.gateways[gateway]}/fhir", self.tokens[label])

    def agent(self, gateway: int) -> Agent:
        """Adam's agent, on a device of its own, over that gateway."""
        url = self.gateways[gateway]
        return over(Edge(self.device, cast(Gateway, SimpleNamespace(url=url, base=f"{url}/fhir"))))

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.running[name].wait(60)


def said(running: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process prints first."""
    assert running.stdout is not None
    text = ""
    while not text.endswith("}\n") and (line := running.stdout.readline()):
        text += line
    return dict(json.loads(text))


@contextmanager
def served(told: Story, folder: Path, workers: int = 2) -> Iterator[Service]:
    """Two gateways, and workers of which the first one holds the directory and the others read."""
    data = stories.copied(told, folder / "data")
    for permission in (Permission.VIEW, Permission.APPEND):
        data.grant(data.adam, data.staff["Dr City"], (stories.DIAGNOSIS,), permission)
    data.world.close()
    device = stories.copied(data, folder / "device")
    made = Service(folder / "data", device)
    for label in POSTS:
        issued = careledger("token", "issue", label, "--data", made.network, "--json")
        made.tokens[label] = json.loads(issued.out)["token"]
    try:
        with made.stack:
            said(made.worker("worker 1"))
            for number in range(2, workers + 1):
                assert said(made.worker(f"worker {number}"))["reads"].endswith(f"socket-{number - 1}")
            made.gateway("one")
            made.gateway("other")
            yield made
    finally:
        device.world.close()


@pytest.fixture(scope="module")
def service(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(told, tmp_path_factory.mktemp("apart"), workers=1) as made:
        yield made


def mine(service: Service) -> str:
    return f"Condition?patient={service.device.adam.hex()}"


def texts(reply: Reply) -> list[str]:
    return sorted(each["code"].get("text", "") for each in reply.matches)


# What holds whichever gateway is asked ---------------------------------------------------------------


@pytest.mark.slow
def test_a_page_that_one_gateway_began_goes_on_at_the_other(service: Service) -> None:
    whole = service.client(0, "Dr Stay").ask(mine(service))
    first = service.client(0, "Dr Stay").ask(f"{mine(service)}&_count=1")
    link = first.link("next")
    assert link is not None
    assert link.startswith(f"{BASE}/fhir?_page=")
    second = service.client(1, "Dr Stay").ask(link.replace(BASE, service.gateways[1]))
    names = [each["id"] for each in first.matches + second.matches]
    assert names == [each["id"] for each in whole.matches][:2]
    assert len(set(names)) == 2
    stranger = service.client(1, "Dr Lake").ask(link.replace(BASE, service.gateways[1]))
    assert stranger.status == 410


@pytest.mark.slow
def test_a_consent_that_is_revoked_through_one_gateway_holds_at_the_other_at_once(service: Service) -> None:
    agent, doctor = service.agent(0), service.client(1, "Dr Lake")
    assert doctor.ask(mine(service)).status == 403
    granted: Granted = agent.grant("Dr Lake")
    assert doctor.ask(mine(service)).status == 200
    revoke(agent.network, agent.holder, granted.owner)
    assert doctor.ask(mine(service)).status == 403
    assert service.client(0, "Dr Lake").ask(mine(service)).status == 403


@pytest.mark.slow
def test_one_idempotency_key_at_two_gateways_is_one_record(service: Service) -> None:
    sent = condition(service.device.adam.hex(), "brought to two gateways")
    replies: list[Reply] = []

    def bring(gateway: int) -> None:
        replies.append(post(service.client(gateway, "Dr City"), sent, Idempotency_Key="two-at-once"))

    threads = [threading.Thread(target=bring, args=(gateway,)) for gateway in (0, 1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {each.status for each in replies} <= {200, 201}, [each.body for each in replies]
    assert len({each.headers["Location"] for each in replies}) == 1
    found = texts(service.client(0, "Dr City").ask(f"{mine(service)}&_count=200"))
    assert found.count("brought to two gateways") == 1


@pytest.mark.slow
def test_events_are_told_through_a_gateway_as_they_come(service: Service) -> None:
    stream = Stream(f"{service.gateways[1]}/api/v1/events", service.tokens["Dr Lake"])
    assert stream.status == 200
    agent = service.agent(0)
    granted = agent.grant("Dr Lake")
    told(stream, "consent-given")
    revoke(agent.network, agent.holder, granted.owner)
    told(stream, "consent-revoked")
    stream.close()


def told(stream: Stream, kind: str) -> Told:
    """The next event of that kind; what earlier tests did may be told late, between."""
    while (found := stream.next()) is not None:
        if found.kind == kind:
            return found
    raise AssertionError(f"the stream ended before {kind}")


# What a gateway is ------------------------------------------------------------------------------------


def opened_by(service: Service, name: str) -> set[str]:
    """What that process has open; what it closes while this looks is not there."""
    found = set()
    for each in Path(f"/proc/{service.running[name].pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(each))
    return found


@pytest.mark.slow
def test_a_gateway_opens_nothing_of_the_data_directory(service: Service) -> None:
    service.client(0, "Dr Stay").ask(mine(service))
    opened = opened_by(service, "one")
    assert [each for each in opened if str(service.network) in each] == []
    held = opened_by(service, "worker 1")
    assert len([each for each in held if str(service.network) in each]) > 5


@pytest.mark.slow
def test_the_workers_socket_is_its_owners_alone(service: Service) -> None:
    place = service.network / "worker" / "socket"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(service.network.stat().st_mode) == 0o700


@pytest.mark.slow
def test_a_balancer_asks_whether_it_is_ready_under_any_name_or_none(service: Service) -> None:
    host, port = service.gateways[0].removeprefix("http://").split(":")
    for version, name in (("1.1", "Host: 10.0.0.5\r\n"), ("1.0", ""), ("1.1", "Host: localhost\r\n")):
        with socket.create_connection((host, int(port)), timeout=30) as line:
            line.sendall(f"GET /readyz HTTP/{version}\r\n{name}Connection: close\r\n\r\n".encode())
            answer = line.makefile("rb").read()
        assert b" 200 " in answer.splitlines()[0], name
        assert answer.endswith(b'{"status":"ready"}')


def test_another_user_in_the_workers_place_is_handed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, heard = tmp_path / "socket", list[bytes]()
    stranger = socket.socket(socket.AF_UNIX)
    stranger.bind(str(place))
    stranger.listen()

    def listens() -> None:
        while True:
            try:
                line, _ = stranger.accept()
            except OSError:
                return
            heard.append(line.recv(1000))

    thread = threading.Thread(target=listens, daemon=True)
    thread.start()
    own = os.geteuid()
    monkeypatch.setattr("careledger.gateway.apart.passing.WAITS", 0.3)
    with EdgeGateway(HttpService(port=0), place) as gateway:
        assert Behind(place).reasons() == ()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)  # as if whoever listens were another
        assert Behind(place).reasons() == (WORKER,)
        headers = {"Authorization": "Bearer clt_of_somebody"}
        reply = urllib3.request("GET", f"{gateway.url}/fhir/Patient", headers=headers, retries=False)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    stranger.shutdown(socket.SHUT_RDWR)
    stranger.close()
    thread.join(10)
    assert set(heard) == {b""}


@pytest.mark.slow
def test_what_gateway_and_worker_say_to_one_another_a_client_neither_says_nor_hears(service: Service) -> None:
    url = service.gateways[0]
    spoofed = {
        "X-Careledger-Client": "203.0.113.9",
        "X-Careledger-Scheme": "https",
        "X-Careledger-Route": "/x",
    }
    reply = urllib3.request("GET", f"{url}/fhir/metadata", headers=spoofed, retries=False)
    assert (reply.status, json.loads(reply.data)["implementation"]["url"]) == (200, f"{BASE}/fhir")
    assert "Strict-Transport-Security" not in reply.headers
    assert not [name for name in reply.headers if name.lower().startswith("x-careledger")]
    assert len(reply.headers.getlist("Date")) == 1
    for path in ("/fhir/metadata", "/api/v1/openapi.json"):
        assert urllib3.request("GET", url + path, headers={"Host": "evil.example.org"}).status == 421


@pytest.mark.slow
def test_a_request_without_a_token_is_answered_before_its_body_came(service: Service) -> None:
    host, port = service.gateways[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        head = f"POST /fhir HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/fhir+json\r\n"
        line.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + b"{" * 1000)
        assert line.recv(12) == b"HTTP/1.1 401"


@pytest.mark.slow
def test_a_body_in_pieces_and_one_that_is_too_large_are_answered_as_without_a_gateway(
    service: Service,
) -> None:
    client = service.client(1, "Dr City")
    said = json.dumps(condition(service.device.adam.hex(), "x" * 200_000)).encode()
    pieces = (said[at : at + 10_000] for at in range(0, len(said), 10_000))
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/fhir+json"}
    url = f"{client.base}/Condition/$validate"
    assert client.pool.request("POST", url, body=pieces, headers=headers, chunked=True).status == 200
    form = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    url = f"{client.base}/Condition/_search"
    reply = client.pool.request("POST", url, body=b"code=" + b"x" * 2_000_000, headers=form, retries=False)
    assert reply.status == 413


# What is killed --------------------------------------------------------------------------------------


def eventually(act: Any, wanted: Any, seconds: float = 60) -> Any:
    until = time.monotonic() + seconds
    while (found := act()) != wanted and time.monotonic() < until:
        time.sleep(0.1)
    return found


def written(client: Client, resource: dict[str, Any], key: str) -> bool:
    """Whether it was acknowledged, now or before."""
    return post(client, resource, Idempotency_Key=key).status in (200, 201)


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_nothing_that_was_acknowledged_is_lost(
    told: Story, tmp_path: Path
) -> None:
    with served(told, tmp_path) as service:
        agent, city, lake = service.agent(0), service.client(0, "Dr City"), service.client(1, "Dr Lake")
        granted = agent.grant("Dr Lake")
        assert lake.ask(mine(service)).status == 200
        revoke(agent.network, agent.holder, granted.owner)
        alias, acknowledged = service.device.adam.hex(), list[str]()
        killed = threading.Timer(1.0, service.kill, ("worker 1",))
        killed.start()
        for number in range(8):
            write = partial(written, city, condition(alias, f"written {number}"), f"key-{number}")
            assert eventually(write, True)
            acknowledged.append(f"written {number}")
        killed.join()
        assert said(service.running["worker 2"])["fhir"] == f"{BASE}/fhir"
        assert lake.ask(mine(service)).status == 403
        found = texts(service.client(1, "Dr Stay").ask(f"{mine(service)}&_count=200"))
        assert [each for each in found if each.startswith("written")] == acknowledged
        service.kill("one")
        assert service.client(1, "Dr Stay").ask(mine(service)).status == 200
        for name in ("other", "worker 2"):
            service.running[name].send_signal(signal.SIGTERM)
            assert service.running[name].wait(60) == 0
        assert careledger("verify", "--data", service.network).code == 0


@pytest.mark.slow
def test_whichever_workers_are_killed_reads_go_on_and_a_revoked_reader_gets_nothing(
    told: Story, tmp_path: Path
) -> None:
    with served(told, tmp_path, workers=3) as service:
        agent, clients = (
            service.agent(0),
            [service.client(number % 2, label) for number, label in enumerate(POSTS)],
        )
        granted = agent.grant("Dr Lake")
        assert [each.ask(mine(service)).status for each in clients] == [200] * 3
        service.kill("worker 3")
        assert [each.ask(mine(service)).status for each in clients] == [200] * 3
        assert said(service.worker("worker 3"))["reads"]
        assert [each.ask(mine(service)).status for each in clients] == [200] * 3
        revoke(agent.network, agent.holder, granted.owner)
        assert [each.ask(mine(service)).status for each in clients] == [200, 403, 200]
        write = partial(
            written, service.client(1, "Dr City"), condition(service.device.adam.hex(), "kept"), "one"
        )
        assert write()
        service.kill("worker 1")

        def answered() -> list[int]:
            found = [each.ask(mine(service)).status for each in clients]
            assert found[1] in (403, 503)  # nobody has taken over yet
            return found

        assert eventually(answered, [200, 403, 200]) == [200, 403, 200]
        assert eventually(write, True)
        assert [texts(each.ask(mine(service))).count("kept") for each in (clients[0], clients[2])] == [1, 1]
        for name in ("worker 2", "worker 3", "one", "other"):
            service.running[name].send_signal(signal.SIGTERM)
            assert service.running[name].wait(60) == 0
        assert careledger("verify", "--data", service.network).code == 0


@pytest.mark.slow
def test_a_worker_that_reads_takes_over_when_the_other_one_is_told_to_stop(
    told: Story, tmp_path: Path
) -> None:
    with served(told, tmp_path) as service:
        held = opened_by(service, "worker 2")
        alone = [
            str(service.network / name) for name in ("blocks", "custodians", "ledger/lock", "worker/lock")
        ]
        assert [each for each in held if each.startswith(tuple(alone))] == []
        assert str(service.network / "ledger" / "chain.sqlite") in held
        service.running["worker 1"].send_signal(signal.SIGTERM)
        assert eventually(lambda: service.client(1, "Dr Stay").ask(mine(service)).status, 200) == 200
        assert service.running["worker 1"].wait(60) == 0
        service.running["worker 2"].send_signal(signal.SIGTERM)
        assert service.running["worker 2"].wait(60) == 0
        ready = f"{service.gateways[0]}/readyz"

        def reasons() -> Any:
            return json.loads(urllib3.request("GET", ready, retries=False).data).get("reasons")

        assert eventually(reasons, ["worker"]) == ["worker"]
        assert urllib3.request("GET", f"{service.gateways[0]}/healthz").status == 200
        at = time.monotonic()
        metadata = f"{service.gateways[0]}/fhir/metadata"
        reply = urllib3.request("GET", metadata, retries=False, timeout=60)
        assert (reply.status, json.loads(reply.data)["issue"][0]["code"]) == (503, "transient")
        assert reply.headers["Retry-After"] == "1"
        assert time.monotonic() - at >= 5
        reply = urllib3.request("GET", f"{service.gateways[0]}/api/v1/me", retries=False, timeout=60)
        assert (reply.status, json.loads(reply.data)["type"]) == (
            503,
            "urn:careledger:problem:nobody-answers",
        )


@pytest.mark.slow
def test_a_worker_is_refused_where_something_else_has_the_directory(told: Story, tmp_path: Path) -> None:
    mine = stories.copied(told, tmp_path / "data")
    done = careledger("worker", "--data", tmp_path / "data")
    assert done.code == 3, done
    mine.world.close()
