"""All facts as they stand at one block, from the rows of the fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from careledger.domain.facts import (
    AliasFacts,
    AnchorFacts,
    BreakGlassFacts,
    CheckpointFacts,
    ConsentFacts,
    CustodianFacts,
    Head,
    Living,
    PartyFacts,
    RetentionFacts,
)
from careledger.domain.parties import ControllerKind, Status
from careledger.domain.retention import NOTHING_KEPT
from careledger.formats.ledger_words import JUSTIFIED, retention_days, roles_of
from careledger.formats.signatures import Address
from careledger.projection.parties import ACTIVE, LEAVING
from careledger.projection.rows import (
    AliasRow,
    AnchorRow,
    CheckpointRow,
    ConsentRow,
    ControlledRow,
    CustodianRow,
    CustodiansRow,
    ErasedRow,
    ErasureRow,
    ErasuresRow,
    GlassRow,
    Key,
    LinkRow,
    MatrixRow,
    MembershipsRow,
    OwnedRow,
    PartyRow,
    Read,
    RetentionRow,
    ReviewRow,
    TeamRow,
    WaitingRow,
    lookup,
)

REVIEW_WITHIN = 72 * 3600
DEEPEST_TEAM = 8
WATCHED = frozenset({"alias", "consent", "glass", "review"})
"""Kinds of rows of what organisations follow."""


class FactsView:
    """The port LedgerView. ``read`` gives each row as it was after the block of ``head``, ``changed`` the keys of those
    that blocks after another one, up to it, wrote."""

    def __init__(self, head: Head, read: Read, changed: Callable[[int], Iterable[Key]]) -> None:
        self._head, self._read = head, cache(read)  # rows of a past block never change
        self._changed = changed

    @property
    def head(self) -> Head:
        """The block."""
        return self._head

    # Parties -----------------------------------------------------------------------------------

    def party(self, number: int) -> PartyFacts | None:
        """The party, its standing that of the employer if that is worse."""
        row = lookup(self._read, PartyRow, number)
        if row is None:
            return None
        custodian = lookup(self._read, CustodianRow, number)
        return PartyFacts(
            number=number,
            roles=roles_of(row.roles),
            status=Status(row.status),
            standing=self._standing(row),
            employer=row.employer,
            controller=row.controller,
            sealing_key=row.sealing_key,
            log_key=custodian.log_key if custodian else bytes(32),
            licence=row.licence,
        )

    def _standing(self, row: PartyRow) -> Status:
        if not row.employer or row.status != Status.VERIFIED:
            return Status(row.status)
        employer = lookup(self._read, PartyRow, row.employer)
        return Status(employer.status) if employer else Status.UNKNOWN

    def in_team(self, post: int, team: int) -> bool:
        """Whether a post in good standing works in that team or in one below it."""
        sought, row = lookup(self._read, TeamRow, team), lookup(self._read, PartyRow, post)
        if sought is None or sought.retired or row is None:
            return False
        if row.employer != sought.organisation or self._standing(row) is not Status.VERIFIED:
            return False
        return any(self._is_below(joined, team) for joined in self.memberships(post))

    def team(self, number: int) -> tuple[int, int] | None:
        """A team's organisation and the team above it (0: none), also of one that was given up."""
        row = lookup(self._read, TeamRow, number)
        return None if row is None else (row.organisation, row.parent)

    def team_stands(self, number: int) -> bool:
        """Whether there is that team and it was not given up."""
        row = lookup(self._read, TeamRow, number)
        return row is not None and not row.retired

    def memberships(self, post: int) -> tuple[int, ...]:
        """The teams that a post was put into itself, those that were given up included."""
        row = lookup(self._read, MembershipsRow, post)
        return row.teams if row else ()

    def _is_below(self, walked: int, team: int) -> bool:
        for _ in range(DEEPEST_TEAM):
            row = lookup(self._read, TeamRow, walked) if walked else None
            if row is None or row.retired:
                return False
            if walked == team:
                return True
            walked = row.parent
        return False

    def custodians(self) -> tuple[CustodianFacts, ...]:
        """The custodians that serve (active or leaving, the organisation verified), by number."""
        everyone = lookup(self._read, CustodiansRow)
        found = [self._serving(number) for number in sorted(everyone.numbers if everyone else ())]
        return tuple(facts for facts in found if facts is not None)

    def _serving(self, number: int) -> CustodianFacts | None:
        row, party = lookup(self._read, CustodianRow, number), lookup(self._read, PartyRow, number)
        if row is None or party is None or party.status != Status.VERIFIED:
            return None
        return self.custodian(number) if row.state in (ACTIVE, LEAVING) else None

    def custodian(self, number: int) -> CustodianFacts | None:
        """A custodian that is or ever was active."""
        row, party = lookup(self._read, CustodianRow, number), lookup(self._read, PartyRow, number)
        if row is None or party is None or not row.served:
            return None
        return CustodianFacts(number, row.signer, party.sealing_key, row.log_key, row.state == LEAVING)

    def custodians_ever(self) -> tuple[CustodianFacts, ...]:
        """Every custodian that is or ever was active, by number."""
        everyone = lookup(self._read, CustodiansRow)
        found = [self.custodian(number) for number in sorted(everyone.numbers if everyone else ())]
        return tuple(facts for facts in found if facts is not None)

    # Patients ----------------------------------------------------------------------------------

    def alias(self, alias: bytes) -> AliasFacts | None:
        """Who controls that alias."""
        row = lookup(self._read, AliasRow, alias)
        if row is None:
            return None
        kind = ControllerKind(row.kind)
        until = row.detail if kind is ControllerKind.GUARDIAN else 0
        registrar = row.detail if kind is ControllerKind.REGISTRAR else 0
        living = Living(row.living[0], ControllerKind(row.living[1]), row.living[3]) if row.living else None
        return AliasFacts(alias, row.controller, kind, until, registrar, living)

    def aliases_of(self, controller: Address) -> tuple[bytes, ...]:
        """The aliases that this address controls or has controlled, by the order of its taking them."""
        row = lookup(self._read, ControlledRow, controller)
        return row.aliases if row else ()

    def linked(self, owner: Address, commitment: bytes) -> bool:
        """Whether that link of two aliases stands."""
        row = lookup(self._read, LinkRow, owner, commitment)
        return row is not None and row.linked

    def consent(self, owner: Address, commitment: bytes) -> ConsentFacts | None:
        """The consent's slot."""
        row = lookup(self._read, ConsentRow, owner, commitment)
        return None if row is None else ConsentFacts(*row)

    def filed_under(self, owner: Address) -> tuple[bytes, ...]:
        """The commitments of consents and links under this one-time owner, burnt and undone ones too, in order."""
        row = lookup(self._read, OwnedRow, owner)
        return row.commitments if row else ()

    # Records, logs -----------------------------------------------------------------------------

    def changed(self, after: int) -> frozenset[bytes]:
        """Aliases, consents (owner ‖ commitment) and emergencies of which blocks after that one changed something."""
        found = (key for key in self._changed(after) if key[0] in WATCHED)
        return frozenset(b"".join(each for each in key[1:] if isinstance(each, bytes)) for key in found)

    def matrix_version(self) -> int:
        """The number of the access matrix in force; 0 before the first."""
        row = lookup(self._read, MatrixRow)
        versions = row.versions if row else ()
        return max((version for version, since in versions if since <= self._head.time), default=0)

    def retention(self, at: int) -> RetentionFacts:
        """The retention table in force at that time; before the first one, the first."""
        row = lookup(self._read, RetentionRow)
        versions = row.versions if row else ()
        begun = [each for each in versions if each[1] <= at] or versions[:1]
        if not begun:
            return NOTHING_KEPT
        version, since, table = begun[-1]
        return RetentionFacts(version, since, retention_days(int.from_bytes(table, "big")))

    def anchor(self, root: bytes) -> AnchorFacts | None:
        """The anchored root."""
        row = lookup(self._read, AnchorRow, root)
        return None if row is None else AnchorFacts(root, row.block, row.time, row.organisation, row.leaves)

    def erased_by(self, leaf: bytes) -> frozenset[int]:
        """The custodians that attested this leaf's erasure."""
        row = lookup(self._read, ErasedRow, leaf)
        return frozenset(row.custodians if row else ())

    def erasures(self, custodian: int, start: int) -> tuple[bytes, ...]:
        """The leaves that this custodian attested, in order, without the first ``start``."""
        known = lookup(self._read, ErasuresRow, custodian)
        end = known.attested if known else 0
        rows = [lookup(self._read, ErasureRow, custodian, at) for at in range(start, end)]
        return tuple(row.leaf for row in rows if row is not None)

    def checkpoint(self, custodian: int) -> CheckpointFacts | None:
        """The newest anchored checkpoint."""
        row = lookup(self._read, CheckpointRow, custodian)
        if row is None:
            return None
        return CheckpointFacts(
            custodian,
            row.size,
            row.root,
            row.map_root,
            row.block,
            row.time,
            frozenset(row.cosigners),
            row.note,
            row.forked,
        )

    def break_glass(self, entry: bytes) -> BreakGlassFacts | None:
        """The emergency entry."""
        row, review = lookup(self._read, GlassRow, entry), lookup(self._read, ReviewRow, entry)
        if row is None:
            return None
        return BreakGlassFacts(
            entry,
            row.opener,
            row.second,
            row.opened_at,
            row.until,
            row.restricted,
            row.commitment,
            row.outcome != 0,
            row.afterwards,
            row.outcome == JUSTIFIED,
            review.reviewer if review is not None else 0,
        )

    def may_break_glass(self, post: int, at: int = 0) -> bool:
        """Whether no entry of that post waits for its review beyond 72 hours, at the block's time or later."""
        row, now = lookup(self._read, WaitingRow, post), max(at, self._head.time)
        return all(now <= opened + REVIEW_WITHIN for _, opened in (row.entries if row else ()))
