"""Nodes that lag, disagree, fail, stall or answer nonsense: nothing wrong is believed, and another node is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.hostile_node import Asked, HostileNode, between, encrypted
from adapters.ledger_world import CHAIN_ID, LedgerWorld, digest, key, refused
from adapters.remote_network import Network, opened_network, proposed
from adapters.remote_world import DEV_NODES, connected, required
from careledger.adapters.remote import http
from careledger.adapters.remote.http import Endpoint
from careledger.adapters.remote.nodes import Nodes
from careledger.adapters.remote.rpc import JsonRpc
from careledger.domain.errors import (
    CareLedgerError,
    DirectoryInUse,
    LedgerRewritten,
    LedgerStale,
    NodeUnavailable,
    SettingsRefused,
    WrongNetwork,
)
from careledger.domain.parties import Role


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """One Anvil with one network for every test here."""
    with required(), opened_network() as made:
        yield made


@pytest.fixture
def hostile(network: Network) -> Iterator[tuple[HostileNode, str]]:
    """A hostile node before the real one, and its address."""
    with between(network.real.url) as made:
        yield made


def test_a_head_counts_once_two_nodes_show_it(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    lagging, url = hostile
    lagging.behind = 2
    with_one = connected(tmp_path / "one", [network.real.url], network.clock)
    node = connected(tmp_path / "two", [network.real.url, url], network.clock, agreeing=2)
    assert node.fresh_head().number <= with_one.fresh_head().number - 1
    assert proposed(network.ledger(node), 1_001)
    lagging.body = b"nonsense"
    time.sleep(0.2)
    with pytest.raises(LedgerStale) as caught:
        node.fresh_head()
    assert caught.value.details == {"nodes": 1, "needed": 2}
    lagging.body = None
    assert node.fresh_head()
    for each in (node, with_one):
        each.close()


def test_a_node_that_lags_is_passed_over_and_not_misread(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    lagging, url = hostile
    node = connected(tmp_path, [url, network.real.url], network.clock)
    ledger = network.ledger(node)
    lagging.behind = 3
    for number in (1_011, 1_012):
        assert proposed(ledger, number)
    assert ledger.fresh_head().party(1_012) is not None
    rows = ledger.rows()
    ledger.rebuild()
    assert set(rows) <= set(ledger.rows())
    node.close()


def test_a_head_that_is_too_old_is_not_decided_on(network: Network, tmp_path: Path) -> None:
    class Later:
        def now(self) -> int:
            return network.clock.now() + 60

        def advance(self, seconds: int) -> None:
            raise AssertionError

    node = connected(tmp_path, [network.real.url], Later())
    with pytest.raises(LedgerStale) as caught:
        node.fresh_head()
    assert caught.value.details["seconds_old"] >= 55  # type: ignore[operator]
    assert node.head()
    node.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"null",
        b'{"jsonrpc":"2.0","id":1,"result":"0x1"}',
        b'[{"id":"1","result":1}]',
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"too many\\u001b[2J"}}',
    ],
)
def test_nonsense_is_no_answer_and_another_node_is_asked(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path, body: bytes
) -> None:
    bad, url = hostile
    node = connected(tmp_path, [url, network.real.url], network.clock)
    bad.body = body
    head = node.fresh_head()
    assert node.block(head.number) == head
    node.close()
    with pytest.raises(NodeUnavailable) as caught:
        connected(tmp_path / "alone", [url], network.clock)
    assert "secret-path" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_node_that_stalls_or_fails_is_passed_over(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, url = hostile
    monkeypatch.setattr(http, "ANSWERING", 0.5)
    node = connected(tmp_path, [url, network.real.url], network.clock)
    bad.stall = 2.0
    assert proposed(network.ledger(node), 1_021)
    bad.stall, bad.status = 0.0, 503
    assert proposed(network.ledger(node), 1_022)
    node.close()


def test_answers_in_another_order_are_put_in_order(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    shuffling, url = hostile
    shuffling.shuffled = True
    numbers = [hex(number) for number in range(6)] * 3
    said = JsonRpc(Endpoint(url)).array([("eth_getBlockByNumber", [number, False]) for number in numbers])
    assert [block["number"] for block in said] == numbers
    node = connected(tmp_path, [url], network.clock)
    ledger = network.ledger(node)
    assert all(proposed(ledger, number) for number in range(1_031, 1_035))
    assert ledger.rows() == sorted(ledger.rows())
    node.close()


def test_a_node_of_another_network_stops_the_start(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    other, url = hostile
    other.chain_id = "0x1"
    for place, urls in enumerate(([url], [network.real.url, url])):
        with pytest.raises(WrongNetwork) as caught:
            connected(tmp_path / str(place), urls, network.clock)
        assert (caught.value.details["has"], caught.value.details["wanted"]) == (1, CHAIN_ID)
    connected(tmp_path / "0", [network.real.url], network.clock).close()


def test_a_known_block_that_changed_is_refused_now_and_after_a_restart(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    node, url = hostile
    opened = connected(tmp_path, [url], network.clock)
    ledger = network.ledger(opened)
    head = ledger.fresh_head().head
    with DEV_NODES.anvil(CHAIN_ID) as other:  # the same network's number, another history
        other.rpc("anvil_mine", hex(head.number + 100))
        node.real_url = other.url
        with pytest.raises(LedgerRewritten):
            ledger.at(head.number + 1)
        with pytest.raises(LedgerRewritten):
            ledger.propose_organisation(1_041, [Role.HOSPITAL], digest("l"), digest("k"), key("x"))
        opened.close()
        with pytest.raises(LedgerRewritten):
            connected(tmp_path, [url], network.clock)
    assert node.sent == []
    node.real_url = network.real.url
    again = connected(tmp_path, [url], network.clock)
    assert again.fresh_head().number >= head.number
    again.close()


def test_two_nodes_on_two_chains_are_refused(network: Network, tmp_path: Path) -> None:
    with DEV_NODES.anvil(CHAIN_ID) as other, pytest.raises(LedgerRewritten):
        connected(tmp_path, [network.real.url, other.url], network.clock, agreeing=2)


def test_a_node_that_fell_behind_what_was_seen_stops_the_start(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, url = hostile
    monkeypatch.setattr("careledger.adapters.remote.heads.CATCHING_UP", 0.5)
    connected(tmp_path, [url], network.clock).close()
    old.behind = 5
    with pytest.raises(LedgerStale):
        connected(tmp_path, [url], network.clock)
    old.behind = 0
    connected(tmp_path, [url], network.clock).close()


def test_a_node_that_wants_fewer_blocks_is_asked_in_halves(
    network: Network, hostile: tuple[HostileNode, str], tmp_path: Path
) -> None:
    strict, url = hostile
    whole = connected(tmp_path / "whole", [network.real.url], network.clock)
    assert proposed(network.ledger(whole), 1_051)
    ranges: list[int] = []

    def fails(asked: Asked) -> str | None:
        if asked["method"] != "eth_getLogs":
            return None
        first, last = (int(asked["params"][0][name], 16) for name in ("fromBlock", "toBlock"))
        ranges.append(last - first + 1)
        return "range too large" if ranges[-1] > 4 else None

    strict.fails = fails
    node = connected(tmp_path / "halves", [url], network.clock)
    assert set(network.ledger(whole).rows()) <= set(network.ledger(node).rows())
    assert max(ranges) > 4
    strict.fails = lambda asked: "no logs" if asked["method"] == "eth_getLogs" else None
    with pytest.raises(NodeUnavailable):
        network.ledger(node).fresh_head()
    for each in (node, whole):
        each.close()


def test_a_second_process_does_not_send_from_the_same_folder(network: Network, tmp_path: Path) -> None:
    node = connected(tmp_path, [network.real.url], network.clock)
    with pytest.raises(DirectoryInUse):
        connected(tmp_path, [network.real.url], network.clock)
    node.close()


def test_the_header_is_sent_and_told_to_nobody_else(hostile: tuple[HostileNode, str]) -> None:
    node, url = hostile
    rpc = JsonRpc(Endpoint(url, "Bearer of-good-tidings"))
    assert rpc.ask("eth_chainId") == hex(CHAIN_ID)
    assert node.headers[-1]["Authorization"] == "Bearer of-good-tidings"
    node.status = 307  # a redirection would carry the header elsewhere
    for failure in (307, 401, 500):
        node.status = failure
        with pytest.raises(NodeUnavailable) as caught:
            rpc.ask("eth_chainId")
        assert caught.value.details["why"] == f"HTTP status {failure}"
        assert not any(
            word in repr((caught.value, rpc, Endpoint(url, "Bearer x"))) for word in ("secret", "Bearer")
        )


def test_a_node_has_to_show_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    with encrypted(tmp_path) as (url, certificate):
        with pytest.raises(NodeUnavailable) as caught:
            JsonRpc(Endpoint(url)).ask("eth_chainId")
        assert caught.value.details["why"] == "SSLError"
        assert JsonRpc(Endpoint(url, ca=certificate)).ask("eth_chainId") == hex(CHAIN_ID)
        with pytest.raises(NodeUnavailable):  # the certificate is another host's
            JsonRpc(Endpoint(url.replace("127.0.0.1", "localhost"), ca=certificate)).ask("eth_chainId")


@pytest.mark.parametrize(
    "url", ["ftp://node", "node:8545", "http://", "http://user:word@node", "http://node:no", "file:///etc"]
)
def test_an_address_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsRefused) as caught:
        Endpoint(url)
    assert "word" not in str(caught.value).replace("password", "")


def test_no_fewer_nodes_than_have_to_agree() -> None:
    for agreeing in (0, 2):
        with pytest.raises(SettingsRefused):
            Nodes([JsonRpc(Endpoint("http://127.0.0.1:1"))], agreeing)


def test_a_refused_act_tells_the_contracts_reason(network: Network, tmp_path: Path) -> None:
    node = connected(tmp_path, [network.real.url], network.clock)
    ledger = network.ledger(node)
    world = LedgerWorld(ledger, network.clock)
    world.ledger.propose_organisation(1_061, [Role.HOSPITAL], digest("l"), digest("k"), key("one"))
    with refused("taken"):
        world.ledger.propose_organisation(1_061, [Role.HOSPITAL], digest("l"), digest("k"), key("two"))
    node.close()
    with pytest.raises(CareLedgerError):
        ledger.propose_organisation(1_062, [Role.HOSPITAL], digest("l"), digest("k"), key("three"))
