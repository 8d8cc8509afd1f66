"""What lies in an open data directory: facts, custodians, and what organisations and patients have begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from careledger.adapters.index.file import remove
from careledger.app.checking import custodian_log
from careledger.app.diagnosis import ILL, MENDED, OPEN, WELL, Diagnosis
from careledger.app.own_index import open_index, place
from careledger.app.world import World
from careledger.domain.errors import StoreCorrupt
from careledger.domain.records import Ground
from careledger.workflows.actors import Holder, Organisation, load_holder
from careledger.workflows.batches import Writer
from careledger.workflows.cosigning import checkpoint_all
from careledger.workflows.custodian.lacking import lacking_shares
from careledger.workflows.deposit import MISSING, PLAN, complete, resume
from careledger.workflows.register import BEGUN
from careledger.workflows.tend import tend
from careledger.workflows.tend_gateway import tend_gateway

Part = tuple[str, Callable[[], Diagnosis]]


def parts(world: World, repair: bool) -> Iterator[Part]:
    """Each part with how to look at it."""
    yield "facts", partial(_facts, world, repair)
    for label, organisation in sorted(world.keyring.organisations().items()):
        yield f"books of {label}", partial(_organisation, world, organisation, f"books of {label}", repair)
        if place(world, organisation).exists():
            part = f"index of {label}"
            yield part, partial(_own_index, world, organisation, part, repair)
    for number, label in enumerate(world.keyring.patients(), start=1):
        part = f"patient {number}"
        yield part, partial(_patient, world, label, part, repair)
    names = world.keyring.labels()
    for number in list(world.directories):
        part = f"custodian {names.get(number, f'{number:016x}')}"
        yield part, partial(_custodian, world, number, part, repair)
    here = {each.number for each in world.keyring.organisations().values()}
    for each in world.ledger.fresh_head().custodians():
        if each.number in here and each.number not in world.custodians:
            yield f"custodian {names[each.number]}", partial(_gone, f"custodian {names[each.number]}")
    yield "unneeded blocks", partial(_unneeded, world, repair)


def _facts(world: World, repair: bool) -> Diagnosis:
    kept, folded = world.ledger.rows(), world.ledger.folded_again()
    if kept == folded:
        return Diagnosis(
            "facts", WELL, f"{len(folded):,} rows equal those folded again from the chain's events."
        )
    differ = len(set(kept) ^ set(folded))
    if not repair:
        return Diagnosis(
            "facts", OPEN, f"{differ:,} rows differ from those folded again from the chain's events."
        )
    world.ledger.rebuild()
    return Diagnosis(
        "facts", MENDED, f"{differ:,} rows differed; all are folded again from the chain's events."
    )


def _organisation(world: World, organisation: Organisation, part: str, repair: bool) -> Diagnosis:
    """Deposits that a crash left, shares that a custodian missed, patients and registrations that were begun."""
    before = _begun(organisation)
    if not any(before.values()):
        return Diagnosis(part, WELL, "Nothing was left unfinished.")
    if not repair:
        return Diagnosis(part, OPEN, f"Left unfinished: {_said(before)}.")
    resume(world.network, Writer(organisation, Ground.REGISTRAR))
    complete(world.network, organisation)
    tend_gateway(world.network, organisation)
    after = _begun(organisation)
    if any(after.values()):
        return Diagnosis(part, OPEN, f"Still unfinished, because a custodian is missing: {_said(after)}.")
    return Diagnosis(part, MENDED, f"Finished: {_said(before)}.")


def _own_index(world: World, organisation: Organisation, part: str, repair: bool) -> Diagnosis:
    """Whether the index of own writings opens and is whole; it is nothing that cannot be made again."""
    try:
        index = open_index(world, organisation)
        try:
            index.check()
            return Diagnosis(part, WELL, f"{index.size():,} own writings are indexed, every page is whole.")
        finally:
            index.close()
    except StoreCorrupt:
        if not repair:
            return Diagnosis(part, OPEN, "It is damaged or under another key.")
    remove(place(world, organisation))
    return Diagnosis(
        part,
        MENDED,
        "It was damaged or under another key, and is gone; a gateway makes it again of the copies.",
    )


def _unneeded(world: World, repair: bool) -> Diagnosis:
    """What nobody pins: of deposits that were refused, of files that broke off, of what was erased. While a deposit is
    unfinished it may be that one's, so this comes after deposits were finished."""
    part, organisations = "unneeded blocks", world.keyring.organisations().values()
    books = [each.books for each in organisations]
    books += [world.keyring.patient(label)[2] for label in world.keyring.patients()]
    if any(each.keys(PLAN, b"", 1) for each in books):
        return Diagnosis(part, OPEN, "A deposit is unfinished, so nothing was thrown away.")
    found = world.blocks.unneeded()
    if not found:
        return Diagnosis(part, WELL, "Every block is needed.")
    if not repair:
        return Diagnosis(part, WELL, f"{found:,} bytes that nobody needs; --repair gives them back.")
    return Diagnosis(part, MENDED, f"{world.blocks.collect().bytes:,} bytes given back that nobody needed.")


def _gone(part: str) -> Diagnosis:
    said = "It serves by the ledger, and its directory is not here. Restore it from a backup, or replace the custodian."
    return Diagnosis(part, ILL, said)


def _begun(actor: Organisation | Holder) -> dict[str, int]:
    kinds = {"deposits": PLAN, "shares of thin deposits": MISSING, "patients": BEGUN}
    return {words: len(list(actor.books.rows(kind))) for words, kind in kinds.items()}


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {words}" for words, count in counts.items() if count)


def _patient(world: World, label: str, part: str, repair: bool) -> Diagnosis:
    """What the agent does at every unlocking; the finding names no patient."""
    alias, phrase, books = world.keyring.patient(label)
    holder = load_holder(phrase, alias, books)
    before = _begun(holder)
    if not repair:
        said = (
            f"Left unfinished: {_said(before)}." if any(before.values()) else "Nothing was left unfinished."
        )
        return Diagnosis(part, OPEN if any(before.values()) else WELL, said)
    for organisation in list(world.keyring.organisations().values())[:1]:
        resume(world.network, Writer(organisation, Ground.OWN, holder=holder))
    done = tend(world.network, holder)
    if done.waits:
        left = done.orders + done.enrolments + done.shares
        return Diagnosis(part, OPEN, f"{left} messages still wait for a custodian that is missing.")
    finished = done.granted + done.closed + sum(before.values())
    if finished:
        return Diagnosis(part, MENDED, f"{finished} unfinished acts were finished.")
    return Diagnosis(part, WELL, "Nothing was left unfinished.")


def _custodian(world: World, number: int, part: str, repair: bool) -> Diagnosis:
    """Its release log against the ledger, shares whose keys are gone, destructions that are not attested yet."""
    directory = world.directories[number]
    if repair:
        checkpoint_all(world.network)
    owed, lost = len(directory.rows.owed_attestations()), lacking_shares(directory.rows, number)
    if lost:
        return Diagnosis(
            part,
            OPEN,
            f"{lost:,} shares have no key here any more: careledger custodian repair remakes them.",
        )
    if owed:
        return Diagnosis(part, OPEN, f"{owed:,} destructions are not attested on the ledger yet.")
    return Diagnosis(part, WELL, custodian_log(world.ledger, directory, number))
