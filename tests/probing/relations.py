"""How a reading request can be wrong: each relation makes one that differs from a good one in a single thing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed_data

from msgspec.structs import replace

from probing.model import PACKAGE
from probing.world import Actor, Holding, Place, Scene, State
from salus.crypto.hashing import tagged
from salus.ledger.genesis import network_id
from salus.warrants.checking import NOBODY, OPEN_END, link_hash, sign_link, warrant_id
from salus.warrants.holding import sign_read
from salus.warrants.link import MAX_LINKS, Link, Purpose, SignedLink, Span, Warrant
from salus.warrants.requests import ReadRequest, SignedRead

ABSENT, OTHER = tagged("test/probe", b"absent"), tagged("test/probe", b"other")  # a section that is not; a network, or a vault
NOWHERE = 4_000_000  # the number of an entry, or of an epoch, that is not

_nonces = itertools.count(1)


def nonce() -> bytes:
    """16 bytes that no other request has."""
    return next(_nonces).to_bytes(16, "big")


@dataclass(frozen=True)
class Reading:
    """A reading to be asked for: by whom, of which section, by what, and of which entries or key packages."""

    scene: Scene
    actor: Actor
    place: Place
    holding: Holding
    entries: tuple[int, ...]
    packages: tuple[int, ...] = ()

    @property
    def last(self) -> Link:
        """What the warrant says in the end."""
        return self.holding.warrant.links[-1].link

    def request(self, **changed: object) -> ReadRequest:
        """The request as it should be, but for what is ``changed``."""
        good = ReadRequest(
            network_id(self.scene.identity.genesis),
            self.scene.member,
            warrant_id(self.holding.warrant),
            self.place.section,
            self.entries,
            self.packages,
            self.last.purposes[0],
            self.actor.licence,
            self.actor.behalf,
            nonce(),
            *self.scene.newest,
        )
        return replace(good, **changed)

    def signed(self, **changed: object) -> SignedRead:
        """The same, signed by whoever asks."""
        return sign_read(self.holding.key, self.request(**changed), self.holding.warrant)

    def by(self, warrant: Warrant) -> SignedRead:
        """Asked by another warrant."""
        return changed_data(self, holding=Holding(self.holding.key, warrant)).signed()

    def elsewhere(self) -> Reading:
        """The same of a section that is not there, by a warrant that one wrote for it."""
        link = replace(self.holding.warrant.links[0].link, section=ABSENT, previous=ABSENT, holder=self.holding.key.public)
        holding = Holding(self.holding.key, Warrant((sign_link(self.holding.key, link),)))
        return changed_data(self, place=changed_data(self.place, section=ABSENT), holding=holding)

    def nowhere(self) -> Reading:
        """The same of an entry, or of a key package, that is not there."""
        if self.packages:
            return changed_data(self, packages=(NOWHERE,))
        return changed_data(self, entries=(NOWHERE,))


def _of_another_network(asked: Reading) -> SignedRead:
    root = asked.holding.warrant.links[0].link
    abroad = sign_link(asked.place.owner, replace(root, network=OTHER))
    return asked.by(Warrant((abroad, *asked.holding.warrant.links[1:])))


def _of_another_section(asked: Reading) -> SignedRead:
    others = [held for name, held in asked.actor.holdings.items() if name != asked.place.name]
    return asked.by(others[0].warrant)


def _renamed(asked: Reading) -> SignedRead:
    others = [held for name, held in asked.actor.holdings.items() if name != asked.place.name]
    links = others[0].warrant.links
    moved = replace(links[0], link=replace(links[0].link, section=asked.place.section, previous=asked.place.section))
    return asked.by(Warrant((moved, *links[1:])))


def _changed_after_signing(**changed: object) -> Callable[[Reading], SignedRead]:
    def ask(asked: Reading) -> SignedRead:
        signed = asked.signed()
        return replace(signed, request=replace(signed.request, **changed))

    return ask


def _entries_after_signing(asked: Reading) -> SignedRead:
    signed = changed_data(asked, entries=(), packages=()).signed()
    return replace(signed, request=replace(signed.request, entries=asked.entries, packages=asked.packages))


def _widened(asked: Reading) -> SignedRead:
    *before, last = asked.holding.warrant.links
    wider = replace(last, link=replace(last.link, entries=(Span(0, OPEN_END - 1),)))  # which nobody was given
    return asked.by(Warrant((*before, wider)))


def _prolonged(asked: Reading) -> SignedRead:
    *before, last = asked.holding.warrant.links
    longer = replace(last, link=replace(last.link, not_before=last.link.not_before - 1, not_after=last.link.not_after + 1))
    return asked.by(Warrant((*before, longer)))


def _by_a_stranger(asked: Reading) -> SignedRead:
    stranger = asked.scene.actor("stranger", State.NONE)
    return sign_read(stranger.key, asked.request(), asked.holding.warrant)


def _passed_on_by_a_stranger(asked: Reading) -> SignedRead:
    stranger = asked.scene.actor("stranger", State.NONE)
    links = asked.holding.warrant.links[: MAX_LINKS - 1]
    last = links[-1].link
    more = replace(last, previous=link_hash(last), holder=asked.holding.key.public, receipt_key=b"", delegate=b"")
    return asked.by(Warrant((*links, sign_link(stranger.key, more))))


def written(asked: Reading) -> Warrant:
    """A warrant that whoever asks wrote and signed, over everything."""
    root = replace(
        asked.holding.warrant.links[0].link,
        section=asked.place.section,
        previous=asked.place.section,
        holder=asked.holding.key.public,
        entries=(Span(0, OPEN_END),),
    )
    return Warrant((sign_link(asked.holding.key, root),))


def _under_another_root(asked: Reading) -> SignedRead:
    """The chain's own links below a root that one wrote oneself; a root alone, as if it followed something."""
    root, *below = asked.holding.warrant.links
    if below:
        return asked.by(Warrant((sign_link(asked.holding.key, root.link), *below)))
    return asked.by(Warrant((SignedLink(replace(root.link, previous=OTHER), root.signature),)))


@dataclass(frozen=True)
class Relation:
    """``proven``: chain and proof check, so that it is refused for what comes after, and the refusal may say so."""

    ask: Callable[[Reading], SignedRead]
    proven: bool = False
    asks_licence: bool = False  # it can be tried where the warrant asks for a licence only
    has_others: bool = False  # it can be tried by whoever holds something of another section only
    no_owner: bool = False  # an owner may do that


def _stranger_licence(asked: Reading) -> SignedRead:
    """Another's licence, which is active and gives all rights."""
    role = "standing reader" if asked.actor.role == "snapshot reader" else "snapshot reader"
    return asked.signed(licence=asked.scene.actor(role, State.GRANTED).licence)


#: Each is wrong in one thing, whatever the state.
RELATIONS: dict[str, Relation] = {
    "another network": Relation(lambda asked: asked.signed(network=OTHER)),
    "another vault": Relation(lambda asked: asked.signed(vault=OTHER)),
    "a warrant of another network": Relation(_of_another_network),
    "a warrant of another section": Relation(_of_another_section, has_others=True),
    "a warrant of another section, renamed": Relation(_renamed, has_others=True),
    "a warrant that one wrote oneself": Relation(lambda asked: asked.by(written(asked)), no_owner=True),
    "purpose changed after signing": Relation(_changed_after_signing(purpose=Purpose.HRESCH)),
    "licence changed after signing": Relation(_changed_after_signing(licence=OTHER)),
    "entries changed after signing": Relation(_entries_after_signing),
    "spans widened after signing": Relation(_widened),
    "prolonged after signing": Relation(_prolonged),
    "signed by a stranger": Relation(_by_a_stranger),
    "passed on by a stranger": Relation(_passed_on_by_a_stranger),
    "under another root": Relation(_under_another_root),
    "a purpose that is not allowed": Relation(lambda asked: asked.signed(purpose=Purpose.HRESCH), proven=True),
    "a block too old": Relation(
        lambda asked: asked.signed(height=asked.scene.oldest[0], block=asked.scene.oldest[1]), proven=True
    ),
    "a block to come": Relation(lambda asked: asked.signed(height=asked.scene.newest[0] + 1_000), proven=True),
    "another block's hash": Relation(lambda asked: asked.signed(block=asked.scene.oldest[1]), proven=True),
    "another's licence": Relation(_stranger_licence, proven=True, asks_licence=True),
    "no licence": Relation(lambda asked: asked.signed(licence=NOBODY), proven=True, asks_licence=True),
}
#: Who holds nothing of a section can try these.
WITHOUT = {
    "a warrant that one wrote oneself": RELATIONS["a warrant that one wrote oneself"],
    "a stolen warrant": Relation(lambda asked: asked.signed()),
    "a warrant of another section": RELATIONS["a warrant of another section"],
    "a warrant of another section, renamed": RELATIONS["a warrant of another section, renamed"],
}
TARGETS = ("before", "between", "after", "written", PACKAGE)
