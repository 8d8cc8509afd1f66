"""Carries out the steps of the Containerfile by hand in a fresh directory, where there is no container engine.

    sudo python packaging/by_hand.py FOLDER

COPY, RUN and ENV are done in order, with the image's folders below FOLDER; groupadd and useradd are passed over.
FOLDER and the Python that runs this have to be readable for everybody. Then the entry point runs as the image's user:
it founds a network, serves, is asked by the health check, and is told to stop. What that user could write to of what
was installed is looked for: it is nothing. Needs a package registry.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE = Path(__file__).with_name("Containerfile")
FOLDERS = ("/opt/careledger", "/var/lib/careledger", "/build")
ALONE = ("groupadd", "useradd")
"""Commands that change the machine."""


def instructions() -> list[tuple[str, str]]:
    """Every instruction and what it says, lines that go on joined."""
    text = re.sub(r"\\\n", " ", FILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def placed(words: str, folder: Path) -> str:
    """The same with the image's folders below that one."""
    for each in FOLDERS:
        words = words.replace(each, f"{folder}{each}")
    return words


def built(folder: Path, user: int) -> dict[str, str]:
    """Carries out every step; the environment that the image has."""
    environment = {"LC_ALL": "C.UTF-8"}
    for name, said in instructions():
        if name == "COPY" and not said.startswith("--from"):
            copied(shlex.split(said), folder)
        elif name == "ENV":
            key, _, value = said.partition("=")
            environment[key] = placed(value, folder).replace("$PATH", os.environ["PATH"])
        elif name == "RUN":
            for command in said.split("&&"):
                run(command.strip(), folder, user)
    return environment


def run(command: str, folder: Path, user: int) -> None:
    """One command of a RUN."""
    if command.startswith(ALONE):
        return
    command = placed(command, folder).replace("python -m venv", f"{sys.executable} -m venv")
    command = command.replace("-o careledger -g careledger", f"-o {user} -g {user}")
    print("RUN", command, flush=True)
    subprocess.run(shlex.split(command), check=True, cwd=folder / "build")


def copied(words: list[str], folder: Path) -> None:
    """One COPY."""
    *sources, target = words
    into = folder / target.lstrip("/") if target.startswith("/") else folder / "build" / target
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, into, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            place = into / source if target.endswith("/") else into
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, place)


def main() -> None:
    """Builds, founds, serves, asks, stops."""
    folder = Path(sys.argv[1]).resolve()
    (folder / "build").mkdir(parents=True)
    user = int(dict(instructions())["USER"].partition(":")[0])
    given = {
        "CARELEDGER_PASSPHRASE": "only to try the image",
        "CARELEDGER_LISTEN_PORT": "18080",
    }
    environment = built(folder, user) | given
    opened = ["find", str(folder / "opt"), "-writable"]
    careledger = str(folder / "opt" / "careledger" / "bin" / "careledger")
    how: dict[str, Any] = {"env": environment, "user": user, "group": user, "extra_groups": [], "cwd": "/"}
    if (found := subprocess.run(opened, capture_output=True, check=True, **how).stdout) != b"":
        sys.exit(f"the image's user may write to {found[:500]!r}")
    members = [word for name in "ABC" for word in ("--member", f"{name}=hospital")]
    subprocess.run([careledger, "init", *members], check=True, **how)
    service = subprocess.Popen([careledger, "up"], **how)
    alive = [
        str(folder / "opt" / "careledger" / "bin" / "python"),
        str(folder / "opt" / "careledger" / "alive.py"),
    ]
    answers = False
    for _ in range(120):
        time.sleep(0.5)
        if answers := subprocess.run(alive, **how).returncode == 0:
            break
    service.send_signal(signal.SIGTERM)
    print("health check:", answers, "exit code:", code := service.wait(60), "user:", user)
    sys.exit(0 if answers and code == 0 else 1)


if __name__ == "__main__":
    main()
