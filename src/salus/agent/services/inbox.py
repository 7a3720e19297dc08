"""The inbox: letters in order, each taken once, each sender verified."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.services.contacts import add_contact
from salus.agent.services.received import ReceivedGrant
from salus.agent.wallet import Wallet
from salus.charts.granting import read_grant
from salus.codec import Record, decode
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, SalusError, WarrantRefused
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import Delivered, Letter, LetterKind
from salus.exchange.posting import mailbox_id, open_letter, sign_collect
from salus.ids import Bytes32, Count


@dataclass(frozen=True)
class InboxItem:
    """One letter: ``text`` says in plain words what it brings; ``trouble`` is a code when it could not be read."""

    cursor: int
    kind: str
    sender: str
    person: str
    sent: int
    text: str
    grant: str
    trouble: str


class Cursor(Record, frozen=True, tag="cursor"):
    """How far a principal has read."""

    cursor: Count


class EntryNotice(Record, frozen=True, tag="entry-notice"):
    """The body of an ENTRY letter: somebody sealed this entry into the recipient's section."""

    section: Bytes32
    entry: Bytes32


def collect(agent: Agent, name: str) -> tuple[InboxItem, ...]:
    """What has come since the last time, oldest first. Grants are kept; a letter that cannot be read is shown as such."""
    wallet = agent.wallet(name)
    items: list[InboxItem] = []
    more = True
    while more:
        kept = agent.store.find(Cursor, wallet.person, b"")
        after = kept.cursor if kept else 0
        member = agent.network.status().member
        request = sign_collect(wallet.mailbox, agent.network_id, member, after, after, fresh_nonce(), agent.clock())
        post = agent.network.collect(request)
        for delivered in post.letters:
            items.append(_take(agent, wallet, delivered))
        more = post.more and bool(post.letters)
    return tuple(items)


def _take(agent: Agent, wallet: Wallet, delivered: Delivered) -> InboxItem:
    """Read one letter and keep what it brings, together with the cursor: taken once, whatever happens."""
    with agent.store.writing():
        try:
            item = _read(agent, wallet, delivered)
        except SalusError as error:
            item = InboxItem(delivered.cursor, "unreadable", "", "", 0, "a letter that cannot be read", "", error.full_code)
        agent.store.put(wallet.person, b"", Cursor(delivered.cursor))
    return item


def _read(agent: Agent, wallet: Wallet, delivered: Delivered) -> InboxItem:
    mailbox = mailbox_id(wallet.mailbox.public)
    letter = open_letter(wallet.sealing_seed, delivered.sealed, mailbox, agent.network_id, wallet.person)
    sender = letter.sender.card
    text, grant = _bring(agent, wallet, letter)
    return InboxItem(delivered.cursor, letter.kind, sender.name, person_id(sender.key).hex(), letter.sent, text, grant, "")


def _know(agent: Agent, sender: SignedCard) -> None:
    """Take the sender's card in; a letter that took its time may bring an older one than is known."""
    try:
        add_contact(agent, sender)
    except AgentRefused as error:
        if error.code != "older-card":
            raise


def _bring(agent: Agent, wallet: Wallet, letter: Letter) -> tuple[str, str]:
    """Keep what the letter brings: what to tell people of it, and the grant that it is about."""
    sender = letter.sender.card.name
    if letter.kind == LetterKind.GRANT:
        grant = read_grant(letter.body, agent.network_id, wallet.person, wallet.identity.classic.public)
        if grant.patient != person_id(letter.sender.card.key):
            raise WarrantRefused("wrong-sender", "the grant is not its sender's")
        agent.store.put(wallet.person, grant.grant, ReceivedGrant(letter.body, letter.sender))
        _know(agent, letter.sender)
        sections = ", ".join(part.kind.value for part in grant.sections)
        return f"{sender} lets you {' and '.join(grant.rights)}: {sections}", grant.grant.hex()
    if letter.kind == LetterKind.REVOCATION:
        return f"{sender} has ended a grant", letter.body.hex()
    if letter.kind == LetterKind.ENTRY:
        notice = decode(letter.body, EntryNotice, limit=256)
        return f"{sender} has written into your record (entry {notice.entry.hex()[:12]})", ""
    return "a letter of a kind that this version does not know", ""
