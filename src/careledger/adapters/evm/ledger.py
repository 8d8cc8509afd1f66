"""The port Ledger over the contracts, on whatever node.

    ledger = open_ledger(directory, chain_id, clock, genesis)     # founds the network in a new directory
    ledger = open_ledger(directory, chain_id, clock)              # opens it again
    ledger = EvmLedger(node, directory_address, clock, facts)     # by its parts

Every act is one signed transaction at gas price 0, and returns once its block is final. Facts come from the projection,
which reads the contracts' events and can be dropped and built again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.deploy import Genesis, directory_of, found
from careledger.adapters.evm.embedded import EmbeddedNode
from careledger.adapters.evm.ledger_officers import OfficerActs
from careledger.adapters.evm.ledger_parties import PartyActs
from careledger.adapters.evm.ledger_patients import PatientActs
from careledger.domain.categories import Category
from careledger.domain.errors import LedgerRefused, StoreCorrupt
from careledger.domain.facts import Head
from careledger.domain.matrix import VERSIONS
from careledger.formats.consent_messages import AnchorCheckpoint, CosignCheckpoint, OpenBreakGlass
from careledger.formats.ledger_words import JUSTIFIED, UNJUSTIFIED, retention_table
from careledger.formats.releases import SignedOpening
from careledger.formats.signatures import SigningKey
from careledger.ports import Clock

MOST_LEAVES = 100


class EvmLedger(PartyActs, PatientActs, OfficerActs):
    """The whole port: parties and patients, and what is about records, logs and rules."""

    def anchor(self, root: bytes, count: int, organisation: int, controller: SigningKey) -> Head:
        """The block in which the root was anchored first; the same again by the same organisation is harmless."""
        self._act(controller, "Records", "anchor", root, organisation, count)
        facts = self.fresh_head().anchor(root)
        assert facts is not None
        return self._node.block(facts.block)

    def attest_erased(
        self, leaves: Sequence[bytes], reason: bytes, custodian: int, signer: SigningKey
    ) -> Head:
        """Attestations, a hundred in a transaction."""
        parts = [leaves[at : at + MOST_LEAVES] for at in range(0, max(1, len(leaves)), MOST_LEAVES)]
        return self._acts(signer, "Leaves", "attest_erased", [(custodian, part, reason) for part in parts])

    def anchor_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, note: bytes, signer: SigningKey
    ) -> Head:
        """Sizes grow; two trees of one size are a fork."""
        message = AnchorCheckpoint(custodian, size, root, map_root, note)
        carried = message.carried(self._signature(message, signer))
        return self._act(signer, "Checkpoints", "anchor", carried)

    def cosign_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, cosigner: int, signer: SigningKey
    ) -> Head:
        """Another custodian puts its name to an anchored checkpoint."""
        message = CosignCheckpoint(cosigner, custodian, size, root, map_root)
        carried = message.carried(self._signature(message, signer))
        return self._act(signer, "Checkpoints", "cosign", carried)

    def open_break_glass(
        self,
        entry: bytes,
        commitment: bytes,
        until: int,
        restricted: bool,
        opener: tuple[int, SigningKey],
        second: tuple[int, SigningKey],
        relay: SigningKey,
    ) -> Head:
        """A verified doctor and a second party, for at most four hours."""
        message = OpenBreakGlass(entry, commitment, opener[0], second[0], until, restricted, self._deadline())
        signed = (self._signature(message, key) for _, key in (opener, second))
        return self._act(relay, "BreakGlass", "open", *message.opened(*signed))

    def enter_break_glass(self, signed: SignedOpening, relay: SigningKey) -> Head:
        """After its deadline, within a week."""
        arguments = signed.said.opened(signed.by_opener, signed.by_second)
        return self._act(relay, "BreakGlass", "enter_afterwards", *arguments)

    def review_break_glass(self, entry: bytes, justified: bool, reviewer: int, key: SigningKey) -> Head:
        """Once, by a ministry officer or the opener's employer."""
        outcome = JUSTIFIED if justified else UNJUSTIFIED
        return self._act(key, "BreakGlass", "review", entry, reviewer, outcome)

    def enact_matrix(self, version: int, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """The officers' votes, until they carry it."""
        if version not in VERSIONS:
            raise LedgerRefused(reason="version")
        matrix, head = VERSIONS[version], self._node.head()
        for post, key in officers:
            words = matrix.read_words, matrix.write_words
            head = self._act(key, "AccessPolicy", "vote_amendment", post, version, *words)
            latest, _ = self._contract("AccessPolicy").read(self._node, "latest")
            if latest == version:
                break
        return head

    def enact_retention(
        self, version: int, days: Mapping[Category, int], officers: Sequence[tuple[int, SigningKey]]
    ) -> Head:
        """The officers' votes, until they carry it."""
        table, head = retention_table(days), self._node.head()
        for post, key in officers:
            head = self._act(key, "Retention", "vote_retention", post, version, table)
            if self.fresh_head().retention(2**64 - 1).version == version:
                break
        return head


def open_ledger(
    directory: Path | None,
    chain_id: int,
    clock: Clock,
    genesis: Genesis | None = None,
    engine: str | None = None,
) -> EvmLedger:
    """The ledger in a data directory (None: in memory), founded with ``genesis`` where there is none yet.

    Raises StoreCorrupt if there is none and no genesis is given, and what EmbeddedChain raises. Opening again
    after a crash during the founding founds anew or finds it done: it is one block.
    """
    chain = EmbeddedChain(directory, chain_id, clock.now, engine, new=genesis is not None)
    node = EmbeddedNode(chain)
    try:
        address = directory_of(chain)
        if address is None:
            if genesis is None:
                raise StoreCorrupt(why="the chain is not there, or no network was founded on it")
            address = found(node, genesis)
        return EvmLedger(node, address, clock, None if directory is None else directory / "facts.sqlite")
    except BaseException:
        chain.close()
        raise
