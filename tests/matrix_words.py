"""Every cell of both versions of the matrix, typed a second time as words.

Version 1 is copied from the figure "Read-Write Access Control Matrix" of the paper "HealthChain", whose
rows and columns stand below in the paper's order; version 2 from this project's requirements.
"""

from __future__ import annotations

FIGURE_COLUMNS = [
    "history",
    "prescription",
    "diagnosis",
    "report",
    "general",
    "image",
    "insurance",
    "identity-patient",
    "identity-doctor",
    "identity-insurer",
    "identity-centre",
]
COLUMNS = [*FIGURE_COLUMNS, "visit", "measurement", "identity-hospital", "identity-pharmacy"]

FIGURE_READ = """
patient | yes | yes | yes | yes | yes | yes | yes | yes | only if involved | only if involved | only if involved
doctor | only if involved | only if involved | only if involved | only if involved | yes | only if involved | no \
| only if involved | yes | no | only if involved
centre | no | no | no | no | no | no | no | only if involved | no | no | yes
insurer | only if involved | no | no | no | only if involved | no | only if involved \
| only if involved | no | yes | no
hospital | only if involved | no | no | no | only if involved | no | no | only if involved \
| only if involved | no | no
operator | no | no | no | no | yes | no | no | with restriction | yes | yes | yes
public | no | no | no | no | yes | no | no | only global data | with restriction | with restriction | with restriction
relative | no | no | no | no | no | no | no | with restriction | no | no | no
ministry | no | no | no | no | no | no | no | yes | yes | yes | yes
"""
FIGURE_WRITE = """
patient | no | no | no | no | no | no | no | yes | no | no | no
doctor | no | yes | yes | no | no | no | no | no | yes | no | no
centre | yes | no | no | yes | yes | yes | no | no | no | no | yes
insurer | no | no | no | no | no | no | yes | no | no | yes | no
hospital | once | no | no | no | once | no | no | no | no | no | no
operator | no | no | no | no | no | no | no | no | no | no | no
public | no | no | no | no | no | no | no | no | no | no | no
relative | no | no | no | no | no | no | no | no | no | no | no
ministry | no | no | no | no | no | no | no | no | no | no | no
"""
SECOND_READ = """
patient | yes | yes | yes | yes | yes | yes | yes | yes | only if involved | only if involved | only if involved \
| yes | yes | only if involved | only if involved
doctor | only if involved | only if involved | only if involved | only if involved | yes | only if involved | no \
| only if involved | yes | no | only if involved | only if involved | only if involved \
| only if involved | only if involved
centre | no | no | no | no | no | no | no | only if involved | no | no | yes | no | no | no | no
insurer | only if involved | no | no | no | only if involved | no | only if involved \
| only if involved | no | yes | no \
| no | no | no | no
hospital | only if involved | no | no | no | only if involved | no | no | only if involved \
| only if involved | no | no \
| only if involved | no | yes | no
operator | no | no | no | no | only global data | no | no | with restriction | yes | yes | yes | no | no | yes | yes
public | no | no | no | no | only global data | no | no | only global data | with restriction | with restriction \
| with restriction | no | no | with restriction | with restriction
relative | no | no | no | no | no | no | no | with restriction | no | no | no | no | no | no | no
ministry | no | no | no | no | no | no | no | yes | yes | yes | yes | no | no | yes | yes
pharmacy | no | only what the patient shows | no | no | no | no | no | no | no | no | no | no | no | no | yes
nurse | no | no | no | no | no | no | no | no | no | no | no | no | no | no | no
device | no | no | no | no | no | no | no | no | no | no | no | no | no | no | no
researcher | no | no | no | no | no | no | no | no | no | no | no | no | no | no | no
organisation, import | no | no | no | no | no | no | no | no | no | no | no | no | no | no | no
"""
SECOND_WRITE = """
patient | no | no | no | no | no | no | no | yes | no | no | no | no | no | no | no
doctor | yes | yes | yes | no | yes | no | no | no | yes | no | no | yes | yes | no | no
centre | yes | no | no | yes | only the kinds that the mapping names | yes | no | no | no | no | yes \
| no | yes | no | no
insurer | no | no | no | no | no | no | yes | no | no | yes | no | no | no | no | no
hospital | once | no | no | no | once | no | only the kinds that the mapping names | until the patient has claimed \
| no | no | no | yes | no | yes | no
operator | no | no | no | no | no | no | no | no | no | no | no | no | no | no | no
public | no | no | no | no | no | no | no | no | no | no | no | no | no | no | no
relative | no | no | no | no | no | no | no | no | no | no | no | no | no | no | no
ministry | no | no | no | no | no | no | no | no | no | no | no | no | no | no | no
pharmacy | no | only the kinds that the mapping names | no | no | no | no | only the kinds that the mapping names \
| no | no | no | no | no | no | no | yes
nurse | only the kinds that the mapping names | no | no | no | yes | no | no | no | no | no | no | no | yes | no | no
device | no | no | no | no | no | no | no | no | no | no | no | no | only of the patient it is bound to | no | no
researcher | no | no | no | no | no | no | no | no | no | no | no | no | no | no | no
organisation, import | yes | yes | yes | yes | yes | yes | yes | only as an unverified copy \
| only as an unverified copy \
| only as an unverified copy | only as an unverified copy | yes | yes | only as an unverified copy \
| only as an unverified copy
"""


def typed(chart: str, columns: list[str]) -> dict[tuple[str, str], str]:
    """(row, column) to word."""
    cells = {}
    for line in chart.strip().splitlines():
        row, *words = [word.strip() for word in line.split("|")]
        assert len(words) == len(columns), row
        cells.update({(row, column): word for column, word in zip(columns, words, strict=True)})
    return cells


CHARTS = {
    (1, "read"): typed(FIGURE_READ, FIGURE_COLUMNS),
    (1, "write"): typed(FIGURE_WRITE, FIGURE_COLUMNS),
    (2, "read"): typed(SECOND_READ, COLUMNS),
    (2, "write"): typed(SECOND_WRITE, COLUMNS),
}
