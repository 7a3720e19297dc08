"""Words about prescriptions: questions and answers, another one of the same, and a stop that reaches whoever has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prescribing_world import ALL, DRUG, PHARMACIST, RIVAL, Town, town
from salus.agent.home import Agent
from salus.agent.services import charting, contacts, corresponding, dispensing, inbox, listing, prescribed, prescribing
from salus.agent.services.corresponding import OpenQuestion
from salus.agent.services.dispensing import Supply
from salus.agent.services.listing import About as Said
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.urgent import CLIMBS
from salus.codec import encode
from salus.errors import SalusError
from salus.exchange.cards import Role
from salus.exchange.envelopes import LetterKind
from salus.exchange.prescribing import About, PrescriptionNote
from world import DOCTOR, PATIENT, World


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        listing.publish(made.home.agent, DOCTOR, Said())
        yield made


def items(agent: Agent, name: str) -> list[tuple[str, str, str]]:
    """Kind, trouble and words of what has come."""
    return [(item.kind, item.trouble, item.text) for item in inbox.collect(agent, name)]


def post(world: World, sender: str, to: str, note: PrescriptionNote) -> None:
    """A note as whoever wrote it wanted it."""
    agent = world.agent
    with agent.store.writing():
        card = contacts.find_contact(agent, to)
        keep_letter(agent, agent.wallet(sender), card, LetterKind.PRESCRIPTION_NOTE, encode(note))
    send_letters(agent)


def refused(call: object, *given: object, **more: object) -> str:
    """The full code of what refuses the call."""
    assert callable(call)
    with pytest.raises(SalusError) as caught:
        call(*given, **more)
    return caught.value.full_code


# --- questions


def test_a_pharmacist_asks_and_the_prescriber_answers(place: Town) -> None:
    """RX-31, RX-32."""
    handle = place.taken()
    assert corresponding.ask(place.near.agent, PHARMACIST, handle, None, "250 or 500?") == DOCTOR
    ((kind, trouble, text),) = items(place.home.agent, DOCTOR)
    assert (kind, trouble) == ("prescription-note", "")
    assert text.startswith(f"{PHARMACIST} asks about {DRUG} for {PATIENT}")
    assert text.endswith("250 or 500?")
    (asked,) = corresponding.questions(place.home.agent, DOCTOR)
    assert (asked.prescription, asked.about, asked.text) == (handle, "question", "250 or 500?")
    done = corresponding.answer(place.home.agent, DOCTOR, handle, "250.", again=False)
    assert (done.told, done.renewed) == ((PHARMACIST,), "")
    assert corresponding.questions(place.home.agent, DOCTOR) == ()
    ((_, trouble, text),) = items(place.near.agent, PHARMACIST)
    assert (trouble, text.endswith("250.")) == ("", True)


def test_who_asks_twice_waits_once(place: Town) -> None:
    """RX-32."""
    handle = place.taken()
    for text in ("which?", "which strength?"):
        corresponding.ask(place.near.agent, PHARMACIST, handle, None, text)
        items(place.home.agent, DOCTOR)
    assert [asked.text for asked in corresponding.questions(place.home.agent, DOCTOR)] == ["which strength?"]


def test_a_prescriber_whom_nobody_can_find_is_not_asked(place: Town) -> None:
    """RX-31."""
    listing.withdraw(place.home.agent, DOCTOR)
    assert refused(corresponding.ask, place.near.agent, PHARMACIST, place.taken(), None, "?") == "agent/cannot-reach"


def test_nobody_is_answered_who_did_not_ask(place: Town) -> None:
    """RX-32."""
    assert refused(corresponding.answer, place.home.agent, DOCTOR, place.issue(), "no", again=False) == "agent/nobody-asked"


def test_a_word_too_long_is_not_sent(place: Town) -> None:
    """RX-31."""
    assert refused(corresponding.ask, place.near.agent, PHARMACIST, place.taken(), None, "x" * 1001) == "agent/words-too-long"


@pytest.mark.parametrize("about", list(About))
def test_who_has_no_part_in_a_prescription_says_nothing_of_it(place: Town, about: About) -> None:
    """RX-32: a stranger to it who knows its handle."""
    handle = place.issue()
    place.home.person("Eve", Role.PHYSICIAN)
    note = PrescriptionNote(bytes.fromhex(handle), about, bytes(32), "")
    to = DOCTOR if about in (About.QUESTION, About.RENEWAL) else PATIENT
    post(place.home, "Eve", to, note)
    assert [trouble for _, trouble, _ in items(place.home.agent, to)] == ["warrants/wrong-sender"]
    assert place.home.agent.store.all(OpenQuestion, place.home.agent.wallet(DOCTOR).person) == []


def test_a_word_about_what_nobody_here_knows_is_not_taken_in(place: Town) -> None:
    """RX-32."""
    for about in (About.QUESTION, About.ANSWER):
        post(place.home, DOCTOR, PATIENT, PrescriptionNote(bytes(32), about, bytes(32), ""))
    assert [trouble for _, trouble, _ in items(place.home.agent, PATIENT)] == ["warrants/wrong-sender"] * 2


def test_a_stop_that_the_ledger_does_not_know_is_not_believed(place: Town) -> None:
    """RX-33."""
    handle = place.issue()
    post(place.home, DOCTOR, PATIENT, PrescriptionNote(bytes.fromhex(handle), About.STOPPED, bytes(32), ""))
    assert [trouble for _, trouble, _ in items(place.home.agent, PATIENT)] == ["warrants/wrong-sender"]


# --- another one of the same


def test_a_patient_asks_for_another_one_and_gets_it(place: Town) -> None:
    """RX-34."""
    handle = place.issue()
    assert corresponding.renew(place.home.agent, PATIENT, handle, "nearly used up") == DOCTOR
    ((_, _, text),) = items(place.home.agent, DOCTOR)
    assert text.startswith(f"{PATIENT} asks for {DRUG} again")
    done = corresponding.answer(place.home.agent, DOCTOR, handle, "", again=True)
    assert done.told == (PATIENT,)
    assert {kind for kind, _, _ in items(place.home.agent, PATIENT)} == {"prescription", "prescription-note"}
    new, old = prescribed.own_prescriptions(place.home.agent, PATIENT)[:2]
    assert {new.prescription, old.prescription} == {handle, done.renewed}
    assert new.drug == old.drug
    agent = place.home.agent
    own = prescribed.find_own(agent, PATIENT, done.renewed)[2]
    assert f'"value":"{handle}"'.encode() in own.letter.content.request.replace(b" ", b"")


def test_an_answer_that_was_cut_off_prescribes_no_second_one(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """RX-34."""
    handle = place.issue()
    corresponding.renew(place.home.agent, PATIENT, handle, "")
    items(place.home.agent, DOCTOR)
    with monkeypatch.context() as patch:
        patch.setattr(corresponding, "keep_letter", None)  # as if the process had died just before
        with pytest.raises(TypeError):
            corresponding.answer(place.home.agent, DOCTOR, handle, "", again=True)
    corresponding.answer(place.home.agent, DOCTOR, handle, "", again=True)
    assert len(prescribing.issued(place.home.agent, DOCTOR)) == 2


# --- stopped


def test_a_stop_is_told_to_patient_and_pharmacy_until_it_is_acknowledged(place: Town) -> None:
    """RX-33."""
    handle = place.taken()
    listing.publish(place.near.agent, PHARMACIST, Said())
    done = corresponding.stop(place.home.agent, DOCTOR, handle, "an allergy")
    assert (done.told, done.untold) == ((PATIENT, PHARMACIST), 0)
    ((_, _, text),) = items(place.home.agent, PATIENT)
    assert text.startswith("URGENT")
    assert text.endswith("an allergy")
    first = items(place.near.agent, PHARMACIST)
    assert [kind for kind, _, _ in first] == ["urgent", "prescription-note"]
    assert "hand nothing over" in first[0][2]
    assert [kind for kind, _, _ in items(place.near.agent, PHARMACIST)] == ["urgent"]
    dispensing.acknowledge(place.near.agent, PHARMACIST, handle, None)
    assert items(place.near.agent, PHARMACIST) == []
    assert items(place.home.agent, DOCTOR) == []


def test_a_stop_that_nobody_acknowledges_comes_back_to_its_prescriber(place: Town) -> None:
    """RX-33."""
    handle = place.taken()
    agent = place.home.agent
    with agent.store.writing():
        agent.store.drop(contacts.Contact, b"", place.near.agent.wallet(PHARMACIST).person)
    done = corresponding.stop(agent, DOCTOR, handle)
    assert (done.told, done.untold) == ((PATIENT,), 1)
    assert items(place.home.agent, DOCTOR) == []
    place.home.clock.now += CLIMBS + 60_000
    ((kind, _, text),) = items(place.home.agent, DOCTOR)
    assert (kind, "NOBODY HAS ACKNOWLEDGED" in text) == ("urgent", True)
    prescribing.free(place.home.agent, DOCTOR, handle, None)
    assert items(place.home.agent, DOCTOR) == []


def test_a_stop_that_was_cut_off_tells_them_when_it_is_given_again(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """RX-33."""
    handle = place.taken()
    with monkeypatch.context() as patch:
        patch.setattr(corresponding, "keep_letter", None)
        with pytest.raises(TypeError):
            corresponding.stop(place.home.agent, DOCTOR, handle)
    assert corresponding.stop(place.home.agent, DOCTOR, handle).told == (PATIENT, PHARMACIST)
    assert refused(corresponding.stop, place.home.agent, DOCTOR, handle) == "ledger/is-stopped"


# --- another product


def test_another_product_stands_in_the_record_as_such(place: Town) -> None:
    """RX-35."""
    place.dispense(place.taken(), Supply(product="Amoxi generic 250 mg"))
    items(place.home.agent, PATIENT)
    (shown,) = charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("MedicationDispense",)).shown
    assert b"Amoxi generic 250 mg" in shown.leaf.data
    assert b'"wasSubstituted":true' in shown.leaf.data.replace(b" ", b"")


def test_another_product_is_refused_where_the_prescriber_allows_none(place: Town) -> None:
    """RX-35."""
    handle = place.taken(prescribing.Terms(substitution=False))
    call = (place.near.agent, PHARMACIST, handle, None)
    assert refused(dispensing.dispense, *call, Supply(product="other")) == "agent/no-substitution"
    assert place.dispense(handle, ALL).state.status == "completed"


def test_a_rival_pharmacy_that_only_saw_the_code_is_told_nothing(place: Town) -> None:
    """RX-33: it is no part of whoever had it."""
    handle = place.taken()
    listing.publish(place.far.agent, RIVAL, Said())
    assert RIVAL not in corresponding.stop(place.home.agent, DOCTOR, handle).told
