"""Transactions: whole or not at all, once, in time, in this network, signed by just the keys that their actions need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ledger_world import CLINIC, LAB, START, STEP, Ledger, creation, entry, founding, licence_for, public, signed, some
from salus.codec import encode
from salus.errors import LedgerRefused, SalusError
from salus.ids import Height, Millis
from salus.ledger.app import Application
from salus.ledger.deadlines import Deadline, deadline_key, due
from salus.ledger.machine import Block
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.sections.messages import AdmitWriter, RemoveWriter
from salus.ledger.store import MemoryStore, Overlay
from salus.ledger.tx import Transaction


def test_an_action_lifted_into_another_transaction_is_refused() -> None:
    ledger = Ledger()
    original = signed(ledger.body(creation("owner")), "clinic node", "owner")
    lifted = Transaction(ledger.body(creation("owner")), original.signatures)
    assert ledger.run(encode(lifted)) == "crypto/bad-signature"
    assert ledger.run(encode(original)) == ""


def test_a_body_is_applied_once_however_it_is_signed_again() -> None:
    ledger = Ledger()
    body = ledger.body(Revoke(some("secret")))
    first = encode(signed(body, "clinic node"))
    assert [result.refusal for result in ledger.block(first, first)] == ["", "ledger/replayed"]
    assert ledger.run(first) == "ledger/replayed"
    assert ledger.run(first, at=body.expires) == "ledger/expired"
    assert ledger.run(first, at=body.expires + 1) == "ledger/expired"


def test_a_refused_body_may_come_again() -> None:
    ledger = Ledger()
    data = ledger.tx(entry(some("nothing"), "owner", "blob"), by=["owner"])
    assert ledger.run(data) == "ledger/no-such-section"
    assert ledger.run(data) == "ledger/no-such-section"


def test_time_network_and_sponsor_are_checked() -> None:
    ledger = Ledger()
    act = Revoke(some("secret"))
    for body, code in (
        (ledger.body(act, expires=ledger.time + STEP), "ledger/expired"),
        (ledger.body(act, expires=ledger.time + 600_001 + 5 * STEP), "ledger/expires-too-late"),
        (ledger.body(act, network=some("other")), "ledger/wrong-network"),
        (ledger.body(act, sponsor=some("nobody")), "ledger/no-such-member"),
    ):
        assert ledger.run(encode(signed(body, "clinic node"))) == code


def test_the_signers_are_those_that_the_actions_need_and_nobody_else() -> None:
    ledger = Ledger()
    body = ledger.body(creation("owner"))
    for names in (["clinic node"], ["owner"], ["clinic node", "other"], ["clinic node", "owner", "other"], ["lab node", "owner"]):
        assert ledger.run(encode(signed(body, *names))) == "ledger/wrong-signers"
    good = signed(body, "clinic node", "owner")
    assert ledger.run(encode(Transaction(body, good.signatures[::-1]))) == "ledger/wrong-signers"
    assert ledger.run(encode(Transaction(body, (*good.signatures, good.signatures[-1])))) == "ledger/wrong-signers"
    forged = tuple(msgspec.structs.replace(one, signature=bytes(64)) for one in good.signatures)
    assert ledger.run(encode(Transaction(body, forged))) == "crypto/bad-signature"
    assert ledger.run(encode(good)) == ""


def test_what_fails_in_the_middle_leaves_nothing_behind() -> None:
    ledger = Ledger()
    before = ledger.state()
    assert ledger.do(creation("owner"), entry(some("nothing"), "owner", "blob"), by=["owner"]) == "ledger/no-such-section"
    assert ledger.state() == before
    assert ledger.headers[-1].header.state == ledger.headers[-2].header.state


def test_bytes_that_are_no_transaction_become_a_coded_result() -> None:
    ledger = Ledger()
    good = ledger.tx(Revoke(some("secret")))
    results = ledger.block(b"", good[:-1], good + b"\x00", b"\x91" * 100, b"x" * 100_000)
    assert [result.refusal for result in results] == [
        "codec/not-decodable",
        "codec/not-decodable",
        "codec/not-decodable",
        "codec/not-decodable",
        "codec/too-large",
    ]
    assert {result.body for result in results} == {bytes(32)}


def test_a_refused_result_names_its_body() -> None:
    ledger = Ledger()
    body = ledger.body(creation("owner"))
    (result,) = ledger.block(encode(signed(body, "clinic node")))
    assert result.body != bytes(32)


def test_each_signature_is_checked_once_however_often_it_is_looked_at() -> None:
    ledger = Ledger()
    data = ledger.tx(creation("owner"), by=["owner"])
    ledger.app.check_tx(data, ledger.time + STEP)
    ledger.app.prepare_proposal([data], ledger.time + STEP)
    assert ledger.run(data) == ""
    assert ledger.app.machine.verified == 2


def test_the_memory_of_checked_signatures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salus.ledger.machine._REMEMBERED", 4)
    ledger = Ledger()
    for number in range(20):
        ledger.done(Revoke(some(f"secret {number}")))
    assert len(ledger.app.machine._seen) <= 4


def test_the_reserve_is_for_what_protects_rights() -> None:
    ledger = Ledger(founding(quota=4, reserve=2))
    section = ledger.section()  # one
    ledger.done(AdmitWriter(section, public("w"), 9, 99, ledger.time + 10**9), by=["owner"])
    ledger.done(entry(section, "owner", "a"), entry(section, "owner", "b"), by=["owner"])
    assert ledger.do(entry(section, "owner", "c"), by=["owner"]) == "ledger/quota-spent"
    assert ledger.do(RemoveWriter(section, public("w")), entry(section, "owner", "c"), by=["owner"]) == "ledger/quota-spent"
    assert ledger.do(RemoveWriter(section, public("w")), by=["owner"]) == ""
    assert ledger.do(Revoke(some("one"))) == ""
    assert ledger.do(Revoke(some("two"))) == "ledger/quota-spent"
    assert ledger.do(Revoke(some("two")), sponsor="lab") == ""
    ledger.time += 60_000
    assert ledger.do(entry(section, "owner", "c"), by=["owner"]) == ""


def test_a_check_changes_nothing_and_refuses_as_execution_would() -> None:
    ledger = Ledger()
    data = ledger.tx(creation("owner"), by=["owner"])
    before = ledger.app.info()
    for _ in range(2):
        ledger.app.check_tx(data, ledger.time + STEP)
    assert ledger.app.info() == before
    with pytest.raises(SalusError) as refused:
        ledger.app.check_tx(data, ledger.time + 10**7)
    assert refused.value.full_code == "ledger/expired"


def test_a_proposal_holds_what_applies_and_fits() -> None:
    ledger = Ledger(founding(max_block=900))
    good = [ledger.tx(Revoke(some(f"s{number}"))) for number in range(9)]
    chosen = ledger.app.prepare_proposal([good[0], good[0], b"x", *good[1:]], ledger.time + STEP)
    assert chosen[0] == good[0]
    assert good[0] not in chosen[1:]
    assert sum(map(len, chosen)) <= 900
    assert len(chosen) > 1
    ledger.app.process_proposal(chosen)
    with pytest.raises(LedgerRefused) as refused:
        ledger.app.process_proposal(tuple(good))
    assert refused.value.full_code == "ledger/bad-proposal"


def test_blocks_follow_each_other_and_are_finalized_before_they_are_committed() -> None:
    ledger = Ledger()
    with pytest.raises(LedgerRefused) as refused:
        ledger.app.finalize_block(Block(Height(2), Millis(START + 1), ()))
    assert refused.value.full_code == "ledger/wrong-height"
    with pytest.raises(LedgerRefused) as nothing:
        ledger.app.commit()
    assert nothing.value.full_code == "ledger/nothing-finalized"
    ledger.app.committed()
    assert ledger.height == 0
    ledger.app.finalize_block(Block(Height(1), Millis(START + 1), (ledger.tx(Revoke(some("x"))),)))
    other = ledger.app.finalize_block(Block(Height(1), Millis(START + 1), ()))
    ledger.store.apply(ledger.app.commit())
    ledger.app.committed()
    assert ledger.app.info().root == other.root


def busy() -> Ledger:
    """A ledger with a bit of everything in it."""
    ledger = Ledger()
    section = ledger.section()
    ledger.done(licence_for("doctor"), by=["clinic authority"])
    ledger.done(entry(section, "owner", "a"), entry(section, "owner", "b"), by=["owner"])
    ledger.done(Revoke(some("secret")))
    ledger.run(b"garbage")
    return ledger


def test_a_replay_and_a_restart_give_the_same_state() -> None:
    ledger = busy()
    store = MemoryStore()
    again = Application(ledger.genesis, store, 0)
    store.apply(again.init_chain())
    again.committed()
    for block, header in zip(ledger.blocks, ledger.headers[1:], strict=True):
        assert again.finalize_block(block).root == header.header.state
        store.apply(again.commit())
        again.committed()
    assert Application(ledger.genesis, ledger.store, ledger.height).info() == again.info()


def test_the_application_hash_does_not_hang_on_the_hash_seed() -> None:
    script = "from test_ledger_transactions import busy; print(busy().app.info().root.hex())"
    path = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    roots = {
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {script}"],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert roots == {busy().app.info().root.hex().encode() + b"\n"}


def test_an_overlay_commits_or_vanishes() -> None:
    store = MemoryStore()
    store.apply({b"a": b"1", b"b": b"2"})
    top = Overlay(store)
    top.put(b"c", b"3")
    top.remove(b"a")
    inner = Overlay(top)
    inner.put(b"a", b"9")
    inner.remove(b"c")
    assert list(top.keys(b"", b"z")) == [b"b", b"c"]
    assert list(inner.keys(b"", b"z")) == [b"a", b"b"]
    assert list(store.keys(b"", b"z")) == [b"a", b"b"]
    inner.fold_into(top)
    assert (top.get(b"a"), top.get(b"c"), store.get(b"a")) == (b"9", None, b"1")
    store.apply(top.changes)
    assert [store.get(name) for name in (b"a", b"b", b"c")] == [b"9", b"2", None]


def test_deadlines_come_in_order_and_once() -> None:
    state = Overlay(MemoryStore())
    for time, name in ((5, "b/x"), (5, "a/x"), (3, "c/x"), (6, "d/x")):
        state.put(deadline_key(time, name, b"s"), encode(Deadline(name, b"s")))
    assert [deadline.kind for _, deadline in due(state, 5)] == ["c/x", "a/x", "b/x"]


def test_members_are_those_of_genesis() -> None:
    ledger = Ledger()
    assert {CLINIC, LAB} == {found[-32:] for found in ledger.state() if found.startswith(b"members/")}
