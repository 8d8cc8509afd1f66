"""What commands are made of: groups, help with examples, and the arguments and options that several share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Function = TypeVar("Function", bound=Callable[..., Any])
DATA = Path("demo-data")
EXAMPLES = "Examples:"

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="CARELEDGER_DATA",
        show_default="./demo-data",
        help="The data directory.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        show_default="CARELEDGER_CONFIG, or careledger.toml of the data directory",
        help="The service's configuration, TOML.",
    ),
]
Host = Annotated[str | None, typer.Option(metavar="HOST", help="A name or address to listen on.")]
Port = Annotated[int | None, typer.Option(metavar="PORT", min=0, max=65_535, help="0 takes a free one.")]
TlsCert = Annotated[str | None, typer.Option(metavar="FILE", help="A certificate with its chain, PEM.")]
TlsKey = Annotated[str | None, typer.Option(metavar="FILE", help="Its private key, PEM.")]
LogFormat = Annotated[str | None, typer.Option(metavar="FORMAT", help="text or json.")]
Metrics = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Where Prometheus scrapes this process; loopback.")
]
ToFhir = Annotated[
    Path | None,
    typer.Option(
        "--fhir", metavar="FILE", help="Write a FHIR R4 collection Bundle in the clear; - is stdout."
    ),
]
ToDocuments = Annotated[
    Path | None,
    typer.Option(
        "--documents",
        metavar="DIR",
        help="Write each document (PDF, DICOM, picture) there in the clear.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print what was found as one JSON object, for programs.")]
Patient = Annotated[
    str,
    typer.Argument(
        metavar="PATIENT",
        help="A patient whose keys are on this device: the name, its beginning, or the first digits of the alias.",
    ),
]
Anyone = Annotated[
    str,
    typer.Argument(
        metavar="PATIENT",
        help="A patient known here, to an organisation or by keys on this device: the name, its beginning, or the "
        "first digits of the alias.",
    ),
]
As = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="NAME",
        envvar="CARELEDGER_AS",
        help="Who acts: an organisation or post of this machine, by its name, the beginning of it, or its identifier.",
    ),
]
Officers = Annotated[
    list[str] | None,
    typer.Option("--officer", metavar="NAME", help="A ministry officer who takes part; repeatable."),
]


def group(help: str) -> typer.Typer:
    """A command with commands of its own."""
    made = typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None, add_completion=False)
    made.callback()(_nothing)
    return made


def _nothing() -> None:
    """A group of one command is a group too."""


def single() -> typer.Typer:
    """A command that stands alone."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)


def command(app: typer.Typer, name: str, *examples: str) -> Callable[[Function], Function]:
    """Makes a function a command of that name; every example is a whole line, and tests run it."""
    return app.command(name, epilog="\n".join(["\b", EXAMPLES, *(f"  {line}" for line in examples)]))


def examples_of(made: Any) -> list[str]:
    """The examples of a command, as its help shows them."""
    lines = (made.epilog or "").splitlines()
    return [line.strip() for line in lines if line.startswith("  ")]
