"""Documents say what is so: links, paths, the map of packages, figures, refusals, decision records."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from careledger.domain import errors

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "careledger"
FOLDERS = ("bench", "contracts", "docs", "requirements", "sample", "src", "tests", "tools", ".ci")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
REFUSALS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What a link's fragment may name: headings in lower case, spaces as hyphens, without punctuation."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_relative_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        target, _, fragment = link.partition("#")
        if target.startswith(("http://", "https://")):
            continue
        file = page.parent / target if target else page
        assert file.exists(), link
        assert not fragment or fragment in anchors(file), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_path_in_a_page_exists(page: Path) -> None:
    """A path between back quotes that begins with one of the project's folders; patterns match something."""
    starts = "|".join(re.escape(folder) for folder in FOLDERS)
    for path in re.findall(rf"`(?:python )?((?:{starts})/[^\s`]*)", page.read_text()):
        assert any(ROOT.glob(re.sub(r"[A-Z]{3,}|…", "*", path.rstrip("/")))), path


def test_the_map_of_packages_is_that_of_the_folders_with_their_first_sentences() -> None:
    table = ARCHITECTURE.partition("## The map of packages")[2].partition("\n## ")[0]
    written = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", table, re.MULTILINE))
    inits = [path for path in SOURCE.rglob("__init__.py") if path.parent != SOURCE]
    there = {str(path.parent.relative_to(SOURCE)): sentence(path) for path in inits}
    assert written == there


def sentence(path: Path) -> str:
    return " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())


def test_gas_in_the_architecture_is_that_of_the_snapshot() -> None:
    measured = json.loads((ROOT / "contracts" / "gas.json").read_text())
    for operation in (
        "consent_give_first",
        "consent_batch100_first",
        "consent_revoke",
        "record_deposit_first",
    ):
        assert f"{measured[operation]['each']:,}" in ARCHITECTURE
    assert f"{measured['anchor_1000_per_record']['gas']:,}" in ARCHITECTURE


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.__name__)
def test_a_refusal_is_one_sentence(refusal: type[Exception]) -> None:
    said = refusal.__doc__ or ""
    assert re.fullmatch(r"[A-Z“](?:[^.]|\.(?=\S))+\.", said.partition("\n\n")[0].replace("\n    ", " "))
    assert str(refusal()) == said.splitlines()[0]


def test_no_two_refusals_say_the_same_and_each_is_raised_somewhere() -> None:
    assert len({refusal.__doc__ for refusal in REFUSALS}) == len(REFUSALS) > 40
    sources = [
        path
        for path in SOURCE.rglob("*.py")
        if path.name not in ("errors.py", "paper_errors.py", "client_errors.py", "fhir_errors.py")
    ]
    text = "\n".join(path.read_text() for path in sources)
    base = errors.CareLedgerError.__name__
    names = {refusal.__name__ for refusal in REFUSALS} - {base}
    assert {one for one in names if not re.search(rf"\b{one}\(", text)} == set()


def test_every_decision_record_is_listed_and_gives_reason_and_cost() -> None:
    records = [page for page in PAGES if page.parent.name == "adr" and page.name != "README.md"]
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs" / "adr" / "README.md").read_text())
    assert sorted(listed) == sorted(page.name for page in records)
    for page in records:
        for part in ("**Decided.**", "**Why.**", "**What it costs.**"):
            assert part in page.read_text(), f"{page.name}: {part}"


def test_changes_stand_under_unreleased_in_groups() -> None:
    unreleased = (ROOT / "CHANGELOG.md").read_text().partition("## Unreleased")[2].partition("\n## ")[0]
    groups = re.findall(r"^### (.+)$", unreleased, re.MULTILINE)
    known = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    assert groups == [one for one in known if one in groups]
    assert re.search(r"^- ", unreleased, re.MULTILINE)
