"""Ledger events to facts, as a fold: every table built here can be dropped and rebuilt."""
