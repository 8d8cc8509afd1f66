"""A file much larger than what may lie in memory is imported under a limit, and its attachments come back."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careledger.app.world import World, open_world
from careledger.workflows.chart import copies, read_back
from stories.cli_world import found_small

LARGEST = 100 * 10**6
SIZES = (LARGEST, LARGEST // 2, LARGEST // 2)
ENTRIES = 10_000
DATA = 1_100 * 2**20  # what the process may map as its own; it needs some 700 MB, and the file has 280
LIMITED = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, ({DATA}, {DATA}))
from careledger.cli.main import main
main()
"""


def entries(digests: list[str]) -> Iterator[str]:
    yield entry({"resourceType": "Patient", "id": "large"})
    for number in range(ENTRIES - 1 - len(SIZES)):
        told = {"resourceType": "Condition", "id": f"c{number}", "code": {"text": f"illness {number}"},
                "subject": {"reference": "Patient/large"}}  # fmt: skip
        yield entry(told)
    for number, size in enumerate(SIZES):
        data = random.Random(number).randbytes(size)
        digests.append(hashlib.sha256(data).hexdigest())
        attachment = {"contentType": "application/pdf", "data": base64.b64encode(data).decode()}
        document = {"resourceType": "DocumentReference", "id": f"d{number}", "status": "current",
                    "subject": {"reference": "Patient/large"}, "content": [{"attachment": attachment}]}  # fmt: skip
        yield entry(document)


def entry(resource: dict[str, Any]) -> str:
    url = f"https://example.org/{resource['resourceType']}/{resource['id']}"
    return json.dumps({"fullUrl": url, "resource": resource})


def write(path: Path) -> list[str]:
    """The file; returns the SHA-256 of its attachments."""
    digests: list[str] = []
    with path.open("w") as file:
        file.write('{"resourceType":"Bundle","type":"collection","entry":[')
        for number, each in enumerate(entries(digests)):
            file.write(each if number == 0 else f",{each}")
        file.write("]}")
    return digests


def attachments(world: World) -> list[str]:
    """The SHA-256 of every attachment that was imported, read back from the importing organisation's own chart."""
    city = world.keyring.organisation("City Hospital")
    kept = copies(city)
    commonest, _ = Counter(each.compartment for each in kept).most_common(1)[0]
    others = [each for each in kept if each.compartment != commonest]
    assert len(others) < 10
    found = [json.loads(read_back(world.network, city, each.handle).body.canonical) for each in others]
    contents = [
        each["content"][0]["attachment"] for each in found if each["resourceType"] == "DocumentReference"
    ]
    return [hashlib.sha256(base64.b64decode(each["data"])).hexdigest() for each in contents]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux counts them")
def test_ten_thousand_entries_and_attachments_of_100_mb_pass_under_a_limit(tmp_path: Path) -> None:
    folder, path = found_small(tmp_path / "data"), tmp_path / "large.json"
    digests = write(path)
    act = ("import", path, "--as", "records desk", "--data", folder, "--json")
    done = subprocess.run([sys.executable, "-c", LIMITED, *map(str, act)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    [said] = json.loads(done.stdout)["files"]
    assert (said["deposited"], said["rejected"]) == (ENTRIES, [])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"peak: {peak // 1024} MiB")
    world = open_world(folder)
    try:
        assert sorted(attachments(world)) == sorted(digests)
    finally:
        world.close()
