"""One unchanging look at a ledger, also while another process serves it; and what the ledger anchors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb

from salus.codec import decode
from salus.errors import Malformed, NodeRefused
from salus.ledger.app import Application
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader, TxResult
from salus.ledger.modules.sections.messages import Epoch
from salus.ledger.modules.sections.state import BLOBS, TOMBSTONES, Entry, Section, current_epoch
from salus.ledger.store import Reader, load
from salus.node.identity import own_member
from salus.node.ledger_store import BASE, StoredBlock, as_block, as_header, at_height, begins, placed
from salus.node.replaying import require_signed, require_state
from salus.node.storage import open_reading
from salus.node.vault.sharing import Share

_SECTIONS, _ID = b"sections/", 32
_SECTION_KEY, _PART = len(_SECTIONS) + _ID, len(b"/entry/")


class Ledger:
    """A ledger's state and chain as they were at one moment. Belongs to one thread."""

    def __init__(self, env: lmdb.Environment, txn: lmdb.Transaction, tables: dict[str, Any]) -> None:
        self._env, self._txn, self._tables = env, txn, tables

    def get(self, key: bytes) -> bytes | None:
        """The value of the state's ``key``."""
        return self._get("state", key)

    def keys(self, first: bytes, last: bytes) -> Iterator[bytes]:
        """The state's keys in order."""
        with self._txn.cursor(db=self._tables["state"]) as cursor:
            if cursor.set_range(first) if first else cursor.first():
                for found in cursor.iternext(keys=True, values=False):
                    key = bytes(found)
                    if key >= last:
                        return
                    yield key

    def header(self, height: int) -> ProvenHeader | None:
        """The signed header at ``height``."""
        return as_header(self._get("headers", at_height(height)))

    def block(self, height: int) -> StoredBlock | None:
        """The block at ``height``."""
        return as_block(self._get("blocks", at_height(height)))

    def height(self) -> int:
        """The height of the newest block; `NodeRefused` ``state-damaged`` where none is there."""
        with self._txn.cursor(db=self._tables["blocks"]) as cursor:
            if not cursor.last():
                raise NodeRefused("state-damaged", "the ledger has no block; restore a backup")
            return int.from_bytes(cursor.key(), "big")

    def base(self) -> int:
        """As of `LedgerStore.base`."""
        with self._txn.cursor(db=self._tables["blocks"]) as cursor:
            moved = self._txn.get(BASE)
            return begins(None if moved is None else bytes(moved), bytes(cursor.key()) if cursor.first() else None)

    def result(self, body: bytes) -> tuple[int, TxResult] | None:
        """(height, result) of the body, when it was committed."""
        data = self._get("results", body)
        return None if data is None else placed(body, data, self.block)

    def newest(self) -> ProvenHeader:
        """The newest header; `NodeRefused` ``state-damaged`` where none is there or it cannot be read."""
        with self._txn.cursor(db=self._tables["headers"]) as cursor:
            data = bytes(cursor.value()) if cursor.last() else None
        try:
            found = as_header(data)
        except Malformed as error:
            raise NodeRefused("state-damaged", "the newest header cannot be read; restore a backup") from error
        if found is None:
            raise NodeRefused("state-damaged", "the ledger has no block; restore a backup")
        return found

    @contextmanager
    def later(self) -> Iterator[Ledger]:
        """The same ledger as it is by now."""
        with self._env.begin() as txn:
            yield Ledger(self._env, txn, self._tables)

    def _get(self, table: str, key: bytes) -> bytes | None:
        value = self._txn.get(key, db=self._tables[table])
        return None if value is None else bytes(value)


@contextmanager
def looking(folder: Path) -> Iterator[Ledger]:
    """The ledger's database in ``folder`` as it is at this moment; `NodeRefused` ``state-damaged``."""
    env = open_reading(folder, 4)
    try:
        names = ("state", "blocks", "headers", "results")
        try:
            tables = {name: env.open_db(name.encode("ascii"), create=False) for name in names}
        except lmdb.NotFoundError as error:
            raise NodeRefused("state-damaged", "the ledger's database lacks a table; restore a backup") from error
        with env.begin() as txn:
            yield Ledger(env, txn, tables)
    finally:
        env.close()


def require_sound(genesis: Genesis, ledger: Ledger) -> ProvenHeader:
    """The newest header; raises unless a member signed it and the state is the one that it names."""
    newest = ledger.newest()
    require_signed(genesis, newest)
    require_state(newest, Application(genesis, ledger, ledger.height()))
    return newest


def is_live(state: Reader, blob: bytes) -> bool:
    """Whether an entry of any section holds the blob."""
    return any(True for _ in state.keys(BLOBS + blob + b"/", BLOBS + blob + b"0"))


def is_buried(state: Reader, blob: bytes) -> bool:
    """Whether honest vaults delete the blob: a section held it once, and none does now."""
    first, last = TOMBSTONES + blob + b"/", TOMBSTONES + blob + b"0"
    return any(True for _ in state.keys(first, last)) and not is_live(state, blob)


def buried(state: Reader) -> Iterator[bytes]:
    """Every blob that honest vaults delete, once each."""
    before = b""
    for key in state.keys(TOMBSTONES, TOMBSTONES[:-1] + b"0"):
        blob = key[len(TOMBSTONES) : len(TOMBSTONES) + 32]
        if blob != before and not is_live(state, blob):
            yield blob
        before = blob


def anchored_by(changes: Mapping[bytes, bytes | None]) -> set[bytes]:
    """The blobs that a block's changes to the state anchor: of entries, and of key packages."""
    found = set[bytes]()
    for key, value in changes.items():
        if value is not None and key.startswith(BLOBS):
            found.add(key[len(BLOBS) : len(BLOBS) + 32])
        elif value is not None and key.startswith(_SECTIONS) and key[_SECTION_KEY:].startswith(b"/epoch/"):
            found.add(decode(value, Epoch, limit=1024).package)
    return found


def entries(state: Reader) -> Iterator[Entry]:
    """Every entry of every section that is not erased."""
    for key in _parts(state, b"/entry/"):
        found = load(state, key, Entry)
        if found is not None and not found.erased:
            yield found


def packages(state: Reader, time: int | None = None) -> Iterator[bytes]:
    """The key packages that epochs name: all, or those that are current at ``time`` (ms) or later."""
    if time is None:
        yield from (epoch.package for key in _parts(state, b"/epoch/") if (epoch := load(state, key, Epoch)))
        return
    for key in section_keys(state):
        if len(key) == _SECTION_KEY and (found := load(state, key, Section)):
            current = current_epoch(found.schedule, time)
            yield from (epoch.package for epoch in found.schedule if epoch.number >= current.number)


def anchored(state: Reader) -> dict[bytes, int | None]:
    """Every blob that a vault must hold, with its size where the ledger states it; buried ones are none of them."""
    found: dict[bytes, int | None] = {package: None for package in packages(state) if not is_buried(state, package)}
    found.update((entry.blob, entry.size) for entry in entries(state))
    return found


def own_share(genesis: Genesis, node: Path, state: Reader) -> Callable[[bytes], bool]:
    """Whether a blob is to be kept by the member whose node's key lies in the folder ``node``; each is where none does."""
    try:
        share = Share(own_member(genesis, node), state, genesis.parameters)
    except NodeRefused:
        return lambda _: True
    members = share.members()
    return lambda blob: share.own in share.keepers(blob, members)


def section_keys(state: Reader, first: bytes = b"") -> Iterator[bytes]:
    """The keys of all that is kept of sections, in order, from ``first`` on."""
    return state.keys(max(first, _SECTIONS), _SECTIONS[:-1] + b"0")


def blob_at(state: Reader, key: bytes) -> bytes | None:
    """The blob that the entry or epoch at ``key`` anchors and that is not buried; None of any other key."""
    part, blob = key[_SECTION_KEY : _SECTION_KEY + _PART], None
    if part == b"/entry/" and (entry := load(state, key, Entry)) is not None:
        blob = None if entry.erased else entry.blob
    elif part == b"/epoch/" and (epoch := load(state, key, Epoch)) is not None:
        blob = None if is_buried(state, epoch.package) else epoch.package
    return blob


def _parts(state: Reader, part: bytes) -> Iterator[bytes]:
    for key in section_keys(state):
        if key[_SECTION_KEY : _SECTION_KEY + _PART] == part:
            yield key
