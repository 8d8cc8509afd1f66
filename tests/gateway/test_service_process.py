"""``careledger up`` as an operator runs it: over TLS, told to stop, cut off, and its log."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from gateway.test_page import PROGRAM
from stories.cli_world import ENVIRONMENT, careledger
from story import Story

ROOT = Path(__file__).resolve().parents[2]
NAME = "ehr.example.org"


@pytest.fixture(scope="module")
def network(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that processes open one after the other."""
    folder = tmp_path_factory.mktemp("service") / "data"
    shutil.copytree(told.folder, folder)
    return folder


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for that name, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = rsa.generate_private_key(65537, 2048)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
    made = made.add_extension(x509.BasicConstraints(True, None), True)
    (folder / "cert.pem").write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    how = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*how))
    (folder / "key.pem").chmod(0o600)
    return folder / "cert.pem", folder / "key.pem"


@contextmanager
def up(
    network: Path, *options: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """``careledger up`` in a process of its own, and what it prints first; ended by its process id."""
    with served(network, "up", *options, **environment) as made:
        yield made


@contextmanager
def served(
    network: Path, command: str, *options: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Another command that serves, likewise; on a free port."""
    words = [sys.executable, "-c", PROGRAM, command, "--data", str(network), "--json", *options]
    words += [] if command == "worker" else ["--port", "0"]
    given = os.environ | ENVIRONMENT | environment
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=given)
    assert running.stdout is not None
    try:
        said = ""
        while not said.endswith("}\n") and (line := running.stdout.readline()):
            said += line
        assert said, running.communicate()[1]
        yield running, json.loads(said)
    finally:
        running.kill()
        running.communicate(timeout=60)


def get(url: str, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", url, headers=headers, retries=False, timeout=30)


def stopped(running: subprocess.Popen[str], seconds: float) -> tuple[int, str]:
    """Its exit code, and what it wrote to its log."""
    said = running.communicate(timeout=seconds)[1]
    return running.returncode, said


@pytest.mark.slow
def test_a_service_told_to_stop_says_so_first_then_answers_what_is_under_way(network: Path) -> None:
    said = careledger("token", "issue", "Dr Stay", "--data", network, "--json")
    token = json.loads(said.out)["token"]
    with up(network, CARELEDGER_SHUTDOWN_NOTICE="10", CARELEDGER_SHUTDOWN_WITHIN="120") as (running, facts):
        base = facts["fhir"]
        assert get(facts["ready"]).status == 200
        host, port = base.split("/")[2].split(":")
        begun = socket.create_connection((host, int(port)), timeout=60)
        request = f"POST /fhir/Condition/$validate HTTP/1.1\r\nHost: {host}\r\nContent-Length: 28\r\n"
        request += f"Content-Type: application/fhir+json\r\nAuthorization: Bearer {token}\r\n\r\n"
        begun.sendall(request.encode() + b'{"resourceType":"Condition"')
        running.send_signal(signal.SIGTERM)
        while (reply := get(facts["ready"])).status == 200:  # the signal may not have been heard yet
            time.sleep(0.05)
        assert (reply.status, json.loads(reply.data)["reasons"]) == (503, ["stopping"])
        assert get(f"{base}/metadata").status == 200
        wait_for(lambda: refuses(host, int(port)))
        begun.sendall(b"}")
        assert begun.recv(12) == b"HTTP/1.1 200"
        begun.close()
        assert stopped(running, 120) == (0, "")


def refuses(host: str, port: int) -> bool:
    """Whether nobody listens there any more."""
    try:
        socket.create_connection((host, port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_service_ends_in_time_whatever_is_under_way(network: Path, number: signal.Signals) -> None:
    with up(network, CARELEDGER_SHUTDOWN_WITHIN="2") as (running, facts):
        host, port = facts["fhir"].split("/")[2].split(":")
        never = socket.create_connection((host, int(port)), timeout=60)
        never.sendall(f"POST /fhir HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n".encode())
        at = time.monotonic()
        running.send_signal(number)
        stopped(running, 120)
        assert (
            time.monotonic() - at < 25
        )  # without what the environment says it would wait for thirty seconds
        never.close()
    assert careledger("doctor", "--data", network).code == 0


SIGNALLED_AT_THE_WORST = """
import signal
from careledger.cli.serving import told_to_stop
with told_to_stop() as stop:
    with stop._cond:
        signal.raise_signal(signal.SIGTERM)
    stop.wait()
"""


def test_a_signal_that_comes_while_the_stop_itself_is_looked_at_is_heard() -> None:
    words = [sys.executable, "-c", SIGNALLED_AT_THE_WORST]
    assert subprocess.run(words, timeout=60, env=os.environ | ENVIRONMENT).returncode == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_a_service_with_a_certificate_speaks_only_modern_tls(network: Path, tls: tuple[Path, Path]) -> None:
    cert, key = map(str, tls)
    names = {"CARELEDGER_LISTEN_BASE": f"https://{NAME}", "CARELEDGER_LISTEN_HOST": "0.0.0.0"}
    with up(network, "--tls-cert", cert, "--tls-key", key, **names) as (running, facts):
        assert facts["fhir"] == f"https://{NAME}/fhir"
        port = _port(running.pid)
        pool = urllib3.HTTPSConnectionPool(
            "127.0.0.1", port, ca_certs=cert, server_hostname=NAME, assert_hostname=NAME, retries=False
        )
        reply = pool.request("GET", "/fhir/metadata", headers={"Host": NAME})
        assert (reply.status, json.loads(reply.data)["implementation"]["url"]) == (
            200,
            f"https://{NAME}/fhir",
        )
        assert "max-age" in reply.headers["Strict-Transport-Security"]
        assert pool.request("GET", "/fhir/metadata", headers={"Host": "evil.example.org"}).status == 421
        assert _handshake(port, cert, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        assert _handshake(port, cert, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        for refused in (
            (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
            (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256"),
            (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-SHA256"),
        ):
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                _handshake(port, cert, *refused)
        with pytest.raises(urllib3.exceptions.HTTPError):
            urllib3.request("GET", f"http://127.0.0.1:{port}/healthz", retries=False, timeout=5)
        running.send_signal(signal.SIGTERM)
        assert stopped(running, 60)[0] == 0


def _handshake(port: int, cert: str, version: ssl.TLSVersion, ciphers: str = "") -> str | None:
    """The version that was agreed on."""
    context = ssl.create_default_context(cafile=cert)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as line,
        context.wrap_socket(line, server_hostname=NAME) as safe,
    ):
        return safe.version()


def _port(pid: int) -> int:
    """The port that a process listens on, as the kernel has it."""
    sockets = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
            return int(words[1].partition(":")[2], 16)
    raise AssertionError("it listens nowhere")


@pytest.mark.slow
@pytest.mark.parametrize("said", ["nowhere", "in the environment", "in the file"])
def test_the_containers_health_check_asks_the_service_as_it_is_set_up(
    network: Path, tls: tuple[Path, Path], said: str, tmp_path: Path
) -> None:
    check = [sys.executable, str(ROOT / "packaging" / "alive.py")]
    given = (
        {"CARELEDGER_TLS_CERT": str(tls[0]), "CARELEDGER_TLS_KEY": str(tls[1])} if said != "nowhere" else {}
    )
    with up(network, **given) as (running, facts):
        port = facts["fhir"].split("/")[2].split(":")[1]
        asked = os.environ | given | {"CARELEDGER_LISTEN_PORT": port}
        if said == "in the file":
            file = tmp_path / "careledger.toml"
            file.write_text(f'[listen]\nport = {port}\n[tls]\ncert = "{tls[0]}"\nkey = "{tls[1]}"\n')
            asked = os.environ | {"CARELEDGER_CONFIG": str(file)}
        assert subprocess.run(check, env=asked).returncode == 0
        running.kill()
        running.wait(60)
        assert subprocess.run(check, env=asked).returncode == 1


@pytest.mark.slow
def test_the_log_is_lines_of_json_without_anything_personal(network: Path) -> None:
    secret = "Rahima-Khatun-1988"
    given = {"CARELEDGER_LOG_LEVEL": "info", "CARELEDGER_LOG_REQUESTS": "true"}
    with up(network, "--log-format", "json", **given) as (running, facts):
        get(
            f"{facts['fhir']}/Patient/{secret}?name={secret}",
            Authorization=f"Bearer {secret}",
            Referer=secret,
        )
        get(f"{facts['fhir'].removesuffix('/fhir')}/{secret}")
        running.send_signal(signal.SIGTERM)
        code, said = stopped(running, 60)
    lines = [json.loads(line) for line in said.splitlines()]
    assert code == 0
    assert secret not in said
    routes = [(each["method"], each["route"], each["status"]) for each in lines if "status" in each]
    [refused] = [each for each in lines if each["logger"] == "careledger.security"]
    assert (refused["message"], refused["route"]) == ("token-refused", "/fhir/{kind}/{id}")
    assert routes == [("GET", "/fhir/{kind}/{id}", 401), ("GET", "none", 404)]


@pytest.mark.slow
def test_a_configuration_that_does_not_go_stops_the_start(network: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("[listen]\nprot = 1\n")
    for options, words in (
        (("--host", "0.0.0.0"), "beyond loopback"),
        (("--config", str(tmp_path / "wrong.toml")), "listen.prot"),
        (("--tls-cert", "alone.pem"), "given alone"),
        (("--log-format", "xml"), "text, json"),
    ):
        done = careledger("up", "--data", network, "--port", "0", *options)
        assert done.code == 3, done
        assert words in done.err.replace("\n", " "), done


def test_what_holds_is_shown_with_its_place_and_no_secret(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARELEDGER_PASSPHRASE", "hunter2hunter2")
    monkeypatch.setenv("CARELEDGER_LISTEN_PORT", "9000")
    shown = careledger("config", "show", "--data", network, "--json")
    assert "hunter2" not in shown.out + careledger("config", "show", "--data", network).out
    said = json.loads(shown.out)
    assert said["secrets"]["CARELEDGER_PASSPHRASE"] == "set, not shown"
    rows = {each["setting"]: (each["value"], each["origin"]) for each in said["settings"]}
    assert rows["listen.port"] == ("9000", "the environment, CARELEDGER_LISTEN_PORT")
    assert rows["listen.host"] == ("127.0.0.1", "default")
    assert careledger("config", "check", "--data", network).code == 0
    monkeypatch.setenv("CARELEDGER_LISTEN_PORT", "90000")
    refused = careledger("config", "check", "--data", network)
    assert (refused.code, "listen.port" in refused.err) == (3, True)
