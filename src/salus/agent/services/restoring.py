"""Coming back: a person's export verified, and taken into a home of the same network in one step or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from salus.agent.epoch_pairs import KnownPair
from salus.agent.export_file import Content, ExportEnd, ExportEntry, ExportHead, ExportRow, read_export
from salus.agent.home import Agent
from salus.agent.known import KnownLicence
from salus.agent.services.contacts import Contact
from salus.agent.services.exporting import normal
from salus.agent.services.merging import NAMED, RULES, Rule, Scope
from salus.agent.services.people import OwnCard, keep_person, require_free
from salus.agent.services.restored_entries import Shelf
from salus.agent.store import MAX_BODY
from salus.agent.verify import header_between, newest_header
from salus.agent.wallet import PrincipalRecord, Wallet
from salus.codec import Record, decode
from salus.crypto.chunks import Source
from salus.crypto.signing import person_id
from salus.errors import AgentRefused
from salus.exchange.carding import require_card
from salus.ledger.genesis import MAX_GENESIS, Genesis, network_id
from salus.ledger.header import header_hash
from salus.ledger.trusting import Trusted, require_named

Keep = Callable[[ExportHead, Content, Record | None], None]


@dataclass(frozen=True)
class Inside:
    """What an export holds, and as of when: times in ms. ``name`` is the local name, in a home that has taken it in.

    ``unopened``: entries that no key of the export opens; ``bundle``: bytes of FHIR.
    """

    name: str
    person: str
    network: str
    made: int
    height: int
    as_of: int
    version: str
    records: int
    entries: int
    unopened: int
    bundle: int


@dataclass
class Import:
    """An export while it is read: what was learned so far."""

    head: ExportHead
    shelf: Shelf
    wallet: Wallet | None = None
    pin: Trusted | None = None
    end: ExportEnd | None = None

    def describe(self, name: str) -> Inside:
        """In plain values."""
        head, end = self.head, self.end or ExportEnd(0, 0, 0)
        place = (head.person.hex(), head.network.hex(), head.made, head.height, head.time, head.version)
        return Inside(name, *place, end.rows, end.entries, self.shelf.unopened, end.bundle)


def check_export(source: Source, passphrase: str) -> Inside:
    """Read and verify all of an export, and keep nothing of it. Needs no home."""
    state = _verify(source, passphrase, lambda *_: None)
    return state.describe(state.head.name)


def import_person(agent: Agent, source: Source, passphrase: str, name: str | None = None) -> Inside:
    """Take a person in, with everything, under the local ``name``; what is known of the person already is merged.

    Raises ``wrong-network``, ``name-taken``, ``known-person``, ``newer-version``, ``bad-export``, ``stale-node`` and
    ``forked-node``, and then has kept nothing. A crash leaves nothing, or all: the next command opens the mailbox.
    """
    local = ""

    def keep(head: ExportHead, content: Content, record: Record | None) -> None:
        nonlocal local
        if isinstance(content, ExportHead):
            require_own_network(agent, content)
            local = _local_name(agent, content, name)
        elif isinstance(content, ExportRow) and record is not None:
            _take(agent, local, content, record)

    with agent.store.writing():
        state = _verify(source, passphrase, keep, agent)
        require_seen(agent, state.pin)
        _keep_pin(agent, state.pin)
    resume_people(agent)
    return state.describe(local)


def resume_people(agent: Agent) -> None:
    """Open the mailbox, and make the card, of whoever was taken in and has none at this home yet."""
    for wallet in agent.wallets():
        if agent.store.find(OwnCard, wallet.person, b"") is None:
            keep_person(agent, wallet.record)


def require_own_network(agent: Agent, head: ExportHead) -> None:
    """Raise ``wrong-network`` unless the export was made in a home of this network."""
    if head.network != agent.network_id:
        raise AgentRefused("wrong-network", "the export was made on another network")


def require_seen(agent: Agent, pin: Trusted | None) -> None:
    """Raise ``stale-node`` or ``forked-node`` unless this home's node has the ledger that the exporter had seen."""
    if pin is None:
        return
    if newest_header(agent).height < pin.height:
        raise AgentRefused("stale-node", "the node shows an older ledger than the exporter had seen")
    signed = header_between(agent, pin.height)
    require_named(agent.genesis, signed)
    if signed.header.height != pin.height or header_hash(signed.header) != pin.hash:
        raise AgentRefused("forked-node", "the node shows another ledger than the exporter had seen")


def _verify(source: Source, passphrase: str, keep: Keep, agent: Agent | None = None) -> Import:
    """Check everything, and hand each item to ``keep``, with its record where it is a row; what opens is kept by ``agent``."""
    state: Import | None = None
    for content in read_export(source, normal(passphrase)):
        record: Record | None = None
        if isinstance(content, ExportHead):
            genesis = decode(content.genesis, Genesis, limit=MAX_GENESIS)
            require(network_id(genesis) == content.network, "the export's genesis document is of another network")
            state = Import(content, Shelf(agent, content.network))
        elif state is not None and isinstance(content, ExportRow):
            record = _read_row(state, content)
        elif state is not None and isinstance(content, ExportEntry):
            state.shelf.take(content)
        elif state is not None and isinstance(content, ExportEnd):
            state.end = content
        if state is not None:
            keep(state.head, content, record)
    if state is None or state.wallet is None or state.pin is None:
        raise AgentRefused("bad-export", "the export holds no wallet, or no header")
    state.shelf.put_away()
    return state


def _read_row(state: Import, row: ExportRow) -> Record:
    """The row's record, when it may stand at its place in an export of this person."""
    rule = RULES.get(row.record)
    if rule is None:
        raise AgentRefused("newer-version", "the export holds a record that a newer version wrote")
    record = decode(row.body, rule.shape, limit=MAX_BODY)
    if state.wallet is None:
        require(isinstance(record, PrincipalRecord), "the export does not begin with the wallet")
    require_place(state, row, rule, record)
    if isinstance(record, PrincipalRecord):
        state.wallet = Wallet(record)
        require(state.wallet.person == state.head.person, "the wallet is another person's")
    elif isinstance(record, Trusted):
        state.pin = record
    elif isinstance(record, KnownPair):
        state.shelf.learn(row.owner[len(state.head.person) :], record.seal_seed)
    return record


def require_place(state: Import, row: ExportRow, rule: Rule, record: Record) -> None:
    """Raise ``bad-export`` unless the row is the person's own, or one of the home's that may travel, at its right place."""
    head = state.head
    if rule.scope is Scope.PERSON:
        ids = state.wallet.ids if state.wallet else ()
        require(row.owner.startswith(ids), "a record is another person's")
        return
    require(rule.scope is Scope.HOME and row.owner == b"", "a record is not one that travels")
    if isinstance(record, PrincipalRecord):
        right = state.wallet is None and record.name == head.name and row.key == head.name.encode("utf-8")
    elif isinstance(record, Contact):
        right = row.key == person_id(require_card(record.card, head.network).key)
    elif isinstance(record, NAMED):
        right = record.name == head.name
    elif isinstance(record, KnownLicence):
        right = len(row.key) == len(head.person)
    else:
        right = row.key == b""
    require(right, "a record does not stand at its place")


def require(right: bool, text: str) -> None:
    """Raise ``bad-export`` unless ``right``."""
    if not right:
        raise AgentRefused("bad-export", text)


def _local_name(agent: Agent, head: ExportHead, name: str | None) -> str:
    """Under which name the person is kept here."""
    for wallet in agent.wallets():
        if wallet.person == head.person:
            if name not in (None, wallet.record.name):
                raise AgentRefused("known-person", "this home knows this person under another name; leave --name out")
            return wallet.record.name
    local = name or head.name
    require_free(agent, local)
    return local


def _keep_pin(agent: Agent, pin: Trusted | None) -> None:
    """Keep the higher of the export's pin and the home's."""
    here = agent.store.find(Trusted, b"", b"")
    if pin is not None:
        agent.store.put(b"", b"", pin if here is None else RULES["pin"].merge(here, pin))
        agent.believed = None  # the next header is held against this pin


def _take(agent: Agent, local: str, row: ExportRow, record: Record) -> None:
    """Keep the record, or what it and the one that is here already merge to."""
    if isinstance(record, Trusted):
        return  # kept at the end, when the home's node has shown that ledger
    key = row.key
    if isinstance(record, PrincipalRecord):
        record, key = msgspec.structs.replace(record, name=local), local.encode("utf-8")
    elif isinstance(record, NAMED):
        record = msgspec.structs.replace(record, name=local)
    rule = RULES[row.record]
    here = agent.store.find(rule.shape, row.owner, key)
    agent.store.put(row.owner, key, record if here is None else rule.merge(here, record))
