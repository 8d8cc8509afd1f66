"""One custodian: a method and a message in, a message out, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from careledger.domain.errors import RequestRefused
from careledger.formats.custody import log_origin
from careledger.ports import Clock, Ledger
from careledger.proofs.release_log import KeptLog
from careledger.workflows.custodian import (
    accept,
    anchored,
    attest,
    audit,
    checkpoint,
    cosign,
    enrol,
    hear_revocation,
    keep,
    keep_epoch,
    orders,
    recover,
    release,
    repair,
    stands,
    tend,
)
from careledger.workflows.custodian.parts import Custody, Keys
from careledger.workflows.custodian.stores import Journal, Rows

Act = Callable[[Custody, bytes], bytes]
ACTS: dict[str, Act] = {
    "enrol": enrol.enrol,
    "alias": enrol.answer_alias,
    "keep-epoch": keep_epoch.keep_epochs,
    "keep": keep.keep,
    "anchored": anchored.anchored,
    "release": release.release,
    "order": orders.order,
    "retract": orders.retract,
    "accept": accept.accept,
    "audit": audit.audit,
    "checkpoint": checkpoint.checkpoint,
    "tile": checkpoint.tile,
    "keys": attest.keys,
    "cosign": cosign.cosign_checkpoint,
    "attest": attest.attest,
    "repair-terms": repair.terms,
    "repair-sums": repair.sums,
    "repair-finish": repair.finish,
    "revoked": hear_revocation.hear,
    "stands": stands.stands,
    "tend": tend.tend,
}
ALWAYS = frozenset({"keys", "attest"})


class Custodian:
    """A CustodianLink in this process; may be called from any thread.

    It serves nobody (but keys and attested facts) until it has rejoined the ledger after its start.
    """

    def __init__(
        self, party: int, rows: Rows, journal: Journal, keys: Keys, ledger: Ledger, clock: Clock
    ) -> None:
        """Settles what a crash or an old backup left; the ledger is asked at the first call."""
        log = KeptLog(log_origin(ledger.deployment, party), journal.log())
        self._custody = Custody(party, rows, journal, keys, ledger, clock, log)
        self._lock = threading.RLock()
        self._joined, self._settled = False, True
        self.lost_shares = recover.settle(self._custody)

    @property
    def party(self) -> int:
        """The organisation's number on the ledger."""
        return self._custody.party

    def call(self, method: str, body: bytes) -> bytes:
        """The answer's bytes; raises what the act raises, RequestRefused for an unknown method, CustodianBehind."""
        if method not in ACTS:
            raise RequestRefused(method=method[:32])
        with self._lock:
            if method not in ALWAYS and not self._joined:
                recover.rejoin(self._custody)
                self._joined = True
            if not self._settled:
                recover.replay(self._custody)
            self._settled = False  # until the act has come to its end
            answer = ACTS[method](self._custody, body)
            self._settled = True
            return answer

    def evidence(self) -> list[tuple[str, bytes]]:
        """What this custodian has kept to show that others lied: kind and the message."""
        with self._lock:
            return list(self._custody.journal.evidence())
