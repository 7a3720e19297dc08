"""The chapter of prescriptions: two pharmacies scan one code at once, and a stop that comes before the hand-over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from salus.agent.home import Agent
from salus.agent.services import charting, corresponding, dispensing, granting, inbox, licensing, people, prescribed, prescribing
from salus.agent.services.dispensing import Supply
from salus.charts.sections import SectionKind
from salus.demo.cast import HOUR, PATIENT, PHYSICIAN, Cast, neighbour
from salus.demo.stage import Stage
from salus.errors import LedgerRefused
from salus.exchange.cards import Role
from salus.exchange.prescribing import code_from_text, code_to_text
from salus.fhir.authoring import medication_request
from salus.warrants.link import Purpose, Right

DRUG, DOSE = "Loratadine 10 mg, 30 tablets", "one tablet a day"
AGAINST, OTHER = "Amoxicillin 500 mg", "Famotidine 20 mg, 30 tablets"
HERE, THERE = "Ph. Noor Abel", "Ph. Ida Berg"


def _against(stage: Stage, cast: Cast) -> None:
    stage.scene("What speaks against a medicine is said before it is signed")
    until = cast.agent.clock() + 72 * HOUR
    sections = (SectionKind.PROBLEMS, SectionKind.MEDICATIONS)
    granting.grant(
        cast.agent, PATIENT, PHYSICIAN, sections=sections, rights=(Right.READ,), purposes=(Purpose.TREAT,), until_ms=until
    )
    inbox.collect(cast.agent, PHYSICIAN)
    stage.refused(
        f"{PHYSICIAN} cannot prescribe {AGAINST} without saying why the allergy to penicillin does not hold",
        "agent/unsafe-prescription",
        lambda: _prescribed(cast, AGAINST),
    )


def _two_at_once(stage: Stage, cast: Cast) -> None:
    stage.scene("A prescription is one code; two pharmacies scan it at once, and one has it")
    people.add_person(cast.agent, HERE, Role.PHARMACIST, cold_dir=cast.home / "cold")
    licensing.issue_licence(cast.agent, people.own_card(cast.agent, HERE), Role.PHARMACIST)
    with neighbour(cast, THERE, Role.PHARMACIST) as there:
        handle, code = _prescribed(cast)
        stage.show(f"{code[:88]}…")
        stage.say(f"{len(code):,} characters, which a camera reads as one QR code, from a screen or from paper")
        places = ((cast.agent, HERE), (there, THERE))
        seen = [dispensing.open_code(agent, name, code_from_text(code.encode("ascii"))) for agent, name in places]
        stage.say(f"{seen[0].drug}, {seen[0].dose}; for {seen[0].patient}, by {seen[0].prescriber}")
        stage.claim("both pharmacies see that it is genuine, and what it is", all(one.drug == DRUG for one in seen))
        allergies = [" ".join(one.allergies) for one in seen]
        stage.claim("and for 72 hours to what the patient is allergic", all("Penicillin" in words for words in allergies))
        with ThreadPoolExecutor(2) as both:
            told = list(both.map(lambda place: _accept(place[0], place[1], handle), places))
        stage.claim(
            "one of them has it; the other is told so at once (ledger/is-accepted)", sorted(told) == ["", "ledger/is-accepted"]
        )
        agent, name = places[told.index("")]
        dispensing.dispense(agent, name, handle, None, Supply(quantity="30 tablets", batch="A17"))
    inbox.collect(cast.agent, PATIENT)
    own = charting.open_chart(cast.agent, PATIENT, PATIENT, types=("MedicationDispense",)).shown
    stage.claim(f"what {name} has handed over stands in the patient's record by itself", any(b"A17" in v.leaf.data for v in own))


def _stopped(stage: Stage, cast: Cast) -> None:
    stage.scene("A stop comes before the hand-over")
    handle, code = _prescribed(cast, OTHER)
    dispensing.open_code(cast.agent, HERE, code_from_text(code.encode("ascii")))
    dispensing.accept(cast.agent, HERE, handle, None)
    told = corresponding.stop(cast.agent, PHYSICIAN, handle).told
    stage.claim("patient and pharmacist are told by an urgent letter", told == (PATIENT, HERE))
    stage.refused(
        f"{HERE} cannot hand it over any more",
        "ledger/is-on-hold",
        lambda: dispensing.dispense(cast.agent, HERE, handle, None, Supply()),
    )
    urgent = [item for item in inbox.collect(cast.agent, HERE) if item.kind == inbox.URGENT]
    stage.claim("and is reminded until it is acknowledged", len(urgent) == 1)
    dispensing.acknowledge(cast.agent, HERE, handle, None)
    stage.claim("then no more", not inbox.collect(cast.agent, HERE))
    inbox.collect(cast.agent, PATIENT)


def _prescribed(cast: Cast, drug: str = DRUG) -> tuple[str, str]:
    """A prescription in the patient's wallet: its handle, and what a camera reads."""
    request = medication_request(drug, DOSE, PATIENT)
    handle = prescribing.issue(cast.agent, PHYSICIAN, PATIENT, request, prescribing.Terms()).prescription
    inbox.collect(cast.agent, PATIENT)
    return handle, code_to_text(prescribed.code(cast.agent, PATIENT, handle, None)[0])


def _accept(agent: Agent, name: str, handle: str) -> str:
    """What refuses the acceptance; "" where it is held."""
    try:
        return "" if dispensing.accept(agent, name, handle, None).held else "not held"
    except LedgerRefused as error:
        return error.full_code


SCENES = (_against, _two_at_once, _stopped)
