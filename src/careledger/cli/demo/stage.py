"""What the chapters of the demo share: the world, the screen, the cast, and every claim made on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from careledger.app.clocks import StoryClock
from careledger.app.world import World
from careledger.cli.screen import Screen
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import CareLedgerError
from careledger.fhir.export import resource_of
from careledger.fhir.summary import summary
from careledger.formats.patients import AliasStatement
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import Holder, Organisation, Session, Staff, load_holder, open_session
from careledger.workflows.epochs import ALL, own_statement
from careledger.workflows.register import Officer
from careledger.workflows.retrieve import Record
from careledger.workflows.tend_gateway import tend_gateway

STORY = "Velvet616_Botsford977"
PATIENT = "Velvet Botsford"
EVERYTHING = tuple(Compartment.numbered(number) for number in ALL)


@dataclass(frozen=True)
class Claim:
    """A sentence that the demo said and whether it was seen to hold."""

    sentence: str
    holds: bool


@dataclass
class Stage:
    """One performance."""

    world: World
    screen: Screen
    clock: StoryClock
    organisations: dict[str, Organisation] = field(default_factory=dict)
    staff: dict[str, Staff] = field(default_factory=dict)
    officers: list[Officer] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    phrase: Phrase | None = None
    alias: bytes = b""
    lost: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    kept: dict[str, object] = field(default_factory=dict)

    @property
    def officer(self) -> Officer:
        """The first ministry officer."""
        return self.officers[0]

    @property
    def holder(self) -> Holder:
        """The patient's agent as its books say now."""
        assert self.phrase is not None
        _, phrase, books = self.world.keyring.patient(PATIENT)
        return load_holder(phrase, self.alias, books)

    @property
    def statement(self) -> AliasStatement:
        """The patient's newest alias statement."""
        return own_statement(self.holder)[0]

    def session(self, label: str) -> Session:
        """A fresh session of a post."""
        return open_session(self.staff[label], self.world.ledger.deployment, self.clock.now())

    def claim(self, sentence: str, holds: bool) -> None:
        """Says a sentence and remembers whether it held."""
        self.claims.append(Claim(sentence, holds))
        if holds:
            self.screen.permitted(sentence)
        else:
            self.screen.says(f"  [bold red]NOT SO:[/bold red] {sentence}")

    def refusal(self, who: str, act: Callable[[], object], reason: str) -> None:
        """Does what has to be refused with that reason, and shows the refusal."""
        try:
            act()
        except CareLedgerError as error:
            self.screen.refused(who, error)
            said = str(error.details.get("reason", type(error).__name__))
            self.claims.append(Claim(f"{who} was refused ({reason})", said == reason))
            if said != reason:
                self.screen.says(f"  [bold red]NOT SO:[/bold red] refused for {said}, not for {reason}")
            return
        self.claim(f"{who} was refused ({reason})", False)

    def tend(self) -> tuple[int, int]:
        """What gateways and custodians do by themselves: registrations that are due are entered, logs anchored.

        Returns how many patients are not ready and how many registrations wait.
        """
        tended = [tend_gateway(self.world.network, each) for each in self.organisations.values()]
        for link in self.world.custodians.values():
            link.call("tend", b"")
        return sum(each.patients for each in tended), sum(each.registrations for each in tended)


def clinical(*categories: Category) -> tuple[Compartment, ...]:
    """The normal compartments of these categories."""
    return tuple(Compartment(category, Sensitivity.NORMAL) for category in categories)


def record_rows(records: Iterable[Record]) -> list[tuple[str, str, str, str]]:
    """Date, category, what and value of records, for a table."""
    rows = []
    for record in records:
        said = summary(resource_of(record.body))
        rows.append((said.date or "", str(record.compartment), said.what, said.value))
    return sorted(rows, reverse=True)
