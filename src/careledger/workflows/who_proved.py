"""Whether the session behind an access proves by itself that the post's passkey was shown for it.

What a custodian's line says of it is a claim. This is its proof, as far as there is one: the session statement that the
line names, signed by the key that the post had at the line's block, with the passkey's own signature over the session's
key. That this session asked for these records is the custodians' word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from careledger.domain.errors import CareLedgerError, MalformedBytes, PartyNotFound
from careledger.formats.releases import LogEntry
from careledger.formats.sessions import MACHINE, PASSKEY, VOUCHED, Enrolled, SessionStatement
from careledger.formats.signed import Signed, check_signed
from careledger.proofs.passkeys import check_passkey
from careledger.workflows.network import Network


class Statements:
    """The session statements that came with one patient's logs.

    What one custodian spoilt, or says of one access, takes nothing from what others gave and from other accesses: of
    statements that are alike but for the signature one has to hold, and only what was proved is remembered.
    """

    def __init__(self, network: Network, logs: Iterable[Iterable[Signed]]) -> None:
        """``logs``: what came with each; of statements that are alike one of each log is looked into."""
        self._network = network
        self._signed: dict[bytes, tuple[SessionStatement, list[Signed]]] = {}
        self._proved: dict[bytes, Enrolled] = {}
        for signed in logs:
            for statement, each in _by_digest(signed).values():
                self._signed.setdefault(statement.digest(), (statement, []))[1].append(each)

    def passkey(self, entries: Sequence[LogEntry]) -> Enrolled | None:
        """What the post said of the passkey that was shown in the one session that all lines about an access name; None
        where they name several, or it proves none, or it was not that post's session then."""
        named = {entry.session for entry in entries}
        known = self._signed.get(entries[0].session)
        if len(named) != 1 or known is None:
            return None
        statement, alike = known
        for entry in entries:
            if entry.reader != statement.post or not statement.made <= entry.at_time < statement.until:
                return None
        if entries[0].session in self._proved:
            return self._proved[entries[0].session]
        if statement.passkey is None:
            return None
        for block in sorted({entry.at_block for entry in entries}):
            for signed in alike:
                with suppress(CareLedgerError):
                    proved = self._looked_into(statement, signed, block)
                    self._proved[entries[0].session] = proved
                    return proved
        return None

    def _looked_into(self, statement: SessionStatement, signed: Signed, block: int) -> Enrolled:
        ledger = self._network.ledger
        post = ledger.at(block).party(statement.post)
        if post is None:
            raise PartyNotFound(party=statement.post)
        check_signed(SessionStatement, signed, post.controller, ledger.deployment)
        return check_passkey(statement, post.controller, ledger.deployment)


def _by_digest(signed: Iterable[Signed]) -> dict[bytes, tuple[SessionStatement, Signed]]:
    """Those that can be read."""
    found = {}
    for each in signed:
        with suppress(MalformedBytes):
            statement = SessionStatement.decode(each.body)
            found[statement.digest()] = statement, each
    return found


def word(said: str, proved: Enrolled | None) -> str:
    """How a person proved who they are, of what a custodian said and what was verified here; "" for the patient."""
    if proved is not None:
        return PASSKEY
    return said if said in ("", MACHINE) else VOUCHED
