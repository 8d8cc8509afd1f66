"""An audit notices what is missing: an entry left out, a request that only some were asked, a log that is away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.adapters.custody.hostile import LyingLink
from careledger.formats.custody import AuditAnswer
from careledger.formats.signed import Signed, sign
from careledger.workflows.actors import Holder
from careledger.workflows.audit import audit, readers
from careledger.workflows.epochs import own_statement
from world import DIAGNOSIS, World, condition


@pytest.fixture
def holder(world: World) -> Holder:
    """An unclaimed patient whose record the hospital's doctor read twice."""
    made = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), made.alias, condition(world.doctor))
    world.read_as_registrar(made)
    world.read_as_registrar(made)
    return made


def test_nothing_is_missing_where_all_are_honest(world: World, holder: Holder) -> None:
    found = audit(world.network, holder)
    assert (found.complete, found.problems) == (True, ())
    assert readers(found) == {world.doctor.number: 2}
    assert len({each.request for each in found.accesses}) == 2


@pytest.mark.parametrize("left", ["first", "last", "all"])
def test_a_custodian_that_leaves_entries_out_is_named_and_the_others_tell_them(
    world: World, holder: Holder, left: str
) -> None:
    liar = own_statement(holder)[0].custodians[0]
    key = world.custody_keys(liar).signing
    kept = {"first": slice(1, None), "last": slice(None, -1), "all": slice(0)}[left]

    def lie(answer: bytes) -> bytes:
        honest = AuditAnswer.decode(Signed.decode(answer).body)
        cut = replace(honest, entries=honest.entries[kept])
        if left == "all":
            cut = replace(cut, held=False, proof=None)
        return sign(cut, key, world.ledger.deployment).encode()

    world.links[liar] = LyingLink(world.links[liar], {"audit": lie})
    found = audit(world.network, holder)
    assert not found.complete
    assert {number for number, _ in found.problems} == {liar}
    assert readers(found) == {world.doctor.number: 2}


def test_a_request_that_was_withheld_from_a_named_custodian_is_noticed(world: World, holder: Holder) -> None:
    number = own_statement(holder)[0].custodians[1]
    away = world.links.pop(number)
    world.read_as_registrar(holder)
    while_away = audit(world.network, holder)
    assert {each for each, _ in while_away.problems} == {number}
    world.links[number] = away
    found = audit(world.network, holder)
    assert [each for each, _ in found.problems] == [number]
    assert "does not have request" in found.problems[0][1]
    assert readers(found) == {world.doctor.number: 3}


def test_another_custodians_answer_is_not_taken_for_its_own(world: World, holder: Holder) -> None:
    first, other = own_statement(holder)[0].custodians[:2]

    class Borrowing:
        party = first

        def call(self, method: str, body: bytes) -> bytes:
            return bytes(world.links[other].call(method, body))

    world.links[first] = Borrowing()
    found = audit(world.network, holder)
    assert {number for number, _ in found.problems} == {first}
