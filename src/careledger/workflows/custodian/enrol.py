"""A patient becomes known here: the alias statement, signed by the present controller, and the shared audit key.

Order of effects: journal (the act and its log line), rows, receipt. Repeating gives the receipt again.
"""

from __future__ import annotations

from careledger.domain.custody import KeptStatement
from careledger.domain.errors import CannotOpen, RequestRefused, StatementRefused
from careledger.formats.custody import AliasAnswer, AliasQuestion, NewestEpoch
from careledger.formats.patients import AliasStatement, Enrolment
from careledger.formats.signed import Signed, open_signed
from careledger.proofs.release_log import tag_of
from careledger.sealing.keys import unwrap
from careledger.workflows.custodian import logbook
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.parts import Custody, alias_facts

KIND = "enrol"


def enrol(custody: Custody, body: bytes) -> bytes:
    """Takes an Enrolment; returns a signed receipt about the statement.

    Raises NotTheController or SignatureRefused unless the present controller signed, StatementRefused if the
    statement does not continue the newest one, RequestRefused if this custodian is not and was not on the list, or for
    an audit key that is in use for another chain of entries.
    """
    enrolment = Enrolment.decode(body)
    view = custody.fresh_head()
    claimed = AliasStatement.decode(enrolment.statement.body)
    facts = alias_facts(view, claimed.alias)
    statement = open_signed(AliasStatement, enrolment.statement, facts.controller, custody.deployment)
    digest = statement.digest()
    if custody.journal.act(KIND, digest) is None:
        newest = custody.rows.statement(statement.alias)
        check_continues(statement, newest)
        if newest is None and custody.party not in statement.custodians:
            raise RequestRefused(why="not on the list")
        key = _audit_key(custody, enrolment, statement)
        _check_own(custody, statement, key)
        with custody.rows.transaction():  # written once the journal is
            custody.rows.put_audit_key(statement.alias, statement.claim, key)
            with custody.journal.transaction():
                act = custody.journal.add_act(KIND, digest, digest, body)
                logbook.write(custody, view, statement, Event("enrolled", custodians=statement.custodians))
            _put(custody, enrolment, statement, key, act.number)
    return custody.receipt(view, AliasStatement.TYPE, digest, 0)


def apply(custody: Custody, body: bytes, act: int) -> None:
    """What an accepted enrolment changes in the rows; also run when the journal is replayed."""
    enrolment = Enrolment.decode(body)
    statement = AliasStatement.decode(enrolment.statement.body)
    _put(custody, enrolment, statement, _audit_key(custody, enrolment, statement), act)


def _put(custody: Custody, enrolment: Enrolment, statement: AliasStatement, key: bytes, act: int) -> None:
    kept = KeptStatement(
        statement.number, statement.digest(), enrolment.statement.encode(), custody.clock.now()
    )
    with custody.rows.transaction():
        custody.rows.put_audit_key(statement.alias, statement.claim, key)
        custody.rows.put_statement(statement.alias, kept)
        custody.rows.set_applied(act)


def check_continues(statement: AliasStatement, newest: KeptStatement | None) -> None:
    """Raises StatementRefused unless the number is higher, and the very next one names the digest before.

    A custodian that missed statements takes the newest: the present controller signed it.
    """
    if newest is None:
        return
    before = AliasStatement.decode(Signed.decode(newest.signed).body)
    if statement.number <= newest.number or statement.claim < before.claim:
        raise StatementRefused(number=statement.number, known=newest.number)
    if statement.number == newest.number + 1 and statement.previous != newest.digest:
        raise StatementRefused(number=statement.number, why="another predecessor")


def _audit_key(custody: Custody, enrolment: Enrolment, statement: AliasStatement) -> bytes:
    key = unwrap(custody.keys.sealing, enrolment.audit_key, "audit-key", statement.alias)
    if len(key) != 32:
        raise CannotOpen(why="not an audit key")
    known = custody.rows.audit_key(statement.alias, statement.claim)
    return known or key  # one chain of entries has one key; a new claim begins a new chain


def _check_own(custody: Custody, statement: AliasStatement, key: bytes) -> None:
    """Raises RequestRefused for a new chain by the key of another one: no tag may stand in the log twice."""
    if custody.rows.audit_key(statement.alias, statement.claim) is None and custody.log.has(tag_of(key, 0)):
        raise RequestRefused(why="the audit key is another's")


def answer_alias(custody: Custody, body: bytes) -> bytes:
    """Takes an AliasQuestion; returns an AliasAnswer, empty where nothing is known."""
    question = AliasQuestion.decode(body)
    kept = custody.rows.statement(question.alias)
    epochs: tuple[bytes, ...] = ()
    if question.compartment is not None:
        epochs = tuple(each.signed for each in custody.journal.epochs(question.alias, question.compartment))
    newest = tuple(
        NewestEpoch(compartment, custody.journal.count_epochs(question.alias, compartment), found.signed)
        for compartment in question.newest
        if (found := custody.journal.newest_epoch(question.alias, compartment)) is not None
    )
    return AliasAnswer(None if kept is None else Signed.decode(kept.signed), epochs, newest).encode()
