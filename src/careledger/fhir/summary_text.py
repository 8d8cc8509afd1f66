"""The narratives of a patient summary: tables that people read, in the XHTML that FHIR R4 allows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from careledger.fhir.json_text import Resource
from careledger.fhir.paths import concept_text
from careledger.fhir.summary import summary

INCOMPLETE = "This summary may be incomplete: there may be more about this patient elsewhere."
COLUMNS = ("Date", "What", "Value", "Status")
LONGEST_CELL = 200
MOST_ROWS_TEXT = 500_000
"""Characters of rows in one narrative; what is left out of it stands in the entries, and the narrative says so."""
JOINERS = "\u200c\u200d"
"""Invisible, and part of how Bengali and other scripts are written."""


@dataclass(frozen=True, repr=False)
class Lines:
    """What a section shows to people: rows of ``COLUMNS``, then plain words; never printed."""

    rows: tuple[tuple[str, ...], ...]
    said: tuple[str, ...]


def lines(resources: Sequence[Resource], notes: Iterable[str]) -> Lines:
    """One row for each resource, with date, text, value and status, then the notes."""
    rows: list[tuple[str, ...]] = []
    size, said = 0, list(notes)
    for resource in resources:
        row = _row(resource)
        size += len(_html(row))
        if size > MOST_ROWS_TEXT:
            break
        rows.append(row)
    if len(rows) < len(resources):
        said.insert(0, f"{len(resources) - len(rows)} more are in this section and not in this table.")
    return Lines(tuple(rows), tuple(said))


def table(shown: Lines) -> Resource:
    """A Narrative of a table and paragraphs."""
    rows = "".join(_html(row) for row in shown.rows)
    head = "<tr>" + "".join(f"<th>{each}</th>" for each in COLUMNS) + "</tr>"
    body = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if rows else ""
    return _narrative(body + paragraphs(shown.said))


def words(title: str, said: Iterable[str]) -> Resource:
    """A Narrative of a heading and paragraphs."""
    return _narrative(f"<h1>{_shown(title)}</h1>{paragraphs(said)}")


def paragraphs(said: Iterable[str]) -> str:
    """Each in a p element, escaped."""
    return "".join(f"<p>{_shown(each)}</p>" for each in said)


def _narrative(inner: str) -> Resource:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'}


def _row(resource: Resource) -> tuple[str, ...]:
    line, status = summary(resource), _status(resource)
    value = "" if line.value in status.split(", ") else line.value
    return tuple(one_line(each) for each in (line.date, line.what, value, status))


def _html(row: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>"


def _status(resource: Resource) -> str:
    """Everything that a record says of how it stands: a refuted allergy is none."""
    stated = resource.get("status")
    said = [concept_text(resource.get(name)) for name in ("clinicalStatus", "verificationStatus")]
    return ", ".join(each for each in (*said, stated if isinstance(stated, str) else "") if each)


def _shown(text: str) -> str:
    return escape(one_line(text))


def one_line(text: str) -> str:
    """In one line of bounded length; control and direction marks appear as U+FFFD."""
    line = " ".join(text.split())
    if len(line) > LONGEST_CELL:
        line = line[: LONGEST_CELL - 1] + "…"
    return "".join("\ufffd" if _is_mark(each) else each for each in line)


def _is_mark(character: str) -> bool:
    return character not in JOINERS and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
