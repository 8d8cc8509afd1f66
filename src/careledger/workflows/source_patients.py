"""Under which alias the patients of other systems are registered here, by what those systems call them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from careledger.formats.digests import framed
from careledger.sealing.keys import hmac_tag
from careledger.workflows.actors import Organisation
from careledger.workflows.register import IDENTITY

SOURCE = "source-patient"
_NAMED = re.compile(r"Patient/([0-9a-f]{64})")


def known_alias(organisation: Organisation, key: str) -> bytes | None:
    """Under which alias the patient whom a source calls so was registered, if they were."""
    alias = organisation.books.get(SOURCE, _row(organisation, key))
    return alias if alias is not None and organisation.books.get(IDENTITY, alias) is not None else None


def named_alias(key: str) -> bytes | None:
    """The alias of a patient whom a file calls what FHIR calls them here, ``Patient/`` and 64 hex digits; None else."""
    found = _NAMED.fullmatch(key)
    return None if found is None else bytes.fromhex(found[1])


def known_as(organisation: Organisation, keys: Iterable[str], alias: bytes) -> bool:
    """Whether somebody is named and all of them are known here under this alias."""
    named = list(keys)
    return bool(named) and all(known_alias(organisation, each) == alias for each in named)


def chosen_alias(organisation: Organisation, key: str) -> bytes:
    """The alias under which this patient is or will be registered here; durable once it was asked for."""
    row = _row(organisation, key)
    alias = organisation.books.get(SOURCE, row)
    if alias is None:
        with organisation.books.alone():
            alias = organisation.books.get(SOURCE, row) or secrets.token_bytes(32)
            organisation.books.put(SOURCE, [(row, alias)])
    return alias


def _row(organisation: Organisation, key: str) -> bytes:
    return hmac_tag(organisation.tag, framed("source-patient", key.encode()))
