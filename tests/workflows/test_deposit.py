"""A deposit: sealed, stored, given to custodians, anchored; in that order, once, and finished after a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.adapters.custody.hostile import DyingLink, LyingLink
from careledger.domain.errors import (
    CannotOpen,
    LedgerRefused,
    NotEnoughCustodians,
    RecordNotFound,
    StoreUnavailable,
    WritingRefused,
)
from careledger.domain.records import Ground
from careledger.formats.bodies import RecordBody
from careledger.formats.cids import RAW, codec_of
from careledger.formats.deposits import KeepRequest
from careledger.sealing.versions import CopyKey
from careledger.workflows import deposited
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.batches import Writer
from careledger.workflows.chart import copies, read_back
from careledger.workflows.deposit import MISSING, PLAN, SHARED, complete, deposit, resume
from careledger.workflows.deposited import COPIES, copies_of
from careledger.workflows.new_versions import NewVersion, ReadyBody
from world import APPEND, DIAGNOSIS, GENERAL, PRESCRIPTION, World, condition, texts, version

ALLERGY = {"resourceType": "AllergyIntolerance", "code": {"text": "latex"}}
MEDICATION = {"resourceType": "MedicationRequest", "code": {"text": "aspirin"}}


def waiting(organisation: Organisation, kind: str) -> int:
    return len(list(organisation.books.rows(kind)))


def listed(world: World, holder: Holder) -> tuple[int, ...]:
    return world.statement(holder.alias).custodians


def unplug(world: World, numbers: Iterable[int]) -> dict[int, Any]:
    """These custodians cannot be reached until ``world.links.update`` brings them back."""
    return {number: world.links.pop(number) for number in numbers}


class Failing:
    """A port that fails once at one call, before it did it or after."""

    def __init__(self, port: Any, method: str, after: bool) -> None:
        self._port, self._method, self._after = port, method, after
        self.failed = 0

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self._port, name)
        if name != self._method or self.failed:
            return honest

        def fail(*args: Any, **named: Any) -> Any:
            self.failed += 1
            if self._after:
                honest(*args, **named)
            raise StoreUnavailable(method=name)

        return fail


# What a deposit leaves ---------------------------------------------------------------------------


def test_the_same_content_is_deposited_once_and_other_content_again(world: World) -> None:
    holder, made = world.patient(), condition(world.doctor)
    first = world.put(world.writer(), holder.alias, made)
    again = world.put(world.writer(), holder.alias, made)
    assert again.handles == {}
    assert again.known == {made.record_id: first.handles[made.record_id]}
    assert world.ledger.fresh_head().anchor(again.root) is None
    other = world.put(world.writer(), holder.alias, made, condition(world.doctor, "gout"))
    assert len(other.handles) == len(other.known) == 1
    assert texts(world.read_as_registrar(holder)) == ["asthma", "gout"]


def test_the_same_version_twice_in_one_deposit_is_deposited_once(world: World) -> None:
    holder, made = world.patient(), condition(world.doctor)
    world.put(world.writer(), holder.alias, made, made)
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


def test_one_batch_for_each_compartment_and_source_and_one_root_for_all(world: World) -> None:
    holder = world.patient()
    made = world.put(
        world.writer(),
        holder.alias,
        condition(world.doctor),
        condition(world.doctor, "gout"),
        version(MEDICATION, PRESCRIPTION, world.doctor),
        version({"resourceType": "Condition", "code": {"text": "old"}}, source="imported"),
    )
    compartments = (DIAGNOSIS, PRESCRIPTION)
    read = world.read_as_registrar(holder, compartments)
    assert sorted(texts(read)) == ["aspirin", "asthma", "gout", "old"]
    headers = {each.manifest.record_id: each.found.row.header for each in read.records}
    assert len(set(headers.values())) == 3
    assert {each.found.row.root for each in read.records} == {made.root}
    facts = world.ledger.fresh_head().anchor(made.root)
    assert facts is not None
    assert facts.count == 4


def test_only_the_first_n_custodians_hold_shares_and_all_know_of_the_version(world: World) -> None:
    holder = world.patient()
    made = world.put(world.writer(), holder.alias, condition(world.doctor))
    assert (len(made.receipts), made.thin) == (3, False)
    assert holding(world, holder) == [1, 1, 1, 0, 0]
    known = [len(world.directories[number].rows.versions(holder.alias)) for number in listed(world, holder)]
    assert known == [1] * 5


def holding(world: World, holder: Holder) -> list[int]:
    """How many body shares each place of the list holds (escrow shares have a deposit's digest for a subject)."""
    handles = {
        each.handle
        for number in world.links
        for each in world.directories[number].rows.versions(holder.alias)
    }
    return [
        len(handles & set(world.directories[number].rows.shares(holder.alias)))
        for number in listed(world, holder)
    ]


def test_a_stand_in_takes_shares_for_one_that_cannot_be_reached(world: World) -> None:
    holder = world.patient()
    numbers, gone = listed(world, holder), unplug(world, listed(world, holder)[:1])
    made = world.put(world.writer(), holder.alias, condition(world.doctor))
    assert (len(made.receipts), made.thin) == (3, False)
    assert texts(world.read_as_registrar(holder)) == ["asthma"]
    world.links.update(gone)
    assert holding(world, holder) == [0, 1, 1, 1, 0]
    assert waiting(world.hospital, MISSING) == 1
    assert complete(world.network, world.hospital) == 0
    assert holding(world, holder) == [1, 1, 1, 1, 0]
    world.links.pop(numbers[1])
    world.links.pop(numbers[2])
    world.links.pop(numbers[4])
    assert waiting(world.hospital, MISSING) == 0


def test_a_body_over_one_mebibyte_is_stored_in_chunks_and_read_back_whole(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    long = "".join(f"{number:x}" for number in range(450_000))  # compresses, but not below 1 MiB
    made = version({"resourceType": "Condition", "code": {"text": long}}, author=world.doctor)
    small = condition(world.doctor)
    body = made.body
    assert isinstance(body, RecordBody)
    made = replace(made, body=replace(body, original=body.canonical[::-1]))
    world.put(world.writer(), holder.alias, made, small)
    read = world.read_as_registrar(holder)
    assert texts(read) == [long, "asthma"]
    assert [codec_of(each.found.row.body) == RAW for each in read.records] == [False, True]
    assert read.records[0].body == made.body
    large = read.records[0].found.row.body
    block = next(cid for cid in world.blocks.blocks if len(world.blocks.blocks[cid]) > 500_000)
    world.blocks.blocks[block] = bytes(len(world.blocks.blocks[block]))
    assert large in world.blocks.pinned(SHARED)
    damaged = world.read_as_registrar(holder)
    assert texts(damaged) == ["asthma"]
    assert [type(problem).__name__ for problem in damaged.problems] == ["BlockMismatch"]


# What was deposited before -----------------------------------------------------------------------


class Counting(MemoryBooks):
    """Books that count which rows they give out."""

    def __init__(self) -> None:
        super().__init__()
        self.given: Counter[str] = Counter()

    def rows(self, kind: str, prefix: bytes = b"", after: bytes = b"") -> list[tuple[bytes, bytes]]:
        found = super().rows(kind, prefix, after)
        self.given[kind] += len(found)
        return found


def test_of_deposits_one_after_another_each_is_read_once_and_none_forgotten(world: World) -> None:
    holder, books = world.patient(compartments=(DIAGNOSIS,)), Counting()
    writer = replace(world.writer(), organisation=replace(world.hospital, books=books))
    made = [condition(world.doctor, f"illness {number}") for number in range(12)]
    for each in made:
        world.put(writer, holder.alias, each)
    assert len(copies_of(books)) == 12
    books.given.clear()
    assert world.put(writer, holder.alias, *made).handles == {}
    assert books.given[COPIES] == 1  # the last one, which nobody had read yet
    assert world.put(writer, holder.alias, made[0]).known.keys() == {made[0].record_id}
    assert books.given[COPIES] == 1


def test_what_is_not_kept_in_memory_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deposited, "MOST_IN_MEMORY", 4)  # two patients and a version of each
    holders = [world.patient(compartments=(DIAGNOSIS,)) for _ in range(3)]
    books, made = Counting(), condition(world.doctor)
    writer = replace(world.writer(), organisation=replace(world.hospital, books=books))
    for holder in holders * 3:
        world.put(writer, holder.alias, made)
    assert len(copies_of(books)) == 3
    books.given.clear()
    for holder in (holders[1], holders[0], holders[1]):
        assert world.put(writer, holder.alias, made).handles == {}
    assert books.given[COPIES] == 1  # of the patient not asked for the longest


def test_what_was_written_for_nobody_in_a_while_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders = [world.patient(compartments=(DIAGNOSIS,)) for _ in range(2)]
    books, made = Counting(), condition(world.doctor)
    writer = replace(world.writer(), organisation=replace(world.hospital, books=books))
    for holder in holders * 2:
        world.put(writer, holder.alias, made)
    monkeypatch.setattr(deposited, "LONGEST", -1.0)
    world.put(writer, holders[0].alias, made)  # and the other one is forgotten
    books.given.clear()
    for holder in holders:
        assert world.put(writer, holder.alias, made).handles == {}
    assert books.given[COPIES] == 1


# Too few custodians ------------------------------------------------------------------------------


class NoKeeping:
    """A custodian that answers questions and takes no deposits."""

    def __init__(self, link: Any) -> None:
        self._link = link
        self.party = link.party

    def call(self, method: str, body: bytes) -> bytes:
        if method == "keep":
            raise StoreUnavailable(method=method)
        return bytes(self._link.call(method, body))


def full(world: World, numbers: Iterable[int]) -> dict[int, Any]:
    """The disks of these custodians are full until ``world.links.update`` with what this returns."""
    kept = {number: world.links[number] for number in numbers}
    world.links.update({number: NoKeeping(link) for number, link in kept.items()})
    return kept


def test_with_fewer_than_n_a_deposit_is_thin_and_completed_later(world: World) -> None:
    holder = world.patient()
    numbers = listed(world, holder)
    kept = full(world, numbers[:3])
    made = world.put(world.writer(), holder.alias, condition(world.doctor))
    assert made.thin
    assert len(made.receipts) == 2
    assert texts(world.read_as_registrar(holder)) == ["asthma"]
    assert complete(world.network, world.hospital) == 3
    world.links.update(kept)
    assert complete(world.network, world.hospital) == 0
    assert waiting(world.hospital, MISSING) == 0
    assert holding(world, holder) == [1] * 5
    unplug(world, numbers[3:])
    read = world.read_as_registrar(holder)
    assert texts(read) == ["asthma"]


def test_with_fewer_than_t_nothing_is_deposited_and_nothing_anchored(world: World) -> None:
    holder = world.patient()
    kept = full(world, listed(world, holder)[:4])
    made = condition(world.doctor)
    with pytest.raises(NotEnoughCustodians):
        world.put(world.writer(), holder.alias, made)
    assert waiting(world.hospital, PLAN) == 0
    assert copies(world.hospital) == []
    world.links.update(kept)
    assert texts(world.read_as_registrar(holder)) == []
    world.put(world.writer(), holder.alias, made)
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


def test_a_writer_without_a_ground_deposits_nothing(world: World) -> None:
    holder = world.patient()
    stranger = world.writer(world.outsider)
    with pytest.raises(WritingRefused):
        world.put(stranger, holder.alias, condition(world.outsider))
    assert waiting(world.clinic, PLAN) == 0
    assert texts(world.read_as_registrar(holder)) == []


def test_a_compartment_without_an_epoch_takes_nothing(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    with pytest.raises(WritingRefused, match="no epoch key"):
        world.put(world.writer(), holder.alias, version(ALLERGY, GENERAL, world.doctor))
    world.put(world.writer(), holder.alias, condition(world.doctor))


# Crashes -----------------------------------------------------------------------------------------


def test_nothing_waits_where_nothing_crashed(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    assert resume(world.network, world.writer()) == 0


def test_what_is_not_anchored_yet_is_waiting_and_does_not_open(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    failing = Failing(world.ledger, "anchor", False)
    network = replace(world.network, ledger=failing)
    with pytest.raises(StoreUnavailable):
        deposit(network, world.writer(), world.statement(holder.alias), [condition(world.doctor)])
    before = world.read_as_registrar(holder)
    assert (texts(before), before.waiting) == ([], 1)
    assert resume(world.network, world.writer()) == 1
    after = world.read_as_registrar(holder)
    assert (texts(after), after.waiting) == (["asthma"], 0)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_custodian_that_dies_while_it_keeps_is_told_again(world: World, moment: str) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    number = listed(world, holder)[0]
    dying = (
        DyingLink(world.links[number], before=["keep"])
        if moment == "before"
        else DyingLink(world.links[number], after=["keep"])
    )
    world.links[number] = dying
    made = world.put(world.writer(), holder.alias, condition(world.doctor))
    assert (dying.failed, made.thin) == (1, False)
    assert complete(world.network, world.hospital) == 0
    assert holding(world, holder) == [1, 1, 1, 1, 0]
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


def test_a_custodian_that_refuses_the_notice_of_the_anchor_stops_nobody(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    number = listed(world, holder)[1]

    def refuse(answer: bytes) -> bytes:
        raise RecordNotFound(what="deposit")

    world.links[number] = LyingLink(world.links[number], {"anchored": refuse})
    world.put(world.writer(), holder.alias, condition(world.doctor))
    assert waiting(world.hospital, PLAN) == 0
    world.put(world.writer(), holder.alias, condition(world.doctor, "gout"))
    assert texts(world.read_as_registrar(holder)) == ["asthma", "gout"]


def test_a_suspended_organisation_anchors_nothing(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    writer, statement = world.writer(), world.statement(holder.alias)
    officer = world.officers[0]
    world.ledger.suspend(world.hospital.number, officer.key, officer.post)
    with pytest.raises((WritingRefused, LedgerRefused)):
        deposit(world.network, writer, statement, [condition(world.doctor)])
    world.ledger.reinstate(world.hospital.number, officer.key, officer.post)
    deposit(world.network, writer, statement, [condition(world.doctor)])
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


# The patient's own -------------------------------------------------------------------------------


def test_the_organisation_that_relays_a_patients_own_record_cannot_read_it(world: World) -> None:
    mine = world.claimed(compartments=(DIAGNOSIS,))
    own = version({"resourceType": "Condition", "code": {"text": "private"}}, source="patient-reported")
    made = world.put(world.own_writer(mine), mine.alias, own)
    again = world.put(world.own_writer(mine), mine.alias, own)
    assert again.known == made.handles
    assert texts(world.read_own(mine)) == ["private"]
    assert copies(world.hospital) == []
    with pytest.raises(RecordNotFound):
        read_back(world.network, world.hospital, made.handles[own.record_id])
    [copied] = copies_of(mine.books)
    with pytest.raises(CannotOpen):
        CopyKey.opened(world.hospital.chart, copied.id, copied.key)
    [copy] = copied.rows()
    opened = CopyKey.opened(mine.sealing, copied.id, copied.key)
    assert opened.open(0, copy.handle, copy.body_key)
    for place, handle in ((1, copy.handle), (0, bytes(32))):
        with pytest.raises(CannotOpen):
            opened.open(place, handle, copy.body_key)
    assert world.blocks.pinned(f"chart-{world.hospital.number}") == []
    theirs = condition(world.doctor)
    appending = world.grant(mine, world.doctor, permissions=(APPEND,))
    signed = world.put(world.writer(world.doctor, Ground.APPEND, appending), mine.alias, theirs)
    chart = read_back(world.network, world.hospital, signed.handles[theirs.record_id])
    assert chart.body == theirs.body


def test_a_keep_request_of_one_without_shares_has_none(world: World) -> None:
    seen: list[KeepRequest] = []

    class Watching(NoKeeping):
        def call(self, method: str, body: bytes) -> bytes:
            if method == "keep":
                seen.append(KeepRequest.decode(body))
            return bytes(self._link.call(method, body))

    holder = world.patient(compartments=(DIAGNOSIS,))
    for number in listed(world, holder):
        world.links[number] = Watching(world.links[number])
    world.put(world.writer(), holder.alias, condition(world.doctor))
    assert sorted(len(request.parts[0].shares) for request in seen) == [0, 0, 32, 32, 32]


class Meeting:
    """A custodian that takes a message only when all the others have been given theirs."""

    def __init__(self, link: Any, barrier: Barrier) -> None:
        self._link, self._barrier, self.party = link, barrier, link.party

    def call(self, method: str, body: bytes) -> bytes:
        if method in ("keep", "anchored"):
            self._barrier.wait(timeout=20)
        answer: bytes = self._link.call(method, body)
        return answer


def test_custodians_of_one_process_write_a_deposit_at_the_same_time(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    numbers, barrier = listed(world, holder), Barrier(5)
    for number in numbers:
        world.links[number] = Meeting(world.links[number], barrier)
    world.network = replace(world.network, together=False)
    made = world.put(world.writer(), holder.alias, condition(world.doctor))
    assert len(made.receipts) == world.network.thresholds.holding
    assert not barrier.broken


def test_a_body_that_was_made_ready_where_it_was_read_is_read_back_and_found_again(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    made = condition(world.doctor)
    assert isinstance(made.body, RecordBody)
    ready = replace(made, body=ReadyBody.of(made.body))
    assert "asthma" not in repr(ready.body)
    first = world.put(world.writer(), holder.alias, ready)
    assert [record.body for record in world.read_as_registrar(holder).records] == [made.body]
    again = world.put(world.writer(), holder.alias, made)
    assert again.known == first.handles


def test_a_version_is_tagged_once_for_each_deposit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    holder, tagged = world.patient(compartments=(DIAGNOSIS,)), Writer.content_tag
    asked: list[bytes] = []

    def counted(self: Writer, made: NewVersion) -> bytes:
        asked.append(made.record_id)
        return tagged(self, made)

    monkeypatch.setattr(Writer, "content_tag", counted)
    many = [condition(world.doctor, f"condition {number}") for number in range(5)]
    world.put(world.writer(), holder.alias, *many)
    assert sorted(asked) == sorted(each.record_id for each in many)
