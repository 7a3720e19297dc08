"""Making a section when it is first needed, with its key package and the committed next owner."""

from __future__ import annotations

from salus.agent.epoch_pairs import keep_pair
from salus.agent.home import Agent
from salus.agent.own_sections import OwnSection, own_section
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header
from salus.agent.wallet import Wallet
from salus.charts.epochs import make_package, new_epoch_keys, seal_key_hash
from salus.charts.sections import SectionKind
from salus.crypto import hpke
from salus.crypto.hashing import sha256
from salus.ledger.modules.sections.messages import CreateSection, Epoch


def ensure_section(agent: Agent, wallet: Wallet, kind: SectionKind, attempt: int = 0) -> OwnSection:
    """The section, made now if it was not there. ``attempt``: see `present`."""
    section = own_section(agent, wallet, kind, attempt)
    if section.exists:
        return section
    pair = new_epoch_keys()
    package = make_package(section.identity, 0, pair, None, wallet.record.recovery, ((section.keys.slot_keys[0], True),))
    sealed_to = seal_key_hash(hpke.public_key(pair.seal_seed))
    schedule = (Epoch(0, newest_header(agent).time, sealed_to, sha256(package)),)
    keep_pair(agent, wallet.person, section.identity, sealed_to, pair)
    action = CreateSection(section.keys.owner.public, wallet.next_owner(kind), schedule)
    submit(agent, [action], [section.keys.owner], [package])
    return own_section(agent, wallet, kind, attempt)
