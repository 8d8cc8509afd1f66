"""Who may be at the other end of a service's own lines: its worker's socket, its metrics, a proxy before it."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import story as stories
from careledger.app.service import tls
from careledger.app.service.table import Service
from careledger.app.serving import HttpServer
from careledger.app.world import World
from careledger.domain.errors import ConfigurationRefused, ServerUnavailable
from careledger.gateway.server import Gateway
from story import Story

NAME = "ehr.example.org"


@pytest.fixture(scope="module")
def world(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    mine = stories.copied(told, tmp_path_factory.mktemp("lines") / "data")
    yield mine.world
    mine.world.close()


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates and keys: of the service, of its proxy's authority and of another one."""
    folder = tmp_path_factory.mktemp("pems")
    for called in ("service", "proxy", "stranger"):
        key = ec.generate_private_key(ec.SECP256R1())
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)]), datetime.now(UTC)
        made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
        made = made.add_extension(x509.BasicConstraints(True, None), True)
        pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (folder / f"{called}.pem").write_bytes(pem)
        how = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        secret = folder / f"{called}.key"
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *how))
        secret.chmod(0o600)
    return folder


def secured(pems: Path, **more: Any) -> Service:
    return Service(cert=str(pems / "service.pem"), key=str(pems / "service.key"), **more)


def status(url: str, pems: Path, shows: str = "") -> int:
    """Of what a client is answered that shows that certificate, or none."""
    context = ssl.create_default_context(cafile=str(pems / "service.pem"))
    if shows:
        context.load_cert_chain(pems / f"{shows}.pem", pems / f"{shows}.key")
    host, path = url.removeprefix("https://").split("/", 1)
    port = int(host.rpartition(":")[2])
    with urllib3.HTTPSConnectionPool(
        "127.0.0.1", port, ssl_context=context, server_hostname=NAME, assert_hostname=NAME, retries=False
    ) as pool:
        return pool.request("GET", f"/{path}", headers={"Host": "localhost"}).status


def over(path: Path, asks: str) -> tuple[int, bytes]:
    """What is answered over a Unix socket; 0 where the line is closed unread."""
    talk = http.client.HTTPConnection("localhost")
    talk.sock = socket.socket(socket.AF_UNIX)
    talk.sock.settimeout(60)
    talk.sock.connect(str(path))
    try:
        talk.request("GET", asks)
        reply = talk.getresponse()
        return reply.status, reply.read()
    except OSError:
        return 0, b""
    finally:
        talk.close()


def as_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if whoever connects were another user's process."""
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)


def test_a_socket_answers_processes_of_its_own_user_alone_whatever_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def application(
        scope: dict[str, str], receive: Callable[..., object], send: Callable[..., object]
    ) -> None:
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[misc]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[misc]

    with HttpServer.at(tmp_path / "socket") as server:
        server.start(application)
        assert over(tmp_path / "socket", "/mine")[0] == 204
        (tmp_path / "socket").chmod(0o666)
        with monkeypatch.context() as other:
            as_another_user(other)
            assert over(tmp_path / "socket", "/others") == (0, b"")
        assert over(tmp_path / "socket", "/mine")[0] == 204
    assert asked == ["/mine", "/mine"]


def test_a_file_that_is_no_socket_is_not_removed_for_one(tmp_path: Path) -> None:
    kept = tmp_path / "careledger.json"
    kept.write_text("settings")
    with pytest.raises(ServerUnavailable):
        HttpServer.at(kept)
    assert kept.read_text() == "settings"


def test_metrics_are_scraped_over_a_socket_of_their_owner(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "metrics"
    with Gateway(world, port=0, service=Service(metrics=str(place))) as gateway:
        assert gateway.metrics_url == str(place)
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        told, body = over(place, "/metrics")
        assert (told, b"careledger_ready" in body) == (200, True)
        as_another_user(monkeypatch)
        assert over(place, "/metrics")[0] == 0


def test_metrics_are_scraped_over_tls_by_the_services_certificate(world: World, pems: Path) -> None:
    service = secured(pems, metrics="https://127.0.0.1:0")
    with Gateway(world, port=0, service=service) as gateway:
        assert status(gateway.metrics_url, pems) == 200
        with pytest.raises(urllib3.exceptions.HTTPError):
            urllib3.request("GET", gateway.metrics_url.replace("https", "http"), retries=False)


def test_whoever_shows_no_certificate_of_the_named_authorities_is_not_answered(
    world: World, pems: Path
) -> None:
    service = secured(pems, authorities=str(pems / "proxy.pem"), metrics="https://127.0.0.1:0")
    with Gateway(world, port=0, service=service) as gateway:
        for url in (f"{gateway.url}/healthz", gateway.metrics_url):
            assert status(url, pems, "proxy") == 200
            for shows in ("", "stranger"):
                with pytest.raises(urllib3.exceptions.HTTPError):
                    status(url, pems, shows)


def test_authorities_that_cannot_be_read_let_nothing_start(pems: Path) -> None:
    for wrong in (pems / "none.pem", pems / "service.key"):
        with pytest.raises(ConfigurationRefused, match=r"tls\.clients"):
            tls.context(secured(pems, authorities=str(wrong)))
