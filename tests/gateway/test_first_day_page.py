"""docs/first-day.md does what it says: commands, services, a browser, and Keycloak where it can be had, in one go."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contracts.loading import script
from gateway.keycloak_world import Realm
from gateway.test_service_process import served
from gateway.test_sign_in_page import chromium
from stories.cli_world import ENVIRONMENT, careledger, told

__all__ = ["chromium"]
DEV = script("tools/dev_nodes.py")
PAGE = Path(__file__).parents[2] / "docs" / "first-day.md"
KEYCLOAK, SECRET = "Keycloak", "the client's secret"
BESIDE = ("consent", "app", "audit", "backup create", "backup verify")
"""Commands that the service need not be ended for."""
LEARNT = {
    "SEN": r"The token is (clt_[\w-]+)",
    "INVITATION": r"The invitation is ([\w-]+)",
    "TOKEN": r"^(clt_[\w-]+)$",
    "ALIAS": r"Patient/([0-9a-f]{64})",
    "PASS": r"The pass is ([\w-]+)",
}
STEPS = {
    "opens": r"(?P<who>.+) opens (?P<url>\S+)",
    "chooses": r'(?P<who>.+) chooses "(?P<what>.+)"',
    "types": r'(?P<who>.+) types "(?P<text>.+)" into "(?P<what>.+)"',
    "presses": r'(?P<who>.+) presses "(?P<what>.+)"',
    "follows": r'(?P<who>.+) follows "(?P<what>.+)"',
}
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "hasPrf": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@dataclass
class Day:
    """What runs, what earlier lines printed by the word that stands for it, and everybody's browser."""

    chromium: Any
    running: ExitStack
    realm: Realm | None
    words: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    windows: dict[str, Any] = field(default_factory=dict)
    page: Any = None
    done: int = 0

    def placed(self, text: str) -> str:
        """With what stands for the words in capitals, and where things really listen."""
        for word, value in self.words.items():
            text = re.sub(rf"\b{word}\b", value.replace("\\", r"\\"), text)
        for place, instead in self.places.items():
            text = text.replace(place, instead)
        return text

    def learn(self, line: str, said: str) -> None:
        for word, pattern in LEARNT.items():
            if found := re.search(pattern, said, re.MULTILINE):
                self.words.setdefault(word, found[1])
        if "client add" in line:
            found = re.search(r"client id is ([0-9a-f]{32})", said)
            assert found is not None
            self.words["APP" if "--for-patients" in line else "CLIENT"] = found[1]
        if "consent requests" in line:
            self.words["REQUEST"] = told("consent", "requests", "Rahima")["requests"][0]["request"][:8]

    # Commands ---------------------------------------------------------------------------------

    def console(self, block: str) -> None:
        for line, says in re.findall(r"^\$ (.*)\n(?:→ (.*)\n)?", block, re.MULTILINE):
            said = self.command(line)
            assert self.placed(says) in said, (line, said)
            self.learn(line, said)
            self.done += 1

    def command(self, line: str) -> str:
        words = shlex.split(self.placed(line))
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            ENVIRONMENT[name] = os.environ[name] = value
            return ""
        if words[:2] == ["careledger", "up"]:
            return self.up()
        if words[0] == "careledger":
            if not " ".join(words[1:]).startswith(BESIDE):
                self.running.close()
            ended = careledger(*words[1:], width=300)
            assert ended.code == 0, (line, ended)
            return ended.out + ended.err
        return self.shell(line)

    def up(self) -> str:
        self.running.close()
        process, facts = self.running.enter_context(served(Path("network"), "up"))
        self.running.callback(process.wait, 120)
        self.running.callback(process.send_signal, signal.SIGINT)
        place = facts["fhir"].split("/")[2]
        self.places |= {"127.0.0.1:8080": place, "localhost:8080": place.replace("127.0.0.1", "localhost")}
        self.words["SERVICE"] = str(process.pid)
        if self.realm is not None and Path("secret.txt").exists():
            here = f"http://{self.places['localhost:8080']}/sign-on/*"
            self.realm.openid("careledger", here, SECRET, "")
            Path("secret.txt").unlink()
        return f"FHIR R4 at {facts['fhir']}"

    def shell(self, line: str) -> str:
        placed = self.placed(line).replace("python ", f"{shlex.quote(sys.executable)} ", 1)
        if placed.endswith(" &"):
            process = subprocess.Popen(shlex.split(placed[:-2]), stderr=subprocess.DEVNULL)
            self.windows["diary"] = process
            return ""
        done = subprocess.run(placed, shell=True, capture_output=True, text=True, timeout=180, check=True)
        return done.stdout

    # Browsers ---------------------------------------------------------------------------------

    def browser(self, block: str) -> None:
        for line in block.splitlines():
            if line.startswith("→ "):
                self.page.get_by_text(line[2:]).first.wait_for(timeout=120_000)
            else:
                self.step(self.placed(line))
            self.done += 1

    def step(self, line: str) -> None:
        verb, found = next(
            (verb, found) for verb, each in STEPS.items() if (found := re.fullmatch(each, line))
        )
        said = found.groupdict()
        if said["who"] not in self.windows:
            self.windows[said["who"]] = self.window()
        page = self.page = self.windows[said["who"]]
        if verb == "opens":
            self.open(said["url"])
        elif verb == "chooses":
            page.get_by_label("Organisation").select_option(label=said["what"])
        elif verb == "types":
            page.get_by_label(said["what"]).first.fill(said["text"], timeout=120_000)
        else:
            role = "button" if verb == "presses" else "link"
            page.get_by_role(role, name=said["what"]).first.click(timeout=120_000)

    def open(self, url: str) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                self.page.goto(url, timeout=120_000)
                return
            except Exception:  # the app may not listen yet
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def window(self) -> Any:
        """A browser of one person's, with an authenticator."""
        page = self.chromium.new_context(locale="en").new_page()
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        return page

    def close(self) -> None:
        diary = self.windows.pop("diary", None)
        if diary is not None:
            diary.kill()
            diary.wait(60)
        for each in self.windows.values():
            each.context.close()


@pytest.fixture
def realm() -> Iterator[Realm | None]:
    """A realm of a Keycloak; None where it cannot be had, unless everything is required."""
    try:
        with DEV.keycloak("of this test alone") as url:
            yield Realm(url, "of this test alone")
    except DEV.NoNode as error:
        if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
            pytest.fail(str(error))
        yield None


@contextmanager
def day(chromium: Any, realm: Realm | None) -> Iterator[Day]:
    with ExitStack() as running:
        made = Day(chromium, running, realm)
        made.words["9000"] = str(DEV.free_port())
        try:
            yield made
        finally:
            made.close()


@pytest.mark.slow
def test_the_first_day_goes_as_the_page_says(
    chromium: Any, realm: Realm | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CARELEDGER_PASSPHRASE", raising=False)
    for name in ("CARELEDGER_DATA", "CARELEDGER_PASSPHRASE_FILE"):
        monkeypatch.setenv(name, "")
        monkeypatch.setitem(ENVIRONMENT, name, "")
    blocks = 0
    with day(chromium, realm) as today:
        for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
            if KEYCLOAK in section.splitlines()[0]:
                if realm is None:
                    continue
                today.words["KEYCLOAK"] = realm.url
                Path("secret.txt").write_text(SECRET)
            for kind, name, block in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```", section, re.M | re.S):
                if name:
                    Path(name).write_text(block.replace("9000", today.words["9000"]))
                else:
                    {"console": today.console, "browser": today.browser}[kind](block)
                blocks += 1
    assert (blocks, today.done) == ((19, 81) if realm is not None else (17, 71))
