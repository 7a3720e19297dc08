"""Being found, and finding: listings that their holders published, each verified here whatever node serves it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.known import learn_licence, licence_of
from salus.agent.services.contacts import ContactInfo, add_contact, find_contact
from salus.agent.services.licensing import RIGHTS
from salus.agent.services.people import public_card
from salus.agent.services.submitting import submit
from salus.agent.verify import record, records
from salus.agent.wallet import Wallet
from salus.codec import Record, decode, encode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, Malformed, SalusError
from salus.exchange.api import ListingSearch
from salus.exchange.cards import Role, SignedCard
from salus.exchange.listings import (
    MAX_LISTING,
    NO_LICENCE,
    Listing,
    SignedListing,
    holder_of,
    listing_hash,
    listing_words,
    matches,
    require_listing,
    require_texts,
    search_words,
    sign_listing,
)
from salus.ids import Bytes32
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.directory.state import WITHDRAWN, Listed, listing_key
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at


class OutgoingListing(Record, frozen=True, tag="outgoing-listing"):
    """What is to stand in the directory for a person: a listing, or None for a withdrawal. Kept until it stands there."""

    holder: Bytes32
    signed: SignedListing | None


@dataclass(frozen=True)
class About:
    """What somebody says in a listing besides the card. ``languages`` are BCP 47 tags."""

    specialties: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    place: str = ""
    accepting: bool = False
    telecom: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListingInfo:
    """A listing in plain values. ``licence`` and ``issuer`` are "" where none is named: then nothing but the key is proven."""

    name: str
    role: str
    person: str
    licence: str
    issuer: str
    specialties: tuple[str, ...]
    languages: tuple[str, ...]
    place: str
    accepting: bool
    telecom: tuple[str, ...]
    hash: str


@dataclass(frozen=True)
class Found:
    """What was found and verified; ``dropped`` counts what did not verify, ``more``: name more words to see the rest."""

    listings: tuple[ListingInfo, ...]
    dropped: int
    more: bool
    signed: tuple[SignedListing, ...]


def publish(agent: Agent, name: str, about: About) -> ListingInfo:
    """List a person of this home in place of any former listing: its hash on the ledger first, then itself to the node.

    ``not-to-be-found`` for a patient; ``no-licence`` for a professional whose licence is not active.
    """
    wallet = _listable(agent, name)
    listing = _composed(agent, wallet, about)
    require_texts(listing)
    licence = _licence(agent, wallet, listing)
    _keep(agent, wallet, sign_listing(wallet.identity, listing))
    _complete(agent, wallet.person)
    return _info(listing, licence)


def withdraw(agent: Agent, name: str) -> None:
    """Take a person of this home out of the directory: from the next block on no honest node serves the listing."""
    wallet = _listable(agent, name)
    _keep(agent, wallet, None)
    _complete(agent, wallet.person)


def resume_listings(agent: Agent) -> None:
    """Publish or withdraw what an earlier command began. What is refused now is tried again by the next command."""
    for person, _ in agent.store.all(OutgoingListing, b""):
        try:
            _complete(agent, person)
        except AgentRefused:
            raise
        except SalusError:
            continue


def find(agent: Agent, words: Sequence[str]) -> Found:
    """Listings in which each word begins one. Every one is verified here; a node can only leave some out."""
    wanted = search_words(words)
    answer = agent.network.find_listings(ListingSearch(tuple(words)))
    served = {holder_of(signed.listing): signed for signed in answer.listings}
    sound = [signed for signed in served.values() if _sound(agent, signed, wanted)]
    leaves, _ = records(agent, [listing_key(holder_of(signed.listing)) for signed in sound], Listed)
    licences, header = records(agent, [licence_key(signed.listing.licence) for signed in sound], Licence)
    found: list[tuple[SignedListing, Licence | None]] = []
    for signed, leaf, licence in zip(sound, leaves, licences, strict=True):
        try:
            require_listed(signed.listing, leaf)
            require_licensed(signed.listing, licence, header.time)
        except AgentRefused:
            continue
        found.append((signed, licence))
    infos = tuple(_info(signed.listing, licence) for signed, licence in found)
    return Found(infos, len(answer.listings) - len(found), answer.more, tuple(signed for signed, _ in found))


def card_of(agent: Agent, person: bytes) -> SignedCard:
    """The card of a person: a contact's, or the one that is listed in the directory; ``cannot-reach`` otherwise."""
    with suppress(AgentRefused):
        return find_contact(agent, person.hex())
    found = [one.listing.card for one in find(agent, [person.hex()]).signed if person_id(one.listing.card.card.key) == person]
    if not found:
        raise AgentRefused("cannot-reach", "neither a contact nor anybody in the directory: no letter can be written")
    return found[0]


def add_found(agent: Agent, found: Found) -> ContactInfo:
    """Take the one person who was found in as a contact; ``not-one-listing`` when there are several, or none."""
    if len(found.signed) != 1 or found.more:
        raise AgentRefused("not-one-listing", "just one listing must be found to be added; name more words")
    listing = found.signed[0].listing
    info = add_contact(agent, listing.card)
    if listing.licence != NO_LICENCE:
        learn_licence(agent, person_id(listing.card.card.key), listing.licence)
    return info


def require_listed(listing: Listing, leaf: Listed | None) -> None:
    """Raise ``listing-not-proven`` unless the ledger holds just this listing of its holder."""
    if leaf is None or leaf.listing != listing_hash(listing):
        raise AgentRefused("listing-not-proven", "the ledger does not hold this listing")


def require_licensed(listing: Listing, licence: Licence | None, now: int) -> None:
    """Raise ``no-licence`` unless the licence is active at ``now`` (ms), the person's, and good for the role of its card."""
    card = listing.card.card
    needed = RIGHTS.get(card.role, ())
    if listing.licence == NO_LICENCE and not needed:
        return
    whose = None if licence is None else (licence.person, licence.holder)
    if licence is None or whose != (person_id(card.key), card.key.ed25519) or not set(needed) <= set(licence.rights):
        raise AgentRefused("no-licence", "the listing names no licence of this person for this role")
    if status_at(licence, now) is not LicenceStatus.ACTIVE:
        raise AgentRefused("no-licence", "the licence that the listing names is not active")


def _sound(agent: Agent, signed: SignedListing, wanted: Sequence[str]) -> bool:
    """Whether the listing verifies by itself, and is what was asked for."""
    try:
        listing = require_listing(signed, agent.network_id)
    except SalusError:
        return False
    return matches(listing_words(listing), wanted)


def _listable(agent: Agent, name: str) -> Wallet:
    wallet = agent.wallet(name)
    if wallet.record.role is Role.PATIENT:
        raise AgentRefused("not-to-be-found", "a patient is in no directory")
    return wallet


def _composed(agent: Agent, wallet: Wallet, about: About) -> Listing:
    card = public_card(agent, wallet.record.name)
    licence = licence_of(agent, wallet.person) or NO_LICENCE
    listing = Listing(
        agent.network_id, card, licence, about.specialties, about.languages, about.place, about.accepting, about.telecom
    )
    try:
        return decode(encode(listing), Listing, limit=MAX_LISTING)
    except Malformed as error:
        raise AgentRefused("bad-listing", "too many or too long texts, or a language that is no tag such as de-CH") from error


def _licence(agent: Agent, wallet: Wallet, listing: Listing) -> Licence | None:
    (found,), header = records(agent, [licence_key(listing.licence)], Licence)
    require_licensed(listing, found, header.time)
    return found


def _keep(agent: Agent, wallet: Wallet, signed: SignedListing | None) -> None:
    with agent.store.writing():
        agent.store.put(b"", wallet.person, OutgoingListing(wallet.identity.public.ed25519, signed))


def _complete(agent: Agent, person: bytes) -> None:
    """Bring ledger and node to what is kept, then forget it."""
    kept = agent.store.find(OutgoingListing, b"", person)
    wallet = next((wallet for wallet in agent.wallets() if wallet.person == person), None)
    if kept is not None and wallet is not None:
        wanted = WITHDRAWN if kept.signed is None else listing_hash(kept.signed.listing)
        leaf = record(agent, listing_key(kept.holder), Listed)
        if (WITHDRAWN if leaf is None else leaf.listing) != wanted:
            submit(agent, [PublishListing(kept.holder, wanted)], [wallet.identity.classic])
        if kept.signed is not None:
            agent.network.put_listing(kept.signed)
    with agent.store.writing():
        agent.store.drop(OutgoingListing, b"", person)


def _info(listing: Listing, licence: Licence | None) -> ListingInfo:
    card = listing.card.card
    named = "" if licence is None else listing.licence.hex()
    issuer = "" if licence is None else licence.issuer.hex()
    said = (listing.specialties, listing.languages, listing.place, listing.accepting, listing.telecom)
    return ListingInfo(card.name, card.role.value, person_id(card.key).hex(), named, issuer, *said, listing_hash(listing).hex())
