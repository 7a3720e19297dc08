"""A practice with hours, and whoever looks for a free slot."""

from __future__ import annotations

import json
from typing import Any

from salus.agent.services import finding, opening
from salus.exchange.schedules import SlotSearch
from salus.ledger.modules.scheduling.messages import DAY
from world import DOCTOR, World

ZURICH = (47.3769, 8.5417)
OPEN: dict[str, Any] = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "11:00", "length": 30}


def file(**changed: Any) -> bytes:
    """The hours of a cardiologist in Zürich: four slots each weekday."""
    return json.dumps(
        {
            "name": "Sprechstunde",
            "zone": "Europe/Zurich",
            "specialties": ["Kardiologie"],
            "languages": ["de-CH", "fr"],
            "place": "Bahnhofstrasse 1, Zürich",
            "latitude": ZURICH[0],
            "longitude": ZURICH[1],
            "horizon": "40d",
            "rules": [OPEN],
            **changed,
        }
    ).encode()


def published(world: World, who: str = DOCTOR, **changed: Any) -> opening.OpeningInfo:
    """Publish such hours."""
    return opening.publish(world.agent, who, file(**changed))


def search(world: World, **changed: Any) -> SlotSearch:
    """What is searched for: the first ten, of all that are free within 40 days."""
    given: dict[str, Any] = {
        "words": (),
        "place": (),
        "language": None,
        "kinds": (),
        "near": None,
        "metres": 0,
        "schedule": None,
        "begins": world.clock.now,
        "ends": world.clock.now + 40 * DAY,
        "limit": 10,
        **changed,
    }
    return SlotSearch(**given)


def found(world: World, **changed: Any) -> finding.Found:
    """What a wallet of this home finds."""
    return finding.find(world.agent, search(world, **changed))
