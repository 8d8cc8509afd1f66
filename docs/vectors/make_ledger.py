"""Writes policy.json and ledger_words.json: how the ledger packs its words, for Python and the contracts alike.

python docs/vectors/make_ledger.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from careledger.domain.categories import Category
from careledger.domain.matrix import VERSIONS
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.formats.eip712 import Domain
from careledger.formats.ledger_messages import (
    CustodianKeys,
    LinkAliases,
    NameGuardians,
    OpenAlias,
    RecoverAlias,
    ReplaceController,
    RotateAlias,
    RotateController,
    StopAlarm,
    UnlinkAliases,
    guardians_commitment,
)
from careledger.formats.ledger_words import (
    AliasWord,
    CustodianWord,
    PartyWord,
    TeamWord,
    patient_word,
    policy_row,
    retention_table,
)
from careledger.formats.signatures import SigningKey

HERE = Path(__file__).parent
CHAIN, CONTRACT = 20261, bytes(range(1, 21))
KEY = SigningKey(bytes(31) + b"\x07")
ONE, TWO, B32 = bytes([1] * 20), bytes([2] * 20), bytes(range(32))
MESSAGES = (
    RotateController(7, ONE, 1_900_000_000),
    CustodianKeys(7, ONE, B32, 1_900_000_000),
    OpenAlias(B32, ONE, ControllerKind.REGISTRAR, 7, 1_900_000_000),
    RotateAlias(B32, 3, ONE, ControllerKind.GUARDIAN, 2_000_000_000, 1_900_000_000),
    NameGuardians(B32, 3, B32, 1_900_000_000),
    RecoverAlias(B32, 3, ONE, 1_900_000_000),
    ReplaceController(B32, 3, ONE, 7, 8, 1_900_000_000),
    StopAlarm(B32, 3, 1_900_000_000),
    LinkAliases(ONE, B32, 1_900_000_000),
    UnlinkAliases(ONE, B32, 1_900_000_000),
)


def policy() -> dict[str, Any]:
    """A row per version and role: both words, the slot, and each cell as [read, write]."""
    rows = [
        {
            "version": matrix.version,
            "role": role.name.lower(),
            "read_word": f"{matrix.read_words[role]:016x}",
            "write_word": f"{matrix.write_words[role]:016x}",
            "slot": f"{policy_row(matrix.read_words[role], matrix.write_words[role]):064x}",
            "cells": {c.code: [int(matrix.reading(role, c)), int(matrix.writing(role, c))] for c in Category},
        }
        for matrix in VERSIONS.values()
        for role in Role
    ]
    return {"rows": rows}


def words() -> dict[str, Any]:
    """Packed words beside their fields, and signed messages beside their digests."""
    post = PartyWord(ONE, frozenset({Role.DOCTOR}), Status.VERIFIED, 0xA1A2A3A4A5A6A7A8, is_declared=True)
    roles = frozenset({Role.HOSPITAL, Role.CENTRE})
    organisation = PartyWord(TWO, roles, Status.SUSPENDED, 0, 12, 34, True, True, True)
    domain = Domain("CareLedger Aliases", "1", CHAIN, CONTRACT)
    return {
        "post": f"{post.word:064x}",
        "organisation": f"{organisation.word:064x}",
        "custodian": f"{CustodianWord(ONE, 2, 1_900_000_000, 3).word:064x}",
        "alias": f"{AliasWord(TWO, ControllerKind.GUARDIAN, 2_000_000_000, 5).word:064x}",
        "team": f"{TeamWord(7, 9, 2, 1, True).word:064x}",
        "patient": f"{patient_word(7, B32[:16]):064x}",
        "retention": f"{retention_table({Category.HISTORY: 3650, Category.IDENTITY_PHARMACY: 36525}):064x}",
        "guardians": guardians_commitment(2, (ONE, TWO), B32).hex(),
        "domain_separator_aliases": domain.separator.hex(),
        "messages": [
            {
                "type": type(message).__name__,
                "contract": message.CONTRACT,
                "struct_hash": message.STRUCT.hash(message.values()).hex(),
                "digest": message.digest(CHAIN, CONTRACT).hex(),
                "signature": message.sign(KEY, CHAIN, CONTRACT).hex(),
            }
            for message in MESSAGES
        ],
    }


def main(arguments: list[str]) -> int:
    """Write both files, or compare them; the exit code."""
    stale = 0
    for name, made in (("policy.json", policy()), ("ledger_words.json", words())):
        text = json.dumps(made, indent=1) + "\n"
        if "--check" not in arguments:
            (HERE / name).write_text(text)
        elif (HERE / name).read_text() != text:
            print(f"{name} is stale")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
