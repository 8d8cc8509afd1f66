"""What a retrieval gives: everything that verifies, in the order of its anchors, and what did not open by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from careledger.adapters.custody.hostile import LyingLink, LyingRows
from careledger.domain.categories import Compartment
from careledger.domain.errors import AccessRefused, BlockNotFound, NotEnoughCustodians, StoreUnavailable
from careledger.workflows.accesses import by_general, by_registrar
from careledger.workflows.actors import Holder
from careledger.workflows.audit import audit
from careledger.workflows.epochs import own_statement
from careledger.workflows.retrieve import Retrieved, retrieve
from world import DIAGNOSIS, GENERAL, PRESCRIPTION, REPORT, World, condition, texts, version

TWO = (DIAGNOSIS, PRESCRIPTION)
MEDICATION = {"resourceType": "MedicationRequest", "code": {"text": "aspirin"}}


def read(
    world: World,
    holder: Holder,
    compartments: Sequence[Compartment] = (),
    handles: Sequence[bytes] | None = None,
    as_of: int = 0,
) -> Retrieved:
    """What the registrar's doctor reads, with the keys of both compartments."""
    statement = own_statement(holder)[0]
    access = by_registrar(world.network, world.session(), holder, statement, TWO)
    return retrieve(world.network, access, statement, compartments, handles, as_of)


@pytest.fixture
def holder(world: World) -> Holder:
    """An unclaimed patient with two diagnoses and a prescription, each in a deposit of its own."""
    made = world.patient(compartments=TWO)
    world.put(world.writer(), made.alias, condition(world.doctor))
    world.put(world.writer(), made.alias, version(MEDICATION, PRESCRIPTION, world.doctor))
    world.put(world.writer(), made.alias, condition(world.doctor, "gout"))
    return made


def test_records_come_in_the_order_of_their_anchors_and_by_category(world: World, holder: Holder) -> None:
    found = read(world, holder, TWO)
    assert texts(found) == ["asthma", "aspirin", "gout"]
    assert (found.complete, found.problems, found.evidence, found.waiting) == (True, (), (), 0)
    assert texts(read(world, holder, (DIAGNOSIS,))) == ["asthma", "gout"]
    assert texts(read(world, holder, (PRESCRIPTION,))) == ["aspirin"]
    with pytest.raises(AccessRefused):
        world.read_as_registrar(holder, (REPORT,), world.outsider)


def test_single_handles_give_those_versions_and_unknown_ones_nothing(world: World, holder: Holder) -> None:
    first, _, third = read(world, holder, TWO).records
    assert texts(read(world, holder, handles=[first.handle, third.handle])) == ["asthma", "gout"]
    assert texts(read(world, holder, handles=[third.handle, first.handle])) == ["asthma", "gout"]
    assert texts(read(world, holder, handles=[third.handle, bytes(32)])) == ["gout"]


def test_as_of_a_block_gives_what_was_anchored_until_then(world: World, holder: Holder) -> None:
    blocks = [each.found.anchor.block for each in read(world, holder, TWO).records]
    assert blocks == sorted(set(blocks))
    for count, block in enumerate(blocks, start=1):
        assert len(read(world, holder, TWO, as_of=block).records) == count
        assert len(read(world, holder, TWO, as_of=block - 1).records) == count - 1


def test_fewer_answers_may_be_incomplete_and_fewer_than_t_are_none(world: World, holder: Holder) -> None:
    listed = own_statement(holder)[0].custodians
    statement = own_statement(holder)[0]
    access = by_registrar(world.network, world.session(), holder, statement, TWO)
    for gone, complete in ((4, True), (3, False)):
        world.links.pop(listed[gone])
        found = read(world, holder, TWO)
        assert (texts(found), found.complete) == (["asthma", "aspirin", "gout"], complete)
    assert found.asked.unreached == (listed[3], listed[4])
    world.links.pop(listed[2])
    assert len(read(world, holder, TWO).records) == 3
    world.links.pop(listed[1])
    with pytest.raises(NotEnoughCustodians):
        retrieve(world.network, access, statement, TWO)


# Whom a reader asks -------------------------------------------------------------------------------


def named(found: Retrieved) -> set[int]:
    """The custodians that answered."""
    return {answer.custodian for answer, _ in found.asked.answers}


def releases(world: World, holder: Holder) -> list[tuple[str, int]]:
    """What the patient's audit shows of each request: its outcome, and how many custodians logged it."""
    found = audit(world.network, holder)
    assert found.complete
    return [(each.outcome, len(each.custodians)) for each in found.accesses]


def test_a_named_record_is_asked_of_t_custodians_and_a_category_of_all(world: World, holder: Holder) -> None:
    listed = set(own_statement(holder)[0].custodians)
    whole = read(world, holder, TWO)
    assert named(whole) == listed
    pairs = set()
    for _ in range(12):
        one = read(world, holder, handles=[whole.records[0].handle])
        assert (texts(one), one.complete, one.problems) == (["asthma"], True, ())
        pairs.add(frozenset(named(one)))
    assert {len(each) for each in pairs} == {2}
    assert len(pairs) > 1
    assert releases(world, holder) == [("released", 5), *[("released", 2)] * 12]


@pytest.mark.parametrize("fault", ["wrong-share", "away", "dies", "refuses", "nonsense"])
def test_where_one_of_the_few_fails_the_others_are_asked_and_the_record_opens(
    world: World, holder: Holder, fault: str
) -> None:
    first, handle = own_statement(holder)[0].custodians[0], read(world, holder, TWO).records[0].handle
    spoil(world, first, fault)
    for _ in range(8):
        found = read(world, holder, handles=[handle])
        assert (texts(found), found.complete) == (["asthma"], True)
        if len(named(found)) > 2:
            break
    asked_first = fault != "away"  # whom nobody can reach is asked for nothing first
    assert (len(named(found)) > 2) == asked_first
    assert [each.handle for each in found.evidence] == ([handle] if fault == "wrong-share" else [])


def spoil(world: World, number: int, fault: str) -> None:
    """From now on that custodian fails at releasing."""

    def fail(error: Exception) -> bytes:
        raise error

    lies = {
        "dies": lambda _: fail(StoreUnavailable()),
        "refuses": lambda _: fail(AccessRefused(reason="no-consent")),
        "nonsense": lambda _: b"nonsense",
    }
    if fault == "away":
        del world.links[number]
    elif fault == "wrong-share":
        custody = world.links[number]._custody
        custody.rows = LyingRows(custody.rows, wrong_share=True)
    else:
        world.links[number] = LyingLink(world.links[number], {"release": lies[fault]})


def test_a_record_that_others_than_the_first_hold_is_found_there(world: World) -> None:
    made = world.patient(compartments=TWO)
    listed = own_statement(made)[0].custodians
    away = world.links.pop(listed[0])
    world.put(world.writer(), made.alias, condition(world.doctor))
    world.links[listed[0]] = away
    [record] = read(world, made, TWO).records
    found = [read(world, made, handles=[record.handle]) for _ in range(12)]
    assert {tuple(texts(each)) for each in found} == {("asthma",)}
    assert {len(named(each)) for each in found} == {2, 4}


def test_a_refused_reader_is_refused_by_all_and_told_so(world: World, holder: Holder) -> None:
    handle = read(world, holder, TWO).records[0].handle
    statement = own_statement(holder)[0]
    access = by_registrar(world.network, world.session(world.outsider), holder, statement, TWO)
    with pytest.raises(AccessRefused):
        retrieve(world.network, access, statement, handles=[handle])
    assert sorted(releases(world, holder)[1:]) == [("refused", 2), ("refused", 3)]


def test_what_comes_from_escrow_is_asked_of_all(world: World) -> None:
    made = world.patient(compartments=(GENERAL,))
    world.put(world.writer(), made.alias, version({"resourceType": "Patient"}, GENERAL, world.doctor))
    [record] = world.read_as_registrar(made, (GENERAL,)).records
    access = by_general(world.session(world.outsider))
    found = retrieve(world.network, access, own_statement(made)[0], handles=[record.handle])
    assert len(found.records) == 1
    assert len(named(found)) == 5


def test_what_the_store_lost_or_damaged_is_named_and_the_others_open(world: World, holder: Holder) -> None:
    first, second, third = read(world, holder, TWO).records
    blocks = world.blocks.blocks
    blocks.pop(first.found.row.body[4:])
    blocks[second.found.row.manifest[4:]] = blocks[third.found.row.manifest[4:]]
    found = read(world, holder, TWO)
    assert texts(found) == ["gout"]
    assert [type(each).__name__ for each in found.problems] == ["BlockNotFound", "BlockMismatch"]
    assert isinstance(found.problems[0], BlockNotFound)
    assert found.complete


def test_a_block_of_another_version_is_not_taken_for_this_one(world: World, holder: Holder) -> None:
    first, _, third = read(world, holder, TWO).records
    statement = own_statement(holder)[0]
    access = by_registrar(world.network, world.session(), holder, statement, TWO)
    swapped = replace(access, secrets=((first.handle, third.secret),))
    found = retrieve(world.network, swapped, statement, TWO)
    assert texts(found) == ["aspirin", "gout"]
    assert [type(each).__name__ for each in found.problems] == ["CannotOpen"]


def test_nothing_of_a_record_is_printed(world: World, holder: Holder) -> None:
    found = read(world, holder, TWO)
    statement = own_statement(holder)[0]
    access = by_registrar(world.network, world.session(), holder, statement, TWO)
    for shown in (repr(found), repr(found.records[0]), repr(found.records[0].found), repr(access)):
        assert "asthma" not in shown
        assert found.records[0].secret.reveal().hex() not in shown
        assert repr(found.records[0].secret.reveal()) not in shown
