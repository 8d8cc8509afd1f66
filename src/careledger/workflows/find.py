"""Find a person: members look in their own identity tables and answer only for a declared presence or break-glass.

At the member: the question checked and counted, what is found written down and told to the person, then the answer.
A question is answered once; asking again is a new question, counted again. Nobody learns of people who do not match.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from careledger.domain.errors import (
    AccessRefused,
    CareLedgerError,
    MalformedBytes,
    PatientNotFound,
    RequestRefused,
    SignatureRefused,
)
from careledger.domain.facts import PartyFacts
from careledger.domain.parties import Role
from careledger.domain.questions import PATIENTS_A_DAY
from careledger.formats.digests import digest, uint
from careledger.formats.persons import Located, LocatorAnswer, LocatorMatch, LocatorQuestion, LocatorRequest
from careledger.formats.releases import MOST_REQUEST
from careledger.formats.sessions import SessionStatement
from careledger.formats.signed import Signed, open_signed, sign
from careledger.ports import LedgerView, Locator
from careledger.workflows.actors import Organisation, Session
from careledger.workflows.identity_rows import Identity, bare
from careledger.workflows.link import births_agree, plain
from careledger.workflows.located import tell_located
from careledger.workflows.network import Network, party, verified
from careledger.workflows.register import identities

PRESENT, BREAK_GLASS = "present", "break-glass"
NO_ENTRY = bytes(32)
ASKED = "locator-asked"
MAY_ASK = frozenset({Role.HOSPITAL, Role.CENTRE})
DAY = 86_400
MOST_MATCHES = 16
Answering = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Sought:
    """What is known of a person: an identity number, or a name with a birth date; either may be all there is."""

    name: str = ""
    national_id: str = ""
    birth: str = ""


@dataclass(frozen=True)
class Match:
    """An alias at a member; ``why`` is ``national-id`` or ``name-and-birth``."""

    member: int
    alias: bytes
    why: str
    commitment: bytes


@dataclass(frozen=True)
class Sighting:
    """All matches, and members that refused or could not be asked with their reason."""

    matches: tuple[Match, ...]
    unanswered: tuple[tuple[int, CareLedgerError], ...]


# Asking ------------------------------------------------------------------------------------------


def find(
    network: Network,
    locator: Locator,
    session: Session,
    sought: Sought,
    declared: str = PRESENT,
    entry: bytes = NO_ENTRY,
) -> Sighting:
    """Asks every member; the person found is told. Raises SessionExpired."""
    session.check(network.clock.now())
    staff = session.staff
    matches, unanswered = [], []
    for member in locator.members():
        question = LocatorQuestion(
            secrets.token_bytes(16), staff.number, staff.organisation.number, declared, entry,
            sought.name, sought.national_id, sought.birth, network.clock.now() + MOST_REQUEST,
        )  # fmt: skip
        signed = sign(question, session.key, network.ledger.deployment)
        request = LocatorRequest(signed, session.proof.statement).encode()
        try:
            matches += _matches(network, member, question, locator.ask(member, request))
        except CareLedgerError as refusal:
            unanswered.append((member, refusal))
    return Sighting(tuple(matches), tuple(unanswered))


def _matches(network: Network, member: int, question: LocatorQuestion, answer: bytes) -> list[Match]:
    controller = verified(network.ledger.fresh_head(), member).controller
    said = open_signed(LocatorAnswer, Signed.decode(answer), controller, network.ledger.deployment)
    if (said.member, said.question) != (member, question.digest()):
        raise SignatureRefused(why="an answer to something else")
    return [Match(member, each.alias, each.why, each.commitment) for each in said.matches]


# Answering ---------------------------------------------------------------------------------------


def answer(network: Network, member: Organisation, body: bytes) -> bytes:
    """A member's signed answer to a LocatorRequest, from its own identity table.

    Raises SignatureRefused, PartyNotVerified, RequestRefused for a question that is old, seen before or says too
    little, AccessRefused without a declared ground, for who treats nobody, and beyond 40 questions a day and post.
    """
    view = network.ledger.fresh_head()
    question = _checked(network, view, LocatorRequest.decode(body))
    _check_ground(network, view, question)
    _count(network, member, question)
    found = [match for match in _found(member, question) if _tell(network, member, question, match)]
    made = LocatorAnswer(member.number, question.digest(), tuple(found[:MOST_MATCHES]))
    return sign(made, member.controller, network.ledger.deployment).encode()


def _checked(network: Network, view: LedgerView, request: LocatorRequest) -> LocatorQuestion:
    claimed = LocatorQuestion.decode(request.question.body)
    post, now, deployment = verified(view, claimed.reader), network.clock.now(), network.ledger.deployment
    session = open_signed(SessionStatement, request.session, post.controller, deployment)
    if session.post != claimed.reader or not session.made <= now < session.until:
        raise SignatureRefused(why="another session")
    if post.employer != claimed.employer:
        raise SignatureRefused(why="another employer")
    question = open_signed(LocatorQuestion, request.question, session.session_key, deployment)
    if not now <= question.not_after <= now + MOST_REQUEST:
        raise RequestRefused(reason="not-after")
    if not (bare(question.national_id) or (plain(question.name) and question.birth)):
        raise RequestRefused(reason="too-little-known")
    return question


def _check_ground(network: Network, view: LedgerView, question: LocatorQuestion) -> None:
    employer: PartyFacts = party(view, question.employer)
    if not employer.roles & MAY_ASK:
        raise AccessRefused(reason="treats-nobody")
    if question.declared == PRESENT:
        return
    if question.declared != BREAK_GLASS:
        raise MalformedBytes(declared=question.declared)
    entry = view.break_glass(question.entry)
    now = max(network.clock.now(), view.head.time)
    if entry is None or entry.afterwards or entry.opener != question.reader:
        raise AccessRefused(reason="no-break-glass")
    if not entry.opened_at <= now < entry.until:
        raise AccessRefused(reason="no-break-glass")


def _count(network: Network, member: Organisation, question: LocatorQuestion) -> None:
    """Remembers the question; a day's 41st of one post is refused, and so is one that was answered before."""
    prefix = uint(question.reader) + uint(network.clock.now() // DAY)
    asked = [key for key, _ in member.books.rows(ASKED) if key.startswith(prefix)]
    if any(key.endswith(question.id) for key, _ in member.books.rows(ASKED)):
        raise RequestRefused(reason="seen-before")
    if len(asked) >= PATIENTS_A_DAY:
        raise AccessRefused(reason="too-many-questions")
    member.books.put(ASKED, [(prefix + question.id, b"")])


def _found(member: Organisation, question: LocatorQuestion) -> Iterator[LocatorMatch]:
    for identity in identities(member):
        why = _why(identity, question)
        if why:
            yield LocatorMatch(identity.alias, why, commitment(identity))


def _why(row: Identity, question: LocatorQuestion) -> str:
    if bare(question.national_id) and bare(row.national_id) == bare(question.national_id):
        return "national-id"
    names = {plain(row.name), plain(row.romanised)} - {""}
    same = plain(question.name) in names and births_agree(row.birth, question.birth)
    return "name-and-birth" if same else ""


def commitment(row: Identity) -> bytes:
    """What stands for an identity elsewhere: salted with 32 random bytes, so that nobody can guess it."""
    stated = (row.name, row.romanised, row.national_id, row.birth)
    return digest("identity", row.salt, *(each.encode() for each in stated))


def _tell(network: Network, member: Organisation, question: LocatorQuestion, match: LocatorMatch) -> bool:
    """False for somebody who cannot be told, and is therefore not found."""
    told = Located(
        match.alias, member.number, question.reader, question.employer, question.declared, question.entry,
        network.clock.now(),
    )  # fmt: skip
    try:
        tell_located(network, member, told)
    except PatientNotFound:
        return False
    return True
