"""``careledger patient``: registered, claimed, found, linked, ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.cli import finding, patient_list, phrases, recovering, scoping
from careledger.cli.actors import organisation
from careledger.cli.commands import patient_later, patient_links
from careledger.cli.moments import day_text
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, As, Data, Json, Patient, command, group
from careledger.cli.output import print_json, progress, screen, tell
from careledger.cli.people import in_table
from careledger.cli.words import day, listed
from careledger.domain.errors import PatientNotFound
from careledger.workflows import register
from careledger.workflows.claim import claim
from careledger.workflows.identity_rows import Identity
from careledger.workflows.rotate_keys import rotate
from careledger.workflows.turn_epochs import name_for_emergencies

DAY = 24 * 3600
app = group("Patients: register, claim, link, find, guardians, end, death.")

Name = Annotated[str, typer.Option(metavar="TEXT", help="The name, in any script.")]
Birth = Annotated[
    str, typer.Option(metavar="DATE", help="The birth date, as exact as it is known: 1979-02-27, 1979.")
]
NationalId = Annotated[str, typer.Option(metavar="NUMBER", help="The national identity number.")]
Entry = Annotated[
    str, typer.Argument(metavar="PATIENT", help="A name, national id or alias in the organisation's table.")
]
PhraseFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write the 24 words there (mode 0600) instead of showing them on the terminal."
    ),
]


@command(
    app,
    "register",
    'careledger patient register --as "City Hospital" --name "Rahima Khatun" --birth 1988-04 --national-id 1988-77',
    'careledger patient register --as "City Hospital" --name "Karim Uddin" --birth 1955-03-02',
    'careledger patient register --as "City Hospital" --name "Karim Udin" --birth 1955-03-02',
    'careledger patient register --as "City Hospital" --name Mitu --birth 2016-06-01',
)
def register_(
    acting: As,
    name: Name = "",
    romanised: Annotated[str, typer.Option(metavar="TEXT", help="The name in Latin letters.")] = "",
    birth: Birth = "",
    national_id: NationalId = "",
    escrow: Annotated[
        bool, typer.Option(help="Whether records may be opened in an emergency by break-glass.")
    ] = True,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Register a patient; the organisation holds the keys until the patient claims them. Nothing is mandatory.

    Name, number and date stay in the organisation's own encrypted table; the ledger gets two random numbers.
    """
    born = day_text(birth, "--birth") if birth else ""
    with opened(data) as world:
        if born > day(world.clock.now() + DAY):  # it is tomorrow already east of here
            raise typer.BadParameter("this day has not come yet", param_hint="--birth")
        registrar = organisation(world, acting)
        row = Identity(bytes(32), bytes(16), name, romanised, national_id, born, bytes(32))
        made = register.patient(world.network, registrar, row, escrow)
        label = world.keyring.labels()[registrar.number]
        tell(
            as_json,
            {"alias": made.alias.hex(), "registrar": label},
            f"Registered at {label} under the alias {made.alias.hex()[:16]}…",
            "Next: careledger patient claim, at the desk, gives the keys to the patient.",
        )


@command(
    app,
    "claim",
    'careledger patient claim Rahima --at "City Hospital" --label "Rahima" --phrase-file rahima.words',
)
def claim_(
    named: Entry,
    at: Annotated[str, typer.Option(metavar="NAME", help="The organisation that registered the patient.")],
    label: Annotated[str, typer.Option(metavar="TEXT", help="What this device is to call the patient.")],
    phrase_file: PhraseFile = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """The patient takes the keys over, at the desk: new keys from 24 words, which are shown once.

    From that block the organisation's own rule ends. After an interruption the same command goes on.
    """
    phrases.check_place(phrase_file)
    with opened(data) as world:
        registrar = organisation(world, at, "--at")
        alias = in_table(registrar, named)
        if alias not in register.kept_aliases(registrar):
            raise PatientNotFound(why="claimed already, or registered elsewhere")
        phrase, books = patient_later.own_keys(world.keyring, label, alias)
        with progress() as bar:
            bar.add_task("taking the keys over", total=None)
            claim(world.network, registrar, alias, phrase, books)
        phrases.give(phrase, phrase_file)
        tell(
            as_json,
            {"patient": label, "alias": alias.hex(), "controller": "own keys"},
            "The patient's own keys control the record from now on; the organisation has forgotten its own.",
        )


@command(app, "phrase", "careledger patient phrase velvet --phrase-file velvet.words")
def phrase(named: Patient, phrase_file: PhraseFile = None, data: Data = DATA) -> None:
    """Show a patient's 24 words again, or write them to a file. Whoever has them has every key."""
    phrases.check_place(phrase_file)
    with opened(data) as world:
        phrases.give(world.keyring.patient(patient(world, named).label)[1], phrase_file)


@command(app, "recover", 'careledger patient recover --label "second device" --phrase-file rahima.words')
def recover_(
    label: Annotated[str, typer.Option(metavar="TEXT", help="What this device is to call the patient.")],
    phrase_file: Annotated[Path, typer.Option(metavar="FILE", help="A file with the 24 words.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Make a patient's agent again from the 24 words alone: after a lost device, or on a second one.

    Consents that stand and that nothing describes any more are ended: they could be for anybody.
    """
    phrase = phrases.read(phrase_file)
    with opened(data) as world:
        found = recovering.recovered(world, phrase, label)
        tell(
            as_json,
            {"patients": found},
            *(f"{each['patient']} is here again: {each['consents']} consents known." for each in found),
            *(
                f"{each['ended']} consents that nothing described are ended."
                for each in found
                if each["ended"]
            ),
        )


@command(app, "list", "careledger patient list", 'careledger patient list --as "City Hospital"')
def list_(
    acting: Annotated[
        str, typer.Option("--as", metavar="NAME", help="An organisation, whose table of patients is listed.")
    ] = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List the patients whose keys are on this device, or an organisation's table with who holds each one's keys."""
    with opened(data) as world:
        found = patient_list.of(world, organisation(world, acting)) if acting else patient_list.devices(world)
        print_json({"patients": found}) if as_json else patient_list.show(screen(), found, bool(acting))


@command(
    app,
    "find",
    'careledger patient find --as "records desk, City" --name "Rahima Khatun" --birth 1988-04',
    'careledger patient find --as "records desk, City" --national-id 1988-77',
)
def find_(
    acting: As,
    name: Name = "",
    birth: Birth = "",
    national_id: NationalId = "",
    entry: Annotated[
        str,
        typer.Option(
            "--break-glass", metavar="ENTRY", help="An open emergency instead of a declared presence."
        ),
    ] = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Ask every member for a person who is present, or in an emergency; the person found is told who looked.

    A national id, or a name with a birth date, has to be known; a post asks for at most forty people a day.
    """
    born = day_text(birth, "--birth") if birth else ""
    with opened(data) as world:
        found = finding.find_person(world, acting, finding.Sought(name, national_id, born), entry)
        print_json(found) if as_json else finding.show(screen(), found)


@command(app, "located", "careledger patient located velvet")
def located_(named: Patient, data: Data = DATA, as_json: Json = False) -> None:
    """List who looked for this patient, at which member and why, as the members that answered said."""
    with opened(data) as world:
        found = finding.who_looked(world, patient(world, named))
        print_json({"located": found}) if as_json else finding.show_who_looked(screen(), found)


@command(app, "emergencies", "careledger patient emergencies velvet --restricted diagnosis")
def emergencies(
    named: Patient,
    restricted: scoping.Restricted = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Name restricted records that may be opened in an emergency too, from now on; normal ones are in escrow anyway.

    What was deposited before stays out of it.
    """
    chosen = sorted(scoping.compartments((), restricted))
    with opened(data) as world:
        mine = patient(world, named)
        if not mine.statement.escrow:
            raise typer.BadParameter("this patient has no emergency escrow at all", param_hint="PATIENT")
        name_for_emergencies(world.network, mine.holder, [each.number for each in chosen])
        facts = {"patient": mine.label, "named": [str(each) for each in chosen]}
        tell(as_json, facts, f"Open in emergencies from now on: {listed(facts['named'])}.")


@command(app, "rotate", "careledger patient rotate velvet")
def rotate_(named: Patient, data: Data = DATA, as_json: Json = False) -> None:
    """Change a patient's keys: the next generation from the same phrase; standing consents are signed anew."""
    with opened(data) as world:
        mine = patient(world, named)
        with progress() as bar:
            bar.add_task("new keys and epochs", total=None)
            made = rotate(world.network, mine.holder)
        tell(
            as_json,
            {"patient": mine.label, "alias": made.alias.hex(), "generation": made.state.generation},
            f"Keys of generation {made.state.generation} control the record; what the old ones signed has ended.",
        )


patient_links.add(app)
patient_later.add(app)
