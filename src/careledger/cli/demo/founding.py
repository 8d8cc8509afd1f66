"""First chapters: the network is founded, organisations are verified, the access matrix is voted."""

from __future__ import annotations

from careledger.app.founding import Member, join, licence
from careledger.app.world import officer_posts
from careledger.cli.demo.stage import Stage
from careledger.domain.parties import PartyId, Role
from careledger.workflows import register

CITY, LAKESIDE, DELTA = "City Hospital", "Lakeside Hospital", "Delta Diagnostics"
GREEN, SHAPLA = "Green Pharmacy", "Shapla Insurance"
ORGANISATIONS = {
    CITY: (Role.HOSPITAL,),
    LAKESIDE: (Role.HOSPITAL,),
    DELTA: (Role.CENTRE,),
    GREEN: (Role.PHARMACY,),
    SHAPLA: (Role.INSURER,),
}
STAFF = {
    "records desk, City": (CITY, (Role.NURSE,)),
    "records desk, Lakeside": (LAKESIDE, (Role.NURSE,)),
    "records desk, Delta": (DELTA, (Role.NURSE,)),
    "Dr Rahman, City": (CITY, (Role.DOCTOR,)),
    "Nurse Akter, City": (CITY, (Role.NURSE,)),
    "Dr Chowdhury, Lakeside": (LAKESIDE, (Role.DOCTOR,)),
    "Dr Sen, Lakeside": (LAKESIDE, (Role.DOCTOR,)),
    "pharmacist, Green": (GREEN, (Role.NURSE,)),
    "medical assessor, Shapla": (SHAPLA, (Role.NURSE,)),
}
MONTH = 30 * 24 * 3600


def open_the_network(stage: Stage) -> None:
    """Five organisations, all custodians, verified by the ministry, with their posts."""
    screen, network = stage.screen, stage.world.network
    screen.chapter("A network is founded")
    posts = officer_posts(stage.world)
    stage.officers = [register.Officer(post.number, post.key) for post in posts]
    for label, roles in ORGANISATIONS.items():
        organisation(stage, label, roles)
    for label, (employer, roles) in STAFF.items():
        _post(stage, label, employer, roles)
    view = network.ledger.fresh_head()
    rows = []
    for label, actor in stage.organisations.items():
        facts = view.party(actor.number)
        assert facts is not None
        number = PartyId(actor.number)
        rows.append((label, actor.role.code, number.text(actor.role), facts.status.name.lower()))
    screen.table("Public parties on the ledger", ("organisation", "kind", "id", "status"), rows)
    screen.says("Each of the five also keeps shares as a custodian, with keys, database and log of its own.")
    stage.claim("five verified custodians serve", len(view.custodians()) == len(ORGANISATIONS))


def vote_the_matrix(stage: Stage) -> None:
    """Version 1, the figure, gives way to version 2 after a recorded vote and its delay."""
    screen, ledger = stage.screen, stage.world.ledger
    screen.chapter("The ministry's officers vote the access matrix")
    stage.claim("version 1, the published figure to the letter, is in force", _version(stage) == 1)
    ledger.enact_matrix(2, [(officer.post, officer.key) for officer in stage.officers[:2]])
    stage.claim("two of three officers voted for version 2, and it waits out its delay", _version(stage) == 1)
    stage.clock.pass_time(MONTH)
    _nudge(stage)
    stage.claim("thirty days later version 2 is in force", _version(stage) == 2)


def _version(stage: Stage) -> int:
    return stage.world.ledger.fresh_head().matrix_version()


def _nudge(stage: Stage) -> None:
    """Any transaction makes the block by which the new time shows; here a team is formed."""
    city = stage.organisations[CITY]
    stage.world.ledger.create_team(PartyId.random().number, city.number, 0, city.controller)


def organisation(stage: Stage, label: str, roles: tuple[Role, ...]) -> None:
    """Registers, verifies and serves an organisation that is also a custodian."""
    stage.organisations[label] = join(stage.world, stage.officer, Member(label, roles, label))


def _post(stage: Stage, label: str, employer: str, roles: tuple[Role, ...]) -> None:
    staff = stage.world.keyring.new_staff(stage.organisations[employer], label, roles)
    register.post(stage.world.network, staff, roles, licence(label))
    stage.staff[label] = staff
