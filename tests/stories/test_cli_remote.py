"""A network founded by a command on other members' nodes: what it needs of them, and what each lack is called."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.remote_world import DEV_NODES, required
from careledger.app.clocks import SystemClock
from careledger.app.settings import CHAIN_ID
from stories.cli_world import careledger, registered, told

CONDITION = {"resourceType": "Condition", "code": {"text": "asthma"}, "recordedDate": "2026-11-20",
             "subject": {"display": "the patient"}}  # fmt: skip
BUNDLE = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": CONDITION}]}
OPEN = ("break-glass", "open", "--as", "Dr Sen", "--second", "Dr Roy", "--reason", "unconscious")
MEMBERS = [word for name in ("City Hospital", "Lakeside Hospital", "Third")
           for word in ("--member", f"{name}=hospital")]  # fmt: skip
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def node() -> Iterator[Any]:
    """Another code base's node, with a block each second."""
    with required(), DEV_NODES.anvil(CHAIN_ID) as running:
        yield running


def staffed(folder: Path, url: str) -> None:
    """A network on that node, two doctors at its second member, a patient of the first with a diagnosis."""
    said = told("init", "--node", url, "--agreeing", 1, "--oldest", 30, *MEMBERS, "--data", folder)
    assert (said["nodes"], said["custodians"], said["matrix_version"]) == (
        [url.removeprefix("http://")],
        3,
        2,
    )
    at = ("--data", folder)
    for name, employer, role in (
        ("records desk", "City Hospital", "nurse"),
        ("Dr Sen", "Lakeside Hospital", "doctor"),
        ("Dr Roy", "Lakeside Hospital", "doctor"),
    ):
        told("party", "post", name, "--as", employer, "--role", role, *at)
    registered(folder, "Rahima Khatun")
    (folder.parent / "bundle.json").write_text(json.dumps(BUNDLE))
    told("import", folder.parent / "bundle.json", "--patient", "Rahima", "--as", "records desk", *at)


@pytest.mark.slow
def test_a_network_lives_on_a_node_elsewhere_and_nobody_is_served_while_that_stands_still(
    node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ahead = tmp_path / "net", [0]
    monkeypatch.setattr(SystemClock, "now", lambda clock: int(time.time()) + ahead[0])
    staffed(folder, node.url)
    at = ("--data", folder)
    assert careledger("verify", *at).code == 0
    settings = json.loads((folder / "careledger.json").read_text())
    assert settings["ledger"]["nodes"] == [node.url]
    assert not (folder / "ledger" / "chain.sqlite").exists()
    here = careledger("chain", "head", *at)
    assert (here.code, "on nodes elsewhere" in here.err) == (3, True)
    node.rpc("evm_setIntervalMining", 0)
    ahead[0] += 60
    refused = careledger(*OPEN, "Rahima", *at)
    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert "see that the ledger's nodes make blocks" in refused.err
    ahead[0] -= 60
    node.rpc("evm_setIntervalMining", 1)
    time.sleep(1.5)
    assert [each["what"] for each in told(*OPEN, "Rahima", *at)["records"]] == ["asthma"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--node", "ftp://127.0.0.1:1"), 2, "not an http or https address of a node"),
        (("--node", "http://someone:secret@127.0.0.1:1"), 2, "a password in the address"),
        (("--node", "somewhere"), 2, "not an http or https address of a node"),
        (("--node", NOBODY, "--node", NOBODY), 2, "one of them twice"),
        (("--node", NOBODY, "--node-header", "no-such-file"), 2, "does not exist"),
        (("--node-header", __file__), 2, "goes with --node"),
        (("--node", NOBODY), 3, "node 127.0.0.1:9, NewConnectionError. Next: see that the nodes"),
    ],
    ids=str,
)
def test_a_node_that_cannot_be_asked_is_named_before_anything_is_made(
    words: tuple[str, ...], code: int, says: str, tmp_path: Path
) -> None:
    done = careledger("init", "--data", tmp_path / "net", "--agreeing", 1, *words, width=400)
    assert (done.code, done.out, says in " ".join(done.err.split())) == (code, "", True), done.err
    assert "secret" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_one_node_is_trusted_alone_only_where_that_is_said(tmp_path: Path) -> None:
    done = careledger("init", "--data", tmp_path / "net", "--node", NOBODY, width=400)
    assert (done.code, "2 nodes have to agree; named: 1" in done.err) == (2, True)


def test_a_secret_that_others_may_read_or_that_travels_in_the_open_is_refused(tmp_path: Path) -> None:
    header = tmp_path / "header"
    header.write_text("Bearer abc")
    header.chmod(0o644)
    named = ("--agreeing", 1, "--node-header", header, "--data", tmp_path / "net")
    for url, says in ((NOBODY, "others may read the file"), ("http://node.example", "without TLS")):
        done = careledger("init", "--node", url, *named, width=400)
        assert (done.code, says in " ".join(done.err.split()), "abc" in done.err) == (2, True, False)


def test_a_node_of_another_network_is_told_apart(node: Any, tmp_path: Path) -> None:
    named = ("--node", node.url, "--agreeing", 1, "--data", tmp_path / "net")
    done = careledger("init", *named, "--chain-id", CHAIN_ID + 1, width=400)
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert f"has {CHAIN_ID}, wanted {CHAIN_ID + 1}" in done.err
    assert "--chain-id" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_is_no_node_is_named(tmp_path: Path) -> None:
    import http.server
    import threading

    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = careledger("init", "--node", url, "--agreeing", 1, "--data", tmp_path / "net")
        server.shutdown()
    assert (done.code, "HTTP status 501" in done.err) == (3, True)


def test_a_lost_list_of_what_was_sent_is_damage_and_not_begun_anew(node: Any, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    staffed(folder, node.url)
    for path in folder.glob("ledger/sent.sqlite*"):
        path.unlink()
    refused, examined = (
        careledger("patient", "list", "--data", folder),
        careledger("doctor", "--repair", "--data", folder),
    )
    assert (refused.code, "sent.sqlite" in refused.err) == (1, True)
    assert (examined.code, "Lost: ledger/sent.sqlite" in " ".join(examined.out.split())) == (1, True)
    assert not (folder / "ledger" / "sent.sqlite").exists()
