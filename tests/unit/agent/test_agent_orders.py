"""Orders between people: placed, accepted, collected from the right patient, reported, acknowledged, and found in the record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordering_world import (
    CHIEF,
    CORRECTED,
    HIGH,
    LABORATORY,
    NORMAL,
    POTASSIUM,
    PRELIMINARY,
    TERMS,
    Ward,
    observation,
    result,
    ward,
)
from salus.agent.services import acknowledging, charting, granting, inbox, laboratory, licensing, looking, ordering, resulted
from salus.agent.services.laboratory import Presented
from salus.agent.services.ordering import OrderTerms
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.resuming import resume
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.errors import AgentRefused, SalusError
from salus.exchange.api import TxStatus
from salus.exchange.envelopes import LetterKind
from salus.exchange.ordering import Category, ReleasePreference, Timing
from salus.fhir.laboratory import service_request
from salus.fhir.order_tasks import order_of_task
from salus.fhir.parsing import read_resources
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.orders.messages import Reason
from salus.ledger.modules.orders.state import DAY
from world import DOCTOR, OTHER, PATIENT

MINUTE = 60_000


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Ward]:
    with ward(tmp_path) as made:
        yield made


def refused(call: Any, *given: Any, **more: Any) -> str:
    """The full code of what refuses the call."""
    with pytest.raises(SalusError) as caught:
        call(*given, **more)
    return caught.value.full_code


class Cut:
    """The network, whose answer to the next submission, or the one after, is lost."""

    def __init__(self, true: Any, after: int = 1) -> None:
        self.true, self.left = true, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self.true, name)

    def submit(self, submission: Any) -> TxStatus:
        answer: TxStatus = self.true.submit(submission)
        self.left -= 1
        if self.left >= 0:
            raise AgentRefused("node-unreachable", "gone")
        return answer


# --- from the orderer to the record


def test_a_test_is_ordered_done_reported_acknowledged_and_in_the_record(place: Ward) -> None:
    """ORD-20, ORD-26, ORD-27, ORD-30."""
    handle = place.create()
    place.told()
    assert place.accept(handle).held
    assert place.collect(handle).accession == "A-17"
    assert place.report(handle, HIGH).status == "completed"
    place.told()
    (row,) = place.attended()
    found = row.values[0]
    assert (row.order, row.red, row.duty, found.flag, found.population) == (handle, True, "responsible", "HH", "adults")
    assert acknowledging.acknowledge(place.ward.agent, CHIEF, handle).attention == "acknowledged"
    assert place.attended() == ()
    (own,) = resulted.own_results(place.home.agent, PATIENT)
    assert (own.values[0].value, own.values[0].unit, own.charted) == ("6.9", "mmol/L", True)
    (shown,) = charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("Observation",)).shown
    assert b"6.9" in shown.leaf.data


def test_who_has_no_right_to_order_orders_nothing(place: Ward) -> None:
    """ORD-2."""
    from_the_lab = partial(ordering.create, place.lab.agent, LABORATORY, PATIENT, LABORATORY, service_request((), "x", PATIENT))
    assert refused(from_the_lab, OrderTerms(cover="", born="1980-01-31")) == "ledger/not-licensed"


@pytest.mark.parametrize("terms", [replace(TERMS, born=""), replace(TERMS, born="January")])
def test_a_patient_without_two_identifiers_is_not_ordered_for(place: Ward, terms: OrderTerms) -> None:
    """ORD-20."""
    assert refused(place.create, terms) == "agent/bad-order"


def test_what_is_no_order_is_not_ordered(place: Ward) -> None:
    """ORD-20."""
    for data in (
        NORMAL,
        b'{"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": {"display": "x"}}',
    ):
        assert refused(ordering.create, place.home.agent, DOCTOR, PATIENT, LABORATORY, data, TERMS) == "agent/bad-order"


def test_an_order_whose_answer_was_lost_is_not_doubled(place: Ward) -> None:
    """ORD-33."""
    place.home.agent.network = Cut(place.home.agent.network)
    assert refused(place.create) == "agent/node-unreachable"
    resume(place.home.agent)
    handle = place.create()
    assert [info.order for info in ordering.placed_orders(place.home.agent, DOCTOR)] == [handle]
    assert place.create() != handle


def test_the_orderer_takes_it_back_and_no_report_follows(place: Ward) -> None:
    """ORD-8."""
    handle = place.collected()
    assert ordering.cancel(place.home.agent, DOCTOR, handle).status == "cancelled"
    assert refused(place.report, handle) == "ledger/is-cancelled"


def test_the_patient_does_without(place: Ward) -> None:
    """ORD-9."""
    handle = place.create()
    place.told()
    assert resulted.withdraw(place.home.agent, PATIENT, handle).status == "cancelled"
    assert refused(place.accept, handle) == "ledger/is-cancelled"


def test_a_referral_carries_its_letter(place: Ward) -> None:
    """ORD-20, ORD-26."""
    terms = replace(TERMS, category=Category.REFERRAL, letter=b"Please see her.")
    data = service_request((), "Nephrology", PATIENT)
    ordering.create(place.home.agent, DOCTOR, PATIENT, CHIEF, data, replace(terms, responsible=""))
    inbox.collect(place.ward.agent, CHIEF)
    (info,) = laboratory.received_orders(place.ward.agent, CHIEF)
    assert (info.what, info.letter) == ("Nephrology", "Please see her.")


# --- the specimen


@pytest.mark.parametrize(
    "who",
    [Presented(PATIENT), Presented(PATIENT, "1981-01-31"), Presented("Clementina", "1980-01-31"), Presented(PATIENT, "", "7")],
)
def test_the_wrong_patient_is_turned_away(place: Ward, who: Presented) -> None:
    """ORD-22."""
    handle = place.create(replace(TERMS, number="4711"))
    place.told()
    place.accept(handle)
    assert refused(place.collect, handle, who) == "agent/wrong-patient"
    assert refused(place.collect, handle, Presented(PATIENT, "1980-01-31", "7")) == "agent/wrong-patient"
    assert place.collect(handle, Presented(f" {PATIENT.upper()} ", "", "4711")).status == "in-progress"


def test_a_specimen_whose_answer_was_lost_is_the_same_one(place: Ward) -> None:
    """ORD-33."""
    handle = place.create()
    place.told()
    place.accept(handle)
    place.lab.agent.network = Cut(place.lab.agent.network)
    assert refused(place.collect, handle, accession="") == "agent/node-unreachable"
    resume(place.lab.agent)
    accession = place.collect(handle, accession="").accession
    assert place.collect(handle, accession=accession).accession == accession
    assert refused(place.collect, handle, accession="another") == "ledger/is-in-progress"
    assert place.report(handle).accession == accession


def test_a_spoiled_specimen_is_collected_anew_and_the_orderer_sees_why(place: Ward) -> None:
    """ORD-7."""
    handle = place.collected()
    laboratory.reject_specimen(place.lab.agent, LABORATORY, handle, Reason.HAEMOLYSED)
    (info,) = ordering.placed_orders(place.home.agent, DOCTOR)
    assert (info.status, info.reason) == ("accepted", "haemolysed")
    assert refused(place.report, handle) == "ledger/is-accepted"
    assert place.collect(handle, accession="A-18").accession == "A-18"


def test_what_is_added_uses_the_specimen_that_is_there_if_it_is_the_same_patients(place: Ward) -> None:
    """ORD-22."""
    first = place.collected()
    added = place.create(replace(TERMS, adds_to=first))
    place.told()
    place.accept(added)
    other = place.create()
    place.told()
    place.accept(other)
    assert refused(laboratory.collect, place.lab.agent, LABORATORY, other, None) == "agent/no-earlier-specimen"
    assert laboratory.collect(place.lab.agent, LABORATORY, added, None).accession == "A-17"
    assert place.report(added).status == "completed"


# --- the report


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (result(observation(4.1, unit="mEq/L")), "fhir/unknown-unit"),
        (result({**observation(4.1), "valueQuantity": {"value": 4.1}}), "fhir/no-unit"),
        (result({**observation(4.1), "valueQuantity": {"value": 4.1, "unit": "mmol/L"}}), "fhir/no-unit"),
        (result({**observation(4.1), "referenceRange": observation(4.1, unit="meq/L")["referenceRange"]}), "fhir/unknown-unit"),
        (result(observation(4.1, code="2823-4")), "fhir/bad-loinc"),
        (b'{"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "none"}}', "fhir/bad-report"),
        (result({**observation(4.1), "code": {"coding": [{"system": "urn:x"}]}}), "fhir/bad-report"),
        (result({**observation(4.1), "status": 7}, issued="never"), "fhir/invalid"),
        (result(observation(4.1), subject={"display": "Somebody Else"}), "agent/wrong-patient"),
    ],
)
def test_a_result_that_somebody_could_misread_is_not_reported(place: Ward, data: bytes, code: str) -> None:
    """ORD-23."""
    handle = place.collected()
    if code == "fhir/invalid":
        data = data.replace(b'"issued": "never"', b'"effectiveDateTime": "never"')
    assert refused(place.report, handle, data) == code
    assert place.report(handle).status == "completed"


def test_a_report_of_another_specimen_is_not_made(place: Ward) -> None:
    """ORD-23."""
    handle = place.collected()
    tube = {"resourceType": "Specimen", "id": "s", "accessionIdentifier": {"value": "B-1"}}
    report = result(observation(4.1)).replace(b'"contained": [', b'"contained": [' + json.dumps(tube).encode() + b", ")
    assert refused(place.report, handle, report) == "agent/wrong-specimen"
    assert place.report(handle, report.replace(b"B-1", b"A-17")).status == "completed"


def test_a_panel_is_partial_first_then_whole(place: Ward) -> None:
    """ORD-10, ORD-14."""
    handle = place.collected()
    sodium = observation(140, code="2951-2")
    assert place.report(handle, result(observation(6.9, "HH"), status="partial"), PRELIMINARY).status == "in-progress"
    assert place.report(handle, result(observation(6.9, "HH"), sodium)).status == "completed"
    place.told()
    (row,) = place.attended()
    assert (row.number, row.red, [value.code for value in row.values]) == (2, True, [POTASSIUM, "2951-2"])
    newest, older = resulted.own_results(place.home.agent, PATIENT)
    assert (newest.superseded, older.superseded, older.status) == (False, True, "partial")


def test_a_report_whose_answer_was_lost_is_not_doubled_and_reaches_everybody(place: Ward) -> None:
    """ORD-33: between report and letters."""
    handle = place.collected()
    place.lab.agent.network = Cut(place.lab.agent.network)
    assert refused(place.report, handle) == "agent/node-unreachable"
    resume(place.lab.agent)
    assert len(place.report(handle).reports) == 1
    place.told()
    for name in (CHIEF, OTHER, DOCTOR):
        assert len(place.attended(name, everything=True)) == 1
    assert len(resulted.own_results(place.home.agent, PATIENT)) == 1


def test_a_second_report_is_not_made_by_giving_another_one_before_the_first_is_told(place: Ward) -> None:
    """ORD-33: the one that was begun is completed before the next one."""
    handle = place.collected()
    place.lab.agent.network = Cut(place.lab.agent.network)
    assert refused(place.report, handle, HIGH, PRELIMINARY) == "agent/node-unreachable"
    assert [one.status for one in place.report(handle).reports] == ["preliminary", "final"]
    place.told()
    assert sorted(row.number for row in place.attended(everything=True)) == [1, 2]


def test_whose_licence_is_suspended_reports_nothing(place: Ward) -> None:
    """ORD-10."""
    handle = place.collected()
    licensing.set_licence(place.home.agent, LABORATORY, LicenceStatus.SUSPENDED)
    assert refused(place.report, handle) == "ledger/not-licensed"


# --- who is told, and what stays red


def test_what_nobody_acknowledges_climbs_to_the_cover_and_stays_red(place: Ward) -> None:
    """ORD-14, ORD-27, ORD-32."""
    handle = place.collected()
    place.report(handle, HIGH)
    place.told()
    assert place.attended(OTHER) == ()
    (ordered,) = place.attended(DOCTOR)
    assert (ordered.red, ordered.duty, ordered.at > 0) == (False, "none", True)
    place.later(61 * MINUTE)
    (row,) = place.attended(OTHER)
    assert (row.red, row.attention, row.duty) == (True, "climbed", "cover")
    for _ in range(2):
        (item,) = inbox.collect(place.home.agent, OTHER)
        assert (item.kind, "NOBODY HAS ACKNOWLEDGED" in item.text) == ("urgent", True)
    acknowledging.acknowledge(place.home.agent, OTHER, handle)
    assert inbox.collect(place.home.agent, OTHER) == ()
    assert place.attended(OTHER) == place.attended(CHIEF) == place.attended(DOCTOR) == ()


def test_only_who_answers_for_it_acknowledges_and_only_what_has_come(place: Ward) -> None:
    """ORD-13, ORD-32."""
    handle = place.collected()
    place.report(handle)
    place.told()
    assert refused(acknowledging.acknowledge, place.home.agent, DOCTOR, handle) == "ledger/not-responsible"
    place.report(handle, HIGH, CORRECTED)
    assert refused(acknowledging.acknowledge, place.ward.agent, CHIEF, handle) == "agent/report-not-here"
    place.told()
    for _ in range(2):  # asked again, it is told
        assert acknowledging.acknowledge(place.ward.agent, CHIEF, handle).attention == "acknowledged"
    assert refused(acknowledging.acknowledge, place.home.agent, OTHER, handle) == "ledger/is-acknowledged"


def test_a_laboratory_that_never_reports_is_told_of_until_somebody_has_seen_it(place: Ward) -> None:
    """ORD-3, ORD-32."""
    handle = place.create()
    place.told()
    place.later(8 * DAY)
    (row,) = place.attended()
    assert (row.status, row.red, row.number) == ("failed", True, 0)
    (item,) = inbox.collect(place.ward.agent, CHIEF)
    assert "NO FINAL REPORT CAME IN TIME" in item.text
    assert ordering.placed_orders(place.home.agent, DOCTOR)[0].status == "failed"
    assert not acknowledging.acknowledge(place.ward.agent, CHIEF, handle).red
    assert place.attended() == ()
    assert refused(place.accept, handle) == "ledger/is-failed"


def test_a_correction_reaches_all_who_had_the_report_with_the_wallet_off_and_no_grant(place: Ward) -> None:
    """ORD-24, ORD-29."""
    handle = place.collected()
    place.report(handle, HIGH)
    place.told()
    acknowledging.acknowledge(place.ward.agent, CHIEF, handle)
    place.report(handle, NORMAL, CORRECTED)
    for name in (CHIEF, DOCTOR, OTHER):
        world = place.ward if name == CHIEF else place.home
        assert any(item.kind == "result" for item in inbox.collect(world.agent, name))
    (row,) = place.attended()
    assert (row.status, row.number, row.values[0].value) == ("corrected", 2, "4.1")
    inbox.collect(place.home.agent, PATIENT)
    (shown,) = charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("Observation",)).shown
    assert b"4.1" in shown.leaf.data
    assert place.report(handle, HIGH, CORRECTED).reports[-1].number == 3


# --- what the patient chose


def _released(place: Ward, timing: Timing, data: bytes = HIGH) -> str:
    """An order of a patient who wants results so, with a report that clinicians have."""
    resulted.preferences(place.home.agent, PATIENT, {Category.LABORATORY: timing})
    handle = place.create()
    inbox.collect(place.home.agent, PATIENT)
    place.told()
    place.accept(handle)
    place.collect(handle)
    place.report(handle, data)
    place.told()
    assert [row.order for row in place.attended()] == [handle]  # it never delays a clinician
    assert resulted.own_results(place.home.agent, PATIENT) == ()
    return handle


def test_what_is_to_come_after_the_physician_comes_once_it_is_acknowledged(place: Ward) -> None:
    """ORD-28."""
    handle = _released(place, Timing.AFTER_PHYSICIAN)
    resume(place.lab.agent)
    inbox.collect(place.home.agent, PATIENT)
    assert resulted.own_results(place.home.agent, PATIENT) == ()
    acknowledging.acknowledge(place.ward.agent, CHIEF, handle)
    for _ in range(2):
        resume(place.lab.agent)
        place.told()
    assert [info.order for info in resulted.own_results(place.home.agent, PATIENT)] == [handle]


def test_what_is_to_come_at_the_visit_is_given_out_by_a_physician_and_so_is_what_corrects_it(place: Ward) -> None:
    """ORD-25, ORD-28, ORD-29."""
    handle = _released(place, Timing.AT_VISIT)
    acknowledging.acknowledge(place.ward.agent, CHIEF, handle)
    resume(place.lab.agent)
    inbox.collect(place.home.agent, PATIENT)
    assert resulted.own_results(place.home.agent, PATIENT) == ()
    assert acknowledging.release(place.ward.agent, CHIEF, handle).released
    place.told()
    (own,) = resulted.own_results(place.home.agent, PATIENT)
    assert own.values[0].flag == "HH"
    place.report(handle, NORMAL, CORRECTED)
    inbox.collect(place.ward.agent, CHIEF)
    resume(place.ward.agent)
    place.told()
    newest, _ = resulted.own_results(place.home.agent, PATIENT)
    assert newest.status == "corrected"


def test_a_preference_that_changes_holds_for_orders_that_are_open(place: Ward) -> None:
    """ORD-28."""
    handle = _released(place, Timing.AT_VISIT)
    chosen = resulted.preferences(place.home.agent, PATIENT, {Category.LABORATORY: Timing.AT_ONCE})
    assert (chosen["laboratory"], chosen["genetics"]) == ("at-once", "at-once")
    place.told()
    resume(place.lab.agent)
    place.told()
    assert [info.order for info in resulted.own_results(place.home.agent, PATIENT)] == [handle]


def test_nobody_but_the_patient_says_when_results_come(place: Ward) -> None:
    """ORD-28."""
    handle = bytes.fromhex(place.collected())
    agent = place.home.agent
    card = ordering.find_contact(agent, LABORATORY)
    with agent.store.writing():
        keep_letter(agent, agent.wallet(OTHER), card, LetterKind.RELEASE, encode(ReleasePreference(handle, Timing.AT_VISIT)))
    send_letters(agent)
    (item,) = inbox.collect(place.lab.agent, LABORATORY)
    assert item.trouble == "warrants/wrong-sender"
    place.report(handle.hex())
    place.told()
    assert len(resulted.own_results(place.home.agent, PATIENT)) == 1


def test_what_is_confidential_is_for_the_patients_own_eyes(place: Ward) -> None:
    """ORD-30: a parent has all of the chart, standing."""
    place.home.person("Mother")
    everything = tuple(kind for kind in SectionKind if kind not in (SectionKind.MANIFEST, SectionKind.RECORDS))
    place.report(place.collected(), NORMAL)
    place.told()
    place.home.grant("Mother", sections=everything, lasting=granting.Lasting(standing=True, history=True))
    place.report(place.collected(replace(TERMS, confidential=True)), HIGH)
    place.told()
    own = resulted.own_results(place.home.agent, PATIENT)
    assert sorted((info.confidential, info.charted) for info in own) == [(False, True), (True, False)]
    assert inbox.collect(place.home.agent, "Mother") == ()
    shown = charting.open_chart(place.home.agent, "Mother", PATIENT).shown
    assert any(b'"value":4.1' in version.leaf.data for version in shown)
    assert not any(b'"value":6.9' in version.leaf.data for version in shown)
    assert resulted.own_results(place.home.agent, "Mother") == resulted.own_orders(place.home.agent, "Mother") == ()
    found = resulted.trend(place.home.agent, PATIENT, POTASSIUM)
    assert [float(value) for _, value, _ in found.points] == [4.1, 6.9]


def test_a_trend_is_drawn_in_one_unit_and_what_cannot_be_compared_is_named(place: Ward) -> None:
    """ORD-31."""
    for value, unit in ((4.1, "mmol/L"), (4200, "umol/L"), (4.3, "meq/L"), (4.4, "mmol/L")):
        place.report(place.collected(), result(observation(value, unit=unit)))
        place.told()
    found = resulted.trend(place.home.agent, PATIENT, POTASSIUM)
    assert [float(value) for _, value, _ in found.points] == [4.1, 4.2, 4.4]
    assert ([one.unit for one in found.apart], found.unit) == (["meq/L"], "mmol/L")
    assert refused(resulted.trend, place.home.agent, PATIENT, "2951-2") == "agent/no-such-result"


# --- letters that lie


def test_an_order_is_named_by_enough_of_its_beginning(place: Ward) -> None:
    handle = place.collected()
    assert place.report(handle[:8]).order == handle
    for wrong in (handle[:7], "0" * 64):
        assert refused(place.report, wrong) == "agent/no-such-order"


def test_reports_are_kept_once_whoever_brings_them(place: Ward) -> None:
    """ORD-25, ORD-29."""
    handle = place.collected()
    place.report(handle)
    place.told()
    acknowledging.release(place.home.agent, DOCTOR, handle)
    place.told()
    assert len(resulted.own_results(place.home.agent, PATIENT)) == 1
    assert len(charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("DiagnosticReport",)).shown) == 1


# --- as FHIR


def test_everybody_concerned_is_shown_the_same_task_of_an_order(place: Ward) -> None:
    """ORD-34."""
    handle = place.collected()
    place.report(handle, HIGH)
    place.told()
    acknowledging.acknowledge(place.ward.agent, CHIEF, handle)
    place.later(1_000)
    asked = ((place.home, PATIENT), (place.home, DOCTOR), (place.lab, LABORATORY))
    bundles = [looking.as_fhir(world.agent, name, handle) for world, name in asked]
    assert len(set(bundles)) == 1
    request, task = read_resources(bundles[0])
    state = order_of_task(task)
    assert (request.type, state.order, state.status) == ("ServiceRequest", handle, "completed")
    assert [(one.status, one.attention) for one in state.reports] == [("final", "acknowledged")]
    assert [looking.show(world.agent, name, handle).status for world, name in asked] == ["completed"] * 3


def test_who_neither_placed_nor_does_nor_needs_it_is_shown_no_order(place: Ward) -> None:
    """ORD-34."""
    handle = place.collected()
    assert refused(looking.as_fhir, place.home.agent, OTHER, handle) == "agent/no-such-order"
