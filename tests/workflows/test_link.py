"""Possible duplicates are shown; links are made by people, unite what is read, and can be undone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.domain.errors import AccessRefused, ActRefused, ProofRefused, SignatureRefused
from careledger.formats.signatures import SigningKey
from careledger.sealing.phrase import Phrase
from careledger.workflows.accesses import by_holder, by_registrar
from careledger.workflows.actors import Holder
from careledger.workflows.claim import claim
from careledger.workflows.epochs import own_statement
from careledger.workflows.identity_rows import Identity
from careledger.workflows.link import (
    Linked,
    check_link,
    link,
    link_unclaimed,
    possible_duplicates,
    retrieve_linked,
    unlink,
    unlink_unclaimed,
)
from careledger.workflows.register import Officer
from world import DIAGNOSIS, World, condition


def identity(name: str = "", romanised: str = "", national_id: str = "", birth: str = "") -> Identity:
    return Identity(bytes(32), bytes(16), name, romanised, national_id, birth, bytes(32))


def two_unclaimed(world: World) -> tuple[Holder, Holder]:
    """One person, registered at two organisations, with a record at each."""
    first, second = world.patient(world.hospital), world.patient(world.clinic)
    world.put(world.writer(), first.alias, condition(world.doctor, "asthma"))
    world.put(world.writer(world.outsider), second.alias, condition(world.outsider, "gout"))
    return first, second


def two_claimed(world: World) -> tuple[Holder, Holder]:
    first, second = two_unclaimed(world)
    mine = claim(world.network, world.hospital, first.alias, Phrase.random(), world.pharmacy.books).holder
    also_mine = claim(world.network, world.clinic, second.alias, Phrase.random(), world.pharmacy.books).holder
    return mine, also_mine


def codes(linked: Linked) -> list[str]:
    return [record.body.canonical.decode().split('"text":"')[1].split('"')[0] for record in linked.records]


def test_rows_that_look_alike_are_shown_with_the_reason_and_nothing_is_merged(world: World) -> None:
    people = [
        identity("করিম উদ্দিন", "Karim Uddin", "19901", "1990-04-02"),
        identity("", "UDDIN, Karím", "", "1990-04"),
        identity("", "Karim Udin", "", "1990-04-02"),
        identity("", "Somebody Else", "1990-1", "1971"),
        identity("", "Karim Uddin", "", ""),
        identity("", "Karim Uddin", "", "1991-04-02"),
        identity("কামাল", "", "", "1962-01-01"),
        identity("কামিল", "", "", "1962-01-01"),
        identity("কুমুল", "", "", "1962-01-01"),
        identity(),
        identity(),
    ]
    aliases = [world.patient(identity=each, compartments=()).alias for each in people]
    found = {
        frozenset({aliases.index(each.first), aliases.index(each.second)}): each.why
        for each in possible_duplicates(world.hospital)
    }
    assert found == {
        frozenset({0, 1}): "name-and-birth",
        frozenset({0, 2}): "similar-name-and-birth",
        frozenset({0, 3}): "national-id",
    }
    assert len(list(world.hospital.books.rows("identity"))) == len(people)


def test_a_patients_link_unites_what_is_read_and_undoing_it_puts_every_record_back(world: World) -> None:
    first, second = two_claimed(world)
    made = link(world.network, first, second)
    assert link(world.network, first, second) == made
    asked = [
        (by_holder(world.network, each, own_statement(each)[0], (DIAGNOSIS,)), own_statement(each)[0])
        for each in (first, second)
    ]
    assert codes(retrieve_linked(world.network, [made], asked, (DIAGNOSIS,))) == ["asthma", "gout"]
    unlink(world.network, first, made)
    unlink(world.network, first, made)
    with pytest.raises(ProofRefused, match="does not stand"):
        retrieve_linked(world.network, [made], asked, (DIAGNOSIS,))
    assert len(world.read_own(first).records) == len(world.read_own(second).records) == 1
    again = link(world.network, first, second)
    assert again != made
    assert check_link(world.network, again).commitment != check_link(world.network, again).salt


def test_two_aliases_without_a_link_are_not_read_as_one(world: World) -> None:
    first, second = two_claimed(world)
    asked = [
        (by_holder(world.network, each, own_statement(each)[0], (DIAGNOSIS,)), own_statement(each)[0])
        for each in (first, second)
    ]
    with pytest.raises(AccessRefused, match="not-linked"):
        retrieve_linked(world.network, [], asked, (DIAGNOSIS,))
    assert codes(retrieve_linked(world.network, [], asked[:1], (DIAGNOSIS,))) == ["asthma"]


def test_a_link_needs_both_present_controllers_and_its_maker_undoes_it(world: World) -> None:
    first, second = two_claimed(world)
    stranger = replace(second, keys=Phrase.random().keys())
    with pytest.raises(ActRefused):
        link(world.network, first, stranger)
    unclaimed = world.patient()
    with pytest.raises(ActRefused):
        link(world.network, first, unclaimed)
    made = link(world.network, first, second)
    forged = replace(made, by_second=made.by_first)
    with pytest.raises(SignatureRefused):
        check_link(world.network, forged)
    with pytest.raises(ActRefused):
        unlink(world.network, replace(first, books=world.clinic.books), made)


def test_unclaimed_aliases_are_linked_by_their_registrars_with_two_officers(world: World) -> None:
    first, second = two_unclaimed(world)
    with pytest.raises(ActRefused, match="two ministry officers"):
        link_unclaimed(world.network, first, second, world.officers[:1])
    stranger = Officer(world.doctor.number, SigningKey.random())
    with pytest.raises(ActRefused):
        link_unclaimed(world.network, first, second, (world.officers[0], stranger))
    made = link_unclaimed(world.network, first, second, world.officers)
    assert link_unclaimed(world.network, first, second, world.officers) == made
    hospital = (
        by_registrar(world.network, world.session(), first, own_statement(first)[0], (DIAGNOSIS,)),
        own_statement(first)[0],
    )
    clinic = (
        by_registrar(
            world.network, world.session(world.outsider), second, own_statement(second)[0], (DIAGNOSIS,)
        ),
        own_statement(second)[0],
    )
    assert codes(retrieve_linked(world.network, [made], [hospital, clinic], (DIAGNOSIS,))) == [
        "asthma",
        "gout",
    ]
    unlink_unclaimed(world.network, made, world.officers, (world.hospital, world.clinic))
    with pytest.raises(ProofRefused):
        check_link(world.network, made)
    assert check_link(world.network, link_unclaimed(world.network, first, second, world.officers))
