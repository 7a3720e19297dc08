"""Results as those see them who answer for them: what nobody has acknowledged, the red first; acknowledged, and released."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec

from salus.agent.home import Agent
from salus.agent.services.inspecting import (
    Standing,
    choose,
    own_licence,
    report_resources,
    require_genuine_order,
    require_genuine_report,
    standing,
)
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.pressing import Urgent
from salus.agent.services.submitting import submit
from salus.agent.verify import records
from salus.agent.wallet import Wallet
from salus.codec import Record, decode, encode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, LedgerRefused, WarrantRefused
from salus.exchange.carding import require_card
from salus.exchange.envelopes import MAX_ENVELOPE, Letter, LetterKind
from salus.exchange.ordering import OrderedLetter, ResultLetter
from salus.fhir.laboratory import Value, ordered_words, values
from salus.ids import Count
from salus.ledger.modules.licences.state import Licence, licence_key
from salus.ledger.modules.orders.messages import AcknowledgeReport
from salus.ledger.modules.orders.state import Attention, OrderStatus

HANDLE = 32  # bytes of an order's handle; a report's key has its number behind it
UNREPORTED = (OrderStatus.FAILED, OrderStatus.REJECTED)
OPEN = (Attention.AWAITED, Attention.CLIMBED)


class WatchedOrder(Record, frozen=True, tag="watched-order"):
    """An order that one is responsible for, or covers."""

    letter: OrderedLetter


class OpenMatter(Record, frozen=True, tag="open-matter"):
    """An order (by its handle) or a report (by handle and number) that one may yet have to look at; gone when that is over."""

    since: Count


class ReceivedResult(Record, frozen=True, tag="received-result"):
    """A report that a clinician was told of; ``released``: this home has sent it to the patient."""

    letter: ResultLetter
    released: bool = False


@dataclass(frozen=True)
class AttendedInfo:
    """A report, or an order of which none came. ``number`` counts from 1 (0: no report); ``duty``: responsible, cover, or none.

    ``at``: when it was reported, 0 where nothing was; ``red``: the reader has to look at it now. ``values`` are empty where no
    report came. Times in ms.
    """

    order: str
    number: int
    patient: str
    what: str
    duty: str
    status: str
    attention: str
    at: int
    due: int
    climbed_at: int
    red: bool
    released: bool
    laboratory: str
    values: tuple[Value, ...]


def take_ordered(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep an order that one is responsible for, or covers, once the ledger was seen to have it so; in words, what it is."""
    sent = decode(letter.body, OrderedLetter, limit=MAX_ENVELOPE)
    there, request = require_genuine_order(agent, sent.salt, sent.content)
    duty = _duty(agent, wallet, there)
    if duty == "none":
        raise WarrantRefused("wrong-sender", "the reader does not answer for this order")
    handle = sent.content.order
    keep_watched(agent, wallet, sent)
    what = "are responsible for" if duty == "responsible" else "cover"
    return f"{letter.sender.card.name} has ordered {ordered_words(request)}, which you {what}: order {handle.hex()[:12]}"


def keep_watched(agent: Agent, wallet: Wallet, sent: OrderedLetter) -> None:
    """Keep an order that one answers for, inside the caller's write transaction."""
    if agent.store.find(WatchedOrder, wallet.person, sent.content.order) is None:
        agent.store.put(wallet.person, sent.content.order, WatchedOrder(sent))
        agent.store.put(wallet.person, sent.content.order, OpenMatter(agent.clock()))


def take_result(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep a report, once the ledger was seen to have it just so; in words, what it is.

    ``wrong-sender`` where the card that came with it, by which it would be given out, is not the order's patient's. What corrects
    a report that was released to the patient from here goes to the patient at once.
    """
    sent = decode(letter.body, ResultLetter, limit=MAX_ENVELOPE)
    if sent.patient is None or person_id(require_card(sent.patient, agent.network_id).key) != sent.order.person:
        raise WarrantRefused("wrong-sender", "the card is not of the order's patient")
    there, resources = require_genuine_report(agent, sent)
    key = _place(sent.order.order, sent.report.number)
    if agent.store.find(ReceivedResult, wallet.person, key) is None:
        earlier = [agent.store.find(ReceivedResult, wallet.person, _place(key[:-1], n)) for n in range(sent.report.number)]
        passed_on = any(one is not None and one.released for one in earlier)
        if passed_on:
            _pass_on(agent, wallet, sent)
        agent.store.put(wallet.person, key, ReceivedResult(sent, passed_on))
        agent.store.put(wallet.person, key, OpenMatter(agent.clock()))
    urgent = "CRITICAL: " if any(value.critical for value in values(resources)) else ""
    status = there.reports[sent.report.number].status.value
    return f"{urgent}{sent.report.laboratory} reports for {sent.order.patient} ({status}): order {sent.order.order.hex()[:12]}"


def attended(agent: Agent, name: str, *, everything: bool = False) -> tuple[AttendedInfo, ...]:
    """What a clinician is to look at, the red first: reports that nobody has acknowledged, orders of which none came in time.

    A cover sees what has climbed, an orderer who has no duty what is critical; ``everything``: what is acknowledged,
    superseded or somebody else's as well.
    """
    wallet = agent.wallet(name)
    if everything:
        keys = [*agent.store.ids(ReceivedResult, wallet.person), *agent.store.ids(WatchedOrder, wallet.person)]
    else:
        keys = agent.store.ids(OpenMatter, wallet.person)
    rows = _rows(agent, wallet, keys)
    shown = [row for row in rows if everything or row.red or (row.attention in OPEN and _concerns(row))]
    return tuple(sorted(shown, key=lambda row: (not row.red, row.due)))


def count_known(agent: Agent, name: str) -> int:
    """How many reports have come to a clinician, looked at or not."""
    return len(agent.store.ids(ReceivedResult, agent.wallet(name).person))


def pressing(agent: Agent, wallet: Wallet) -> tuple[Urgent, ...]:
    """What somebody has to act on now, in words, the longest due first."""
    rows = [row for row in _rows(agent, wallet, agent.store.ids(OpenMatter, wallet.person)) if row.red]
    return tuple(Urgent(row.order, row.at or row.due, _urgently(row)) for row in sorted(rows, key=lambda row: row.due))


def acknowledge(agent: Agent, name: str, named: str) -> AttendedInfo:
    """Say that one has seen the last report of an order; ``report-not-here`` where there is a later one than has come here.

    Of an order of which no report came: that one has seen that; only this home is told. Whoever has acknowledged it and asks
    again is told so. ``ledger/not-responsible``, ``ledger/is-acknowledged``.
    """
    wallet = agent.wallet(name)
    handle = _chosen(agent, wallet, named)
    watched = agent.store.find(WatchedOrder, wallet.person, handle)
    if watched is not None and (there := standing(agent, handle)).order.status in UNREPORTED and not there.reports:
        with agent.store.writing():
            agent.store.drop(OpenMatter, wallet.person, handle)
        return _unreported(agent, wallet, watched, there)
    kept = _last(agent, wallet, handle)
    there = standing(agent, handle)
    duty, order = _duty(agent, wallet, there), there.order
    licence = order.responsible if duty == "responsible" else order.cover if duty == "cover" else own_licence(agent, wallet)
    number = kept.letter.report.number
    if number != len(there.reports) - 1:
        raise AgentRefused("report-not-here", "a later report than this one was made: collect the letters, and read it first")
    if there.reports[number].by != licence:
        submit(agent, [AcknowledgeReport(handle, number, licence)], [wallet.identity.classic])
    return _describe(agent, wallet, kept, standing(agent, handle))


def release(agent: Agent, name: str, named: str) -> AttendedInfo:
    """Give the last report of an order that is here to the patient, whatever the laboratory was told to wait for."""
    wallet = agent.wallet(name)
    handle = _chosen(agent, wallet, named)
    kept = _last(agent, wallet, handle)
    if not kept.released:
        released = msgspec.structs.replace(kept, released=True)
        with agent.store.writing():
            _pass_on(agent, wallet, kept.letter)
            agent.store.put(wallet.person, _place(handle, kept.letter.report.number), released)
        kept = released
    send_letters(agent)
    return _describe(agent, wallet, kept, standing(agent, handle))


# --- the parts


def _rows(agent: Agent, wallet: Wallet, keys: list[bytes]) -> list[AttendedInfo]:
    """What is known of these orders and reports; what is over is not looked at again."""
    known: dict[bytes, Standing | None] = {}
    rows: list[AttendedInfo] = []
    over: list[bytes] = []
    for key in keys:
        handle = key[:HANDLE]
        if handle not in known:
            known[handle] = _standing(agent, handle)
        there = known[handle]
        row = None if there is None else _row(agent, wallet, key, there)
        if row is not None:
            rows.append(row)
        if there is None or _is_over(key, there):
            over.append(key)
    if over:
        with agent.store.tidying():
            for key in over:
                agent.store.drop(OpenMatter, wallet.person, key)
    return rows


def _row(agent: Agent, wallet: Wallet, key: bytes, there: Standing) -> AttendedInfo | None:
    """A report, or an order of which none came; None for an order that takes its course."""
    if len(key) > HANDLE:
        kept = agent.store.find(ReceivedResult, wallet.person, key)
        return None if kept is None else _describe(agent, wallet, kept, there)
    watched = agent.store.find(WatchedOrder, wallet.person, key)
    return None if watched is None or there.order.status not in UNREPORTED else _unreported(agent, wallet, watched, there)


def _is_over(key: bytes, there: Standing) -> bool:
    """Whether nothing more can come of it that somebody has to look at."""
    if len(key) > HANDLE:
        return there.reports[key[-1]].attention not in OPEN
    return there.order.status in (OrderStatus.COMPLETED, OrderStatus.CANCELLED)


def _concerns(row: AttendedInfo) -> bool:
    """Whether the reader is to see an open report that is not red: as who is responsible, or a critical one of an own order."""
    return row.duty == "responsible" or (row.duty == "none" and any(value.critical for value in row.values))


def _urgently(row: AttendedInfo) -> str:
    """What is to be done about a red row."""
    who = f"{row.patient}, order {row.order[:12]}"
    if not row.number:
        return f"{row.what}: {who}: ask {row.laboratory}, or order anew; say that you have seen it by `salus results acknowledge`"
    why = "NOBODY HAS ACKNOWLEDGED IN TIME" if row.climbed_at else "CRITICAL"
    return f"{why}: {row.what} for {who}: look at it, and say so by `salus results acknowledge`"


def _pass_on(agent: Agent, wallet: Wallet, letter: ResultLetter) -> None:
    """Keep a letter to the patient, inside the caller's write transaction: genuine by the ledger, whoever brings it."""
    if letter.patient is None:
        raise AgentRefused("no-such-order", "the patient's card did not come with the report")
    keep_letter(agent, wallet, letter.patient, LetterKind.RESULT, encode(msgspec.structs.replace(letter, patient=None)))


def _standing(agent: Agent, handle: bytes) -> Standing | None:
    """The order; None where it is forgotten."""
    with suppress(LedgerRefused):
        return standing(agent, handle)
    return None


def _chosen(agent: Agent, wallet: Wallet, named: str) -> bytes:
    reported = [key[:-1] for key in agent.store.ids(ReceivedResult, wallet.person)]
    return choose([*reported, *agent.store.ids(WatchedOrder, wallet.person)], named)


def _last(agent: Agent, wallet: Wallet, handle: bytes) -> ReceivedResult:
    """The last report of an order that has come here."""
    keys = [key for key in agent.store.ids(ReceivedResult, wallet.person) if key[:-1] == handle]
    kept = agent.store.find(ReceivedResult, wallet.person, max(keys)) if keys else None
    if kept is None:
        raise AgentRefused("report-not-here", "no report of that order has come here")
    return kept


def _duty(agent: Agent, wallet: Wallet, there: Standing) -> str:
    """``responsible``, ``cover`` or ``none``: whose licences the order names, whatever licence the reader has by now."""
    order = there.order
    found, _ = records(agent, [licence_key(order.responsible), licence_key(order.cover)], Licence)
    mine = [licence is not None and licence.person in wallet.ids for licence in found]
    return "responsible" if mine[0] else "cover" if mine[1] else "none"


def _describe(agent: Agent, wallet: Wallet, kept: ReceivedResult, there: Standing) -> AttendedInfo:
    letter = kept.letter
    resources = report_resources(letter)
    found, duty, leaf = values(resources), _duty(agent, wallet, there), there.reports[letter.report.number]
    critical = any(value.critical for value in found)
    climbed = leaf.attention is Attention.CLIMBED
    mine = climbed if duty == "cover" else duty == "responsible" and (climbed or critical)
    return AttendedInfo(
        letter.order.order.hex(),
        letter.report.number + 1,
        letter.order.patient,
        str(resources[0].value.get("code", {}).get("text", "")),
        duty,
        leaf.status.value,
        leaf.attention.value,
        leaf.at,
        leaf.due,
        leaf.climbed,
        mine and leaf.attention in OPEN,
        kept.released,
        letter.report.laboratory,
        found,
    )


def _unreported(agent: Agent, wallet: Wallet, watched: WatchedOrder, there: Standing) -> AttendedInfo:
    """An order of which no report came in time, or that the laboratory has rejected: its responsible one is to know."""
    content, duty = watched.letter.content, _duty(agent, wallet, there)
    return AttendedInfo(
        content.order.hex(),
        0,
        content.patient,
        "NO FINAL REPORT CAME IN TIME" if there.order.status is OrderStatus.FAILED else "the laboratory has rejected it",
        duty,
        there.order.status.value,
        "",
        0,
        there.order.deadline,
        0,
        duty == "responsible" and agent.store.find(OpenMatter, wallet.person, content.order) is not None,
        False,
        watched.letter.laboratory.card.name,
        (),
    )


def _place(handle: bytes, number: int) -> bytes:
    return handle + number.to_bytes(1, "big")
