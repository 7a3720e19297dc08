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


def post(agent: Agent, wallet: Wallet, recipient: SignedCard, kind: LetterKind, body: bytes) -> None:
    """Send ``body`` to the recipient. A letter may arrive twice; whoever reads it takes it once."""
    card = recipient.card
    letter = Letter(agent.network_id, kind.value, person_id(card.key), own_card(agent, wallet.record.name), agent.clock(), body)
    sealed = seal_letter(wallet.identity, letter, card.sealing, card.mailbox)
    outgoing = OutgoingLetter(card.mailbox, card.token, sealed)
    with agent.store.writing():
        agent.store.put(b"", sha256(sealed), outgoing)
    _deliver(agent, sha256(sealed), outgoing)


def resume_letters(agent: Agent) -> None:
    """Drop what an earlier command left."""
    for identity, outgoing in agent.store.all(OutgoingLetter, b""):
        _deliver(agent, identity, outgoing)


def _deliver(agent: Agent, identity: bytes, outgoing: OutgoingLetter) -> None:
    agent.network.drop(outgoing.mailbox, outgoing.token, outgoing.sealed)
    with agent.store.writing():
        agent.store.drop(OutgoingLetter, b"", identity)
