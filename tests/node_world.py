"""A real node in a temporary folder, without any agent: named keys, sections with blobs, warrants, signed requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import lmdb
from msgspec.structs import replace

from salus.codec import encode
from salus.crypto import hpke
from salus.crypto.hashing import sha256, tagged
from salus.crypto.keys import derive, fresh_nonce
from salus.crypto.signing import SigningKey
from salus.errors import SalusError
from salus.exchange.api import Submission, TxStatus
from salus.exchange.envelopes import MailboxClaim
from salus.exchange.inviting import GuestKeys
from salus.ids import BodyHash, Millis, SectionId
from salus.ledger.genesis import Genesis, GenesisMember, LicenceRight, Parameters, member_id, network_id
from salus.ledger.header import header_hash
from salus.ledger.modules.licences.messages import IssueLicence, LicenceStatus, SetLicenceStatus
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.revocations.state import revocation_id
from salus.ledger.modules.sections.messages import AppendEntry, CreateSection, Epoch, HandOver
from salus.ledger.modules.sections.state import commit_owner, section_id
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash, licence_id
from salus.node.api import MEDIA, make_api
from salus.node.config import Config
from salus.node.identity import Identity
from salus.node.service import NodeService
from salus.warrants.checking import NOBODY, sign_link, spans_of, warrant_id
from salus.warrants.holding import sign_owner, sign_read
from salus.warrants.link import Link, Purpose, Right, Warrant
from salus.warrants.requests import OwnerRequest, ReadRequest, SignedOwner, SignedRead

HOUR = 3_600_000
START = 500_000 * HOUR  # block time of genesis
NODE_SEED = tagged("test/seed", b"node")
NONE = bytes(32)
QUIET = Config(anchor_seconds=86_400)


@lru_cache(maxsize=256)
def key(name: str) -> SigningKey:
    """The key of that name."""
    return SigningKey(tagged("test/key", name.encode()))


NODE = SigningKey(derive(NODE_SEED, "node"))
MEMBER = member_id(key("authority").public)
OWN = GuestKeys(tagged("test/seed", b"own home"))  # by which the node knows its own home, when it comes by the port
RECEIPT_SEED = tagged("test/seed", b"receipts")


def founding(**parameters: int) -> Genesis:
    """A network of one member."""
    member = GenesisMember(key("authority").public, NODE.public, tuple(LicenceRight))
    return Genesis(bytes(16), Millis(START), (member,), replace(Parameters(), **parameters))


@dataclass
class Clock:
    """A clock that moves when a test moves it."""

    now: int = START

    def __call__(self) -> Millis:
        """Milliseconds since the epoch."""
        return Millis(self.now)


def signed(body: Body, *keys: SigningKey) -> bytes:
    """The transaction with these keys' signatures, sorted."""
    digest = body_hash(body)
    found = sorted((Signature(one.public, one.sign(SIGNATURE_TAG, digest)) for one in keys), key=lambda each: each.key)
    return encode(Transaction(body, tuple(found)))


def blob(name: str, size: int = 200) -> bytes:
    """Bytes that are always the same for ``name``."""
    return derive(tagged("test/blob", name.encode()), "blob", length=min(size, 8000)).ljust(size, b"\0")


@dataclass
class OrderingClock(Clock):
    """A clock that does something else when it is asked by the thread that orders blocks."""

    ordering: Callable[[], Millis] | None = None

    def __call__(self) -> Millis:
        """Milliseconds since the epoch."""
        if self.ordering is not None and threading.current_thread().name == "solo":
            return self.ordering()
        return Millis(self.now)


def code(act: Callable[[], object]) -> str:
    """The full code of what refuses, or "" when nothing does."""
    try:
        act()
    except SalusError as error:
        return error.full_code
    return ""


@dataclass
class NodeWorld:
    """A running node, and what its users do."""

    folder: Path
    clock: Clock
    genesis: Genesis
    node: NodeService

    @property
    def network(self) -> bytes:
        """The network's id."""
        return network_id(self.genesis)

    def body(self, *actions: Action, **changed: Any) -> Body:
        """A body that the node takes now."""
        body = Body(self.network, self.clock.now + 300_000, fresh_nonce(), MEMBER, tuple(actions))
        return replace(body, **changed)

    def submit(self, *actions: Action, keys: Sequence[SigningKey] = (), blobs: Sequence[bytes] = ()) -> TxStatus:
        """Sign, and submit with blobs."""
        return self.node.submit(self.submission(self.body(*actions), keys, blobs))

    def submission(self, body: Body, keys: Sequence[SigningKey] = (), blobs: Sequence[bytes] = ()) -> Submission:
        """As a client sends it: without the sponsor's signature, or with a placeholder where nobody else signs."""
        if keys:
            return Submission(signed(body, *keys), tuple(blobs))
        return Submission(encode(Transaction(body, (Signature(NODE.public, bytes(64)),))), tuple(blobs))

    def creation(self, name: str) -> CreateSection:
        """The action that makes the section of ``name``, whose key package is `package`."""
        epoch = Epoch(0, self.genesis.time, NONE, sha256(package(name)))
        return CreateSection(key(name).public, commit_owner(key(f"{name} next").public), (epoch,))

    def section(self, name: str) -> SectionId:
        """The id of the section of ``name``."""
        return section_id(self.network, key(name).public, commit_owner(key(f"{name} next").public))

    def entry(self, name: str, data: bytes, **changed: Any) -> AppendEntry:
        """The action that appends ``data`` to the section of ``name``, by its owner."""
        return replace(AppendEntry(self.section(name), 0, key(name).public, sha256(data), len(data)), **changed)

    def fill(self, name: str, *blobs: bytes) -> SectionId:
        """A new section with these entries."""
        actions = (self.creation(name), *(self.entry(name, data) for data in blobs))
        self.submit(*actions, keys=[key(name)], blobs=[package(name), *blobs])
        return self.section(name)

    def hand_over(self, name: str) -> None:
        """The section's next owner takes over."""
        following = commit_owner(key(f"{name} third").public)
        self.submit(HandOver(self.section(name), key(f"{name} next").public, following), keys=[key(f"{name} next")])

    def license(self, holder: str, right: LicenceRight = LicenceRight.TREAT) -> bytes:
        """A licence for ``holder``; its id."""
        body = self.body(IssueLicence(MEMBER, NONE, key(holder).public, NONE, (right,), 0))
        self.node.submit(self.submission(body, [key("authority")]))
        return licence_id(BodyHash(body_hash(body)), 0)

    def set_licence(self, licence: bytes, status: LicenceStatus) -> None:
        """Move the licence to another status."""
        self.submit(SetLicenceStatus(licence, status), keys=[key("authority")])

    def revoke(self, preimage: bytes) -> None:
        """Publish a preimage."""
        self.submit(Revoke(preimage))

    def root(self, name: str, holder: str, numbers: Sequence[int] = (0,), **changed: Any) -> Link:
        """A root link over entries of the section of ``name``; its revocation's preimage is the section's name, hashed."""
        link = Link(
            self.network,
            self.section(name),
            self.section(name),
            key(holder).public,
            (Right.READ,),
            (Purpose.TREAT,),
            self.clock.now,
            self.clock.now + 72 * HOUR,
            None,
            spans_of(tuple(numbers)),
            NOBODY,
            hpke.public_key(RECEIPT_SEED),
            revocation_id(preimage(name)),
            b"",
        )
        return replace(link, **changed)

    def warrant(self, name: str, holder: str, numbers: Sequence[int] = (0,), **changed: Any) -> Warrant:
        """A warrant of one link, signed by the section's owner."""
        return Warrant((sign_link(key(name), self.root(name, holder, numbers, **changed)),))

    def own(self, name: str) -> Warrant:
        """What an owner reads its own section with."""
        return self.warrant(name, name, ())

    def asked(self, warrant: Warrant, /, entries: Sequence[int] = (0,), **changed: Any) -> ReadRequest:
        """A request for entries by a warrant, as of the newest block."""
        newest = self.node.header(None).header
        request = ReadRequest(
            self.network,
            MEMBER,
            warrant_id(warrant),
            warrant.links[0].link.section,
            tuple(entries),
            (),
            Purpose.TREAT,
            NONE,
            NONE,
            fresh_nonce(),
            newest.height,
            header_hash(newest),
        )
        return replace(request, **changed)

    def read(self, warrant: Warrant, holder: str, /, entries: Sequence[int] = (0,), **changed: Any) -> SignedRead:
        """The same, signed."""
        return sign_read(key(holder), self.asked(warrant, entries, **changed), warrant)

    def owner_asks(self, name: str, first: int = 0, **changed: Any) -> SignedOwner:
        """The owner's request for receipts."""
        newest = self.node.header(None).header
        request = OwnerRequest(self.network, MEMBER, self.section(name), first, fresh_nonce(), newest.height, header_hash(newest))
        return sign_owner(key(name), replace(request, **changed))

    def blob_path(self, data: bytes) -> Path:
        """Where the node keeps a blob."""
        name = sha256(data).hex()
        return self.folder / "vault" / "blobs" / name[:2] / name


def package(name: str) -> bytes:
    """The key package blob of the section of ``name``."""
    return blob(f"package of {name}")


def preimage(name: str) -> bytes:
    """What revokes the root links of the section of ``name``."""
    return tagged("test/preimage", name.encode())


@contextmanager
def running(
    folder: Path, clock: Clock | None = None, config: Config = QUIET, genesis: Genesis | None = None
) -> Iterator[NodeWorld]:
    """The node over ``folder``; it is stopped in the end."""
    clock, genesis = clock or Clock(), genesis or founding()
    node = NodeService(folder, Identity(genesis, MEMBER, NODE_SEED), config, clock)
    node.door.enrol_own(OWN.at(MEMBER).public)
    try:
        yield NodeWorld(folder, clock, genesis, node)
    finally:
        node.stop()


def from_home(message: Submission | MailboxClaim) -> bytes:
    """The message's bytes, as the node's own home sends it by the port."""
    return encode(OWN.vouch(message, MEMBER))


def tampered(folder: Path, table: bytes, at: bytes, value: bytes | None) -> None:
    """Set a value of a closed node's ledger behind its back; None removes it."""
    with lmdb.open(str(folder / "ledger"), max_dbs=4, map_size=1 << 30) as env:
        database = env.open_db(table)
        with env.begin(write=True) as txn:
            if value is None:
                txn.delete(at, db=database)
            else:
                txn.put(at, value, db=database)


def figures(node: NodeService) -> dict[str, float]:
    """What the node counts, by name and labels."""
    rows = [line.rpartition(" ") for line in ask(node, "GET", "/v1/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in rows}


def ask(
    node: NodeService,
    method: str,
    path: str,
    content: bytes | AsyncIterator[bytes] | None = None,
    media: str = MEDIA,
    **headers: str,
) -> httpx.Response:
    """What the node's API answers, in process; an error that the API does not answer is a 500, as on a socket."""
    if content is not None:
        headers["content-type"] = media

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=make_api(node), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            return await client.request(method, path, content=content, headers=headers)

    return asyncio.run(send())
