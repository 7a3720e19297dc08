"""The fold: sources side by side, replacements only by who may, conflicts shown, nothing withdrawn comes back."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from charts_world import leaf, placed, replacing, some
from salus.charts.entry import EntryKind, Opened, Replaced
from salus.charts.fold import Plan, Status, fold, plan_import
from salus.charts.sealing import version_id, without
from salus.crypto.signing import HybridKey

PATIENT, DOCTOR, FRIEND = (HybridKey(some(name)) for name in ("patient", "doctor", "friend"))
OLD, NEW, NEWER = leaf(salt="1"), leaf(data=b'{"new":1}', salt="2"), leaf(data=b'{"newer":1}', salt="3")
LICENCE = {"licence": some("licence"), "source": "aa"}


def test_two_sources_that_number_alike_stand_side_by_side() -> None:
    chart = fold([placed(PATIENT, 1, OLD, source="A"), placed(PATIENT, 2, NEW, source="B")])
    assert [v.status for v in chart.current()] == [Status.CURRENT] * 2
    assert len(chart.history("Observation/1")) == len(chart.history("1")) == 2
    assert chart.history("Observation/2") == []


def test_an_import_cannot_overwrite_another_sources_resource() -> None:
    chart = fold([placed(PATIENT, 1, OLD, source="A"), placed(PATIENT, 2, NEW, source="B", replaces=replacing(OLD))])
    assert [v.status for v in chart.versions] == [Status.CURRENT] * 2


def test_a_newer_version_of_the_same_source_replaces() -> None:
    chart = fold([placed(PATIENT, 1, OLD), placed(PATIENT, 2, NEW, replaces=replacing(OLD))])
    assert [v.status for v in chart.versions] == [Status.REPLACED, Status.CURRENT]
    assert chart.versions[0].replaced_by == version_id(NEW)


def test_two_that_replace_the_same_are_a_conflict_that_shows_both() -> None:
    rivals = [
        placed(PATIENT, 1, OLD),
        placed(PATIENT, 2, NEW, replaces=replacing(OLD)),
        placed(PATIENT, 3, NEWER, replaces=replacing(OLD)),
    ]
    assert [v.status for v in fold(rivals).current()] == [Status.CONFLICT] * 2


def test_the_same_resource_twice_is_no_conflict() -> None:
    again = leaf(salt="again")
    chart = fold([placed(PATIENT, 1, OLD), placed(PATIENT, 2, again)])
    assert [v.status for v in chart.versions] == [Status.CURRENT, Status.REPLACED]
    mixed = fold([placed(PATIENT, 1, OLD), placed(PATIENT, 2, again), placed(PATIENT, 3, NEW)])
    assert [v.status for v in mixed.versions] == [Status.CONFLICT, Status.REPLACED, Status.CONFLICT]


@pytest.mark.parametrize("kind", [EntryKind.AMENDMENT, EntryKind.ENTERED_IN_ERROR])
def test_what_a_professional_signed_is_replaced_by_that_professional_alone(kind: EntryKind) -> None:
    note = placed(DOCTOR, 1, OLD, kind=EntryKind.NOTE, **LICENCE)
    own = fold([note, placed(DOCTOR, 2, NEW, kind=kind, replaces=replacing(OLD), **LICENCE)])
    ended = Status.REPLACED if kind is EntryKind.AMENDMENT else Status.ENTERED_IN_ERROR
    assert own.versions[0].status is ended
    colleague = fold([note, placed(FRIEND, 2, NEW, kind=kind, replaces=replacing(OLD), **LICENCE)])
    assert colleague.versions[0].status in (Status.CURRENT, Status.CONFLICT)


def test_an_error_is_marked_only_by_who_made_it_and_a_withdrawal_stays() -> None:
    record = placed(PATIENT, 1, OLD, source="A")
    marked = placed(PATIENT, 2, NEW, source="A", kind=EntryKind.ENTERED_IN_ERROR, replaces=replacing(OLD))
    assert [v.status for v in fold([record, marked]).versions] == [Status.ENTERED_IN_ERROR] * 2
    withdrawn = placed(PATIENT, 2, NEW, source="A", kind=EntryKind.WITHDRAWAL, replaces=replacing(OLD))
    assert [v.status for v in fold([record, withdrawn]).versions] == [Status.WITHDRAWN] * 2
    assert fold([record, withdrawn]).current() == []


def test_what_is_not_there_or_not_of_the_entry_replaces_nothing() -> None:
    beyond = placed(PATIENT, 2, NEW, replaces=(Replaced(7, version_id(OLD)), Replaced(0, some("unknown"))))
    chart = fold([placed(PATIENT, 1, OLD), beyond])
    assert [v.status for v in chart.versions] == [Status.CONFLICT] * 2
    just_beyond = placed(PATIENT, 2, NEW, replaces=(Replaced(1, version_id(OLD)),))
    assert [v.status for v in fold([placed(PATIENT, 1, OLD), just_beyond]).versions] == [Status.CONFLICT] * 2
    itself = placed(PATIENT, 1, OLD, replaces=replacing(OLD))
    assert [v.status for v in fold([itself]).versions] == [Status.CURRENT]


@pytest.mark.parametrize(("author", "status"), [(DOCTOR, Status.REPLACED), (FRIEND, Status.CURRENT)])
def test_what_an_erased_resource_once_superseded_stays_superseded(author: HybridKey, status: Status) -> None:
    """Its entry is still there for what else it holds; who could not have superseded it then cannot by erasing either."""
    older = placed(DOCTOR, 1, OLD, **LICENCE)
    newer = placed(author, 2, leaf("Observation/2", salt="9"), NEW, replaces=replacing(OLD, 1), **LICENCE)
    inside = without(newer.opened.inside, frozenset({version_id(NEW)}))
    left = replace(newer, opened=Opened.of(inside, newer.opened.versions))
    assert [(v.identity[1], v.status) for v in fold([older, left]).versions] == [
        ("Observation/1", status),
        ("Observation/2", Status.CURRENT),
    ]


def test_the_same_version_sealed_twice_counts_once() -> None:
    assert len(fold([placed(PATIENT, 1, OLD), placed(PATIENT, 2, OLD)]).versions) == 1


def test_the_order_in_which_entries_arrive_does_not_matter() -> None:
    entries = [
        placed(PATIENT, 1, OLD),
        placed(PATIENT, 2, NEW, replaces=replacing(OLD)),
        placed(PATIENT, 3, NEWER),
        placed(DOCTOR, 4, leaf("Observation/9", salt="9"), **LICENCE),
        placed(DOCTOR, 5, leaf("Observation/9", b"{}", "10"), trouble="x/y", **LICENCE),
    ]
    expected = fold(entries).versions
    chance = random.Random(7)
    for _ in range(30):
        chance.shuffle(entries)
        assert fold(entries).versions == expected


@pytest.mark.parametrize(
    ("updated", "as_of", "before", "before_as_of", "plan"),
    [
        (20, 0, 10, 0, Plan.REPLACE),
        (10, 0, 20, 0, Plan.OLDER),
        (10, 5, 10, 0, Plan.REPLACE),
        (None, 20, None, 10, Plan.REPLACE),
        (None, 10, None, 20, Plan.OLDER),
        (None, 10, None, 10, Plan.CONFLICT),
        (None, 0, None, 10, Plan.CONFLICT),
        (None, 0, None, 0, Plan.CONFLICT),
        (10, 0, None, 0, Plan.CONFLICT),
    ],
)
def test_dates_say_which_export_is_newer(
    updated: int | None, as_of: int, before: int | None, before_as_of: int, plan: Plan
) -> None:
    versions = fold([placed(PATIENT, 1, OLD, as_of=before_as_of)]).versions
    found, replaced = plan_import(versions, b"{}", updated, as_of, {version_id(OLD): before})
    assert found is plan
    assert replaced == ((version_id(OLD),) if plan is Plan.REPLACE else ())


def test_what_is_known_is_kept_and_what_was_withdrawn_does_not_come_back() -> None:
    assert plan_import([], b"{}", None, 0, {}) == (Plan.NEW, ())
    versions = fold([placed(PATIENT, 1, OLD), placed(PATIENT, 2, NEW, replaces=replacing(OLD))]).versions
    assert plan_import(versions, OLD.data, None, 0, {}) == (Plan.KEEP, ())
    gone = fold([placed(PATIENT, 1, OLD), placed(PATIENT, 2, NEW, kind=EntryKind.WITHDRAWAL, replaces=replacing(OLD))])
    assert plan_import(gone.versions, b"{}", 99, 99, {}) == (Plan.OLDER, ())
