"""The key pairs of a section's epochs, for whoever holds a slot: the owner's devices, and standing grantees.

A pair is in one's own slot of the epoch's key package, or behind the history secret of the epoch after it. What was found is
kept in the encrypted store, under whom it was given to and under the public key that the ledger names: two people of one home
share nothing, and an epoch that was re-keyed before it began does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from salus.agent.asking import Asking, as_owner, epochs_of, fetch_packages
from salus.agent.home import Agent
from salus.agent.own_sections import OwnSection
from salus.agent.wallet import Wallet
from salus.charts.epochs import EpochKeys, open_previous, open_slot, read_package, seal_key_hash
from salus.codec import Record
from salus.crypto.hpke import SealingKey
from salus.errors import AgentRefused, ChartRefused, CryptoRefused
from salus.ids import Bytes32
from salus.ledger.modules.sections.messages import Epoch

_NO_HISTORY = bytes(32)


class KnownPair(Record, frozen=True, tag="known-pair"):
    """An epoch's pair; ``history`` is 32 zero bytes where it was not given."""

    seal_seed: Bytes32
    history: Bytes32


class KnownSealKey(Record, frozen=True, tag="known-seal-key"):
    """An epoch's public key, as it was found to be the one that the ledger names."""

    key: SealingKey


@dataclass
class PairFinder:
    """Finds pairs for one holder of a slot. ``newest`` is the number of the last epoch that can be looked into.

    ``history``: whether the slot leads back; a pair that is known from another grant may not, and then a later epoch's slot does.
    """

    agent: Agent
    asking: Asking
    slot_keys: tuple[bytes, ...]
    newest: int
    history: bool = True
    _epochs: dict[int, Epoch] = field(default_factory=dict)
    _packages: dict[int, bytes] = field(default_factory=dict)

    def find(self, wanted: Iterable[int]) -> dict[int, EpochKeys]:
        """The pairs of these epochs, as far as the holder was given them."""
        numbers = sorted(set(wanted), reverse=True)
        self._look_up(numbers)
        missing = [number for number in numbers if self._known(number) is None]
        self._fetch(missing)
        for number in missing:
            self._discover(number)
        return {number: pair for number in numbers if (pair := self._known(number)) is not None}

    def _discover(self, number: int) -> None:
        """By the own slot of this epoch, or of the next later one that has it, and from there back by history."""
        for later in range(number, self.newest + 1):
            self._look_up([later])
            pair = self._known(later)
            if pair is None or (self.history and pair.history == _NO_HISTORY):
                pair = self._from_slot(later) or pair
            if pair is None:
                continue
            self._walk_back(pair, later, number)
            if not self.history or self._known(number) is not None:
                return

    def _walk_back(self, pair: EpochKeys, later: int, number: int) -> None:
        while later > number and pair.history != _NO_HISTORY:
            package = self._package(later)
            if package is None:
                return
            pair = open_previous(package, pair.history, self.asking.section, later)
            later -= 1
            self._keep(later, pair)

    def _from_slot(self, number: int) -> EpochKeys | None:
        package = self._package(number)
        if package is None:
            return None
        for slot_key in self.slot_keys:
            with suppress(ChartRefused, CryptoRefused):
                pair = open_slot(package, slot_key, self.asking.section, number)
                self._keep(number, pair)
                return pair
        return None

    def _package(self, number: int) -> bytes | None:
        if number not in self._packages:
            self._fetch([number])
        return self._packages.get(number)

    def _fetch(self, numbers: list[int]) -> None:
        self._look_up(numbers)
        epochs = [self._epochs[number] for number in numbers if number in self._epochs]
        self._packages |= fetch_packages(self.agent, self.asking, epochs)

    def _look_up(self, numbers: list[int]) -> None:
        unknown = [number for number in numbers if number not in self._epochs]
        self._epochs |= {epoch.number: epoch for epoch in epochs_of(self.agent, self.asking.section, unknown)}

    def _known(self, number: int) -> EpochKeys | None:
        epoch = self._epochs.get(number)
        return None if epoch is None else known_pair(self.agent, self.asking.keeper, self.asking.section, epoch)

    def _keep(self, number: int, pair: EpochKeys) -> None:
        self._look_up([number])
        keep_pair(self.agent, self.asking.keeper, self.asking.section, self._epochs[number].seal_key, pair)


def own_pairs(agent: Agent, wallet: Wallet, section: OwnSection, wanted: Iterable[int]) -> dict[int, EpochKeys]:
    """The pairs of one's own section, as far as this device has them; the cold seed opens the rest."""
    asking = as_owner(agent, wallet, section)
    return PairFinder(agent, asking, section.keys.slot_keys, section.schedule[-1].number).find(wanted)


def own_pair(agent: Agent, wallet: Wallet, section: OwnSection) -> EpochKeys:
    """The pair of the epoch that is current in one's own section; ``no-epoch-key`` where this device has no slot in it."""
    number = section.epoch.number
    known = known_pair(agent, wallet.person, section.identity, section.epoch)
    found = {number: known} if known is not None else own_pairs(agent, wallet, section, [number])
    if number not in found:
        raise AgentRefused("no-epoch-key", "this device has no key to the section; was it taken off?")
    return found[number]


def seal_key_for(agent: Agent, asking: Asking, epoch: Epoch) -> bytes:
    """Where an appender seals to: from the epoch's package, checked against the ledger; ``package-missing`` otherwise."""
    known = agent.store.find(KnownSealKey, asking.section, epoch.seal_key)
    if known is not None:
        return known.key
    found = fetch_packages(agent, asking, [epoch])
    key = read_package(found[epoch.number], asking.section, epoch.number).seal_key if found else b""
    if seal_key_hash(key) != epoch.seal_key:
        raise AgentRefused("package-missing", "the vault does not have the section's key package")
    with agent.store.writing():
        agent.store.put(asking.section, epoch.seal_key, KnownSealKey(key))
    return key


def known_pair(agent: Agent, keeper: bytes, section: bytes, epoch: Epoch) -> EpochKeys | None:
    """The pair, where it was found before."""
    known = agent.store.find(KnownPair, keeper + section, epoch.seal_key)
    return None if known is None else EpochKeys(known.seal_seed, known.history)


def keep_pair(agent: Agent, keeper: bytes, section: bytes, seal_key: bytes, pair: EpochKeys) -> None:
    """Keep a pair that was made or found, under the hash of its public key; its history is never lost again."""
    known = agent.store.find(KnownPair, keeper + section, seal_key)
    if known is None or known.history == _NO_HISTORY:
        with agent.store.writing():
            agent.store.put(keeper + section, seal_key, KnownPair(pair.seal_seed, pair.history))
