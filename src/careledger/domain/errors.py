"""The one tree of refusals: a named class each, its sentence is the message.

Raise a subclass with keyword details; details never hold anything personal. What is outside this
tree is a bug.
"""

from __future__ import annotations

from careledger.domain.client_errors import AssertionRefused as AssertionRefused
from careledger.domain.client_errors import AssertionUsed as AssertionUsed
from careledger.domain.client_errors import ClientNotFound as ClientNotFound
from careledger.domain.client_errors import ClientRefused as ClientRefused
from careledger.domain.client_errors import KeySetRefused as KeySetRefused
from careledger.domain.client_errors import OAuthRefused as OAuthRefused
from careledger.domain.client_errors import ReplaySeen as ReplaySeen
from careledger.domain.fhir_errors import ExportRefused as ExportRefused
from careledger.domain.fhir_errors import FhirRefused as FhirRefused
from careledger.domain.fhir_errors import SearchRefused as SearchRefused
from careledger.domain.fhir_errors import SeveralMatch as SeveralMatch
from careledger.domain.fhir_errors import TypeUnknown as TypeUnknown
from careledger.domain.fhir_errors import VersionConflict as VersionConflict
from careledger.domain.file_errors import FileNotScanned as FileNotScanned
from careledger.domain.file_errors import FileRefused as FileRefused
from careledger.domain.file_errors import ScannerUnavailable as ScannerUnavailable
from careledger.domain.paper_errors import BackupDamaged as BackupDamaged
from careledger.domain.paper_errors import DidNotResolved as DidNotResolved
from careledger.domain.paper_errors import LicenceRefused as LicenceRefused
from careledger.domain.paper_errors import MemberRefused as MemberRefused
from careledger.domain.paper_errors import StaffFileRefused as StaffFileRefused
from careledger.domain.refusal import CareLedgerError as CareLedgerError

# Bytes and formats ------------------------------------------------------------------------------


class MalformedBytes(CareLedgerError):
    """These bytes do not follow the format that docs/formats.md gives for them."""


class DigestMismatch(CareLedgerError):
    """These bytes are not the ones that were committed to."""


class SignatureRefused(CareLedgerError):
    """This signature is not by the key that should have made it."""


class CannotOpen(CareLedgerError):
    """This ciphertext cannot be opened with this key."""


class KeyRefused(CareLedgerError):
    """Nothing can be sealed to this public key."""


class PackageTooLarge(CareLedgerError):
    """This grant does not fit the largest package that the board carries."""


class ShareMismatch(CareLedgerError):
    """A custodian's share does not match its commitment."""


class NotEnoughShares(CareLedgerError):
    """Fewer custodians answered with a valid share than the record needs."""


class PassphraseRefused(CareLedgerError):
    """This passphrase does not open the keys of this data directory."""


class PassphraseMissing(CareLedgerError):
    """The keys of a data directory lie under a passphrase, and none was given."""


class PhraseRefused(CareLedgerError):
    """This is not a recovery phrase."""


# Proofs -----------------------------------------------------------------------------------------


class ProofRefused(CareLedgerError):
    """This proof does not prove what it claims."""


class LogForked(CareLedgerError):
    """A release log showed two histories that cannot both be true."""


# Stores -----------------------------------------------------------------------------------------


class BlockNotFound(CareLedgerError):
    """No block is stored under this content identifier."""


class BlockMismatch(CareLedgerError):
    """A store gave other bytes than the content identifier names."""


class StoreUnavailable(CareLedgerError):
    """A store did not do what it was asked, and may have done half of it."""


class StoreCorrupt(CareLedgerError):
    """A data directory is damaged."""


class DirectoryNotFound(CareLedgerError):
    """There is no CareLedger data directory here."""


class DirectoryInUse(CareLedgerError):
    """Another process has this data directory open."""


class DirectoryNotWritable(CareLedgerError):
    """This data directory cannot be written to."""


class ConfigurationRefused(CareLedgerError):
    """A setting of this service is unknown or wrong."""


class SettingsRefused(CareLedgerError):
    """A setting of this data directory is missing, unknown or wrong."""


# Ledger -----------------------------------------------------------------------------------------


class LedgerRefused(CareLedgerError):
    """A contract refused this transaction."""


class TransactionRefused(CareLedgerError):
    """The chain does not take this transaction."""


class EngineMismatch(CareLedgerError):
    """The EVM engine does not give the known gas figures, so it is not used."""


class ChainCorrupt(CareLedgerError):
    """The chain's replay from genesis does not give the stored hashes."""


class ChainMismatch(CareLedgerError):
    """This data directory holds another chain."""


class LedgerStale(CareLedgerError):
    """The ledger's head is too old to decide on."""


class RpcRefused(CareLedgerError):
    """The chain's JSON-RPC server does not answer this request."""


class ServerUnavailable(CareLedgerError):
    """A server of this machine cannot listen there."""


class ReadingBrokeOff(CareLedgerError):
    """The process that reads long requests ended before it had read this one; it may be sent again."""


class LedgerRewritten(CareLedgerError):
    """A node of the ledger shows another block at a height that was final."""


class WrongNetwork(CareLedgerError):
    """This node belongs to another network than the settings name."""


class NodeUnavailable(StoreUnavailable):
    """No node of the ledger answered as it should."""


class NotYetFinal(StoreUnavailable):
    """This transaction is kept and sent again until the ledger holds it, which was not seen in time."""


# Custody ----------------------------------------------------------------------------------------


class RequestRefused(CareLedgerError):
    """This request does not follow the rules for requests to a custodian."""


class StatementRefused(CareLedgerError):
    """This statement does not continue the newest one that the custodian knows."""


class EpochRefused(CareLedgerError):
    """Nothing is kept under this epoch any more."""


class DepositConflict(CareLedgerError):
    """Another deposit was made under this name before."""


class CustodianBehind(CareLedgerError):
    """This custodian gives nothing out until its release log is anchored."""


# Health data ------------------------------------------------------------------------------------


class ImportStopped(CareLedgerError):
    """An entry of this file cannot be imported, so nothing of it was."""


class ImportNotFound(CareLedgerError):
    """This organisation made no import with this identifier."""


class NotExchanged(CareLedgerError):
    """Resources of this type are never exchanged."""


class ExportStopped(CareLedgerError):
    """Something of this record cannot be had at the moment, so nothing was written."""


class RecordsThere(CareLedgerError):
    """This archive is of that same record, which has all of it."""


# Decisions --------------------------------------------------------------------------------------


class AccessRefused(CareLedgerError):
    """This may not be read by this reader."""


class WritingRefused(CareLedgerError):
    """This may not be written by this author."""


class CannotExpress(CareLedgerError):
    """This consent cannot be expressed without weakening it, so it is refused."""


class NotEnoughCustodians(CareLedgerError):
    """Fewer organisations keep shares here than a patient's list needs."""


class PartyNotFound(CareLedgerError):
    """No such party is registered."""


class PartyNotVerified(CareLedgerError):
    """This party is not in good standing on the ledger."""


class ScopeRefused(CareLedgerError):
    """The scopes of this token do not reach so far."""


class TokenRefused(CareLedgerError):
    """This bearer token is none that is in force."""


class ActRefused(CareLedgerError):
    """This party may not do this."""


class SignInRefused(CareLedgerError):
    """These do not prove anybody here."""


class SignOnRefused(SignInRefused):
    """This sign-on proves nobody here."""


class ScimRefused(CareLedgerError):
    """This is not asked as SCIM 2.0 has it."""


class LoginTaken(CareLedgerError):
    """Somebody in this list of staff has that login."""


class TeamNotFound(CareLedgerError):
    """This organisation has no such team."""


class TeamTaken(CareLedgerError):
    """This organisation has a team of that name."""


class ProviderRefused(CareLedgerError):
    """This identity provider cannot be registered so."""


class ChallengeRefused(SignInRefused):
    """This challenge is over, was answered before, or was for something else."""


class SessionRefused(CareLedgerError):
    """This session is none that is in force."""


class FreshProofNeeded(CareLedgerError):
    """This needs a proof of who acts that is less than five minutes old."""


class CrossSiteRefused(CareLedgerError):
    """This did not come from a page of this gateway."""


class SecretSent(CareLedgerError):
    """This carries a secret that has to stay in the browser."""


class PasswordRefused(CareLedgerError):
    """This password is too easily guessed."""


class InvitationRefused(CareLedgerError):
    """This invitation is none that is in force."""


class SessionExpired(CareLedgerError):
    """This session has ended; the post has to open a new one."""


class NotTheController(CareLedgerError):
    """Only the present controller of this patient's record can do this."""


class PatientNotFound(CareLedgerError):
    """No such patient is known here."""


class RecordNotFound(CareLedgerError):
    """No such record is known here."""


class RecordGone(CareLedgerError):
    """This record was taken back by who wrote it."""


class NoUpdateHere(CareLedgerError):
    """Only what is shown here can be updated; a new record is posted, and its id is chosen here."""


class PageGone(CareLedgerError):
    """This page of a search is not kept any more; search again."""


class ApiRefused(CareLedgerError):
    """This request does not follow the interface's description."""


class ContentRefused(CareLedgerError):
    """This content type is not taken here."""


class TooLarge(CareLedgerError):
    """This request is larger than what is taken here."""


class EventsGone(CareLedgerError):
    """These events are not kept any more; begin again without a number."""


class EndpointRefused(CareLedgerError):
    """Events are not sent there."""


class TooCostly(CareLedgerError):
    """This search would have to look into records that nobody named a patient for."""


class RepeatRefused(CareLedgerError):
    """This idempotency key named another request before."""


class NotInstalled(CareLedgerError):
    """This needs a part of CareLedger that is not installed here."""


class Throttled(CareLedgerError):
    """Too much was asked in too short a time; ask again later."""


class ExportsBusy(CareLedgerError):
    """As many exports as one token may have are kept or under way here; remove one first."""
