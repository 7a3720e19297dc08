"""One long history over every ledger module, by chance from a seed: what applies and what is refused, by real transactions.

The network's quota and its longest window are small, so that quotas run out and deadlines come due within the history.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ledger_world import CLINIC, HOUR, LAB, SMALL_ORDER, Ledger, founding, public, signed, some
from salus.codec import decode, encode
from salus.ids import Count
from salus.ledger.genesis import Genesis, LicenceRight
from salus.ledger.header import TxResult
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.licences.messages import IssueLicence, LicenceStatus, SetLicenceStatus
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.receipts.queries import anchors_made
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.sections.messages import (
    AdmitWriter,
    AppendEntry,
    CreateSection,
    Entomb,
    Epoch,
    HandOver,
    RemoveWriter,
    Rewrite,
    Rotate,
)
from salus.ledger.modules.sections.queries import section
from salus.ledger.modules.sections.state import (
    Entry,
    Section,
    commit_owner,
    current_epoch,
    entry_key,
    schedule_hash,
    section_id,
)
from salus.ledger.store import MemoryStore, load
from salus.ledger.tx import Action, Transaction, body_hash, licence_id

WINDOW = 2 * 24 * HOUR  # the longest window of a warrant here: revocations are forgotten within the history
MAX_TRANSACTION = 16_384
_LIMIT = 64 * 1024 * 1024
_RIGHTS = tuple(LicenceRight)


class HistoryBlock(msgspec.Struct, frozen=True, array_like=True):
    """Block time (ms) and transactions, and the application hash and the results that whoever wrote it down came to."""

    time: Count
    transactions: tuple[bytes, ...]
    root: bytes
    results: tuple[TxResult, ...]


@dataclass
class _Section:
    """What the chance knows of a section: the names behind its keys. The rest is asked from the ledger."""

    identity: bytes
    owners: list[str]
    writers: list[str] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return self.owners[-2]

    @property
    def successor(self) -> str:
        return self.owners[-1]


Asked = tuple[tuple[Action, ...], tuple[str, ...]]  # actions, and the names of those who sign besides the sponsor


class Chance:
    """Makes blocks of about ``per_block`` transactions, of ``count`` in all: as an iterator.

    ``ledger`` has executed what was made; ``refusals`` counts the results by refusal ("" : applied).
    """

    def __init__(self, seed: int, count: int, per_block: int) -> None:
        quotas = {"quota": 6 * per_block, "reserve": per_block // 4}
        self.ledger = Ledger(founding(max_warrant_window=WINDOW, max_transaction=MAX_TRANSACTION, **quotas), MemoryStore())
        self.refusals: Counter[str] = Counter()
        self.left = count
        self._per_block = per_block
        self._chance = random.Random(seed)
        self._sections: list[_Section] = []
        self._made_sections: dict[bytes, _Section] = {}
        self._successors: dict[bytes, str] = {}  # commitment: name
        self._licences: list[tuple[bytes, str]] = []  # id, issuer's authority
        self._blobs: list[str] = []
        self._preimages: list[bytes] = []
        self._sent: list[bytes] = []
        self._made = 0
        self._makers: tuple[tuple[Callable[[], Asked], int], ...] = (
            (self._issue, 6),
            (self._set_status, 6),
            (self._create, 8),
            (self._append, 34),
            (self._admit, 7),
            (self._remove, 2),
            (self._rotate, 6),
            (self._hand_over, 3),
            (self._rewrite, 6),
            (self._entomb, 5),
            (self._revoke, 8),
            (self._anchor, 4),
            (self._publish, 4),
            (self._several, 3),
        )

    def __iter__(self) -> Iterator[HistoryBlock]:
        while self.left:
            size = min(self.left, self._chance.randint(1, 2 * self._per_block - 1))
            self.left -= size
            yield self._block(size)

    def _block(self, count: int) -> HistoryBlock:
        ledger = self.ledger
        step = self._chance.choices((self._chance.randint(1, 4_000), HOUR, 36 * HOUR), (90, 7, 3))[0]
        time, before = ledger.time + step, ledger.time
        ledger.time = time
        transactions = tuple(self._transaction() for _ in range(count))
        ledger.time = before
        results = ledger.block(*transactions, at=time)
        self.refusals.update(result.refusal for result in results)
        self._learn(transactions, results)
        return HistoryBlock(time, transactions, ledger.app.info().root, results)

    def _learn(self, transactions: tuple[bytes, ...], results: tuple[TxResult, ...]) -> None:
        """Take note of what was applied."""
        for data, result in zip(transactions, results, strict=True):
            if result.refusal:
                continue
            body = decode(data, Transaction, limit=_LIMIT).body
            for index, action in enumerate(body.actions):
                if isinstance(action, IssueLicence):
                    who = "clinic authority" if action.issuer == CLINIC else "lab authority"
                    self._licences.append((licence_id(body_hash(body), index), who))
                elif isinstance(action, CreateSection):
                    identity = section_id(self.ledger.network, action.owner, action.next_owner)
                    self._sections.append(self._made_sections[identity])
                elif isinstance(action, HandOver):
                    self._made_sections[action.section].owners.append(self._successors[action.next_owner])
        self._sent = [*self._sent[-200:], *transactions]

    def _transaction(self) -> bytes:
        """A transaction that mostly applies; or one that is spoiled in some way, or one that was sent before."""
        if self._sent and self._chance.random() < 0.02:
            return self._chance.choice(self._sent)
        maker = self._chance.choices([maker for maker, _ in self._makers], [weight for _, weight in self._makers])[0]
        actions, names = maker()
        sponsor, node = self._chance.choices(((CLINIC, "clinic node"), (LAB, "lab node")), (3, 1))[0]
        body = self.ledger.body(*actions, sponsor=sponsor, expires=self.ledger.time + self._chance.randint(1_000, 600_000))
        signers = tuple(dict.fromkeys((node, *names)))
        return encode(signed(body, *signers)) if self._chance.random() < 0.93 else self._spoiled(body, signers)

    def _spoiled(self, body: msgspec.Struct, signers: tuple[str, ...]) -> bytes:
        change, now = msgspec.structs.replace, self.ledger.time
        good = signed(body, *signers)
        data = encode(good)
        place = self._chance.randrange(len(data))
        return self._chance.choice(
            (
                lambda: encode(signed(change(body, expires=now), *signers)),
                lambda: encode(signed(change(body, expires=now + 600_001), *signers)),
                lambda: encode(signed(change(body, network=some("another network")), *signers)),
                lambda: encode(signed(change(body, sponsor=some("nobody")), *signers)),
                lambda: encode(signed(body, *signers, "stranger")),
                lambda: encode(signed(body, *signers[:-1], "stranger")),
                lambda: encode(
                    change(good, signatures=(*good.signatures[:-1], change(good.signatures[-1], signature=bytes(64))))
                ),
                lambda: encode(change(good, signatures=good.signatures[::-1] * 2)),
                lambda: data[:place],
                lambda: data[:place] + bytes([data[place] ^ 1 << self._chance.randrange(8)]) + data[place + 1 :],
                lambda: data + bytes(MAX_TRANSACTION),
                lambda: self._chance.randbytes(place),
            )
        )()

    def _fresh(self, what: str) -> str:
        self._made += 1
        return f"{what} {self._made}"

    def _some_section(self) -> _Section:
        if not self._sections or self._chance.random() < 0.01:
            return _Section(some("no section"), ["nobody", "nobody else"])
        return self._chance.choice(self._sections[-40:] if self._chance.random() < 0.8 else self._sections)

    def _kept(self, found: _Section) -> Section | None:
        """The section as it stands after the last block."""
        if self.ledger.store.get(b"sections/" + found.identity) is None:
            return None
        return section(self.ledger.store, found.identity)

    def _epoch(self, found: _Section) -> int:
        kept = self._kept(found)
        now = 0 if kept is None else current_epoch(kept.schedule, self.ledger.time).number
        return now + (self._chance.random() < 0.03)

    def _number(self, found: _Section) -> int:
        kept = self._kept(found)
        return self._chance.randrange(kept.count + 1) if kept else 0

    def _blob(self) -> bytes:
        if self._blobs and self._chance.random() < 0.04:
            return some(self._chance.choice(self._blobs[-500:]))
        self._blobs.append(self._fresh("blob"))
        return some(self._blobs[-1])

    def _issue(self) -> Asked:
        issuer, who = self._chance.choice(((CLINIC, "clinic authority"), (LAB, "lab authority")))
        given = (LicenceRight.REPORT,) if issuer == LAB else tuple(right for right in _RIGHTS if right != "prescribe-controlled")
        rights = self._chance.sample(given if self._chance.random() < 0.9 else _RIGHTS, self._chance.randint(1, len(given)))
        holder = public(self._fresh("holder")) if self._chance.random() < 0.97 else SMALL_ORDER
        expires = self._chance.choice((0, self.ledger.time + HOUR))
        return (IssueLicence(issuer, some("person"), holder, some("card"), tuple(rights), expires),), (who,)

    def _set_status(self) -> Asked:
        """Now and then of the first licence, which is never ended, so that it changes as often as a licence may."""
        nobody = (some("no licence"), "clinic authority")
        if self._licences and self._chance.random() < 0.4:
            identity, who = self._licences[0]
            return (SetLicenceStatus(identity, self._chance.choice((LicenceStatus.ACTIVE, LicenceStatus.SUSPENDED))),), (who,)
        identity, who = self._chance.choice([*self._licences[-60:], nobody])
        return (SetLicenceStatus(identity, self._chance.choice(list(LicenceStatus))),), (who,)

    def _create(self) -> Asked:
        if self._sections and self._chance.random() < 0.03:
            before = self._chance.choice(self._sections)
            owner, successor = before.owners[:2]
        else:
            owner, successor = self._fresh("owner"), self._fresh("owner")
            identity = section_id(self.ledger.network, public(owner), commit_owner(public(successor)))
            self._made_sections[identity] = _Section(identity, [owner, successor])
        schedule = self._schedule(Epoch(0, self.ledger.time - self._chance.choice((0, 0, 0, -1)), some("key"), some("package")))
        return (CreateSection(public(owner), commit_owner(public(successor)), schedule),), (owner,)

    def _schedule(self, first: Epoch) -> tuple[Epoch, ...]:
        """``first``, and a few epochs that are planned behind it; now and then out of order."""
        hour = self.ledger.time // HOUR + 1
        following = self._chance.sample(range(hour, hour + 9), self._chance.randint(0, 3))
        if self._chance.random() < 0.95:
            following.sort()
        epochs = [Epoch(first.number + 1 + i, at * HOUR, some(self._fresh("key")), some("p")) for i, at in enumerate(following)]
        return (first, *epochs)

    def _append(self) -> Asked:
        found = self._some_section()
        by = self._chance.choice((found.owner, *found.writers[-3:]))
        size = self._chance.choice((1_024, 2_048, 65_536))
        return (AppendEntry(found.identity, self._epoch(found), public(by), self._blob(), size, some("header")),), (by,)

    def _admit(self) -> Asked:
        found = self._some_section()
        again = found.writers and self._chance.random() < 0.1
        name = self._chance.choice(found.writers) if again else self._fresh("writer")
        found.writers.append(name)
        expires = self.ledger.time + self._chance.choice((5_000, HOUR, 9 * 24 * HOUR))
        return (AdmitWriter(found.identity, public(name), self._chance.randint(0, 6), 80_000, expires),), (found.owner,)

    def _remove(self) -> Asked:
        found = self._some_section()
        return (RemoveWriter(found.identity, public(self._chance.choice([*found.writers, "nobody"]))),), (found.owner,)

    def _rotate(self) -> Asked:
        found = self._some_section()
        kept = self._kept(found)
        if kept is None:
            return (Rotate(found.identity, some("x"), (Epoch(0, 0, some("key"), some("package")),)),), (found.owner,)
        current = current_epoch(kept.schedule, self.ledger.time)
        previous = schedule_hash(kept.schedule if self._chance.random() < 0.95 else (current, current))
        first = current if self._chance.random() < 0.9 else kept.schedule[0]
        return (Rotate(found.identity, previous, self._schedule(first)),), (found.owner,)

    def _hand_over(self) -> Asked:
        """Mostly of the first section, so that it comes to as many owners as a section may have."""
        first = self._sections and self._chance.random() < 0.5
        found = self._sections[0] if first else self._some_section()
        name = self._fresh("owner")
        following = commit_owner(public(name))
        self._successors[following] = name
        by = found.successor if self._chance.random() < 0.95 else "stranger"
        return (HandOver(found.identity, public(by), following),), (by,)

    def _rewrite(self) -> Asked:
        found = self._some_section()
        number = self._number(found)
        kept = load(self.ledger.store, entry_key(found.identity, number), Entry)
        before = kept.blob if kept is not None and self._chance.random() < 0.95 else some("another blob")
        return (Rewrite(found.identity, number, before, self._blob(), 1_024),), (found.owner,)

    def _entomb(self) -> Asked:
        found = self._some_section()
        return (Entomb(found.identity, self._number(found)),), (found.owner,)

    def _revoke(self) -> Asked:
        if self._preimages and self._chance.random() < 0.08:
            return (Revoke(self._chance.choice(self._preimages[-300:])),), ()
        self._preimages.append(some(self._fresh("preimage")))
        return (Revoke(self._preimages[-1]),), ()

    def _anchor(self) -> Asked:
        vault, node = self._chance.choice(((CLINIC, "clinic node"), (LAB, "lab node")))
        number = anchors_made(self.ledger.store, vault) + self._chance.choice((0, 0, 0, 1))
        return (AnchorReceipts(vault, number, some("anchor"), number),), (node,)

    def _publish(self) -> Asked:
        holder = f"listed {self._chance.randrange(50)}"
        listing = self._chance.choice((some(self._fresh("listing")), bytes(32)))
        return (PublishListing(public(holder), listing),), (holder,)

    def _several(self) -> Asked:
        """A section with its first entries in one transaction; now and then one of them spoils the whole."""
        (creation,), (owner,) = self._create()
        identity = section_id(self.ledger.network, creation.owner, creation.next_owner)
        entries = [AppendEntry(identity, 0, creation.owner, self._blob(), 1_024) for _ in range(self._chance.randint(1, 6))]
        return (creation, *entries), (owner,)


def write(path: Path, seed: int, count: int, per_block: int, told: Callable[[int], None] = lambda _: None) -> Counter[str]:
    """Write a history of ``count`` transactions to ``path``; its results by refusal. ``told`` hears how many are left."""
    chance = Chance(seed, count, per_block)
    with path.open("wb") as file:
        _frame(file.write, encode(chance.ledger.genesis))
        for block in chance:
            _frame(file.write, msgspec.msgpack.encode(block))
            told(chance.left)
    return chance.refusals


def read(path: Path) -> Iterator[Genesis | HistoryBlock]:
    """The genesis document, then the blocks from height 1 on."""
    with path.open("rb") as file:
        yield decode(_taken(file.read), Genesis, limit=_LIMIT)
        while data := _taken(file.read):
            yield msgspec.msgpack.decode(data, type=HistoryBlock)


def _frame(write: Callable[[bytes], object], data: bytes) -> None:
    write(len(data).to_bytes(4, "big") + data)


def _taken(read_bytes: Callable[[int], bytes]) -> bytes:
    return read_bytes(int.from_bytes(read_bytes(4), "big"))
