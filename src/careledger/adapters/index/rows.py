"""A row of the index's file as the version that it names."""

from __future__ import annotations

from typing import Any

from careledger.formats.charts import AuthorsCopy
from careledger.formats.indexing import Filed

COLUMNS = (
    "w.row, w.kind, w.name, w.deposit, w.made, w.place, w.current, w.alias, w.handle, w.compartment, w.record, w.body,"
    " w.body_key, w.content_digest, w.leaf, w.back"
)
COUNT = COLUMNS.count(",") + 1


def filed_of(found: tuple[Any, ...]) -> Filed:
    """What the columns say."""
    row, kind, name, deposit, date, place, current, *columns, leaf, back = found
    alias, handle, compartment, record, body, key, content = columns
    copy = AuthorsCopy(alias, handle, compartment, record, body, key, content, b"", leaf)
    return Filed(row, kind, name, deposit, date, place, bool(current), copy, back)
