"""With the node's folder in hand: no name, address, display, identifier or birth date, in any encoding, at any alignment."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.agent.services import charting, revoking, writing
from salus.charts.sections import SectionKind
from salus.warrants.link import Right
from world import CLEMENTE, DOCTOR, PATIENT, thread

NAMED = {"family", "given", "text", "line", "city", "display", "value", "birthDate", "postalCode", "div", "title"}
NOTE = "Feels well today, sleeps badly."


def secrets(value: Any, name: str = "") -> Iterator[str]:
    """Each string of 8 characters or more under a name that tells of a person."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from secrets(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from secrets(item, name)
    elif isinstance(value, str) and name in NAMED and len(value) >= 8:
        yield value


def forms(text: str) -> Iterator[bytes]:
    """The text as UTF-8, UTF-16 of both orders, hexadecimal of both cases, and base64 at three alignments."""
    data = text.encode()
    yield data
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield data.hex().encode()
    yield data.hex().upper().encode()
    for shift in range(3):
        whole = base64.b64encode(b"\x00" * shift + data)
        start = -(-shift * 8 // 6)
        sure = (shift + len(data)) * 8 // 6
        yield whole[start:sure]
        yield whole[start:sure].translate(bytes.maketrans(b"+/", b"-_"))


def hits(folder: Path, texts: list[str]) -> set[bytes]:
    """Which forms of the texts stand anywhere in the folder's files or in their names."""
    pattern = re.compile(b"|".join(sorted({re.escape(form) for text in texts for form in forms(text)}, key=len, reverse=True)))
    found: set[bytes] = set()
    for path in folder.rglob("*"):
        found.update(pattern.findall(str(path.relative_to(folder)).encode()))
        if path.is_file():
            found.update(pattern.findall(path.read_bytes()))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a node that has taken in, served, and let go of a whole record."""
    home = tmp_path_factory.mktemp("folder") / "home"
    with thread(home) as world:
        world.grant()
        world.grant(sections=(SectionKind.DOCUMENTS,), rights=(Right.APPEND,))
        charting.open_chart(world.agent, DOCTOR, PATIENT)
        writing.write_note(world.agent, DOCTOR, PATIENT, NOTE.encode(), amends=None, entered_in_error=None)
        revoking.revoke(world.agent, PATIENT, reader=DOCTOR)
    return home / "node"


def texts() -> list[str]:
    found = sorted({*secrets(json.loads(CLEMENTE)), NOTE, DOCTOR, "Kreiger, Clemente"})
    assert len(found) > 60
    return found


def test_the_nodes_folder_holds_nothing_that_tells_of_a_person(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) > 100_000
    assert hits(folder, texts()) == set()


@pytest.mark.parametrize("form", range(9))
@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_a_planted_string_is_found(tmp_path: Path, form: int, before: str) -> None:
    secret = texts()[40]
    planted = {
        0: (before + secret).encode(),
        1: (before + secret).encode("utf-16-le"),
        2: (before + secret).encode("utf-16-be"),
        3: (before + secret).encode().hex().encode(),
        4: (before + secret).encode().hex().upper().encode(),
    }.get(form, base64.b64encode(b"q" * (form - 5) + (before + secret + "tail").encode()))
    (tmp_path / "blob").write_bytes(b"\x01\x02" + planted)
    assert hits(tmp_path, [secret])
