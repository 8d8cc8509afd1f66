"""The tables of the index's file."""

from __future__ import annotations

FORM = 3
"""Of what is filed; a file of another form is made again."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (deposit BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS copy_key (deposit BLOB PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writing (
    row INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name BLOB NOT NULL, deposit BLOB NOT NULL,
    made INTEGER NOT NULL, place INTEGER NOT NULL, current INTEGER NOT NULL, back INTEGER NOT NULL, alias BLOB NOT NULL,
    handle BLOB NOT NULL UNIQUE, compartment INTEGER NOT NULL, record BLOB NOT NULL, body BLOB NOT NULL,
    body_key BLOB NOT NULL, content_digest BLOB NOT NULL, leaf BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_kind ON writing (kind, current, row);
CREATE INDEX IF NOT EXISTS by_alias ON writing (alias, current, row);
CREATE INDEX IF NOT EXISTS by_name ON writing (name, made, place);
CREATE INDEX IF NOT EXISTS by_made ON writing (made, row);
CREATE INDEX IF NOT EXISTS by_back ON writing (back, row) WHERE back > 0;
CREATE INDEX IF NOT EXISTS by_record ON writing (record);
CREATE INDEX IF NOT EXISTS by_deposit ON writing (deposit);
CREATE INDEX IF NOT EXISTS by_leaf ON writing (leaf);
CREATE TABLE IF NOT EXISTS parameter (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name)
);
CREATE TABLE IF NOT EXISTS value (
    parameter INTEGER NOT NULL, low NOT NULL, row INTEGER NOT NULL, high NOT NULL,
    PRIMARY KEY (parameter, low, row, high)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_row ON value (row, parameter);
CREATE TABLE IF NOT EXISTS reached (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
"""
