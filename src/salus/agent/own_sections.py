"""A principal's own sections, as the ledger has them."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.verify import newest_header, records
from salus.agent.wallet import SectionKeys, Wallet
from salus.charts.sections import SectionKind
from salus.crypto import hpke
from salus.ids import SectionId
from salus.ledger.modules.sections.messages import Epoch
from salus.ledger.modules.sections.state import Section, current_epoch, section_key


@dataclass(frozen=True)
class OwnSection:
    """A section of one's own, the keys to it, and what the ledger had of it at block time ``time`` (ms).

    ``now`` is when the next block is taken to be made, by which its epoch is chosen.
    """

    kind: SectionKind
    keys: SectionKeys
    found: Section | None
    time: int
    now: int

    @property
    def identity(self) -> SectionId:
        """The section's id, whether or not it was made yet."""
        return self.keys.identity

    @property
    def exists(self) -> bool:
        """Whether the section was made."""
        return self.found is not None

    @property
    def count(self) -> int:
        """How many entries were there."""
        return self.found.count if self.found else 0

    @property
    def schedule(self) -> tuple[Epoch, ...]:
        """The epoch that was current when the schedule was set, and those that follow it."""
        return self.found.schedule if self.found else ()

    @property
    def epoch(self) -> Epoch:
        """The epoch that entries are sealed to now."""
        return current_epoch(self.schedule, self.now)

    @property
    def receipt_key(self) -> bytes:
        """Where receipts of this section are sealed to."""
        return hpke.public_key(self.keys.receipt_seeds[0])


def own_section(agent: Agent, wallet: Wallet, kind: SectionKind, attempt: int = 0) -> OwnSection:
    """The section as the ledger has it now; ``exists`` False when it was not made yet. ``attempt``: see `present`."""
    keys = wallet.section(kind, agent.network_id)
    now = present(agent, attempt)
    found, header = records(agent, [section_key(keys.identity)], Section)
    return OwnSection(kind, keys, found[0], header.time, max(header.time, now))


def present(agent: Agent, attempt: int) -> int:
    """When the next block is taken to be made (ms): by this home's clock first, since the newest block may be of long ago.

    Where the ledger refused that, every other attempt goes by the ledger alone, after asking for a block of now.
    """
    if not attempt:
        return agent.clock()
    newest = newest_header(agent, fresh=True).time
    return newest if attempt % 2 else max(newest, agent.clock())


def own_sections(agent: Agent, wallet: Wallet) -> list[OwnSection]:
    """Every section of the wallet that exists. They are asked for one by one: a node is not told which belong together."""
    return [section for kind in SectionKind if (section := own_section(agent, wallet, kind)).exists]
