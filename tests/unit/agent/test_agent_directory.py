"""Being found and finding, end to end; and every way in which a listing, or who serves it, may lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from salus.agent.services import contacts, licensing, listing, people
from salus.agent.services.resuming import resume
from salus.agent.services.submitting import submit
from salus.codec import encode
from salus.errors import AgentRefused, SalusError
from salus.exchange.api import FoundListings, ListingSearch
from salus.exchange.cards import Role
from salus.exchange.listings import MAX_LISTING, Listing, SignedListing, listing_hash, search_words, sign_listing
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.licences.messages import LicenceStatus
from world import DOCTOR, OTHER, PATIENT, Clock, World, opened

ABOUT = listing.About(("Kardiologie",), ("de-CH", "fr"), "Zürich, St. Peter", True, ("tel:+41 44 000 00 00",))
CARDIO = ("zurich", "KARDIO")


def names(world: World, *words: str) -> list[str]:
    return [one.name for one in listing.find(world.agent, words or CARDIO).listings]


def served(world: World) -> tuple[SignedListing, ...]:
    """What the node serves, before the agent looks at it."""
    return world.agent.network.find_listings(ListingSearch(CARDIO)).listings


def code(act: Callable[[], object]) -> str:
    with pytest.raises(SalusError) as refused:
        act()
    return refused.value.full_code


def anchored(world: World, name: str, changed: Listing) -> SignedListing:
    """``changed``, signed by ``name`` and anchored, as another program might do it."""
    wallet = world.agent.wallet(name)
    key = wallet.identity.classic
    submit(world.agent, [PublishListing(key.public, listing_hash(changed))], [key])
    return sign_listing(wallet.identity, changed)


@dataclass
class Lying:
    """A node that answers every search with what it was given."""

    true: Any
    listings: tuple[SignedListing, ...]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.true, name)

    def find_listings(self, search: ListingSearch) -> FoundListings:
        return FoundListings(self.listings, more=False)


def lied(world: World, *served: SignedListing) -> tuple[int, int]:
    """How many are shown and dropped when a node serves these."""
    world.agent.network, true = Lying(world.agent.network, served), world.agent.network
    try:
        found = listing.find(world.agent, CARDIO)
    finally:
        world.agent.network = true
    return len(found.listings), found.dropped


def test_who_wants_to_be_found_is_found_and_can_be_added(world: World) -> None:
    """DIR-8, DIR-10, DIR-11."""
    info = listing.publish(world.agent, DOCTOR, ABOUT)
    found = listing.find(world.agent, CARDIO)
    assert (found.listings, found.dropped, found.more) == ((info,), 0, False)
    assert info.licence == licensing.show_licence(world.agent, DOCTOR).licence
    assert names(world, "rey", "de") == [DOCTOR]
    assert names(world, "zurich", "onkologie") == []
    assert listing.add_found(world.agent, found).person in [info.person for info in contacts.list_contacts(world.agent)]
    listing.publish(world.agent, OTHER, ABOUT)
    both = listing.find(world.agent, ["zürich"])
    assert [one.name for one in both.listings] == [OTHER, DOCTOR]
    assert code(lambda: listing.add_found(world.agent, both)) == "agent/not-one-listing"


def test_what_is_replaced_or_withdrawn_is_served_no_more_and_deleted(world: World) -> None:
    """DIR-2, DIR-7."""
    listing.publish(world.agent, DOCTOR, ABOUT)
    (old,) = listing.find(world.agent, CARDIO).signed
    listing.publish(world.agent, DOCTOR, replace_place("Bern"))
    assert names(world) == []
    assert names(world, "bern") == [DOCTOR]
    assert code(lambda: world.agent.network.put_listing(old)) == "node/listing-not-anchored"
    assert lied(world, old) == (0, 1)
    listing.withdraw(world.agent, DOCTOR)
    assert names(world, "bern") == []
    assert world.node.directory._tables.range("listings", b"", b"\xff" * 33, 9) == []


def test_a_node_serves_no_former_listing_that_a_crash_left_to_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """DIR-7."""
    listing.publish(world.agent, DOCTOR, ABOUT)
    with monkeypatch.context() as patched:
        patched.setattr(world.node.directory, "forget_former", lambda _: None)
        listing.withdraw(world.agent, DOCTOR)
    assert served(world) == ()


def test_a_node_that_starts_again_has_its_listings_but_no_former_ones(tmp_path: Path) -> None:
    """DIR-7."""
    with opened(tmp_path / "home", Clock()) as world:
        world.person(DOCTOR, Role.PHYSICIAN)
        world.person(OTHER, Role.PHYSICIAN)
        listing.publish(world.agent, DOCTOR, ABOUT)
        listing.publish(world.agent, OTHER, ABOUT)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(world.node.directory, "forget_former", lambda _: None)
            listing.withdraw(world.agent, OTHER)
    with opened(tmp_path / "home", Clock()) as world:
        assert names(world) == [DOCTOR]
        assert len(world.node.directory._tables.range("listings", b"", b"\xff" * 33, 9)) == 1


def test_a_node_serves_a_page_and_says_that_there_is_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """DIR-9."""
    listing.publish(world.agent, DOCTOR, ABOUT)
    listing.publish(world.agent, OTHER, ABOUT)
    monkeypatch.setattr("salus.node.directory.MAX_FOUND", 1)
    found = listing.find(world.agent, CARDIO)
    assert ([one.name for one in found.listings], found.more) == ([OTHER], True)
    assert code(lambda: listing.add_found(world.agent, found)) == "agent/not-one-listing"


def replace_place(place: str) -> listing.About:
    return listing.About(ABOUT.specialties, ABOUT.languages, place, ABOUT.accepting, ABOUT.telecom)


def test_a_patient_is_in_no_directory(world: World) -> None:
    """DIR-4, DIR-10."""
    assert code(lambda: listing.publish(world.agent, PATIENT, ABOUT)) == "agent/not-to-be-found"
    assert code(lambda: listing.withdraw(world.agent, PATIENT)) == "agent/not-to-be-found"
    bare = Listing(
        world.agent.network_id, people.public_card(world.agent, PATIENT), bytes(32), ("Kardiologie",), (), "Zürich", True, ()
    )
    signed = anchored(world, PATIENT, bare)
    assert code(lambda: world.agent.network.put_listing(signed)) == "warrants/patient-listed"
    assert lied(world, signed) == (0, 1)


def test_an_altered_listing_verifies_nowhere(world: World) -> None:
    """DIR-3."""
    listing.publish(world.agent, DOCTOR, ABOUT)
    (signed,) = listing.find(world.agent, CARDIO).signed
    altered = anchored(world, DOCTOR, replace(signed.listing, accepting=False))
    forged = SignedListing(altered.listing, signed.signature)
    assert code(lambda: world.agent.network.put_listing(forged)) == "crypto/bad-signature"
    assert lied(world, forged) == (0, 1)
    stolen = sign_listing(world.agent.wallet(OTHER).identity, altered.listing)
    assert code(lambda: world.agent.network.put_listing(stolen)) == "crypto/bad-signature"
    assert lied(world, stolen) == (0, 1)
    assert lied(world, altered, altered) == (1, 1)


def test_a_listing_that_was_not_asked_for_is_dropped(world: World) -> None:
    """DIR-11."""
    listing.publish(world.agent, DOCTOR, replace_place("Bern"))
    assert lied(world, *listing.find(world.agent, ["bern"]).signed) == (0, 1)


def test_a_licence_must_be_active_and_ones_own(world: World) -> None:
    """DIR-7, DIR-10, DIR-11."""
    listing.publish(world.agent, DOCTOR, ABOUT)
    (signed,) = listing.find(world.agent, CARDIO).signed
    licensing.set_licence(world.agent, DOCTOR, LicenceStatus.SUSPENDED)
    assert served(world) == ()
    assert code(lambda: world.agent.network.put_listing(signed)) == "node/listing-unlicensed"
    assert lied(world, signed) == (0, 1)
    assert code(lambda: listing.publish(world.agent, DOCTOR, ABOUT)) == "agent/no-licence"
    assert names(world) == []
    licensing.set_licence(world.agent, DOCTOR, LicenceStatus.ACTIVE)
    assert names(world) == [DOCTOR]
    others = bytes.fromhex(licensing.show_licence(world.agent, OTHER).licence)
    borrowed = anchored(world, DOCTOR, replace(signed.listing, licence=others))
    assert code(lambda: world.agent.network.put_listing(borrowed)) == "node/listing-unlicensed"
    assert lied(world, borrowed) == (0, 1)
    none = anchored(world, DOCTOR, replace(signed.listing, licence=bytes(32)))
    world.agent.network.put_listing(none)
    assert listing.find(world.agent, CARDIO).dropped == 1


def test_an_organisation_is_listed_without_a_licence(world: World) -> None:
    """DIR-6."""
    world.person("Praxis am See", Role.ORGANISATION)
    listing.publish(world.agent, "Praxis am See", ABOUT)
    (found,) = listing.find(world.agent, ["praxis"]).listings
    assert (found.licence, found.issuer) == ("", "")


@pytest.mark.parametrize("text", ["Z\u202erich", "a\nb", " Bern", "e\u0301"])
def test_a_text_that_cannot_be_shown_is_refused(world: World, text: str) -> None:
    """DIR-5."""
    assert code(lambda: listing.publish(world.agent, DOCTOR, replace_place(text))) == "warrants/bad-listing-text"
    bare = Listing(world.agent.network_id, people.public_card(world.agent, DOCTOR), bytes(32), (), (), text, True, ())
    assert code(lambda: world.agent.network.put_listing(anchored(world, DOCTOR, bare))) == "warrants/bad-listing-text"


@pytest.mark.parametrize(
    "about", [listing.About(specialties=("x",) * 9), listing.About(languages=("German",)), listing.About(place="x" * 129)]
)
def test_a_listing_beyond_its_bounds_is_refused(world: World, about: listing.About) -> None:
    """DIR-5."""
    assert code(lambda: listing.publish(world.agent, DOCTOR, about)) == "agent/bad-listing"


def test_a_listing_for_another_network_or_too_large_is_refused(world: World) -> None:
    """DIR-4, DIR-5."""
    bare = Listing(bytes(32), people.public_card(world.agent, DOCTOR), bytes(32), (), (), "", True, ())
    signed = sign_listing(world.agent.wallet(DOCTOR).identity, bare)
    assert code(lambda: world.agent.network.put_listing(signed)) == "warrants/wrong-network"
    large = SignedListing(replace(bare, place="x" * MAX_LISTING), signed.signature)
    assert len(encode(large)) > MAX_LISTING
    assert code(lambda: world.agent.network.put_listing(large)) in ("node/listing-too-large", "codec/not-decodable")


def test_a_listing_does_not_publish_the_token_of_a_mailbox(world: World) -> None:
    """DIR-4."""
    listing.publish(world.agent, DOCTOR, ABOUT)
    assert [signed.listing.card.card.token for signed in served(world)] == [None]
    licence = bytes.fromhex(licensing.show_licence(world.agent, DOCTOR).licence)
    mine = Listing(world.agent.network_id, people.own_card(world.agent, DOCTOR), licence, ("Kardiologie",), (), "Bern", True, ())
    signed = anchored(world, DOCTOR, mine)
    assert code(lambda: world.agent.network.put_listing(signed)) == "warrants/token-listed"
    assert lied(world, signed) == (0, 1)


def test_a_search_needs_a_word(world: World) -> None:
    """DIR-8."""
    assert code(lambda: listing.find(world.agent, ["!!"])) == "warrants/no-words"
    assert code(lambda: world.agent.network.find_listings(ListingSearch(("-",)))) == "warrants/no-words"
    assert search_words(["St.-Gallen", "STRASSE", "straße"]) == ("st", "gallen", "strasse", "strasse")


def test_what_was_interrupted_is_completed_by_a_later_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """DIR-10."""

    def cut(_: object) -> None:
        raise AgentRefused("node-unreachable", "cut")

    with monkeypatch.context() as patched:
        patched.setattr(world.agent.network, "put_listing", cut)
        assert code(lambda: listing.publish(world.agent, DOCTOR, ABOUT)) == "agent/node-unreachable"
        assert names(world) == []
        assert code(lambda: resume(world.agent)) == "agent/node-unreachable"
    resume(world.agent)
    assert names(world) == [DOCTOR]
