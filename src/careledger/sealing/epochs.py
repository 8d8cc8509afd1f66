"""Epoch keys: one key pair per alias, compartment and number, each opening the ones before it.

The context (alias, compartment, number) is bound into every wrap and stored in none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from careledger.domain.errors import CannotOpen, KeyRefused, MalformedBytes
from careledger.formats.digests import uint
from careledger.formats.patients import EpochRecord, EpochStatement
from careledger.formats.signed import Signed
from careledger.sealing.keys import SealingKey, Secret, unwrap, wrap

SEED = 32


@dataclass(frozen=True, slots=True)
class Epoch:
    """Which epoch: the alias (32 bytes), the compartment's number, the epoch's number."""

    alias: bytes
    compartment: int
    number: int

    @classmethod
    def of(cls, statement: EpochStatement) -> Epoch:
        """The epoch that a statement is about."""
        return cls(statement.alias, statement.compartment, statement.number)

    def fields(self) -> tuple[bytes, bytes, bytes]:
        """As ``info`` binds it: alias, uint16 compartment, uint64 number."""
        return self.alias, uint(self.compartment, 2), uint(self.number)


def new_epoch_seed() -> Secret:
    """A random seed: the private key of a new epoch."""
    return Secret.random(SEED)


def seal_seed(alias_public: bytes, epoch: Epoch, seed: Secret) -> bytes:
    """An epoch's seed for the patient: sealed to the alias's sealing key."""
    return wrap(alias_public, seed.reveal(), "epoch-seed", *epoch.fields())


def open_seed(alias_key: SealingKey, epoch: Epoch, sealed: bytes) -> Secret:
    """What seal_seed sealed; raises CannotOpen."""
    return _seed(unwrap(alias_key, sealed, "epoch-seed", *epoch.fields()))


def seal_previous(epoch_public: bytes, epoch: Epoch, previous: Secret) -> bytes:
    """The seed of the epoch before, sealed to this epoch's public key."""
    return wrap(epoch_public, previous.reveal(), "previous-epoch-seed", *epoch.fields())


def open_previous(epoch_key: SealingKey, epoch: Epoch, sealed: bytes) -> Secret:
    """What seal_previous sealed; raises CannotOpen."""
    return _seed(unwrap(epoch_key, sealed, "previous-epoch-seed", *epoch.fields()))


def seal_record(
    signed: Signed, statement: EpochStatement, alias_public: bytes, key: SealingKey, previous: Secret | None
) -> EpochRecord:
    """The epoch record of a signed statement; ``key`` is that epoch's, ``previous`` the seed before, None for epoch 0.

    Raises KeyRefused if the statement names another public key, MalformedBytes if a previous seed is
    missing or too much.
    """
    if key.public != statement.public_key:
        raise KeyRefused(why="the statement names another epoch key")
    if (previous is None) != (statement.number == 0):
        raise MalformedBytes(why="epoch 0 alone has no previous seed")
    epoch = Epoch.of(statement)
    return EpochRecord(
        statement=signed,
        seed_for_alias=seal_seed(alias_public, epoch, key.seed),
        previous_seed=None if previous is None else seal_previous(statement.public_key, epoch, previous),
    )


def open_record(alias_key: SealingKey, statement: EpochStatement, record: EpochRecord) -> Secret:
    """The seed of a record whose statement was checked; raises CannotOpen, also if it is another key's seed."""
    seed = open_seed(alias_key, Epoch.of(statement), record.seed_for_alias)
    _key(statement, seed)
    return seed


def open_back(seed: Secret, chain: Iterable[tuple[EpochStatement, EpochRecord]]) -> dict[int, Secret]:
    """Epoch number → seed, backwards from a seed one holds.

    ``chain`` is checked statements with their records, newest first without gaps, beginning with the epoch
    whose seed is given; it may stop early. Raises CannotOpen where a link does not fit.
    """
    seeds: dict[int, Secret] = {}
    held: Secret | None = seed
    newest: int | None = None
    for back, (statement, record) in enumerate(chain):
        newest = statement.number if newest is None else newest
        if held is None or statement.number != newest - back:
            raise CannotOpen(epoch=statement.number, why="the chain has a gap")
        key = _key(statement, held)
        seeds[statement.number] = held
        held = None
        if record.previous_seed is not None:
            held = open_previous(key, Epoch.of(statement), record.previous_seed)
    return seeds


def _key(statement: EpochStatement, seed: Secret) -> SealingKey:
    key = SealingKey(seed)
    if key.public != statement.public_key:
        raise CannotOpen(epoch=statement.number, why="another epoch's seed")
    return key


def _seed(opened: bytes) -> Secret:
    if len(opened) != SEED:
        raise CannotOpen(why="not a seed")
    return Secret(opened)
