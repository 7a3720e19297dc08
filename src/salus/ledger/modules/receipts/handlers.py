"""Anchoring receipt chains, in order and without gaps."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.module import Handler, Module
from salus.ledger.modules.members.queries import member
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.receipts.queries import anchors_made
from salus.ledger.modules.receipts.state import Anchor, AnchorCount, anchor_count_key, anchor_key
from salus.ledger.store import Reader


def _node_key(reader: Reader, message: AnchorReceipts) -> tuple[VerifyKey, ...]:
    return (VerifyKey(member(reader, message.vault).node),)


def _anchor(context: Context, message: AnchorReceipts) -> None:
    if message.number != anchors_made(context.state, message.vault):
        raise LedgerRefused("wrong-anchor-number", "anchors are numbered without gaps")
    context.put(
        anchor_key(message.vault, message.number),
        Anchor(message.root, message.sections, context.time, context.height),
    )
    context.put(anchor_count_key(message.vault), AnchorCount(message.number + 1))


MODULE = Module("receipts", {AnchorReceipts: Handler(_node_key, _anchor)})
