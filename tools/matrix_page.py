"""Writes docs/matrix.md: each cell in which the two versions of the matrix differ, and why.

Run ``python tools/matrix_page.py`` after a change of careledger.domain.matrix; ``--check`` only says
whether the page is fresh (exit status 1 if not).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from careledger.domain.categories import Category
from careledger.domain.matrix import VERSION_1, VERSION_2, ReadCell, WriteCell
from careledger.domain.parties import Role

PAGE = Path(__file__).parent.parent / "docs" / "matrix.md"
C = Category
IDENTITIES = (C.IDENTITY_PATIENT, C.IDENTITY_DOCTOR, C.IDENTITY_INSURER, C.IDENTITY_CENTRE)
NEW_IDENTITIES = (C.IDENTITY_HOSPITAL, C.IDENTITY_PHARMACY)

# (chart, rows, columns, reason)
REASONS: list[tuple[str, tuple[Role, ...], tuple[Category, ...], str]] = [
    (
        "read",
        (Role.OPERATOR, Role.PUBLIC),
        (C.GENERAL,),
        "One person's allergies are not public: these rows get aggregate, differentially private figures.",
    ),
    ("read", (Role.PATIENT,), (C.VISIT, C.MEASUREMENT), "New columns; a patient reads all that is theirs."),
    ("read", (Role.DOCTOR,), (C.VISIT, C.MEASUREMENT), "New columns; read like the clinical ones."),
    ("read", (Role.HOSPITAL,), (C.VISIT,), "New column; a hospital organises the visit it is involved in."),
    (
        "read",
        (Role.PATIENT, Role.DOCTOR, Role.OPERATOR, Role.PUBLIC, Role.MINISTRY),
        NEW_IDENTITIES,
        "New column; read as the identity of a diagnostic centre is.",
    ),
    (
        "read",
        (Role.HOSPITAL,),
        (C.IDENTITY_HOSPITAL,),
        "New column; read as a centre reads a centre's identity.",
    ),
    (
        "read",
        (Role.PHARMACY,),
        (C.IDENTITY_PHARMACY,),
        "New row and column; read as a centre reads a centre's identity.",
    ),
    (
        "read",
        (Role.PHARMACY,),
        (C.PRESCRIPTION,),
        "New row; a pharmacy reads the prescription that the patient shows it, and nothing else.",
    ),
    (
        "write",
        (Role.DOCTOR,),
        (C.HISTORY, C.GENERAL),
        "Doctors take the history, allergies and habits; the figure leaves them without an author.",
    ),
    ("write", (Role.DOCTOR,), (C.VISIT, C.MEASUREMENT), "New columns; doctors see patients and measure."),
    (
        "write",
        (Role.CENTRE,),
        (C.GENERAL,),
        "Of the general information a centre answers for the blood group only.",
    ),
    ("write", (Role.CENTRE,), (C.MEASUREMENT,), "New column; the mapping names centres as signers of it."),
    (
        "write",
        (Role.HOSPITAL,),
        (C.INSURANCE,),
        "A hospital submits claims; what the insurer decides stays the insurer's.",
    ),
    (
        "write",
        (Role.HOSPITAL,),
        (C.IDENTITY_PATIENT,),
        "A registrar must be able to register somebody who cannot; it ends when the patient claims.",
    ),
    ("write", (Role.HOSPITAL,), (C.VISIT,), "New column; the hospital keeps encounters and appointments."),
    ("write", (Role.HOSPITAL,), (C.IDENTITY_HOSPITAL,), "New column; each organisation states its own."),
    ("write", (Role.PHARMACY,), (C.IDENTITY_PHARMACY,), "New row and column; each states its own."),
    ("write", (Role.PHARMACY,), (C.PRESCRIPTION,), "New row; a pharmacy records what it dispensed."),
    ("write", (Role.PHARMACY,), (C.INSURANCE,), "New row; a pharmacy submits claims, as a hospital does."),
    (
        "write",
        (Role.NURSE,),
        (C.HISTORY,),
        "New row; nurses immunise. Other history is not theirs to sign.",
    ),
    ("write", (Role.NURSE,), (C.GENERAL, C.MEASUREMENT), "New row; nurses ask and measure."),
    ("write", (Role.DEVICE,), (C.MEASUREMENT,), "New row; a device speaks for the patient it is bound to."),
    (
        "write",
        (Role.IMPORT,),
        (
            C.HISTORY,
            C.PRESCRIPTION,
            C.DIAGNOSIS,
            C.REPORT,
            C.GENERAL,
            C.IMAGE,
            C.INSURANCE,
            C.VISIT,
            C.MEASUREMENT,
        ),
        "New row; what an existing chart holds can be brought along, and is never shown as signed.",
    ),
    (
        "write",
        (Role.IMPORT,),
        IDENTITIES + NEW_IDENTITIES,
        "New row; identities in a file are kept as stated there, read like a visit, and make no party.",
    ),
]

HEAD = """\
# The two versions of the access matrix

Written by `python tools/matrix_page.py`; do not edit by hand.

Version 1 is the read-write access control matrix of "HealthChain" (Fig. 5) to the letter; its "lorem
ipsum team" is the network operator, and rows and columns that it does not have are *no*. Version 2 is the
default, put in force by the first recorded vote. The ledger keeps a version as one 64-bit word per row: the
cell of category *c* stands in bits 4*c* to 4*c* + 3.

## The codes

| code | read | write |
|---|---|---|
"""
RULES = """
A cell is not yet access. Reading needs, besides, a live consent, one of the three standing rules, or the
patient's own key; writing needs a ground.

- *only if involved* opens by a ready-made consent with a treatment, coverage or dispensing purpose, or by a
  consent in which the patient names the category.
- *no* opens by a consent in which the patient names the category, for doctor, hospital, diagnostic centre,
  pharmacy, insurer and relative; never for operator, public, ministry and researcher.
- *with restriction* and *only global data* never give a record, whatever the consent.
- operator, public, ministry and researcher read no clinical record even where a vote, or version 1, says *yes*.
- *once* is one intake per patient and depositor; afterwards the patient has to approve.
- A record is read only if the version in force when it was anchored and the present one both allow it, so no
  vote widens access to what is already there.
- Who exactly may sign a kind of resource is decided by readers, from the mapping.
"""


def _codes() -> Iterator[str]:
    for number in range(max(*ReadCell, *WriteCell) + 1):
        read = ReadCell(number).word if number in list(ReadCell) else "–"
        write = WriteCell(number).word if number in list(WriteCell) else "–"
        yield f"| {number} | {read} | {write} |"


def _cells(chart: str, role: Role, category: Category) -> tuple[str, str]:
    if chart == "read":
        return VERSION_1.reading(role, category).word, VERSION_2.reading(role, category).word
    return VERSION_1.writing(role, category).word, VERSION_2.writing(role, category).word


def _reason(chart: str, role: Role, category: Category) -> str:
    found = [
        why for kind, rows, columns, why in REASONS if kind == chart and role in rows and category in columns
    ]
    if len(found) != 1:
        raise SystemExit(f"{len(found)} reasons for {chart} {role.code} {category.code}, one is needed")
    return found[0]


def differing() -> list[tuple[str, Role, Category]]:
    """Chart, row and column of each cell in which the versions differ."""
    places = [
        (chart, role, category) for chart in ("read", "write") for role in Role for category in Category
    ]
    return [place for place in places if len(set(_cells(*place))) == 2]


def _whole_chart(chart: str, version: int) -> Iterator[str]:
    yield f"\n### {chart.capitalize()}, version {version}\n"
    yield "| | " + " | ".join(category.code for category in Category) + " |"
    yield "|---" * (len(Category) + 1) + "|"
    for role in Role:
        words = [_cells(chart, role, category)[version - 1] for category in Category]
        if set(words) != {"no"}:
            yield f"| {role.code} | " + " | ".join(words) + " |"


def page() -> str:
    """The whole page; stops if a differing cell has no reason or more than one."""
    lines = [HEAD.rstrip("\n"), *_codes(), RULES]
    for chart in ("read", "write"):
        places = [place for place in differing() if place[0] == chart]
        lines.append(f"## What differs: {chart} ({len(places)} cells)\n")
        lines.append("| row | column | version 1 | version 2 | why |\n|---|---|---|---|---|")
        for _, role, category in places:
            first, second = _cells(chart, role, category)
            lines.append(
                f"| {role.code} | {category.code} | {first} | {second} | {_reason(chart, role, category)} |"
            )
        lines.append("")
    lines.append("## All cells\n\nRows that are *no* throughout are left out.")
    for chart in ("read", "write"):
        for version in (1, 2):
            lines.extend(_whole_chart(chart, version))
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes the page, or with ``--check`` compares it."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.is_file() and PAGE.read_text("utf-8") == page() else 1
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
