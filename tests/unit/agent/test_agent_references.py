"""A card behind a short reference: found at whatever member has it, opened by nobody else, and no other one is taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import segno
from msgspec.structs import replace

from node_world import code
from post_world import TwoMembers, send, two_members
from salus.agent.services import charting, contacts, granting, inbox, people, referring
from salus.agent.services.received import ReceivedGrant
from salus.charts.sections import DEFAULT_GRANT
from salus.cli.qr import as_text
from salus.exchange.references import SealedCard, reference_from_text, reference_to_text
from salus.warrants.link import Purpose, Right
from world import CLEMENTE, HOUR, introduce

EVA = "Eva"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[TwoMembers]:
    with two_members(tmp_path) as made:
        made.near.person(EVA, people.Role.PHYSICIAN)
        yield made


class Lying:
    """A network in which some members give out another card."""

    def __init__(self, true: Any, *members: bytes) -> None:
        self.true, self.members = true, members

    def __getattr__(self, name: str) -> Any:
        return getattr(self.true, name)

    def card(self, member: bytes, card: bytes) -> SealedCard:
        sealed = self.true.card(member, card).sealed
        return SealedCard(sealed[:-1] + bytes([sealed[-1] ^ 1]) if member in self.members else sealed)


def test_a_reference_leads_to_the_card_without_its_token(two: TwoMembers) -> None:
    """GRA-49, GRA-50, GRA-52."""
    line = referring.refer(two.near.agent, EVA)
    info = referring.add_referred(two.far.agent, line.encode())
    assert (info.name, info.person) == (EVA, two.near.agent.wallet(EVA).person.hex())
    own = people.own_card(two.near.agent, EVA).card
    assert contacts.find_contact(two.far.agent, EVA).card == replace(own, token=None)


def test_a_reference_stays_the_same_until_the_card_is_another(two: TwoMembers) -> None:
    """GRA-50."""
    agent = two.near.agent
    line = referring.refer(agent, EVA)
    assert referring.refer(agent, EVA) == line
    people.keep_person(agent, agent.wallet(EVA).record)
    newer = referring.refer(agent, EVA)
    assert newer != line
    assert code(lambda: referring.add_referred(two.far.agent, line.encode())) == "node/no-such-card"
    referring.add_referred(two.far.agent, newer.encode())


def test_the_node_does_not_learn_whose_card_it_keeps(two: TwoMembers) -> None:
    """GRA-50."""
    reference = reference_from_text(referring.refer(two.near.agent, EVA).encode())
    sealed = two.near.node.card(two.ids[0], reference.card).sealed
    assert EVA.encode() not in sealed
    wrong = replace(reference, key=bytes(32))
    assert code(lambda: referring.add_referred(two.far.agent, reference_to_text(wrong).encode())) == "crypto/cannot-open"


def test_another_card_than_the_one_that_was_meant_is_refused(two: TwoMembers) -> None:
    """GRA-52."""
    line = referring.refer(two.near.agent, EVA).encode()
    two.far.agent.network = Lying(two.far.node, *two.ids)
    assert code(lambda: referring.add_referred(two.far.agent, line)) == "warrants/card-altered"
    two.far.agent.network = Lying(two.far.node, two.ids[0])
    assert referring.add_referred(two.far.agent, line).name == EVA


def test_a_reference_is_followed_while_one_of_its_members_is_gone(two: TwoMembers) -> None:
    """GRA-52."""
    line = referring.refer(two.near.agent, EVA).encode()
    swapped = replace(reference_from_text(line), members=tuple(reversed(two.ids)))
    two.go()
    assert referring.add_referred(two.near.agent, reference_to_text(swapped).encode()).name == EVA
    alone = reference_from_text(referring.refer(two.near.agent, EVA).encode())
    assert alone.members == (two.ids[0],)


def test_a_reference_of_another_network_is_refused(two: TwoMembers) -> None:
    """GRA-52."""
    reference = reference_from_text(referring.refer(two.near.agent, EVA).encode())
    other = reference_to_text(replace(reference, network=bytes(32)))
    assert code(lambda: referring.add_referred(two.far.agent, other.encode())) == "warrants/wrong-network"


def test_a_reference_fits_into_a_code(two: TwoMembers) -> None:
    """GRA-49."""
    line = referring.refer(two.near.agent, EVA).strip()
    longest = reference_to_text(replace(reference_from_text(line.encode()), members=(bytes(32),) * 4)).strip()
    assert segno.make_qr(longest, error="l").version <= 14
    assert max(map(len, as_text(line).splitlines())) <= 80  # on a terminal


def test_who_found_somebody_writes_as_a_stranger_until_there_is_an_answer(two: TwoMembers, tmp_path: Path) -> None:
    """GRA-46, GRA-48."""
    people.add_person(two.far.agent, "Leo", people.Role.PATIENT, cold_dir=tmp_path)
    two.far.take_in(CLEMENTE, "Leo")
    referring.add_referred(two.far.agent, referring.refer(two.near.agent, EVA).encode())
    until, rights = two.far.clock.now + HOUR, {"rights": (Right.READ,), "purposes": (Purpose.TREAT,)}
    granting.grant(two.far.agent, "Leo", EVA, sections=DEFAULT_GRANT, until_ms=until, **rights)
    (item,) = inbox.collect(two.near.agent, EVA)
    assert (item.kind, item.stranger, item.who) == ("grant", True, "Leo (a stranger)")
    assert code(lambda: contacts.find_contact(two.near.agent, "Leo")) == "agent/no-such-contact"
    assert charting.open_chart(two.near.agent, EVA, "Leo").shown
    ((_, granted),) = two.near.agent.store.all(ReceivedGrant, two.near.agent.wallet(EVA).person)
    send(two.near, EVA, granted.patient)
    (answer,) = inbox.collect(two.far.agent, "Leo")
    assert not answer.stranger
    assert contacts.find_contact(two.far.agent, EVA) == people.own_card(two.near.agent, EVA)
    send(two.far, "Leo", contacts.find_contact(two.far.agent, EVA), 2)
    (again,) = inbox.collect(two.near.agent, EVA)
    assert not again.stranger


def test_the_card_for_everybody_does_not_replace_the_one_with_the_token(two: TwoMembers) -> None:
    """GRA-21."""
    introduce(two.near, EVA, two.far)
    referring.add_referred(two.far.agent, referring.refer(two.near.agent, EVA).encode())
    assert contacts.find_contact(two.far.agent, EVA) == people.own_card(two.near.agent, EVA)
