"""``careledger audit PATIENT --fhir FILE``: the proved accesses as FHIR."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from careledger.cli.audit import Audited, sentence
from careledger.cli.output import write_private
from careledger.domain.categories import Compartment
from careledger.domain.reasons import Rule
from careledger.fhir.accesses import Told, bundle
from careledger.fhir.canonical import canonical
from careledger.formats.releases import LogEntry
from careledger.workflows.audit import Access


def write_fhir(said: Audited, path: Path) -> int:
    """Writes them to a new file of mode 0600 and returns how many accesses it tells; raises BadParameter."""
    logged: dict[bytes, list[LogEntry]] = defaultdict(list)
    for log in said.found.logs:
        for entry in log.entries:
            if entry.event in ("released", "refused"):
                logged[entry.request].append(entry)
    told = [_told(said, access, logged[access.request]) for access in said.found.accesses]
    problems = [f"{said.names.id(number)}: {problem}" for number, problem in said.found.problems]
    write_private(path, canonical(bundle(told, said.mine.holder.alias, problems)), "--fhir")
    return len(told)


def _told(said: Audited, access: Access, entries: list[LogEntry]) -> Told:
    by_consent = access.rule == Rule.CONSENT.code
    released = [entry for entry in entries if entry.event == "released"]
    return Told(
        access.request,
        access.at_time,
        said.names.id(access.reader) if access.reader else "",
        said.names.id(access.employer) if access.employer else "",
        access.person_proof,
        access.rule,
        access.purpose,
        bool(released),
        tuple(
            sentence(code) for code in sorted({each.reason for each in entries if each.event == "refused"})
        ),
        tuple(Compartment.numbered(number) for number in access.compartments),
        tuple(sorted({handle for entry in released for handle in entry.handles})),
        tuple(
            said.names.id(entry.custodian)
            for entry in sorted(released or entries, key=lambda each: each.custodian)
        ),
        tuple(said.names.id(number) for number in access.officers),
        entries[0].commitment if by_consent else b"",
    )
