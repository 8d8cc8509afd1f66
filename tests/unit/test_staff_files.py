"""A list of staff as a file: what is wrong in it is named by line, and by nobody's name."""

from __future__ import annotations

import pytest

from careledger.app.identity.staff_files import read
from careledger.domain.errors import StaffFileRefused
from careledger.domain.parties import Role

HEAD = "login,name,roles,licence,end\n"


def test_a_file_is_read_whatever_the_order_of_its_columns_and_how_its_lines_end() -> None:
    text = '\ufeffRoles,login,NAME\r\nnurse doctor,n-1,"Nahar, Dr"\r\n\r\nNurse,n-2,রহিমা খাতুন\r\n'
    (first, second), faults = read(text.encode())
    assert faults == []
    assert (first.number, first.wanted.login, first.wanted.name) == (2, "n-1", "Nahar, Dr")
    assert first.wanted.roles == (Role.DOCTOR, Role.NURSE)
    assert (second.number, second.wanted.name, second.wanted.until) == (4, "রহিমা খাতুন", 0)


def test_somebody_stays_until_their_last_day_is_over() -> None:
    (line,), _ = read(f"{HEAD}a,A,nurse,L-1,1970-01-02\n".encode())
    assert (line.wanted.until, line.wanted.licence) == (2 * 24 * 3_600, "L-1")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a,A,nurse,L", "not as many fields"), ("a,A,nurse,L,,", "not as many fields"), (",A,nurse,,", "login"),
        ("a,,nurse,,", "name"), ("a,A,,,", "roles"), ("a,A,surgeon,,", "roles"), ("a,A,hospital,,", "roles"),
        ("a,A,nurse,,tomorrow", "end"), ("a,A,nurse,,2026-13-01", "end"), ("a,A,nurse,,26-1-1", "end"),
        (f"{'a' * 201},A,nurse,,", "login"), (f"a,{'A' * 101},nurse,,", "name"), ("a,A\u200b,nurse,,", "name"),
        (f"a,A,nurse,{'1' * 65},", "licence"), ("B,A,nurse,,", "the same login as in line 2"),
    ],
)  # fmt: skip
def test_a_faulty_line_is_named_with_what_is_wrong_and_with_nothing_of_what_it_says(
    line: str, why: str
) -> None:
    lines, (fault,) = read(f"{HEAD}b,B,nurse,,\n{line}\nc,C,doctor,,\n".encode())
    assert (fault.line, [each.number for each in lines]) == (3, [2, 4])
    assert why in fault.why
    assert "surgeon" not in fault.why


@pytest.mark.parametrize(
    "data",
    [
        b"", b"login,name\na,A\n", b"login,name,roles,salary\na,A,nurse,1\n", b"login,name,roles,roles\na,A,nurse,x\n",
        b"login,name,roles\n\xff,A,nurse\n", b'login,name,roles\n"a,A,nurse\n',
        b"login,name,roles\n" + b"x" * 5_000_000,
    ],
)  # fmt: skip
def test_what_is_no_list_of_staff_is_refused_whole(data: bytes) -> None:
    with pytest.raises(StaffFileRefused):
        read(data)
