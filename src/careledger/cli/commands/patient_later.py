"""``careledger patient guardian | majority | end | death | after-death``: what comes later in a patient's life."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.app.keyring import Keyring
from careledger.cli import phrases, scoping
from careledger.cli.actors import grantee, officers, organisation
from careledger.cli.deaths import write_decision
from careledger.cli.moments import duration
from careledger.cli.moments import end as end_of
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Anyone, Data, Json, Officers, Patient, command
from careledger.cli.output import progress, tell
from careledger.cli.people import alias_of, in_table
from careledger.cli.words import counted, minute, moment
from careledger.domain.consents import GranteeKind
from careledger.domain.errors import PatientNotFound
from careledger.formats.after_death import AfterDeathDecision
from careledger.ports import Books
from careledger.sealing.phrase import Phrase
from careledger.workflows.after_death import decide_after_death
from careledger.workflows.death import record_death, withdraw_death
from careledger.workflows.end_registration import end_registration, leave
from careledger.workflows.guardian import appoint_guardian, come_of_age
from careledger.workflows.register import identities

if TYPE_CHECKING:
    from careledger.app.world import World

Registrar = Annotated[
    str, typer.Option("--at", metavar="NAME", help="The organisation that registered the patient.")
]
Label = Annotated[
    str, typer.Option(metavar="TEXT", help="What this device is to call the record's new holder.")
]
PhraseFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the 24 words there instead of showing them on the terminal."),
]


def add(app: typer.Typer) -> None:
    """These commands, in ``careledger patient``."""
    command(
        app,
        "guardian",
        'careledger patient guardian Mitu --at "City Hospital" --label "Mitu, by her mother" --until 2034-06-01 '
        "--phrase-file mother.words",
    )(guardian)
    command(
        app,
        "majority",
        'careledger patient majority "Mitu, by her mother" --at "City Hospital" --label Mitu --phrase-file mitu.words',
    )(majority)
    command(app, "end", 'careledger patient end rahima --at "City Hospital"')(end)
    command(
        app,
        "death",
        'careledger patient death "Karim Udin" --officer "Officer Begum" --officer "Officer Das"',
        'careledger patient death "Karim Udin" --officer "Officer Begum" --officer "Officer Das" --withdraw',
    )(death)
    command(
        app,
        "after-death",
        'careledger patient death "Karim Udin" --officer "Officer Begum" --officer "Officer Das"',
        'careledger patient after-death "Karim Udin" --reader "Dr Sen, Lakeside" --officer "Officer Begum" '
        '--officer "Officer Das" --category diagnosis --reason heirs-ask --file karim.decision',
    )(after_death)


def guardian(
    named: Annotated[str, typer.Argument(metavar="PATIENT", help="The minor in the organisation's table.")],
    at: Registrar,
    label: Label,
    until: Annotated[str, typer.Option(metavar="TIME", help="The day of majority.")],
    phrase_file: PhraseFile = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """A guardian takes a minor's record over until majority; restricted records stay out of the guardian's view."""
    phrases.check_place(phrase_file)
    with opened(data) as world:
        registrar = organisation(world, at, "--at")
        alias, last = in_table(registrar, named), end_of(until, world.clock.now())
        phrase, books = own_keys(world.keyring, label, alias)
        with progress() as bar:
            bar.add_task("taking the keys over", total=None)
            appoint_guardian(world.network, registrar, alias, phrase, books, last)
        phrases.give(phrase, phrase_file)
        tell(
            as_json,
            {"patient": label, "alias": alias.hex(), "controller": "a guardian", "until": moment(last)},
            f"The guardian holds the record until {minute(last)}.",
        )


def majority(
    named: Patient,
    at: Registrar,
    label: Label,
    phrase_file: PhraseFile = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """The young person takes over from guardian and organisation; the guardian keeps nothing without a consent."""
    phrases.check_place(phrase_file)
    with opened(data) as world:
        registrar, before = organisation(world, at, "--at"), patient(world, named)
        phrase, books = own_keys(world.keyring, label, before.holder.alias)
        with progress() as bar:
            bar.add_task("taking the keys over", total=None)
            come_of_age(world.network, before.holder, registrar, phrase, books)
        phrases.give(phrase, phrase_file)
        world.keyring.forget_patient(before.label)
        tell(
            as_json,
            {"patient": label, "alias": before.holder.alias.hex(), "controller": "own keys"},
            "The young person's own keys control the record; the guardian's are gone from this device.",
        )


def own_keys(keyring: Keyring, label: str, alias: bytes) -> tuple[Phrase, Books]:
    """A new phrase, or the one of what was begun here under this label; raises BadParameter for another patient's."""
    if label in keyring.patients():
        known, phrase, books = keyring.patient(label)
        if known != alias:
            raise typer.BadParameter("another patient of this device is called so", param_hint="--label")
        return phrase, books
    phrase = Phrase.random()
    return phrase, keyring.new_patient(label, alias, phrase)


def end(named: Patient, at: Registrar, data: Data = DATA, as_json: Json = False) -> None:
    """End a registration: the organisation's access ends at once, its own chart stays."""
    with opened(data) as world:
        mine, registrar = patient(world, named), organisation(world, at, "--at")
        if mine.holder.alias not in {row.alias for row in identities(registrar)}:
            raise PatientNotFound(why="not in this organisation's table")
        revoked = leave(world.network, mine.holder, registrar.number)
        end_registration(world.network, registrar, mine.holder.alias)
        tell(
            as_json,
            {"patient": mine.label, "alias": mine.holder.alias.hex(), "consents_revoked": revoked},
            f"The registration has ended; {counted(revoked, 'consent')} revoked. The organisation's own chart stays.",
        )


def death(
    named: Anyone,
    officer: Officers,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="The patient lives: take a recorded death back.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Record a death by the word of two ministry officers: nobody controls the record any more, consents end."""
    with opened(data) as world:
        alias, voices = alias_of(world, named), officers(world, officer or ())
        act = withdraw_death if withdraw else record_death
        act(world.network, alias, voices)
        facts = world.ledger.fresh_head().alias(alias)
        kind = facts.kind.name.lower() if facts else "unknown"
        done = (kind == "nobody") is not withdraw
        more = "" if done else " One officer's word is on the ledger; it takes two."
        tell(as_json, {"alias": alias.hex(), "controller": kind}, f"Controlled by: {kind}.{more}")


def after_death(
    named: Anyone,
    reader: Annotated[str, typer.Option(metavar="NAME", help="The post that is to read.")],
    reason: Annotated[str, typer.Option(metavar="CODE", help="Why, as a code without a person in it.")],
    file: Annotated[
        Path, typer.Option(metavar="FILE", help="A new file for the decision, which the reader needs.")
    ],
    officer: Officers = None,
    category: scoping.Categories = None,
    restricted: scoping.Restricted = None,
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="How long, at most 30d.")] = "30d",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Two ministry officers decide that a post reads these records of somebody who has died.

    It counts from the third day after the death was recorded; both officers stand in the log of every reading.
    """
    named_apart, seconds = scoping.compartments(category, restricted), duration(lasts, "--for")
    if not reason.strip() or seconds == 0 or file.exists():
        raise typer.BadParameter(
            "a reason, a time and a new file are needed", param_hint="--reason / --for / --file"
        )
    with opened(data) as world:
        alias, voices, post = alias_of(world, named), officers(world, officer or ()), _post(world, reader)
        made = decide_after_death(world.network, voices, post, alias, named_apart, reason, seconds)
        write_decision(file, made)
        said = AfterDeathDecision.decode(made.by_first.body)
        tell(
            as_json,
            {"alias": alias.hex(), "reader": f"{post:016x}", "until": moment(said.until), "file": str(file)},
            f"Decided until {minute(said.until)} UTC; the decision is in {file}.",
            f"Next: careledger search PATIENT --as {reader!r} --decision {file}, from the third day after the death.",
        )


def _post(world: World, named: str) -> int:
    """The number of a post, of this machine or elsewhere; raises BadParameter for whatever else is called so."""
    found = grantee(world, named, "--reader")
    if found.kind is not GranteeKind.POST:
        raise typer.BadParameter(f"{named!r} is not a post", param_hint="--reader")
    return found.number
