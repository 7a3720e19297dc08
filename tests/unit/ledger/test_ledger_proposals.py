"""The size of a block, to the byte, when it is proposed and when it is judged."""

from __future__ import annotations

import pytest

from ledger_world import STEP, Ledger, entry, founding, some
from salus.errors import LedgerRefused
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
