"""Proof files for strangers, and the owner's own check of everything."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from salus.agent.given import GivenGrant
from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.opened_index import forget
from salus.agent.own_sections import own_sections
from salus.agent.sealed_reading import Reading, read_all_own
from salus.agent.services.charting import open_chart
from salus.agent.services.contacts import find_contact
from salus.agent.services.receipting import receipts
from salus.agent.services.received import grants_from, received_grants
from salus.agent.verify import header_between, newest_header, proven
from salus.charts.grant import Grant
from salus.charts.granting import MAX_GRANT
from salus.codec import decode, encode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused
from salus.exchange.proofs import Proof, ProofKind, proof_file, require_proofs, state_key
from salus.ledger.lightblock import CommittedHeader
from salus.ledger.trusting import led, trusted_from

Subject = tuple[bytes, int]


@dataclass(frozen=True)
class VerifyReport:
    """What `verify --as` found: everything that was checked, and each trouble as (place, code)."""

    entries: int
    resources: int
    receipts: int
    height: int
    troubles: tuple[tuple[str, str], ...]


def prove(agent: Agent, name: str | None, what: str, identity: str, at: int = 0) -> bytes:
    """A proof file about an entry (its id), a licence (a person), a revocation or its absence (a grant or revocation id).

    `prove_fill` makes one about a fill of a prescription.

    ``name`` is whose chart or grant it is. A fresh header is asked for, so that an absence is as of now.
    """
    kind = ProofKind(what)
    newest_header(agent, fresh=True)
    if kind is ProofKind.ENTRY:
        subjects = [_entry(agent, name, identity)]
    elif kind is ProofKind.LICENCE:
        subjects = [(_licence(agent, identity), 0)]
    else:
        subjects = _revocations(agent, name, identity)
    return _proof_file(agent, kind, subjects, at)


def prove_fill(agent: Agent, prescription: bytes, fill: int) -> bytes:
    """A proof file about what became of a fill (its number from 0), as of now."""
    newest_header(agent, fresh=True)
    return _proof_file(agent, ProofKind.FILL, [(prescription, fill)], 0)


def _proof_file(agent: Agent, kind: ProofKind, subjects: list[Subject], at: int) -> bytes:
    answers, _ = proven(agent, [state_key(kind, subject, number) for subject, number in subjects])
    if any((answer.value is None) != (kind is ProofKind.ABSENCE) for answer in answers):
        raise AgentRefused("not-so", "the ledger shows the opposite of what was to be proven")
    pairs = zip(subjects, answers, strict=True)
    _, steps = led(agent.genesis, trusted_from(agent.genesis), answers[0].header, partial(header_between, agent))
    trail = tuple(step for step in steps if isinstance(step, CommittedHeader))
    file = proof_file(tuple(Proof(kind, subject, number, at, answer) for (subject, number), answer in pairs), trail)
    require_proofs(agent.genesis, file)
    return encode(file)


def verify_own(agent: Agent, patient: str) -> VerifyReport:
    """Check all of one's own: every entry's place, header, proof, hash, signatures and licence; every receipt and anchor."""
    wallet = agent.wallet(patient)
    troubles: list[tuple[str, str]] = []
    reading = Reading()
    sections = own_sections(agent, wallet)
    for section in sections:
        forget(agent, section.identity)
    read_all_own(agent, wallet, sections, reading)
    troubles += [(f"{kind.value}/{number}", code) for kind, number, code in reading.unread]
    troubles += [(f"{p.kind.value}/{p.number}", p.trouble) for p in reading.placed if p.trouble]
    seen = receipts(agent, patient)
    troubles += [(f"receipt in {row.section}", row.trouble) for row in seen if row.trouble]
    resources = sum(len(placed.opened.leaves) for placed in reading.placed)
    return VerifyReport(len(reading.placed), resources, len(seen), newest_header(agent).height, tuple(troubles))


def _entry(agent: Agent, name: str | None, identity: str) -> Subject:
    """(section, number) of an entry that one owns or was granted."""
    for wallet in [agent.wallet(name)] if name else agent.wallets():
        names = [wallet.record.name, *{card.card.name: None for _, card in received_grants(agent, wallet)}]
        for patient in names:
            if patient != wallet.record.name and not grants_from(agent, wallet, patient):
                continue
            for version in open_chart(agent, wallet.record.name, patient).chart.versions:
                if version.header.entry.hex() == identity:
                    return version.header.section, version.number
    raise AgentRefused("no-such-entry", "no entry of this id in the charts that you may see")


def _licence(agent: Agent, identity: str) -> bytes:
    if len(identity) == 64 and all(char in "0123456789abcdef" for char in identity):
        return bytes.fromhex(identity)
    found = licence_of(agent, person_id(find_contact(agent, identity).card.key))
    if found is None:
        raise AgentRefused("no-licence", "no licence of this person is known")
    return found


def _revocations(agent: Agent, name: str | None, identity: str) -> list[Subject]:
    try:
        subject = bytes.fromhex(identity)
    except ValueError as error:
        raise AgentRefused("bad-id", "an id is 64 hexadecimal digits") from error
    if len(subject) != 32:
        raise AgentRefused("bad-id", "an id is 64 hexadecimal digits")
    for wallet in [agent.wallet(name)] if name else agent.wallets():
        given = agent.store.find(GivenGrant, wallet.person, subject)
        if given is not None:
            grant = decode(given.grant, Grant, limit=MAX_GRANT)
            return [(part.warrant.links[0].link.revocation, 0) for part in grant.sections]
    return [(subject, 0)]
