"""Every leaf of the state stands under the key that the specification gives."""

from __future__ import annotations

from ledger_world import CLINIC, HOUR, START, Ledger, entry, epoch, licence_for, public, some
from salus.codec import decode
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.revocations.state import Revoked, revocation_id
from salus.ledger.modules.sections.messages import AdmitWriter, Entomb, Rotate
from salus.ledger.modules.sections.state import schedule_hash
from salus.ledger.tx import licence_id


def test_leaves_stand_where_the_specification_has_them() -> None:
    """STATE-1."""
    ledger, eight = Ledger(), (1).to_bytes(8, "big")
    section, blob, preimage = ledger.section(), some("a"), some("preimage")
    ledger.done(entry(section, "owner", "z"), by=["owner"])
    ledger.done(entry(section, "owner", "a"), by=["owner"])
    ledger.done(AdmitWriter(section, public("w"), 9, 99, START + HOUR), by=["owner"])
    first = epoch(0, START)
    ledger.done(Rotate(section, schedule_hash((first,)), (first, epoch(1, START + HOUR))), by=["owner"])
    ledger.done(Revoke(preimage))
    ledger.done(AnchorReceipts(CLINIC, 0, some("root"), 1))
    ledger.done(AnchorReceipts(CLINIC, 1, some("root"), 1))
    ledger.done(PublishListing(public("w"), some("listing")), by=["w"])
    licence = licence_id(ledger.done(licence_for("holder"), by=["clinic authority"]), 0)
    ledger.done(Entomb(section, 0), by=["owner"])
    expected = {
        b"members/" + CLINIC,
        b"licences/" + licence,
        b"sections/" + section,
        b"sections/" + section + b"/entry/" + eight,
        b"sections/" + section + b"/writer/" + public("w"),
        b"sections/" + section + b"/epoch/" + eight,
        b"blobs/" + blob + b"/" + section,
        b"tombstones/" + some("z") + b"/" + section,
        b"revocations/" + revocation_id(preimage),
        b"anchors/" + CLINIC,
        b"anchors/" + CLINIC + b"/" + eight,
        b"directory/" + public("w"),
        b"quotas/" + CLINIC,
    }
    state = ledger.state()
    assert expected - set(state) == set()
    revoked = decode(state[b"revocations/" + revocation_id(preimage)], Revoked, limit=64)
    due = revoked.time + ledger.genesis.parameters.max_warrant_window
    kind, subject = b"revocations/forget", b"revocations/" + revocation_id(preimage)
    assert b"deadlines/" + due.to_bytes(8, "big") + kind + b"/" + subject in state
