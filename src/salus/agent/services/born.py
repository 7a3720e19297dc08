"""When a patient was born, as the chart says it: one of two things by which people are told apart."""

from __future__ import annotations

import re

from salus.agent.home import Agent
from salus.agent.services.charting import open_chart, resource_of
from salus.charts.sections import SectionKind
from salus.crypto.signing import person_id
from salus.errors import SalusError
from salus.exchange.cards import SignedCard
from salus.exchange.client import UNREACHED
from salus.exchange.prescribing import BORN


def born_of(agent: Agent, author: str, card: SignedCard) -> str:
    """The patient's date of birth from the chart, where ``author`` may read it and it has but one; "" otherwise."""
    try:
        shown = open_chart(
            agent, author, person_id(card.card.key).hex(), sections=(SectionKind.SUMMARY,), types=("Patient",)
        ).shown
    except SalusError as error:
        if error.full_code in UNREACHED:
            raise
        return ""
    dates = {str(resource_of(version).value.get("birthDate", "")) for version in shown if not version.trouble}
    born = next(iter(dates)) if len(dates) == 1 else ""
    return born if re.match(BORN, born) else ""
