"""Several nodes, of which one is used: another one when that does not answer, or was caught telling what is not so.

A home without a node of its own names them in ``agent/nodes.toml``; it trusts none of them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from salus.agent.network import Network
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.addressing import NodeAddress, split_pin
from salus.exchange.api import FoundListings, ListingSearch, NodeStatus, Served, Submission, TxStatus
from salus.exchange.client import UNREACHED, NodeClient
from salus.exchange.envelopes import Drop, MailboxClaim, MailboxCollect, Post
from salus.exchange.guests import Invitation
from salus.exchange.inviting import GuestKeys, redeem
from salus.exchange.listings import SignedListing
from salus.exchange.references import CardDeposit, SealedCard
from salus.exchange.schedules import FoundSlots, SchedulePage, SlotSearch
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader
from salus.ledger.verifying import StateAnswer
from salus.warrants.receipts import ReceiptsAnswer
from salus.warrants.requests import SignedOwner, SignedRead

T = TypeVar("T")

_LOG = logging.getLogger("salus.agent")
MAX_NODES = 16
PRUNED = "node/pruned"  # what a node says of a header that it does not have any more


class NodesConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``nodes.toml``: addresses, the one to begin with first."""

    nodes: Annotated[tuple[NodeAddress, ...], msgspec.Meta(min_length=1, max_length=MAX_NODES)]


def read_nodes(path: Path) -> NodesConfig:
    """The addresses in ``path``; `AgentRefused` ``bad-nodes`` for anything but a list of them."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=NodesConfig)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise AgentRefused("bad-nodes", "nodes.toml does not name the nodes of this home") from error


def nodes_file(urls: Sequence[str]) -> bytes:
    """What `read_nodes` reads; ``bad-nodes`` for what is no address."""
    config = named(urls)
    lines = "".join(f"  {msgspec.json.encode(url).decode()},\n" for url in config.nodes)
    return f"nodes = [\n{lines}]\n".encode()


def named(urls: Sequence[str]) -> NodesConfig:
    """The addresses as they are kept; ``bad-nodes`` for what is no address."""
    try:
        return msgspec.convert({"nodes": [url.rstrip("/") for url in urls]}, NodesConfig)
    except msgspec.ValidationError as error:
        raise AgentRefused("bad-nodes", "a node is named by its address, such as https://node.example:443") from error


class Nodes:
    """The network port over several nodes. What one does not answer is asked of the next. ``guest``: the home's guest keys."""

    def __init__(self, urls: Sequence[str], timeout: float = 60.0, guest: GuestKeys | None = None) -> None:
        self._guest, self._turning = guest, threading.Lock()
        self._nodes = [(url, NodeClient(url, timeout, guest)) for url in urls]

    @property
    def url(self) -> str:
        """The address of the node in use."""
        return self._nodes[0][0]

    def turn_away(self) -> str:
        """Leave the node in use for good: its address, or "" when there is no other one to turn to."""
        if len(self._nodes) == 1:
            return ""
        url, node = self._nodes.pop(0)
        node.close()
        return url

    def pass_over(self) -> bool:
        """Let the node in use be the last one to be asked; whether there is another."""
        self._nodes.append(self._nodes.pop(0))
        return len(self._nodes) > 1

    def status(self) -> NodeStatus:
        """What the node says of itself."""
        return self._ask(lambda node: node.status())

    def genesis(self) -> Genesis:
        """The node's genesis document."""
        return self._ask(lambda node: node.genesis())

    def submit(self, submission: Submission) -> TxStatus:
        """Submit a transaction; the same body at another node does no harm."""
        return self._ask(lambda node: node.submit(submission))

    def result(self, body: bytes) -> TxStatus:
        """What became of a body."""
        return self._ask(lambda node: node.result(body))

    def header(self, height: int | None, *, fresh: bool = False) -> ProvenHeader:
        """A header; one that the node in use does not have any more as another one shows it that does."""
        try:
            return self._ask(lambda node: node.header(height, fresh=fresh))
        except NodeRefused as refused:
            if refused.full_code != PRUNED:
                raise
            for _, node in self._nodes[1:]:
                with suppress(SalusError):
                    return node.header(height)
            raise

    def states(self, keys: Sequence[bytes]) -> tuple[StateAnswer, ...]:
        """State with proofs."""
        return self._ask(lambda node: node.states(keys))

    def read(self, request: SignedRead) -> Served:
        """Sealed entries."""
        return self._ask(lambda node: node.read(request))

    def receipts(self, request: SignedOwner) -> ReceiptsAnswer:
        """Receipts."""
        return self._ask(lambda node: node.receipts(request))

    def open_mailbox(self, claim: MailboxClaim) -> None:
        """Open or change a mailbox."""
        self._ask(lambda node: node.open_mailbox(claim))

    def drop(self, drop: Drop) -> None:
        """Leave a sealed envelope."""
        self._ask(lambda node: node.drop(drop))

    def collect(self, request: MailboxCollect) -> Post:
        """Read on in one's own mailbox."""
        return self._ask(lambda node: node.collect(request))

    def put_card(self, deposit: CardDeposit) -> None:
        """Leave one's own sealed card."""
        self._ask(lambda node: node.put_card(deposit))

    def card(self, member: bytes, card: bytes) -> SealedCard:
        """A sealed card."""
        return self._ask(lambda node: node.card(member, card))

    def redeem(self, invitation: Invitation) -> None:
        """Become a guest of the member who invited, at that member's node; `AgentRefused` ``no-inviting-node`` without one."""
        unreachable: AgentRefused | None = None
        for _, node in self._nodes:
            try:
                if self._guest is not None and node.status().member == invitation.member:
                    node.redeem(redeem(invitation, self._guest.at(invitation.member)))
                    return
            except AgentRefused as error:
                unreachable = error
        raise unreachable or AgentRefused("no-inviting-node", "none of this home's nodes is of the member who invited")

    def put_listing(self, signed: SignedListing) -> None:
        """Keep a listing."""
        self._ask(lambda node: node.put_listing(signed))

    def find_listings(self, search: ListingSearch) -> FoundListings:
        """Listings that match."""
        return self._ask(lambda node: node.find_listings(search))

    def put_page(self, page: SchedulePage) -> None:
        """Keep the page of a schedule."""
        self._ask(lambda node: node.put_page(page))

    def page(self, root: bytes) -> SchedulePage:
        """The page of a schedule by its root."""
        return self._ask(lambda node: node.page(root))

    def find_slots(self, search: SlotSearch) -> FoundSlots:
        """Slots that can be taken."""
        return self._ask(lambda node: node.find_slots(search))

    def close(self) -> None:
        """Close all connections."""
        for _, node in self._nodes:
            node.close()

    def _ask(self, act: Callable[[Network], T]) -> T:
        """Ask the node in use; one that does not answer, or by another key than its own, goes to the end of the row.

        Several threads may ask at once.
        """
        for _ in self._nodes[1:]:
            asked = self._nodes[0]
            try:
                return act(asked[1])
            except AgentRefused as error:
                if error.full_code not in UNREACHED:
                    raise
                if error.code == "wrong-certificate":
                    _LOG.warning("%s was passed over: %s", split_pin(asked[0])[0], error)
                with self._turning:
                    if self._nodes[0] is asked:  # several questions at once meet one node that does not answer
                        self._nodes.append(self._nodes.pop(0))
        return act(self._nodes[0][1])
