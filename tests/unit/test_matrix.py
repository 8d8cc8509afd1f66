"""Every cell of both versions of the matrix equals the words that were typed from figure and requirements."""

from __future__ import annotations

import pytest

from careledger.domain.categories import Category
from careledger.domain.errors import MalformedBytes
from careledger.domain.matrix import VERSION_1, VERSION_2, VERSIONS, Matrix
from careledger.domain.parties import Role
from matrix_words import CHARTS, FIGURE_COLUMNS


def held(matrix: Matrix, kind: str) -> dict[tuple[str, str], str]:
    """The same from the package, every role and category."""
    cell = matrix.reading if kind == "read" else matrix.writing
    return {(role.code, category.code): cell(role, category).word for role in Role for category in Category}


@pytest.mark.parametrize(
    ("version", "kind", "filled"), [(1, "read", 46), (1, "write", 13), (2, "read", 64), (2, "write", 44)]
)
def test_every_cell_is_what_the_figure_and_the_requirements_say(version: int, kind: str, filled: int) -> None:
    expected = CHARTS[version, kind]
    found = held(VERSIONS[version], kind)
    assert len(found) == 14 * 15
    for place, word in found.items():
        assert word == expected.get(place, "no"), place
    assert sum(word != "no" for word in found.values()) == filled


def test_version_one_has_no_row_or_column_that_the_figure_lacks() -> None:
    figure_rows = {row for row, _ in CHARTS[1, "read"]}
    for kind in ("read", "write"):
        beyond = {
            word
            for (row, column), word in held(VERSION_1, kind).items()
            if row not in figure_rows or column not in FIGURE_COLUMNS
        }
        assert beyond == {"no"}


def test_the_words_that_the_ledger_keeps_give_the_same_matrix_back() -> None:
    again = Matrix(2, tuple(VERSION_2.read_words), tuple(VERSION_2.write_words))
    assert again == VERSION_2
    doctor_general = VERSION_2.read_words[Role.DOCTOR] >> 4 * Category.GENERAL & 15
    assert doctor_general == 1


@pytest.mark.parametrize(
    "words",
    [
        VERSION_2.read_words[:-1],
        (*VERSION_2.read_words[:-1], 6 << 4),
        (*VERSION_2.read_words[:-1], 1),
        (*VERSION_2.read_words[:-1], 1 << 64),
        (*VERSION_2.read_words[:-1], -1),
    ],
    ids=["a row too few", "an undefined code", "a column that does not exist", "too long", "negative"],
)
def test_a_matrix_that_is_not_well_formed_is_refused(words: tuple[int, ...]) -> None:
    with pytest.raises(MalformedBytes):
        Matrix(2, words, VERSION_2.write_words)
