"""docs/cli.md is what its script writes from the commands, and every example on it does what it says."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from careledger.app.identity.references import References
from careledger.app.world import open_world
from careledger.cli import licences
from careledger.cli.commands import audit
from careledger.cli.main import app
from careledger.cli.shapes import SHAPES
from careledger.formats.dids import key_did
from gateway.oauth_world import KeyPair, key_set
from gateway.saml_world import Idp, ec_key
from stories.cli_world import PATIENT, careledger, explored, told
from stories.test_cli_account import signed_up

__all__ = ["explored"]
ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "cli.md"
CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "code": {"text": "Severe asthma"},
    "recordedDate": "2026-11-20",
    "subject": {"display": "the patient"},
}
BUNDLE = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": CONDITION}]}
FILES = {"amended.json": json.dumps(CONDITION), "bundle.json": json.dumps(BUNDLE), "letter.pdf": "%PDF-1.7",
         "keys.json": key_set(KeyPair()), "new-passphrase": "correct horse battery staple\n",
         "staff.csv": "login,name,roles\nn-1,Dr Nahar,doctor\n",
         "secret.txt": "the client's secret\n",
         "metadata.xml": Idp(ec_key(int(time.time()) - 60), lambda: 0).metadata().decode()}  # fmt: skip


@pytest.fixture
def writer() -> ModuleType:
    """tools/cli_page.py as a module."""
    spec = importlib.util.spec_from_file_location("cli_page", ROOT / "tools" / "cli_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_script_writes(writer: ModuleType) -> None:
    assert PAGE.read_text("utf-8") == writer.page()


def test_a_command_without_an_example_stops_the_writer(
    writer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit.app.registered_commands[0], "epilog", "")
    monkeypatch.setattr(writer, "app", audit.app)
    with pytest.raises(SystemExit, match="no example for "):
        writer.page()


def test_every_command_with_json_has_its_shape_on_the_page(writer: ModuleType) -> None:
    with_json = {
        name
        for name, command in writer.commands(get_command(app))
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert with_json == set(SHAPES)


def test_every_example_on_the_page_ends_well(
    explored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(explored, tmp_path / "demo-data")
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    written = [line[2:] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("$ careledger ")]
    elsewhere = (
        " demo",
        "chain serve",
        "careledger up",
        "careledger gateway",
        "careledger worker",
        "member join",
        "custodian serve",
    )  # in tests of their own: one takes minutes, the others never end
    examples = [
        line for line in written if not any(each in line.replace("demo-data", "") for each in elsewhere)
    ]
    assert len(examples) > 12
    for line in examples:
        done = careledger(*shlex.split(filled(line))[1:])
        assert done.code == 0, (line, done.out, done.err)
    made = {path.name for path in tmp_path.iterdir()}
    assert {
        "city.proof",
        "record.archive",
        "record.json",
        "record.proof",
        "my-network",
        "rahima.words",
    } <= made


def filled(line: str) -> str:
    """The example with this directory's patient, and what its placeholders stand for at that moment."""
    said = line.replace("Velvet Botsford", PATIENT).replace("velvet", "jules")
    for word, find in PLACEHOLDERS.items():
        if f" {word}" in said:
            said = said.replace(word, find())
    return said


def record(*options: str, **wanted: object) -> str:
    rows = told("show", PATIENT, *options)["records"]
    fitting = [row for row in rows if wanted.items() <= row.items() and "retracted" not in row["marks"]]
    return str(fitting[0]["record"])


def consent_file() -> str:
    """The first consent that stands, as the patient's agent writes it."""
    bundle = json.loads(careledger("consent", "list", PATIENT, "--fhir").out)
    consents = (entry["resource"] for entry in bundle["entry"])
    Path("consent.json").write_text(json.dumps(next(each for each in consents if each["status"] == "active")))
    return "consent.json"


def newly_claimed() -> str:
    """A patient who has the own keys and no record yet."""
    told("patient", "register", "--as", "City Hospital", "--name", "Kazi Islam", "--birth", "1990-05")
    told(
        "patient", "claim", "Kazi", "--at", "City Hospital", "--label", "kazi", "--phrase-file", "kazi.words"
    )
    return "kazi"


def client(kind: str, name: str = "night loader") -> str:
    found = told("client", "list", "--as", "City Hospital")["clients"]
    return str(next(each["client_id"] for each in found if (each["kind"], each["name"]) == (kind, name)))


def reference(folder: Path) -> str:
    with closing(open_world(folder)) as world:
        city = world.keyring.organisation("City Hospital")
        return References().post(city, world.keyring.posts(city)[0])


def suspended(folder: Path) -> str:
    name, _ = signed_up(folder)
    told("account", "suspend", name, "--as", "City Hospital")
    return name


PLACEHOLDERS: dict[str, Callable[[], str]] = {
    "RECORD": lambda: record(category="report"),
    "DIAGNOSIS": lambda: record(category="diagnosis", source="imported", sensitivity="normal"),
    "OWN": lambda: record(source="signed", depositor="City Hospital"),
    "UNASKED": lambda: told("record", "note", PATIENT, "Burn", "--as", "Dr Chowdhury, Lakeside")["records"][
        0
    ],
    "consent.json": consent_file,
    "REQUEST": lambda: told("consent", "requests", PATIENT)["requests"][0]["request"],
    "CONSENT": lambda: told("consent", "list", PATIENT)["consents"][-1]["commitment"],
    "IMPORT": lambda: told("undo-import", "--as", "records desk, City")["imports"][0]["run"],
    "CLIENT": lambda: client("backend"),
    "APP": lambda: client("public", "my diary"),
    "PROVIDER": lambda: told("sign-on", "list", "--as", "City Hospital")["providers"][-1]["id"],
    "DIGEST": lambda: told("token", "list", "--as", "Lakeside Hospital")["tokens"][0]["token_digest"],
    "HOLDER": lambda: key_did(licences.key(Path("doctor.key")).public),
    "PLACE": lambda: str(told("licence", "list")["licences"][0]["place"]),
    "AUDIENCE": lambda: told("party", "show", "Lakeside Hospital")["did"],
    "NONCE": lambda: told("licence", "ask", "--as", "Lakeside Hospital")["nonce"],
    "NEWCOMER": lambda: signed_up(Path("demo-data"))[0],
    "REFERENCE": lambda: reference(Path("demo-data")),
    "SUSPENDED": lambda: suspended(Path("demo-data")),
    "kazi": newly_claimed,
    "ENTRY": lambda: told("break-glass", "list")["emergencies"][0]["entry"],
}
