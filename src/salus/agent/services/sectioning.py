"""A principal's own sections: made when first needed, with their key package and the committed next owner."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record
from salus.agent.wallet import SectionKeys, Wallet
from salus.charts.epochs import epoch_keys, make_package, seal_key_hash
from salus.charts.sections import SectionKind
from salus.crypto import hpke
from salus.crypto.hashing import sha256
from salus.ids import SectionId
from salus.ledger.modules.sections.messages import CreateSection, Epoch
from salus.ledger.modules.sections.state import Section, section_id, section_key


@dataclass(frozen=True)
class OwnSection:
    """A section of one's own, and the keys to it. ``count`` entries were there when it was looked at."""

    kind: SectionKind
    identity: SectionId
    keys: SectionKeys
    count: int
    exists: bool

    @property
    def seal_seed(self) -> bytes:
        """The read secret of epoch 0, the one in use."""
        return epoch_keys(self.keys.secret, 0).seal_seed

    @property
    def seal_key(self) -> bytes:
        """Where entries of epoch 0 are sealed to."""
        return hpke.public_key(self.seal_seed)

    @property
    def receipt_key(self) -> bytes:
        """Where receipts of this section are sealed to."""
        return hpke.public_key(self.keys.receipt_seed)


def own_section(agent: Agent, wallet: Wallet, kind: SectionKind) -> OwnSection:
    """The section as the ledger has it now; ``exists`` False when it was not made yet."""
    keys = wallet.section(kind)
    identity = section_id(agent.network_id, keys.owner.public, wallet.next_owner(kind))
    found = record(agent, section_key(identity), Section)
    return OwnSection(kind, identity, keys, found.count if found else 0, found is not None)


def own_sections(agent: Agent, wallet: Wallet) -> list[OwnSection]:
    """Every section of the wallet that exists."""
    return [section for kind in SectionKind if (section := own_section(agent, wallet, kind)).exists]


def ensure_section(agent: Agent, wallet: Wallet, kind: SectionKind) -> OwnSection:
    """The section, made now if it was not there."""
    section = own_section(agent, wallet, kind)
    if section.exists:
        return section
    package = make_package(section.identity, 0, epoch_keys(section.keys.secret, 0), None, wallet.record.recovery)
    began = newest_header(agent).time
    schedule = (Epoch(0, began, seal_key_hash(section.seal_key), sha256(package)),)
    action = CreateSection(section.keys.owner.public, wallet.next_owner(kind), schedule)
    submit(agent, [action], [section.keys.owner], [package])
    return own_section(agent, wallet, kind)
