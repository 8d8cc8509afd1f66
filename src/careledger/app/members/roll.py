"""The roll: whose certificates count at this moment, by the files here and the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from careledger.app.members import files
from careledger.domain.errors import LedgerStale, MemberRefused, NodeUnavailable
from careledger.formats.members import MemberCertificate
from careledger.formats.signed import Signed
from careledger.ports import Clock, Ledger, LedgerView
from careledger.proofs.certificates import judged
from careledger.workflows.actors import Organisation


class LedgerRoll:
    """The Roll of adapters.members: nothing is remembered, so that what the ledger ends has ended. For any thread.

    Where no fresh block can be seen, the last one known here decides: an emergency goes on without the ledger, and a
    member that was suspended since is not known to be.
    """

    def __init__(
        self, folder: Path, organisations: Iterable[Organisation], ledger: Ledger, clock: Clock
    ) -> None:
        """``organisations``: those whose keys are here; the first that has a certificate shows it."""
        self._folder, self._organisations = folder, tuple(organisations)
        self._ledger, self._clock = ledger, clock

    def own(self) -> tuple[bytes, bytes] | None:
        """The newest certificate that counts now, with its key."""
        shown = self._shown()
        return None if shown is None else (shown[0].certificate, shown[1])

    def address(self) -> str | None:
        """Where it says that its custodian is reached; None if it says so nowhere, or has none."""
        shown = self._shown()
        return None if shown is None else shown[0].address or None

    def known(self) -> list[MemberCertificate]:
        """Every certificate of others that counts now."""
        return [said for _, said in self._counting(files.kept(self._folder), self._view())]

    def member(self, certificate: bytes) -> int:
        """Whose this certificate is; raises MemberRefused unless it counts now."""
        why = "unknown here"
        for signed in files.about(self._folder, certificate):
            try:
                said = self._judged(signed, self._view())
            except MemberRefused as refusal:
                why = str(refusal.details["why"])
                continue
            if said.certificate == certificate:
                return said.member
        raise MemberRefused(why=why)

    def why_not(self, signed: Signed) -> str:
        """Why it does not count now; empty where it does."""
        try:
            self._judged(signed, self._view())
        except MemberRefused as refusal:
            return str(refusal.details["why"])
        return ""

    def _shown(self) -> tuple[MemberCertificate, bytes] | None:
        view = self._view()
        for organisation in self._organisations:
            held = {each.signed: each.key for each in files.own(organisation)}
            counting = [(said, held[signed]) for signed, said in self._counting(held, view)]
            if counting:
                return max(counting, key=lambda each: each[0].since)
        return None

    def _counting(self, those: Iterable[Signed], view: LedgerView) -> list[tuple[Signed, MemberCertificate]]:
        found = []
        for signed in those:
            try:
                found.append((signed, self._judged(signed, view)))
            except MemberRefused:
                continue
        return found

    def _judged(self, signed: Signed, view: LedgerView) -> MemberCertificate:
        now = max(self._clock.now(), view.head.time)
        return judged(signed, view.party, self._ledger.chain_id, self._ledger.deployment, now)

    def _view(self) -> LedgerView:
        try:
            return self._ledger.fresh_head()
        except (LedgerStale, NodeUnavailable):
            return self._ledger.last_head()
