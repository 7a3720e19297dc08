"""A person leaves with everything and comes back in another home of the network. (EXP-9 to EXP-20)"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import export_reader
import salus.agent
from leaving_world import CHEAP, PASS, everything, export, forged, items, rows_of, second_home, take_in
from salus.agent.epoch_pairs import KnownPair
from salus.agent.export_file import (
    Content,
    ExportEnd,
    ExportEntry,
    ExportHead,
    ExportPart,
    ExportRow,
    ExportWriter,
    read_export,
    require_order,
)
from salus.agent.given import Ending, GivenGrant
from salus.agent.services import (
    charting,
    contacts,
    erasing,
    exporting,
    granting,
    inbox,
    people,
    proving,
    receipting,
    restoring,
    retaining,
    revoking,
    writing,
)
from salus.agent.services.inbox import Cursor
from salus.agent.services.manifest import DeviceNote
from salus.agent.services.merging import RULES, TABLE, Rule
from salus.agent.services.receipting import SeenChain
from salus.agent.services.resuming import resume
from salus.agent.services.staffing import Duty, Staff
from salus.agent.wallet import PrincipalRecord
from salus.codec import Record, decode, encode
from salus.crypto.chunks import ChunkWriter
from salus.crypto.hashing import sha256
from salus.errors import SalusError
from salus.ledger.trusting import Trusted
from world import CLEMENTE, DOCTOR, OTHER, PATIENT, Clock, opened, thread

change = msgspec.structs.replace


def refused(act: object, *args: object, **options: object) -> str:
    with pytest.raises(SalusError) as error:
        act(*args, **options)  # type-checked by the tests that use it
    return error.value.full_code


def test_a_person_is_whole_in_a_second_home_and_can_revoke_from_there(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        kept, ended = world.grant(), world.grant(OTHER)
        charting.open_chart(world.agent, DOCTOR, PATIENT)
        before = charting.chart_bundle(charting.open_chart(world.agent, PATIENT, PATIENT))
        receipting.receipts(world.agent, PATIENT)
        data = export(world.agent)
        revoking.revoke(world.agent, PATIENT, grant=ended.grant)
        with second_home(world, tmp_path / "second") as agent:
            found = take_in(agent, data)
            assert (found.name, found.network) == (PATIENT, agent.network_id.hex())
            assert charting.chart_bundle(charting.open_chart(agent, PATIENT, PATIENT)) == before
            listed = {row.grant: (row.status, row.reader_name) for row in granting.access(agent, PATIENT)}
            assert listed == {kept.grant: ("active", DOCTOR), ended.grant: ("revoked", OTHER)}
            rows = receipting.receipts(agent, PATIENT)
            assert DOCTOR in {row.reader_name for row in rows}
            assert {row.trouble for row in rows} == {""}
            assert proving.verify_own(agent, PATIENT).troubles == ()
            assert {info.name for info in contacts.list_contacts(agent)} == {PATIENT, DOCTOR, OTHER}
            revoking.revoke(agent, PATIENT, grant=kept.grant)
        assert {row.status for row in granting.access(world.agent, PATIENT)} == {"revoked"}
        assert refused(charting.open_chart, world.agent, DOCTOR, PATIENT) == "warrants/revoked"


def test_a_restored_chart_needs_no_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with thread(tmp_path / "home") as world:
        before = charting.chart_bundle(charting.open_chart(world.agent, PATIENT, PATIENT))
        data = export(world.agent)
        with second_home(world, tmp_path / "second") as agent:
            assert take_in(agent, data).unopened == 0
            monkeypatch.setattr(type(world.node), "read", lambda *_: pytest.fail("the vault was asked"))
            assert charting.chart_bundle(charting.open_chart(agent, PATIENT, PATIENT)) == before


def test_the_bundle_inside_is_the_chart_byte_for_byte(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        contents = items(export(world.agent))
        bundle = b"".join(part.data for part in contents if isinstance(part, ExportPart))
        assert bundle == charting.chart_bundle(charting.open_chart(world.agent, PATIENT, PATIENT))
        plain, info = exporting.plain_bundle(world.agent, PATIENT)
        assert (plain, info.resources) == (bundle, len(json.loads(CLEMENTE)["entry"]))
        assert contents[-1] == ExportEnd(
            sum(isinstance(content, ExportRow) for content in contents),
            sum(isinstance(content, ExportEntry) for content in contents),
            len(bundle),
        )


def test_what_was_erased_after_the_export_does_not_come_back(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        data = export(world.agent)
        erased = next(v for v in charting.open_chart(world.agent, PATIENT, PATIENT).shown if "Observation" in v.identity[1])
        erasing.erase(world.agent, PATIENT, erased.identity[1])
        with second_home(world, tmp_path / "second") as agent:
            take_in(agent, data)
            shown = charting.open_chart(agent, PATIENT, PATIENT).shown
            assert erased.identity[1] not in {version.identity[1] for version in shown}
            assert proving.verify_own(agent, PATIENT).troubles == ()


def test_nobody_else_of_the_home_and_no_key_of_it_travels(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.grant()
        world.person("Neighbour")
        cold = (world.home / "cold" / f"{PATIENT}.cold").read_bytes().splitlines()[1]
        inside = b"".join(encode(content) for content in items(export(world.agent)))
        assert world.agent.wallet(PATIENT).record.seed in inside
        for name in (DOCTOR, OTHER, "Neighbour", "Practice"):
            assert world.agent.wallet(name).record.seed not in inside
        assert b"Neighbour" not in inside
        assert OTHER.encode() not in inside
        assert DOCTOR.encode() in inside
        assert people.read_cold(b"salus-cold-seed-1\n" + cold).seed not in inside
        key = (world.home / "agent" / "agent.key").read_text().splitlines()[1]
        assert bytes.fromhex(key) not in inside


def test_the_address_book_travels_from_a_home_of_ones_own(tmp_path: Path) -> None:
    with opened(tmp_path / "home", Clock()) as world:
        world.person(PATIENT)
        with second_home(world, tmp_path / "friend") as friend:
            people.add_person(friend, "Friend", people.Role.PATIENT, cold_dir=tmp_path)
            contacts.add_contact(world.agent, people.own_card(friend, "Friend"))
        with second_home(world, tmp_path / "second") as agent:
            take_in(agent, export(world.agent))
            assert {info.name for info in contacts.list_contacts(agent)} == {PATIENT, "Friend"}


def test_an_old_export_over_a_home_that_went_on_takes_nothing_back(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        made = world.grant()
        charting.open_chart(world.agent, DOCTOR, PATIENT)
        data = export(world.agent)
        revoking.revoke(world.agent, PATIENT, grant=made.grant)
        receipting.receipts(world.agent, PATIENT)
        world.take_in(CLEMENTE, source="Another")
        inbox.collect(world.agent, PATIENT)
        before = {row[:3]: row[3] for row in everything(world.agent.store) if row[0] not in ("pin", "kept-promise")}
        take_in(world.agent, data)
        after = {row[:3]: row[3] for row in everything(world.agent.store) if row[0] not in ("pin", "kept-promise")}
        assert before.items() <= after.items()
        assert {tag for tag, _, _ in after.keys() - before.keys()} <= {"contact"}
        assert {row.status for row in granting.access(world.agent, PATIENT)} == {"revoked"}


def test_a_name_is_taken_chosen_or_known(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        data = export(world.agent)
        with second_home(world, tmp_path / "second") as agent:
            people.add_person(agent, PATIENT, people.Role.PATIENT, cold_dir=tmp_path)
            before = everything(agent.store)
            assert refused(take_in, agent, data) == "agent/name-taken"
            assert refused(take_in, agent, data, " ") == "warrants/bad-name"
            assert everything(agent.store) == before
            assert take_in(agent, data, "Old me").name == "Old me"
            assert agent.wallet("Old me").person == world.agent.wallet(PATIENT).person
            assert people.own_card(agent, "Old me").card.name == "Old me"
            assert charting.open_chart(agent, "Old me", "Old me").shown
            assert take_in(agent, data).name == "Old me"
            assert refused(take_in, agent, data, "Third") == "agent/known-person"


def test_jobs_follow_the_name(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        contents = items(export(world.agent))
        job = erasing.ErasureJob(PATIENT, ())
        row = ExportRow("erasure-job", b"", bytes(32), encode(job))
        with second_home(world, tmp_path / "second") as agent:
            take_in(agent, forged([*contents[:2], row, *contents[2:]]), "Me")
            assert [kept.name for _, kept in agent.store.all(erasing.ErasureJob, b"")] == ["Me"]
            resume(agent)
            assert agent.store.all(erasing.ErasureJob, b"") == []
        agent_job = world.agent
        with agent_job.store.writing():
            agent_job.store.put(b"", bytes(32), job)
            agent_job.store.put(b"", bytes([1] * 32), erasing.ErasureJob(OTHER, ()))
        assert [kept.body for kept in rows_of(items(export(agent_job)), "erasure-job")] == [encode(job)]


def test_an_export_of_another_network_is_refused(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world, opened(tmp_path / "other", Clock()) as other:
        before = everything(other.agent.store)
        assert refused(take_in, other.agent, export(world.agent)) == "agent/wrong-network"
        assert everything(other.agent.store) == before


def test_a_passphrase_counts_however_its_letters_are_composed(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        data = export(world.agent, passphrase="caf\u00e9")
        assert restoring.check_export(io.BytesIO(data), "cafe\u0301").person == world.agent.wallet(PATIENT).person.hex()
        assert refused(restoring.check_export, io.BytesIO(data), "cafe") == "crypto/cannot-open"


def test_a_ledger_older_or_other_than_the_exporter_saw_is_refused_and_nothing_kept(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        contents = items(export(world.agent))
        (row,) = rows_of(contents, "pin")
        pin = decode(row.body, Trusted, limit=1024)
        with second_home(world, tmp_path / "second") as agent:
            before = everything(agent.store)
            for forged_pin, code in (
                (change(pin, height=pin.height + 1_000_000), "agent/stale-node"),
                (change(pin, height=pin.height - 1), "agent/forked-node"),
                (change(pin, hash=bytes(32)), "agent/forked-node"),
            ):
                swapped = [change(row, body=encode(forged_pin)) if content is row else content for content in contents]
                assert refused(take_in, agent, forged(swapped)) == code
                assert everything(agent.store) == before
            assert agent.wallets() == []


def edited(contents: list[Content], tag: str, edit: Callable[[ExportRow], Any]) -> bytes:
    """The export with each row of ``tag`` changed."""
    return forged([edit(c) if isinstance(c, ExportRow) and c.record == tag else c for c in contents])


def test_rows_that_do_not_belong_are_refused_in_a_home_and_without_one(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.grant()
        contents = items(export(world.agent))
        stranger = world.agent.wallet(OTHER)
        head = contents[0]
        assert isinstance(head, ExportHead)
        principal = rows_of(contents, "principal")[0]
        other = change(principal, body=encode(change(stranger.record, name=PATIENT)))
        card = encode(contacts.Contact(people.own_card(world.agent, OTHER)))
        outgoing = ExportRow("outgoing-letter", b"", b"", encode(TABLE_EXAMPLE))
        cases: list[tuple[bytes, str]] = [
            (edited(contents, "given-grant", lambda row: change(row, owner=stranger.person)), "agent/bad-export"),
            (edited(contents, "contact", lambda row: change(row, key=stranger.person)), "agent/bad-export"),
            (edited(contents, "contact", lambda row: change(row, body=card)), "agent/bad-export"),
            (edited(contents, "pin", lambda row: change(row, key=b"x")), "agent/bad-export"),
            (edited(contents, "known-licence", lambda row: change(row, key=b"x")), "agent/bad-export"),
            (edited(contents, "pin", lambda row: change(row, owner=head.person)), "agent/bad-export"),
            (edited(contents, "principal", lambda _: other), "agent/bad-export"),
            (edited(contents, "principal", lambda row: change(row, key=b"x")), "agent/bad-export"),
            (forged([*contents[:2], principal, *contents[2:]]), "agent/bad-export"),
            (forged([contents[0], *contents[2:]]), "agent/bad-export"),
            (forged([*contents[:2], outgoing, *contents[2:]]), "agent/bad-export"),
            (forged([c for c in contents if not (isinstance(c, ExportRow) and c.record == "pin")]), "agent/bad-export"),
            (
                forged([change(head, genesis=encode(change(world.agent.genesis, salt=bytes(16)))), *contents[1:]]),
                "agent/bad-export",
            ),
            (edited(contents, "pin", lambda row: change(row, record="pin-9")), "agent/newer-version"),
            (edited(contents, "pin", lambda row: change(row, body=row.body + b"\x00")), "codec/not-decodable"),
            (forged([]), "agent/bad-export"),
        ]
        with second_home(world, tmp_path / "second") as agent:
            before = everything(agent.store)
            for number, (data, code) in enumerate(cases):
                assert refused(restoring.check_export, io.BytesIO(data), PASS) == code, number
                assert refused(take_in, agent, data) == code, number
                assert everything(agent.store) == before


TABLE_EXAMPLE = next(rule.shape for rule in TABLE if str(rule.shape.__struct_config__.tag) == "outgoing-letter")(
    bytes(32), bytes(16), (bytes(32),), b"", False, 1, 0
)


def test_a_store_with_records_of_a_newer_version_is_not_exported_by_halves(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.agent.store._db.execute(
            "insert into records values ('later', ?, x'', x'90')", (world.agent.wallet(PATIENT).person,)
        )
        assert refused(export, world.agent) == "agent/newer-version"


@pytest.mark.parametrize(
    ("before", "after", "good"),
    [
        *((before, after, True) for before, after in ((-1, 0), (0, 1), (1, 1), (1, 2), (1, 4), (2, 2), (0, 4), (3, 4))),
        *((before, after, False) for before, after in ((-1, 1), (-1, 4), (0, 0), (2, 1), (4, 4), (4, 1), (3, 0))),
    ],
)
def test_items_have_one_order(before: int, after: int, good: bool) -> None:
    if good:
        require_order(before, after)
    else:
        assert refused(require_order, before, after) == "agent/bad-export"


def test_an_export_without_its_end_or_with_another_count_is_refused(tmp_path: Path) -> None:
    head = ExportHead(bytes(32), b"", bytes(32), "x", bytes(32), 0, 0, 0, "1")

    def outcome(contents: list[Content], *, tail: bytes = b"") -> str:
        sink = io.BytesIO()
        writer = ExportWriter(sink, PASS, CHEAP)
        for content in contents:
            writer.put(content)
        writer._chunks.write(tail)
        writer._chunks.finish()
        try:
            return str(len(list(read_export(io.BytesIO(sink.getvalue()), PASS))))
        except SalusError as error:
            return error.full_code

    assert outcome([head, ExportEnd(0, 0, 0)]) == "2"
    assert outcome([head]) == "agent/bad-export"
    assert outcome([]) == "agent/bad-export"
    assert outcome([head, ExportEnd(1, 0, 0)]) == "agent/bad-export"
    assert outcome([head, ExportPart(b"x"), ExportEnd(0, 0, 2)]) == "agent/bad-export"
    assert outcome([head, ExportEnd(0, 0, 0)], tail=b"\x00") == "agent/bad-export"
    assert outcome([head, ExportEnd(0, 0, 0)], tail=b"\x00\x00\x00\x01\x90") == "codec/not-decodable"


def test_an_item_of_any_size_is_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salus.agent.export_file.MAX_ITEM", 100)
    sink = io.BytesIO()
    writer = ChunkWriter(sink, b"salus-export-1\n", PASS, CHEAP)
    writer.write(b"\xff" * 4 + bytes(200))
    writer.finish()
    assert refused(lambda: list(read_export(io.BytesIO(sink.getvalue()), PASS))) == "agent/bad-export"


def pinned(height: int, digest: bytes) -> Trusted:
    """A header that was verified, where one member orders alone."""
    return Trusted(height, height, digest, (), bytes(32))


GIVEN = GivenGrant(b"", None, Ending.NOT)  # merging looks at the end alone
DEVICE = DeviceNote(bytes(32), "x", b"", False)
MERGES: list[tuple[Record, Record, bool]] = [
    (GIVEN, change(GIVEN, ending=Ending.ASKED), True),
    (GIVEN, change(GIVEN, ending=Ending.DONE), True),
    (change(GIVEN, ending=Ending.ASKED), change(GIVEN, ending=Ending.DONE), True),
    (Cursor(1), Cursor(2), True),
    (pinned(1, bytes(32)), pinned(2, bytes(32)), True),
    (SeenChain(1, (), ()), SeenChain(2, (), ()), True),
    (DEVICE, change(DEVICE, removed=True), True),
    (Staff(bytes(32), (Duty.NURSE,), 5, 0), Staff(bytes(32), (Duty.NURSE,), 5, 9), True),
    (KnownPair(bytes(32), bytes(32)), KnownPair(bytes(32), b"1" * 32), True),
    (people.OwnCard(None, bytes(32)), people.OwnCard(None, b"1" * 32), False),
]


@pytest.mark.parametrize(("less", "more", "forward"), MERGES)
def test_a_merge_only_moves_forward(less: Record, more: Record, forward: bool) -> None:
    rule = RULES[str(type(less).__struct_config__.tag)]
    assert rule.merge(less, more) == (more if forward else less)
    assert rule.merge(more, less) == more


def test_two_pins_of_one_height_must_be_one() -> None:
    assert refused(RULES["pin"].merge, pinned(1, bytes(32)), pinned(1, b"1" * 32)) == "agent/forked-node"


#: Shapes of the agent that are never a row of the store: inside others, in letters and files, or in the index alone.
INSIDE = {
    "cold-seed-1", "cold-section", "commitment", "delegated", "entry-notice", "erasure", "export-end", "export-entry",
    "export-head-1", "export-item", "export-part", "export-row", "former", "job-entry", "kept-batch",
    "kept-entry-3", "kept-through", "kept-type", "manifest-entry",
    "order-terms", "pairing-1", "prescription-terms", "reading-note", "supply", "taken", "wallet-note",
}  # fmt: skip


def test_every_shape_that_the_agent_stores_has_a_rule() -> None:
    shapes = set()
    for found in pkgutil.walk_packages(salus.agent.__path__, "salus.agent."):
        module = importlib.import_module(found.name)
        for _, shape in inspect.getmembers(module, inspect.isclass):
            if issubclass(shape, Record) and shape.__module__ == found.name:
                shapes.add(str(shape.__struct_config__.tag))
    assert shapes - INSIDE | {"pin"} == set(RULES)
    assert len(TABLE) == len(RULES)
    assert all(isinstance(rule, Rule) for rule in TABLE)


class Killed(BaseException):
    """What stands for kill -9."""


class Breaking(io.BytesIO):
    """A file whose reading ends at the ``at``-th read."""

    left = 0

    def read(self, *size: Any) -> bytes:
        self.left -= 1
        if self.left == 0:
            raise Killed
        return super().read(*size)


def test_an_import_killed_anywhere_keeps_nothing_or_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with thread(tmp_path / "home") as world:
        data = export(world.agent)
        with second_home(world, tmp_path / "second") as agent:
            before = everything(agent.store)
            data = forged(items(data), size=20_000)
            for at in range(2, len(data) // 20_000 * 2, 5):
                source = Breaking(data)
                source.left = at
                with pytest.raises(Killed):
                    restoring.import_person(agent, source, PASS)
                assert everything(agent.store) == before

            def dead(*_: object) -> None:
                raise Killed

            with monkeypatch.context() as patch:
                patch.setattr(type(world.node), "open_mailbox", dead)
                with pytest.raises(Killed):
                    take_in(agent, data)
            assert refused(people.own_card, agent, PATIENT) == "agent/no-such-person"
            resume(agent)
            assert people.own_card(agent, PATIENT).card.members == (agent.network.status().member,)
            assert charting.open_chart(agent, PATIENT, PATIENT).shown


def test_cursors_are_kept_by_member_and_travel(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.may_write()
        writing.write_note(world.agent, DOCTOR, PATIENT, b"Feels well", amends=None, entered_in_error=None)
        inbox.collect(world.agent, PATIENT)
        contents = items(export(world.agent))
        person, member = world.agent.wallet(PATIENT).person, world.node.status().member
        with second_home(world, tmp_path / "second") as agent:
            take_in(agent, forged(contents))
            assert agent.store.find(Cursor, person, member) == world.agent.store.find(Cursor, person, member)
            assert inbox.collect(agent, PATIENT) == ()


def test_what_is_retained_is_listed_for_the_patient_and_for_the_member(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.may_write()
        assert retaining.retained(world.agent, PATIENT) == ()
        written = writing.write_note(world.agent, DOCTOR, PATIENT, b"Feels well", amends=None, entered_in_error=None)
        (mine,) = retaining.retained(world.agent, PATIENT)
        (theirs,) = retaining.retained(world.agent, "Practice")
        assert (mine.entry, mine.author_name, mine.retainer_name) == (written.entry, DOCTOR, "Practice")
        assert (theirs.entry, theirs.origin_entry, theirs.written_by) == (written.retained, written.entry, DOCTOR)
        assert mine.until == theirs.until == mine.authored + writing.RETAINED_YEARS_MS
        assert mine.retainer == theirs.retainer
        assert mine.resources == theirs.resources == written.resources
        assert (mine.origin_entry, mine.trouble, theirs.trouble) == ("", "", "")
        assert retaining.retained(world.agent, DOCTOR) == ()


def test_a_member_whom_nobody_introduced_is_named_by_its_id(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.may_write()
        writing.write_note(world.agent, DOCTOR, PATIENT, b"Feels well", amends=None, entered_in_error=None)
        with second_home(world, tmp_path / "second") as agent:
            take_in(agent, export(world.agent))
            (row,) = retaining.retained(agent, PATIENT)
            assert row.retainer.startswith(row.retainer_name)


def test_the_principal_is_the_homes_own_in_a_merge(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        record = world.agent.wallet(PATIENT).record
        take_in(world.agent, export(world.agent))
        assert world.agent.store.find(PrincipalRecord, b"", PATIENT.encode()) == record


def test_another_reader_written_from_the_specification_finds_the_same(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.grant()
        data = forged(items(export(world.agent)), size=50_000)
        found = export_reader.read(data, PASS)
        assert found == [msgspec.msgpack.decode(encode(content)) for content in items(data)]
        tags = [item[0] for item in found]
        assert tags == sorted(tags, key=["export-head-1", "export-row", "export-entry", "export-part", "export-end"].index)
        head, wallet = found[0], world.agent.wallet(PATIENT)
        assert (head[1], head[3], head[4]) == (world.agent.network_id, wallet.person, PATIENT)
        assert export_reader.tagged(b"salus/network/1", head[2]) == head[1]
        bundle = b"".join(item[1] for item in found if item[0] == "export-part")
        assert json.loads(bundle)["resourceType"] == "Bundle"
        assert found[-1][1:] == [tags.count("export-row"), tags.count("export-entry"), len(bundle)]


def test_entries_that_the_ledger_has_otherwise_are_not_kept(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        contents = items(export(world.agent))
        with second_home(world, tmp_path / "second") as agent:
            take_in(agent, forged(contents))
            assert len(everything(agent.index)) == sum(isinstance(content, ExportEntry) for content in contents)
        first = next(v for v in charting.open_chart(world.agent, PATIENT, PATIENT).shown if "Observation" in v.identity[1])
        erasing.erase(world.agent, PATIENT, first.identity[1])
        with second_home(world, tmp_path / "third") as agent:
            take_in(agent, forged(contents))
            kept = {row[2] for row in everything(agent.index)}
            assert len(kept) == sum(isinstance(content, ExportEntry) for content in contents) - 1


def test_entries_that_no_key_opens_and_the_ledger_never_had_are_counted_or_left(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        contents = items(export(world.agent))
        entry = next(content for content in contents if isinstance(content, ExportEntry))
        at = contents.index(entry)
        broken = forged([*contents[:at], change(entry, blob=entry.blob[:-1]), change(entry, number=9999), *contents[at + 1 :]])
        with second_home(world, tmp_path / "second") as agent:
            assert take_in(agent, broken).unopened == 1
            assert len(everything(agent.index)) == sum(isinstance(content, ExportEntry) for content in contents) - 1


def test_a_blob_that_the_vault_lost_is_counted_and_the_rest_exported(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        contents = items(export(world.agent))
        entry = next(content for content in contents if isinstance(content, ExportEntry))
        for path in (world.home / "node" / "vault").rglob(f"*{sha256(entry.blob).hex()}*"):
            path.unlink()
        info = exporting.export_person(world.agent, PATIENT, io.BytesIO(), PASS, CHEAP)
        assert (info.missing, info.entries) == (1, sum(isinstance(content, ExportEntry) for content in contents) - 1)
