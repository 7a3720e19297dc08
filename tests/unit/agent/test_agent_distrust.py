"""A node that lies, a vault that cheats, a warrant that was stolen: each found by the agent, or refused by the vault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from salus.agent.asking import Asking
from salus.agent.sealed_reading import Granted, Reading, read_snapshot, run
from salus.agent.services import charting, receipting
from salus.agent.services.received import grants_from
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey
from salus.errors import SalusError
from salus.ledger.header import HEADER_TAG, SignedHeader, header_hash
from world import DOCTOR, OTHER, PATIENT, World


class Lying:
    """A network whose answers to some calls are changed on the way."""

    def __init__(self, network: Any, **changes: Callable[[Any], Any]) -> None:
        self.network, self.changes = network, changes

    def __getattr__(self, name: str) -> Any:
        real, change = getattr(self.network, name), self.changes.get(name)
        return real if change is None else lambda *args, **options: change(real(*args, **options))


def first_bit(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def test_an_altered_blob_is_marked_and_the_rest_is_read(world: World) -> None:
    world.grant()

    def alter(served: Any) -> Any:
        return msgspec.structs.replace(served, blobs=tuple(first_bit(blob) for blob in served.blobs))

    world.agent.network = Lying(world.agent.network, read=alter)
    chart = charting.open_chart(world.agent, DOCTOR, PATIENT)
    assert {code for _, _, code in chart.unread} == {"agent/blob-altered"}
    assert not chart.shown


def test_receipts_that_a_vault_drops_or_alters_are_rows_with_trouble(world: World) -> None:
    world.grant()
    charting.open_chart(world.agent, DOCTOR, PATIENT)
    honest = world.agent.network
    assert not [row for row in receipting.receipts(world.agent, PATIENT) if row.trouble]

    def forget(answer: Any) -> Any:
        return msgspec.structs.replace(answer, receipts=(), total=0)

    def withhold(answer: Any) -> Any:
        return msgspec.structs.replace(answer, receipts=answer.receipts[:0])

    def alter(answer: Any) -> Any:
        changed = tuple(msgspec.structs.replace(r, sealed=first_bit(r.sealed)) for r in answer.receipts)
        return msgspec.structs.replace(answer, receipts=changed)

    for change, code, fresh in (
        (forget, "warrants/receipts-dropped", False),
        (withhold, "warrants/receipts-dropped", True),
        (alter, "warrants/receipt-chain", True),
    ):
        if fresh:
            charting.open_chart(world.agent, DOCTOR, PATIENT)
        world.agent.network = Lying(honest, receipts=change)
        assert code in {row.trouble for row in receipting.receipts(world.agent, PATIENT)}
        world.agent.network = honest


def test_a_header_signed_by_another_is_not_believed(world: World) -> None:
    stranger = SigningKey(new_seed())

    def sign(signed: SignedHeader) -> SignedHeader:
        return SignedHeader(signed.header, stranger.sign(HEADER_TAG, header_hash(signed.header)))

    world.agent.network = Lying(world.agent.network, header=sign)
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, PATIENT, PATIENT)
    assert refused.value.full_code == "crypto/bad-signature"


def test_a_node_that_shows_an_older_ledger_is_found(world: World) -> None:
    old = world.node.header(3)
    world.agent.network = Lying(world.agent.network, header=lambda _: old)
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, PATIENT, PATIENT)
    assert refused.value.full_code == "agent/stale-node"


def test_a_node_that_answers_something_else_is_found(world: World) -> None:
    other = world.node.states([b"members/"])
    world.agent.network = Lying(world.agent.network, states=lambda answers: other * len(answers))
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, PATIENT, PATIENT)
    assert refused.value.full_code == "ledger/wrong-answer"


def test_a_value_that_the_state_does_not_prove_is_not_believed(world: World) -> None:
    def forge(answers: Any) -> Any:
        return tuple(msgspec.structs.replace(a, value=None if a.value else b"x") for a in answers)

    world.agent.network = Lying(world.agent.network, states=forge)
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, PATIENT, PATIENT)
    assert refused.value.codespace == "ledger"


def test_a_stolen_warrant_without_its_key_gets_the_constant_refusal(world: World) -> None:
    world.grant()
    doctor, thief = world.agent.wallet(DOCTOR), world.agent.wallet(OTHER)
    grant, _ = grants_from(world.agent, doctor, PATIENT)[0]
    part = grant.sections[0]
    wanted = [(entry.number, entry.half) for entry in part.entries]
    granted = Granted(part.kind, Asking(thief, thief.identity.classic, part.warrant), (grant.patient,))
    with pytest.raises(SalusError) as refused:
        run(world.agent, [read_snapshot(world.agent, granted, wanted, Reading())])
    assert refused.value.full_code == "warrants/refused"
    assert not [row for row in receipting.receipts(world.agent, PATIENT) if row.section == part.kind.value]


def test_a_promise_of_another_vault_is_not_taken(world: World) -> None:
    world.grant()

    def forge(served: Any) -> Any:
        promise = msgspec.structs.replace(served.promise, signature=bytes(64))
        return msgspec.structs.replace(served, promise=promise)

    world.agent.network = Lying(world.agent.network, read=forge)
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, DOCTOR, PATIENT)
    assert refused.value.full_code == "warrants/bad-promise"
