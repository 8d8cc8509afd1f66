"""A plain Python model of the registry: what each act changes, or the reason why it is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from careledger.domain.parties import Status

CARING = Status.VERIFIED, Status.SUSPENDED


class ModelRefusal(Exception):
    """The model refuses with this reason."""


def need(holds: bool, reason: str) -> None:
    """Refuse unless it holds."""
    if not holds:
        raise ModelRefusal(reason)


@dataclass
class Party:
    """A party as the model sees it; ``controller`` is an actor's name."""

    controller: str
    status: Status
    employer: int = 0
    organisation: bool = False
    officer: bool = False
    declared: bool = False
    registrations: int = 0
    ever: int = 0


@dataclass
class Model:
    """The registry in dictionaries."""

    parties: dict[int, Party] = field(default_factory=dict)
    registrations: dict[int, int] = field(default_factory=dict)  # 0 once ended

    def of(self, number: int) -> Party:
        """The party, or nobody."""
        return self.parties.get(number, Party("nobody", Status.UNKNOWN))

    def standing(self, number: int) -> Status:
        """The status that counts."""
        party = self.of(number)
        if party.organisation or party.status is not Status.VERIFIED:
            return party.status
        return self.of(party.employer).status

    def officer(self, actor: str, officer: int) -> None:
        """The caller is that officer."""
        party = self.of(officer)
        need(party.controller == actor, "caller")
        need(party.officer and party.status is Status.VERIFIED, "officer")

    def caller(self, actor: str, number: int) -> Party:
        """The caller controls the party."""
        party = self.of(number)
        need(party.controller == actor, "caller")
        return party

    def verified_organisation(self, actor: str, number: int) -> Party:
        """The caller controls a verified organisation."""
        party = self.caller(actor, number)
        need(party.organisation, "role")
        need(party.status is Status.VERIFIED, "status")
        return party

    def add(self, actor: str, officer: int, number: int, controller: str) -> None:
        """An officer adds an organisation."""
        self.officer(actor, officer)
        need(number not in self.parties, "taken")
        self.parties[number] = Party(controller, Status.PENDING, organisation=True)

    def declare(self, actor: str, number: int) -> None:
        """An organisation declares licence and key."""
        party = self.caller(actor, number)
        need(party.status is Status.PENDING, "status")
        party.declared = True

    def verify(self, actor: str, officer: int, number: int) -> None:
        """An officer verifies."""
        self.officer(actor, officer)
        party = self.of(number)
        need(party.status is Status.PENDING, "status")
        need(party.declared, "undeclared")
        party.status = Status.VERIFIED

    def supervise(self, actor: str, officer: int, number: int, act: str) -> None:
        """An officer suspends, reinstates or removes."""
        self.officer(actor, officer)
        need(number in self.parties, "unknown")
        party = self.of(number)
        need(not party.officer, "role")
        if act == "remove":
            need(party.status is not Status.REMOVED, "status")
        else:
            need(party.status is (Status.VERIFIED if act == "suspend" else Status.SUSPENDED), "status")
        party.status = {
            "suspend": Status.SUSPENDED,
            "reinstate": Status.VERIFIED,
            "remove": Status.REMOVED,
        }[act]

    def vouch(self, actor: str, employer: int, post: int, controller: str) -> None:
        """An employer vouches for a post."""
        self.verified_organisation(actor, employer)
        need(post not in self.parties, "taken")
        self.parties[post] = Party(controller, Status.VERIFIED, employer)

    def end_post(self, actor: str, post: int) -> None:
        """An employer ends a post."""
        party = self.of(post)
        need(post in self.parties and not party.organisation, "unknown")
        employer = self.of(party.employer)
        need(employer.controller == actor, "caller")
        need(employer.status in CARING, "employer status")
        need(not party.officer, "role")
        need(party.status is not Status.REMOVED, "status")
        party.status = Status.REMOVED

    def rotate(self, actor: str, number: int, controller: str) -> None:
        """A party takes a new controller."""
        party = self.caller(actor, number)
        need(self.standing(number) is Status.VERIFIED, "status")
        party.controller = controller

    def register(self, actor: str, registrar: int, registration: int) -> None:
        """An organisation registers a patient."""
        party = self.caller(actor, registrar)
        need(party.status is Status.VERIFIED, "status")
        need(party.organisation, "role")
        need(registration not in self.registrations, "taken")
        self.registrations[registration] = registrar
        party.registrations += 1
        party.ever += 1

    def end_registration(self, actor: str, registration: int) -> None:
        """A registrar ends a registration."""
        registrar = self.registrations.get(registration, 0)
        need(registrar != 0, "unknown")
        party = self.caller(actor, registrar)
        need(party.status in CARING, "status")
        self.registrations[registration] = 0
        party.registrations -= 1
