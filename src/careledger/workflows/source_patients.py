"""Under which alias the patients of other systems are registered here, by what those systems call them."""

from __future__ import annotations

import secrets

from careledger.formats.digests import framed
from careledger.sealing.keys import hmac_tag
from careledger.workflows.actors import Organisation
from careledger.workflows.register import IDENTITY

SOURCE = "source-patient"


def known_alias(organisation: Organisation, key: str) -> bytes | None:
    """Under which alias the patient whom a source calls so was registered, if they were."""
    alias = organisation.books.get(SOURCE, _row(organisation, key))
    return alias if alias is not None and organisation.books.get(IDENTITY, alias) is not None else None


def chosen_alias(organisation: Organisation, key: str) -> bytes:
    """The alias under which this patient is or will be registered here; durable once it was asked for."""
    row = _row(organisation, key)
    alias = organisation.books.get(SOURCE, row)
    if alias is None:
        alias = secrets.token_bytes(32)
        organisation.books.put(SOURCE, [(row, alias)])
    return alias


def _row(organisation: Organisation, key: str) -> bytes:
    return hmac_tag(organisation.tag, framed("source-patient", key.encode()))
