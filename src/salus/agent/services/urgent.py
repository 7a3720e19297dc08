"""What cannot wait: prescriptions that were stopped while a pharmacy has them, told at each look until somebody has acted."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from salus.agent.home import Agent
from salus.agent.services.dispensing import OpenedFill, holder_key, keeper_of
from salus.agent.services.examining import Standing, require_request, standing
from salus.agent.services.prescribing import IssuedPrescription
from salus.agent.services.pressing import Urgent
from salus.agent.wallet import Wallet
from salus.errors import LedgerRefused
from salus.exchange.prescribing import Content
from salus.fhir.authoring import medication_words
from salus.ledger.modules.prescriptions.state import Fill, FillStatus

CLIMBS = 4 * 3_600_000  # ms after which a stop that nobody has acknowledged comes back to its prescriber; our own choice


def urgent(agent: Agent, wallet: Wallet) -> tuple[Urgent, ...]:
    """What the holder of the wallet has to do now, the longest overdue first."""
    return tuple(sorted((*_held(agent, wallet), *_unheard(agent, wallet)), key=lambda one: one.since))


def _held(agent: Agent, wallet: Wallet) -> list[Urgent]:
    """Fills that this pharmacy has, and that were stopped. Whoever of the pharmacy looks is told, whoever had accepted them."""
    keeper, found = keeper_of(agent, wallet), list[Urgent]()
    for place, kept in agent.store.all(OpenedFill, keeper.person):
        there = _standing(agent, kept.code.content) if kept.held else None
        if there is None:
            continue
        one = there.fills[kept.code.fill]
        if one.status is FillStatus.ON_HOLD and one.holder == holder_key(keeper, kept.code).public:
            text = f"STOPPED: {_words(kept.code.content)}: hand nothing over, and say so by `salus rx acknowledge`"
            found.append(_urgent(kept.code.content, there, text))
        elif not _at_pharmacy(one):
            with agent.store.writing():
                agent.store.put(keeper.person, place, msgspec.structs.replace(kept, held=False))
    return found


def _unheard(agent: Agent, wallet: Wallet) -> list[Urgent]:
    """Prescriptions that one has stopped, and of which a pharmacy has not said for `CLIMBS` that it knows."""
    found = list[Urgent]()
    for handle, kept in agent.store.all(IssuedPrescription, wallet.person):
        there = _standing(agent, kept.content) if kept.told and not kept.heard else None
        if there is None:
            continue
        if not any(one.status is FillStatus.ON_HOLD for one in there.fills):
            with agent.store.writing():
                agent.store.put(wallet.person, handle, msgspec.structs.replace(kept, heard=True))
        elif agent.clock() - there.prescription.stopped >= CLIMBS:
            hours = (agent.clock() - there.prescription.stopped) // 3_600_000
            text = (
                f"NOBODY HAS ACKNOWLEDGED for {hours} h that you stopped {_words(kept.content)}: telephone pharmacy and patient"
            )
            found.append(_urgent(kept.content, there, text))
    return found


def _standing(agent: Agent, content: Content) -> Standing | None:
    """None where the ledger has forgotten it."""
    with suppress(LedgerRefused):
        return standing(agent, content.prescription)
    return None


def _at_pharmacy(one: Fill) -> bool:
    return one.status in (FillStatus.ACCEPTED, FillStatus.ON_HOLD)


def _words(content: Content) -> str:
    return (
        f"{medication_words(require_request(content))[0]} for {content.patient}, prescription {content.prescription.hex()[:12]}"
    )


def _urgent(content: Content, there: Standing, text: str) -> Urgent:
    return Urgent(content.prescription.hex(), there.prescription.stopped, text)
