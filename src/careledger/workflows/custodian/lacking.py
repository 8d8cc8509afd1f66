"""Which shares a custodian should hold and does not: lost with their keys, or with an old backup."""

from __future__ import annotations

from careledger.formats.patients import AliasStatement
from careledger.formats.signed import Signed
from careledger.workflows.custodian.stores import Rows


def lacking_shares(rows: Rows, party: int) -> int:
    """Of how many versions it was given a share, is on the patient's list, and cannot open the share any more."""
    lacking = 0
    for alias in rows.aliases():
        kept = rows.statement(alias)
        if kept is None or party not in AliasStatement.decode(Signed.decode(kept.signed).body).custodians:
            continue
        held = rows.shares(alias)
        for version in rows.versions(alias):
            given = version.all_commitments and version.state != "erased"
            lacking += bool(given) and version.handle not in held
    return lacking
