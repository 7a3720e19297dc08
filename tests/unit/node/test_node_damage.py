"""What somebody changed in a node's database behind its back is found, at start or by replaying all from genesis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from node_world import NODE, blob, founding, key, running, tampered
from salus.codec import encode
from salus.errors import SalusError
from salus.ledger.header import HEADER_TAG, Header, SignedHeader, TxResult, header_hash
from salus.ledger.modules.sections.state import entry_key
from salus.node.ledger_store import StoredBlock


class Kept(NamedTuple):
    """What a node held when it was closed: blocks 0 to 3, and the key of an entry's leaf."""

    headers: list[SignedHeader]
    blocks: list[StoredBlock]
    entry: bytes


def filled(folder: Path) -> Kept:
    """A closed node with a section and two entries, a block each."""
    with running(folder) as world:
        world.fill("Ada")
        for name in ("one", "two"):
            world.submit(world.entry("Ada", blob(name)), keys=[key("Ada")], blobs=[blob(name)])
        engine, heights = world.node.engine, range(4)
        found = [engine.header(height) for height in heights], [engine.block(height) for height in heights]
        return Kept(*found, entry_key(world.section("Ada"), 0))


def at(height: int) -> bytes:
    return height.to_bytes(8, "big")


def resigned(header: Header) -> bytes:
    """The header, signed by the node's own key: its owner may cheat, and replay finds it."""
    return encode(SignedHeader(header, NODE.sign(HEADER_TAG, header_hash(header))))


def bare(signed: SignedHeader, **changed: object) -> bytes:
    """The header changed under the old signature."""
    return encode(SignedHeader(replace(signed.header, **changed), signed.signature))


def blocked(block: StoredBlock, **changed: object) -> bytes:
    return encode(replace(block, **changed))


Damage = Callable[[Kept], tuple[bytes, bytes, bytes | None]]

AT_START: dict[str, tuple[Damage, str]] = {
    "a leaf of the state altered": (lambda kept: (b"state", kept.entry, b"\x90"), "node/state-damaged"),
    "a leaf of the state removed": (lambda kept: (b"state", kept.entry, None), "node/state-damaged"),
    "a leaf of the state added": (lambda kept: (b"state", b"sections/more", b"\x90"), "node/state-damaged"),
    "the newest header removed": (lambda kept: (b"headers", at(3), None), "node/state-damaged"),
    "the newest header altered": (
        lambda kept: (b"headers", at(3), bare(kept.headers[3], time=kept.headers[3].header.time + 1)),
        "node/state-damaged",
    ),
    "the newest header no header": (lambda kept: (b"headers", at(3), b"\x90"), "node/state-damaged"),
    "the newest header of another network": (
        lambda kept: (b"headers", at(3), bare(kept.headers[3], network=bytes(32))),
        "ledger/wrong-network",
    ),
    "the newest header of no member": (
        lambda kept: (b"headers", at(3), bare(kept.headers[3], proposer=bytes(32))),
        "ledger/wrong-proposer",
    ),
}


@pytest.mark.parametrize("what", AT_START)
def test_a_damaged_state_does_not_start(tmp_path: Path, what: str) -> None:
    """API-46."""
    damage, code = AT_START[what]
    tampered(tmp_path, *damage(filled(tmp_path)))
    with pytest.raises(SalusError) as refused, running(tmp_path):
        pass
    assert refused.value.full_code == code
    with pytest.raises(SalusError) as again, running(tmp_path):  # the database was closed: the same answer, no other one
        pass
    assert again.value.full_code == code


BY_REPLAY: dict[str, tuple[Damage, int]] = {
    "genesis's header altered": (lambda kept: (b"headers", at(0), bare(kept.headers[0], time=1)), 0),
    "genesis's header signed over another state": (
        lambda kept: (b"headers", at(0), resigned(replace(kept.headers[0].header, state=bytes(32)))),
        0,
    ),
    "a header altered": (lambda kept: (b"headers", at(2), bare(kept.headers[2], time=kept.headers[2].header.time + 1)), 2),
    "a header signed anew over another time": (
        lambda kept: (b"headers", at(2), resigned(replace(kept.headers[2].header, time=kept.headers[1].header.time))),
        2,
    ),
    "a header signed anew over another state": (
        lambda kept: (b"headers", at(2), resigned(replace(kept.headers[2].header, state=bytes(32)))),
        2,
    ),
    "a header signed anew off the chain": (
        lambda kept: (b"headers", at(2), resigned(replace(kept.headers[2].header, previous=bytes(32)))),
        2,
    ),
    "a header signed anew in all but its link": (
        lambda kept: (b"headers", at(1), resigned(replace(kept.headers[1].header, time=kept.headers[1].header.time + 1))),
        1,
    ),
    "a header no header": (lambda kept: (b"headers", at(1), b"\x90"), 1),
    "a header removed": (lambda kept: (b"headers", at(1), None), 1),
    "a block removed": (lambda kept: (b"blocks", at(2), None), 2),
    "a block no block": (lambda kept: (b"blocks", at(2), b"\xc1"), 2),
    "a block without its transaction": (lambda kept: (b"blocks", at(2), blocked(kept.blocks[2], transactions=())), 2),
    "a block with another's transaction": (lambda kept: (b"blocks", at(2), encode(kept.blocks[1])), 2),
    "a block with a transaction altered": (
        lambda kept: (b"blocks", at(3), blocked(kept.blocks[3], transactions=(_flipped(kept.blocks[3].transactions[0]),))),
        3,
    ),
    "a block with other results": (
        lambda kept: (
            b"blocks",
            at(3),
            blocked(kept.blocks[3], results=(TxResult(kept.blocks[3].results[0].body, "ledger/expired"),)),
        ),
        3,
    ),
    "genesis's block with a transaction": (lambda kept: (b"blocks", at(0), encode(kept.blocks[1])), 0),
    "a result not found": (lambda kept: (b"results", kept.blocks[2].results[0].body, None), 2),
}


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("what", BY_REPLAY)
def test_a_damaged_chain_is_found_by_replay(tmp_path: Path, what: str) -> None:
    """API-47."""
    damage, height = BY_REPLAY[what]
    tampered(tmp_path, *damage(filled(tmp_path)))
    with running(tmp_path) as world:
        with pytest.raises(SalusError) as refused:
            world.node.engine.verify_chain()
        assert refused.value.full_code == "node/chain-damaged"
        assert refused.value.text.startswith(f"block {height} ")


def test_a_state_that_is_altered_while_the_node_runs_is_found(tmp_path: Path) -> None:
    """API-47."""
    kept = filled(tmp_path)
    with running(tmp_path) as world:
        assert world.node.engine.verify_chain() == 3
        world.node.engine._store.commit(kept.headers[3], kept.blocks[3], {kept.entry: b"\x90"})
        with pytest.raises(SalusError) as refused:
            world.node.engine.verify_chain()
    assert refused.value.full_code == "node/state-damaged"


def test_a_state_without_any_header_does_not_start_as_a_new_ledger(tmp_path: Path) -> None:
    """API-46."""
    filled(tmp_path)
    for height in range(4):
        tampered(tmp_path, b"headers", at(height), None)
    with pytest.raises(SalusError) as refused, running(tmp_path):
        pass
    assert refused.value.full_code == "node/state-damaged"


def test_a_ledger_is_not_opened_under_another_genesis(tmp_path: Path) -> None:
    """API-46."""
    filled(tmp_path)
    with pytest.raises(SalusError) as refused, running(tmp_path, genesis=founding(quota=1)):
        pass
    assert refused.value.full_code == "ledger/wrong-network"


@pytest.mark.parametrize("part", ["ledger", "vault/receipts", "mailbox"])
def test_what_is_no_database_is_refused_in_one_line(tmp_path: Path, part: str) -> None:
    """API-46."""
    filled(tmp_path)
    path = tmp_path / part / "data.mdb"
    whole = path.read_bytes()
    path.write_bytes(b"\x01" * 16_384)
    with pytest.raises(SalusError) as refused, running(tmp_path):
        pass
    path.write_bytes(whole)
    with running(tmp_path) as world:  # nothing was left open or locked
        assert world.node.engine.verify_chain() == 3
    assert refused.value.full_code == "node/state-damaged"
    assert str(tmp_path) not in str(refused.value)


def test_every_block_is_replayed_to_the_same_state(tmp_path: Path) -> None:
    """API-47."""
    filled(tmp_path)
    with running(tmp_path) as world:
        assert world.node.engine.verify_chain() == 3
        assert world.node.engine.app.info().height == 3
