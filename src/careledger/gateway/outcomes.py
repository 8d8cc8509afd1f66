"""What a refusal is over HTTP: a status, and an OperationOutcome that says why in words that name nobody."""

from __future__ import annotations

from dataclasses import dataclass

from careledger.domain import errors
from careledger.domain.errors import CareLedgerError
from careledger.domain.reasons import Reason
from careledger.fhir.json_text import Resource


@dataclass(frozen=True)
class Kind:
    """An HTTP status and a code of FHIR's issue-type value set."""

    status: int
    code: str


KINDS: tuple[tuple[type[CareLedgerError], Kind], ...] = (
    (errors.TokenRefused, Kind(401, "login")),
    (errors.SessionExpired, Kind(401, "expired")),
    (errors.SessionRefused, Kind(401, "login")),
    (errors.SignInRefused, Kind(401, "login")),
    (errors.FreshProofNeeded, Kind(403, "forbidden")),
    (errors.CrossSiteRefused, Kind(403, "forbidden")),
    (errors.InvitationRefused, Kind(403, "forbidden")),
    (errors.SecretSent, Kind(400, "invalid")),
    (errors.PasswordRefused, Kind(400, "invalid")),
    (errors.ScopeRefused, Kind(403, "forbidden")),
    (errors.TooCostly, Kind(403, "too-costly")),
    (errors.AccessRefused, Kind(403, "forbidden")),
    (errors.WritingRefused, Kind(403, "forbidden")),
    (errors.ActRefused, Kind(403, "forbidden")),
    (errors.SignatureRefused, Kind(403, "forbidden")),
    (errors.PartyNotVerified, Kind(403, "forbidden")),
    (errors.PageGone, Kind(410, "expired")),
    (errors.EventsGone, Kind(410, "expired")),
    (errors.RecordGone, Kind(410, "deleted")),
    (errors.VersionConflict, Kind(412, "conflict")),
    (errors.SeveralMatch, Kind(412, "multiple-matches")),
    (errors.NoUpdateHere, Kind(405, "not-supported")),
    (errors.PatientNotFound, Kind(404, "not-found")),
    (errors.RecordNotFound, Kind(404, "not-found")),
    (errors.PartyNotFound, Kind(404, "not-found")),
    (errors.BlockNotFound, Kind(404, "not-found")),
    (errors.TeamNotFound, Kind(404, "not-found")),
    (errors.TypeUnknown, Kind(404, "not-found")),
    (errors.FhirRefused, Kind(400, "invalid")),
    (errors.ApiRefused, Kind(400, "invalid")),
    (errors.TooLarge, Kind(413, "too-long")),
    (errors.ScimRefused, Kind(400, "invalid")),
    (errors.LoginTaken, Kind(409, "conflict")),
    (errors.TeamTaken, Kind(409, "conflict")),
    (errors.RepeatRefused, Kind(422, "conflict")),
    (errors.ContentRefused, Kind(415, "not-supported")),
    (errors.NotInstalled, Kind(501, "not-supported")),
    (errors.Throttled, Kind(429, "throttled")),
    (errors.ImportStopped, Kind(400, "invalid")),
    (errors.ExportsBusy, Kind(429, "throttled")),
    (errors.NotEnoughCustodians, Kind(503, "transient")),
    (errors.StoreUnavailable, Kind(503, "transient")),
    (errors.StoreCorrupt, Kind(503, "no-store")),
    (errors.LedgerStale, Kind(503, "transient")),
    (errors.ReadingBrokeOff, Kind(503, "transient")),
    (errors.ScannerUnavailable, Kind(503, "transient")),
    (errors.FileRefused, Kind(422, "business-rule")),
)
ENTRY = "entry of the Bundle"
"""The detail of a refusal that says, as FHIRPath, which entry was refused."""
BEARER = 'Bearer realm="careledger"'
OTHER = Kind(422, "processing")
STEP_UP = Kind(401, "login")
"""Of an app whose person has to prove anew who they are (RFC 9470)."""
_REASONS = {reason.code: reason.sentence for reason in Reason}


def kind_of(error: CareLedgerError) -> Kind:
    """The first kind that fits."""
    return STEP_UP if _oldest(error) else _kind_of(type(error))


def status_of(refusal: type[CareLedgerError]) -> int:
    """The status that refusals of a class go out with."""
    return _kind_of(refusal).status


def _kind_of(refusal: type[CareLedgerError]) -> Kind:
    return next((kind for each, kind in KINDS if issubclass(refusal, each)), OTHER)


def headers_of(error: CareLedgerError) -> dict[str, str]:
    """What a refusal says in its headers: how to come in instead, and when to ask again."""
    return {**_challenge(error), **again(error)}


def again(error: CareLedgerError) -> dict[str, str]:
    """When to ask again, as a header, where the refusal says so."""
    seconds = error.details.get("seconds")
    return {} if seconds is None else {"Retry-After": str(seconds)}


def _challenge(error: CareLedgerError) -> dict[str, str]:
    """As a header (RFC 6750, 3): without a word about it where no token came."""
    if isinstance(error, errors.ScopeRefused):
        return {"WWW-Authenticate": f'{BEARER}, error="insufficient_scope"'}
    if kind_of(error).status != 401:
        return {}
    if oldest := _oldest(error):
        wanted = f'error="insufficient_user_authentication", max_age="{oldest}"'
        return {"WWW-Authenticate": f"{BEARER}, {wanted}"}
    refused = isinstance(error, errors.TokenRefused) and "why" not in error.details
    return {"WWW-Authenticate": BEARER + (', error="invalid_token"' if refused else "")}


def _oldest(error: CareLedgerError) -> int:
    """How many seconds old the proof of an app's person may be, 0 for another refusal."""
    found = error.details.get("max_age") if isinstance(error, errors.FreshProofNeeded) else None
    return found if isinstance(found, int) else 0


def outcome(severity: str, code: str, said: str) -> Resource:
    """An OperationOutcome of one issue."""
    issue = {"severity": severity, "code": code, "diagnostics": said}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def refusal(error: CareLedgerError) -> Resource:
    """Why something was refused, and which entry of a Bundle it was that was."""
    entry = error.details.get(ENTRY)
    if entry is None:
        return outcome("error", kind_of(error).code, why(error))
    made = outcome("error", kind_of(error).code, f"{entry}: {why(error)}")
    made["issue"][0]["expression"] = [entry]
    return made


def why(error: CareLedgerError) -> str:
    """In words: the decision's own explanation where there is one."""
    reason = _REASONS.get(str(error.details.get("reason", "")), str(error))
    return str(error.details.get("because", reason))
