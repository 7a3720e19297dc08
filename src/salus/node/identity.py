"""Whose node this is: the seed in ``node.key``, and the member in the genesis document that it belongs to."""

from __future__ import annotations

from pathlib import Path

from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused
from salus.ids import MemberId
from salus.ledger.genesis import Genesis, member_id


def read_node_seed(path: Path) -> bytes:
    """The node's seed; `NodeRefused` ``bad-node-key`` for anything but 64 hexadecimal digits."""
    try:
        seed = bytes.fromhex(path.read_text("ascii").strip())
    except (ValueError, FileNotFoundError) as error:
        raise NodeRefused("bad-node-key", "node.key is missing or does not hold a key") from error
    if len(seed) != 32:
        raise NodeRefused("bad-node-key", "node.key does not hold a key")
    return seed


def validator_seed(seed: bytes) -> bytes:
    """The seed of the key that the node votes with."""
    return derive(seed, "validator")


def peer_seed(seed: bytes) -> bytes:
    """The seed of the key by which other members' engines know this one."""
    return derive(seed, "peer")


def own_member(genesis: Genesis, seed: bytes) -> MemberId:
    """The member whose node has this seed; `NodeRefused` ``not-a-member``."""
    key = SigningKey(derive(seed, "node")).public
    for member in genesis.members:
        if member.node == key:
            return member_id(member.authority)
    raise NodeRefused("not-a-member", "this node's key is not in the genesis document")
