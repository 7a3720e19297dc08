"""The inbox: letters from each member that keeps the mailbox, each taken once, each sender verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.known import KnownLicence
from salus.agent.services import acknowledging, resulted
from salus.agent.services.booked import news, take_letter
from salus.agent.services.contacts import Contact, add_contact
from salus.agent.services.corresponding import take_note
from salus.agent.services.desk import take_booking
from salus.agent.services.dispensing import take_code
from salus.agent.services.laboratory import take_order
from salus.agent.services.linking import take_link
from salus.agent.services.manifest import devices
from salus.agent.services.people import open_mailbox, own_card, seek_second
from salus.agent.services.posting import GONE, resume_letters
from salus.agent.services.prescribed import settle, take_in, take_notice
from salus.agent.services.pressing import Urgent
from salus.agent.services.received import Delegated, ReceivedGrant, keep_former_slots
from salus.agent.services.reconciling import pressing_supplies, resume_outage, take_statement
from salus.agent.services.reporting import take_preference
from salus.agent.services.urgent import urgent
from salus.agent.services.waiting import may_wait
from salus.agent.verify import record
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant
from salus.charts.granting import MAX_GRANT, read_grant
from salus.codec import Record, decode
from salus.crypto.hashing import sha256
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, NodeRefused, SalusError, WarrantRefused
from salus.exchange.carding import require_card
from salus.exchange.cards import SignedCard
from salus.exchange.client import UNREACHED
from salus.exchange.envelopes import Delivered, EntryNotice, Letter, LetterKind, Post
from salus.exchange.ordering import OrderedLetter, ResultLetter
from salus.exchange.posting import mailbox_id, open_letter, sign_collect
from salus.ids import Count
from salus.ledger.modules.licences.state import Licence, licence_key

MAX_LETTER = 1_048_576
SILENT = "silent"  # the kind of an item that is no letter: a member that keeps the mailbox did not answer
URGENT = "urgent"  # and of what has to be done now: it comes at each look until it is done
REMEMBERED = 90 * 86_400_000  # ms for which a letter that was taken is known, should a second copy come
_Bring = Callable[[Agent, Wallet, Letter], tuple[str, str]]
#: Who sends these becomes a contact, unless it is a stranger.
_FROM_CONTACTS = (LetterKind.GRANT, LetterKind.DELEGATION, LetterKind.PRESCRIPTION, LetterKind.ORDER, LetterKind.ORDERED)


@dataclass(frozen=True)
class InboxItem:
    """One letter: ``text`` says in plain words what it brings; ``trouble`` is a code when it could not be read.

    ``stranger``: it came through the lane of those who were never given a card.
    """

    cursor: int
    kind: str
    sender: str
    person: str
    sent: int
    text: str
    grant: str
    trouble: str
    stranger: bool = False

    @property
    def who(self) -> str:
        """The sender in words; what has to be done now has none, and is marked."""
        return (self.sender or ("!!!" if self.kind == URGENT else "?")) + (" (a stranger)" if self.stranger else "")

    @property
    def what(self) -> str:
        """What it brings, or why not, in words."""
        return self.text + (f" ({self.trouble})" if self.trouble else "")


class Cursor(Record, frozen=True, tag="cursor"):
    """How far a principal has read at one member; kept by the member's id."""

    cursor: Count


class TakenLetter(Record, frozen=True, tag="taken-letter"):
    """A letter that was taken, kept by the SHA-256 of its envelope; ``at`` in ms."""

    at: Count


def collect(agent: Agent, name: str) -> tuple[InboxItem, ...]:
    """What has come since the last time, by when it was sent, and what the ledger says that has become of appointments.

    Grants are kept; a letter that cannot be read is shown as such.

    A member that does not answer is named by an item of the kind `SILENT`, as long as another one answers. A mailbox that a
    member has lost is opened there again. What cannot wait comes first, by items of the kind `URGENT`.
    """
    wallet = agent.wallet(name)
    seek_second(agent, wallet)
    items: list[InboxItem] = []
    silent: dict[bytes, SalusError] = {}
    members = own_card(agent, name).card.members
    for member in members:
        trouble = _collect_at(agent, wallet, member, items)
        if trouble is not None:
            silent[member] = trouble
    if len(silent) == len(members):
        raise silent[members[0]]
    if items:
        _forget_old(agent, wallet)
    now: tuple[Urgent, ...] = ()
    with may_wait():
        settle(agent, wallet)
        resume_outage(agent)
        resulted.settle_results(agent, wallet)
        resume_letters(agent)  # what letters that came had this home tell others
        now = (*urgent(agent, wallet), *pressing_supplies(agent, wallet), *acknowledging.pressing(agent, wallet))
    with may_wait():
        for one in news(agent, wallet):
            items.append(InboxItem(0, LetterKind.APPOINTMENT, one.practice, one.person, one.since, one.text, "", ""))
    items.sort(key=lambda item: item.sent)
    pressing = (InboxItem(0, URGENT, "", one.about, one.since, one.text, "", "") for one in now)
    return (*pressing, *items, *(_silence(member, error) for member, error in silent.items()))


def _collect_at(agent: Agent, wallet: Wallet, member: bytes, items: list[InboxItem]) -> SalusError | None:
    """Take every letter that lies at the member and was not taken before; why the member gives none out, where it does not."""
    more = True
    while more:
        try:
            post = _ask(agent, wallet, member)
        except SalusError as error:
            return error
        for delivered in post.letters:
            item = _take(agent, wallet, member, delivered)
            if item is not None:
                items.append(item)
        more = post.more and bool(post.letters)
    return None


def _ask(agent: Agent, wallet: Wallet, member: bytes) -> Post:
    """The next letters at the member; none where the mailbox was lost, which is opened there again."""
    kept = agent.store.find(Cursor, wallet.person, member)
    after = kept.cursor if kept else 0
    done = after if len(devices(agent, wallet)) < 2 else 0  # another device may not have read it yet
    try:
        return agent.network.collect(
            sign_collect(wallet.mailbox, agent.network_id, member, after, done, fresh_nonce(), agent.clock())
        )
    except NodeRefused as error:
        if error.code != GONE:
            raise
    open_mailbox(agent, wallet, member)
    with agent.store.writing():
        agent.store.drop(Cursor, wallet.person, member)
    return Post((), more=False)


def _silence(member: bytes, error: SalusError) -> InboxItem:
    text = f"the member {member.hex()[:12]} does not give its letters out now; they come later"
    return InboxItem(0, SILENT, "", member.hex(), 0, text, "", error.full_code)


def _take(agent: Agent, wallet: Wallet, member: bytes, delivered: Delivered) -> InboxItem | None:
    """Read one letter and keep what it brings, together with the cursor: taken once, whatever happens. None: it was."""
    identity = sha256(delivered.sealed)
    with agent.store.writing():
        item = None
        if agent.store.find(TakenLetter, wallet.person, identity) is None:
            item = _opened(agent, wallet, delivered)
            agent.store.put(wallet.person, identity, TakenLetter(agent.clock()))
        agent.store.put(wallet.person, member, Cursor(delivered.cursor))
    return item


def _forget_old(agent: Agent, wallet: Wallet) -> None:
    """Letters that were taken so long ago that no second copy comes any more."""
    until = agent.clock() - REMEMBERED
    with agent.store.writing():
        for identity, taken in agent.store.all(TakenLetter, wallet.person):
            if taken.at < until:
                agent.store.drop(TakenLetter, wallet.person, identity)


def _opened(agent: Agent, wallet: Wallet, delivered: Delivered) -> InboxItem:
    try:
        return _read(agent, wallet, delivered)
    except SalusError as error:
        if isinstance(error, NodeRefused) or error.full_code in UNREACHED:
            raise  # says nothing of the letter: it is read by the next command
        text = "a letter that cannot be read"
        return InboxItem(delivered.cursor, "unreadable", "", "", 0, text, "", error.full_code, delivered.stranger)


def _read(agent: Agent, wallet: Wallet, delivered: Delivered) -> InboxItem:
    mailbox = mailbox_id(wallet.mailbox.public)
    letter = open_letter(wallet.sealing_seed, delivered.sealed, mailbox, agent.network_id, wallet.person)
    sender = letter.sender.card
    person = person_id(sender.key)
    text, grant = _bring(agent, wallet, letter)
    known = agent.store.find(Contact, b"", person) is not None
    if known or (letter.kind in _FROM_CONTACTS and not delivered.stranger):
        _know(agent, letter.sender)
    shown = (sender.name, person.hex(), letter.sent, text, grant, "")
    return InboxItem(delivered.cursor, letter.kind, *shown, delivered.stranger)


def _know(agent: Agent, sender: SignedCard) -> None:
    """Take the sender's card in; a letter that took its time may bring an older one than is known."""
    try:
        add_contact(agent, sender)
    except AgentRefused as error:
        if error.code != "older-card":
            raise


def _bring(agent: Agent, wallet: Wallet, letter: Letter) -> tuple[str, str]:
    """Keep what the letter brings: what to tell people of it, and the grant that it is about."""
    taken = _BRING.get(letter.kind)
    return taken(agent, wallet, letter) if taken else ("a letter of a kind that this version does not know", "")


def _take_grant(agent: Agent, wallet: Wallet, letter: Letter) -> tuple[str, str]:
    grant = read_grant(letter.body, agent.network_id, wallet.person, wallet.identity.classic.public)
    if grant.patient != person_id(letter.sender.card.key):
        raise WarrantRefused("wrong-sender", "the grant is not its sender's")
    keep_former_slots(agent, wallet, grant)
    _keep_grant(agent, wallet, grant, ReceivedGrant(letter.body, letter.sender))
    return f"{letter.sender.card.name} lets you {_words(grant)}", grant.grant.hex()


def _take_revocation(_: Agent, __: Wallet, letter: Letter) -> tuple[str, str]:
    return f"{letter.sender.card.name} has ended a grant", letter.body.hex()


def _take_entry(_: Agent, __: Wallet, letter: Letter) -> tuple[str, str]:
    notice = decode(letter.body, EntryNotice, limit=256)
    return f"{letter.sender.card.name} has written into your record (entry {notice.entry.hex()[:12]})", ""


def _said(take: Callable[[Agent, Wallet, Letter], str]) -> _Bring:
    """For what is about no grant."""
    return lambda agent, wallet, letter: (take(agent, wallet, letter), "")


def _take_ordered(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """An order: the patient's own, with the key to it, or one that a clinician answers for."""
    own = decode(letter.body, OrderedLetter, limit=MAX_LETTER).control is not None
    return resulted.take_ordered(agent, wallet, letter) if own else acknowledging.take_ordered(agent, wallet, letter)


def _take_result(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """A report: the patient's own, or one for a clinician, with the patient's card."""
    own = decode(letter.body, ResultLetter, limit=MAX_LETTER).patient is None
    return resulted.take_result(agent, wallet, letter) if own else acknowledging.take_result(agent, wallet, letter)


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
    _keep_grant(agent, wallet, grant, ReceivedGrant(passed.grant, passed.patient))
    return f"{sender.name} passes on what {passed.patient.card.name} granted: {_words(grant)}", grant.grant.hex()


def _keep_grant(agent: Agent, wallet: Wallet, grant: Grant, received: ReceivedGrant) -> None:
    """Keep the grant, unless it is known as of a later block: a letter may arrive after one that was written after it."""
    known = agent.store.find(ReceivedGrant, wallet.person, grant.grant)
    if known is None or _age(decode(known.grant, Grant, limit=MAX_GRANT)) <= _age(grant):
        agent.store.put(wallet.person, grant.grant, received)


def _age(grant: Grant) -> tuple[int, int]:
    """When a grant is of: what was sent again after an erasure has the ``as_of`` of the first letter, and a later block."""
    return grant.as_of, grant.height


def _take_licence(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """The licence, once the ledger was seen to have it for this very person."""
    found = record(agent, licence_key(letter.body), Licence)
    if found is None or found.person != wallet.person:
        raise WarrantRefused("wrong-sender", "the licence is not the reader's")
    agent.store.put(b"", wallet.person, KnownLicence(letter.body))
    return f"{letter.sender.card.name} has licensed you: {', '.join(found.rights)}"


def _words(grant: Grant) -> str:
    return f"{' and '.join(grant.rights)}: {', '.join(part.kind.value for part in grant.sections)}"


#: What each kind of letter brings.
_BRING: dict[str, _Bring] = {
    LetterKind.GRANT: _take_grant,
    LetterKind.DELEGATION: _take_delegation,
    LetterKind.LICENCE: _said(_take_licence),
    LetterKind.REVOCATION: _take_revocation,
    LetterKind.ENTRY: _take_entry,
    LetterKind.PRESCRIPTION: _said(take_in),
    LetterKind.FILL: _said(take_code),
    LetterKind.DISPENSED: _said(take_notice),
    LetterKind.PRESCRIPTION_NOTE: _said(take_note),
    LetterKind.ORDER: _said(take_order),
    LetterKind.ORDERED: _said(_take_ordered),
    LetterKind.RESULT: _said(_take_result),
    LetterKind.RELEASE: _said(take_preference),
    LetterKind.LINK: _said(take_link),
    LetterKind.OUTAGE: _said(take_statement),
    LetterKind.BOOKING: _said(take_booking),
    LetterKind.APPOINTMENT: _said(take_letter),
}
