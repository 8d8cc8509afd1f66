"""A worker that reads beside the one that has the directory: what it answers, leaves to it, and what holds at once."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pytest
import urllib3

import story as stories
from careledger.app import clients, tokens
from careledger.app.keyring import Keyring
from careledger.app.passphrases import from_environment
from careledger.app.readers import ReaderWorld, lent, open_reader, raised_marks, slot
from careledger.app.service.table import Service
from careledger.domain.consents import Permission
from careledger.domain.errors import DirectoryInUse
from careledger.formats.signatures import SigningKey
from careledger.gateway.apart.choosing import key_of, reader_socket, readers
from careledger.gateway.apart.edge import EdgeGateway
from careledger.gateway.apart.reader import ReadingWorker
from careledger.gateway.apart.sharing import First
from careledger.gateway.server import Gateway
from careledger.workflows import own_reads, parties
from careledger.workflows.register import Officer
from careledger.workflows.revoke import revoke
from gateway.edge_world import Client, Edge, Reply
from gateway.oauth_world import APP
from gateway.test_fhir_writing import condition, post
from gateway.ward import Ward
from story import DIAGNOSIS, Story

SERVICE = Service(port=0, base="http://localhost:8080")
ELSEWHERE = (421, "1")


class OverSocket(http.client.HTTPConnection):
    def __init__(self, place: Path) -> None:
        super().__init__("localhost")
        self._place = place

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._place))


@dataclass
class Several:
    """The first worker, a reader and a gateway over one directory, in this process."""

    edge: Edge
    url: str
    place: Path
    world: ReaderWorld
    reader: ReadingWorker
    lending: ExitStack

    @property
    def story(self) -> Story:
        return self.edge.story

    @property
    def mine(self) -> str:
        return f"Condition?patient={self.story.adam.hex()}"

    def client(self, label: str) -> Client:
        return Client(f"{self.url}/fhir", self.edge.token(label))

    def at_reader(self, client: Client, path: str, method: str = "GET", **headers: str) -> Any:
        return at(reader_socket(self.place, 1), client.token, path, method, headers)

    def at_first(self, client: Client, path: str) -> Any:
        return at(self.place, client.token, path)

    def held(self) -> int:
        """How many leases the reader has open, once it looked which are over."""
        self.reader._worker.submit(self.reader._desk.drop_ended).result()
        return len(self.reader._desk.leases._held)


def at(
    place: Path, token: str, path: str, method: str = "GET", headers: Mapping[str, str] = MappingProxyType({})
) -> Any:
    """What the worker at that socket answers to a gateway; ELSEWHERE where another one has to be asked."""
    with closing(OverSocket(place)) as line:
        line.request(method, f"/fhir/{path}", headers={"Authorization": f"Bearer {token}", **headers})
        answer = line.getresponse()
        data = answer.read()
        if answer.getheader("x-careledger-elsewhere"):
            return answer.status, answer.getheader("x-careledger-elsewhere")
        return Reply(answer.status, answer.headers, json.loads(data) if data else None)


@pytest.fixture(scope="module")
def several(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Several]:
    mine = stories.copied(told, tmp_path_factory.mktemp("w") / "data")
    for permission in (Permission.VIEW, Permission.APPEND):
        mine.grant(mine.adam, mine.staff["Dr City"], (DIAGNOSIS,), permission)
    folder = mine.world.folder
    (folder / "worker").mkdir()
    with ExitStack() as stack, slot(folder) as number:
        stack.callback(mine.world.close)
        place, sharing = (
            folder / "worker" / "socket",
            First(stack.enter_context(closing(raised_marks(folder)))),
        )
        gateway = stack.enter_context(
            Gateway(
                mine.world, service=SERVICE, at=place, sharing=sharing, tends_every=None, looks_every=None
            )
        )
        lending = stack.enter_context(ExitStack())
        lending.enter_context(lent(mine.world, sharing.heard))
        world = open_reader(folder, number, from_environment)
        assert world is not None
        stack.enter_context(closing(world))
        counted = replace(SERVICE, metrics="127.0.0.1:0")
        reader = stack.enter_context(ReadingWorker(world, counted, reader_socket(place, number)))
        edge = stack.enter_context(EdgeGateway(SERVICE, place))
        yield Several(Edge(mine, gateway), edge.url, place, world, reader, lending)


def texts(reply: Reply) -> list[str]:
    return sorted(each["code"].get("text", "") for each in reply.matches)


# What is answered where ---------------------------------------------------------------------------------------


def test_a_reader_gives_the_answers_that_the_first_worker_gives(several: Several) -> None:
    doctor = several.client("Dr Stay")
    found = several.at_reader(doctor, several.mine)
    assert (found.status, len(found.matches) > 1) == (200, True)
    one = found.matches[0]
    asked = [
        several.mine, f"{several.mine}&_count=0", f"Condition/{one['id']}", f"Condition/{one['id']}/_history",
        f"Condition/{one['id']}/_history/{one['meta']['versionId']}", f"Patient/{several.story.adam.hex()}",
        f"{several.mine}&_sort=-recorded-date&_elements=code", f"{several.mine}&code=x%7Cy",
        f"Bogus?patient={'0' * 64}", f"Condition?patient={'0' * 64}", f"{several.mine}&bogus",
        "Condition/../x", f"Condition?patient={quote('x')}",
    ]  # fmt: skip
    answered = 0
    for path in asked:
        here, there = several.at_reader(doctor, path), several.at_first(doctor, path)
        if here == ELSEWHERE:
            continue
        answered += 1
        assert (here.status, steady(here.body)) == (there.status, steady(there.body)), path
        assert here.headers["ETag"] == there.headers["ETag"]
    assert answered >= 10


def steady(body: Any) -> Any:
    """A Bundle without its id and time."""
    return {name: value for name, value in body.items() if name not in ("id", "meta", "timestamp")}


def test_a_reader_answers_searches_by_post_and_addresses_that_are_written_otherwise(several: Several) -> None:
    doctor, adam = several.client("Dr Stay"), several.story.adam.hex()
    found = steady(several.at_reader(doctor, several.mine).body)["entry"]
    for method, path in (
        ("POST", f"Condition/_search?patient={adam}"), ("GET", f"Condition/_search?patient={adam}"),
        ("GET", f"Condition/?patient={adam}"), ("POST", f"Patient/{adam}/Condition/_search"),
        ("GET", f"Patient/{adam}/Condition/_search/"),
    ):  # fmt: skip
        said = several.at_reader(doctor, path, method)
        assert [
            each["resource"]["id"] for each in said.body["entry"] if each["search"]["mode"] == "match"
        ] == [each["resource"]["id"] for each in found if each["search"]["mode"] == "match"], path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "metadata"), ("GET", "Condition"), ("GET", "Condition?code=x"), ("GET", "Condition/_history"),
        ("GET", "Patient/x/$summary"), ("GET", "Binary/x"), ("GET", "$export"), ("GET", "?_page=00"),
        ("GET", "Condition/00000000-0000-4000-8000-000000000000"), ("POST", "Condition"), ("PUT", "Condition/x"),
        ("DELETE", "Condition/x"), ("PATCH", "Condition/x"), ("GET", "../oauth/authorize"), ("GET", "../api/v1/me"),
    ],
)  # fmt: skip
def test_what_changes_something_or_only_the_first_worker_knows_is_left_to_it(
    several: Several, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    assert several.at_reader(several.client("Dr Stay"), path, method) == ELSEWHERE
    assert caplog.records == []  # the first worker says what there is to say


def test_a_page_of_a_public_app_reads_at_a_reader_and_a_foreign_page_does_not(several: Several) -> None:
    clients.add(several.story.staff["Dr City"].organisation, APP)
    doctor, shown = several.client("Dr Stay"), "Access-Control-Allow-Origin"
    mine = several.at_reader(doctor, several.mine, Origin="https://app.example")
    foreign = several.at_reader(doctor, several.mine, Origin="https://other.example")
    assert mine.status == foreign.status == 200
    assert (mine.headers[shown], mine.headers["Vary"]) == ("https://app.example", "Origin")
    assert not [each for each in foreign.headers if each.lower().startswith("access-control")]


def test_own_writings_are_found_and_read_through_a_gateway_as_without_a_reader(several: Several) -> None:
    ward = Ward(several.edge)
    path = ward.written(ward.patient(), "indexed by the first worker")
    doctor = several.client("Dr City")
    assert several.at_reader(doctor, path) == ELSEWHERE
    assert doctor.ask(path).body["code"]["text"] == "indexed by the first worker"
    assert texts(doctor.ask("Condition?code:text=indexed")) == ["indexed by the first worker"]
    assert several.client("Dr Lake").ask(path).status == 404


def test_a_page_is_gone_on_with_at_the_worker_that_began_it(several: Several) -> None:
    doctor = several.client("Dr Stay")
    for begun, other in ((several.at_reader, several.at_first), (several.at_first, several.at_reader)):
        link = begun(doctor, f"{several.mine}&_count=1").link("next")
        page = link.removeprefix("http://localhost:8080/fhir")
        assert len(begun(doctor, page).matches) == 1
        gone = other(doctor, page)
        assert gone == ELSEWHERE if other == several.at_reader else gone.status == 410
        assert begun(several.client("Dr City"), page) == ELSEWHERE or begun == several.at_first
    assert len(doctor.ask(f"{several.mine}&_count=1").matches) == 1


# What holds at once -------------------------------------------------------------------------------------------


def test_a_revoked_consent_ends_a_readers_lease_at_the_block_that_ends_it(several: Several) -> None:
    told, doctor = several.story, several.client("Dr Lake")
    assert several.at_reader(doctor, several.mine) == ELSEWHERE  # the first worker says why it is refused
    assert doctor.ask(several.mine).status == 403
    granted = told.grant(told.adam, told.staff["Dr Lake"], (DIAGNOSIS,), Permission.VIEW)
    found = several.at_reader(doctor, several.mine)
    assert found.status == 200
    one = f"Condition/{found.matches[0]['id']}"
    assert several.at_reader(doctor, one).status == 200
    revoke(told.world.network, told.holder(told.adam), granted.owner)
    assert several.at_reader(doctor, one) == ELSEWHERE
    assert several.at_reader(doctor, several.mine) == ELSEWHERE
    assert (doctor.ask(one).status, doctor.ask(several.mine).status) == (404, 403)


def test_a_withdrawn_token_reads_nothing_at_a_reader(several: Several) -> None:
    doctor, other = several.client("Dr Stay"), several.client("Dr Stay")
    assert (
        several.at_reader(doctor, several.mine).status == several.at_reader(other, several.mine).status == 200
    )
    tokens.withdraw(several.story.staff["Dr Stay"].organisation, tokens.digest_of(doctor.token))
    assert several.at_reader(doctor, several.mine).status == 401
    assert several.at_reader(other, several.mine).status == 200


def test_a_stranger_reads_nothing_at_a_reader(several: Several) -> None:
    assert several.at_reader(several.client("Dr Stay"), several.mine).status == 200
    for token in ("", "clt_" + "A" * 43, several.client("Dr Stay").token[:-1]):
        answer = at(reader_socket(several.place, 1), token, several.mine)
        assert answer.status == 401
        assert "matches" not in json.dumps(answer.body)


def test_a_suspended_employers_post_reads_nothing_at_a_reader(several: Several) -> None:
    told, doctor = several.story, several.client("Dr Stay")
    found = several.at_reader(doctor, several.mine)
    one, staff, network = f"Condition/{found.matches[0]['id']}", told.staff["Dr Stay"], told.world.network
    post = told.world.keyring.all_staff(told.world.keyring.ministry())["Officer A"]
    officer = Officer(post.number, post.key)
    parties.suspend(network, officer, staff.organisation.number)
    try:
        for path in (one, several.mine, "?_page=00"):
            assert several.at_reader(doctor, path).status == 403
    finally:
        parties.reinstate(network, officer, staff.organisation.number)
    assert several.at_reader(doctor, one).status == 200


def test_what_was_written_for_a_token_is_read_by_it_at_its_reader_at_once(several: Several) -> None:
    doctor = several.client("Dr City")
    for number in range(3):
        before = several.at_reader(doctor, several.mine)
        words = f"written beside a reader {number}"
        assert words not in texts(before)
        made = post(doctor, condition(several.story.adam.hex(), words))
        assert made.status == 201
        assert words in texts(several.at_reader(doctor, several.mine))
        path = made.headers["Location"].partition("/fhir/")[2]
        assert several.at_reader(doctor, path).body["code"]["text"] == words


def test_what_a_reader_showed_can_be_asked_for_at_the_first_worker_and_by_nobody_else(
    several: Several,
) -> None:
    doctor, other = several.client("Dr Stay"), several.client("Dr Lake")
    found = several.at_reader(doctor, several.mine).matches[0]
    one = f"Condition/{found['id']}"
    assert several.at_first(other, one).status == 404
    assert several.at_first(several.client("Dr Stay"), one).status == 404
    assert several.at_first(doctor, one).status == 200


def test_what_a_reader_showed_is_not_shown_by_the_first_worker_once_it_was_revoked(several: Several) -> None:
    told, doctor = several.story, several.client("Dr Lake")
    granted = told.grant(told.adam, told.staff["Dr Lake"], (DIAGNOSIS,), Permission.VIEW)
    one = f"Condition/{several.at_reader(doctor, several.mine).matches[0]['id']}"
    revoke(told.world.network, told.holder(told.adam), granted.owner)
    assert several.at_first(doctor, one).status == 404
    assert several.edge.gateway._desk.sharing.elsewhere(tokens.digest_of(doctor.token)) == []


def test_a_reader_drops_what_a_token_had_open_once_that_is_over(several: Several) -> None:
    several.reader._worker.submit(several.reader._desk.leases.close).result()
    doctor, other = several.client("Dr Stay"), several.client("Dr Stay")
    assert (
        several.at_reader(doctor, several.mine).status == several.at_reader(other, several.mine).status == 200
    )
    assert several.held() == 2
    first = several.edge.gateway
    first._worker.submit(partial(first._desk.leases.end, tokens.digest_of(doctor.token))).result()
    assert several.held() == 1


def test_a_new_first_worker_has_everything_asked_for_anew(several: Several) -> None:
    assert several.at_reader(several.client("Dr Stay"), several.mine).status == 200
    assert several.held() >= 1
    raised_marks(several.world.folder).close()
    assert several.held() == 0


def test_a_key_that_another_process_changed_is_used_at_once(several: Several) -> None:
    told = several.story
    keyring = several.world.keyring
    assert isinstance(keyring, Keyring)
    before = keyring.changes
    city, key = told.staff["Dr City"].organisation, SigningKey.random()
    told.world.keyring.replace_controller(city, key)
    try:
        assert keyring.changes != before
        found = several.reader._worker.submit(several.reader._edge._entrance._bearers.current).result()
        assert key.secret in [each.controller.secret for each in found]
    finally:
        told.world.keyring.replace_controller(city, city.controller)


def test_what_readers_and_the_first_worker_show_is_one_log(several: Several) -> None:
    books = several.story.world.read_log(several.story.staff["Dr Stay"].organisation).books
    before = own_reads.end_of(books).count
    for _ in range(3):
        doctor = several.client("Dr Stay")
        assert (
            several.at_reader(doctor, several.mine).status
            == several.at_first(doctor, several.mine).status
            == 200
        )
    assert own_reads.check(books) == before + 6


# What a gateway chooses ---------------------------------------------------------------------------------------


def test_of_all_tokens_only_those_of_the_reader_that_went_are_read_elsewhere(tmp_path: Path) -> None:
    worker, keys = tmp_path / "socket", [sha256(bytes([each])).digest() for each in range(200)]
    for number in (1, 2, 3):
        reader_socket(worker, number).touch()
    for other in ("socket", "socket-x", "socket-1.new", "other-4"):
        (tmp_path / other).touch()
    before = {key: readers(worker, key) for key in keys}
    shares = [
        sum(found[0] == reader_socket(worker, number) for found in before.values()) for number in (1, 2, 3)
    ]
    assert sum(shares) == 200
    assert min(shares) > 30
    reader_socket(worker, 2).unlink()
    for key, found in before.items():
        assert readers(worker, key) == [each for each in found if each != reader_socket(worker, 2)]
    assert readers(tmp_path / "nowhere" / "socket", keys[0]) == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "read"),
    [
        ("GET", "/fhir/Condition", {}, True), ("HEAD", "/fhir/Condition/x", {}, True), ("GET", "/fhir/", {}, True),
        ("POST", "/fhir/Condition/_search", {b"content-length": b"20"}, True),
        ("POST", "/fhir/_search", {b"content-length": b"20"}, True), ("GET", "/fhir/_search", {}, True),
        ("POST", "/fhir/Patient/x/Condition/_search", {b"content-length": b"20"}, True),
        ("POST", "/fhir/Patient/x/Condition/_search/", {}, True),
        ("POST", "/fhir/Group/x/Condition/_search", {}, False), ("POST", "/fhir/x/_search", {}, False),
        ("POST", "/fhir/Condition/_search", {b"content-length": b"70000"}, False),
        ("POST", "/fhir/Condition/_search", {b"transfer-encoding": b"chunked"}, False),
        ("POST", "/fhir/Condition/_search", {b"content-length": b"-1"}, False),
        ("GET", "/fhir/Condition", {b"content-length": b"5"}, False),
        ("GET", "/fhir/Condition", {b"prefer": b"respond-async"}, False),
        ("GET", "/fhir/Condition", {b"authorization": b"Basic eA=="}, False),
        ("GET", "/fhir/Condition", {b"authorization": b""}, False),
        ("POST", "/fhir/Condition", {}, False), ("PUT", "/fhir/Condition/x", {}, False),
        ("GET", "/fhir/metadata", {}, False),
        ("GET", "/fhir/$export", {}, False), ("GET", "/api/v1/me", {}, False), ("POST", "/fhir", {}, False),
    ],
)  # fmt: skip
def test_only_reads_with_a_token_are_handed_to_readers(
    method: str, path: str, headers: dict[bytes, bytes], read: bool
) -> None:
    given = {b"authorization": b"Bearer clt_x", **headers}
    key = key_of({"type": "http", "method": method, "path": path, "headers": list(given.items())})
    assert (key is not None) == read


def test_there_are_only_so_many_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("careledger.app.readers.MOST", 2)
    with slot(tmp_path) as one, slot(tmp_path) as other:
        assert (one, other) == (1, 2)
        with pytest.raises(DirectoryInUse), slot(tmp_path):
            raise AssertionError
    with slot(tmp_path) as again:
        assert again == 1


# What is counted ----------------------------------------------------------------------------------------------


def scraped(several: Several) -> str:
    return urllib3.request("GET", several.reader.metrics_url).data.decode()


def test_a_reader_counts_its_own_requests_and_names_nothing_that_was_asked(several: Several) -> None:
    counted = 'careledger_http_requests_total{method="GET",route="/fhir/{kind}",status="200"}'
    doctor, before = several.client("Dr Stay"), scraped(several)
    several.at_reader(doctor, several.mine)
    assert several.at_reader(doctor, "metadata") == ELSEWHERE
    after = scraped(several)
    assert number(after, counted) == number(before, counted) + 1
    assert number(after, "careledger_ready") == 1
    assert number(after, "careledger_ledger_block") > 0
    for secret in (
        several.story.adam.hex(),
        doctor.token,
        sha256(doctor.token.encode()).hexdigest(),
        "Condition",
    ):
        assert secret not in after
    assert at(reader_socket(several.place, 1), doctor.token, "../metrics").status == 404


def number(said: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in said.splitlines() if line.startswith(f"{name} "))


def test_a_readers_metrics_lie_beside_the_first_workers_socket_and_displace_it_not(
    several: Several, tmp_path: Path
) -> None:
    mine = replace(SERVICE, metrics=str(tmp_path / "metrics"))
    other = ReadingWorker(several.world, mine, reader_socket(several.place, 62))
    try:
        assert other.metrics_url == str(tmp_path / "metrics-62")
        assert not (tmp_path / "metrics").exists()
    finally:
        other._http.close()
        assert other._metrics_http is not None
        other._metrics_http.close()
        other._edge.close()
        other._worker.shutdown()


def test_a_reader_whose_metrics_address_is_taken_reads_all_the_same(
    several: Several, caplog: pytest.LogCaptureFixture
) -> None:
    taken = several.reader.metrics_url.removeprefix("http://").removesuffix("/metrics")
    other = ReadingWorker(several.world, replace(SERVICE, metrics=taken), reader_socket(several.place, 63))
    try:
        assert other.metrics_url == ""
        assert "metrics.address" in caplog.text
    finally:
        other._http.close()
        other._edge.close()
        other._worker.shutdown()


# What fails ---------------------------------------------------------------------------------------------------


def test_while_nobody_lends_a_reader_says_nothing_and_the_gateway_asks_the_first(several: Several) -> None:
    doctor = several.client("Dr Stay")
    assert several.at_reader(doctor, several.mine).status == 200
    several.lending.close()
    assert several.at_reader(doctor, several.mine) == ELSEWHERE
    assert doctor.ask(several.mine).status == 200
    sharing = several.edge.gateway._desk.sharing
    assert isinstance(sharing, First)
    several.lending.enter_context(lent(several.story.world, sharing.heard))
    assert several.at_reader(doctor, several.mine).status == 200
