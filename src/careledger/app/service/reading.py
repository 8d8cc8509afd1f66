"""Where each setting of a service comes from: options over the environment over the file over what is built in.

A name that is in no table is refused with its place, in the file and in the environment. Secrets are not in the table:
what may not be printed is not read here.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from careledger.app.service.table import PREFIX, Service, Setting, table
from careledger.domain.errors import ConfigurationRefused

FILE = "careledger.toml"
VARIABLE = "CARELEDGER_CONFIG"
SECRETS = ("passphrase", "password", "secret", "token")
KINDS = {
    tuple: "a list of texts",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Value:
    """A setting, what it is, and where that was said."""

    setting: Setting
    value: Any
    origin: str


@dataclass(frozen=True)
class Configured:
    """The settings of a service, and every value of the table with its origin."""

    service: Service
    values: tuple[Value, ...]
    file: Path | None


def configured(
    folder: Path,
    environment: Mapping[str, str],
    file: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Configured:
    """Reads everything once; ``file``: None takes ``CARELEDGER_CONFIG``, or ``careledger.toml`` of the data directory
    where there is one. ``options``: what the command line said, by setting, None where it said nothing.

    Raises ConfigurationRefused.
    """
    place = _file(folder, environment, file)
    given = {} if place is None else from_file(place)
    given |= from_environment(environment)
    given |= {name: (each, "the command line") for name, each in (options or {}).items() if each is not None}
    values = tuple(Value(each, *given.get(each.name, (each.default, "default"))) for each in table())
    try:
        service = Service(**{each.setting.field: each.value for each in values})
    except ConfigurationRefused as error:
        said = {each.setting.name: each.origin for each in values}
        origin = said.get(str(error.details["key"]), "default")
        raise ConfigurationRefused(**(error.details | {"place": origin})) from None
    return Configured(service, values, place)


def from_environment(environment: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """What the environment says, by setting, with its place; raises ConfigurationRefused."""
    known = {each.variable: each for each in table()}
    begins = tuple({f"{PREFIX}{each.name.partition('.')[0].upper()}_" for each in known.values()})
    found = {}
    for variable in sorted(environment):
        if variable in known:
            setting, place = known[variable], f"the environment, {variable}"
            found[setting.name] = (_read(setting, environment[variable], place), place)
        elif variable.startswith(begins):
            raise _unknown(variable, "the environment", list(known))
    return found


def from_file(path: Path) -> dict[str, tuple[Any, str]]:
    """What the file says, likewise; raises ConfigurationRefused."""
    try:
        text = path.read_text("utf-8")
        said = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationRefused(place=str(path), why=f"cannot be read ({type(error).__name__})") from None
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at .*\)$", str(error))  # without what the file says there
        raise ConfigurationRefused(
            place=str(path), why=f"not TOML {where[0] if where else ''}".strip()
        ) from None
    known = {each.name: each for each in table()}
    found = {}
    for name, value in _flat(said):
        place = f"{path} line {_line(text, name)}"
        if name not in known:
            raise _unknown(name, place, list(known))
        found[name] = (_typed(known[name], value, place), place)
    return found


def _file(folder: Path, environment: Mapping[str, str], file: Path | None) -> Path | None:
    if file is not None:
        return file
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    beside = folder / FILE
    return beside if beside.exists() else None


def _flat(said: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Every key of the file with those of the tables that it is in; an empty table is a key too."""
    found: list[tuple[str, Any]] = []
    for key, value in said.items():
        name = f"{before}{key}"
        found += _flat(value, f"{name}.") if isinstance(value, dict) and value else [(name, value)]
    return found


def _line(text: str, name: str) -> int:
    """Where a key stands in the file: its own line, or that of its table."""
    section, at = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        heading = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if heading:
            section = heading[1]
            at = number if name.startswith(f"{section}.") or name == section else at
        elif key and ".".join(filter(None, (section, re.sub("[\"']", "", key[1])))) == name:
            return number
    return at or 1


def _unknown(name: str, place: str, known: list[str]) -> ConfigurationRefused:
    if any(word in name.lower() for word in SECRETS):
        return ConfigurationRefused(
            place=place, key=name, why="no secret is read from here; see CARELEDGER_PASSPHRASE_FILE"
        )
    near = difflib.get_close_matches(name, known, 1)
    return ConfigurationRefused(
        place=place, key=name, why="unknown" + (f"; {near[0]} is known" if near else "")
    )


def _read(setting: Setting, said: str, place: str) -> Any:
    """A value from text: numbers as digits, lists between commas, true and false."""
    default = setting.default
    if isinstance(default, tuple):
        return tuple(each.strip() for each in said.split(",") if each.strip())
    if isinstance(default, bool):
        return _typed(setting, _WORDS.get(said.lower(), said), place)
    if isinstance(default, int | float):
        try:
            return type(default)(said)
        except ValueError:
            return _typed(setting, said, place)
    return said


def _typed(setting: Setting, value: Any, place: str) -> Any:
    """The value in the setting's type; raises ConfigurationRefused, which does not repeat it."""
    default = setting.default
    if (
        isinstance(default, tuple)
        and isinstance(value, list)
        and all(isinstance(each, str) for each in value)
    ):
        return tuple(value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise ConfigurationRefused(place=place, key=setting.name, why=f"not {KINDS[type(default)]}")
    return value
