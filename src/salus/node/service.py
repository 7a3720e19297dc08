"""A node, assembled: engine, vault and mailboxes behind the methods that agents call (`salus.agent.network.Network`)."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from salus import __version__
from salus.codec import Record, decode, encode
from salus.crypto.hashing import sha256
from salus.crypto.keys import derive, fresh_nonce
from salus.errors import NodeRefused, SalusError, refusal
from salus.exchange.api import FoundListings, ListingSearch, NodeStatus, Served, Submission, TxStatus
from salus.exchange.client import NodeClient
from salus.exchange.envelopes import Drop, MailboxClaim, MailboxCollect, Post
from salus.exchange.inviting import vouch_as_member
from salus.exchange.listings import SignedListing
from salus.exchange.peering import EngineAnswer, EngineAsk, PeerAnswer, PeerAsk, PeerHeld, Pushed
from salus.exchange.posting import sign_stamp
from salus.exchange.references import CardDeposit, SealedCard
from salus.exchange.schedules import FoundSlots, SchedulePage, SlotSearch
from salus.ids import BodyHash, Millis
from salus.ledger.genesis import Genesis, member_id, network_id, orderer, validators
from salus.ledger.header import ProvenHeader, TxResult
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.members.queries import current_members, member
from salus.ledger.modules.members.state import Member, member_key
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.store import Reader, load
from salus.ledger.tx import Body, Transaction, body_hash, protects_rights
from salus.ledger.verifying import StateAnswer
from salus.node.comet.engine import NOT_ORDERED, CometEngine
from salus.node.comet.joining import Handing, find_start, forget_unproven
from salus.node.comet.runtime import LocalRuntime
from salus.node.comet.signing import numbers, public_key, voting_number
from salus.node.config import Config, reachable_engine
from salus.node.copying import Copying
from salus.node.directory import Directory
from salus.node.engine import Engine, Outcome
from salus.node.following import FollowingEngine
from salus.node.giving import CLOCKS_APART, Giving
from salus.node.guests.admitting import Door
from salus.node.identity import FOUNDING, Identity
from salus.node.ledger_store import LedgerStore
from salus.node.mailbox.letters import Mailboxes
from salus.node.operating.looking import anchored as standing_blobs
from salus.node.operating.looking import is_buried
from salus.node.operating.resyncing import wants_every_block
from salus.node.peers import OrderingPeer, Own, Peers
from salus.node.places import Places, Room
from salus.node.slot_pages import SlotPages
from salus.node.solo import SoloEngine
from salus.node.sponsoring import sponsor_signature, sponsored_by
from salus.node.tally import Tally
from salus.node.vault.anchoring import Anchoring
from salus.node.vault.arriving import Arriving, anchored, held, require_blobs
from salus.node.vault.erasing import Erasing
from salus.node.vault.lying import open_blobs
from salus.node.vault.pushed import PushedBlobs
from salus.node.vault.receipts import ReceiptLog
from salus.node.vault.replicating import Replicating
from salus.node.vault.serving import Vault
from salus.node.vault.sharing import Share
from salus.warrants.receipts import ReceiptsAnswer
from salus.warrants.requests import SignedOwner, SignedRead

T = TypeVar("T")

MAX_STATES = 512
MAX_PASSING = 8  # requests that wait for other members' nodes at once: one that hangs must not take all of this node with it
STORING_SECONDS = 1.0  # how often what is settled goes to the bucket, where there is one
_ANCHOR_EXPIRY = 60_000  # ms


class NodeService:
    """A running node over the folder ``home``. Close it with `stop`.

    Without ``background`` it has no threads of its own: nothing happens but within a call, and `anchor` is the caller's to call.
    """

    def __init__(
        self, home: Path, identity: Identity, config: Config, clock: Callable[[], Millis], *, background: bool = True
    ) -> None:
        self._genesis, self._member, self._key = identity.genesis, identity.member, identity.key
        self._network, self._clock, self._seed = network_id(identity.genesis), clock, identity.seed
        self.on_failure: Callable[[], None] = lambda: None  # told when this node must not go on
        self.config, self._home, self.tally = config, home, Tally()
        self.places, self.room = Places(), Room()
        self._background = background
        self._validating: CometEngine | None = None  # once it has begun
        self._passing = threading.BoundedSemaphore(MAX_PASSING)
        with ExitStack() as opened:
            store = LedgerStore(home / "ledger")
            opened.callback(store.close)
            self.blobs = open_blobs(home, config)
            opened.callback(self.blobs.close)
            self._arriving = Arriving(self.blobs, home / "vault" / "arriving")
            self._erasing = Erasing(self.blobs, self._arriving.alone)
            self.peers = Peers(Own(self._network, self._member, self._key), clock)
            opened.callback(self.peers.close)
            self.replicating: Replicating | None = None
            self._pages: SlotPages | None = None
            patience = self._genesis.parameters.max_expiry + CLOCKS_APART
            self.pushed = PushedBlobs(self.blobs, home / "vault" / "pushed", patience, clock)
            self.engine: Engine = self._make_engine(store)
            opened.callback(self.engine.stop)
            share = Share(self._member, self.engine.state, identity.genesis.parameters)
            self._copying = Copying(share, self.peers, background=background)
            opened.callback(self._copying.stop)
            self._log = ReceiptLog(home / "vault" / "receipts")
            opened.callback(self._log.close)
            self._mailboxes = Mailboxes(
                home / "mailbox", self._network, self._member, config.mailbox_letters, clock, self._node_key
            )
            opened.callback(self._mailboxes.close)
            self.directory = Directory(home / "directory", self._network, self.engine)
            opened.callback(self.directory.close)
            self._pages = self.directory.pages
            everybody, known = config.guests == "open", self._is_members_node
            self.door = Door(home / "guests", self._network, self._member, clock, self._applied, known, everybody=everybody)
            opened.callback(self.door.close)
            secret = derive(identity.seed, "vault")
            self.vault = Vault(self.engine, self.blobs, self._log, self._member, self._key, secret, clock, self.tally, share)
            opened.callback(self.blobs.settle)
            self.blobs.begin()
            longest = self._genesis.parameters.max_expiry / 1000 if isinstance(self.engine, CometEngine) else 0.0
            standing = standing_blobs(self.engine.state) if store.base() else {}
            self._arriving.sweep(lambda body: self.engine.result(body) is not None, longest, standing)
            self._erasing.everything(self.engine.state)
            if background:
                self.blobs.start(STORING_SECONDS)
            self._anchoring = Anchoring(
                self.engine,
                self.vault,
                self._log,
                self._member,
                self._submit_own,
                config.anchor_seconds,
                self.tally,
                background=background,
            )
            self._giving = Giving(share, self.engine, self.blobs, self.pushed, self.directory, self.peers, clock)
            self._begin_replicating(opened, share)
            self._opened = opened.pop_all()

    def _make_engine(self, store: LedgerStore) -> Engine:
        """Where members validate, CometBFT; else the first member's node orders blocks, and every other one follows it."""
        local = self.config.comet is not None and self.config.comet.local
        for known, address in self.config.members.items():
            self.peers.know(bytes.fromhex(known), address, keep=local)
        if validators(self._genesis):
            return self._make_comet(store)
        ordering = member_id(orderer(self._genesis).authority)
        if self._member == ordering:
            own = (self._member, self._key, self._clock, self._committed)
            return SoloEngine(self._genesis, store, *own, background=self._background)
        if not self.config.follow:
            raise NodeRefused("no-orderer", "config.toml does not say where the node answers that orders blocks (follow)")
        self.peers.address = self.config.address
        self.peers.know(ordering, self.config.follow)
        following = OrderingPeer(self.peers, ordering)
        seconds = self.config.follow_seconds if self._background else None
        return FollowingEngine(self._genesis, store, following, self._clock, seconds, self._committed)

    def _make_comet(self, store: LedgerStore) -> Engine:
        if self.config.comet is None:
            raise NodeRefused("no-engine-config", "config.toml does not say how the other members' engines are reached (comet)")
        self.peers.address = self.config.address
        folder, founding = self._home / "comet", (self._home / FOUNDING).exists()
        number = voting_number(folder, self._seed, self._named_key(store), founding=founding)
        self._votes_with = public_key(self._seed, number)
        forget_unproven(folder, store)
        begun = store.newest() is not None or wants_every_block(self._home)
        start = None if begun else find_start(self._genesis, self.peers, self._clock())
        comet = replace(self.config.comet, reached=reachable_engine(self.config))
        runtime = LocalRuntime(folder, self._genesis, self._seed, comet, number, start)
        handing = Handing(self._home / "snapshots", self._network, self.config.comet, start, store)
        own = (self._clock, self._failed, self._committed)
        self._validating = CometEngine(self._genesis, store, runtime, *own, handing)
        return self._validating

    def _named_key(self, state: Reader) -> bytes | None:
        """The key that this member's validator votes with, as the ledger has it; None while it knows of no such member."""
        found = load(state, member_key(self._member), Member)
        return None if found is None else found.validator

    def _failed(self) -> None:
        self.on_failure()

    @property
    def failure(self) -> str:
        """The code of what this node must not go on after; "" while there is nothing."""
        return self.engine.failure if isinstance(self.engine, CometEngine) else ""

    def _begin_replicating(self, opened: ExitStack, share: Share) -> None:
        """Where there are several members, each keeps its share of what all have sealed."""
        if validators(self._genesis) or len(share.members()) > 1:
            seconds = self.config.follow_seconds if self._background else None
            held, others = (share, self.blobs, self.pushed), (self.directory, self.peers)
            times = (lambda: self.engine.newest_header().header.time, seconds)
            self.replicating = Replicating(*held, *others, self._erasing, self._arriving.alone, *times)
            self.vault.on_altered = self.replicating.altered
            self.replicating.start()
            opened.callback(self.replicating.stop)

    def announce(self, address: str) -> None:
        """Tell other members' nodes that this one answers at ``address``, unless the configuration says where."""
        self.peers.address = self.config.address or address

    def peer(self, ask: PeerAsk) -> PeerAnswer:
        """What another member's node asks for."""
        return self._giving.answer(ask)

    def peer_engine(self, ask: EngineAsk) -> EngineAnswer:
        """What another member's node asks of this one's engine."""
        return self._giving.answer_engine(ask)

    def push(self, pushed: Pushed) -> PeerHeld:
        """What another member's node leaves here, and what this vault holds."""
        return self._giving.take(pushed)

    def status(self) -> NodeStatus:
        """What this node says of itself."""
        newest = self.engine.newest_header().header
        return NodeStatus(self._network, self._member, newest.height, newest.time, __version__, self.engine.base())

    def require_ready(self) -> None:
        """Raise `NodeRefused` ``not-ready`` while the newest block is older than those may be by which others are served."""
        newest, oldest = self.engine.newest_header(fresh=True).header.time, self._genesis.parameters.max_staleness
        if self._clock() - newest > oldest:
            raise NodeRefused("not-ready", "the newest block here is too old to serve others by")

    def genesis(self) -> Genesis:
        """The genesis document."""
        return self._genesis

    def place(self, body: Record) -> AbstractContextManager[None]:
        """Inside, what acts on ``body`` has its place: a transaction one of its sponsor's, anything else needs none.

        `NodeRefused` ``sponsor-busy`` where the sponsor has as many under way as its share of this node's places.
        """
        if not isinstance(body, Submission):
            return nullcontext()
        asked = self._transaction(body).body
        return self.places.of(asked.sponsor, protects=protects_rights(asked))

    def submit(self, submission: Submission) -> TxStatus:
        """Blobs durable first, then the transaction, co-signed as sponsor; a refused transaction's blobs are deleted.

        The same body again returns what became of it. Raises what refuses it.
        """
        transaction = self._transaction(submission)
        sponsored = sponsored_by(Own(self._network, self._member, self._key), self.engine.state, transaction)
        if sponsored is None:
            return self._pass_on(transaction.body.sponsor, lambda peer: peer.submit(submission))
        body = body_hash(transaction.body)
        with self._arriving.alone({body, *anchored(transaction.body)}):
            known = self.engine.result(body)
            given = submission.blobs
            done = self._take(sponsored, body, given) if known is None else self._again(transaction.body, given, known)
        self._erasing.catch_up(self.engine.state)
        return done

    def _transaction(self, submission: Submission) -> Transaction:
        return decode(submission.transaction, Transaction, limit=self._genesis.parameters.max_transaction)

    def _take(self, transaction: Transaction, body: BodyHash, given: tuple[bytes, ...]) -> TxStatus:
        """Copies come before order: nothing is anchored that is not durable often enough, but for what protects rights."""
        own = transaction.body.sponsor == self._member  # another's blobs its own node has seen to
        require_blobs(transaction.body, given, self.blobs if own else None, self.engine.state)
        if given and not protects_rights(transaction.body):
            self.blobs.require_room()
        fresh = self._arriving.bring(body, given)
        try:
            if own:
                self._copying.spread(held(transaction.body, self.blobs), insist=not protects_rights(transaction.body))
            outcome = self.engine.submit(encode(transaction))
            if outcome.result.refusal:
                raise refusal(outcome.result.refusal, "the ledger refused the transaction")
        except SalusError as error:
            if error.full_code != NOT_ORDERED:  # what may still be ordered keeps its blobs
                self._arriving.withdraw(body, fresh)
            raise
        self._arriving.keep(body, fresh)
        for action in transaction.body.actions:
            if isinstance(action, PublishListing):
                self.directory.forget_former(action.holder)
        return _status(outcome)

    def _again(self, body: Body, given: tuple[bytes, ...], known: Outcome) -> TxStatus:
        """What became of a body that is known. What it anchors and this vault has lost since is put back."""
        if not known.result.refusal:
            for data in given:
                blob = sha256(data)
                if blob in anchored(body) and not self.blobs.has(blob) and not is_buried(self.engine.state, blob):
                    self.blobs.put(data)
        return _status(known)

    def result(self, body: bytes) -> TxStatus:
        """What became of a body."""
        known = self.engine.result(body)
        return TxStatus(body, 0, "") if known is None else _status(known)

    def header(self, height: int | None, *, fresh: bool = False) -> ProvenHeader:
        """The header at ``height``, or the newest."""
        return self.engine.newest_header(fresh=fresh) if height is None else self.engine.header(height)

    def states(self, keys: Sequence[bytes]) -> tuple[StateAnswer, ...]:
        """State by key with proofs, all under one header."""
        if len(keys) > MAX_STATES:
            raise NodeRefused("too-many-keys", f"at most {MAX_STATES} keys at once")
        return self.engine.states(keys)

    def read(self, request: SignedRead) -> Served:
        """Sealed entries for a proven holder."""
        return self._at(request.request.vault, lambda: self.vault.serve(request), lambda peer: peer.read(request))

    def receipts(self, request: SignedOwner) -> ReceiptsAnswer:
        """A section's receipts, for its owner."""
        return self._at(request.request.vault, lambda: self.vault.receipts(request), lambda peer: peer.receipts(request))

    def open_mailbox(self, claim: MailboxClaim) -> None:
        """Open or change a mailbox."""
        vouched = vouch_as_member(self._key, claim)
        self._at(claim.member, lambda: self._mailboxes.open(claim), lambda peer: peer.open_mailbox(vouched))

    def drop(self, drop: Drop) -> None:
        """Leave a sealed envelope; who has no token for it does so under this member's stamp."""
        if drop.token is None and drop.stamp is None:
            drop = replace(drop, stamp=sign_stamp(self._key, self._network, self._member, drop, self._clock()))
        self._at(drop.member, lambda: self._mailboxes.drop(drop), lambda peer: peer.drop(drop))

    def collect(self, request: MailboxCollect) -> Post:
        """Read on in one's own mailbox."""
        return self._at(request.member, lambda: self._mailboxes.collect(request), lambda peer: peer.collect(request))

    def put_card(self, deposit: CardDeposit) -> None:
        """Keep a sealed card for references."""
        self._at(deposit.member, lambda: self._mailboxes.put_card(deposit), lambda peer: peer.put_card(deposit))

    def card(self, member: bytes, card: bytes) -> SealedCard:
        """The sealed card of this hash at the member."""
        return self._at(member, lambda: self._mailboxes.card(card), lambda peer: peer.card(member, card))

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

    def put_page(self, page: SchedulePage) -> None:
        """Keep the page of a schedule whose root the ledger has."""
        self.directory.pages.put(page)

    def page(self, root: bytes) -> SchedulePage:
        """The page of a schedule that stands by this root."""
        return self.directory.pages.page(root)

    def find_slots(self, search: SlotSearch) -> FoundSlots:
        """The first slots that are wanted and can be taken."""
        return self.directory.pages.search(search)

    def anchor(self) -> None:
        """Anchor the receipt chains now, if any changed."""
        self._anchoring.anchor()

    def stop(self) -> None:
        """Anchor what is left, then close everything in order."""
        with self._opened:
            self._anchoring.stop()

    def _at(self, addressed: bytes, here: Callable[[], T], there: Callable[[NodeClient], T]) -> T:
        """What this node does itself, or passes on to the member that is addressed: so many at once as may wait for others."""
        return here() if addressed == self._member else self._pass_on(addressed, there)

    def _pass_on(self, addressed: bytes, there: Callable[[NodeClient], T]) -> T:
        peer = self.peers.of(addressed)
        if not self._passing.acquire(blocking=False):
            raise NodeRefused("peer-unreachable", "too much waits for other members' nodes already")
        try:
            return there(peer)
        finally:
            self._passing.release()

    def _is_members_node(self, key: bytes) -> bool:
        return any(self._node_key(identity) == key for identity in current_members(self.engine.state))

    def _node_key(self, identity: bytes) -> bytes:
        return member(self.engine.state, identity).node

    def _applied(self, body: bytes) -> bool:
        known = self.engine.result(body)
        return known is not None and not known.result.refusal

    def _committed(self, results: tuple[TxResult, ...], changes: Mapping[bytes, bytes | None]) -> None:
        self.tally.block([result.refusal for result in results])
        self._erasing.notice(changes)
        if self._pages is not None:
            self._pages.notice(changes)
        if self._validating is not None and member_key(self._member) in changes:
            self._take_new_key(self._validating)
        if self.replicating is not None:
            self.replicating.notice(changes)

    def _take_new_key(self, engine: CometEngine) -> None:
        """Begin again where the ledger names another key of this node's validator than the one that it votes with."""
        named = self._named_key(engine.state)
        if named != self._votes_with and named in [public_key(self._seed, n) for n in numbers(self._home / "comet")]:
            engine.begin_again("the validator votes with its new key from here on")

    def _submit_own(self, action: AnchorReceipts) -> None:
        body = Body(self._network, self._clock() + _ANCHOR_EXPIRY, fresh_nonce(), self._member, (action,))
        outcome = self.engine.submit(encode(Transaction(body, (sponsor_signature(self._key, body),))))
        if outcome.result.refusal:
            raise refusal(outcome.result.refusal, "the ledger refused the anchor")


def _status(outcome: Outcome) -> TxStatus:
    return TxStatus(outcome.result.body, outcome.height, outcome.result.refusal)
