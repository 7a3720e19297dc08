"""A ledger in memory for tests: two members, named keys, and one call for "make a block of this"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from salus.codec import encode
from salus.crypto.hashing import tagged
from salus.crypto.signing import SigningKey
from salus.ids import BodyHash, Height, Millis, SectionId
from salus.ledger.app import Application, results_items
from salus.ledger.genesis import Genesis, GenesisMember, LicenceRight, Parameters, member_id, network_id
from salus.ledger.header import HEADER_TAG, Header, SignedHeader, TxResult, header_hash
from salus.ledger.listtree import list_root
from salus.ledger.machine import Block
from salus.ledger.modules.licences.messages import IssueLicence
from salus.ledger.modules.sections.messages import AppendEntry, CreateSection, Epoch
from salus.ledger.modules.sections.state import commit_owner, section_id
from salus.ledger.store import MemoryStore
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash
from salus.ledger.verifying import StateAnswer

HOUR = 3_600_000
START = 500_000 * HOUR  # block time of genesis, on a full UTC hour
STEP = 1_000  # ms between blocks where a test does not say otherwise
#: A canonical encoding of a point of order 8: libsodium refuses it as a key.
SMALL_ORDER = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")


def some(name: str) -> bytes:
    """32 bytes that are always the same for ``name``."""
    return tagged("test/some", name.encode())


@lru_cache(maxsize=256)
def key(name: str) -> SigningKey:
    """The Ed25519 key of that name."""
    return SigningKey(some(name))


def public(name: str) -> bytes:
    """The public half of the key of that name."""
    return key(name).public


#: The clinic may license everything but controlled substances, the lab reports only.
CLINIC, LAB = member_id(public("clinic authority")), member_id(public("lab authority"))
CLINIC_RIGHTS = tuple(right for right in LicenceRight if right != LicenceRight.PRESCRIBE_CONTROLLED)


def founding(**parameters: int) -> Genesis:
    """The genesis document of clinic and lab."""
    return Genesis(
        bytes(16),
        Millis(START),
        (
            GenesisMember(public("clinic authority"), public("clinic node"), CLINIC_RIGHTS),
            GenesisMember(public("lab authority"), public("lab node"), (LicenceRight.REPORT,)),
        ),
        Parameters(**parameters),
    )


def epoch(number: int, activation: int) -> Epoch:
    """An epoch whose key and package hang on its number alone."""
    return Epoch(number, activation, some(f"seal key {number}"), some(f"package {number}"))


def licence_for(name: str, *rights: LicenceRight, issuer: bytes = CLINIC, expires: int = 0) -> IssueLicence:
    """A licence to treat (or for ``rights``) for the professional of that name."""
    return IssueLicence(issuer, some(name), public(name), some(f"card of {name}"), rights or (LicenceRight.TREAT,), expires)


def creation(owner: str, successor: str = "next owner", at: int = START) -> CreateSection:
    """A section of that owner with one epoch from ``at``."""
    return CreateSection(public(owner), commit_owner(public(successor)), (epoch(0, at),))


def entry(section: bytes, writer: str, blob: str, size: int = 10, number: int = 0) -> AppendEntry:
    """An entry in epoch ``number``."""
    return AppendEntry(section, number, public(writer), some(blob), size)


def signed(body: Body, *names: str) -> Transaction:
    """The body with just these keys' signatures, in the order that the ledger asks for."""
    identity = body_hash(body)
    signatures = [Signature(public(name), key(name).sign(SIGNATURE_TAG, identity)) for name in names]
    return Transaction(body, tuple(sorted(signatures, key=lambda signature: signature.key)))


@dataclass
class Ledger:
    """An application over memory. Its clock is the time of the newest block."""

    genesis: Genesis = field(default_factory=founding)
    store: MemoryStore = field(default_factory=MemoryStore)
    blocks: list[Block] = field(default_factory=list)
    headers: list[SignedHeader] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = Application(self.genesis, self.store, 0)
        self.network = network_id(self.genesis)
        self.time = self.genesis.time
        self.store.apply(self.app.init_chain())
        self.app.committed()
        self._head((), ())
        self._nonce = 0

    @property
    def height(self) -> int:
        """Of the newest block."""
        return self.app.info().height

    def body(self, *actions: Action, sponsor: bytes = CLINIC, network: bytes | None = None, expires: int | None = None) -> Body:
        """A body with a fresh nonce that is good for a minute."""
        self._nonce += 1
        until = self.time + 60_000 if expires is None else expires
        return Body(network or self.network, until, self._nonce.to_bytes(16, "big"), sponsor, actions)

    def tx(self, *actions: Action, by: Sequence[str] = (), sponsor: str = "clinic") -> bytes:
        """An encoded transaction, signed by the sponsor's node and ``by``."""
        who = {"clinic": CLINIC, "lab": LAB}[sponsor]
        return encode(signed(self.body(*actions, sponsor=who), f"{sponsor} node", *by))

    def block(self, *transactions: bytes, at: int | None = None) -> tuple[TxResult, ...]:
        """Execute and commit a block at time ``at``."""
        self.time = self.time + STEP if at is None else at
        block = Block(Height(self.height + 1), Millis(self.time), transactions)
        final = self.app.finalize_block(block)
        self.store.apply(self.app.commit())
        self.app.committed()
        self.blocks.append(block)
        self._head(transactions, final.results)
        return final.results

    def run(self, data: bytes, at: int | None = None) -> str:
        """The refusal of one transaction in a block of its own; "" when it was applied."""
        (result,) = self.block(data, at=at)
        return result.refusal

    def do(self, *actions: Action, by: Sequence[str] = (), sponsor: str = "clinic", at: int | None = None) -> str:
        """As `run`, of a transaction with these actions, signed by the sponsor and ``by``."""
        if at is not None:
            self.time = at - STEP
        return self.run(self.tx(*actions, by=by, sponsor=sponsor))

    def done(self, *actions: Action, by: Sequence[str] = (), sponsor: str = "clinic", at: int | None = None) -> BodyHash:
        """As `do`, for what must be applied; the body's hash."""
        if at is not None:
            self.time = at - STEP
        (result,) = self.block(self.tx(*actions, by=by, sponsor=sponsor))
        assert result.refusal == ""
        return BodyHash(result.body)

    def section(self, owner: str = "owner", successor: str = "next owner") -> SectionId:
        """The id of a new section."""
        self.done(creation(owner, successor), by=[owner])
        return section_id(self.network, public(owner), commit_owner(public(successor)))

    def answer(self, state_key: bytes) -> StateAnswer:
        """The committed value under ``state_key`` with its proof and the newest header."""
        value, proof = self.app.query(state_key)
        return StateAnswer(self.headers[-1], state_key, value, proof)

    def state(self) -> dict[bytes, bytes]:
        """Everything that is committed."""
        return {found: self.store.get(found) or b"" for found in self.store.keys(b"", b"\xff" * 8)}

    def _head(self, transactions: Sequence[bytes], results: tuple[TxResult, ...]) -> None:
        previous = header_hash(self.headers[-1].header) if self.headers else bytes(32)
        roots = list_root(list(transactions)), list_root(results_items(results)), self.app.info().root
        header = Header(self.network, self.height, self.time, previous, *roots, CLINIC)
        self.headers.append(SignedHeader(header, key("clinic node").sign(HEADER_TAG, header_hash(header))))
