"""``salus appt`` as people use it: plain words, and what is misused."""

from __future__ import annotations

from pathlib import Path

from test_cli_hours import HOURS, shown
from test_command_line import code, salus


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
