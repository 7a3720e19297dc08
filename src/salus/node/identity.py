"""Whose node this is: the seed in ``node.key``, and the member that it belongs to."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused
from salus.exchange.founding import member_from_text
from salus.ids import MemberId
from salus.ledger.genesis import Genesis, member_id

FOUNDING = "founding"  # there from the making of a home until its node has begun for the first time
RESYNC = "resync"  # there while a node that lost its ledger is to take all blocks from others
PREPARED = "prepared"  # beside node.key: what the member told others of itself before it was one


@dataclass(frozen=True)
class Identity:
    """A node's place in the network: whose it is, and the seed of its keys."""

    genesis: Genesis
    member: MemberId
    seed: bytes

    @property
    def key(self) -> SigningKey:
        """The node key: sponsors, signs headers and promises."""
        return SigningKey(derive(self.seed, "node"))


def read_node_seed(path: Path) -> bytes:
    """The node's seed; `NodeRefused` ``bad-node-key`` for anything but 64 hexadecimal digits."""
    try:
        seed = bytes.fromhex(path.read_text("ascii").strip())
    except (ValueError, FileNotFoundError) as error:
        raise NodeRefused("bad-node-key", "node.key is missing or does not hold a key") from error
    if len(seed) != 32:
        raise NodeRefused("bad-node-key", "node.key does not hold a key")
    return seed


def validator_seed(seed: bytes, number: int = 0) -> bytes:
    """The seed of the key of that number which the node may vote with; 0 is the first one."""
    return derive(seed, "validator", *([str(number)] if number else []))


def peer_seed(seed: bytes) -> bytes:
    """The seed of the key by which other members' engines know this one."""
    return derive(seed, "peer")


def founding_member(genesis: Genesis, key: bytes) -> MemberId | None:
    """The member of the first block whose node has this key."""
    return next((member_id(member.authority) for member in genesis.members if member.node == key), None)


def own_member(genesis: Genesis, node: Path) -> MemberId:
    """The member whose node's key lies in the folder ``node``; `NodeRefused` ``not-a-member``, ``bad-node-key``.

    A member of the first block stands in the genesis document; one that was admitted later is the one that prepared itself here.
    """
    key = SigningKey(derive(read_node_seed(node / "node.key"), "node")).public
    found = founding_member(genesis, key)
    if found is not None:
        return found
    with suppress(FileNotFoundError):
        prepared = member_from_text((node / PREPARED).read_bytes())
        if prepared.node == key:
            return member_id(prepared.authority)
    raise NodeRefused("not-a-member", "this node's key is not in the genesis document")
