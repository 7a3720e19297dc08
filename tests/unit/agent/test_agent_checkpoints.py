"""A home that has not looked for long: what it may go by, and what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from council_world import council
from ledger_world import START, some
from salus.agent.services.checkpointing import checkpoint, take_checkpoint
from salus.agent.store import Store
from salus.agent.verify import newest_header, require_within_trust
from salus.errors import NodeRefused, SalusError
from salus.exchange.checkpoints import checkpoint_from_text, checkpoint_to_text
from salus.ids import Millis
from salus.ledger.genesis import Genesis, ValidatingMember, network_id
from salus.ledger.lightblock import CommittedHeader, chain_id, validators_hash
from salus.ledger.trusting import Trusted, trusting
from validators_world import Validators
from world import World

FIRST = Validators([1, 1, 1, 1])
MEMBERS = tuple(ValidatingMember(some(f"a {n}"), some(f"n {n}"), (), one.key, bytes(20)) for n, one in enumerate(FIRST.set))
GENESIS = Genesis(bytes(16), Millis(START), MEMBERS)
YEAR = 365 * 24 * 3_600_000


def committed(by: Validators, height: int, at: int) -> CommittedHeader:
    """A header of these at time ``at`` (ms)."""
    named = validators_hash(by.set)
    here = chain_id(network_id(GENESIS))
    return by.commit(by.header(height, chain_id=here, seconds=at // 1000, nanos=0, next_validators=named))


def code(act: object, *args: object) -> str:
    try:
        act(*args)  # type: ignore[operator]
    except SalusError as error:
        return error.full_code
    return ""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store.db", bytes(32))
    with made.writing():
        made.put(b"", b"", trusting(committed(FIRST, 5, START)))
    return made


def test_what_was_verified_too_long_ago_is_not_gone_by(world: World) -> None:
    """STATE-30."""
    newest_header(world.agent)
    pin = world.agent.store.find(Trusted, b"", b"")
    assert pin is not None
    long_ago = world.agent.clock() - world.agent.genesis.parameters.trust_period
    voted = Trusted(pin.height, long_ago + 1000, pin.hash, FIRST.set, pin.following)
    assert code(require_within_trust, world.agent, voted) == ""
    later = Trusted(pin.height, long_ago - 1, pin.hash, FIRST.set, pin.following)
    assert code(require_within_trust, world.agent, later) == "agent/checkpoint-needed"
    alone = Trusted(pin.height, long_ago - 1, pin.hash, (), bytes(32))
    assert code(require_within_trust, world.agent, alone) == ""  # nobody has left who could have lost a key
    assert code(require_within_trust, world.agent, None) == ""


def test_a_checkpoint_is_taken_when_what_was_verified_last_supports_it(store: Store) -> None:
    """STATE-30."""
    now = Millis(START + YEAR)
    signed = committed(Validators([1, 1, 1], (0, 1, 9)), 900, now)
    assert take_checkpoint(store, GENESIS, now, signed) == trusting(signed)
    assert store.find(Trusted, b"", b"") == trusting(signed)
    assert code(take_checkpoint, store, GENESIS, now, committed(Validators([1, 1, 1], (7, 8, 9)), 950, now)) == "ledger/too-far"
    assert store.find(Trusted, b"", b"") == trusting(signed)


def test_a_checkpoint_that_is_old_behind_or_of_another_ledger_is_refused(store: Store) -> None:
    """STATE-30."""
    now = Millis(START + YEAR)
    old = now - GENESIS.parameters.trust_period - 1000
    assert code(take_checkpoint, store, GENESIS, now, committed(FIRST, 900, old)) == "agent/stale-checkpoint"
    assert code(take_checkpoint, store, GENESIS, now, committed(FIRST, 4, now)) == "agent/stale-node"
    assert code(take_checkpoint, store, GENESIS, now, committed(FIRST, 5, now)) == "agent/forked-node"
    assert code(take_checkpoint, store, council("a", "b"), now, committed(FIRST, 900, now)) == "ledger/wrong-network"


def test_a_home_that_has_seen_nothing_yet_takes_one_by_genesis(tmp_path: Path) -> None:
    """STATE-30."""
    fresh = Store(tmp_path / "store.db", bytes(32))
    now = Millis(START + YEAR)
    assert take_checkpoint(fresh, GENESIS, now, committed(FIRST, 900, now)).height == 900
    same = Store(tmp_path / "other.db", bytes(32))
    with same.writing():
        same.put(b"", b"", trusting(committed(FIRST, 5, now)))
    assert take_checkpoint(same, GENESIS, now, committed(FIRST, 5, now)).height == 5


def test_a_checkpoint_travels_as_a_line_of_text(world: World) -> None:
    found = checkpoint(world.agent)
    assert checkpoint_from_text(checkpoint_to_text(found).encode()) == found
    voted = committed(FIRST, 900, START)
    assert checkpoint_from_text(checkpoint_to_text(voted).encode()) == voted
    assert code(checkpoint_from_text, b"salus-checkpoint-1:AAAA") == "codec/not-decodable"


class Pruned:
    """A node that shows a newest header and none that leads to it."""

    def __init__(self, newest: CommittedHeader) -> None:
        self.newest = newest

    def header(self, height: int | None, *, fresh: bool = False) -> CommittedHeader:
        if height is not None:
            raise NodeRefused("pruned", "gone")
        return self.newest


def test_a_home_whose_nodes_have_nothing_that_leads_on_is_told_so_and_holds_no_node_for_a_liar(world: World) -> None:
    """NET-59."""
    agent, turned = world.agent, list[str]()
    newest_header(agent)
    agent.genesis, agent.believed = GENESIS, None
    with agent.store.writing():
        agent.store.put(b"", b"", trusting(committed(FIRST, 5, START)))
    agent.network = Pruned(committed(Validators([1, 1, 1], (7, 8, 9)), 900, START + 1000))  # type: ignore[assignment]
    agent.turn_away = lambda: turned.append("left") or ""  # type: ignore[func-returns-value]
    assert code(newest_header, agent) == "agent/no-archive"
    assert turned == []
    agent.network = Pruned(committed(Validators([1, 1, 1], (0, 1, 9)), 901, START + 2000))  # type: ignore[assignment]
    assert newest_header(agent).height == 901  # whom it knows voted for it: nothing in between is needed
