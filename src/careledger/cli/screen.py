"""What a terminal shows: chapters, sentences, tables, plots; colours only where there is a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

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

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; cells are shown as text."""
        table = Table(title=title, title_justify="left", title_style="italic", header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        self.console.print(table)

    def bars(self, title: str, counts: Sequence[tuple[str, int]], width: int = 40) -> None:
        """A bar for each count."""
        most = max((count for _, count in counts), default=0)
        self.console.print(f"[italic]{title}[/italic]")
        margin = max((len(name) for name, _ in counts), default=0)
        for name, count in counts:
            length = max(1, round(count * width / most)) if count else 0
            self.console.print(f"  {name:<{margin}} {BAR * length} {count}")

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
