"""The invariants, after each step: blocks against the state, who opens what, what was served, what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salus.agent.given import GivenGrant
from salus.agent.wallet import Wallet
from salus.charts.entry import EntryKind, Erased, Opened
from salus.charts.fold import NOBODY, Placed, Status, fold, source_key
from salus.charts.grant import Grant
from salus.charts.sealing import commitment
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.crypto.signing import require_signature
from salus.errors import SalusError
from salus.ids import Height, Millis, VerifyKey
from salus.ledger.app import Application
from salus.ledger.machine import Block
from salus.ledger.modules.sections.state import Entry, Section, entry_key, section_key
from salus.ledger.store import MemoryStore, load
from salus.warrants.receipting import next_head, open_receipt
from simulation.faults import Step
from simulation.ledger_model import Broken, LedgerModel, SealedEntry
from simulation.reading_model import Asked, ReadingModel
from simulation.world import PEOPLE

NO_ASKED = Asked("", "", (), False, False, False, 0)


class Checks:
    """What is known of a run, and what must hold of it."""

    def __init__(self, run: Any) -> None:
        self.run, self.world = run, run.world
        self.ledger = LedgerModel(self.world.founded.genesis)
        self.wallets: dict[str, Wallet] = {}
        for home in self.world.homes.values():
            for wallet in home.wallets:
                self.wallets.setdefault(wallet.record.name, wallet)
        network = self.ledger.network
        owners = {
            bytes(wallet.section(kind, network).identity): (name, kind)
            for name, wallet in self.wallets.items()
            for kind in SectionKind
        }
        self.reading = ReadingModel(self.ledger, owners, {home: list(persons) for home, persons in PEOPLE.items()})
        self.memory = MemoryStore()
        self.replica = Application(self.world.founded.genesis, self.memory, 0)
        self.memory.apply(self.replica.init_chain())
        self.headers: dict[int, bytes] = {}
        self.transactions: list[bytes] = []
        self.seen: dict[tuple[bytes, int], Opened] = {}
        self.receipts: dict[tuple[bytes, bytes], list[bytes]] = {}  # {(vault, section): heads}
        self.followed: dict[str, int] = {}
        self.owed: list[Grant] = []
        self.expected_anchor: tuple[bytes, int, bytes] | None = None
        self.delivered: set[bytes] = set()
        self.letters: list[tuple[bytes, bytes]] = []

    # -- after each step

    def after(self, homes: Sequence[str]) -> None:
        """Look at all that may have changed; ``homes`` have done something."""
        self._take_blocks()
        self._learn_homes(homes)
        self._require_blobs()
        for home in PEOPLE:
            self.reading.require_no_more_than_granted(home)
        self._require_receipts()
        self._require_acknowledged()
        self._require_taken_back()

    def learn(self, homes: Sequence[str]) -> None:
        """What there is at the beginning."""
        self.after(tuple(homes))

    def _learn_homes(self, homes: Sequence[str]) -> None:
        for home in homes:
            agent = self.world.homes[home].agent
            asked, start = self.run.asked.get(home, (NO_ASKED, self.ledger.newest))
            for wallet in agent.wallets():
                self.reading.learn_wallet(wallet)
                for _, given in agent.store.all(GivenGrant, wallet.person):
                    self.reading.learn_grant(home, given.made(), asked, start)
            self.reading.learn_strings(home, agent.store, agent.index)

    # -- 1 and 4: the ledger

    def _take_blocks(self) -> None:
        engine = self.world.host.node.engine
        newest = engine.newest_header().header.height
        if newest < self.ledger.height:
            raise Broken("durable", f"the ledger went back from block {self.ledger.height} to {newest}")
        if self.ledger.height >= 0 and encode(engine.header(self.ledger.height)) != self.headers[self.ledger.height]:
            raise Broken("4", "a block that was there has become another one")
        for height in range(self.ledger.height + 1, newest + 1):
            signed, block = engine.header(height), engine.block(height)
            self.headers[height] = encode(signed)
            self.ledger.take(signed, block)
            self._replay(signed, block)
        self._require_state()
        for host in self.world.hosts.values():
            self._require_followed(host)

    def _require_followed(self, host: Any) -> None:
        """A node has the blocks that were ordered, one after the other, and the state that they give."""
        engine = host.node.engine
        newest, before = engine.newest_header().header, self.followed.get(host.name, -1)
        if newest.height < before:
            raise Broken("durable", f"the ledger of {host.name} went back from block {before} to {newest.height}")
        for height in range(before + 1, newest.height + 1):
            if encode(engine.header(height)) != self.headers.get(height):
                raise Broken("4", f"{host.name} has another block {height} than was ordered")
        if engine.app.info().root != newest.state:
            raise Broken("4", f"{host.name} has another state after block {newest.height}")
        self.followed[host.name] = newest.height

    def _replay(self, signed: Any, block: Any) -> None:
        """The block on a second application: the same hash, the same results; and its transactions are refused from then on."""
        header = signed.header
        if header.height:
            final = self.replica.finalize_block(Block(Height(header.height), Millis(header.time), block.transactions))
            if final.results != block.results:
                raise Broken("4", f"a replay of block {header.height} gives other results")
            self.memory.apply(self.replica.commit())
            self.replica.committed()
        if self.replica.info().root != header.state:
            raise Broken("4", f"a replay of block {header.height} gives another application hash")
        applied = [data for data, result in zip(block.transactions, block.results, strict=True) if not result.refusal]
        for data in applied:
            try:
                self.replica.check_tx(data, header.time + 1)
            except SalusError:
                continue
            raise Broken("4", f"a transaction of block {header.height} would be taken a second time")

    def _require_state(self) -> None:
        """The state is what the blocks say."""
        state = self.world.host.node.engine.state
        for identity, section in self.ledger.sections.items():
            found = load(state, section_key(identity), Section)
            if found is None or (found.owner, found.count) != (section.owner, len(section.entries)):
                raise Broken("1", "a section is not what its blocks say")
            for entry in section.entries:
                kept = load(state, entry_key(identity, entry.number), Entry)
                if kept is None or (kept.blob, kept.writer, kept.commitment, kept.epoch, kept.time, bool(kept.erased)) != (
                    entry.blob,
                    entry.writer,
                    entry.commitment,
                    entry.epoch.number,
                    entry.first.time,
                    entry.erased,
                ):
                    raise Broken("1", "an entry is not what its blocks say")

    # -- nothing acknowledged is lost; what was erased is gone

    def _require_blobs(self) -> None:
        """The vault has what the ledger anchors, and nothing of what was erased. What is new is opened, by its owner's keys."""
        blobs = self.world.host.node.blobs
        for identity, section in self.ledger.sections.items():
            for epoch, at in section.packages:
                if epoch.seal_key not in self.reading.packages:
                    self.reading.learn_package(identity, epoch.number, self._blob(epoch.package), at)
            for entry in section.entries:
                if entry.erased:
                    continue
                if entry.blob not in self.reading.opened:
                    self.reading.learn_entry(identity, entry, data := self._blob(entry.blob))
                    self.run.passed.sealings.setdefault((identity, entry.number), []).append(data)
                    self._require_same(identity, entry)
                elif not blobs.has(entry.blob):
                    raise Broken("durable", "the vault has lost a blob")
        for blob in self.ledger.buried:
            if blobs.has(blob):
                raise Broken("erased", "the vault still has what was erased")

    def _blob(self, blob: bytes) -> bytes:
        try:
            data = self.world.host.node.blobs.get(blob)
        except SalusError:
            data = None
        if data is None:
            raise Broken("durable", "the vault has not what the ledger anchors")
        return data

    def every_blob(self) -> None:
        """Each blob is whole."""
        for section in self.ledger.sections.values():
            for entry in section.entries:
                if not entry.erased:
                    self._blob(entry.blob)

    # -- 3: what was signed stays what it was

    def _require_same(self, identity: bytes, entry: SealedEntry) -> None:
        """A new blob under a number says what was signed: there from the start, in this section, by its author."""
        opened = self.reading.opened[entry.blob][1]
        if commitment(opened.inside) != entry.commitment:
            raise Broken("3", "an entry is not the one that was committed to")
        if opened.header.section != identity:
            raise Broken("3", "an entry stands in another section than it was signed for")
        before = self.seen.get((identity, entry.number))
        if before is not None:
            if encode(before.header) != encode(opened.header) or before.versions != opened.versions:
                raise Broken("3", "an entry was changed under its number")
            for old, new in zip(before.leaves, opened.leaves, strict=True):
                if isinstance(old, Erased) and not isinstance(new, Erased):
                    raise Broken("3", "an erased resource came back")
        self.seen[(identity, entry.number)] = opened

    def placed(self, person: str, home: str = "") -> list[Placed]:
        """The entries of a person's chart; with ``home``, those that it may open."""
        found = []
        for section, entry in self.reading.entries():
            owner, kind = self.reading.owners[section]
            if owner == person and kind is not SectionKind.MANIFEST:
                opened = self.reading.opened[entry.blob][1]
                if not home or self.reading.may_open(home, section, entry):
                    found.append(Placed(kind, entry.number, entry.first.height, entry.first.time, opened))
        return found

    def require_currency(self, person: str) -> None:
        """The product's fold, against a smaller one: nothing ended stands, all that was not ended does."""
        placed = self.placed(person)
        ended = _ended(placed)
        chart = fold(placed)
        latest: dict[tuple[Any, bytes], bytes] = {}
        for version in chart.versions:
            standing = version.status in (Status.CURRENT, Status.CONFLICT)
            marks = version.header.kind in (EntryKind.WITHDRAWAL, EntryKind.ENTERED_IN_ERROR)
            same = latest.setdefault((version.identity, version.leaf.data), version.version) != version.version
            if standing and (version.version in ended or marks):
                raise Broken("3", f"a version of {version.identity[1]} that has ended stands again")
            if not standing and version.version not in ended and not marks and not same:
                raise Broken("3", f"a version of {version.identity[1]} has ended, and its author did not end it")

    # -- 5: receipts

    def _require_receipts(self) -> None:
        for home, read, served, height in self.run.passed.served:
            self._require_allowed(home, read, height)
            self._require_receipt(home, read, served)
        self.run.passed.served.clear()
        for (vault, section), heads in self.receipts.items():
            if self.world.host_at(vault).node._log.count(section) < len(heads):
                raise Broken("5", "the vault has lost a receipt")
        self._require_anchors()

    def _require_allowed(self, home: str, read: Any, height: int) -> None:
        """What was served was not revoked in a block that the vault had."""
        ends = [self.ledger.revoked.get(link.link.revocation) for link in read.warrant.links]
        if any(end is not None and end.height <= height for end in ends):
            raise Broken("revoked", f"{home} was served under a warrant whose revocation the vault had")

    def _require_receipt(self, home: str, read: Any, served: Any) -> None:
        """What was served has a receipt, which is the reader's signed request, and which only the owner opens."""
        promise, section, vault = served.promise.promise, read.request.section, read.request.vault
        log = self.world.host_at(vault).node._log
        found = log.since(section, promise.index, 1)
        if not found or found[0].index != promise.index or found[0].head != promise.head:
            raise Broken("5", f"what {home} was served has no receipt")
        owner, kind = self.reading.owners[section]
        seed = self.wallets[owner].section(kind, self.ledger.network).receipt_seeds[0]
        receipt = open_receipt(seed, found[0].sealed, self.ledger.network, section)
        if encode(receipt.read) != encode(read):
            raise Broken("5", f"the receipt of what {home} was served is another request's")
        holder = VerifyKey(read.warrant.links[-1].link.holder)
        require_signature(holder, "salus/vault-request/1", encode(read.request), read.signature)
        heads = self.receipts.setdefault((vault, section), [])
        while len(heads) <= promise.index:
            heads.append(log.since(section, len(heads), 1)[0].head)
        if heads[promise.index] != promise.head:
            raise Broken("5", "a receipt has become another one")

    def every_receipt(self) -> None:
        """Each receipt that there ever was is there."""
        for (vault, section), heads in self.receipts.items():
            stored = self.world.host_at(vault).node._log.since(section, 0)
            head = bytes(32)
            for index, known in enumerate(heads):
                head = next_head(head, stored[index].sealed)
                if stored[index].head != known or head != known:
                    raise Broken("5", "a receipt has become another one")

    def about_to_anchor(self, host: Any) -> None:
        """What the next anchor of a vault has to say."""
        member, node = host.identity.member, host.node
        number = len(self.ledger.anchors.get(member, []))
        self.expected_anchor = (member, number, node._log.next_anchor(number, node.vault.blind).root())

    def _require_anchors(self) -> None:
        if self.expected_anchor is not None:
            member, number, root = self.expected_anchor
            made = self.ledger.anchors.get(member, [])
            if len(made) > number and made[number][0] != root:
                raise Broken("5", "an anchor does not stand over the receipts that there were")
            self.expected_anchor = None
        for host in self.world.hosts.values():
            anchors, kept = self.ledger.anchors.get(host.identity.member, []), host.node._log.newest_anchor()
            if kept is not None and (kept.number >= len(anchors) or anchors[kept.number][0] != kept.root()):
                raise Broken("5", "the vault keeps an anchor that the ledger does not have")

    # -- acknowledged, taken back

    def _require_acknowledged(self) -> None:
        for home, _, status in self.run.passed.committed:
            if self.ledger.bodies.get(status.body) != status.height:
                raise Broken("durable", f"what {home} was told to be in block {status.height} is not there")
        self.run.passed.committed.clear()

    def _require_taken_back(self) -> None:
        for made in self.owed:
            for part in made.sections:
                if part.warrant.links[-1].link.revocation not in self.ledger.revoked:
                    raise Broken("rights", "a greedy sponsor has kept somebody from taking a grant back")
        self.owed.clear()

    def taking_back_failed(self, error: SalusError) -> None:
        """Somebody could not take back what was granted, though nothing went wrong."""
        raise Broken("rights", f"under a greedy sponsor taking back ends with {error.full_code}") from error

    def require_expected(self, step: Step, code: str) -> None:
        """Where nothing went wrong, a command is done, or is refused for a reason that its act has."""
        removed = any(removal.home == step.home for removal in self.reading.removals)
        allowed = EXPECTED.get(step.act, ()) + ALWAYS + (GONE if removed else ())
        if self.world.time.skews:
            return
        if code and code not in allowed:
            raise Broken("expected", f"{step.home} {step.act} ends with {code}, and nothing went wrong")

    def require_shown(self, home: str, patient: str, chart: Any) -> None:
        """What a chart shows is there, says what was signed, and may be seen."""
        there = {(v.section, v.number, v.version): v for v in fold(self.placed(patient, home)).versions}
        for version in chart.chart.versions:
            found = there.get((version.section, version.number, version.version))
            if found is None:
                raise Broken("3", f"{home} is shown a version that is not there, or is not its to see")
            if (found.header, found.leaf) != (version.header, version.leaf):
                raise Broken("3", f"{home} is shown something else than was signed")


def _ended(placed: list[Placed]) -> set[bytes]:
    """Versions that were ended by whoever may: their author, or for what nobody licensed wrote, their source."""
    by_version = {
        version: (one.opened.header, leaf.identity)
        for one in placed
        for version, leaf in zip(one.opened.versions, one.opened.leaves, strict=True)
        if not isinstance(leaf, Erased)
    }
    ended = set()
    for one in placed:
        header = one.opened.header
        for named in header.replaces:
            leaf = one.opened.leaves[named.leaf]
            target = by_version.get(named.version)
            if target is None or (not isinstance(leaf, Erased) and leaf.identity != target[1]):
                continue  # of what was erased nobody knows any more what it was; it has ended what its author said
            own = header.author == target[0].author
            same = source_key(header) == source_key(target[0])
            strict = header.kind is EntryKind.ENTERED_IN_ERROR or target[0].licence != NOBODY
            if same and (own or not strict):
                ended.add(named.version)
    return ended


#: Refusals that may come at any time, and those of each act.
ALWAYS: tuple[str, ...] = ("nothing-to-do", "ledger/quota-spent", "paused", "killed")
VAULT = ("warrants/revoked", "warrants/expired", "warrants/licence-not-active", "warrants/licence-needed", "agent/no-grant")
GONE = ("agent/device-taken-off", "agent/no-epoch-key")  # of a device that was taken off
EXPECTED: dict[str, tuple[str, ...]] = {
    "grant": ("agent/nothing-to-grant",),
    "erase": ("agent/no-such-resource", "agent/ambiguous-resource"),
    "chart": VAULT,
    "note": (*VAULT, "agent/no-append-right"),
    "delegate": (*VAULT, "agent/bad-end", "agent/nothing-to-grant"),
    "dismiss": ("agent/not-staff",),
    "suspend": ("licences/wrong-status", "ledger/wrong-status"),
    "reinstate": ("licences/wrong-status", "ledger/wrong-status"),
    "remove": ("agent/no-such-device",),
    "rotate": ("ledger/no-such-section",),
}
