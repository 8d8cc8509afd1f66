"""Custodians that die, repeat, wait or lie: what was acknowledged stays, what is false is recognised."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from careledger.adapters.custody.hostile import (
    DelayingLink,
    DyingLink,
    ForkedLogLink,
    LyingLink,
    RepeatingLink,
    StaleLink,
)
from careledger.domain.custodians import Thresholds
from careledger.domain.errors import CannotOpen, LogForked, RequestRefused, ShareMismatch, StoreUnavailable
from careledger.formats.custody import AliasAnswer, AliasQuestion
from careledger.formats.deposits import AnchorNotices, DepositStatement
from careledger.formats.patients import EpochRecord, EpochRecords
from careledger.formats.signatures import SigningKey
from careledger.ports import CustodianLink
from careledger.proofs.anchors import LeafOpening, check_share
from careledger.workflows.cosigning import cosign
from careledger.workflows.network import Network
from custodian_world import DIAGNOSIS, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _through(world: World, link: CustodianLink, place: int = 1) -> None:
    world.custodians[place - 1] = link


MESSAGES = ("keep-epoch", "keep", "anchored", "order", "checkpoint")


def dying(link: CustodianLink, moment: str, methods: tuple[str, ...]) -> DyingLink:
    """A link that dies before these methods or after them."""
    before, after = (methods, ()) if moment == "before" else ((), methods)
    return DyingLink(link, before, after)


def _bodies(world: World) -> dict[str, bytes]:
    """One message for each act that changes something, in the order in which they can be sent."""
    _, record = world.next_epoch(world.patient, DIAGNOSIS)
    made = world.deposit(world.patient)
    notice = world.anchor(made, ())
    return {
        "keep-epoch": EpochRecords((EpochRecord.decode(record),)).encode(),
        "keep": made.request(1),
        "anchored": AnchorNotices((notice,)).encode(),
        "order": world.order(world.patient, "erase", made.handles),
        "checkpoint": b"",
    }


@pytest.mark.parametrize("moment", ["before", "after"])
def test_each_act_may_fail_before_or_after_it_was_done_and_be_repeated(world: World, moment: str) -> None:
    bodies = _bodies(world)
    link = dying(world.custodians[0], moment, MESSAGES)
    for method in MESSAGES:
        with pytest.raises(StoreUnavailable):
            link.call(method, bodies[method])
        again = dying(world.restart(1), moment, ())
        assert again.call(method, bodies[method])
        link = dying(world.custodians[0], moment, MESSAGES[MESSAGES.index(method) + 1 :])
    journal = world.directories[1].journal
    line = journal.last_line(world.patient.alias, 0)
    assert line is not None
    assert line.index == 2  # enrolled, kept, order: each once
    assert world.directories[1].rows.shares(world.patient.alias) == {}


def test_repeating_every_message_changes_nothing(world: World) -> None:
    _through(world, RepeatingLink(world.custodians[0]))
    bodies = _bodies(world)
    for method in MESSAGES:
        world.custodians[0].call(method, bodies[method])
    line = world.directories[1].journal.last_line(world.patient.alias, 0)
    assert line is not None
    assert line.index == 2


def test_a_delayed_request_is_refused(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    honest = world.custodians[0]
    _through(world, DelayingLink(honest, lambda: world.clock.advance(60)))
    assert world.ask(world.patient, world.session(), certificate).rows
    _through(world, DelayingLink(honest, lambda: world.clock.advance(61)))
    with pytest.raises(RequestRefused, match="not-after"):
        world.ask(world.patient, world.session(), certificate)


def test_a_wrong_share_does_not_match_its_commitment(world: World) -> None:
    made = world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    for lie in ({"wrong_share": True}, {"wrong_commitment": True}):
        row = world.ask_liar(world.patient, world.session(), certificate, lie).rows[0]
        assert row.share is not None
        with pytest.raises(ShareMismatch):
            check_share(made.items[0].commitments, 5, row.place, row.share, row.path)
    row = world.ask(world.patient, world.session(), certificate).rows[0]
    assert row.share is not None
    check_share(made.items[0].commitments, 5, row.place, row.share, row.path)


def test_another_alias_rows_do_not_belong_to_the_deposit_statements_alias(world: World) -> None:
    other = world.new_patient()
    made = world.deposited(other)
    _, certificate, _ = world.consent(world.patient)
    answer = world.ask_liar(world.patient, world.session(), certificate, {"rows_of": other.alias})
    row, proof = answer.rows[0], answer.deposits[0]
    assert row.handle == made.handles[0]
    statement = DepositStatement.decode(proof.statement.body)
    assert statement.alias == other.alias != world.patient.alias
    opening = LeafOpening(row.handle, row.header, row.manifest, row.body, row.commitments)
    assert opening.leaf == made.leaves[0]


def test_a_spoiled_answer_does_not_open(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    _through(world, LyingLink(world.custodians[0], {"release": lambda sealed: sealed[:-1] + b"\0"}))
    with pytest.raises(CannotOpen):
        world.ask(world.patient, world.session(), certificate)


def test_a_stale_answer_about_epochs_is_outnumbered(world: World) -> None:
    question = AliasQuestion(world.patient.alias, DIAGNOSIS, (DIAGNOSIS,)).encode()
    stale = StaleLink(world.custodians[0])
    stale.call("alias", question)
    world.begin_epoch(world.patient, DIAGNOSIS)
    answers = [AliasAnswer.decode(link.call("alias", question)) for link in (stale, *world.custodians[1:4])]
    assert [len(answer.epochs) for answer in answers] == [1, 2, 2, 2]
    assert [answer.newest[0].kept for answer in answers] == [1, 2, 2, 2]


def test_two_logs_under_one_key_are_not_both_cosigned(world: World) -> None:
    links = {each.party: each for each in world.custodians}
    network = Network(world.ledger, None, links, None, world.clock, SigningKey.random(), Thresholds())  # type: ignore[arg-type]
    first, witness = world.custodians[:2]
    first.call("checkpoint", b"")
    cosign(network, first, witness)
    forked = ForkedLogLink(first, world.keys(1).log, [secrets.token_bytes(64) for _ in range(5)])
    with pytest.raises(LogForked):
        cosign(network, forked, witness)
    assert len(world.evidence(2)) == 1
