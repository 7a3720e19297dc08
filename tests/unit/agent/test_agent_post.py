"""A mailbox at two members: one of them may be gone, or have lost it, and the post goes on; each letter is taken once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger_world import some
from node_world import code
from post_world import TwoMembers, send, two_members
from salus.agent.services import contacts, granting, inbox, people
from salus.agent.services.inbox import REMEMBERED, SILENT, TakenLetter
from salus.agent.services.people import SEEK_AGAIN
from salus.agent.services.posting import AGAIN, GIVEN_UP, OutgoingLetter, keep_letter, send_letters
from salus.agent.services.received import ReceivedGrant
from salus.agent.services.resuming import resume
from salus.charts.grant import Grant
from salus.charts.granting import MAX_GRANT
from salus.charts.sections import DEFAULT_GRANT
from salus.codec import decode, encode
from salus.exchange.carding import sign_card
from salus.exchange.cards import Role
from salus.exchange.envelopes import LetterKind
from salus.warrants.link import Purpose, Right
from world import CLEMENTE, HOUR, World, introduce


@pytest.fixture
def two(tmp_path: Path) -> Iterator[TwoMembers]:
    with two_members(tmp_path) as made:
        yield made


def write(world: World, sender: str, to: str, number: int = 0) -> None:
    """A letter to a contact."""
    send(world, sender, contacts.find_contact(world.agent, to), number)


def read(world: World, name: str) -> list[str]:
    """What the inbox shows: numbers of letters, and members that do not answer."""
    found = inbox.collect(world.agent, name)
    return [item.trouble if item.kind == SILENT else str(bytes.fromhex(item.grant)[0]) for item in found]


def outbox(world: World) -> list[OutgoingLetter]:
    return [letter for _, letter in world.agent.store.all(OutgoingLetter, b"")]


def test_a_card_names_both_members_with_the_home_first(two: TwoMembers) -> None:
    """GRA-40."""
    assert people.own_card(two.near.agent, "Ana").card.members == tuple(two.ids)
    assert people.own_card(two.far.agent, "Ben").card.members == tuple(reversed(two.ids))
    assert people.own_card(two.far.agent, "Clinic").card.members == tuple(reversed(two.ids))


def test_a_letter_lies_at_both_members_and_is_taken_once(two: TwoMembers) -> None:
    """GRA-25, GRA-41."""
    write(two.near, "Ana", "Ben", 1)
    write(two.near, "Ana", "Ben", 2)
    assert [two.near.node.letters(), two.far.node.letters(), len(outbox(two.near))] == [2, 2, 0]
    assert read(two.far, "Ben") == ["1", "2"]
    assert read(two.far, "Ben") == []
    assert [two.near.node.letters(), two.far.node.letters()] == [0, 0]


def test_a_letter_that_was_sent_twice_to_one_member_is_taken_once(two: TwoMembers) -> None:
    """GRA-25."""
    write(two.near, "Ana", "Ben", 1)
    assert read(two.far, "Ben") == ["1"]
    recipient = contacts.find_contact(two.near.agent, "Ben")
    with two.near.agent.store.writing():
        keep_letter(two.near.agent, two.near.agent.wallet("Ana"), recipient, LetterKind.REVOCATION, bytes(32))
    ((identity, letter),) = two.near.agent.store.all(OutgoingLetter, b"")
    for _ in range(2):
        with two.near.agent.store.writing():
            two.near.agent.store.put(b"", identity, letter)
        send_letters(two.near.agent)
    assert read(two.far, "Ben") == ["0"]


def test_one_member_that_is_gone_stops_neither_sending_nor_reading(two: TwoMembers) -> None:
    """GRA-41, GRA-42."""
    write(two.far, "Ben", "Ana", 1)
    two.go()
    write(two.near, "Ana", "Ana", 2)
    assert read(two.near, "Ana") == ["1", "2", "node/peer-unreachable"]
    (waiting,) = outbox(two.near)
    assert (waiting.members, waiting.taken) == ((two.ids[1],), True)
    two.come()
    resume(two.near.agent)
    assert len(outbox(two.near)) == 1  # not before an hour has passed
    two.near.clock.now += AGAIN
    resume(two.near.agent)
    assert outbox(two.near) == []
    assert read(two.near, "Ana") == []
    assert read(two.near, "Ana") == []
    assert two.far.node.letters() == 0


def test_a_copy_that_cannot_be_left_is_given_up_after_a_week(two: TwoMembers) -> None:
    """GRA-41."""
    two.go()
    write(two.near, "Ana", "Ben", 1)
    two.near.clock.now += GIVEN_UP
    resume(two.near.agent)
    assert outbox(two.near) == []


def test_a_letter_that_nobody_takes_is_an_error_once_and_keeps_nobody_from_working(two: TwoMembers) -> None:
    """GRA-41."""
    ben = two.far.agent.wallet("Ben")
    card = people.own_card(two.far.agent, "Ben").card
    contacts.add_contact(two.near.agent, sign_card(ben.identity, replace(card, token=bytes(16))))
    assert code(lambda: write(two.near, "Ana", "Ben")) == "node/no-such-mailbox"
    resume(two.near.agent)
    write(two.near, "Ana", "Practice")
    two.near.clock.now += AGAIN
    resume(two.near.agent)
    send_letters(two.near.agent)
    (waiting,) = outbox(two.near)
    assert (waiting.members, waiting.taken) == (card.members, False)


def test_a_letter_that_is_refused_after_a_crash_keeps_nobody_from_working(two: TwoMembers) -> None:
    """GRA-41."""
    ben = two.far.agent.wallet("Ben")
    wrong = sign_card(ben.identity, replace(people.own_card(two.far.agent, "Ben").card, token=bytes(16)))
    with two.near.agent.store.writing():
        keep_letter(two.near.agent, two.near.agent.wallet("Ana"), wrong, LetterKind.REVOCATION, bytes(32))
    resume(two.near.agent)
    assert [letter.taken for letter in outbox(two.near)] == [False]


def test_where_a_mailbox_is_lost_the_copy_there_is_not_waited_for(two: TwoMembers) -> None:
    """GRA-41."""
    two.lose_far_mailboxes()
    write(two.near, "Ana", "Ben", 1)
    assert outbox(two.near) == []
    assert two.near.node.letters() == 1


def test_a_lost_mailbox_loses_no_letter_and_is_opened_again_by_its_owner(two: TwoMembers) -> None:
    """GRA-42, GRA-43."""
    for number in range(3):
        write(two.near, "Ana", "Ben", number)
    assert read(two.far, "Ben") == ["0", "1", "2"]
    write(two.near, "Ana", "Ben", 3)
    two.lose_far_mailboxes()
    write(two.near, "Ana", "Ben", 4)
    assert read(two.far, "Ben") == ["3", "4"]
    write(two.near, "Ana", "Ben", 5)
    assert two.far.node.letters() == 1
    assert [read(two.far, "Ben"), read(two.far, "Ben")] == [["5"], []]
    assert [two.near.node.letters(), two.far.node.letters()] == [0, 0]


def test_when_no_member_answers_the_inbox_says_so(two: TwoMembers) -> None:
    """GRA-42."""
    stranger = two.near.agent.wallet("Ana")
    kept = two.near.agent.store.find(people.OwnCard, stranger.person, b"")
    assert kept is not None
    two.go()
    far_alone = sign_card(stranger.identity, replace(kept.card.card, members=(two.ids[1],)))
    with two.near.agent.store.writing():
        two.near.agent.store.put(stranger.person, b"", replace(kept, card=far_alone))
    assert code(lambda: inbox.collect(two.near.agent, "Ana")) == "node/peer-unreachable"


def test_a_second_member_is_found_later_and_contacts_learn_of_it_by_the_next_letter(two: TwoMembers, tmp_path: Path) -> None:
    """GRA-40, GRA-45."""
    two.go()
    people.add_person(two.near.agent, "Eva", Role.PATIENT, cold_dir=tmp_path)
    assert people.own_card(two.near.agent, "Eva").card.members == (two.ids[0],)
    two.come()
    introduce(two.near, "Eva", two.far)
    inbox.collect(two.near.agent, "Eva")
    assert people.own_card(two.near.agent, "Eva").card.members == (two.ids[0],)  # asked at most once an hour
    two.near.clock.now += SEEK_AGAIN
    inbox.collect(two.near.agent, "Eva")
    assert people.own_card(two.near.agent, "Eva").card.members == tuple(two.ids)
    write(two.near, "Eva", "Ben")
    inbox.collect(two.far.agent, "Ben")
    assert contacts.find_contact(two.far.agent, "Eva").card.members == tuple(two.ids)
    write(two.far, "Ben", "Eva", 1)
    assert read(two.near, "Eva") == ["1"]


def test_where_a_member_that_keeps_the_mailbox_was_removed_another_one_is_asked(two: TwoMembers) -> None:
    """GRA-55."""
    agent = two.near.agent
    wallet, gone = agent.wallet("Ana"), some("a member that was removed")
    signed = sign_card(wallet.identity, replace(people.own_card(agent, "Ana").card, members=(two.ids[0], gone)))
    with agent.store.writing():
        agent.store.put(wallet.person, b"", people.OwnCard(signed, 0))
    inbox.collect(agent, "Ana")
    assert people.own_card(agent, "Ana").card.members == tuple(two.ids)


def test_letters_that_were_taken_are_not_remembered_for_ever(two: TwoMembers) -> None:
    """GRA-25."""
    write(two.near, "Ana", "Ben", 1)
    assert read(two.far, "Ben") == ["1"]
    two.near.clock.now += REMEMBERED + 1
    write(two.near, "Ana", "Ben", 2)
    assert read(two.far, "Ben") == ["2"]
    assert len(two.far.agent.store.all(TakenLetter, two.far.agent.wallet("Ben").person)) == 1


def test_an_older_letter_that_comes_late_does_not_replace_a_newer_grant(two: TwoMembers) -> None:
    """GRA-45."""
    two.near.take_in(CLEMENTE, "Ana")
    made = granting.grant(
        two.near.agent,
        "Ana",
        "Ben",
        sections=DEFAULT_GRANT,
        rights=(Right.READ,),
        purposes=(Purpose.TREAT,),
        until_ms=two.near.clock.now + HOUR,
    )
    inbox.collect(two.far.agent, "Ben")
    ben = two.far.agent.wallet("Ben")
    ((identity, kept),) = two.far.agent.store.all(ReceivedGrant, ben.person)
    newer = decode(kept.grant, Grant, limit=MAX_GRANT)
    older = replace(newer, as_of=newer.as_of - 1)
    recipient = contacts.find_contact(two.near.agent, "Ben")
    with two.near.agent.store.writing():
        keep_letter(two.near.agent, two.near.agent.wallet("Ana"), recipient, LetterKind.GRANT, encode(older))
    send_letters(two.near.agent)
    assert [item.grant for item in inbox.collect(two.far.agent, "Ben")] == [made.grant]
    assert two.far.agent.store.find(ReceivedGrant, ben.person, identity) == kept
