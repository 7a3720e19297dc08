"""What speaks for itself while no node can be reached: a prescriber's slip for one fill, and a pharmacist's word of a supply."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record, encode
from salus.crypto.signing import SigningKey, require_signature
from salus.exchange.prescribing import FillSlip, PrescriptionCode
from salus.ids import Bytes32, Bytes64, Count, VerifyKey
from salus.ledger.modules.prescriptions.messages import WHOLE, Index, NewFill
from salus.ledger.modules.prescriptions.state import Fill, Prescription, content_hash

SLIP_TAG = "salus/prescription-slip/1"
STATEMENT_TAG = "salus/outage-supply/1"
MAX_STATEMENT = 4_096


class Slip(Record, frozen=True, tag="prescription-slip-1"):
    """What the prescriber signs of a fill at issue, by the licence's key: just what the ledger then has of it.

    ``content`` is the salted hash of what is prescribed; times in ms. It says nothing of what has become of the fill since.
    """

    network: Bytes32
    prescription: Bytes32
    content: Bytes32
    licence: Bytes32
    fill: Index
    opens: Count
    closes: Count
    controlled: bool


class OutageStatement(Record, frozen=True, tag="outage-supply-1"):
    """A pharmacist, by ``licence``, supplied ``share`` (thousandths) of a fill ``at`` (ms, a clock of the pharmacy).

    ``bearer``: the public key of the code that was shown; ``quantity`` is words.
    """

    network: Bytes32
    prescription: Bytes32
    fill: Index
    licence: Bytes32
    bearer: Bytes32
    at: Count
    share: Annotated[int, msgspec.Meta(ge=1, le=WHOLE)]
    quantity: Annotated[str, msgspec.Meta(max_length=64)]


class SignedStatement(Record, frozen=True, tag="signed-outage-supply-1"):
    """A statement under the keys of the pharmacist's licence and of the code, and the prescriber's on the fill's slip."""

    statement: OutageStatement
    slip: Bytes64
    pharmacist: Bytes64
    code: Bytes64


def sign_slips(
    key: SigningKey, network: bytes, there: tuple[bytes, bytes, bytes], fills: tuple[NewFill, ...], *, controlled: bool
) -> tuple[bytes, ...]:
    """A signature for each fill of a prescription: ``there`` is its handle, the hash of its content, and the licence."""
    handle, content, licence = there
    slips = [
        Slip(network, handle, content, licence, number, one.opens, one.closes, controlled) for number, one in enumerate(fills)
    ]
    return tuple(key.sign(SLIP_TAG, encode(slip)) for slip in slips)


def require_slip(code: PrescriptionCode, holder: bytes) -> None:
    """Raise `CryptoRefused` ``bad-signature`` unless ``holder`` signed the code's slip, for just this content and fill."""
    said, content = code.slip, code.content
    hashed = content_hash(code.salt, encode(content))
    window = (said.opens, said.closes, said.controlled)
    slip = Slip(code.network, content.prescription, hashed, content.licence, code.fill, *window)
    require_signature(VerifyKey(holder), SLIP_TAG, encode(slip), said.signature)


def require_slip_of(
    signature: bytes, holder: bytes, network: bytes, handle: bytes, there: Prescription, fill: tuple[int, Fill]
) -> None:
    """The same of what the ledger has: whoever has the signature was shown a code of this fill."""
    number, one = fill
    slip = Slip(network, handle, there.content, there.licence, number, one.opens, one.closes, there.controlled)
    require_signature(VerifyKey(holder), SLIP_TAG, encode(slip), signature)


def sign_statement(statement: OutageStatement, slip: FillSlip, pharmacist: SigningKey, bearer: SigningKey) -> SignedStatement:
    """The statement under both keys."""
    said = encode(statement)
    return SignedStatement(statement, slip.signature, pharmacist.sign(STATEMENT_TAG, said), bearer.sign(STATEMENT_TAG, said))


def require_statement(signed: SignedStatement, pharmacist: bytes) -> None:
    """Raise `CryptoRefused` ``bad-signature`` unless ``pharmacist``, and whoever had the code, signed the statement."""
    said = encode(signed.statement)
    require_signature(VerifyKey(pharmacist), STATEMENT_TAG, said, signed.pharmacist)
    require_signature(VerifyKey(signed.statement.bearer), STATEMENT_TAG, said, signed.code)
