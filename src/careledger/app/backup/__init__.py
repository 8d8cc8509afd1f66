"""Backups: a data directory copied while it is in use, checked without being restored, and restored elsewhere."""
