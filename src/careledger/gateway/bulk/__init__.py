"""Bulk Data exports: made bit by bit between requests, kept sealed for a day, handed out as NDJSON."""
