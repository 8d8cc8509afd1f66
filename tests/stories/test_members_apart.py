"""Two data directories of two members: what one deposits the other keeps, over mutual TLS, on a ledger of neither."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.remote_world import DEV_NODES, required
from careledger.app.settings import CHAIN_ID
from gateway.test_page import PROGRAM
from stories.cli_world import ENVIRONMENT, careledger, registered, told
from stories.test_cli_remote import BUNDLE

OFFICER = ("--as", "Officer One")
MONTH = ("--until", "30d")
RIVERSIDE = "Riverside Hospital"


@contextmanager
def served(folder: Path, port: int = 0) -> Iterator[str]:
    """Riverside's custodian in a process of its own, which is told to stop and ends well; gives its address."""
    words = [sys.executable, "-c", PROGRAM, "custodian", "serve", RIVERSIDE, "--data", str(folder), "--json"]
    running = subprocess.Popen(
        [*words, "--port", str(port)], stdout=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT
    )
    assert running.stdout is not None
    try:
        said = ""
        while not said.endswith("}\n") and (line := running.stdout.readline()):
            said += line
        yield str(json.loads(said)["address"])
        running.send_signal(signal.SIGTERM)
        assert running.wait(120) == 0
    finally:
        running.kill()
        running.communicate(timeout=60)


def founded(here: Path, there: Path, url: str) -> str:
    """City, Lakeside and Delta in one directory, Riverside in another with its own; gives Riverside's identifier."""
    members = [
        word for name in ("City", "Lakeside", "Delta") for word in ("--member", f"{name} Hospital=hospital")
    ]
    told("init", "--node", url, "--agreeing", 1, "--oldest", 60, *members, "--listed", 4, "--data", here)
    joined = told("member", "join", here / "careledger.json", RIVERSIDE, "--role", "hospital", "--licence", "R-9",
                  "--data", there)  # fmt: skip
    verify = ("party", "verify", joined["id"], *OFFICER, "--data", here, "--sealing-key")
    assert careledger(*verify, "00" * 32, "--licence", "R-9").code == 1
    assert careledger(*verify, "nonsense", "--licence", "R-9").code == 2
    assert told(*verify, joined["sealing_key"], "--licence", "R-9")["standing"] == "verified"
    assert careledger("custodian", "add", joined["id"], *OFFICER, "--data", here).code == 1
    told("custodian", "announce", RIVERSIDE, "--data", there)
    added = told("custodian", "add", joined["id"], *OFFICER, "--data", here)
    assert (added["name"], added["here"]) == (joined["id"], False)
    return str(joined["id"])


def introduced(here: Path, there: Path, address: str) -> None:
    """Each gives the other a certificate."""
    for folder, to, name, reached in ((here, there, "City Hospital", ""), (there, here, RIVERSIDE, address)):
        file = folder.parent / f"{len(list(folder.parent.iterdir()))}.member"
        where = ("--address", reached) if reached else ()
        made = told("member", "certificate", name, file, *where, "--days", 30, "--data", folder)
        assert told("member", "know", file, "--data", to)["certificate"] == made["certificate"]


def staffed(here: Path) -> None:
    for label, employer, role in (
        ("records desk", "City Hospital", "nurse"),
        ("Dr Sen", "Lakeside Hospital", "doctor"),
    ):
        told("party", "post", label, "--as", employer, "--role", role, "--data", here)
    (here.parent / "bundle.json").write_text(json.dumps(BUNDLE))


def found(here: Path) -> Any:
    """What Dr Sen finds of the patient, None if the custodians do not open it."""
    done = careledger("search", "Rahima", "asthma", "--as", "Dr Sen", "--data", here, "--json")
    return [each["what"] for each in json.loads(done.out)["records"]] if done.code == 0 else None


@pytest.mark.slow
def test_a_member_elsewhere_keeps_releases_and_logs_for_patients_of_another_and_nothing_opens_without_it(
    tmp_path: Path,
) -> None:
    here, there = tmp_path / "city", tmp_path / "riverside"
    with required(), DEV_NODES.anvil(CHAIN_ID) as node:
        riverside = founded(here, there, node.url)
        staffed(here)
        at = ("--data", here)
        refused = careledger("custodian", "serve", RIVERSIDE, "--data", there)
        assert (refused.code, "no certificate of it counts now" in refused.err) == (1, True)
        port = DEV_NODES.free_port()
        introduced(here, there, f"127.0.0.1:{port}")
        with served(there, port) as address:
            assert address == f"127.0.0.1:{port}"
            registered(here, "Rahima Khatun", "Rahima")
            bundle = here.parent / "bundle.json"
            assert told("import", bundle, "--patient", "Rahima", "--as", "records desk", *at)
            assert found(here) in (None, [])
            told("consent", "grant", "Rahima", "--to", "Dr Sen", "--category", "diagnosis", *MONTH, *at)
            assert found(here) == ["asthma"]
            audited = told("audit", "Rahima", *at)
            assert audited["complete"]
            assert any(riverside in each["custodians"] for each in audited["accesses"])
            told("custodian", "checkpoint", *at)
            away = custodian_of(here, "Delta Hospital").rename(tmp_path / "delta")
            # Lakeside and Riverside open it: two have to, and City kept nothing
            assert found(here) == ["asthma"]
            told("party", "suspend", riverside, *OFFICER, *at)
            assert found(here) is None
            told("party", "reinstate", riverside, *OFFICER, *at)
            assert found(here) == ["asthma"]
        assert found(here) is None  # it serves no more
        with served(there, port):
            away.rename(here / "custodians" / custodian_of(here, "Delta Hospital").name)
            told("consent", "revoke", "Rahima", "Dr Sen", *at)
            assert found(here) in (None, [])
        kept = told("custodian", "status", RIVERSIDE, "--data", there)
        assert (kept["patients"], kept["here"], kept["log_lines"] > 0) == (1, True, True)
        certificates = told("member", "list", *at)["certificates"]
        assert [(each["own"], each["why_not"]) for each in certificates] == [(True, ""), (False, "")]


def custodian_of(folder: Path, name: str) -> Path:
    """Where its custodian keeps everything."""
    number = told("party", "show", name, "--data", folder)["did"].rpartition(":")[2]
    return folder / "custodians" / str(number)
