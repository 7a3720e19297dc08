"""The inbox: letters in order, each taken once, each sender verified."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.known import KnownLicence
from salus.agent.services.contacts import add_contact
from salus.agent.services.manifest import devices
from salus.agent.services.received import Delegated, ReceivedGrant, keep_former_slots
from salus.agent.verify import record
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant
from salus.charts.granting import read_grant
from salus.codec import Record, decode
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, SalusError, WarrantRefused
from salus.exchange.carding import require_card
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import Delivered, Letter, LetterKind
from salus.exchange.posting import mailbox_id, open_letter, sign_collect
from salus.ids import Bytes32, Count
from salus.ledger.modules.licences.state import Licence, licence_key

MAX_LETTER = 1_048_576


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
        done = after if len(devices(agent, wallet)) < 2 else 0  # another device may not have read it yet
        request = sign_collect(wallet.mailbox, agent.network_id, member, after, done, fresh_nonce(), agent.clock())
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
        keep_former_slots(agent, wallet, grant)
        agent.store.put(wallet.person, grant.grant, ReceivedGrant(letter.body, letter.sender))
        _know(agent, letter.sender)
        return f"{sender} lets you {_words(grant)}", grant.grant.hex()
    if letter.kind == LetterKind.DELEGATION:
        return _take_delegation(agent, wallet, letter)
    if letter.kind == LetterKind.LICENCE:
        return _take_licence(agent, wallet, letter), ""
    if letter.kind == LetterKind.REVOCATION:
        return f"{sender} has ended a grant", letter.body.hex()
    if letter.kind == LetterKind.ENTRY:
        notice = decode(letter.body, EntryNotice, limit=256)
        return f"{sender} has written into your record (entry {notice.entry.hex()[:12]})", ""
    return "a letter of a kind that this version does not know", ""


def _take_delegation(agent: Agent, wallet: Wallet, letter: Letter) -> tuple[str, str]:
    """A grant that its holder passes on: each warrant in it has the sender's link before the reader's own."""
    passed = decode(letter.body, Delegated, limit=MAX_LETTER)
    grant = read_grant(passed.grant, agent.network_id, wallet.person, wallet.identity.classic.public)
    sender = letter.sender.card
    for part in grant.sections:
        links = part.warrant.links
        if len(links) < 2 or links[-2].link.holder != sender.key.ed25519:
            raise WarrantRefused("wrong-sender", "the grant is not its sender's")
    if person_id(require_card(passed.patient, agent.network_id).key) != grant.patient:
        raise WarrantRefused("wrong-sender", "the grant is another patient's")
    agent.store.put(wallet.person, grant.grant, ReceivedGrant(passed.grant, passed.patient))
    _know(agent, letter.sender)
    return f"{sender.name} passes on what {passed.patient.card.name} granted: {_words(grant)}", grant.grant.hex()


def _take_licence(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """The licence, once the ledger was seen to have it for this very person."""
    found = record(agent, licence_key(letter.body), Licence)
    if found is None or found.person != wallet.person:
        raise WarrantRefused("wrong-sender", "the licence is not the reader's")
    agent.store.put(b"", wallet.person, KnownLicence(letter.body))
    return f"{letter.sender.card.name} has licensed you: {', '.join(found.rights)}"


def _words(grant: Grant) -> str:
    return f"{' and '.join(grant.rights)}: {', '.join(part.kind.value for part in grant.sections)}"
