"""What leads from a deposit's versions to the root that its depositor signed and to the anchored one."""

from __future__ import annotations

from collections.abc import Sequence

from careledger.domain.custody import Anchoring, KeptDeposit, KeptVersion
from careledger.formats.deposits import Items
from careledger.proofs.items import item_tree
from careledger.proofs.runs import Run
from careledger.workflows.custodian.parts import Custody

MOST_KNOWN = 64


class Paths:
    """The paths of one deposit, where it is anchored now."""

    def __init__(self, anchoring: Anchoring | None, versions: Sequence[KeptVersion]) -> None:
        self.anchoring = anchoring
        self._items = item_tree(Items.of(versions))
        self._run: Run | None = None
        if anchoring is not None:
            self._run = Run(anchoring.size, anchoring.first, self._items.leaf_hashes, anchoring.outside)

    def of_item(self, version: KeptVersion) -> tuple[bytes, ...]:
        """From the item to the statement's root."""
        return self._items.path(version.position)

    def of_leaf(self, version: KeptVersion) -> tuple[bytes, ...]:
        """From the leaf to the anchored root; empty if there is none."""
        return () if self._run is None else self._run.path(version.leaf_index)


def paths(custody: Custody, deposit: KeptDeposit) -> Paths:
    """Those of a deposit, made once for as long as it is anchored where it is; the last few are remembered."""
    known = custody.paths.get(deposit.digest)
    if not isinstance(known, Paths) or known.anchoring != deposit.anchoring:
        while len(custody.paths) >= MOST_KNOWN:
            custody.paths.pop(next(iter(custody.paths)))
        known = Paths(deposit.anchoring, custody.rows.versions_of(deposit.digest))
        custody.paths[deposit.digest] = known
    return known
