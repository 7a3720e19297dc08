"""What every transaction must be: decodable, in time, of this network, new, and signed by just the right keys."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from ledger_world import (
    CLINIC,
    LAB,
    SMALL_ORDER,
    START,
    Ledger,
    creation,
    entry,
    founding,
    key,
    licence_for,
    public,
    signed,
    some,
)
from salus.codec import decode, encode
from salus.errors import SalusError
from salus.ledger.genesis import GenesisMember
from salus.ledger.header import TxResult
from salus.ledger.modules.licences.messages import LicenceStatus, SetLicenceStatus
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.sections.messages import AdmitWriter, Entomb, HandOver, RemoveWriter, Rotate
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash

REVOKE = Revoke(some("preimage"))


def test_an_applied_transaction_has_its_body_and_no_refusal_as_result() -> None:
    """TX-13."""
    ledger = Ledger()
    data = ledger.tx(REVOKE)
    assert ledger.block(data) == (TxResult(body_hash(decode(data, Transaction, limit=10_000).body), ""),)


def test_a_refused_transaction_has_its_body_and_the_code_as_result() -> None:
    """TX-13, ERR-4."""
    ledger = Ledger()
    body = ledger.body(REVOKE, network=some("another network"))
    (result,) = ledger.block(encode(signed(body, "clinic node")))
    assert result == TxResult(body_hash(body), "ledger/wrong-network")


@pytest.mark.parametrize(
    ("what", "change", "code"),
    [
        ("nothing", lambda data: b"", "codec/not-decodable"),
        ("noise", lambda data: b"\xff" * 100, "codec/not-decodable"),
        ("a byte too few", lambda data: data[:-1], "codec/not-decodable"),
        ("a byte too many", lambda data: data + b"\0", "codec/not-decodable"),
        ("another header of the same array", lambda data: b"\xdc\x00\x03" + data[1:], "codec/not-canonical"),
        ("more than a transaction may have", lambda data: data + bytes(65_536), "codec/too-large"),
        ("nested without end", lambda data: b"\x91" * 60_000, "codec/not-decodable"),
    ],
)
def test_malformed_bytes_in_a_block_become_a_result(what: str, change: Callable[[bytes], bytes], code: str) -> None:
    """TX-5, TX-13: a coded result with no body, and the rest of the block goes on."""
    ledger = Ledger()
    good = ledger.tx(REVOKE)
    first, second = ledger.block(change(ledger.tx(Revoke(some("other")))), good)
    assert (first, second.refusal) == (TxResult(bytes(32), code), ""), what


@pytest.mark.parametrize(
    ("what", "ahead", "code"),
    [
        ("long ago", -1_000, "ledger/expired"),
        ("just now", 0, "ledger/expired"),
        ("in a moment", 1, ""),
        ("as late as may be", 600_000, ""),
        ("later than may be", 600_001, "ledger/expires-too-late"),
    ],
)
def test_a_transaction_expires_within_ten_minutes_of_block_time(what: str, ahead: int, code: str) -> None:
    """TX-6."""
    ledger = Ledger()
    at = START + 5_000
    assert ledger.run(encode(signed(ledger.body(REVOKE, expires=at + ahead), "clinic node")), at=at) == code, what


def test_the_same_body_is_applied_once() -> None:
    """TX-8: also within one block, and until it has expired."""
    ledger = Ledger()
    admit = AdmitWriter(ledger.section(), public("writer"), 9, 9, START * 2)
    data = ledger.tx(admit, by=["owner"])
    assert [result.refusal for result in ledger.block(data, data)] == ["", "ledger/replayed"]
    assert ledger.run(data) == "ledger/replayed"
    assert ledger.run(data, at=ledger.time + 60_000) == "ledger/expired"


def test_a_body_that_is_signed_again_and_resent_is_a_replay() -> None:
    """TX-8: replays are found by the body's hash, whatever the signatures are."""
    ledger = Ledger()
    body = ledger.body(AnchorReceipts(CLINIC, 0, some("root"), 1))
    assert ledger.run(encode(signed(body, "clinic node"))) == ""
    assert ledger.run(encode(signed(body, "lab node"))) == "ledger/replayed"
    assert ledger.run(encode(Transaction(body, (Signature(public("clinic node"), bytes(64)),)))) == "ledger/replayed"


def test_a_refused_body_may_be_sent_again() -> None:
    """TX-8: only what was applied is remembered."""
    ledger = Ledger()
    data = ledger.tx(AnchorReceipts(CLINIC, 1, some("root"), 1))
    assert ledger.run(data) == "ledger/wrong-anchor-number"
    ledger.done(AnchorReceipts(CLINIC, 0, some("root"), 1))
    assert ledger.run(data) == ""


def test_the_replay_memory_is_empty_when_bodies_have_expired() -> None:
    """TX-20, TX-21."""
    ledger = Ledger()
    ledger.done(REVOKE)
    expiry = ledger.time - 1_000 + 60_000
    replays = b"deadlines/" + expiry.to_bytes(8, "big")
    ledger.block(at=expiry - 1)
    assert any(found.startswith(replays) for found in ledger.state())
    ledger.block(at=expiry)
    assert not any(found.startswith(replays) for found in ledger.state())


def test_the_sponsor_is_a_member() -> None:
    """TX-4."""
    ledger = Ledger()
    data = encode(signed(ledger.body(REVOKE, sponsor=some("nobody")), "clinic node"))
    assert ledger.run(data) == "ledger/no-such-member"


def test_any_member_may_sponsor() -> None:
    """TX-16."""
    assert Ledger().do(REVOKE, sponsor="lab") == ""


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("the sponsor is missing", ["owner"]),
        ("the owner is missing", ["clinic node"]),
        ("somebody else for the owner", ["clinic node", "stranger"]),
        ("the next owner for the owner", ["clinic node", "next owner"]),
        ("another member's node for the sponsor", ["lab node", "owner"]),
        ("the sponsor's authority for its node", ["clinic authority", "owner"]),
        ("one signature too many", ["clinic node", "owner", "stranger"]),
        ("the owner twice", ["clinic node", "owner", "owner"]),
    ],
)
def test_missing_and_superfluous_signatures_are_refused(what: str, names: list[str]) -> None:
    """TX-9."""
    ledger = Ledger()
    admit = AdmitWriter(ledger.section(), public("writer"), 9, 9, START * 2)
    before = ledger.app.info().root
    assert ledger.run(encode(signed(ledger.body(admit), *names))) == "ledger/wrong-signers", what
    assert ledger.app.info().root == before


def test_a_key_that_two_actions_need_signs_once() -> None:
    """TX-9."""
    ledger = Ledger()
    section = ledger.section()
    admits = [AdmitWriter(section, public(name), 9, 9, START * 2) for name in ("one", "two")]
    assert ledger.do(*admits, by=["owner"]) == ""


def section_actions(section: bytes) -> list[tuple[Action, str]]:
    """Each action with the one key that it needs besides the sponsor's."""
    return [
        (creation("new owner"), "new owner"),
        (entry(section, "writer", "blob"), "writer"),
        (AdmitWriter(section, public("admitted"), 9, 9, START * 2), "owner"),
        (RemoveWriter(section, public("writer")), "owner"),
        (Rotate(section, bytes(32), creation("owner").schedule), "owner"),
        (HandOver(section, public("next owner"), some("commitment")), "next owner"),
        (Entomb(section, 0), "owner"),
        (licence_for("doctor"), "clinic authority"),
    ]


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("signer", ["stranger", "lab authority", "lab node", None])
def test_each_action_needs_its_own_key(index: int, signer: str | None) -> None:
    """TX-9: by the table of the actions."""
    ledger = Ledger()
    action, needed = section_actions(ledger.section())[index]
    assert ledger.do(action, by=[signer] if signer else []) == "ledger/wrong-signers"
    assert ledger.do(action, by=[needed]) != "ledger/wrong-signers"


def test_a_licence_is_moved_by_its_issuer_alone() -> None:
    """TX-9: another member's authority does not do."""
    ledger = Ledger()
    issued = ledger.app.machine
    body = ledger.done(licence_for("doctor"), by=["clinic authority"])
    licence = next(found for found in ledger.state() if found.startswith(b"licences/"))[len(b"licences/") :]
    suspend = SetLicenceStatus(licence, LicenceStatus.SUSPENDED)
    assert issued.verified == 2
    assert len(body) == 32
    assert ledger.do(suspend, by=["lab authority"], sponsor="lab") == "ledger/wrong-signers"
    assert ledger.do(suspend, by=["clinic authority"], sponsor="lab") == ""


def test_an_anchor_is_made_by_its_own_vault_alone() -> None:
    """TX-9, TX-24."""
    ledger = Ledger()
    anchor = AnchorReceipts(LAB, 0, some("root"), 1)
    assert ledger.do(anchor) == "ledger/wrong-signers"
    assert ledger.do(anchor, sponsor="lab") == ""
    assert ledger.do(AnchorReceipts(LAB, 1, some("root"), 1), by=["lab node"]) == ""


def test_an_action_that_is_lifted_into_another_transaction_is_refused() -> None:
    """TX-10: the signature is over the whole body, so an action cannot be taken out and sponsored by somebody else."""
    ledger = Ledger()
    admit = AdmitWriter(ledger.section(), public("writer"), 9, 9, START * 2)
    made = signed(ledger.body(admit), "clinic node", "owner")
    taken = next(signature for signature in made.signatures if signature.key == public("owner"))
    body = ledger.body(admit, sponsor=LAB)
    own = Signature(public("lab node"), key("lab node").sign(SIGNATURE_TAG, body_hash(body)))
    lifted = Transaction(body, tuple(sorted((own, taken), key=lambda signature: signature.key)))
    assert ledger.run(encode(lifted)) == "crypto/bad-signature"


@pytest.mark.parametrize("field", ["network", "expires", "nonce", "sponsor", "actions"])
def test_every_field_of_the_body_is_signed(field: str) -> None:
    """TX-10."""
    ledger = Ledger()
    body = ledger.body(REVOKE)
    good = signed(body, "clinic node")
    changes = {
        "network": bytes(32),
        "expires": body.expires + 1,
        "nonce": b"n" * 16,
        "sponsor": LAB,
        "actions": (Revoke(some("other")),),
    }
    altered = Transaction(msgspec.structs.replace(body, **{field: changes[field]}), good.signatures)
    expected = {"network": "ledger/wrong-network", "sponsor": "ledger/wrong-signers"}.get(field, "crypto/bad-signature")
    assert ledger.run(encode(altered)) == expected


@pytest.mark.parametrize("tag", ["salus/header-signature/1", "salus/warrant-link/1", "salus/tx-signature/2"])
def test_a_signature_for_another_purpose_is_refused(tag: str) -> None:
    """TX-10, ENC-12."""
    ledger = Ledger()
    body = ledger.body(REVOKE)
    forged = Signature(public("clinic node"), key("clinic node").sign(tag, body_hash(body)))
    assert ledger.run(encode(Transaction(body, (forged,)))) == "crypto/bad-signature"


def test_a_bad_signature_does_not_pass_after_the_good_one_was_verified() -> None:
    """TX-10: what is remembered is the transaction whole, signatures and all."""
    ledger = Ledger()
    good = signed(ledger.body(REVOKE), "clinic node")
    ledger.app.check_tx(encode(good), ledger.time + 1)
    bad = Transaction(good.body, (Signature(public("clinic node"), bytes(64)),))
    assert ledger.run(encode(bad)) == "crypto/bad-signature"


def test_each_signature_is_verified_once_between_check_and_block() -> None:
    """TX-10."""
    ledger = Ledger()
    data = ledger.tx(creation("owner"), by=["owner"])
    for _ in range(3):
        ledger.app.check_tx(data, ledger.time + 1)
    assert ledger.app.prepare_proposal([data], ledger.time + 1) == (data,)
    assert ledger.run(data) == ""
    assert ledger.app.machine.verified == 2


def test_a_refused_signature_is_verified_again() -> None:
    """TX-10: only what verified is remembered."""
    ledger = Ledger()
    bad = encode(Transaction(ledger.body(REVOKE), (Signature(public("clinic node"), bytes(64)),)))
    assert [ledger.run(bad), ledger.run(bad)] == ["crypto/bad-signature"] * 2
    assert ledger.app.machine.verified == 2


def test_what_was_verified_is_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """TX-10: the memory of the machine is bounded."""
    monkeypatch.setattr("salus.ledger.machine._REMEMBERED", 4)
    ledger = Ledger()
    sent = [ledger.tx(Revoke(some(f"preimage {number}"))) for number in range(5)]
    for data in [*sent, *reversed(sent)]:
        ledger.app.check_tx(data, ledger.time + 1)
    assert ledger.app.machine.verified == 5 + 2


@pytest.mark.parametrize("which", ["authority", "node"])
def test_a_network_is_not_founded_on_an_unsound_key(which: str) -> None:
    """TX-2, ENC-13."""
    keys = {"authority": public("authority"), "node": public("node"), which: SMALL_ORDER}
    genesis = msgspec.structs.replace(founding(), members=(GenesisMember(keys["authority"], keys["node"], ()),))
    with pytest.raises(SalusError) as refused:
        Ledger(genesis)
    assert refused.value.full_code == "crypto/unsound-key"


def test_a_body_has_between_one_and_five_hundred_actions() -> None:
    """ENC-6."""
    ledger = Ledger()
    assert ledger.run(encode(signed(ledger.body(), "clinic node"))) == "codec/not-decodable"
    many = [Revoke(some(f"{number}")) for number in range(513)]
    assert ledger.do(*many) == "codec/not-decodable"
    assert ledger.do(*many[:512]) == ""


def test_the_checks_stand_in_their_order() -> None:
    """TX-5 to TX-12: the first check that fails is the result."""
    ledger = Ledger()
    body = Body(bytes(32), START, bytes(16), some("nobody"), (AnchorReceipts(CLINIC, 7, some("root"), 1),))
    steps = [
        ("ledger/expired", {"expires": START * 2}),
        ("ledger/expires-too-late", {"expires": START + 60_000}),
        ("ledger/wrong-network", {"network": ledger.network}),
        ("ledger/no-such-member", {"sponsor": CLINIC}),
    ]
    for code, repair in steps:
        assert ledger.run(encode(signed(body, "stranger"))) == code
        body = msgspec.structs.replace(body, **repair)
    assert ledger.run(encode(signed(body, "stranger"))) == "ledger/wrong-signers"
    unsigned = Transaction(body, (Signature(public("clinic node"), bytes(64)),))
    assert ledger.run(encode(unsigned)) == "crypto/bad-signature"
    assert ledger.run(encode(signed(body, "clinic node"))) == "ledger/wrong-anchor-number"
