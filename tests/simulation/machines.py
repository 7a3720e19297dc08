"""What happens to machines, the network and time, and what greedy or dishonest members do: steps that are nobody's command."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from random import Random
from typing import Any

import msgspec

from salus.agent.given import given_grants
from salus.agent.services import revoking
from salus.agent.services.resuming import resume
from salus.codec import decode, encode
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import SigningKey
from salus.errors import LedgerRefused, NodeRefused, SalusError
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.tx import SIGNATURE_TAG, Body, Signature, Transaction, body_hash
from simulation.ledger_model import LIMIT
from simulation.world import HOUR, OWNERS, QUOTA

MINUTE = 60_000


def wait(run: Any, _home: str, chance: Random) -> None:
    """Time passes: a minute to a month."""
    run.world.time.now += chance.choice((MINUTE, MINUTE, HOUR, 3 * HOUR, 24 * HOUR, 31 * 24 * HOUR)) + chance.randrange(MINUTE)


def restart(run: Any, home: str, _chance: Random) -> None:
    """The operator of the home's node stops it, and starts it again."""
    run.world.host_of(home).restart()


def power_cut(run: Any, home: str, _chance: Random) -> None:
    """The power of the machine of the home's node fails while nothing is written."""
    run.world.host_of(home).crash()


def home_power_cut(run: Any, home: str, _chance: Random) -> None:
    """The power of a home's machine fails between two commands, or within the one that is under way."""
    run.kill_task(home)
    run.world.homes[home].crash()


def cut_off(run: Any, home: str, chance: Random) -> None:
    """A home has no network for some steps."""
    run.wires[home].cut_off = chance.randrange(2, 6)


def skew(run: Any, home: str, chance: Random) -> None:
    """A clock is set wrong by up to two minutes, or right again; ``home`` may be the node."""
    run.world.time.skews[home] = chance.choice((-120_000, -50_000, 0, 50_000, 120_000))


def anchor(run: Any, _home: str, _chance: Random) -> None:
    """Each node anchors its receipts."""
    for host in run.world.hosts.values():
        run.checks.about_to_anchor(host)
        host.node.anchor()
        run.checks.after(())


def part(run: Any, _home: str, chance: Random) -> None:
    """The members' nodes do not reach each other for some steps."""
    run.world.between.cut = chance.randrange(2, 6)


def forge(run: Any, _home: str, chance: Random) -> None:
    """What the second node is given as blocks, for some steps, the first member has not signed."""
    run.world.between.forged = chance.randrange(2, 4)


def repeat(run: Any, _home: str, chance: Random) -> None:
    """A dishonest proposer makes a block of old transactions, of their like under other signatures, and of one twice."""
    engine = run.world.host.node.engine
    newest = engine.newest_header().header.height
    old = [data for height in range(1, newest + 1) for data in engine.block(height).transactions]
    chosen = chance.choices(old, k=3) + old[-2:]
    forged = [_forged(data, chance) for data in (*chosen[:2], *old[-2:])]  # the newest ones have not expired
    block = [*chosen, *forged, chosen[0]]
    engine._settle([(data, Future()) for data in block])


def greedy(run: Any, _home: str, chance: Random) -> None:
    """The sponsor spends its own quota; whoever wants to take something back is served all the same."""
    world = run.world
    node, founded = world.host.node, world.founded
    key = SigningKey(founded.node_key)
    now = max(node.engine.newest_header().header.time, world.time.clock("node")())
    actions = tuple(Revoke(chance.randbytes(32)) for _ in range(QUOTA))
    body = Body(run.checks.ledger.network, now + MINUTE, fresh_nonce(), founded.member, actions)
    while len(body.actions) > 0:
        try:
            node.engine.submit(encode(Transaction(body, (Signature(key.public, key.sign(SIGNATURE_TAG, body_hash(body))),))))
            break
        except NodeRefused:  # its clock is far behind
            return
        except LedgerRefused:
            body = Body(body.network, body.expires, fresh_nonce(), body.sponsor, body.actions[: len(body.actions) // 2])
    home = chance.choice(sorted(OWNERS))
    if run.busy(home) or run.wires[home].cut_off or world.between.cut or world.between.forged:
        return
    agent, person = world.homes[home].agent, OWNERS[home]
    given = given_grants(agent, agent.wallet(person))
    if not given:
        return
    _, made = chance.choice(given)
    try:
        resume(agent)
        revoking.revoke(agent, person, grant=made.grant.hex())
    except SalusError as error:
        run.note(f"    greedy: {error.full_code}")
        if error.full_code not in ("ledger/quota-spent", "agent/device-taken-off", "agent/no-epoch-key"):
            run.checks.taking_back_failed(error)
        if error.code != "quota-spent":
            return
    run.checks.owed.append(made)


def _forged(data: bytes, chance: Random) -> bytes:
    """The transaction under a new nonce, with the signatures of the old one; or with one signature altered."""
    transaction = decode(data, Transaction, limit=LIMIT)
    if chance.random() < 0.5:
        body = msgspec.structs.replace(transaction.body, nonce=fresh_nonce())
        return encode(Transaction(body, transaction.signatures))
    first, *others = transaction.signatures
    altered = Signature(first.key, bytes([first.signature[0] ^ 1]) + first.signature[1:])
    return encode(Transaction(transaction.body, (altered, *others)))


MACHINES: dict[str, Callable[[Any, str, Random], None]] = {
    "wait": wait,
    "restart": restart,
    "power-cut": power_cut,
    "home-power-cut": home_power_cut,
    "cut-off": cut_off,
    "skew": skew,
    "anchor": anchor,
    "repeat": repeat,
    "greedy": greedy,
    "part": part,
    "forge": forge,
}
