"""A machine's events are sent to where its post wants them: signed, in order, again and again, and to nobody inside."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from careledger.app.settings import Settings
from careledger.domain.consents import Permission
from careledger.domain.errors import EndpointRefused, StoreUnavailable
from careledger.domain.parties import Role
from careledger.formats.events import Endpoint, Event
from careledger.gateway.events import addresses, delivery, sending
from careledger.gateway.events.delivery import Delivery
from careledger.gateway.events.inbox import Numbered
from careledger.gateway.events.notices import Due
from careledger.gateway.events.sending import Outcome, Sender
from careledger.gateway.server import Gateway
from careledger.workflows import parties, register
from careledger.workflows.grant import Granted
from careledger.workflows.register import Officer
from careledger.workflows.revoke import revoke
from gateway.edge_world import Client, Edge, Reply
from gateway.receiving import Got, Receiver
from story import DIAGNOSIS, LICENCE, Story, copied

LOOKS = 0.05
MOST_WAIT = 20.0
MACHINES = {"EHR City": "City", "PACS City": "City", "EHR Lake": "Lakeside"}


@pytest.fixture(scope="module")
def telling(edge: Edge) -> Iterator[Edge]:
    """A gateway that sends to this machine too, and machines' posts."""
    story = with_machines(edge.story)
    with Gateway(story.world, port=0, looks_every=LOOKS) as gateway:
        yield Edge(story, gateway)


def with_machines(story: Story) -> Story:
    """Machines have posts there, and it sends to this machine too."""
    for label, employer in MACHINES.items():
        made = story.world.keyring.new_staff(story.organisations[employer], label, {Role.DEVICE})
        register.post(story.world.network, made, {Role.DEVICE}, LICENCE)
        story.staff[label] = made
    story.world.settings = replace(story.world.settings, webhooks_to_loopback=True)
    return story


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DELAYS", (0, 0, 0))
    monkeypatch.setattr(delivery, "HELD", 0)


def api(edge: Edge, label: str) -> Client:
    return Client(f"{edge.gateway.url}/api/v1", edge.token(label))


def created(edge: Edge, url: str, label: str = "EHR City", **more: Any) -> Any:
    reply = wanted(edge, url, label, **more)
    assert reply.status == 201, reply.body
    return reply.body


def wanted(edge: Edge, url: str, label: str = "EHR City", **more: Any) -> Reply:
    body = json.dumps({"url": url, **more}).encode()
    return api(edge, label).ask("webhooks", "POST", body, Content_Type="application/json")


def shown(edge: Edge, hook: Any, label: str = "EHR City") -> Any:
    return api(edge, label).ask(f"webhooks/{hook['id']}").body


def removed(edge: Edge, *hooks: Any) -> None:
    for hook in hooks:
        assert api(edge, "EHR City").ask(f"webhooks/{hook['id']}", "DELETE").status == 200


def given(edge: Edge, label: str = "EHR City") -> Granted:
    return edge.story.grant(edge.story.adam, edge.story.staff[label], (DIAGNOSIS,), Permission.VIEW)


def reference(granted: Granted) -> str:
    return f"Consent/{granted.certificate.commitment.hex()}"


def eventually(edge: Edge, hook: Any, **fields: Any) -> Any:
    end = time.monotonic() + MOST_WAIT
    while time.monotonic() < end:
        found = shown(edge, hook)
        if all(found[name] == value for name, value in fields.items()):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_an_event_is_posted_and_signed_as_standard_webhooks_says(telling: Edge) -> None:
    with Receiver() as receiver:
        hook = created(telling, f"{receiver.url}/in?at=city")
        assert hook["secret"].startswith("whsec_")
        granted = given(telling)
        (got,) = receiver.until(1)
        assert got.path == "/in?at=city"
        assert got.headers["content-type"] == "application/json"
        assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert got.signed_by(hook["secret"])
        assert not got.signed_by(hook["secret"], got.body + b" ")
        assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
        said = got.said
        assert set(said) == {"type", "timestamp", "data"}
        assert (said["type"], said["data"]["reference"]) == ("consent-given", reference(granted))
        assert got.headers["webhook-id"] == f"msg_{hook['id']}_{said['data']['number']}"
        eventually(telling, hook, reached=said["data"]["number"], tries=0, problem="")
        removed(telling, hook)


def test_whatever_an_attempt_breaks_with_it_is_one_attempt_and_is_made_again(
    telling: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, broken = Sender.send, list[str]()

    def breaks_once(sender: Sender, url: str, *given: Any) -> Outcome:
        if not broken:
            broken.append(url)
            raise AttributeError("a line that was cut in its handshake")
        return send(sender, url, *given)

    monkeypatch.setattr(Sender, "send", breaks_once)
    with Receiver() as receiver:
        hook = created(telling, receiver.url)
        granted = given(telling)
        (got,) = receiver.until(1)
        assert got.said["data"]["reference"] == reference(granted)
        assert broken == [receiver.url]
        eventually(telling, hook, reached=got.said["data"]["number"], tries=0, problem="")
        removed(telling, hook)


def test_an_outcome_that_cannot_be_kept_leaves_no_endpoint_silent(
    telling: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, failed = delivery.Delivery._keep, list[bytes]()

    def fails_once(mine: delivery.Delivery, staff: Any, endpoint: Any) -> None:
        if endpoint.reached and not failed:
            failed.append(endpoint.id)
            raise StoreUnavailable(why="the disk is full")
        keep(mine, staff, endpoint)

    with Receiver() as receiver:
        hook = created(telling, receiver.url)
        monkeypatch.setattr(delivery.Delivery, "_keep", fails_once)
        first, second = given(telling), given(telling)
        got = receiver.until(2)
        assert {each.said["data"]["reference"] for each in got} >= {reference(first), reference(second)}
        assert failed == [bytes.fromhex(hook["id"])]
        eventually(telling, hook, reached=got[-1].said["data"]["number"], tries=0, problem="")
        removed(telling, hook)


def test_a_secret_is_shown_once_and_lies_nowhere_in_the_clear(telling: Edge) -> None:
    with Receiver() as receiver:
        hook = created(telling, receiver.url)
        assert shown(telling, hook)["secret"] is None
        assert {each["secret"] for each in api(telling, "EHR City").ask("webhooks").body["items"]} == {None}
        kept = telling.gateway._desk.events.delivery.one(
            telling.story.staff["EHR City"], bytes.fromhex(hook["id"]), ("webhook",)
        )
        for file in Path(telling.story.folder).rglob("*"):
            if file.is_file():
                data = file.read_bytes()
                assert kept.secret not in data
                assert hook["secret"].encode() not in data
        removed(telling, hook)


def test_what_fails_is_sent_again_under_the_same_id_before_anything_later(telling: Edge) -> None:
    failing = [503, 500, 302]

    def answers(got: Got) -> tuple[int, dict[str, str], float]:
        return (failing.pop() if failing else 200), {"Location": "/elsewhere"}, 0.0

    with Receiver(answers) as receiver:
        hook = created(telling, receiver.url)
        for _ in range(3):
            given(telling)
        got = receiver.until(6)
        ids = [each.headers["webhook-id"] for each in got]
        assert len(set(ids[:4])) == 1
        numbers = [each.said["data"]["number"] for each in got]
        assert numbers == sorted(numbers)
        assert len(set(numbers)) == 3
        assert all(each.signed_by(hook["secret"]) for each in got)
        assert [each.path for each in got if each.path != "/"] == []  # no redirect was followed
        removed(telling, hook)


def test_an_endpoint_that_goes_on_failing_is_dead_and_says_so_and_another_is_told_meanwhile(
    telling: Edge,
) -> None:
    def answers(got: Got) -> tuple[int, dict[str, str], float]:
        return (500 if got.path == "/bad" else 200), {}, 0.0

    with Receiver(answers) as receiver:
        bad, good = created(telling, f"{receiver.url}/bad"), created(telling, f"{receiver.url}/good")
        given(telling)
        receiver.until(1, "/good")
        found = eventually(telling, bad, state="dead")
        assert (found["tries"], found["problem"], found["next_try"]) == (4, "answered 500", None)
        assert len(receiver.until(4, "/bad")) == 4
        given(telling)
        receiver.until(2, "/good")
        assert len(receiver.until(4, "/bad")) == 4
        removed(telling, bad, good)


def test_an_endpoint_that_says_gone_is_not_asked_again(telling: Edge) -> None:
    with Receiver(lambda got: (410, {}, 0.0)) as receiver:
        hook = created(telling, receiver.url)
        given(telling)
        assert eventually(telling, hook, state="dead")["tries"] == 1
        assert len(receiver.got) == 1
        removed(telling, hook)


def test_a_slow_endpoint_holds_up_neither_requests_nor_another_endpoint(
    telling: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WITHIN", 300.0)
    answers = threading.Event()

    def answer(got: Got) -> tuple[int, dict[str, str], float]:
        if got.path == "/slow":
            answers.wait(120)
        return 204, {}, 0.0

    with Receiver(answer) as receiver:
        slow, quick = created(telling, f"{receiver.url}/slow"), created(telling, f"{receiver.url}/quick")
        given(telling)
        (got,) = receiver.until(1, "/slow")
        receiver.until(1, "/quick")
        assert telling.client("Dr Stay").ask("metadata").status == 200
        time.sleep(10 * LOOKS)
        assert shown(telling, slow)["tries"] == 0
        assert len([each for each in receiver.got if each.path == "/slow"]) == 1  # one attempt at a time
        answers.set()
        eventually(telling, slow, reached=got.said["data"]["number"], tries=0)
        removed(telling, slow, quick)


def test_an_endpoint_that_does_not_answer_in_time_was_tried(
    telling: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WITHIN", 2.0)
    monkeypatch.setattr(delivery, "DELAYS", (3_600,))
    with Receiver(lambda got: (204, {}, 30.0)) as receiver:
        hook = created(telling, receiver.url)
        given(telling)
        assert eventually(telling, hook, tries=1)["problem"] == "no answer in time"
        removed(telling, hook)


def test_only_the_kinds_that_were_asked_for_are_sent_and_others_are_passed_over(telling: Edge) -> None:
    with Receiver() as receiver:
        hook = created(telling, receiver.url, kinds=["consent-revoked"])
        assert wanted(telling, receiver.url, kinds=["weather"]).status == 400
        granted = given(telling)
        story = telling.story
        revoke(story.world.network, story.holder(story.adam), granted.owner)
        (got,) = receiver.until(1)
        assert (got.said["type"], got.said["data"]["reference"]) == ("consent-revoked", reference(granted))
        removed(telling, hook)


def test_only_machines_and_operators_have_events_sent_and_a_stranger_reads_and_ends_nothing(
    telling: Edge,
) -> None:
    with Receiver() as receiver:
        hook = created(telling, receiver.url)
        for label in ("Dr City", "clerk", "Dr Lake"):
            assert (
                wanted(telling, receiver.url, label).status,
                api(telling, label).ask("webhooks").status,
            ) == (403, 403)
            assert api(telling, label).ask(f"webhooks/{hook['id']}", "DELETE").status == 403
        for label in ("PACS City", "EHR Lake"):
            unknown = api(telling, label).ask(f"webhooks/{'0' * 32}")
            for method in ("GET", "DELETE"):
                reply = api(telling, label).ask(f"webhooks/{hook['id']}", method)
                assert (reply.status, reply.body) == (404, unknown.body)
            assert api(telling, label).ask("webhooks").body["items"] == []
        assert shown(telling, hook)["state"] == "active"
        given(telling, "PACS City")
        given(telling, "EHR Lake")
        mine = given(telling)
        (got,) = receiver.until(1)
        assert got.said["data"]["reference"] == reference(mine)
        removed(telling, hook)
        assert api(telling, "EHR City").ask(f"webhooks/{hook['id']}").status == 404
        given(telling)
        time.sleep(0.5)
        assert len(receiver.got) == 1


def test_a_creation_that_is_repeated_is_the_same_webhook(telling: Edge) -> None:
    with Receiver() as receiver:
        body = json.dumps({"url": receiver.url}).encode()
        asking = api(telling, "EHR City")
        sent = {"Content_Type": "application/json", "Idempotency_Key": "9d3a7c0e-one"}
        first, second = (asking.ask("webhooks", "POST", body, **sent).body for _ in range(2))
        assert first == second
        assert len(asking.ask("webhooks").body["items"]) == 1
        removed(telling, first)


def test_a_post_has_only_so_many(telling: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MOST_OF_A_POST", 2)
    with Receiver() as receiver:
        hooks = [created(telling, f"{receiver.url}/{number}") for number in range(2)]
        assert wanted(telling, receiver.url).problem == "endpoint-refused"
        other = created(telling, receiver.url, "PACS City")
        assert api(telling, "PACS City").ask(f"webhooks/{other['id']}", "DELETE").status == 200
        removed(telling, *hooks)


def test_nothing_is_sent_for_a_post_that_does_not_stand_until_it_stands_again(telling: Edge) -> None:
    world = telling.story.world
    officer = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    named = Officer(officer.number, officer.key)
    city = telling.story.staff["EHR City"].organisation.number
    with Receiver() as receiver:
        hook = created(telling, receiver.url)
        granted = given(telling)
        receiver.until(1)
        parties.suspend(world.network, named, city)
        try:
            revoke(world.network, telling.story.holder(telling.story.adam), granted.owner)
            time.sleep(1.0)
            assert [each.said["data"]["reference"] for each in receiver.got] == [reference(granted)]
        finally:
            parties.reinstate(world.network, named, city)
        assert len(receiver.until(2)) == 2
        removed(telling, hook)


# Where to -------------------------------------------------------------------------------------------

INSIDE = (
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "255.255.255.255", "224.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "168.63.129.16", "::1", "::", "fe80::1",
    "fe80::1%1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:93.184.216.34",
    "::ffff:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:53aa:64c:0:0:80ff:fffe", "::10.0.0.1", "2001:db8::1", "100::1",
)  # fmt: skip
OUTSIDE = ("93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "2a00:1450::1")


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_inside_is_sent_to(address: str) -> None:
    assert not addresses.is_public(address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(EndpointRefused):
        addresses.target(f"https://{host}/", False)


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_public_address_is_sent_to(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert addresses.is_public(address)
    assert addresses.target(f"https://{host}/a?b", False).path == "/a?b"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "file:///etc/passwd", "https://", "https:///x", "//example.org",
        "https://user@example.org/", "https://user:word@example.org/", "https://example.org/#part", "https://a b/",
        "https://example.org:0/", "https://example.org:99999/", "https://[::1/", "https://example.org/\nHost: x",
        "https://ex\u00e4mple.org/", "", "x" * 3_000, "gopher://example.org/", "HTTP://example.org/",
    ],
)  # fmt: skip
def test_what_is_no_plain_https_url_is_refused(url: str) -> None:
    with pytest.raises(EndpointRefused):
        addresses.target(url, False)
    assert Sender(False).send(url, {}, b"").status == 0


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1"])
def test_a_name_of_this_machine_is_refused_when_it_is_resolved(host: str) -> None:
    with pytest.raises(EndpointRefused):
        addresses.addresses(addresses.target(f"https://{host}/", False), False)


def test_this_machine_is_sent_to_only_where_the_settings_say_so_and_nothing_else_inside_is(
    edge: Edge,
) -> None:
    with Receiver() as receiver:
        assert Sender(False).send(receiver.url, {}, b"x") == Outcome(
            0, "the address is not one that is sent to"
        )
        assert Sender(True).send(receiver.url, {}, b"x").status == 204
        for inside in (
            "http://10.0.0.1/",
            "https://10.0.0.1/",
            "http://169.254.169.254/",
            "http://[fd00::1]/",
        ):
            with pytest.raises(EndpointRefused):
                addresses.target(inside, True)
    fresh = replace(edge.story.world.settings, webhooks_to_loopback=False)
    assert not Settings(1, "ab" * 20).webhooks_to_loopback
    desk = edge.gateway._desk
    assert not Delivery(
        replace(edge.story.world, settings=fresh), "http://x", desk.events, desk.events._records
    ).sender.loopback


def test_a_name_that_means_an_address_inside_too_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering("93.184.216.34", "10.0.0.1"))
    with pytest.raises(EndpointRefused):
        addresses.addresses(addresses.target("https://hook.example/", False), False)
    monkeypatch.setattr(socket, "getaddrinfo", answering("93.184.216.34"))
    assert addresses.addresses(addresses.target("https://hook.example/", False), False) == ["93.184.216.34"]


def test_what_is_connected_to_is_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is resolved once: what it means a moment later is not asked."""
    asked, connected = [], []
    answer = answering("93.184.216.34")

    def resolved(host: str, *given: Any, **more: Any) -> Any:
        asked.append(host)
        return answer() if len(asked) == 1 else answering("127.0.0.1")()

    def connects(address: tuple[str, int], timeout: float) -> Any:
        connected.append(address)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setattr(socket, "create_connection", connects)
    assert Sender(True).send("https://hook.example/", {}, b"") == Outcome(0, "no connection")
    assert (asked, connected) == (["hook.example"], [("93.184.216.34", 443)])


def answering(*numbers: str) -> Any:
    return lambda *given, **more: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in numbers
    ]


def test_an_answer_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "WITHIN", 1.0)
    server = socket.create_server(("127.0.0.1", 0))

    def drips() -> None:
        held, _ = server.accept()
        held.sendall(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):
            while True:
                held.sendall(b"X: y\r\n")
                time.sleep(0.1)

    threading.Thread(target=drips, daemon=True).start()
    begun = time.monotonic()
    outcome = Sender(True).send(f"http://127.0.0.1:{server.getsockname()[1]}/", {}, b"x")
    assert outcome == Outcome(0, "no answer in time")
    assert time.monotonic() - begun < 60  # it never ends
    server.close()


def test_tls_is_checked_against_the_name_and_the_authorities(tmp_path: Path) -> None:
    key, certificate = _certificate("localhost", tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with Receiver(tls=serving) as receiver:
        named, other = f"https://localhost:{receiver.port}/", f"https://127.0.0.1:{receiver.port}/"
        assert Sender(True, trusting).send(named, {"webhook-id": "1"}, b"{}").status == 204
        assert Sender(True, trusting).send(other, {}, b"{}").problem == "no TLS that is trusted for this name"
        assert Sender(True).send(named, {}, b"{}").problem == "no TLS that is trusted for this name"
        assert len(receiver.got) == 1


def _certificate(name: str, folder: Path) -> tuple[Path, Path]:
    """A key and a certificate that it signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1)).add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    )  # fmt: skip
    files = folder / "key.pem", folder / "certificate.pem"
    plain = serialization.NoEncryption()
    files[0].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    files[1].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return files


def test_delays_grow_until_the_endpoint_is_dead_and_a_delivery_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    assert list(delivery.DELAYS) == sorted(set(delivery.DELAYS))
    made = Endpoint(
        b"i" * 16,
        1,
        "https://x.example/",
        (),
        b"s" * 32,
        0,
        5,
        0,
        0,
        "active",
        "",
        0,
        "webhook",
        (),
        0,
        "",
        "",
        0,
    )
    event = Event("deposit-final", 0, b"", (), (), ())
    sixth = Due(Numbered(6, event), ("it",), 6, 0)
    waits, failing = [], made
    while failing.state == "active":
        failing = delivery.after_attempt(failing, sixth, Outcome(500, "answered 500"), 1_000)
        waits.append(failing.due - 1_000)
    assert waits[:-1] == list(delivery.DELAYS)
    assert (failing.tries, failing.reached) == (len(delivery.DELAYS) + 1, 5)
    once = delivery.after_attempt(made, sixth, Outcome(0, "no connection"), 1_000)
    again = delivery.after_attempt(once, sixth, Outcome(204), 1_010)
    assert (again.reached, again.tries, again.due, again.problem) == (6, 0, 0, "")


def test_what_was_not_delivered_is_delivered_by_the_next_gateway_and_nothing_twice(telling: Edge) -> None:
    story = telling.story
    answer = [200]
    with Receiver(lambda got: (answer[0], {}, 0.0)) as receiver:
        hook = created(telling, receiver.url)
        first = given(telling)
        receiver.until(1)
        eventually(telling, hook, tries=0)
        later = time.monotonic() + MOST_WAIT
        while shown(telling, hook)["reached"] < receiver.got[0].said["data"]["number"]:
            assert time.monotonic() < later
        telling.gateway._desk.events.close()
        second = given(telling)
        with Gateway(story.world, port=0, looks_every=LOOKS) as gateway:
            got = receiver.until(2)
            assert [each.said["data"]["reference"] for each in got] == [reference(first), reference(second)]
            time.sleep(0.5)
            assert len(receiver.got) == 2
            removed(Edge(story, gateway), hook)


def test_an_attempt_that_was_cut_off_is_made_again_under_the_same_id(told: Story, tmp_path: Path) -> None:
    mine = with_machines(copied(told, tmp_path / "data"))
    answers, turn = threading.Event(), iter((True,))

    def answer(got: Got) -> tuple[int, dict[str, str], float]:
        if next(turn, False):
            answers.wait(120)  # the first attempt is under way until the second one came
        return 200, {}, 0.0

    with Receiver(answer) as receiver:
        with Gateway(mine.world, port=0, looks_every=LOOKS) as first:
            hook = created(Edge(mine, first), receiver.url)
            given(Edge(mine, first))
            receiver.until(1)
        with Gateway(mine.world, port=0, looks_every=LOOKS) as second:
            one, again = receiver.until(2)
            assert one.headers["webhook-id"] == again.headers["webhook-id"]
            assert one.body == again.body
            answers.set()
            eventually(Edge(mine, second), hook, reached=again.said["data"]["number"])
            removed(Edge(mine, second), hook)
    mine.world.close()
