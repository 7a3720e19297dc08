"""A pharmacy's supply while no node can be reached: what can be checked without one, and what is kept for when one answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from salus.agent.home import Agent
from salus.agent.known import KnownPrescriber
from salus.agent.services.dispensing import (
    DispenseJob,
    OpenedFill,
    Supply,
    holder_key,
    keep_code,
    keeper_named,
    kept_code,
    own_licence,
    place_of,
    require_supply,
)
from salus.agent.services.examining import require_network, require_request
from salus.agent.services.safety import AHEAD, Safety, at_dispensing
from salus.agent.verify import newest_header
from salus.agent.wallet import Wallet
from salus.clinical.checks import DONE, NOT_DONE, Check
from salus.codec import Record
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, CryptoRefused, LedgerRefused, SalusError
from salus.exchange.client import UNREACHED
from salus.exchange.outage import OutageStatement, SignedStatement, require_slip, sign_statement
from salus.exchange.prescribing import PrescriptionCode
from salus.fhir.authoring import medication_words
from salus.ids import Bytes32, Count
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import status_at
from salus.ledger.modules.prescriptions.messages import WHOLE, Rest
from salus.ledger.modules.prescriptions.state import DAY, FillStatus
from salus.ledger.workflow import conflict

KNOWN_FOR = 30 * DAY  # that a prescriber's licence is gone by after it was proven last; our own choice, no source
_NO_NETWORK = "no network"


class OutageSupply(Record, frozen=True, tag="outage-supply"):
    """What was handed over during an outage; kept by the fill, for the pharmacy.

    ``sent``: its hand-over is on its way to the ledger, where ``before`` (thousandths) was dispensed. ``settled``: it is there.
    ``trouble``: the full code of what keeps it off the ledger, "" for nothing; ``untold``: how many could not be written to;
    ``acknowledged``: the pharmacy has seen that.
    """

    pharmacist: Bytes32
    code: PrescriptionCode
    supply: Supply
    signed: SignedStatement
    before: Count = 0
    sent: bool = False
    settled: bool = False
    trouble: str = ""
    told: tuple[str, ...] = ()
    untold: Count = 0
    acknowledged: bool = False


@dataclass(frozen=True)
class OutageInfo:
    """What may be handed over, by what was checked without a network and what was not; ``at`` by the pharmacy's clock (ms)."""

    prescription: str
    fill: int
    patient: str
    born: str
    prescriber: str
    drug: str
    dose: str
    substitution: bool
    at: int
    share: int
    checks: tuple[Check, ...]
    allergies: tuple[str, ...]
    medication: tuple[str, ...]


def stands_still(agent: Agent) -> bool:
    """Whether there is an outage: no node of this home answers, or what one shows is older than the network lets a node be.

    A clock that is wrong by less than `AHEAD` makes no outage.
    """
    try:
        header = newest_header(agent, fresh=True)
    except SalusError as error:
        if error.full_code not in UNREACHED:
            raise
        return True
    return agent.clock() - header.time > agent.genesis.parameters.max_staleness + AHEAD


def supply_kept(agent: Agent, name: str, named: str, number: int | None, supply: Supply) -> OutageInfo:
    """As `supply_code`, of a code that was opened here before, or sent ahead."""
    return supply_code(agent, name, kept_code(agent, name, named, number)[2], supply)


def supply_code(agent: Agent, name: str, code: PrescriptionCode, supply: Supply) -> OutageInfo:
    """Supply a fill while no node can be reached; kept durably, and on the ledger by the first command that reaches one.

    ``not-an-outage``, ``prescriber-unknown``, ``prescription-altered``, ``not-prescriber``, ``not-offline`` for a controlled
    substance, ``ledger/not-open-yet``, ``ledger/is-expired``, ``no-substitution``, ``supplied-before``.
    """
    require_supply(supply)
    if not (agent.outage or stands_still(agent)):
        raise AgentRefused("not-an-outage", "a node answers: accept and dispense, which the ledger then proves")
    wallet, keeper = agent.wallet(name), keeper_named(agent, name)
    licence = own_licence(agent, wallet)
    require_network(agent, code.network)
    known = _require_genuine(agent, code)
    now = max(agent.clock(), known.seen)
    _require_open(code, now)
    request = require_request(code.content)
    if supply.product and not code.content.substitution:
        raise AgentRefused("no-substitution", "the prescriber allows no other product")
    share = _require_left(agent, keeper, code, supply)
    safety = at_dispensing(request, code.content.born, code.record, now)
    bearer, handle = SigningKey(code.bearer), code.content.prescription
    said = OutageStatement(agent.network_id, handle, code.fill, licence, bearer.public, now, share, supply.quantity)
    signed = sign_statement(said, code.slip, wallet.identity.classic, bearer)
    exact = msgspec.structs.replace(supply, share=share, rest=Rest.KEEP)
    bare = msgspec.structs.replace(code, record=None)  # the list is forgotten with the code that was opened
    with agent.store.writing():
        keep_code(agent, keeper, code)
        agent.store.put(keeper.person, place_of(code), OutageSupply(wallet.person, bare, exact, signed))
    return _info(code, known, said, safety)


def holds(keeper: Wallet, code: PrescriptionCode, holder: bytes) -> bool:
    """Whether ``holder``, as the ledger has it, is this pharmacy's key for the fill."""
    return holder == holder_key(keeper, code).public


def day_of(moment: int) -> str:
    """The day of ``moment`` (ms), by UTC."""
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d")


def _require_genuine(agent: Agent, code: PrescriptionCode) -> KnownPrescriber:
    """The prescriber as this pharmacy knows, where just this was signed by whoever had the right to when that was proven last."""
    known = agent.store.find(KnownPrescriber, b"", code.content.licence)
    if known is None or agent.clock() - known.seen > KNOWN_FOR:
        text = "this pharmacy has not seen the prescriber's licence proven within 30 days: telephone, or wait for the network"
        raise AgentRefused("prescriber-unknown", text)
    try:
        require_slip(code, known.licence.holder)
    except CryptoRefused as error:
        raise AgentRefused("prescription-altered", "this is not what the prescriber signed") from error
    if code.slip.controlled:
        raise AgentRefused("not-offline", "a controlled substance is not supplied without the ledger")
    active = status_at(known.licence, max(known.seen, agent.clock())) is LicenceStatus.ACTIVE
    if LicenceRight.PRESCRIBE not in known.licence.rights or not active:
        raise AgentRefused("not-prescriber", "whoever issued it had no right to prescribe it when that was proven last")
    return known


def _require_open(code: PrescriptionCode, now: int) -> None:
    if now + AHEAD < code.slip.opens:
        raise LedgerRefused("not-open-yet", "this fill is for later")
    if now >= code.slip.closes:
        raise conflict(FillStatus.EXPIRED)


def _require_left(agent: Agent, keeper: Wallet, code: PrescriptionCode, supply: Supply) -> int:
    """The thousandths to hand over, as far as this pharmacy knows that they are left."""
    kept = agent.store.find(OpenedFill, keeper.person, place_of(code))
    before = kept.dispensed if kept else 0
    share = supply.share or WHOLE - before
    begun = agent.store.find(DispenseJob, keeper.person, place_of(code))  # it may be on the ledger, and will be
    supplied = agent.store.find(OutageSupply, keeper.person, place_of(code))
    if supplied is not None or (begun is not None and not begun.done) or not 0 < share <= WHOLE - before:
        raise AgentRefused("supplied-before", "this pharmacy knows that this fill was supplied, here or elsewhere")
    return share


def _info(code: PrescriptionCode, known: KnownPrescriber, said: OutageStatement, safety: Safety) -> OutageInfo:
    content, when = code.content, day_of(known.seen)
    drug, dose = medication_words(require_request(content))
    checks = (
        Check("genuine", DONE, "the prescriber's signature is on just this"),
        Check("right to prescribe", DONE, f"as of {when}, when this pharmacy saw it proven last"),
        Check("in time", DONE, "it is open, by the clock of this pharmacy"),
        Check("supplied here", DONE, "not as far as this pharmacy knows"),
        *(Check(what, NOT_DONE, _NO_NETWORK) for what in ("licence now", "code", "unredeemed", "possibly dispensed", "stopped")),
    )
    shown = (content.patient, content.born, content.prescriber, drug, dose, content.substitution)
    lists = ((*checks, *safety.checks), safety.allergies, safety.medication)
    return OutageInfo(content.prescription.hex(), code.fill + 1, *shown, said.at, said.share, *lists)
