"""Retained copies on a ledger of several members: apart from their notes in time, together, and never lost (ENT-29 to ENT-31)."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leaving_world import CHEAP
from members_world import FIRST, Members, two_members
from salus.agent.attending import BUSY, Attending
from salus.agent.home import Agent
from salus.agent.outbox import Outbox, read_outbox
from salus.agent.services import charting, copying, exporting, people, recovering, restoring, retaining, writing
from salus.agent.services.copying import WaitingCopy
from salus.agent.services.resuming import resume
from salus.agent.services.sealing import Job
from salus.agent.store import Store, read_store_key
from salus.agent.wallet import PrincipalRecord, Wallet
from salus.bootstrap import open_home
from salus.charts.sections import SectionKind
from salus.cli.output import rfc3339, when
from salus.codec import decode
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.cards import Role
from salus.homes import init_home, prepare_home
from salus.ledger.modules.sections.messages import AppendEntry
from salus.ledger.tx import Transaction
from world import DOCTOR, HOUR, PATIENT, Clock, World, beside, thread


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    """At the first of two members, a doctor may write to a patient."""
    with two_members(tmp_path) as made:
        made.first.person(PATIENT)
        made.first.person(DOCTOR, Role.PHYSICIAN)
        made.first.may_write()
        yield made


def note(world: World, text: str = "Feels well") -> writing.Written:
    return writing.write_note(world.agent, DOCTOR, PATIENT, text.encode(), amends=None, entered_in_error=None)


def height(world: World) -> int:
    return world.node.header(None).header.height


def appended(world: World, since: int) -> list[list[bytes]]:
    """Of each transaction after block ``since`` that appends: the sections that it appends to."""
    found = []
    for number in range(since + 1, height(world) + 1):
        for data in world.node.engine.block(number).transactions:
            actions = decode(data, Transaction, limit=1 << 20).body.actions
            found.append([action.section for action in actions if isinstance(action, AppendEntry)])
    return [sections for sections in found if sections]


def records(world: World) -> bytes:
    """The first member's records section."""
    return world.agent.wallet(FIRST).section(SectionKind.RECORDS, world.agent.network_id).identity


def later(world: World, ms: int = 12 * HOUR) -> None:
    """Some hours pass, and a command begins."""
    world.clock.now += ms
    resume(world.agent)


def kept(world: World) -> list[str]:
    """The entries that the first member's records hold."""
    return sorted(row.entry for row in retaining.retained(world.agent, FIRST))


def test_a_copy_is_not_on_the_ledger_with_its_note(members: Members) -> None:
    world = members.first
    since, now = height(world), world.clock.now
    note(world)
    later(world, HOUR - 60_000)
    assert [records(world) in sections for sections in appended(world, since)] == [False]
    waits = copying.waiting(world.agent, FIRST)
    assert waits.copies == 1
    assert now + HOUR <= waits.until <= world.clock.now + 12 * HOUR


def test_a_copy_is_there_when_the_delay_is_over(members: Members) -> None:
    world = members.first
    written = note(world)
    later(world)
    (row,) = retaining.retained(world.agent, FIRST)
    assert (row.entry, row.origin_entry, row.written_by) == (written.retained, written.entry, DOCTOR)
    assert copying.waiting(world.agent, FIRST) == copying.WaitingInfo(0, 0)
    assert charting.open_chart(world.agent, FIRST, FIRST).incomplete_batches == 0


def test_two_notes_give_one_transaction_that_names_no_section_of_the_patient(members: Members) -> None:
    world = members.first
    written = [note(world, text) for text in ("One", "Two")]
    since = height(world)
    later(world)
    assert appended(world, since) == [[records(world)] * 2]
    wallet = world.agent.wallet(PATIENT)
    assert records(world) not in {wallet.section(kind, world.agent.network_id).identity for kind in SectionKind}
    assert kept(world) == sorted(one.retained for one in written)


def test_a_copy_joins_the_batch_that_waits_only_if_it_waits_long_enough_itself(members: Members) -> None:
    world = members.first
    note(world)
    first = copying.waiting(world.agent, FIRST).until
    note(world)
    world.clock.now = first - HOUR // 2
    note(world)
    person = world.agent.wallet(FIRST).person
    dues = sorted(copy.due for _, copy in world.agent.store.all(WaitingCopy, person))
    assert dues[:2] == [first, first]
    assert dues[2] >= first + HOUR // 2


def test_what_is_too_large_for_one_submission_is_sent_in_several(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    world = members.first
    written = [note(world, text) for text in ("One", "Two")]
    since = height(world)
    monkeypatch.setattr("salus.agent.services.sealing._BYTES_AT_ONCE", 1)
    later(world)
    assert appended(world, since) == [[records(world)], [records(world)]]
    assert kept(world) == sorted(one.retained for one in written)


def test_without_a_delay_a_copy_follows_its_note_at_once(members: Members) -> None:
    members.first.agent.outbox = Outbox(0, 0)
    assert kept(members.first) == []
    written = note(members.first)
    assert kept(members.first) == [written.retained]


def test_on_a_network_of_one_member_nothing_waits(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.may_write()
        written = note(world)
        assert copying.waiting(world.agent, "Practice").copies == 0
        assert [row.entry for row in retaining.retained(world.agent, "Practice")] == [written.retained]


def test_the_delay_begins_when_the_note_is_on_the_ledger(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    world = members.first

    def refuse(_: object) -> None:
        raise NodeRefused("unexpected", "no")

    with monkeypatch.context() as patch:
        patch.setattr(world.node, "submit", refuse)
        with pytest.raises(SalusError):
            note(world)
    since = height(world)
    later(world)
    assert [records(world) in sections for sections in appended(world, since)] == [False]
    assert copying.waiting(world.agent, FIRST).until >= world.clock.now


def test_what_waits_travels_with_the_organisation_and_is_shown_once_wherever_it_was_sent(
    members: Members, tmp_path: Path
) -> None:
    world = members.first
    written = note(world)
    sink = io.BytesIO()
    exporting.export_person(world.agent, FIRST, sink, "travel", CHEAP)
    with beside(world, tmp_path / "other") as other:
        restoring.import_person(other.agent, io.BytesIO(sink.getvalue()), "travel")
        assert copying.waiting(other.agent, FIRST).copies == 1
        later(other)
        assert kept(other) == [written.retained]
        later(world)
        assert kept(world) == kept(other) == [written.retained]


def test_what_waits_outlives_a_recovery(members: Members, tmp_path: Path) -> None:
    world = members.first
    written = note(world)
    cold = people.read_cold((world.home / "cold" / "City_Hospital.cold").read_bytes())
    recovering.recover(world.agent, cold, cold_dir=tmp_path / "cold")
    assert copying.waiting(world.agent, FIRST).copies == 1
    later(world)
    assert kept(world) == [written.retained]


def test_a_note_so_large_that_its_copy_might_not_be_sealed_is_refused(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salus.agent.services.writing._COPY_ROOM", writing.MAX_BLOB)
    with pytest.raises(SalusError) as refused:
        note(members.first)
    assert refused.value.full_code == "charts/entry-too-large"
    assert charting.open_chart(members.first.agent, PATIENT, PATIENT).shown == []


def test_the_setting_is_read_and_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "outbox.toml"
    assert read_outbox(path) == Outbox(1, 12, 300)
    path.write_text("shortest_hours = 0\nlongest_hours = 0.5\n")
    assert read_outbox(path).window(1000) == (1000, 1000 + HOUR // 2)


@pytest.mark.parametrize(
    "text",
    ["shortest_hours = 13", "longest_hours = nan", "longest_hours = 1000", "shortest_hours = -1", "longest = 1", "x", "\xff"],
)
def test_a_setting_that_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "outbox.toml"
    path.write_text(text, "latin-1")
    with pytest.raises(SalusError) as refused:
        read_outbox(path)
    assert refused.value.full_code == "agent/bad-outbox"


def test_a_look_that_fails_is_logged_by_its_code_and_done_again(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[Exception] = [AgentRefused("bad-outbox", "secret"), NodeRefused(BUSY.partition("/")[2], ""), OSError("secret")]
    done = threading.Event()

    def look() -> None:
        if failures:
            raise failures.pop(0)
        done.set()

    attending = Attending(look, 0.001)
    with caplog.at_level(logging.INFO, "salus.agent"):
        attending.start()
        assert done.wait(30)
        attending.stop()
    assert [record.args for record in caplog.records] == [("agent/bad-outbox",), ("OSError",)]


@contextmanager
def served(home: Path) -> Iterator[None]:
    """The home, served by a process of its own."""
    words = ("serve", "--home", str(home), "--json")
    with subprocess.Popen([sys.executable, "-m", "salus", *words], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            while "}" not in server.stdout.readline():
                pass
            yield
        finally:
            server.terminate()
            server.wait()


def founded(folder: Path) -> Path:
    """The home of the first of two members, the second of which has not joined yet."""
    init_home(folder / "home", None, FIRST, [prepare_home(folder / "second", None, "Valley Clinic")])
    return folder / "home"


def one_note(home: Path, agent: Agent) -> int:
    """Somebody writes a note, by the clock of the machine: when its copy is due."""
    node: Any = agent.network
    world = World(home, agent, node, Clock(agent.clock()))
    world.person(PATIENT)
    world.person(DOCTOR, Role.PHYSICIAN)
    world.may_write()
    note(world)
    return copying.waiting(agent, FIRST).until


def left(home: Path) -> int:
    """What the home has still to send, read without opening the home: to open it would send it."""
    store = Store(home / "agent" / "store.db", read_store_key(home / "agent" / "agent.key", str))
    try:
        found = [row for wallet in store.all(PrincipalRecord, b"") for row in store.rows(Wallet(wallet[1]).person)]
        return sum(row.tag == "waiting-copy" for row in found) + len(store.all(Job, b""))
    finally:
        store.close()


def test_what_waits_is_shown_in_text_and_json(tmp_path: Path) -> None:
    home = founded(tmp_path)
    with open_home(home) as agent:
        until = one_note(home, agent)
    text, data = (
        subprocess.run([sys.executable, "-m", "salus", "retained", "--as", FIRST, *words], capture_output=True, text=True).stdout
        for words in (("--home", str(home)), ("--home", str(home), "--json"))
    )
    assert f"1 more copy waits in this home, due by {when(until)}" in text
    assert json.loads(data) == {"retained": [], "waiting": {"copies": 1, "until": rfc3339(until)}}


def test_a_served_home_sends_what_becomes_due_with_nobody_there(tmp_path: Path) -> None:
    home, hours = founded(tmp_path), 0.001
    (home / "agent" / "outbox.toml").write_text(f"shortest_hours = {hours}\nlongest_hours = {hours}\nlook_seconds = 1\n")
    with served(home):
        with open_home(home) as agent:
            assert one_note(home, agent) > 0
        deadline, pause = time.monotonic() + 30, threading.Event()
        while left(home) and time.monotonic() < deadline:
            pause.wait(0.1)
        assert left(home) == 0
        with open_home(home) as agent:
            assert len(retaining.retained(agent, FIRST)) == 1
