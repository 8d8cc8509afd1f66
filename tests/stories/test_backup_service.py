"""A gateway is backed up while programs write through it, killed, and restored: what it acknowledged is read again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

import checker
import story
from careledger.app import tokens
from careledger.domain.consents import Permission, Purpose
from stories.cli_world import told as said_by
from story import DIAGNOSIS, Story

PROGRAM = "from careledger.cli.main import main; main()"
ACTIVE = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}


@contextmanager
def up(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``careledger up`` in a process of its own, and its address."""
    words = [sys.executable, "-c", PROGRAM, "up", "--data", str(folder), "--port", "0", "--json"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stderr is not None
    try:
        printed = ""
        while not printed.endswith("}\n") and (line := running.stdout.readline()):
            printed += line
        yield running, next(each for each in flat(json.loads(printed)) if each.startswith("http"))
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
        running.stderr.close()


def flat(said: Any) -> list[str]:
    """Every text in it."""
    if isinstance(said, dict):
        return [text for each in said.values() for text in flat(each)]
    return [said] if isinstance(said, str) else []


def create(base: str, token: str, patient: str, words: str) -> bytes:
    """A program of Dr City's adds a diagnosis; returns the handle once it was acknowledged."""
    resource = {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [ACTIVE]},
        "code": {"text": words},
        "subject": {"reference": f"Patient/{patient}"},
        "recordedDate": "2026-11-02",
    }
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    root = base.split("/fhir")[0].rstrip("/")
    reply = urllib3.request("POST", f"{root}/fhir/Condition", body=json.dumps(resource), headers=headers)
    assert reply.status == 201, reply.data
    return bytes.fromhex(reply.json()["meta"]["versionId"])


def test_a_gateway_that_is_killed_after_a_backup_is_restored_with_all_it_acknowledged(
    told: Story, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = story.copied(told, tmp_path / "data")
    for permission in (Permission.VIEW, Permission.APPEND):
        mine.grant(mine.adam, mine.staff["Dr City"], (DIAGNOSIS,), permission)
    token = tokens.issue(mine.staff["Dr City"], Purpose.TREAT, mine.world.clock.now(), 3_600)[0]
    there = {record.handle for record in mine.read_own(mine.adam).records}
    mine.world.close()
    said_by("backup", "second-place", "second", "--data", "data")
    said_by("backup", "key", "backup.key")
    with up(tmp_path / "data") as (running, base):
        there |= {create(base, token, mine.adam.hex(), f"before {number}") for number in range(3)}
        made = said_by("backup", "create", "nightly", "--to", "backup.key.public", "--data", "data")
        create(base, token, mine.adam.hex(), "after")  # it goes on
        os.kill(running.pid, signal.SIGKILL)
    shutil.rmtree("data")
    restored = said_by(
        "backup", "restore", "nightly", "data", "--key", "backup.key", "--shred-keys", "second"
    )
    assert restored["digest"] == made["digest"]
    said_by("doctor", "--repair", "--data", "data")
    again = story.everybody(tmp_path / "data")
    try:
        assert {record.handle for record in again.read_own(again.adam).records} == there
        checker.assert_logs_hold_together(again)
    finally:
        again.world.close()
    with up(tmp_path / "data") as (_, base):
        create(base, token, mine.adam.hex(), "served again")
