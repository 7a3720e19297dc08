"""Writing letters: kept durably, dropped into the recipient's mailbox, and dropped again by a later command if need be."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.agent.services.people import own_card
from salus.agent.wallet import Wallet
from salus.codec import Record
from salus.crypto.hashing import sha256
from salus.crypto.signing import person_id
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import Letter, LetterKind
from salus.exchange.posting import seal_letter
from salus.ids import Bytes16, Bytes32


class OutgoingLetter(Record, frozen=True, tag="outgoing-letter"):
    """A sealed letter that may not have arrived."""

    mailbox: Bytes32
    token: Bytes16
    sealed: bytes


def keep_letter(agent: Agent, wallet: Wallet, recipient: SignedCard, kind: LetterKind, body: bytes) -> None:
    """Keep a letter with ``body`` for the recipient, inside the caller's write transaction; `send_letters` sends it."""
    card = recipient.card
    letter = Letter(agent.network_id, kind.value, person_id(card.key), own_card(agent, wallet.record.name), agent.clock(), body)
    sealed = seal_letter(wallet.identity, letter, card.sealing, card.mailbox)
    agent.store.put(b"", sha256(sealed), OutgoingLetter(card.mailbox, card.token, sealed))


def send_letters(agent: Agent) -> None:
    """Send every letter that is kept. One may arrive twice; whoever reads it takes it once."""
    for identity, outgoing in agent.store.all(OutgoingLetter, b""):
        agent.network.drop(outgoing.mailbox, outgoing.token, outgoing.sealed)
        with agent.store.writing():
            agent.store.drop(OutgoingLetter, b"", identity)
