"""What a terminal shows: chapters, sentences, tables, plots; colours only where there is a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from careledger.cli.words import plain
from careledger.domain.errors import CareLedgerError

BAR = "█"


class Screen:
    """Writes to one console."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """A numbered heading."""
        self._chapter += 1
        self.console.print()
        self.console.rule(f"[bold]{self._chapter}. {title}[/bold]", align="left")

    def says(self, sentence: str) -> None:
        """A sentence of the story."""
        self.console.print(sentence)

    def refused(self, who: str, error: CareLedgerError) -> None:
        """That somebody was refused, and why."""
        because = error.details.get("because") or str(error)
        self.console.print(f"  [red]✗[/red] {who}: {because}")

    def permitted(self, sentence: str) -> None:
        """That something was done."""
        self.console.print(f"  [green]✓[/green] {sentence}")

    def holds(self, sentence: str) -> None:
        """A sentence that was checked and holds; shown as it is, brackets included."""
        self.console.print(Text.assemble(("  ✓ ", "green"), plain(sentence)))

    def fails(self, sentence: str) -> None:
        """A sentence about something that was checked and does not hold."""
        self.console.print(Text.assemble(("  ✗ ", "red"), plain(sentence)))

    def warns(self, sentence: str) -> None:
        """Something that a person has to know before relying on the rest."""
        self.console.print(Text.assemble(("  ! ", "yellow"), plain(sentence)))

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        whole: Sequence[str] = (),
    ) -> None:
        """A table after an empty line; cells are shown as they are, brackets included.

        ``whole`` are the columns whose lines are never folded.
        """
        table = Table(
            title=Text(plain(title)), title_justify="left", title_style="italic", header_style="bold"
        )
        for column in columns:
            table.add_column(column, overflow="fold", no_wrap=column in whole)
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        self.console.print()
        self.console.print(table)

    def facts(self, title: str, pairs: Iterable[tuple[str, object]]) -> None:
        """Names and what they are, one under the other."""
        table = Table(
            title=Text(plain(title)), title_justify="left", title_style="bold", box=None, show_header=False
        )
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in pairs:
            table.add_row(name, Text(plain(value)))
        self.console.print(table)

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self.console.width

    def bars(self, title: str, counts: Sequence[tuple[str, int]], width: int = 40) -> None:
        """A bar for each count."""
        most = max((count for _, count in counts), default=0)
        self.console.print()
        self.console.print(Text(plain(title), style="italic"))
        margin = max((len(name) for name, _ in counts), default=0)
        width = max(10, min(width, self.width - margin - 12))
        for name, count in counts:
            length = max(1, round(count * width / most)) if count else 0
            self.console.print(Text(plain(f"  {name:<{margin}} {BAR * length} {count}")))

    def progress(self) -> Progress:
        """A progress bar for long work."""
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
