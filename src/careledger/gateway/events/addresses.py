"""Which addresses events are sent to: https on the public internet, and loopback only where the settings allow it.

A name is resolved here, every address that it has must be allowed, and what is connected to is the address that was
checked, so that a name that means something else a moment later gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from careledger.domain.errors import EndpointRefused

LONGEST = 2_000
_PRINTED = re.compile(r"[!-~]+")
_METADATA = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Addresses out of the public space at which clouds answer their machines."""


@dataclass(frozen=True)
class Target:
    """A URL that was taken apart: ``path`` with its query."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def named(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def target(url: str, loopback: bool) -> Target:
    """A URL's target; raises EndpointRefused. ``loopback``: whether this machine may be sent to, without https."""
    if len(url) > LONGEST or not _PRINTED.fullmatch(url):
        raise EndpointRefused(why="it is too long or holds characters that no URL has")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise EndpointRefused(why="it is no URL") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise EndpointRefused(why="only https is sent to")
    if not host or "@" in parts.netloc or parts.fragment or port == 0:
        raise EndpointRefused(why="it needs a host, and neither a user nor a fragment")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    found = Target(secure, host, port or (443 if secure else 80), path)
    if _literal(host) is not None:
        _check([host], found, loopback)
    return found


def check_listed(host: str, hosts: tuple[str, ...]) -> None:
    """Raises EndpointRefused for a host that an operator's list does not name; an empty list names every one."""
    said = host.lower().removesuffix(".")
    below = {f"*{said[at:]}" for at, sign in enumerate(said) if sign == "."}
    if hosts and not {said, *below} & set(hosts):
        raise EndpointRefused(why="this host is not among outside.hosts")


def addresses(found: Target, loopback: bool) -> list[str]:
    """The addresses of a target, all of them allowed; raises EndpointRefused, OSError where the name has none."""
    answers = socket.getaddrinfo(found.host, found.port, type=socket.SOCK_STREAM)
    numbers = list(dict.fromkeys(str(each[4][0]) for each in answers))
    _check(numbers, found, loopback)
    return numbers


def is_public(said: str) -> bool:
    """Whether an address is one of the public internet: unicast, of no private, local, reserved or translated range."""
    address = ipaddress.ip_address(said.partition("%")[0])
    if (
        "%" in said
        or not address.is_global
        or address.is_multicast
        or address.is_reserved
        or address in _METADATA
    ):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    inner = address.ipv4_mapped or address.sixtofour or address.teredo
    return inner is None and not address.is_site_local


def _check(numbers: list[str], found: Target, loopback: bool) -> None:
    """Raises EndpointRefused unless all are public and asked by https, or all this machine's where that is allowed."""
    if found.secure and numbers and all(map(is_public, numbers)):
        return
    if not (loopback and numbers and all(ipaddress.ip_address(each).is_loopback for each in numbers)):
        raise EndpointRefused(why="nothing but public addresses is sent to")


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
