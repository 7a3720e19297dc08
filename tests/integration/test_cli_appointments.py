"""``salus appt`` as people use it: plain words, and what is misused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from test_cli_hours import HOURS
from test_command_line import code

from started import with_salus


def salus(*words: str, home: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["salus", *words], env=with_salus(SALUS_HOME=str(home)), input=given, capture_output=True, text=True)


def shown(*words: str, home: Path) -> Any:
    done = salus(*words, "--json", home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_appointment_is_booked_and_kept_in_plain_words(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "hours.toml"
    file.write_text(HOURS.replace('zone = "', 'lead = "0m"\nzone = "'), "utf-8")
    for words in (["init"], ["person", "add", "Ada", "--role", "physician"], ["person", "add", "Pat"]):
        assert salus(*words, home=home).returncode == 0
    assert salus("hours", "publish", str(file), "--as", "Ada", home=home).returncode == 0
    slot = shown("slots", "find", "--limit", "2", home=home)["slots"][1]
    assert code(salus("appt", "book", slot["slot"], "--share", "everything", "--as", "Pat", home=home)) == "cli/usage"
    said = salus("appt", "book", slot["slot"], "--reason", "-", "--as", "Pat", home=home, given="a cough\n").stdout
    assert "booked" in said
    assert "The practice is told who comes." in said
    day = ("appt", "today", "--day", slot["local"][:10], "--as", "Ada")
    assert "(not introduced yet)" in salus(*day, home=home).stdout
    assert "Pat comes" in salus("inbox", "--as", "Ada", home=home).stdout
    (row,) = shown(*day, home=home)["appointments"]
    assert row["reason"] == "a cough"  # what standard input says stands in no list of processes
    named = row["appointment"]["appointment"]
    assert "Pat: is there" in salus("appt", "check-in", named[:8], "--as", "Ada", home=home).stdout


def test_an_organisation_keeps_hours_and_a_desk_as_itself(tmp_path: Path) -> None:
    """Every command of the desk is given ``--as`` the member, in a home without a professional."""
    home, file = tmp_path / "home", tmp_path / "hours.toml"
    file.write_text(HOURS.replace('zone = "', 'lead = "0m"\nzone = "'), "utf-8")
    for words in (["init", "--member", "City Hospital"], ["person", "add", "Pat"]):
        assert salus(*words, home=home).returncode == 0
    by = ("--as", "City Hospital")
    assert shown("hours", "publish", str(file), *by, home=home)["opened"]
    first, second = shown("slots", "find", "--specialty", "city", "--limit", "2", home=home)["slots"]
    assert (first["practitioner"], first["organisation"]) == ("", "City Hospital")
    assert "City Hospital / Sprechstunde" in salus("slots", "find", home=home).stdout
    assert salus("appt", "book", first["slot"], "--as", "Pat", home=home).returncode == 0
    day = ("--day", first["local"][:10])
    assert "salus inbox --as 'City Hospital'" in salus("appt", "today", *day, *by, home=home).stdout
    assert "Pat comes" in salus("inbox", *by, home=home).stdout
    named = shown("appt", "today", *day, *by, home=home)["appointments"][0]["appointment"]["appointment"]
    assert "is there" in salus("appt", "check-in", named, *by, home=home).stdout
    assert shown("link", "Pat", "--number", "4711", *by, home=home)["link"]["numbers"] == ["4711"]
    assert shown("appt", "done", named, *by, home=home)["appointment"]["status"] == "fulfilled"
    called = shown("appt", "book", second["slot"], "--for", "Ruth", *by, home=home)["appointment"]["appointment"]
    assert code(salus("appt", "no-show", called, *by, home=home)) == "ledger/not-begun"
    cancelled = [
        one["name"]
        for day in {second["local"][:10], first["local"][:10]}
        for one in shown("appt", "cancel-day", "--no-offer", "--day", day, *by, home=home)["appointments"]
    ]
    assert cancelled == ["Ruth"]
    assert shown("link", "4711", "--undo", *by, home=home)["undone"]
