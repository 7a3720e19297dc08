"""What the questions about a ledger share: a network of one member, owners of sections, and signed anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.codec import encode
from salus.crypto.hashing import sha256, tagged
from salus.crypto.keys import derive, fresh_nonce
from salus.crypto.signing import SigningKey
from salus.exchange.api import Submission
from salus.home_folder import clock
from salus.ids import SectionId
from salus.ledger.genesis import Genesis, GenesisMember, LicenceRight, Parameters, member_id, network_id
from salus.ledger.modules.sections.messages import AppendEntry, CreateSection, Epoch
from salus.ledger.modules.sections.state import commit_owner, section_id
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash
from salus.node.config import Config

EXPIRY = 500_000  # ms; a network takes at most 600,000
_QUOTA = 10_000_000  # no benchmark is to measure a quota
BLOB = b"sealed" * 16  # what an anchor anchors: 96 bytes


def founding(node_seed: bytes, *others: GenesisMember) -> Genesis:
    """A network whose first member's node has this seed, and whose quota nobody reaches."""
    node = SigningKey(derive(node_seed, "node"))
    member = GenesisMember(authority_key().public, node.public, tuple(LicenceRight))
    return Genesis(fresh_nonce(), clock(), (member, *others), Parameters(quota=_QUOTA))


def authority_key() -> SigningKey:
    """The member's authority key: it issues licences."""
    return SigningKey(tagged("bench/authority"))


@dataclass(frozen=True)
class Owner:
    """Somebody with one section."""

    key: SigningKey
    next_owner: bytes
    section: SectionId

    def creation(self, now: int) -> CreateSection:
        """What makes the section."""
        return CreateSection(self.key.public, self.next_owner, (Epoch(0, now, bytes(32), sha256(BLOB)),))

    def anchor(self, blob: bytes) -> AppendEntry:
        """What appends ``blob`` to it."""
        return AppendEntry(self.section, 0, self.key.public, sha256(blob), len(blob))


def owners(genesis: Genesis, count: int) -> list[Owner]:
    """As many owners, the same each time."""
    found = []
    for number in range(count):
        key = SigningKey(tagged("bench/owner", number.to_bytes(4, "big")))
        successor = commit_owner(SigningKey(tagged("bench/successor", number.to_bytes(4, "big"))).public)
        found.append(Owner(key, successor, section_id(network_id(genesis), key.public, successor)))
    return found


def signed(genesis: Genesis, actions: Sequence[Action], keys: Sequence[SigningKey]) -> bytes:
    """A transaction with these signatures, as the ledger wants them."""
    sponsor = member_id(genesis.members[0].authority)
    body = Body(network_id(genesis), clock() + EXPIRY, fresh_nonce(), sponsor, tuple(actions))
    digest = body_hash(body)
    signatures = [Signature(key.public, key.sign(SIGNATURE_TAG, digest)) for key in keys]
    return encode(Transaction(body, tuple(sorted(signatures, key=lambda one: one.key))))


def submission(genesis: Genesis, owner: Owner, number: int) -> Submission:
    """One anchor with its blob of 96 bytes, signed by its owner, as an agent sends it."""
    blob = BLOB[:-8] + number.to_bytes(8, "big")
    return Submission(signed(genesis, [owner.anchor(blob)], [owner.key]), (blob,))


def make_node_home(home: Path, node_seed: bytes, *others: GenesisMember) -> Genesis:
    """A home with a node alone, for `salus serve`; any guest may use it, and its quota is one that nobody reaches."""
    genesis = founding(node_seed, *others)
    (home / "node").mkdir(parents=True)
    settings = 'guests = "open"\n' if "guests" in Config.__struct_fields__ else ""
    (home / "node" / "config.toml").write_bytes(settings.encode("ascii"))
    (home / "node" / "node.key").write_bytes(node_seed.hex().encode("ascii") + b"\n")
    (home / "node" / "founding").write_bytes(b"")
    (home / "genesis.bin").write_bytes(encode(genesis))
    return genesis
