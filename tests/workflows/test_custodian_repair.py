"""Repair: a lost place's shares are remade by helpers; a lie is recognised; who was replaced keeps nothing."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from careledger.domain.custodians import Thresholds
from careledger.domain.custody import KeptStatement
from careledger.domain.errors import RequestRefused, ShareMismatch, SignatureRefused
from careledger.formats.custody import RepairAnswer, RepairOrder, RepairRequest, RepairTerm
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.sealing.keys import unwrap, wrap
from careledger.workflows.actors import Holder
from careledger.workflows.network import Network
from careledger.workflows.repair import repair, retire
from custodian_world import DIAGNOSIS, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _network(world: World) -> Network:
    links = {each.party: each for each in world.custodians}
    return Network(world.ledger, None, links, None, world.clock, SigningKey.random(), Thresholds())  # type: ignore[arg-type]


def _holder(world: World) -> Holder:
    return cast(Holder, SimpleNamespace(alias=world.patient.alias, controller=world.patient.controller))


def _statement(world: World) -> AliasStatement:
    assert world.patient.statement is not None
    return world.patient.statement


def _replace_third(world: World) -> None:
    """The patient's list names custodian 6 at place 3."""
    world.add_custodian(6)
    world.state(world.patient, custodians=(1, 2, 6, 4, 5))


@pytest.mark.parametrize("helpers", [(1, 2), (1, 4, 5)])
def test_a_successor_gets_the_shares_of_its_place_from_helpers(
    world: World, helpers: tuple[int, ...]
) -> None:
    made = world.deposited(world.patient, count=3)
    world.receipt(1, "order", world.order(world.patient, "move", made.handles[:1]))
    _replace_third(world)
    receipt = repair(_network(world), _holder(world), _statement(world), 3, helpers)
    assert receipt.count == 2
    _, certificate, _ = world.consent(world.patient)
    session = world.session()
    answer = world.ask(world.patient, session, certificate, place=6)
    assert {row.handle: (row.place, row.share) for row in answer.rows} == {
        made.handles[at]: (3, made.rows[at][2].share) for at in (1, 2)
    }
    held = world.directories[6].rows.shares(world.patient.alias)
    escrow = made.escrow[2].share if made.escrow else None
    assert held.get(made.statement.digest()) == (escrow if len(helpers) >= 3 else None)


def test_who_was_replaced_destroys_its_shares_and_says_so(world: World) -> None:
    made = world.deposited(world.patient)
    network, holder = _network(world), _holder(world)
    with pytest.raises(RequestRefused, match="still-on-the-list"):
        retire(network, holder, 3)
    _replace_third(world)
    repair(_network(world), holder, _statement(world), 3, (1, 2, 4))
    assert world.directories[3].rows.shares(world.patient.alias)
    receipt = retire(network, holder, 3)
    assert receipt.what == "order"
    assert world.directories[3].rows.shares(world.patient.alias) == {}
    files = b"".join(p.read_bytes() for p in (world.folder / "custodian-3").rglob("*") if p.is_file())
    assert made.rows[0][2].share not in files


def test_a_custodian_that_lost_its_shares_is_repaired_in_place(world: World) -> None:
    made = world.deposited(world.patient, count=2)
    for path in (world.folder / "custodian-3" / "shred").iterdir():
        path.unlink()
    again = world.restart(3)
    assert again.lost_shares == 1
    receipt = repair(_network(world), _holder(world), _statement(world), 3, (2, 4, 5))
    assert receipt.count == 2
    held = world.directories[3].rows.shares(world.patient.alias)
    assert {handle: held[handle] for handle in made.handles} == {
        made.handles[at]: made.rows[at][2].share for at in (0, 1)
    }


def test_a_successor_believes_only_epochs_that_the_controller_answers_for(world: World) -> None:
    world.deposited(world.patient)
    world.begin_epoch(world.patient, DIAGNOSIS)
    honest = world.patient.controller
    world.patient.controller = SigningKey.random()
    forged, record = world.next_epoch(world.patient, DIAGNOSIS)
    world.patient.controller = honest
    journal = world.directories[1].journal
    lie = KeptStatement(forged.number, forged.digest(), record, world.clock.now())
    with journal.transaction():
        journal.put_epochs([(world.patient.alias, DIAGNOSIS, lie)])
    _replace_third(world)
    repair(_network(world), _holder(world), _statement(world), 3, (1, 2))
    taken = world.directories[6].journal.epochs(world.patient.alias, DIAGNOSIS)
    assert [each.number for each in taken] == [0, 1]


def _order(world: World, **changes: object) -> RepairOrder:
    made = RepairOrder(
        secrets.token_bytes(16), world.patient.alias, 3, 6, (1, 2), False, world.clock.now() + 600
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def _signed(
    world: World, order: RepairOrder, keys: tuple[bytes, ...], sealed: tuple[bytes, ...] = ()
) -> bytes:
    signed = sign(order, world.patient.controller, world.ledger.deployment)
    return RepairRequest(signed, keys, sealed).encode()


def test_a_wrong_term_is_recognised_and_kept_as_evidence(world: World) -> None:
    made = world.deposited(world.patient)
    _replace_third(world)
    order = _order(world)
    keys = tuple(world.keys(number).sealing.public for number in (1, 2))
    parts = [
        RepairAnswer.decode(world.custodians[at].call("repair-terms", _signed(world, order, keys))).sealed
        for at in (0, 1)
    ]
    lie = _lie(world, order, parts[0][1])
    sums = []
    for at in (0, 1):
        sealed = (lie if at == 1 else parts[0][0], parts[1][at])
        body = _signed(world, order, (world.keys(6).sealing.public,), sealed)
        sums.append(RepairAnswer.decode(world.custodians[at].call("repair-sums", body)).sealed[0])
    finish = _signed(world, order, (), tuple(sums))
    with pytest.raises(ShareMismatch):
        world.custodians[5].call("repair-finish", finish)
    assert world.evidence(6) == [("repair", finish)]
    assert made.handles[0] not in world.directories[6].rows.shares(world.patient.alias)


def _lie(world: World, order: RepairOrder, sealed: bytes) -> bytes:
    """Helper 1's part for helper 2, changed by helper 1."""
    context = ("repair-term", order.id, uint(1), uint(2))
    term = RepairTerm.decode(unwrap(world.keys(2).sealing, sealed, *context))
    wrong = replace(term, terms=tuple(b"\1" * 32 for _ in term.terms))
    return wrap(world.keys(2).sealing.public, wrong.encode(), *context)


def test_nobody_but_the_controller_orders_a_repair_and_only_for_the_list(world: World) -> None:
    world.deposited(world.patient)
    _replace_third(world)
    keys = tuple(world.keys(number).sealing.public for number in (1, 2))
    first = world.custodians[0]
    stranger = sign(_order(world), SigningKey.random(), world.ledger.deployment)
    with pytest.raises(SignatureRefused):
        first.call("repair-terms", RepairRequest(stranger, keys, ()).encode())
    for changes, why in (
        ({"successor": 3}, "another-successor"),
        ({"place": 1, "successor": 1}, "helpers"),
        ({"helpers": (4, 5)}, "not-a-helper"),
        ({"not_after": world.clock.now() - 1}, "not-after"),
    ):
        with pytest.raises(RequestRefused, match=why):
            first.call("repair-terms", _signed(world, _order(world, **changes), keys))
    assert first.call("repair-terms", _signed(world, _order(world), keys))
