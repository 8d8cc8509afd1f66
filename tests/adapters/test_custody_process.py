"""A custodian in its own process: same answers, same refusals, nothing acknowledged lost to kill -9."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from careledger.adapters.custody.ledger_link import LedgerLink, pack, serve_ledger, unpack
from careledger.adapters.custody.process import CustodianProcess, SocketLink, serve_custodian
from careledger.adapters.custody.sockets import error_of, refusal_of
from careledger.app.custodian_process import custodian_process
from careledger.domain.errors import (
    AccessRefused,
    DirectoryInUse,
    LedgerRefused,
    LedgerStale,
    MalformedBytes,
    ShareMismatch,
    StoreUnavailable,
)
from careledger.formats.custody import Refusal
from careledger.formats.digests import uint
from careledger.formats.releases import SignedOpening
from careledger.formats.signatures import SigningKey
from careledger.workflows.custodian.attest import fact_of
from custodian_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def process(world: World, tmp_path: Path) -> Iterator[CustodianProcess]:
    """Custodian 1 in its own process, the ledger served from this one."""
    server = serve_ledger(tmp_path / "ledger.sock", world.ledger, world.clock)
    server.start()
    world.directories[1].close()
    made = custodian_process(tmp_path / "custodian-1", 1, tmp_path, tmp_path / "ledger.sock")
    made.start()
    world.custodians[0] = made.link
    yield made
    made.stop()
    server.close()


def test_a_custodian_in_its_own_process_keeps_and_releases(world: World, process: CustodianProcess) -> None:
    made = world.deposited(world.patient, count=2)
    _, certificate, _ = world.consent(world.patient)
    rows = world.ask(world.patient, world.session(), certificate).rows
    assert {row.handle: row.share for row in rows} == {
        handle: made.rows[at][0].share for at, handle in enumerate(made.handles)
    }
    with pytest.raises(AccessRefused, match="other-purpose"):
        world.ask(world.patient, world.session(), certificate, purpose="COVERAGE")
    assert world.custodians[0].call("checkpoint", b"")
    assert world.ledger.fresh_head().checkpoint(1) is not None
    assert process.pid != os.getpid()


def test_nothing_acknowledged_is_lost_to_a_kill(world: World, process: CustodianProcess) -> None:
    kept = []
    for _ in range(3):
        made = world.deposited(world.patient)
        kept.append(made)
        process.stop(kill=True)
        with pytest.raises(StoreUnavailable):
            process.link.call("keys", b"")
        process.start()
        world.keep(made, (1,))
    world.receipt(1, "order", world.order(world.patient, "erase", kept[0].handles))
    process.stop(kill=True)
    process.start()
    _, certificate, _ = world.consent(world.patient)
    rows = world.ask(world.patient, world.session(), certificate).rows
    assert {row.handle: row.share for row in rows} == {
        made.handles[0]: made.rows[0][0].share for made in kept[1:]
    }
    assert world.ledger.fresh_head().erased_by(kept[0].leaves[0]) == {1}


def test_a_second_process_on_the_same_directory_does_not_start(
    world: World, process: CustodianProcess, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    second = custodian_process(tmp_path / "custodian-1", 1, tmp_path / "other", tmp_path / "ledger.sock")
    (tmp_path / "other").mkdir()
    with pytest.raises(StoreUnavailable, match="did not start"):
        second.start()
    assert DirectoryInUse.__name__ in capfd.readouterr().err
    assert process.link.call("keys", b"")


def test_the_socket_is_the_owners_alone_and_frames_are_bounded(world: World, tmp_path: Path) -> None:
    path = tmp_path / "custodian.sock"
    server = serve_custodian(path, world.custodians[1])
    server.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link = SocketLink(2, path)
    assert link.call("keys", b"") == world.custodians[1].call("keys", b"")
    with pytest.raises(MalformedBytes):
        link.call("keep", b"nonsense")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(b"\xff\xff\xff\xff" + b"x" * 100)
        raw.settimeout(5)
        with pytest.raises(ConnectionResetError):
            raw.recv(1)
    assert link.call("keys", b"")
    server.close()
    link.close()
    with pytest.raises(StoreUnavailable):
        link.call("keys", b"")


def test_many_threads_call_one_custodian(world: World, tmp_path: Path) -> None:
    path = tmp_path / "custodian.sock"
    server = serve_custodian(path, world.custodians[0])
    server.start()
    made = [world.deposit(world.patient) for _ in range(8)]
    failures: list[BaseException] = []

    def keep(number: int) -> None:
        try:
            SocketLink(1, path).call("keep", made[number].request(1))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.close()
    assert failures == []
    assert len(world.directories[1].rows.versions(world.patient.alias)) == 8


def test_refusals_are_the_same_exceptions_on_the_other_side() -> None:
    refused = error_of(Refusal.decode(refusal_of(ShareMismatch(place=3)).encode()))
    assert isinstance(refused, ShareMismatch)
    assert str(refused) == str(ShareMismatch(place=3))
    assert isinstance(error_of(Refusal("SystemExit", ())), StoreUnavailable)
    assert isinstance(error_of(Refusal("PREFIX", ())), StoreUnavailable)
    assert error_of(Refusal("ShareMismatch", (("self", "x"),))).details == {"self": "x"}


def test_the_ledger_over_a_socket_says_what_the_ledger_says(world: World, tmp_path: Path) -> None:
    made = world.deposited(world.patient)
    server = serve_ledger(tmp_path / "ledger.sock", world.ledger, world.clock)
    server.start()
    connected = LedgerLink(tmp_path / "ledger.sock")
    link = connected.port()
    assert abs(connected.now() - world.clock.now()) <= 1
    here, there = world.ledger.fresh_head(), link.fresh_head()
    assert there.head == here.head
    assert there.party(51) == here.party(51)
    assert there.custodians() == here.custodians()
    assert there.alias(world.patient.alias) == here.alias(world.patient.alias)
    assert made.notice is not None
    assert there.anchor(made.notice.root) == here.anchor(made.notice.root)
    assert there.party(999) is None
    questions = {
        **dict.fromkeys(("head", "custodians", "matrix"), b""),
        **dict.fromkeys(("party", "custodian", "team", "checkpoint"), uint(1)),
        **dict.fromkeys(("alias", "anchor", "anchored", "erased", "break-glass"), made.notice.root),
        **{"in-team": uint(51) + uint(1), "filed-under": bytes(20), "consent": bytes(52)},
    }
    for question, subject in questions.items():  # what a custodian in a process of its own attests
        assert fact_of(there, question, subject) == fact_of(here, question, subject)
    assert link.deployment == world.ledger.deployment
    world.ledger.stale = True
    with pytest.raises(LedgerStale):
        link.fresh_head()
    assert link.last_head().head == here.head
    assert link.last_head().may_break_glass(51, 2**40)
    world.ledger.stale = False
    with pytest.raises(LedgerRefused, match="status"):
        link.enter_break_glass(SignedOpening.example(), SigningKey.random())
    with pytest.raises(LedgerRefused, match="signature"):
        link.anchor_checkpoint(1, 5, b"\1" * 32, b"\1" * 32, b"\1" * 32, SigningKey.random())
    with pytest.raises(AttributeError):
        there.enact  # type: ignore[attr-defined]
    with pytest.raises(MalformedBytes):
        pack(object())
    with pytest.raises(MalformedBytes):
        unpack(["Secret", 1])
    server.close()
