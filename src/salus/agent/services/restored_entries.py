"""Sealed entries of an export, opened with the keys that came in it: so that a record outlives the vault that kept it."""

from __future__ import annotations

from salus.agent.asking import require_blob
from salus.agent.export_file import ExportEntry
from salus.agent.home import Agent
from salus.agent.opened_index import Opening, remember
from salus.agent.verify import records
from salus.charts.entry import Opened
from salus.charts.sealing import half_of, open_entry, require_committed
from salus.errors import SalusError
from salus.ledger.modules.sections.state import Entry, entry_key

_AT_ONCE = 64
_BYTES = 32 * 1024 * 1024


class Shelf:
    """Opens entries, and keeps in the index of ``agent`` (None: nowhere) what the ledger still has just so.

    What was erased or rewritten since the export was made is not kept: nothing comes back that the patient has ended.
    """

    def __init__(self, agent: Agent | None, network: bytes) -> None:
        self._agent, self._network = agent, network
        self._seeds: dict[bytes, list[bytes]] = {}
        self._waiting: list[tuple[ExportEntry, bytes, Opened]] = []
        self.unopened = 0

    def learn(self, section: bytes, seal_seed: bytes) -> None:
        """Know the key pair of one epoch of a section; which epoch's it is shows when it opens something."""
        self._seeds.setdefault(section, []).insert(0, seal_seed)

    def take(self, content: ExportEntry) -> None:
        """Open one entry; count it where no key of the export does."""
        for seed in self._seeds.get(content.section, []):
            try:
                half = half_of(content.blob, seed, self._network, content.section, content.epoch)
                opened = open_entry(content.blob, half, self._network, content.section, content.epoch)
            except SalusError:
                continue
            self._waiting.append((content, half, opened))
            self._seeds[content.section].remove(seed)
            self._seeds[content.section].insert(0, seed)  # the next entry is likely of the same epoch
            break
        else:
            self.unopened += 1
        if len(self._waiting) >= _AT_ONCE or sum(len(entry.blob) for entry, _, _ in self._waiting) >= _BYTES:
            self.put_away()

    def put_away(self) -> None:
        """Keep what is waiting, as far as the ledger has it."""
        waiting, self._waiting = self._waiting, []
        if self._agent is None:
            return
        found, _ = records(self._agent, [entry_key(content.section, content.number) for content, _, _ in waiting], Entry)
        kept = []
        for (content, half, opened), entry in zip(waiting, found, strict=True):
            if entry is None or entry.erased:
                continue
            try:
                require_blob(content.blob, entry)
                require_committed(opened, entry.commitment)
            except SalusError:
                continue
            kept.append(Opening(content.section, content.blob, half, opened))
        remember(self._agent, kept)
