"""Own writings that custodians released and whose epoch's key has not come yet: shown from the author's copies.

A patient who ends somebody's consent begins new epochs; what is written then is sealed under them. Whoever wrote it
need not wait for a key to read it. Needs the books alone, so that workers that read beside the first one have it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace

from careledger.domain.errors import CareLedgerError
from careledger.formats.deposits import sliced
from careledger.gateway.own.showing import as_shown
from careledger.gateway.views import Shown
from careledger.workflows.actors import Organisation
from careledger.workflows.chart import Fate, Fates, Kept, copy_key_of, opened
from careledger.workflows.deposited import copies_of
from careledger.workflows.network import Network


def written_here(
    network: Network, organisation: Organisation, alias: bytes, keyless: Set[bytes]
) -> Iterator[Shown]:
    """Those of these handles that the organisation wrote and that stand, oldest first, anchored when it wrote them for
    all that is known; what cannot be opened now is left out."""
    fates = Fates(network, organisation)
    for deposit in copies_of(organisation.books, alias) if keyless else ():
        if keyless.isdisjoint(sliced(deposit.handles, 32)):
            continue
        for place, copy in enumerate(deposit.rows()):
            if copy.handle not in keyless or fates.of(Kept(deposit.id, copy)) is not Fate.STANDS:
                continue
            try:
                entry = opened(network, copy_key_of(organisation, deposit), place, copy)
                yield replace(as_shown(entry, deposit.made, place), anchored=deposit.made)
            except CareLedgerError:
                continue
