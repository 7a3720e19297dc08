"""What the ledger proves of a prescription, and whether what somebody shows is what was prescribed."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.verify import newest_header, proven, record
from salus.codec import decode, encode
from salus.errors import AgentRefused, FhirRefused, LedgerRefused
from salus.exchange.prescribing import Content
from salus.fhir.authoring import medication_words, named_prescription
from salus.fhir.parsing import Resource, read_resource
from salus.fhir.tasks import FillInfo
from salus.fhir.validation import require_valid
from salus.ids import NetworkId
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.modules.prescriptions.messages import MAX_FILLS
from salus.ledger.modules.prescriptions.state import Fill, Prescription, content_hash, fill_key, prescription_key

_LEAF = 4096


@dataclass(frozen=True)
class Standing:
    """A prescription and its fills as they are proven, all under one header, whose block time is ``now`` (ms)."""

    prescription: Prescription
    fills: tuple[Fill, ...]
    now: int


@dataclass(frozen=True)
class Genuine:
    """What was prescribed, as its prescriber signed it, and that licence."""

    standing: Standing
    request: Resource
    licence: Licence

    @property
    def words(self) -> tuple[str, str]:
        """What it is, and how it is taken."""
        return medication_words(self.request)

    @property
    def licence_now(self) -> str:
        """The status of the prescriber's licence at this moment."""
        status = status_at(self.licence, self.standing.now)
        return status.value if status else ""


def standing(agent: Agent, handle: bytes) -> Standing:
    """The prescription, proven; `LedgerRefused` ``no-such-prescription`` where it is proven that there is none.

    A node that follows may be a block behind whoever told of it: it is asked once more.
    """
    keys = [prescription_key(handle), *(fill_key(handle, number) for number in range(MAX_FILLS))]
    answers, header = proven(agent, keys)
    if answers[0].value is None:
        newest_header(agent, fresh=True)
        answers, header = proven(agent, keys)
    if answers[0].value is None:
        raise LedgerRefused("no-such-prescription", "no prescription of this id")
    found = decode(answers[0].value, Prescription, limit=_LEAF)
    fills = tuple(decode(answer.value or b"", Fill, limit=_LEAF) for answer in answers[1 : found.fills + 1])
    return Standing(found, fills, header.time)


def require_genuine(agent: Agent, salt: bytes, content: Content) -> Genuine:
    """What was prescribed, where the ledger proves that just this was, by somebody who might.

    ``prescription-altered`` where the prescriber signed something else, ``not-prescriber`` where the licence did not give the
    right when it was issued, ``bad-prescription`` where what was signed is no valid prescription.
    """
    there = standing(agent, content.prescription)
    require_unaltered(there.prescription, salt, content)
    licence = require_right_to_prescribe(agent, there.prescription)
    return Genuine(there, require_request(content), licence)


def require_unaltered(there: Prescription, salt: bytes, content: Content) -> None:
    """Raise ``prescription-altered`` unless the ledger holds the hash of just this content, under just this licence."""
    if content_hash(salt, encode(content)) != there.content or content.licence != there.licence:
        raise AgentRefused("prescription-altered", "this is not what the prescriber signed")


def require_right_to_prescribe(agent: Agent, there: Prescription) -> Licence:
    """The prescriber's licence; ``not-prescriber`` unless it was active and gave the right in the block that issued it."""
    found = record(agent, licence_key(there.licence), Licence)
    right = LicenceRight.PRESCRIBE_CONTROLLED if there.controlled else LicenceRight.PRESCRIBE
    if found is None or right not in found.rights or status_at(found, there.issued) is not LicenceStatus.ACTIVE:
        raise AgentRefused("not-prescriber", "whoever issued it had no right to prescribe it")
    return found


def require_request(content: Content) -> Resource:
    """The MedicationRequest; ``bad-prescription`` unless it is valid and names the handle as its first identifier."""
    try:
        request = read_resource(content.request)
        require_valid(request)
    except FhirRefused as error:
        raise AgentRefused("bad-prescription", "what was prescribed is not valid FHIR") from error
    if request.type != "MedicationRequest" or named_prescription(request) != content.prescription.hex():
        raise AgentRefused("bad-prescription", "what was prescribed does not name this prescription")
    return request


def require_network(agent: Agent, network: bytes) -> None:
    """Raise ``wrong-network`` for what is of another network."""
    if NetworkId(network) != agent.network_id:
        raise AgentRefused("wrong-network", "the prescription is of another network")


def describe_fills(there: Standing) -> tuple[FillInfo, ...]:
    """The fills in plain values."""
    return tuple(
        FillInfo(
            number + 1,
            one.status.value,
            one.opens,
            one.closes,
            one.until,
            one.dispensed,
            one.at,
            one.doubtful,
            one.licence.hex() if any(one.licence) else "",
        )
        for number, one in enumerate(there.fills)
    )


def choose(handles: list[bytes], named: str) -> bytes:
    """The one handle that ``named`` is, or begins (at least 8 digits); `no-such-prescription`, `ambiguous-prescription`."""
    found = [handle for handle in handles if len(named) >= 8 and handle.hex().startswith(named.lower())]
    if not found:
        raise AgentRefused("no-such-prescription", "no prescription of that id is kept here; give at least its first 8 digits")
    if len(found) > 1:
        raise AgentRefused("ambiguous-prescription", "several prescriptions begin so; give more digits")
    return found[0]


def choose_fill(there: Standing, number: int | None) -> int:
    """The fill that people call ``number`` (from 1), from 0; without one, the first that something may still come of.

    ``no-such-fill`` where the prescription has none of that number.
    """
    if number is None:
        open_ones = [index for index, one in enumerate(there.fills) if one.status in ("ready", "accepted", "on-hold")]
        return open_ones[0] if open_ones else 0
    if not 1 <= number <= len(there.fills):
        raise LedgerRefused("no-such-fill", "the prescription has no fill of this number")
    return number - 1
