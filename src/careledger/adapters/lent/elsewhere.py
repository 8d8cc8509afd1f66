"""What stops an answer that another process has to give. It is no refusal: whoever asked never hears of it."""

from __future__ import annotations


class NotHere(Exception):
    """The process that has the directory has to be asked."""
