"""``salus contact``, as people use it: cards and references shown and taken in."""

from __future__ import annotations

import json
from pathlib import Path

from test_command_line import code, salus


def test_a_card_and_a_reference_are_shown_and_taken_in(tmp_path: Path) -> None:
    """CLI-21."""
    home = tmp_path / "home"
    for words in (["init"], ["person", "add", "Ada", "--role", "physician"]):
        assert salus(*words, home=home).returncode == 0
    card = json.loads(salus("contact", "show", "Ada", "--json", home=home).stdout)
    assert card["reference"] == ""
    line = salus("contact", "show", "Ada", "--ref", home=home).stdout
    shown = json.loads(salus("contact", "show", "Ada", "--qr", "--json", home=home).stdout)
    assert (shown["reference"], shown["card"]) == (line.strip(), card["card"])
    assert "█" in salus("contact", "show", "Ada", "--qr", home=home).stdout
    for given in (card["card"], line):
        added = json.loads(salus("contact", "add", "-", "--json", home=home, given=given).stdout)
        assert (added["name"], added["person"]) == ("Ada", card["person"])
    assert code(salus("contact", "add", "-", home=home, given=line[:-9])) == "codec/not-decodable"
    assert code(salus("contact", "show", "Practice", "--ref", home=home)) == ""
    assert code(salus("contact", "show", "Nobody", "--ref", home=home)) == "agent/no-such-contact"
