"""Fetching sealed entries and opening them: the owner's way, and the way of whoever holds a grant.

Whatever does not verify is kept and marked; nothing is hidden. The owner's opened entries are kept in the agent's encrypted
index, which can be thrown away at any time; a reader's are fetched anew at every reading, so that each leaves its receipt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.services.sectioning import OwnSection
from salus.agent.verify import newest_header, record, records
from salus.agent.wallet import Wallet
from salus.charts.entry import MAX_PLAIN, Opened, Sealed
from salus.charts.fold import NOBODY, Placed
from salus.charts.granting import Terms, root_warrant
from salus.charts.sealing import half_of, open_entry, version_id
from salus.charts.sections import SectionKind
from salus.codec import Record, decode, encode
from salus.crypto.hashing import sha256
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import SigningKey, person_id
from salus.errors import AgentRefused, SalusError
from salus.exchange.api import Served
from salus.ids import Bytes32, VerifyKey
from salus.ledger.header import header_hash
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.modules.members.state import Member, member_key
from salus.ledger.modules.sections.state import Entry, entry_key
from salus.warrants.checking import warrant_id
from salus.warrants.holding import sign_read
from salus.warrants.link import Purpose, Right, Warrant
from salus.warrants.receipting import require_promise
from salus.warrants.receipts import SignedPromise
from salus.warrants.requests import ReadRequest, SignedRead

_OWN_WINDOW = 3_600_000  # ms that a warrant to oneself holds
_PAGE = 32  # entries fetched at once
_PAGE_BYTES = 32 * 1024 * 1024


class Kept(Record, frozen=True, tag="kept-entry"):
    """An entry of one's own, opened: its patient's half and its inside."""

    half: Bytes32
    inside: bytes


class KeptPromise(Record, frozen=True, tag="kept-promise"):
    """What a vault promised for a reading: the reader's proof that it asked openly."""

    promise: SignedPromise


@dataclass
class Reading:
    """What a reading gave: entries that opened, and (section, number, code) of each that did not."""

    placed: list[Placed] = field(default_factory=list)
    halves: dict[tuple[SectionKind, int], tuple[bytes, Entry]] = field(default_factory=dict)
    unread: list[tuple[SectionKind, int, str]] = field(default_factory=list)


def read_own(agent: Agent, wallet: Wallet, section: OwnSection, reading: Reading) -> None:
    """Read all of one's own section into ``reading``."""
    entries = _entries(agent, section.identity, range(section.count))
    absent = [entry for entry in entries if agent.index.find(Kept, section.identity, entry.blob) is None]
    for page in _pages(absent):
        try:
            served = _ask_as_owner(agent, wallet, section, page)
        except AgentRefused:
            raise
        except SalusError as error:
            reading.unread += [(section.kind, entry.number, error.full_code) for entry in page]
            continue
        for entry, blob in zip(page, served.blobs, strict=True):
            _keep(agent, section, entry, blob, reading)
    for entry in entries:
        kept = agent.index.find(Kept, section.identity, entry.blob)
        if kept is not None:
            opened = _opened(decode(kept.inside, Sealed, limit=MAX_PLAIN))
            trouble = author_trouble(agent, opened, entry, wallet.person)
            reading.placed.append(Placed(section.kind, entry.number, entry.height, entry.time, opened, trouble))
            reading.halves[(section.kind, entry.number)] = (kept.half, entry)


def remember(agent: Agent, section: bytes, blob: bytes, half: bytes, inside: Sealed) -> None:
    """Keep what one has sealed oneself, so that it need not be fetched."""
    with agent.index.writing():
        agent.index.put(section, sha256(blob), Kept(half, encode(inside)))


def read_granted(
    agent: Agent,
    wallet: Wallet,
    kind: SectionKind,
    warrant: Warrant,
    wanted: Sequence[tuple[int, bytes]],
    patient: bytes,
    reading: Reading,
) -> None:
    """Read the ``wanted`` (number, patient's half) of a granted section; raises what the vault refuses."""
    section = warrant.links[-1].link.section
    halves = dict(wanted)
    entries = _entries(agent, section, [number for number, _ in wanted])
    for page in _pages(entries):
        purpose = warrant.links[-1].link.purposes[0]
        served = _ask(agent, wallet, wallet.identity.classic, warrant, page, purpose)
        for entry, blob in zip(page, served.blobs, strict=True):
            try:
                require_blob(blob, entry)
                opened = open_entry(blob, halves[entry.number], agent.network_id, section, entry.epoch)
            except SalusError as error:
                reading.unread.append((kind, entry.number, error.full_code))
                continue
            trouble = author_trouble(agent, opened, entry, patient)
            reading.placed.append(Placed(kind, entry.number, entry.height, entry.time, opened, trouble))


def require_blob(blob: bytes, entry: Entry) -> None:
    """Raise ``blob-missing`` or ``blob-altered`` unless the vault served what the ledger anchored."""
    if not blob:
        raise AgentRefused("blob-missing", "the vault does not have this entry")
    if sha256(blob) != entry.blob or len(blob) != entry.size:
        raise AgentRefused("blob-altered", "the vault served something else than was sealed")


def author_trouble(agent: Agent, opened: Opened, entry: Entry, patient: bytes) -> str:
    """Why the author's standing could not be verified, as a full code; empty when it was.

    The patient needs no licence; everybody else a licence that was active when the ledger took the entry.
    """
    header = opened.header
    if header.licence == NOBODY:
        return "" if header.author == patient else "charts/unlicensed-author"
    licence = record(agent, licence_key(header.licence), Licence)
    if licence is None or (licence.person, licence.holder) != (header.author, opened.key.ed25519):
        return "charts/not-the-licensed"
    if header.on_behalf_of != licence.issuer or header.source != licence.issuer.hex():
        return "charts/not-the-licensed"
    active = status_at(licence, entry.time) is LicenceStatus.ACTIVE
    return "" if active else "warrants/licence-not-active"


def own_warrant(agent: Agent, wallet: Wallet, section: OwnSection, now: int) -> Warrant:
    """A short warrant of the owner to itself, over everything in the section."""
    owner = section.keys.owner
    terms = Terms(owner.public, (Right.READ,), (Purpose.PATRQT,), max(0, now - _OWN_WINDOW), now + _OWN_WINDOW, None)
    revocation = wallet.preimage(b"own" + section.identity)
    return root_warrant(owner, agent.network_id, section.identity, terms, None, section.receipt_key, sha256(revocation))


def _ask_as_owner(agent: Agent, wallet: Wallet, section: OwnSection, page: Sequence[Entry]) -> Served:
    now = max(agent.clock(), newest_header(agent).time)
    warrant = own_warrant(agent, wallet, section, now)
    return _ask(agent, wallet, section.keys.owner, warrant, page, Purpose.PATRQT)


def _ask(agent: Agent, wallet: Wallet, key: SigningKey, warrant: Warrant, page: Sequence[Entry], purpose: Purpose) -> Served:
    header = newest_header(agent, fresh=True)
    vault = agent.network.status().member
    request = ReadRequest(
        agent.network_id,
        vault,
        warrant_id(warrant),
        warrant.links[-1].link.section,
        tuple(entry.number for entry in page),
        (),
        purpose,
        _licence(agent, wallet),
        NOBODY,
        fresh_nonce(),
        header.height,
        header_hash(header),
    )
    signed = sign_read(key, request, warrant)
    served = agent.network.read(signed)
    _keep_promise(agent, wallet, vault, signed, served)
    if len(served.blobs) != len(page):
        raise AgentRefused("blob-missing", "the vault served another number of entries than was asked for")
    return served


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


def _licence(agent: Agent, wallet: Wallet) -> bytes:
    return licence_of(agent, wallet.person) or NOBODY


def _keep_promise(agent: Agent, wallet: Wallet, vault: bytes, signed: SignedRead, served: Served) -> None:
    member = record(agent, member_key(vault), Member)
    if member is None:
        raise AgentRefused("unknown-node", "the vault is not of a member of this network")
    require_promise(served.promise, vault, VerifyKey(member.node), signed)
    with agent.store.writing():
        agent.store.put(wallet.person, served.promise.promise.request, KeptPromise(served.promise))


def _entries(agent: Agent, section: bytes, numbers: Sequence[int]) -> list[Entry]:
    found, _ = records(agent, [entry_key(section, number) for number in numbers], Entry)
    if any(entry is None for entry in found):
        raise AgentRefused("no-such-entry", "the ledger has no entry of a number that was expected")
    return [entry for entry in found if entry is not None and not entry.erased]


def _keep(agent: Agent, section: OwnSection, entry: Entry, blob: bytes, reading: Reading) -> None:
    try:
        require_blob(blob, entry)
        half = half_of(blob, section.seal_seed, agent.network_id, section.identity, entry.epoch)
        opened = open_entry(blob, half, agent.network_id, section.identity, entry.epoch)
    except SalusError as error:
        reading.unread.append((section.kind, entry.number, error.full_code))
        return
    remember(agent, section.identity, blob, half, opened.inside)


def _opened(inside: Sealed) -> Opened:
    """An entry that was verified before it was kept."""
    require_known(inside)
    return Opened(inside, tuple(version_id(leaf) for leaf in inside.leaves))


def require_known(inside: Sealed) -> None:
    """Raise ``index-damaged`` unless the kept entry is its author's: a cheap look at what the index says of itself."""
    if person_id(inside.key) != inside.header.author:
        raise AgentRefused("index-damaged", "the index is damaged; it will be made anew")
