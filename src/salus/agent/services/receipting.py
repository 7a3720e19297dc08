"""Who read what: the patient's receipts, opened, checked, and compared with what was seen before."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.agent.asking import vaults
from salus.agent.given import GivenGrant
from salus.agent.home import Agent
from salus.agent.own_sections import OwnSection, own_sections
from salus.agent.services.contacts import name_of
from salus.agent.verify import newest_header, record
from salus.agent.wallet import Wallet
from salus.codec import Record
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, CryptoRefused, NodeRefused, SalusError, WarrantRefused
from salus.exchange.peering import UNANSWERED
from salus.ids import Bytes32, Count, VerifyKey
from salus.ledger.header import AnyHeader, header_hash
from salus.ledger.modules.receipts.state import Anchor, AnchorCount, anchor_count_key, anchor_key
from salus.warrants.delegating import delegate_of
from salus.warrants.holding import sign_owner
from salus.warrants.receipting import (
    START,
    next_head,
    open_receipt,
    require_anchor,
    require_chain,
    require_receipt,
    require_total,
)
from salus.warrants.receipts import Receipt, ReceiptsAnswer, StoredReceipt
from salus.warrants.requests import OwnerRequest

BEHIND = 5  # blocks that a vault may be behind the wallet without being thought to hide anything


@dataclass(frozen=True)
class ReceiptInfo:
    """One reading: times in ms; ``reader_name`` is "you" for the patient; ``trouble`` a code where the receipt does not check.

    ``on_behalf_of``: whose grant it was, where the reader was let in by somebody else: an organisation, a colleague.
    """

    time: int
    height: int
    reader: str
    reader_name: str
    on_behalf_of: str
    section: str
    entries: tuple[int, ...]
    purpose: str
    vault: str
    anchored: bool
    verified: bool
    trouble: str


class SeenChain(Record, frozen=True, tag="seen-chain"):
    """How far a section's receipts were seen at a vault, and the heads after each: none may vanish or change later."""

    count: Count
    heads: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=1_000_000)]
    receipts: Annotated[tuple[StoredReceipt, ...], msgspec.Meta(max_length=1_000_000)]


def receipts(agent: Agent, patient: str) -> tuple[ReceiptInfo, ...]:
    """Every reading of the patient's sections at every member's vault, oldest first.

    What a vault dropped or altered is a row with ``trouble``, and so is one that has receipts and does not answer.
    """
    wallet = agent.wallet(patient)
    sections = own_sections(agent, wallet)
    rows: list[ReceiptInfo] = []
    for vault in vaults(agent):
        try:
            rows += [row for section in sections for row in _of_section(agent, wallet, section, vault)]
        except NodeRefused as error:
            rows += _silent(agent, wallet, sections, vault, error.full_code)
    return tuple(sorted(rows, key=lambda row: (row.time, row.section)))


def _silent(agent: Agent, wallet: Wallet, sections: Sequence[OwnSection], vault: bytes, code: str) -> list[ReceiptInfo]:
    """What is known of a vault that does not answer: the receipts that were seen, and, if it has anchored any, an alarm."""
    rows: list[ReceiptInfo] = []
    for section in sections:
        seen = agent.store.find(SeenChain, wallet.person + vault, section.identity) or SeenChain(0, (), ())
        rows += [_info(agent, wallet, section, vault, stored, False) for stored in seen.receipts]
    anchored = record(agent, anchor_count_key(vault), AnchorCount) is not None
    return rows + ([_alarm(agent, sections[0], vault, code)] if sections and (rows or anchored) else [])


def _of_section(agent: Agent, wallet: Wallet, section: OwnSection, vault: bytes) -> list[ReceiptInfo]:
    seen = agent.store.find(SeenChain, wallet.person + vault, section.identity) or SeenChain(0, (), ())
    anchored = 0
    trouble = ""
    try:
        complete = False
        while not complete:
            answer = _ask(agent, section, vault, seen.count)
            require_total(answer, seen.count)
            heads = _heads(answer, seen)
            seen = SeenChain(len(heads), heads, (*seen.receipts, *answer.receipts))
            with agent.store.writing():
                agent.store.put(wallet.person + vault, section.identity, seen)
            complete = seen.count >= answer.total
        anchored = _anchored(agent, section, vault, answer, seen.heads)
    except AgentRefused:
        raise
    except SalusError as error:
        if error.full_code in UNANSWERED:
            raise
        trouble = error.full_code
    rows = [_info(agent, wallet, section, vault, stored, stored.index < anchored) for stored in seen.receipts]
    return rows + ([_alarm(agent, section, vault, trouble)] if trouble else [])


def _ask(agent: Agent, section: OwnSection, vault: bytes, first: int) -> ReceiptsAnswer:
    """Ask under the newest block, or one of the few before it: a vault that is a moment behind hides nothing."""
    header = newest_header(agent, fresh=True)
    for _ in range(BEHIND):
        try:
            return _asked_under(agent, section, vault, first, header)
        except WarrantRefused as refused:
            if refused.code != "unknown-block" or header.height <= 1:
                raise
        header = agent.network.header(header.height - 1).header
    return _asked_under(agent, section, vault, first, header)


def _asked_under(agent: Agent, section: OwnSection, vault: bytes, first: int, header: AnyHeader) -> ReceiptsAnswer:
    request = OwnerRequest(agent.network_id, vault, section.identity, first, fresh_nonce(), header.height, header_hash(header))
    return agent.network.receipts(sign_owner(section.keys.owner, request))


def _heads(answer: ReceiptsAnswer, seen: SeenChain) -> tuple[bytes, ...]:
    """The heads after each receipt, computed here, once the chain was checked to go on from what was seen."""
    head = seen.heads[-1] if seen.heads else START
    require_chain(answer.receipts, seen.count, head)
    heads = list(seen.heads)
    for stored in answer.receipts:
        head = next_head(head, stored.sealed)
        heads.append(head)
    return tuple(heads)


def _anchored(agent: Agent, section: OwnSection, vault: bytes, answer: ReceiptsAnswer, heads: tuple[bytes, ...]) -> int:
    """How many of the receipts the ledger anchors; raises where the anchor is not theirs."""
    if not answer.anchored:
        return 0
    anchor = record(agent, anchor_key(vault, answer.anchor), Anchor)
    if anchor is None or answer.leaf is None:
        raise AgentRefused("no-anchor", "the vault names an anchor that the ledger does not have")
    by_count = {index + 1: head for index, head in enumerate(heads)}
    require_anchor(answer, section.identity, anchor.root, anchor.sections, by_count)
    return answer.leaf.count


def _info(agent: Agent, wallet: Wallet, section: OwnSection, vault: bytes, stored: StoredReceipt, anchored: bool) -> ReceiptInfo:
    try:
        receipt, seed = _open(agent, section, stored)
        window = agent.genesis.parameters.max_warrant_window
        owner = _owner_at(section, receipt.height)
        effective = require_receipt(receipt, agent.network_id, vault, section.identity, owner, window)
    except SalusError as error:
        return _alarm(agent, section, vault, error.full_code)
    request = receipt.read.request
    root = receipt.read.warrant.links[0].link
    reader, name = _reader(agent, wallet, owner, root.holder)
    behalf = ""
    if len(receipt.read.warrant.links) > 1:
        delegate = delegate_of(receipt.read.warrant, seed)
        behalf = name
        reader, name = (delegate.person.hex(), delegate.name) if delegate else (effective.holder.hex(), "an unnamed delegate")
    return ReceiptInfo(
        receipt.time,
        receipt.height,
        reader,
        name,
        behalf,
        section.kind.value,
        request.entries,
        request.purpose.value,
        vault.hex(),
        anchored,
        True,
        "",
    )


def _open(agent: Agent, section: OwnSection, stored: StoredReceipt) -> tuple[Receipt, bytes]:
    """The receipt, and the seed that opened it: the wallet's of now, or of before a recovery."""
    *newer, oldest = section.keys.receipt_seeds
    for seed in newer:
        with suppress(CryptoRefused):
            return open_receipt(seed, stored.sealed, agent.network_id, section.identity), seed
    return open_receipt(oldest, stored.sealed, agent.network_id, section.identity), oldest


def _owner_at(section: OwnSection, height: int) -> VerifyKey:
    """The section's owner when a receipt was written, which says ``height`` as the newest block."""
    owners = section.found.owners if section.found else ()
    since = [owner.key for owner in owners if owner.height <= height]
    return VerifyKey(since[-1] if since else section.keys.owner.public)


def _reader(agent: Agent, wallet: Wallet, owner: bytes, holder: bytes) -> tuple[str, str]:
    """(person id, name) of the holder: the patient, or whom a grant of the patient names by that key."""
    if holder == owner:
        return wallet.person.hex(), "you"
    for _, given in agent.store.all(GivenGrant, wallet.person):
        if given.reader.card.key.ed25519 == holder:
            person = person_id(given.reader.card.key)
            return person.hex(), name_of(agent, person)
    return holder.hex(), "an unknown holder"


def _alarm(agent: Agent, section: OwnSection, vault: bytes, code: str) -> ReceiptInfo:
    return ReceiptInfo(agent.clock(), 0, "", "", "", section.kind.value, (), "", vault.hex(), False, False, code)
