"""Addresses of nodes: what they may be, and what one is called in errors."""

from __future__ import annotations

from urllib.parse import urlsplit

from careledger.domain.errors import SettingsRefused


def name_of(url: str) -> str:
    """Host and port of an address; raises SettingsRefused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SettingsRefused(key="ledger", why="not an address of a node") from None
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsRefused(key="ledger", why="not an http or https address of a node")
    if parts.username or parts.password:
        raise SettingsRefused(
            key="ledger", why="a password in the address; name a file with the header instead"
        )
    return f"{host}:{port or (443 if parts.scheme == 'https' else 80)}"
