"""What whoever runs the doctor may not enter is named, and ends nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

NOBODY = 65_534
LOOKED = f"""
import os, sys, tempfile
from pathlib import Path
from careledger.app import doctor_files

with tempfile.TemporaryDirectory() as folder:
    member = Path(folder, "organisations")
    (member / "one").mkdir(parents=True)
    (member / "one" / "books.db").touch()
    member.chmod(int(sys.argv[1], 8))
    if os.geteuid() == 0:  # who may everything else
        for path in (folder, member):
            os.chown(path, {NOBODY}, {NOBODY})
        os.seteuid({NOBODY})
    try:
        found = next(doctor_files.examine(Path(folder), False))
        print(found.state, found.sentence)
    finally:
        os.seteuid(os.getuid())
        member.chmod(0o700)
"""


@pytest.mark.parametrize("mode", ["600", "400", "500", "300"])
def test_a_folder_that_may_not_be_entered_read_or_written_is_named(mode: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOOKED, mode], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ill ")
    assert "such as organisations." in done.stdout
