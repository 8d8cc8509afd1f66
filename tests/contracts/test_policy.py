"""The access policy: every cell of every version, as data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.domain.categories import Category
from careledger.domain.matrix import VERSION_1, VERSION_2, VERSIONS, Matrix
from careledger.domain.parties import Role
from careledger.formats.ledger_words import policy_row
from contracts.harness import DAY, ROOT, Contract, refused
from contracts.registry_world import OFFICERS, Consortium, controller

DELAY = 7 * DAY
VECTORS = json.loads((ROOT / "docs" / "vectors" / "policy.json").read_text())


@pytest.fixture
def policy(net: Consortium) -> Contract:
    """The policy with version 1."""
    words = (VERSION_1.read_words, VERSION_1.write_words)
    return net.chain.deploy("AccessPolicy", net.registry.address, DELAY, *words)


def _enact(net: Consortium, policy: Contract, matrix: Matrix) -> None:
    for officer in OFFICERS[:2]:
        args = (officer, matrix.version, matrix.read_words, matrix.write_words)
        policy.send(controller(officer), "vote_amendment", *args)
    net.chain.pass_time(DELAY)


def test_every_cell_of_both_versions_is_the_charts(net: Consortium, policy: Contract) -> None:
    _enact(net, policy, VERSION_2)
    seen = 0
    for version, matrix in VERSIONS.items():
        for role in Role:
            for category in Category:
                cells = policy.call("cell", version, role, category)
                assert cells == (matrix.reading(role, category), matrix.writing(role, category))
                seen += 1
    assert seen == 2 * 14 * 15


@pytest.mark.parametrize("row", VECTORS["rows"], ids=lambda row: f"{row['version']}-{row['role']}")
def test_rows_are_packed_as_the_vectors_say(net: Consortium, policy: Contract, row: dict[str, Any]) -> None:
    matrix, role = VERSIONS[row["version"]], Role[row["role"].upper()]
    words = (int(row["read_word"], 16), int(row["write_word"], 16))
    assert (matrix.read_words[role], matrix.write_words[role]) == words
    assert policy_row(*words) == int(row["slot"], 16)
    for category in Category:
        read, write = row["cells"][category.code]
        assert (matrix.reading(role, category), matrix.writing(role, category)) == (read, write)
    if row["version"] == 2:
        _enact(net, policy, VERSION_2)
    assert policy.call("row", row["version"], role) == words
    assert [list(policy.call("cell", row["version"], role, c)) for c in Category] == list(
        row["cells"].values()
    )


def test_there_is_a_vector_for_every_row(net: Consortium) -> None:
    assert len(VECTORS["rows"]) == 2 * len(Role)


def test_the_cells_now_are_those_of_the_version_in_force(net: Consortium, policy: Contract) -> None:
    doctor, history = Role.DOCTOR, Category.HISTORY
    assert policy.call("version") == 1
    assert policy.call("write_cell", doctor, history) == VERSION_1.writing(doctor, history) == 0
    _enact(net, policy, VERSION_2)
    assert policy.call("version") == 2
    assert policy.call("write_cell", doctor, history) == VERSION_2.writing(doctor, history) == 1
    assert policy.call("read_cell", doctor, history) == VERSION_2.reading(doctor, history) == 2


def test_what_is_unknown_has_no_cell(policy: Contract) -> None:
    for version, role, category, reason in (
        (0, 1, 1, "version"),
        (2, 1, 1, "version"),
        (1, 14, 1, "role"),
        (1, 1, 0, "category"),
        (1, 1, 16, "category"),
    ):
        with refused(reason):
            policy.call("cell", version, role, category)
    for function in ("read_cell", "write_cell"):
        with refused("role"):
            policy.call(function, 255, 1)
        with refused("category"):
            policy.call(function, 1, 255)


def test_a_policy_is_founded_on_known_cells_only(net: Consortium) -> None:
    words = list(VERSION_1.read_words)
    for wrong in (1, 6 << 4, 15 << 60):
        with refused("cell"):
            reading = [wrong, *words[1:]]
            net.chain.deploy("AccessPolicy", net.registry.address, DELAY, reading, VERSION_1.write_words)
    with refused("cell"):
        writing = [7 << 4, *VERSION_1.write_words[1:]]
        net.chain.deploy("AccessPolicy", net.registry.address, DELAY, words, writing)
