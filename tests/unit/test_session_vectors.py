"""The vectors of docs/vectors/sessions.json, read by the code that verifies session statements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from careledger.formats.sessions import SessionStatement, passkey_digest, session_challenge
from careledger.proofs.passkeys import person_proof

FILE = Path(__file__).parents[2] / "docs/vectors/sessions.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
DEPLOYMENT = bytes.fromhex(VECTORS["deployment"])


@pytest.mark.parametrize("case", VECTORS["statements"], ids=lambda case: case["what"])
def test_each_statement_is_what_the_vectors_say(case: dict[str, str]) -> None:
    statement = SessionStatement.decode(bytes.fromhex(case["encoding"]))
    assert person_proof(statement, bytes.fromhex(VECTORS["post_key"]), DEPLOYMENT) == case["is"]
    assert case["is"] == ("passkey" if case["what"] == "proved" else "vouched")


def test_the_challenge_and_the_passkeys_name_are_made_as_the_document_says() -> None:
    proved = SessionStatement.decode(bytes.fromhex(VECTORS["statements"][0]["encoding"])).passkey
    assert proved is not None
    shown, key = proved.assertion, bytes.fromhex(VECTORS["session_key"])
    made = session_challenge(DEPLOYMENT, key, shown.until, shown.nonce)
    assert (made.hex(), passkey_digest(shown.public_key).hex()) == (VECTORS["challenge"], VECTORS["passkey"])
