"""What speaks against a medicine: at signing by the chart as far as it is shared, at dispensing by the list in the code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from salus.agent.home import Agent
from salus.agent.services.charting import ChartResult, open_chart, resource_of
from salus.agent.services.examining import Genuine, standing
from salus.agent.services.holding import held_parts
from salus.agent.verify import newest_header
from salus.charts.sections import SectionKind
from salus.clinical import listing
from salus.clinical.checks import DONE, Check, Known, Shared, look
from salus.clinical.doses import ADULT, years
from salus.clinical.overriding import Override, overridden, with_overrides
from salus.clinical.substances import Listed, objects
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, LedgerRefused, NodeRefused, SalusError
from salus.exchange.cards import SignedCard
from salus.exchange.client import UNREACHED
from salus.exchange.prescribing import (
    MOST_ALLERGIES,
    MOST_CODES,
    MOST_MEDICATION,
    ListedItem,
    PrescriptionCode,
    SharedRecord,
    code_to_text,
)
from salus.fhir.authoring import PRESCRIPTION_SYSTEM, named_prescription
from salus.fhir.parsing import Resource
from salus.ledger.modules.prescriptions.messages import WHOLE
from salus.ledger.modules.prescriptions.state import Fill, FillStatus

LASTING = 72 * 3_600_000  # ms for which a pharmacy goes by the list that a code carries
AHEAD = 10 * 60_000  # ms by which two clocks may differ
NOT_SHARED = "because not shared"
_MORE = "{} more had no room in the code, or could not be read"
_LISTS = (SectionKind.PROBLEMS, SectionKind.MEDICATIONS)
_LIVE = (FillStatus.READY, FillStatus.ACCEPTED)


class UnsafePrescription(AgentRefused):
    """Findings stand in the way; ``safety`` has them, and the text of the error names none."""

    def __init__(self, safety: Safety) -> None:
        super().__init__("unsafe-prescription", "findings stand in the way: --override says why they do not hold")
        self.safety = safety


@dataclass(frozen=True)
class Safety:
    """The lists that were looked at, in words, and each check."""

    allergies: tuple[str, ...]
    medication: tuple[str, ...]
    checks: tuple[Check, ...]


def at_signing(
    agent: Agent, author: str, card: SignedCard, request: Resource, born: str, others: Sequence[Resource], renews: str
) -> Safety:
    """The checks by what ``author`` may open of the patient's chart, and by ``others``: what the author prescribed before.

    ``renews``: the handle of the prescription that this one follows, or "": what it follows it is no duplicate of.
    """
    now = newest_header(agent).time
    child = _is_child(born, now)
    held, chart = _opened(agent, author, person_id(card.card.key).hex(), child=child)
    resources = [resource_of(version) for version in chart.shown if version.leaf.data] if chart else []
    known = Known(
        now,
        born,
        Shared(listing.allergies(resources), _missing(SectionKind.PROBLEMS, held, chart)),
        Shared(_medication(agent, resources, others, now, renews), _missing(SectionKind.MEDICATIONS, held, chart)),
        listing.weight(resources) if child else None,
    )
    return _told(request, known)


def require_safe(request: Resource, safety: Safety, reason: str) -> Resource:
    """The request with what it overrides, as it is signed; `UnsafePrescription` where a finding is in the way for no reason."""
    if any(check.blocks for check in safety.checks) and not reason:
        raise UnsafePrescription(safety)
    return with_overrides(request, safety.checks, Override(reason).value if reason else "")


def at_dispensing(request: Resource, born: str, record: SharedRecord | None, now: int) -> Safety:
    """The checks by the list of the code, where there is one that is not too old; and what the prescriber has overridden."""
    late = "" if record is None else _too_late(record, now)
    if record is None or late:
        none = Shared((), late or NOT_SHARED)
        safety = _told(request, Known(now, born, none, none))
    else:
        known = record.weight and record.weighed <= now + AHEAD
        weight = listing.Weight(record.weight / 1000, record.weighed) if known else None
        allergies = _listed(record.allergies, record.more_allergies)
        medication = _listed(record.medication, record.more_medication)
        safety = _told(request, Known(now, born, allergies, medication, weight))
        when = _date(record.at)
        listed = Check("list", DONE, f"of {when}, by the patient's own wallet: nobody else has signed it")
        safety = Safety(safety.allergies, safety.medication, (listed, *safety.checks))
    said = tuple(Check("overridden", DONE, f"by the prescriber: {one.words}") for one in overridden(request))
    return Safety(safety.allergies, safety.medication, (*safety.checks, *said))


def with_record(agent: Agent, name: str, code: PrescriptionCode, others: Sequence[Resource]) -> PrescriptionCode:
    """The code with a list of the owner's allergies and medication as of now; as much of it as there is room for.

    ``others``: what else the owner was prescribed, in the chart or not. What is kept as sensitive is not read. Where the record
    cannot be read now, the code carries nothing of it.
    """
    now = max(newest_header(agent).time, agent.clock())
    child = _is_child(code.content.born, now)
    try:
        chart = open_chart(agent, name, name, sections=_sections(child), types=_types(child))
        resources = [resource_of(version) for version in chart.shown if version.leaf.data]
        medication = _medication(agent, resources, others, now, code.content.prescription.hex())
    except SalusError:
        return code
    allergies, weight = listing.allergies(resources), listing.weight(resources) if child else None
    unread = [sum(1 for kind, _, _ in chart.unread if kind is section) for section in _LISTS]
    return _fitted(
        code,
        lambda some, several: SharedRecord(
            now,
            tuple(map(_item, allergies[:some])),
            tuple(map(_item, medication[:several])),
            max(0, len(allergies) - some) + unread[0],
            max(0, len(medication) - several) + unread[1],
            round(weight.kilograms * 1000) if weight else 0,
            weight.taken if weight else 0,
        ),
        min(len(allergies), MOST_ALLERGIES),
        min(len(medication), MOST_MEDICATION),
    )


def forgotten(code: PrescriptionCode, now: int) -> PrescriptionCode:
    """The code without its list, once that is too old to go by."""
    too_old = code.record is not None and _too_late(code.record, now)
    return msgspec.structs.replace(code, record=None) if too_old else code


def of_code(found: Genuine, one: Fill) -> tuple[Check, ...]:
    """What was looked at of the code itself, before what it is for."""
    now, status = found.standing.now, found.licence_now
    intime = "it opens later" if now < one.opens else "it is over" if now >= one.closes else "it is open"
    doubt = "a pharmacy that had it said nothing: IT MAY HAVE BEEN DISPENSED" if one.doubtful else "nobody was silent about it"
    halted = "THE PRESCRIBER HAS STOPPED IT" if found.standing.prescription.stopped else "it was not stopped"
    return (
        Check("genuine", "done", "the ledger has the hash of just this, under the prescriber's signature"),
        Check("right to prescribe", "done", "the licence was active and gave it when it was issued"),
        Check("licence now", "done", f"it is {status}"),
        Check("code", "done", "it is the one that the ledger has for this fill"),
        Check("unredeemed", "done", f"it is {one.status.value}, {one.dispensed} of {WHOLE} dispensed"),
        Check("in time", "done", intime),
        Check("possibly dispensed", "done", doubt),
        Check("stopped", "done", halted),
    )


# --- the parts


def _opened(agent: Agent, author: str, patient: str, *, child: bool) -> tuple[set[SectionKind], ChartResult | None]:
    """Which sections the author was granted, and what can be read of them."""
    wallet = agent.wallet(author)
    own = patient == wallet.person.hex()
    held = set(_LISTS) if own else {one.part.kind for one in held_parts(agent, wallet, patient, _LISTS)}
    try:
        return held, open_chart(agent, author, patient, sections=_sections(child), types=_types(child))
    except SalusError as error:
        if isinstance(error, NodeRefused) or error.full_code in UNREACHED:
            raise
        return held, None


def _sections(child: bool) -> tuple[SectionKind, ...]:
    """Where the lists are read from; a weight is looked for only where a dose hangs on it."""
    return (*_LISTS, SectionKind.VITALS) if child else _LISTS


def _types(child: bool) -> tuple[str, ...]:
    return (*listing.ALLERGIES, *listing.MEDICATION, *(listing.WEIGHT if child else ()))


def _medication(
    agent: Agent, resources: Sequence[Resource], others: Sequence[Resource], now: int, but: str = ""
) -> tuple[Listed, ...]:
    """What is taken, by the chart and by ``others``, without the prescription ``but`` and those that it follows.

    Of what was prescribed on the ledger that alone of which something is to be had, or was handed over of late.
    """
    requests = [one for one in (*resources, *others) if one.type == "MedicationRequest"]
    line = _line(requests, but)
    over = {
        handle for handle in map(named_prescription, requests) if handle and handle not in line and not _lives(agent, handle, now)
    }
    kept = [
        one
        for one in (*resources, *others)
        if not _about(one) & line and not (one.type == "MedicationRequest" and _about(one) & over)
    ]
    return listing.medication(kept, now)


def _line(requests: Sequence[Resource], handle: str) -> set[str]:
    """The handle, and those of the prescriptions that it follows."""
    before = {named_prescription(one): _identified(one.value.get("priorPrescription")) for one in requests}
    line: set[str] = set()
    while handle and handle not in line:
        line.add(handle)
        handle = before.get(handle, "")
    return line


def _identified(reference: object) -> str:
    """The handle that a reference to a prescription names, or ""."""
    match reference:
        case {"identifier": {"system": system, "value": str(handle)}} if system == PRESCRIPTION_SYSTEM:
            return handle
        case _:
            return ""


def _about(one: Resource) -> set[str]:
    """The handles of the prescriptions that a request is of, or a dispense was for."""
    if one.type == "MedicationDispense":
        return {_identified(reference) for reference in objects(one.value.get("authorizingPrescription"))} - {""}
    return {named_prescription(one)} - {""}


def _lives(agent: Agent, handle: str, now: int) -> bool:
    """Whether something of it may still be fetched, or was handed over of late; what the ledger does not know counts."""
    try:
        there = standing(agent, bytes.fromhex(handle))
    except (LedgerRefused, ValueError):
        return True
    return any(one.status in _LIVE or (one.dispensed and now - one.at < listing.SUPPLY) for one in there.fills)


def _missing(kind: SectionKind, held: set[SectionKind], chart: ChartResult | None) -> str:
    """Why the list of a section is none, or not whole; "" where it is whole."""
    if kind not in held or chart is None:
        return NOT_SHARED
    unread = sum(1 for section, _, _ in chart.unread if section is kind)
    if unread:
        return f"{unread} entries could not be read"
    return "entries came after the grant: they are not shared" if chart.more else ""


def _told(request: Resource, known: Known) -> Safety:
    lists = [tuple(one.words or "(without words)" for one in shared.items) for shared in (known.allergies, known.medication)]
    return Safety(lists[0], lists[1], look(request, known))


def _listed(items: Sequence[ListedItem], more: int) -> Shared:
    return Shared(tuple(Listed(one.words, one.codes) for one in items), _MORE.format(more) if more else "")


def _too_late(record: SharedRecord, now: int) -> str:
    """Why the list is not gone by; "" for one that is."""
    return "" if -AHEAD <= now - record.at <= LASTING else f"the list is from {_date(record.at)}"


def _fitted(
    code: PrescriptionCode, record: Callable[[int, int], SharedRecord], allergies: int, medication: int
) -> PrescriptionCode:
    """The code with as many medicines, and then as many allergies, as a camera reads; without any list where none fits."""
    for some, several in [(allergies, n) for n in range(medication, -1, -1)] + [(n, 0) for n in range(allergies - 1, -1, -1)]:
        made = msgspec.structs.replace(code, record=record(some, several))
        try:
            code_to_text(made)
        except AgentRefused:
            continue
        return made
    return code


def _item(one: Listed) -> ListedItem:
    return ListedItem(one.words[:64], tuple(code for code in one.codes if len(code) <= 32)[:MOST_CODES])


def _is_child(born: str, now: int) -> bool:
    age = years(born, now)
    return age is not None and age < ADULT


def _date(moment: int) -> str:
    """The moment for people; whoever made the code may have put any number there."""
    try:
        return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "no date that a calendar has"
