"""A node's HTTP API from the other side, as agents and other nodes call it. Problems come back as the refusal that was raised.

The HTTP client loads with the first `NodeClient`: a command that finds its node in its own process would wait for it in vain.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from salus.codec import Record, decode, encode
from salus.errors import AgentRefused, SalusError, refusal
from salus.exchange.addressing import split_pin
from salus.exchange.api import (
    FoundListings,
    ListingSearch,
    NodeStatus,
    Served,
    StatesAnswer,
    StatesRequest,
    Submission,
    TxStatus,
)
from salus.exchange.envelopes import Drop, MailboxClaim, MailboxCollect, Post
from salus.exchange.guests import Redemption
from salus.exchange.inviting import GuestKeys, body_of
from salus.exchange.listings import SignedListing
from salus.exchange.peering import EngineAnswer, EngineAsk, PeerAnswer, PeerAsk, PeerHeld, Pushed
from salus.exchange.references import CardDeposit, SealedCard
from salus.exchange.schedules import FoundSlots, SchedulePage, SlotSearch
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader, decode_header
from salus.ledger.verifying import StateAnswer
from salus.warrants.receipts import ReceiptsAnswer
from salus.warrants.requests import SignedOwner, SignedRead

R = TypeVar("R", bound=Record)

MEDIA = "application/vnd.salus+msgpack"
_LIMIT = 128 * 1024 * 1024
UNDECIDED = "node/not-ordered"
#: What a client says of a node that was not reached, and was sent nothing, or nothing that it answered.
UNREACHED = ("agent/node-unreachable", "agent/wrong-certificate")


class NodeClient:
    """A node at ``address``. With ``guest``, what needs an invitation is vouched for on the way.

    A node that is too busy is asked again ``patience`` times, when it says in how many seconds.
    """

    patience = 5

    def __init__(self, address: str, timeout: float = 60.0, guest: GuestKeys | None = None) -> None:
        import httpx

        from salus.exchange.pinning import context_for

        self._guest, self._lost, self._cut = guest, httpx.TransportError, (httpx.ReadError, httpx.RemoteProtocolError)
        url, verified = split_pin(address)[0], context_for(address)
        self._client = httpx.Client(base_url=url, verify=verified, timeout=timeout, trust_env=False)

    def status(self) -> NodeStatus:
        """What the node says of itself."""
        return self._get("/v1/status", NodeStatus)

    def ahead(self) -> float:
        """By how many seconds the clock of the node's machine is ahead of this one's; by HTTP's ``Date``, so to a second."""
        told = self._ask("GET", "/v1/health", None).headers.get("date", "")
        try:
            return parsedate_to_datetime(told).timestamp() - time.time()
        except ValueError as error:
            raise self.silent("the node does not say what time it is") from error

    def figures(self) -> dict[str, float]:
        """What the node counts, of all that has no label, by name: to a client on its own machine alone."""
        from prometheus_client.parser import text_string_to_metric_families

        families = text_string_to_metric_families(self._call("GET", "/v1/metrics", None).decode("utf-8"))
        return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}

    def genesis(self) -> Genesis:
        """The node's genesis document."""
        return self._get("/v1/genesis", Genesis)

    def submit(self, submission: Submission) -> TxStatus:
        """Submit a transaction with its blobs."""
        if self._guest is not None:
            submission = self._guest.vouch(submission, body_of(submission).sponsor)
        return self._send("POST", "/v1/transactions", submission, TxStatus)

    def result(self, body: bytes) -> TxStatus:
        """What became of a body."""
        return self._get(f"/v1/transactions/{body.hex()}", TxStatus)

    def header(self, height: int | None, *, fresh: bool = False) -> ProvenHeader:
        """A header."""
        name = "newest" if height is None else str(height)
        return decode_header(self._call("GET", f"/v1/headers/{name}{'?fresh=1' if fresh else ''}", None), _LIMIT)

    def states(self, keys: Sequence[bytes]) -> tuple[StateAnswer, ...]:
        """State with proofs."""
        return self._send("POST", "/v1/states", StatesRequest(tuple(keys)), StatesAnswer).answers

    def read(self, request: SignedRead) -> Served:
        """Sealed entries."""
        return self._send("POST", "/v1/entries", request, Served)

    def receipts(self, request: SignedOwner) -> ReceiptsAnswer:
        """Receipts."""
        return self._send("POST", "/v1/receipts", request, ReceiptsAnswer)

    def open_mailbox(self, claim: MailboxClaim) -> None:
        """Open or change a mailbox."""
        if self._guest is not None:
            claim = self._guest.vouch(claim, self.status().member)
        self._call("PUT", "/v1/mailboxes", encode(claim))

    def drop(self, drop: Drop) -> None:
        """Leave a sealed envelope."""
        self._call("POST", "/v1/mailboxes/letters", encode(drop))

    def collect(self, request: MailboxCollect) -> Post:
        """Read on in one's own mailbox."""
        return self._send("POST", "/v1/mailboxes/collect", request, Post)

    def put_card(self, deposit: CardDeposit) -> None:
        """Leave one's own sealed card."""
        self._call("PUT", "/v1/cards", encode(deposit))

    def card(self, member: bytes, card: bytes) -> SealedCard:
        """A sealed card."""
        return self._get(f"/v1/cards/{member.hex()}/{card.hex()}", SealedCard)

    def redeem(self, redemption: Redemption) -> None:
        """Become a guest of the node."""
        self._call("PUT", "/v1/guests", encode(redemption))

    def put_listing(self, signed: SignedListing) -> None:
        """Keep a listing."""
        self._call("PUT", "/v1/listings", encode(signed))

    def find_listings(self, search: ListingSearch) -> FoundListings:
        """Listings that match."""
        return self._send("POST", "/v1/listings/search", search, FoundListings)

    def put_page(self, page: SchedulePage) -> None:
        """Keep the page of a schedule."""
        self._call("PUT", "/v1/pages", encode(page))

    def page(self, root: bytes) -> SchedulePage:
        """The page of a schedule by its root."""
        return self._get(f"/v1/pages/{root.hex()}", SchedulePage)

    def find_slots(self, search: SlotSearch) -> FoundSlots:
        """Slots that can be taken."""
        return self._send("POST", "/v1/pages/search", search, FoundSlots)

    def peer(self, ask: PeerAsk) -> PeerAnswer:
        """What a member's node asks of another's."""
        return self._send("POST", "/v1/peers", ask, PeerAnswer)

    def engine(self, ask: EngineAsk) -> EngineAnswer:
        """What a member's node asks of another's engine."""
        return self._send("POST", "/v1/peers/engine", ask, EngineAnswer)

    def push(self, pushed: Pushed) -> PeerHeld:
        """Have a member's node keep copies of another's blobs."""
        return self._send("PUT", "/v1/peers/blobs", pushed, PeerHeld)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, path: str, shape: type[R]) -> R:
        return decode(self._call("GET", path, None), shape, limit=_LIMIT)

    def _send(self, method: str, path: str, body: Record, shape: type[R]) -> R:
        return decode(self._call(method, path, encode(body)), shape, limit=_LIMIT)

    def _call(self, method: str, path: str, body: bytes | None) -> bytes:
        response = self._ask(method, path, body)
        for _ in range(self.patience):
            again = response.headers.get("retry-after", "")
            if not re.fullmatch("[0-9]", again):
                break
            time.sleep(int(again))
            response = self._ask(method, path, body)
        if response.status_code != 200:
            raise self._refusal(response)
        content: bytes = response.content
        return content

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        headers = {"content-type": MEDIA} if body is not None else {}
        try:
            return self._client.request(method, path, content=body, headers=headers)
        except self._lost as error:
            raise self._unasked(error) from error

    def _unasked(self, error: Exception) -> SalusError:
        """What is raised where a connection fails: by what lies beneath the HTTP client's error."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return self.mistaken()
        if cause is not None:
            return self.silent("what answers at this https address does not speak the TLS that is asked for")
        if isinstance(error, self._cut):
            return self.silent("the node hangs up without an answer; where it speaks TLS, its address begins with https")
        return self.silent("the node does not answer")

    def mistaken(self) -> SalusError:
        """What is raised where another answers than the address says; nothing was sent there."""
        return AgentRefused("wrong-certificate", "another key answers than the one pinned, or one that nobody vouches for")

    def silent(self, text: str) -> SalusError:
        """What is raised where no node answers."""
        return AgentRefused("node-unreachable", text)

    def undecided(self) -> SalusError:
        """What is raised where nobody knows yet what becomes of what was sent; the same bytes are sent again."""
        return AgentRefused("undecided", "the network has not decided yet; what was sent is kept, and a later command goes on")

    def _refusal(self, response: Any) -> SalusError:
        try:
            problem = response.json()
            if problem["code"] == UNDECIDED:
                return self.undecided()
            return refusal(str(problem["code"]), str(problem["title"]))
        except (ValueError, KeyError, TypeError):
            return self.silent(f"the node answers with status {response.status_code}")
