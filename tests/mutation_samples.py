"""Valid bytes of each format that strangers hand over, from what a real home and its node did; and how they are accepted."""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from byte_mutants import Format, Sample, of_shape
from leaving_world import CHEAP, PASS
from salus.agent.asking import entries_of
from salus.agent.epoch_pairs import own_pairs
from salus.agent.export_file import read_export
from salus.agent.own_schedules import OwnSchedule, desk_owner, pages_of
from salus.agent.own_sections import OwnSection, own_sections
from salus.agent.services import charting, delegating, exporting, inbox, listing, opening, people, proving, receipting, revoking
from salus.agent.wallet import Wallet
from salus.charts.entry import Blob, Opened, Sealed
from salus.charts.sealing import _context, _data_key, _pad, half_of, open_entry, require_committed, zstd
from salus.charts.sections import SectionKind
from salus.cli.contact import read_card
from salus.codec import decode, encode
from salus.crypto import aead, hpke
from salus.crypto.hashing import sha256
from salus.crypto.keys import fresh_nonce
from salus.crypto.passphrase import lock, unlock
from salus.errors import AgentRefused, LedgerRefused, WarrantRefused
from salus.exchange.addressing import pinned
from salus.exchange.carding import card_from_text, card_to_text, require_card
from salus.exchange.cards import Role, SignedCard
from salus.exchange.envelopes import Drop, MailboxClaim, MailboxCollect, SignedLetter, Stamp
from salus.exchange.guests import Invitation, Redemption
from salus.exchange.inviting import GuestKeys, redeem, require_redemption
from salus.exchange.listings import MAX_LISTING, SignedListing, require_listing
from salus.exchange.peering import EngineAsk, Peer, PeerAsk, Question, require_peer, sign_ask
from salus.exchange.posting import _info, open_letter, require_mailbox_owner, require_stamp, sign_stamp
from salus.exchange.proofs import ProofFile, read_proofs, require_proofs
from salus.exchange.references import (
    CardDeposit,
    CardReference,
    open_card,
    reference_from_text,
    reference_to_text,
    seal_card,
    sign_deposit,
)
from salus.exchange.schedules import MAX_PAGE, SchedulePage, require_page, root_of
from salus.fhir.chart_text import ChartView, Item, render
from salus.fhir.parsing import parse_json, read_resource, read_resources
from salus.fhir.routing import route
from salus.fhir.validation import faults
from salus.ids import Height, Millis, VerifyKey
from salus.ledger.app import Application
from salus.ledger.header import SignedHeader, TxResult
from salus.ledger.lightblock import ABSENT, FOR_BLOCK, MAX_COMMITTED, CommittedHeader
from salus.ledger.lightblock import require_committed as require_votes
from salus.ledger.machine import Block
from salus.ledger.modules.receipts.state import Anchor, anchor_key
from salus.ledger.modules.sections.state import Entry
from salus.ledger.store import MemoryStore, load
from salus.ledger.tx import Transaction
from salus.ledger.verifying import StateAnswer, require_answer
from salus.node.ledger_store import StoredBlock, as_block, as_header
from salus.node.replaying import _verify
from salus.warrants.holding import sign_owner, sign_read
from salus.warrants.receipting import (
    START,
    next_head,
    open_receipt,
    require_anchor,
    require_chain,
    require_promise,
    require_receipt,
    require_total,
)
from salus.warrants.receipts import ReceiptsAnswer, SignedPromise
from salus.warrants.requests import OwnerRequest, SignedOwner, SignedRead
from validators_world import NETWORK as CHAIN
from validators_world import Validators
from world import CLEMENTE, DOCTOR, HOUR, OTHER, PATIENT, Clock, World, bundle, opened

LIMIT = 64 * 1024 * 1024
NURSE = "Nurse Ash"


class Recording:
    """A network that remembers what was asked and what came back."""

    def __init__(self, network: Any) -> None:
        self.network, self.calls = network, list[tuple[str, tuple[Any, ...], Any]]()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.network, name)

        def recorded(*arguments: Any, **options: Any) -> Any:
            answer = real(*arguments, **options)
            self.calls.append((name, arguments, answer))
            return answer

        return recorded

    def of(self, name: str) -> list[tuple[tuple[Any, ...], Any]]:
        """(arguments, answer) of each call of that name."""
        return [(arguments, answer) for called, arguments, answer in self.calls if called == name]


@contextmanager
def formats(folder: Path) -> Iterator[tuple[Format, ...]]:
    """Every format, with samples from a story of a patient, two physicians and a nurse; its node runs meanwhile."""
    with opened(folder, Clock()) as world:
        network = world.agent.network = Recording(world.node)
        proofs = _story(world)
        yield (
            Format("transaction", tuple(_transactions(world))),
            Format("header", tuple(_chain(world, "header"))),
            Format("block", tuple(_chain(world, "block"))),
            Format("commit", tuple(commits())),
            Format("answer", tuple(_answers(world, network))),
            Format("proof", tuple(_proof(world, data) for data in proofs)),
            Format("read", tuple(_reads(world, network))),
            Format("owner-request", tuple(_owner_requests(world))),
            Format("promise", tuple(_promises(world, network))),
            Format("receipts", tuple(_receipts(world))),
            Format("entry", tuple(map(_entry, _placed(world, network)))),
            Format("inside", tuple(map(_inside, _placed(world, network)))),
            Format("card", tuple(_card(world, name) for name in (PATIENT, DOCTOR, OTHER)), normal=bytes.strip),
            Format("envelope", tuple(_letters(world, network, inside=False))),
            Format("letter", tuple(_letters(world, network, inside=True))),
            Format("listing", tuple(_listings(world))),
            Format("page", tuple(_pages(world))),
            Format("mailbox", tuple(_mailbox(world, network))),
            Format("deposit", tuple(_deposit(world, name) for name in (PATIENT, DOCTOR))),
            Format("reference", tuple(_reference(world, name) for name in (PATIENT, DOCTOR)), normal=bytes.strip),
            Format("stamp", tuple(_stamps(world, network))),
            Format("redemption", tuple(_redemption(world, name) for name in (b"one", b"other"))),
            Format("engine-ask", tuple(_engine_ask(world, question) for question in (Question.COMMIT, Question.SNAPSHOTS))),
            Format("peer-ask", tuple(_peer_ask(world, first) for first in (0, 7))),
            Format("export", tuple(_export(world, name) for name in (PATIENT, NURSE))),
            Format("locked", tuple(Sample(lock(PASS, secret, CHEAP), _unlocked) for secret in (b"one secret", bytes(64)))),
            Format("fhir", tuple(_bundles()), tolerant=True),
        )


def _story(world: World) -> list[bytes]:
    """What happens; and the proof files that are written in its course."""
    agent, clock = world.agent, world.clock
    world.person(PATIENT)
    for name in (DOCTOR, OTHER):
        world.person(name, Role.PHYSICIAN)
    world.person(NURSE, Role.NURSE)
    world.take_in(bundle(*_RESOURCES))
    world.take_in(bundle(*_RESOURCES[:1], _observation("o2", "71.50")), source="Clinic")
    made = world.grant()
    inbox.collect(agent, DOCTOR)
    charting.open_chart(agent, DOCTOR, PATIENT)
    passed = delegating.delegate(agent, DOCTOR, made.grant, OTHER, clock.now + HOUR)
    inbox.collect(agent, OTHER)
    delegating.delegate(agent, OTHER, passed.grant, NURSE, clock.now + HOUR // 2)
    inbox.collect(agent, NURSE)
    for name in (OTHER, NURSE):
        charting.open_chart(agent, name, PATIENT)
    world.node._anchoring.anchor()
    for name in (DOCTOR, OTHER):
        rule = {"days": ["mon"], "from": "09:00", "to": "11:00", "length": 30}
        opening.publish(agent, name, json.dumps({"name": f"Hours of {name}", "zone": "Europe/Zurich", "rules": [rule]}).encode())
        listing.publish(agent, name, listing.About(("Cardiology",), ("de-CH", "en"), "Bern", True, ("+41 31 000 00 00",)))
    entry = charting.open_chart(agent, PATIENT, PATIENT).chart.versions[0].header.entry.hex()
    proofs = [proving.prove(agent, PATIENT, "entry", entry), proving.prove(agent, PATIENT, "absence", made.grant)]
    newest = world.node.header(None, fresh=True).header.time
    proofs += [proving.prove(agent, None, "licence", name, at) for name, at in ((DOCTOR, 0), (OTHER, newest))]
    short = world.grant(hours=1)
    revoking.revoke(agent, PATIENT, grant=short.grant)
    return [*proofs, proving.prove(agent, PATIENT, "revocation", short.grant)]


def _observation(identity: str, value: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
        "subject": {"reference": "Patient/p"},
        "valueQuantity": {"value": float(value), "unit": "kg"},
    }


_RESOURCES: tuple[dict[str, Any], ...] = (
    {"resourceType": "Patient", "id": "p", "birthDate": "1984-07-02", "name": [{"family": "Kreiger", "given": ["Clemente"]}]},
    {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "code": {"text": "Penicillin"},
        "patient": {"reference": "Patient/p"},
    },
    _observation("o1", "70.25"),
    {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p"},
    },
)


def _before(world: World, height: int) -> Application:
    """The application just before the block at ``height``, by replay."""
    store = MemoryStore()
    app = Application(world.agent.genesis, store, 0)
    store.apply(app.init_chain())
    app.committed()
    for number in range(1, height):
        time, block = world.node.engine.header(number).header.time, world.node.engine.block(number)
        app.finalize_block(Block(Height(number), Millis(time), block.transactions))
        store.apply(app.commit())
        app.committed()
    return app


def _heights(world: World) -> list[int]:
    """The newest blocks with transactions, but not all alike."""
    engine = world.node.engine
    newest = engine.newest_header().header.height
    return [height for height in range(1, newest + 1) if engine.block(height).transactions][-8:]


def _transactions(world: World) -> Iterator[Sample]:
    for height in _heights(world):
        app = _before(world, height)
        time = world.node.engine.header(height).header.time
        data = world.node.engine.block(height).transactions[0]
        yield Sample(data, lambda mutant, app=app, time=time: app.check_tx(mutant, time), of_shape(Transaction))


def commits() -> Iterator[Sample]:
    """Headers that validators committed, a later one and the first, with no more votes than are needed."""
    four, alone = Validators([2, 1, 1, 1]), Validators([1])
    later = four.commit(four.header(), [FOR_BLOCK, FOR_BLOCK, ABSENT, FOR_BLOCK])
    for made, signed in ((four, later), (alone, alone.commit(alone.header(1, last_block=None)))):

        def accept(mutant: bytes, made: Validators = made) -> None:
            require_votes(CHAIN, made.set, decode(mutant, CommittedHeader, limit=MAX_COMMITTED))

        yield Sample(encode(signed), accept, of_shape(CommittedHeader))


class Still(MemoryStore):
    """A state to which nothing is done."""

    def apply(self, changes: dict[bytes, bytes | None]) -> None:
        """Nothing."""


class Chained:
    """The node's chain, with other bytes at one height."""

    def __init__(self, world: World, height: int, part: str, data: bytes) -> None:
        self._engine, self._height, self._part, self._data = world.node.engine, height, part, data

    def header(self, height: int) -> SignedHeader | None:
        """The header at ``height``."""
        return as_header(self._data) if (height, self._part) == (self._height, "header") else self._engine.header(height)

    def block(self, height: int) -> StoredBlock | None:
        """The block at ``height``."""
        return as_block(self._data) if (height, self._part) == (self._height, "block") else self._engine.block(height)

    def result(self, body: bytes) -> tuple[int, TxResult] | None:
        """(height, result) of a committed body."""
        found = self._engine.result(body)
        return None if found is None else (found.height, found.result)


def _chain(world: World, part: str) -> Iterator[Sample]:
    engine, genesis = world.node.engine, world.agent.genesis
    for height in _heights(world):
        app = _before(world, height)
        data = encode(engine.header(height) if part == "header" else engine.block(height))

        def accept(mutant: bytes, app: Application = app, height: int = height) -> None:
            kept = app._height, app._tree
            try:
                chain = Chained(world, height, part, mutant)
                _verify(genesis, chain, app, Still(), height, engine.header(height - 1))
            finally:
                (app._height, app._tree), app._candidate = kept, None

        yield Sample(data, accept, of_shape(SignedHeader if part == "header" else StoredBlock))


def _answers(world: World, network: Recording) -> Iterator[Sample]:
    answers = [answer for _, many in network.of("states") for answer in many]
    absent = [answer for answer in answers if answer.value is None]
    for answer in (*absent[-3:], *[answer for answer in answers if answer.value is not None][-40::8]):

        def accept(mutant: bytes, key: bytes = answer.key) -> None:
            found = decode(mutant, StateAnswer, limit=LIMIT)
            if found.key != key:
                raise LedgerRefused("wrong-answer")
            require_answer(world.agent.genesis, found)

        yield Sample(encode(answer), accept, of_shape(StateAnswer))


def _proof(world: World, data: bytes) -> Sample:
    return Sample(data, lambda mutant: require_proofs(world.agent.genesis, read_proofs(mutant)), of_shape(ProofFile))


def _reads(world: World, network: Recording) -> Iterator[Sample]:
    """Readings by warrants of one, two and three links, each with a nonce that the vault has not seen."""
    wallets = {wallet.identity.classic.public: wallet for wallet in world.agent.wallets()}
    found: dict[int, list[SignedRead]] = {}
    for (read,), _ in network.of("read"):
        if read.warrant.links[-1].link.holder in wallets:
            found.setdefault(len(read.warrant.links), []).append(read)
    assert sorted(found) == [1, 2, 3]
    for read in (read for reads in found.values() for read in reads[:3]):
        newest = network.network.header(None).header
        request = msgspec.structs.replace(read.request, nonce=fresh_nonce())
        assert newest.time - network.network.header(request.height).header.time < world.agent.genesis.parameters.max_staleness
        signed = sign_read(wallets[read.warrant.links[-1].link.holder].identity.classic, request, read.warrant)
        yield Sample(encode(signed), lambda data: world.node.read(decode(data, SignedRead, limit=LIMIT)), of_shape(SignedRead))


def _sections(world: World) -> list[OwnSection]:
    """The patient's sections that were read."""
    wallet = world.agent.wallet(PATIENT)
    return [section for section in own_sections(world.agent, wallet) if section.kind is not SectionKind.MANIFEST]


def _asked(world: World, section: OwnSection) -> SignedOwner:
    newest, status = world.node.header(None), world.node.status()
    named = charting.newest_header(world.agent)
    assert named == newest.header
    request = OwnerRequest(
        world.agent.network_id, status.member, section.identity, 0, fresh_nonce(), named.height, receipting.header_hash(named)
    )
    return sign_owner(section.keys.owner, request)


def _owner_requests(world: World) -> Iterator[Sample]:
    for section in _sections(world)[:3]:
        data = encode(_asked(world, section))
        yield Sample(data, lambda mutant: world.node.receipts(decode(mutant, SignedOwner, limit=LIMIT)), of_shape(SignedOwner))


def _promises(world: World, network: Recording) -> Iterator[Sample]:
    vault = world.node.status().member
    key = VerifyKey(world.agent.genesis.members[0].node)
    for (read,), served in network.of("read")[-3:]:

        def accept(mutant: bytes, read: SignedRead = read) -> None:
            require_promise(decode(mutant, SignedPromise, limit=LIMIT), vault, key, read)

        yield Sample(encode(served.promise), accept, of_shape(SignedPromise))


def _receipts(world: World) -> Iterator[Sample]:
    """What a vault answers an owner: as `receipting` takes it, and with the anchor that the vault cannot deny here."""
    for section in _sections(world):
        answer = world.node.receipts(_asked(world, section))
        if answer.anchored and answer.receipts:
            yield Sample(encode(answer), _receipts_of(world, section), of_shape(ReceiptsAnswer))


def _receipts_of(world: World, section: OwnSection) -> Callable[[bytes], None]:
    network, vault = world.agent.network_id, world.node.status().member
    window, owner = world.agent.genesis.parameters.max_warrant_window, section.keys.owner.public

    def accept(mutant: bytes) -> None:
        answer = decode(mutant, ReceiptsAnswer, limit=LIMIT)
        head, heads, first = START, dict[int, bytes](), 0
        while first == 0 or first < answer.total:  # whoever says that there are more is asked for them, and says the same
            require_total(answer, first)
            require_chain(answer.receipts, first, head)
            for stored in answer.receipts:
                head = next_head(head, stored.sealed)
                heads[stored.index + 1] = head
            first += len(answer.receipts)
            if not answer.receipts:
                raise WarrantRefused("receipts-dropped")
        anchor = load(world.node.engine.state, anchor_key(vault, answer.anchor), Anchor) if answer.anchored else None
        if anchor is None:
            raise AgentRefused("no-anchor")
        require_anchor(answer, section.identity, anchor.root, anchor.sections, heads)
        for stored in answer.receipts:
            receipt = open_receipt(section.keys.receipt_seeds[0], stored.sealed, network, section.identity)
            require_receipt(receipt, network, vault, section.identity, owner, window)

    return accept


@dataclass(frozen=True)
class Placed:
    """An entry's blob, where the ledger has it, and the read secret of the epoch that it is sealed to."""

    blob: bytes
    seed: bytes
    network: bytes
    entry: Entry
    section: bytes

    def open(self, blob: bytes) -> Opened:
        """The entry in ``blob``, as its section's owner opens it."""
        half = half_of(blob, self.seed, self.network, self.section, self.entry.epoch)
        opened = open_entry(blob, half, self.network, self.section, self.entry.epoch)
        require_committed(opened, self.entry.commitment)
        return opened


def _placed(world: World, network: Recording) -> Iterator[Placed]:
    """The first entry of each section that the vault served."""
    served: dict[tuple[bytes, int], bytes] = {}
    for (read,), answer in network.of("read"):
        named = [(read.request.section, number) for number in read.request.entries]
        served.update(zip(named, answer.blobs, strict=False))  # key packages come after the entries
    wallet = world.agent.wallet(PATIENT)
    for section in _sections(world):
        (entry,) = entries_of(world.agent, section.identity, [0])
        pair = own_pairs(world.agent, wallet, section, [entry.epoch])[entry.epoch]
        yield Placed(served[section.identity, 0], pair.seal_seed, world.agent.network_id, entry, section.identity)


def _entry(placed: Placed) -> Sample:
    return Sample(placed.blob, placed.open, of_shape(Blob))


def _inside(placed: Placed) -> Sample:
    """What lies inside, changed by somebody who has the key, and sealed again."""
    box, epoch = decode(placed.blob, Blob, limit=LIMIT), placed.entry.epoch
    half = half_of(placed.blob, placed.seed, placed.network, placed.section, epoch)

    def accept(mutant: bytes) -> None:
        sealed = aead.seal(_data_key(half), _context(placed.network, placed.section, epoch), _pad(zstd.compress(mutant)))
        placed.open(encode(msgspec.structs.replace(box, ciphertext=sealed)))

    return Sample(encode(placed.open(placed.blob).inside), accept, of_shape(Sealed))


def _card(world: World, name: str) -> Sample:
    network = world.agent.network_id
    text = card_to_text(people.own_card(world.agent, name))

    def inner(data: bytes) -> bytes:
        return encode(card_from_text(data.decode("ascii")))

    def outer(data: bytes) -> bytes:
        armour = text[: text.index(":") + 1]
        return armour.encode() + base64.urlsafe_b64encode(data) + b"\n"

    def accept(mutant: bytes) -> None:
        require_card(card_from_text(read_card(mutant)), network)

    return Sample(text.encode("ascii"), accept, of_shape(SignedCard, outer, inner))


def _letters(world: World, network: Recording, *, inside: bool) -> Iterator[Sample]:
    wallets: dict[bytes, Wallet] = {}
    for wallet in world.agent.wallets():
        wallets[people.own_card(world.agent, wallet.record.name).card.mailbox] = wallet
    for (drop,), _ in network.of("drop")[-6:]:
        yield _letter(world.agent.network_id, drop.mailbox, wallets[drop.mailbox], drop.sealed, inside=inside)


def _letter(network: bytes, mailbox: bytes, wallet: Wallet, sealed: bytes, *, inside: bool) -> Sample:
    seed = wallet.sealing_seed

    def accept(mutant: bytes) -> None:
        open_letter(seed, mutant, mailbox, network, wallet.person)

    def sealed_anew(mutant: bytes) -> None:
        accept(hpke.seal(hpke.public_key(seed), _info(network, mailbox), mutant))

    if not inside:
        return Sample(sealed, accept)
    return Sample(hpke.open(seed, _info(network, mailbox), sealed), sealed_anew, of_shape(SignedLetter))


def _listings(world: World) -> Iterator[Sample]:
    for signed in listing.find(world.agent, ("cardiology",)).signed:

        def accept(mutant: bytes) -> None:
            require_listing(decode(mutant, SignedListing, limit=MAX_LISTING), world.agent.network_id)

        yield Sample(encode(signed), accept, of_shape(SignedListing))


def _pages(world: World) -> Iterator[Sample]:
    for name in (DOCTOR, OTHER):
        ((handle, _),) = [one for one in world.agent.store.all(OwnSchedule, owner_of(world)) if one[1].name == f"Hours of {name}"]
        page = pages_of(world.agent, owner_of(world), handle)[1]

        def accept(mutant: bytes, stands: tuple[int, int, bytes] = (page.begins, page.ends, root_of(page))) -> None:
            read = decode(mutant, SchedulePage, limit=MAX_PAGE)
            require_page(read, world.agent.network_id)
            if (read.begins, read.ends, root_of(read)) != stands:  # what the ledger has
                raise LedgerRefused("bad-list-proof", "another page")

        yield Sample(encode(page), accept, of_shape(SchedulePage))


def owner_of(world: World) -> bytes:
    """Whose desk it is at which people of this home work."""
    return desk_owner(world.agent, world.agent.wallet(DOCTOR))


def _mailbox(world: World, network: Recording) -> Iterator[Sample]:
    for name, shape in (("open_mailbox", MailboxClaim), ("collect", MailboxCollect)):
        for (message,), _ in network.of(name)[:3]:

            def accept(mutant: bytes, shape: Any = shape) -> None:
                require_mailbox_owner(decode(mutant, shape, limit=LIMIT), world.agent.network_id)

            yield Sample(encode(message), accept, of_shape(MailboxClaim | MailboxCollect))


def _deposit(world: World, name: str) -> Sample:
    """A sealed card that lies at a member."""
    network, wallet = world.agent.network_id, world.agent.wallet(name)
    sealed = seal_card(sha256(b"key"), people.own_card(world.agent, name))

    def accept(mutant: bytes) -> None:
        require_mailbox_owner(decode(mutant, CardDeposit, limit=LIMIT), network)

    deposit = sign_deposit(wallet.mailbox, network, world.node.status().member, world.clock.now, sealed)
    return Sample(encode(deposit), accept, of_shape(CardDeposit))


def _reference(world: World, name: str) -> Sample:
    """A short reference to a card: what it is good for is that it leads to this card and no other, whoever is asked for it."""
    network, key = world.agent.network_id, sha256(b"key")
    sealed = seal_card(key, people.own_card(world.agent, name))
    reference = CardReference(network, (world.node.status().member,), sha256(sealed), key)

    def accept(mutant: bytes) -> None:
        found = reference_from_text(mutant)
        if found.members != reference.members:
            raise AgentRefused("unknown-node")
        require_card(open_card(found, sealed), network)

    return Sample(reference_to_text(reference).encode("ascii"), accept)


def _stamps(world: World, network: Recording) -> Iterator[Sample]:
    """Stamps of the node for letters of strangers."""
    key, member = world.node._key, world.node.status().member
    for (drop,), _ in network.of("drop")[-3:]:

        def accept(mutant: bytes, drop: Drop = drop) -> None:
            require_stamp(decode(mutant, Stamp, limit=LIMIT), world.agent.network_id, drop, key.public)

        stamp = sign_stamp(key, world.agent.network_id, member, drop, world.clock.now)
        yield Sample(encode(stamp), accept, of_shape(Stamp))


def _redemption(world: World, secret: bytes) -> Sample:
    network, member = world.agent.network_id, world.node.status().member

    def accept(mutant: bytes) -> None:
        require_redemption(decode(mutant, Redemption, limit=LIMIT), network, member)

    guest = GuestKeys(sha256(b"home of " + secret)).at(member)
    return Sample(encode(redeem(Invitation(network, member, sha256(secret)), guest)), accept, of_shape(Redemption))


def _peer_ask(world: World, first: int) -> Sample:
    network, member, key = world.agent.network_id, world.node.status().member, world.node._key

    def accept(mutant: bytes) -> None:
        require_peer(decode(mutant, PeerAsk, limit=LIMIT), network, member, key.public)

    peer = Peer(member, "https://one.example")
    asked = PeerAsk(network, peer, member, first, 9, (sha256(b"blob"),), (sha256(b"holder"),), world.clock.now, bytes(64))
    return Sample(encode(sign_ask(key, asked)), accept, of_shape(PeerAsk))


def _engine_ask(world: World, question: Question) -> Sample:
    network, member, key = world.agent.network_id, world.node.status().member, world.node._key

    def accept(mutant: bytes) -> None:
        require_peer(decode(mutant, EngineAsk, limit=LIMIT), network, member, key.public)

    peer = Peer(member, pinned("https://one.example", sha256(b"key")))
    asked = EngineAsk(network, peer, member, question, 7, 2, world.clock.now, bytes(64))
    return Sample(encode(sign_ask(key, asked)), accept, of_shape(EngineAsk))


def _export(world: World, name: str) -> Sample:
    sink = io.BytesIO()
    exporting.export_person(world.agent, name, sink, PASS, CHEAP)
    return Sample(sink.getvalue(), lambda mutant: [None for _ in read_export(io.BytesIO(mutant), PASS)])


def _unlocked(mutant: bytes) -> None:
    unlock(PASS, mutant)


def _bundles() -> Iterator[Sample]:
    value = json.loads(CLEMENTE)
    small = {**value, "entry": value["entry"][:3] + value["entry"][-4:]}
    lines = b"\n".join(json.dumps(resource).encode() for resource in _RESOURCES)
    for data in (bundle(*_RESOURCES), json.dumps(small).encode(), lines, json.dumps(_RESOURCES[2]).encode()):
        yield Sample(data, require_kept_as_written, json_field)


def require_kept_as_written(data: bytes) -> None:
    """Whatever is taken from a file is bytes of the file; and it can be checked, routed and shown whatever it says."""
    resources = read_resources(data)
    for resource in resources:
        assert resource.raw in data
        assert parse_json(resource.raw) == resource.value
        assert read_resource(resource.raw, resource.full_url) == resource
        assert resource.last_updated is None or isinstance(resource.last_updated, int)
    items = []
    for placed in route(resources):
        found = faults(placed.resource)
        items.append(Item(placed.resource, "Hospital", placed.section, "current", "Dr. Reyes", 0, "", len(found)))
    assert not set(render(ChartView(tuple(items), 1_700_000_000_000, 7))) & {"\x00", "\x1b", "\u202e"}


def json_field(chance: random.Random, data: bytes) -> bytes:
    """One value of a JSON document changed, moved or removed; what it is not JSON, one byte."""
    try:
        value = json.loads(data, parse_float=Decimal)
    except ValueError:
        lines = data.split(b"\n")
        at = chance.randrange(len(lines))
        return b"\n".join((*lines[:at], json_field(chance, lines[at]), *lines[at + 1 :]))
    inner = [value]
    while isinstance(inner[-1], dict | list) and inner[-1] and (len(inner) < 3 or chance.random() < 0.85):
        last = inner[-1]
        inner.append(last[chance.choice(list(last) if isinstance(last, dict) else range(len(last)))])
    changed = _json_changed(chance, value, inner[1:])
    return json.dumps(changed, default=str, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def _json_changed(chance: random.Random, value: Any, inner: list[Any]) -> Any:
    """``value`` with the first of ``inner`` below it changed, or with the last of them where the way goes on."""
    if not inner:
        return chance.choice(_STRANGE)
    wanted, *rest = inner
    if isinstance(value, dict):
        key = next(key for key, held in value.items() if held is wanted)
        if not rest and chance.random() < 0.3:
            return {
                (chance.choice(("x", "id", "resourceType", "\x00", key)) if name == key else name): v for name, v in value.items()
            }
        return {**value, key: _json_changed(chance, wanted, rest)}
    at = next(index for index, held in enumerate(value) if held is wanted)
    if not rest and chance.random() < 0.3:
        return chance.choice((value[:at] + value[at + 1 :], [*value, wanted], value[::-1], [value]))
    return [*value[:at], _json_changed(chance, wanted, rest), *value[at + 1 :]]


_STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63, 10**30, "", " ", "x", [], {}, [None], [[]], [{}], {"x": []}, [1], ["x"], {"": ""}),
    *(
        "0000-00-00",
        "9999-12-31T23:59:60Z",
        "2024-02-30",
        "-1",
        "NaN",
        "\x00",
        "\x1b[2J",
        "\u202e",
        "\ud800",
        "<script>",
        "a" * 5000,
    ),
    *("Patient/p", "urn:uuid:x", "#", {"reference": "#"}, {"coding": [{"system": 1, "code": []}]}, {"value": "1"}, {"text": {}}),
)
