"""Writing letters: kept durably, dropped into the recipient's mailbox at each member that keeps it, and again if need be.

A letter has arrived when one member took it. What a member did not take stays in the outbox and is tried again by later
commands, at most once an hour, and for a week once another member has it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.services.people import own_card
from salus.agent.wallet import Wallet
from salus.codec import Record
from salus.crypto.hashing import sha256
from salus.crypto.signing import person_id
from salus.errors import SalusError
from salus.exchange.cards import MAX_HOMES, SignedCard
from salus.exchange.client import UNREACHED
from salus.exchange.envelopes import Drop, Letter, LetterKind
from salus.exchange.posting import seal_letter
from salus.ids import Bytes16, Bytes32, Count

AGAIN = 3_600_000  # ms between two attempts to leave a letter where it was refused
GIVEN_UP = 7 * 86_400_000  # ms after which a second copy is not tried any more
GONE = "no-such-mailbox"
_SILENT = (*UNREACHED, "node/peer-unreachable", "node/wrong-certificate")


class OutgoingLetter(Record, frozen=True, tag="outgoing-letter"):
    """A sealed letter, and the members that have not taken it yet; ``taken``: another one has. Times in ms, 0: not tried."""

    mailbox: Bytes32
    token: Bytes16 | None
    members: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=MAX_HOMES)]
    sealed: bytes
    taken: bool
    kept: Count
    tried: Count


def keep_letter(agent: Agent, wallet: Wallet, recipient: SignedCard, kind: LetterKind, body: bytes) -> None:
    """Keep a letter with ``body`` for the recipient, inside the caller's write transaction; `send_letters` sends it."""
    card, now = recipient.card, agent.clock()
    letter = Letter(agent.network_id, kind.value, person_id(card.key), own_card(agent, wallet.record.name), now, body)
    sealed = seal_letter(wallet.identity, letter, card.sealing, card.mailbox)
    kept = OutgoingLetter(card.mailbox, card.token, card.members, sealed, False, now, 0)
    agent.store.put(b"", sha256(sealed), kept)


def send_letters(agent: Agent) -> None:
    """Send every letter that is due. One may arrive twice; whoever reads it takes it once.

    Raises, after all were tried, what refused a letter that no member took, the first time that it was tried.
    """
    silent: dict[bytes, SalusError] = {}
    troubles = [_send(agent, identity, letter, silent) for identity, letter in agent.store.all(OutgoingLetter, b"")]
    for trouble in filter(None, troubles):
        raise trouble


def resume_letters(agent: Agent) -> None:
    """Send what earlier commands left. A letter that is refused must not keep its sender from all other work."""
    try:
        send_letters(agent)
    except SalusError as error:
        if error.full_code in UNREACHED:
            raise


def _send(agent: Agent, identity: bytes, letter: OutgoingLetter, silent: dict[bytes, SalusError]) -> SalusError | None:
    """Leave the letter where it is missing, and keep what is left to do; what to raise where nobody has it."""
    now = agent.clock()
    if letter.tried and now - letter.tried < AGAIN:
        return None
    refused: dict[bytes, SalusError] = {}
    for member in letter.members:
        try:
            if member in silent:
                raise silent[member]
            agent.network.drop(Drop(member, letter.mailbox, letter.token, letter.sealed))
        except SalusError as error:
            refused[member] = error
            if error.full_code in _SILENT:
                silent[member] = error
    taken = letter.taken or len(refused) < len(letter.members)
    left = tuple(member for member, error in refused.items() if not (taken and error.code == GONE))
    reached = all(error.full_code not in UNREACHED for error in refused.values())
    with agent.store.writing():
        if not left or (taken and now - letter.kept > GIVEN_UP):
            agent.store.drop(OutgoingLetter, b"", identity)
        else:
            later = msgspec.structs.replace(letter, members=left, taken=taken, tried=now if reached else letter.tried)
            agent.store.put(b"", identity, later)
    first = next(iter(refused.values()), None)
    return None if taken or (letter.tried and reached) else first
