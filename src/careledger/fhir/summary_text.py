"""The narratives of a patient summary: tables that people read, in the XHTML that FHIR R4 allows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from html import escape

from careledger.fhir.json_text import Resource
from careledger.fhir.paths import concept_text
from careledger.fhir.summary import summary

INCOMPLETE = "This summary may be incomplete: there may be more about this patient elsewhere."
LONGEST_CELL = 200
MOST_ROWS_TEXT = 500_000
"""Characters of rows in one narrative; what is left out of it stands in the entries, and the narrative says so."""
JOINERS = "\u200c\u200d"
"""Invisible, and part of how Bengali and other scripts are written."""


def table(resources: Sequence[Resource], notes: Iterable[str]) -> Resource:
    """A Narrative: one row for each resource, with date, text, value and status, then notes in plain words."""
    rows, size, shown = [], 0, 0
    for resource in resources:
        row = _row(resource)
        if size + len(row) > MOST_ROWS_TEXT:
            break
        rows.append(row)
        size, shown = size + len(row), shown + 1
    said = list(notes)
    if shown < len(resources):
        said.insert(0, f"{len(resources) - shown} more are in this section and not in this table.")
    head = "<tr><th>Date</th><th>What</th><th>Value</th><th>Status</th></tr>"
    body = f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>" if rows else ""
    return _narrative(body + paragraphs(said))


def words(title: str, said: Iterable[str]) -> Resource:
    """A Narrative of a heading and paragraphs."""
    return _narrative(f"<h1>{_shown(title)}</h1>{paragraphs(said)}")


def paragraphs(said: Iterable[str]) -> str:
    """Each in a p element, escaped."""
    return "".join(f"<p>{_shown(each)}</p>" for each in said)


def _narrative(inner: str) -> Resource:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'}


def _row(resource: Resource) -> str:
    line, status = summary(resource), _status(resource)
    value = "" if line.value in status.split(", ") else line.value
    cells = (line.date, line.what, value, status)
    return "<tr>" + "".join(f"<td>{_shown(each)}</td>" for each in cells) + "</tr>"


def _status(resource: Resource) -> str:
    """Everything that a record says of how it stands: a refuted allergy is none."""
    stated = resource.get("status")
    said = [concept_text(resource.get(name)) for name in ("clinicalStatus", "verificationStatus")]
    return ", ".join(each for each in (*said, stated if isinstance(stated, str) else "") if each)


def _shown(text: str) -> str:
    """Escaped, in one line of bounded length; control and direction marks appear as U+FFFD."""
    line = " ".join(text.split())
    if len(line) > LONGEST_CELL:
        line = line[: LONGEST_CELL - 1] + "…"
    return escape("".join("\ufffd" if _is_mark(each) else each for each in line))


def _is_mark(character: str) -> bool:
    return character not in JOINERS and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
