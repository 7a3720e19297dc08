"""Passing a grant on to somebody who acts for its holder elsewhere: a locum, a colleague. A snapshot, whatever the grant is.

The delegate gets one more link of the warrant, and the patient's halves of the entries as they are now; never an epoch's key.
The holder ends it as a patient ends a grant; the end of the patient's grant ends it as well.
"""

from __future__ import annotations

import msgspec

from salus.agent.given import Ending, GivenGrant
from salus.agent.home import Agent
from salus.agent.sealed_reading import Reading, run
from salus.agent.services.charting import read_part, wanted_of
from salus.agent.services.contacts import find_contact
from salus.agent.services.granting import GrantInfo, info_of
from salus.agent.services.holding import Held, as_oneself
from salus.agent.services.licensing import RIGHTS
from salus.agent.services.manifest import plan_notes, sync
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.received import Delegated, received_grants
from salus.agent.services.sealing import roll_forward, silent
from salus.agent.verify import newest_header
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant, GrantedEntry, SectionGrant
from salus.codec import encode
from salus.crypto.keys import new_seed
from salus.crypto.signing import person_id
from salus.errors import AgentRefused
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import LetterKind
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.revocations.state import revocation_id
from salus.warrants.checking import spans_of
from salus.warrants.delegating import Narrowing, delegated
from salus.warrants.link import Delegate, Right


def delegate(agent: Agent, holder: str, grant: str, to: str, until_ms: int) -> GrantInfo:
    """Pass a grant that ``holder`` was given on to ``to``, for reading, until ``until_ms`` at the latest."""
    wallet, signed = sync(agent, holder), find_contact(agent, to)
    found = [pair for pair in received_grants(agent, wallet) if len(grant) >= 8 and pair[0].grant.hex().startswith(grant.lower())]
    if len(found) != 1:
        raise AgentRefused("no-such-grant", "you were given no such grant, or several; name its id")
    given, patient = found[0]
    header = newest_header(agent, fresh=True)
    now = max(header.time, agent.clock())
    if not now < until_ms or now >= given.not_after:
        raise AgentRefused("bad-end", "the grant has ended, or the end that was named has passed")
    identity = new_seed()
    window = (header.time, min(until_ms, given.not_after))
    held = [Held(given, patient, part, as_oneself(wallet, part)) for part in given.sections]
    parts = [part for one in held if (part := _part(agent, wallet, one, signed, identity, window)) is not None]
    if not parts:
        raise AgentRefused("nothing-to-grant", "there is nothing in this grant that could be passed on")
    made = msgspec.structs.replace(
        given,
        grant=identity,
        grantee=person_id(signed.card.key),
        rights=(Right.READ,),
        not_after=window[1],
        as_of=header.time,
        height=header.height,
        sections=tuple(parts),
    )
    _give(agent, wallet, made, signed, patient)
    return info_of(made, signed, "active")


def _part(
    agent: Agent, wallet: Wallet, held: Held, to: SignedCard, identity: bytes, window: tuple[int, int]
) -> SectionGrant | None:
    """One section of it: read as the holder, so that each entry's half can be handed on; None where there is nothing to read.

    What the holder wrote is read by its writer's key: it is passed on only as far as the warrant names it as well.
    """
    part, reading = held.part, Reading()
    run(agent, [read_part(agent, held, wanted_of(agent, wallet, part, frozenset()), reading)])
    last = part.warrant.links[-1].link
    entries = tuple(
        GrantedEntry(number, entry.blob, half)
        for (_, number), (half, entry) in sorted(reading.halves.items())
        if any(span.first <= number <= span.last for span in last.entries)
    )
    if not entries:
        return None
    licence = LicenceRight.TREAT if to.card.role in RIGHTS else last.licence
    narrowing = Narrowing((Right.READ,), spans_of(tuple(e.number for e in entries)), *window, licence)
    revocation = revocation_id(wallet.preimage(identity + last.section))
    name = Delegate(person_id(to.card.key), to.card.name)
    warrant = delegated(part.warrant, wallet.identity.classic, to.card.key.ed25519, name, narrowing, revocation)
    return SectionGrant(part.kind, warrant, entries, part.count, b"", b"", False)


def _give(agent: Agent, wallet: Wallet, made: Grant, reader: SignedCard, patient: SignedCard) -> None:
    given = GivenGrant(encode(made), reader, Ending.NOT)
    job = plan_notes(agent, wallet, [given])
    with agent.store.writing():
        agent.store.put(wallet.person, made.grant, given)
        agent.store.put(b"", job.batch, job)
        keep_letter(agent, wallet, reader, LetterKind.DELEGATION, encode(Delegated(encode(made), patient)))
    roll_forward(agent, job, silent)
    send_letters(agent)
