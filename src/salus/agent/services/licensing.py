"""Licences: issued, suspended and reinstated by the member of this home, and shown from proven state."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.known import learn_licence, licence_of
from salus.agent.services.contacts import find_contact
from salus.agent.services.people import public_card
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.submitting import prepare, send
from salus.agent.verify import newest_header, record
from salus.agent.wallet import Wallet
from salus.codec import decode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused
from salus.exchange.carding import card_hash, require_card
from salus.exchange.cards import Role, SignedCard
from salus.exchange.envelopes import LetterKind
from salus.ledger.genesis import LicenceRight, member_id
from salus.ledger.modules.licences.messages import IssueLicence, LicenceStatus, SetLicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.tx import Transaction, body_hash, licence_id

R = LicenceRight

#: What a licence of each professional's role lets its holder do.
RIGHTS: dict[Role, tuple[LicenceRight, ...]] = {
    Role.PHYSICIAN: (R.TREAT, R.PRESCRIBE, R.PRESCRIBE_CONTROLLED, R.ORDER, R.REPORT),
    Role.NURSE: (R.TREAT,),
    Role.PHARMACIST: (R.TREAT, R.DISPENSE),
    Role.PARAMEDIC: (R.TREAT, R.RESPOND),
    Role.LABORATORY: (R.TREAT, R.REPORT),
}
#: What an organisation is licensed for: to keep a schedule of its own. It treats nobody, and no grant asks it for a licence.
ORGANISATIONS: dict[Role, tuple[LicenceRight, ...]] = {Role.MEMBER: (R.SCHEDULE,), Role.ORGANISATION: (R.SCHEDULE,)}


@dataclass(frozen=True)
class LicenceInfo:
    """A licence as the ledger has it: ``intervals`` are (status, since ms, since block)."""

    licence: str
    person: str
    name: str
    issuer: str
    rights: tuple[str, ...]
    status: str
    intervals: tuple[tuple[str, int, int], ...]


def issue_licence(agent: Agent, signed: SignedCard, role: Role) -> LicenceInfo:
    """A licence for the card's person, by the member of this home."""
    card = require_card(signed, agent.network_id)
    rights = {**RIGHTS, **ORGANISATIONS}.get(role)
    if rights is None:
        raise AgentRefused("no-licence-needed", "this role holds no licence")
    member = member_wallet(agent)
    person = person_id(card.key)
    issuer = member_id(member.authority.public)
    action = IssueLicence(issuer, person, card.key.ed25519, card_hash(signed), rights, 0)
    submission = prepare(agent, [action], [member.authority])
    body = body_hash(decode(submission.transaction, Transaction, limit=1_048_576).body)
    identity = licence_id(body, 0)
    learn_licence(agent, person, identity)
    send(agent, submission)
    if person not in [wallet.person for wallet in agent.wallets()]:
        with agent.store.writing():
            keep_letter(agent, member, signed, LetterKind.LICENCE, identity)
        send_letters(agent)
    return show_licence(agent, person.hex())


def schedule_licence(agent: Agent, wallet: Wallet) -> bytes:
    """Under which licence the wallet's person keeps a schedule. ``no-licence`` where there is none.

    An organisation in a member's home has one as soon as it is asked for: the member issues it, unless the ledger has one.
    """
    identity = licence_of(agent, wallet.person)
    issued = identity is not None and record(agent, licence_key(identity), Licence) is not None
    if wallet.record.role in ORGANISATIONS and is_member(agent) and not issued:
        return bytes.fromhex(issue_licence(agent, public_card(agent, wallet.record.name), wallet.record.role).licence)
    if identity is None:
        text = "a schedule is of a licensed professional of this home, or of an organisation that a member has licensed"
        raise AgentRefused("no-licence", text)
    return identity


def show_licence(agent: Agent, name: str) -> LicenceInfo:
    """The licence of a person, from proven state."""
    signed = find_contact(agent, name)
    person = person_id(signed.card.key)
    identity = licence_of(agent, person)
    found = None if identity is None else record(agent, licence_key(identity), Licence)
    if identity is None or found is None:
        raise AgentRefused("no-licence", "no licence of this person is known")
    now = newest_header(agent).time
    intervals = tuple((i.status.value, i.time, i.height) for i in found.intervals)
    status = status_at(found, now)
    rights = tuple(right.value for right in found.rights)
    return LicenceInfo(identity.hex(), person.hex(), signed.card.name, found.issuer.hex(), rights, status or "", intervals)


def set_licence(agent: Agent, name: str, status: LicenceStatus) -> LicenceInfo:
    """Move a licence to another status, by the member of this home."""
    identity = licence_of(agent, person_id(find_contact(agent, name).card.key))
    if identity is None:
        raise AgentRefused("no-licence", "no licence of this person is known")
    send(agent, prepare(agent, [SetLicenceStatus(identity, status)], [member_wallet(agent).authority]))
    return show_licence(agent, name)


def is_member(agent: Agent) -> bool:
    """Whether this home holds a member's wallet."""
    return bool(_members(agent))


def member_wallet(agent: Agent) -> Wallet:
    """The wallet of this home's member; ``not-a-member`` in a home without one."""
    found = _members(agent)
    if not found:
        raise AgentRefused("not-a-member", "this home has no member that could do this")
    return found[0]


def organisation(agent: Agent) -> Wallet | None:
    """The organisation whose home this is: a member of the network, or a practice on somebody else's node."""
    found = [*_members(agent), *(w for w in agent.wallets() if w.record.role is Role.ORGANISATION)]
    return found[0] if found else None


def organisation_id(agent: Agent, wallet: Wallet) -> bytes:
    """How the organisation is named in requests and entries: by member id, or by person id where it is no member."""
    members = [member.person for member in _members(agent)]
    return member_id(wallet.authority.public) if wallet.person in members else wallet.person


def _members(agent: Agent) -> list[Wallet]:
    return [wallet for wallet in agent.wallets() if wallet.record.role is Role.MEMBER]
