"""Control to the end: erased and still proven, several devices, a stolen wallet, a year in a drawer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.agent.asking import as_owner, entries_of, epochs_of, fetch_packages
from salus.agent.given import Ending, GivenGrant, given_grant
from salus.agent.home import Agent
from salus.agent.own_sections import own_section
from salus.agent.services import charting, erasing, granting, inbox, pairing, people, receipting, recovering, revoking, writing
from salus.agent.services.granting import Lasting
from salus.agent.services.manifest import sync
from salus.agent.services.rotating import rotate
from salus.agent.store import Store
from salus.charts.epochs import open_slot
from salus.charts.sections import SectionKind
from salus.errors import ChartRefused, SalusError
from salus.exchange.cards import Role
from salus.ledger.modules.sections.state import BLOBS, TOMBSTONES
from salus.warrants.link import Purpose, Right
from world import DOCTOR, HOUR, OTHER, PATIENT, World, beside, bundle, introduce, thread

ALWAYS = Lasting(True, True)
YEAR = 365 * 24 * HOUR


@pytest.fixture
def near(tmp_path: Path) -> Iterator[World]:
    with thread(tmp_path / "home") as made:
        yield made


def code(act: Any) -> str:
    with pytest.raises(SalusError) as refused:
        act()
    return refused.value.full_code


def vitals(agent: Agent, reader: str, patient: str = PATIENT) -> set[str]:
    chart = charting.open_chart(agent, reader, patient, sections=(SectionKind.VITALS,))
    assert not chart.unread
    assert not [v for v in chart.shown if v.trouble]
    return {version.identity[1] for version in chart.shown if version.identity[1].startswith("Observation/")}


def later(world: World, number: str, name: str = PATIENT) -> None:
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    value = {"resourceType": "Observation", "id": number, "status": "final", "category": [{"coding": [category]}]}
    world.take_in(bundle({**value, "code": {"text": "Heart rate"}}), name, source="Clinic")


def test_one_resource_is_erased_and_its_neighbours_stay_proven(world: World) -> None:
    made = world.grant(sections=(SectionKind.VITALS,))
    before = vitals(world.agent, PATIENT)
    gone = sorted(before)[0]
    done = erasing.erase(world.agent, PATIENT, gone)
    assert (done.rewritten, done.erased) == (1, 0)
    assert vitals(world.agent, PATIENT) == before - {gone}
    assert [item.kind for item in inbox.collect(world.agent, DOCTOR)] == ["grant"]  # new halves under the same grant
    assert vitals(world.agent, DOCTOR) == before - {gone}
    assert [info.grant for info in granting.access(world.agent, PATIENT)] == [made.grant]
    assert code(lambda: erasing.erase(world.agent, PATIENT, gone)) == "agent/no-such-resource"


def test_an_erased_entry_leaves_its_anchor_and_a_tombstone(near: World) -> None:
    near.may_write()
    note = writing.write_note(near.agent, DOCTOR, PATIENT, b"To be erased.", amends=None, entered_in_error=None)
    done = erasing.erase(near.agent, PATIENT, note.entry)
    assert (done.rewritten, done.erased) == (0, 1)
    assert [info.retainer for info in done.retained] == [near.node.status().member.hex()]
    chart = charting.open_chart(near.agent, PATIENT, PATIENT, sections=(SectionKind.DOCUMENTS,))
    assert (chart.shown, chart.unread) == ([], [])
    assert len(list(near.node.engine.state.keys(TOMBSTONES, TOMBSTONES + b"\xff" * 80))) == 1
    kept = charting.open_chart(near.agent, "Practice", "Practice").shown
    assert len(kept) == 1
    assert code(lambda: erasing.erase(near.agent, "Practice", note.retained)) == "agent/retained"
    near.clock.now += 11 * YEAR
    assert erasing.erase(near.agent, "Practice", note.retained).erased == 1


def test_what_several_sources_call_the_same_is_named_by_its_entry(near: World) -> None:
    later(near, "same")
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    value = {"resourceType": "Observation", "id": "same", "status": "final", "category": [{"coding": [category]}]}
    near.take_in(bundle({**value, "code": {"text": "Weight"}}), source="Elsewhere")
    assert code(lambda: erasing.erase(near.agent, PATIENT, "Observation/same")) == "agent/ambiguous-resource"


def second_device(near: World, other: World) -> None:
    made = pairing.add_device(near.agent, PATIENT, "phone")
    pairing.join(other.agent, made.text, made.code)


def test_two_devices_read_grant_and_see_each_others_grants(near: World, tmp_path: Path) -> None:
    with beside(near, tmp_path / "phone") as phone:
        second_device(near, phone)
        assert vitals(phone.agent, PATIENT) == vitals(near.agent, PATIENT)
        introduce(near, DOCTOR, phone)
        made = near.grant(sections=(SectionKind.VITALS,), lasting=ALWAYS)
        assert [info.grant for info in granting.access(phone.agent, PATIENT)] == [made.grant]
        revoking.revoke(phone.agent, PATIENT, grant=made.grant)
        assert [info.status for info in granting.access(near.agent, PATIENT)] == ["revoked"]
        assert [info.label for info in pairing.list_devices(phone.agent, PATIENT)] == ["first device", "phone"]
        given = near.agent.store.find(GivenGrant, near.agent.wallet(PATIENT).person, bytes.fromhex(made.grant))
        assert given is not None
        assert given.ending is Ending.DONE


def test_a_device_that_is_taken_off_opens_nothing_that_comes_after(near: World, tmp_path: Path) -> None:
    with beside(near, tmp_path / "phone") as phone:
        second_device(near, phone)
        before = vitals(phone.agent, PATIENT)
        assert code(lambda: pairing.remove_device(near.agent, PATIENT, "tablet")) == "agent/no-such-device"
        assert code(lambda: pairing.remove_device(near.agent, PATIENT, "first device")) == "agent/this-device"
        pairing.remove_device(near.agent, PATIENT, "phone")
        later(near, "secret")
        assert vitals(near.agent, PATIENT) == before | {"Observation/secret"}
        assert code(lambda: granting.access(phone.agent, PATIENT)) == "agent/device-taken-off"
        chart = charting.open_chart(phone.agent, PATIENT, PATIENT, sections=(SectionKind.VITALS,))
        assert {row[2] for row in chart.unread} == {"agent/no-epoch-key"}
        assert "Observation/secret" not in {version.identity[1] for version in chart.shown}
        assert [info.label for info in pairing.list_devices(near.agent, PATIENT)] == ["first device"]


def test_two_devices_revoke_at_once_and_nobody_gets_a_key_whom_either_revoked(near: World, tmp_path: Path) -> None:
    """The one that comes second finds the schedule changed, and looks again at what was revoked."""
    first = near.grant(sections=(SectionKind.VITALS,), lasting=ALWAYS)
    second = near.grant(OTHER, sections=(SectionKind.VITALS,), lasting=ALWAYS)
    with beside(near, tmp_path / "phone") as phone:
        second_device(near, phone)
        near.agent.network = Racing(near.node, lambda: revoking.revoke(phone.agent, PATIENT, grant=second.grant))
        revoking.revoke(near.agent, PATIENT, grant=first.grant)
        near.agent.network = near.node
        later(near, "after")
        for reader in (DOCTOR, OTHER):
            assert code(lambda reader=reader: vitals(near.agent, reader)) == "warrants/revoked"
        section = own_section(near.agent, near.agent.wallet(PATIENT), SectionKind.VITALS)
        assert keys_of(near, DOCTOR, first) & keys_of(near, OTHER, second) == set()
        assert not opened_slots(near, section, [first, second])


def test_a_revocation_counts_from_the_ledger_on_before_it_is_noted_anywhere(near: World, tmp_path: Path) -> None:
    """The other device was cut off between its transaction and its note: the ledger alone tells."""
    first = near.grant(sections=(SectionKind.VITALS,), lasting=ALWAYS)
    second = near.grant(OTHER, sections=(SectionKind.VITALS,), lasting=ALWAYS)
    with beside(near, tmp_path / "phone") as phone:
        second_device(near, phone)
        revoke_without_a_note(phone.agent, second)
        revoking.revoke(near.agent, PATIENT, grant=first.grant)
        section = own_section(near.agent, near.agent.wallet(PATIENT), SectionKind.VITALS)
        assert not opened_slots(near, section, [first, second])


def test_who_was_revoked_gets_no_new_halves_though_the_eraser_was_not_told(near: World, tmp_path: Path) -> None:
    """The other device was cut off between its transaction and its note; what is left of an entry is sealed after that."""
    made = near.grant(sections=(SectionKind.VITALS,))
    inbox.collect(near.agent, DOCTOR)
    with beside(near, tmp_path / "phone") as phone:
        second_device(near, phone)
        revoke_without_a_note(phone.agent, made)
        erasing.erase(near.agent, PATIENT, sorted(vitals(near.agent, PATIENT))[0])
        assert not inbox.collect(near.agent, DOCTOR)


def revoke_without_a_note(agent: Agent, info: granting.GrantInfo) -> None:
    """Revoke on the ledger, and be cut off before the other devices can be told."""
    wallet, identity = sync(agent, PATIENT), bytes.fromhex(info.grant)
    (part,) = given_grant(agent, wallet, identity).made().sections
    revoking.end_part(agent, wallet, identity, part)


class Racing:
    """A node before which, once, just before the next rotation, somebody else does something."""

    def __init__(self, node: Any, act: Any) -> None:
        self.node, self.act, self.waiting = node, act, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def submit(self, submission: Any) -> Any:
        if self.waiting and len(submission.blobs) > 0:
            self.waiting = False
            self.act()
        return self.node.submit(submission)


def keys_of(world: World, reader: str, info: granting.GrantInfo) -> set[bytes]:
    given = world.agent.store.find(GivenGrant, world.agent.wallet(PATIENT).person, bytes.fromhex(info.grant))
    assert given is not None
    return {part.slot_key for part in given.made().sections}


def opened_slots(world: World, section: Any, infos: list[granting.GrantInfo]) -> list[int]:
    """The epochs from the current one on in which any of the grants has a slot."""
    wallet = world.agent.wallet(PATIENT)
    epochs = epochs_of(world.agent, section.identity, [e.number for e in section.schedule if e.number >= section.epoch.number])
    packages = fetch_packages(world.agent, as_owner(world.agent, wallet, section), epochs)
    found = []
    for number, package in packages.items():
        for key in set().union(*(keys_of(world, "", info) for info in infos)):
            try:
                open_slot(package, key, section.identity, number)
            except ChartRefused:
                continue
            found.append(number)
    return found


def test_a_pairing_is_for_one_network_one_code_and_a_free_name(near: World, tmp_path: Path) -> None:
    made = pairing.add_device(near.agent, PATIENT, "phone")
    assert code(lambda: pairing.add_device(near.agent, PATIENT, "phone")) == "agent/device-exists"
    assert code(lambda: pairing.join(near.agent, made.text, made.code)) == "agent/name-taken"
    with beside(near, tmp_path / "phone") as phone:
        assert code(lambda: pairing.join(phone.agent, made.text, "aaaaaaaaaaaa")) == "crypto/cannot-open"
        assert code(lambda: pairing.join(phone.agent, made.text[:-8], made.code)) in ("codec/not-decodable", "agent/bad-pairing")
        assert code(lambda: pairing.join(phone.agent, "salus-card-1:x", made.code)) == "agent/bad-pairing"
        assert code(lambda: pairing.join(phone.agent, pairing.ARMOUR + "ä", made.code)) == "agent/bad-pairing"


def cold_file(near: World, name: str = PATIENT) -> Any:
    return people.read_cold((near.home / "cold" / f"{name}.cold").read_bytes())


def test_theft_drill_from_a_stolen_wallet_file_to_a_chart_under_new_keys(near: World, tmp_path: Path) -> None:
    """The thief has the agent's whole folder; the patient has the cold file, and no computer."""
    made = near.grant(sections=(SectionKind.VITALS,), lasting=ALWAYS)
    near.may_write(OTHER)
    before = vitals(near.agent, PATIENT)
    reading = [row for row in receipting.receipts(near.agent, PATIENT) if row.reader_name == DOCTOR]
    vitals(near.agent, DOCTOR)
    with beside(near, tmp_path / "new home") as home:
        done = recovering.recover(home.agent, cold_file(near), cold_dir=home.home / "cold")
        assert done.ended == (OTHER, DOCTOR)
        assert vitals(home.agent, PATIENT) == before
        later(home, "after")
        assert vitals(home.agent, PATIENT) == before | {"Observation/after"}
        # the thief, with the wallet as it was, and everybody with a warrant of before
        assert code(lambda: vitals(near.agent, DOCTOR)) == "warrants/refused"
        assert code(lambda: rotate(near.agent, PATIENT, SectionKind.VITALS)) in ("ledger/wrong-signers", "warrants/refused")
        assert code(lambda: vitals(near.agent, PATIENT)) == "warrants/refused"
        assert code(lambda: vitals(near.agent, OTHER)) == "agent/no-grant"
        words = {"amends": None, "entered_in_error": None}
        assert code(lambda: writing.write_note(near.agent, OTHER, PATIENT, b"x", **words)) == "warrants/refused"
        # the old receipts are still the patient's to read, and the new grant reads what the old wallet signed
        rows = [row for row in receipting.receipts(home.agent, PATIENT) if row.purpose == "TREAT"]
        assert len(rows) > len(reading)
        assert all(row.verified and not row.trouble for row in rows)
        introduce(near, DOCTOR, home)
        granting.grant(
            home.agent,
            PATIENT,
            DOCTOR,
            sections=(SectionKind.VITALS,),
            rights=made_rights(made),
            purposes=made_purposes(made),
            until_ms=near.clock.now + HOUR,
        )
        new_person = home.agent.wallet(PATIENT).person.hex()
        inbox.collect(near.agent, DOCTOR)
        assert vitals(near.agent, DOCTOR, new_person) == before | {"Observation/after"}
        assert code(lambda: recovering.recover(home.agent, cold_file(near), cold_dir=tmp_path)) == "agent/cold-file-spent"


def made_rights(info: granting.GrantInfo) -> Any:
    return tuple(Right(right) for right in info.rights)


def made_purposes(info: granting.GrantInfo) -> Any:
    return tuple(Purpose(purpose) for purpose in info.purposes)


def test_recovery_beside_the_wallet_and_once_more_with_the_new_cold_file(near: World) -> None:
    before = vitals(near.agent, PATIENT)
    done = recovering.recover(near.agent, cold_file(near), cold_dir=near.home / "cold")
    assert vitals(near.agent, PATIENT) == before
    again = people.read_cold(Path(done.person.cold_file).read_bytes())
    second = recovering.recover(near.agent, again, cold_dir=near.home / "cold")
    assert second.person.person != done.person.person
    assert vitals(near.agent, PATIENT) == before
    later(near, "after")
    assert vitals(near.agent, PATIENT) == before | {"Observation/after"}


def test_a_cold_file_of_elsewhere_or_of_nothing_recovers_nothing(near: World) -> None:
    cold = cold_file(near)
    elsewhere = msgspec.structs.replace(cold, network=bytes(32))
    assert code(lambda: recovering.recover(near.agent, elsewhere, cold_dir=near.home)) == "agent/wrong-network"
    other = msgspec.structs.replace(cold_file(near, "Dr__Reyes"), name=PATIENT)
    assert code(lambda: recovering.recover(near.agent, other, cold_dir=near.home)) == "agent/name-taken"
    for data in (b"", b"salus-cold-seed-1\nnothing", b"salus-cold-seed-1\n" + b"A" * 40):
        assert code(lambda data=data: people.read_cold(data)) == "agent/bad-cold-file"


def test_a_year_in_a_drawer(near: World, tmp_path: Path) -> None:
    """The wallet is off for a year: ends hold, appenders go on, and then the wallet sees it all."""
    near.grant(sections=(SectionKind.VITALS,), lasting=ALWAYS, hours=24 * 30)
    near.grant(OTHER, sections=(SectionKind.DOCUMENTS,), rights=(Right.APPEND,), hours=24 * 700)
    assert vitals(near.agent, DOCTOR)
    for month in range(1, 13):
        near.clock.now += 31 * 24 * HOUR
        near.node.engine.newest_header(fresh=True)
        writing.write_note(near.agent, OTHER, PATIENT, f"Month {month}.".encode(), amends=None, entered_in_error=None)
    assert code(lambda: vitals(near.agent, DOCTOR)) == "warrants/expired"
    notes = charting.open_chart(near.agent, PATIENT, PATIENT, sections=(SectionKind.DOCUMENTS,))
    assert len(notes.shown) == 12
    assert not notes.unread
    later(near, "after")
    assert "Observation/after" in vitals(near.agent, PATIENT)


def test_a_restored_old_wallet_knows_what_was_granted_since_and_takes_it_back(near: World, tmp_path: Path) -> None:
    shutil.copytree(near.home / "agent", tmp_path / "old")
    made = near.grant(sections=(SectionKind.VITALS,), lasting=ALWAYS)
    key = bytes.fromhex((tmp_path / "old" / "agent.key").read_text().split()[1])
    store = Store(tmp_path / "old" / "store.db", key)
    old = Agent(store, near.agent.index, near.node, near.agent.genesis, near.clock)
    assert [info.grant for info in granting.access(old, PATIENT)] == [made.grant]
    revoking.revoke(old, PATIENT, grant=made.grant)
    assert code(lambda: vitals(near.agent, DOCTOR)) == "warrants/revoked"
    store.close()


def test_a_blob_stands_by_its_hash_in_every_section_that_holds_it(near: World) -> None:
    section = own_section(near.agent, near.agent.wallet(PATIENT), SectionKind.VITALS)
    (entry, *_) = entries_of(near.agent, section.identity, [0])
    found = list(near.node.engine.state.keys(BLOBS + entry.blob, BLOBS + entry.blob + b"\xff"))
    assert found == [BLOBS + entry.blob + b"/" + section.identity]
    assert sync(near.agent, PATIENT).person == near.agent.wallet(PATIENT).person
    assert near.agent.wallet(PATIENT).record.role is Role.PATIENT
