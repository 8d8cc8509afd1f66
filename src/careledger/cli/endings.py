"""How a command ends: the exit code of each error class, what to do next, one line on stderr.

0: done, and what was checked holds. 1: refused, or something does not hold. 2: the command line asks for something
that is not there or cannot be. 3: the data directory is missing, in use, or not one that this version opens.
130: stopped by Ctrl-C. 141: whoever read the output stopped reading.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

import typer

from careledger.cli.words import plain
from careledger.domain import errors
from careledger.domain.errors import CareLedgerError

OK, REFUSED, USAGE, DATA, STOPPED, PIPE = 0, 1, 2, 3, 130, 141


class Ending(NamedTuple):
    """The exit code of an error class and what a person does next."""

    code: int
    hint: str


_DAMAGE = "careledger verify says what is damaged; restore those parts from a backup"
_AGAIN = "try again; nothing was changed"
_BUG = "this should not reach a command line; please report it with the command that you ran"
_READABLE = "make it readable and writable for yourself alone, or free some space"
_SETTINGS = "put the file careledger.json of this data directory right, or restore it from a backup"

_REFUSED_WITH = {
    "second party": "name another post, which signs with a key of its own, as the second party",
    "role": "this act asks for somebody with another role; careledger party show says what a party acts as",
    "review overdue": "have the earlier emergency reviewed; careledger break-glass list shows it",
    "reviewed": "somebody has reviewed it before; careledger break-glass list shows it",
    "reviewer": "a ministry officer or the employer reviews it, never who opened it or stood by",
    "pending": "wait until what was voted before is in force",
    "no alarm": "nothing waits that could be stopped or completed",
}
"""What to do next where the contract's reason tells more than the class."""
ENDINGS: dict[type[CareLedgerError], Ending] = {
    # Bytes and formats
    errors.MalformedBytes: Ending(REFUSED, "the file was cut, changed, or is something else: get it again"),
    errors.DigestMismatch: Ending(REFUSED, _DAMAGE),
    errors.SignatureRefused: Ending(REFUSED, "do not rely on it; ask whoever gave it to you"),
    errors.CannotOpen: Ending(REFUSED, "it is sealed to another key than those of this device"),
    errors.KeyRefused: Ending(REFUSED, "the party has to publish its sealing key again"),
    errors.PackageTooLarge: Ending(REFUSED, "grant fewer single records at once"),
    errors.ShareMismatch: Ending(REFUSED, _DAMAGE),
    errors.NotEnoughShares: Ending(
        REFUSED, "more custodians have to answer; careledger verify says which do"
    ),
    errors.PassphraseRefused: Ending(USAGE, "give the passphrase that was set last for this data directory"),
    errors.PassphraseMissing: Ending(
        USAGE,
        "set CARELEDGER_PASSPHRASE, or CARELEDGER_PASSPHRASE_FILE to a file that holds it, or use a terminal",
    ),
    errors.PhraseRefused: Ending(USAGE, "check the 24 words"),
    # Proofs
    errors.ProofRefused: Ending(REFUSED, "do not rely on it; ask whoever gave it to you"),
    errors.LogForked: Ending(
        REFUSED, "keep the data directory as it is: it is evidence against that custodian"
    ),
    # Stores
    errors.BlockNotFound: Ending(REFUSED, _DAMAGE),
    errors.BlockMismatch: Ending(REFUSED, _DAMAGE),
    errors.StoreUnavailable: Ending(
        DATA,
        "see that the disk has room and can be written to, close whatever else has this data directory open, "
        "then try again",
    ),
    errors.StoreCorrupt: Ending(REFUSED, _DAMAGE),
    errors.DidNotResolved: Ending(
        REFUSED, "ask whoever gave you the identifier; its server may be away for now"
    ),
    errors.LicenceRefused: Ending(
        REFUSED, "ask its holder for one that is in force, presented for a new nonce"
    ),
    errors.MemberRefused: Ending(
        REFUSED, "careledger member list says which certificates count, and why others do not"
    ),
    errors.BackupDamaged: Ending(
        REFUSED, "restore an earlier copy (--copy), or get this backup from where another copy of it lies"
    ),
    errors.DirectoryNotFound: Ending(
        DATA, "name one with --data, or make one with careledger init or careledger demo"
    ),
    errors.DirectoryInUse: Ending(
        DATA,
        "wait until the other process is done, or end it; beside a service patients act (app, consent, audit), "
        "token, client, account, sign-on, licence, reads and staff list see to books, and its API (/api/v1, /scim/v2) "
        "acts on parties, posts, teams and staff",
    ),
    errors.DirectoryNotWritable: Ending(
        DATA, "mount the disk so that it can be written to, or let the user who runs careledger write there"
    ),
    errors.ConfigurationRefused: Ending(
        DATA, "docs/configuration.md has every setting; careledger config show says where each was said"
    ),
    errors.SettingsRefused: Ending(DATA, _SETTINGS),
    # Ledger
    errors.LedgerRefused: Ending(REFUSED, "careledger show says how everybody stands on the ledger"),
    errors.TransactionRefused: Ending(REFUSED, _AGAIN),
    errors.EngineMismatch: Ending(REFUSED, "reinstall CareLedger; or choose the other one with --engine"),
    errors.ChainCorrupt: Ending(REFUSED, "restore the folder ledger from a backup"),
    errors.ChainMismatch: Ending(DATA, "the settings are of another network than the folder ledger"),
    errors.LedgerStale: Ending(
        REFUSED,
        "name a block that exists (careledger chain head says which), or see that the ledger's nodes make blocks",
    ),
    errors.RpcRefused: Ending(REFUSED, _BUG),
    errors.ServerUnavailable: Ending(
        USAGE, "name another port with --port, and a host of loopback with --host"
    ),
    errors.LedgerRewritten: Ending(REFUSED, "ask the network's operators; trust no node until they know why"),
    errors.WrongNetwork: Ending(
        DATA, "name nodes of the network that --chain-id, or careledger.json of this data directory, names"
    ),
    errors.NodeUnavailable: Ending(
        DATA, "see that the nodes that --node or careledger.json names run and can be reached, then try again"
    ),
    errors.NotYetFinal: Ending(DATA, "keep a process open on this data directory: it goes on sending"),
    # Custody
    errors.RequestRefused: Ending(REFUSED, _AGAIN),
    errors.StatementRefused: Ending(REFUSED, "use the newest copy of this patient's agent"),
    errors.EpochRefused: Ending(REFUSED, _AGAIN),
    errors.DepositConflict: Ending(REFUSED, _AGAIN),
    errors.CustodianBehind: Ending(
        REFUSED, "a custodian came from an old backup: its shares have to be remade"
    ),
    # Health data
    errors.FhirRefused: Ending(REFUSED, "mend the file at that place"),
    errors.TypeUnknown: Ending(REFUSED, "name a resource type of FHIR R4"),
    errors.SearchRefused: Ending(REFUSED, "mend that parameter of the search"),
    errors.ImportStopped: Ending(REFUSED, "mend the file at that place"),
    errors.ImportNotFound: Ending(REFUSED, "careledger undo-import without an identifier lists them"),
    errors.NotExchanged: Ending(REFUSED, "leave resources of this type out"),
    errors.RecordsThere: Ending(REFUSED, "name a patient of another alias, to whom the records are to come"),
    errors.ExportStopped: Ending(REFUSED, "careledger verify says which custodian or block is missing"),
    # The gateway
    errors.TokenRefused: Ending(REFUSED, "issue a token for the post with careledger token issue"),
    errors.SignInRefused: Ending(REFUSED, "prove it again, with what belongs to the account"),
    errors.SignOnRefused: Ending(REFUSED, "sign on again at the organisation's own provider"),
    errors.ProviderRefused: Ending(USAGE, "docs/sign-on.md says what a provider has to say of itself"),
    errors.LoginTaken: Ending(USAGE, "careledger staff list says who has it; give another one"),
    errors.TeamNotFound: Ending(USAGE, "careledger party team list has the teams"),
    errors.TeamTaken: Ending(USAGE, "careledger party team list has the names; give another one"),
    errors.StaffFileRefused: Ending(USAGE, "mend the file at that line; nothing was changed"),
    errors.ScimRefused: Ending(
        REFUSED, "ask as RFC 7644 has it; docs/sign-on.md says how much of it there is"
    ),
    errors.ChallengeRefused: Ending(REFUSED, "begin again; a challenge is good for two minutes and once"),
    errors.SessionRefused: Ending(REFUSED, "sign in again"),
    errors.FreshProofNeeded: Ending(REFUSED, "prove again who acts, and repeat it within five minutes"),
    errors.CrossSiteRefused: Ending(REFUSED, "ask from the gateway's own page"),
    errors.SecretSent: Ending(USAGE, "leave out what a passkey's extensions gave"),
    errors.PasswordRefused: Ending(USAGE, "choose a longer one, several words for example"),
    errors.InvitationRefused: Ending(
        REFUSED, "careledger account list says who has the post, and account invite makes another"
    ),
    errors.VersionConflict: Ending(REFUSED, "read the record again, and change what is current"),
    errors.SeveralMatch: Ending(REFUSED, "look for it by more, so that one record matches"),
    errors.RecordGone: Ending(REFUSED, "ask its author for the record that took its place"),
    errors.NoUpdateHere: Ending(REFUSED, "post it as a new record"),
    errors.PageGone: Ending(REFUSED, _AGAIN),
    errors.ApiRefused: Ending(USAGE, "ask as /api/v1/docs says"),
    errors.ContentRefused: Ending(USAGE, "send JSON"),
    errors.RepeatRefused: Ending(REFUSED, "name another request by another key"),
    errors.TooLarge: Ending(USAGE, "send less at once"),
    errors.FileRefused: Ending(REFUSED, "leave the file out, and ask who sent it"),
    errors.FileNotScanned: Ending(
        REFUSED, "leave the file out, or let the scanner take larger ones (files.most)"
    ),
    errors.ScannerUnavailable: Ending(
        REFUSED, "start the scanner that files.scanner names; nothing was taken"
    ),
    errors.NotInstalled: Ending(USAGE, "install careledger[pdf]"),
    errors.Throttled: Ending(REFUSED, "wait, and ask less often"),
    errors.TooCostly: Ending(REFUSED, "name the patients"),
    errors.ReadingBrokeOff: Ending(REFUSED, _AGAIN),
    errors.ExportRefused: Ending(USAGE, "ask for an export that docs/gateway.md names"),
    errors.EventsGone: Ending(REFUSED, "read again from the beginning"),
    errors.EndpointRefused: Ending(USAGE, "name another address"),
    errors.ScopeRefused: Ending(USAGE, "careledger token issue --help says what a scope is"),
    errors.ClientNotFound: Ending(USAGE, "careledger client list has the clients"),
    errors.ClientRefused: Ending(USAGE, "careledger client add --help says what a client needs"),
    errors.KeySetRefused: Ending(USAGE, "give a JWK Set of public keys, each with a kid"),
    errors.AssertionRefused: Ending(REFUSED, "sign a new assertion with a key that was registered"),
    errors.AssertionUsed: Ending(REFUSED, "sign a new assertion for each request"),
    errors.ReplaySeen: Ending(REFUSED, "launch the app anew; somebody else may have what it was given"),
    errors.OAuthRefused: Ending(REFUSED, "careledger client list says what a client may ask for"),
    errors.ExportsBusy: Ending(REFUSED, "remove an export first"),
    # Decisions
    errors.AccessRefused: Ending(REFUSED, "careledger consent list says which consents stand"),
    errors.WritingRefused: Ending(REFUSED, "careledger consent list says which consents stand"),
    errors.CannotExpress: Ending(USAGE, "ask for something narrower"),
    errors.NotEnoughCustodians: Ending(
        REFUSED, "more custodians have to answer; careledger verify says which do"
    ),
    errors.PartyNotFound: Ending(USAGE, "careledger party list has the parties"),
    errors.PartyNotVerified: Ending(REFUSED, "careledger show says how everybody stands on the ledger"),
    errors.ActRefused: Ending(REFUSED, "careledger show says how everybody stands on the ledger"),
    errors.SessionExpired: Ending(REFUSED, _AGAIN),
    errors.NotTheController: Ending(REFUSED, "only the agent with the newest keys can do this"),
    errors.PatientNotFound: Ending(
        USAGE,
        "careledger show lists the patients of this device, careledger patient list --as those of an organisation",
    ),
    errors.RecordNotFound: Ending(USAGE, "careledger show PATIENT --all lists the records"),
    CareLedgerError: Ending(REFUSED, _BUG),
}
"""Every class of domain/errors.py; a test says that none is missing."""


def ending_of(error: CareLedgerError) -> Ending:
    """The ending of an error's class, or of the nearest class above it."""
    return next(ENDINGS[kind] for kind in type(error).__mro__ if kind in ENDINGS)


def line_of(error: CareLedgerError) -> str:
    """What is printed: the sentence, and what to do next."""
    hint = (
        _REFUSED_WITH.get(str(error.details.get("reason")), "")
        if isinstance(error, errors.LedgerRefused)
        else ""
    )
    said = f"careledger: {error} Next: {hint or ending_of(error).hint}."
    return plain(said).replace("\n", " ")


@contextmanager
def explained() -> Iterator[None]:
    """Turns a refusal into its line and exit code, and a pipe that nobody reads into silence."""
    try:
        yield
    except BrokenPipeError:
        quiet_pipe()
    except KeyboardInterrupt:
        typer.echo(
            "careledger: Stopped. Next: run the same command again; it goes on where it stopped.", err=True
        )
        raise typer.Exit(STOPPED) from None
    except CareLedgerError as error:
        typer.echo(line_of(error), err=True)
        raise typer.Exit(ending_of(error).code) from None
    except OSError as error:
        typer.echo(
            f"careledger: {error.strerror or type(error).__name__}: {error.filename}. Next: {_READABLE}.",
            err=True,
        )
        raise typer.Exit(DATA) from None


def quiet_pipe() -> NoReturn:
    """Whoever read the output has stopped: nothing more is written, and no error is shown."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(PIPE)


def not_verified() -> NoReturn:
    """Ends a command whose output said what does not hold."""
    raise typer.Exit(REFUSED)
