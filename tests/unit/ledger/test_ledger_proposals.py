"""The size of a block, to the byte, when it is proposed and when it is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger_world import STEP, Ledger, entry, founding, public, signed, some
from prescriptions_world import COLLEAGUE, Prescribing
from salus.codec import encode
from salus.errors import LedgerRefused
from salus.ids import Height, Millis
from salus.ledger.machine import Block
from salus.ledger.modules.prescriptions.messages import AcceptFill
from salus.ledger.modules.prescriptions.state import DAY
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.sections.messages import Entomb


def waiting(room: int) -> tuple[Ledger, list[bytes]]:
    """A ledger whose blocks hold the transactions, but for ``room`` bytes; all of them have the same size."""
    size = len(Ledger().tx(Revoke(some("0"))))
    ledger = Ledger(founding(max_block=3 * size + room))
    return ledger, [ledger.tx(Revoke(some(f"{number}"))) for number in range(3)]


def test_a_block_that_is_just_full_is_proposed_and_taken() -> None:
    """TX-35."""
    ledger, sent = waiting(0)
    assert ledger.app.prepare_proposal(sent, ledger.time + STEP) == tuple(sent)
    ledger.app.process_proposal(tuple(sent))


def test_a_block_that_is_one_byte_too_large_is_neither_proposed_nor_taken() -> None:
    """TX-35."""
    ledger, sent = waiting(-1)
    assert ledger.app.prepare_proposal(sent, ledger.time + STEP) == tuple(sent[:2])
    with pytest.raises(LedgerRefused) as refused:
        ledger.app.process_proposal(tuple(sent))
    assert refused.value.full_code == "ledger/bad-proposal"


def test_a_check_looks_at_a_body_as_the_next_block_would() -> None:
    """TX-36: what an action reads of the one before it is there, with the height that it will have."""
    ledger = Ledger()
    section = ledger.section()
    both = ledger.tx(entry(section, "owner", "blob"), Entomb(section, 0), by=["owner"])
    ledger.app.check_tx(both, ledger.time + STEP)
    assert ledger.run(both) == ""


def test_what_does_not_fit_leaves_room_for_what_follows() -> None:
    """TX-35: a large transaction waits, and a small one behind it does not."""
    ledger, sent = waiting(0)
    large = ledger.tx(*[Revoke(some(f"large {number}")) for number in range(40)])
    assert ledger.app.prepare_proposal([large, *sent], ledger.time + STEP) == tuple(sent)


def test_a_proposal_changes_nothing() -> None:
    """TX-36: only a committed block does."""
    ledger, sent = waiting(0)
    before = ledger.state(), ledger.app.info()
    ledger.app.prepare_proposal(sent, ledger.time + STEP)
    ledger.app.process_proposal(tuple(sent))
    assert (ledger.state(), ledger.app.info()) == before


@pytest.mark.parametrize("decided", ["as-proposed", "less", "later", "other-evidence", "after-another"])
def test_what_was_proposed_is_not_executed_again_and_whatever_else_is_decided_is(
    decided: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TX-36: either way the block gives what it gives to somebody who has not proposed it."""
    ledger, sent = waiting(0)
    other, at = Ledger(ledger.genesis), ledger.time + STEP
    stale = ledger.tx(Revoke(some("0")))
    assert ledger.app.prepare_proposal([*sent, stale], at) == tuple(sent)
    applied, machine = list[bytes](), ledger.app.machine
    apply = machine.apply
    monkeypatch.setattr(
        machine, "apply", lambda state, height, now, data: (applied.append(data), apply(state, height, now, data))[1]
    )
    proposed = Block(Height(ledger.height + 1), Millis(at), tuple(sent))
    block = {
        "less": replace(proposed, transactions=proposed.transactions[1:]),
        "later": replace(proposed, time=Millis(at + 1)),
        "other-evidence": replace(proposed, misbehaving=(bytes(20),)),
    }.get(decided, proposed)
    if decided == "after-another":
        ledger.app.finalize_block(replace(proposed, transactions=(stale,)))
        applied.clear()
    assert ledger.app.finalize_block(block) == other.app.finalize_block(block)
    assert ledger.app.commit() == other.app.commit()
    assert applied == ([] if block == proposed else list(block.transactions))


def test_what_was_proposed_is_forgotten_with_its_block() -> None:
    """TX-36: the next one stands on it, and is another."""
    ledger, sent = waiting(0)
    ledger.app.prepare_proposal(sent[:1], ledger.time + STEP)
    assert [result.refusal for result in ledger.block(sent[0])] == [""]
    ledger.app.prepare_proposal(sent[1:], ledger.time + STEP)
    assert [result.refusal for result in ledger.block(*sent)] == ["ledger/replayed", "", ""]


def test_a_proposal_stands_on_what_its_block_begins_with() -> None:
    """TX-36: a fill that is freed by its deadline at this very block is there to be had in it."""
    rx = Prescribing()
    rx.issue("a")
    assert rx.accept("a", at="first", days=3) == ""
    at = Millis(rx.time + 4 * DAY)
    again = AcceptFill(rx.id("a"), 0, rx.licences[COLLEAGUE], public("holder second"), at + 7 * DAY)
    data = encode(signed(rx.body(again, expires=at + 60_000), "clinic node", "bearer a 0", COLLEAGUE))
    assert rx.app.prepare_proposal([data], at) == (data,)
    assert rx.app.finalize_block(Block(Height(rx.height + 1), at, (data,))).results[0].refusal == ""
