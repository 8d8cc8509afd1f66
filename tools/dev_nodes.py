"""Programs of other code bases, for tests: nodes, an OpenID provider, FHIR's clients, Keycloak, ClamAV's daemon.

    python tools/dev_nodes.py      install all into the user's cache and print the programs' paths

From npm (@foundry-rs/anvil 1.7.1, ganache 7.9.2, oidc-provider 9.13.3, openid-client 6.9.0, fhirclient 2.6.3,
fhir-kit-client 2.0.3, @medplum/core 4.5.2) and Maven Central (Keycloak 26.7.3, which needs Java 17) by version,
outside the repository; ClamAV's daemon is the system's. They listen on loopback only, nodes without fees, Anvil at the
London hard fork and Ganache below it, for it knows no London without a base fee. Anvil's mining of each transaction
loses some, so it mines by the second or when told to.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_STARTS_WITHIN, _KEYCLOAK_WITHIN = 90.0, 900.0  # seconds
_NO_GAS_LIMIT = str(2**53 - 1)
_GIVEN_OUT_BY_NOBODY = range(20_000, 32_000)
"""Ports that the system gives no connection by itself: whoever is told one listens there only after a while."""


class NoNode(Exception):
    """This node cannot be had here; the message says why."""


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "careledger"


@dataclass(frozen=True)
class Program:
    """An npm package and where its program lies in it."""

    name: str
    package: str
    version: str
    place: str

    def install(self) -> Path:
        """The program, installed first where it is not; raises NoNode."""
        folder = _cache() / f"{self.name}-{self.version}"
        found = self._found(folder)
        if found is None:
            npm = shutil.which("npm")
            if npm is None:
                raise NoNode("no Node and npm here")
            package = f"{self.package}@{self.version}"
            command = [
                npm,
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--prefix",
                str(folder),
                package,
            ]
            folder.mkdir(parents=True, exist_ok=True)
            said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            found = self._found(folder)
            if found is None:
                raise NoNode(f"npm could not install {package}: {said.stderr.strip()[-200:]}")
        return found

    def _found(self, folder: Path) -> Path | None:
        found = sorted(folder.glob(self.place))
        return found[0] if found else None


ANVIL = Program("anvil", "@foundry-rs/anvil", "1.7.1", "node_modules/@foundry-rs/anvil-*/bin/anvil*")
GANACHE = Program("ganache", "ganache", "7.9.2", "node_modules/.bin/ganache")
OPENID = Program("oidc-provider", "oidc-provider", "9.13.3", "node_modules/oidc-provider/lib/index.js")
"""A library: what it serves, the script beside the test says."""
SMART = Program("fhirclient", "fhirclient", "2.6.3", "node_modules/fhirclient/build/fhir-client.js")
"""A script for browsers, which a page of the test's own loads."""
OPENID_CLIENT = Program(
    "openid-client", "openid-client", "6.9.0", "node_modules/openid-client/build/index.js"
)
"""A client of OAuth and OpenID Connect."""
KIT = Program("fhir-kit-client", "fhir-kit-client", "2.0.3", "node_modules/fhir-kit-client/dist/index.js")
MEDPLUM = Program("medplum-core", "@medplum/core", "4.5.2", "node_modules/@medplum/core/dist/esm/index.mjs")
"""Clients of FHIR for programs."""


@dataclass(frozen=True)
class Keycloak:
    """Keycloak from Maven Central, set up to keep everything in memory."""

    version: str = "26.7.3"

    def install(self) -> Path:
        """Its start script, fetched and set up first where it is not, by one process at a time; raises NoNode."""
        folder = _cache() / f"keycloak-{self.version}"
        done, script = folder / "set-up", folder / "bin" / "kc.sh"
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                self._fetch(folder)
                self._run([str(script), "build", "--db=dev-mem", "--cache=local"])
                done.touch()
        return script

    def _fetch(self, folder: Path) -> None:
        for program in ("mvn", "java"):
            if shutil.which(program) is None:
                raise NoNode(f"no {program} here")
        with tempfile.TemporaryDirectory() as scratch:
            artifact = f"org.keycloak:keycloak-quarkus-dist:{self.version}:tar.gz"
            plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
            self._run(["mvn", "-q", "-B", plugin, f"-Dartifact={artifact}", f"-DoutputDirectory={scratch}"])
            [packed] = Path(scratch).glob("*.tar.gz")
            with tarfile.open(packed) as archive:
                archive.extractall(scratch, filter="data")
            shutil.rmtree(folder)
            shutil.move(Path(scratch, f"keycloak-{self.version}"), folder)

    def _run(self, command: Sequence[str]) -> None:
        said = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if said.returncode:
            raise NoNode(
                f"{command[0]} could not set Keycloak up: {(said.stdout + said.stderr).strip()[-200:]}"
            )


KEYCLOAK = Keycloak()


@dataclass
class Node:
    """A node on loopback that can be ended and started again; its chain begins anew unless it keeps a state."""

    program: Program
    options: Sequence[str]
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def rpc(self, method: str, *parameters: Any) -> Any:
        """The result of a JSON-RPC call; raises RuntimeError with the node's error."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            said = json.load(answer)
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error'].get('message')}")
        return said["result"]

    def send(self, raw: bytes) -> int:
        """The gas of that transaction, mined alone; raises RuntimeError if it is refused or reverted."""
        sent = self.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        self.rpc("evm_mine")
        receipt = self.rpc("eth_getTransactionReceipt", sent)
        if receipt is None or receipt["status"] != "0x1":
            raise RuntimeError(f"reverted or not mined: {sent}")
        return int(receipt["gasUsed"], 16)

    def start(self) -> None:
        """Starts it and waits until it answers; raises NoNode."""
        command = [str(self.program.install()), *self.options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self.rpc("eth_chainId")
                return
            except OSError:
                time.sleep(0.1)
        raise NoNode(f"{self.program.name} did not start")

    def stop(self, kill: bool = False) -> None:
        """Ends it by its process id, orderly or at once."""
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(timeout=60)
            self._process = None


@contextmanager
def _running(program: Program, options: Sequence[str], port_option: str) -> Iterator[Node]:
    port = free_port()
    node = Node(program, [*options, port_option, str(port)], port)
    try:
        node.start()
        yield node
    finally:
        node.stop()


def _anvil(chain_id: int, *options: str) -> list[str]:
    fixed = ("--host", "127.0.0.1", "--chain-id", str(chain_id), "--silent", "--hardfork", "london")
    return [*fixed, "--accounts", "1", "--gas-price", "0", "--base-fee", "0", *options]


@contextmanager
def running(chain_id: int, start: int) -> Iterator[Node]:
    """Anvil that mines when told to, with that chain id, whose time starts then (unix seconds)."""
    options = _anvil(chain_id, "--timestamp", str(start), "--no-mining")
    with _running(ANVIL, options, "--port") as node:
        yield node


@contextmanager
def anvil(chain_id: int, state: Path | None = None) -> Iterator[Node]:
    """Anvil with a block every second; with ``state`` its chain, not its pool, outlives an orderly end."""
    kept = () if state is None else ("--state", str(state))
    options = _anvil(chain_id, "--block-time", "1", "--gas-limit", _NO_GAS_LIMIT, *kept)
    with _running(ANVIL, options, "--port") as node:
        yield node


@contextmanager
def ganache(chain_id: int) -> Iterator[Node]:
    """Ganache with a block every second."""
    options = ["--server.host", "127.0.0.1", "--chain.chainId", str(chain_id), "--chain.hardfork", "berlin"]
    options += [
        "--miner.blockTime",
        "1",
        "--miner.blockGasLimit",
        _NO_GAS_LIMIT,
        "--miner.defaultGasPrice",
        "0",
    ]
    options += ["--wallet.totalAccounts", "1", "--logging.quiet"]
    with _running(GANACHE, options, "--server.port") as node:
        yield node


@contextmanager
def keycloak(password: str) -> Iterator[str]:
    """Keycloak without a realm but its own, whose administrator is ``admin``: its address. Raises NoNode."""
    script = KEYCLOAK.install()
    options = ["--optimized", "--http-enabled=true", "--hostname-strict=false", "--http-host=127.0.0.1"]
    given = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": password,
             "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m"}  # fmt: skip
    port = free_port()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(script), "start", *options, f"--http-port={port}"], env=os.environ | given,
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + _KEYCLOAK_WITHIN
            while not _answers(f"{url}/realms/master"):
                if time.monotonic() > end or process.poll() is not None:
                    said.seek(0)
                    raise NoNode(
                        f"Keycloak did not start: {said.read().decode(errors='replace').strip()[-400:]}"
                    )
                time.sleep(0.5)
            yield url
        finally:
            _end_all(process)


@contextmanager
def clamd(folder: Path, known: bytes, *settings: str) -> Iterator[tuple[Path, int]]:
    """ClamAV's daemon in that folder, which knows one harmful thing, these bytes, and nothing else: its socket and
    process id. Raises NoNode."""
    program = shutil.which("clamd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        raise NoNode("no clamd here (Debian: clamav-daemon)")
    database, socket_path = folder / "database", folder / "socket"
    database.mkdir(parents=True)
    (database / "test.ndb").write_text(f"CareLedger-Test:0:*:{known.hex()}\n")
    said = ["Foreground yes", "LocalSocketMode 600", "AlertExceedsMax yes", f"TemporaryDirectory {folder}",
            f"DatabaseDirectory {database}", f"LocalSocket {socket_path}", *settings]  # fmt: skip
    (folder / "clamd.conf").write_text("\n".join(said) + "\n")
    command = [program, "--config-file", str(folder / "clamd.conf")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + _STARTS_WITHIN
        while not socket_path.exists():
            if time.monotonic() > end or process.poll() is not None:
                raise NoNode("clamd did not start")
            time.sleep(0.1)
        yield socket_path, process.pid
    finally:
        process.kill()
        process.wait(timeout=60)


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """Ends a script and the program that it began, orderly or, if they do not heed it, at once."""
    process.terminate()
    try:
        process.wait(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own session's, of which it is the leader
        process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=60):  # noqa: S310
            return True
    except OSError:
        return False


def free_port() -> int:
    """A port that is free now and that nobody is likely to be given before it is listened at."""
    while True:
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", secrets.choice(_GIVEN_OUT_BY_NOBODY)))
            return int(free.getsockname()[1])


if __name__ == "__main__":
    try:
        for each in (ANVIL, GANACHE, OPENID, OPENID_CLIENT, SMART, KIT, MEDPLUM, KEYCLOAK):
            print(each.install())
    except NoNode as error:
        sys.exit(str(error))
