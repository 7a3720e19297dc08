"""The directory that a node keeps: listings whose hash stands on the ledger, found by words. None is served that does not."""

from __future__ import annotations

import threading
from pathlib import Path

from salus.codec import decode, encode
from salus.errors import NodeRefused
from salus.exchange.api import MAX_FOUND, FoundListings, ListingSearch
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
    search_words,
)
from salus.ids import NetworkId
from salus.ledger.modules.directory.queries import holders, listed
from salus.ledger.modules.directory.state import WITHDRAWN
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.store import load
from salus.node.engine import Engine
from salus.node.slot_pages import PAGES, SlotPages
from salus.node.tables import Tables

_TABLE = "listings"


class Directory:
    """Listings by holder, with their words in memory, and beside them the ``pages`` of schedules. Close it with `close`."""

    def __init__(self, folder: Path, network: NetworkId, engine: Engine) -> None:
        self._tables = Tables(folder, (_TABLE, PAGES))
        self._network, self._engine = network, engine
        self._lock, self._words = threading.Lock(), dict[bytes, tuple[str, ...]]()
        for holder, value in self._tables.range(_TABLE, b"", b"\xff" * 33, 1 << 62):
            self._words[holder] = listing_words(_stored(value).listing)
            self.forget_former(holder)
        self.pages = SlotPages(self._tables, network, engine)

    def put(self, signed: SignedListing) -> None:
        """Keep a listing, durably, in place of the holder's former one.

        Raises unless it verifies, the ledger holds its hash (``listing-not-anchored``), and a licence that it names is
        active and its person's (``listing-unlicensed``).
        """
        if len(encode(signed)) > MAX_LISTING:
            raise NodeRefused("listing-too-large", "the listing is too large")
        listing = require_listing(signed, self._network)
        holder = holder_of(listing)
        with self._lock:
            self._require_listed(holder, listing)
            self._require_licence(listing)
            with self._tables.writing() as write:
                write.put(_TABLE, holder, encode(signed))
            self._words[holder] = listing_words(listing)

    def search(self, asked: ListingSearch) -> FoundListings:
        """Listings that match every word, that the ledger holds now, and whose licence is active now: by name, then holder."""
        wanted = search_words(asked.words)
        with self._lock:
            holders = sorted((words, holder) for holder, words in self._words.items() if matches(words, wanted))
        found: list[SignedListing] = []
        for _, holder in holders:
            signed = self._served(holder)
            if signed is not None:
                if len(found) == MAX_FOUND:
                    return FoundListings(tuple(found), more=True)
                found.append(signed)
        return FoundListings(tuple(found), more=False)

    def find(self, holder: bytes) -> SignedListing | None:
        """The holder's listing, if it is here and stands on the ledger now."""
        return self._served(holder)

    def lacking(self) -> list[bytes]:
        """Holders whose listing stands on the ledger, and is not here."""
        standing = (holder for holder in holders(self._engine.state) if listed(self._engine.state, holder) != WITHDRAWN)
        return [holder for holder in standing if not self._has(holder)]

    def _has(self, holder: bytes) -> bool:
        value = self._tables.get(_TABLE, holder)
        return value is not None and listing_hash(_stored(value).listing) == listed(self._engine.state, holder)

    def forget_former(self, holder: bytes) -> None:
        """Delete what the node keeps of the holder, when the ledger does not hold its hash any more."""
        with self._lock:
            value = self._tables.get(_TABLE, holder)
            if value is not None and listing_hash(_stored(value).listing) != listed(self._engine.state, holder):
                with self._tables.writing() as write:
                    write.drop(_TABLE, holder)
                del self._words[holder]

    def close(self) -> None:
        """Close the database."""
        self._tables.close()

    def _served(self, holder: bytes) -> SignedListing | None:
        value = self._tables.get(_TABLE, holder)
        if value is None:
            return None
        signed = _stored(value)
        try:
            self._require_listed(holder, signed.listing)
            self._require_licence(signed.listing)
        except NodeRefused:
            return None
        return signed

    def _require_listed(self, holder: bytes, listing: Listing) -> None:
        if listed(self._engine.state, holder) != listing_hash(listing):
            raise NodeRefused("listing-not-anchored", "the ledger does not hold this listing")

    def _require_licence(self, listing: Listing) -> None:
        if listing.licence == NO_LICENCE:
            return
        licence = load(self._engine.state, licence_key(listing.licence), Licence)
        now = self._engine.newest_header().header.time
        if licence is None or licence.holder != holder_of(listing) or status_at(licence, now) is not LicenceStatus.ACTIVE:
            raise NodeRefused("listing-unlicensed", "the licence that the listing names is not an active one of its person")


def _stored(value: bytes) -> SignedListing:
    return decode(value, SignedListing, limit=MAX_LISTING)
