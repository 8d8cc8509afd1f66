"""docs/operations.md does what it says: every command is run, against services in processes of their own."""

from __future__ import annotations

import shlex
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.test_service_process import served
from stories.cli_world import ENVIRONMENT, careledger
from stories.conftest import passphrase
from stories.test_walkthrough import steps_of

__all__ = ["passphrase"]
SERVED = ("up", "gateway", "worker")
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.mark.slow
def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done, places = 0, dict[str, str]()
    with ExitStack() as running:
        for line, says in steps_of(PAGE):
            words = shlex.split(line)
            if words[0] == "export":
                name, _, value = words[1].partition("=")
                monkeypatch.setenv(name, value.replace(":9464", ":0"))
                monkeypatch.setitem(ENVIRONMENT, name, value.replace(":9464", ":0"))
            elif words[1] in SERVED and words[0] == "careledger":
                if words[1] in ("up", "worker"):
                    running.close()
                process, facts = running.enter_context(served(tmp_path / "network", *words[1:]))
                running.callback(process.wait, 60)
                running.callback(process.send_signal, signal.SIGTERM)
                if words[1] != "up":
                    place = words[words.index("--port") + 1] if "--port" in words else ""
                    places |= {f"127.0.0.1:{place}": facts["url"].split("/")[2]} if place else {}
                    done += 1
                    continue
                places = {
                    "127.0.0.1:8080": facts["fhir"].split("/")[2],
                    "127.0.0.1:9464": facts["metrics"].split("/")[2],
                }
                places["localhost:8080"] = places["127.0.0.1:8080"].replace("127.0.0.1", "localhost")
                assert _placed(says, places) == f"FHIR R4 at {facts['fhir']}"
            elif words[0] == "careledger":
                ended = careledger(*words[1:], width=300)
                assert says in ended.out + ended.err, (line, ended)
            else:
                said = subprocess.run(
                    [_placed(each, places) for each in words],
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=120,
                )
                assert says in said.stdout, (line, said)
            done += 1
    assert done == 17


def _placed(word: str, places: dict[str, str]) -> str:
    for place, instead in places.items():
        word = word.replace(place, instead)
    return word
