"""A node, assembled: engine, vault and mailboxes behind the methods that agents call (`salus.agent.network.Network`)."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from salus import __version__
from salus.codec import decode, encode
from salus.crypto.hashing import sha256
from salus.crypto.keys import derive, fresh_nonce
from salus.crypto.signing import SigningKey
from salus.durable import make_folder, write_atomically
from salus.errors import NodeRefused, SalusError, refusal
from salus.exchange.api import FoundListings, ListingSearch, NodeStatus, Served, Submission, TxStatus
from salus.exchange.envelopes import MailboxClaim, MailboxCollect, Post
from salus.exchange.listings import SignedListing
from salus.ids import BodyHash, MemberId, Millis
from salus.ledger.genesis import Genesis, network_id
from salus.ledger.header import SignedHeader, TxResult
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.sections.messages import AppendEntry, CreateSection, Rewrite, Rotate
from salus.ledger.tx import SIGNATURE_TAG, Body, Signature, Transaction, body_hash
from salus.ledger.verifying import StateAnswer
from salus.node.config import Config
from salus.node.directory import Directory
from salus.node.engine import Engine, Outcome
from salus.node.ledger_store import LedgerStore
from salus.node.mailbox.letters import Mailboxes
from salus.node.peers import Peers
from salus.node.solo import SoloEngine
from salus.node.tally import Tally
from salus.node.vault.anchoring import Anchoring
from salus.node.vault.blobs import Blobs
from salus.node.vault.erasing import Erasing
from salus.node.vault.receipts import ReceiptLog
from salus.node.vault.serving import Vault
from salus.warrants.receipts import ReceiptsAnswer
from salus.warrants.requests import SignedOwner, SignedRead

MAX_STATES = 512
_ANCHOR_EXPIRY = 60_000  # ms


@dataclass(frozen=True)
class Identity:
    """A node's place in the network: whose it is, and the seed of its keys."""

    genesis: Genesis
    member: MemberId
    seed: bytes

    @property
    def key(self) -> SigningKey:
        """The node key: sponsors, signs headers and promises."""
        return SigningKey(derive(self.seed, "node"))


class NodeService:
    """A running node over the folder ``home``. Close it with `stop`."""

    def __init__(self, home: Path, identity: Identity, config: Config, clock: Callable[[], Millis]) -> None:
        self._genesis, self._member, self._key = identity.genesis, identity.member, identity.key
        self._network, self._clock = network_id(identity.genesis), clock
        self.config, self._home, self.tally = config, home, Tally()
        self._arriving, self._under_way = threading.Condition(), set[bytes]()
        with ExitStack() as opened:
            store = LedgerStore(home / "ledger")
            opened.callback(store.close)
            self.blobs = Blobs(home / "vault" / "blobs")
            self._erasing = Erasing(self.blobs, self._alone)
            self.engine: Engine = SoloEngine(identity.genesis, store, identity.member, self._key, clock, self._committed)
            opened.callback(self.engine.stop)
            self._pending = home / "vault" / "pending"
            self._log = ReceiptLog(home / "vault" / "receipts")
            opened.callback(self._log.close)
            self.peers = Peers()
            opened.callback(self.peers.close)
            self._mailboxes = Mailboxes(home / "mailbox", self._network, self._member, config.mailbox_letters, clock)
            opened.callback(self._mailboxes.close)
            self.directory = Directory(home / "directory", self._network, self.engine)
            opened.callback(self.directory.close)
            secret = derive(identity.seed, "vault")
            self.vault = Vault(self.engine, self.blobs, self._log, self._member, self._key, secret, clock, self.tally)
            self._sweep()
            self._erasing.everything(self.engine.state)
            self._anchoring = Anchoring(
                self.engine, self.vault, self._log, self._member, self._submit_own, config.anchor_seconds, self.tally
            )
            self._opened = opened.pop_all()

    def status(self) -> NodeStatus:
        """What this node says of itself."""
        newest = self.engine.newest_header().header
        return NodeStatus(self._network, self._member, newest.height, newest.time, __version__)

    def genesis(self) -> Genesis:
        """The genesis document."""
        return self._genesis

    def submit(self, submission: Submission) -> TxStatus:
        """Blobs durable first, then the transaction, co-signed as sponsor; a refused transaction's blobs are deleted.

        The same body again returns what became of it. Raises what refuses it.
        """
        limit = self._genesis.parameters.max_transaction
        transaction = decode(submission.transaction, Transaction, limit=limit)
        body = body_hash(transaction.body)
        with self._alone({body, *anchored(transaction.body)}):
            known = self.engine.result(body)
            done = self._take(transaction, body, submission.blobs) if known is None else _status(known)
        self._erasing.catch_up(self.engine.state)
        return done

    def _take(self, transaction: Transaction, body: BodyHash, given: tuple[bytes, ...]) -> TxStatus:
        require_blobs(transaction.body, given, self.blobs)
        fresh = [blob for blob in map(sha256, given) if not self.blobs.has(blob)]
        self._mark(body, fresh)
        for data in given:
            self.blobs.put(data)
        try:
            outcome = self.engine.submit(self._sponsor(transaction, body))
        except SalusError:
            self._unmark(body, fresh)
            raise
        self._unmark(body, fresh if outcome.result.refusal else [])
        if outcome.result.refusal:
            raise refusal(outcome.result.refusal, "the ledger refused the transaction")
        for action in transaction.body.actions:
            if isinstance(action, PublishListing):
                self.directory.forget_former(action.holder)
        return _status(outcome)

    def result(self, body: bytes) -> TxStatus:
        """What became of a body."""
        known = self.engine.result(body)
        return TxStatus(body, 0, "") if known is None else _status(known)

    def header(self, height: int | None, *, fresh: bool = False) -> SignedHeader:
        """The header at ``height``, or the newest."""
        return self.engine.newest_header(fresh=fresh) if height is None else self.engine.header(height)

    def states(self, keys: Sequence[bytes]) -> tuple[StateAnswer, ...]:
        """State by key with proofs, all under one header."""
        if len(keys) > MAX_STATES:
            raise NodeRefused("too-many-keys", f"at most {MAX_STATES} keys at once")
        return self.engine.states(keys)

    def read(self, request: SignedRead) -> Served:
        """Sealed entries for a proven holder."""
        return self.vault.serve(request)

    def receipts(self, request: SignedOwner) -> ReceiptsAnswer:
        """A section's receipts, for its owner."""
        return self.vault.receipts(request)

    def open_mailbox(self, claim: MailboxClaim) -> None:
        """Open or change a mailbox."""
        self._mailboxes.open(claim)

    def drop(self, mailbox: bytes, token: bytes, sealed: bytes) -> None:
        """Leave a sealed envelope."""
        self._mailboxes.drop(mailbox, token, sealed)

    def collect(self, request: MailboxCollect) -> Post:
        """Read on in one's own mailbox."""
        return self._mailboxes.collect(request)

    def letters(self) -> int:
        """How many letters lie in all mailboxes together."""
        return self._mailboxes.letters()

    def disk_free(self) -> int:
        """Bytes that are free on the disk of the node's folder."""
        return shutil.disk_usage(self._home).free

    def anchor_age(self) -> int | None:
        """Milliseconds since the last anchor, or None when there was none since the start."""
        return max(0, self._clock() - self.tally.anchored_at) if self.tally.anchored_at else None

    def put_listing(self, signed: SignedListing) -> None:
        """Keep a listing whose hash the ledger holds."""
        self.directory.put(signed)

    def find_listings(self, search: ListingSearch) -> FoundListings:
        """Listings that match every word."""
        return self.directory.search(search)

    def stop(self) -> None:
        """Anchor what is left, then close everything in order."""
        with self._opened:
            self._anchoring.stop()

    def _committed(self, results: tuple[TxResult, ...], changes: Mapping[bytes, bytes | None]) -> None:
        self.tally.block([result.refusal for result in results])
        self._erasing.notice(changes)

    def _sponsor(self, transaction: Transaction, body: BodyHash) -> bytes:
        """The transaction with this member's signature as its sponsor; rights-protecting ones are never turned away."""
        if transaction.body.sponsor != self._member:
            raise NodeRefused("other-sponsor", "the transaction names another sponsor")
        own = Signature(self._key.public, self._key.sign(SIGNATURE_TAG, body))
        others = [signature for signature in transaction.signatures if signature.key != own.key]
        signatures = tuple(sorted((*others, own), key=lambda signature: signature.key))
        return encode(Transaction(transaction.body, signatures))

    def _submit_own(self, action: AnchorReceipts) -> None:
        expires = self._clock() + _ANCHOR_EXPIRY
        body = Body(self._network, expires, fresh_nonce(), self._member, (action,))
        own = Signature(self._key.public, self._key.sign(SIGNATURE_TAG, body_hash(body)))
        outcome = self.engine.submit(encode(Transaction(body, (own,))))
        if outcome.result.refusal:
            raise refusal(outcome.result.refusal, "the ledger refused the anchor")

    @contextmanager
    def _alone(self, names: set[bytes]) -> Iterator[None]:
        """Inside, no other submission has one of ``names`` (body, blobs): or what one is refused, another would lose."""
        with self._arriving:
            self._arriving.wait_for(lambda: self._under_way.isdisjoint(names))
            self._under_way |= names
        try:
            yield
        finally:
            with self._arriving:
                self._under_way -= names
                self._arriving.notify_all()

    def _mark(self, body: bytes, blobs: list[bytes]) -> None:
        """Remember which blobs are new with this body, so that a crash leaves none behind for ever."""
        if blobs:
            make_folder(self._pending)
            write_atomically(self._pending / body.hex(), b"".join(blobs))

    def _unmark(self, body: bytes, delete: list[bytes]) -> None:
        for blob in delete:
            self.blobs.remove(blob)
        (self._pending / body.hex()).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Delete the blobs of bodies that were never committed; their agent sends the same body with its blobs again."""
        for partial in self._pending.glob(".*"):
            partial.unlink()
        for marker in sorted(self._pending.glob("[0-9a-f]*")):
            data = marker.read_bytes()
            committed = self.engine.result(bytes.fromhex(marker.name)) is not None
            blobs = [data[i : i + 32] for i in range(0, len(data), 32)]
            self.blobs.tidy(blobs)
            self._unmark(bytes.fromhex(marker.name), [] if committed else blobs)


def require_blobs(body: Body, given: tuple[bytes, ...], held: Blobs) -> None:
    """Raise unless every blob that the body anchors is given or held, in its stated size, and nothing else is given."""
    sizes: dict[bytes, int | None] = {sha256(data): len(data) for data in given}
    wanted = anchored(body)
    if any(blob not in wanted for blob in sizes):
        raise NodeRefused("blob-unanchored", "a blob was sent that the transaction does not anchor")
    for blob, stated in wanted.items():
        size = sizes.get(blob, held.size(blob))
        if size is None:
            raise NodeRefused("blob-missing", "the transaction anchors a blob that was not sent")
        if stated - {size}:
            raise NodeRefused("blob-size", "a blob is not of the size that the transaction states")


def anchored(body: Body) -> dict[bytes, set[int]]:
    """The blobs that the body anchors, each with the sizes that it states for it: none for a key package."""
    found: dict[bytes, set[int]] = {}
    for action in body.actions:
        if isinstance(action, AppendEntry | Rewrite):
            found.setdefault(action.blob, set()).add(action.size)
        elif isinstance(action, CreateSection | Rotate):
            for epoch in action.schedule:
                found.setdefault(epoch.package, set())
    return found


def _status(outcome: Outcome) -> TxStatus:
    return TxStatus(outcome.result.body, outcome.height, outcome.result.refusal)
