"""``careledger verify``: one sentence about a proof file, or everything in a data directory checked again."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from careledger.adapters.evm.verify import chain_head
from careledger.app.checking import Finding, check
from careledger.app.ledgers import embedded_folder
from careledger.cli.opening import existing
from careledger.cli.output import print_json, print_text, progress, screen
from careledger.cli.passphrases import ask_first
from careledger.domain.errors import CareLedgerError, MalformedBytes
from careledger.proofs.bundle import verify_file

MOST_PROOF = 64 << 20


def verify_proof(file: Path, as_json: bool) -> bool:
    """Prints what the file proves; raises MalformedBytes, ProofRefused, SignatureRefused."""
    if file.stat().st_size > MOST_PROOF:
        raise MalformedBytes(why="larger than any proof file")
    sentence = verify_file(file.read_bytes())
    print_json({"proves": sentence}) if as_json else print_text(sentence)
    return True


def verify_data(data: Path, as_json: bool) -> bool:
    """Prints what was checked and found, part by part; whether all of it holds."""
    folder = existing(data)
    passphrase = ask_first(folder)
    with progress() as bar:  # gone before anything is printed
        task = bar.add_task("replaying blocks", total=_blocks(folder))
        parts = check(folder, lambda number: bar.update(task, completed=number), passphrase)
        replayed = next(parts)
    findings = []
    for finding in chain([replayed], parts):
        findings.append(finding)
        if not as_json:
            _print(finding)
    holds = all(finding.holds for finding in findings)
    if as_json:
        print_json({"holds": holds, "findings": [_facts(finding) for finding in findings]})
    else:
        wrong = sum(not finding.holds for finding in findings)
        screen().says(
            "Everything holds." if holds else f"[red]{wrong} of {len(findings)} parts do not hold.[/red]"
        )
    return holds


def _blocks(folder: Path) -> int | None:
    try:
        return chain_head(embedded_folder(folder)).number
    except CareLedgerError:
        return None


def _print(finding: Finding) -> None:
    if finding.holds:
        screen().holds(f"{finding.part}: {finding.sentence}")
    else:
        screen().fails(f"{finding.part}: {finding.sentence}")


def _facts(finding: Finding) -> dict[str, object]:
    error = type(finding.error).__name__ if finding.error else None
    return {"part": finding.part, "holds": finding.holds, "found": finding.sentence, "error": error}
