"""What an agent checks by itself: the ledger's blocks from one that it remembers, and sealed blocks by their names."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak
from ethereum.london.trie import Trie, root, trie_set
from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes
from ethereum_types.numeric import Uint

from careledger.adapters.edge.chain import follow
from careledger.adapters.edge.http import Edge as Reached
from careledger.adapters.edge.http import Json
from careledger.adapters.edge.links import EdgeBlocks
from careledger.domain.errors import (
    BlockMismatch,
    BlockNotFound,
    LedgerRewritten,
    MalformedBytes,
    StoreUnavailable,
)
from careledger.formats.cids import raw_cid, text
from careledger.gateway.files import FOREVER
from gateway.agent_world import Agent, agent
from gateway.edge_world import Reply
from story import MARKS

__all__ = ["agent"]


def get(agent: Agent, path: str) -> Reply:
    return agent.edge.stranger().ask(f"{agent.edge.gateway.url}/api/v1/{path}")


def trie_root(values: list[bytes]) -> bytes:
    """By Ethereum's executable specification."""
    made: Trie[Bytes, Bytes] = Trie(secured=False, default=b"")
    for place, value in enumerate(values):
        trie_set(made, rlp.encode(Uint(place)), value)
    return bytes(root(made))


def test_an_agent_follows_the_chain_to_the_head_that_custodians_attest(agent: Agent) -> None:
    agent.grant("Dr Lake")
    followed = list(follow(agent.reached))
    head = agent.network.ledger.fresh_head().head
    assert (followed[-1].header.number, followed[-1].header.hash) == (head.number, head.hash)
    assert len(followed) == head.number + 1 > 20
    remembered = followed[5].header
    again = list(follow(agent.reached, remembered.number, remembered.hash))
    assert again == followed[6:]
    assert list(follow(agent.reached, head.number, head.hash)) == []
    staying = agent.edge.story.staying
    assert staying is not None
    consents = agent.pinned.contracts["Consents"]
    said = [topics for each in followed for address, topics, _ in each.logs if address == consents]
    assert any(staying.commitment in topics for topics in said)


def test_blocks_are_what_ethereums_specification_hashes(agent: Agent) -> None:
    items = get(agent, "blocks?limit=100").body["items"]
    parent = bytes(32)
    for each in items:
        header, transactions, receipts = (bytes.fromhex(each["header"][2:]), *map(octets, lists(each)))
        fields: Any = rlp.decode(header)
        assert each["hash"] == "0x" + keccak(header).hex()
        assert fields[0] == parent
        assert (fields[4], fields[5]) == (trie_root(transactions), trie_root(receipts))
        parent = keccak(header)
    assert sum(len(each["transactions"]) for each in items) >= 20


def lists(said: Any) -> tuple[list[str], list[str]]:
    return said["transactions"], said["receipts"]


def octets(written: list[str]) -> list[bytes]:
    return [bytes.fromhex(each[2:]) for each in written]


class Lying(Reached):
    """A gateway that shows one block otherwise."""

    def __init__(self, agent: Agent, change: Any) -> None:
        super().__init__(agent.edge.gateway.url)
        self._change = change

    def get(self, path: str) -> Json:
        said = super().get(path)
        for each in said["items"]:
            if each["number"] == 7:
                self._change(each)
        return said


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda block: block["receipts"].pop(), MalformedBytes),
        (lambda block: block["transactions"].pop(), MalformedBytes),
        (lambda block: block.update(receipts=[block["receipts"][0][:-2] + "00"]), MalformedBytes),
        (lambda block: block.update(header="0x" + "c0"), MalformedBytes),
        (lambda block: block.update(header="0x0"), MalformedBytes),
        (lambda block: block.update(header=block["header"][:-200] + "11" * 100), MalformedBytes),
        (lambda block: block.pop("header"), MalformedBytes),
        (lambda block: block.update(header=block["header"][:10] + "ff" * 32 + block["header"][74:]),
         LedgerRewritten),
    ],
)  # fmt: skip
def test_a_block_that_was_changed_or_does_not_follow_is_refused(
    agent: Agent, change: Any, error: Any
) -> None:
    seen: list[Any] = []
    with pytest.raises(error):
        seen.extend(follow(Lying(agent, change)))  # what came before stays in it
    assert len(seen) == 7
    with pytest.raises(LedgerRewritten):
        list(follow(agent.reached, 5, bytes(32)))


def test_blocks_come_in_pages_and_one_alone_may_be_kept_for_good(agent: Agent) -> None:
    first = get(agent, "blocks?limit=3")
    assert [each["number"] for each in first.body["items"]] == [0, 1, 2]
    assert first.headers["Cache-Control"] == "no-store"
    following = agent.edge.stranger().ask(agent.edge.gateway.url + first.body["next"]).body
    assert [each["number"] for each in following["items"]] == [3, 4, 5]
    one = get(agent, "blocks/4")
    assert one.body == following["items"][1]
    assert one.headers["Cache-Control"] == FOREVER
    head = first.body["head"]
    assert get(agent, f"blocks?after={head}").body == {"items": [], "head": head, "next": None}
    assert get(agent, f"blocks?after={head - 1}").body["next"] is None
    unknown = get(agent, f"blocks/{head + 1_000}")
    assert (unknown.status, unknown.headers["Cache-Control"]) == (404, "no-store")
    for named in ("00", "-1", "x", "1e3", "9" * 20):
        assert get(agent, f"blocks/{named}").status == 404
    for query in ("after=-2", "after=x", "limit=0", "limit=101", "before=1", f"after={2**64}"):
        assert get(agent, f"blocks?{query}").status == 400


def test_a_sealed_block_is_fetched_by_its_name_and_is_what_it_names(agent: Agent) -> None:
    world = agent.edge.story.world
    directory = next(iter(world.directories.values()))
    cids = {
        cid
        for each in directory.rows.versions(agent.edge.story.adam)
        for cid in (each.header, each.manifest, each.body)
    }
    blocks = EdgeBlocks(agent.reached)
    assert len(cids) >= 10
    for cid in cids:
        assert blocks.get(cid) == world.blocks.get(cid)
        assert not any(mark.encode() in blocks.get(cid) for mark in MARKS)
    pool, url = agent.edge.stranger().pool, f"{agent.edge.gateway.url}/sealed/"
    reply = pool.request("GET", url + text(cid))
    assert (reply.headers["Cache-Control"], reply.headers["X-Content-Type-Options"]) == (FOREVER, "nosniff")
    assert (
        pool.request("GET", url + text(cid), headers={"If-None-Match": reply.headers["ETag"]}).status == 304
    )
    missing = raw_cid(b"nothing that was ever stored")
    assert not blocks.has(missing)
    with pytest.raises(BlockNotFound):
        blocks.get(missing)
    for named in (text(cid).upper(), text(cid)[:-1], "bafkrei", "x", "..%2fkeys", cid.hex()):
        assert pool.request("GET", url + named).status == 404
    for act in (
        lambda: blocks.put_many([b""]),
        lambda: blocks.pin("x", [cid]),
        lambda: blocks.unpin("x", [cid]),
    ):
        with pytest.raises(StoreUnavailable):
            act()


def test_a_sealed_block_that_is_another_one_is_neither_served_nor_believed(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = agent.edge.story.world
    cid = raw_cid(b"what was stored")
    monkeypatch.setattr(world.blocks, "get", lambda asked: b"something else")
    with pytest.raises(BlockNotFound):
        EdgeBlocks(agent.reached).get(cid)
    monkeypatch.setattr(agent.reached, "file", lambda path: b"something else")
    with pytest.raises(BlockMismatch):
        EdgeBlocks(agent.reached).get(cid)
