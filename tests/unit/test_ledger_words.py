"""Packed words and signed messages of the ledger, against the common vectors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from careledger.domain.categories import Category
from careledger.domain.errors import MalformedBytes
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.formats import ledger_messages
from careledger.formats.ledger_words import (
    AliasWord,
    CustodianWord,
    PartyWord,
    TeamWord,
    contract_name,
    patient_of,
    patient_word,
    policy_row,
    retention_days,
    retention_table,
    role_bits,
    roles_of,
)
from careledger.formats.signatures import SigningKey, check_signer

VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "vectors" / "ledger_words.json").read_text())
ONE, TWO, B32 = bytes([1] * 20), bytes([2] * 20), bytes(range(32))


def test_a_posts_word_is_controller_roles_status_employer() -> None:
    word = int(VECTORS["post"], 16)
    assert VECTORS["post"] == "02" + "a1a2a3a4a5a6a7a8" + "02" + "0002" + "01" * 20
    post = PartyWord.parse(word)
    assert post == PartyWord(
        ONE, frozenset({Role.DOCTOR}), Status.VERIFIED, 0xA1A2A3A4A5A6A7A8, is_declared=True
    )
    assert post.word == word


def test_an_organisations_word_holds_counts_instead_of_an_employer() -> None:
    assert VECTORS["organisation"] == "07" + "00000022" + "0000000c" + "03" + "0014" + "02" * 20
    party = PartyWord.parse(int(VECTORS["organisation"], 16))
    assert (party.registrations, party.registrations_ever, party.employer) == (12, 34, 0)
    assert (party.roles, party.status) == (frozenset({Role.HOSPITAL, Role.CENTRE}), Status.SUSPENDED)
    assert party.word == int(VECTORS["organisation"], 16)


def test_the_other_words_are_as_the_vectors_say() -> None:
    assert VECTORS["custodian"] == "00" + "0003" + f"{1_900_000_000:016x}" + "02" + "01" * 20
    assert CustodianWord.parse(int(VECTORS["custodian"], 16)) == CustodianWord(ONE, 2, 1_900_000_000, 3)
    assert VECTORS["alias"] == "000005" + f"{2_000_000_000:016x}" + "02" + "02" * 20
    alias = AliasWord(TWO, ControllerKind.GUARDIAN, 2_000_000_000, 5)
    assert AliasWord.parse(int(VECTORS["alias"], 16)) == alias
    assert VECTORS["team"] == "0" * 21 + "1" + "00000001" + "02" + f"{9:016x}" + f"{7:016x}"
    assert TeamWord.parse(int(VECTORS["team"], 16)) == TeamWord(7, 9, 2, 1, True)
    table = {Category.HISTORY: 3650, Category.IDENTITY_PHARMACY: 36525}
    assert VECTORS["retention"] == f"{36525:04x}" + "0" * 52 + f"{3650:04x}" + "0000"
    assert retention_table(table) == int(VECTORS["retention"], 16)
    days = retention_days(retention_table(table))
    assert {Category(number): count for number, count in enumerate(days) if count} == table
    assert VECTORS["patient"] == "0" * 16 + B32[:16].hex() + f"{7:016x}"
    assert patient_of(int(VECTORS["patient"], 16)) == (7, B32[:16])


def test_bits_that_no_contract_sets_are_refused() -> None:
    for parse, word in (
        (PartyWord.parse, 1 << 251),
        (PartyWord.parse, 5 << 176),
        (PartyWord.parse, 1 << 175),
        (CustodianWord.parse, 1 << 248),
        (CustodianWord.parse, 5 << 160),
        (AliasWord.parse, 5 << 160),
        (TeamWord.parse, 1 << 169),
        (patient_of, 1 << 192),
        (roles_of, 1 << len(Role)),
    ):
        with pytest.raises(MalformedBytes):
            parse(word)
    with pytest.raises(MalformedBytes):
        retention_table({Category.HISTORY: 1 << 16})


def test_values_that_do_not_fit_are_refused() -> None:
    for make in (
        lambda: PartyWord(ONE, frozenset(), Status.PENDING, 1 << 64).word,
        lambda: AliasWord(ONE, ControllerKind.SELF, 0, 1 << 24).word,
        lambda: patient_word(1 << 64, B32[:16]),
        lambda: patient_word(1, B32),
        lambda: policy_row(1 << 64, 0),
        lambda: policy_row(0, -1),
        lambda: contract_name(""),
        lambda: contract_name("x" * 33),
    ):
        with pytest.raises(MalformedBytes):
            make()


def test_nobody_is_the_word_zero() -> None:
    assert PartyWord.parse(0).status is Status.UNKNOWN
    assert AliasWord.parse(0).kind is ControllerKind.UNKNOWN
    assert role_bits(roles_of(0b1010)) == 0b1010


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["type"])
def test_a_messages_digest_follows_eip_712(vector: dict[str, str]) -> None:
    kind = getattr(ledger_messages, vector["type"])
    separator = bytes.fromhex(VECTORS["domain_separator_aliases"])
    struct = bytes.fromhex(vector["struct_hash"])
    if vector["contract"] == "Aliases":
        assert keccak(b"\x19\x01" + separator + struct).hex() == vector["digest"]
    check_signer(
        bytes.fromhex(vector["digest"]),
        bytes.fromhex(vector["signature"]),
        SigningKey(bytes(31) + b"\x07").address,
    )
    assert vector["contract"] == kind.CONTRACT


def test_the_vectors_are_what_their_script_writes() -> None:
    import importlib.util

    path = Path(__file__).parents[2] / "docs" / "vectors" / "make_ledger.py"
    spec = importlib.util.spec_from_file_location("make_ledger", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.main(["--check"]) == 0


def test_guardians_are_distinct_ascending_and_enough() -> None:
    assert ledger_messages.guardians_commitment(2, (ONE, TWO), B32).hex() == VECTORS["guardians"]
    for threshold, guardians, salt in (
        (0, (ONE, TWO), B32),
        (3, (ONE, TWO), B32),
        (1, (TWO, ONE), B32),
        (1, (ONE, ONE), B32),
        (1, (), B32),
        (1, tuple(bytes([i] * 20) for i in range(1, 7)), B32),
        (1, (ONE,), b"short"),
    ):
        with pytest.raises(MalformedBytes):
            ledger_messages.guardians_commitment(threshold, guardians, salt)
