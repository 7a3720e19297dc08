"""Pages of schedules, and slots as a node shows them. A half of each hybrid signature differs from run to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charts_world import NETWORK, some
from salus.codec import encode
from salus.exchange.carding import sign_card
from salus.exchange.cards import Role
from salus.exchange.schedules import About, SchedulePage, Showing, Spot, root_of, sign_about
from salus.ledger.modules.scheduling.messages import HOUR, Kind, Slot
from scenarios import NOT_CANONICAL, NOT_DECODABLE, Scenario, change, put
from scenarios.exchange import ADA, BOB, UNSIGNED, broken, card

BAD_PAGE, BAD_PROOF, TEXT = "warrants/bad-page", "ledger/bad-list-proof", "warrants/bad-listing-text"
BEGINS = 1_798_758_000_000


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    usual = described()
    slots = tuple(
        Slot(BEGINS + number * HOUR, BEGINS + number * HOUR + HOUR, number + 1, kind) for number, kind in enumerate(Kind)
    )
    page = SchedulePage(sign_about(ADA, usual), BEGINS, BEGINS + 24 * HOUR, slots)
    yield from pages(page, usual)
    yield from found(page, usual)


def described() -> About:
    """What the schedule of these scenarios is about."""
    own = sign_card(ADA, card(token=None))
    return About(
        NETWORK,
        some("schedule"),
        own,
        some("licence"),
        "Sprechstunde",
        "Praxis am See",
        ("Kardiologie",),
        ("de-CH",),
        ("tel:+41",),
        "Zürich",
        Spot(47_376_900, -8_541_700),
        "Europe/Zurich",
    )


def pages(page: SchedulePage, usual: About) -> Iterator[Scenario]:
    """Whole pages, and their roots."""

    def signed(**changes: Any) -> SchedulePage:
        return change(page, about=sign_about(ADA, change(usual, **changes)))

    def of(what: str, expect: str, one: SchedulePage) -> Scenario:
        return "page", what, expect, {"network": NETWORK, "page": encode(one), "root": root_of(one)}

    yield of("is-whole", "accepted", page)
    yield of("of-no-slot", "accepted", change(page, slots=()))
    yield of("of-no-place-and-nobody-else", "accepted", signed(spot=None, place="", organisation="", telecom=()))
    patient, told = sign_card(ADA, card(role=Role.PATIENT, token=None)), sign_card(ADA, card())
    yield of("of-another-network", "warrants/wrong-network", signed(network=some("x")))
    yield of("signed-by-another", UNSIGNED, change(page, about=sign_about(BOB, usual)))
    yield of("with-another-place", UNSIGNED, change(page, about=change(page.about, about=change(usual, place="Bern"))))
    yield of("of-a-patient", "warrants/patient-listed", signed(card=patient))
    yield of("with-a-mailboxs-token", "warrants/token-listed", signed(card=told))
    yield of("a-service-of-two-lines", TEXT, signed(service="one\ntwo"))
    yield of("with-slots-out-of-order", BAD_PAGE, change(page, slots=page.slots[::-1]))
    yield of(
        "with-slots-that-overlap", BAD_PAGE, change(page, slots=(change(page.slots[0], end=BEGINS + HOUR + 1), *page.slots[1:]))
    )
    yield of("with-a-slot-before-it-begins", BAD_PAGE, change(page, begins=BEGINS + 1))
    yield of("with-a-slot-behind-its-end", BAD_PAGE, change(page, ends=BEGINS + 3 * HOUR))
    yield of("with-a-slot-that-ends-at-once", BAD_PAGE, change(page, slots=(change(page.slots[0], end=BEGINS),)))
    yield of("a-place-beyond-the-pole", NOT_DECODABLE, signed(spot=Spot(90_000_001, 0)))
    yield of("a-zone-that-is-a-path", NOT_DECODABLE, signed(zone="../UTC"))
    yield of("a-slot-without-a-seat", NOT_DECODABLE, change(page, slots=(change(page.slots[0], seats=0),)))
    less = encode(change(page, slots=page.slots[1:]))
    yield "page", "with-a-slot-left-out", BAD_PROOF, {"network": NETWORK, "page": less, "root": root_of(page)}
    spelled = put(encode(page), b"\xadEurope/Zurich", b"\xd9\x0dEurope/Zurich")
    for what, raw, expect in (("a-wide-zone", spelled, NOT_CANONICAL), *broken(page)):
        yield "page", what, expect, {"network": NETWORK, "page": raw, "root": root_of(page)}


def found(page: SchedulePage, usual: About) -> Iterator[Scenario]:
    """A slot with its description under a page's root."""
    good, other = Showing(page).found(2, 0), Showing(change(page, about=sign_about(ADA, change(usual, place="Bern")))).found(2, 0)
    moved = change(good.shown, slot=change(good.shown.slot, start=good.shown.slot.start + 1))
    for what, expect, one in (
        ("stands-under-the-root", "accepted", good),
        ("the-last-one", "accepted", Showing(page).found(3, 0)),
        ("at-another-time", BAD_PROOF, change(good, shown=moved)),
        ("at-another-index", BAD_PROOF, change(good, shown=change(good.shown, index=1))),
        ("of-another-count", BAD_PROOF, change(good, count=good.count + 1)),
        ("of-another-description", BAD_PROOF, other),
        ("with-the-others-path", BAD_PROOF, change(good, path=good.shown.path)),
        ("without-a-path", BAD_PROOF, change(good, path=())),
        ("beyond-what-a-page-has", NOT_DECODABLE, change(good, count=4097)),
    ):
        yield "found", what, expect, {"about": encode(usual), "found": encode(one), "root": root_of(page)}
    for what, raw, expect in broken(good):
        yield "found", what, expect, {"about": encode(usual), "found": raw, "root": root_of(page)}
