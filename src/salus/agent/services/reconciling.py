"""After an outage: what was supplied comes onto the ledger, or is told to all whom it concerns that it cannot."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from salus.agent.home import Agent
from salus.agent.services.corresponding import known_drug, pharmacist_card
from salus.agent.services.dispensing import (
    OpenedInfo,
    accept,
    acknowledge,
    as_it_is,
    dispense,
    keeper_of,
    kept_code,
    patient_card,
    place_of,
)
from salus.agent.services.examining import require_request, standing
from salus.agent.services.listing import card_of
from salus.agent.services.outage import OutageSupply, day_of, holds
from salus.agent.services.posting import keep_letter
from salus.agent.services.prescribing import IssuedPrescription
from salus.agent.services.pressing import Urgent
from salus.agent.verify import record
from salus.agent.wallet import Wallet
from salus.codec import decode, encode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, CryptoRefused, LedgerRefused, SalusError, WarrantRefused
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import Letter, LetterKind
from salus.exchange.outage import MAX_STATEMENT, SignedStatement, require_slip_of, require_statement
from salus.fhir.authoring import medication_words
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.modules.prescriptions.messages import WHOLE
from salus.ledger.modules.prescriptions.state import NOBODY, FillStatus

#: What keeps a supply off the ledger for good. Whatever else is refused is tried again by the next command.
VERDICTS = (
    "agent/bad-prescription",
    "agent/code-replaced",
    "agent/not-prescriber",
    "agent/prescription-altered",
    "ledger/is-accepted",
    "ledger/is-cancelled",
    "ledger/is-completed",
    "ledger/is-expired",
    "ledger/is-on-hold",
    "ledger/is-stopped",
    "ledger/no-such-fill",
    "ledger/no-such-prescription",
    "ledger/not-licensed",
    "ledger/not-open-yet",
    "ledger/too-early",
    "ledger/too-much",
)
_TWICE = ("ledger/is-accepted", "ledger/is-completed", "ledger/too-much")
_WAIT = ("agent/not-accepted", "agent/not-dispensed")


def resume_outage(agent: Agent) -> None:
    """Bring what was supplied during an outage onto the ledger; what cannot be brought there is kept as such, and told."""
    for keeper in agent.wallets():
        for _, kept in agent.store.all(OutageSupply, keeper.person):
            if not kept.settled and not kept.trouble:
                _reconcile(agent, keeper, kept)


def pressing_supplies(agent: Agent, wallet: Wallet) -> list[Urgent]:
    """Supplies that the ledger does not have, told to whoever of the pharmacy looks, until somebody acknowledges them."""
    found, keeper = list[Urgent](), keeper_of(agent, wallet)
    for _, kept in agent.store.all(OutageSupply, keeper.person):
        if kept.trouble and not kept.acknowledged:
            content, at = kept.code.content, kept.signed.statement.at
            drug = medication_words(require_request(content))[0]
            what = "MAY HAVE BEEN SUPPLIED TWICE" if kept.trouble in _TWICE else "SUPPLIED, AND NOT TO BE"
            told = f"told: {', '.join(kept.told) or 'nobody'}" + (f"; {kept.untold} COULD NOT BE" if kept.untold else "")
            text = (
                f"{what}: {drug} for {content.patient}, supplied during an outage on {day_of(at)} ({kept.trouble}), {told}. "
                f"Telephone, and say so by `salus rx acknowledge`: prescription {content.prescription.hex()[:12]}"
            )
            found.append(Urgent(content.prescription.hex(), at, text))
    return found


def acknowledge_any(agent: Agent, name: str, named: str, number: int | None) -> OpenedInfo:
    """Say that one has seen what became of a supply during an outage, or that a prescription was stopped; or both."""
    keeper, _, code = kept_code(agent, name, named, number)
    kept = agent.store.find(OutageSupply, keeper.person, place_of(code))
    if kept is None or not kept.trouble or kept.acknowledged:
        return acknowledge(agent, name, named, number)
    with agent.store.writing():
        agent.store.put(keeper.person, place_of(code), msgspec.structs.replace(kept, acknowledged=True))
    info = as_it_is(agent, name, named, number)
    return acknowledge(agent, name, named, number) if info.held and info.state.status == FillStatus.ON_HOLD else info


def take_statement(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """What a pharmacist says of a supply during an outage, once it was seen to be so; in words. ``wrong-sender`` otherwise."""
    signed = decode(letter.body, SignedStatement, limit=MAX_STATEMENT)
    said, sender = signed.statement, letter.sender.card
    drug = _drug(agent, wallet, said.prescription)
    status = require_supplied(agent, signed, person_id(sender.key))
    quantity = f" ({said.quantity})" if said.quantity else ""
    return (
        f"URGENT: {sender.name} supplied {drug}{quantity} on {day_of(said.at)} while no network could be reached, and the ledger "
        f"has this fill as {status}: it may have been supplied twice, or after it was taken back. Telephone: prescription "
        f"{said.prescription.hex()[:12]}, fill {said.fill + 1}"
    )


def require_supplied(agent: Agent, signed: SignedStatement, person: bytes) -> str:
    """The status of the fill; ``wrong-sender`` unless ``person`` might dispense then, and was shown a code of the fill."""
    said = signed.statement
    there = standing(agent, said.prescription)
    own = record(agent, licence_key(said.licence), Licence)
    prescriber = record(agent, licence_key(there.prescription.licence), Licence)
    try:
        if own is None or prescriber is None or own.person != person or LicenceRight.DISPENSE not in own.rights:
            raise ValueError
        if said.network != agent.network_id or status_at(own, said.at) is not LicenceStatus.ACTIVE:
            raise ValueError
        one = there.fills[said.fill]
        require_statement(signed, own.holder)
        fill = (said.fill, one)
        require_slip_of(signed.slip, prescriber.holder, said.network, said.prescription, there.prescription, fill)
    except (ValueError, IndexError, CryptoRefused) as error:
        raise WarrantRefused("wrong-sender", "it does not say what a pharmacist has supplied") from error
    return one.status.value


# --- the parts


def _reconcile(agent: Agent, keeper: Wallet, kept: OutageSupply) -> None:
    wallet = next((one for one in agent.wallets() if one.person == kept.pharmacist), None)
    if wallet is None:
        return
    try:
        _onto_ledger(agent, keeper, wallet, kept)
    except (LedgerRefused, AgentRefused) as error:
        if error.full_code in VERDICTS:
            _flag(agent, keeper, wallet, kept, error)
        elif not isinstance(error, LedgerRefused) and error.full_code not in _WAIT:
            raise


def _onto_ledger(agent: Agent, keeper: Wallet, wallet: Wallet, kept: OutageSupply) -> None:
    """Accepted and dispensed as at any other time, each step known before the next; cut off anywhere, this goes on from there."""
    code, supply = kept.code, kept.supply
    named = (wallet.record.name, code.content.prescription.hex(), code.fill + 1)
    if kept.sent:
        one = standing(agent, code.content.prescription).fills[code.fill]
        if holds(keeper, code, one.holder) and one.dispensed >= kept.before + supply.share:
            _keep(agent, keeper, msgspec.structs.replace(kept, settled=True))
            return
    before = standing(agent, code.content.prescription).fills
    if code.fill < len(before) and before[code.fill].dispensed + supply.share > WHOLE and before[code.fill].status in _OPEN:
        raise LedgerRefused("too-much", "more than was ordered")
    held = accept(agent, *named)
    sent = msgspec.structs.replace(kept, sent=True, before=held.state.dispensed)
    _keep(agent, keeper, sent)
    dispense(agent, *named, supply)
    _keep(agent, keeper, msgspec.structs.replace(sent, settled=True))


_OPEN = (FillStatus.READY, FillStatus.ACCEPTED)


def _flag(agent: Agent, keeper: Wallet, wallet: Wallet, kept: OutageSupply, error: SalusError) -> None:
    """Keep what is wrong, and the letters that tell of it, in one step."""
    cards, untold = _concerned(agent, kept)
    told = tuple(card.card.name for card in cards)
    with agent.store.writing():
        for card in cards:
            keep_letter(agent, wallet, card, LetterKind.OUTAGE, encode(kept.signed))
        _keep(agent, keeper, msgspec.structs.replace(kept, trouble=error.full_code, told=told, untold=untold))


def _concerned(agent: Agent, kept: OutageSupply) -> tuple[list[SignedCard], int]:
    """The cards of patient, prescriber and whoever the ledger names as the fill's other pharmacist; how many have none."""
    code, own = kept.code, kept.signed.statement.licence
    found = [patient_card(agent, code)]
    licence = record(agent, licence_key(code.content.licence), Licence)
    card: SignedCard | None = None
    with suppress(AgentRefused):
        card = card_of(agent, licence.person) if licence is not None else None
    found.append(card)
    with suppress(LedgerRefused):
        fills = standing(agent, code.content.prescription).fills
        other = fills[code.fill].licence if code.fill < len(fills) else NOBODY
        if other not in (NOBODY, own):
            found.append(pharmacist_card(agent, other))
    cards = [one for one in found if one is not None]
    return cards, len(found) - len(cards)


def _keep(agent: Agent, keeper: Wallet, kept: OutageSupply) -> None:
    with agent.store.writing():
        agent.store.put(keeper.person, place_of(kept.code), kept)


def _drug(agent: Agent, wallet: Wallet, handle: bytes) -> str:
    issued = agent.store.find(IssuedPrescription, wallet.person, handle)
    if issued is not None:
        return medication_words(require_request(issued.content))[0]
    return known_drug(agent, wallet, handle)
