"""Asking a vault: a holder's signed request, the promise that comes back, and whether the bytes are what the ledger anchored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from salus.agent.at_once import MAX_AT_ONCE, AtOnce, one_by_one
from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.members import current_members
from salus.agent.own_sections import OwnSection
from salus.agent.verify import newest_header, record, records
from salus.agent.wallet import Wallet
from salus.charts.granting import Terms, root_warrant
from salus.codec import Record
from salus.crypto.hashing import sha256
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, SalusError
from salus.exchange.peering import UNANSWERED
from salus.exchange.placing import responsible
from salus.ids import VerifyKey
from salus.ledger.header import AnyHeader, header_hash
from salus.ledger.modules.members.state import Member, member_key
from salus.ledger.modules.revocations.state import revocation_id
from salus.ledger.modules.sections.messages import Epoch
from salus.ledger.modules.sections.state import Entry, entry_key, epoch_key
from salus.warrants.checking import NOBODY, warrant_id
from salus.warrants.holding import sign_read
from salus.warrants.link import Purpose, Right, Warrant
from salus.warrants.receipting import require_promise
from salus.warrants.receipts import SignedPromise
from salus.warrants.requests import ReadRequest, SignedRead

T = TypeVar("T")

_OWN_WINDOW = 3_600_000  # ms that a warrant to oneself holds
_PAGE = 32  # entries fetched at once
_PAGE_BYTES = 32 * 1024 * 1024
NOT_KEPT = "node/not-kept"  # what a vault says that neither has anything of it nor is to keep it
_PACKAGES = 64  # key packages fetched at once


class KeptPromise(Record, frozen=True, tag="kept-promise"):
    """What a vault promised for a reading: the reader's proof that it asked openly."""

    promise: SignedPromise


@dataclass(frozen=True)
class Asking:
    """Who asks: by which warrant, with which key, for whom (a member; 32 zero bytes: nobody).

    ``employer`` is the person id of that member: keys that are found are the member's and are kept as such, not its staff's.
    """

    wallet: Wallet
    key: SigningKey
    warrant: Warrant
    on_behalf_of: bytes = NOBODY
    employer: bytes = b""

    @property
    def keeper(self) -> bytes:
        """Under whose person id keys are kept."""
        return self.employer or self.wallet.person

    @property
    def section(self) -> bytes:
        """The section that is asked for."""
        return self.warrant.links[-1].link.section


def as_owner(agent: Agent, wallet: Wallet, section: OwnSection) -> Asking:
    """The owner, by a short warrant to itself over everything in the section."""
    now = max(agent.clock(), newest_header(agent).time)
    owner = section.keys.owner
    terms = Terms(owner.public, (Right.READ,), (Purpose.PATRQT,), max(0, now - _OWN_WINDOW), now + _OWN_WINDOW, None)
    revocation = revocation_id(wallet.preimage(b"own" + section.identity))
    warrant = root_warrant(owner, agent.network_id, section.identity, terms, (), section.receipt_key, revocation)
    return Asking(wallet, owner, warrant)


@dataclass
class Page:
    """Entries of one section, then key packages, that are asked for in one request; and what came of it.

    ``blobs`` stand in that order, as a vault served them, still to be checked by `require_blob`; empty where none had it.
    ``refused``: {vault: what it raised}, of those that were asked and raised anything.
    """

    asking: Asking
    entries: Sequence[Entry]
    epochs: Sequence[Epoch] = ()
    blobs: list[bytes] = field(default_factory=list)
    refused: dict[bytes, SalusError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._hashes = [*(entry.blob for entry in self.entries), *(epoch.package for epoch in self.epochs)]
        self.blobs = [b""] * len(self._hashes)
        self._asked = [set[bytes]() for _ in self._hashes]

    def lacking(self) -> list[int]:
        """Which blobs are not those that the ledger names."""
        return [index for index, blob in enumerate(self.blobs) if sha256(blob) != self._hashes[index]]

    def still_of(self, vault: bytes) -> list[int]:
        """Which of the lacking blobs the vault may still have: all that it was not asked for, unless it has refused."""
        return [] if vault in self.refused else [index for index in self.lacking() if vault not in self._asked[index]]

    def next_keeper(self, index: int, others: Sequence[bytes], copies: int) -> bytes | None:
        """Who of the ``others`` that are to keep a blob is asked for it next: the one of most weight that was not."""
        keepers = responsible(others, self._hashes[index], copies)
        return next((vault for vault in keepers if vault not in self._asked[index] and vault not in self.refused), None)

    def request(self, agent: Agent, vault: bytes, header: AnyHeader, wanted: Sequence[int]) -> SignedRead:
        """The signed request for those blobs."""
        asking = self.asking
        for index in wanted:
            self._asked[index].add(vault)
        request = ReadRequest(
            agent.network_id,
            vault,
            warrant_id(asking.warrant),
            asking.section,
            tuple(self.entries[index].number for index in wanted if index < len(self.entries)),
            tuple(self.epochs[index - len(self.entries)].number for index in wanted if index >= len(self.entries)),
            asking.warrant.links[-1].link.purposes[0],
            licence_of(agent, asking.wallet.person) or NOBODY,
            asking.on_behalf_of,
            fresh_nonce(),
            header.height,
            header_hash(header),
        )
        return sign_read(asking.key, request, asking.warrant)

    def take(self, wanted: Sequence[int], blobs: Sequence[bytes]) -> None:
        """Keep what a vault served of what was asked for."""
        if len(blobs) != len(wanted):
            raise AgentRefused("blob-missing", "the vault served another number of entries than was asked for")
        for index, blob in zip(wanted, blobs, strict=True):
            self.blobs[index] = blob or self.blobs[index]


def fetch_entries(agent: Agent, asking: Asking, entries: Sequence[Entry]) -> Iterator[tuple[list[Entry], tuple[bytes, ...]]]:
    """Page by page: the entries, and the blob of each as the vault served it, still to be checked by `require_blob`."""
    for page in pages_of(asking, entries):
        ask(agent, [page])
        require_answered(agent, page)
        yield list(page.entries), tuple(page.blobs)


def waves(pages: Sequence[Page]) -> Iterator[list[Page]]:
    """The pages in portions that are asked for at once."""
    wave: list[Page] = []
    for page in pages:
        size = sum(entry.size for other in [*wave, page] for entry in other.entries)
        if len(wave) == MAX_AT_ONCE or (wave and size > _PAGE_BYTES):
            yield wave
            wave = []
        wave.append(page)
    if wave:
        yield wave


def fetch_packages(agent: Agent, asking: Asking, epochs: Sequence[Epoch]) -> dict[int, bytes]:
    """{epoch number: its key package}, each checked against the ledger; what the vault does not have is left out."""
    found: dict[int, bytes] = {}
    for start in range(0, len(epochs), _PACKAGES):
        page = epochs[start : start + _PACKAGES]
        asked = Page(asking, (), page)
        ask(agent, [asked])
        require_answered(agent, asked)
        found |= {epoch.number: blob for epoch, blob in zip(page, asked.blobs, strict=True) if sha256(blob) == epoch.package}
    return found


def epochs_of(agent: Agent, section: bytes, numbers: Sequence[int]) -> list[Epoch]:
    """The epochs of these numbers, proven; those that the ledger does not have are left out."""
    found, _ = records(agent, [epoch_key(section, number) for number in numbers], Epoch)
    return [epoch for epoch in found if epoch is not None]


def entries_of(agent: Agent, section: bytes, numbers: Sequence[int]) -> list[Entry]:
    """The entries of these numbers that were not erased, proven; ``no-such-entry`` for one that the ledger does not have."""
    found, _ = records(agent, [entry_key(section, number) for number in numbers], Entry)
    if any(entry is None for entry in found):
        raise AgentRefused("no-such-entry", "the ledger has no entry of a number that was expected")
    return [entry for entry in found if entry is not None and not entry.erased]


def require_blob(blob: bytes, entry: Entry) -> None:
    """Raise ``blob-missing`` or ``blob-altered`` unless the vault served what the ledger anchored."""
    if not blob:
        raise AgentRefused("blob-missing", "the vault does not have this entry")
    if sha256(blob) != entry.blob or len(blob) != entry.size:
        raise AgentRefused("blob-altered", "the vault served something else than was sealed")


def vaults(agent: Agent) -> tuple[bytes, ...]:
    """The members whose vaults may be asked: the one of the node at hand first."""
    own = agent.network.status().member
    return (own, *(member for member in current_members(agent) if member != own))


def ask(agent: Agent, pages: Sequence[Page]) -> None:
    """Fill the pages with what the vault at hand has; what it lacks, spoils or refuses is asked of the other members' vaults.

    Of those that are to keep it first, in the order of their weight, so that each is asked for little and most has an answer
    at once; then of all that are left. Each is asked for a blob once.
    """
    own, *others = vaults(agent)
    copies = agent.genesis.parameters.copies
    _ask_vault(agent, own, [(page, page.still_of(own)) for page in pages], agent.at_once)
    while True:
        wanted = dict[bytes, dict[int, list[int]]]()  # by vault and page
        for at, page in enumerate(pages):
            for index in page.lacking():
                if (keeper := page.next_keeper(index, others, copies)) is not None:
                    wanted.setdefault(keeper, {}).setdefault(at, []).append(index)
        if not wanted:
            break
        for vault, by_page in wanted.items():
            _ask_vault(agent, vault, [(pages[at], indexes) for at, indexes in by_page.items()], until_silent)
    for vault in others:
        _ask_vault(agent, vault, [(page, page.still_of(vault)) for page in pages], until_silent)


def until_silent(calls: Sequence[Callable[[], T]]) -> list[T | SalusError]:
    """One after the other, as the node at hand passes on little at a time; none more once it says that nobody answers."""
    answers: list[T | SalusError] = []
    for call in calls:
        last = answers[-1] if answers else None
        silent = isinstance(last, SalusError) and last.full_code in UNANSWERED
        answers += [last] if silent and last is not None else one_by_one([call])
    return answers


def require_answered(agent: Agent, page: Page) -> None:
    """Raise the first refusal where every vault refused the page: if it can be, one that says more than that others keep it."""
    if page.refused and len(page.refused) == len(vaults(agent)):
        first, *_ = page.refused.values()
        raise next((error for error in page.refused.values() if error.full_code != NOT_KEPT), first)


def _ask_vault(agent: Agent, vault: bytes, wanted: Sequence[tuple[Page, Sequence[int]]], together: AtOnce) -> None:
    """A request a page: a vault has a receipt for each, and makes those that wait at once durable together."""
    wanted = [(page, indexes) for page, indexes in wanted if indexes]
    if not wanted:
        return
    header = newest_header(agent, fresh=True)
    requests = [page.request(agent, vault, header, indexes) for page, indexes in wanted]
    answers = together([partial(agent.network.read, request) for request in requests])
    member = record(agent, member_key(vault), Member)
    kept: list[tuple[bytes, SignedPromise]] = []
    for (page, indexes), request, served in zip(wanted, requests, answers, strict=True):
        try:
            if isinstance(served, SalusError):
                raise served
            if member is None:
                raise AgentRefused("unknown-node", "the vault is not of a member of this network")
            require_promise(served.promise, vault, VerifyKey(member.node), request)
            kept.append((page.asking.wallet.person, served.promise))
            page.take(indexes, served.blobs)
        except SalusError as error:
            page.refused[vault] = error
    with agent.store.writing():  # before anything that was served is looked at
        for person, promise in kept:
            agent.store.put(person, promise.promise.request, KeptPromise(promise))


def pages_of(asking: Asking, entries: Sequence[Entry]) -> Iterator[Page]:
    """The entries in portions that a vault serves at once."""
    page: list[Entry] = []
    for entry in entries:
        if len(page) == _PAGE or (page and sum(e.size for e in page) + entry.size > _PAGE_BYTES):
            yield Page(asking, page)
            page = []
        page.append(entry)
    if page:
        yield Page(asking, page)
