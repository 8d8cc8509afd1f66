"""A whole import is taken back by whom it was made by, and said what cannot be taken back; nobody else can do it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from careledger.adapters.memory.failing import BLOCKS, Crash, Failing, Plan
from careledger.domain.errors import ImportNotFound, NotEnoughCustodians, WritingRefused
from careledger.fhir.split import import_bundle
from careledger.workflows.actors import Staff
from careledger.workflows.amend import amend
from careledger.workflows.deposited import COPIES
from careledger.workflows.epochs import own_statement
from careledger.workflows.from_fhir import staged
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import TakenIn, take_in
from careledger.workflows.register import kept_aliases, kept_holder
from careledger.workflows.retrieve import newest
from careledger.workflows.staging import PARTS
from careledger.workflows.undo_import import Undone, runs, undo_import
from world import DIAGNOSIS, World, condition, texts

PEOPLE = ("p1", "p2")
POSTS = count(5_000)


def export(*illnesses: tuple[str, str]) -> bytes:
    """A bundle of the two people and what each of them has."""
    people: list[dict[str, Any]] = [{"resourceType": "Patient", "id": name} for name in PEOPLE]
    told: list[dict[str, Any]] = [
        {
            "resourceType": "Condition",
            "id": text,
            "code": {"text": text},
            "subject": {"reference": f"Patient/{whom}"},
        }
        for whom, text in illnesses
    ]
    entries = [{"resource": each} for each in (*people, *told)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


BOTH = export(("p1", "asthma"), ("p2", "gout"))


def imported(world: World, data: bytes, staff: Staff | None = None) -> tuple[bytes, list[TakenIn]]:
    session, run = world.session(staff or world.nurse), secrets.token_bytes(16)
    namespace = namespace_of(session.staff.organisation)
    return run, take_in(
        world.network, session, staged(import_bundle(data, "f", namespace=namespace)), run=run
    )[1]


def undone(world: World, run: bytes, staff: Staff | None = None) -> list[Undone]:
    return undo_import(world.network, world.session(staff or world.nurse), run)


def seen(world: World, taken: TakenIn) -> list[str]:
    """What a new reader is shown of a patient whose keys the hospital holds."""
    alias = taken.alias or b""
    reader = world.staff(world.clinic, next(POSTS))
    world.grant(kept_holder(world.hospital, alias), reader)
    return texts(world.read_by_consent(reader, alias))


@contextmanager
def away(world: World, number_of: int) -> Iterator[None]:
    """So many custodians cannot be reached."""
    whole = world.network
    left = sorted(whole.custodians)[number_of:]
    world.network = replace(whole, custodians={number: whole.custodians[number] for number in left})
    yield
    world.network = whole


def test_what_a_run_deposited_is_retracted_and_nothing_else(world: World) -> None:
    first, _ = imported(world, BOTH)
    run, taken = imported(world, export(("p1", "asthma"), ("p1", "fever"), ("p2", "gout")))
    assert [(each.retracted, each.before, each.error) for each in undone(world, run)] == [(1, 0, None)]
    assert [seen(world, each) for each in taken] == [["asthma"], ["gout"]]
    assert {(each.id, each.versions, each.undone) for each in runs(world.hospital)} == {
        (first, 4, False), (run, 1, True)}  # fmt: skip
    assert [(each.retracted, each.before) for each in undone(world, run)] == [(0, 1)]


def test_what_was_undone_may_be_imported_again_and_patients_stay_registered(world: World) -> None:
    run, taken = imported(world, BOTH)
    undone(world, run)
    assert {each.alias for each in taken} <= set(kept_aliases(world.hospital))
    assert [seen(world, each) for each in taken] == [[], []]
    again, later = imported(world, BOTH)
    assert [(each.alias, each.new, len(each.deposited.handles)) for each in later] == [
        (each.alias, False, 2) for each in taken
    ]
    assert [seen(world, each) for each in later] == [["asthma"], ["gout"]]
    assert [each.retracted for each in undone(world, again)] == [2, 2]
    assert imported(world, BOTH)[1][0].deposited.known == {}


def test_a_patient_who_sees_what_was_undone_has_what_was_imported_again_as_the_current_version(
    world: World,
) -> None:
    run, [taken, _] = imported(world, BOTH)
    undone(world, run)
    imported(world, BOTH)
    mine = world.claim(kept_holder(world.hospital, taken.alias or b"")).holder
    found = world.read_own(mine).records
    assert [each.found.states for each in found] == [{"retracted"}, {"kept"}]
    assert [each.found.states for each in newest(found)] == [{"kept"}]


def test_a_record_that_was_read_or_built_on_is_retracted_and_said_so(world: World) -> None:
    run, [taken, _] = imported(world, BOTH)
    holder = kept_holder(world.hospital, taken.alias or b"")
    assert seen(world, taken) == ["asthma"]
    [before] = [each for each in world.read_as_registrar(holder).records if each.compartment == DIAGNOSIS]
    amend(world.network, world.writer(), own_statement(holder)[0], before, condition(world.doctor, "copd"))
    one, other = sorted(undone(world, run), key=lambda each: each.alias != taken.alias)
    assert (one.retracted, one.built_on, one.read, one.error) == (2, 1, 1, None)
    assert (other.retracted, other.built_on, other.read) == (2, 0, 0)
    assert seen(world, taken) == ["copd"]


def test_after_a_claim_it_is_retracted_and_only_the_patient_knows_who_read_it(world: World) -> None:
    run, [taken, _] = imported(world, BOTH)
    mine = world.claim(kept_holder(world.hospital, taken.alias or b"")).holder
    assert texts(world.read_own(mine)) == ["asthma"]
    found = {each.alias == mine.alias: (each.retracted, each.read) for each in undone(world, run)}
    assert found == {True: (2, None), False: (2, 0)}
    world.grant(mine, world.outsider)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == []


def test_a_stranger_undoes_nothing_even_with_the_books_of_who_imported(world: World) -> None:
    run, taken = imported(world, BOTH)
    with pytest.raises(ImportNotFound):
        undone(world, run, world.outsider)
    for kind in (PARTS, COPIES):
        world.clinic.books.put(kind, list(world.hospital.books.rows(kind)))
    assert {type(each.error) for each in undone(world, run, world.outsider)} == {WritingRefused}
    assert [seen(world, each) for each in taken] == [["asthma"], ["gout"]]
    with pytest.raises(ImportNotFound):
        undone(world, bytes(16))


def test_what_cannot_be_undone_now_is_undone_later(world: World) -> None:
    run, taken = imported(world, BOTH)
    with away(world, 4):
        assert {type(each.error) for each in undone(world, run)} == {NotEnoughCustodians}
    assert [each.undone for each in runs(world.hospital)] == [False]
    assert [(each.retracted, each.before) for each in undone(world, run)] == [(2, 0), (2, 0)]
    assert [seen(world, each) for each in taken] == [[], []]


def test_an_import_is_noted_before_it_leaves(world: World) -> None:
    """A run whose deposit never came about has nothing to undo, and stands in nobody's way."""
    imported(world, BOTH)
    session, run = world.session(world.nurse), secrets.token_bytes(16)
    data = export(("p1", "asthma"), ("p1", "fever"))
    report = staged(import_bundle(data, "f", namespace=namespace_of(world.hospital)))
    dying = replace(world.network, blocks=Failing(world.network.blocks, Plan(0, False), BLOCKS))
    with pytest.raises(Crash):
        take_in(dying, session, report, run=run)
    assert run in {each.id for each in runs(world.hospital)}
    assert [each.retracted for each in undo_import(world.network, session, run)] == [0]
    assert [len(each.deposited.handles) for each in imported(world, data)[1]] == [1, 0]
