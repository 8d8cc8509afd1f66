"""What a thief of directories can open: exactly what the documents say, and it is tried with every key found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from attacker import Attacker
from careledger.workflows.epochs import own_statement
from story import CUSTODIANS, DIAGNOSIS, ILLNESS, LATER_ILLNESS, READ, Story, said

Steal = Callable[..., Attacker]


@pytest.fixture
def steal(told: Story, tmp_path: Path) -> Steal:
    """A thief with everything public, these custodians' directories and these actors'."""

    def stolen(custodians: Iterable[str] = (), actors: Iterable[Path] = ()) -> Attacker:
        thief = Attacker(tmp_path)
        thief.steal_public(told.folder)
        for label in custodians:
            thief.steal_custodian(told.world.custodian_folder(told.organisations[label].number))
        for path in actors:
            thief.steal_actor(path)
        thief.open_all()
        return thief

    return stolen


def organisation(told: Story, label: str) -> Path:
    return told.folder / "organisations" / f"{told.organisations[label].number:016x}"


def patient(told: Story, alias: bytes) -> Path:
    return told.folder / "patients" / alias.hex()[:16]


def holders(told: Story, alias: bytes, count: int = 2) -> list[str]:
    """So many custodians of the patient's list, those that hold shares of records first."""
    names = {each.number: label for label, each in told.organisations.items()}
    return [names[number] for number in own_statement(told.holder(alias))[0].custodians[:count]]


def bodies(told: Story, alias: bytes) -> dict[bytes, bytes]:
    """Handle → the body's CID, of all of the patient's versions."""
    return {record.handle: record.found.row.body for record in told.read_own(alias).records}


def opened(told: Story, thief: Attacker, alias: bytes) -> set[bytes]:
    """The handles of the patient's versions whose body the thief reads."""
    return {handle for handle, cid in bodies(told, alias).items() if cid in thief.bodies}


def test_one_custodian_and_a_revoked_reader_together_open_no_record(told: Story, steal: Steal) -> None:
    """They open manifests of before the revocation, as the protocol says of epoch key and handle; nothing later."""
    thief = steal(holders(told, told.adam, 1), [organisation(told, "Lakeside")])
    assert thief.bodies == {}
    assert thief.manifests.keys() & set(told.after) == set()
    may = {record.handle for record in told.read_own(told.adam, READ).records} - set(told.after)
    assert thief.manifests.keys() == may
    assert len(may) >= 4


def test_a_live_reader_and_enough_custodians_open_what_was_granted(told: Story, steal: Steal) -> None:
    """The same attack must succeed where it may, or its failing elsewhere proves nothing."""
    thief = steal(holders(told, told.adam), [organisation(told, "Delta")])
    granted = {record.handle for record in told.read_own(told.adam, [DIAGNOSIS]).records}
    assert opened(told, thief, told.adam) == granted
    assert granted >= set(told.after)
    assert LATER_ILLNESS in {said(body) for body in thief.bodies.values() if b"recordedDate" in body}


def test_a_revoked_reader_and_enough_custodians_open_nothing_deposited_afterwards(
    told: Story, steal: Steal
) -> None:
    thief = steal(holders(told, told.adam), [organisation(told, "Lakeside")])
    assert opened(told, thief, told.adam) & set(told.after) == set()
    assert opened(told, thief, told.adam) & set(told.before)


def test_a_live_reader_alone_opens_nothing(told: Story, steal: Steal) -> None:
    assert steal([], [organisation(told, "Delta")]).bodies == {}


def test_two_colluding_custodians_read_nothing(told: Story, steal: Steal) -> None:
    thief = steal(holders(told, told.adam))
    assert (thief.manifests, thief.bodies) == ({}, {})


def test_three_colluding_custodians_of_whom_two_hold_shares_read_what_is_escrowed(
    told: Story, steal: Steal
) -> None:
    listed = holders(told, told.adam, 5)
    thief = steal([*listed[:2], listed[4]])
    assert opened(told, thief, told.adam) == set(bodies(told, told.adam))
    assert ILLNESS in {said(body) for body in thief.bodies.values() if b"recordedDate" in body}


def test_all_custodians_together_read_nothing_of_a_patient_who_opted_out_of_escrow(
    told: Story, steal: Steal
) -> None:
    thief = steal(CUSTODIANS)
    assert opened(told, thief, told.berta) == set()
    assert thief.manifests.keys() & set(told.unescrowed) == set()
    assert opened(told, thief, told.adam)


def test_the_patients_device_opens_nothing_without_custodians(told: Story, steal: Steal) -> None:
    assert steal([], [patient(told, told.berta)]).bodies == {}


def test_the_patients_device_and_two_custodians_open_the_patients_record_alone(
    told: Story, steal: Steal
) -> None:
    thief = steal(holders(told, told.berta), [patient(told, told.berta)])
    assert opened(told, thief, told.berta) == set(told.unescrowed)
    assert opened(told, thief, told.adam) == set()


def test_an_author_reads_back_what_it_deposited_and_nothing_else(told: Story, steal: Steal) -> None:
    thief = steal([], [organisation(told, "City")])
    deposited = opened(told, thief, told.adam) | opened(told, thief, told.berta)
    assert deposited == {*told.before, *told.after, *told.unescrowed}


def test_an_organisation_that_deposited_nothing_reads_nothing_back(told: Story, steal: Steal) -> None:
    assert steal([], [organisation(told, "Lakeside")]).bodies == {}
