"""An operator names the only hosts that a gateway asks because of what others said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from careledger.app.service.table import Service
from careledger.cli.opening import opened
from careledger.domain.errors import ConfigurationRefused, EndpointRefused
from careledger.gateway.events.addresses import check_listed
from careledger.gateway.events.sending import Outcome, Sender
from careledger.gateway.licences import Looking
from careledger.gateway.server import Gateway
from gateway.edge_world import Edge
from gateway.receiving import Receiver
from gateway.test_webhooks import wanted, with_machines
from story import Story, copied

LIST = ("hooks.example.org", "*.example.net", "192.0.2.7")
LISTED = (
    *("hooks.example.org", "HOOKS.Example.ORG", "hooks.example.org."),
    *("a.example.net", "a.b.example.net", "192.0.2.7"),
)
OTHERS = (
    *("", "example.org", "a.hooks.example.org", "hooks.example.org.evil.example", "example.net"),
    *("evilexample.net", "a.example.net.evil.example", "192.0.2.70", "2.7"),
)
NOT_SENT = Outcome(0, "the address is not one that is sent to")


@pytest.mark.parametrize("host", LISTED)
def test_a_host_of_the_list_is_asked(host: str) -> None:
    check_listed(host, LIST)
    check_listed("whatever.example", ())


@pytest.mark.parametrize("host", OTHERS)
def test_only_hosts_of_the_list_are_asked_whatever_others_name(host: str) -> None:
    with pytest.raises(EndpointRefused):
        check_listed(host, LIST)
    if host:
        assert Sender(True, hosts=LIST).send(f"https://{host}/", {}, b"") == NOT_SENT


@pytest.fixture
def fenced(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A gateway that sends to this machine too, under its address and not under its name."""
    mine = with_machines(copied(told, tmp_path_factory.mktemp("fenced") / "data"))
    mine.world.outside = ("127.0.0.1", *LIST)
    with Gateway(mine.world, port=0) as gateway:
        yield Edge(mine, gateway)
    mine.world.close()


def test_a_webhook_a_key_set_and_a_status_list_elsewhere_are_not_asked(
    fenced: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = fenced.story.world
    with Receiver() as receiver:
        elsewhere = receiver.url.replace("127.0.0.1", "localhost")
        refused = wanted(fenced, elsewhere)
        assert (refused.status, refused.problem) == (422, "endpoint-refused")
        assert wanted(fenced, receiver.url).status == 201
        for sender in (fenced.gateway._desk.events.delivery.sender, fenced.gateway._edge._oauth._fetched._sender,
                       fenced.gateway._edge._signing_on._discovered._sender):  # fmt: skip
            assert sender.send(elsewhere, {}, b"x") == NOT_SENT
            assert sender.send(receiver.url, {}, b"x").status == 204
        assert len(receiver.got) == 3
    asked: list[str] = []

    def fetch(uri: str) -> str:
        asked.append(uri)
        return ""

    looking = Looking(world, fenced.gateway._worker, fetch)
    lists = {(7, "https://elsewhere.example/list"): None, (7, "https://hooks.example.org/list"): None}
    monkeypatch.setattr(looking, "_made_here", lambda: lists)
    looking.look()
    assert asked == ["https://hooks.example.org/list"]


def test_what_the_configuration_names_holds_for_whoever_opens_the_directory(
    told: Story, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(told.folder, tmp_path / "data"))
    (folder / "careledger.toml").write_text("[outside]\nhosts = ['hooks.example.org']\n")
    with opened(folder) as world:
        assert world.outside == ("hooks.example.org",)
    with opened(folder, service=Service()) as world:
        assert world.outside == ()


def test_what_is_no_host_is_refused_when_the_service_is_set_up() -> None:
    assert Service(outside=("a.example", "*.b.example", "127.0.0.1", "::1")).outside
    for wrong in (
        "https://a.example",
        "a.example:443",
        "a.example/x",
        "*",
        "*.",
        "A.example",
        "",
        "a*.example",
        ".a",
    ):
        with pytest.raises(ConfigurationRefused):
            Service(outside=(wrong,))
