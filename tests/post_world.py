"""Two members, each with a home and a served node; each passes on what is the other's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from salus.agent.services import people
from salus.agent.services.posting import keep_letter, send_letters
from salus.codec import encode
from salus.exchange.cards import Role, SignedCard
from salus.exchange.envelopes import LetterKind
from salus.homes import init_home, join_home, prepare_home
from salus.ledger.genesis import member_id
from world import Clock, World, introduce, opened, served


class TwoMembers:
    """``near`` is the first member's home; ``far`` the second's, which can be gone for a while."""

    far: World

    def __init__(self, near: World, far_home: Path) -> None:
        self.near, self.far_home, self._far = near, far_home, ExitStack()
        self.ids = [member_id(member.authority) for member in near.agent.genesis.members]

    def come(self) -> None:
        """The second member's node answers."""
        self.far = self._far.enter_context(opened(self.far_home, self.near.clock))
        self.near.node.peers.know(self.ids[1], self._far.enter_context(served(self.far.node)))

    def go(self) -> None:
        """It does not any more."""
        self._far.close()

    def lose_far_mailboxes(self) -> None:
        """The disk with the second member's mailboxes is gone."""
        self.go()
        shutil.rmtree(self.far_home / "node" / "mailbox")
        self.come()


@contextmanager
def two_members(folder: Path) -> Iterator[TwoMembers]:
    """Ana lives with the first member, Ben with the second; each has the other's card."""
    far_member = prepare_home(folder / "far", None, "Clinic")
    genesis = init_home(folder / "near", None, "Practice", (far_member,))
    with opened(folder / "near", Clock()) as near, served(near.node) as url:
        join_home(folder / "far", encode(genesis), url, "", str)
        two = TwoMembers(near, folder / "far")
        two.come()
        try:
            people.add_person(near.agent, "Ana", Role.PATIENT, cold_dir=folder)
            people.add_person(two.far.agent, "Ben", Role.PATIENT, cold_dir=folder)
            introduce(near, "Ana", two.far)
            introduce(two.far, "Ben", near)
            yield two
        finally:
            two.go()


def send(world: World, sender: str, recipient: SignedCard, number: int = 0) -> None:
    """A letter of the kind that brings just a sentence."""
    with world.agent.store.writing():
        keep_letter(world.agent, world.agent.wallet(sender), recipient, LetterKind.REVOCATION, bytes([number]) * 32)
    send_letters(world.agent)
