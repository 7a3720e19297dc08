"""Whether asking who can see what stays quick: the grants of one reader, among ten times as many grants.

The grants are kept as giving them keeps them, but not sent: the patient's store is what is asked. Both answers are equally long.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.homes import PATIENT, patient_home
from bench.ratios import Effort, Row, compare, repeated
from salus.agent.given import Ending, GivenGrant, merge_given
from salus.agent.home import Agent
from salus.agent.services.contacts import add_contact
from salus.agent.services.granting import access
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant, SectionGrant
from salus.charts.granting import Terms, root_warrant
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.crypto import hpke
from salus.crypto.hashing import tagged
from salus.crypto.signing import HybridKey, person_id
from salus.exchange.carding import sign_card
from salus.exchange.cards import Card, Role, SignedCard
from salus.ledger.modules.revocations.state import revocation_id
from salus.warrants.link import Purpose, Right, Span

_READERS, _OWN, _YEAR = 40, 5, 31_536_000_000


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    many = effort.of(10_000, 200)
    with (
        tempfile.TemporaryDirectory() as folder,
        patient_home(Path(folder) / "large") as large,
        patient_home(Path(folder) / "small") as small,
    ):
        asked = _give(large, many)
        _give(small, many // 10)
        calls = effort.of(5, 1)
        yield compare(
            effort,
            f"access of one reader at {many} grants",
            f"at {many // 10} grants",
            "<= 1.5",
            repeated(lambda: _ask(large, asked), calls),
            repeated(lambda: _ask(small, asked), calls),
        )


def _ask(agent: Agent, reader: str) -> None:
    if len(access(agent, PATIENT, reader)) != _OWN:
        raise SystemExit("the grants are not all there")


def _give(agent: Agent, count: int) -> str:
    """Keep ``count`` grants, of which the reader whose person id is answered has a few."""
    wallet = agent.wallet(PATIENT)
    cards = [_card(agent, number) for number in range(_READERS)]
    for card in cards:
        add_contact(agent, card)
    receipt_key = hpke.public_key(tagged("bench/receipts"))
    with agent.store.writing():
        for number in range(count):
            card = cards[0] if number < _OWN else cards[1 + number % (_READERS - 1)]
            made = encode(_grant(agent, wallet, card, number, receipt_key))
            merge_given(agent, wallet.person, GivenGrant(made, card, Ending.NOT))
    return person_id(cards[0].card.key).hex()


def _card(agent: Agent, number: int) -> SignedCard:
    seed = tagged("bench/reader", number.to_bytes(4, "big"))
    key = HybridKey(seed)
    name, sealing, nowhere = f"Reader {number}", hpke.public_key(seed), bytes(32)
    card = Card(agent.network_id, Role.PHYSICIAN, name, key.public, sealing, (nowhere,), nowhere, bytes(16), agent.clock())
    return sign_card(key, card)


def _grant(agent: Agent, wallet: Wallet, reader: SignedCard, number: int, receipt_key: bytes) -> Grant:
    identity, now = tagged("bench/grant", number.to_bytes(4, "big")), agent.clock()
    keys = wallet.section(SectionKind.RESULTS, agent.network_id)
    terms = Terms(reader.card.key.ed25519, (Right.READ,), (Purpose.TREAT,), now, now + _YEAR, None)
    revocation = revocation_id(identity)
    warrant = root_warrant(keys.owner, agent.network_id, keys.identity, terms, (Span(0, 9),), receipt_key, revocation)
    part = SectionGrant(SectionKind.RESULTS, warrant, (), 10, b"", b"", False)
    who = wallet.person, person_id(reader.card.key)
    rights = (Right.READ,), (Purpose.TREAT,)
    return Grant(agent.network_id, identity, *who, *rights, now + _YEAR, now, 0, (part,), (), b"")
