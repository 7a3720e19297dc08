"""Orders and results by letter: what the ledger does not bear out is not taken in, whoever sends it; and where they go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from leaving_world import export, second_home, take_in
from ordering_world import BORN, CHIEF, CORRECTED, FINAL, HIGH, LABORATORY, NORMAL, TERMS, Ward, ward
from post_world import two_members
from salus.agent.services import (
    acknowledging,
    charting,
    contacts,
    inbox,
    laboratory,
    licensing,
    ordering,
    pairing,
    people,
    reporting,
    resulted,
)
from salus.agent.services.acknowledging import ReceivedResult
from salus.agent.services.laboratory import Presented, ReceivedOrder
from salus.agent.services.ordering import OrderTerms
from salus.agent.services.posting import keep_letter, send_letters
from salus.codec import encode
from salus.exchange.cards import Role
from salus.exchange.envelopes import LetterKind
from salus.exchange.ordering import Category, OrderedLetter, OrderLetter, ResultLetter, Timing
from salus.fhir.laboratory import service_request
from world import DOCTOR, OTHER, PATIENT, World, beside, introduce, license_abroad

SHIFT = "Lab Spät"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Ward]:
    with ward(tmp_path) as made:
        yield made


def post(world: World, sender: str, kind: LetterKind, body: Any, to: str) -> None:
    """A letter as whoever wrote it wanted it."""
    with world.agent.store.writing():
        keep_letter(world.agent, world.agent.wallet(sender), contacts.find_contact(world.agent, to), kind, encode(body))
    send_letters(world.agent)


def troubles(world: World, name: str) -> list[str]:
    """What was wrong with the letters that came."""
    return [item.trouble for item in inbox.collect(world.agent, name)]


def order_of(place: Ward, handle: str) -> OrderLetter:
    """The letter that the laboratory was sent."""
    keeper = place.lab.agent.wallet(LABORATORY)
    kept = place.lab.agent.store.find(ReceivedOrder, keeper.person, bytes.fromhex(handle))
    assert kept is not None
    return kept.letter


def result_of(place: Ward, handle: str) -> ResultLetter:
    """The patient's letter of the first report, as the one who is responsible could send it."""
    keeper = place.ward.agent.wallet(CHIEF)
    kept = place.ward.agent.store.find(ReceivedResult, keeper.person, bytes.fromhex(handle) + bytes(1))
    assert kept is not None
    return replace(kept.letter, patient=None)


def card(place: Ward, name: str) -> Any:
    """A card that the home of the patient has."""
    return contacts.find_contact(place.home.agent, name)


def elsewhere(signed: Any) -> Any:
    """The card with another mailbox, which nobody has signed."""
    return replace(signed, card=replace(signed.card, mailbox=bytes(32)))


ORDERS: list[tuple[str, Callable[[Ward, OrderLetter], OrderLetter]]] = [
    ("agent/order-altered", lambda _, sent: replace(sent, content=replace(sent.content, patient="Another"))),
    ("agent/order-altered", lambda _, sent: replace(sent, content=replace(sent.content, confidential=True))),
    ("agent/order-altered", lambda _, sent: replace(sent, salt=bytes(32))),
    ("warrants/wrong-sender", lambda _, sent: replace(sent, bearer=bytes(32))),
    ("warrants/wrong-sender", lambda place, sent: replace(sent, patient=card(place, OTHER))),
    ("warrants/wrong-sender", lambda place, sent: replace(sent, cover=card(place, DOCTOR))),
    ("warrants/wrong-sender", lambda place, sent: replace(sent, responsible=card(place, OTHER))),
    ("crypto/bad-signature", lambda place, sent: replace(sent, patient=elsewhere(sent.patient))),
    ("crypto/bad-signature", lambda place, sent: replace(sent, cover=elsewhere(sent.cover))),
]


@pytest.mark.parametrize(("code", "change"), ORDERS)
def test_an_order_that_the_ledger_does_not_bear_out_is_not_taken_in(place: Ward, code: str, change: Any) -> None:
    """ORD-21: another patient, other people to tell, another key."""
    handle = place.create()
    place.told()
    sent = change(place, order_of(place, handle))
    with place.lab.agent.store.writing():
        place.lab.agent.store.drop(ReceivedOrder, place.lab.agent.wallet(LABORATORY).person, bytes.fromhex(handle))
    post(place.home, DOCTOR, LetterKind.ORDER, sent, LABORATORY)
    assert troubles(place.lab, LABORATORY) == [code]
    assert laboratory.received_orders(place.lab.agent, LABORATORY) == ()


def test_an_order_that_another_sends_is_not_taken_in(place: Ward) -> None:
    """ORD-21."""
    handle = place.create()
    place.told()
    post(place.home, OTHER, LetterKind.ORDER, order_of(place, handle), LABORATORY)
    assert troubles(place.lab, LABORATORY) == ["warrants/wrong-sender"]


def test_an_order_of_another_patient_or_with_another_key_is_not_ones_own(place: Ward) -> None:
    """ORD-21."""
    place.home.person("Somebody")
    handle = place.create()
    place.told()
    sent = order_of(place, handle)
    told = OrderedLetter(bytes(32), sent.salt, sent.content, card(place, LABORATORY))
    for to in (PATIENT, "Somebody"):
        post(place.home, DOCTOR, LetterKind.ORDERED, told, to)
        assert troubles(place.home, to) == ["warrants/wrong-sender"]
    post(place.home, DOCTOR, LetterKind.ORDERED, replace(told, control=None), DOCTOR)
    assert troubles(place.home, DOCTOR) == ["warrants/wrong-sender"]  # who neither is responsible nor covers


def test_an_altered_result_or_one_of_another_patient_is_not_taken_in(place: Ward) -> None:
    """ORD-25: whoever brings it."""
    place.home.person("Somebody")
    first, other = place.collected(), place.collected()
    for handle, data in ((first, HIGH), (other, NORMAL)):
        place.report(handle, data)
    place.told()
    sent, theirs = result_of(place, first), result_of(place, other)
    forged = [
        replace(sent, report=replace(sent.report, report=sent.report.report.replace(b"6.9", b"4.1"))),
        replace(sent, report=replace(sent.report, number=1)),
        replace(sent, report_salt=bytes(32)),
        replace(sent, order=theirs.order, order_salt=theirs.order_salt),  # of another order
    ]
    for one in forged:
        post(place.home, DOCTOR, LetterKind.RESULT, one, PATIENT)
        assert troubles(place.home, PATIENT) == ["agent/report-altered"]
    post(place.home, DOCTOR, LetterKind.RESULT, replace(sent, order=replace(sent.order, confidential=True)), PATIENT)
    assert troubles(place.home, PATIENT) == ["agent/order-altered"]
    post(place.home, DOCTOR, LetterKind.RESULT, sent, "Somebody")
    assert troubles(place.home, "Somebody") == ["warrants/wrong-sender"]


def test_a_result_is_given_out_to_the_orders_patient_alone(place: Ward) -> None:
    """ORD-25: a card that came with it and is another's, or leads elsewhere."""
    handle = place.collected()
    place.report(handle, HIGH)
    inbox.collect(place.home.agent, DOCTOR)
    keeper = place.home.agent.wallet(DOCTOR)
    kept = place.home.agent.store.all(ReceivedResult, keeper.person)[0][1].letter
    for patient, code in ((card(place, OTHER), "warrants/wrong-sender"), (elsewhere(kept.patient), "crypto/bad-signature")):
        post(place.lab, LABORATORY, LetterKind.RESULT, replace(kept, patient=patient), DOCTOR)
        assert troubles(place.home, DOCTOR) == [code]


def test_an_old_report_that_comes_late_does_not_stand_over_a_newer_one(place: Ward) -> None:
    """ORD-24, ORD-29: the newer one was given out first."""
    resulted.preferences(place.home.agent, PATIENT, {Category.LABORATORY: Timing.AT_VISIT})
    handle = place.collected()
    place.told()
    place.report(handle, HIGH)
    place.report(handle, NORMAL, CORRECTED)
    place.told()
    acknowledging.release(place.ward.agent, CHIEF, handle)
    place.told()
    post(place.home, DOCTOR, LetterKind.RESULT, result_of(place, handle), PATIENT)
    assert troubles(place.home, PATIENT) == [""]
    (shown,) = charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("Observation",)).shown
    assert b"4.1" in shown.leaf.data
    assert sorted((own.number, own.superseded) for own in resulted.own_results(place.home.agent, PATIENT)) == [
        (1, True),
        (2, False),
    ]


def test_a_colleague_goes_on_with_what_the_laboratory_has(place: Ward) -> None:
    """ORD-5: the laboratory is an organisation, and the next shift has another wallet."""
    people.add_person(place.lab.agent, "Labor Nord GmbH", Role.ORGANISATION, cold_dir=place.lab.home)
    people.add_person(place.lab.agent, SHIFT, Role.LABORATORY, cold_dir=place.lab.home)
    license_abroad(place.home, place.lab, SHIFT, Role.LABORATORY)
    handle = place.collected()
    done = reporting.report(place.lab.agent, SHIFT, handle, NORMAL, FINAL)
    assert (done.laboratory, done.held) == ("Labor Nord GmbH", True)
    place.told()
    assert [row.laboratory for row in place.attended()] == ["Labor Nord GmbH"]


def test_a_new_device_has_what_is_confidential_and_in_no_chart(place: Ward, tmp_path: Path) -> None:
    """ORD-30."""
    place.report(place.collected(replace(TERMS, confidential=True)), HIGH)
    place.told()
    made = pairing.add_device(place.home.agent, PATIENT, "phone")
    with beside(place.home, tmp_path / "phone") as phone:
        pairing.join(phone.agent, made.text, made.code)
        (own,) = resulted.own_results(phone.agent, PATIENT)
        assert (own.confidential, own.values[0].value) == (True, "6.9")


def test_results_are_in_an_export(place: Ward, tmp_path: Path) -> None:
    place.report(place.collected(), HIGH)
    place.told()
    data = export(place.home.agent)
    with second_home(place.home, tmp_path / "second") as second:
        take_in(second, data)
        assert [own.values[0].value for own in resulted.own_results(second, PATIENT)] == ["6.9"]


def test_an_order_passes_between_members(tmp_path: Path) -> None:
    """ORD-26, ORD-27: orderer and cover at one, patient and laboratory at another."""
    with two_members(tmp_path) as two:
        for name in (DOCTOR, OTHER):
            two.near.person(name, Role.PHYSICIAN)
        people.add_person(two.far.agent, LABORATORY, Role.LABORATORY, cold_dir=tmp_path)
        licensing.issue_licence(two.far.agent, people.own_card(two.far.agent, LABORATORY), Role.LABORATORY)
        introduce(two.far, LABORATORY, two.near)
        data, terms = service_request((), "Potassium", "Ben"), OrderTerms(cover=OTHER, born=BORN)
        handle = ordering.create(two.near.agent, DOCTOR, "Ben", LABORATORY, data, terms).order
        assert [item.trouble for name in ("Ben", LABORATORY) for item in inbox.collect(two.far.agent, name)] == ["", ""]
        assert laboratory.accept(two.far.agent, LABORATORY, handle).held
        laboratory.collect(two.far.agent, LABORATORY, handle, Presented("Ben", BORN))
        reporting.report(two.far.agent, LABORATORY, handle, HIGH, FINAL)
        assert [item.kind for item in inbox.collect(two.near.agent, DOCTOR)] == ["urgent", "result"]
        assert acknowledging.acknowledge(two.near.agent, DOCTOR, handle).attention == "acknowledged"
        assert [item.trouble for item in inbox.collect(two.far.agent, "Ben")] == [""]
        assert [own.values[0].flag for own in resulted.own_results(two.far.agent, "Ben")] == ["HH"]
