"""docs/inventory.md names every module that speaks with anybody or computes with keys, and each algorithm in use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import careledger

SOURCE = Path(careledger.__file__).parent
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "inventory.md").read_text()
SPEAKING = {
    *("socket", "ssl", "http.client", "urllib", "urllib.request", "urllib3", "requests", "httpx", "aiohttp"),
    *("asyncio.streams", "uvicorn", "smtplib", "ftplib", "telnetlib", "imaplib", "poplib", "xmlrpc.client"),
}
COMPUTING = {
    *("cryptography", "blake3", "argon2", "coincurve", "eth_hash", "joserfc", "webauthn", "signxml", "apsw"),
    *("ssl", "Crypto", "Cryptodome", "nacl", "jwt", "jwcrypto", "ecdsa", "rsa", "bcrypt", "passlib", "sha3"),
}
NAMES = {
    "sha256": "SHA-256",
    "sha512": "SHA-512",
    "shake_256": "SHAKE-256",
    "blake2b": "BLAKE2b",
    "file_digest": "SHA-256",
}
"""What hashlib calls the algorithms of the page."""


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def named(name: str) -> set[str]:
    return set(re.findall(r"`([\w/]+\.py)`", section(name)))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def using(libraries: set[str]) -> set[str]:
    """The modules that import one of these, wherever in them."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        said = set(imports(ast.parse(path.read_text())))
        if any(each in libraries or each.partition(".")[0] in libraries - {"urllib"} for each in said):
            found.add(path.relative_to(SOURCE).as_posix())
    return found


def test_every_module_that_opens_or_answers_a_connection_is_named_with_whom_it_speaks() -> None:
    found = using(SPEAKING)
    assert len(found) > 12
    assert found == named("With whom it speaks")


def test_every_module_that_computes_with_a_library_of_cryptography_is_named_with_its_algorithms() -> None:
    missing = using(COMPUTING) - named("Cryptography")
    assert missing == set()
    assert {each for each in named("Cryptography") if not (SOURCE / each).is_file()} == set()


def test_no_algorithm_is_in_use_that_is_not_in_the_inventory() -> None:
    text = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    hashes = set(re.findall(r"hashlib\.(\w+)", text))
    assert {"sha256", "shake_256"} <= hashes
    assert {NAMES.get(each, each) for each in hashes} <= set(re.findall(r"[\w-]+", section("Cryptography")))
    for weak in ("md5", "sha1", "MD5(", "SHA1(", "ECB(", "CBC(", "TripleDES", "RC4", "ARC4", "Blowfish"):
        assert weak not in text, weak
    assert set(re.findall(r"\b(AESGCM|AESCCM|AESSIV|AESOCB3|ChaCha20Poly1305)\(", text)) == {"AESGCM"}
