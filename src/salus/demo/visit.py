"""The chapter of appointments: a free time is found and booked once, and the history is at the desk until the visit is over."""

from __future__ import annotations

import json

from salus.agent.services import booking, charting, finding, inbox, opening, reception
from salus.charts.sections import SectionKind
from salus.demo.cast import FAMILY, HOUR, PATIENT, STRANGER, Cast
from salus.demo.stage import Stage
from salus.exchange.schedules import SlotSearch

_HOURS = {
    "name": "Surgery",
    "zone": "Europe/Zurich",
    "specialties": ["Surgery"],
    "place": "Bern",
    "lead": "0m",
    "horizon": "9d",
    "rules": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00", "length": 30}],
}


def _booked(stage: Stage, cast: Cast) -> None:
    stage.scene("The next free time is found, booked once, and the history is at the desk")
    opening.publish(cast.agent, STRANGER, json.dumps(_HOURS).encode(), (), (), "")
    now = cast.agent.clock()
    asked = SlotSearch(("surgery",), (), None, (), None, 0, None, now, now + 48 * HOUR, 5)
    found = finding.find(cast.agent, asked).offers
    stage.claim(f"{len(found)} free times at {STRANGER}, each proven by the ledger", len(found) == 5)
    slot = finding.slot_name(found[0].shown)
    visit = booking.Visit("my knee hurts", share=(SectionKind.SUMMARY, SectionKind.PROBLEMS))
    made = booking.book(cast.agent, PATIENT, [slot], visit).appointment
    stage.refused("nobody else has it", "agent/no-such-slot", lambda: booking.hold(cast.agent, FAMILY, [slot]))
    inbox.collect(cast.agent, STRANGER)
    (row,) = reception.day_list(cast.agent, STRANGER, (now, now + 48 * HOUR))
    known = (row.name, row.reason) == (PATIENT, "my knee hurts")
    stage.claim(f"the desk sees who comes and why: {row.name}, {row.reason}", known)
    reception.check_in(cast.agent, STRANGER, made.appointment)
    read = charting.open_chart(cast.agent, STRANGER, PATIENT)
    stage.claim("the history is there, by one consent that ends with the visit", bool(read.shown))
    reception.done(cast.agent, STRANGER, made.appointment)
    inbox.collect(cast.agent, PATIENT)
    stage.refused("and it has ended", "warrants/revoked", lambda: charting.open_chart(cast.agent, STRANGER, PATIENT))


SCENES = (_booked,)
