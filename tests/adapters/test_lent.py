"""What one process of a directory has, and others borrow: blocks, custodians, and the marks that they look at."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from careledger.adapters.blocks.hostile import HostileBlocks
from careledger.adapters.blocks.memory import MemoryBlocks
from careledger.adapters.custody.sockets import CallServer
from careledger.adapters.lent.borrowing import LentBlocks, LentCustodian, LentCustodians, Line
from careledger.adapters.lent.elsewhere import NotHere
from careledger.adapters.lent.lending import lend
from careledger.adapters.lent.marks import Marks
from careledger.domain.errors import (
    AccessRefused,
    BlockMismatch,
    BlockNotFound,
    CareLedgerError,
    MalformedBytes,
    StoreUnavailable,
)
from careledger.formats import cbor
from careledger.formats.cids import raw_cid
from careledger.formats.custody import Call
from careledger.formats.large import CHUNK


class Custodian:
    """It says what it was asked, or refuses."""

    def __init__(self, party: int) -> None:
        self.party = party

    def call(self, method: str, body: bytes) -> bytes:
        if method == "release":
            raise AccessRefused(reason="revoked")
        return f"{self.party} {method} ".encode() + body


class Lender:
    def __init__(self, folder: Path) -> None:
        self.place, self.blocks, self.opened = folder / "lent", MemoryBlocks(), list[tuple[bytes, bytes]]()
        self.custodians = {7: Custodian(7), 9: Custodian(9)}
        self.server = self.begin()

    def begin(self) -> CallServer:
        made = lend(self.place, self.custodians, self.blocks, lambda *said: self.opened.append(said))
        made.start()
        self.server = made
        return made


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    made = Lender(tmp_path)
    yield made
    made.server.close()


def test_blocks_are_read_from_the_lenders_store(lender: Lender) -> None:
    borrowed, blocks = LentBlocks(lender.place), [b"", b"one", os.urandom(CHUNK)]
    cids = lender.blocks.put_many(blocks)
    assert [borrowed.get(cid) for cid in cids] == blocks
    assert [borrowed.unchecked(cid) for cid in cids] == blocks
    assert [borrowed.has(cid) for cid in (cids[0], raw_cid(b"elsewhere"))] == [True, False]
    for method in (borrowed.get, borrowed.unchecked):
        with pytest.raises(BlockNotFound):
            method(raw_cid(b"elsewhere"))
    with pytest.raises(CareLedgerError):
        borrowed.get(b"no identifier")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(borrowed.get, cids * 20)) == blocks * 20


def test_a_lender_that_gives_something_else_is_not_believed(tmp_path: Path) -> None:
    hostile = HostileBlocks(MemoryBlocks())
    server = lend(tmp_path / "lent", {}, hostile, lambda *_: None)
    server.start()
    cid = hostile.put_many([b"one"])[0]
    borrowed = LentBlocks(tmp_path / "lent")
    assert borrowed.get(cid) == b"one"
    hostile.lie(cid)
    with pytest.raises(BlockMismatch):
        borrowed.get(cid)
    server.close()


def test_a_borrower_changes_nothing_of_the_store(lender: Lender) -> None:
    borrowed = LentBlocks(lender.place)
    cid = lender.blocks.put(b"one")
    for attempt in (
        lambda: borrowed.put_many([b"two"]),
        lambda: borrowed.pin("me", [cid]),
        lambda: borrowed.unpin("me", [cid]),
    ):
        with pytest.raises(StoreUnavailable):
            attempt()
    for method in ("put_many", "pin", "unpin", "collect", ""):
        with pytest.raises(MalformedBytes):
            Line(lender.place).ask(method, cbor.encode([cid]))
    assert lender.blocks.verify().blocks == 1


def test_custodians_answer_and_refuse_as_they_do_to_the_lender(lender: Lender) -> None:
    with closing(LentCustodians(lender.place)) as custodians:
        assert list(custodians) == [7, 9]
    custodian = LentCustodian(9, lender.place)
    assert (custodian.party, custodian.call("stands", b"?")) == (9, b"9 stands ?")
    with pytest.raises(AccessRefused) as refused:
        custodian.call("release", b"")
    assert refused.value.details == {"reason": "revoked"}
    with pytest.raises(StoreUnavailable):
        LentCustodian(8, lender.place).call("stands", b"?")
    for nonsense in (b"", cbor.encode([9]), cbor.encode({"a": 1}), cbor.encode([9, 5, b""])):
        with pytest.raises(CareLedgerError):
            Line(lender.place).ask("ask", nonsense)


def test_a_custodian_that_comes_later_is_reached_and_from_silence_none_is_thought_gone(
    lender: Lender,
) -> None:
    with closing(LentCustodians(lender.place)) as custodians:
        assert 11 not in custodians
        lender.custodians[11] = Custodian(11)
        assert custodians[11].call("stands", b"") == b"11 stands "
        assert list(custodians) == [7, 9, 11]
        lender.server.close()
        assert custodians[7].party == 7
        for ask in (lambda: 12 in custodians, lambda: list(custodians)):
            with pytest.raises(NotHere):
                ask()
    lender.begin()


def test_the_lender_hears_of_leases(lender: Lender) -> None:
    Line(lender.place).ask("opened", cbor.encode([b"digest", b"alias"]))
    assert lender.opened == [(b"digest", b"alias")]


def test_from_silence_nothing_is_concluded_and_the_next_lender_is_found(lender: Lender) -> None:
    custodian, borrowed = LentCustodian(7, lender.place), LentBlocks(lender.place)
    cid = lender.blocks.put(b"one")
    assert custodian.call("stands", b"") == b"7 stands "
    assert borrowed.has(cid)
    lender.server.close()
    for _ in range(2):
        for ask in (
            lambda: custodian.call("stands", b""),
            lambda: borrowed.has(cid),
            lambda: borrowed.get(cid),
        ):
            with pytest.raises(NotHere):
                ask()
        with pytest.raises(NotHere):
            LentCustodians(lender.place)
    lender.begin()
    assert custodian.call("stands", b"") == b"7 stands "
    assert borrowed.get(cid) == b"one"


def test_what_is_under_way_when_the_lender_ends_is_not_answered(tmp_path: Path) -> None:
    asked, goes_on = threading.Event(), threading.Event()

    class Slow(Custodian):
        def call(self, method: str, body: bytes) -> bytes:
            asked.set()
            assert goes_on.wait(60)
            raise StoreUnavailable  # as one whose files were closed meanwhile

    server = lend(tmp_path / "lent", {7: Slow(7)}, MemoryBlocks(), lambda *_: None)
    server.start()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(LentCustodian(7, tmp_path / "lent").call, "stands", b"")
        assert asked.wait(60)
        server.close()
        with pytest.raises(NotHere):
            asking.result(60)
        goes_on.set()


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if whoever is at the other end of a socket were another user."""
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)


def test_another_user_borrows_nothing(lender: Lender, strange: None) -> None:
    assert lender.place.stat().st_mode & 0o777 == 0o600
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(60)
    line.connect(str(lender.place))
    call = Call("opened", cbor.encode([b"digest", b"alias"])).encode()
    with suppress(OSError):
        line.sendall(len(call).to_bytes(4, "big") + call)
    with suppress(ConnectionError):
        assert line.recv(1) == b""
    assert lender.opened == []
    line.close()


def test_to_another_user_in_the_lenders_place_nothing_is_said(tmp_path: Path, strange: None) -> None:
    listens, heard = socket.socket(socket.AF_UNIX), list[bytes]()
    listens.bind(str(tmp_path / "lent"))
    listens.listen()

    def hear() -> None:
        line, _ = listens.accept()
        heard.append(line.recv(100))
        line.close()

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    with pytest.raises(NotHere):
        Line(tmp_path / "lent").ask("opened", cbor.encode([b"digest", b"alias"]))
    thread.join(60)
    assert heard == [b""]
    listens.close()


def test_marks_are_seen_by_who_looks_after_they_were_raised(tmp_path: Path) -> None:
    raises = Marks(tmp_path / "marks", raises=True)
    looks = Marks(tmp_path / "marks")
    names = [(b"token %d" % each, b"patient %d" % each) for each in range(50)]
    before = {name: looks.of(*name) for name in names}
    assert all(looks.of(*name) == before[name] for name in names)
    raises.raise_for(*names[0])
    assert looks.of(*names[0]) != before[names[0]]
    raises.raise_for(names[1][0])
    assert looks.of(*names[1]) != before[names[1]]
    assert sum(looks.of(*name) != before[name] for name in names) <= 6  # but for a collision or two
    again = Marks(tmp_path / "marks", raises=True)
    assert all(looks.of(*name) != before[name] for name in names)
    for each in (again, raises, looks):
        each.close()
    with pytest.raises(OSError, match="No such file"):
        Marks(tmp_path / "other")
