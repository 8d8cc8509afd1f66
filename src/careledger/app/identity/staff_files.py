"""A list of staff as a CSV file (RFC 4180, UTF-8): read whole, its faults named by line, compared with who is there.

Columns by name, in any order: ``login``, ``name``, ``roles`` (separated by spaces), and ``licence`` and ``end``, the
last day as YYYY-MM-DD, which may be left out. Who is not in the file is left as they are.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from careledger.app.identity import employing
from careledger.app.identity.employing import BY_FILE, Desk, Listed, Wanted
from careledger.domain.errors import LicenceRefused, StaffFileRefused
from careledger.domain.parties import POST_ROLES, Role
from careledger.workflows.actors import Organisation

NEEDED, MAY = ("login", "name", "roles"), ("licence", "end")
MOST_BYTES, MOST_LINES = 4 * 1024 * 1024, 20_000
MOST = {"login": 200, "name": 100, "licence": 64}
"""Characters of a field."""
DAY = 24 * 3_600
JOINS, CHANGES, LEAVES, STAYS = "joins", "changes", "leaves", "stays"
_ROLES = {role.code: role for role in POST_ROLES}


@dataclass(frozen=True)
class Fault:
    """What is wrong in a line, in words that name nobody."""

    line: int
    why: str


@dataclass(frozen=True, repr=False)
class Line:
    """Who a line says somebody is."""

    number: int
    wanted: Wanted


@dataclass(frozen=True, repr=False)
class Planned:
    """What becomes of somebody by a line."""

    line: Line
    act: str
    who: Listed | None


def read(data: bytes) -> tuple[list[Line], list[Fault]]:
    """The lines, and what is wrong with those that are none; raises StaffFileRefused for what is no such file."""
    if len(data) > MOST_BYTES:
        raise StaffFileRefused(why=f"more than {MOST_BYTES} bytes")
    try:
        rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        header = [each.strip().casefold() for each in next(rows, [])]
        _check_header(header)
        return _lines(rows, header)
    except UnicodeDecodeError:
        raise StaffFileRefused(why="it is not UTF-8") from None
    except csv.Error as error:
        raise StaffFileRefused(why=f"it is no CSV: {error}") from None


def plan(employer: Organisation, lines: list[Line], now: int) -> list[Planned]:
    """What each line would change; nothing is changed."""
    return [_planned(employer, line, now) for line in lines]


def refused(desk: Desk, employer: Organisation, planned: list[Planned]) -> list[Fault]:
    """The lines by which nobody is given a post, because they name the number of a licence that is over."""
    faults = []
    for each in planned:
        if each.act in (JOINS, CHANGES):
            try:
                employing.check_licence(desk, employer, each.who, each.line.wanted)
            except LicenceRefused as refusal:
                faults.append(Fault(each.line.number, f"licence: {refusal.details['why']}"))
    return faults


def carry_out(desk: Desk, employer: Organisation, planned: list[Planned]) -> None:
    """What was planned; what broke off is finished by doing it all again."""
    for each in planned:
        if each.act == JOINS:
            employing.join(desk, employer, each.line.wanted, BY_FILE)
        elif each.act == LEAVES and each.who is not None:
            employing.leave(desk, each.who)
        elif each.act == CHANGES and each.who is not None:
            employing.change(desk, each.who, each.line.wanted)
        elif each.who is not None and each.who.member.active:
            employing.vouch(desk, each.who)


def _check_header(header: list[str]) -> None:
    lacking = [each for each in NEEDED if each not in header]
    if lacking:
        raise StaffFileRefused(why=f"line 1 has no column {', '.join(lacking)}")
    if len(set(header)) < len(header) or not set(header) <= {*NEEDED, *MAY}:
        raise StaffFileRefused(
            why=f"line 1 has other columns than {', '.join((*NEEDED, *MAY))}, or one twice"
        )


def _lines(rows: Any, header: list[str]) -> tuple[list[Line], list[Fault]]:
    lines, faults, seen = list[Line](), list[Fault](), dict[str, int]()
    for cells in rows:
        number = rows.line_num
        if not any(each.strip() for each in cells):
            continue
        if len(lines) + len(faults) >= MOST_LINES:
            raise StaffFileRefused(why=f"more than {MOST_LINES} lines")
        made = _line(number, dict(zip(header, cells, strict=False)), len(cells) == len(header))
        if isinstance(made, Line):
            login = made.wanted.login.casefold()
            if login in seen:
                made = Fault(number, f"the same login as in line {seen[login]}")
            else:
                seen[login] = number
        if isinstance(made, Line):
            lines.append(made)
        else:
            faults.append(made)
    return lines, faults


def _line(number: int, said: dict[str, str], whole: bool) -> Line | Fault:
    if not whole:
        return Fault(number, "it has not as many fields as line 1")
    fields = {name: value.strip() for name, value in said.items()}
    for name, most in MOST.items():
        value = fields.get(name, "")
        if len(value) > most or not value.isprintable() or (not value and name != "licence"):
            return Fault(number, f"{name}: empty, longer than {most} characters, or not printable")
    codes = fields["roles"].casefold().split()
    if not codes or not set(codes) <= set(_ROLES):
        return Fault(number, f"roles: none, or others than {', '.join(sorted(_ROLES))}")
    end = _end(fields.get("end", ""))
    if end is None:
        return Fault(number, "end: no day as YYYY-MM-DD")
    roles: tuple[Role, ...] = tuple(sorted({_ROLES[each] for each in codes}))
    return Line(number, Wanted(fields["login"], fields["name"], roles, fields.get("licence", ""), "", end))


def _end(said: str) -> int | None:
    """The first second after that day in UTC, 0 for no day, None for what is none."""
    if not said:
        return 0
    try:
        if len(said) != len("YYYY-MM-DD"):
            return None
        return int(datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) + DAY
    except (ValueError, OverflowError):
        return None


def _planned(employer: Organisation, line: Line, now: int) -> Planned:
    wanted, who = line.wanted, employing.by_login(employer, line.wanted.login)
    if 0 < wanted.until <= now:
        return Planned(line, LEAVES if who is not None and who.member.active else STAYS, who)
    if who is None:
        return Planned(line, JOINS, None)
    there = who.member
    same = (there.name, set(there.roles), there.licence, there.until, there.active) == (
        wanted.name, {int(each) for each in wanted.roles}, wanted.licence, wanted.until, True,
    )  # fmt: skip
    return Planned(line, STAYS if same else CHANGES, who)
