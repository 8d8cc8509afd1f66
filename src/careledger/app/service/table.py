"""The settings of a service: one frozen value, whose fields are the table that docs/configuration.md is made from.

Settings of the network are another matter: they are the same for every process of a data directory, and lie in its
``careledger.json``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from careledger.app.serving import is_loopback
from careledger.domain.errors import ConfigurationRefused
from careledger.domain.parties import POST_ROLES, Role

PREFIX = "CARELEDGER_"
FORMATS, LEVELS = ("text", "json"), ("debug", "info", "warning", "error")
LONGEST_END = 300.0
SECURED = "https://"
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]+")


def _set(name: str, default: Any, says: str) -> Any:
    return field(default=default, metadata={"name": name, "says": says})


@dataclass(frozen=True)
class Service:
    """What a gateway or worker is told by its operator; raises ConfigurationRefused for values that do not go."""

    host: str = _set("listen.host", "127.0.0.1", "The name or address that is listened on. One that is not loopback "
                     "needs `tls.cert`, or `proxy.trusted`, `proxy.plain` and an https `listen.base`.")  # fmt: skip
    port: int = _set("listen.port", 8080, "The port; 0 takes a free one.")
    base: str = _set("listen.base", "", "Where clients reach it, such as `https://ehr.example.org`: links begin with "
                     "it, and its name may be asked under. Empty: the address that is listened on.")  # fmt: skip
    hosts: tuple[str, ...] = _set("listen.hosts", (), "Further names that clients may ask under (`Host`); those of "
                                  "loopback always may. Any other is answered 421.")  # fmt: skip
    cert: str = _set("tls.cert", "", "The certificate with its chain, PEM. With `tls.key` everything is served over "
                     "TLS 1.2 or 1.3.")  # fmt: skip
    key: str = _set(
        "tls.key", "", "Its private key, PEM without a passphrase; a file that others may read is refused."
    )
    authorities: str = _set("tls.clients", "", "Certificates of authorities, PEM: whoever connects, such as a proxy, "
                            "has to show one that they issued. Empty: nobody has to.")  # fmt: skip
    proxies: tuple[str, ...] = _set("proxy.trusted", (), "Addresses or networks of proxies in front. Only from them "
                                    "is `X-Forwarded-For`, `-Proto` and `-Host` believed.")  # fmt: skip
    plain: bool = _set("proxy.plain", False, "Those of them beyond loopback may come without TLS, over a network on "
                       "which nobody else can listen.")  # fmt: skip
    members: str = _set("members.listen", "", "Where the directory's custodian is served to other members, such as "
                        "`192.0.2.7:8444` (docs/members.md). Empty: nowhere.")  # fmt: skip
    metrics: str = _set("metrics.address", "", "Where Prometheus scrapes, without a token: the path of a Unix "
                        "socket that its owner alone may use, `https://127.0.0.1:9464` by the certificate of "
                        "`tls.cert`, or `127.0.0.1:9464`; loopback only. Empty: nowhere.")  # fmt: skip
    log_format: str = _set("log.format", "text", "`text`, or `json`: one object a line.")
    log_level: str = _set("log.level", "warning", "`debug`, `info`, `warning` or `error`.")
    log_requests: bool = _set("log.requests", False, "A line for each request: its route's pattern, method, status "
                              "and time; `log.level` has to be `info` or lower.")  # fmt: skip
    traces: str = _set("traces.endpoint", "", "Where spans are sent by OTLP over HTTP, such as "
                       "`http://127.0.0.1:4318/v1/traces`; https unless it is loopback. Empty: nowhere. Needs the "
                       "extra `traces`.")  # fmt: skip
    tends_every: float = _set(
        "work.tends_every", 30.0, "Seconds between two times that what has come due is done."
    )
    looks_every: float = _set("work.looks_every", 2.0, "Seconds between two looks for events to tell.")
    socket: str = _set("worker.socket", "", "Where a worker is reached by gateways: a Unix socket that its owner alone "
                       "may use. Empty: `worker/socket` in the data directory.")  # fmt: skip
    scanner: str = _set("files.scanner", "", "Where a ClamAV daemon of this machine scans files before they are "
                        "sealed: the path of its Unix socket, or `127.0.0.1:3310`. Empty: they are not "
                        "scanned.")  # fmt: skip
    scans_most: int = _set("files.most", 25 * 2**20, "Bytes of the largest file that the daemon scans whole, which its "
                           "`StreamMaxLength`, `MaxFileSize` and `MaxScanSize` have to reach. Larger ones are refused "
                           "where files are scanned.")  # fmt: skip
    scans_within: float = _set("files.within", 120.0, "Seconds that the daemon may take for a file; then it is "
                               "refused.")  # fmt: skip
    outside: tuple[str, ...] = _set("outside.hosts", (), "The only hosts that are asked because of what others said: "
                                    "webhooks, clients' keys, OpenID providers, lists of revoked licences. "
                                    "`*.example.org` names all below. Empty: every public one.")  # fmt: skip
    licences: tuple[str, ...] = _set("licences.required", (), "Roles, such as `doctor`, `nurse`, whose posts are "
                                     "registered only by a professional licence that was shown and checked "
                                     "(docs/licences.md), whoever enters them. Empty: none.")  # fmt: skip
    notice: float = _set("shutdown.notice", 0.0, "Seconds that a service told to stop goes on answering while it says "
                         "that it is not ready, so that a balancer sends nothing new.")  # fmt: skip
    within: float = _set(
        "shutdown.within", 30.0, "Seconds after that within which it has ended, whatever is under way."
    )

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise refused("listen.port", "not between 0 and 65535")
        if bool(self.cert) != bool(self.key):
            raise refused("tls.key" if self.cert else "tls.cert", "the other one is given alone")
        if self.authorities and not self.cert:
            raise refused("tls.clients", "needs tls.cert")
        _check_addresses(self)
        _check_scanner(self)
        if not all(map(_HOST.fullmatch, self.outside)):
            raise refused("outside.hosts", "not names in lower case, without scheme, port and path")
        if not {*self.licences} <= {each.code for each in POST_ROLES}:
            raise refused(
                "licences.required", f"not of {', '.join(sorted(each.code for each in POST_ROLES))}"
            )
        for name, value, known in (
            ("log.format", self.log_format, FORMATS),
            ("log.level", self.log_level, LEVELS),
        ):
            if value not in known:
                raise refused(name, f"not one of {', '.join(known)}")
        for name, number, least in (
            ("work.tends_every", self.tends_every, 0.1),
            ("work.looks_every", self.looks_every, 0.1),
            ("files.within", self.scans_within, 1.0),
            ("shutdown.notice", self.notice, 0.0),
            ("shutdown.within", self.within, 1.0),
        ):
            if not least <= number <= LONGEST_END:
                raise refused(name, f"not between {least:g} and {LONGEST_END:g} seconds")

    @property
    def address(self) -> str:
        """Where clients reach it, as far as these settings say."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base or f"{'https' if self.cert else 'http'}://{host}:{self.port}"

    @property
    def networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The proxies that are believed."""
        return tuple(ipaddress.ip_network(each) for each in self.proxies)

    @property
    def licensed(self) -> frozenset[Role]:
        """The roles whose posts need a licence that was shown."""
        return frozenset(each for each in POST_ROLES if each.code in self.licences)

    @property
    def names(self) -> frozenset[str]:
        """The names besides loopback's that may be asked under, in lower case."""
        own = urlsplit(self.base).hostname
        return frozenset(each.lower() for each in (*self.hosts, *([own] if own else ())))


class Setting(NamedTuple):
    """One row of the table: its name in the file, its variable in the environment, its field."""

    name: str
    field: str
    default: Any
    says: str

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.replace(".", "_").upper()


def table() -> tuple[Setting, ...]:
    """Every setting, in the order of the fields."""
    return tuple(
        Setting(each.metadata["name"], each.name, each.default, each.metadata["says"])
        for each in fields(Service)
    )


def refused(name: str, why: str) -> ConfigurationRefused:
    """That setting does not go; the value itself is not repeated."""
    return ConfigurationRefused(key=name, why=why)


def metrics_of(said: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, after ``https://`` or not; raises ConfigurationRefused for anything else or
    beyond loopback."""
    host, port = place_of("metrics.address", said.removeprefix(SECURED))
    if not is_loopback(host):
        raise refused("metrics.address", "not loopback, and metrics need no token")
    return host, port


def place_of(name: str, said: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, which that setting is; raises ConfigurationRefused for anything else."""
    host, _, port = said.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65_535:
        raise refused(name, "not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _check_addresses(said: Service) -> None:
    for each in said.proxies:
        try:
            network = ipaddress.ip_network(each)
        except ValueError:
            raise refused("proxy.trusted", "not addresses and networks") from None
        if network.prefixlen == 0:
            raise refused("proxy.trusted", "everybody would be believed")
    if said.base:
        _check_url("listen.base", said.base, path=False)
    if said.traces:
        _check_url("traces.endpoint", said.traces, path=True)
    if said.metrics and not said.metrics.startswith("/"):
        metrics_of(said.metrics)
    if said.metrics.startswith(SECURED) and not said.cert:
        raise refused("metrics.address", "needs tls.cert and tls.key")
    if said.members:
        place_of("members.listen", said.members)
    covered = bool(said.proxies) and said.plain and said.base.startswith("https://")
    if not is_loopback(said.host) and not said.cert and not covered:
        why = "beyond loopback: needs tls.cert and tls.key, or proxy.trusted, proxy.plain and an https listen.base"
        raise refused("listen.host", why)


def _check_scanner(said: Service) -> None:
    """Files go there in clear, so it is of this machine."""
    if said.scanner and not said.scanner.startswith("/"):
        host, _ = place_of("files.scanner", said.scanner)
        if not is_loopback(host) or host.lower() == "localhost":
            raise refused("files.scanner", "neither the path of a socket nor an address of loopback")
    if not 1 <= said.scans_most < 2**31:
        raise refused("files.most", "not between 1 and 2147483647 bytes")


def _check_url(name: str, url: str, path: bool) -> None:
    """An https address, or http of loopback; a path only where one belongs."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise refused(name, "not an address") from None
    if (
        parts.scheme not in ("http", "https")
        or not host
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise refused(name, "not an http or https address without a password")
    if parts.scheme == "http" and not is_loopback(host):
        raise refused(name, "without TLS beyond loopback")
    if parts.path and not path:
        raise refused(name, "a path, or a slash at its end")
