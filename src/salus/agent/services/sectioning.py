"""Making sections when they are first needed, each with its key package and the committed next owner."""

from __future__ import annotations

from collections.abc import Sequence

from salus.agent.epoch_pairs import keep_pair
from salus.agent.home import Agent
from salus.agent.own_sections import OwnSection, own_section
from salus.agent.services.submitting import Wanted, submit_all
from salus.agent.verify import newest_header
from salus.agent.wallet import Wallet
from salus.charts.epochs import EpochKeys, make_package, new_epoch_keys, seal_key_hash
from salus.charts.sections import SectionKind
from salus.crypto import hpke
from salus.crypto.hashing import sha256
from salus.errors import SalusError
from salus.ledger.modules.sections.messages import CreateSection, Epoch


def ensure_section(agent: Agent, wallet: Wallet, kind: SectionKind, attempt: int = 0) -> OwnSection:
    """The section, made now if it was not there. ``attempt``: see `present`."""
    return ensure_sections(agent, wallet, [kind], attempt)[kind]


def ensure_sections(
    agent: Agent, wallet: Wallet, kinds: Sequence[SectionKind], attempt: int = 0
) -> dict[SectionKind, OwnSection]:
    """Each of the sections; those that were not there are made now, each in a transaction of its own, at once."""
    found = {kind: own_section(agent, wallet, kind, attempt) for kind in kinds}
    lacking = [section for section in found.values() if not section.exists]
    if not lacking:
        return found
    begun = newest_header(agent).time
    made = [_new(wallet, section, begun) for section in lacking]

    def keep() -> None:
        for section, (pair, epoch, _) in zip(lacking, made, strict=True):
            keep_pair(agent, wallet.person, section.identity, epoch.seal_key, pair)

    outcomes = submit_all(agent, [wanted for _, _, wanted in made], keep)
    for refused in outcomes:
        if isinstance(refused, SalusError):
            raise refused
    return found | {section.kind: own_section(agent, wallet, section.kind, attempt) for section in lacking}


def _new(wallet: Wallet, section: OwnSection, begun: int) -> tuple[EpochKeys, Epoch, Wanted]:
    """The pair of the section's first epoch, that epoch, and the transaction that makes the section."""
    pair = new_epoch_keys()
    package = make_package(section.identity, 0, pair, None, wallet.record.recovery, ((section.keys.slot_keys[0], True),))
    epoch = Epoch(0, begun, seal_key_hash(hpke.public_key(pair.seal_seed)), sha256(package))
    action = CreateSection(section.keys.owner.public, wallet.next_owner(section.kind), (epoch,))
    return pair, epoch, Wanted([action], [section.keys.owner], [package])
