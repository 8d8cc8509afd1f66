"""The committed ABI and bytecode are what the sources compile to, and every reason is documented."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from contracts.harness import ARTIFACTS, ROOT, build

OURS = ("Registry", "Teams", "Aliases", "Links", "Directory", "AccessPolicy", "Retention")


def _reasons(source: str) -> set[str]:
    return set(re.findall(r'(?:assert [^\n]*, |raise )"([a-z ]+)"$', source, re.MULTILINE))


@pytest.mark.parametrize("name", ["Registry", "Links"])
def test_an_artifact_is_what_its_source_compiles_to(name: str) -> None:
    assert build().main(["--check", name]) == 0


def test_a_changed_source_or_a_stray_artifact_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources, kept = tmp_path / "contracts", tmp_path / "artifacts"
    shutil.copytree(ROOT / "contracts" / "modules", sources / "modules")
    shutil.copy(ROOT / "contracts" / "Links.vy", sources)
    kept.mkdir()
    monkeypatch.setattr(build(), "HERE", sources)
    monkeypatch.setattr(build(), "ARTIFACTS", kept)
    assert build().main([]) == 0
    assert build().main(["--check"]) == 0
    source = sources / "Links.vy"
    source.write_text(
        source.read_text().replace("LINKED: constant(uint8) = 1", "LINKED: constant(uint8) = 3", 1)
    )
    (kept / "Stray.json").write_text("{}")
    capsys.readouterr()
    assert build().main(["--check"]) == 1
    assert {line.split(":")[0] for line in capsys.readouterr().out.splitlines()} == {"Links", "Stray"}


@pytest.mark.parametrize("kept", sorted(ARTIFACTS.glob("*.json")), ids=lambda kept: kept.stem)
def test_an_artifact_is_small_enough_and_names_no_place(kept: Path) -> None:
    artifact = json.loads(kept.read_text())
    assert set(artifact) == {"abi", "bytecode", "compiler", "name", "runtime"}
    assert len(artifact["runtime"]) // 2 - 1 <= 24_576
    assert str(ROOT) not in kept.read_text()
    assert artifact["name"] == kept.stem


def test_every_reason_is_in_the_documents_list() -> None:
    text = (ROOT / "docs" / "ledger.md").read_text()
    listed = set(re.findall(r"^\| `([^`]+)` \|", text.split("## Reasons")[1], re.MULTILINE))
    modules = ("modules/signatures", "modules/ballots")
    sources = [(ROOT / "contracts" / f"{name}.vy").read_text() for name in (*OURS, *modules)]
    assert set().union(*map(_reasons, sources)) == listed


@pytest.mark.parametrize("name", OURS)
def test_every_external_function_is_in_the_document(name: str) -> None:
    text = (ROOT / "docs" / "ledger.md").read_text()
    section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
    abi = json.loads((ARTIFACTS / f"{name}.json").read_text())["abi"]
    functions = {entry["name"] for entry in abi if entry["type"] == "function"}
    assert {function for function in functions if f"`{function}`" not in section} == set()
    events = {entry["name"] for entry in abi if entry["type"] == "event"}
    assert {event for event in events if f"`{event}`" not in section} == set()
