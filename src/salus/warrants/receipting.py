"""Receipts: sealing, chaining, promising and anchoring them; and the patient's checks that none was dropped or forged."""

from __future__ import annotations

from salus.codec import decode, encode
from salus.crypto import hpke
from salus.crypto.hashing import tagged
from salus.crypto.signing import SigningKey, require_signature
from salus.errors import CryptoRefused, WarrantRefused
from salus.ids import Hash, VerifyKey
from salus.ledger.listtree import require_in_list
from salus.warrants.checking import Effective, require_warrant
from salus.warrants.holding import request_hash, require_holder
from salus.warrants.receipts import (
    PROMISE_TAG,
    AnchorLeaf,
    Promise,
    Receipt,
    ReceiptsAnswer,
    SignedPromise,
    StoredReceipt,
)
from salus.warrants.requests import SignedRead

MAX_RECEIPT = 131_072
START = bytes(32)  # the chain's head before the first receipt


def receipt_info(network: bytes, section: bytes) -> bytes:
    """HPKE's ``info`` for receipts of one section."""
    return b"salus/receipt/1" + network + section


def seal_receipt(receipt: Receipt, receipt_key: bytes, network: bytes, section: bytes) -> bytes:
    """The receipt, for the patient alone."""
    return hpke.seal(receipt_key, receipt_info(network, section), encode(receipt))


def open_receipt(seed: bytes, sealed: bytes, network: bytes, section: bytes) -> Receipt:
    """The receipt; `CryptoRefused` or `Malformed` when it is not one of this section."""
    return decode(hpke.open(seed, receipt_info(network, section), sealed), Receipt, limit=MAX_RECEIPT)


def next_head(head: bytes, sealed: bytes) -> Hash:
    """The chain's head after one more receipt."""
    return tagged("salus/receipt-head/1", head, sealed)


def sign_promise(key: SigningKey, promise: Promise) -> SignedPromise:
    """The promise, signed by the vault."""
    return SignedPromise(promise, key.sign(PROMISE_TAG, encode(promise)))


def require_promise(signed: SignedPromise, vault: bytes, node_key: VerifyKey, read: SignedRead) -> None:
    """Raise ``bad-promise`` unless the vault promised a receipt for just this request."""
    promise = signed.promise
    named = (promise.network, promise.vault, promise.section, promise.request)
    if named != (read.request.network, vault, read.request.section, request_hash(read)):
        raise WarrantRefused("bad-promise", "the promise is for another request")
    try:
        require_signature(node_key, PROMISE_TAG, encode(promise), signed.signature)
    except CryptoRefused as error:
        raise WarrantRefused("bad-promise", "the promise is not signed by the vault") from error


def require_receipt(
    receipt: Receipt, network: bytes, vault: bytes, section: bytes, owner: VerifyKey, max_window: int
) -> Effective:
    """The warrant that the reader used; raises unless the embedded request is the holder's own: a vault can frame nobody."""
    effective = require_warrant(receipt.read.warrant, network, section, owner, max_window)
    require_holder(receipt.read, effective, network, vault)
    return effective


def blinded(blind: bytes, section: bytes) -> Hash:
    """How a section is named in anchors; ``blind`` (32 bytes) is the vault's secret for this section."""
    return tagged("salus/blinded-section/1", blind, section)


def require_chain(receipts: tuple[StoredReceipt, ...], first: int, head: bytes) -> bytes:
    """The head after ``receipts``, which follow index ``first`` - 1 with ``head``; raises ``receipt-chain`` on a gap."""
    for offset, stored in enumerate(receipts):
        head = next_head(head, stored.sealed)
        if stored.index != first + offset or stored.head != head:
            raise WarrantRefused("receipt-chain", "a receipt is missing, altered or out of order")
    return head


def require_total(answer: ReceiptsAnswer, first: int) -> None:
    """Raise ``receipts-dropped`` when the vault has fewer receipts than it showed before, or sends none of those it has."""
    reached = first + len(answer.receipts)
    if answer.total < reached or (answer.total > reached and not answer.receipts):
        raise WarrantRefused("receipts-dropped", "the vault does not show all receipts that it once had")


def require_anchor(answer: ReceiptsAnswer, section: bytes, root: bytes, sections: int, heads: dict[int, bytes]) -> None:
    """Raise unless the anchor on the ledger (``root`` over ``sections`` leaves) covers this section's chain.

    ``heads`` is {count: head after that many receipts}, as the patient computed them.
    """
    leaf = answer.leaf
    if leaf is None or len(answer.blind) != 32 or leaf.blinded != blinded(answer.blind, section):
        raise WarrantRefused("bad-anchor", "the anchor does not name this section")
    if answer.leaves != sections:
        raise WarrantRefused("bad-anchor", "the answer counts other leaves than the anchor on the ledger")
    require_in_list(root, encode(leaf), answer.leaf_index, sections, answer.proof)
    if heads.get(leaf.count) != leaf.head:
        raise WarrantRefused("anchor-mismatch", "the receipts are not those that the vault anchored")


def anchor_leaf(blind: bytes, section: bytes, head: bytes, count: int) -> AnchorLeaf:
    """One section's line in an anchor."""
    return AnchorLeaf(blinded(blind, section), head, count)
