"""The same person twice: possible duplicates are shown, links are made by people and can be undone.

A link is a statement that both aliases' controllers sign, and its commitment on the ledger: entered by a one-time key
of the patient, or for unclaimed aliases by two ministry officers. Both aliases stay, no record is moved; so undoing
the link puts every record back where it was written.

Order of effects: books (statement and one-time key), the agent's own copy, the ledger. Repeating enters the same link.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import combinations

from careledger.domain.categories import Compartment
from careledger.domain.errors import AccessRefused, ActRefused, PatientNotFound, ProofRefused
from careledger.domain.facts import Head
from careledger.domain.parties import ControllerKind
from careledger.formats.patients import AliasStatement
from careledger.formats.persons import NO_OWNER, KeptLink, LinkStatement, SignedLink
from careledger.formats.signed import open_signed, sign
from careledger.ports import Books, LedgerView
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.asking import Access
from careledger.workflows.grant import unused_counter
from careledger.workflows.identity_rows import Identity, bare
from careledger.workflows.network import Network
from careledger.workflows.own_copies import keep_copy
from careledger.workflows.parties import check_officer
from careledger.workflows.register import Officer, identities
from careledger.workflows.retrieve import Record, Retrieved, retrieve
from careledger.workflows.two_hops import link_aliases, unlink_aliases

LINK = "link"
SIMILAR = 0.85
CLAIMED = frozenset({ControllerKind.SELF, ControllerKind.GUARDIAN})
UNCLAIMED = frozenset({ControllerKind.REGISTRAR})

# Possible duplicates -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Likeness:
    """Two rows of an identity table that may be one person; ``why`` is ``national-id``, ``name-and-birth`` or
    ``similar-name-and-birth``. For people to judge, never for a machine to merge."""

    first: bytes
    second: bytes
    why: str


def possible_duplicates(registrar: Organisation) -> list[Likeness]:
    """The pairs in this registrar's own identity table that look alike, each with its strongest reason."""
    rows = identities(registrar)
    groups: dict[str, list[Identity]] = defaultdict(list)
    for row in rows:
        for key in {f"id {bare(row.national_id)}", f"year {row.birth[:4]}"} - {"id ", "year "}:
            groups[key].append(row)
    found: dict[tuple[bytes, bytes], Likeness] = {}
    for group in groups.values():
        for one, other in combinations(sorted(group, key=lambda row: row.alias), 2):
            why = likeness(one, other)
            if why:
                found.setdefault((one.alias, other.alias), Likeness(one.alias, other.alias, why))
    return [found[pair] for pair in sorted(found)]


def likeness(one: Identity, other: Identity) -> str:
    """Why two identities look alike, the strongest reason first; empty if they do not."""
    if bare(one.national_id) and bare(one.national_id) == bare(other.national_id):
        return "national-id"
    if not births_agree(one.birth, other.birth):
        return ""
    if _names(one) & _names(other):
        return "name-and-birth"
    if not len(one.birth) == len(other.birth) == 10:
        return ""
    near = any(SequenceMatcher(None, a, b).ratio() >= SIMILAR for a in _names(one) for b in _names(other))
    return "similar-name-and-birth" if near else ""


def births_agree(one: str, other: str) -> bool:
    """Whether two dates of their precisions (``1970``, ``1970-01-31``) can be the same day; unknown ones cannot."""
    shorter, longer = sorted((one, other), key=len)
    return bool(shorter) and (longer == shorter or longer.startswith(f"{shorter}-"))


def plain(text: str) -> str:
    """Letters and digits only, without case and accents, words in order of the alphabet."""
    spread = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(each if _is_letter(each) else " " for each in spread if not _is_accent(each))
    return " ".join(sorted(kept.split()))


def _is_accent(character: str) -> bool:
    """A Latin accent; the vowel signs of other scripts are letters."""
    return "\u0300" <= character <= "\u036f"


def _is_letter(character: str) -> bool:
    """A letter, a digit, or what other scripts write a vowel with."""
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _names(row: Identity) -> set[str]:
    return {plain(row.name), plain(row.romanised)} - {""}


# Linking and unlinking ---------------------------------------------------------------------------


def link(network: Network, first: Holder, second: Holder) -> SignedLink:
    """The patient's agent, which holds both aliases' keys, says that they are one person's.

    Raises ActRefused unless both are claimed, LedgerRefused for a link that was undone.
    """
    kept = _prepared(network, first, second, CLAIMED)
    statement = LinkStatement.decode(kept.link.by_first.body)
    assert kept.counter is not None
    if not network.ledger.fresh_head().linked(statement.owner, statement.commitment):
        key = first.consent_key(kept.counter)
        keep_copy(network, first, kept)
        link_aliases(network, key, statement.commitment)
    return kept.link


def link_unclaimed(
    network: Network, first: Holder, second: Holder, officers: Sequence[Officer]
) -> SignedLink:
    """The registrars of two unclaimed aliases and two ministry officers say that they are one person's.

    Raises ActRefused unless both are unclaimed and two officers take part.
    """
    _check_officers(network, officers)
    kept = _prepared(network, first, second, UNCLAIMED)
    statement = LinkStatement.decode(kept.link.by_first.body)
    if not network.ledger.fresh_head().linked(NO_OWNER, statement.commitment):
        voices = [(officer.post, officer.key) for officer in officers]
        network.ledger.link_unclaimed(statement.commitment, voices)
    return kept.link


def unlink(network: Network, holder: Holder, signed: SignedLink) -> Head:
    """Undoes a patient's link for good; raises ActRefused for whom did not make it."""
    statement = LinkStatement.decode(signed.by_first.body)
    row = holder.books.get(LINK, statement.commitment)
    kept = KeptLink.decode(row) if row is not None else None
    if kept is None or kept.counter is None:
        raise ActRefused(why="only who made a link undoes it")
    _forget(holder.books, kept)
    view = network.ledger.fresh_head()
    if not view.linked(statement.owner, statement.commitment):
        return view.head
    key = holder.consent_key(kept.counter)
    return unlink_aliases(network, key, statement.commitment)


def unlink_unclaimed(
    network: Network, signed: SignedLink, officers: Sequence[Officer], registrars: Iterable[Organisation]
) -> Head:
    """Two ministry officers undo a link of unclaimed aliases for good."""
    _check_officers(network, officers)
    statement, view = LinkStatement.decode(signed.by_first.body), network.ledger.fresh_head()
    for registrar in registrars:
        _forget(registrar.books, KeptLink(signed, None, False))
    if not view.linked(NO_OWNER, statement.commitment):
        return view.head
    voices = [(officer.post, officer.key) for officer in officers]
    return network.ledger.unlink_unclaimed(statement.commitment, voices)


def _forget(books: Books, kept: KeptLink) -> None:
    commitment = LinkStatement.decode(kept.link.by_first.body).commitment
    books.put(LINK, [(commitment, replace(kept, undone=True).encode())])


def _check_officers(network: Network, officers: Sequence[Officer]) -> None:
    view = network.ledger.fresh_head()
    for officer in officers:
        check_officer(view, officer)
    if len({officer.post for officer in officers}) < 2:
        raise ActRefused(why="two ministry officers are needed")


def _prepared(network: Network, first: Holder, second: Holder, kinds: frozenset[ControllerKind]) -> KeptLink:
    """The statement of this link, durable in both books; the same one if it was begun before."""
    view = network.ledger.fresh_head()
    for holder in (first, second):
        facts = view.alias(holder.alias)
        if facts is None or facts.kind not in kinds or facts.controller != holder.controller.address:
            raise ActRefused(why="the present controllers link, both claimed or both not")
    pair = tuple(sorted((first.alias, second.alias)))
    if pair[0] == pair[1]:
        raise ActRefused(why="an alias is not linked to itself")
    for kept in _kept(first.books):
        statement = LinkStatement.decode(kept.link.by_first.body)
        if (statement.first, statement.second) == pair and not kept.undone:
            return kept
    return _new_link(network, view, first, second, kinds)


def _kept(books: Books) -> list[KeptLink]:
    return [KeptLink.decode(row) for _, row in books.rows(LINK)]


def links_of(books: Books) -> list[SignedLink]:
    """The links that these books keep and that were not undone."""
    return [kept.link for kept in _kept(books) if not kept.undone]


def _new_link(
    network: Network, view: LedgerView, first: Holder, second: Holder, kinds: frozenset[ControllerKind]
) -> KeptLink:
    counter, owner, salt = None, NO_OWNER, secrets.token_bytes(32)
    if kinds is CLAIMED:
        counter = unused_counter(network, first)
        owner, salt = first.consent_key(counter).address, first.consent_salt(counter)
    lower, upper = sorted((first, second), key=lambda holder: holder.alias)
    statement = LinkStatement(lower.alias, upper.alias, owner, salt, view.head.number)
    signed = SignedLink(
        *(sign(statement, each.controller, network.ledger.deployment) for each in (lower, upper))
    )
    second.books.put(LINK, [(statement.commitment, KeptLink(signed, None, False).encode())])
    kept = KeptLink(signed, counter, False)
    first.books.put(LINK, [(statement.commitment, kept.encode())])
    return kept


# Using links -------------------------------------------------------------------------------------


def check_link(network: Network, signed: SignedLink) -> LinkStatement:
    """A link that stands on the ledger now and was signed by both aliases' controllers; raises ProofRefused,
    SignatureRefused, MalformedBytes, PatientNotFound."""
    claimed = LinkStatement.decode(signed.by_first.body)
    then = network.ledger.at(claimed.block)
    for alias, each in ((claimed.first, signed.by_first), (claimed.second, signed.by_second)):
        facts = then.alias(alias)
        if facts is None:
            raise PatientNotFound()
        if open_signed(LinkStatement, each, facts.controller, network.ledger.deployment) != claimed:
            raise ProofRefused(why="two different links")
    if not network.ledger.fresh_head().linked(claimed.owner, claimed.commitment):
        raise ProofRefused(why="the link does not stand")
    return claimed


@dataclass(frozen=True, repr=False)
class Linked:
    """What was read of each alias of one person; never printed."""

    by_alias: dict[bytes, Retrieved]

    @property
    def records(self) -> list[Record]:
        """The records of all of them, in the order of their anchors."""
        united = [record for each in self.by_alias.values() for record in each.records]
        return sorted(united, key=lambda record: (record.found.anchor.block, record.found.row.index))


def retrieve_linked(
    network: Network,
    links: Iterable[SignedLink],
    asked: Sequence[tuple[Access, AliasStatement]],
    compartments: Sequence[Compartment],
) -> Linked:
    """Reads several aliases as one person, each with an access of its own.

    Raises AccessRefused unless standing links join them all, and what ``retrieve`` and ``check_link`` raise.
    """
    aliases = {statement.alias for _, statement in asked}
    joined = {next(iter(aliases))}
    pairs = [{claimed.first, claimed.second} for claimed in (check_link(network, each) for each in links)]
    for _ in pairs:
        joined = joined.union(*(pair for pair in pairs if pair & joined))
    if not aliases <= joined:
        raise AccessRefused(reason="not-linked")
    return Linked(
        {statement.alias: retrieve(network, access, statement, compartments) for access, statement in asked}
    )
