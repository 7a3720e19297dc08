"""Prescriptions between people: issued, shown as a code, accepted once, dispensed, stopped, and found in the record."""

from __future__ import annotations

import base64
import json
import secrets
import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import segno
from msgspec.structs import replace

from prescribing_world import ALL, DOSE, DRUG, PHARMACIST, RIVAL, Town, town
from salus.agent.at_once import side_by_side
from salus.agent.own_prescriptions import OwnPrescription
from salus.agent.services import charting, dispensing, examining, inbox, licensing, prescribed, prescribing, revoking
from salus.agent.services.dispensing import Supply
from salus.agent.services.granting import Lasting
from salus.agent.services.prescribing import Terms
from salus.agent.services.submitting import prepare
from salus.charts.sections import SectionKind
from salus.cli.qr import as_picture, as_text
from salus.crypto.hashing import tagged
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, SalusError
from salus.exchange.api import TxStatus
from salus.exchange.prescribing import PREFIX, code_from_text, code_to_text, zstd
from salus.exchange.proofs import read_proofs, require_proofs
from salus.fhir.authoring import medication_request
from salus.fhir.tasks import NOT_SHARED, FillInfo
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.prescriptions.messages import AcceptFill, Identified, Reason, Rest
from salus.ledger.modules.prescriptions.state import DAY
from salus.warrants.link import Right
from world import CLEMENTE, DOCTOR, PATIENT

HALF = Supply(500)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


def refused(call: Any, *given: Any, **more: Any) -> str:
    """The full code of what refuses the call."""
    with pytest.raises(SalusError) as caught:
        call(*given, **more)
    return caught.value.full_code


# --- from the prescriber to the record


def test_a_prescription_is_issued_shown_accepted_and_dispensed(place: Town) -> None:
    """RX-20, RX-24, RX-27."""
    handle = place.issue()
    (own,) = prescribed.own_prescriptions(place.home.agent, PATIENT)
    assert (own.prescription, own.drug, own.taken, own.fills[0].status) == (handle, DRUG, True, "ready")
    seen = dispensing.open_code(place.near.agent, PHARMACIST, place.code(handle))
    assert (seen.drug, seen.dose, seen.patient, seen.prescriber, seen.state.status) == (DRUG, DOSE, PATIENT, DOCTOR, "ready")
    assert place.accept(handle).held
    done = place.dispense(handle, Supply(quantity="30", batch="B1"))
    assert (done.state.status, done.state.dispensed, done.told) == ("completed", 1000, True)
    (item,) = inbox.collect(place.home.agent, PATIENT)
    assert (item.kind, item.trouble) == ("dispensed", "")
    (shown,) = charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("MedicationDispense",)).shown
    assert b"batch: B1" in shown.leaf.data
    assert DRUG.encode() in shown.leaf.data


def test_from_issue_to_the_inbox_it_takes_one_block_and_one_fetch(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """RX-24."""
    agent, fetched = place.home.agent, list[object]()
    collect, height = agent.network.collect, agent.network.status().height
    monkeypatch.setattr(agent.network, "collect", lambda asked: (fetched.append(asked), collect(asked))[1])
    prescribing.issue(agent, DOCTOR, PATIENT, medication_request(DRUG, DOSE, PATIENT), Terms())
    assert agent.network.status().height == height + 1
    (item,) = inbox.collect(agent, PATIENT)
    assert (item.kind, len(fetched)) == ("prescription", 1)


def test_a_fill_that_was_collected_is_closed_with_a_proof_for_strangers(place: Town) -> None:
    """RX-18."""
    handle = place.taken()
    place.dispense(handle)
    info, proof = dispensing.close(place.near.agent, PHARMACIST, handle, None)
    (finding,) = require_proofs(place.home.agent.genesis, read_proofs(proof))
    facts = dict(finding.facts)
    assert (finding.kind, finding.subject, facts["fill"]) == ("fill", handle, 1)
    assert (facts["status"], facts["dispensed_thousandths"], facts["at"]) == ("completed", 1000, info.state.at)
    assert facts["licence"] == info.state.pharmacist
    assert refused(dispensing.undo, place.near.agent, PHARMACIST, handle, None) == "ledger/nothing-dispensed"


def test_what_was_dispensed_is_filed_once(place: Town) -> None:
    """RX-27."""
    place.dispense(place.taken())
    for _ in range(2):
        inbox.collect(place.home.agent, PATIENT)
        prescribed.resume_prescribed(place.home.agent)
    assert len(charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("MedicationDispense",)).shown) == 1


def test_a_prescriber_who_may_write_puts_it_into_the_chart_as_well(place: Town) -> None:
    place.home.grant(DOCTOR, sections=(SectionKind.MEDICATIONS,), rights=(Right.APPEND,))
    data = medication_request(DRUG, DOSE, PATIENT)
    made = prescribing.issue(place.home.agent, DOCTOR, PATIENT, data, Terms())
    assert made.charted
    (shown,) = charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("MedicationRequest",)).shown
    assert made.prescription.encode() in shown.leaf.data


def test_the_date_of_birth_is_the_charts_where_the_prescriber_may_read_it(place: Town) -> None:
    """CLI-32."""
    assert dispensing.open_code(place.near.agent, PHARMACIST, place.code(place.issue())).born == ""
    place.home.take_in(CLEMENTE)
    place.home.grant(DOCTOR, sections=(SectionKind.SUMMARY,))
    born = dispensing.open_code(place.near.agent, PHARMACIST, place.code(place.issue(drug="Paracetamol 500 mg"))).born
    assert f'"birthDate": "{born}"'.encode() in CLEMENTE.replace(b'":"', b'": "')


def test_who_has_no_right_to_prescribe_issues_nothing(place: Town) -> None:
    licensing.set_licence(place.home.agent, DOCTOR, LicenceStatus.SUSPENDED)
    assert refused(place.issue) == "ledger/not-licensed"
    assert prescribing.issued(place.home.agent, DOCTOR) == ()


@pytest.mark.parametrize("data", [b'{"resourceType": "Patient"}', b'{"resourceType": "MedicationRequest"}'])
def test_what_is_no_medication_request_is_not_issued(place: Town, data: bytes) -> None:
    """RX-20."""
    with pytest.raises(SalusError):
        prescribing.issue(place.home.agent, DOCTOR, PATIENT, data, Terms())
    assert prescribing.issued(place.home.agent, DOCTOR) == ()


@pytest.mark.parametrize("change", [{"identifier": "x"}, {"medicationCodeableConcept": {"coding": [{"code": "1"}]}}])
def test_what_nobody_could_read_is_not_issued(place: Town, change: dict[str, Any]) -> None:
    """RX-20."""
    data = json.dumps({**json.loads(medication_request(DRUG, DOSE, PATIENT)), **change}).encode()
    with pytest.raises(SalusError):
        prescribing.issue(place.home.agent, DOCTOR, PATIENT, data, Terms())
    assert place.home.agent.store.all(prescribing.IssueJob, place.home.agent.wallet(DOCTOR).person) == []


@pytest.mark.parametrize("terms", [Terms(born="31.1.1980"), Terms(parts=4, repeats=12)])
def test_what_could_not_be_read_back_is_not_begun(place: Town, terms: Terms) -> None:
    assert refused(place.issue, terms) == "agent/bad-prescription"
    assert place.home.agent.store.all(prescribing.IssueJob, place.home.agent.wallet(DOCTOR).person) == []


# --- the code


def test_a_code_is_read_back_in_capital_and_small_letters(place: Town) -> None:
    """RX-22."""
    code, _ = prescribed.code(place.home.agent, PATIENT, place.issue(), None)
    text = code_to_text(code)
    assert code_from_text(text.encode()) == code_from_text(text.lower().encode() + b"\n") == code


def test_a_code_fits_a_qr_code_with_room(place: Town) -> None:
    """RX-22."""
    text = code_to_text(place.code(place.issue()))
    made = segno.make_qr(text, error="l")
    assert made.mode == "alphanumeric"
    assert int(made.version) <= 30
    assert as_text(text)
    assert as_picture(text, "png").startswith(b"\x89PNG")
    assert b"<svg" in as_picture(text, "svg")


def test_a_code_that_was_not_read_whole_is_refused(place: Town) -> None:
    """RX-22."""
    text = code_to_text(place.code(place.issue()))
    middle = len(text) // 2
    other = "A" if text[middle] != "A" else "B"
    for wrong in (
        text[:-3],
        text[:middle] + other + text[middle + 1 :],
        text.replace("RX-1", "RX-2"),
        text + "AA",
        PREFIX,
        "",
        "Ü",
    ):
        assert refused(code_from_text, wrong.encode()) == "agent/bad-prescription-code"


def test_no_more_of_a_code_is_opened_than_it_may_hold() -> None:
    """RX-22."""
    packed = zstd.compress(bytes(20_000_000), options={zstd.CompressionParameter.window_log: 17})
    text = forged(packed)
    tracemalloc.start()
    try:
        assert refused(code_from_text, text) == "agent/bad-prescription-code"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def forged(packed: bytes) -> bytes:
    """Whatever, with a check that is right."""
    check = tagged("salus/prescription-code/1", packed)[:4]
    return PREFIX.encode() + base64.b32encode(check + packed).rstrip(b"=")


def test_a_prescription_too_long_for_a_code_is_not_issued(place: Town) -> None:
    """RX-22."""
    assert refused(place.issue, drug=secrets.token_hex(4_000)) == "agent/prescription-too-large"


# --- what a pharmacist is told


def test_an_altered_dose_is_refused(place: Town) -> None:
    """RX-21."""
    code = place.code(place.issue())
    more = replace(code.content, request=code.content.request.replace(b"one three", b"ten three"))
    for wrong in (
        replace(code, content=more),
        replace(code, salt=bytes(32)),
        replace(code, content=replace(code.content, patient="Eve")),
    ):
        assert refused(dispensing.open_code, place.near.agent, PHARMACIST, wrong) == "agent/prescription-altered"


def test_a_prescription_by_a_licence_without_the_right_is_refused(place: Town) -> None:
    """RX-21."""
    code = place.code(place.issue())
    there = examining.standing(place.near.agent, code.content.prescription).prescription
    licence = bytes.fromhex(licensing.show_licence(place.near.agent, PHARMACIST).licence)
    wrong = replace(there, licence=licence)
    assert refused(examining.require_right_to_prescribe, place.near.agent, wrong) == "agent/not-prescriber"
    early = replace(there, issued=1)
    assert refused(examining.require_right_to_prescribe, place.near.agent, early) == "agent/not-prescriber"


def test_a_licence_suspended_after_the_issue_is_told_and_changes_nothing(place: Town) -> None:
    """RX-2, RX-29."""
    handle = place.issue()
    licensing.set_licence(place.home.agent, DOCTOR, LicenceStatus.SUSPENDED)
    seen = dispensing.open_code(place.near.agent, PHARMACIST, place.code(handle))
    assert {check.what: check.text for check in seen.checks}["licence now"] == "it is suspended"
    assert place.accept(handle).held


def test_no_check_is_passed_over_in_silence(place: Town) -> None:
    """RX-29."""
    code = place.code(place.issue())
    seen = dispensing.open_code(place.near.agent, PHARMACIST, replace(code, record=None))
    results = {check.what: check.result for check in seen.checks}
    assert results["allergies"] == results["same medicine"] == results["child's dose"] == "not done"
    assert results["interactions"] == "not covered"
    assert set(results.values()) == {"done", "not done", "not covered"}


def test_a_code_of_another_network_is_refused(place: Town) -> None:
    """RX-21."""
    wrong = replace(place.code(place.issue()), network=bytes(32))
    assert refused(dispensing.open_code, place.near.agent, PHARMACIST, wrong) == "agent/wrong-network"


def test_a_code_of_no_fill_is_refused(place: Town) -> None:
    wrong = replace(place.code(place.issue()), fill=1)
    assert refused(dispensing.open_code, place.near.agent, PHARMACIST, wrong) == "ledger/no-such-fill"


# --- one pharmacy alone


def test_the_second_pharmacy_learns_what_became_of_it(place: Town) -> None:
    """RX-5."""
    handle = place.taken()
    assert refused(dispensing.accept, place.far.agent, RIVAL, handle, None) == "ledger/is-accepted"
    place.dispense(handle)
    assert refused(dispensing.accept, place.far.agent, RIVAL, handle, None) == "ledger/is-completed"


def test_of_many_who_accept_at_once_one_has_it_and_each_other_is_told_so(place: Town) -> None:
    """RX-5."""
    code = place.code(place.issue())
    agent, wallet = place.near.agent, place.near.agent.wallet(PHARMACIST)
    licence = bytes.fromhex(licensing.show_licence(place.home.agent, PHARMACIST).licence)
    holders = [SigningKey(bytes([number]) * 32).public for number in range(1, 33)]
    until = place.home.clock.now + 7 * DAY
    actions = [AcceptFill(code.content.prescription, 0, licence, holder, until) for holder in holders]
    keys = [SigningKey(code.bearer), wallet.identity.classic]
    submissions = [prepare(agent, [action], keys) for action in actions]
    answers = side_by_side([partial(agent.network.submit, submission) for submission in submissions])
    codes = [answer.full_code if isinstance(answer, SalusError) else answer.refusal for answer in answers]
    assert sorted(codes) == ["", *["ledger/is-accepted"] * 31]
    winner = examining.standing(agent, code.content.prescription).fills[0].holder
    assert winner == holders[codes.index("")]


def test_the_winner_who_asks_again_is_told_so(place: Town) -> None:
    """RX-28."""
    handle = place.taken()
    assert place.accept(handle).held


class Claiming:
    """A node that says of every transaction that it was committed, and throws it away."""

    def __init__(self, true: Any) -> None:
        self.true = true

    def __getattr__(self, name: str) -> Any:
        return getattr(self.true, name)

    def submit(self, _: Any) -> TxStatus:
        return TxStatus(bytes(32), 1, "")


def test_a_fill_is_not_said_to_be_held_before_it_is_proven(place: Town) -> None:
    """RX-28."""
    handle = place.issue()
    place.open(handle)
    place.near.agent.network = Claiming(place.near.agent.network)
    assert refused(place.accept, handle) == "agent/not-accepted"


def test_what_was_not_dispensed_is_not_said_to_be(place: Town) -> None:
    """RX-28."""
    handle = place.taken()
    place.near.agent.network = Claiming(place.near.agent.network)
    assert refused(place.dispense, handle) == "agent/not-dispensed"


class Cut:
    """A node whose answer to the next transaction is lost on the way, once it was committed."""

    def __init__(self, true: Any) -> None:
        self.true, self.left = true, 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.true, name)

    def submit(self, submission: Any) -> TxStatus:
        answer: TxStatus = self.true.submit(submission)
        self.left -= 1
        if self.left >= 0:
            raise AgentRefused("node-unreachable", "gone")
        return answer


def test_a_hand_over_whose_answer_was_lost_is_not_doubled(place: Town) -> None:
    """RX-30."""
    handle = place.taken()
    place.near.agent.network = Cut(place.near.agent.network)
    assert refused(place.dispense, handle, HALF) == "agent/node-unreachable"
    dispensing.resume_dispensing(place.near.agent)
    assert place.dispense(handle, HALF).state.dispensed == 500
    assert place.dispense(handle, HALF).state.dispensed == 1000


def test_a_prescription_whose_answer_was_lost_is_not_doubled(place: Town) -> None:
    """RX-30."""
    place.home.agent.network = Cut(place.home.agent.network)
    assert refused(place.issue) == "agent/node-unreachable"
    prescribing.resume_issues(place.home.agent)
    handle = place.issue()
    assert [info.prescription for info in prescribing.issued(place.home.agent, DOCTOR)] == [handle]
    assert refused(place.issue) == "agent/unsafe-prescription"  # the same once more, on purpose: it would be taken twice


def test_a_supply_that_could_not_be_read_back_is_not_begun(place: Town) -> None:
    handle = place.taken()
    for wrong in (Supply(quantity="x" * 65), Supply(batch="x" * 65), Supply(share=1001)):
        assert refused(place.dispense, handle, wrong) == "agent/bad-supply"
    assert place.dispense(handle).state.status == "completed"


# --- parts, repeats, the rest


def test_a_part_that_was_freed_is_fetched_elsewhere(place: Town) -> None:
    """RX-12."""
    handle = place.taken()
    assert place.dispense(handle, Supply(400, Rest.FREE)).state.status == "ready"
    dispensing.accept(place.far.agent, RIVAL, handle, None)
    assert refused(dispensing.dispense, place.far.agent, RIVAL, handle, None, Supply(601)) == "ledger/too-much"
    done = dispensing.dispense(place.far.agent, RIVAL, handle, None, ALL)
    assert (done.state.status, done.state.dispensed) == ("completed", 1000)


def test_repeats_are_fetched_one_after_the_other(place: Town) -> None:
    """RX-9."""
    handle = place.taken(Terms(repeats=2, interval=28 * DAY, lasting=200 * DAY))
    place.dispense(handle, number=1)
    place.open(handle)
    assert refused(place.accept, handle, 2) == "ledger/too-early"
    assert place.statuses(handle) == ["completed", "ready", "ready"]


def test_a_part_is_not_fetched_before_its_window(place: Town) -> None:
    """RX-9."""
    handle = place.issue(Terms(parts=2, interval=28 * DAY))
    place.open(handle, 2)
    assert refused(place.accept, handle) == "ledger/not-open-yet"


def test_whoever_fetches_a_controlled_substance_is_identified(place: Town) -> None:
    """RX-3."""
    handle = place.taken(Terms(controlled=True))
    assert refused(place.dispense, handle) == "ledger/not-identified"
    assert place.dispense(handle, Supply(identified=Identified.DOCUMENT)).state.status == "completed"


# --- taking back


def test_a_stop_reaches_the_pharmacy_that_has_it(place: Town) -> None:
    """RX-15."""
    handle = place.taken()
    prescribing.stop(place.home.agent, DOCTOR, handle)
    assert refused(place.dispense, handle) == "ledger/is-on-hold"
    assert place.statuses(handle) == ["on-hold"]
    assert dispensing.acknowledge(place.near.agent, PHARMACIST, handle, None).state.status == "stopped"
    assert refused(dispensing.accept, place.far.agent, RIVAL, handle, None) == "ledger/is-stopped"


def test_the_prescriber_is_told_what_became_of_it_where_the_patient_shares_that(place: Town) -> None:
    """RX-46: before, while a pharmacy has it, and after; a right to write is none to know."""

    def told() -> FillInfo:
        return prescribing.issued(place.home.agent, DOCTOR)[0].fills[0]

    place.home.grant(rights=(Right.APPEND,), sections=(SectionKind.MEDICATIONS,))
    handle = place.issue()
    before = told()
    assert (before.status, before.closes > 0) == (NOT_SHARED, True)
    place.open(handle)
    place.accept(handle)
    assert told() == before
    place.dispense(handle)
    assert told() == before
    made = place.home.grant(sections=(SectionKind.MEDICATIONS,), lasting=Lasting(True, True))
    assert (told().status, told().dispensed) == ("completed", 1000)
    revoking.revoke(place.home.agent, PATIENT, grant=made.grant)
    assert told() == before
    stopped = place.taken(drug="Ibuprofen 400 mg")
    prescribing.stop(place.home.agent, DOCTOR, stopped)
    assert told().status == "on-hold"


def test_the_prescriber_cancels_only_what_nobody_has(place: Town) -> None:
    """RX-14."""
    handle = place.taken()
    assert refused(prescribing.cancel, place.home.agent, DOCTOR, handle) == "ledger/is-accepted"
    dispensing.give_back(place.near.agent, PHARMACIST, handle, None, Reason.OUT_OF_STOCK)
    assert prescribing.cancel(place.home.agent, DOCTOR, handle).fills[0].status == "cancelled"


def test_what_was_never_collected_is_undone(place: Town) -> None:
    """RX-13."""
    handle = place.taken()
    place.dispense(handle)
    undone = dispensing.undo(place.near.agent, PHARMACIST, handle, None)
    assert (undone.state.status, undone.state.dispensed) == ("accepted", 0)


def test_a_freed_fill_is_shown_as_possibly_dispensed(place: Town) -> None:
    """RX-11."""
    handle = place.taken()
    prescribing.free(place.home.agent, DOCTOR, handle, None)
    seen = dispensing.open_code(place.far.agent, RIVAL, place.code(handle))
    assert seen.state.doubtful
    assert "MAY HAVE BEEN" in {check.what: check.text for check in seen.checks}["possibly dispensed"]


# --- the patient


def test_the_patients_own_key_takes_the_place_of_the_prescribers(place: Town) -> None:
    """RX-24."""
    handle = bytes.fromhex(place.issue())
    wallet = place.home.agent.wallet(PATIENT)
    there = examining.standing(place.home.agent, handle).prescription
    assert there.control == SigningKey(wallet.prescription_seed(handle)).public


def test_a_replaced_code_opens_nothing(place: Town) -> None:
    """RX-23, RX-25."""
    handle = place.issue()
    old = place.code(handle)
    prescribed.rotate(place.home.agent, PATIENT, handle, None)
    prescribed.rotate(place.home.agent, PATIENT, handle, None)
    assert refused(dispensing.open_code, place.near.agent, PHARMACIST, old) == "agent/code-replaced"
    dispensing.open_code(place.near.agent, PHARMACIST, place.code(handle))
    assert place.accept(handle).held


def test_the_patient_gives_up_what_nobody_works_on(place: Town) -> None:
    """RX-16."""
    handle = place.taken()
    assert refused(prescribed.delete, place.home.agent, PATIENT, handle) == "ledger/is-accepted"
    dispensing.give_back(place.near.agent, PHARMACIST, handle, None, Reason.PATIENT_REQUEST)
    assert prescribed.delete(place.home.agent, PATIENT, handle).fills[0].status == "cancelled"


def test_a_code_is_sent_ahead(place: Town) -> None:
    """RX-26."""
    handle = place.issue()
    prescribed.send(place.home.agent, PATIENT, handle, None, PHARMACIST)
    (item,) = inbox.collect(place.near.agent, PHARMACIST)
    assert (item.kind, item.trouble) == ("fill", "")
    assert place.accept(handle).held


def test_a_prescription_is_named_by_enough_of_its_beginning(place: Town) -> None:
    """CLI-30."""
    handle = place.issue()
    assert prescribed.show(place.home.agent, PATIENT, handle[:8]).prescription == handle
    for wrong in (handle[:7], "0" * 64):
        assert refused(prescribed.show, place.home.agent, PATIENT, wrong) == "agent/no-such-prescription"
    assert place.home.agent.store.all(OwnPrescription, place.home.agent.wallet(DOCTOR).person) == []
