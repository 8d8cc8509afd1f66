"""The page at GET /: what the network is, and a button that adds it to a wallet (EIP-3085)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from string import Template
from typing import Any

CURRENCY = {"name": "none", "symbol": "NONE", "decimals": 18}  # wallets want one; there are no coins
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def network(chain_id: int, url: str) -> dict[str, Any]:
    """The parameter of ``wallet_addEthereumChain`` (EIP-3085)."""
    return {
        "chainId": hex(chain_id),
        "chainName": f"CareLedger {chain_id}",
        "nativeCurrency": CURRENCY,
        "rpcUrls": [url],
    }


@dataclass(frozen=True)
class Page:
    """The page, its script, and the headers of both: nothing else is loaded, nobody frames it."""

    html: str
    script: str
    headers: dict[str, str] = field(default_factory=lambda: dict(_HEADERS))


def page_of(chain_id: int, url: str) -> Page:
    """The page of a chain that is served at that address."""
    said = json.dumps(network(chain_id, url), indent=2)
    html = Template(_file("page.html")).substitute(network=escape(said), chain=chain_id, url=escape(url))
    return Page(html, _file("wallet.js"))


def _file(name: str) -> str:
    return (resources.files("careledger.rpc") / name).read_text("utf-8")
