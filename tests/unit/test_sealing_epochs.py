"""Epoch keys: the newest opens all earlier ones, never the other way round."""

from __future__ import annotations

import dataclasses

import pytest

from careledger.domain.errors import CannotOpen, KeyRefused, MalformedBytes
from careledger.formats.patients import EpochRecord, EpochStatement
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.sealing.epochs import (
    Epoch,
    new_epoch_seed,
    open_back,
    open_previous,
    open_record,
    open_seed,
    seal_previous,
    seal_record,
    seal_seed,
)
from careledger.sealing.keys import SealingKey, Secret

ALIAS = b"\5" * 32
DEPLOYMENT = bytes(32)
PATIENT = SealingKey.random()


def statement_of(number: int, seed: Secret, compartment: int = 6) -> EpochStatement:
    return EpochStatement(
        alias=ALIAS,
        compartment=compartment,
        number=number,
        public_key=SealingKey(seed).public,
        previous=bytes(32),
        escrow=True,
    )


def chain(length: int) -> tuple[list[Secret], list[tuple[EpochStatement, EpochRecord]]]:
    """Seeds oldest first, statements with records newest first."""
    controller = SigningKey.random()
    seeds = [new_epoch_seed() for _ in range(length)]
    made = []
    for number, seed in enumerate(seeds):
        statement = statement_of(number, seed)
        previous = seeds[number - 1] if number else None
        signed = sign(statement, controller, DEPLOYMENT)
        made.append((statement, seal_record(signed, statement, PATIENT.public, SealingKey(seed), previous)))
    return seeds, made[::-1]


def test_the_patient_opens_the_newest_epoch_and_from_it_all_earlier_ones() -> None:
    seeds, records = chain(4)
    newest = open_record(PATIENT, *records[0])
    assert newest == seeds[3]
    assert open_back(newest, records) == dict(enumerate(seeds))


def test_a_grantee_of_an_epoch_opens_that_one_and_earlier_ones_but_no_later_one() -> None:
    seeds, records = chain(4)
    assert open_back(seeds[1], records[2:]) == {0: seeds[0], 1: seeds[1]}
    with pytest.raises(CannotOpen):
        open_back(seeds[1], records)
    sealed = records[1][1].previous_seed
    assert sealed is not None
    with pytest.raises(CannotOpen):
        open_previous(SealingKey(seeds[1]), Epoch.of(records[1][0]), sealed)


def test_a_chain_may_stop_early_and_an_empty_one_gives_nothing() -> None:
    seeds, records = chain(3)
    assert open_back(seeds[2], records[:2]) == {2: seeds[2], 1: seeds[1]}
    assert open_back(seeds[2], []) == {}


def test_a_chain_with_a_gap_in_another_order_or_beyond_its_start_is_refused() -> None:
    seeds, records = chain(4)
    broken = [
        [records[0], records[2]],
        [records[0], records[0]],
        [records[0], (records[1][0], dataclasses.replace(records[1][1], previous_seed=None)), *records[2:]],
    ]
    for wrong in broken:
        with pytest.raises(CannotOpen):
            open_back(seeds[3], wrong)


def test_a_statement_with_the_right_key_but_another_number_is_refused() -> None:
    seeds, records = chain(3)
    (second, record) = records[1]
    with pytest.raises(CannotOpen, match="gap"):
        open_back(seeds[2], [records[0], (dataclasses.replace(second, number=0), record)])


def test_a_stranger_opens_no_epoch() -> None:
    _, records = chain(2)
    for statement, record in records:
        with pytest.raises(CannotOpen):
            open_record(SealingKey.random(), statement, record)


def test_a_seed_opens_only_in_its_own_alias_compartment_and_number() -> None:
    seed, epoch = new_epoch_seed(), Epoch(ALIAS, 6, 1)
    sealed = seal_seed(PATIENT.public, epoch, seed)
    linked = seal_previous(PATIENT.public, epoch, seed)
    assert open_seed(PATIENT, epoch, sealed) == seed
    assert open_previous(PATIENT, epoch, linked) == seed
    for other in (Epoch(b"\6" * 32, 6, 1), Epoch(ALIAS, 7, 1), Epoch(ALIAS, 6, 2)):
        with pytest.raises(CannotOpen):
            open_seed(PATIENT, other, sealed)
    with pytest.raises(CannotOpen):
        open_previous(PATIENT, epoch, sealed)
    with pytest.raises(CannotOpen):
        open_seed(PATIENT, epoch, linked)


def test_a_record_holding_another_seed_than_the_statement_names_is_refused() -> None:
    _, records = chain(1)
    statement, record = records[0]
    other = dataclasses.replace(
        record, seed_for_alias=seal_seed(PATIENT.public, Epoch.of(statement), new_epoch_seed())
    )
    with pytest.raises(CannotOpen, match="another epoch"):
        open_record(PATIENT, statement, other)
    short = dataclasses.replace(
        record, seed_for_alias=seal_seed(PATIENT.public, Epoch.of(statement), Secret(b""))
    )
    with pytest.raises(CannotOpen):
        open_record(PATIENT, statement, short)


def test_a_record_is_not_made_for_another_key_or_without_its_link() -> None:
    key, controller = SealingKey.random(), SigningKey.random()
    seed = key.seed
    first, second = statement_of(0, seed), statement_of(1, seed)
    signed = sign(first, controller, DEPLOYMENT)
    with pytest.raises(KeyRefused):
        seal_record(signed, first, PATIENT.public, SealingKey.random(), None)
    with pytest.raises(MalformedBytes):
        seal_record(signed, first, PATIENT.public, key, new_epoch_seed())
    with pytest.raises(MalformedBytes):
        seal_record(signed, second, PATIENT.public, key, None)
    record = seal_record(signed, first, PATIENT.public, key, None)
    assert EpochRecord.decode(record.encode()) == record
