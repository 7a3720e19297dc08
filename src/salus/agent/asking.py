"""Asking a vault: a holder's signed request, the promise that comes back, and whether the bytes are what the ledger anchored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.own_sections import OwnSection
from salus.agent.verify import newest_header, record, records
from salus.agent.wallet import Wallet
from salus.charts.granting import Terms, root_warrant
from salus.codec import Record
from salus.crypto.hashing import sha256
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, SalusError
from salus.exchange.api import Served
from salus.ids import VerifyKey
from salus.ledger.genesis import member_id
from salus.ledger.header import header_hash
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

_OWN_WINDOW = 3_600_000  # ms that a warrant to oneself holds
_PAGE = 32  # entries fetched at once
_PAGE_BYTES = 32 * 1024 * 1024
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


def fetch_entries(agent: Agent, asking: Asking, entries: Sequence[Entry]) -> Iterator[tuple[list[Entry], tuple[bytes, ...]]]:
    """Page by page: the entries, and the blob of each as the vault served it, still to be checked by `require_blob`."""
    for page in _pages(entries):
        yield page, _ask(agent, asking, page, ())


def fetch_packages(agent: Agent, asking: Asking, epochs: Sequence[Epoch]) -> dict[int, bytes]:
    """{epoch number: its key package}, each checked against the ledger; what the vault does not have is left out."""
    found: dict[int, bytes] = {}
    for start in range(0, len(epochs), _PACKAGES):
        page = epochs[start : start + _PACKAGES]
        served = _ask(agent, asking, [], page)
        found |= {epoch.number: blob for epoch, blob in zip(page, served, strict=True) if sha256(blob) == epoch.package}
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
    return (own, *(found for member in agent.genesis.members if (found := member_id(member.authority)) != own))


def _ask(agent: Agent, asking: Asking, page: Sequence[Entry], packages: Sequence[Epoch]) -> tuple[bytes, ...]:
    """What the vault at hand has of it; what it lacks, spoils or refuses is asked of the other members' vaults."""
    hashes = [*(entry.blob for entry in page), *(epoch.package for epoch in packages)]
    blobs = [b""] * len(hashes)
    refused: list[SalusError] = []
    for vault in vaults(agent):
        lacking = [index for index, blob in enumerate(blobs) if sha256(blob) != hashes[index]]
        entries = [page[index] for index in lacking if index < len(page)]
        epochs = [packages[index - len(page)] for index in lacking if index >= len(page)]
        if not lacking:
            break
        try:
            served = _ask_vault(agent, asking, vault, entries, epochs)
        except SalusError as error:
            refused.append(error)
            continue
        for index, blob in zip(lacking, served, strict=True):
            blobs[index] = blob or blobs[index]
    if len(refused) == len(vaults(agent)):
        raise refused[0]
    return tuple(blobs)


def _ask_vault(agent: Agent, asking: Asking, vault: bytes, page: Sequence[Entry], packages: Sequence[Epoch]) -> tuple[bytes, ...]:
    header = newest_header(agent, fresh=True)
    request = ReadRequest(
        agent.network_id,
        vault,
        warrant_id(asking.warrant),
        asking.section,
        tuple(entry.number for entry in page),
        tuple(epoch.number for epoch in packages),
        asking.warrant.links[-1].link.purposes[0],
        licence_of(agent, asking.wallet.person) or NOBODY,
        asking.on_behalf_of,
        fresh_nonce(),
        header.height,
        header_hash(header),
    )
    signed = sign_read(asking.key, request, asking.warrant)
    served = agent.network.read(signed)
    _keep_promise(agent, asking.wallet, vault, signed, served)
    if len(served.blobs) != len(page) + len(packages):
        raise AgentRefused("blob-missing", "the vault served another number of entries than was asked for")
    return served.blobs


def _pages(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The entries in portions that a vault serves at once."""
    page: list[Entry] = []
    for entry in entries:
        if len(page) == _PAGE or (page and sum(e.size for e in page) + entry.size > _PAGE_BYTES):
            yield page
            page = []
        page.append(entry)
    if page:
        yield page


def _keep_promise(agent: Agent, wallet: Wallet, vault: bytes, signed: SignedRead, served: Served) -> None:
    member = record(agent, member_key(vault), Member)
    if member is None:
        raise AgentRefused("unknown-node", "the vault is not of a member of this network")
    require_promise(served.promise, vault, VerifyKey(member.node), signed)
    with agent.store.writing():
        agent.store.put(wallet.person, served.promise.promise.request, KeptPromise(served.promise))
