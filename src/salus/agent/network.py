"""The port through which an agent reaches a node: in process and over HTTP alike. Nothing that comes back is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from salus.exchange.api import FoundListings, ListingSearch, NodeStatus, Served, Submission, TxStatus
from salus.exchange.envelopes import Drop, MailboxClaim, MailboxCollect, Post
from salus.exchange.listings import SignedListing
from salus.exchange.references import CardDeposit, SealedCard
from salus.exchange.schedules import FoundSlots, SchedulePage, SlotSearch
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader
from salus.ledger.verifying import StateAnswer
from salus.warrants.receipts import ReceiptsAnswer
from salus.warrants.requests import SignedOwner, SignedRead


class Network(Protocol):
    """What a node does for an agent. Refusals arrive as the `SalusError` that the node raised, with its code."""

    def status(self) -> NodeStatus:
        """What the node says of itself."""

    def genesis(self) -> Genesis:
        """The genesis document, to be compared with the agent's own."""

    def submit(self, submission: Submission) -> TxStatus:
        """Blobs durable, transaction committed: returns when the block is durable, or raises what refused it."""

    def result(self, body: bytes) -> TxStatus:
        """What became of a body; height 0 when unknown."""

    def header(self, height: int | None, *, fresh: bool = False) -> ProvenHeader:
        """The header at ``height``, or the newest; ``fresh``: let the node make a block when its newest is stale."""

    def states(self, keys: Sequence[bytes]) -> tuple[StateAnswer, ...]:
        """State by key, with proofs, all under one and the same header; at most 512 keys."""

    def read(self, request: SignedRead) -> Served:
        """Sealed entries for a proven holder, after a durable receipt."""

    def receipts(self, request: SignedOwner) -> ReceiptsAnswer:
        """A section's receipts, for its owner."""

    def open_mailbox(self, claim: MailboxClaim) -> None:
        """Open or change a mailbox at the member that the claim names."""

    def drop(self, drop: Drop) -> None:
        """Leave a sealed envelope at the member that it names; the node stamps one that has neither token nor stamp."""

    def collect(self, request: MailboxCollect) -> Post:
        """Read on in one's own mailbox at the member that the request names."""

    def put_card(self, deposit: CardDeposit) -> None:
        """Leave one's own sealed card, for references, at the member that the deposit names."""

    def card(self, member: bytes, card: bytes) -> SealedCard:
        """The sealed card of this SHA-256 at the member; ``no-such-card``."""

    def put_listing(self, signed: SignedListing) -> None:
        """Keep a listing whose hash the ledger holds."""

    def find_listings(self, search: ListingSearch) -> FoundListings:
        """Listings that match every word."""

    def put_page(self, page: SchedulePage) -> None:
        """Keep the page of a schedule whose root the ledger has."""

    def page(self, root: bytes) -> SchedulePage:
        """The page of a schedule that stands by this root; ``no-such-page``."""

    def find_slots(self, search: SlotSearch) -> FoundSlots:
        """The first slots that are wanted and can be taken."""
