"""Random acts on a ledger, sensible or not, by any of a handful of actors."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from adapters.ledger_reads import Subjects
from adapters.ledger_world import (
    DAY,
    HOUR,
    MINISTRY,
    OFFICERS,
    RELAY,
    declared,
    digest,
    key,
    of,
    signing,
)
from careledger.domain.categories import Category
from careledger.domain.errors import LedgerRefused
from careledger.domain.parties import ControllerKind, Role
from careledger.formats.signatures import SigningKey
from careledger.ports import Ledger

ORGANISATIONS, POSTS, TEAMS = range(101, 106), range(201, 216), range(301, 311)
ALIASES = [digest(f"alias {number}") for number in range(12)]
COMMITMENTS = [digest(f"commitment {number}") for number in range(12)]
ROOTS = [digest(f"root {number}") for number in range(40)]
LEAVES = [digest(f"leaf {number}") for number in range(8)]
ENTRIES = [digest(f"entry {number}") for number in range(20)]
OWNERS = [key(f"owner {number}") for number in range(2)]
KINDS = (ControllerKind.SELF, ControllerKind.GUARDIAN, ControllerKind.REGISTRAR, ControllerKind.NOBODY)

RARE = {"party_leave", "party_retire", "party_end_post", "data_close_alias", "data_revoke"}
"""Acts that end something; too many of them and nothing is left to act on."""

Act = Callable[[Ledger], object]

SUBJECTS: Subjects = {
    "party": [MINISTRY, *OFFICERS, *ORGANISATIONS, *POSTS, 999],
    "in_team": [(post, team) for post in POSTS for team in TEAMS],
    "team_stands": [*TEAMS, 999],
    "memberships": list(POSTS),
    "custodian": [*ORGANISATIONS, MINISTRY],
    "alias": [*ALIASES, digest("no alias")],
    "linked": [(owner.address, commitment) for owner in OWNERS for commitment in COMMITMENTS],
    "consent": [(owner.address, commitment) for owner in OWNERS for commitment in COMMITMENTS],
    "retention": [0, 1_780_000_000, 2**40],
    "anchor": ROOTS,
    "erased_by": LEAVES,
    "checkpoint": list(ORGANISATIONS),
    "break_glass": ENTRIES,
    "may_break_glass": list(POSTS),
}


class RandomActs:
    """Draws acts; ``now`` is the time that windows lie around. The same seed draws the same acts."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        names = [name for name in sorted(dir(self)) if name.startswith(("party_", "data_"))]
        weighted = [name for name in names for _ in range(1 if name in RARE else 5)]
        self._makers = [getattr(self, name) for name in weighted]

    def draw(self, now: int) -> tuple[str, Act]:
        """One act with its name."""
        maker = self._random.choice(self._makers)
        return maker.__name__, maker(now)

    def pause(self) -> int:
        """Seconds until the next act: often none, sometimes days."""
        return self._random.choice([0, 0, 0, 0, 1, HOUR, HOUR, DAY])

    def _organisation(self) -> int:
        return self._random.choice(ORGANISATIONS)

    def _post(self) -> int:
        return self._random.choice(POSTS[:6] if self._random.random() < 0.8 else POSTS)

    def _key(self, party: int) -> SigningKey:
        return of(party) if self._random.random() < 0.9 else of(self._organisation())

    def _officer(self) -> tuple[SigningKey, int]:
        post = self._random.choice(OFFICERS)
        return self._key(post), post

    def _employer_of(self, post: int) -> int:
        return ORGANISATIONS[post % 3]

    # Parties -----------------------------------------------------------------------------------

    def party_propose(self, now: int) -> Act:
        roles = [Role.HOSPITAL, Role.CENTRE, Role.CENTRE, Role.DOCTOR]
        number, role = self._organisation(), self._random.choice(roles)
        sealing = self._key(number)
        return lambda ledger: ledger.propose_organisation(number, [role], *declared(number), sealing)

    def party_verify(self, now: int) -> Act:
        number, officer = self._organisation(), self._officer()
        return lambda ledger: ledger.verify(number, *declared(number), *officer)

    def party_supervise(self, now: int) -> Act:
        number, officer = self._random.choice([self._organisation(), self._post()]), self._officer()
        act = self._random.choice(["suspend", *["reinstate"] * 5])
        if self._random.random() < 0.01:
            act = "remove"
        return lambda ledger: getattr(ledger, act)(number, *officer)

    def party_vouch(self, now: int) -> Act:
        post, role = self._post(), self._random.choice([Role.DOCTOR, Role.DOCTOR, Role.NURSE, Role.MINISTRY])
        employer = self._employer_of(post)
        controller = self._key(employer)
        return lambda ledger: ledger.vouch(
            post, employer, [role], *declared(post), of(post).address, controller
        )

    def party_end_post(self, now: int) -> Act:
        post = self._random.choice([*POSTS, *ORGANISATIONS])
        controller = self._key(self._employer_of(post))
        return lambda ledger: ledger.end_post(post, controller)

    def party_replace_key(self, now: int) -> Act:
        number = self._random.choice([self._organisation(), self._post()])
        controller, new = self._key(number), digest(f"new key {self._random.random()}")
        return lambda ledger: ledger.replace_sealing_key(number, new, controller)

    def party_join(self, now: int) -> Act:
        number = self._organisation()
        controller = self._key(number)
        return lambda ledger: ledger.join_custodians(
            number, digest(f"log {number}"), signing(number), controller
        )

    def party_activate(self, now: int) -> Act:
        number, officer = self._organisation(), self._officer()
        return lambda ledger: ledger.activate_custodian(number, *officer)

    def party_leave(self, now: int) -> Act:
        number = self._organisation()
        controller = self._key(number)
        return lambda ledger: ledger.leave_custodians(number, controller)

    def party_retire(self, now: int) -> Act:
        number, officer = self._organisation(), self._officer()
        return lambda ledger: ledger.retire_custodian(number, *officer)

    def party_create_team(self, now: int) -> Act:
        team = self._random.choice(TEAMS)
        organisation, parent = ORGANISATIONS[team % 2], self._random.choice([0, 0, *TEAMS[:4]])
        controller = self._key(organisation)
        return lambda ledger: ledger.create_team(team, organisation, parent, controller)

    def party_change_team(self, now: int) -> Act:
        ends = self._random.random() < 0.2
        team, parent = self._random.choice(TEAMS[3:] if ends else TEAMS), self._random.choice([0, *TEAMS])
        controller = self._key(ORGANISATIONS[team % 2])
        if ends:
            return lambda ledger: ledger.retire_team(team, controller)
        return lambda ledger: ledger.move_team(team, parent, controller)

    def party_join_team(self, now: int) -> Act:
        team, post = self._random.choice(TEAMS[:4]), self._post()
        controller = self._key(ORGANISATIONS[team % 2])
        act = self._random.choice(["join_team", "join_team", "leave_team"])
        return lambda ledger: getattr(ledger, act)(post, team, controller)

    def party_register_patient(self, now: int) -> Act:
        number, registration = self._organisation(), digest(f"{self._random.randrange(40)}")[:16]
        controller = self._key(number)
        if self._random.random() < 0.3:
            return lambda ledger: ledger.end_registration(registration, controller)
        return lambda ledger: ledger.register_patient(registration, number, controller)

    # Patients and data -------------------------------------------------------------------------

    def data_open_alias(self, now: int) -> Act:
        alias, kind = self._random.choice(ALIASES), self._random.choice(KINDS)
        until = now + DAY if kind is ControllerKind.GUARDIAN else 0
        registrar = self._organisation()
        answering = self._key(registrar) if kind is ControllerKind.REGISTRAR else None
        return lambda ledger: ledger.open_alias(alias, key("0"), kind, until, registrar, answering, RELAY)

    def data_rotate_alias(self, now: int) -> Act:
        alias, kind = self._random.choice(ALIASES), self._random.choice(KINDS[:3])
        until = now + self._random.choice([HOUR, DAY]) if kind is ControllerKind.GUARDIAN else 0
        present, new = (key(self._random.choice("001")) for _ in range(2))
        return lambda ledger: ledger.rotate_alias(alias, kind, until, present, new, RELAY)

    def data_close_alias(self, now: int) -> Act:
        alias = ALIASES[0] if self._random.random() < 0.8 else self._random.choice(ALIASES)
        controller, post = self._officer()
        return lambda ledger: ledger.close_alias(alias, [(post, controller)])

    def data_link(self, now: int) -> Act:
        owner, commitment = self._random.choice(OWNERS), self._random.choice(COMMITMENTS)
        act = self._random.choice(["link_aliases", "link_aliases", "unlink_aliases"])
        return lambda ledger: getattr(ledger, act)(owner, commitment, RELAY)

    def data_give(self, now: int) -> Act:
        owner, commitment = self._random.choice(OWNERS), self._random.choice(COMMITMENTS)
        start, end = now + self._random.randrange(-DAY, DAY), now + self._random.randrange(-HOUR, 2 * DAY)
        return lambda ledger: ledger.give_consent(owner, commitment, start, end, RELAY)

    def data_revoke(self, now: int) -> Act:
        owner, commitment = self._random.choice(OWNERS), self._random.choice(COMMITMENTS)
        return lambda ledger: ledger.revoke_consent(owner, commitment, RELAY)

    def data_anchor(self, now: int) -> Act:
        root, count, number = self._random.choice(ROOTS), self._random.randrange(3), self._organisation()
        controller = self._key(number)
        return lambda ledger: ledger.anchor(root, count, number, controller)

    def data_erase(self, now: int) -> Act:
        leaves, number = self._random.sample(LEAVES, self._random.randrange(1, 4)), self._organisation()
        signer = signing(self._organisation()) if self._random.random() < 0.1 else signing(number)
        return lambda ledger: ledger.attest_erased(leaves, digest("order"), number, signer)

    def data_checkpoint(self, now: int) -> Act:
        number, size = self._organisation(), self._random.randrange(1, 30)
        root, signer = digest(f"tree {size}"), signing(number)
        if self._random.random() < 0.1:
            root = digest("fork")
        return lambda ledger: ledger.anchor_checkpoint(number, size, root, root, digest("note"), signer)

    def data_cosign(self, now: int) -> Act:
        number, cosigner = self._organisation(), self._organisation()
        choice = self._random.random()

        def act(ledger: Ledger) -> object:
            facts = ledger.fresh_head().checkpoint(number)
            size = facts.size if facts and choice < 0.9 else 1
            root = digest(f"tree {size}")
            return ledger.cosign_checkpoint(number, size, root, root, cosigner, signing(cosigner))

        return act

    def data_open_glass(self, now: int) -> Act:
        entry, opener, second = self._random.choice(ENTRIES), self._post(), self._post()
        pair = (opener, self._key(opener)), (second, of(second))
        until, restricted = now + self._random.randrange(1, 5 * HOUR), self._random.random() < 0.5
        return lambda ledger: ledger.open_break_glass(entry, digest("why"), until, restricted, *pair, RELAY)

    def data_review_glass(self, now: int) -> Act:
        entry, reviewer = self._random.choice(ENTRIES), self._random.choice([*OFFICERS, self._organisation()])
        controller, justified = self._key(reviewer), self._random.random() < 0.5
        return lambda ledger: ledger.review_break_glass(entry, justified, reviewer, controller)

    def data_enact_retention(self, now: int) -> Act:
        version, (controller, post) = self._random.choice([1, 2, 2, 3]), self._officer()
        days = {Category.REPORT: self._random.choice([30, 30, 40_000])}
        return lambda ledger: ledger.enact_retention(version, days, [(post, controller)])

    def data_enact_matrix(self, now: int) -> Act:
        version, (controller, post) = self._random.choice([1, 2, 2, 2]), self._officer()
        return lambda ledger: ledger.enact_matrix(version, [(post, controller)])


def outcome(ledger: Ledger, act: Act) -> str:
    """ "" if it was carried out, else the ledger's reason."""
    try:
        act(ledger)
    except LedgerRefused as refused:
        return str(refused.details["reason"])
    return ""
