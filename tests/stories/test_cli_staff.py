"""Joiners and leavers by a file: said first, then done, and done again without effect."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from stories.cli_world import ENVIRONMENT, careledger, explored, told

__all__ = ["explored"]
FILE = (
    "login,name,roles,licence,end\n"
    "n-1,Dr Nahar,doctor,D-1,\n"
    "n-2,Sister Rahima,nurse,,2020-01-31\n"
    "n-3,Mr Das,operator,,\n"
)


@pytest.fixture
def city(explored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(explored, tmp_path / "data")
    monkeypatch.setitem(ENVIRONMENT, "CARELEDGER_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "staff.csv"


def imported(*more: str, acting: str = "City Hospital") -> dict[str, str]:
    said = told("staff", "import", "staff.csv", "--as", acting, *more)
    assert said["applied"] is ("--apply" in more)
    return {each["login"]: each["act"] for each in said["lines"]}


def listed(acting: str = "City Hospital") -> dict[str, Any]:
    return {each["login"]: each for each in told("staff", "list", "--as", acting)["staff"]}


def standing(post: str) -> str:
    return str(told("party", "show", post)["status"])


@pytest.mark.slow
def test_a_file_is_said_first_then_done_and_done_again_without_effect(city: Path) -> None:
    city.write_text(FILE)
    assert imported() == {"n-1": "joins", "n-2": "stays", "n-3": "joins"}
    assert listed() == {}
    assert imported("--apply") == {"n-1": "joins", "n-2": "stays", "n-3": "joins"}
    first = listed()
    assert {name: each["standing"] for name, each in first.items()} == {"n-1": "active", "n-3": "active"}
    assert standing(first["n-1"]["post"]) == "verified"
    assert told("party", "show", "Dr Nahar, City Hospital")["roles"] == ["doctor"]
    assert set(imported("--apply").values()) == {"stays"}
    assert listed() == first
    assert listed("Lakeside Hospital") == {}


@pytest.mark.slow
def test_whoever_leaves_loses_the_post_and_whoever_gets_another_role_or_comes_back_gets_another(
    city: Path,
) -> None:
    city.write_text(FILE)
    imported("--apply")
    first = listed()
    city.write_text(
        FILE.replace("Dr Nahar,doctor,D-1,", "Dr Nahar,doctor,D-1,2024-01-31").replace("operator", "nurse")
    )
    assert imported("--apply") == {"n-1": "leaves", "n-2": "stays", "n-3": "changes"}
    second = listed()
    assert (second["n-1"]["standing"], standing(first["n-1"]["post"])) == ("left", "removed")
    assert (standing(first["n-3"]["post"]), standing(second["n-3"]["post"])) == ("removed", "verified")
    assert set(imported("--apply").values()) == {"stays"}
    city.write_text(FILE)
    assert imported("--apply")["n-1"] == "changes"
    third = listed()["n-1"]
    assert (third["standing"], standing(third["post"])) == ("active", "verified")
    assert third["post"] != first["n-1"]["post"]


@pytest.mark.slow
def test_a_file_with_a_faulty_line_changes_nothing_and_another_organisations_staff_is_not_touched(
    city: Path,
) -> None:
    city.write_text(FILE)
    imported("--apply")
    there = listed()
    city.write_text(FILE.replace("nurse", "surgeon").replace("operator", "nurse"))
    refused = careledger("staff", "import", "staff.csv", "--as", "City Hospital", "--apply", width=300)
    assert refused.code == 2
    assert "line 3: roles" in refused.err + refused.out
    assert listed() == there
    city.write_text(FILE.replace("D-1,", "D-1,2024-01-31"))
    assert imported("--apply", acting="Lakeside Hospital")["n-1"] == "stays"
    assert listed() == there
    assert careledger("staff", "import", "nowhere.csv", "--as", "City Hospital").code == 2
