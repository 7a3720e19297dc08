"""The page of a schedule: who sees people where, and all slots of one month. Public; the ledger has the root over all of it.

The root stands over each slot and, as its last item, over the hash of what the page is about. So a slot is shown by its path, a
description that another one has replaced proves nothing, and whoever has the page knows that it is whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.codec import Record, encode
from salus.crypto.hashing import tagged
from salus.crypto.signing import HybridKey, HybridSignature, require_hybrid
from salus.errors import WarrantRefused
from salus.exchange.carding import require_card, require_showable
from salus.exchange.cards import Role, SignedCard
from salus.exchange.listings import Language, Languages, Place, Specialties, Telecoms, text_words
from salus.ids import Bytes32, Count, Hash
from salus.ledger.listtree import list_proof, list_root, require_in_list
from salus.ledger.modules.scheduling.messages import MOST_ON_PAGE, Kind, ShownSlot, Slot

ABOUT_TAG = "salus/schedule-about/1"
MAX_PAGE = 262_144
MOST_FOUND = 50
_DEGREE = 1_000_000
_EARTH = 6_371_009  # metres: the mean radius of IUGG

Text = Annotated[str, msgspec.Meta(max_length=128)]
Zone = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z0-9_+\-]{1,32}(/[A-Za-z0-9_+\-]{1,32}){0,2}\Z")]
Words = Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=128)], ...], msgspec.Meta(max_length=8)]
Path = Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=12)]


class Spot(Record, frozen=True, tag="spot"):
    """A place on earth (WGS 84), in millionths of a degree."""

    latitude: Annotated[int, msgspec.Meta(ge=-90 * _DEGREE, le=90 * _DEGREE)]
    longitude: Annotated[int, msgspec.Meta(ge=-180 * _DEGREE, le=180 * _DEGREE)]


class About(Record, frozen=True, tag="schedule-about-1"):
    """Whose schedule it is: ``card`` is of the holder of ``licence``, under which the ledger has the schedule.

    ``service`` and ``organisation`` are names as people read them; ``zone`` is of the IANA database.
    """

    network: Bytes32
    schedule: Bytes32
    card: SignedCard
    licence: Bytes32
    service: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    organisation: Text
    specialties: Specialties
    languages: Languages
    telecom: Telecoms
    place: Place
    spot: Spot | None
    zone: Zone


class SignedAbout(Record, frozen=True, tag="signed-about"):
    """What a schedule is about, signed by the key of its card."""

    about: About
    signature: HybridSignature


class SchedulePage(Record, frozen=True, tag="schedule-page-1"):
    """All slots that start from ``begins`` up to but without ``ends`` (ms), in order."""

    about: SignedAbout
    begins: Count
    ends: Count
    slots: Annotated[tuple[Slot, ...], msgspec.Meta(max_length=MOST_ON_PAGE - 1)]


class SlotSearch(Record, frozen=True, tag="slot-search"):
    """The first ``limit`` slots from ``begins`` up to but without ``ends`` (ms) that have a seat free, and of which all is so.

    Each of ``words`` begins one of the specialties', of the service's or of the names'; each of ``place`` one of the place's.
    ``metres``: no further from ``near``. ``schedule``: this one alone.
    """

    words: Words
    place: Words
    language: Language | None
    kinds: Annotated[tuple[Kind, ...], msgspec.Meta(max_length=4)]
    near: Spot | None
    metres: Count
    schedule: Bytes32 | None
    begins: Count
    ends: Count
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_FOUND)]


class FoundSlot(Record, frozen=True, tag="found-slot"):
    """A slot, and where in the answer the ``about`` stands that is, by ``path``, the last of its page's ``count`` items."""

    shown: ShownSlot
    about: Annotated[int, msgspec.Meta(ge=0, lt=MOST_FOUND)]
    count: Annotated[int, msgspec.Meta(ge=1, le=MOST_ON_PAGE)]
    path: Path


class FoundSlots(Record, frozen=True, tag="found-slots"):
    """What was found, by start; ``more``: it was not looked any further, though there may be others."""

    abouts: Annotated[tuple[SignedAbout, ...], msgspec.Meta(max_length=MOST_FOUND)]
    slots: Annotated[tuple[FoundSlot, ...], msgspec.Meta(max_length=MOST_FOUND)]
    more: bool


def sign_about(key: HybridKey, about: About) -> SignedAbout:
    """What a schedule is about, signed by the key of its card."""
    return SignedAbout(about, key.sign(ABOUT_TAG, encode(about)))


def require_about(signed: SignedAbout, network: bytes) -> About:
    """What it says; raises unless it and its card are for this network, signed by the card's key, and fit to be shown.

    Codes besides those of `require_card`: ``wrong-network``, ``patient-listed``, ``token-listed``, ``bad-listing-text``.
    """
    about = signed.about
    if about.network != network:
        raise WarrantRefused("wrong-network", "the schedule is of another network")
    card = require_card(about.card, network)
    require_hybrid(card.key, ABOUT_TAG, encode(about), signed.signature)
    if card.role is Role.PATIENT:
        raise WarrantRefused("patient-listed", "a patient has no schedule")
    if card.token is not None:
        raise WarrantRefused("token-listed", "a schedule would publish the token of its mailbox")
    for text in filter(None, (about.service, about.organisation, about.place, *about.specialties, *about.telecom)):
        try:
            require_showable(text)
        except WarrantRefused as error:
            raise WarrantRefused("bad-listing-text", "a text of the schedule is not plain printable text") from error
    return about


def require_page(page: SchedulePage, network: bytes) -> About:
    """What the page is about; raises as `require_about`, and ``bad-page`` unless its slots follow one another in its time."""
    about = require_about(page.about, network)
    at = page.begins
    for slot in page.slots:
        if slot.start < at or slot.end <= slot.start or slot.start >= page.ends:
            raise WarrantRefused("bad-page", "the slots of a page follow one another within its time")
        at = slot.end
    return about


def names_of(about: About) -> tuple[str, str]:
    """The practitioner's and the organisation's name; "" for the first where the schedule is an organisation's own."""
    name = about.card.card.name
    if about.card.card.role in (Role.MEMBER, Role.ORGANISATION):
        return "", name
    return name, about.organisation


def about_hash(about: About) -> Hash:
    """The last item under a page's root."""
    return tagged("salus/schedule-about-hash/1", encode(about))


def page_items(page: SchedulePage) -> list[bytes]:
    """What stands under the page's root, in order."""
    return [*map(encode, page.slots), about_hash(page.about.about)]


def root_of(page: SchedulePage) -> Hash:
    """What `PublishSlots` says of the page, with as many items as `page_items` has."""
    return list_root(page_items(page))


class Showing:
    """Slots of one page as they are shown, whose items are hashed once."""

    def __init__(self, page: SchedulePage) -> None:
        self.page, self._items = page, page_items(page)
        self._about = list_proof(self._items, len(self._items) - 1)

    def slot(self, index: int) -> ShownSlot:
        """Slot number ``index`` as whoever takes it shows it to the ledger."""
        page = self.page
        return ShownSlot(page.about.about.schedule, page.begins, index, list_proof(self._items, index), page.slots[index])

    def found(self, index: int, about: int) -> FoundSlot:
        """The slot, and that the page is about what stands at place ``about`` of an answer."""
        return FoundSlot(self.slot(index), about, len(self._items), self._about)


def shown_slot(page: SchedulePage, index: int) -> ShownSlot:
    """Slot number ``index`` as whoever takes it shows it to the ledger."""
    return Showing(page).slot(index)


def require_found(found: FoundSlot, about: About, root: bytes) -> Slot:
    """The slot; `LedgerRefused` ``bad-list-proof`` unless it and its description stand under ``root``."""
    shown = found.shown
    require_in_list(root, encode(shown.slot), shown.index, found.count, shown.path)
    require_in_list(root, about_hash(about), found.count - 1, found.count, found.path)
    return shown.slot


@dataclass(frozen=True)
class Described:
    """What a schedule is found by, folded once: each word of ``words``, ``place`` and ``languages`` stands behind a space."""

    schedule: bytes
    words: str
    place: str
    languages: str
    spot: Spot | None


def described(about: About) -> Described:
    """What the schedule is found by."""
    words = _spaced(text_words((*about.specialties, about.service, about.organisation, about.card.card.name)))
    languages = _spaced([f"{language.casefold()}-" for language in about.languages])
    return Described(about.schedule, words, _spaced(text_words((about.place,))), languages, about.spot)


class Wish:
    """A search, folded once."""

    def __init__(self, search: SlotSearch) -> None:
        words, place = ([f" {word}" for word in text_words(asked)] for asked in (search.words, search.place))
        language, near = f" {search.language.casefold()}-" if search.language else "", search.near
        checks: tuple[tuple[object, Callable[[Described], bool]], ...] = (
            (search.schedule, lambda one: one.schedule == search.schedule),
            (words, lambda one: all(word in one.words for word in words)),
            (place, lambda one: all(word in one.place for word in place)),
            (language, lambda one: language in one.languages),
            (near, lambda one: bool(near and one.spot and metres_between(near, one.spot) <= search.metres)),
        )
        self._checks = [check for asked, check in checks if asked]

    def suits(self, one: Described) -> bool:
        """Whether the schedule is one of those that are searched for. A language finds its longer tags too (RFC 4647, 3.3.1)."""
        return all(check(one) for check in self._checks)


def _spaced(words: Sequence[str]) -> str:
    return "".join(f" {word}" for word in words)


def wanted(slot: Slot, search: SlotSearch) -> bool:
    """Whether the slot is of the time and of a kind that are searched for."""
    return search.begins <= slot.start < search.ends and (not search.kinds or slot.kind in search.kinds)


def metres_between(one: Spot, other: Spot) -> int:
    """The way on a great circle, by the haversine formula on a sphere: within 0.6 %."""
    a, b = (math.radians(spot.latitude / _DEGREE) for spot in (one, other))
    along = math.radians((other.longitude - one.longitude) / _DEGREE)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(along / 2) ** 2
    return round(2 * _EARTH * math.asin(min(1.0, math.sqrt(half))))


def spot_of(latitude: float | None, longitude: float | None) -> Spot | None:
    """Degrees as a spot; None where either is not said."""
    if latitude is None or longitude is None:
        return None
    return Spot(round(latitude * _DEGREE), round(longitude * _DEGREE))


def free_seats(slot: Slot, taken: Sequence[tuple[int, int, Kind]]) -> int:
    """How many seats of the slot are free where these (start, end, kind) are taken; none where another one overlaps it."""
    same = sum(one == (slot.start, slot.end, slot.kind) for one in taken)
    other = any(one != (slot.start, slot.end, slot.kind) and one[0] < slot.end and slot.start < one[1] for one in taken)
    return 0 if other else max(0, slot.seats - same)
