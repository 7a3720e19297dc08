"""Hours published and free slots found, end to end; and every way in which a page, or who serves it, may lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hours_world import OPEN, file, found, published, search
from members_world import two_members
from node_world import code
from salus.agent.own_schedules import OwnSchedule, desk_owner, pages_of
from salus.agent.services import finding, licensing, opening, people
from salus.agent.services.resuming import resume
from salus.agent.services.submitting import submit
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused
from salus.exchange.cards import Role
from salus.exchange.hours import day_of, month_of, zone_of
from salus.exchange.schedules import FoundSlots, SchedulePage, SlotSearch, require_page, root_of, sign_about, spot_of
from salus.fhir.schedules import from_fhir
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.scheduling.messages import DAY, HOUR, HoldSlots, Kind, PublishSlots
from world import DOCTOR, OTHER, PATIENT, Clock, World, opened

CARDIO = ("kardio",)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path, Clock()) as made:
        made.person(DOCTOR, Role.PHYSICIAN)
        yield made


def starts(world: World, **changed: Any) -> list[int]:
    return [offer.info.begins for offer in found(world, **changed).offers]


def pages(world: World, info: opening.OpeningInfo) -> list[SchedulePage]:
    return pages_of(world.agent, desk_owner(world.agent, world.agent.wallet(DOCTOR)), bytes.fromhex(info.schedule))


def desk(world: World, info: opening.OpeningInfo) -> SigningKey:
    owner = desk_owner(world.agent, world.agent.wallet(DOCTOR))
    own = world.agent.store.find(OwnSchedule, owner, bytes.fromhex(info.schedule))
    assert own is not None
    return SigningKey(own.desk)


def hold(world: World, offer: finding.Offer) -> None:
    patient = SigningKey(new_seed())
    submit(world.agent, [HoldSlots(patient.public, (offer.shown,))], [patient])


@dataclass
class Lying:
    """A node that answers every search for slots with what it was given."""

    true: Any
    answer: FoundSlots

    def __getattr__(self, name: str) -> Any:
        return getattr(self.true, name)

    def find_slots(self, asked: SlotSearch) -> FoundSlots:
        return self.answer


def lied(world: World, answer: FoundSlots, **changed: Any) -> tuple[int, int]:
    """How many are shown and dropped where a node answers so."""
    world.agent.network, true = Lying(world.agent.network, answer), world.agent.network
    try:
        shown = found(world, **changed)
    finally:
        world.agent.network = true
    return len(shown.offers), shown.dropped


def answered(world: World, **changed: Any) -> FoundSlots:
    """What the node says, before the agent looks at it."""
    return world.agent.network.find_slots(search(world, **changed))


def test_what_is_published_is_found_and_proven(world: World) -> None:
    """SCH-44, SCH-48, SCH-50."""
    info = published(world)
    assert (info.opened, info.zone, info.changed, info.left_out) == (True, "Europe/Zurich", info.months, 0)
    assert info.slots == 4 * info.days
    shown = found(world, words=CARDIO)
    assert (len(shown.offers), shown.dropped, shown.more) == (10, 0, True)
    first = shown.offers[0].info
    assert (first.practitioner, first.service, first.free, first.ends - first.begins) == (DOCTOR, "Sprechstunde", 1, HOUR // 2)
    assert [one.info.begins for one in shown.offers] == sorted(one.info.begins for one in shown.offers)


def test_what_was_found_is_what_the_ledger_takes_and_then_it_is_found_no_more(world: World) -> None:
    """SCH-46, SCH-50."""
    published(world, rules=[{**OPEN, "seats": 2}])
    offer = found(world, limit=1).offers[0]
    hold(world, offer)
    again = found(world, limit=1).offers[0]
    assert (again.info.slot, offer.info.free, again.info.free) == (offer.info.slot, 2, 1)
    hold(world, again)
    assert offer.info.begins not in [one.shown.slot.start for one in answered(world).slots]
    assert code(lambda: finding.offer(world.agent, offer.info.slot)) == "agent/no-such-slot"


def test_a_slot_is_found_by_its_name_and_nothing_else_is_a_name(world: World) -> None:
    published(world)
    offer = found(world, limit=3).offers[2]
    assert finding.offer(world.agent, offer.info.slot) == offer
    assert code(lambda: finding.offer(world.agent, "tomorrow at nine")) == "agent/bad-slot"


@pytest.mark.parametrize(
    ("changed", "finds"),
    [
        ({"words": ("KARDIO", "sprech")}, True),
        ({"words": ("dermatologie",)}, False),
        ({"place": ("zurich",)}, True),
        ({"place": ("bern",)}, False),
        ({"language": "de"}, True),
        ({"language": "de-CH"}, True),
        ({"language": "d"}, False),
        ({"language": "it"}, False),
        ({"kinds": (Kind.PHONE, Kind.VISIT)}, True),
        ({"kinds": (Kind.VIDEO,)}, False),
        ({"near": spot_of(47.39, 8.51), "metres": 5_000}, True),
        ({"near": spot_of(46.95, 7.45), "metres": 90_000}, False),
        ({"near": spot_of(46.95, 7.45), "metres": 100_000}, True),
    ],
)
def test_slots_are_found_by_what_they_are(asked_world: World, changed: dict[str, Any], finds: bool) -> None:
    """SCH-49."""
    assert bool(found(asked_world, **changed).offers) is finds


@pytest.fixture(scope="module")
def asked_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("asked"), Clock()) as made:
        made.person(DOCTOR, Role.PHYSICIAN)
        published(made)
        yield made


def test_a_slot_is_found_in_its_time_alone(asked_world: World) -> None:
    all_of_them = starts(asked_world, limit=50)
    assert starts(asked_world, begins=all_of_them[5], ends=all_of_them[8]) == all_of_them[5:8]


def test_how_far_away_it_is_is_said_where_both_places_are(asked_world: World) -> None:
    (one,) = found(asked_world, near=spot_of(46.948, 7.4474), metres=200_000, limit=1).offers
    assert 94_000 < one.info.away < 97_000  # from Bern to Zürich
    assert found(asked_world, limit=1).offers[0].info.away == -1


def test_what_is_too_soon_or_too_far_ahead_to_be_taken_is_not_found(world: World) -> None:
    """SCH-48."""
    published(world, lead="10d", horizon="20d")
    shown = starts(world, limit=50)
    assert world.clock.now + 10 * DAY <= shown[0]
    assert shown[-1] <= world.clock.now + 20 * DAY


def test_hours_that_are_published_again_change_no_page_that_says_the_same(world: World) -> None:
    """SCH-45."""
    published(world)
    again = published(world)
    assert (again.changed, again.opened) == (0, False)
    assert published(world, lead="1h").changed == 0


def test_a_day_is_closed_and_stays_so_until_it_is_reopened(world: World) -> None:
    """SCH-45."""
    published(world)
    first = found(world, limit=1).offers[0].info
    day = _day(first.begins)
    closed = opening.publish(world.agent, DOCTOR, None, close=(day,))
    assert (closed.changed, closed.closed) == (1, (day,))
    assert day not in [_day(moment) for moment in starts(world)]
    assert published(world).closed == (day,)
    assert opening.publish(world.agent, DOCTOR, None, reopen=(day,)).closed == ()
    assert starts(world)[0] == first.begins
    assert code(lambda: opening.publish(world.agent, DOCTOR, None, close=("tomorrow",))) == "agent/bad-hours"
    assert opening.opened_hours(world.agent, DOCTOR)[0].slots == published(world).slots


def _day(moment: int) -> str:
    return day_of("Europe/Zurich", moment)


def test_a_replaced_page_is_served_nowhere(world: World) -> None:
    """SCH-47."""
    old = pages(world, published(world))[0]
    published(world, place="Seestrasse 2, Zürich")
    assert {offer.info.place for offer in found(world).offers} == {"Seestrasse 2, Zürich"}
    assert code(lambda: world.agent.network.put_page(old)) == "node/page-not-anchored"
    assert code(lambda: world.agent.network.page(root_of(old))) == "node/no-such-page"


def test_whoever_has_the_page_proves_it_by_its_root(world: World) -> None:
    """SCH-44."""
    page = pages(world, published(world))[1]
    got = world.agent.network.page(root_of(page))
    assert got == page
    assert root_of(replace(got, slots=got.slots[1:])) != root_of(page)
    assert require_page(got, world.agent.network_id).service == "Sprechstunde"
    for broken in (got.slots[::-1], (replace(got.slots[0], start=got.begins - 1), *got.slots[1:])):
        assert code(lambda slots=broken: require_page(replace(got, slots=slots), world.agent.network_id)) == "warrants/bad-page"


def test_a_page_that_the_ledger_has_not_is_kept_by_no_node(world: World) -> None:
    """SCH-47."""
    page = pages(world, published(world))[0]
    for other in (replace(page, slots=page.slots[1:]), replace(page, ends=page.ends - 1)):
        assert code(lambda one=other: world.agent.network.put_page(one)) == "node/page-not-anchored"


def test_an_altered_description_verifies_nowhere(world: World) -> None:
    """SCH-44."""
    info = published(world)
    page = pages(world, info)[0]
    about = replace(page.about.about, place="Elsewhere")
    altered = replace(page, about=replace(page.about, about=about))
    _anchor(world, info, altered)
    assert code(lambda: world.agent.network.put_page(altered)) == "crypto/bad-signature"
    answer = answered(world)
    forged = replace(answer, abouts=(replace(answer.abouts[0], about=about),))
    assert lied(world, forged) == (0, 10)


def _anchor(world: World, info: opening.OpeningInfo, page: SchedulePage) -> None:
    made = PublishSlots(bytes.fromhex(info.schedule), page.begins, page.ends, root_of(page), len(page.slots) + 1)
    submit(world.agent, [made], [desk(world, info)])


def test_the_schedule_of_one_is_described_by_no_other(world: World) -> None:
    """SCH-44: a licence's holder alone signs."""
    world.person(OTHER, Role.PHYSICIAN)
    info = published(world)
    page = pages(world, info)[0]
    about = replace(page.about.about, card=people.public_card(world.agent, OTHER))
    stolen = replace(page, about=sign_about(world.agent.wallet(OTHER).identity, about))
    _anchor(world, info, stolen)
    assert code(lambda: world.agent.network.put_page(stolen)) == "node/schedule-unlicensed"


def test_a_former_description_proves_nothing_though_its_owner_signed_it(world: World) -> None:
    """SCH-44."""
    published(world, place="Bern")
    former = answered(world).abouts
    published(world)
    assert lied(world, replace(answered(world), abouts=former)) == (0, 10)


def test_a_slot_that_is_on_no_page_or_taken_or_not_asked_for_is_dropped(world: World) -> None:
    """SCH-50."""
    published(world)
    answer = answered(world, limit=2)
    first, second = answer.slots
    moved = replace(first, shown=replace(first.shown, slot=replace(first.shown.slot, start=first.shown.slot.start + 60_000)))
    assert lied(world, replace(answer, slots=(moved, second))) == (1, 1)
    longer = replace(first, count=first.count + 1)
    assert lied(world, replace(answer, slots=(longer, second))) == (1, 1)
    assert lied(world, answer, kinds=(Kind.HOME,)) == (0, 2)
    assert lied(world, replace(answer, slots=(first, first))) == (1, 1)
    assert lied(world, replace(answer, abouts=())) == (0, 2)
    hold(world, found(world, limit=1).offers[0])
    assert lied(world, answer) == (1, 1)


def test_a_suspended_licence_has_no_free_slots(world: World) -> None:
    """SCH-47, SCH-50."""
    page = pages(world, published(world))[0]
    answer = answered(world, limit=2)
    licensing.set_licence(world.agent, DOCTOR, LicenceStatus.SUSPENDED)
    assert found(world).offers == ()
    assert lied(world, answer) == (0, 2)
    assert code(lambda: world.agent.network.put_page(page)) == "node/schedule-unlicensed"


def test_a_practice_publishes_for_those_who_work_there_and_nobody_else_does(world: World) -> None:
    """SCH-45, SCH-62."""
    world.person("Praxis am See", Role.ORGANISATION)
    world.person(PATIENT)
    opening.publish(world.agent, "Praxis am See", file(practitioner=DOCTOR))
    first = found(world, words=("see",), limit=1).offers[0].info
    assert (first.practitioner, first.organisation) == (DOCTOR, "Praxis am See")
    opening.publish(world.agent, "Praxis am See", file(name="Labor", specialties=["Labor"]))
    own = found(world, words=("labor",), limit=1).offers[0].info
    assert (own.practitioner, own.organisation) == ("", "Praxis am See")
    assert code(lambda: opening.publish(world.agent, PATIENT, file())) == "agent/no-licence"
    assert code(lambda: opening.publish(world.agent, PATIENT, file(practitioner=DOCTOR))) == "agent/not-an-organisation"


def test_a_month_is_written_in_fhir_with_what_is_taken_as_busy(world: World) -> None:
    """SCH-52."""
    published(world)
    offer = found(world, limit=1).offers[0]
    hold(world, offer)
    facts = from_fhir(opening.in_fhir(world.agent, DOCTOR, "", offer.info.begins))
    assert (facts.taken, facts.schedule, facts.zone) == ((offer.info.begins,), offer.info.schedule, "Europe/Zurich")
    assert code(lambda: opening.in_fhir(world.agent, DOCTOR, "", 0)) == "agent/no-such-schedule"


def test_a_schedule_is_named_where_there_are_several(world: World) -> None:
    assert code(lambda: opening.publish(world.agent, DOCTOR, None, close=("2026-12-01",))) == "agent/no-such-schedule"
    published(world)
    published(world, DOCTOR, name="Ultraschall")
    assert code(lambda: opening.publish(world.agent, DOCTOR, None, close=("2026-12-01",))) == "agent/ambiguous-schedule"
    assert opening.publish(world.agent, DOCTOR, None, close=("2026-12-01",), schedule="Ultraschall").name == "Ultraschall"


def test_a_publication_that_was_cut_off_is_completed_by_the_next_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """SCH-45."""

    def cut(*_: object) -> None:
        raise AgentRefused("node-unreachable", "cut")

    with monkeypatch.context() as patched:
        patched.setattr(world.agent.network, "put_page", cut)
        assert code(lambda: published(world)) == "agent/node-unreachable"
    assert found(world).offers == ()
    resume(world.agent)
    assert len(found(world).offers) == 10


def test_months_that_come_within_the_horizon_are_published_by_the_next_command(world: World) -> None:
    """SCH-45."""
    before = published(world)
    world.clock.now += 35 * DAY
    world.node.engine.newest_header(fresh=True)
    resume(world.agent)
    assert opening.opened_hours(world.agent, DOCTOR)[0].until > before.until
    assert found(world, begins=before.until).offers


def test_a_page_that_was_replaced_is_not_served_though_the_node_has_not_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SCH-47."""

    def cut(*_: object) -> None:
        raise AgentRefused("node-unreachable", "cut")

    published(world)
    day = _day(starts(world)[0])
    with monkeypatch.context() as patched:
        patched.setattr(world.node.directory.pages, "notice", lambda _: None)
        patched.setattr(world.agent.network, "put_page", cut)
        assert code(lambda: opening.publish(world.agent, DOCTOR, None, close=(day,))) == "agent/node-unreachable"
    assert answered(world, ends=_month_end(world)).slots == ()


def _month_end(world: World) -> int:
    return month_of(zone_of("Europe/Zurich"), world.clock.now)[1]


def test_a_node_that_starts_again_has_its_pages_but_no_former_ones(tmp_path: Path) -> None:
    """SCH-47."""
    clock = Clock()
    with opened(tmp_path, clock) as world:
        world.person(DOCTOR, Role.PHYSICIAN)
        old = published(world)
        shown = starts(world)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(world.node.directory.pages, "notice", lambda _: None)
            opening.publish(world.agent, DOCTOR, None, close=(_day(shown[-1]),))
    with opened(tmp_path, clock) as world:
        assert starts(world)[0] == shown[0]
        assert len(world.node.directory._tables.range("pages", b"", b"\xff" * 64, 99)) == old.months


def test_pages_are_found_at_the_other_member(tmp_path: Path) -> None:
    """SCH-47."""
    with two_members(tmp_path) as members:
        members.first.person(DOCTOR, Role.PHYSICIAN)
        info = published(members.first)
        members.follow()
        assert len(found(members.second).offers) == 10
        opening.publish(members.first.agent, DOCTOR, None, close=(_day(starts(members.first)[0]),))
        members.follow()
        assert starts(members.second) == starts(members.first)
        assert info.months == 3
