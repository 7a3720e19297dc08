"""Keys decide what can be opened: one reader's bytes and a node's whole folder, in a process of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.agent.own_sections import own_section
from salus.agent.services import charting, erasing, granting, inbox, manifest, pairing, people, revoking, rotating
from salus.agent.services.granting import Lasting
from salus.charts.sections import SectionKind
from salus.crypto.keys import derive
from salus.exchange.cards import Role
from salus.ledger.modules.sections.messages import Rotate
from salus.warrants.link import Purpose, Right
from world import HOUR, PATIENT, World, beside, bundle, introduce, license_abroad, thread

READER = "Dr. Far"
VITALS = SectionKind.VITALS
Opened = set[tuple[str, int]]


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[World, World]]:
    """The patient beside the node, and a licensed reader in a home far away."""
    with thread(tmp_path / "home") as near, beside(near, tmp_path / "far") as far:
        people.add_person(far.agent, READER, Role.PHYSICIAN, cold_dir=tmp_path / "cold")
        license_abroad(near, far, READER, Role.PHYSICIAN)
        yield near, far


def by_bytes(near: World, far: World, who: str = READER) -> Opened:
    """What the bytes of somebody in the home ``far`` open of the node's whole folder."""
    copy = near.home.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(near.home / "node", copy)
    key = derive(far.home.name.encode().ljust(32, b"\0"), "store")
    person = far.agent.wallet(who).person.hex()
    command = [sys.executable, str(Path(__file__).parents[1] / "reader_by_bytes.py")]
    arguments = [str(far.home / "store.db"), key.hex(), person, str(copy)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, check=True)
    return {(line.split()[0], int(line.split()[1])) for line in found.stdout.splitlines()}


def everything(near: World) -> Opened:
    """Every entry of the section that is granted."""
    section = own_section(near.agent, near.agent.wallet(PATIENT), VITALS)
    return {(section.identity.hex(), number) for number in range(section.count)}


def grant(near: World, far: World, lasting: Lasting, hours: int = 72) -> granting.GrantInfo:
    made = granting.grant(
        near.agent,
        PATIENT,
        READER,
        sections=(VITALS,),
        rights=(Right.READ,),
        purposes=(Purpose.TREAT,),
        until_ms=near.clock.now + hours * HOUR,
        lasting=lasting,
    )
    inbox.collect(far.agent, READER)
    return made


def later(near: World, *numbers: str) -> None:
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    value = {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [category]}],
        "code": {"text": "Heart rate"},
    }
    near.take_in(bundle(*({**value, "id": number} for number in numbers)), source="Clinic")


def test_a_standing_reader_opens_all_until_the_end_and_nothing_that_was_sealed_after(homes: tuple[World, World]) -> None:
    near, far = homes
    introduce(near, PATIENT, far)
    assert by_bytes(near, far) == set()
    made = grant(near, far, Lasting(True, True))
    later(near, "one")
    granted = everything(near)
    assert by_bytes(near, far) == granted != set()
    revoking.revoke(near.agent, PATIENT, grant=made.grant)
    later(near, "two")
    later(near, "three")
    assert everything(near) > granted
    assert by_bytes(near, far) == granted


def test_from_now_on_opens_nothing_from_before(homes: tuple[World, World]) -> None:
    near, far = homes
    before = everything(near)
    grant(near, far, Lasting(True, False))
    later(near, "one")
    rotating.rotate(near.agent, PATIENT, VITALS)
    later(near, "two")
    assert by_bytes(near, far) == everything(near) - before != set()


def test_what_is_left_of_an_entry_from_before_stays_closed_to_a_reader_from_now_on(homes: tuple[World, World]) -> None:
    """Erasing a resource seals its entry again: under the keys of its epoch, not of today's."""
    near, far = homes
    later(near, "one", "two")
    before = everything(near)
    grant(near, far, Lasting(True, False))
    erasing.erase(near.agent, PATIENT, "Observation/one")
    later(near, "three")
    assert by_bytes(near, far) == everything(near) - before != set()


def test_a_snapshot_opens_what_it_names(homes: tuple[World, World]) -> None:
    near, far = homes
    granted = everything(near)
    grant(near, far, Lasting())
    later(near, "one")
    assert by_bytes(near, far) == granted != set()


def test_a_device_that_was_taken_off_opens_nothing_later_though_others_read_on(
    homes: tuple[World, World], tmp_path: Path
) -> None:
    """It knows the slot keys of everybody who was let in: they have others since."""
    near, far = homes
    paired = pairing.add_device(near.agent, PATIENT, "tablet")
    with beside(near, tmp_path / "tablet") as tablet:
        pairing.join(tablet.agent, paired.text, paired.code)
        introduce(far, READER, tablet)
        grant(near, far, Lasting(True, True))
        manifest.sync(tablet.agent, PATIENT)
        known = everything(near)
        pairing.remove_device(near.agent, PATIENT, "tablet")
        later(near, "after")
        inbox.collect(far.agent, READER)
        assert by_bytes(near, tablet, PATIENT) & everything(near) == known
        assert by_bytes(near, far) == everything(near) > known
        shown = charting.open_chart(far.agent, READER, PATIENT)
        assert not shown.unread
        assert "Observation/after" in {version.identity[1] for version in shown.shown}


def test_a_known_end_holds_while_everything_of_the_patient_is_off(homes: tuple[World, World]) -> None:
    near, far = homes
    grant(near, far, Lasting(True, True), hours=3)
    granted = everything(near)
    near.clock.now += 5 * HOUR
    near.node.engine.newest_header(fresh=True)
    later(near, "after the end")
    assert by_bytes(near, far) == granted != set()


def test_with_rotation_switched_off_the_control_opens_more(homes: tuple[World, World], monkeypatch: pytest.MonkeyPatch) -> None:
    """The measure itself can fail: without rotation the same bytes open what came after the end."""
    near, far = homes
    made = grant(near, far, Lasting(True, True))
    granted = everything(near)

    def without_rotation(agent: object, actions: list[object], *_: object) -> object:
        return submit(agent, [action for action in actions if not isinstance(action, Rotate)], [])

    submit = rotating.submit
    monkeypatch.setattr(rotating, "submit", without_rotation)
    monkeypatch.setattr(rotating, "keep_pair", lambda *_: None)
    revoking.revoke(near.agent, PATIENT, grant=made.grant)
    later(near, "leaks")
    assert by_bytes(near, far) > granted


def test_what_two_sections_of_one_patient_show_is_never_equal(homes: tuple[World, World]) -> None:
    """Of many sections, no 16 bytes that one shows on the ledger stand in another's: no key, no hash, no schedule."""
    near, far = homes
    grant(near, far, Lasting(True, True))
    state = near.node.engine.state
    shown: dict[bytes, set[bytes]] = {}
    for leaf in state.keys(b"sections/", b"sections0"):
        value = state.get(leaf) or b""
        shown.setdefault(leaf[9:41], set()).update(strings_of(value))
    assert len(shown) > 5
    seen: set[bytes] = set()
    for found in shown.values():
        assert not found & seen
        seen |= found


def strings_of(value: bytes) -> set[bytes]:
    """Every 32-byte string of a leaf, but for zeros."""
    found, at = set(), value.find(b"\xc4\x20")
    while at >= 0:
        found.add(value[at + 2 : at + 34])
        at = value.find(b"\xc4\x20", at + 1)
    return found - {bytes(32)}
