"""Who is there to ask, and what became of them: every relation to a record, in every state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hours_world import file
from probing.world import (
    DOCUMENTS,
    FROM_NOW_ON,
    GRANTED,
    HERS,
    OTHER_PATIENT,
    PATIENT,
    PRACTICE,
    ROBBED,
    STANDING,
    TAKEN,
    Actor,
    Builder,
    Care,
    Holding,
    K,
    Place,
    Scene,
    State,
    Wave,
    device,
    elsewhere,
    owning,
    record_of,
    vital_sign,
)
from salus.agent.own_schedules import desk_owner, pages_of
from salus.agent.own_sections import OwnSection, own_section
from salus.agent.services import (
    inbox,
    licensing,
    manifest,
    opening,
    ordering,
    pairing,
    people,
    prescribing,
    recovering,
    revoking,
    staffing,
)
from salus.charts.granting import Terms, root_warrant
from salus.exchange.cards import Duty, Role
from salus.exchange.schedules import SchedulePage
from salus.fhir.authoring import medication_request
from salus.fhir.laboratory import service_request
from salus.home_folder import read_genesis
from salus.ledger.genesis import LicenceRight, member_id
from salus.ledger.header import header_hash
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.sections.messages import Epoch
from salus.ledger.modules.sections.queries import entry
from salus.ledger.modules.sections.state import epoch_key
from salus.ledger.store import load
from salus.node.identity import Identity, own_member, read_node_seed
from salus.node.mailbox.letters import TABLES
from salus.node.tables import Tables
from salus.node.vault.receipts import ReceiptLog
from salus.warrants.checking import spans_of
from salus.warrants.link import Purpose, Right
from world import HOUR, Clock, World, beside, bundle, opened

S = State
#: What ends early is granted for an hour; half a day later everybody asks.
SHORT, LATER = 1, 13
BORN = "1980-01-31"
_TERMS = {
    S.GRANTED: 72,
    S.REVOKED: 72,
    S.SUSPENDED: 72,
    S.ENDED: 72,
    S.EXPIRED: SHORT,
}
READERS = {
    "snapshot reader": (S.GRANTED, S.EXPIRED, S.REVOKED, S.SUSPENDED, S.ENDED),
    "standing reader": (S.GRANTED, S.EXPIRED, S.REVOKED, S.SUSPENDED),
    "reader from now on": (S.GRANTED, S.EXPIRED, S.REVOKED),
}
AUTHORS = (S.GRANTED, S.EXPIRED, S.REVOKED, S.SUSPENDED)
LOCUMS = (S.DELEGATED, S.EXPIRED, S.REVOKED, S.REVOKED_ABOVE, S.SUSPENDED)
DEPUTIES = (S.DELEGATED, S.REVOKED, S.REVOKED_ABOVE)
STAFF = {
    "nurse": (Duty.NURSE, (S.DELEGATED, S.EXPIRED, S.DISMISSED, S.REVOKED_ABOVE, S.SUSPENDED)),
    "receptionist": (Duty.RECEPTION, (S.DELEGATED, S.DISMISSED)),
}


def called(role: str, state: State) -> str:
    """The name of whoever is in this role and state."""
    return f"{role}, {state}"


class Cast(Builder):
    """Everybody, in the order in which things happen."""

    def begin(self) -> None:
        """The patient with three devices, another patient, and a first wave."""
        for name in (PATIENT, OTHER_PATIENT, ROBBED):
            self.world.person(name)
        for label in ("tablet", "lost"):
            home = self.beside(label)
            paired = pairing.add_device(self.agent, PATIENT, label)
            pairing.join(home.agent, paired.text, paired.code)
        self.world.take_in(record_of("hers", OTHER_PATIENT), OTHER_PATIENT)
        self.world.take_in(bundle(vital_sign("stolen")), ROBBED)
        self.wave(Wave.BEFORE)

    def beside(self, label: str) -> World:
        """Another home on the same node."""
        self.homes[label] = self.stack.enter_context(beside(self.world, self.folder / label))
        return self.homes[label]

    def grant(self) -> None:
        """Everything that is given: by the patient, and passed on by who was given it."""
        for role, lasting in zip(READERS, (None, STANDING, FROM_NOW_ON), strict=True):
            for state in READERS[role]:
                given = {} if lasting is None else {"lasting": lasting}
                self.grants[called(role, state)] = self.give(self.physician(called(role, state)), hours=_TERMS[state], **given)
        for state in AUTHORS:
            name = self.physician(called("author", state))
            self.give(name, hours=_TERMS[state], sections=DOCUMENTS, rights=(Right.APPEND,))
        both = self.give(self.physician("reading author"), sections=DOCUMENTS, rights=(Right.READ, Right.APPEND))
        for name in ("relative", "stranger"):
            self.world.person(name)
        self.give("relative")
        people.add_person(self.agent, "unlicensed", Role.PHYSICIAN, cold_dir=self.folder / "cold")
        self.give("unlicensed")
        for state, hours in ((S.GRANTED, 72), (S.EXPIRED, SHORT), (S.REVOKED, 72)):
            lasting = {"lasting": STANDING} if state is S.GRANTED else {}
            self.grants[called(PRACTICE, state)] = self.give(PRACTICE, hours=hours, **lasting)
        self.give(self.physician("reader of before"), STANDING, sections=(K.VITALS,), patient=ROBBED)
        self.delegate()
        for author in (*(called("author", state) for state in AUTHORS), "reading author"):
            self.note(author)
        self.pass_on("reading author", both, self.physician("author's colleague"))

    def care(self) -> Care:
        """Hours that were published anew, and those of somebody who is suspended later; a prescription and an order."""
        name, colleague = called("standing reader", S.GRANTED), called("standing reader", S.SUSPENDED)
        former = self.page(name)
        ids = prescribing.issue(
            self.agent, name, OTHER_PATIENT, medication_request("canary-drug", "one", OTHER_PATIENT), prescribing.Terms(born=BORN)
        )
        terms = ordering.OrderTerms(cover=colleague, born=BORN)
        order = ordering.create(
            self.agent, name, OTHER_PATIENT, "reading author", service_request((), "canary-test", OTHER_PATIENT), terms
        )
        handles = bytes.fromhex(ids.prescription), bytes.fromhex(order.order)
        return Care(name, self.page(name, place="Bern"), former, self.page(colleague), *handles)

    def page(self, name: str, **changed: str) -> SchedulePage:
        """The first page of hours of that physician, as the practice publishes them."""
        info = opening.publish(self.agent, PRACTICE, file(name=f"hours of {name}", practitioner=name, horizon="10d", **changed))
        return pages_of(self.agent, desk_owner(self.agent, self.agent.wallet(PRACTICE)), bytes.fromhex(info.schedule))[0]

    def delegate(self) -> None:
        """To locums, and on to their deputies; and to staff, whose links end with the shift."""
        for state in LOCUMS:
            above = S.REVOKED if state is S.REVOKED_ABOVE else S.GRANTED
            hours = SHORT if state is S.EXPIRED else 72
            name = self.physician(called("locum", state))
            self.grants[name] = self.pass_on(PRACTICE, self.grants[called(PRACTICE, above)], name, hours)
        for state in DEPUTIES:
            above = S.REVOKED if state is S.REVOKED_ABOVE else S.DELEGATED
            name, holder = self.physician(called("deputy", state)), called("locum", above)
            self.grants[name] = self.pass_on(holder, self.grants[holder], name)
        for role, (duty, states) in STAFF.items():
            for state in states:
                self.world.person(called(role, state), Role.NURSE if duty is Duty.NURSE else Role.PATIENT)
                staffing.add_staff(self.agent, called(role, state), (duty,))
        self.links[called("nurse", S.EXPIRED)] = self.staff_links("nurse, expired", self.grants[called(PRACTICE, S.GRANTED)])

    def end(self) -> None:
        """A device is taken off, time passes, shifts begin, and whatever ends, ends; then a last wave."""
        manifest.sync(self.homes["lost"].agent, PATIENT)
        pairing.remove_device(self.agent, PATIENT, "lost")
        self.catch_up(Wave.BETWEEN)
        self.world.clock.now += LATER * HOUR
        self.world.node.engine.newest_header(fresh=True)
        for role, (_, states) in STAFF.items():
            for state in states:
                if state is not S.EXPIRED:
                    root = S.REVOKED if state is S.REVOKED_ABOVE else S.GRANTED
                    links = self.staff_links(called(role, state), self.grants[called(PRACTICE, root)])
                    self.links[called(role, state)] = links
        for role in READERS:
            revoking.revoke(self.agent, PATIENT, reader=called(role, S.REVOKED))
        revoking.revoke(self.agent, PATIENT, reader=called("author", S.REVOKED))
        revoking.revoke(self.agent, PATIENT, grant=self.grants[called(PRACTICE, S.REVOKED)])
        revoking.revoke(self.agent, PRACTICE, grant=self.grants[called("locum", S.REVOKED)])
        own = called("deputy", S.REVOKED)
        revoking.revoke(self.agent, called("locum", S.DELEGATED), grant=self.grants[own])
        for name in (called(role, S.DISMISSED) for role in STAFF):
            staffing.dismiss(self.agent, name)
        for role in ("snapshot reader", "standing reader", "author", "locum", "nurse"):
            licensing.set_licence(self.agent, called(role, S.SUSPENDED), LicenceStatus.SUSPENDED)
        licensing.set_licence(self.agent, called("snapshot reader", S.ENDED), LicenceStatus.ENDED)
        self.recover()
        self.wave(Wave.AFTER)
        for role, states in READERS.items():
            for state in states:
                inbox.collect(self.agent, called(role, state))
        inbox.collect(self.agent, PRACTICE)
        manifest.sync(self.homes["tablet"].agent, PATIENT)

    def recover(self) -> None:
        """Whose wallet was stolen takes everything over with the cold seed, and goes on."""
        home, cold = self.beside("anew"), people.read_cold((self.world.home / "cold" / f"{ROBBED}.cold").read_bytes())
        recovering.recover(home.agent, cold, cold_dir=home.home / "cold")
        home.take_in(bundle(vital_sign("anew")), ROBBED)

    def robbed(self) -> list[Actor]:
        """The thief with the wallet as it was, its owner with the new one, and who was granted something by the old one."""
        old, anew = self.agent.wallet(ROBBED), self.homes["anew"]
        reader = self.known("reader of before", "reader of before", S.HANDED_OVER, {})
        reader.holdings[TAKEN] = Holding(reader.key, self.warrants("reader of before")[K.VITALS])
        thief = owning(self.known(ROBBED, "thief", S.HANDED_OVER, {}), self.agent, old, (K.VITALS,), TAKEN)
        found = elsewhere(ROBBED, "recovered owner", S.OWN, anew, ROBBED)
        return [reader, thief, owning(found, anew.agent, anew.agent.wallet(ROBBED), (K.VITALS,), TAKEN)]

    def actors(self) -> list[Actor]:
        """Everybody as they are now."""
        patient = self.agent.wallet(PATIENT)
        found = [owning(self.known(PATIENT, "owner", S.OWN, {}), self.agent, patient, list(self.waves)[:-1])]
        found.append(device("tablet", "second device", S.OWN, self.homes["tablet"]))
        found.append(device("lost", "removed device", S.REMOVED, self.homes["lost"]))
        for role, states in (*READERS.items(), ("author", AUTHORS), ("locum", LOCUMS), ("deputy", DEPUTIES)):
            found += [self.known(called(role, s), role, s, self.warrants(called(role, s))) for s in states]
        for role, (_, states) in STAFF.items():
            found += [self.staff(role, state) for state in states]
        for name, state in (("unlicensed", S.GRANTED), ("relative", S.GRANTED), ("stranger", S.NONE)):
            found.append(self.known(name, name, state, self.warrants(name)))
        found.append(self.known("reading author", "reading author", S.GRANTED, self.warrants("reading author")))
        colleague = self.known("author's colleague", "author's colleague", S.DELEGATED, self.warrants("author's colleague"))
        colleague.written = self.notes["reading author"]
        return [*found, colleague, self.not_yet(), *self.organisations(), self.other_patient(), *self.robbed(), *self.operators()]

    def staff(self, role: str, state: State) -> Actor:
        """Staff, in the name of the practice."""
        found = self.known(called(role, state), role, state, self.links[called(role, state)])
        found.behalf = member_id(self.agent.wallet(PRACTICE).authority.public)
        return found

    def organisations(self) -> list[Actor]:
        """The practice by each of its grants; it is the owner of its own records besides."""
        found = []
        for state in (S.GRANTED, S.EXPIRED, S.REVOKED):
            held = self.by_grant(PRACTICE, self.grants[called(PRACTICE, state)])
            found.append(self.known(PRACTICE, "organisation", state, held))
        found[0] = owning(found[0], self.agent, self.agent.wallet(PRACTICE), (K.RECORDS,))
        return found

    def other_patient(self) -> Actor:
        """Who owns sections of the same kinds, and nothing of this patient's."""
        found = self.known(OTHER_PATIENT, "another patient", S.OWN, {})
        return owning(found, self.agent, self.agent.wallet(OTHER_PATIENT), (K.VITALS,), HERS)

    def operators(self) -> list[Actor]:
        """Who runs the node, with its key and all that its folder holds; and with the member's authority."""
        seed = read_node_seed(self.world.home / "node" / "node.key")
        node, member = self.identity().key, self.agent.wallet(PRACTICE)
        return [
            Actor("operator", "operator", S.NONE, node, member.mailbox, keys={seed}),
            Actor("authority", "authority", S.NONE, member.authority, member.mailbox, keys={seed}),
        ]

    def not_yet(self) -> Actor:
        """A warrant of the patient's that begins in an hour."""
        found = self.known("snapshot reader, not yet", "snapshot reader", S.NOT_YET, {})
        now = self.world.clock.now
        for kind in GRANTED:
            section = self.section(kind)
            terms = Terms(found.key.public, (Right.READ,), (Purpose.TREAT,), now + HOUR, now + 2 * HOUR, LicenceRight.TREAT)
            numbers = spans_of(self.waves[kind][Wave.BEFORE])
            signed = (section.keys.owner, self.agent.network_id, section.identity, terms, numbers)
            found.holdings[kind] = Holding(found.key, root_warrant(*signed, section.receipt_key, bytes(32)))
        return found

    def identity(self) -> Identity:
        """Of the node."""
        node, genesis = self.world.home / "node", read_genesis(self.world.home)
        return Identity(genesis, own_member(genesis, node), read_node_seed(node / "node.key"))

    def places(self) -> list[Place]:
        """Every section of this world that is asked for."""
        named: list[tuple[str, OwnSection, dict[Wave, tuple[int, ...]]]] = [
            (kind.value, self.section(kind), self.waves[kind]) for kind in K
        ]
        hers = own_section(self.agent, self.agent.wallet(OTHER_PATIENT), K.VITALS)
        named.append((HERS, hers, {Wave.BEFORE: (0,)}))
        anew = self.homes["anew"].agent
        named.append((TAKEN, own_section(anew, anew.wallet(ROBBED), K.VITALS), {Wave.BEFORE: (0,), Wave.AFTER: (1,)}))
        return [self.place(*one) for one in named]

    def place(self, name: str, one: OwnSection, waves: dict[Wave, tuple[int, ...]]) -> Place:
        """The section, with its sealed blobs as they lie in the vault."""
        state, held = self.world.node.engine.state, self.world.node.blobs
        entries = {number: entry(state, one.identity, number) for number in range(one.count)}
        blobs = {number: held.get(found.blob) or b"" for number, found in entries.items()}
        epochs = [load(state, epoch_key(one.identity, number), Epoch) for number in range(one.schedule[-1].number + 1)]
        return Place(
            name,
            one.identity,
            one.keys.owner,
            waves,
            blobs,
            {number: found.epoch for number, found in entries.items()},
            tuple(held.get(epoch.package) or b"" for epoch in epochs if epoch is not None),
            held.get(one.epoch.package) or b"",
            one.epoch.number,
            one.schedule,
        )

    def block(self, height: int | None) -> tuple[int, bytes]:
        """Height and hash of a block."""
        header = self.world.node.header(height).header
        return header.height, header_hash(header)


@contextmanager
def stage(folder: Path) -> Iterator[Cast]:
    """A home to make the world in."""
    with ExitStack() as stack:
        world = stack.enter_context(opened(folder / "home", Clock()))
        yield Cast(folder, world, stack)


def play(folder: Path) -> Scene:
    """The whole world, made once; its node is stopped then."""
    with stage(folder) as cast:
        cast.begin()
        cast.world.person("snapshot reader, not yet", Role.PHYSICIAN)
        cast.grant()
        care = cast.care()
        cast.wave(Wave.BETWEEN)
        cast.end()
        actors, places = cast.actors(), cast.places()
        identity, time = cast.identity(), cast.world.clock.now
        blocks = cast.block(None), cast.block(1)
    node = folder / "home" / "node"
    return Scene(node, identity, time, actors, places, letters_in(node), receipts_in(node, places), *blocks, care)


def letters_in(node: Path) -> dict[bytes, bytes]:
    """The first letter in each mailbox, sealed."""
    tables = Tables(node / "mailbox", TABLES, reading=True)
    found = dict[bytes, bytes]()
    for at, kept in tables.range("letters", b"", b"\xff" * 40, 10_000):
        found.setdefault(at[:32], kept[1:])
    tables.close()
    return found


def receipts_in(node: Path, places: Sequence[Place]) -> dict[bytes, bytes]:
    """The first receipt of each section, sealed."""
    log = ReceiptLog(node / "vault" / "receipts", reading=True)
    found = {place.section: receipt.sealed for place in places for receipt in log.since(place.section, 0, 1)}
    log.close()
    return found
