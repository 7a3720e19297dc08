"""Whether the next free slots are found as quickly among ten times as many: by a wallet that proves each, at a node that has all.

Each practice has a person, a licence, a schedule and one page of a hundred slots. Both sides show ten slots. One search is of a
specialty that one practice in ten has, near a place and in a language; the other says nothing but when: every page counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.homes import patient_home
from bench.ratios import Effort, Row, compare, repeated
from salus.agent.home import Agent
from salus.agent.services.finding import find
from salus.agent.services.licensing import member_wallet
from salus.agent.services.submitting import submit
from salus.crypto import hpke
from salus.crypto.hashing import tagged
from salus.crypto.signing import HybridKey, SigningKey, person_id
from salus.exchange.carding import card_hash, sign_card
from salus.exchange.cards import Card, Role, SignedCard
from salus.exchange.schedules import About, SchedulePage, SlotSearch, Spot, root_of, sign_about
from salus.ledger.genesis import LicenceRight, member_id
from salus.ledger.modules.licences.messages import IssueLicence
from salus.ledger.modules.scheduling.messages import DAY, HOUR, MINUTE, Kind, OpenSchedule, PublishSlots, Slot
from salus.ledger.modules.scheduling.state import schedule_id
from salus.ledger.tx import licence_id

_SLOTS, _SHOWN, _TOGETHER = 100, 10, 40
_SPECIALTIES = (
    "Cardiology",
    "Dermatology",
    "Paediatrics",
    "Urology",
    "Neurology",
    "Surgery",
    "Oncology",
    "Nursing",
    "Ear",
    "Eye",
)


def rows(effort: Effort) -> Iterator[Row]:
    """Two rows."""
    many = effort.of(1_000, 20)
    with (
        tempfile.TemporaryDirectory() as folder,
        _town(Path(folder) / "large", many) as large,
        _town(Path(folder) / "small", many // 10) as small,
    ):
        calls = effort.of(10, 1)
        named = {"words": ("cardio",), "near": Spot(47_000_000, 8_000_000), "metres": 200_000, "language": "de"}
        for what, asked in (("by specialty, place and language", named), ("by time alone", {})):
            yield compare(
                effort,
                f"slots found {what}, of {many * _SLOTS} at {many} practices",
                f"of {many // 10 * _SLOTS} at {many // 10}",
                "<= 1.5",
                repeated(lambda asked=asked: _ask(large, asked), calls),  # type: ignore[misc]
                repeated(lambda asked=asked: _ask(small, asked), calls),  # type: ignore[misc]
            )


def _ask(agent: Agent, asked: dict[str, object]) -> None:
    now = agent.clock()
    given = {"words": (), "place": (), "language": None, "kinds": (), "near": None, "metres": 0, "schedule": None, **asked}
    found = find(agent, SlotSearch(**given, begins=now, ends=now + 30 * DAY, limit=_SHOWN))  # type: ignore[arg-type]
    if len(found.offers) != _SHOWN or found.dropped:
        raise SystemExit("the slots are not all there")


@contextmanager
def _town(home: Path, practices: int) -> Iterator[Agent]:
    """A home whose member has licensed so many, each with a page."""
    with patient_home(home) as agent:
        for first in range(0, practices, _TOGETHER):
            _open(agent, range(first, min(first + _TOGETHER, practices)))
        yield agent


def _open(agent: Agent, numbers: Sequence[int]) -> None:
    member = member_wallet(agent)
    issuer = member_id(member.authority.public)
    keys = [HybridKey(tagged("bench/practice", number.to_bytes(4, "big"))) for number in numbers]
    cards = [_card(agent, key, number) for key, number in zip(keys, numbers, strict=True)]
    issues = [
        IssueLicence(issuer, person_id(key.public), key.public.ed25519, card_hash(card), (LicenceRight.TREAT,), 0)
        for key, card in zip(keys, cards, strict=True)
    ]
    body = submit(agent, issues, [member.authority]).body
    desks = [SigningKey(tagged("bench/desk", number.to_bytes(4, "big"))) for number in numbers]
    licences = [licence_id(body, number) for number in range(len(numbers))]
    opens = [OpenSchedule(licence, desk.public, 0, 90 * DAY, 10 * MINUTE) for licence, desk in zip(licences, desks, strict=True)]
    submit(agent, opens, [key.classic for key in keys])
    pages = [
        _page(agent, key, card, licence, desk, number)
        for key, card, licence, desk, number in zip(keys, cards, licences, desks, numbers, strict=True)
    ]
    publishes = [
        PublishSlots(page.about.about.schedule, page.begins, page.ends, root_of(page), len(page.slots) + 1) for page in pages
    ]
    submit(agent, publishes, desks)
    for page in pages:
        agent.network.put_page(page)


def _card(agent: Agent, key: HybridKey, number: int) -> SignedCard:
    nowhere, sealing = bytes(32), hpke.public_key(tagged("bench/sealing"))
    card = Card(agent.network_id, Role.PHYSICIAN, f"Dr. {number}", key.public, sealing, (nowhere,), nowhere, None, agent.clock())
    return sign_card(key, card)


def _page(agent: Agent, key: HybridKey, card: SignedCard, licence: bytes, desk: SigningKey, number: int) -> SchedulePage:
    handle, begins = schedule_id(agent.network_id, desk.public), agent.clock() // DAY * DAY + DAY
    spot = Spot(47_000_000 + number % 97 * 10_000, 8_000_000 + number % 89 * 10_000)
    named = (f"Practice {number}", "", (_SPECIALTIES[number % 10],), ("de", "fr"), (), f"Street {number}")
    about = About(agent.network_id, handle, card, licence, *named, spot, "Europe/Zurich")
    starts = [begins + (index // 5) * DAY + (8 + index % 5) * HOUR + number % 50 * MINUTE for index in range(_SLOTS)]
    slots = tuple(Slot(start, start + 10 * MINUTE, 1, Kind.VISIT) for start in starts)
    return SchedulePage(sign_about(key, about), begins, begins + 31 * DAY, slots)
