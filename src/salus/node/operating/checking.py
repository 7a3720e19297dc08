"""``node check``: everything that can be looked at without changing anything, a finding for each."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lmdb

from salus.crypto.keys import derive
from salus.errors import NodeRefused, SalusError
from salus.ledger.genesis import Genesis, validators
from salus.ledger.header import ProvenHeader
from salus.ledger.trusting import require_named
from salus.ledger.verifying import require_next
from salus.node.config import read_config
from salus.node.guests.book import BOOK, GUESTS
from salus.node.identity import own_member, read_node_seed
from salus.node.mailbox.letters import TABLES
from salus.node.operating.looking import Ledger, buried, entries, is_buried, is_live, looking, own_share, packages, require_sound
from salus.node.solo import TOLERATED_LAG
from salus.node.tables import Tables
from salus.node.vault.blobs import Blobs
from salus.node.vault.lying import held_blobs
from salus.node.vault.receipts import ReceiptLog
from salus.warrants.receipting import START, blinded, require_chain

LOW_DISK = 1 << 30  # bytes that a node should have free
_PAGE = 1024


@dataclass(frozen=True)
class Finding:
    """``code`` is a full code, or "" where all is well; ``text`` one line for people."""

    what: str
    code: str
    text: str


class Findings(list[Finding]):
    """What was found so far."""

    def well(self, what: str, text: str) -> None:
        """All is well."""
        self.append(Finding(what, "", text))

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Whatever refuses inside becomes a finding, and the next check goes on."""
        try:
            yield
        except SalusError as error:
            self.append(Finding(what, error.full_code, error.text))
        except (OSError, lmdb.Error) as error:
            self.append(Finding(what, "node/storage-failed", f"the disk refuses ({type(error).__name__})"))

    @property
    def troubles(self) -> int:
        """How many are in trouble."""
        return sum(1 for finding in self if finding.code)


def check(home: Path, genesis: Genesis, now: int, last: int | None = None) -> Findings:
    """Look at the node of ``home``; ``now`` in ms; ``last``: how many of the newest headers are checked, all when None."""
    found, node = Findings(), home / "node"
    with found.of("config"):
        read_config(node / "config.toml")
        found.well("config", "config.toml can be read")
    _check_key(found, node, genesis)
    _check_modes(found, home)
    with found.of("ledger"), looking(node / "ledger") as ledger:
        newest = require_sound(genesis, ledger)
        found.well("ledger", f"block {newest.header.height} is signed, and the state is the one that it names")
        with found.of("chain"):
            _check_chain(found, genesis, ledger, newest, last)
        with found.of("clock"):
            require_clock(newest, now)
            found.well("clock", "this machine's clock is not behind the newest block")
        with found.of("store"), held_blobs(node) as blobs:
            _check_blobs(found, node, genesis, ledger, blobs, newest.header.time)
            found.well("store", blobs.where())
    with found.of("receipts"):
        check_receipts(found, node, genesis)
    with found.of("mailbox"):
        check_mailbox(found, node)
    with found.of("guests"):
        check_guests(found, node)
    with found.of("disk"):
        free = shutil.disk_usage(node).free
        if free < LOW_DISK:
            raise NodeRefused("disk-low", f"{free >> 20} MiB are free; make room before the node stops taking anything in")
        found.well("disk", f"{free >> 30} GiB are free")
    return found


def require_clock(newest: ProvenHeader, now: int) -> None:
    """Raise `NodeRefused` ``clock-behind`` when the clock is so far behind the newest block that no block could be made."""
    if now < newest.header.time - TOLERATED_LAG:
        raise NodeRefused("clock-behind", "this machine's clock runs behind the last block; set it right")


def _check_key(found: Findings, node: Path, genesis: Genesis) -> None:
    with found.of("key"):
        own_member(genesis, node)
        found.well("key", "node.key belongs to a member of the genesis document")


def _check_modes(found: Findings, home: Path) -> None:
    with found.of("modes"):
        keys = (
            home / "node" / "node.key",
            home / "node" / "tls.pem",
            home / "agent" / "agent.key",
            *sorted((home / "cold").glob("*.cold")),
        )
        for path in keys:
            if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise NodeRefused("key-readable", f"others can read a key in {path.parent.name}/; chmod 600 the files there")
        found.well("modes", "key files can be read by their owner alone")


def _check_chain(found: Findings, genesis: Genesis, ledger: Ledger, newest: ProvenHeader, last: int | None) -> None:
    top = newest.header.height
    base = ledger.base()
    oldest = base + 1 if validators(genesis) else 0
    first = oldest if last is None else max(oldest, top - last + 1)
    before: ProvenHeader | None = None
    for height in range(first, top + 1):
        try:
            signed = ledger.header(height)
            if signed is None:
                raise NodeRefused("no-such-height", "no block of this height")
            if before is None and (base or height > oldest):
                require_named(genesis, signed)  # those before it were not asked about
            else:
                require_next(genesis, before, signed)
        except SalusError as error:
            raise NodeRefused("chain-damaged", f"block {height} does not check ({error.full_code})") from error
        before = signed
    found.well("chain", f"headers {first} to {top} are signed and linked")


def _check_blobs(found: Findings, node: Path, genesis: Genesis, ledger: Ledger, blobs: Blobs, time: int) -> None:
    """What this vault is to keep, and that nothing of what was erased is here."""
    own = own_share(genesis, node, ledger)
    with found.of("blobs"):
        wanted = {entry.blob: entry.size for entry in entries(ledger) if own(entry.blob)}
        bad = [blob for blob, size in wanted.items() if blobs.size(blob) != size]
        lost = _standing(ledger, bad, is_live)
        if lost:
            raise NodeRefused("blobs-lost", f"{len(lost)} of {len(wanted)} sealed entries are missing or cut off")
        found.well("blobs", f"{len(wanted)} sealed entries are there, in their sizes")
    with found.of("packages"):
        wanted_packages = set(filter(own, packages(ledger, time)))
        missing = [blob for blob in wanted_packages if not blobs.has(blob) and not is_buried(ledger, blob)]
        if missing:
            raise NodeRefused("blobs-lost", f"{len(missing)} of {len(wanted_packages)} key packages are missing")
        found.well("packages", f"{len(wanted_packages)} key packages are there")
    with found.of("erased"):
        left = _standing(ledger, [blob for blob in buried(ledger) if blobs.has(blob)], is_buried)
        left = [blob for blob in left if blobs.has(blob)]
        if left:
            raise NodeRefused("not-erased", f"{len(left)} erased entries are still there; start the node")
        found.well("erased", "nothing that was erased is on the disk")


def _standing(ledger: Ledger, blobs: list[bytes], still: Callable[[Ledger, bytes], bool]) -> list[bytes]:
    """Those of ``blobs`` for which it holds in the ledger as it is by now: a served node may have gone on meanwhile."""
    if not blobs:
        return []
    with ledger.later() as now:
        return [blob for blob in blobs if still(now, blob)]


def check_mailbox(found: Findings, node: Path) -> None:
    """Whether the mailboxes' database can be read."""
    mailbox = Tables(node / "mailbox", TABLES, reading=True)
    try:
        found.well("mailbox", f"{mailbox.size('boxes')} mailboxes with {mailbox.size('letters')} letters")
    finally:
        mailbox.close()


def check_guests(found: Findings, node: Path) -> None:
    """Whether the guest book can be read."""
    book = Tables(node / "guests", BOOK, reading=True)
    try:
        found.well("guests", f"{book.size(GUESTS)} who are or were guests")
    finally:
        book.close()


def check_receipts(found: Findings, node: Path, genesis: Genesis) -> None:
    """Every chain from its first receipt to its head, and, where the node's key is there, against what was anchored."""
    log = ReceiptLog(node / "vault" / "receipts", reading=True)
    try:
        anchored = log.newest_anchor()  # before the chains, which only grow: they cover it
        heads, total = log.heads(), 0
        secret = _secret(node, genesis)
        leaves = {leaf.blinded: leaf for leaf in anchored.leaves} if anchored and secret else {}
        for section, head, count in heads:
            leaf = leaves.pop(blinded(derive(secret, "blind", section), section), None) if secret else None
            at_leaf = _walk(log, section, count, head, leaf.count if leaf else 0)
            if leaf is not None and at_leaf != leaf.head:
                raise NodeRefused("receipts-damaged", "a chain of receipts is not the one that was anchored; restore a backup")
            total += count
        if leaves:
            raise NodeRefused("receipts-damaged", "a chain of receipts that was anchored is missing; restore a backup")
        found.well("receipts", f"{total} receipts in {len(heads)} chains, none missing or altered")
    finally:
        log.close()


def _secret(node: Path, genesis: Genesis) -> bytes:
    """What hides sections in anchors; empty where the node's own key is not there."""
    try:
        seed = read_node_seed(node / "node.key")
        own_member(genesis, node)
    except NodeRefused:
        return b""
    return derive(seed, "vault")


def _walk(log: ReceiptLog, section: bytes, count: int, end: bytes, mark: int) -> bytes | None:
    """The head after ``mark`` receipts of the section, once all ``count`` were found to lead to the head ``end``."""
    head: bytes = START
    at_mark: bytes | None = START if mark == 0 else None
    for first in range(0, count, _PAGE):
        page = log.since(section, first, min(_PAGE, count - first))
        try:
            head = require_chain(page, first, head)
        except SalusError as error:
            raise NodeRefused("receipts-damaged", "a receipt is missing or altered; restore a backup") from error
        at_mark = next((stored.head for stored in page if stored.index + 1 == mark), at_mark)
    if head != end:
        raise NodeRefused("receipts-damaged", "a chain of receipts is shorter than it was; restore a backup")
    return at_mark
