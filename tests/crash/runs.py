"""One run: an act in a process that is made to fail, then the directory read back, the act repeated, read back."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from careledger.app.checking import check
from careledger.domain.errors import CareLedgerError
from careledger.workflows.cosigning import checkpoint_all, cosign_all
from crash.acts import ACTS, adams, words
from crash.failpoints import Points
from crash.site import FIRST_WORDS, Site
from story import LATER_ILLNESS

DONE, REFUSED, BROKE, KILLED = "done", "refused", "broke", "killed"


@dataclass(frozen=True)
class Ended:
    """How the process ended: done (acknowledged), refused by a named error, broke by another one, or killed."""

    how: str
    why: str = ""
    points: tuple[str, ...] = ()
    hit: bool = False


Arm = Callable[[Site], object]
"""Done to a site when it is open, before the act."""


def attempt(
    folder: Path,
    act: str,
    points: Points | None = None,
    arm: Arm = lambda site: None,
    close: bool = False,
) -> Ended:
    """The act in this process; what it raises is what the process ends with. A process that dies closes nothing."""
    try:
        site = Site.open(folder, points)
    except CareLedgerError as error:
        return Ended(REFUSED, repr(error))
    except Exception as error:  # a process that ends with a traceback, whatever it is
        return Ended(BROKE, repr(error))
    arm(site)
    try:
        ACTS[act].do(site)
        return Ended(DONE)
    except CareLedgerError as error:
        return Ended(REFUSED, repr(error))
    except Exception:
        return Ended(BROKE, traceback.format_exc()[-400:])
    finally:
        if close:
            site.close()


def forked(folder: Path, act: str, points: Points, arm: Arm = lambda site: None) -> Ended:
    """The same in a child process, which says by a pipe how it ended, or is killed before."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        ended = attempt(folder, act, points, arm)
        said = f"{ended.how}\t{int(points.hit)}\t{ended.why[:400]}\t{' '.join(points.reached)}".replace(
            "\n", " "
        )
        os.write(write, said.encode()[:60_000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        said = told.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Ended(KILLED, hit=True)
    how, hit, why, reached = [*said.split("\t"), "", "", ""][:4]
    return Ended(how or BROKE, why, tuple(reached.split()), hit == "1")


def read_back(folder: Path, act: str, ended: Ended, thorough: bool = False) -> None:
    """What was acknowledged is there, nothing else is seen by halves, repeating finishes it and changes nothing."""
    site = Site.open(folder)
    try:
        _sound(site, act, before=True)
        if ended.how == DONE:
            ACTS[act].holds(site)
        ACTS[act].do(site)
        ACTS[act].holds(site)
        ACTS[act].do(site)
        ACTS[act].holds(site)
        _sound(site, act)
        if thorough:
            assert checkpoint_all(site.network) == {}
            assert cosign_all(site.network) == {}
    finally:
        site.close()
    if thorough:
        findings = [finding.sentence for finding in check(folder) if not finding.holds]
        assert findings == [], findings


def _sound(site: Site, act: str, before: bool = False) -> None:
    """What was acknowledged before the run is read, once, by whom it was; nobody reads more.

    ``before`` it was repeated, a version that was anchored and of which too few custodians know yet is not shown.
    """
    assert words(adams(site, before)).count(LATER_ILLNESS) == 1
    if act not in ("claim", "retract"):
        assert words(site.carols(before)).count(FIRST_WORDS) == 1
    stranger = site.told.staff["Dr Lake"]
    if act != "grant":
        try:
            read = site.told.read_by_consent(stranger)
        except CareLedgerError:
            return
        raise AssertionError(f"a revoked reader opens {len(read.records)} records")
