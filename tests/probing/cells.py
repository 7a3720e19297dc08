"""The matrix: role x section x right x relation x state, each cell one request, with what must come of it.

A cell that must be refused has twins: the same request for what is not there. Their answers must be the same, byte for byte and
header by header, or the refusal would tell that something is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from dataclasses import replace as changed_data
from random import Random

from msgspec.structs import replace

from probing import model
from probing.asking import Ask, Asks
from probing.relations import ABSENT, NOWHERE, OTHER, RELATIONS, TARGETS, WITHOUT, Reading, Relation, nonce
from probing.world import Actor, Holding, Place, Scene, State
from salus.codec import Record, encode
from salus.crypto.hashing import sha256, tagged
from salus.crypto.signing import SigningKey
from salus.exchange.api import StatesRequest, Submission
from salus.exchange.envelopes import Drop
from salus.exchange.peering import Peer, PeerAsk, sign_ask
from salus.exchange.posting import mailbox_id, sign_claim, sign_collect
from salus.exchange.references import sign_deposit
from salus.exchange.schedules import SchedulePage, SlotSearch, root_of
from salus.ledger.genesis import network_id
from salus.ledger.modules.orders.messages import CancelOrder
from salus.ledger.modules.prescriptions.messages import StopPrescription
from salus.ledger.modules.scheduling.messages import PublishSlots
from salus.ledger.modules.sections.messages import AdmitWriter, AppendEntry, Entomb, Rotate
from salus.ledger.modules.sections.state import entry_key, epoch_key, schedule_hash, section_key, writer_key
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash
from salus.warrants.holding import sign_owner
from salus.warrants.requests import OwnerRequest

UNSIGNED = "crypto/bad-signature"
AS_IT_IS, AGAIN, FORGED = "as it is", "sent again", "a warrant that one wrote oneself"
LOOK, READ, RECEIPTS, PEERS = "look", "read", "receipts", "ask as a member"
COLLECT, CLAIM, CARD, DROP = "collect letters", "claim the mailbox", "leave a card", "leave a letter"
PAGE, KEEP, SEARCH, TREAT = "read a page", "keep a page", "search for slots", "act in a physician's name"
APPEND, ADMIT, ENTOMB, ROTATE = "append", "admit a writer", "erase", "rotate"


@dataclass(frozen=True)
class Cell:
    """``shown``: the sealed bytes that come where it is allowed, and must not come anywhere else.

    ``code``: with which it is refused, where it has no twins.
    """

    role: str
    state: State
    place: str
    right: str
    relation: str
    allowed: bool
    ask: Ask
    shown: tuple[bytes, ...] = ()
    twins: tuple[Ask, ...] = field(default=(), repr=False)
    code: str = ""


class Matrix:
    """All cells of a scene, in the order in which they are asked: what changes something comes last."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.network = scene, network_id(scene.identity.genesis)
        self._elsewhere: dict[tuple[str, str, str], Record] = {}

    def cells(self, share: int = 1) -> list[Cell]:
        """All of them; or every reading as it should be, and about one in ``share`` of the others, always the same."""
        chance = Random(share)
        return [cell for cell in self._cells() if (cell.right, cell.relation) == (READ, AS_IT_IS) or chance.random() < 1 / share]

    def _cells(self) -> list[Cell]:
        reads = [cell for actor in self.scene.actors for place in self.scene.places for cell in self.reads(actor, place)]
        again = [self._again(cell) for cell in reads if cell.allowed]
        rest = [
            cell
            for right in (self.receipts, self.peers, self.appends, self.changes)
            for actor in self.scene.actors
            for place in self.scene.places
            for cell in right(actor, place)
        ]
        post = [cell for actor in self.scene.actors for cell in self.post(actor)]
        acts = [cell for actor in self.scene.actors for cell in self.acts(actor)]
        return [*self.looks(), *self.pages(), *reads, *again, *post, *rest, *acts]

    def asks(self, asks: list[Ask]) -> Asks:
        """These requests, for this scene's node."""
        identity = self.scene.identity
        return Asks(encode(identity.genesis), identity.member, identity.seed, self.scene.time, asks)

    def looks(self) -> Iterator[Cell]:
        """What the node tells everybody: the ledger's state by key, where whoever knows a section's id finds that it is there."""
        stranger = self.scene.actor("stranger", State.NONE)
        for place in self.scene.places:
            keys = [section_key(place.section), entry_key(place.section, 0), epoch_key(place.section, place.epoch)]
            body = StatesRequest((*keys, writer_key(place.section, stranger.key.public)))
            yield Cell("stranger", State.NONE, place.name, LOOK, "by its id", True, _post("/v1/states", body))
        for path in ("health", "ready", "status", "genesis", "headers/newest", "headers/1", "metrics", "openapi.json"):
            yield Cell("stranger", State.NONE, "the node", LOOK, path, True, Ask("GET", f"/v1/{path}", b""))

    def pages(self) -> Iterator[Cell]:
        """Pages are public, and whoever has one may bring it: what does not stand is kept by nobody, and shown by nobody."""
        care = self.scene.care
        page, slot = encode(care.page), encode(care.page.slots[-1])

        def cell(right: str, relation: str, ask: Ask, *, allowed: bool = False, code: str = "", shown: bytes = b"") -> Cell:
            there = (shown,) if shown else ()
            return Cell("stranger", State.NONE, "a schedule", right, relation, allowed, ask, there, (), code)

        yield cell(PAGE, AS_IT_IS, _get(root_of(care.page)), allowed=True, shown=page)
        for relation, root in (("a former page", root_of(care.former)), ("a page that is none", ABSENT)):
            yield changed_data(cell(PAGE, relation, _get(root), shown=page), twins=(_get(OTHER),))
        yield cell(SEARCH, AS_IT_IS, _post("/v1/pages/search", self._search(care.page)), allowed=True, shown=slot)
        yield cell(KEEP, AS_IT_IS, _post("/v1/pages", care.page, "PUT"), allowed=True)
        cut, about = replace(care.page, slots=care.page.slots[1:]), care.page.about
        for relation, wrong, code in (
            ("a former page", care.former, "node/page-not-anchored"),
            ("with a slot left out", cut, "node/page-not-anchored"),
            ("of a suspended licence", care.suspended, "node/schedule-unlicensed"),
            ("changed after signing", replace(cut, about=replace(about, about=replace(about.about, place="x"))), UNSIGNED),
            ("under another's description", replace(cut, about=replace(about, about=care.suspended.about.about)), UNSIGNED),
        ):
            yield cell(KEEP, relation, _post("/v1/pages", wrong, "PUT"), code=code)

    def _search(self, page: SchedulePage) -> SlotSearch:
        last = page.slots[-1].start
        return SlotSearch((), (), None, (), None, 0, page.about.about.schedule, last, last + 1, 1)

    def acts(self, actor: Actor) -> Iterator[Cell]:
        """What a practice and whoever prescribes and orders alone do. What can be done once only, one of the others tries."""
        care = self.scene.care
        if actor.name == care.prescriber:
            return
        page = care.page
        actions: dict[str, Action] = {
            "close the hours": PublishSlots(page.about.about.schedule, page.begins, page.ends, ABSENT, 0)
        }
        if actor.role == "stranger":
            actions["stop the prescription"] = StopPrescription(care.prescription)
        if actor.role == "another patient":  # whose both of them are
            actions["cancel the order"] = CancelOrder(care.order)
        for relation, action in actions.items():
            ask = self._submission(action, actor.key)
            yield Cell(actor.role, actor.state, "care", TREAT, relation, False, ask)

    def reads(self, actor: Actor, place: Place) -> Iterator[Cell]:
        """By what the actor holds of the section, every entry and key package; and in every wrong way one that it could have."""
        held = actor.holdings.get(place.name)
        if held is None:
            yield from self._without(actor, place)
            return
        for target in TARGETS:
            reading = self._reading(actor, place, held, target)
            if reading is None:
                continue
            allowed = model.serves(actor.role, actor.state, place.name, target)
            told = model.told(actor.role, actor.state, target)
            twins = () if allowed or told else (reading.nowhere().signed(),)
            cell = self._read(reading, AS_IT_IS, reading.signed(), twins, allowed=allowed)
            yield changed_data(cell, code="warrants/not-covered") if told and not allowed else cell
        target = next(one for one in TARGETS if self._could(actor, place, one))
        reading = self._reading(actor, place, held, target)
        assert reading is not None
        for name, relation in RELATIONS.items():
            if not self._can_try(reading, relation):
                continue
            yield self._read(reading, name, relation.ask(reading), self._twins(reading, name, relation))

    def _twins(self, reading: Reading, name: str, relation: Relation) -> tuple[Record, ...]:
        """The same for an entry that is not there; and, while chain and proof do not check, in a section that is not.

        The latter is the same for all sections: all cells of this actor and relation have that one twin in common.
        """
        nowhere = relation.ask(reading.nowhere())
        if relation.proven:
            return (nowhere,)
        shared = (reading.actor.name, reading.actor.state, name)
        if shared not in self._elsewhere:
            self._elsewhere[shared] = relation.ask(reading.elsewhere())
        return (nowhere, self._elsewhere[shared])

    def _can_try(self, reading: Reading, relation: Relation) -> bool:
        if relation.asks_licence and reading.last.licence is None:
            return False
        if relation.has_others and len(reading.actor.holdings) < 2:
            return False
        actor = reading.actor
        return not (relation.no_owner and model.owns(actor.role, actor.state, reading.place.name))

    def _could(self, actor: Actor, place: Place, target: str) -> bool:
        """Whether the actor would be served it, were it in a live state."""
        there = target == model.PACKAGE or place.number(target, actor) is not None
        return there and (model.serves(actor.role, State.GRANTED, place.name, target) or actor.role not in model.SERVED)

    def _without(self, actor: Actor, place: Place) -> Iterator[Cell]:
        """The actor holds nothing here: it tries what others hold, what it wrote itself, and what it holds elsewhere."""
        owner = Holding(actor.key, self._holder_of(place).warrant)
        first = next(target for target in TARGETS if self._reading(actor, place, owner, target) is not None)
        for target in TARGETS:
            reading = self._reading(actor, place, owner, target)
            if reading is None:
                continue
            for name, relation in WITHOUT.items():
                if name != FORGED and (target != first or (relation.has_others and not actor.holdings)):
                    continue
                yield self._read(reading, name, relation.ask(reading), self._twins(reading, name, relation))

    def _holder_of(self, place: Place) -> Holding:
        """Whoever is served in this section."""
        return next(
            actor.holdings[place.name]
            for actor in reversed(self.scene.actors)
            if place.name in actor.holdings and actor.state in model.LIVE
        )

    def _reading(self, actor: Actor, place: Place, held: Holding, target: str) -> Reading | None:
        if target == model.PACKAGE:
            return Reading(self.scene, actor, place, held, (), (place.epoch,))
        number = place.number(target, actor)
        return None if number is None else Reading(self.scene, actor, place, held, (number,))

    def _read(self, reading: Reading, relation: str, ask: Record, twins: tuple[Record, ...], *, allowed: bool = False) -> Cell:
        shown = tuple(reading.place.blobs[number] for number in reading.entries) or (reading.place.package,)
        asks = [_post("/v1/entries", one) for one in (ask, *twins)]
        actor = reading.actor
        return Cell(actor.role, actor.state, reading.place.name, READ, relation, allowed, asks[0], shown, tuple(asks[1:]))

    def _again(self, cell: Cell) -> Cell:
        """The same bytes once more, by whoever has overheard them."""
        return Cell(cell.role, cell.state, cell.place, READ, AGAIN, False, cell.ask, cell.shown, code="warrants/replayed")

    def receipts(self, actor: Actor, place: Place) -> Iterator[Cell]:
        """Who read what: for the section's owner. Its twin asks from an index on at which there are none."""
        key = actor.owners.get(place.name, actor.key)
        height, block = self.scene.oldest
        wrong = {"another network": {"network": OTHER}, "a block too old": {"height": height, "block": block}}
        for relation, changed in ({AS_IT_IS: {}} | (wrong if place.name in actor.owners else {})).items():
            allowed = relation == AS_IT_IS and model.owns(actor.role, actor.state, place.name)
            first, twin = (
                replace(
                    OwnerRequest(self.network, self.scene.member, place.section, first, nonce(), *self.scene.newest), **changed
                )
                for first in (0, NOWHERE)
            )
            twins = () if allowed else (_post("/v1/receipts", sign_owner(key, twin)),)
            ask = _post("/v1/receipts", sign_owner(key, first))
            yield Cell(actor.role, actor.state, place.name, RECEIPTS, relation, allowed, ask, (), twins)

    def peers(self, actor: Actor, place: Place) -> Iterator[Cell]:
        """Sealed blobs by their hash: for members' nodes."""
        blob = place.blobs[max(place.blobs)]
        asks = [
            _post(
                "/v1/peers",
                sign_ask(
                    actor.key,
                    PeerAsk(
                        self.network,
                        Peer(self.scene.member, ""),
                        self.scene.member,
                        0,
                        0,
                        (wanted,),
                        (),
                        self.scene.time,
                        bytes(64),
                    ),
                ),
            )
            for wanted in (sha256(blob), ABSENT)
        ]
        allowed = actor.role == "operator"
        yield Cell(actor.role, actor.state, place.name, PEERS, AS_IT_IS, allowed, asks[0], (blob,), () if allowed else (asks[1],))

    def post(self, actor: Actor) -> Iterator[Cell]:
        """In others' mailboxes: reading, taking over, leaving a card, leaving a letter without the token."""
        for other in self.scene.actors:
            if other.role not in ("owner", "organisation", "standing reader", "nurse", "author") or other.state not in model.LIVE:
                continue
            allowed = actor.mailbox.public == other.mailbox.public
            for right, make in ((COLLECT, self._collect), (CLAIM, self._claim), (CARD, self._deposit)):
                ask, twin = (make(actor.mailbox, owner) for owner in (other.mailbox.public, SigningKey(ABSENT).public))
                yield self._mail(actor, other, right, ask, () if allowed else (twin,), allowed=allowed)
            boxes = (mailbox_id(other.mailbox.public), ABSENT)
            ask, twin = (_post("/v1/mailboxes/letters", Drop(self.scene.member, box, bytes(16), nonce())) for box in boxes)
            yield self._mail(actor, other, DROP, ask, (twin,), allowed=False)

    def _mail(self, actor: Actor, other: Actor, right: str, ask: Ask, twins: tuple[Ask, ...], *, allowed: bool) -> Cell:
        relation = AS_IT_IS if allowed else "without the token" if right == DROP else "in another's name"
        return Cell(actor.role, actor.state, f"mailbox of {other.role}", right, relation, allowed, ask, (), twins)

    def _collect(self, key: SigningKey, owner: bytes) -> Ask:
        signed = sign_collect(key, self.network, self.scene.member, 0, 0, nonce(), self.scene.time)
        return _post("/v1/mailboxes/collect", replace(signed, owner=owner))

    def _claim(self, key: SigningKey, owner: bytes) -> Ask:
        signed = sign_claim(key, self.network, self.scene.member, tagged("test/probe", key.public)[:16], 1)
        return _post("/v1/mailboxes", replace(signed, owner=owner), "PUT")

    def _deposit(self, key: SigningKey, owner: bytes) -> Ask:
        signed = sign_deposit(key, self.network, self.scene.member, 1, nonce())
        return _post("/v1/cards", replace(signed, owner=owner), "PUT")

    def appends(self, actor: Actor, place: Place) -> Iterator[Cell]:
        """An entry by one's own pen, and in the owner's name."""
        pen = actor.owners.get(place.name) or actor.pens.get(place.name) or actor.key
        allowed = model.appends(actor.role, actor.state, place.name)
        for relation, writer in ((AS_IT_IS, pen.public), ("in the owner's name", place.owner.public)):
            if relation == AS_IT_IS or pen.public != writer:
                blob = nonce()
                action = AppendEntry(place.section, place.epoch, writer, sha256(blob), len(blob))
                ask = self._submission(action, pen, blob)
                yield Cell(actor.role, actor.state, place.name, APPEND, relation, allowed and relation == AS_IT_IS, ask)

    def changes(self, actor: Actor, place: Place) -> Iterator[Cell]:
        """What only owners do to a section: nobody else is let. What can be done once only, one of them tries, so that it can
        happen where nothing is checked."""
        if model.owns(actor.role, actor.state, place.name):
            return
        key = actor.pens.get(place.name, actor.key)
        writer = SigningKey(tagged("test/probe", nonce())).public
        actions: dict[str, Action] = {ADMIT: AdmitWriter(place.section, writer, 1, 1, self.scene.time + 60_000)}
        if actor.role == "stranger":
            actions[ENTOMB] = Entomb(place.section, max(place.blobs))
        if actor.role == "operator":
            actions[ROTATE] = Rotate(place.section, schedule_hash(place.schedule), place.begun)
        for right, action in actions.items():
            yield Cell(actor.role, actor.state, place.name, right, AS_IT_IS, False, self._submission(action, key))

    def _submission(self, action: Action, key: SigningKey, *blobs: bytes) -> Ask:
        body = Body(self.network, self.scene.time + 60_000, nonce(), self.scene.member, (action,))
        signature = Signature(key.public, key.sign(SIGNATURE_TAG, body_hash(body)))
        return _post("/v1/transactions", Submission(encode(Transaction(body, (signature,))), blobs))


def _get(root: bytes) -> Ask:
    return Ask("GET", f"/v1/pages/{root.hex()}", b"")


def _post(path: str, body: Record, method: str = "POST") -> Ask:
    return Ask(method, path, encode(body))
