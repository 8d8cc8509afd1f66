"""What is deposited and taken back together: one root, all of it or nothing, whoever dies and whoever comes between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.domain.errors import CareLedgerError, RecordNotFound, VersionConflict, WritingRefused
from careledger.domain.records import Ground
from careledger.workflows.actors import Holder
from careledger.workflows.batches import Writer
from careledger.workflows.chart import copies
from careledger.workflows.custodian import anchored
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.deposit import PLAN, deposit, resume
from careledger.workflows.deposited import copies_of
from careledger.workflows.grounds import writer
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.register import KEPT_PHRASE
from careledger.workflows.retract import PLANNED, RETRACTED, UNTOLD, is_retracted, repeat_retractions
from careledger.workflows.revoke import revoke
from careledger.workflows.together import Together
from crashing import Trial, crash_everywhere, die
from world import DIAGNOSIS, World, condition, texts

ONE = (DIAGNOSIS,)


def begun(
    made: Together,
    world: World,
    of: dict[Holder, NewVersion],
    back: tuple[Holder, list[bytes]] | None = None,
    by: Writer | None = None,
) -> Together:
    """One version of each of these patients, and what is taken back of one."""
    writer = by or world.writer()
    for holder, version in of.items():
        made.add(writer, world.statement(holder.alias), [version])
    if back is not None:
        holder, handles = back
        made.take_back(writer, world.statement(holder.alias), handles)
    return made


def test_what_is_written_of_two_patients_together_stands_under_one_root(world: World) -> None:
    patients = world.patient(compartments=ONE), world.patient(compartments=ONE)
    said = ("asthma", "gout")
    both = {each: condition(world.doctor, words) for each, words in zip(patients, said, strict=True)}
    made = begun(Together(world.network, world.writer()), world, both)
    assert [texts(world.read_as_registrar(each)) for each in patients] == [[], []]
    before = world.ledger.fresh_head().head.number
    root = made.commit()
    assert world.ledger.fresh_head().head.number == before + 1
    read = [world.read_as_registrar(each) for each in patients]
    assert [texts(each) for each in read] == [["asthma"], ["gout"]]
    assert {record.found.row.root for each in read for record in each.records} == {root}
    facts = world.ledger.fresh_head().anchor(root)
    assert facts is not None
    assert facts.count == 2


def test_what_crashed_anywhere_is_all_there_or_not_at_all(world: World) -> None:
    """Two patients' records and a retraction: before the repetition both or neither of them counts, for everybody."""
    seen = {"all": 0, "nothing": 0}

    def attempt(trial: Trial) -> Callable[[], None]:
        one, other = (world.patient(compartments=ONE) for _ in range(2))
        [gone] = world.put(world.writer(), one.alias, condition(world.doctor, "wrong")).handles.values()
        new = {one: condition(world.doctor, "asthma"), other: condition(world.doctor, "gout")}
        crashing = trial.writer(world.writer())
        die(
            trial,
            lambda: begun(Together(trial.network, crashing), world, new, (one, [gone]), crashing).commit(),
        )

        def finish() -> None:
            finished(world)
            read = [texts(world.read_as_registrar(each)) for each in (one, other)]
            done = is_retracted(world.hospital.books, gone)
            assert read == ([["asthma"], ["gout"]] if done else [["wrong"], []])
            seen["all" if done else "nothing"] += 1
            if not done:
                begun(Together(world.network, world.writer()), world, new, (one, [gone])).commit()
                assert [texts(world.read_as_registrar(each)) for each in (one, other)] == [
                    ["asthma"],
                    ["gout"],
                ]
            assert len(copies(world.hospital, one.alias)) == 2
            assert len(copies(world.hospital, other.alias)) == 1

        return finish

    effects = crash_everywhere(world, attempt)
    assert effects >= 20
    assert seen["all"] >= 10
    assert seen["nothing"] >= 10


def finished(world: World) -> None:
    """As the gateway does when it starts."""
    resume(world.network, world.writer())
    assert repeat_retractions(world.network, world.hospital) == 0
    for kind in (PLAN, PLANNED, UNTOLD):
        assert list(world.hospital.books.rows(kind)) == []


def test_what_is_refused_for_one_patient_is_written_of_nobody(world: World) -> None:
    mine, theirs = world.patient(compartments=ONE), world.claimed(compartments=ONE)
    made = Together(world.network, world.writer())
    made.add(world.writer(), world.statement(mine.alias), [condition(world.doctor)])
    with pytest.raises(WritingRefused):
        made.add(world.writer(), world.statement(theirs.alias), [condition(world.doctor)])
    assert texts(world.read_as_registrar(mine)) == []
    assert copies(world.hospital, mine.alias) == []


def test_what_was_written_meanwhile_is_not_written_again(world: World) -> None:
    holder, made = world.patient(compartments=ONE), condition(world.doctor)
    other = world.patient(compartments=ONE)
    both = begun(
        Together(world.network, world.writer()), world, {holder: made, other: condition(world.doctor, "gout")}
    )
    deposit(world.network, world.writer(), world.statement(holder.alias), [made])
    with pytest.raises(VersionConflict):
        both.commit()
    assert texts(world.read_as_registrar(holder)) == ["asthma"]
    assert texts(world.read_as_registrar(other)) == []


def test_what_does_not_hold_once_it_stands_is_taken_back_and_nothing_else_is(world: World) -> None:
    holder = world.patient(compartments=ONE)
    [kept] = world.put(world.writer(), holder.alias, condition(world.doctor, "kept")).handles.values()
    made = begun(
        Together(world.network, world.writer()), world, {holder: condition(world.doctor)}, (holder, [kept])
    )
    with pytest.raises(VersionConflict):
        made.commit(lambda: False)
    finished(world)
    assert texts(world.read_as_registrar(holder)) == ["kept"]
    assert not is_retracted(world.hospital.books, kept)


def test_what_is_only_taken_back_needs_no_anchor(world: World) -> None:
    holders = [world.patient(compartments=ONE) for _ in range(2)]
    made = Together(world.network, world.writer())
    for each in holders:
        handles = world.put(world.writer(), each.alias, condition(world.doctor)).handles.values()
        made.take_back(world.writer(), world.statement(each.alias), list(handles))
    before = world.ledger.fresh_head().head.number
    assert made.commit() == bytes(32)
    assert world.ledger.fresh_head().head.number == before
    assert [texts(world.read_as_registrar(each)) for each in holders] == [[], []]
    finished(world)


def test_what_was_taken_back_meanwhile_is_not_taken_back_again(world: World) -> None:
    holder, other = world.patient(compartments=ONE), world.patient(compartments=ONE)
    [gone] = world.put(world.writer(), holder.alias, condition(world.doctor)).handles.values()
    new = {other: condition(world.doctor, "gout")}
    first, second = (
        begun(Together(world.network, world.writer()), world, new, (holder, [gone])) for _ in range(2)
    )
    first.commit()
    with pytest.raises(CareLedgerError):
        second.commit()
    assert texts(world.read_as_registrar(other)) == ["gout"]
    assert len([key for key, _ in world.hospital.books.rows(RETRACTED) if key == gone]) == 1


def test_a_portion_that_was_there_before_is_known_beside_one_that_is_new(world: World) -> None:
    holder, other = world.patient(compartments=ONE), world.patient(compartments=ONE)
    was, new = condition(world.doctor), condition(world.doctor, "gout")
    first = world.put(world.writer(), holder.alias, was)
    made = Together(world.network, world.writer())
    said = ((holder, was), (other, new))
    portions = [made.add(world.writer(), world.statement(h.alias), [v]) for h, v in said]
    root = made.commit()
    became = [each.deposited(world.network, root) for each in portions]
    assert (became[0].handles, became[0].known) == ({}, first.handles)
    assert list(became[1].handles) == [new.record_id]


def test_portions_of_one_patient_keep_their_order(world: World) -> None:
    holder = world.patient(compartments=ONE)
    made = Together(world.network, world.writer())
    said = [f"illness {each}" for each in range(5)]
    for words in said:
        made.add(world.writer(), world.statement(holder.alias), [condition(world.doctor, words)])
    made.commit()
    assert sorted(texts(world.read_as_registrar(holder))) == said
    assert len({each.made for each in copies_of(world.hospital.books, holder.alias)}) == 5


@pytest.mark.parametrize("how", ["revoked", "expired", "claimed"])
def test_what_readers_would_no_longer_trust_once_it_stands_is_not_written(world: World, how: str) -> None:
    """By whose leave it was stored ended before the anchor, at which readers decide: nothing of it is written."""
    other, theirs = world.patient(compartments=ONE), world.patient(compartments=ONE)
    by = world.writer()
    if how != "claimed":
        theirs = world.claim(theirs).holder
        granted = world.grant(theirs, world.doctor, permissions=(Permission.APPEND,), seconds=3600)
        by = world.writer(ground=Ground.APPEND, granted=granted)
    made = Together(world.network, world.writer())
    made.add(world.writer(), world.statement(other.alias), [condition(world.doctor, "gout")])
    made.add(by, world.statement(theirs.alias), [condition(world.doctor)])
    if how == "revoked":
        revoke(world.network, theirs, granted.owner)
    elif how == "expired":
        world.clock.advance(3600)
    else:
        theirs = world.claim(theirs).holder
    with pytest.raises(VersionConflict):
        made.commit()
    finished(world)
    assert texts(world.read_as_registrar(other)) == []
    assert world.read_own(theirs).records == ()
    assert copies(world.hospital, other.alias) == copies(world.hospital, theirs.alias) == []


def test_custodians_are_told_once_of_however_many_patients(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, call = Counter[str](), Custodian.call

    def counted(custodian: Custodian, method: str, body: bytes) -> bytes:
        said[method] += 1
        return call(custodian, method, body)

    patients = [world.patient(compartments=ONE) for _ in range(4)]
    made = begun(
        Together(world.network, world.writer()), world, {each: condition(world.doctor) for each in patients}
    )
    monkeypatch.setattr(Custodian, "call", counted)
    made.commit()
    assert said["anchored"] == 5
    assert [texts(world.read_as_registrar(each)) for each in patients] == [["asthma"]] * 4


def test_who_refuses_what_is_said_of_one_patient_is_told_of_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = [world.patient(compartments=ONE) for _ in range(3)]
    made = Together(world.network, world.writer())
    portions = [
        made.add(world.writer(), world.statement(each.alias), [condition(world.doctor)]) for each in patients
    ]
    refused, place = portions[1].batches[0].id, anchored._place

    def refusing(custody: Any, anchors: Any, notice: Any) -> int:
        if notice.deposit == refused:
            raise RecordNotFound(what="deposit")
        return place(custody, anchors, notice)

    monkeypatch.setattr(anchored, "_place", refusing)
    made.commit()
    finished(world)
    assert [texts(world.read_as_registrar(each)) for each in patients] == [["asthma"], [], ["asthma"]]


def test_who_writes_is_found_without_the_keys_of_everybody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, books = world.patient(compartments=ONE), type(world.hospital.books)
    rows = books.rows

    def without_keys(self: Any, kind: str, *given: Any) -> Any:
        assert kind != KEPT_PHRASE
        return rows(self, kind, *given)

    monkeypatch.setattr(books, "rows", without_keys)
    by = writer(world.network, world.session(), world.statement(holder.alias))
    assert by.ground is Ground.REGISTRAR
