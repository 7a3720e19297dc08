"""``salus hours``, ``slots`` and ``link``, as people use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from test_command_line import code, salus

HOURS = """
name = "Sprechstunde"
zone = "Europe/Zurich"
specialties = ["Kardiologie"]
languages = ["de-CH"]
place = "Bahnhofstrasse 1, Zürich"
latitude = 47.3769
longitude = 8.5417
[[rules]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "00:00"
to = "24:00"
length = 30
"""


def shown(*words: str, home: Path) -> dict[str, Any]:
    done = salus(*words, "--json", home=home)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_hours_are_published_slots_found_a_day_closed_and_a_patient_linked(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "hours.toml"
    file.write_text(HOURS, "utf-8")
    for words in (["init"], ["person", "add", "Ada", "--role", "physician"], ["person", "add", "Pat"]):
        assert salus(*words, home=home).returncode == 0
    info = shown("hours", "publish", str(file), "--as", "Ada", home=home)
    assert (info["name"], info["opened"], info["closed"]) == ("Sprechstunde", True, [])
    near = ("slots", "find", "--specialty", "kardio", "--near", "47.38,8.54", "--language", "de", "--kind", "visit")
    found = shown(*near, home=home)["slots"]
    assert (len(found), found[0]["practitioner"], found[0]["schedule"]) == (10, "Ada", info["schedule"])
    day = found[-1]["local"][:10]
    assert f"closed since: {day}" in salus("hours", "publish", "--close", day, "--as", "Ada", home=home).stdout
    assert day in salus("hours", "list", "--as", "Ada", home=home).stdout
    assert shown("hours", "fhir", "--as", "Ada", home=home)["resourceType"] == "Bundle"
    assert "Europe/Zurich" in salus("slots", "find", "--near", "zürich", home=home).stdout
    assert code(salus("hours", "publish", "--as", "Ada", home=home)) == "cli/usage"
    assert code(salus("slots", "find", "--near", "95.0,8.0", home=home)) == "cli/usage"
    linked = shown("link", "Pat", "--number", "4711", "--assurance", "level3", "--born", "1980-01-31", "--as", "Ada", home=home)
    assert linked["link"]["numbers"] == ["4711"]
    assert "4711" in salus("inbox", "--as", "Pat", home=home).stdout
    assert "you, at" in salus("links", "--as", "Pat", home=home).stdout
    assert shown("link", "4711", "--undo", "--as", "Ada", home=home)["undone"]
